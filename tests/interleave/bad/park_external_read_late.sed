# Whether the park was for something outside is read when another thread may
# run the coroutine already.
/^static void call_off/,/^}/s/if \(external\)/if (g->external)/
