# The owner shows an element before it is there.
s/atomic_store_explicit\(&p->ring.slot\(tail\)., g,/atomic_store(\&p->tail, tail + 1); &/
