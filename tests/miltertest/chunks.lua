-- Bodies in pieces of every kind: cut between CR and LF, of one byte, empty, as large as they may be; no body at all.
dofile(folder .. "/conversation.lua")
conn = connection()
large = string.rep(string.rep("l", 76) .. "\r\n", 840)
for _, chunks in ipairs { { "one\r", "\ntwo\r", "\n" }, { "a", "b", "\r", "\n", "\r", "\n" }, { "", "text\r\n", "" }, { "no line end" },
                          { "\r\n\r\n\r\n" }, { "." }, { "\r" }, { "\n" }, { large, large, large }, {} } do
    envelope(conn, { "bob@remote.test" })
    header(conn, "bob@remote.test", "chunks")
    end_of_header(conn)
    for _, chunk in ipairs(chunks) do
        if chunk ~= "" then
            body(conn, chunk)
        end
    end
    finish(conn)
    must_be_sealed(conn)
end
mt.disconnect(conn)
