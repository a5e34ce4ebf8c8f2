# An M that gave its P up does not look into the queues again.
s/if \(flo__sched_work_anywhere\(rt\) && flo__sched_regain/if (false \&\& flo__sched_regain/
