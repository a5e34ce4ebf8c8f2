/*
 * Mutexes, conditions, semaphores: exclusion holds and no wake-up is lost. One
 * that is lost leaves everybody waiting, which the scheduler finds.
 */
#include "tests/sim/crowd.h"

#include <flo/chan.h>

#include <string.h>

#define ACTORS_MAX 8
#define LOCKS_MAX  3

/* ---- mutexes ---- */

static struct {
	flo_mutex locks[LOCKS_MAX];
	int inside[LOCKS_MAX];
	uint32_t nlocks, rounds;
	struct crowd all;
} m;

static void enter(uint32_t i)
{
	CHECK(++m.inside[i] == 1);
}

static void leave(uint32_t i)
{
	CHECK(--m.inside[i] == 0);
	flo_mutex_unlock(&m.locks[i]);
}

static bool lock_somehow(uint32_t i)
{
	if (once_in(4))
		return flo_mutex_trylock(&m.locks[i]);
	flo_mutex_lock(&m.locks[i]);
	return true;
}

/* One lock, or two of which the second is the higher. */
static void lock_some(void)
{
	uint32_t i = draw(m.nlocks), j = draw(m.nlocks);

	if (!lock_somehow(i))
		return;
	enter(i);
	dawdle();
	if (j > i && lock_somehow(j)) {
		enter(j);
		dawdle();
		leave(j);
	}
	leave(i);
}

static void lock_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < m.rounds; i++) {
		dawdle();
		lock_some();
	}
	crowd_leave(&m.all);
}

static void mutex_main(void *arg)
{
	uint32_t actors = 2 + draw(ACTORS_MAX);

	(void)arg;
	for (uint32_t i = 0; i < actors; i++)
		crowd_go(&m.all, lock_often, NULL);
	crowd_wait(&m.all);
	for (uint32_t i = 0; i < m.nlocks; i++)
		CHECK(flo_mutex_trylock(&m.locks[i]));
}

static void play_mutex(flo_runtime *rt)
{
	memset(&m, 0, sizeof(m));
	m.nlocks = 1 + draw(LOCKS_MAX);
	m.rounds = 1 + draw(12);
	play_main(rt, mutex_main, NULL);
}

const struct scenario mutex_scenario = {.name = "mutex", .play = play_mutex};

/* ---- conditions: a bounded store of goods ---- */

static struct {
	flo_context *root;
	flo_mutex lock;
	flo_cond not_full, not_empty;
	uint32_t goods, room;	/* by lock */
	uint32_t made, used;	/* by lock */
	uint32_t makers, users; /* of rounds each */
	uint32_t rounds;
	struct crowd all;
} g;

/* Wait for @cond with the lock held, perhaps not for long. */
static void wait_for(flo_cond *cond)
{
	flo_context *limit = some_limit(g.root);

	check_ended(limit, flo_cond_wait(cond, &g.lock, limit));
	CHECK(!flo_mutex_trylock(&g.lock));
	flo_context_unref(limit);
}

static void make(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < g.rounds; i++) {
		dawdle();
		flo_mutex_lock(&g.lock);
		while (g.goods == g.room)
			wait_for(&g.not_full);
		g.goods++;
		g.made++;
		flo_cond_signal(&g.not_empty);
		flo_mutex_unlock(&g.lock);
	}
	crowd_leave(&g.all);
}

static void use(void *arg)
{
	(void)arg;
	flo_mutex_lock(&g.lock);
	while (g.used < g.makers * g.rounds) {
		if (g.goods == 0) {
			wait_for(&g.not_empty);
			continue;
		}
		g.goods--;
		g.used++;
		flo_cond_signal(&g.not_full);
		if (g.used == g.makers * g.rounds)
			flo_cond_broadcast(&g.not_empty);
		flo_mutex_unlock(&g.lock);
		dawdle();
		flo_mutex_lock(&g.lock);
	}
	flo_mutex_unlock(&g.lock);
	crowd_leave(&g.all);
}

static void cond_main(void *arg)
{
	(void)arg;
	g.root = flo_context_new(flo_runtime_current());
	for (uint32_t i = 0; i < g.makers; i++)
		crowd_go(&g.all, make, NULL);
	for (uint32_t i = 0; i < g.users; i++)
		crowd_go(&g.all, use, NULL);
	crowd_wait(&g.all);
	CHECK(g.made == g.makers * g.rounds && g.used == g.made);
	flo_context_unref(g.root);
}

/*
 * A signal goes to the longest waiter; should its limit pass in the moment in
 * which it is woken, it still looks at the store again. So one signal for each
 * unit is enough, and a lost one is a deadlock.
 */
static void play_cond(flo_runtime *rt)
{
	memset(&g, 0, sizeof(g));
	g.room = 1 + draw(3);
	g.makers = 1 + draw(4);
	g.users = 1 + draw(4);
	g.rounds = 1 + draw(10);
	play_main(rt, cond_main, NULL);
}

const struct scenario cond_scenario = {.name = "cond", .play = play_cond};

/* ---- semaphores ---- */

static struct {
	flo_context *root;
	flo_sem sem;
	uint32_t units, held, rounds;
	struct crowd all;
} u;

static flo_status take_somehow(flo_context *limit)
{
	if (once_in(4))
		return flo_sem_trytake(&u.sem) ? FLO_OK : FLO_AGAIN;
	if (once_in(4))
		return flo_sem_take_front(&u.sem, limit);
	return flo_sem_take(&u.sem, limit);
}

static void take_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < u.rounds; i++) {
		flo_context *limit = some_limit(u.root);
		flo_status st = take_somehow(limit);

		if (st == FLO_OK) {
			CHECK(++u.held <= u.units);
			dawdle();
			u.held--;
			flo_sem_give(&u.sem);
		} else if (st != FLO_AGAIN) {
			check_ended(limit, st);
		}
		flo_context_unref(limit);
		dawdle();
	}
	crowd_leave(&u.all);
}

static void sem_main(void *arg)
{
	uint32_t actors = 2 + draw(ACTORS_MAX), left = 0;

	(void)arg;
	u.root = flo_context_new(flo_runtime_current());
	flo_sem_init(&u.sem, u.units);
	for (uint32_t i = 0; i < actors; i++)
		crowd_go(&u.all, take_often, NULL);
	crowd_wait(&u.all);
	while (flo_sem_trytake(&u.sem))
		left++;
	CHECK(left == u.units);
	flo_context_unref(u.root);
}

static void play_sem(flo_runtime *rt)
{
	memset(&u, 0, sizeof(u));
	u.units = 1 + draw(4);
	u.rounds = 1 + draw(12);
	play_main(rt, sem_main, NULL);
}

const struct scenario sem_scenario = {.name = "sem", .play = play_sem};

/* ---- who waits longest is served first ---- */

#define QUEUE_MAX 12

static struct {
	flo_context *root;
	flo_sem sem;
	flo_chan *chan;
	bool by_chan; /* served with values, not with units */
	uint32_t waiters, waiting, last;
	struct crowd all;
} q;

static flo_status wait_for_turn(flo_context *limit)
{
	return q.by_chan ? flo_chan_recv(q.chan, NULL, limit)
			 : flo_sem_take(&q.sem, limit);
}

/*
 * Each comes at a time of its own, and the clock does not move before it has
 * queued: so the order in which they came is known. Some do not wait to the
 * end.
 */
static void queue_up(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	flo_context *limit = NULL;
	flo_status st;

	CHECK(flo_sleep(NULL, me * US) == FLO_OK);
	if (once_in(3))
		limit = flo_context_timeout(q.root, draw(40) * US, NULL);
	q.waiting++;
	st = wait_for_turn(limit);
	q.waiting--;
	check_ended(limit, st);
	if (st == FLO_OK) {
		CHECK(me > q.last);
		q.last = me;
	}
	flo_context_unref(limit);
	crowd_leave(&q.all);
}

/* One at a time, so that each is known to be served before the next, and never
 * at the instant at which a limit ends: who has just ended still counts. */
static void serve(void *arg)
{
	(void)arg;
	CHECK(flo_sleep(NULL, (QUEUE_MAX + 1) * US + 1) == FLO_OK);
	while (q.waiting > 0) {
		if (!q.by_chan)
			flo_sem_give(&q.sem);
		else if (flo_chan_try_send(q.chan, NULL) != FLO_OK)
			CHECK(q.waiting == 0);
		CHECK(flo_sleep(NULL, draw(4) * US + 1) == FLO_OK);
	}
	crowd_leave(&q.all);
}

static void fifo_main(void *arg)
{
	(void)arg;
	q.root = flo_context_new(flo_runtime_current());
	flo_sem_init(&q.sem, 0);
	CHECK(flo_chan_new(0, 0, &q.chan) == FLO_OK);
	for (uint32_t i = 1; i <= q.waiters; i++)
		crowd_go(&q.all, queue_up, (void *)(uintptr_t)i);
	crowd_go(&q.all, serve, NULL);
	crowd_wait(&q.all);
	flo_chan_free(q.chan);
	flo_context_unref(q.root);
}

static void play_fifo(flo_runtime *rt)
{
	memset(&q, 0, sizeof(q));
	q.by_chan = once_in(2);
	q.waiters = 1 + draw(QUEUE_MAX);
	play_main(rt, fifo_main, NULL);
}

const struct scenario fifo_scenario = {.name = "fifo", .play = play_fifo};
