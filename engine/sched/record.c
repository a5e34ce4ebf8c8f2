/*
 * The records of coroutines: slabs, and free ones in magazines.
 *
 * Slabs live as long as the runtime, so a report can walk them and a stale
 * pointer still points to a record. A P keeps two lists of free records, and
 * exchanges whole ones with the runtime: a list of FLO__CACHE_MAX records is
 * handed over by its head, without touching the others, which may be in
 * another core's cache.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#define SLAB_LEN (2 * FLO__CACHE_MAX)

struct flo__gslab {
	struct flo__gslab *next;
	void *memory; /* what was allocated; this lies in it, aligned */
	struct flo__g gs[SLAB_LEN];
};

/* A full list as one entry of the runtime's; its head's room holds the rest. */
static void give_chain(flo_runtime *rt, struct flo__glist *list)
{
	struct flo__g *head = list->head;

	INSIST(list->len == FLO__CACHE_MAX);
	head->room.words[0] = rt->gchains;
	head->room.words[1] = list->tail;
	rt->gchains = head;
	*list = (struct flo__glist){0};
}

/* The glock is held. */
static bool take_chain(flo_runtime *rt, struct flo__glist *list)
{
	struct flo__g *head = rt->gchains;

	INSIST(list->len == 0);
	if (head == NULL)
		return false;
	rt->gchains = head->room.words[0];
	*list = (struct flo__glist){head, head->room.words[1], FLO__CACHE_MAX};
	return true;
}

/* Records, in a slab of their own. The glock is held. */
static bool grow(flo_runtime *rt)
{
	const size_t align = _Alignof(struct flo__gslab);
	void *memory = flo__calloc(1, sizeof(struct flo__gslab) + align);
	struct flo__glist list = {0};
	struct flo__gslab *slab;

	if (memory == NULL)
		return false;
	slab = (void *)(((uintptr_t)memory + align - 1) & ~(align - 1));
	slab->memory = memory;
	slab->next = NULL;
	*(rt->gslabs_last != NULL ? &rt->gslabs_last->next : &rt->gslabs) =
		slab;
	rt->gslabs_last = slab;
	FLO__TSAN_RELEASE(&rt->gchains);
	/* The last chain given is the first taken: in the order of memory. */
	for (uint32_t first = SLAB_LEN; first > 0;) {
		first -= FLO__CACHE_MAX;
		for (uint32_t i = first; i < first + FLO__CACHE_MAX; i++) {
			slab->gs[i].rt = rt;
			flo__glist_push(&list, &slab->gs[i]);
		}
		give_chain(rt, &list);
	}
	return true;
}

/* Fill @list, which is empty. False: out of memory. */
static bool refill(flo_runtime *rt, struct flo__glist *list)
{
	bool ok;

	flo__tlock_take(&rt->glock);
	ok = take_chain(rt, list) || (grow(rt) && take_chain(rt, list));
	flo__tlock_give(&rt->glock);
	return ok;
}

/* For a thread without a P: from a list under the lock. */
static struct flo__g *take_loose(flo_runtime *rt)
{
	struct flo__g *g = NULL;

	flo__tlock_take(&rt->glock);
	if (rt->gloose.len > 0 || take_chain(rt, &rt->gloose) ||
	    (grow(rt) && take_chain(rt, &rt->gloose)))
		g = flo__glist_pop(&rt->gloose);
	flo__tlock_give(&rt->glock);
	return g;
}

static struct flo__g *take_slow(flo_runtime *rt, struct flo__p *p)
{
	if (p == NULL)
		return take_loose(rt);
	if (p->gspare.len > 0) {
		p->gfree = p->gspare;
		p->gspare = (struct flo__glist){0};
	} else if (!refill(rt, &p->gfree)) {
		return NULL;
	}
	return flo__glist_pop(&p->gfree);
}

/* Make a record; @p, if not NULL, is the caller's. NULL: out of memory. */
struct flo__g *flo__g_new(flo_runtime *rt, struct flo__p *p)
{
	struct flo__g *g = p != NULL ? flo__glist_pop(&p->gfree) : NULL;

	if (g == NULL)
		g = take_slow(rt, p);
	if (g == NULL)
		return NULL;
	FLO__TSAN_ACQUIRE(&rt->gchains);
	INSIST(atomic_load_explicit(&g->state, memory_order_relaxed) ==
	       FLO__G_FREE);
	INSIST(g->stack == NULL && !g->external);
	/* The next one is on its way; the one after it will be. */
	if (p != NULL && p->gfree.head != NULL)
		__builtin_prefetch(p->gfree.head->next, 1);
	return g;
}

void flo__g_free(struct flo__p *p, struct flo__g *g)
{
	g->stack = NULL;
	atomic_store_explicit(&g->state, FLO__G_FREE, memory_order_release);
#ifdef FLO__TSAN_STRICT
	/* As late as can be: its next owner is ordered after its last. */
	flo__glist_push(&p->gfree, g);
#else
	g->next = p->gfree.head;
	p->gfree.head = g;
	if (p->gfree.tail == NULL)
		p->gfree.tail = g;
	p->gfree.len++;
#endif
	if (p->gfree.len < FLO__CACHE_MAX)
		return;
	if (p->gspare.len > 0) {
		flo__tlock_take(&p->rt->glock);
		give_chain(p->rt, &p->gspare);
		flo__tlock_give(&p->rt->glock);
	}
	p->gspare = p->gfree;
	p->gfree = (struct flo__glist){0};
}

void flo__g_each(flo_runtime *rt, void (*fn)(struct flo__g *g, void *arg),
		 void *arg)
{
	struct flo__gslab *slab;

	flo__tlock_take(&rt->glock);
	for (slab = rt->gslabs; slab != NULL; slab = slab->next)
		for (uint32_t i = 0; i < SLAB_LEN; i++)
			fn(&slab->gs[i], arg);
	flo__tlock_give(&rt->glock);
}

void flo__g_slabs_free(flo_runtime *rt)
{
	struct flo__gslab *slab;

	while ((slab = rt->gslabs) != NULL) {
		rt->gslabs = slab->next;
		flo__free(slab->memory);
	}
}
