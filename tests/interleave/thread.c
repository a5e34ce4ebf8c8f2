/*
 * The threads of a schedule: contexts of one real thread, switched at points.
 *
 * Note: who cannot go on
 *
 * A thread that sleeps on a futex or joins another goes on when it is woken.
 * One that spins (a processor's pause, or sched_yield()) goes on when another
 * has written what it has read since it last span, and not before each of
 * those that could run when it began has made a step: or two that spin would
 * for ever wake each other while the third, for whom they wait, never runs.
 * One that naps may go on by itself, but the next time not before each of those
 * that it has left behind has made a step, for the same reason.
 * If only such threads are left they are let go on, so that a spin that is
 * bounded comes to its end; if that does not help it is a livelock.
 */
#include "tests/interleave/explore_p.h"
#include "tests/interleave/point.h"

#include "engine/sched/gmp_p.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#ifdef FLO__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

#undef pthread_create
#undef pthread_join
#undef pthread_self
#undef syscall

#define STACK_SIZE (256u << 10)
#define READS_MAX  16u
#define STALLS_MAX 256u /* spins in a row that all were in vain */

enum status {
	NONE,
	READY,
	SPINS,
	SLEEPS, /* on a futex */
	JOINS,
	ENDED
};

struct thread {
	void *sp;
	void *(*fn)(void *arg);
	void *arg;
	enum status status;
	void *local;		   /* the M that it is */
	const void *waits_on;	   /* SLEEPS: the word */
	bool naps;		   /* SLEEPS: it may wake by itself */
	unsigned joins;		   /* JOINS: whom */
	const volatile void *at;   /* what it is about to write, or NULL */
	const volatile void *next; /* taken off before this, or NULL */
	bool next_writes;
	bool overtaken; /* somebody has since come to that in conflict */
	/* What it has read since it last span. */
	const volatile void *reads[READS_MAX];
	unsigned reads_len;
	bool reads_any;	   /* they did not fit */
	bool written;	   /* SPINS: one of them was */
	uint8_t waits_for; /* SPINS: whose step */
	uint8_t slept_by;  /* whose step its next nap does not end before */
	uint64_t since;	   /* SLEEPS: for first in, first out */
	bool ours;	   /* from explore_go() */
#ifdef FLO__ASAN
	void *fake;
	const void *stack;
	size_t stack_size;
#endif
};

static _Alignas(64) char stacks[THREADS_MAX][STACK_SIZE];
static struct thread threads[THREADS_MAX], host;
static unsigned threads_len, current;
static bool on, quiet;
static uint32_t steps;
static unsigned stalls;
static uint64_t sleeps;
static void (*main_fn)(void);

/* m.c's thread-local, which changes with the thread. */
void **explore_local(void);

static void switched(struct thread *from)
{
#ifdef FLO__ASAN
	struct thread *to = on ? &threads[current] : &host;

	__sanitizer_finish_switch_fiber(to->fake, &from->stack,
					&from->stack_size);
#endif
	(void)from;
}

static struct thread *left; /* by the last switch */

static void switch_to(struct thread *from, struct thread *to, bool for_good)
{
	from->local = *explore_local();
	*explore_local() = to->local;
	left = from;
#ifdef FLO__ASAN
	__sanitizer_start_switch_fiber(for_good ? NULL : &from->fake, to->stack,
				       to->stack_size);
#endif
	(void)for_good;
	flo__switch(&from->sp, to->sp, NULL);
	switched(left);
}

/* What thread @t wrote at its last step reaches those that spin. */
static void publish(unsigned t)
{
	const volatile void *at = threads[t].at;
	struct thread *u;

	threads[t].at = NULL;
	for (unsigned i = 0; i < threads_len; i++) {
		u = &threads[i];
		u->waits_for &= (uint8_t) ~(1u << t);
		u->slept_by &= (uint8_t) ~(1u << t);
		if (u->status != SPINS || i == t || at == NULL)
			continue;
		u->written = u->written || u->reads_any;
		for (unsigned k = 0; k < u->reads_len; k++)
			u->written = u->written || u->reads[k] == at;
	}
	if (at != NULL)
		stalls = 0;
}

static uint8_t ready_mask(void)
{
	uint8_t mask = 0;

	for (unsigned i = 0; i < threads_len; i++)
		if (threads[i].status == READY)
			mask |= (uint8_t)(1u << i);
	return mask;
}

static unsigned collect_ready(uint8_t *list)
{
	uint8_t ready = ready_mask();
	unsigned n = 0;
	bool runs = threads[current].status == READY;

	if (runs)
		list[n++] = (uint8_t)current;
	for (unsigned k = 1; k <= threads_len; k++) {
		unsigned i = (current + k) % threads_len;

		if (threads[i].status == READY && !(runs && i == current))
			list[n++] = (uint8_t)i;
	}
	for (unsigned k = 1; k <= threads_len; k++) {
		unsigned i = (current + k) % threads_len;

		if (threads[i].status == SLEEPS && threads[i].naps &&
		    (threads[i].slept_by & ready) == 0)
			list[n++] = (uint8_t)i;
	}
	return n;
}

/* Go on as thread @to; if that naps its time has passed. */
static void turn(unsigned to)
{
	if (threads[to].status == SLEEPS)
		threads[to].slept_by = ready_mask();
	threads[to].status = READY;
	current = to;
}

/* Those that span and may look again. With @all, in vain too. */
static void end_spins(bool all)
{
	uint8_t ready = ready_mask();

	for (unsigned i = 0; i < threads_len; i++) {
		struct thread *t = &threads[i];

		t->waits_for &= ready;
		if (t->status != SPINS || !(t->written || all) ||
		    t->waits_for != 0)
			continue;
		t->status = READY;
		t->reads_len = 0;
		t->reads_any = false;
	}
}

static void stuck(void)
{
	static const char *const doing[] = {"",	     "",
					    "spins", "sleeps on a futex",
					    "joins", ""};
	char text[512];
	size_t len = 0;
	bool spins = false;

	for (unsigned i = 0; i < threads_len && len < sizeof(text); i++) {
		enum status s = threads[i].status;

		spins = spins || s == SPINS;
		if (s != ENDED)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"thread %u %s\n", i, doing[s]);
	}
	report_found(spins ? EXPLORE_LIVELOCK : EXPLORE_DEADLOCK, text);
}

/* Thread @t is about to do what it said: see the note in schedule.c. */
static void overtake(unsigned t, const volatile void *address, bool writes)
{
	for (unsigned i = 0; i < threads_len; i++) {
		struct thread *u = &threads[i];

		if (i != t && u->next == address && (writes || u->next_writes))
			u->overtaken = true;
	}
}

/* The caller is taken off before its next step, which is at @address. */
static void preempt(struct thread *me, unsigned to,
		    const volatile void *address, bool writes)
{
	schedule_preempt();
	me->next = address;
	me->next_writes = writes;
	me->overtaken = false;
	turn(to);
	switch_to(me, &threads[to], false);
	me->next = NULL;
	if (!me->overtaken)
		schedule_prune();
}

/* The caller cannot go on: let somebody else. */
static void wait_turn(void)
{
	struct thread *me = &threads[current];
	uint8_t list[THREADS_MAX];
	bool ended, same;
	unsigned n;

	end_spins(false);
	n = collect_ready(list);
	if (n == 0 && ++stalls < STALLS_MAX) {
		end_spins(true);
		n = collect_ready(list);
	}
	if (n == 0)
		stuck();
	n = n == 1 || quiet ? list[0] : schedule_choose(steps, list, n);
	ended = me->status == ENDED;
	same = n == current;
	turn(n);
	if (!same)
		switch_to(me, &threads[n], ended);
}

/* The caller could go on with its next step, at @address. Shall another? */
static void offer(const volatile void *address, bool writes)
{
	uint8_t list[THREADS_MAX];
	unsigned n, next;

	if (quiet || !schedule_may_preempt())
		return;
	end_spins(false);
	n = collect_ready(list);
	next = n == 1 ? current : schedule_choose(steps, list, n);
	if (next != current)
		preempt(&threads[current], next, address, writes);
}

static void step(const char *file, int line, char what)
{
	publish(current);
	if (++steps > STEPS_MAX)
		report_found(EXPLORE_LIVELOCK, "no end in sight");
	report_step(current, file, line, what);
}

static void remember(const volatile void *address)
{
	struct thread *me = &threads[current];

	for (unsigned i = 0; i < me->reads_len; i++)
		if (me->reads[i] == address)
			return;
	if (me->reads_len < READS_MAX)
		me->reads[me->reads_len++] = address;
	else
		me->reads_any = true;
}

void explore_point(const volatile void *address, bool writes, const char *file,
		   int line)
{
	bool shared;

	if (!on)
		return;
	step(file, line, writes ? 'w' : 'r');
	shared = schedule_touch(address, current, writes);
	remember(address);
	if (shared)
		offer(address, writes);
	overtake(current, address, writes);
	threads[current].at = writes ? address : NULL;
}

void explore_spin(const char *file, int line)
{
	struct thread *me = &threads[current];

	/* The processor is told to pause several times between two looks. */
	if (!on || (me->reads_len == 0 && !me->reads_any))
		return;
	step(file, line, 's');
	me->status = SPINS;
	me->written = false;
	me->waits_for = ready_mask();
	wait_turn();
}

static void sleep_on(_Atomic uint32_t *word, uint32_t value, bool naps)
{
	struct thread *me = &threads[current];

	/* Without a point: the look and the sleep are one step. */
	if (*(volatile uint32_t *)word != value)
		return;
	me->status = SLEEPS;
	me->waits_on = word;
	me->naps = naps;
	me->since = ++sleeps;
	wait_turn();
}

static bool is_nap(const struct timespec *timeout)
{
	return timeout != NULL && timeout->tv_sec == 0 &&
	       timeout->tv_nsec <= 1000000;
}

static void wake(const void *word, int max)
{
	while (max-- > 0) {
		struct thread *first = NULL;

		for (unsigned i = 0; i < threads_len; i++) {
			struct thread *t = &threads[i];

			if (t->status == SLEEPS && t->waits_on == word &&
			    (first == NULL || t->since < first->since))
				first = t;
		}
		if (first == NULL)
			return;
		first->status = READY;
	}
}

/* Only futexes. The clock stands still, so no timeout passes, but those of a
 * millisecond and less may at any time. */
long explore_syscall(const char *file, int line, long number, ...)
{
	const struct timespec *timeout = NULL;
	_Atomic uint32_t *word;
	unsigned value;
	va_list args;
	int op;

	if (number != SYS_futex)
		report_found(EXPLORE_UNSTABLE, "an unknown system call");
	va_start(args, number);
	word = va_arg(args, _Atomic uint32_t *);
	op = va_arg(args, int);
	value = va_arg(args, unsigned);
	if (op == FUTEX_WAIT_PRIVATE)
		timeout = va_arg(args, const struct timespec *);
	va_end(args);
	if (!on)
		return 0;
	explore_point(word, op == FUTEX_WAKE_PRIVATE, file, line);
	if (op == FUTEX_WAIT_PRIVATE)
		sleep_on(word, value, is_nap(timeout));
	else
		wake(word, (int)value);
	return 0;
}

static void end(void)
{
	struct thread *me = &threads[current];

	step(__FILE__, __LINE__, 'e');
	me->status = ENDED;
	for (unsigned i = 0; i < threads_len; i++)
		if (threads[i].status == JOINS && threads[i].joins == current)
			threads[i].status = READY;
	if (threads_alive() == 0) {
		on = false;
		switch_to(me, &host, true);
	}
	wait_turn();
}

static void entry(struct flo__m *m)
{
	struct thread *me = &threads[current];

	(void)m;
	switched(left);
	me->fn(me->arg);
	end();
}

static unsigned start(const char *name, void *(*fn)(void *arg), void *arg)
{
	unsigned id = threads_len;
	struct thread *t = &threads[id];

	if (id == THREADS_MAX)
		report_found(EXPLORE_UNSTABLE, "too many threads");
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	t->status = READY;
#ifdef FLO__ASAN
	__asan_unpoison_memory_region(stacks[id], STACK_SIZE);
	t->stack = stacks[id];
	t->stack_size = STACK_SIZE;
#endif
	t->sp = flo__switch_prepare(stacks[id] + STACK_SIZE, entry);
	report_name(id, name);
	threads_len++;
	return id;
}

int explore_thread_create(pthread_t *ret_thread, const pthread_attr_t *attr,
			  void *(*fn)(void *arg), void *arg)
{
	(void)attr;
	*ret_thread = start("M", fn, arg);
	return 0;
}

static void join(unsigned id)
{
	struct thread *me = &threads[current];

	step(__FILE__, __LINE__, 'j');
	if (threads[id].status == ENDED)
		return;
	me->status = JOINS;
	me->joins = id;
	wait_turn();
}

int explore_thread_join(pthread_t thread, void **ret_value)
{
	(void)ret_value;
	join((unsigned)thread);
	return 0;
}

pthread_t explore_thread_self(void)
{
	return current;
}

unsigned threads_started(void)
{
	return threads_len;
}

unsigned threads_alive(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < threads_len; i++)
		n += threads[i].status != ENDED;
	return n;
}

static void *run_main(void *arg)
{
	(void)arg;
	main_fn();
	explore_join();
	return NULL;
}

void threads_run(void (*fn)(void))
{
	main_fn = fn;
	threads_len = 0;
	current = 0;
	steps = 0;
	stalls = 0;
	sleeps = 0;
	quiet = false;
	start("main", run_main, NULL);
	on = true;
	switch_to(&host, &threads[0], false);
}

struct go {
	void (*fn)(void *arg);
	void *arg;
};
static struct go gos[THREADS_MAX];

static void *run_go(void *arg)
{
	struct go *go = arg;

	go->fn(go->arg);
	return NULL;
}

void explore_go(const char *name, void (*fn)(void *arg), void *arg)
{
	unsigned id = threads_len;

	if (id < THREADS_MAX)
		gos[id] = (struct go){fn, arg};
	start(name, run_go, &gos[id]);
	threads[id].ours = true;
}

void explore_join(void)
{
	for (unsigned i = 0; i < threads_len; i++)
		if (threads[i].ours)
			join(i);
}

void explore_quiet(bool be_quiet)
{
	quiet = be_quiet;
}
