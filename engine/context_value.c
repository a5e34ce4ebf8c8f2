/*
 * What a context carries besides its end: a value, and a channel to select on.
 *
 * Note: the done channel lies behind the context in the same memory, so that
 * to ask for it cannot fail. It comes to life (`has_done`) under the lock when
 * it is first asked for: closed, if the context has ended by then, and else to
 * be closed by the pass, which looks after it has set the status.
 */
#include "engine/context_node_p.h"

#include "base/alive.h"
#include "engine/sync/spin_p.h"

flo_context *flo_context_with_value(flo_context *parent, const void *key,
				    void *value, void (*dispose)(void *value))
{
	flo_context *c;

	REQUIRE_RULE(parent != NULL, "there is no parent");
	REQUIRE_ALIVE(parent, "parent");
	REQUIRE_RULE(key != NULL, "there is no key");
	c = flo__context_alloc(parent->rt, parent);
	if (c == NULL)
		return NULL;
	c->key = key;
	c->value = value;
	c->dispose = dispose;
	flo__context_link(c);
	return c;
}

void *flo_context_value(const flo_context *context, const void *key)
{
	REQUIRE_RULE(context != NULL, "there is no context");
	REQUIRE_ALIVE(context, "context");
	REQUIRE_RULE(key != NULL, "there is no key");
	for (; context != NULL; context = context->parent)
		if (context->key == key)
			return context->value;
	return NULL;
}

struct flo_chan *flo_context_done(flo_context *context)
{
	flo_chan *done;

	REQUIRE_RULE(context != NULL, "there is no context");
	REQUIRE_ALIVE(context, "context");
	done = flo__context_done_of(context);
	/* acquire: pairs with the release below */
	if (atomic_load_explicit(&context->has_done, memory_order_acquire))
		return done;
	flo__spin_lock(&context->lock);
	if (!atomic_load_explicit(&context->has_done, memory_order_relaxed)) {
		flo__chan_init(done, 0, 0);
		done->lent = true;
		done->closed = flo_context_status(context) != FLO_OK;
		atomic_store_explicit(&context->has_done, true,
				      memory_order_release);
	}
	flo__spin_unlock(&context->lock);
	return done;
}
