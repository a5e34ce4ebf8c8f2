/*
 * Who waits for the outside: the note at the top of engine/sched/proc.c, with
 * flo__poller_drive() and flo__poller_try() of poll.c, flo__sched_handoff(), and
 * look_outside() of monitor.c.
 *
 * One coroutine parks for an event. Another, pushed by an ordinary thread, goes
 * into a blocking region until the first has ended; the monitor sees to its P
 * and, once, to the driver. Four M's share NP P's. Who finds nothing drives the
 * poller and blocks there, or parks if somebody drives; with two P's, who has one
 * may look for events in passing. The driver may come back for nothing, once.
 * With -DSTOP there is only the first coroutine, the monitor polls once in
 * passing, and when the coroutine has ended the runtime stops.
 *
 * Checked: the event is delivered whoever has the role, or nobody, when it comes,
 * without the help of any timeout; every M ends when the runtime stops.
 *
 * NO_EXTERNAL	 a wait for the outside is not counted
 * GIVE_UP	 who wants to drive parks because somebody polls in passing
 * LATE_LEAVE	 the driver keeps the role until it has looked for a P
 * NO_BATCH_WAKE the driver, without a P, queues what it brought and parks
 * NO_OUTSIDE	 the monitor does not look for a driver after a retake
 * NO_STOP_LOOK	 who has the role blocks without a look whether all is over
 *
 * @holds -DNP=1
 * @holds -DNP=1 -DSTOP
 * @holds -DNP=2 -DSTOP
 * @finds NO_EXTERNAL -DNP=1
 * @finds GIVE_UP -DNP=1
 * @finds LATE_LEAVE -DNP=1
 * @finds NO_BATCH_WAKE -DNP=1
 * @finds NO_OUTSIDE -DNP=1
 * @finds NO_STOP_LOOK -DNP=2 -DSTOP
 */
#define NM   4
#define NONE 4

mtype = { IDLE, RUNNING, BLOCKED };	  /* a P */
mtype = { FREE, TRYING, DRIVING };	  /* the role */
mtype = { NEW, QUEUED, PARKED, AGAIN, ENDED }; /* a coroutine */

mtype status[NP] = IDLE;
byte nidle = NP;
mtype waiter = QUEUED, blocker = NEW;
bool idle_m[NM], permit[NM];
byte give_p[NM];
mtype role = FREE;
byte externals;
bool event;	  /* has come, and nobody fetched it */
bool async;	  /* flo__poller_interrupt() */
bool idly;	  /* the driver has come back for nothing */
bool stopping;
bool foreign;	  /* an ordinary thread is in a call */
byte ended;	  /* M's */

#if NP == 2
#define FIRST_P (status[0] == IDLE -> 0 : (status[1] == IDLE -> 1 : NONE))
#else
#define FIRST_P (status[0] == IDLE -> 0 : NONE)
#endif
#define QUEUE	(waiter == QUEUED || waiter == AGAIN || blocker == QUEUED)

inline idle_get(x)
{
	x = FIRST_P;
	if
	:: x != NONE -> status[x] = RUNNING; nidle--
	:: else
	fi
}

inline idle_put(x)
{
	assert(status[x] == RUNNING);
	status[x] = IDLE;
	nidle++;
	x = NONE
}

inline m_start(x)
{
	atomic {
		if
		:: stopping -> idle_put(x) /* flo__sched_abandon() */
		:: !stopping && (idle_m[0] || idle_m[1] || idle_m[2] ||
				 idle_m[3]) ->
			k = (idle_m[0] -> 0 : (idle_m[1] -> 1 :
					       (idle_m[2] -> 2 : 3)));
			idle_m[k] = false;
			give_p[k] = x;
			permit[k] = true;
			k = 0;
			x = NONE
		fi
	}
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

/*
 * flo__poller_try(). It wakes after it has left the role, which in C it does
 * before: there the woken may wait for the role, and a new thread is made.
 */
inline try_poll()
{
	atomic {
		ok = (role == FREE);
		role = (ok -> TRYING : role)
	}
	if
	:: ok ->
		atomic {
			async = false;
			ok = event;
			event = false
		}
		if
		:: ok ->
			atomic {
				assert(waiter == PARKED);
				waiter = AGAIN;
				ok = false
			}
			atomic { assert(externals > 0); externals-- }
			role = FREE;
			wake(x)
		:: else -> role = FREE
		fi
	:: else
	fi
}

/* flo__sched_handoff() */
inline handoff(x)
{
	ok = (role != DRIVING && externals > 0);
	atomic {
		if
		:: !ok && !QUEUE -> idle_put(x)
		:: else
		fi;
		ok = false
	}
	if
	:: x != NONE -> m_start(x)
	:: else ->
		if
		:: QUEUE -> wake(x)
		:: else
		fi
	fi
}

proctype M(byte me)
{
	byte p = NONE, x = NONE, old = NONE, k;
	bool ok;

	goto end_wait;

loop:	assert(status[p] == RUNNING);
	if
	:: NP > 1 && role == FREE && externals > 0 -> try_poll()
	:: true
	fi;
	if
	:: atomic { waiter == QUEUED -> waiter = NEW }; goto run_waiter
	:: atomic { waiter == AGAIN -> waiter = ENDED }; goto loop
	:: atomic { blocker == QUEUED -> blocker = NEW }; goto run_blocker
	:: else
	fi;
	/* drop_p(), and the look after it */
	atomic {
		if
		:: QUEUE -> goto loop
		:: else -> idle_put(p)
		fi
	}
	if
	:: QUEUE ->
		atomic { idle_get(p) }
		if
		:: p != NONE -> goto loop
		:: else
		fi
	:: else
	fi;
	/* drive() */
	if
	:: !stopping && externals > 0 ->
		do
		:: atomic { role == FREE -> role = DRIVING }; break
		:: role == DRIVING -> goto park
#ifdef GIVE_UP /* flo__poller_drive(): the loop */
		:: role == TRYING -> goto park
#endif
		od;
		if
#ifndef NO_STOP_LOOK /* flo__poller_drive(): stopping */
		:: stopping
#endif
		:: !stopping ->
end_driving:		/* uv_run() */
			if
			:: event
			:: async
			:: atomic { !idly -> idly = true }
			fi
#ifdef NO_STOP_LOOK
		:: stopping -> event || async
#endif
		fi;
		atomic { async = false; ok = event; event = false }
		if
		:: ok -> atomic { assert(waiter == PARKED); waiter = NEW }
		:: else
		fi;
#ifndef LATE_LEAVE /* flo__poller_drive(): leave_role() */
		role = FREE;
#endif
		atomic { idle_get(p) }
#ifdef LATE_LEAVE
		role = FREE;
#endif
		if
		:: ok ->
			/* flush_batch() */
			atomic { ok = false; waiter = AGAIN }
			atomic { assert(externals > 0); externals-- }
			if
			:: p == NONE ->
#ifndef NO_BATCH_WAKE /* drive(): flo__sched_wake(), flo__sched_regain() */
				wake(x);
				atomic { idle_get(p) }
#else
				skip
#endif
			:: else
			fi
		:: else
		fi;
		if
		:: p != NONE -> goto loop
		:: else
		fi
	:: else
	fi;
	goto park;

run_waiter:
#ifndef NO_EXTERNAL /* flo__park(): externals */
	externals++;
#endif
	waiter = PARKED;
	goto loop;

run_blocker:
	/* flo_blocking_begin(); if work waits, it does the retake itself */
	atomic { old = p; p = NONE; status[old] = BLOCKED }
	if
	:: QUEUE ->
		atomic {
			ok = (status[old] == BLOCKED);
			status[old] = (ok -> RUNNING : status[old])
		}
		if
		:: ok -> ok = false; x = old; handoff(x)
		:: else
		fi
	:: else
	fi;
	waiter == ENDED;
	/* flo_blocking_end(); what is queued without a P: handoff.pml */
	atomic {
		ok = (status[old] == BLOCKED);
		status[old] = (ok -> RUNNING : status[old]);
		p = (ok -> old : NONE);
		old = NONE;
		ok = false;
		blocker = ENDED
	}
	if
	:: p != NONE -> goto loop
	:: else
	fi;

park:	atomic {
		assert(p == NONE);
		if
		:: stopping -> goto out
		:: else -> idle_m[me] = true
		fi
	}
end_wait:
	permit[me];
	atomic {
		permit[me] = false;
		p = give_p[me];
		give_p[me] = NONE;
		if
		:: p == NONE -> goto out
		:: else -> goto loop
		fi
	}
out:	ended++
}

/* look_at_blocked(), then look_outside() */
proctype monitor()
{
	byte x = NONE, k, i;
	bool ok;

end:	do
	:: i < NP && status[i] == BLOCKED ->
		atomic {
			ok = (status[i] == BLOCKED);
			status[i] = (ok -> RUNNING : status[i])
		}
		if
		:: ok -> ok = false; x = i; handoff(x)
		:: else
		fi;
#ifndef NO_OUTSIDE /* monitor_main(): look_outside() */
		if
		:: externals > 0 && role != DRIVING ->
			atomic { idle_get(x) }
			if
			:: x != NONE -> m_start(x)
			:: else -> try_poll()
			fi
		:: else
		fi;
#endif
#if NP == 2
	:: i == 0 && status[1] == BLOCKED -> i = 1
	:: i == 1 && status[0] == BLOCKED -> i = 0
#endif
	:: stopping -> break
	od
}

proctype thread()
{
	byte x = NONE, k;

	foreign = true;
	blocker = QUEUED;
	wake(x);
	foreign = false
}

proctype outside()
{
	waiter == PARKED;
	event = true
}

/* look_outside() alone */
proctype passing()
{
	byte x = NONE, k;
	bool ok;

	if
	:: externals > 0 -> try_poll()
	:: true
	fi
}

/* flo_runtime_free() */
proctype owner()
{
	byte k;

	/* flo__quiet() */
	waiter == ENDED && blocker == ENDED && nidle == NP;
	!foreign;
	atomic {
		stopping = true;
		k = 0;
		do
		:: k < NM ->
			if
			:: idle_m[k] ->
				idle_m[k] = false;
				give_p[k] = NONE;
				permit[k] = true
			:: else
			fi;
			k++
		:: else -> break
		od
	}
	async = true;
	ended == NM
}

init
{
	atomic {
		give_p[0] = 0;
		give_p[1] = NONE;
		give_p[2] = NONE;
		give_p[3] = NONE;
		permit[0] = true;
		idle_m[1] = true;
		idle_m[2] = true;
		idle_m[3] = true;
		status[0] = RUNNING;
		nidle--;
#if NP == 2
		give_p[1] = 1;
		permit[1] = true;
		idle_m[1] = false;
		status[1] = RUNNING;
		nidle--;
#endif
		run M(0);
		run M(1);
		run M(2);
		run M(3);
#ifdef STOP
		blocker = ENDED;
		run passing();
		run owner();
#else
		run monitor();
		run thread();
#endif
		run outside()
	}
#ifndef STOP
	timeout;
	assert(waiter == ENDED && blocker == ENDED && externals == 0);
	assert(nidle == NP && role != TRYING)
#endif
}
