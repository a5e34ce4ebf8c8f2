/*
 * Note: which step of a group needs which, directly or through others.
 *
 * An expression may use a step that must have ended, so each reference asks
 * whether one node of a graph is an ancestor of another. Graph and references
 * come from a file that may have a million of both, and the answer has to be
 * right: a no is an error that the file's author is told.
 *
 * Most questions are answered at once. The nodes are put into an order in
 * which each comes after its needs: who comes first needs nobody after it.
 * And of each node's needs the last in that order is its parent in a forest;
 * numbered in depth, the descendants of a node there are an interval, and all
 * of them need it. In a chain, or a tree, that is everything.
 *
 * The others wait until all are known, and the file has been compiled as if
 * they were right. Then 256 targets at a time get a bit each, and one pass in
 * that order gives every node the bits of its needs. So the worst that a file
 * can ask for takes targets / 256 passes over its edges.
 *
 * Refused: a search for each question, however pruned, as somebody finds the
 * graph in which it takes hours; this had a limit, after which the answer was
 * wrong. Sets of ancestors for all nodes grow with the square of the file.
 */
#include "dsl/compile_p.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define NONE FLO__NODE_NONE

#define WORDS 4
#define BITS  (WORDS * 64)

struct bits {
	uint64_t word[WORDS];
};

struct flo__reach {
	uint32_t *order; /* nodes, each after what it needs */
	uint32_t len;	 /* of order; the others are behind a cycle */
	uint32_t *rank;	 /* of each node in order; NONE: not in it */
	uint32_t *first; /* of each node: its number in the forest, ... */
	uint32_t *end;	 /* ... and the one after its last descendant's */
	struct flo__question *questions;
	uint32_t questions_len, questions_cap;
};

void flo__reach_free(struct flo__reach *reach)
{
	if (reach == NULL)
		return;
	flo__free(reach->order);
	flo__free(reach->questions);
	flo__free(reach);
}

/* The need of @node that is the last in the order; NONE: it needs nobody. */
static uint32_t parent_of(const struct flo__compiler *c,
			  const struct flo__reach *r, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];
	uint32_t parent = NONE;

	for (uint32_t i = 0; i < n->deps_len; i++) {
		uint32_t dep = c->edges[n->first_dep + i];

		if (parent == NONE || r->rank[dep] > r->rank[parent])
			parent = dep;
	}
	return parent;
}

/*
 * Number the forest. `end` holds first how many nodes a tree has, then the
 * number that the next child of a node gets: in the end that is its own end.
 */
static void number(const struct flo__compiler *c, struct flo__reach *r)
{
	uint32_t next = 0;

	for (uint32_t i = r->len; i-- > 0;) {
		uint32_t parent = parent_of(c, r, r->order[i]);

		r->end[r->order[i]]++;
		if (parent != NONE)
			r->end[parent] += r->end[r->order[i]];
	}
	for (uint32_t i = 0; i < r->len; i++) {
		uint32_t node = r->order[i];
		uint32_t parent = parent_of(c, r, node);
		uint32_t *from = parent != NONE ? &r->end[parent] : &next;
		uint32_t size = r->end[node];

		r->first[node] = *from;
		r->end[node] = *from + 1;
		*from += size;
	}
}

static struct flo__reach *make(const struct flo__compiler *c)
{
	struct flo__reach *r = flo__calloc(1, sizeof(*r));
	size_t n = c->nodes_len;
	uint32_t *mem = flo__calloc(4 * n, sizeof(*mem));

	if (r == NULL || mem == NULL) {
		flo__free(r);
		flo__free(mem);
		return NULL;
	}
	r->order = mem;
	r->rank = mem + n;
	r->first = mem + 2 * n;
	r->end = mem + 3 * n;
	r->len = flo__needs_order(c, r->rank, r->order);
	memset(r->rank, 0xff, n * sizeof(*r->rank));
	for (uint32_t i = 0; i < r->len; i++)
		r->rank[r->order[i]] = i;
	number(c, r);
	return r;
}

enum flo__reached flo__reach(struct flo__compiler *c, uint32_t node,
			     uint32_t target)
{
	const struct flo__node *n = &c->nodes[node];
	const struct flo__reach *r;

	for (uint32_t i = 0; i < n->deps_len; i++) {
		if (c->edges[n->first_dep + i] == target)
			return FLO__REACHED_YES;
	}
	if (c->reach == NULL)
		c->reach = make(c);
	r = c->reach;
	if (r == NULL) {
		c->nomem = true;
		return FLO__REACHED_YES;
	}
	if (r->rank[node] == NONE || r->rank[target] == NONE)
		return FLO__REACHED_YES;
	if (r->rank[target] >= r->rank[node] || n->deps_len == 0 ||
	    c->nodes[target].succs_len == 0)
		return FLO__REACHED_NO;
	if (r->first[target] <= r->first[node] &&
	    r->first[node] < r->end[target])
		return FLO__REACHED_YES;
	return FLO__REACHED_LATER;
}

void flo__reach_ask(struct flo__compiler *c,
		    const struct flo__question *question)
{
	struct flo__reach *r = c->reach;

	if (flo__compile_grow(c, &r->questions, r->questions_len,
			      &r->questions_cap, sizeof(*r->questions)))
		r->questions[r->questions_len++] = *question;
}

/* Questions about BITS targets at the most, sorted by target. */
struct batch {
	const struct flo__question *q;
	uint32_t len;
	uint32_t base;	   /* rank of the first target, ... */
	uint32_t last;	   /* ... and of the last node that needs one */
	struct bits *bits; /* of the nodes from @base on */
};

/* The longest batch that the @left questions at @q begin with. */
static struct batch next_batch(const struct flo__reach *r,
			       const struct flo__question *q, uint32_t left)
{
	struct batch b = {.q = q, .base = r->rank[q[0].target]};
	uint32_t targets = 1;

	for (uint32_t i = 0; i < left; i++) {
		if (i > 0 && q[i].target != q[i - 1].target &&
		    targets++ == BITS)
			break;
		if (r->rank[q[i].node] > b.last)
			b.last = r->rank[q[i].node];
		b.len++;
	}
	return b;
}

/* Give each target its bit. */
static void set_targets(const struct flo__reach *r, struct batch *b)
{
	uint32_t bit = 0;

	memset(b->bits, 0, (b->last - b->base + 1) * sizeof(*b->bits));
	for (uint32_t i = 0; i < b->len; i++) {
		bit += i > 0 && b->q[i].target != b->q[i - 1].target;
		b->bits[r->rank[b->q[i].target] - b->base].word[bit / 64] |=
			UINT64_C(1) << bit % 64;
	}
}

/* Give each node the bits of what it needs, which come before it. */
static void spread(const struct flo__compiler *c, struct batch *b)
{
	const struct flo__reach *r = c->reach;

	for (uint32_t i = b->base; i <= b->last; i++) {
		const struct flo__node *n = &c->nodes[r->order[i]];
		struct bits *to = &b->bits[i - b->base];

		for (uint32_t k = 0; k < n->deps_len; k++) {
			uint32_t rank = r->rank[c->edges[n->first_dep + k]];

			for (int w = 0; w < WORDS && rank >= b->base; w++)
				to->word[w] |= b->bits[rank - b->base].word[w];
		}
	}
}

static void answer(struct flo__compiler *c, const struct batch *b,
		   void (*wrong)(struct flo__compiler *c,
				 const struct flo__question *question))
{
	const struct flo__reach *r = c->reach;
	uint32_t bit = 0;

	for (uint32_t i = 0; i < b->len; i++) {
		const struct flo__question *q = &b->q[i];
		const struct bits *has = &b->bits[r->rank[q->node] - b->base];

		bit += i > 0 && q->target != b->q[i - 1].target;
		if ((has->word[bit / 64] >> bit % 64 & 1) == 0)
			wrong(c, q);
	}
}

static int by_rank(const void *a, const void *b, void *arg)
{
	const struct flo__reach *r = arg;
	const struct flo__question *x = a;
	const struct flo__question *y = b;
	uint32_t of_x = r->rank[x->target];
	uint32_t of_y = r->rank[y->target];

	return of_x < of_y ? -1 : of_x > of_y;
}

void flo__reach_answer(struct flo__compiler *c,
		       void (*wrong)(struct flo__compiler *c,
				     const struct flo__question *question))
{
	struct flo__reach *r = c->reach;
	struct bits *bits;

	if (r == NULL || r->questions_len == 0)
		return;
	qsort_r(r->questions, r->questions_len, sizeof(*r->questions), by_rank,
		r);
	bits = flo__reallocarray(NULL, r->len - r->rank[r->questions[0].target],
				 sizeof(*bits));
	c->nomem |= bits == NULL;
	for (uint32_t i = 0; bits != NULL && i < r->questions_len;) {
		struct batch b =
			next_batch(r, &r->questions[i], r->questions_len - i);

		b.bits = bits;
		set_targets(r, &b);
		spread(c, &b);
		answer(c, &b, wrong);
		i += b.len;
	}
	flo__free(bits);
}
