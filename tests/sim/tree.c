/*
 * Groups, trees of groups, and contexts: the errgroup rules, and deadlines
 * that come exactly when they were set.
 */
#include "tests/sim/crowd.h"

#include <flo/chan.h>
#include <flo/group.h>

#include <string.h>

/* ---- a tree of groups ---- */

#define NODES_MAX 64
#define DEPTH_MAX 4

/* A group of the tree, as its rules see it. */
struct node {
	struct node *parent;
	uint32_t depth, limit, members;
	flo_group *group;
	uint32_t started, began, running, ended;
	uint32_t next; /* the member that begins next, at a limit of 1 */
	int first;     /* code of the first failure; 0: none */
};

static struct {
	struct node nodes[NODES_MAX];
	uint32_t nnodes;
	int codes; /* failures so far; each has its number */
	uint32_t fail_in;
	flo_context *root;
	struct crowd all;
} t;

/* What a member is told: its node and its number in one word. */
static void *member_arg(const struct node *node, uint32_t number)
{
	return (void *)(uintptr_t)(number << 8 | (uint32_t)(node - t.nodes));
}

static flo_status run_node(struct node *node, flo_context *parent,
			   flo_error *err);

static struct node *new_node(struct node *parent)
{
	struct node *node;

	if (t.nnodes == NODES_MAX)
		return NULL;
	node = &t.nodes[t.nnodes++];
	*node = (struct node){.parent = parent,
			      .depth = parent != NULL ? parent->depth + 1 : 0,
			      .limit = draw(4),
			      .members = 1 + draw(6)};
	return node;
}

/* A member fails: the first to do so is who the group must name. */
static flo_status fail_as(struct node *node, int code, flo_error *err)
{
	if (node->first == 0)
		node->first = code;
	flo_error_set(err, FLO_FAILED, "failure %d", code);
	err->code = code;
	return FLO_FAILED;
}

static flo_status member_work(struct node *node, flo_context *context,
			      flo_error *err)
{
	struct node *child = NULL;
	flo_status st;

	if (node->depth + 1 < DEPTH_MAX && once_in(4))
		child = new_node(node);
	st = flo_sleep(once_in(3) ? NULL : context, draw(30) * US);
	CHECK(st == FLO_OK || flo_context_status(context) != FLO_OK);
	if (child != NULL && run_node(child, context, err) != FLO_OK)
		return fail_as(node, err->code, err);
	if (st == FLO_OK && once_in(t.fail_in))
		return fail_as(node, ++t.codes, err);
	return FLO_OK;
}

static flo_status member(flo_context *context, void *arg, flo_error *err)
{
	struct node *node = &t.nodes[(uintptr_t)arg & 255];
	uint32_t number = (uint32_t)((uintptr_t)arg >> 8);
	flo_status st;

	CHECK(context == flo_group_context(node->group));
	node->began++;
	CHECK(++node->running <= node->limit || node->limit == 0);
	CHECK(node->limit != 1 || number >= node->next);
	node->next = number + 1;
	st = member_work(node, context, err);
	node->running--;
	node->ended++;
	return st;
}

/* Start one; whether that was right is judged by the context before. */
static void start_member(struct node *node, uint32_t number)
{
	bool over =
		flo_context_status(flo_group_context(node->group)) != FLO_OK;
	flo_status st;

	if (once_in(4)) {
		st = flo_group_try_go(node->group, member,
				      member_arg(node, number));
		CHECK(st != FLO_AGAIN ||
		      (node->limit != 0 &&
		       node->started - node->ended >= node->limit));
	} else {
		st = flo_group_go(node->group, member,
				  member_arg(node, number));
		CHECK(st == FLO_OK || st == FLO_CANCELED);
	}
	CHECK(!over || st == FLO_CANCELED);
	/* Not even where it ended while a slot was waited for. */
	CHECK((st != FLO_CANCELED) ==
	      (flo_context_status(flo_group_context(node->group)) == FLO_OK));
	CHECK(st != FLO_CANCELED ||
	      flo_context_status(flo_group_context(node->group)) != FLO_OK);
	node->started += st == FLO_OK;
}

/* The rules, once the group has been waited for. */
static void check_node(const struct node *node, flo_context *parent,
		       flo_status st, const flo_error *err)
{
	CHECK(node->running == 0);
	CHECK(node->began == node->started && node->ended == node->started);
	CHECK((st == FLO_OK) == (node->first == 0));
	CHECK(st == FLO_OK || err->code == node->first);
	CHECK(flo_context_status(flo_group_context(node->group)) != FLO_OK);
	CHECK(flo_context_status(parent) == FLO_OK || t.root == NULL ||
	      node->parent != NULL || flo_context_status(t.root) != FLO_OK);
}

static flo_status run_node(struct node *node, flo_context *parent,
			   flo_error *err)
{
	flo_error own = FLO_ERROR_INIT;
	flo_status st;

	CHECK(flo_group_new(parent, &node->group) == FLO_OK);
	flo_group_set_limit(node->group, node->limit);
	for (uint32_t i = 0; i < node->members; i++) {
		start_member(node, i);
		if (once_in(8))
			CHECK(flo_sleep(NULL, draw(10) * US) == FLO_OK);
	}
	st = flo_group_wait(node->group, &own);
	check_node(node, parent, st, &own);
	flo_group_free(node->group);
	if (st != FLO_OK)
		*err = own;
	return st;
}

static void cancel_later(void *arg)
{
	(void)arg;
	CHECK(flo_sleep(NULL, draw(200) * US) == FLO_OK);
	flo_context_cancel(t.root, NULL);
	crowd_leave(&t.all);
}

static void tree_main(void *arg)
{
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	t.root = flo_context_new(flo_runtime_current());
	if (once_in(3))
		crowd_go(&t.all, cancel_later, NULL);
	run_node(new_node(NULL), t.root, &err);
	crowd_wait(&t.all);
	flo_context_unref(t.root);
}

static void play_tree(flo_runtime *rt)
{
	memset(&t, 0, sizeof(t));
	t.fail_in = 4u << draw(5);
	play_main(rt, tree_main, NULL);
}

const struct scenario tree_scenario = {.name = "tree", .play = play_tree};

/* ---- one group that starts from several coroutines ---- */

#define MANY 48

static struct {
	flo_group *group;
	uint32_t limit, running, begun, started;
	bool over; /* a member was told that the group has ended */
} f;

static flo_status count_member(flo_context *context, void *arg, flo_error *err)
{
	(void)arg;
	(void)err;
	CHECK(++f.running <= f.limit);
	f.begun++;
	flo_sleep(context, draw(10) * US);
	f.running--;
	if (once_in(MANY)) {
		f.over = true;
		return FLO_FAILED;
	}
	return FLO_OK;
}

/* A member that starts others, which a group allows while it is waited for. */
static flo_status spread(flo_context *context, void *arg, flo_error *err)
{
	uint32_t n = (uint32_t)(uintptr_t)arg;

	(void)err;
	f.running++;
	f.begun++;
	for (uint32_t i = 0; i < n; i++) {
		bool over = f.over;
		flo_status st = flo_group_try_go(f.group, count_member, NULL);

		CHECK(!over || st == FLO_CANCELED);
		f.started += st == FLO_OK;
		flo_sleep(context, draw(6) * US);
	}
	f.running--;
	return FLO_OK;
}

static void group_main(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_status st;

	(void)arg;
	CHECK(flo_group_new(root, &f.group) == FLO_OK);
	flo_group_set_limit(f.group, f.limit);
	for (uint32_t i = 0; i < 4; i++)
		f.started += flo_group_go(f.group, spread,
					  (void *)(uintptr_t)draw(MANY / 4)) ==
			     FLO_OK;
	st = flo_group_wait(f.group, NULL);
	CHECK((st == FLO_FAILED) == f.over);
	CHECK(f.running == 0 && f.begun == f.started);
	flo_group_free(f.group);
	flo_context_unref(root);
}

static void play_group(flo_runtime *rt)
{
	memset(&f, 0, sizeof(f));
	f.limit = 1 + draw(6);
	play_main(rt, group_main, NULL);
}

const struct scenario group_scenario = {.name = "group", .play = play_group};

/* ---- deadlines ---- */

#define WAITERS_MAX 24

static struct {
	flo_context *root;
	uint64_t begin, last;
	struct crowd all;
} d;

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Time never goes back, in whatever order deadlines were set. */
static void note_time(void)
{
	CHECK(flo_now() >= d.last);
	d.last = flo_now();
}

static void sleep_until(flo_context *context, uint64_t ns)
{
	uint64_t end = flo_now() + ns;
	uint64_t deadline = flo_context_deadline(context);
	flo_status st = flo_sleep(context, ns);

	note_time();
	if (flo_now() == end && st == FLO_OK)
		CHECK(end <= deadline);
	else
		CHECK(st == FLO_TIMEOUT && deadline <= end);
	CHECK(flo_now() == least(end, deadline) || deadline < end - ns);
}

/* A chain of contexts with limits, and a sleep under the last. */
static void wait_in_chain(void *arg)
{
	flo_context *chain[4];
	uint32_t n = 1 + draw(4);
	uint64_t deadline = UINT64_MAX;

	(void)arg;
	CHECK(flo_sleep(NULL, draw(50) * US) == FLO_OK);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t limit = (1 + draw(100)) * US;

		deadline = least(deadline, flo_now() + limit);
		chain[i] = flo_context_timeout(i > 0 ? chain[i - 1] : d.root,
					       limit, "a limit");
		CHECK(chain[i] != NULL);
		CHECK(flo_context_deadline(chain[i]) == deadline);
		CHECK(flo_context_status(chain[i]) == FLO_OK ||
		      flo_now() >= deadline);
	}
	sleep_until(chain[n - 1], draw(120) * US);
	sleep_until(chain[n - 1], draw(120) * US);
	CHECK((flo_context_status(chain[n - 1]) == FLO_TIMEOUT) ==
		      (flo_now() >= deadline) ||
	      flo_now() == deadline);
	while (n-- > 0)
		flo_context_unref(chain[n]);
	crowd_leave(&d.all);
}

static void timeout_main(void *arg)
{
	uint32_t n = 1 + draw(WAITERS_MAX);

	(void)arg;
	d.root = flo_context_new(flo_runtime_current());
	for (uint32_t i = 0; i < n; i++)
		crowd_go(&d.all, wait_in_chain, NULL);
	crowd_wait(&d.all);
	flo_context_unref(d.root);
}

static void play_timeout(flo_runtime *rt)
{
	memset(&d, 0, sizeof(d));
	play_main(rt, timeout_main, NULL);
}

const struct scenario timeout_scenario = {.name = "timeout",
					  .play = play_timeout};

/* ---- cancellation ---- */

#define CONTEXTS_MAX 12

static struct {
	flo_context *contexts[CONTEXTS_MAX];
	uint32_t parents[CONTEXTS_MAX];
	uint64_t ended_at[CONTEXTS_MAX]; /* UINT64_MAX: lives */
	uint32_t n;
	/* nothing of these is ever to be had */
	flo_sem sem;
	flo_chan *chan;
	flo_cond cond;
	flo_mutex lock;
	struct crowd all;
} k;

static bool is_below(uint32_t i, uint32_t top)
{
	while (i != top && i != 0)
		i = k.parents[i];
	return i == top;
}

static void check_tree(void)
{
	for (uint32_t i = 1; i < k.n; i++)
		CHECK(flo_context_status(k.contexts[k.parents[i]]) == FLO_OK ||
		      flo_context_status(k.contexts[i]) != FLO_OK);
}

static void cancel_one(void *arg)
{
	uint32_t top = draw(k.n);

	(void)arg;
	CHECK(flo_sleep(NULL, draw(60) * US) == FLO_OK);
	for (uint32_t i = 0; i < k.n; i++)
		if (is_below(i, top) && k.ended_at[i] == UINT64_MAX)
			k.ended_at[i] = flo_now();
	flo_context_cancel(k.contexts[top], NULL);
	check_tree();
	crowd_leave(&k.all);
}

static void sleep_under(uint32_t i)
{
	uint64_t until = flo_now() + draw(60) * US;
	flo_status st = flo_sleep(k.contexts[i], until - flo_now());

	if (st == FLO_OK)
		CHECK(flo_now() == until && k.ended_at[i] >= until);
	else
		CHECK(st == FLO_CANCELED && k.ended_at[i] <= flo_now() &&
		      flo_now() <= until);
}

/* Wait for what never comes, in any of the ways there are. */
static flo_status wait_for_ever(flo_context *context)
{
	struct flo_select_case none = {.chan = k.chan};
	flo_status st;

	switch (draw(4)) {
	case 0:
		return flo_sem_take(&k.sem, context);
	case 1:
		return flo_chan_recv(k.chan, NULL, context);
	case 2:
		return flo_select(&none, 1, UINT64_MAX, context, NULL);
	default:
		flo_mutex_lock(&k.lock);
		st = flo_cond_wait(&k.cond, &k.lock, context);
		flo_mutex_unlock(&k.lock);
		return st;
	}
}

/* Who waits under a context is told in the moment in which that ends. */
static void wait_under(void *arg)
{
	uint32_t i = draw(k.n);
	uint64_t begin;

	(void)arg;
	CHECK(flo_sleep(NULL, draw(60) * US) == FLO_OK);
	begin = flo_now();
	if (once_in(2)) {
		sleep_under(i);
	} else {
		CHECK(wait_for_ever(k.contexts[i]) == FLO_CANCELED);
		CHECK(flo_now() ==
		      (begin > k.ended_at[i] ? begin : k.ended_at[i]));
	}
	crowd_leave(&k.all);
}

/* At last all that still wait are told to end. */
static void cancel_the_rest(void *arg)
{
	(void)arg;
	CHECK(flo_sleep(NULL, 1000 * US) == FLO_OK);
	for (uint32_t i = 0; i < k.n; i++)
		if (k.ended_at[i] == UINT64_MAX)
			k.ended_at[i] = flo_now();
	flo_context_cancel(k.contexts[0], NULL);
	crowd_leave(&k.all);
}

static void cancel_main(void *arg)
{
	uint32_t cancels = draw(5), waits = draw(16);

	(void)arg;
	for (uint32_t i = 0; i < k.n; i++) {
		k.parents[i] = i > 0 ? draw(i) : 0;
		k.ended_at[i] = UINT64_MAX;
		k.contexts[i] =
			i > 0 ? flo_context_child(k.contexts[k.parents[i]])
			      : flo_context_new(flo_runtime_current());
	}
	CHECK(flo_chan_new(0, 0, &k.chan) == FLO_OK);
	crowd_go(&k.all, cancel_the_rest, NULL);
	for (uint32_t i = 0; i < cancels; i++)
		crowd_go(&k.all, cancel_one, NULL);
	for (uint32_t i = 0; i < waits; i++)
		crowd_go(&k.all, wait_under, NULL);
	crowd_wait(&k.all);
	flo_chan_free(k.chan);
	for (uint32_t i = 0; i < k.n; i++) {
		CHECK((flo_context_status(k.contexts[i]) != FLO_OK) ==
		      (k.ended_at[i] != UINT64_MAX));
		flo_context_unref(k.contexts[i]);
	}
}

static void play_cancel(flo_runtime *rt)
{
	memset(&k, 0, sizeof(k));
	k.n = 1 + draw(CONTEXTS_MAX);
	play_main(rt, cancel_main, NULL);
}

const struct scenario cancel_scenario = {.name = "cancel", .play = play_cancel};
