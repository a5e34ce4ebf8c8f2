# A full ring is halved without looking whether a thief came first.
s/if \(!(atomic_compare_exchange_strong_explicit\(&p->head)/if (atomic_store(\&p->head, head + FLO__RING_LEN \/ 2), false \&\& !\1/
