# The queue's lock is released before the coroutine has left its stack.
s/^\tatomic_store_explicit\(&g->state, FLO__G_PARKED/\tif (commit != NULL) {\n\t\tcommit(g, arg);\n\t\tm->commit = NULL;\n\t}\n&/
