/*
 * A group without a limit: the note in engine/group.c, with flo__end_later(),
 * entry(), arrive() and flo__g_leave() of g.c. Slots are group.pml's.
 *
 * The maker starts two members from its credit, LOT at a time, gives the rest
 * back and waits; the context may end at any time, and then a start is refused.
 * The first member to run starts a third, which joins by itself. A member may
 * park on its way, and be readied by anybody. Two M's run them, and perhaps a
 * stranger that keeps its M until the group has ended. The ends of members that
 * run one after the other on an M are subtracted together.
 *
 * Checked: wait returns, once, after all members, and nobody touches the group
 * after it; what is left of the count is nothing; all that can run has run,
 * whoever keeps an M.
 *
 * KEEP_CREDIT	  the rest of the credit is not given back
 * CREDIT_LATE	  it is given back once WAITS is set, by who then parks
 * CREDIT_TAKEN	  a refused start goes back to the credit, and off the count
 * WAKE_ONE	  the last to leave is who finds one member left, not n
 * NO_SETTLE	  a stranger runs before the ends are settled
 * PARK_UNSETTLED a member that parks leaves the ends before it unsettled
 * JOIN_LATE	  a member that another starts joins after it is queued
 *
 * @holds -DLOT=1
 * @holds -DLOT=3
 * @finds KEEP_CREDIT -DLOT=3
 * @finds CREDIT_LATE -DLOT=3
 * @finds CREDIT_TAKEN -DLOT=3
 * @finds WAKE_ONE -DLOT=3
 * @finds NO_SETTLE -DLOT=1
 * @finds PARK_UNSETTLED -DLOT=1
 * @finds JOIN_LATE -DLOT=1
 */
#define NG	 4 /* coroutines: three members, and the stranger */
#define STRANGER 3
#define NONE	 255

/* QUEUED: and fresh; AGAIN: queued, and has run before */
mtype = { NEW, QUEUED, AGAIN, RUNNING, PARKED, READY, ENDED };

mtype g[NG] = NEW;
mtype maker = RUNNING;

/* the group's word; the slots in use are always as many */
byte pending;
bool WAITS;

byte credit;
bool freed, ended;
byte accepted, ran;
bool third;	      /* somebody has started it */

inline touch() { assert(!freed) }

inline ready_maker()
{
	atomic { assert(maker == PARKED); maker = READY }
}

/* leave_many() */
inline leave_many(n)
{
	atomic {
		touch();
		assert(pending >= n);
#ifdef WAKE_ONE /* wake_if_last(): n */
		last = (pending == 1 && WAITS);
#else
		last = (pending == n && WAITS);
#endif
		pending = pending - n
	}
	if
	:: last -> last = false; ready_maker()
	:: else
	fi
}

/* join_on_credit(), enter(), start() */
inline go(m)
{
	if
	:: credit == 0 ->
		atomic { touch(); pending = pending + LOT };
		credit = LOT
	:: else
	fi;
	credit--;
	if
	:: ended ->
#ifdef CREDIT_TAKEN /* enter(): leave_with_slot(), and nothing else */
		credit++;
#endif
		leave_many(1)
	:: !ended -> atomic { accepted++; g[m] = QUEUED }
	fi
}

proctype owner()
{
	bool last, parked;

	go(0);
	go(1);
	/* flo_group_wait() */
#if !defined(KEEP_CREDIT) && !defined(CREDIT_LATE)
	/* return_credit() */
	if
	:: credit > 0 -> leave_many(credit); credit = 0
	:: else
	fi;
#endif
	if
	:: pending > 0 ->
		maker = PARKED;
		/* commit_wait() */
		atomic { WAITS = true; parked = (pending > 0) };
#ifdef CREDIT_LATE /* flo_group_wait(): return_credit() comes first */
		atomic { pending = pending - credit; credit = 0 };
#endif
		if
		:: parked -> atomic { maker == READY -> maker = RUNNING }
		:: else -> maker = RUNNING
		fi
	:: else
	fi;
	assert(pending == 0 && credit == 0 && ran == accepted);
	freed = true
}

/* settle() in g.c: the M's next step is nothing else. */
inline settle()
{
	if
	:: ends > 0 -> leave_many(ends); ends = 0
	:: else
	fi
}

/* Take any that is queued; @none: it is free not to find one. */
inline take(none)
{
	atomic {
		if
		:: none
		:: g[0] == QUEUED || g[0] == AGAIN -> next = 0
		:: g[1] == QUEUED || g[1] == AGAIN -> next = 1
		:: g[2] == QUEUED || g[2] == AGAIN -> next = 2
		:: g[STRANGER] == QUEUED -> next = STRANGER
		fi;
		if
		:: next != NONE ->
			fresh = (g[next] == QUEUED);
			g[next] = RUNNING
		:: else
		fi
	}
}

proctype M()
{
	byte i = NONE, next = NONE, ends;
	bool last, fresh, was;

	/* the M's own stack */
idle:	assert(i == NONE && next == NONE);
#if !defined(PARK_UNSETTLED) && !defined(NO_SETTLE)
	assert(ends == 0);
#endif
end_idle:
	take(false);
resume:	atomic { i = next; next = NONE; was = !fresh; fresh = false };
	if
	:: i == STRANGER ->
		freed;
		atomic { g[i] = ENDED; i = NONE };
		goto idle
	:: i != STRANGER && !was && !third ->
		atomic { was = third; third = true };
		if
		:: !was ->
			/* join_with_slot(), start() */
#ifndef JOIN_LATE
			atomic { touch(); pending++ };
#endif
			atomic { accepted++; g[2] = QUEUED };
#ifdef JOIN_LATE
			atomic { touch(); pending++ };
#endif
		:: else
		fi;
		was = false
	:: i != STRANGER
	fi;
	if
	:: !was ->
		/* flo__park(): who comes next is taken at once; when he has
		 * arrived, the one who left may be resumed elsewhere */
		take(true);
		atomic { g[i] = AGAIN; i = NONE };
#ifndef PARK_UNSETTLED /* arrive() */
		settle();
#endif
		goto left
	:: true
	fi;
	/* run_member(): flo__end_later() */
	atomic { g[i] = ENDED; i = NONE; ran++; ends++; was = false };
	/* entry() */
	take(true);
#ifdef NO_SETTLE /* entry(): is_sibling() */
	if
	:: next == NONE -> settle()
	:: else
	fi;
#else
	if
	:: next == NONE || next == STRANGER || !fresh -> settle()
	:: else
	fi;
#endif
left:	was = false;
	if
	:: next == NONE -> goto idle
	:: else -> goto resume
	fi
}

proctype outsider()
{
	if
	:: ended = true
	:: true
	fi
}

init
{
	atomic {
		if
		:: g[STRANGER] = QUEUED
		:: true
		fi;
		run owner();
		run M();
		run M();
		run outsider()
	}
	timeout;
	assert(freed && pending == 0 && credit == 0 && ran == accepted);
	assert(g[STRANGER] != QUEUED)
}
