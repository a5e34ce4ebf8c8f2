/*
 * A group with one slot: the note in engine/group.c. An owner starts two
 * members and waits for the end; a third member has given its slot up (a
 * retry) and takes one at the front. A member may fail, which ends the group's
 * context, and somebody may end it from outside.
 *
 * Checked: exactly the members that were accepted run; never two on one slot;
 * wait returns, after all of them, and once; nobody touches the group after
 * it, and no slot is lost; none starts on a slot that it got after the context
 * had ended.
 *
 * How the members of a group without a limit are counted is credit.pml's.
 *
 * PENDING_FIRST  a member gives its pending back before its slot
 * NO_CALL_OFF	  the wait parks though pending was 0 by then
 * ANNOUNCE_LATE  QUEUE is set apart from the look for a free slot, and the
 *		  slot's end is not seen
 * KEEP_SLOT	  a slot that came with the end of the context is not given on
 * NO_RECHECK	  the context is not looked at again once there is a slot
 * NO_PUMP	  a free slot is left lying while somebody queues
 *
 * @holds
 * @finds PENDING_FIRST
 * @finds NO_CALL_OFF
 * @finds ANNOUNCE_LATE
 * @finds KEEP_SLOT
 * @finds NO_PUMP
 * @finds NO_RECHECK
 */
#define LIMIT 1
#define OWNER 0
#define RETRY 1
#define NONE  255

mtype = { IDLE, QUEUED, GRANTED, CANCELED };
mtype = { RUNNING, PARKED, READY };

/* the group's word */
byte used, pending;
bool QUEUE, WAITS;

bool qlock;
bool queued[2];	  /* the line: RETRY always comes first */
mtype state[2] = IDLE;
mtype g[2] = RUNNING;
bool ended, failed;
bool linked[2];
byte running[2];  /* cancellers that run this one's watch */
bool freed;
byte accepted, ran, inside;

inline touch() { assert(!freed) }
inline lock() { atomic { touch(); !qlock -> qlock = true } }
inline unlock() { atomic { touch(); qlock = false } }

inline ready(w)
{
	atomic {
		assert(g[w] == PARKED);
		g[w] = READY
	}
}

inline wake_if_last(p, w)
{
	if
	:: p == 1 && w -> ready(OWNER)
	:: else
	fi
}

/* Under the lock; @may: whether a free slot may be taken. */
inline take_or_announce(may)
{
#ifdef ANNOUNCE_LATE /* take_or_announce(): one CAS */
	atomic {
		took = (may) && used < LIMIT;
		if
		:: took -> used++
		:: else
		fi
	};
	if
	:: !took -> QUEUE = true
	:: else
	fi
#else
	atomic {
		touch();
		took = (may) && used < LIMIT;
		if
		:: took ->
			used++;
			if
			:: !queued[0] && !queued[1] -> QUEUE = false
			:: else
			fi
		:: else -> QUEUE = true
		fi
	}
#endif
}

inline pump()
{
	do
	:: true ->
		next = NONE;
		lock();
		if
		:: !queued[0] && !queued[1] -> QUEUE = false
		:: else ->
			take_or_announce(true);
			if
			:: took ->
				next = (queued[RETRY] -> RETRY : OWNER);
				queued[next] = false;
				state[next] = GRANTED
			:: else
			fi
		fi;
		unlock();
		if
		:: next == NONE -> break
		:: else -> ready(next)
		fi
	od
}

inline give_slot()
{
	atomic {
		touch();
		assert(used > 0);
		used--;
		flag = QUEUE
	};
#ifndef NO_PUMP /* give_slot(): pump() */
	if
	:: flag -> pump()
	:: else
	fi
#endif
}

inline leave()
{
	atomic {
		touch();
		assert(pending > 0);
		flag = (pending == 1 && WAITS);
		pending--
	};
	if
	:: flag -> ready(OWNER)
	:: else
	fi
}

inline leave_with_slot()
{
	atomic {
		touch();
		slow = QUEUE;
		if
		:: !slow ->
			assert(used > 0);
			used--;
			flag = (pending == 1 && WAITS);
			pending--
		:: else
		fi
	};
	if
	:: slow ->
#ifdef PENDING_FIRST /* leave_with_slot(): the order at its end */
		leave();
		give_slot()
#else
		give_slot();
		leave()
#endif
	:: !slow && flag -> ready(OWNER)
	:: else
	fi
}

/* End the context and run its watches. */
inline cancel()
{
	ended = true; /* the context outlives the group */
	next = 0;
	do
	:: next < 2 ->
		if
		:: atomic {
			linked[next] -> linked[next] = false; running[next]++
		   };
		   lock();
		   flag = (state[next] == QUEUED);
		   if
		   :: flag -> queued[next] = false; state[next] = CANCELED
		   :: state[next] == IDLE -> state[next] = CANCELED
		   :: else
		   fi;
		   unlock();
		   if
		   :: flag -> ready(next)
		   :: else
		   fi;
		   running[next]--
		:: else
		fi;
		next++
	:: else -> break
	od;
	next = NONE
}

/* flo__group_slot_take(): sets @ok. @may: whether this one may take now. */
inline slot_take(me, may)
{
	state[me] = IDLE;
	took = false;
	ok = !ended;
	if
	:: ok ->
		/* without the watch first; who then gives up leaves a QUEUE
		 * that nobody stands in */
		lock();
		take_or_announce(may);
		unlock();
		if
		:: !took ->
			atomic {
				if
				:: ended -> ok = false
				:: else -> linked[me] = true
				fi
			}
		:: else -> state[me] = GRANTED
		fi
	:: else
	fi;
	if
	:: ok && !took ->
		lock();
		if
		:: state[me] == CANCELED -> unlock()
		:: else ->
			take_or_announce(may);
			if
			:: took -> state[me] = GRANTED; unlock()
			:: else ->
				state[me] = QUEUED;
				queued[me] = true;
				g[me] = PARKED;
				unlock();
				atomic { g[me] == READY -> g[me] = RUNNING }
			fi
		fi;
		if
		:: atomic { linked[me] -> linked[me] = false }
		:: else
		fi;
		running[me] == 0;
		ok = (state[me] == GRANTED)
	:: else
	fi;
	if
	:: ok ->
		late = ended;
		if
#ifndef NO_RECHECK /* flo__group_slot_take(), enter(): the context last */
		:: ok && ended ->
			ok = false;
#ifndef KEEP_SLOT /* flo__group_slot_take(): give_slot() */
			give_slot()
#endif
#endif
		:: else
		fi
	:: else
	fi
}

inline work()
{
	atomic {
		inside++;
		assert(inside <= LIMIT);
		ran++
	};
	if
	:: true
	:: atomic { !failed -> failed = true }; cancel()
	fi;
	inside--
}

proctype member()
{
	byte next = NONE;
	bool took, flag, slow;

	work();
	leave_with_slot()
}

/* A member in back-off: pending, without a slot. */
proctype retry()
{
	byte next = NONE;
	bool took, flag, slow, ok, late;

	slot_take(RETRY, true);
	if
	:: ok -> assert(!late); accepted++; work()
	/* flo__group_slot_retake(): past the limit, to be given back */
	:: else -> atomic { touch(); used++ }
	fi;
	leave_with_slot()
}

inline go()
{
	atomic {
		ok = !QUEUE && used < LIMIT;
		late = ended;
		if
		:: ok -> used++; pending++
		:: else
		fi
	};
	if
#ifndef NO_RECHECK
	:: ended && ok -> ok = false; leave_with_slot()
#endif
	:: !ok && !ended ->
		slot_take(OWNER, !queued[0] && !queued[1]);
		if
		:: ok -> atomic { touch(); pending++ }
		:: else
		fi
	:: else
	fi;
	if
	:: ok -> assert(!late); accepted++; run member()
	:: else
	fi
}

proctype owner()
{
	byte next = NONE;
	bool took, flag, slow, ok, late, parked;

	go();
	go();
	/* flo_group_wait() */
	if
	:: pending > 0 ->
		g[OWNER] = PARKED;
		atomic {
			WAITS = true;
			parked = (pending > 0)
		};
#ifdef NO_CALL_OFF /* commit_wait(): what it returns */
		parked = true;
#endif
		if
		:: parked -> atomic { g[OWNER] == READY -> g[OWNER] = RUNNING }
		:: else -> g[OWNER] = RUNNING
		fi
	:: else
	fi;
	assert(pending == 0 && used == 0 && ran == accepted && inside == 0);
	freed = true
}

proctype outsider()
{
	byte next;
	bool flag;

	if
	:: cancel()
	:: true
	fi
}

init {
	pending = 1; /* the retry */
	atomic {
		run owner();
		run retry();
		run outsider()
	}
	_nr_pr == 1;
	assert(freed)
}
