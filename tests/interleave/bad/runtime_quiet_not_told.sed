# Nobody tells who waits in flo_runtime_free() that all has ended.
/^bool flo__sched_drop/,/^}/ s/if \(rt->waiting > 0 .*/if (false) {/
