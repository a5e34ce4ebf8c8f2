# The monitor moves head without looking whether the owner did.
/^struct flo__g \*flo__runq_take/,/^}/ s/while \(!(atomic_compare_exchange_weak)/while (atomic_store(\&p->head, head + 1), false \&\& !\1/
