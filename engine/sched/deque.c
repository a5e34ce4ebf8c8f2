/*
 * The queue of those for whom a P's ring had no room: pointers in a circular
 * array, so that a million queued coroutines are moved without being touched.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

#define CAP_MIN 1024u

static bool grow(struct flo__gdeque *deque)
{
	uint32_t cap = deque->cap > 0 ? 2 * deque->cap : CAP_MIN;
	uint32_t head = deque->cap - deque->first; /* before the wrap */
	struct flo__g **at;

	if (cap <= deque->cap)
		return false;
	at = flo__reallocarray(NULL, cap, sizeof(struct flo__g *));
	if (at == NULL)
		return false;
	if (head > deque->len)
		head = deque->len;
	if (deque->len > 0) {
		memcpy(at, deque->at + deque->first, head * sizeof(*at));
		memcpy(at + head, deque->at, (deque->len - head) * sizeof(*at));
	}
	flo__free(deque->at);
	deque->at = at;
	deque->cap = cap;
	deque->first = 0;
	return true;
}

/* Append @batch. False, and nothing has changed: out of memory. */
bool flo__gdeque_put(struct flo__gdeque *deque, const struct flo__gbatch *batch)
{
	while (deque->cap - deque->len < batch->len)
		if (!grow(deque))
			return false;
	for (uint32_t i = 0; i < batch->len; i++)
		deque->at[(deque->first + deque->len + i) & (deque->cap - 1)] =
			batch->at[i];
	deque->len += batch->len;
	return true;
}

/* Take the first; NULL if it is empty, and then a large one gives its memory
 * back. */
struct flo__g *flo__gdeque_get(struct flo__gdeque *deque)
{
	struct flo__g *g;

	if (deque->len == 0) {
		if (deque->cap > 64 * CAP_MIN)
			flo__gdeque_fini(deque);
		return NULL;
	}
	g = deque->at[deque->first];
	deque->first = (deque->first + 1) & (deque->cap - 1);
	deque->len--;
	return g;
}

void flo__gdeque_fini(struct flo__gdeque *deque)
{
	flo__free(deque->at);
	*deque = (struct flo__gdeque){0};
}
