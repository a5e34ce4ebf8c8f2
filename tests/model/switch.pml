/*
 * The switch from one coroutine to the next: "Note: who finishes a departure" in
 * engine/sched/g.c, with flo__park(), flo_yield(), flo__ready() and arrive().
 *
 * Two M's, each with a P, run NG coroutines, whose records lie in the queues of
 * the P's; an M may take from both. The first waits for an event, in a queue
 * under a lock that its commit gives up, or with -DSHOT in a word that its commit
 * changes, which may call the park off. The others yield once, and one of them
 * then fires the event. So may an M do on its own stack (a timer). An M that
 * leaves a coroutine takes the next one from its own queue first, or goes on on
 * its own stack, where it may run what it has taken.
 *
 * Checked: no stack is used by two M's, and none is resumed before its stack
 * pointer is saved; a coroutine is readied when it is parked, and in one queue
 * at most; in the end all have ended.
 *
 * COMMIT_FIRST the commit is called before the switch, on the stack that is left
 * YIELD_FIRST	who yields is queued before the next is chosen
 * PARKED_LATE	the state says parked only after the commit
 * LATE_ARRIVE	who comes next finishes the departure only when it leaves
 * OLD_M	who is resumed takes for its M the one that it had left
 * LEFT_STAYS	the M does not forget who left it
 * NO_CALL_OFF	a park that is called off is not undone
 *
 * @holds
 * @holds -DSHOT
 * @holds -DNG=4
 * @full -DSHOT -DNG=4
 * @finds COMMIT_FIRST
 * @finds COMMIT_FIRST -DSHOT
 * @finds YIELD_FIRST
 * @finds PARKED_LATE
 * @finds PARKED_LATE -DSHOT
 * @finds LATE_ARRIVE
 * @finds OLD_M
 * @finds LEFT_STAYS
 * @finds NO_CALL_OFF -DSHOT
 */
#ifndef NG
#define NG    3
#endif
#define NM    2
#define NONE  255

mtype = { QUEUED, RUNNING, PARKED, ENDED }; /* a coroutine */
mtype = { PARK, YIELD, END };		     /* what it leaves for */
mtype = { NEW, WAITED, FIRED };	     /* the event, with -DSHOT */

mtype state[NG] = QUEUED;
byte queue[NG];	      /* of which P; all begin in that of P 0 */
bool moved[NG];	      /* has left once: where its program goes on */
bool saved[NG] = true;   /* its stack pointer */
byte on[NG] = NONE;      /* who is on its stack; for the check only */
byte left[NM] = NONE;
mtype op[NM];
#ifdef OLD_M
byte last[NG];
#endif

mtype word = NEW;
bool qlock, waiting, fired;
bool firing;	      /* somebody does, or did */

inline push(x)
{
	assert(queue[x] == NONE);
	queue[x] = me
}

/* flo__ready() */
inline ready(x)
{
	atomic { assert(state[x] == PARKED); state[x] = QUEUED }
	push(x)
}

inline fire()
{
#ifdef SHOT
	atomic { ok = (word == WAITED); word = FIRED };
#else
	atomic { !qlock -> qlock = true };
	fired = true;
	ok = waiting;
	waiting = false;
	qlock = false;
#endif
	if
	:: ok -> ok = false; ready(0)
	:: else
	fi
}

/* m->commit(), and call_off() */
inline commit(x)
{
#ifdef SHOT
	atomic {
		ok = (word == FIRED);
		word = (ok -> FIRED : WAITED)
	};
#ifdef PARKED_LATE
	state[x] = PARKED;
#endif
#ifdef NO_CALL_OFF
	ok = false;
#endif
	if
	:: ok -> ok = false; ready(x)
	:: else
	fi
#else
	qlock = false;
#ifdef PARKED_LATE
	state[x] = PARKED;
#endif
#endif
}

/* arrive(): what the one who left has begun. @m: whose M that is */
inline arrive(m)
{
	atomic {
		x = left[m];
#ifndef LEFT_STAYS /* arrive(): m->left */
		left[m] = NONE
#endif
	}
	if
	:: x != NONE ->
		if
#ifndef COMMIT_FIRST
		:: op[m] == PARK -> commit(x)
#else
		:: op[m] == PARK
#endif
#ifndef YIELD_FIRST
		:: op[m] == YIELD -> state[x] = QUEUED; push(x)
#else
		:: op[m] == YIELD
#endif
		:: op[m] == END -> state[x] = ENDED
		fi;
		x = NONE
	:: else
	fi
}

/* becomes_running() */
inline take(x)
{
	assert(state[x] == QUEUED);
	queue[x] = NONE;
	state[x] = RUNNING;
	next = x
}

/* next_at_hand(): one from the own queue, to run now or to be picked. */
inline choose()
{
	atomic {
		if
		:: queue[0] == me -> take(0)
		:: queue[1] == me -> take(1)
		:: queue[2] == me -> take(2)
#if NG > 3
		:: queue[3] == me -> take(3)
#endif
		:: true
		fi
	}
	if
	:: next != NONE -> picked = next; next = NONE
	:: true
	fi
}

/* flo__g_leave(), as far as the stack pointer of the one who comes next. */
inline leave(what)
{
#ifdef LATE_ARRIVE
	arrive(me);
#endif
	moved[cur] = true;
#ifdef YIELD_FIRST
	if
	:: what == YIELD -> state[cur] = QUEUED; push(cur)
	:: else
	fi;
#endif
	choose();
#ifdef COMMIT_FIRST
	if
	:: what == PARK -> commit(cur)
	:: else
	fi;
#endif
	op[me] = what;
	left[me] = cur;
#ifdef OLD_M
	last[cur] = me;
#endif
	saved[cur] = true;
	/* between two instructions of flo__switch() */
	atomic {
		assert(on[cur] == me);
		on[cur] = NONE;
		cur = next;
		next = NONE
	}
}

inline enter()
{
	atomic {
		assert(saved[cur] && on[cur] == NONE);
		saved[cur] = false;
		on[cur] = me
	}
}

proctype M(byte me)
{
	byte cur = NONE, next = NONE, picked = NONE, x = NONE;
	bool ok;

own:	assert(cur == NONE);
	arrive(me);
	if
	:: picked != NONE -> cur = picked; picked = NONE
	:: else ->
end_own:	if
		:: atomic { queue[0] != NONE -> take(0) }
		:: atomic { queue[1] != NONE -> take(1) }
		:: atomic { queue[2] != NONE -> take(2) }
#if NG > 3
		:: atomic { queue[3] != NONE -> take(3) }
#endif
		:: atomic { !firing -> firing = true }; fire(); goto own
		fi;
		cur = next;
		next = NONE
	fi;
#ifndef LEFT_STAYS /* flo__g_run() */
	left[me] = NONE;
#endif
goes:	enter();
#ifdef OLD_M
	if
	:: moved[cur] -> arrive(last[cur])
	:: else -> arrive(me)
	fi;
#else
#ifndef LATE_ARRIVE /* flo__g_leave(), entry(): arrive() */
	arrive(me);
#endif
#endif
	if
	:: cur == 0 && !moved[0] ->
#ifdef SHOT
#ifndef PARKED_LATE /* flo__park() */
		state[0] = PARKED;
#endif
		leave(PARK)
#else
		atomic { !qlock -> qlock = true };
		if
		:: fired -> qlock = false; leave(END)
		:: else ->
			waiting = true;
#ifndef PARKED_LATE
			state[0] = PARKED;
#endif
			leave(PARK)
		fi
#endif
	:: cur != 0 && !moved[cur] -> leave(YIELD)
	:: else ->
		if
		:: atomic { cur == 1 && !firing -> firing = true }; fire()
		:: else
		fi;
		leave(END)
	fi;
	if
	:: cur == NONE -> goto own
	:: else -> goto goes
	fi
}

init
{
	atomic {
		run M(0);
		run M(1)
	}
	timeout;
	assert(state[0] == ENDED && state[1] == ENDED && state[2] == ENDED);
	assert(state[NG - 1] == ENDED && !qlock)
}
