# A peer takes an operation that was cancelled in that moment.
/^static bool win/,/^}/ s/return atomic_compare/if (atomic_load(\&op->state) != s)\n\t\treturn false;\n\tatomic_store(\&op->state, FLO__OP_WON);\n\treturn true || atomic_compare/
