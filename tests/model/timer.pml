/*
 * Timers and the poller's deadline: the note in engine/sched/timer.c, with
 * flo__poller_earlier() and arm_next() of engine/sched/poll.c.
 *
 * A coroutine arms two timers of one heap, due at 1 or at 2, stops each, at once
 * or only once it has fired, and gives its memory back. One M drives the poller:
 * it arms the timer descriptor for the next deadline, blocks until that
 * expires, leaves the role and runs what is due. Another thread polls once
 * without blocking and runs what is due, at any time. Time passes at any time.
 *
 * Checked: a timer's function runs at most once, not after a stop, and one at a
 * time; it is over before the stop returns; a timer that nobody stops fires,
 * though nobody but the driver looks at the clock.
 *
 * NO_FIRING_WAIT  a stop does not wait for the function
 * FIRING_LATE	   the heap names the timer after its lock was released
 * NO_BUSY	   two run the timers of a heap
 * LATE_SHOW	   the driver is asked for before the heap shows the timer
 * LATE_ROLE	   the driver reads the heap before it takes the role
 * KEEP_ARMED	   without a deadline the driver remembers an old one
 * BLOCK_ANYWAY	   the driver blocks though a deadline has passed
 *
 * @holds
 * @finds NO_FIRING_WAIT
 * @finds FIRING_LATE
 * @finds NO_BUSY
 * @finds LATE_SHOW
 * @finds LATE_ROLE
 * @finds KEEP_ARMED
 * @finds BLOCK_ANYWAY
 */
#define NEVER 9
#define NONE  2

mtype = { FREE, TRYING, DRIVING };

byte now;
byte when[2];
bool armed[2];	  /* in the heap */
byte firing = NONE;
bool busy;
bool heap_lock;
byte timer_next = NEVER;
byte fired[2];
bool gone[2];	  /* the memory is somebody else's */
byte inside;	  /* functions that run */

mtype role = FREE;
bool poll_lock;
byte armed_ns = NEVER;
bool fd_on;	  /* timerfd: edge-triggered */
byte fd_when;

#define EXPIRED (fd_on && now >= fd_when)

inline lock_heap() { atomic { !heap_lock -> heap_lock = true } }
inline unlock_heap() { heap_lock = false }

/* show_next() */
inline show_next()
{
	d_step {
		timer_next = (armed[0] -> when[0] : NEVER);
		timer_next = (armed[1] && when[1] < timer_next -> when[1]
							       : timer_next)
	}
}

inline arm(w) { atomic { armed_ns = w; fd_when = w; fd_on = true } }

/* flo__poller_earlier() */
inline earlier(w)
{
	if
	:: role == DRIVING ->
		atomic { !poll_lock -> poll_lock = true }
		if
		:: w < armed_ns -> arm(w)
		:: else
		fi;
		poll_lock = false
	:: else
	fi
}

inline put_in(t)
{
	lock_heap();
	armed[t] = true;
	show_next();
	unlock_heap()
}

inline timer_start(t)
{
#ifdef LATE_SHOW /* flo__timer_start(): put_in() before earlier() */
	earlier(when[t]);
	put_in(t)
#else
	put_in(t);
	earlier(when[t])
#endif
}

inline timer_stop(t)
{
	lock_heap();
	ok = armed[t];
	if
	:: ok -> assert(!fired[t]); armed[t] = false; show_next()
	:: else
	fi;
#ifndef NO_FIRING_WAIT /* flo__timer_stop(): the loop */
	do
	:: firing == t ->
		unlock_heap();
		firing != t;
		lock_heap()
	:: else -> break
	od;
#endif
	unlock_heap();
	assert(ok || fired[t]);
	gone[t] = true
}

/* flo__timers_run() */
inline timers_run()
{
	n = now;
	ok = (timer_next <= n);
	if
	:: ok ->
		lock_heap();
#ifndef NO_BUSY /* flo__timers_run(): timers_busy */
		ok = !busy;
#endif
		if
		:: ok ->
			busy = true;
			do
			:: timer_next <= n ->
				t = (armed[0] && when[0] == timer_next -> 0 : 1);
				armed[t] = false;
				show_next();
#ifdef FIRING_LATE /* flo__timers_run(): firing under the lock */
				unlock_heap();
				firing = t;
#else
				firing = t;
				unlock_heap();
#endif
				/* the function */
				atomic {
					assert(!gone[t] && inside == 0);
					inside++;
					fired[t]++;
					assert(fired[t] == 1)
				}
				atomic { assert(!gone[t]); inside-- }
				lock_heap();
				firing = NONE
			:: else -> break
			od;
			busy = false
		:: else
		fi;
		unlock_heap()
	:: else
	fi;
	atomic { t = 0; n = 0; ok = false }
}

proctype owner()
{
	bool ok;

	if
	:: when[0] = 1; when[1] = 1
	:: when[0] = 1; when[1] = 2
	:: when[0] = 2; when[1] = 1
	fi;
	timer_start(0);
	if
	:: true -> timer_stop(0)
	:: true
	fi;
	timer_start(1);
	if
	:: true -> fired[1] > 0
	:: true
	fi;
	timer_stop(1);
	if
	:: gone[0]
	:: else ->
		if
		:: true -> fired[0] > 0
		:: true
		fi;
		timer_stop(0)
	fi
}

/* flo__poller_drive(), and drive() in proc.c */
proctype driver()
{
	byte n, next, t;
	bool ok;

	do
	:: true ->
#ifndef LATE_ROLE /* flo__poller_drive(): take_role() before arm_next() */
		atomic { role == FREE -> role = DRIVING }
#endif
		/* arm_next() */
		n = now;
		atomic { !poll_lock -> poll_lock = true }
		next = timer_next;
		if
		:: next == NEVER ->
#ifndef KEEP_ARMED /* arm_next(): armed_ns = FLO__NEVER */
			armed_ns = NEVER
#else
			skip
#endif
		:: next != NEVER && next != armed_ns && next > n -> arm(next)
		:: else
		fi;
		poll_lock = false;
#ifdef LATE_ROLE
		atomic { role == FREE -> role = DRIVING }
#endif
		if
#ifdef BLOCK_ANYWAY /* arm_next(): return next > now */
		:: true ->
#else
		:: next > n ->
#endif
end_blocked:
			atomic { EXPIRED -> fd_on = false }
#ifndef BLOCK_ANYWAY
		:: else ->
			atomic {
				if
				:: EXPIRED -> fd_on = false
				:: else
				fi
			}
#endif
		fi;
		atomic { n = 0; next = 0; role = FREE }
		timers_run()
	od
}

/* flo__poller_try(), and another M or the monitor that runs timers. */
proctype other()
{
	byte n, t;
	bool ok;

	if
	:: atomic { role == FREE -> role = TRYING };
		atomic {
			if
			:: EXPIRED -> fd_on = false
			:: else
			fi
		};
		role = FREE
	:: true
	fi;
	timers_run()
}

proctype time()
{
	now = 1;
	now = 2
}

init
{
	atomic {
		run owner();
		run driver();
		run other();
		run time()
	}
}
