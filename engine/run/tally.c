/*
 * What a block's failures come to: how many it tolerates, and which one is its
 * error.
 *
 * The error is the first failure beyond the tolerance in the order of the
 * record. Members report theirs in the order in which their coroutines got to
 * it, and a resumed run in that of their positions, so the earliest
 * tolerance + 1 are kept, as a heap whose top is the latest of them.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"

struct flo__failure {
	uint64_t seq;
	flo_value *error; /* owned, or NULL */
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

static flo_status keep(struct flo__tally *tally, const flo_value *error,
		       uint64_t seq)
{
	struct flo__failure *f;

	if (tally->len > tally->tolerance) {
		if (tally->heap[0].seq <= seq)
			return FLO_OK;
		flo_value_unref(tally->heap[0].error);
		f = &tally->heap[0];
	} else {
		if (tally->len == tally->cap) {
			size_t cap = tally->cap * 2 + 1;

			f = flo__reallocarray(tally->heap, cap, sizeof(*f));
			if (f == NULL)
				return FLO_NOMEM;
			tally->heap = f;
			tally->cap = cap;
		}
		f = &tally->heap[tally->len++];
	}
	f->seq = seq;
	f->error = error != NULL ? flo_value_ref(error) : NULL;
	if (f == &tally->heap[0])
		sift_down(tally->heap, tally->len);
	else
		sift_up(tally->heap, tally->len - 1);
	return FLO_OK;
}

bool flo__tally_add(struct flo__tally *tally, const flo_value *error,
		    uint64_t seq, struct flo__result *ret)
{
	const struct flo__failure *top;

	if (tally->tolerance == 0 || keep(tally, error, seq) != FLO_OK) {
		/* Without memory to tell them apart none is tolerated. */
		flo__result_fail(ret, error, seq);
		return true;
	}
	if (tally->len <= tally->tolerance)
		return false;
	top = &tally->heap[0];
	flo__result_fail(ret, top->error, top->seq);
	return true;
}

void flo__tally_fini(struct flo__tally *tally)
{
	for (size_t i = 0; i < tally->len; i++)
		flo_value_unref(tally->heap[i].error);
	flo__free(tally->heap);
}
