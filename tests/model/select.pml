/*
 * A receive that stands in two channels' queues (a select), against a sender
 * to each of them and the end of its context: the note in
 * engine/sync/chan_p.h. The context stands for the timer, too.
 *
 * Checked: the wait ends; it is readied once, and only when it was parked; no
 * sender comes upon it before that (it would pass it by and wait for nobody);
 * at most one sender meets it, exactly one if it was won; nobody touches the
 * operation after it has returned.
 *
 * NO_PREPARING	the watch readies whatever it finds
 * COMMIT_LATE	the commit releases the locks before it says PARKED
 * NO_CAS	a peer takes what it finds parked without a CAS
 * NO_RELOCK	the winner's coroutine does not go through the locks
 * NO_DEL_WAIT	watch_del does not wait for the function
 *
 * @holds
 * @finds NO_PREPARING
 * @finds COMMIT_LATE
 * @finds NO_CAS
 * @finds NO_RELOCK
 * @finds NO_DEL_WAIT
 */
mtype = { PREPARING, PARKED, WON, CANCELED };

bool lock[2];	  /* the channels' */
bool node[2];	  /* linked, by the channel's lock */
mtype state = PREPARING;
bool saved;	  /* its stack was left: it can be resumed */
bool readied;
bool resumed;
bool gone;	  /* the call has returned */
bool ended, linked, running; /* context and watch */
byte met;	  /* senders that passed their value */
byte senders_done;

inline take(c) { atomic { !lock[c] -> lock[c] = true } }
inline give(c) { lock[c] = false }

inline ready()
{
	atomic {
		assert(saved && !readied && !gone);
		readied = true;
		resumed = true
	}
}

/* On the scheduler's stack, while the coroutine may be resumed already. */
proctype commit()
{
	bool parked;

	saved = true;
#ifndef COMMIT_LATE /* commit() in select.c, commit_one() in chan.c */
	atomic {
		assert(!gone);
		parked = (state == PREPARING);
		if
		:: parked -> state = PARKED
		:: else
		fi
	}
#endif
	assert(!gone);
	give(1);
	assert(!gone);
	give(0);
#ifdef COMMIT_LATE
	atomic {
		assert(!gone);
		parked = (state == PREPARING);
		if
		:: parked -> state = PARKED
		:: else
		fi
	}
#endif
	if
	:: !parked -> resumed = true /* called off */
	:: else
	fi
}

proctype selector()
{
	atomic {
		if
		:: ended -> goto out
		:: else -> linked = true
		fi
	}
	take(0);
	take(1);
	node[0] = true;
	node[1] = true;
	run commit();
	resumed;
#ifdef NO_RELOCK /* unlink_all() in select.c */
	if
	:: state == WON -> goto watch
	:: else
	fi;
#endif
	take(0);
	take(1);
	node[0] = false;
	node[1] = false;
	give(1);
	give(0);
watch:
	if
	:: atomic { linked -> linked = false }
	:: else
	fi;
#ifndef NO_DEL_WAIT /* flo__context_watch_del(): the loop */
	!running;
#endif
	assert((state == WON) == (met == 1));
out:
	gone = true
}

proctype sender(byte c)
{
	bool won = false;

	take(c);
	if
	:: node[c] ->
		assert(!gone && state != PREPARING);
		node[c] = false;
#ifdef NO_CAS /* win() in chan.c */
		if
		:: state == PARKED -> state = WON; won = true
		:: else
		fi;
#else
		atomic {
			won = (state == PARKED);
			if
			:: won -> state = WON
			:: else
			fi
		};
#endif
		if
		:: won -> assert(!gone); met++
		:: else
		fi
	:: else
	fi;
	give(c);
	if
	:: won -> ready()
	:: else
	fi;
	senders_done++
}

proctype canceller()
{
	bool parked;

	/* at any time, or only when no sender is left to end the wait */
	if
	:: true
	:: true -> senders_done == 2
	fi;
	ended = true;
	atomic {
		if
		:: linked -> linked = false; running = true
		:: else -> goto out
		fi
	};
	atomic {
		assert(!gone);
		parked = (state == PARKED);
#ifdef NO_PREPARING /* interrupt() in op.c: the first CAS */
		parked = parked || (state == PREPARING);
#endif
		if
		:: state == PARKED || state == PREPARING -> state = CANCELED
		:: else
		fi
	};
	if
	:: parked -> ready()
	:: else
	fi;
	assert(!gone);
	running = false;
out:
	skip
}

init {
	atomic {
		run selector();
		run sender(0);
		run sender(1);
		run canceller()
	}
	_nr_pr == 1;
	assert(gone && met <= 1 && !lock[0] && !lock[1])
}
