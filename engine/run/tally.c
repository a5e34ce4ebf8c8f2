/*
 * What a block's failures come to: how many it tolerates, which one is its
 * error, and which others it lists.
 *
 * The error is the first failure beyond the tolerance in the order of the
 * record. Members report theirs in the order in which their coroutines got to
 * it, and a resumed run in that of their positions, so the earliest
 * tolerance + 1 are kept, as a heap whose top is the latest of them. The list
 * is the earliest FLO__ERRORS_LISTED, kept likewise.
 *
 * A child that was cancelled is no failure of the block. Where its `finally`
 * has failed meanwhile, that is listed all the same, beside the block's error:
 * nobody else would tell.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"

#include <stdlib.h>

struct flo__failure {
	uint64_t seq;
	bool beside;	  /* it does not count */
	flo_value *error; /* owned: an error, or a list of them; or NULL */
};

static void swap(struct flo__failure *a, struct flo__failure *b)
{
	struct flo__failure c = *a;

	*a = *b;
	*b = c;
}

static void sift_up(struct flo__failure *heap, size_t i)
{
	for (; i > 0 && heap[(i - 1) / 2].seq < heap[i].seq; i = (i - 1) / 2)
		swap(&heap[(i - 1) / 2], &heap[i]);
}

static void sift_down(struct flo__failure *heap, size_t n)
{
	for (size_t i = 0;;) {
		size_t child = 2 * i + 1;

		if (child + 1 < n && heap[child + 1].seq > heap[child].seq)
			child++;
		if (child >= n || heap[child].seq <= heap[i].seq)
			return;
		swap(&heap[i], &heap[child]);
		i = child;
	}
}

static flo_status grow(struct flo__failures *kept)
{
	size_t cap = kept->cap * 2 + 1;
	struct flo__failure *heap =
		flo__reallocarray(kept->heap, cap, sizeof(*heap));

	if (heap == NULL)
		return FLO_NOMEM;
	kept->heap = heap;
	kept->cap = cap;
	return FLO_OK;
}

/* Keep @error if it is among the earliest @most (not 0). */
static flo_status keep(struct flo__failures *kept, uint64_t most,
		       const flo_value *error, uint64_t seq, bool beside)
{
	struct flo__failure *f;

	if (kept->len >= most) {
		if (kept->heap[0].seq <= seq)
			return FLO_OK;
		flo_value_unref(kept->heap[0].error);
		f = &kept->heap[0];
	} else {
		if (kept->len == kept->cap && grow(kept) != FLO_OK)
			return FLO_NOMEM;
		f = &kept->heap[kept->len++];
	}
	f->seq = seq;
	f->beside = beside;
	f->error = error != NULL ? flo_value_ref(error) : NULL;
	if (f == &kept->heap[0])
		sift_down(kept->heap, kept->len);
	else
		sift_up(kept->heap, kept->len - 1);
	return FLO_OK;
}

/* Without memory the list is shorter, and its total says so. */
static void list(struct flo__tally *tally, const struct flo__result *child,
		 bool beside)
{
	const flo_value *what =
		child->others != NULL ? child->others : child->error;

	*(beside ? &tally->beside : &tally->total) +=
		child->others != NULL ? child->others_total : 1;
	keep(&tally->listed, FLO__ERRORS_LISTED, what, child->error_seq,
	     beside);
}

bool flo__tally_add(struct flo__tally *tally, const struct flo__result *child,
		    struct flo__result *ret)
{
	const struct flo__failure *top;

	list(tally, child, false);
	if (tally->tolerance == 0 ||
	    keep(&tally->first, tally->tolerance + 1, child->error,
		 child->error_seq, false) != FLO_OK) {
		/* Without memory to tell them apart none is tolerated. */
		tally->exceeded = true;
		flo__result_fail(ret, child->error, child->error_seq);
		return true;
	}
	if (tally->first.len <= tally->tolerance)
		return false;
	tally->exceeded = true;
	top = &tally->first.heap[0];
	flo__result_fail(ret, top->error, top->seq);
	return true;
}

void flo__tally_beside(struct flo__tally *tally,
		       const struct flo__result *child)
{
	if (child->state == FLO__STATE_CANCELLED && child->others != NULL)
		list(tally, child, true);
}

/* ---- the list ---- */

static int by_seq(const void *a, const void *b)
{
	const struct flo__failure *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

flo_status flo__errors_add(flo_value *errors, const flo_value *what)
{
	size_t n = 1;

	if (flo_value_typeof(what) == FLO_VALUE_LIST)
		n = flo_value_len(what);
	for (size_t i = 0; i < n; i++) {
		bool whole = flo_value_typeof(what) != FLO_VALUE_LIST;
		flo_value *one =
			whole ? flo__failure_brief(what)
			      : flo_value_ref(flo_value_list_at(what, i));

		if (flo_value_len(errors) >= FLO__ERRORS_LISTED) {
			flo_value_unref(one);
			break;
		}
		if (flo_value_list_add(errors, one) != FLO_OK)
			return FLO_NOMEM;
	}
	return FLO_OK;
}

void flo__tally_finish(struct flo__tally *tally, struct flo__result *ret)
{
	struct flo__failures *kept = &tally->listed;
	uint64_t total = tally->beside + (tally->exceeded ? tally->total : 0);

	if (kept->len > 1)
		qsort(kept->heap, kept->len, sizeof(*kept->heap), by_seq);
	if (total == 0 || (ret->state != FLO__STATE_FAILED &&
			   ret->state != FLO__STATE_CANCELLED))
		return;
	ret->others = flo_value_list(4);
	ret->others_total = total;
	for (size_t i = 0; ret->others != NULL && i < kept->len; i++) {
		const struct flo__failure *f = &kept->heap[i];

		if (f->error != NULL && (f->beside || tally->exceeded))
			flo__errors_add(ret->others, f->error);
	}
}

static void failures_fini(struct flo__failures *kept)
{
	for (size_t i = 0; i < kept->len; i++)
		flo_value_unref(kept->heap[i].error);
	flo__free(kept->heap);
}

void flo__tally_fini(struct flo__tally *tally)
{
	failures_fini(&tally->first);
	failures_fini(&tally->listed);
}
