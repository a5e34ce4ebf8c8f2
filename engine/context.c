/*
 * Note: how a context ends
 *
 * The first who finds a context alive, under its lock, ends it: it writes the
 * cause and then the status (release). Whoever ended it also ends what lies
 * below, in two passes over a list threaded through the ended contexts:
 *
 *  1. mark: walk the children of each listed context, end those that live and
 *     list them. A context is ended once, so its `next_ended` link belongs to
 *     the one who ended it, and no pass can meet a context twice.
 *  2. tell: run the watches of each listed context, one at a time, with no
 *     lock held.
 *
 * So whoever is told finds everything below ended (or being ended, where
 * someone else cancels a part at the same time), the tree may be of any depth
 * (no recursion), and context locks nest only parent -> child, while a new
 * child is linked. Refused: Go's way of holding the parent's lock over its
 * children's, which needs recursion and runs watches with locks held.
 *
 * Note: who keeps a context alive
 *
 * A child holds a reference to its parent; a parent's list holds none to its
 * children. The passes take no references either, or they would have to give
 * back the last one at times, and a deadline's timer function must not: it
 * would wait for itself in flo__timer_stop(). Instead the last unref waits.
 * The pass marks a child `busy` under the parent's lock, where it found it;
 * the last unref first unlinks the child there, so that no pass can find it
 * any more, then waits for `busy` to clear and for the deadline's function to
 * end. Passes wait for nobody but a deadline that has lost (see below), so the
 * wait is short and cannot form a circle. The context from which a pass starts is held by who cancels it.
 *
 * Note: a cause is stored once, where the end began. Contexts below point to
 * it (`origin`); an ancestor outlives them.
 *
 * Note: an ended context has no timer
 *
 * Who ends a context that has a deadline, other than the deadline itself,
 * disarms it: the canceller after its passes, the passes for what lies below,
 * whoever links a child to a parent that has ended. So a cancelled context
 * that somebody still holds keeps no timer armed, which would wake the poller
 * for nothing and look to the deadlock detector like something that may come.
 * To disarm may mean to wait for the deadline's function. That is the only
 * thing a pass waits for, and it cannot form a circle: the function has lost
 * (the context ended before), so it does nothing but find that out, under the
 * context's own lock, which no pass holds while it waits. A deadline that did
 * end its context is left to the last unref, for it may be the one that runs
 * the pass. For this a child is armed before it is linked: who finds it in its
 * parent's list may disarm it.
 */
#include "engine/context_node_p.h"

#include "base/alive.h"
#include "base/alloc.h"
#include "base/utf8.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/spin_p.h"

#include <stddef.h>
#include <stdio.h>

#define WHY_MAX 255 /* bytes of a deadline's text */

/* End @c for the reason stored in @origin. Returns false if it had ended. */
static bool end_locked(flo_context *c, flo_status status,
		       const flo_context *origin)
{
	if (atomic_load_explicit(&c->status, memory_order_relaxed) != FLO_OK)
		return false;
	c->origin = origin;
	c->next_ended = NULL;
	/* release: pairs with the acquire in flo_context_status() */
	atomic_store_explicit(&c->status, (int)status, memory_order_release);
	return true;
}

/* Take a child off @c's list and make it busy; NULL if there is none. */
static flo_context *pop_child(flo_context *c)
{
	flo_context *child;

	flo__spin_lock(&c->lock);
	child = c->children;
	if (child != NULL) {
		INSIST(child->parent == c && child->linked);
		c->children = child->child_next;
		if (c->children != NULL)
			c->children->child_prev = NULL;
		child->linked = false;
		/* relaxed: the last unref comes through this same lock */
		atomic_store_explicit(&child->busy, true, memory_order_relaxed);
	}
	flo__spin_unlock(&c->lock);
	return child;
}

/* The last touch of a pass: from here on @c may be freed. */
static void leave(flo_context *c)
{
	/* release: pairs with the acquire in destroy() */
	atomic_store_explicit(&c->busy, false, memory_order_release);
}

/* Pass 1: end everything below @top, and list it from there. */
static void mark_below(flo_context *top)
{
	flo_status status = flo_context_status(top);
	flo_context *tail = top, *child;
	bool ended;

	INSIST(status != FLO_OK);
	for (flo_context *c = top; c != NULL; c = c->next_ended) {
		while ((child = pop_child(c)) != NULL) {
			flo__spin_lock(&child->lock);
			ended = end_locked(child, status, c->origin);
			flo__spin_unlock(&child->lock);
			if (!ended) {
				leave(child);
				continue;
			}
			tail->next_ended = child;
			tail = child;
		}
	}
}

/* Run every watch of @c. The lock is free while one runs. */
static void run_watches(flo_context *c)
{
	struct flo__context_watch *watch;

	flo__spin_lock(&c->lock);
	while ((watch = c->watches.next) != &c->watches) {
		INSIST(c->running == NULL);
		c->watches.next = watch->next;
		watch->next->prev = &c->watches;
		watch->next = NULL;
		c->running = watch;
		flo__spin_unlock(&c->lock);
		watch->fn(watch);
		flo__spin_lock(&c->lock);
		c->running = NULL;
	}
	flo__spin_unlock(&c->lock);
}

/* Close its done channel, if there is one. */
static void close_done(flo_context *c)
{
	bool has_done;

	flo__spin_lock(&c->lock);
	has_done = atomic_load_explicit(&c->has_done, memory_order_relaxed);
	flo__spin_unlock(&c->lock);
	/* It may have been made closed, after the status was set. */
	if (has_done)
		flo__chan_close(flo__context_done_of(c));
}

/* By whoever ended @c, unless its own deadline did: see the note. */
static void disarm(flo_context *c)
{
	if (c->has_timer)
		flo__timer_stop(c->rt, &c->timer);
	c->has_timer = false;
}

/* What follows the end of @top: all below it ends, then all are told. */
static void spread(flo_context *top)
{
	flo_context *next;

	mark_below(top);
	for (flo_context *c = top; c != NULL; c = next) {
		next = c->next_ended;
		run_watches(c);
		close_done(c);
		if (c != top) {
			disarm(c);
			leave(c);
		}
	}
}

static void deadline_came(struct flo__timer *timer)
{
	flo_context *c =
		(flo_context *)((char *)timer - offsetof(flo_context, timer));
	bool ended;

	flo__spin_lock(&c->lock);
	ended = end_locked(c, FLO_TIMEOUT, c);
	flo__spin_unlock(&c->lock);
	if (ended)
		spread(c);
}

/* Only the first byte of each text: clearing all of it costs more than both. */
static void error_init(flo_error *err, flo_status status)
{
	err->status = status;
	err->code = 0;
	err->line = 0;
	err->column = 0;
	err->where[0] = '\0';
	err->text[0] = '\0';
}

flo_context *flo__context_alloc(flo_runtime *rt, flo_context *parent)
{
	flo_context *c = flo__malloc(FLO__CONTEXT_DONE_AT + sizeof(flo_chan));

	if (c == NULL)
		return NULL;
	atomic_init(&c->refs, 1);
	flo__alive_begin(&c->alive);
	atomic_init(&c->status, FLO_OK);
	c->lock = 0;
	c->rt = rt;
	c->parent = flo_context_ref(parent);
	c->deadline_ns = parent != NULL ? parent->deadline_ns : UINT64_MAX;
	c->has_timer = false;
	c->linked = false;
	atomic_init(&c->busy, false);
	atomic_init(&c->has_done, false);
	c->key = NULL;
	c->value = NULL;
	c->dispose = NULL;
	c->child_next = NULL;
	c->child_prev = NULL;
	c->children = NULL;
	c->watches.next = &c->watches;
	c->watches.prev = &c->watches;
	c->watches.fn = NULL;
	c->running = NULL;
	c->origin = NULL;
	c->next_ended = NULL;
	c->timer = (struct flo__timer){0};
	error_init(&c->cause, FLO_TIMEOUT);
	return c;
}

void flo__context_link(flo_context *c)
{
	flo_context *parent = c->parent;
	flo_status status;
	bool ended = false;

	flo__spin_lock(&parent->lock);
	status = (flo_status)atomic_load_explicit(&parent->status,
						  memory_order_relaxed);
	if (status != FLO_OK) {
		flo__spin_lock(&c->lock);
		ended = end_locked(c, status, parent->origin);
		flo__spin_unlock(&c->lock);
	} else {
		c->child_next = parent->children;
		if (c->child_next != NULL)
			c->child_next->child_prev = c;
		parent->children = c;
		c->linked = true;
	}
	flo__spin_unlock(&parent->lock);
	if (ended)
		disarm(c);
}

static void unlink_from_parent(flo_context *c)
{
	flo_context *parent = c->parent;

	flo__spin_lock(&parent->lock);
	if (c->linked) {
		if (c->child_prev != NULL)
			c->child_prev->child_next = c->child_next;
		else
			parent->children = c->child_next;
		if (c->child_next != NULL)
			c->child_next->child_prev = c->child_prev;
		c->linked = false;
	}
	flo__spin_unlock(&parent->lock);
}

flo_context *flo_context_new(struct flo_runtime *runtime)
{
	flo_context *c = flo__context_alloc(runtime, NULL);

	if (c != NULL && runtime != NULL)
		flo__runtime_context(runtime, 1);
	return c;
}

flo_context *flo_context_child(flo_context *parent)
{
	flo_context *c;

	REQUIRE_RULE(parent != NULL, "there is no parent");
	REQUIRE_ALIVE(parent, "parent");
	c = flo__context_alloc(parent->rt, parent);
	if (c != NULL)
		flo__context_link(c);
	return c;
}

/* A context of its own deadline, @timeout_ns away, neither armed nor linked. */
static flo_context *child_until(flo_context *parent, uint64_t timeout_ns,
				const char *why)
{
	uint64_t now = flo__runtime_now(parent->rt);
	flo_context *c = flo__context_alloc(parent->rt, parent);

	if (c == NULL)
		return NULL;
	if (timeout_ns < UINT64_MAX - now &&
	    now + timeout_ns < c->deadline_ns) {
		c->deadline_ns = now + timeout_ns;
		c->has_timer = true;
		flo__utf8_copy(c->cause.text, WHY_MAX + 1,
			       why != NULL ? why
					   : flo_status_text(FLO_TIMEOUT));
	}
	return c;
}

/* Its time has passed before it was made. */
static flo_context *born_late(flo_context *c)
{
	c->has_timer = false;
	flo__context_link(c);
	deadline_came(&c->timer);
	return c;
}

flo_context *flo_context_timeout(flo_context *parent, uint64_t timeout_ns,
				 const char *why)
{
	flo_context *c;

	REQUIRE_RULE(parent != NULL, "there is no parent");
	REQUIRE_ALIVE(parent, "parent");
	REQUIRE_RULE(parent->rt != NULL, "the tree has no runtime");
	c = child_until(parent, timeout_ns, why);
	if (c == NULL)
		return NULL;
	/* What has ended already ends it, however soon its own time is over. */
	if (flo_context_status(parent) != FLO_OK)
		c->has_timer = false;
	if (c->has_timer && timeout_ns == 0)
		return born_late(c);
	if (c->has_timer && flo__timer_start(c->rt, &c->timer, c->deadline_ns,
					     deadline_came) != FLO_OK) {
		c->has_timer = false;
		flo_context_unref(c);
		return NULL;
	}
	flo__context_link(c);
	return c;
}

flo_context *flo_context_ref(flo_context *context)
{
	uint32_t before;

	if (context == NULL)
		return NULL;
	REQUIRE_ALIVE(context, "context");
	/* relaxed: the caller's own reference keeps it alive meanwhile */
	before = atomic_fetch_add_explicit(&context->refs, 1,
					   memory_order_relaxed);
	REQUIRE_RULE(before > 0 && before < UINT32_MAX,
		     "no reference, or too many");
	return context;
}

static bool done_is_waited_for(flo_context *c)
{
	return atomic_load_explicit(&c->has_done, memory_order_relaxed) &&
	       flo__chan_is_waited_for(flo__context_done_of(c));
}

static void destroy(flo_context *c)
{
	unsigned round = 0;

	if (c->parent != NULL)
		unlink_from_parent(c);
	/* acquire: pairs with the release in leave() */
	while (atomic_load_explicit(&c->busy, memory_order_acquire))
		flo__spin_backoff(&round);
	/* Waits for a deadline that is just passing: it still uses @c. */
	if (c->has_timer)
		flo__timer_stop(c->rt, &c->timer);
	INSIST(c->children == NULL);
	REQUIRE_OF("flo_context_unref",
		   c->watches.next == &c->watches && !done_is_waited_for(c),
		   "somebody waits for the context's end");
	INSIST(c->running == NULL);
	if (c->parent == NULL && c->rt != NULL)
		flo__runtime_context(c->rt, -1);
	if (c->dispose != NULL)
		c->dispose(c->value);
	if (atomic_load_explicit(&c->has_done, memory_order_relaxed))
		flo__alive_end(&flo__context_done_of(c)->alive);
	flo__alive_end(&c->alive);
	flo__alive_free(c, sizeof(*c));
}

void flo_context_unref(flo_context *context)
{
	flo_context *parent;
	uint32_t before;

	/* A loop, not recursion: a chain of parents may be long. */
	for (; context != NULL; context = parent) {
		REQUIRE_ALIVE(context, "context");
		/* acq_rel: what all holders wrote comes before the free */
		before = atomic_fetch_sub_explicit(&context->refs, 1,
						   memory_order_acq_rel);
		REQUIRE_RULE(before > 0, "there is no reference to give back");
		if (before > 1)
			return;
		parent = context->parent;
		destroy(context);
	}
}

void flo_context_cancel(flo_context *context, const flo_error *cause)
{
	bool ended;

	REQUIRE_RULE(context != NULL, "there is no context");
	REQUIRE_ALIVE(context, "context");
	/* The cheap question first: most contexts are cancelled repeatedly. */
	if (flo_context_status(context) != FLO_OK)
		return;
	flo__spin_lock(&context->lock);
	ended = atomic_load_explicit(&context->status, memory_order_relaxed) !=
		FLO_OK;
	if (!ended) {
		if (cause != NULL && cause->status != FLO_OK) {
			context->cause = *cause;
		} else {
			error_init(&context->cause, FLO_CANCELED);
			snprintf(context->cause.text, WHY_MAX + 1, "%s",
				 flo_status_text(FLO_CANCELED));
		}
		end_locked(context, FLO_CANCELED, context);
	}
	flo__spin_unlock(&context->lock);
	if (!ended) {
		spread(context);
		disarm(context);
	}
}

flo_status flo_context_status(const flo_context *context)
{
	REQUIRE_RULE(context != NULL, "there is no context");
	REQUIRE_ALIVE(context, "context");
	/* acquire: pairs with the release in end_locked() */
	return (flo_status)atomic_load_explicit(&context->status,
						memory_order_acquire);
}

flo_status flo_context_cause(const flo_context *context, flo_error *ret_cause)
{
	flo_status status = flo_context_status(context);

	if (status != FLO_OK && ret_cause != NULL)
		*ret_cause = context->origin->cause;
	return status;
}

struct flo_runtime *flo__context_runtime(const flo_context *context)
{
	return context->rt;
}

uint64_t flo_context_deadline(const flo_context *context)
{
	REQUIRE_RULE(context != NULL, "there is no context");
	REQUIRE_ALIVE(context, "context");
	return context->deadline_ns;
}

bool flo__context_watch_add(flo_context *context,
			    struct flo__context_watch *watch)
{
	bool alive;

	REQUIRE(watch->fn != NULL);
	flo__spin_lock(&context->lock);
	alive = atomic_load_explicit(&context->status, memory_order_relaxed) ==
		FLO_OK;
	watch->next = NULL;
	if (alive) {
		watch->next = &context->watches;
		watch->prev = context->watches.prev;
		watch->prev->next = watch;
		context->watches.prev = watch;
	}
	flo__spin_unlock(&context->lock);
	return alive;
}

bool flo__context_watch_del(flo_context *context,
			    struct flo__context_watch *watch)
{
	unsigned round = 0;
	bool linked;

	flo__spin_lock(&context->lock);
	linked = watch->next != NULL;
	if (linked) {
		watch->prev->next = watch->next;
		watch->next->prev = watch->prev;
		watch->next = NULL;
	}
	/* Its fn is short and does not park: it ends without our help. */
	while (context->running == watch) {
		flo__spin_unlock(&context->lock);
		flo__spin_backoff(&round);
		flo__spin_lock(&context->lock);
	}
	flo__spin_unlock(&context->lock);
	return linked;
}
