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
 * or cancel a context. So a runtime is judged only in a closed world: the host
 * has said that there is no such thread; or its creator is the only thread that
 * ever used it, and waits in flo_runtime_run(), or somebody waits in
 * flo_runtime_free(), after which nobody may use it; and the process has no
 * threads but that one, those of runtimes, and those that called
 * flo__thread_known(). Elsewhere it waits.
 *
 * Note: who tells
 *
 * Without a callback whoever finds it prints and aborts. A callback may do
 * things that need the scheduler's lock, so the finder wakes the monitor, which
 * judges again and calls it with no lock held. A standstill is told once: it
 * is known by how much has been run and started until then (`told_at`), so
 * that a callback which woke somebody in vain hears of it again.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"
#include "base/thread.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
	return n == 1 + flo__threads_known();
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
	return flo__sched_all_idle(rt) && atomic_load(&rt->global_len) == 0;
}

/* Has everything ended? */
bool flo__quiet(flo_runtime *rt)
{
	return all_idle(rt) && alive(rt) == 0;
}

/* Will nothing that is counted ever wake one of the @ret_alive? */
static bool stands_still(flo_runtime *rt, uint64_t *ret_alive)
{
	if (!all_idle(rt) || rt->nblocked > 0 || atomic_load(&rt->spinning) > 0)
		return false;
	if (atomic_load(&rt->externals) > 0 || atomic_load(&rt->timers) > 0 ||
	    atomic_load(&rt->holds) > 0 || atomic_load(&rt->foreign) > 0 ||
	    flo__starve_hopes(rt))
		return false;
	*ret_alive = alive(rt);
	return *ret_alive > 0 && atomic_load(&rt->global_len) == 0;
}

static bool closed(flo_runtime *rt)
{
	if (rt->closed_world)
		return true;
	if (rt->waiting == 0 &&
	    (rt->creator_waits == 0 ||
	     atomic_load_explicit(&rt->open_world, memory_order_relaxed)))
		return false;
	return threads_known();
}

/* What has been run and started so far; never 0. Exact as alive() is. */
static uint64_t progress(flo_runtime *rt)
{
	uint64_t n = 1 + rt->spawned;

	for (uint32_t i = 0; i < rt->np; i++) {
		n += atomic_load_explicit(&rt->ps[i].shown_tick,
					  memory_order_relaxed);
		n += atomic_load_explicit(&rt->ps[i].spawned,
					  memory_order_relaxed);
	}
	return n;
}

static void print(flo_runtime *rt, uint64_t n, const char *head,
		  const char *tail, flo__report_fn fn, void *arg)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s %llu %s\n", head,
			   (unsigned long long)n, tail);

	fn(arg, line, (size_t)len);
	flo__report(rt, true, fn, arg);
}

static const char head[] = "deadlock: all";
static const char tail[] = "coroutines wait for each other";

void flo__deadlock_check(flo_runtime *rt)
{
	int fd = STDERR_FILENO;
	uint64_t n;

	if (!stands_still(rt, &n) || !closed(rt))
		return;
	if (rt->on_deadlock != NULL) {
		if (rt->told_at != progress(rt))
			flo__monitor_wake(rt);
		return;
	}
	print(rt, n, head, tail, flo__report_write, &fd);
	abort();
}

/* In an open world: somebody may come yet, but it has been long. */
void flo__deadlock_linger(flo_runtime *rt)
{
	int fd = STDERR_FILENO;
	uint64_t n;

	if (stands_still(rt, &n) && !closed(rt))
		print(rt, n, "flo_runtime_free() waits for",
		      "coroutines that nothing in the runtime will wake:",
		      flo__report_write, &fd);
}

/* A report in memory: what does not fit is left out. */
struct text {
	size_t len;
	char bytes[32 * 1024];
};

static void append(void *arg, const char *bytes, size_t len)
{
	struct text *text = arg;

	if (len > sizeof(text->bytes) - 1 - text->len)
		return;
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
	text->bytes[text->len] = '\0';
}

/* Whoever is told comes after all that any coroutine did: they gave their P's
 * up under the lock that we hold. */
static void come_after(struct flo__g *g, void *arg)
{
	(void)g, (void)arg;
	FLO__TSAN_ACQUIRE(g);
}

void flo__deadlock_tell(flo_runtime *rt)
{
	struct text text;
	uint64_t n;
	bool due;

	if (rt->on_deadlock == NULL || !flo__sched_all_idle(rt))
		return;
	text.len = 0;
	flo__tlock_take(&rt->lock);
	due = stands_still(rt, &n) && closed(rt) && rt->told_at != progress(rt);
	if (due) {
		rt->told_at = progress(rt);
		print(rt, n, head, tail, append, &text);
		flo__g_each(rt, come_after, NULL);
	}
	flo__tlock_give(&rt->lock);
	if (due) {
		rt->on_deadlock(rt, text.bytes, rt->on_deadlock_arg);
		flo__starve_relieve(rt);
	}
}
