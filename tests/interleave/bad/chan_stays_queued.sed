# An operation that was cancelled leaves its node in the queue.
/^static flo_status wait_one/,/^}/ s/^\t\tflo__op_unlink.*//
