# A coroutine from outside is queued after the wake that was for it.
s/^\tflo__sched_wake\(rt\);$/\t/
s/^\tflo__glist_push\(&list, g\);/\tflo__sched_wake(rt);\n&/
