# The napper goes on with its P though another has taken it.
s/if \(atomic_exchange\(&rt->napping, NULL\) == NULL\)/if (atomic_exchange(\&rt->napping, NULL) == p \&\& p == NULL)/
