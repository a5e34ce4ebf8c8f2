# R1: who stops spinning leaves the rest of the work to nobody.
s/^\t\tflo__sched_hint\(rt\); .. R1 .*/\t\t{ }/
