-- The reinjection listener is for copies that Lockbox hands back: whoever else comes there is refused at MAIL, whatever
-- name they give. At every other entrance, such a name is a name.
dofile(folder .. "/conversation.lua")

function greeted_as(name, daemon)
    local conn = open()
    mt.macro(conn, SMFIC_CONNECT, "{daemon_name}", daemon)
    go_on(mt.conninfo(conn, "localhost", "127.0.0.1"), conn, "connect")
    go_on(mt.helo(conn, name), conn, "helo " .. name)
    return conn
end

local guessed = "0123456789abcdef0123456789abcdef.lockbox.invalid"
for _, name in ipairs({ guessed, ".lockbox.invalid", "client.example.org" }) do
    local conn = greeted_as(name, "lockbox-reinject")
    for attempt = 1, 2 do
        expect(mt.mailfrom(conn, "<alice@example.org>"), conn, SMFIR_REPLYCODE, "MAIL of " .. name)
        mt.abort(conn)
    end
    mt.disconnect(conn)
end

local conn = greeted_as(guessed, "smtpd")
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
