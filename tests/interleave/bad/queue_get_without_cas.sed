# The owner moves head without looking whether a thief did.
/^struct flo__g \*flo__runq_get/,/^}/ s/while \(!(atomic_compare_exchange_weak)/while (atomic_store(\&p->head, head + 1), false \&\& !\1/
