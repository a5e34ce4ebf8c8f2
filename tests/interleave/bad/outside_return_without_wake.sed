# Who comes back without a P queues its coroutine and wakes nobody.
/^void flo__blocking_return/,/^}/ s/^\tflo__sched_wake.*//
