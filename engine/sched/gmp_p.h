/*
 * G, M and P, and what they share. Only engine/sched includes this.
 *
 *	G  a coroutine: a record, and a stack once it has run
 *	M  a thread: runs the G's of the P it holds, parks when it has none
 *	P  the right to run G's, with a queue of them, caches and timers
 *
 * proc.c has the note on how M's park and wake.
 */
#ifndef FLO_ENGINE_SCHED_GMP_P_H
#define FLO_ENGINE_SCHED_GMP_P_H

#include "engine/sched/lock_p.h"
#include "engine/sched/sched_p.h"
#include "engine/sched/switch_p.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FLO__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define FLO__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define FLO__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define FLO__TSAN 1
#endif

/*
 * Note: ThreadSanitizer
 *
 * Two builds. The loose one (default) lets a switch order whatever the thread
 * does before and after it. It checks the scheduler itself, all of which is
 * instrumented, but hides a race between two coroutines that happen to run on
 * one thread. The strict one (-Dtsan_strict=true, clang) orders nothing by
 * switches, and leaves what is plain data of M's and P's uninstrumented
 * (tsan_strict.ignore), since there the program order of a thread is all that
 * protects it. What orders coroutines is said by hand with the macros below:
 * who readies one, who starts a timer. It finds races in what coroutines
 * share, on a single thread too.
 */
#ifdef FLO__TSAN_STRICT
#define FLO__TSAN_SWITCH 1u /* __tsan_switch_to_fiber_no_sync */
#else
#define FLO__TSAN_SWITCH 0u
#endif
#ifdef FLO__TSAN
#include <sanitizer/tsan_interface.h>
#define FLO__TSAN_ACQUIRE(what) __tsan_acquire(what)
#define FLO__TSAN_RELEASE(what) __tsan_release(what)
#else
#define FLO__TSAN_ACQUIRE(what) ((void)0)
#define FLO__TSAN_RELEASE(what) ((void)0)
#endif

#ifndef FLO__RING_LEN	   /* tests/interleave has it small */
#define FLO__RING_LEN 256u /* a P's queue; a power of two */
#endif
#define FLO__GLOBAL_TICK 61u   /* look at the global queue every so often */
#define FLO__TIMER_TICK	 8u    /* and at the clock, while timers are armed */
#define FLO__TIMER_ARITY 4u    /* children of a place in a heap of timers */
#define FLO__NEXT_MAX	 64u   /* wake-ups in a row that overtake the queue */
#define FLO__CACHE_MAX	 64u   /* free G's and stacks a P keeps */
#define FLO__M_MAX	 1024u /* threads of one runtime */
#define FLO__RELIEF_MAX	 4u    /* P's that exist only while others are stuck */
#define FLO__HOG_NS	 10000000ull
#define FLO__POLL_NS	 20000ull
#define FLO__NEVER	 UINT64_MAX

struct flo__p;
struct flo__stack;

/* Who owns a G is what its state says. */
enum flo__g_state {
	FLO__G_FREE,	/* the free list it lies in */
	FLO__G_QUEUED,	/* the one queue it is in, or who carries it there */
	FLO__G_RUNNING, /* the M that runs it */
	FLO__G_PARKED,	/* who will ready it */
};

/* Which of the fields on the second cache line are set. */
enum flo__g_marks {
	FLO__G_NAMED = 1,
	FLO__G_TRACED = 2,
	FLO__G_LIVES = 4,   /* flo__g_life() was called */
	FLO__G_STARVES = 8, /* it waits for its stack (starve.c) */
};

struct flo__g {
	/* One cache line is all that a short life touches: from spawn to end
	 * on a warm stack. */
	_Alignas(64) struct flo__g *next; /* link of the list it is in */
	/* atomic: release by the owner who gives it up, acquire by the next */
	_Atomic uint32_t state;
	uint8_t stack_class;	  /* owner */
	bool external;		  /* owner; its wake-up may come from outside */
	bool canary;		  /* owner; its stack wants to be checked */
	uint8_t marks;		  /* owner; enum flo__g_marks */
	flo_fn fn;		  /* owner */
	void *arg;		  /* owner */
	struct flo__stack *stack; /* owner; NULL until first run */
	struct flo__room room;	  /* the coroutine's own: flo__go_room() */

	flo_runtime *rt; /* constant */
	void *sp;	 /* owner; valid while not running */
	/* owner; relaxed, for reports (report.c) */
	const char *name;  /* if marked */
	const char *why;   /* what it waits for, while it is parked */
	uint64_t trace[2]; /* if marked */
	void *local;	   /* the coroutine's own: flo__g_local() */
	uint32_t id;   /* owner; which one it is, in the deterministic drive */
	uint32_t life; /* owner; kept over reuse: flo__g_life() */
#ifdef FLO__TSAN
	void *fiber;
#endif
};

/* An intrusive FIFO of G's. */
struct flo__glist {
	struct flo__g *head, *tail;
	uint32_t len;
};

/* Some G's by pointer, so that to move them is not to touch them. */
struct flo__gbatch {
	uint32_t len;
	struct flo__g *at[FLO__RING_LEN / 2 + 1];
};

/* A FIFO of G's by pointer: a circular array that grows. */
struct flo__gdeque {
	struct flo__g **at;
	uint32_t first, len, cap; /* cap: a power of two, or 0 */
};

/* Who holds a P. */
enum flo__p_status {
	FLO__P_IDLE, /* the idle list, under rt->lock; its queues are empty */
	FLO__P_RUNNING, /* the M it belongs to */
	FLO__P_BLOCKED, /* whoever changes this by compare-and-swap */
	FLO__P_ABSENT,	/* rt->lock: a relief P that is not needed */
};

struct flo__p {
	/* The ring. Consumers move head by compare-and-swap, so a thief is safe
	 * against the owner and against other thieves; only the owner moves tail.
	 * head: acq_rel; tail: release in put, acquire in steal; slots: relaxed,
	 * ordered by head and tail. */
	_Atomic uint32_t head;
	char pad0[60];
	_Atomic uint32_t tail;
	/* atomic: exchanged by owner and thieves, release in, acquire out */
	_Atomic(struct flo__g *) runnext;
	uint32_t next_streak;	     /* owner M only */
	uint32_t tick;		     /* owner M only */
	uint64_t polled_ns;	     /* owner M only: when it last polled */
	_Atomic uint32_t shown_tick; /* relaxed: tick for the monitor */
	uint32_t rng;		     /* owner M only */
	_Atomic uint64_t
		choices; /* relaxed, owner M or relief: flo__choice() */
	/* relaxed, owner writes; exact to who sees the P idle under rt->lock */
	_Atomic uint64_t spawned;
	_Atomic uint64_t ended;
	struct flo__glist gfree;      /* owner M only: fewer than a chain */
	struct flo__glist gspare;     /* owner M only: a chain, or none */
	struct flo__stack *stacks[2]; /* owner M only: warm free stacks */
	uint32_t stacks_len[2];	      /* owner M only */
	flo_runtime *rt;	      /* constant */
	uint32_t id;		      /* constant */
	struct flo__p *link;	      /* by rt->lock: idle list */
	/* atomic: see enum; release by who gives the P up, acquire by who
	 * takes it */
	_Atomic uint32_t status;
	uint32_t mon_tick; /* monitor only: what it saw last */
	bool mon_blocked;  /* monitor only: and that it was blocked */
	/* monitor only: the tick and the spawns it saw, and since when */
	uint32_t mon_turn;
	uint64_t mon_turn_since;
	uint64_t mon_spawned;
	uint64_t mon_spawned_since;
	bool relief; /* constant */
	bool detour; /* constant: never straight from one G to the next */
	/* relaxed, hints of thieves to each other: when they last looked, and
	 * the tick then (idle.c) */
	_Atomic uint64_t seen_ns;
	_Atomic uint32_t seen_tick;

	/* Timers: a 4-ary heap. */
	struct flo__tlock timer_lock;
	struct flo__timer **heap;    /* by timer_lock */
	uint32_t heap_len, heap_cap; /* by timer_lock */
	struct flo__timer *firing;   /* by timer_lock: its fn runs now */
	bool timers_busy;	     /* by timer_lock: somebody runs them */
	/* atomic: earliest deadline; seq_cst store, partner: poller */
	_Atomic uint64_t timer_next;

	char pad1[64];
	_Atomic(struct flo__g *) ring[FLO__RING_LEN];
};

/* What is done for a G that has left its stack: see the note in g.c. */
enum flo__m_op {
	FLO__OP_NONE, /* it never ran: there was no stack for it */
	FLO__OP_PARK,
	FLO__OP_YIELD,
	FLO__OP_END,
	FLO__OP_UNBLOCK, /* back from a blocking region without a P */
};

struct flo__m {
	struct flo__g *g;      /* own; what runs, NULL on the M's own stack */
	struct flo__p *p;      /* own; NULL while it has no right to run G's */
	void *sp;	       /* own; the M's own stack, while a G runs */
	flo_runtime *rt;       /* constant */
	struct flo__g *picked; /* own; taken from the queue, runs next */
	struct flo__g *left;   /* own; who left its stack, not finished yet */
	enum flo__m_op op;     /* own; what it left for */
	bool (*commit)(struct flo__g *g, void *arg); /* own */
	uint32_t ends_len; /* own; ends put off, of ends_of: flo__end_later() */
	void *ends_of;	   /* own */
	void (*settle)(void *of, uint32_t n); /* own */
	void *commit_arg;		      /* own */
	uint32_t block_depth;		      /* own */
	struct flo__p *block_p; /* own; the P it left when it blocked */
	bool spinning;		/* own; counted in rt->spinning */
	uint64_t patience_ns;	/* own; how long it spins before it naps */
	bool batching; /* own; drives the poller: readied G's go to batch */
	struct flo__glist batch; /* own */
	uint32_t batch_external; /* own; of those, counted as external */
	struct flo__p *nextp;	 /* given with park, by who wakes */
	_Atomic uint32_t park;	 /* futex; 1 is a permit: release, acquire */
	struct flo__m *link;	 /* by rt->lock: idle list */
	struct flo__m *all;	 /* by rt->lock: every M */
	pthread_t thread;	 /* constant */
	void *fiber;		 /* ThreadSanitizer's for the M's own stack */
	const void *asan_stack;	 /* AddressSanitizer's: bounds of it */
	size_t asan_size;
};

struct flo__stack_pool;
struct flo__poller;
struct flo__sim;

struct flo_runtime {
	struct flo__tlock lock;
	uint32_t nprocs;	/* constant: ordinary P's */
	uint32_t np;		/* constant: with relief P's */
	uint32_t default_class; /* constant */
	enum flo_drive drive;	/* constant */
	struct flo__sim *sim;	/* constant; the deterministic drive's */
	/* atomic, relaxed: the generator of both drives for tests */
	_Atomic uint64_t draws;
	uint64_t choices_seed; /* constant: of the P's generators */
	bool closed_world;     /* constant: the host says so */
	void (*on_deadlock)(flo_runtime *rt, const char *report,
			    void *arg); /* constant; NULL: abort */
	void *on_deadlock_arg;		/* constant */
	uint64_t told_at;	    /* by lock: progress at the last report */
	struct flo__p *ps;	    /* constant: np of them */
	struct flo__p *idle_p;	    /* by lock */
	struct flo__m *idle_m;	    /* by lock */
	struct flo__m *all_m;	    /* by lock */
	uint32_t nm;		    /* by lock */
	struct flo__glist global;   /* by lock */
	struct flo__gdeque spilled; /* by lock: what rings had no room for */
	_Atomic uint32_t
		global_len;	   /* written under lock; seq_cst, for looks */
	atomic_bool global_urgent; /* likewise: not only what rings had no
				      room for */
	char pad0[64];
	/* atomic, seq_cst; the two sides of the park protocol (proc.c) */
	_Atomic uint32_t spinning;
	_Atomic uint32_t nidle;	  /* P's in idle_p; written under lock */
	_Atomic uint32_t nactive; /* nprocs and relief; written under lock */
	_Atomic uint32_t nstuck;  /* relaxed: P's that need relief; monitor */
	/* atomic, seq_cst; the napper (idle.c) */
	_Atomic uint32_t nappers;	  /* 1 while an M naps */
	_Atomic(struct flo__p *) napping; /* its P while it sleeps: for who
					     takes it */
	_Atomic uint32_t nap_kicks;	  /* futex: more wake it */
	atomic_bool hurry;		  /* somebody waits for the end */
	char pad1[64];
	struct flo__glist starved; /* by lock: G's without a stack (starve.c) */
	uint32_t probes;	   /* by lock: in vain, since one got on */
	uint64_t probed_ns;	   /* monitor only: when it last did */
	/* atomic, written under lock; seq_cst store in starve, partner: the
	 * monitor's look before it sleeps; else relaxed. Those in `starved`,
	 * and those that are on another try. */
	_Atomic uint32_t nstarved;
	/* atomic, written under lock, relaxed: a try comes by a queue after
	 * it. The starving may have the reserved stack. */
	atomic_bool relieving;
	uint32_t nblocked; /* by lock: blocking regions without a P */
	uint64_t spawned;  /* by lock: G's not started on a P */
	uint32_t waiting; /* by lock: flo_runtime_free() waits for the last G */
	uint32_t creator_waits; /* by lock: creator is in flo_runtime_run() */
	pthread_t creator;	/* constant */
	/* relaxed, set once: threads besides the creator use the runtime */
	atomic_bool open_world;
	/* atomic, seq_cst: each rises before what it counts can be seen and
	 * falls after its G is runnable (deadlock.c) */
	_Atomic uint32_t externals; /* G's parked for something outside */
	_Atomic uint32_t timers;    /* armed, or their fn running */
	_Atomic uint32_t holds;
	_Atomic uint32_t contexts; /* relaxed: root contexts not given back */
	_Atomic uint32_t foreign;  /* ordinary threads inside a call; last
				     * touch of the runtime by each */
	atomic_bool stopping;	   /* release under lock; acquire */
	_Atomic uint32_t quiet;	   /* futex: flo_runtime_free() may go on */

	struct flo__tlock glock;
	struct flo__g *gchains;	   /* by glock: full lists of free ones */
	struct flo__glist gloose;  /* by glock: free ones for other threads */
	struct flo__gslab *gslabs; /* by glock: the oldest first */
	struct flo__gslab *gslabs_last; /* by glock */

	struct flo__stack_pool *stacks;
	struct flo__poller *poller;
	void *starter; /* ThreadSanitizer's, by lock: see m.c */

	/* monitor */
	pthread_t mon_thread;
	_Atomic uint32_t mon_wake;  /* futex: 1 wakes it */
	_Atomic uint32_t mon_sleep; /* seq_cst: enum flo__mon_sleep */
};

/* m.c: threads */
struct flo__m *flo__m(void); /* the calling thread's M, or NULL */
bool flo__m_start(flo_runtime *rt, struct flo__p *p, bool spinning);
bool flo__m_stop(struct flo__m *m);
void flo__m_unpark(struct flo__m *m);

/* sigstack.c: where handlers of signals run on an M */
struct flo__sigstack {
	void *base; /* owned by the M; NULL: none */
	size_t size;
	stack_t before;
};
void flo__sigstack_enter(struct flo__m *m, struct flo__sigstack *ret);
void flo__sigstack_leave(struct flo__sigstack *s);

/* The end: a coroutine, the one that runs if there is one, has written over
 * the memory of others. No panic: its caller may hold a lock. */
void flo__stack_overflowed(size_t size) FLO_NORETURN;

/* proc.c: who runs what */
void flo__sched_loop(struct flo__m *m);
void flo__sched_push(struct flo__m *m, struct flo__g *g, bool front);
struct flo__g *flo__sched_next(struct flo__m *m);
bool flo__sched_alone(struct flo__m *m);
void flo__sched_append(flo_runtime *rt, struct flo__glist *list);
void flo__sched_show_global(flo_runtime *rt);
void flo__sched_push_global(flo_runtime *rt, struct flo__glist *list);
void flo__sched_wake(flo_runtime *rt);
void flo__sched_hint(flo_runtime *rt);
void flo__sched_stop_spinning(struct flo__m *m);
uint32_t flo__sched_random(struct flo__p *p);
struct flo__g *flo__sched_get_local(struct flo__p *p);
struct flo__g *flo__sched_get_global(flo_runtime *rt, struct flo__p *p,
				     uint32_t max);
bool flo__sched_run_timers(flo_runtime *rt);
struct flo__p *flo__sched_take_p(struct flo__m *m);
void flo__sched_handoff(flo_runtime *rt, struct flo__p *p);
struct flo__p *flo__sched_idle_get(flo_runtime *rt);
void flo__sched_idle_put(flo_runtime *rt, struct flo__p *p);
bool flo__sched_work_waits(flo_runtime *rt, const struct flo__p *p);
void flo__sched_abandon(flo_runtime *rt, struct flo__p *p, bool spinning);
bool flo__sched_work_anywhere(flo_runtime *rt);
bool flo__sched_all_idle(flo_runtime *rt);
bool flo__sched_regain(struct flo__m *m);
bool flo__sched_drop(struct flo__m *m);
void flo__sched_flush(struct flo__m *m);
void flo__sched_spill(flo_runtime *rt, struct flo__p *p);

/* idle.c: spinning and napping */
struct flo__g *flo__idle_find(struct flo__m *m);
bool flo__idle_must_drive(flo_runtime *rt);
struct flo__p *flo__idle_take(flo_runtime *rt);
void flo__idle_kick(flo_runtime *rt);

/* relief.c: P's for the time that others are stuck */
bool flo__relief_in_excess(flo_runtime *rt);
void flo__relief_retire(struct flo__m *m);
bool flo__relief_drop(flo_runtime *rt, struct flo__p *p);
void flo__relief_set(flo_runtime *rt, uint32_t stuck);
void flo__relief_share(flo_runtime *rt, struct flo__p *p);

/* runq.c: the ring of a P */
bool flo__runq_put(struct flo__p *p, struct flo__g *g,
		   struct flo__gbatch *spill);
struct flo__g *flo__runq_get(struct flo__p *p);
struct flo__g *flo__runq_take(struct flo__p *p);
struct flo__g *flo__runq_steal(struct flo__p *thief, struct flo__p *victim,
			       bool take_next);
uint32_t flo__runq_len(const struct flo__p *p);
bool flo__runq_empty(const struct flo__p *p);

static inline void flo__glist_push(struct flo__glist *list, struct flo__g *g)
{
	g->next = NULL;
	if (list->tail != NULL)
		list->tail->next = g;
	else
		list->head = g;
	list->tail = g;
	list->len++;
}

static inline struct flo__g *flo__glist_pop(struct flo__glist *list)
{
	struct flo__g *g = list->head;

	if (g == NULL)
		return NULL;
	list->head = g->next;
	if (list->head == NULL)
		list->tail = NULL;
	list->len--;
	return g;
}

/* deque.c: by rt->lock */
bool flo__gdeque_put(struct flo__gdeque *deque,
		     const struct flo__gbatch *batch);
struct flo__g *flo__gdeque_get(struct flo__gdeque *deque);
void flo__gdeque_fini(struct flo__gdeque *deque);

/* record.c: records */
struct flo__g *flo__g_new(flo_runtime *rt, struct flo__p *p);
void flo__g_publish(struct flo__g *g);
void flo__g_free(struct flo__p *p, struct flo__g *g);
void flo__g_run(struct flo__m *m, struct flo__g *g);
struct flo__m *flo__g_leave(struct flo__m *m, enum flo__m_op op);
void flo__g_each(flo_runtime *rt, void (*fn)(struct flo__g *g, void *arg),
		 void *arg);
void flo__g_slabs_free(flo_runtime *rt);

/* stack.c */
enum {
	FLO__STACK_SMALL,
	FLO__STACK_LARGE,
	FLO__STACK_CLASSES
};

struct flo__stack {
	struct flo__stack *next;
	char *base; /* lowest address; the guard is here */
	size_t size;
	uint32_t index;
	uint8_t class;
	uint8_t guard;
	bool reserved; /* constant once the pool is made */
	unsigned valgrind_id;
};

flo_status flo__stack_pool_new(struct flo__stack_pool **ret_pool);
void flo__stack_pool_free(struct flo__stack_pool *pool);
struct flo__stack *flo__stack_get(struct flo__p *p, unsigned class);
struct flo__stack *flo__stack_warm(struct flo__p *p, unsigned class);
/* The reserved one, which fits any class; NULL while it is lent. */
struct flo__stack *flo__stack_reserve(struct flo__stack_pool *pool);
bool flo__stack_give_up(struct flo__p *p); /* its cache, to the pool */
void flo__stack_put(struct flo__p *p, struct flo__stack *stack);
void *flo__stack_top(const struct flo__stack *stack);
void flo__stack_check(const struct flo__stack *stack);
bool flo__stack_has_canary(const struct flo__stack *stack);
size_t flo__stack_guard(const struct flo__stack *stack); /* bytes; 0: canary */
bool flo__stack_class(size_t size, unsigned *ret_class);

/* starve.c */
void flo__starve(flo_runtime *rt, struct flo__g *g);
void flo__starve_feed(flo_runtime *rt);
void flo__starve_probe(flo_runtime *rt); /* the monitor */
bool flo__starve_hopes(const flo_runtime *rt);
void flo__starve_sated(flo_runtime *rt, struct flo__g *g); /* it has a stack */
/* Nobody will be helped otherwise: lend the reserved stack. */
void flo__starve_relieve(flo_runtime *rt);

/* timer.c */
bool flo__timers_run(struct flo__p *p, uint64_t now_ns);
uint64_t flo__timers_next(flo_runtime *rt);

/* poll.c */
flo_status flo__poller_new(flo_runtime *rt, flo_error *err);
void flo__poller_free(flo_runtime *rt);
bool flo__poller_try(flo_runtime *rt);	  /* nothing blocks; any M, monitor */
bool flo__poller_drive(struct flo__m *m); /* blocks; an M without P */
bool flo__poller_driven(flo_runtime *rt);
void flo__poller_earlier(flo_runtime *rt, uint64_t when_ns);
void flo__poller_interrupt(flo_runtime *rt);

/* blocking.c */
void flo__blocking_return(struct flo__m *m, struct flo__g *g);
bool flo__blocking_retake(flo_runtime *rt, struct flo__p *p);

/* monitor.c */
enum flo__mon_sleep {
	FLO__MON_AWAKE, /* or looks again within microseconds */
	FLO__MON_LONG,	/* a blocking region should wake it */
	FLO__MON_DEEP,	/* the first P to become busy too */
};
flo_status flo__monitor_start(flo_runtime *rt, flo_error *err);
void flo__monitor_stop(flo_runtime *rt);
void flo__monitor_wake(flo_runtime *rt);

/* deadlock.c; the first three with rt->lock held */
bool flo__quiet(flo_runtime *rt);
void flo__deadlock_check(flo_runtime *rt);
void flo__deadlock_linger(flo_runtime *rt); /* flo_runtime_free() waits long */
void flo__deadlock_tell(flo_runtime *rt);   /* the monitor, without locks */

/* report.c: a line for each kind of coroutine, at most 101 */
typedef void (*flo__report_fn)(void *arg, const char *text, size_t len);
void flo__report(flo_runtime *rt, bool parked_only, flo__report_fn fn,
		 void *arg);
void flo__report_write(void *arg, const char *text, size_t len); /* int * */

/* sim.c: the drives for tests */
flo_status flo__drive_init(flo_runtime *rt,
			   const struct flo_runtime_options *options);
void flo__drive_fini(flo_runtime *rt);
uint64_t flo__drive_draw(flo_runtime *rt);
uint32_t flo__drive_timer(struct flo__p *p, uint64_t now_ns);
void flo__sim_loop(struct flo__m *m);
void flo__sim_push(flo_runtime *rt, struct flo__g *g, bool front);
uint64_t flo__sim_now(const flo_runtime *rt);
uint64_t flo__sim_patience(const flo_runtime *rt);

/* runtime.c */
uint64_t flo__clock(void);

#endif
