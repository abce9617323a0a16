-- Two messages on one connection: the second begins empty.
dofile(folder .. "/conversation.lua")
conn = connection()
ordinary_message(conn, "bob@remote.test")
ordinary_message(conn, "carol@remote.test")
-- Refused for its recipient; the next one has another.
envelope(conn, { "nobody@remote.test" })
header(conn, "nobody@remote.test", "refused")
end_of_header(conn)
body(conn, "text\r\n")
finish(conn)
if not mt.eom_check(conn, MT_SMTPREPLY, "550", "5.7.1",
                    "Message cannot be sealed: <nobody@remote.test>: no certificate") then
    error "no 550 5.7.1"
end
must_be_untouched(conn)
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
