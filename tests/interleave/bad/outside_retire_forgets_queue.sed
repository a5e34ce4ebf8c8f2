# A relief P goes away with what is in its queue.
/^void flo__relief_retire/,/^}/ s/^\tflo__sched_spill.*//
