/*
 * How much work a plan is.
 *
 * A node comes before all that is in it, so one pass over the nodes from the
 * last to the first finds the children of each counted already. Counts stay
 * below FLO__OUTLINE_MANY, which means "more than can be told".
 */
#include "dsl/outline_p.h"

#include "base/alloc.h"

#include <stdlib.h>

struct sizer {
	struct flo__known *known;
	const struct flo__plan *plan;
	struct flo__size *sizes;
	uint64_t *ends;	  /* of each node in a group: its chain from the
			     group's beginning */
	uint32_t *left;	  /* needs of it that are not counted yet */
	uint32_t *queue;  /* nodes of the group without such needs */
	uint64_t *widths; /* breadths of the members of a group */
	flo_status st;
};

static uint64_t plus(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? FLO__OUTLINE_MANY : sum;
}

static uint64_t times(uint64_t a, uint64_t b)
{
	uint64_t product;

	if (a == 0 || b == 0)
		return 0;
	return __builtin_mul_overflow(a, b, &product) ? FLO__OUTLINE_MANY
						      : product;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t number(struct sizer *s, const struct flo__number *number)
{
	uint64_t n = 0;

	if (s->st == FLO_OK)
		s->st = flo__known_number(s->known, number, FLO__NUMBER_LIMIT,
					  &n);
	return n;
}

static void sum_sequence(struct sizer *s, const struct flo__node *node,
			 struct flo__size *size)
{
	for (uint32_t i = 0; i < node->children_len; i++) {
		const struct flo__size *child =
			&s->sizes[s->plan->children[node->first_child + i]];

		size->chain = plus(size->chain, child->chain);
		size->breadth = larger(size->breadth, child->breadth);
		size->leaves = plus(size->leaves, child->leaves);
	}
}

static int wider_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a;
	uint64_t y = *(const uint64_t *)b;

	return x > y ? -1 : x < y;
}

/* At most so many leaves at once: the widest members that the limit admits. */
static uint64_t breadth_of(struct sizer *s, const struct flo__node *node,
			   uint64_t limit)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < node->children_len; i++)
		s->widths[i] =
			s->sizes[s->plan->children[node->first_child + i]]
				.breadth;
	if (limit == 0 || limit > node->children_len)
		limit = node->children_len;
	else
		qsort(s->widths, node->children_len, sizeof(*s->widths),
		      wider_first);
	for (uint64_t i = 0; i < limit; i++)
		sum = plus(sum, s->widths[i]);
	return sum;
}

/* The longest way through the needs of a group (which have no cycle). */
static uint64_t chain_of(struct sizer *s, const struct flo__node *node)
{
	const struct flo__plan *plan = s->plan;
	uint64_t longest = 0;
	uint32_t len = 0;

	for (uint32_t i = 0; i < node->children_len; i++) {
		uint32_t child = plan->children[node->first_child + i];

		s->ends[child] = 0;
		s->left[child] = plan->nodes[child].deps_len;
		if (s->left[child] == 0)
			s->queue[len++] = child;
	}
	for (uint32_t at = 0; at < len; at++) {
		uint32_t child = s->queue[at];
		const struct flo__node *n = &plan->nodes[child];

		s->ends[child] = plus(s->ends[child], s->sizes[child].chain);
		longest = larger(longest, s->ends[child]);
		for (uint32_t k = 0; k < n->succs_len; k++) {
			uint32_t succ = plan->edges[n->first_succ + k];

			s->ends[succ] = larger(s->ends[succ], s->ends[child]);
			if (--s->left[succ] == 0)
				s->queue[len++] = succ;
		}
	}
	return longest;
}

static void sum_group(struct sizer *s, const struct flo__node *node,
		      struct flo__size *size)
{
	for (uint32_t i = 0; i < node->children_len; i++)
		size->leaves =
			plus(size->leaves,
			     s->sizes[s->plan->children[node->first_child + i]]
				     .leaves);
	size->breadth =
		breadth_of(s, node,
			   number(s, &s->plan->blocks[node->spec].limit));
	size->chain = chain_of(s, node);
}

static void count_items(struct sizer *s, const struct flo__block *block,
			struct flo__size *size)
{
	enum flo__known_state state = FLO__KNOWN_NO;
	flo_value *items = NULL;
	uint64_t n;

	size->items = FLO__OUTLINE_MANY;
	if (block->matrix != NULL && s->st == FLO_OK)
		s->st = flo__known_matrix(s->known, block->matrix, NULL, &state,
					  &n);
	if (block->matrix != NULL && state == FLO__KNOWN_YES)
		size->items = n;
	if (block->items != NULL && s->st == FLO_OK)
		s->st = flo__known_eval(s->known, block->items, NULL, &state,
					&items);
	if (items != NULL && state == FLO__KNOWN_YES &&
	    flo_value_typeof(items) == FLO_VALUE_LIST)
		size->items = flo_value_len(items);
	else if (items != NULL)
		state = FLO__KNOWN_ERROR; /* so each run says */
	size->items_state = (uint8_t)state;
	flo_value_unref(items);
}

static void sum_foreach(struct sizer *s, const struct flo__node *node,
			struct flo__size *size)
{
	const struct flo__block *block = &s->plan->blocks[node->spec];
	const struct flo__size *body =
		&s->sizes[s->plan->children[node->first_child]];
	uint64_t limit = number(s, &block->limit);

	count_items(s, block, size);
	if (limit == 0 || limit > size->items)
		limit = size->items;
	size->leaves = times(body->leaves, size->items);
	size->breadth = times(body->breadth, limit);
	size->chain = size->items != 0 ? body->chain : 0;
}

static void judge_when(struct sizer *s, const struct flo__node *node,
		       struct flo__size *size)
{
	const struct flo__expr *when = s->plan->attrs[node->attrs].when;
	enum flo__known_state state = FLO__KNOWN_NO;
	flo_value *value = NULL;

	if (when != NULL && s->st == FLO_OK)
		s->st = flo__known_eval(s->known, when, NULL, &state, &value);
	if (state == FLO__KNOWN_YES &&
	    flo_value_typeof(value) == FLO_VALUE_BOOL)
		size->skipped = !flo_value_get_bool(value);
	else if (state == FLO__KNOWN_YES)
		state = FLO__KNOWN_ERROR; /* so each run says */
	size->when = (uint8_t)state;
	flo_value_unref(value);
}

/* A file may have a limit of its own leaves. */
static void bound_by_file(struct sizer *s, uint32_t id, struct flo__size *size)
{
	uint64_t limit;

	flo__known_enter_call(s->known, id);
	limit = number(s, &flo__outline_call(s->plan, id)->limit);
	if (limit != 0 && limit < size->breadth)
		size->breadth = limit;
}

static void sum_node(struct sizer *s, uint32_t id)
{
	const struct flo__node *node = &s->plan->nodes[id];
	struct flo__size *size = &s->sizes[id];

	*size = (struct flo__size){0};
	flo__known_enter(s->known, id);
	judge_when(s, node, size);
	if (node->kind == FLO__NODE_SEQUENCE)
		sum_sequence(s, node, size);
	else if (node->kind == FLO__NODE_GROUP)
		sum_group(s, node, size);
	else if (node->kind == FLO__NODE_FOREACH)
		sum_foreach(s, node, size);
	else
		size->leaves = size->breadth = size->chain = 1;
	if (flo__node_is_block(node) &&
	    s->plan->blocks[node->spec].finally != FLO__NODE_NONE) {
		const struct flo__size *last =
			&s->sizes[s->plan->blocks[node->spec].finally];

		size->leaves = plus(size->leaves, last->leaves);
		size->breadth = larger(size->breadth, last->breadth);
		size->chain = plus(size->chain, last->chain);
	}
	if (flo__outline_call(s->plan, id) != NULL)
		bound_by_file(s, id, size);
	if (size->skipped)
		size->leaves = size->breadth = size->chain = 0;
}

flo_status flo__outline_sizes(struct flo__known *known,
			      struct flo__size **ret_sizes)
{
	const struct flo__plan *plan = known->plan;
	size_t n = plan->nodes_len;
	struct sizer s = {.known = known, .plan = plan};

	s.sizes = flo__calloc(n, sizeof(*s.sizes));
	s.ends = flo__calloc(n, sizeof(*s.ends));
	s.left = flo__calloc(n, sizeof(*s.left));
	s.queue = flo__calloc(n, sizeof(*s.queue));
	s.widths = flo__calloc(n, sizeof(*s.widths));
	if (s.sizes == NULL || s.ends == NULL || s.left == NULL ||
	    s.queue == NULL || s.widths == NULL)
		s.st = FLO_NOMEM;
	for (size_t i = n; i > 0 && s.st == FLO_OK; i--)
		sum_node(&s, (uint32_t)(i - 1));
	known->at = 0;
	flo__free(s.ends);
	flo__free(s.left);
	flo__free(s.queue);
	flo__free(s.widths);
	if (s.st == FLO_OK)
		*ret_sizes = s.sizes;
	else
		flo__free(s.sizes);
	return s.st;
}
