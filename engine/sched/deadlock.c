/*
 * Deadlock: every coroutine waits, and nothing outside can wake one.
 *
 * Note: why this raises no false alarm
 *
 * The M that is about to park asks, under the scheduler's lock (and the
 * monitor before it goes to sleep). Then all P's
 * are idle, so no coroutine runs, and nobody spins. What could still make one
 * runnable is counted: coroutines parked for something outside (polls, notes),
 * timers, regions that block without a P, holds, ordinary threads inside a
 * call. Each count rises before the thing can be seen, and falls after its
 * coroutine is in a queue; all queues but the global one belong to busy P's,
 * and the global one is looked at last, under its lock.
 *
 * What cannot be counted is an ordinary thread that will call flo_go() later,
 * or cancel a context. So a runtime is judged only in a closed world: its
 * creator is the only thread that ever used it, and waits in flo_runtime_run(),
 * or somebody waits in flo_runtime_free(), after which nobody may use it; and
 * the process has no threads but that one, those of runtimes, and those that
 * called flo__thread_known(). Elsewhere it waits.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* atomic, relaxed: each thread counts itself while it runs, so this may be
 * less than there are, never more. Of the process, as threads are. */
static atomic_int known_threads;

void flo__thread_known(int by)
{
	atomic_fetch_add_explicit(&known_threads, by, memory_order_relaxed);
}

/* Are all threads known but the one that waits? */
static bool threads_known(void)
{
#ifdef FLO__TSAN
	return true; /* it has a thread of its own */
#else
	int n = 0;
	struct dirent *entry;
	DIR *dir = opendir("/proc/self/task");

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n ==
	       1 + atomic_load_explicit(&known_threads, memory_order_relaxed);
#endif
}

/* Coroutines alive. Exact while all P's are idle, under the lock. */
static uint64_t alive(flo_runtime *rt)
{
	uint64_t n = rt->spawned;

	for (uint32_t i = 0; i < rt->np; i++) {
		n += atomic_load_explicit(&rt->ps[i].spawned,
					  memory_order_relaxed);
		n -= atomic_load_explicit(&rt->ps[i].ended,
					  memory_order_relaxed);
	}
	return n;
}

static bool all_idle(flo_runtime *rt)
{
	return flo__sched_all_idle(rt) && rt->global.len == 0;
}

/* Has everything ended? */
bool flo__quiet(flo_runtime *rt)
{
	return all_idle(rt) && alive(rt) == 0;
}

static void report(struct flo__g *g, void *arg)
{
	(void)arg;
	if (atomic_load(&g->state) != FLO__G_PARKED)
		return;
	dprintf(STDERR_FILENO, "  coroutine %s waits: %s\n",
		g->named ? g->name : "(no name)",
		g->why != NULL ? g->why : "(no reason given)");
}

static bool closed(flo_runtime *rt)
{
	if (rt->waiting > 0)
		return true;
	return rt->creator_waits > 0 &&
	       !atomic_load_explicit(&rt->open_world, memory_order_relaxed);
}

void flo__deadlock_check(flo_runtime *rt)
{
	uint64_t n;

	if (!closed(rt) || !all_idle(rt) || rt->nblocked > 0 ||
	    atomic_load(&rt->spinning) > 0)
		return;
	if (atomic_load(&rt->externals) > 0 || atomic_load(&rt->timers) > 0 ||
	    atomic_load(&rt->holds) > 0 || atomic_load(&rt->foreign) > 0)
		return;
	n = alive(rt);
	if (n == 0 || rt->global.len > 0 || !threads_known())
		return;
	dprintf(STDERR_FILENO,
		"deadlock: all %llu coroutines wait for each other\n",
		(unsigned long long)n);
	flo__g_each(rt, report, NULL);
	abort();
}
