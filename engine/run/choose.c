/*
 * Which steps a rerun takes over.
 *
 * First the old run is inspected, so that the state of each of its steps and
 * blocks is known as `show` tells it. Then the plan is gone over in the order
 * of its steps: what has ended well is taken over, unless something that comes
 * before it runs again. What runs again is what has not ended well, and the
 * step that the caller named, with all in it. A block that has anything in it
 * that runs again does so itself, for those that come after it.
 *
 * A `finally` belongs to what it comes after: that of a block runs again, all of
 * it, if anything in the block does, and that of the run always. Taking it over
 * in a block that is taken over as a whole is what keeps a rerun from undoing
 * what it has not done.
 *
 * Where a step is named, failures that counted for nothing, since they were
 * allowed or tolerated, are taken over, too: what comes before that step is not
 * to run again. In a block that has failed so, all is taken over as it ended.
 * Without a name they are failures, and run again.
 *
 * The items of a foreach come from params or from what is before it. So where
 * they may be others in the new run, nothing in it is taken over.
 *
 * Recursion is bounded by FLO__PLAN_DEPTH_MAX, as in tree.c.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdlib.h>
#include <string.h>

struct choice {
	struct flo__run *old;
	const char *from; /* NULL: no step is named */
	struct flo__arena keys;
	struct flo__map states; /* path -> enum flo__state */
	struct flo__chosen *chosen;
	flo_status st; /* the first failure: no memory */
};

/* ---- states ---- */

static void note_state(void *arg, const struct flo__run_step *step)
{
	struct choice *c = arg;
	union flo__map_slot *slot;

	if (flo__map_put(&c->states, step->path, &slot) == FLO_NOMEM)
		c->st = FLO_NOMEM;
	else
		slot->n = step->state;
}

static enum flo__state state_of(const struct choice *c, const char *path)
{
	const union flo__map_slot *slot = flo__map_get(&c->states, path);

	return slot != NULL ? (enum flo__state)slot->n : FLO__STATE_NONE;
}

/* ---- what is taken over ---- */

static const struct flo__preset *preset_of(const struct choice *c,
					   const char *path)
{
	const union flo__map_slot *slot = flo__map_get(&c->old->presets, path);

	return slot != NULL ? slot->ptr : NULL;
}

/* The path as the presets have it: it lives as long as they do. */
static const char *key_of(const struct choice *c, const char *path)
{
	union flo__map_slot *slot = flo__map_get(&c->old->presets, path);
	const struct flo__map_entry *entry =
		(const void *)((const char *)slot -
			       offsetof(struct flo__map_entry, slot));

	return entry->key;
}

static void put(struct choice *c, const char *path)
{
	struct flo__chosen *chosen = c->chosen;

	if (chosen->len == chosen->cap) {
		size_t cap = 2 * chosen->cap + 64;
		const char **paths =
			flo__reallocarray(chosen->paths, cap, sizeof(*paths));

		if (paths == NULL) {
			c->st = FLO_NOMEM;
			return;
		}
		chosen->paths = paths;
		chosen->cap = cap;
	}
	chosen->paths[chosen->len++] = key_of(c, path);
}

/* Take over the end of @path, if it is recorded. Returns whether it is. */
static bool take(struct choice *c, const char *path)
{
	const struct flo__preset *preset = preset_of(c, path);

	if (preset == NULL)
		return false;
	switch (preset->result.state) {
	case FLO__STATE_SUCCEEDED:
	case FLO__STATE_SKIPPED:
	case FLO__STATE_FAILED:
	case FLO__STATE_CANCELLED:
		put(c, path);
		return true;
	default:
		return false;
	}
}

static bool is_well(enum flo__state state)
{
	return state == FLO__STATE_SUCCEEDED || state == FLO__STATE_SKIPPED;
}

/* Whether the named step is @path, or within it. */
static bool is_named(const struct choice *c, const char *path)
{
	size_t len = strlen(path);

	return c->from != NULL && strncmp(c->from, path, len) == 0 &&
	       (c->from[len] == '\0' || c->from[len] == '.' ||
		c->from[len] == '[');
}

/* ---- going over the plan ---- */

/*
 * Both return whether anything in node @id at @path runs again. @forgiven: the
 * block around succeeded, whatever failed in it. @all: it is taken over as it
 * ended.
 */
static bool choose(struct choice *c, uint32_t id, const char *path,
		   bool forgiven, bool all);

/* As choose(); @path is taken, and NULL without memory. */
static bool choose_at(struct choice *c, uint32_t id, char *path, bool forgiven,
		      bool all)
{
	bool again = true;

	if (path == NULL)
		c->st = FLO_NOMEM;
	else
		again = choose(c, id, path, forgiven, all);
	flo__free(path);
	return again;
}

static bool choose_child(struct choice *c, uint32_t child, const char *path,
			 bool forgiven, bool all)
{
	const struct flo__node *node = &c->old->plan->nodes[child];

	return choose_at(c, child, flo__path_child(path, node->name), forgiven,
			 all);
}

/* The queue of a group's members in an order in which needs come first. */
struct order {
	uint32_t *queue;   /* owned, as the others; positions */
	uint32_t *pending; /* needs that are not yet chosen */
	bool *again;
};

static bool order_init(struct order *o, const struct flo__plan *plan,
		       const struct flo__node *node, uint32_t *ret_len)
{
	uint32_t n = node->children_len;

	o->queue = flo__calloc(n + 1, sizeof(*o->queue));
	o->pending = flo__calloc(n + 1, sizeof(*o->pending));
	o->again = flo__calloc(n + 1, sizeof(*o->again));
	*ret_len = 0;
	if (o->queue == NULL || o->pending == NULL || o->again == NULL)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t child = plan->children[node->first_child + i];

		o->pending[i] = plan->nodes[child].deps_len;
		if (o->pending[i] == 0)
			o->queue[(*ret_len)++] = i;
	}
	return true;
}

static void order_fini(struct order *o)
{
	flo__free(o->queue);
	flo__free(o->pending);
	flo__free(o->again);
}

static bool group_again(struct choice *c, const struct flo__node *node,
			const char *path, bool forgiven, bool all)
{
	const struct flo__plan *plan = c->old->plan;
	struct order o = {0};
	bool again = false;
	uint32_t len = 0;

	if (!order_init(&o, plan, node, &len)) {
		c->st = FLO_NOMEM;
		order_fini(&o);
		return true;
	}
	for (uint32_t i = 0; i < len; i++) {
		uint32_t pos = o.queue[i];
		uint32_t id = plan->children[node->first_child + pos];
		const struct flo__node *member = &plan->nodes[id];

		if (!o.again[pos])
			o.again[pos] = choose_child(c, id, path, forgiven, all);
		again |= o.again[pos];
		for (uint32_t j = 0; j < member->succs_len; j++) {
			uint32_t succ = plan->edges[member->first_succ + j];
			uint32_t to = plan->nodes[succ].pos;

			o.again[to] |= o.again[pos];
			if (--o.pending[to] == 0)
				o.queue[len++] = to;
		}
	}
	order_fini(&o);
	return again;
}

static bool body_again(struct choice *c, uint32_t id, const char *path,
		       bool forgiven, bool all)
{
	const struct flo__plan *plan = c->old->plan;
	const struct flo__node *node = &plan->nodes[id];
	const uint32_t *children = &plan->children[node->first_child];
	bool again = false;

	if (node->kind == FLO__NODE_FOREACH) {
		uint64_t n = flo__preset_items(c->old, path);

		for (uint64_t i = 0; i < n; i++)
			again |= choose_at(c, children[0],
					   flo__path_item(path, i), forgiven,
					   all);
		return again;
	}
	if (node->kind == FLO__NODE_GROUP)
		return group_again(c, node, path, forgiven, all);
	for (uint32_t i = 0; i < node->children_len && (all || !again); i++)
		again |= choose_child(c, children[i], path, forgiven, all);
	return again;
}

/* The finally of block @id, of which nothing else runs again. */
static bool finally_again(struct choice *c, uint32_t id, const char *path,
			  bool all)
{
	const struct flo__plan *plan = c->old->plan;
	uint32_t body = plan->blocks[plan->nodes[id].spec].finally;
	size_t len = c->chosen->len;

	if (body == FLO__NODE_NONE)
		return false;
	if (!choose_at(c, body, flo__path_child(path, "finally"), true, all))
		return false;
	if (!all)
		c->chosen->len = len; /* all of it runs */
	return true;
}

static bool block_again(struct choice *c, uint32_t id, const char *path,
			bool all)
{
	enum flo__state state = state_of(c, path);

	if (state == FLO__STATE_SKIPPED)
		return is_named(c, path) || !take(c, path);
	if (body_again(c, id, path, state == FLO__STATE_SUCCEEDED, all) && !all)
		return true;
	if (state != FLO__STATE_SUCCEEDED && !all)
		return true;
	if (finally_again(c, id, path, all) && !all)
		return true;
	/* Of itself it may have an end, too. */
	take(c, path);
	return false;
}

static bool choose(struct choice *c, uint32_t id, const char *path,
		   bool forgiven, bool all)
{
	const struct flo__node *node = &c->old->plan->nodes[id];
	enum flo__state state = state_of(c, path);

	if (c->st != FLO_OK || (c->from != NULL && strcmp(c->from, path) == 0))
		return true;
	if (state == FLO__STATE_FAILED && c->from != NULL &&
	    !is_named(c, path) && (node->allow_failure || forgiven))
		all = true;
	if (flo__node_is_block(node))
		return block_again(c, id, path, all);
	return !((all || is_well(state)) && take(c, path)) && !all;
}

/* ---- the whole ---- */

/* For qsort(), which hands nothing on: the ends go with the paths. */
struct ended {
	uint64_t seq;
	const char *path;
};

static int by_seq(const void *a, const void *b)
{
	const struct ended *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

static flo_status sort(struct choice *c)
{
	struct flo__chosen *chosen = c->chosen;
	struct ended *ended = flo__calloc(chosen->len + 1, sizeof(*ended));

	if (ended == NULL)
		return FLO_NOMEM;
	for (size_t i = 0; i < chosen->len; i++) {
		ended[i].path = chosen->paths[i];
		ended[i].seq = preset_of(c, chosen->paths[i])->result.end_seq;
	}
	if (chosen->len > 1)
		qsort(ended, chosen->len, sizeof(*ended), by_seq);
	for (size_t i = 0; i < chosen->len; i++)
		chosen->paths[i] = ended[i].path;
	flo__free(ended);
	return FLO_OK;
}

static flo_status find_named(const struct choice *c, flo_error *err)
{
	if (c->from == NULL || state_of(c, c->from) != FLO__STATE_NONE)
		return FLO_OK;
	return flo_error_set(err, FLO_NOTFOUND, "run %s has no step \"%.200s\"",
			     c->old->record.id, c->from);
}

flo_status flo__run_choose(struct flo__run *old, const struct flo__rerun *what,
			   flo_error *err, struct flo__chosen *ret)
{
	struct choice c = {.old = old, .from = what->from, .chosen = ret};
	struct flo__run_summary summary;
	flo_status st;

	REQUIRE(old->preset_finished != FLO__STATE_NONE);
	flo__arena_init(&c.keys);
	flo__map_init(&c.states, &c.keys);
	TRY(flo__run_inspect(old, true, note_state, &c, &summary));
	TRY(c.st);
	TRY(find_named(&c, err));
	if (what->from != NULL || what->failed)
		body_again(&c, 0, "",
			   old->preset_finished == FLO__STATE_SUCCEEDED, false);
	TRY(c.st);
	TRY(sort(&c));
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	flo__map_fini(&c.states);
	flo__arena_fini(&c.keys);
	return st;
}
