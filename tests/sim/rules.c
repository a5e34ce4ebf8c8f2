#include "tests/sim/rules.h"

#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a leaf lies: the nodes from the top to it, with their paths. */
struct place {
	int nodes[16];
	char paths[16][96];
	bool finally[16]; /* it is its parent's finally */
	int depth;
};

/* What can be said of a step by now. */
struct standing {
	bool touched; /* something of it has an event */
	bool active;  /* something of it runs or backs off */
	bool running; /* something of it runs */
	bool ok;      /* all of it has ended, and well enough */
};

static struct rules_leaf *find_leaf(struct rules *r, const char *path)
{
	for (size_t i = 0; i < r->nleaves; i++)
		if (strcmp(r->leaves[i].path, path) == 0)
			return &r->leaves[i];
	return NULL;
}

/* ---- where steps lie ---- */

static int find_node(const struct pipe *pipe, const char *name, size_t len)
{
	for (int i = 1; i < pipe->n; i++)
		if (strlen(pipe->nodes[i].name) == len &&
		    memcmp(pipe->nodes[i].name, name, len) == 0)
			return i;
	sim_fail("an event's path names a step", name, (int)len);
}

static void go_down(struct place *place, int node, const char *path, size_t len,
		    bool finally)
{
	CHECK(place->depth < 16 && len < sizeof(place->paths[0]));
	place->nodes[place->depth] = node;
	memcpy(place->paths[place->depth], path, len);
	place->paths[place->depth][len] = '\0';
	place->finally[place->depth] = finally;
	place->depth++;
}

/* "n1[2].n3", "n1.finally.n4": names are unique, so each says where it is. */
static void locate(const struct pipe *pipe, const char *path,
		   struct place *place)
{
	const char *at = path;
	bool finally = false;

	place->depth = 0;
	go_down(place, 0, "", 0, false);
	while (*at != '\0') {
		size_t len = strcspn(at, ".[");
		int node;

		if (len == 7 && memcmp(at, "finally", 7) == 0) {
			finally = true;
			at += 8;
			continue;
		}
		node = find_node(pipe, at, len);
		at += len;
		go_down(place, node, path, (size_t)(at - path), finally);
		finally = false;
		if (*at == '[') {
			at += strcspn(at, "]") + 1;
			go_down(place, pipe->nodes[node].children[0], path,
				(size_t)(at - path), false);
		}
		at += *at == '.';
	}
}

/* The path of child @i of a block at @path. */
static int child_of(const struct pipe *pipe, int node, const char *path,
		    unsigned i, char ret_path[96])
{
	const struct pipe_node *n = &pipe->nodes[node];
	int child = n->children[n->kind == PIPE_EACH ? 0 : i];

	if (n->kind == PIPE_EACH)
		snprintf(ret_path, 96, "%s[%u]", path, i);
	else
		snprintf(ret_path, 96, "%s%s%s", path, *path != '\0' ? "." : "",
			 pipe->nodes[child].name);
	return child;
}

static unsigned count_children(const struct pipe_node *node)
{
	return node->kind == PIPE_EACH ? node->items : node->nchildren;
}

/* ---- how steps stand ---- */

static struct standing standing_of_leaf(struct rules *r, int node,
					const char *path)
{
	const struct rules_leaf *leaf = find_leaf(r, path);
	struct standing s = {0};

	if (leaf == NULL)
		return s;
	s.touched = true;
	s.running = leaf->running;
	s.active = leaf->active;
	s.ok = leaf->end == FLO__STATE_SUCCEEDED ||
	       leaf->end == FLO__STATE_SKIPPED ||
	       (leaf->end == FLO__STATE_FAILED &&
		r->pipe->nodes[node].allow_failure);
	return s;
}

static struct standing standing_of(struct rules *r, int node, const char *path);

/* Its body, without its finally. */
static struct standing standing_of_body(struct rules *r, int node,
					const char *path)
{
	const struct pipe_node *n = &r->pipe->nodes[node];
	struct standing s = {0}, one;
	unsigned bad = 0;
	char child_path[96];

	for (unsigned i = 0; i < count_children(n); i++) {
		int child = child_of(r->pipe, node, path, i, child_path);

		one = standing_of(r, child, child_path);
		s.touched |= one.touched;
		s.active |= one.active;
		s.running |= one.running;
		bad += !one.ok;
	}
	s.ok = bad <= n->max_failures;
	return s;
}

static struct standing standing_of(struct rules *r, int node, const char *path)
{
	const struct pipe_node *n = &r->pipe->nodes[node];
	struct standing s, last;
	char finally_path[112];

	if (n->kind == PIPE_LEAF)
		return standing_of_leaf(r, node, path);
	s = standing_of_body(r, node, path);
	if (n->never) {
		const struct rules_leaf *itself = find_leaf(r, path);

		CHECK(!s.touched);
		s.touched = itself != NULL;
		s.ok = itself != NULL && itself->end == FLO__STATE_SKIPPED;
		return s;
	}
	if (n->finally != PIPE_NONE) {
		snprintf(finally_path, sizeof(finally_path), "%s%sfinally.%s",
			 path, *path != '\0' ? "." : "",
			 r->pipe->nodes[n->finally].name);
		last = standing_of_leaf(r, n->finally, finally_path);
		s.touched |= last.touched;
		s.active |= last.active;
		s.running |= last.running;
		s.ok &= last.ok;
	}
	/* A time limit may end what has not begun. */
	s.ok |= n->allow_failure && !s.active &&
		(s.touched || r->pipe->block_limits);
	return s;
}

static struct standing standing_of_child(struct rules *r, int node,
					 const char *path, unsigned i)
{
	char child_path[96];
	int child = child_of(r->pipe, node, path, i, child_path);

	return standing_of(r, child, child_path);
}

/* ---- what a start must keep ---- */

/* Failures of a block before @us that are not allowed for. When a child that is
 * a block has failed is not told, so these are of leaves only. */
static unsigned count_failed_leaves(struct rules *r, int node, const char *path,
				    int64_t us)
{
	unsigned failed = 0;
	char leaf_path[96];

	for (unsigned i = 0; i < count_children(&r->pipe->nodes[node]); i++) {
		int id = child_of(r->pipe, node, path, i, leaf_path);
		const struct rules_leaf *leaf = find_leaf(r, leaf_path);

		failed += leaf != NULL && leaf->end == FLO__STATE_FAILED &&
			  leaf->ended_us < us &&
			  !r->pipe->nodes[id].allow_failure;
	}
	return failed;
}

/* Whether a block may put up with a failure of what a child needs. */
static bool may_tolerate(struct rules *r, int node, const char *path)
{
	unsigned most = r->pipe->nodes[node].max_failures;

	return most > 0 &&
	       count_failed_leaves(r, node, path, INT64_MAX) <= most;
}

/* What @node's child at @pos needs has ended well, or the block puts up with
 * how it ended. */
static void check_needs(struct rules *r, int node, const char *path,
			unsigned pos)
{
	const struct pipe_node *n = &r->pipe->nodes[node];
	uint32_t needs = n->kind == PIPE_SEQUENCE ? (1u << pos) - 1
			 : n->kind == PIPE_GROUP
				 ? r->pipe->nodes[n->children[pos]].needs
				 : 0;

	for (unsigned i = 0; needs >> i != 0; i++) {
		struct standing s;

		if (!(needs >> i & 1))
			continue;
		s = standing_of_child(r, node, path, i);
		CHECK(!s.active);
		CHECK(s.ok || (s.touched && may_tolerate(r, node, path)));
	}
}

/*
 * Nothing new starts in a block after the failure that counts: no leaf of its
 * own, and where that cancels, nothing below it either. (Where it drains, a
 * block may have begun and still wait for a slot for its first leaf.) The
 * cancellation reaches what lies deeper a moment after the failure is
 * recorded; the clock tells that moment from a later one.
 */
static void check_stop(struct rules *r, int node, const char *path, int child,
		       bool touched, int64_t now_us)
{
	const struct pipe_node *n = &r->pipe->nodes[node];

	if (n->kind == PIPE_SEQUENCE || n->mode == PIPE_CONTINUE)
		return;
	if (r->pipe->nodes[child].kind == PIPE_LEAF && !touched)
		CHECK(count_failed_leaves(r, node, path, INT64_MAX) <=
		      n->max_failures);
	if (n->mode == PIPE_CANCEL)
		CHECK(count_failed_leaves(r, node, path, now_us) <=
		      n->max_failures);
}

/* With what has just started: no more than the limit runs. */
static void check_limit(struct rules *r, int node, const char *path)
{
	const struct pipe_node *n = &r->pipe->nodes[node];
	unsigned running = 0;

	for (unsigned i = 0; n->limit > 0 && i < count_children(n); i++)
		running += standing_of_child(r, node, path, i).running;
	CHECK(running <= n->limit || n->limit == 0);
}

static unsigned position_of(const struct pipe_node *block, int child)
{
	unsigned pos = 0;

	if (block->kind == PIPE_EACH)
		return 0;
	while (block->children[pos] != child)
		pos++;
	return pos;
}

/* The level from which on @place is in a finally; its depth if in none. */
static int finally_level(const struct place *place)
{
	int level = 1;

	while (level < place->depth && !place->finally[level])
		level++;
	return level;
}

static bool is_out_of_time(const struct rules *r, const char *path)
{
	for (size_t i = 0; i < r->nout; i++)
		if (strcmp(r->out[i], path) == 0)
			return true;
	return false;
}

/* A leaf is about to begin, or to be skipped: may it? */
static void check_may_begin(struct rules *r, const char *path, int64_t now_us)
{
	struct place place;
	int last, node, child;

	locate(r->pipe, path, &place);
	last = finally_level(&place);
	for (int i = 0; i + 1 < place.depth; i++) {
		node = place.nodes[i];
		child = place.nodes[i + 1];
		CHECK(!r->pipe->nodes[node].never);
		CHECK(i + 1 >= last || !is_out_of_time(r, place.paths[i]));
		if (i + 1 == last) {
			CHECK(!standing_of_body(r, node, place.paths[i])
				       .active);
			continue;
		}
		check_needs(r, node, place.paths[i],
			    position_of(&r->pipe->nodes[node], child));
		/* What has ended badly is tidied up all the same. */
		if (last == place.depth)
			check_stop(r, node, place.paths[i], child,
				   standing_of(r, child, place.paths[i + 1])
					   .touched,
				   now_us);
	}
	CHECK(last < place.depth || !r->cancelling);
}

static void check_limits(struct rules *r, const char *path)
{
	unsigned running = 0;
	struct place place;

	locate(r->pipe, path, &place);
	for (int i = 0; i + 1 < place.depth; i++)
		check_limit(r, place.nodes[i], place.paths[i]);
	for (size_t i = 0; i < r->nleaves; i++)
		running += r->leaves[i].running;
	CHECK(r->pipe->limit == 0 || running <= r->pipe->limit);
}

/* ---- events ---- */

static struct rules_leaf *leaf_of(struct rules *r, const char *path)
{
	struct rules_leaf *leaf = find_leaf(r, path);
	struct place place;

	if (leaf != NULL)
		return leaf;
	CHECK(r->nleaves < RULES_LEAVES_MAX);
	locate(r->pipe, path, &place);
	leaf = &r->leaves[r->nleaves++];
	*leaf = (struct rules_leaf){.node = place.nodes[place.depth - 1]};
	snprintf(leaf->path, sizeof(leaf->path), "%s", path);
	return leaf;
}

static void on_started(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf;

	check_may_begin(r, e->path, e->ts_us);
	leaf = leaf_of(r, e->path);
	CHECK(r->pipe->nodes[leaf->node].kind == PIPE_LEAF);
	CHECK(leaf->end == FLO__STATE_NONE && !leaf->running);
	CHECK(e->attempt == leaf->attempts + 1);
	CHECK(e->ts_us >= leaf->not_before_us);
	CHECK(leaf->retried <= r->pipe->nodes[leaf->node].retries);
	leaf->attempts++;
	leaf->running = leaf->active = true;
	leaf->started_us = e->ts_us;
	check_limits(r, e->path);
}

/* An attempt ends: it was open, and no longer than it may. */
static void end_attempt(struct rules *r, struct rules_leaf *leaf,
			const struct flo__event *e)
{
	const struct pipe_node *node = &r->pipe->nodes[leaf->node];

	CHECK(leaf->running && e->attempt == leaf->attempts);
	CHECK(node->timeout_ms == 0 ||
	      e->ts_us - leaf->started_us <= node->timeout_ms * 1000);
	CHECK(e->ts_us - leaf->started_us <= node->spread_ms * 1000);
	leaf->running = false;
}

static void on_retrying(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf = leaf_of(r, e->path);

	CHECK(leaf->end == FLO__STATE_NONE);
	end_attempt(r, leaf, e);
	leaf->retried++;
	/* What a resumed run is late with it does at once. */
	leaf->not_before_us = e->ts_us + e->delay_ns / 1000;
}

static const char *text_of(const flo_value *map, const char *key)
{
	const flo_value *value =
		map != NULL ? flo_value_map_get(map, key) : NULL;

	return value != NULL && flo_value_typeof(value) == FLO_VALUE_STRING
		       ? flo_value_get_string(value, NULL)
		       : "";
}

/* A block of these fails of itself only by its time limit: that has kept
 * something from starting, and nothing is under way. */
static void on_out_of_time(struct rules *r, const struct flo__event *e,
			   int node)
{
	CHECK(r->pipe->nodes[node].timeout_ms != 0);
	CHECK(e->status == FLO__STATE_FAILED);
	CHECK(strcmp(text_of(e->error, "kind"), "timeout") == 0);
	CHECK(strcmp(text_of(e->error, "path"), e->path) == 0);
	CHECK(!is_out_of_time(r, e->path) && r->nout < RULES_OUT_MAX);
	CHECK(!standing_of_body(r, node, e->path).active);
	snprintf(r->out[r->nout++], sizeof(r->out[0]), "%s", e->path);
}

static void on_finished(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf;
	struct place place;
	int node;

	locate(r->pipe, e->path, &place);
	node = place.nodes[place.depth - 1];
	if (r->pipe->nodes[node].kind != PIPE_LEAF) {
		on_out_of_time(r, e, node);
		return;
	}
	leaf = leaf_of(r, e->path);
	CHECK(leaf->end == FLO__STATE_NONE);
	CHECK(e->status == FLO__STATE_SUCCEEDED ||
	      e->status == FLO__STATE_FAILED ||
	      e->status == FLO__STATE_CANCELLED);
	CHECK(leaf->running || e->status == FLO__STATE_CANCELLED);
	if (leaf->running)
		end_attempt(r, leaf, e);
	leaf->active = false;
	leaf->end = e->status;
	leaf->end_seq = e->seq;
	leaf->ended_us = e->ts_us;
}

static void on_skipped(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf;

	check_may_begin(r, e->path, e->ts_us);
	leaf = leaf_of(r, e->path);
	CHECK(leaf->attempts == 0 && leaf->end == FLO__STATE_NONE);
	CHECK(r->pipe->nodes[leaf->node].never);
	leaf->end = FLO__STATE_SKIPPED;
	leaf->end_seq = e->seq;
}

static void on_lost(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf = leaf_of(r, e->path);

	CHECK(r->resumed && leaf->running && e->attempt == leaf->attempts);
	leaf->running = leaf->active = false;
	leaf->lost++;
}

/* Before its start a rerun says what it takes over. */
static void on_reused(struct rules *r, const struct flo__event *e)
{
	struct rules_leaf *leaf = leaf_of(r, e->path);

	CHECK(e->seq == r->nreused + 2 && leaf->end == FLO__STATE_NONE);
	CHECK(e->status == FLO__STATE_SUCCEEDED ||
	      e->status == FLO__STATE_SKIPPED ||
	      e->status == FLO__STATE_FAILED ||
	      e->status == FLO__STATE_CANCELLED);
	leaf->reused = true;
	leaf->attempts = e->attempt;
	leaf->end = e->status;
	leaf->end_seq = e->seq;
	leaf->ended_us = e->ts_us;
	r->nreused++;
}

/* After run.resumed come the attempts that were lost, all of them. */
static void check_all_lost(struct rules *r)
{
	for (size_t i = 0; i < r->nleaves; i++) {
		CHECK(!r->leaves[i].running);
		r->leaves[i].active = false;
		/* A back-off is not waited out again. */
		r->leaves[i].not_before_us = 0;
	}
	r->replaying = false;
}

/* ---- the end ---- */

/* No block around @path, and not itself, puts up with its failure. */
static bool counts_for_sure(struct rules *r, const char *path)
{
	struct place place;

	locate(r->pipe, path, &place);
	for (int i = 0; i < place.depth; i++) {
		const struct pipe_node *n = &r->pipe->nodes[place.nodes[i]];

		if (n->allow_failure || n->max_failures > 0 || place.finally[i])
			return false;
	}
	return true;
}

static const struct rules_leaf *first_failure(struct rules *r)
{
	const struct rules_leaf *first = NULL;

	for (size_t i = 0; i < r->nleaves; i++) {
		const struct rules_leaf *leaf = &r->leaves[i];

		if (leaf->end == FLO__STATE_FAILED &&
		    counts_for_sure(r, leaf->path) &&
		    (first == NULL || leaf->end_seq < first->end_seq))
			first = leaf;
	}
	return first;
}

/* The run's error is its first failure that counts, or an earlier one that
 * counts too. */
static void check_error(struct rules *r, const struct flo__event *e)
{
	const struct rules_leaf *first = first_failure(r), *named;

	if (first == NULL)
		return;
	CHECK(e->status == FLO__STATE_FAILED && e->error != NULL);
	named = find_leaf(r, text_of(e->error, "path"));
	CHECK(named != NULL || r->pipe->block_limits);
	CHECK(named == NULL || r->pipe->block_limits ||
	      (named->end == FLO__STATE_FAILED &&
	       named->end_seq <= first->end_seq));
}

static void check_counts(struct rules *r, const flo_value *counts)
{
	static const enum flo__state states[] = {FLO__STATE_SUCCEEDED,
						 FLO__STATE_FAILED};

	for (size_t i = 0; i < 2; i++) {
		const flo_value *n =
			flo_value_map_get(counts, flo__state_text(states[i]));
		int64_t seen = 0;

		for (size_t k = 0; k < r->nleaves; k++)
			seen += r->leaves[k].end == states[i];
		CHECK(flo_value_get_int(n) == seen);
	}
}

static void on_run_finished(struct rules *r, const struct flo__event *e)
{
	struct standing s = standing_of(r, 0, "");

	r->finished = true;
	CHECK(!s.active);
	for (size_t i = 0; i < r->nleaves; i++)
		CHECK(r->leaves[i].end != FLO__STATE_NONE);
	CHECK(e->status != FLO__STATE_SUCCEEDED || s.ok);
	if (s.ok && !r->cancelling && !r->pipe->block_limits)
		CHECK(e->status == FLO__STATE_SUCCEEDED);
	CHECK(e->status != FLO__STATE_CANCELLED || r->cancelling);
	CHECK((e->status == FLO__STATE_SUCCEEDED) == (e->error == NULL));
	check_error(r, e);
	check_counts(r, e->counts);
}

static void take_event(struct rules *r, const struct flo__event *e)
{
	CHECK(e->seq == ++r->seq);
	CHECK(!r->finished);
	if (r->replaying && e->kind != FLO__EVENT_STEP_LOST)
		check_all_lost(r);
	switch (e->kind) {
	case FLO__EVENT_STEP_STARTED:
		on_started(r, e);
		break;
	case FLO__EVENT_STEP_RETRYING:
		on_retrying(r, e);
		break;
	case FLO__EVENT_STEP_FINISHED:
		on_finished(r, e);
		break;
	case FLO__EVENT_STEP_SKIPPED:
		on_skipped(r, e);
		break;
	case FLO__EVENT_STEP_REUSED:
		on_reused(r, e);
		break;
	case FLO__EVENT_STEP_LOST:
		on_lost(r, e);
		break;
	case FLO__EVENT_RUN_CANCELLING:
		r->cancelling = true;
		break;
	case FLO__EVENT_RUN_RESUMED:
		r->resumed = r->replaying = true;
		break;
	case FLO__EVENT_RUN_FINISHED:
		on_run_finished(r, e);
		break;
	default:
		CHECK(e->kind == FLO__EVENT_RUN_QUEUED ||
		      e->kind == FLO__EVENT_RUN_STARTED);
		CHECK(e->seq <= r->nreused + 2);
	}
}

void rules_check(struct rules *rules, const struct pipe *pipe,
		 const struct fake *fake)
{
	memset(rules, 0, sizeof(*rules));
	rules->pipe = pipe;
	for (size_t i = 0; i < fake->events_len; i++) {
		struct flo__event event;
		flo_value *doc = NULL;

		CHECK(flo__event_parse(fake->events[i].json,
				       fake->events[i].len, NULL, &doc,
				       &event) == FLO_OK);
		take_event(rules, &event);
		flo_value_unref(doc);
	}
	CHECK(rules->finished);
}

enum flo__state rules_end(const struct rules *rules, const char *path)
{
	struct rules_leaf *leaf = find_leaf((struct rules *)rules, path);

	return leaf != NULL ? leaf->end : FLO__STATE_NONE;
}

/* ---- what comes before what ---- */

/* Whether member @to of a group needs member @from, directly or not. */
static bool needs(const struct pipe *pipe, const struct pipe_node *group,
		  unsigned to, unsigned from)
{
	uint32_t direct = pipe->nodes[group->children[to]].needs;

	for (unsigned i = 0; i < to; i++)
		if ((direct >> i & 1) &&
		    (i == from || needs(pipe, group, i, from)))
			return true;
	return false;
}

bool rules_before(const struct pipe *pipe, const char *earlier,
		  const char *path)
{
	const struct pipe_node *block;
	struct place a, b;
	unsigned from, to;
	int i = 0;

	locate(pipe, earlier, &a);
	locate(pipe, path, &b);
	while (i < a.depth && i < b.depth &&
	       strcmp(a.paths[i], b.paths[i]) == 0)
		i++;
	if (i == a.depth || i == b.depth)
		return false; /* one is in the other */
	block = &pipe->nodes[a.nodes[i - 1]];
	if (b.finally[i])
		return !a.finally[i];
	if (a.finally[i] || block->kind == PIPE_EACH)
		return false;
	from = position_of(block, a.nodes[i]);
	to = position_of(block, b.nodes[i]);
	return block->kind == PIPE_SEQUENCE ? from < to
					    : needs(pipe, block, to, from);
}

bool rules_is_last(const struct pipe *pipe, const char *path)
{
	struct place place;

	locate(pipe, path, &place);
	return place.depth > 1 && place.finally[1];
}
