-- Helpers for the scripts of this folder; each begins with: dofile(folder .. "/conversation.lua")
-- Globals from the command line: folder, socket, and what the single script asks for.

-- miltertest keeps the text of an error to itself.
local raise = error
function error(text)
    io.stderr:write(debug.traceback(text, 2), "\n")
    raise(text)
end

function open()
    local conn = mt.connect(socket)
    if conn == nil then
        error "cannot connect to the milter"
    end
    return conn
end

-- Nothing went wrong in sending, and the milter said what was expected.
function expect(failure, conn, reply, what)
    if failure ~= nil then
        error(what .. ": " .. failure)
    end
    local got = mt.getreply(conn)
    if got ~= reply then
        error(what .. ": the reply is " .. tostring(got) .. ", not " .. tostring(reply))
    end
end

function go_on(failure, conn, what)
    expect(failure, conn, SMFIR_CONTINUE, what)
end

-- A header field may be taken without any reply (SMFIP_NR_HDR).
function field(conn, name, value)
    local failure = mt.header(conn, name, value)
    if failure ~= nil then
        error("header " .. name .. ": " .. failure)
    end
end

function connection(host, address)
    local conn = open()
    go_on(mt.conninfo(conn, host or "localhost", address or "127.0.0.1"), conn, "connect")
    go_on(mt.helo(conn, "client.example.org"), conn, "helo")
    return conn
end

function envelope(conn, recipients)
    mt.macro(conn, SMFIC_MAIL, "i", "QUEUE" .. tostring(os.clock()))
    go_on(mt.mailfrom(conn, "<alice@example.org>"), conn, "mail")
    for _, recipient in ipairs(recipients) do
        go_on(mt.rcptto(conn, "<" .. recipient .. ">"), conn, "rcpt " .. recipient)
    end
    go_on(mt.data(conn), conn, "data")
end

function header(conn, recipient, subject)
    field(conn, "From", "Alice <alice@example.org>")
    field(conn, "To", recipient)
    field(conn, "Subject", subject)
    field(conn, "MIME-Version", "1.0")
    field(conn, "Content-Type", "text/plain; charset=utf-8")
    field(conn, "Content-Transfer-Encoding", "8bit")
end

function end_of_header(conn)
    go_on(mt.eoh(conn), conn, "end of header")
end

function body(conn, text)
    go_on(mt.bodystring(conn, text), conn, "body")
end

function finish(conn)
    local failure = mt.eom(conn)
    if failure ~= nil then
        error("end of message: " .. failure)
    end
    return mt.getreply(conn)
end

-- The message that was finished has been sealed.
function must_be_sealed(conn)
    if mt.getreply(conn) ~= SMFIR_CONTINUE then
        error("not sealed: the verdict is " .. tostring(mt.getreply(conn)))
    end
    if not mt.eom_check(conn, MT_HDRCHANGE, "Subject") then
        error "the Subject was not changed"
    end
    if not mt.eom_check(conn, MT_HDRDELETE, "Content-Transfer-Encoding") then
        error "Content-Transfer-Encoding was not deleted"
    end
    if not mt.eom_check(conn, MT_BODYCHANGE) then
        error "the body was not replaced"
    end
end

-- The message that was finished has been left as it is.
function must_be_untouched(conn)
    if mt.eom_check(conn, MT_BODYCHANGE) or mt.eom_check(conn, MT_HDRCHANGE) or mt.eom_check(conn, MT_HDRADD) or
        mt.eom_check(conn, MT_HDRDELETE) then
        error "the message was changed"
    end
end

function ordinary_message(conn, recipient)
    envelope(conn, { recipient })
    header(conn, recipient, "secret subject")
    end_of_header(conn)
    body(conn, "secret text\r\n")
    finish(conn)
    must_be_sealed(conn)
end
