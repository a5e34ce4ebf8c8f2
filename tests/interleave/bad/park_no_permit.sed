# A wake before the sleep is forgotten.
s/^\twhile \(atomic_exchange_explicit\(&m->park/\tatomic_store(\&m->park, 0);\n&/
