-- The arguments of mt.negotiate() are version, steps, actions; its manual page has the last two in the other order.
-- MTAs that offer less: without the right to change a message the milter does not work with them at all.
dofile(folder .. "/conversation.lua")
conn = open()
if mt.negotiate(conn, 6, 0, SMFIF_ADDHDRS) == nil and mt.conninfo(conn, "localhost", "127.0.0.1") == nil and
    mt.getreply(conn) == SMFIR_CONTINUE then
    error "it goes on with an MTA that lets it change nothing"
end
-- No protocol steps on offer: no leading space, replies to everything.
conn = open()
if mt.negotiate(conn, 6, 0, SMFIF_ADDHDRS + SMFIF_CHGHDRS + SMFIF_CHGBODY) ~= nil then
    error "it does not work with an MTA that offers no protocol steps"
end
go_on(mt.conninfo(conn, "localhost", "127.0.0.1"), conn, "connect")
ordinary_message(conn, "bob@remote.test")
mt.disconnect(conn)
