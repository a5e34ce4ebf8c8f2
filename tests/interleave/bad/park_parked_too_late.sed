# The coroutine says that it is parked only after others could have seen it.
/^void flo__park/,/^}/ s/^\tatomic_store_explicit\(&g->state, FLO__G_PARKED.*//
/^static void park/,/^}/ s/^\t\tcall_off\(m, g\);/&\n\telse\n\t\tatomic_store(\&g->state, FLO__G_PARKED);/
