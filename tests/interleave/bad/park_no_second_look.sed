# An M that gave its P up does not look into the queues again.
s/if \(missed_work\(rt\)\)/if (missed_work(rt) \&\& rt == NULL)/
