-- inbound-tls = require: a remote client needs TLS, this machine does not.
dofile(folder .. "/conversation.lua")
conn = connection("host.example.com", "192.0.2.77")
if mt.mailfrom(conn, "<someone@example.com>") ~= nil then
    error "mail"
end
if mt.getreply(conn) ~= SMFIR_REPLYCODE then
    error("no refusal without TLS, but " .. tostring(mt.getreply(conn)))
end
mt.disconnect(conn)

conn = open()
go_on(mt.conninfo(conn, "host.example.com", "192.0.2.77"), conn, "connect")
mt.macro(conn, SMFIC_HELO, "{tls_version}", "TLSv1.3", "{cipher}", "TLS_AES_256_GCM_SHA384")
go_on(mt.helo(conn, "client"), conn, "helo")
mt.macro(conn, SMFIC_MAIL, "{tls_version}", "TLSv1.3")
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)

conn = connection("localhost", "127.0.0.1")
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
