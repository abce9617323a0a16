-- More than a thousand recipients: one without a certificate among them refuses the message and is named.
dofile(folder .. "/conversation.lua")
conn = connection()
many = {}
for number = 1, 1200 do
    many[number] = (number % 2 == 0 and "bob" or "carol") .. "@remote.test"
end
envelope(conn, many)
header(conn, "bob@remote.test, carol@remote.test", "many")
end_of_header(conn)
body(conn, "text\r\n")
finish(conn)
must_be_sealed(conn)

many[1000] = "nobody@remote.test"
envelope(conn, many)
header(conn, "bob@remote.test, carol@remote.test", "many")
end_of_header(conn)
body(conn, "text\r\n")
finish(conn)
if not mt.eom_check(conn, MT_SMTPREPLY, "550", "5.7.1",
                    "Message cannot be sealed: <nobody@remote.test>: no certificate") then
    error "the reply does not name the recipient"
end
must_be_untouched(conn)

for _, strange in ipairs { "", "<>", "postmaster", "@remote.test", "bob@", "bob@remote.test\r\nx", "\"bob\"@remote.test",
                           "b\195\182b@remote.test", string.rep("x", 900) .. "@remote.test", "<<bob@remote.test>>", "a@b@remote.test" } do
    mt.macro(conn, SMFIC_MAIL, "i", "STRANGE")
    go_on(mt.mailfrom(conn, strange), conn, "mail")
    go_on(mt.rcptto(conn, strange), conn, "rcpt")
    go_on(mt.data(conn), conn, "data")
    header(conn, "bob@remote.test", "strange")
    end_of_header(conn)
    body(conn, "text\r\n")
    finish(conn) -- whatever the verdict: no change unless it is sealed
    if not mt.eom_check(conn, MT_BODYCHANGE) and mt.getreply(conn) == SMFIR_CONTINUE then
        must_be_untouched(conn)
    end
end
mt.disconnect(conn)
