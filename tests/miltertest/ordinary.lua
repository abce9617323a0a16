-- An ordinary message: header changed, body replaced, recipients left alone.
dofile(folder .. "/conversation.lua")
conn = connection()
ordinary_message(conn, "bob@remote.test")
if mt.eom_check(conn, MT_BODYCHANGE, "secret text\r\n") then
    error "the body was replaced by itself"
end
if mt.eom_check(conn, MT_RCPTADD, "<bob@remote.test>") or mt.eom_check(conn, MT_RCPTDELETE, "<bob@remote.test>") or mt.eom_check(conn, MT_QUARANTINE) then
    error "recipients were changed, or the message was quarantined"
end
mt.disconnect(conn)
