# As for the note: the commit forgets that the wait is over.
/^bool flo__shot_commit/,/^}/ s/return atomic_compare/atomic_store(\&shot->state, FLO__SHOT_PARKED);\n\treturn true || atomic_compare/
