-- An abort at each stage, and a whole message after it on the same connection. What the aborted one had, a recipient without
-- certificate and more bytes than are allowed together, must not count for the other.
dofile(folder .. "/conversation.lua")
conn = connection()
for _, stage in ipairs { "mail", "rcpt", "data", "header", "end of header", "body" } do
    mt.macro(conn, SMFIC_MAIL, "i", "ABORTED")
    go_on(mt.mailfrom(conn, "<alice@example.org>"), conn, "mail")
    if stage ~= "mail" then
        go_on(mt.rcptto(conn, "<nobody@remote.test>"), conn, "rcpt")
    end
    if stage ~= "mail" and stage ~= "rcpt" then
        go_on(mt.data(conn), conn, "data")
    end
    if stage == "header" or stage == "end of header" or stage == "body" then
        header(conn, "nobody@remote.test", "aborted")
    end
    if stage == "end of header" or stage == "body" then
        end_of_header(conn)
    end
    if stage == "body" then
        for _ = 1, 30 do
            body(conn, string.rep("0123456789abcdef", 4000))
        end
    end
    if mt.abort(conn) ~= nil then
        error("abort after " .. stage)
    end
    ordinary_message(conn, "bob@remote.test")
end
-- Twice, and with nothing to abort.
mt.abort(conn)
mt.abort(conn)
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
