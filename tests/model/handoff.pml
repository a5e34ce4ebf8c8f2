/*
 * Blocking regions: the note in engine/sched/blocking.c.
 *
 * Three threads (M) share NP rights to run (P). NB coroutines go through a
 * blocking region each, and return from it at any time, or only once another
 * coroutine has run. With one P that is pushed by an ordinary thread; with two
 * a hog puts it into its own ring, and keeps its P until all others have run.
 * The monitor retakes a P that it finds blocked. Who returns takes its old P
 * back, from whoever left it blocked, or takes an idle one, or queues its
 * coroutine.
 *
 * Checked: a P has one owner, and is found by work that waits; `nblocked` covers
 * every region without a P where deadlock.c would judge, is never taken below
 * zero, and is zero in the end; then all have run and all P's are idle.
 *
 * The monitor's sleep has no timeout here: checked is what it must be woken for,
 * not what ten milliseconds would mend.
 *
 * NO_RETURN_WAKE who finds no P queues its coroutine and wakes nobody
 * SWAP_BY_STORE  who takes a blocked P looks and stores, without CAS
 * COUNT_LATE	   the retake counts the region after it took its P
 * NO_CALL	   a region that begins does not wake the monitor
 * NO_LOOK	   the monitor does not look again once it said it sleeps
 * NO_R2	   a P is left idle without another look for work
 * UNCOUNTED	   who got an idle P back does not count its region off
 *
 * @holds -DNP=1 -DNB=1
 * @full -DNP=1
 * @holds -DNP=2 -DNB=1
 * @finds NO_RETURN_WAKE -DNP=1
 * @finds SWAP_BY_STORE -DNP=1
 * @finds COUNT_LATE -DNP=1
 * @finds NO_CALL -DNP=1 -DNB=1
 * @finds NO_LOOK -DNP=1 -DNB=1
 * @finds NO_R2 -DNP=2 -DNB=1
 * @finds UNCOUNTED -DNP=1
 */
#define NM    3
#define NONE  3
#ifndef NB
#define NB    2	  /* coroutines with a region */
#endif
#define HOG   (NP - 1) /* coroutines that keep their P */
#define TOTAL (NB + 1 + HOG) /* with the hog's child, or what comes late */

mtype = { IDLE, RUNNING, BLOCKED };

mtype status[NP] = RUNNING;
bool owned[NP] = true;	  /* for the check only */
byte ring[NP];
byte global = NB + HOG;
byte nidle;
byte nblocked;
byte started, ran;
bool pushed;	  /* the ordinary thread is through */
bool mon_sleep, mon_wake;
bool idle_m[NM], permit[NM];
byte give_p[NM];

#if NP == 2
#define FIRST_P	 (status[0] == IDLE -> 0 : (status[1] == IDLE -> 1 : NONE))
#define OTHER(p) (1 - p)
#else
#define FIRST_P	 (status[0] == IDLE -> 0 : NONE)
#define OTHER(p) 0
#endif

inline own(p) { assert(!owned[p]); owned[p] = true }
inline disown(p) { assert(owned[p]); owned[p] = false }

/* Under the lock. */
inline idle_get(x)
{
	x = FIRST_P;
	if
	:: x != NONE -> status[x] = RUNNING; nidle--; own(x)
	:: else
	fi
}

inline idle_put(x)
{
	assert(ring[x] == 0);
	disown(x);
	status[x] = IDLE;
	nidle++;
	x = NONE
}

inline count_up() { nblocked++ }
inline count_down() { assert(nblocked > 0); nblocked-- }

/* swap() in blocking.c: sets @ok. */
inline swap(x)
{
#ifdef SWAP_BY_STORE
	ok = (status[x] == BLOCKED);
	if
	:: ok -> atomic { status[x] = RUNNING; own(x) }
	:: else
	fi
#else
	atomic {
		ok = (status[x] == BLOCKED);
		if
		:: ok -> status[x] = RUNNING; own(x)
		:: else
		fi
	}
#endif
}

/* flo__m_start(): where C would make a new M, this waits for one to park. */
inline m_start(x)
{
	atomic {
		(idle_m[0] || idle_m[1] || idle_m[2]);
		k = (idle_m[0] -> 0 : (idle_m[1] -> 1 : 2));
		idle_m[k] = false;
		give_p[k] = x;
		permit[k] = true;
		x = NONE;
		k = 0
	}
}

/* flo__sched_work_anywhere(): one queue after the other. Sets @ok. */
inline work_anywhere()
{
	ok = (global > 0);
#if NP == 2
	ok = ok || (ring[0] > 0);
	ok = ok || (ring[1] > 0)
#endif
}

/* flo__sched_wake(), as if nobody ever spun: park.pml has that. */
inline wake(x)
{
	atomic { idle_get(x) }
	if
	:: x != NONE -> m_start(x)
	:: else
	fi
}

/* flo__sched_handoff() in proc.c */
inline handoff(x)
{
	if
	:: ring[x] == 0 ->
		atomic {
			if
			:: global == 0 -> idle_put(x)
			:: else
			fi
		}
	:: else
	fi;
	if
	:: x != NONE -> m_start(x)
	:: else ->
#ifndef NO_R2 /* flo__sched_handoff(): the look after the fence */
		work_anywhere();
		if
		:: ok -> wake(x)
		:: else
		fi
#else
		skip
#endif
	fi
}

/* flo__blocking_retake() */
inline retake(x)
{
#ifndef COUNT_LATE /* flo__blocking_retake(): count() before swap() */
	count_up();
#endif
	swap(x);
	if
	:: ok ->
#ifdef COUNT_LATE
		count_up();
#endif
		handoff(x)
	:: else ->
#ifndef COUNT_LATE
		count_down();
#endif
		x = NONE
	fi
}

/* regain() in blocking.c, under the lock: an idle P, or none. */
inline regain()
{
	idle_get(p);
	if
	:: p != NONE ->
#ifndef UNCOUNTED /* regain(): rt->nblocked-- */
		count_down()
#else
		skip
#endif
	:: else
	fi
}

proctype M(byte me)
{
	byte p = NONE, x = NONE, old = NONE, k, role;
	bool ok;

	if
	:: permit[me] -> goto end_parked
	:: else -> goto park
	fi;

loop:	atomic {
		assert(p != NONE && owned[p] && status[p] == RUNNING);
		ok = (ring[p] > 0);
		ring[p] = (ok -> ring[p] - 1 : 0);
		if
		:: ok -> ok = false; goto exec
		:: else
		fi
	}
	atomic {
		if
		:: global > 0 -> global--; goto exec
		:: else
		fi
	}
#if NP == 2
	atomic {
		if
		:: ring[1 - p] > 0 -> ring[1 - p]--; goto exec
		:: else
		fi
	}
#endif
	/* drop_p(), and the look after it */
	atomic {
		if
		:: global > 0 -> goto loop
		:: else -> idle_put(p)
		fi
	}
	work_anywhere();
	if
	:: ok ->
		atomic {
			ok = false;
			idle_get(p);
			if
			:: p != NONE -> goto loop
			:: else
			fi
		}
	:: else
	fi;
	goto park;

exec:	atomic {
		role = (started < NB + HOG -> started + 1 : 0);
		started = (started < NB + HOG -> started + 1 : started)
	}
	if
	:: HOG && role == 1 ->
		role = 0;
		ring[p]++;
		wake(x);
		ran >= TOTAL - 1
	:: role > HOG ->
		role = 0;
		/* flo_blocking_begin() */
		atomic { old = p; p = NONE; disown(old); status[old] = BLOCKED }
		if
		:: ring[old] > 0 || global > 0 -> x = old; retake(x)
		:: else ->
#ifndef NO_CALL /* flo_blocking_begin(): flo__monitor_wake() */
			if
			:: mon_sleep -> mon_wake = true
			:: else
			fi
#else
			skip
#endif
		fi;
		if
		:: true
		:: true -> ran >= 1
		fi;
		/* flo_blocking_end() */
		swap(old);
		if
		:: ok -> p = old
		:: else ->
			/* regain(); if that fails flo__blocking_return() tries
			 * again, which is the same as trying later */
			atomic { regain() }
			if
			:: p == NONE ->
				/* a P may have been dropped since */
				global++;
#ifndef NO_RETURN_WAKE /* flo__blocking_return(): flo__sched_wake() */
				wake(x);
#endif
				atomic { count_down(); old = NONE; goto park }
			:: else
			fi
		fi;
		old = NONE
	:: else
	fi;
	atomic {
		role = 0;
		ok = false;
		ran++
	}
	if
	:: p != NONE -> goto loop
	:: else
	fi;

park:	atomic {
		assert(p == NONE);
		idle_m[me] = true;
		/* flo__deadlock_check(): it would abort */
		assert(!(pushed && nidle == NP && global == 0 &&
			 nblocked == 0 && ran < TOTAL))
	}
end_parked:
	atomic {
		permit[me];
		permit[me] = false;
		p = give_p[me];
		give_p[me] = NONE
	}
	goto loop
}

/* monitor_main(): its second look may come at any time. */
proctype monitor()
{
	byte i, x = NONE, k;
	bool ok;

look:	i = 0;
	do
	:: i < NP ->
		if
		:: status[i] == BLOCKED -> x = i; retake(x)
		:: else
		fi;
		i++
	:: else -> break
	od;
	/* pause_for() */
	i = 0;
	mon_sleep = true;
#ifndef NO_LOOK /* pause_for(): the loop over all P's */
	if
	:: status[0] == BLOCKED -> goto awake
	:: else
	fi;
#if NP == 2
	if
	:: status[1] == BLOCKED -> goto awake
	:: else
	fi;
#endif
#endif
end_asleep:
	mon_wake;
awake:	mon_sleep = false;
	mon_wake = false;
	goto look
}

/* An ordinary thread: flo_go(). */
proctype thread()
{
	byte x = NONE, k;

	global++;
	wake(x);
	pushed = true
}

init
{
	atomic {
		give_p[0] = 0;
		permit[0] = true;
		give_p[1] = NONE;
		give_p[2] = NONE;
#if NP == 2
		give_p[1] = 1;
		permit[1] = true;
#endif
		run M(0);
		run M(1);
		run M(2);
		run monitor();
#if NP == 1
		run thread()
#else
		pushed = true
#endif
	}
	timeout;
	assert(ran == TOTAL);
	assert(global == 0 && ring[0] == 0 && nidle == NP && nblocked == 0);
#if NP == 2
	assert(ring[1] == 0)
#endif
}
