# Nobody tells who waits in flo_runtime_free() that all has ended.
/^static bool drop_p/,/^}/ s/if \(rt->waiting > 0 .*/if (false) {/
