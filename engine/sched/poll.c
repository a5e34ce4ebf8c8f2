/*
 * The poller: one libuv loop a runtime, driven by whichever M is idle.
 *
 * Note: what libuv watches
 *
 * The loop is where an M blocks, and what later needs a libuv handle gets its
 * place there. Descriptors that coroutines wait for are in an epoll set of our
 * own, which the loop watches as one handle (as is the timer). For libuv may
 * only be called by the driver, so a uv_poll_t a wait would need a request
 * queue and a wake-up of the driver for each, an ioctl and four epoll_ctl
 * where two will do, and memory until its close callback. The kernel's sets
 * take additions from any thread, even while somebody waits for them. Likewise
 * the next deadline is a timerfd, exact to microseconds where the loop's own
 * timers are to a millisecond (and may be early), which any thread moves
 * nearer without waking the driver.
 *
 * Who drives: `role` is FREE, TRYING (someone polls without blocking) or
 * DRIVING (an M without P blocks). One at a time: who wants to drive waits for
 * a TRYING to end, and who finds another DRIVING parks on its futex.
 *
 * Note: events for a wait that is over
 *
 * The kernel may hand out an event, and the waiter be woken by something else,
 * return and wait anew, before the event is looked at. So an event names a
 * slot, whose memory lives as long as the runtime, and the generation of the
 * wait; both are in one word with the wait's phase, and only a swap that finds
 * the right generation counts. The same word collects what became ready.
 */
#include "engine/sched/gmp_p.h"
#include "engine/sched/poll_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/context_p.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#define EVENTS_MAX  64
#define CHUNK_LEN   64u /* slots of the first chunk; each is twice the last */
#define CHUNKS_MAX  16u /* so at most four million waits */
#define TIMER_EVENT UINT64_MAX

enum role {
	ROLE_FREE,
	ROLE_TRYING,
	ROLE_DRIVING
};

/* A slot's word: generation << 32 | ready mask << 8 | cause | phase. */
enum {
	PHASE_IDLE,   /* nobody waits: events are stale */
	PHASE_NEW,    /* the waiter has not left its stack yet */
	PHASE_PARKED, /* who fires it readies the waiter */
	PHASE_FIRED,
	PHASE_MASK = 3,
	CAUSE_TIME = 4,
	CAUSE_CONTEXT = 8,
	READY_SHIFT = 8, /* two bits a descriptor */
};

struct slot {
	/* atomic: acq_rel in fire, commit and close */
	_Atomic uint64_t word;
	struct flo__g *g;  /* the waiter's, while phase is not IDLE */
	uint32_t index;	   /* constant */
	struct slot *next; /* by the poller's lock: free list */
	struct flo__timer timer;
	struct flo__context_watch watch;
};

struct flo__poller {
	flo_runtime *rt;
	uv_loop_t loop;	  /* whoever has the role */
	uv_async_t async; /* uv_async_send(): any thread */
	uv_poll_t poll;	  /* of epfd */
	bool open;
	int epfd, timerfd;
	_Atomic uint32_t role; /* seq_cst: enum role */
	struct flo__tlock lock;
	uint64_t armed_ns;		 /* by lock: what timerfd is set to */
	struct slot *free;		 /* by lock */
	struct slot *chunks[CHUNKS_MAX]; /* by lock; a chunk is for ever */
	uint32_t nchunks;		 /* by lock */
};

static void fire(struct slot *slot, uint32_t generation, uint64_t bits)
{
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_acquire);
	uint64_t next;

	do {
		if (word >> 32 != generation ||
		    (word & PHASE_MASK) == PHASE_IDLE)
			return;
		next = (word & ~(uint64_t)PHASE_MASK) | bits | PHASE_FIRED;
	} while (!atomic_compare_exchange_weak_explicit(&slot->word, &word,
							next,
							memory_order_acq_rel,
							memory_order_acquire));
	if ((word & PHASE_MASK) == PHASE_PARKED)
		flo__ready(slot->g);
}

static struct slot *slot_at(struct flo__poller *poller, uint32_t index)
{
	uint32_t chunk = 0, first = 0, len = CHUNK_LEN;

	while (index - first >= len) {
		first += len;
		len *= 2;
		chunk++;
	}
	INSIST(chunk < CHUNKS_MAX && poller->chunks[chunk] != NULL);
	return &poller->chunks[chunk][index - first];
}

/* Both bits of a descriptor; what was not asked for is dropped at the end. */
static uint64_t ready_bits(uint32_t events)
{
	uint64_t bits = 0;

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLPRI | EPOLLERR | EPOLLHUP))
		bits |= FLO__POLL_READ;
	if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
		bits |= FLO__POLL_WRITE;
	return bits;
}

static void deliver(struct flo__poller *poller, const struct epoll_event *ev)
{
	uint32_t low = (uint32_t)ev->data.u64;
	unsigned k = low % FLO__POLL_FDS_MAX;

	if (ev->data.u64 == TIMER_EVENT)
		return;
	fire(slot_at(poller, low / FLO__POLL_FDS_MAX),
	     (uint32_t)(ev->data.u64 >> 32),
	     ready_bits(ev->events) << (READY_SHIFT + 2 * k));
}

static void epoll_ready(uv_poll_t *poll, int status, int events)
{
	struct flo__poller *poller = poll->data;
	struct epoll_event evs[EVENTS_MAX];
	int n;

	(void)status, (void)events;
	n = epoll_wait(poller->epfd, evs, EVENTS_MAX, 0);
	for (int i = 0; i < n; i++)
		deliver(poller, &evs[i]);
	/* Else UV_RUN_ONCE might go on blocking. */
	uv_stop(&poller->loop);
}

static void interrupted(uv_async_t *async)
{
	uv_stop(async->loop);
}

static bool take_role(struct flo__poller *poller, enum role role)
{
	uint32_t is = ROLE_FREE;

	return atomic_compare_exchange_strong(&poller->role, &is, role);
}

static void leave_role(struct flo__poller *poller)
{
	atomic_store(&poller->role, ROLE_FREE);
}

bool flo__poller_driven(flo_runtime *rt)
{
	return atomic_load(&rt->poller->role) == ROLE_DRIVING;
}

/* Set the timer to @when_ns. The lock is held. */
static void arm(struct flo__poller *poller, uint64_t when_ns)
{
	struct itimerspec spec = {0};

	spec.it_value.tv_sec = (time_t)(when_ns / 1000000000u);
	spec.it_value.tv_nsec = (long)(when_ns % 1000000000u);
	poller->armed_ns = when_ns;
	if (timerfd_settime(poller->timerfd, TFD_TIMER_ABSTIME, &spec, NULL) !=
	    0)
		INSIST(!"timerfd_settime");
}

/*
 * A timer was armed for @when_ns: shorten the driver's wait. The heap shows it
 * already, and the driver reads the heaps after it took the role, so one of
 * the two sees the other.
 */
void flo__poller_earlier(flo_runtime *rt, uint64_t when_ns)
{
	struct flo__poller *poller = rt->poller;

	if (!flo__poller_driven(rt))
		return;
	if (rt->sim != NULL) {
		flo__poller_interrupt(rt);
		return;
	}
	flo__tlock_take(&poller->lock);
	if (when_ns < poller->armed_ns)
		arm(poller, when_ns);
	flo__tlock_give(&poller->lock);
}

/* Set the timer to the next deadline. False if that has passed. */
static bool arm_next(struct flo__poller *poller)
{
	uint64_t now = flo__clock(), next;

	flo__tlock_take(&poller->lock);
	next = poller->rt->sim != NULL ? flo__sim_patience(poller->rt)
				       : flo__timers_next(poller->rt);
	if (next == FLO__NEVER)
		poller->armed_ns = FLO__NEVER; /* at worst it wakes us once */
	else if (next != poller->armed_ns && next > now)
		arm(poller, next);
	flo__tlock_give(&poller->lock);
	return next > now;
}

/* Look for events without blocking. False if somebody else does or drives. */
bool flo__poller_try(flo_runtime *rt)
{
	struct flo__poller *poller = rt->poller;

	if (atomic_load_explicit(&poller->role, memory_order_relaxed) !=
		    ROLE_FREE ||
	    !take_role(poller, ROLE_TRYING))
		return false;
	uv_run(&poller->loop, UV_RUN_NOWAIT);
	leave_role(poller);
	return true;
}

/*
 * Block until an event, a deadline or an interruption; what became ready is in
 * @m's batch then. False if somebody else drives. Requires: @m has no P.
 */
bool flo__poller_drive(struct flo__m *m)
{
	struct flo__poller *poller = m->rt->poller;

	INSIST(m->p == NULL && m->batch.len == 0);
	while (!take_role(poller, ROLE_DRIVING)) {
		if (flo__poller_driven(m->rt))
			return false;
		sched_yield();
	}
	m->batching = true;
	if (arm_next(poller) && !atomic_load(&m->rt->stopping))
		uv_run(&poller->loop, UV_RUN_ONCE);
	else
		uv_run(&poller->loop, UV_RUN_NOWAIT);
	leave_role(poller);
	return true;
}

/* Have the driver come back. Any thread. */
void flo__poller_interrupt(flo_runtime *rt)
{
	uv_async_send(&rt->poller->async);
}

static flo_status watch_fd(int epfd, int op, int fd, uint32_t events,
			   uint64_t data)
{
	struct epoll_event ev = {.events = events, .data.u64 = data};

	if (epoll_ctl(epfd, op, fd, &ev) == 0)
		return FLO_OK;
	return errno == ENOMEM ? FLO_NOMEM : FLO_SYSTEM;
}

/*
 * Whether there are descriptors for a pipe: libuv makes one for its signals
 * with the first loop, and ends the program if it cannot. Returns an errno.
 */
static int try_pipe(void)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return errno;
	close(p[0]);
	close(p[1]);
	return 0;
}

flo_status flo__poller_new(flo_runtime *rt, flo_error *err)
{
	struct flo__poller *poller = flo__calloc(1, sizeof(*poller));
	int rc;

	if (poller == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	rt->poller = poller;
	poller->rt = rt;
	poller->armed_ns = FLO__NEVER;
	poller->timerfd = -1;
	poller->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (poller->epfd < 0)
		return flo_error_sys(err, errno, "create an epoll set");
	poller->timerfd =
		timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	/* Edge-triggered: setting it again is enough, nobody reads it. */
	if (poller->timerfd < 0 ||
	    watch_fd(poller->epfd, EPOLL_CTL_ADD, poller->timerfd,
		     EPOLLIN | EPOLLET, TIMER_EVENT) != FLO_OK)
		return flo_error_sys(err, errno, "create a timer descriptor");
	rc = -try_pipe();
	if (rc == 0)
		rc = uv_loop_init(&poller->loop);
	if (rc != 0)
		return flo_error_sys(err, -rc, "start an event loop");
	poller->open = true;
	poller->poll.data = poller;
	rc = uv_async_init(&poller->loop, &poller->async, interrupted);
	if (rc == 0)
		rc = uv_poll_init(&poller->loop, &poller->poll, poller->epfd);
	if (rc == 0)
		rc = uv_poll_start(&poller->poll, UV_READABLE, epoll_ready);
	if (rc != 0)
		return flo_error_sys(err, -rc, "watch an epoll set");
	return FLO_OK;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void flo__poller_free(flo_runtime *rt)
{
	struct flo__poller *poller = rt->poller;

	if (poller == NULL)
		return;
	if (poller->open) {
		uv_walk(&poller->loop, close_handle, NULL);
		uv_run(&poller->loop, UV_RUN_DEFAULT);
		INSIST(uv_loop_close(&poller->loop) == 0);
	}
	if (poller->timerfd >= 0)
		close(poller->timerfd);
	if (poller->epfd >= 0)
		close(poller->epfd);
	for (uint32_t i = 0; i < poller->nchunks; i++)
		flo__free(poller->chunks[i]);
	flo__free(poller);
}

/* More slots. The lock is held. */
static bool grow(struct flo__poller *poller)
{
	uint32_t len = CHUNK_LEN << poller->nchunks;
	uint32_t first = len - CHUNK_LEN;
	struct slot *chunk;

	if (poller->nchunks == CHUNKS_MAX)
		return false;
	chunk = flo__calloc(len, sizeof(*chunk));
	if (chunk == NULL)
		return false;
	poller->chunks[poller->nchunks++] = chunk;
	FLO__TSAN_RELEASE(poller);
	for (uint32_t i = 0; i < len; i++) {
		chunk[i].index = first + i;
		chunk[i].next = poller->free;
		poller->free = &chunk[i];
	}
	return true;
}

/* Take a slot and begin a wait of @g on it. NULL: out of memory. */
static struct slot *slot_open(struct flo__poller *poller, struct flo__g *g)
{
	struct slot *slot;
	uint64_t word;

	flo__tlock_take(&poller->lock);
	slot = poller->free != NULL || grow(poller) ? poller->free : NULL;
	if (slot != NULL)
		poller->free = slot->next;
	flo__tlock_give(&poller->lock);
	if (slot == NULL)
		return NULL;
	FLO__TSAN_ACQUIRE(poller);
	slot->g = g;
	word = atomic_load_explicit(&slot->word, memory_order_relaxed);
	INSIST((word & PHASE_MASK) == PHASE_IDLE);
	atomic_store_explicit(&slot->word, word | PHASE_NEW,
			      memory_order_release);
	return slot;
}

/* End the wait; returns its word. Later events are stale. */
static uint64_t slot_close(struct flo__poller *poller, struct slot *slot)
{
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);
	uint64_t next = (uint64_t)(uint32_t)((word >> 32) + 1) << 32;

	word = atomic_exchange_explicit(&slot->word, next,
					memory_order_acq_rel);
	slot->g = NULL;
	flo__tlock_take(&poller->lock);
	slot->next = poller->free;
	poller->free = slot;
	flo__tlock_give(&poller->lock);
	return word;
}

static uint32_t generation(struct slot *slot)
{
	return (uint32_t)(atomic_load_explicit(&slot->word,
					       memory_order_relaxed) >>
			  32);
}

/* Timer and watch are stopped before the wait ends: never stale. */
static void time_over(struct flo__timer *timer)
{
	struct slot *slot =
		(struct slot *)((char *)timer - offsetof(struct slot, timer));

	fire(slot, generation(slot), CAUSE_TIME);
}

static void context_over(struct flo__context_watch *watch)
{
	struct slot *slot =
		(struct slot *)((char *)watch - offsetof(struct slot, watch));

	fire(slot, generation(slot), CAUSE_CONTEXT);
}

static bool commit(struct flo__g *g, void *arg)
{
	struct slot *slot = arg;
	uint64_t word = atomic_load_explicit(&slot->word, memory_order_relaxed);

	INSIST(slot->g == g);
	do {
		if ((word & PHASE_MASK) == PHASE_FIRED)
			return false;
		INSIST((word & PHASE_MASK) == PHASE_NEW);
	} while (!atomic_compare_exchange_weak_explicit(
		&slot->word, &word,
		(word & ~(uint64_t)PHASE_MASK) | PHASE_PARKED,
		memory_order_acq_rel, memory_order_acquire));
	return true;
}

static flo_status watch_all(struct flo__poller *poller, struct slot *slot,
			    const struct flo__pollfd *fds, unsigned n)
{
	uint64_t data = (uint64_t)generation(slot) << 32;
	flo_status st = FLO_OK;

	for (unsigned i = 0; i < n && st == FLO_OK; i++) {
		uint32_t events = EPOLLONESHOT;

		if (fds[i].fd < 0)
			continue;
		REQUIRE(fds[i].events != 0);
		if (fds[i].events & FLO__POLL_READ)
			events |= EPOLLIN | EPOLLRDHUP;
		if (fds[i].events & FLO__POLL_WRITE)
			events |= EPOLLOUT;
		st = watch_fd(poller->epfd, EPOLL_CTL_ADD, fds[i].fd, events,
			      data | (slot->index * FLO__POLL_FDS_MAX + i));
		/* Somebody else polls it: taking it off would be his loss. */
		REQUIRE(st == FLO_OK || errno != EEXIST);
	}
	return st;
}

/* Those that were never added are no harm. */
static void unwatch_all(struct flo__poller *poller,
			const struct flo__pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (fds[i].fd >= 0)
			watch_fd(poller->epfd, EPOLL_CTL_DEL, fds[i].fd, 0, 0);
}

/* What may end the wait besides events; then wait. */
static flo_status wait_slot(flo_runtime *rt, struct slot *slot,
			    uint64_t deadline_ns, flo_context *context)
{
	flo_status st = FLO_OK;

	slot->watch.fn = context_over;
	if (context != NULL && !flo__context_watch_add(context, &slot->watch))
		return flo_context_status(context);
	if (deadline_ns != FLO__NEVER)
		st = flo__timer_start(rt, &slot->timer, deadline_ns, time_over);
	if (st == FLO_OK) {
		flo__park(commit, slot, "poll", true);
		if (deadline_ns != FLO__NEVER)
			flo__timer_stop(rt, &slot->timer);
	}
	if (context != NULL)
		flo__context_watch_del(context, &slot->watch);
	return st;
}

/* Read the outcome from the word of an ended wait. */
static flo_status outcome(uint64_t word, struct flo__pollfd *fds, unsigned n,
			  flo_context *context)
{
	bool any = false;

	for (unsigned i = 0; i < n; i++) {
		fds[i].revents = (unsigned)(word >> (READY_SHIFT + 2 * i)) &
				 fds[i].events;
		any = any || fds[i].revents != 0;
	}
	if (any)
		return FLO_OK;
	if (word & CAUSE_CONTEXT)
		return flo_context_status(context);
	INSIST(word & CAUSE_TIME);
	return FLO_TIMEOUT;
}

/* The deadline has passed: only look. */
static flo_status look(struct flo__pollfd *fds, unsigned n)
{
	struct pollfd pfds[FLO__POLL_FDS_MAX];
	int rc;

	for (unsigned i = 0; i < n; i++) {
		pfds[i].fd = fds[i].fd;
		pfds[i].revents = 0;
		pfds[i].events =
			(short)((fds[i].events & FLO__POLL_READ ? POLLIN : 0) |
				(fds[i].events & FLO__POLL_WRITE ? POLLOUT
								 : 0));
	}
	rc = poll(pfds, n, 0);
	for (unsigned i = 0; i < n; i++) {
		fds[i].revents = 0;
		if (pfds[i].revents & (POLLIN | POLLERR | POLLHUP))
			fds[i].revents |= fds[i].events & FLO__POLL_READ;
		if (pfds[i].revents & (POLLOUT | POLLERR | POLLHUP))
			fds[i].revents |= fds[i].events & FLO__POLL_WRITE;
	}
	return rc > 0 ? FLO_OK : FLO_TIMEOUT;
}

flo_status flo__poll(struct flo__pollfd *fds, unsigned n, uint64_t deadline_ns,
		     flo_context *context)
{
	struct flo__g *g = flo__g_current();
	struct flo__poller *poller;
	struct slot *slot;
	uint64_t word;
	flo_status st;

	REQUIRE(g != NULL && n <= FLO__POLL_FDS_MAX);
	if (deadline_ns != FLO__NEVER && deadline_ns <= flo_now())
		return look(fds, n);
	poller = flo__g_runtime(g)->poller;
	slot = slot_open(poller, g);
	if (slot == NULL)
		return FLO_NOMEM;
	st = watch_all(poller, slot, fds, n);
	if (st == FLO_OK)
		st = wait_slot(poller->rt, slot, deadline_ns, context);
	unwatch_all(poller, fds, n);
	word = slot_close(poller, slot);
	return st == FLO_OK ? outcome(word, fds, n, context) : st;
}
