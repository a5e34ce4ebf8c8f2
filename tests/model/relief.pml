/*
 * Relief: engine/sched/relief.c, with the monitor's part in monitor.c, and the
 * protocol of park.pml under P's that come and go.
 *
 * One ordinary P, one relief P, three M's. A hog puts NW coroutines into its
 * ring and keeps its P until so many have run; the first of them puts another
 * one into the ring of its own P. Only the monitor can help: it sees that the
 * hog's P is stuck, perhaps when that is over, engages the relief P, gives what
 * is in the hog's ring to all, and sends the relief P away. With -DBUSY who has
 * run a coroutine on the relief P never again looks into the hog's ring, as if
 * it had enough of its own; the global queue it does look at.
 *
 * Checked: all run; a P that is absent has an empty ring, and none is lost: in
 * the end all P's that count are idle, and no others.
 *
 * RETIRE_FULL	 a relief P goes with what is in its ring
 * RETIRE_PARK	 who gave up a relief P looks no further
 * ENGAGE_SILENT the monitor engages relief and wakes nobody for what waits
 * UNCOUNTED	 a dismissed P still counts as active
 * BOTH		 the idle list keeps a dismissed P
 * NOT_SHARED	 the hog's ring is left to thieves
 * SHARE_UNLOCKED what is shared is in no queue for a while, and who gives up
 *		 the last P meanwhile sees nothing left to do
 *
 * @holds
 * @holds -DNW=2
 * @holds -DNW=3 -DBUSY
 * @finds RETIRE_FULL
 * @finds RETIRE_PARK
 * @finds ENGAGE_SILENT
 * @finds UNCOUNTED
 * @finds BOTH
 * @finds NOT_SHARED -DNW=3 -DBUSY
 * @finds SHARE_UNLOCKED -DNW=2
 */
#define NM    3
#define NONE  3
#ifndef NW
#define NW    1
#endif
#define TOTAL (NW + 2)
#define RELIEF 1 /* the P */

mtype = { IDLE, RUNNING, ABSENT };

mtype status[2];
bool listed[2];	  /* in the idle list */
byte ring[2];
byte global;
byte nactive = 1, nidle, spinning, nstuck;
byte carried;	  /* by the monitor, from ring to global */
byte ran;
bool hog = true;  /* not started */
bool hogs;	  /* keeps its P */
bool child;	  /* started */
bool idle_m[NM], permit[NM], give_spin[NM];
byte give_p[NM];

#define FIRST_P (listed[0] -> 0 : (listed[1] -> 1 : NONE))
#define EXCESS	(nactive > 1 + nstuck)

/* Under the lock. */
inline idle_get(x)
{
	x = FIRST_P;
	if
	:: x != NONE ->
		assert(status[x] == IDLE && ring[x] == 0 && nidle > 0);
		listed[x] = false;
		status[x] = RUNNING;
		nidle--
	:: else
	fi
}

inline idle_put(x)
{
	assert(ring[x] == 0 && !listed[x]);
	listed[x] = true;
	status[x] = IDLE;
	nidle++;
	assert(nidle <= nactive);
	/* flo__deadlock_check() by who gives up the last P */
	assert(nidle < nactive || carried == 0);
	x = NONE
}

inline m_start(x, counted)
{
	atomic {
		(idle_m[0] || idle_m[1] || idle_m[2]);
		k = (idle_m[0] -> 0 : (idle_m[1] -> 1 : 2));
		idle_m[k] = false;
		give_p[k] = x;
		give_spin[k] = counted;
		permit[k] = true;
		k = 0;
		x = NONE
	}
}

inline work_anywhere()
{
	found = (global > 0);
	found = found || ring[0] > 0;
	found = found || ring[1] > 0
}

/* wake_if_nobody_spins() */
inline wake(x)
{
	if
	:: spinning == 0 ->
		if
		:: nidle > 0 ->
			atomic {
				x = (spinning == 0 -> 0 : NONE);
				spinning = (spinning == 0 -> 1 : spinning)
			}
			if
			:: x != NONE ->
				atomic {
					idle_get(x);
					spinning =
					  (x == NONE -> spinning - 1 : spinning)
				}
				if
				:: x != NONE -> m_start(x, true)
				:: else
				fi
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

/* flo__relief_share() */
inline share(x)
{
#ifdef SHARE_UNLOCKED /* flo__relief_share(): flo__tlock_take() */
	atomic { carried = ring[0]; ring[0] = 0 };
	atomic { global = global + carried; carried = 0 };
#else
	atomic { global = global + ring[0]; ring[0] = 0 };
#endif
	wake(x)
}

/* flo__sched_regain() */
inline regain()
{
	atomic {
		assert(p == NONE && !spin);
		idle_get(p);
		spin = (p != NONE && nactive > 1);
		spinning = (spin -> spinning + 1 : spinning)
	}
}

/* flo__relief_retire() */
inline retire()
{
	if
	:: p == RELIEF && !spin && EXCESS ->
		atomic {
#ifndef RETIRE_FULL /* flo__relief_retire(): flo__sched_spill() */
			global = global + ring[p];
			ring[p] = 0;
#endif
			status[p] = ABSENT;
			assert(ring[p] == 0);
			assert(nactive > 1);
			nactive--;
			p = NONE
		}
#ifndef RETIRE_PARK /* flo__relief_retire(): flo__sched_regain() */
		regain()
#endif
	:: else
	fi
}

/* flo__sched_stop_spinning() */
inline stop_spinning()
{
	if
	:: spin ->
		atomic { assert(spinning > 0); spinning--; spin = false }
		if
		:: nidle > 0 ->
			work_anywhere();
			if
			:: found -> found = false; wake(x)
			:: else
			fi
		:: else
		fi
	:: else
	fi
}

proctype M(byte me)
{
	byte p = NONE, x = NONE, k;
	bool spin, found;
#ifdef BUSY
	bool enough;
#endif

	if
	:: permit[me] -> goto end_parked
	:: else -> goto park
	fi;

loop:	retire();
	if
	:: p == NONE -> goto park
	:: else
	fi;
find:	atomic {
		assert(status[p] == RUNNING);
		if
		:: ring[p] > 0 -> ring[p]--; goto exec
		:: else
		fi
	}
	atomic {
		if
		:: global > 0 -> global--; goto exec
		:: else
		fi
	}
#ifdef BUSY
	if
	:: enough && p == RELIEF ->
		(global > 0 || ring[p] > 0 || !hogs);
		enough = hogs;
		goto find
	:: else
	fi;
#endif
	/* may_spin() */
	if
	:: nactive > 1 && !spin && 2 * spinning < nactive - nidle ->
		atomic { spinning++; spin = true }
	:: else
	fi;
	if
	:: spin ->
		atomic {
			if
			:: ring[1 - p] > 0 -> ring[1 - p]--; goto exec
			:: else
			fi
		}
	:: else
	fi;
	/* flo__sched_drop(), find() */
	atomic {
		if
		:: global > 0 -> goto find
		:: else -> idle_put(p)
		fi
	}
	if
	:: spin -> atomic { assert(spinning > 0); spinning--; spin = false }
	:: else
	fi;
	/* missed_work() */
	if
	:: spinning == 0 -> work_anywhere()
	:: else
	fi;
	if
	:: found ->
		found = false;
		regain();
		if
		:: p != NONE -> goto find
		:: else
		fi
	:: else
	fi;
	goto park;

exec:	stop_spinning();
#ifdef BUSY
	enough = (p == RELIEF);
#endif
	if
	:: atomic { hog -> hog = false; hogs = true };
		/* enqueue(): a hint, only if there is more than one P */
		ring[p] = ring[p] + NW;
		if
		:: nactive > 1 -> wake(x)
		:: else
		fi;
		ran >= NW;
		hogs = false
	:: atomic { !hog && !child -> child = true };
		ring[p]++;
		if
		:: nactive > 1 -> wake(x)
		:: else
		fi
	:: else
	fi;
	ran++;
	goto loop;

park:	atomic { assert(p == NONE && !spin); idle_m[me] = true }
end_parked:
	atomic {
		permit[me];
		permit[me] = false;
		p = give_p[me];
		spin = give_spin[me];
		give_p[me] = NONE;
		give_spin[me] = false
	}
	if
	:: spin -> goto find
	:: else -> goto loop
	fi
}

/*
 * monitor_main(): relief for the hog, once; what it saw may be over by then.
 * In C it also wakes somebody for work at each look; here only after it brought
 * relief, so that nothing that is lost otherwise is mended.
 */
proctype monitor()
{
	byte x = NONE, k;
	bool found;

	hogs;
#ifndef NOT_SHARED /* look_at_hogs(): flo__relief_share() */
	if
	:: share(x)
	:: true
	fi;
#endif
	/* flo__relief_set(): engage() */
	nstuck = 1;
	atomic {
		if
		:: nidle == 0 && nactive < 1 + nstuck ->
			nactive++;
			x = RELIEF;
			assert(status[x] == ABSENT);
			idle_put(x)
		:: else
		fi
	}
#ifndef ENGAGE_SILENT /* monitor_main(): flo__sched_wake() */
	if
	:: nidle > 0 ->
		work_anywhere();
		if
		:: found -> found = false; wake(x)
		:: else
		fi
	:: else
	fi;
#endif
#ifndef NOT_SHARED
	/* Look after look; but for BUSY thieves can do without. */
	do
	:: ring[0] > 0 -> share(x)
	:: !hogs -> break
#ifndef BUSY
	:: break
#endif
	od;
#endif
	!hogs;
	nstuck = 0;
	/* dismiss() */
	atomic {
		if
		:: EXCESS && listed[RELIEF] ->
#ifndef BOTH /* dismiss(): *link = p->link */
			listed[RELIEF] = false;
#endif
			status[RELIEF] = ABSENT;
			nidle--;
#ifndef UNCOUNTED /* dismiss(): nactive */
			nactive--;
#endif
		:: else
		fi
	}
}

init
{
	atomic {
		status[0] = RUNNING;
		status[RELIEF] = ABSENT;
		give_p[0] = 0;
		give_p[1] = NONE;
		give_p[2] = NONE;
		permit[0] = true;
		global = 1; /* the hog */
		run M(0);
		run M(1);
		run M(2);
		run monitor()
	}
	timeout;
	assert(ran == TOTAL);
	assert(global == 0 && ring[0] == 0 && ring[1] == 0 && spinning == 0);
	assert(nidle == nactive && nidle == listed[0] + listed[1]);
	assert(nactive == 1 + (status[RELIEF] != ABSENT))
}
