/*
 * The mutex: the note in engine/sync/mutex.c.
 *
 * N coroutines lock and unlock, each as often as its number says. Who is woken
 * may find that a runner took the mutex before it, at most LOSSES times: then
 * it is handed over. LOSSES_MAX is 16 in C, and 1 here.
 *
 * Checked: one holder at a time; every lock is had in the end, and nothing is
 * set then; who is readied was parked, once; nobody is woken in vain more than
 * LOSSES times, and nobody takes the mutex while it is to be handed over. (How
 * many runners pass while a woken waiter is on its way is for the scheduler.)
 *
 * NO_WOKEN_CLEAR a waiter that queues again leaves WOKEN set
 * NO_RECHECK	  a waiter queues without a look under the queue's lock
 * TO_THE_BACK	  who was woken in vain queues behind the others
 * NO_STARVING	  no waiter is ever handed the mutex
 * RELEASE_HANDED the unlock hands over and lets go, too
 * STALE_STORE	  an unlock stores what it read before it had the queue's lock
 *
 * @holds -DN=3
 * @full -DN=4
 * @finds NO_WOKEN_CLEAR -DN=3
 * @finds NO_RECHECK -DN=3
 * @finds TO_THE_BACK -DN=3
 * @finds NO_STARVING -DN=3
 * @finds RELEASE_HANDED -DN=3
 * @finds STALE_STORE -DN=3
 */
#define LOSSES 1
#define NONE   255

/* the word */
bool HELD, WAITERS, WOKEN, STARVING;

bool qlock;
byte line[N]; /* the queue */
byte waiting;
bool parked[N], ready[N], handed[N];
byte holder = NONE;

inline lock_q() { atomic { !qlock -> qlock = true } }
inline unlock_q() { qlock = false }

/* By a CAS, or handed over. */
inline taken(me)
{
	assert(holder == NONE && !STARVING);
	holder = me
}

inline push(me, front)
{
	d_step {
		i = waiting;
		do
		:: front && i > 0 -> line[i] = line[i - 1]; i--
		:: else -> break
		od;
		line[i] = me;
		waiting++;
		i = 0
	}
}

/* pop(): sets @w. */
inline pop()
{
	d_step {
		assert(waiting > 0);
		w = line[0];
		waiting--;
		i = 0;
		do
		:: i < waiting -> line[i] = line[i + 1]; i++
		:: else -> break
		od;
		line[waiting] = 0;
		i = 0
	}
}

/* flo_mutex_lock() */
inline mutex_lock(me)
{
	/* the CAS, or flo_mutex_trylock() */
	atomic {
		got = !HELD;
		if
		:: got -> HELD = true; taken(me)
		:: else
		fi
	};
	losses = 0;
	do
	:: got -> break
	:: else ->
		/* lock_slow() */
		lock_q();
		/* take_or_announce(): a CAS */
		atomic {
			got = !HELD;
			assert(!STARVING || HELD);
#ifdef NO_RECHECK /* take_or_announce(): to |= HELD */
			got = false;
#endif
#ifndef NO_WOKEN_CLEAR /* take_or_announce(): losses > 0 */
			WOKEN = (losses > 0 -> false : WOKEN);
#endif
			if
			:: got -> HELD = true; taken(me)
			:: else ->
				WAITERS = true;
#ifndef NO_STARVING /* take_or_announce(): losses >= LOSSES_MAX */
				STARVING = STARVING || losses >= LOSSES;
#endif
			fi
		};
		if
		:: got -> unlock_q()
		:: else ->
#ifdef TO_THE_BACK /* lock_slow(): losses > 0 */
			push(me, false);
#else
			push(me, losses > 0);
#endif
			parked[me] = true;
			unlock_q();
			atomic {
				ready[me];
				ready[me] = false;
				got = handed[me];
				handed[me] = false
			}
			losses++;
			assert(got || losses <= LOSSES)
		fi
	od;
	got = false;
	losses = 0
}

/* flo_mutex_unlock() */
inline mutex_unlock(me)
{
	atomic { assert(holder == me && HELD) }
	atomic {
		/* the CAS from HELD to 0 */
		done = (!WAITERS && !WOKEN && !STARVING);
		if
		:: done -> HELD = false; holder = NONE
		:: else
		fi
	};
	if
	:: !done ->
		/* look(), then a CAS of the whole word */
		atomic {
			s_starving = STARVING; s_woken = WOKEN;
			s_waiters = WAITERS
		}
		atomic {
			done = (s_woken && WOKEN && !s_starving && !STARVING &&
				s_waiters == WAITERS);
			if
			:: done ->
				HELD = false; holder = NONE;
				s_woken = false; s_waiters = false
			:: else
			fi
		}
	:: else
	fi;
	if
	:: !done ->
		w = NONE;
		lock_q();
#ifndef STALE_STORE /* pass_on(): look() */
		atomic {
			s_starving = STARVING; s_woken = WOKEN;
			s_waiters = WAITERS
		};
#endif
		/* pass_on(): a plain store in the end */
		if
		:: s_starving ->
			pop();
			atomic {
				handed[w] = true;
				HELD = true;
				STARVING = false;
				WOKEN = s_woken;
				WAITERS = s_waiters && waiting > 0;
				holder = NONE;
#ifdef RELEASE_HANDED /* pass_on(): HELD stays */
				HELD = false;
#endif
				taken(w)
			}
		:: else ->
			if
			:: s_waiters && !s_woken ->
				pop();
				s_woken = true;
				s_waiters = (waiting > 0)
			:: else
			fi;
			atomic {
				HELD = false;
				holder = NONE;
				STARVING = s_starving;
				WOKEN = s_woken;
				WAITERS = s_waiters
			}
		fi;
		unlock_q();
		if
		:: w != NONE ->
			atomic {
				assert(parked[w] && !ready[w]);
				parked[w] = false;
				ready[w] = true
			}
		:: else
		fi;
		atomic {
			w = NONE; s_starving = false; s_woken = false;
			s_waiters = false
		}
	:: else
	fi;
	done = false
}

proctype locker(byte me, times)
{
	byte i, w = NONE, losses;
	bool got, done, s_starving, s_woken, s_waiters;

	do
	:: times > 0 ->
		mutex_lock(me);
		mutex_unlock(me);
		times--
	:: else -> break
	od
}

init
{
	atomic {
		run locker(0, 1);
		run locker(1, 2);
		run locker(2, 3);
#if N == 4
		run locker(3, 2);
#endif
	}
	_nr_pr == 1;
	assert(!HELD && !WAITERS && !STARVING && waiting == 0)
}
