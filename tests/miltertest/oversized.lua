-- Larger than message-size-max (1 MB here): 552, and room for the next message.
dofile(folder .. "/conversation.lua")
limit = "Message is larger than the 1000000 octets that can be sealed (message-size-max)"
conn = connection()
envelope(conn, { "bob@remote.test" })
header(conn, "bob@remote.test", "too large")
end_of_header(conn)
for _ = 1, 16 do
    body(conn, string.rep("0123456789abcde\n", 4000))
end
finish(conn)
if not mt.eom_check(conn, MT_SMTPREPLY, "552", "5.3.4", limit) then
    error "no 552 5.3.4"
end
must_be_untouched(conn)
ordinary_message(conn, "bob@remote.test")

-- In its header alone; miltertest sends no field above 1 KB.
envelope(conn, { "bob@remote.test" })
for number = 1, 1200 do
    field(conn, "X-Wide-" .. number, string.rep("x", 900))
end
end_of_header(conn)
body(conn, "text\r\n")
finish(conn)
if not mt.eom_check(conn, MT_SMTPREPLY, "552", "5.3.4", limit) then
    error "no 552 5.3.4 for a header section"
end
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
