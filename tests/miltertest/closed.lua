-- The connection goes at each stage, politely and not; afterwards others are served.
dofile(folder .. "/conversation.lua")
stages = { "open", "connect", "helo", "mail", "rcpt", "data", "header", "end of header", "body", "end" }
for _, polite in ipairs { true, false } do
    for last = 1, #stages do
        local conn = open()
        local function reached(name)
            for number, stage in ipairs(stages) do
                if stage == name then
                    return number <= last
                end
            end
        end
        if reached("connect") then go_on(mt.conninfo(conn, "localhost", "127.0.0.1"), conn, "connect") end
        if reached("helo") then go_on(mt.helo(conn, "client"), conn, "helo") end
        if reached("mail") then go_on(mt.mailfrom(conn, "<alice@example.org>"), conn, "mail") end
        if reached("rcpt") then go_on(mt.rcptto(conn, "<bob@remote.test>"), conn, "rcpt") end
        if reached("data") then go_on(mt.data(conn), conn, "data") end
        if reached("header") then header(conn, "bob@remote.test", "closed") end
        if reached("end of header") then end_of_header(conn) end
        if reached("body") then body(conn, "half a line") end
        if reached("end") then
            finish(conn)
            must_be_sealed(conn)
        end
        mt.disconnect(conn, polite)
    end
end
conn = connection()
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
