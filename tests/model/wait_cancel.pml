/*
 * A wait in a queue that ends with a context: the note in
 * engine/sync/waitq_p.h, with the watches of engine/context.c, as a semaphore
 * uses them. Two waiters under one context and one without it want one unit;
 * the unit's first holder gives it back at any time, or only once the
 * cancelled have left.
 *
 * Checked: every wait ends; who was readied was parked, and once; a watch's
 * function does not touch a wait that has returned; no unit is lost or made.
 *
 * NO_MARK		a waiter does not look for an end before it queues
 * EARLY_UNLOCK		the queue's lock is released before the park commits
 * GRANT_AND_CANCEL	the watch readies a waiter that was granted, too
 * NO_DEL_WAIT		watch_del does not wait for the function
 * DROP_GRANT		a granted waiter that finds its context ended drops it
 *
 * @holds
 * @finds NO_MARK
 * @finds EARLY_UNLOCK
 * @finds GRANT_AND_CANCEL
 * @finds NO_DEL_WAIT
 * @finds DROP_GRANT
 */
#define N    3
#define NONE 255

mtype = { IDLE, QUEUED, GRANTED, CANCELED };
mtype = { RUNNING, PARKED, READY };

bool locked;	  /* the queue's */
byte line[N];	  /* the queue itself */
byte waiting;
byte free;	  /* units */
mtype state[N] = IDLE;
mtype g[N] = RUNNING;
bool ended;	  /* the context */
bool linked[N];	  /* watches */
byte running = NONE;
bool gone[N];	  /* the wait has returned */
byte left;	  /* waits that have returned */

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline push(w) { d_step { line[waiting] = w; waiting++; state[w] = QUEUED } }

inline take_off(w)
{
	d_step {
		i = 0;
		do
		:: line[i] == w -> break
		:: else -> i++
		od;
		do
		:: i + 1 < waiting -> line[i] = line[i + 1]; i++
		:: else -> break
		od;
		waiting--;
		line[waiting] = 0;
		i = 0
	}
}

inline ready(w)
{
	atomic {
		assert(g[w] == PARKED && !gone[w]);
		g[w] = READY
	}
}

inline give()
{
	lock();
	w = NONE;
	if
	:: waiting > 0 ->
		w = line[0];
		take_off(w);
		state[w] = GRANTED
	:: else -> free++
	fi;
	unlock();
	if
	:: w != NONE -> ready(w)
	:: else
	fi
}

inline park_in_queue(me)
{
	push(me);
#ifdef EARLY_UNLOCK /* flo__waiter_park(): commit_unlock() */
	unlock();
	g[me] = PARKED;
#else
	g[me] = PARKED;
	unlock();
#endif
	atomic { g[me] == READY -> g[me] = RUNNING }
}

inline watch_del(me)
{
	if
	:: atomic { linked[me] -> linked[me] = false }
	:: else
	fi;
#ifndef NO_DEL_WAIT /* flo__context_watch_del(): the loop */
	running != me
#endif
}

proctype waiter(byte me; bool has_context)
{
	byte i, w;
	bool got = false;

	if
	:: has_context && ended -> goto out
	:: else
	fi;
	lock();
	if
	:: free > 0 -> free--; got = true
	:: else
	fi;
	unlock();
	if
	:: got -> goto out
	:: else
	fi;
	if
	:: has_context ->
		atomic {
			if
			:: ended -> goto out
			:: else -> linked[me] = true
			fi
		}
	:: else
	fi;
	lock();
	if
#ifndef NO_MARK /* flo__waiter_park(): CANCELED */
	:: state[me] == CANCELED -> unlock()
#endif
	:: state[me] == IDLE && free > 0 ->
		free--;
		state[me] = GRANTED;
		unlock()
	:: else -> park_in_queue(me)
	fi;
	if
	:: has_context -> watch_del(me)
	:: else
	fi;
	assert(state[me] == GRANTED || state[me] == CANCELED);
	got = (state[me] == GRANTED);
#ifdef DROP_GRANT /* flo__waiter_end(): GRANTED comes first */
	if
	:: has_context && ended -> got = false
	:: else
	fi;
#endif
out:
	atomic { gone[me] = true; left++ }
	if
	:: got -> give()
	:: else
	fi
}

/* One watch after the other, as run_watches() does. */
proctype run_watches()
{
	byte i, w;
	bool parked;

	ended = true;
	do
	:: atomic {
		linked[0] || linked[1] ->
		w = (linked[0] -> 0 : 1);
		linked[w] = false;
		running = w
	   };
	   assert(!gone[w]);
	   lock();
	   assert(!gone[w]);
	   parked = (state[w] == QUEUED);
#ifdef GRANT_AND_CANCEL /* watch_fired() in waitq.c: QUEUED only */
	   parked = parked || (state[w] == GRANTED);
#endif
	   if
	   :: state[w] == QUEUED -> take_off(w); state[w] = CANCELED
	   :: state[w] == IDLE -> state[w] = CANCELED
	   :: else
	   fi;
	   unlock();
	   if
	   :: parked -> ready(w)
	   :: else
	   fi;
	   running = NONE
	:: atomic { !linked[0] && !linked[1] -> break }
	od
}

proctype holder()
{
	byte i, w;

	if
	:: true
	:: true -> left >= 2 /* those with the context need no unit to get away */
	fi;
	give()
}

init {
	atomic {
		run holder();
		run waiter(0, true);
		run waiter(1, true);
		run waiter(2, false);
		run run_watches()
	}
	_nr_pr == 1;
	assert(free == 1 && waiting == 0 && left == N)
}
