/*
 * No false alarm: the note in engine/sched/deadlock.c.
 *
 * The creator starts one coroutine and waits. It parks for a note, which a
 * thread wakes, or for a timer, which the monitor runs, or blocks in a region,
 * whose P the monitor takes; TIMES times, then it ends. One P. Whoever parks,
 * and the monitor before it sleeps, asks whether all wait for each other. That
 * is never so here.
 *
 * The question holds the scheduler's lock but reads one count after the other,
 * and most change without it. That each rises before what it counts can be
 * seen, and falls after its coroutine is queued, is what makes it right.
 *
 * EXT_LATE	a wait counts as external only when it can be woken
 * EXT_EARLY	a woken one no longer does before it is queued
 * TIMER_EARLY	a timer is over before its function is
 * NO_FOREIGN	who brings a coroutine from outside is not counted
 * REGION_LATE	a region counts only once its P is idle
 * REGION_EARLY and no longer before its coroutine is queued
 *
 * @holds -DTIMES=2
 * @finds EXT_LATE -DTIMES=1
 * @finds EXT_EARLY -DTIMES=1
 * @finds TIMER_EARLY -DTIMES=1
 * @finds NO_FOREIGN -DTIMES=1
 * @finds REGION_LATE -DTIMES=1
 * @finds REGION_EARLY -DTIMES=1
 */
mtype = { IDLE, RUNNING, BLOCKED };	/* the P */
mtype = { NOWHERE, QUEUED, CARRIED, NOTE, TIMER, ENDED }; /* the coroutine */

mtype status = IDLE;
mtype g = NOWHERE;
bool rt_lock;
bool global;	  /* by rt_lock: the coroutine is in the global queue */
bool spawned, ended;
byte externals, timers, foreign, nblocked;
byte done;

inline lock() { atomic { !rt_lock -> rt_lock = true } }
inline unlock() { rt_lock = false }

/* flo__deadlock_check(), under the lock */
inline check()
{
	alarm = (status == IDLE && !global);
	alarm = alarm && nblocked == 0;
	alarm = alarm && externals == 0;
	alarm = alarm && timers == 0;
	alarm = alarm && foreign == 0;
	assert(!(alarm && spawned && !ended));
	alarm = false
}

inline push_global()
{
	lock();
	global = true;
	unlock()
}

/* flo__blocking_return() and regain(): sets @p. */
inline back()
{
	lock();
	p = (status == IDLE);
	status = (p -> RUNNING : status);
	assert(nblocked > 0);
#ifdef REGION_EARLY /* flo__blocking_return(): count() comes last */
	nblocked--;
	unlock();
	if
	:: !p -> push_global()
	:: else
	fi
#else
	nblocked = (p -> nblocked - 1 : nblocked);
	unlock();
	if
	:: !p ->
		push_global();
		lock();
		nblocked--;
		unlock()
	:: else
	fi
#endif
}

proctype M()
{
	bool p, alarm, ok;

wait:	/* flo__m_stop(), until a waker hands it the P */
	lock();
	check();
	unlock();
end_parked:
	/* a waker takes the idle P for it, under the lock */
	atomic {
		!rt_lock && status == IDLE && global ->
		status = RUNNING;
		p = true
	}
loop:	lock();
	ok = global;
	global = false;
	if
	:: !ok -> status = IDLE; p = false
	:: else
	fi;
	unlock();
	if
	:: !ok -> goto wait
	:: else -> ok = false
	fi;
exec:	atomic { g = CARRIED; done++ }
	if
	:: done > TIMES ->
		atomic { g = ENDED; ended = true };
		lock();
		status = IDLE;
		p = false;
		unlock();
		goto wait
	:: done <= TIMES -> /* flo__park(), external */
#ifdef EXT_LATE /* flo__park(): externals before PARKED */
		g = NOTE;
		lock();
		status = IDLE;
		p = false;
		unlock();
		externals++;
		goto wait
#else
		externals++;
		g = NOTE;
		goto loop
#endif
	:: done <= TIMES -> /* flo_sleep() */
		timers++;
		g = TIMER;
		goto loop
	:: done <= TIMES -> /* a region */
		atomic { status = BLOCKED; p = false }
		atomic {
			p = (status == BLOCKED);
			status = (p -> RUNNING : status)
		}
		if
		:: !p -> back()
		:: else
		fi;
		if
		:: p -> goto exec
		:: else -> goto wait
		fi
	fi
}

/* flo_note_wake(), by a thread of ours */
proctype waker()
{
end:	do
	:: atomic { g == NOTE -> g = CARRIED };
		/* ready_foreign() */
		foreign++;
#ifdef EXT_EARLY /* ready_foreign(): externals after the push */
		externals--;
		foreign--;
		push_global()
#else
		push_global();
		externals--;
		foreign--
#endif
	od
}

/* Runs timers, takes P's of regions, and asks before it sleeps. */
proctype monitor()
{
	bool alarm, ok;

end:	do
	:: g == TIMER ->
#ifdef TIMER_EARLY /* flo__timers_run(): timers after fn */
		timers--;
#endif
		g = CARRIED;
		foreign++;
		push_global();
		foreign--;
#ifndef TIMER_EARLY
		timers--
#endif
	:: status == BLOCKED ->
#ifndef REGION_LATE /* flo__blocking_retake(): count() first */
		lock();
		nblocked++;
		unlock();
#endif
		atomic {
			ok = (status == BLOCKED);
			status = (ok -> RUNNING : status)
		}
		if
		:: ok ->
			/* flo__sched_handoff() */
			lock();
			status = IDLE;
			unlock();
#ifdef REGION_LATE
			lock();
			nblocked++;
			unlock()
#endif
		:: else ->
#ifndef REGION_LATE
			lock();
			nblocked--;
			unlock()
#else
			skip
#endif
		fi;
		ok = false
	:: status == IDLE && !ended ->
		lock();
		check();
		unlock();
		/* until something changes */
		status != IDLE || g == TIMER || ended
	od
}

/* flo_runtime_run(): spawn() and enqueue() */
proctype creator()
{
#ifndef NO_FOREIGN /* enqueue(): foreign */
	foreign++;
#endif
	lock();
	spawned = true;
	unlock();
	g = QUEUED;
	push_global();
#ifndef NO_FOREIGN
	foreign--
#endif
}

init
{
	atomic {
		run M();
		run M();
		run waker();
		run monitor();
		run creator()
	}
	timeout;
	assert(ended);
	assert(externals == 0 && timers == 0 && foreign == 0 && nblocked == 0)
}
