-- 8-bit bytes, control characters and broken encodings in header fields; fields that occur twice; no header at all.
dofile(folder .. "/conversation.lua")
conn = connection()
for _, subject in ipairs { "Gr\252\223e", "Gr\195\182\195\159e \232\170\158", "=?utf-8?B?!!!?=", "=?utf-8?Q?=ZZ", "\1\2\127 tab\tbell\7",
                           "\255\254\253", "\192\128 overlong", "folded\n in\n\tmany\n  ways", " ", "" } do
    envelope(conn, { "bob@remote.test" })
    header(conn, "bob@remote.test", subject)
    field(conn, "To", "\"unclosed <bob@remote.test")
    field(conn, "Cc", ",,;:<>@((\"")
    field(conn, "Content-Type", "multipart/mixed; boundary=")
    field(conn, "Content-Type", ";;;")
    field(conn, "content-type", "text/plain; charset=\"\\")
    field(conn, "Message-ID", "no brackets")
    end_of_header(conn)
    body(conn, "text\r\n")
    finish(conn)
    must_be_sealed(conn)
end
envelope(conn, { "bob@remote.test" })
end_of_header(conn)
body(conn, "text\r\n")
finish(conn)
if mt.getreply(conn) ~= SMFIR_CONTINUE or not mt.eom_check(conn, MT_BODYCHANGE) then
    error "a message without header was not sealed"
end
mt.disconnect(conn)
