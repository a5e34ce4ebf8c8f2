# The waiter puts itself into the note without looking who was there.
/^static bool note_commit/,/^}/ s/return atomic_compare/atomic_store(\&note->state, (uintptr_t)g);\n\treturn true || atomic_compare/
