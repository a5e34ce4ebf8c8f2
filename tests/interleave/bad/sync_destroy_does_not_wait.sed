# The last unref frees a context that a pass still uses.
s/while \(atomic_load_explicit\(&c->busy, memory_order_acquire\)\)/while (false)/
