# The owner moves head without looking whether a thief did.
s/while \(!(atomic_compare_exchange_weak)/while (atomic_store(\&p->head, head + 1), false \&\& !\1/
