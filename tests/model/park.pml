/*
 * The park and wake protocol of engine/sched/proc.c ("Note: parking and
 * waking"), small enough to be checked completely.
 *
 * NM threads (M) share NP rights to run (P). Coroutines are interchangeable,
 * so a queue is a number. An ordinary thread pushes two into the global queue,
 * one at a time. Of the first two to run, one (-DWAITER=0: the first) waits
 * until all others have run, either in a blocking region, with its P handed
 * on, or (with two P's) as a hog that keeps its P; the other pushes two more
 * into the ring of its P. So all work has to be found by the others, whatever
 * becomes of the thread that waits. With -DWAITER=2 the first does both: it
 * pushes, and then waits.
 *
 * Who finds nothing gives its P up at once: what comes between, naps, is
 * nap.pml's. Without them flo__sched_hint() and flo__sched_wake() are the same.
 *
 * Checked: when nothing can move any more all four have run, all P's are idle
 * and nobody is counted as spinning. A lost wake-up leaves work behind.
 *
 * An atomic block is one atomic operation of the C code, or a section under
 * the scheduler's lock. Spin is sequentially consistent: that the fences of
 * the C code make it so is argued in the note, not checked here.
 *
 * NO_RECHECK	      who gives its P up does not look again (R2)
 * EARLY_READ	      it reads whether somebody spins before the P is given up
 * LATE_TAKE	      its own count is off only after it has read that
 * NO_WAKE_AFTER_SPIN a spinner that found work wakes nobody (R1)
 * KEEP_COUNT	      who wanted to wake and found no P leaves its count (R3)
 * WAKE_BEFORE_PUSH   the push comes after the decision whom to wake
 * NO_PERMIT	      a wake-up that comes before the park is lost
 * NO_HANDOFF	      a blocked thread keeps its P
 *
 * @holds -DNP=1
 * @full -DNP=2 -DWAITER=0
 * @holds -DNP=2 -DWAITER=1
 * @holds -DNP=2 -DWAITER=2
 * @finds NO_RECHECK -DNP=2
 * @finds EARLY_READ -DNP=2 -DWAITER=2
 * @finds LATE_TAKE -DNP=2 -DWAITER=2
 * @finds NO_WAKE_AFTER_SPIN -DNP=2 -DWAITER=0
 * @finds KEEP_COUNT -DNP=2
 * @finds WAKE_BEFORE_PUSH -DNP=2
 * @finds NO_PERMIT -DNP=2
 * @finds NO_HANDOFF -DNP=1
 */
#ifndef NP
#define NP    2
#endif
#ifndef WAITER
#define WAITER 1
#endif
#if WAITER == 2
#define PUSHER 0
#else
#define PUSHER (1 - WAITER)
#endif
#define NM    3
#define NONE  3
#define TOTAL 4

byte ring[NP];
byte global;
byte started, ran;
byte spinning, nidle = NP;
bool idle_p[NP] = true;
bool idle_m[NM], permit[NM], asleep[NM], give_spin[NM];
byte give_p[NM];

#if NP == 2
#define FIRST_P	 (idle_p[0] -> 0 : (idle_p[1] -> 1 : NONE))
#define OTHER(p) (1 - p)
#else
#define FIRST_P	 (idle_p[0] -> 0 : NONE)
#define OTHER(p) 0
#endif

/* flo__sched_work_anywhere(): one queue after the other. */
inline work_anywhere(found)
{
	found = (global > 0);
#if NP == 2
	found = found || ring[1] > 0;
#endif
	found = found || ring[0] > 0
}

/* Under the lock. */
inline idle_get(x)
{
	x = FIRST_P;
	if
	:: x != NONE -> idle_p[x] = false; nidle--
	:: else
	fi
}

inline idle_put(x)
{
	assert(!idle_p[x] && ring[x] == 0);
	idle_p[x] = true;
	nidle++;
	x = NONE
}

/*
 * flo__m_start(). A thread that is about to park will be on the list in a
 * moment; the C code would rather make a new one than wait for it.
 */
inline m_start(x, k, counted)
{
	atomic {
		(idle_m[0] || idle_m[1] || idle_m[2]);
		k = (idle_m[0] -> 0 : (idle_m[1] -> 1 : 2));
		idle_m[k] = false;
		give_p[k] = x;
		give_spin[k] = counted;
		x = NONE
	}
#ifdef NO_PERMIT /* flo__m_unpark(): the permit stays */
	atomic { permit[k] = asleep[k] }
#else
	permit[k] = true;
#endif
	k = 0
}

/* wake_if_nobody_spins() */
inline wake(x, k)
{
	if
	:: spinning != 0
	:: spinning == 0 ->
		if
		:: nidle == 0
		:: nidle > 0 ->
			atomic {
				x = (spinning == 0 -> 0 : NONE);
				spinning = (spinning == 0 -> 1 : spinning)
			}
			if
			:: x == NONE
			:: else ->
				atomic {
					idle_get(x);
#ifndef KEEP_COUNT /* wake_if_nobody_spins(): R3 */
					spinning =
					  (x == NONE -> spinning - 1 : spinning)
#endif
				}
				if
				:: x == NONE
				:: else -> m_start(x, k, true)
				fi
			fi
		fi
	fi
}

/* flo__sched_handoff() */
inline handoff(x, k, found)
{
	if
	:: ring[x] > 0 -> m_start(x, k, false)
	:: else ->
		atomic {
			if
			:: global == 0 -> idle_put(x)
			:: else
			fi
		}
		if
		:: x != NONE -> m_start(x, k, false)
		:: x == NONE ->
			work_anywhere(found);
			if
			:: found -> found = false; wake(x, k)
			:: else
			fi
		fi
	fi
}

proctype M(byte me)
{
	byte p = NONE, x = NONE, k = 0, role = 0;
	bool spin = false, found = false, nobody = false;

	goto park;

loop:	atomic {
		assert(p != NONE && !idle_p[p]);
		found = (ring[p] > 0);
		ring[p] = (found -> ring[p] - 1 : 0)
	}
	if
	:: found -> goto exec
	:: else
	fi;
	atomic {
		found = (global > 0);
		global = (found -> global - 1 : 0)
	}
	if
	:: found -> goto exec
	:: else
	fi;
	/* may_spin(): fewer than half of the busy, so one of two; but two may
	 * find that none does */
	if
	:: NP > 1 && !spin && spinning == 0 ->
		atomic { spinning++; spin = true }
	:: else
	fi;
	if
	:: spin ->
		atomic {
			found = (ring[OTHER(p)] > 0);
			ring[OTHER(p)] = (found -> ring[OTHER(p)] - 1 : 0)
		}
		if
		:: found -> goto exec
		:: else
		fi
	:: else
	fi;

	/* flo__sched_drop() */
#ifdef EARLY_READ
	nobody = (spinning - spin == 0);
#endif
	atomic {
		if
		:: global > 0
		:: else ->
			idle_put(p)
		fi
	}
	if
	:: p != NONE -> goto loop
	:: else
	fi;
#ifdef LATE_TAKE
	nobody = (spinning == 0);
#endif
	/* under the same lock, but whoever pushes reads without it */
	if
	:: spin -> atomic { assert(spinning > 0); spinning--; spin = false }
	:: else
	fi;
#ifndef NO_RECHECK /* find(): R2 */
	/* missed_work() */
#if !defined(EARLY_READ) && !defined(LATE_TAKE)
	nobody = (spinning == 0);
#endif
	if
	:: nobody -> nobody = false; work_anywhere(found)
	:: else
	fi;
	if
	:: found ->
		/* flo__sched_regain() */
		atomic {
			found = false;
			idle_get(p);
			spin = (p != NONE && NP > 1);
			spinning = (spin -> spinning + 1 : spinning)
		}
		if
		:: p != NONE -> goto loop
		:: else
		fi
	:: else
	fi;
#endif
	goto park;

exec:	found = false;
	if
	:: spin ->
		/* flo__sched_stop_spinning() */
		atomic {
			assert(spinning > 0);
			spinning--;
			spin = false
		}
#ifndef NO_WAKE_AFTER_SPIN /* flo__sched_stop_spinning(): R1 */
		if
		:: nidle > 0 ->
			work_anywhere(found);
			if
			:: found -> found = false; wake(x, k)
			:: else
			fi
		:: else
		fi
#endif
	:: else
	fi;
	atomic {
		role = started;
		started = (started < 2 -> started + 1 : 2)
	}
	if
	:: role == PUSHER ->
#ifdef WAKE_BEFORE_PUSH /* enqueue(), ready() */
		wake(x, k);
		ring[p]++;
		wake(x, k);
		ring[p]++
#else
		ring[p]++;
		wake(x, k);
		ring[p]++;
		wake(x, k)
#endif
	:: else
	fi;
	if
	:: role == WAITER % 2 ->
		if
		:: NP == 2 -> /* a hog */
			ran >= TOTAL - 1
		:: true -> /* flo_blocking_begin() */
#ifndef NO_HANDOFF /* flo_blocking_begin(), and the monitor */
			x = p;
			p = NONE;
			handoff(x, k, found);
#endif
			ran >= TOTAL - 1;
#ifndef NO_HANDOFF
			/* regain(), or flo__blocking_return(): the rest of
			 * it is a coroutine like any other */
			atomic { idle_get(p) }
			if
			:: p == NONE ->
				atomic { global++; role = 0 }
				wake(x, k);
				goto park
			:: else
			fi
#endif
		fi
	:: else
	fi;
	role = 0;
	ran++;
	if
	:: p != NONE -> goto loop
	:: else
	fi;

park:	assert(p == NONE && !spin);
	atomic { idle_m[me] = true }
	atomic { asleep[me] = true }
end_parked:
	atomic {
		permit[me];
		permit[me] = false;
		asleep[me] = false;
		p = give_p[me];
		spin = give_spin[me];
		give_p[me] = NONE;
		give_spin[me] = false
	}
	goto loop
}

proctype thread()
{
	byte x = NONE, k = 0, i = 0;

	do
	:: i < 2 ->
		i++;
#ifdef WAKE_BEFORE_PUSH
		wake(x, k);
		global++
#else
		global++;
		wake(x, k)
#endif
	:: else -> break
	od
}

init
{
	atomic {
		run M(0);
		run M(1);
		run M(2);
		run thread()
	}
	timeout;
	assert(ran == TOTAL);
	assert(global == 0 && ring[0] == 0 && ring[NP - 1] == 0);
	assert(nidle == NP && spinning == 0)
}
