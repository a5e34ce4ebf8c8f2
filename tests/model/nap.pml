/*
 * Naps: the note in engine/sched/idle.c, under the protocol of park.pml.
 *
 * Three threads (M) share two rights to run (P). M 0 begins with a coroutine
 * that puts NPUSH others into the ring of its P. An ordinary thread pushes NOUT
 * into the global queue. M 2 comes back from a blocking region without a P at
 * any time. One coroutine, any, may be a hog that keeps its P until all others
 * have run. A spinner may find a ring's work not worth having, and the last one
 * naps, with its P on offer. What park.pml takes apart is one step here: a look
 * into all queues, and the decision to wake.
 *
 * With -DNO_TIMER a nap has no end of its own. Then nothing is put into rings,
 * since that may wait for it; but what comes from outside must not.
 *
 * Checked: a P has one owner at any time; when nothing can move any more all
 * have run, each P is idle or on offer, and nobody is counted as spinning but
 * who sleeps with a P on offer; nobody would declare a deadlock while there is
 * work.
 *
 * FORGET_COUNT	 who takes a napper's P does not take its count
 * FORGET_LOOK	 who has done so, and has work, looks for no more (R1)
 * COUNT_TWICE	 the napper that lost its P takes back its count as well
 * NO_EXCHANGE	 the napper goes on with its P whether or not it is there
 * TAKE_BY_STORE who takes the P reads and stores
 * WORD_LATE	 the napper looks first, and then reads the count of kicks
 * NO_LOOK	 the napper does not look once it has made its offer
 * KICK_FIRST	 the kick comes before the push
 * HINT_OUTSIDE	 who brings work from outside does not kick
 *
 * @holds -DNPUSH=1 -DNOUT=1
 * @holds -DNPUSH=2 -DNOUT=0
 * @holds -DNOUT=1 -DNO_TIMER
 * @full -DNPUSH=2 -DNOUT=1
 * @full -DNOUT=2 -DNO_TIMER
 * @finds FORGET_COUNT -DNPUSH=1 -DNOUT=1
 * @finds FORGET_LOOK -DNOUT=1 -DNO_TIMER
 * @finds COUNT_TWICE -DNPUSH=1 -DNOUT=1
 * @finds NO_EXCHANGE -DNPUSH=1 -DNOUT=1
 * @finds TAKE_BY_STORE -DNPUSH=1 -DNOUT=1
 * @finds WORD_LATE -DNOUT=1 -DNO_TIMER
 * @finds NO_LOOK -DNOUT=1 -DNO_TIMER
 * @finds KICK_FIRST -DNOUT=1 -DNO_TIMER
 * @finds HINT_OUTSIDE -DNOUT=1 -DNO_TIMER
 */
#define NP    2
#define NM    3
#define NONE  3
#ifdef NO_TIMER
#define NPUSH 0
#define TOTAL (2 + NOUT)
#else
#define TOTAL (2 + NOUT + NPUSH)
#endif

byte ring[NP];
byte global;
bool urgent;	  /* global_urgent; no ring is ever full here */
byte spinning, nidle;
byte nblocked = 1;
byte napping = NONE;
bool nappers;
bool kicked;	  /* nap_kicks is not what the napper has read */
bool idle_p[NP];
bool owned[NP];	  /* for the check only */
bool idle_m[NM], permit[NM], give_spin[NM];
byte give_p[NM];
bool started;
byte ran;
bool hog;	  /* there is one */
bool foreign = true; /* the ordinary thread will come, or is in a call */

#define FIRST_P (idle_p[0] -> 0 : (idle_p[1] -> 1 : NONE))

inline own(x) { assert(!owned[x]); owned[x] = true }
inline disown(x) { assert(owned[x]); owned[x] = false }

/* Under the lock. */
inline idle_get(x)
{
	x = FIRST_P;
	if
	:: x != NONE -> idle_p[x] = false; nidle--; own(x)
	:: else
	fi
}

inline idle_put(x)
{
	assert(!idle_p[x] && ring[x] == 0);
	disown(x);
	idle_p[x] = true;
	nidle++;
	x = NONE
}

/* flo__m_start(), as in park.pml */
inline m_start()
{
	atomic {
		(idle_m[0] || idle_m[1] || idle_m[2]);
		k = (idle_m[0] -> 0 : (idle_m[1] -> 1 : 2));
		idle_m[k] = false;
		give_p[k] = x;
		give_spin[k] = true;
		permit[k] = true;
		x = NONE;
		k = 0
	}
}

/* flo__sched_hint() */
inline hint()
{
	atomic {
		if
		:: spinning == 0 && nidle > 0 -> spinning = 1
		:: else -> x = NP
		fi
	}
	if
	:: x == NP -> x = NONE
	:: else ->
		atomic {
			idle_get(x);
			spinning = (x == NONE -> spinning - 1 : spinning)
		}
		if
		:: x == NONE
		:: else -> m_start()
		fi
	fi
}

/* flo__idle_kick() */
inline kick()
{
	if
	:: napping != NONE -> kicked = true
	:: else
	fi
}

/* flo__sched_push_global(), flo__sched_wake() */
inline push_global()
{
#ifdef KICK_FIRST
	kick();
	atomic { global++; urgent = true };
#else
	atomic { global++; urgent = true };
#ifndef HINT_OUTSIDE /* flo__sched_wake() */
	kick();
#endif
#endif
	hint()
}

/* flo__sched_work_anywhere(), and anything_queued() in idle.c */
inline work_anywhere()
{
	found = (global > 0 || ring[0] > 0 || ring[1] > 0)
}

/* flo__sched_take_p(). An M that was not counted gets a napper's count. */
inline take_p()
{
	atomic { assert(p == NONE && !spin); idle_get(p) }
#ifdef TAKE_BY_STORE
	if
	:: p == NONE ->
		x = napping;
		if
		:: x != NONE ->
			atomic {
				napping = NONE;
				p = x;
				spin = true;
				x = NONE;
				own(p)
			}
		:: else
		fi
	:: else
	fi
#else
	if
	:: p == NONE ->
		atomic {
			p = napping;
			napping = NONE;
			if
			:: p != NONE ->
				own(p);
#ifndef FORGET_COUNT /* flo__sched_take_p(): m->spinning */
				spin = true
#endif
			:: else
			fi
		}
	:: else
	fi
#endif
}

/* flo__sched_regain() */
inline regain()
{
	take_p();
	if
	:: p != NONE && !spin -> atomic { spinning++; spin = true }
	:: else
	fi
}

/* flo__sched_stop_spinning(); @look: R1 */
inline stop_spinning(look)
{
	if
	:: spin ->
		atomic { assert(spinning > 0); spinning--; spin = false }
		if
		:: look && nidle > 0 ->
			work_anywhere();
			if
			:: found -> found = false; hint()
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

/* A hog's turn ends when nobody else has one. */
inline perhaps_hog()
{
	if
	:: true
	:: atomic { !hog -> hog = true }; ran >= TOTAL - 1
	fi
}

proctype M(byte me)
{
	byte p = NONE, x = NONE, k, mine;
	bool spin, found, napper;

	if
	:: me == 0 -> p = 0; goto exec
	:: me == 1 -> p = 1; goto loop
	:: else -> goto blocked
	fi;

loop:	/* look() */
	atomic {
		assert(p != NONE && owned[p]);
		if
		:: ring[p] > 0 -> ring[p]--; goto exec
		:: else
		fi
	}
	atomic {
		if
		:: global > 0 ->
			global--;
			urgent = (global > 0);
			goto exec
		:: else
		fi
	}
	/* may_spin() */
	if
	:: !spin && 2 * spinning < NP - nidle ->
		atomic { spinning++; spin = true }
	:: else
	fi;
	if
	:: !spin -> goto drop
	:: else
	fi;
take:	atomic {
		if
		:: urgent ->
			assert(global > 0);
			global--;
			urgent = (global > 0);
			goto exec
		:: else
		fi
	}
	atomic {
		if
		:: ring[1 - p] > 0 -> ring[1 - p]--; goto exec
		:: true /* nothing, or not worth it */
		fi
	}
	/* flo__idle_find(), naps() */
	if
	:: napper ->
		work_anywhere();
		if
		:: true
		:: !found -> goto drop
		fi;
		found = false
	:: else ->
		atomic {
			if
			:: nappers -> goto drop
			:: else -> nappers = true; napper = true
			fi
		}
	fi;
	/* nap_once() */
#ifndef WORD_LATE /* nap_once(): word */
	kicked = false;
#endif
	atomic { disown(p); napping = p; mine = p; p = NONE };
#ifndef NO_LOOK /* nap_once(): global_urgent */
	if
	:: urgent -> goto awake
	:: else
	fi;
#endif
#ifdef WORD_LATE
	kicked = false;
#endif
end_asleep:
	if
	:: kicked
#ifndef NO_TIMER
	:: true
#endif
	fi;
awake:
#ifdef NO_EXCHANGE
	atomic { napping = NONE; p = mine; own(p) };
#else
	atomic {
		p = napping;
		napping = NONE;
		if
		:: p == NONE -> spin = false
		:: else -> assert(p == mine); own(p)
		fi
	};
#endif
	mine = 0;
	if
	:: p != NONE -> goto take
	:: else
	fi;
#ifdef COUNT_TWICE
	atomic { assert(spinning > 0); spinning-- };
#endif
	atomic { nappers = false; napper = false };
	goto park;

drop:	if
	:: napper -> atomic { nappers = false; napper = false }
	:: else
	fi;
	found = false;
	/* flo__sched_drop() */
	atomic {
		if
		:: global > 0 -> goto loop
		:: else ->
			idle_put(p);
			assert(spinning >= spin);
			spinning = spinning - spin;
			spin = false
		fi
	}
	/* missed_work() */
	if
	:: atomic { spinning == 0 -> work_anywhere() }
	:: spinning != 0
	fi;
	if
	:: found ->
		found = false;
		regain();
		if
		:: p != NONE -> goto loop
		:: else
		fi
	:: else
	fi;
	goto park;

exec:	if
	:: napper -> atomic { nappers = false; napper = false }
	:: else
	fi;
	found = false;
	stop_spinning(true);
#if NPUSH > 0
	if
	:: atomic { !started -> started = true };
		ring[p] = ring[p] + NPUSH;
		hint()
	:: else
	fi;
#endif
	perhaps_hog();
	ran++;
	goto loop;

	/* flo_blocking_end(), or what is left of it once a P is at hand */
blocked:
	take_p();
	if
	:: p != NONE ->
		nblocked--;
#ifdef FORGET_LOOK /* regain() in blocking.c: flo__sched_stop_spinning() */
		stop_spinning(false);
#else
		stop_spinning(true);
#endif
		perhaps_hog();
		ran++;
		goto loop
	:: else ->
		push_global();
		nblocked--
	fi;

park:	atomic {
		assert(p == NONE && !spin);
		idle_m[me] = true;
		/* flo__deadlock_check() */
		assert(nidle < NP || global > 0 || nblocked > 0 ||
		       spinning > 0 || foreign || ran == TOTAL)
	}
end_parked:
	atomic {
		permit[me];
		permit[me] = false;
		p = give_p[me];
		spin = give_spin[me];
		give_p[me] = 0;
		give_spin[me] = false
	}
	goto loop
}

proctype thread()
{
	byte x = NONE, k, i;

	do
	:: i < NOUT -> i++; push_global()
	:: else -> break
	od;
	foreign = false
}

init
{
	atomic {
		owned[0] = true;
		owned[1] = true;
		run M(0);
		run M(1);
		run M(2);
		run thread()
	}
	timeout;
	assert(ran == TOTAL && nblocked == 0);
	assert(global == 0 && ring[0] == 0 && ring[1] == 0);
	assert(nidle + (napping != NONE) == NP);
	assert(spinning == (napping != NONE))
}
