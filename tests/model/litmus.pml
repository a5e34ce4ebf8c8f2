/*
 * The fences that a sequentially consistent model cannot check.
 *
 * Memory as x86 has it (TSO): what a thread stores goes into a buffer of its
 * own, out of which it reaches memory later, in order; the thread reads its own
 * buffer first; a fence waits until it is empty. Every protocol here has two
 * sides that each write and then look for what the other wrote, and one of the
 * two must see it. That needs a fence on both sides (a seq_cst operation is one
 * that brings its own).
 *
 * Writes that C does by a read-modify-write, which drains the buffer on x86, are
 * plain stores here: elsewhere a later load may still overtake them.
 *
 * PARK	 who pushes work against who gives its P up: the note in proc.c
 * FOUND who pushes work against who stops spinning since it found some (R1)
 * LAST  who stops spinning since it found some against who gives its P up: one
 *	 of them looks in the place of both
 * NAP	 who brings work from outside against who lies down with its P on offer
 * BLOCK who enters a blocking region against the monitor that goes to sleep
 * TIMER who arms a timer against who begins to drive the poller
 *
 * NO_PUSH_FENCE   flo__sched_wake(): none between the push and the look
 * NO_LOOK_FENCE   missed_work(): none between giving up and the second look
 * NO_FOUND_FENCE  flo__sched_stop_spinning(): none before its look
 * NO_NAP_FENCE	   nap_once(): none between the offer and the look
 * NO_BLOCK_FENCE  flo_blocking_begin(): none after the status
 * PLAIN_SLEEP	   pause_for(): mon_sleep is stored without seq_cst
 * PLAIN_SHOW	   show_next(): timer_next is stored without seq_cst
 * PLAIN_ROLE	   take_role(): the role is taken without seq_cst
 *
 * @holds -DPARK
 * @holds -DFOUND
 * @holds -DLAST
 * @holds -DNAP
 * @holds -DBLOCK
 * @holds -DTIMER
 * @finds NO_PUSH_FENCE -DPARK
 * @finds NO_PUSH_FENCE -DFOUND
 * @finds NO_LOOK_FENCE -DPARK
 * @finds NO_FOUND_FENCE -DFOUND
 * @finds NO_FOUND_FENCE -DLAST
 * @finds NO_LOOK_FENCE -DLAST
 * @finds NO_PUSH_FENCE -DNAP
 * @finds NO_NAP_FENCE -DNAP
 * @finds NO_BLOCK_FENCE -DBLOCK
 * @finds PLAIN_SLEEP -DBLOCK
 * @finds PLAIN_SHOW -DTIMER
 * @finds PLAIN_ROLE -DTIMER
 */
#define SLOTS 2 /* of a buffer */

/* memory */
#define WORK	 0 /* a coroutine is in a queue */
#define NIDLE	 1
#define SPINNING 2
#define BLOCKED	 3 /* a P's status */
#define ASLEEP	 4 /* mon_sleep */
#define ARMED	 5 /* timer_next */
#define DRIVEN	 6 /* role */
#define NAPPING	 7
byte mem[8];

byte kept[2];
byte what[4], value[4]; /* two buffers of SLOTS */
byte done;
bool seen[2];

inline store(v, x)
{
	atomic {
		assert(kept[me] < SLOTS);
		what[me * SLOTS + kept[me]] = v;
		value[me * SLOTS + kept[me]] = x;
		kept[me]++
	}
}

inline load(v, x)
{
	d_step {
		x = mem[v];
		x = (kept[me] > 0 && what[me * SLOTS] == v
			     -> value[me * SLOTS] : x);
		x = (kept[me] > 1 && what[me * SLOTS + 1] == v
			     -> value[me * SLOTS + 1] : x)
	}
}

inline fence() { kept[me] == 0 }

/* One of the buffers' first stores reaches memory. */
proctype buffer(byte me)
{
end:	do
	:: atomic {
		kept[me] > 0 ->
		mem[what[me * SLOTS]] = value[me * SLOTS];
		what[me * SLOTS] = what[me * SLOTS + 1];
		value[me * SLOTS] = value[me * SLOTS + 1];
		what[me * SLOTS + 1] = 0;
		value[me * SLOTS + 1] = 0;
		kept[me]--
	   }
	od
}

/* Who brings something. */
proctype left()
{
	byte me = 0, a, b;

#if defined(PARK) || defined(FOUND)
	/* flo__runq_put(), flo__sched_wake() */
	store(WORK, 1);
#ifndef NO_PUSH_FENCE
	fence();
#endif
	load(SPINNING, a);
	load(NIDLE, b);
	seen[0] = (a == 0 && b > 0);
#endif
#ifdef LAST
	/* flo__sched_stop_spinning() */
	store(SPINNING, 0);
#ifndef NO_FOUND_FENCE
	fence();
#endif
	load(NIDLE, a);
	seen[0] = a;
#endif
#ifdef NAP
	/* flo__sched_push_global(), flo__sched_wake() */
	store(WORK, 1);
#ifndef NO_PUSH_FENCE
	fence();
#endif
	load(NAPPING, a);
	seen[0] = a;
#endif
#ifdef BLOCK
	/* flo_blocking_begin() */
	store(BLOCKED, 1);
#ifndef NO_BLOCK_FENCE
	fence();
#endif
	load(ASLEEP, a);
	seen[0] = a;
#endif
#ifdef TIMER
	/* put_in(), flo__poller_earlier() */
	store(ARMED, 1);
#ifndef PLAIN_SHOW
	fence();
#endif
	load(DRIVEN, a);
	seen[0] = a;
#endif
	done++
}

/* Who stops looking. */
proctype right()
{
	byte me = 1, a;

#ifdef PARK
	/* flo__sched_drop(), missed_work() */
	store(NIDLE, 1);
	store(SPINNING, 0);
#ifndef NO_LOOK_FENCE
	fence();
#endif
	load(WORK, a);
#endif
#ifdef FOUND
	/* flo__sched_stop_spinning(); another P is idle */
	store(SPINNING, 0);
#ifndef NO_FOUND_FENCE
	fence();
#endif
	load(WORK, a);
#endif
#ifdef LAST
	/* flo__sched_drop(), missed_work() */
	store(NIDLE, 1);
#ifndef NO_LOOK_FENCE
	fence();
#endif
	load(SPINNING, a);
	a = (a == 0);
#endif
#ifdef NAP
	/* nap_once() */
	store(NAPPING, 1);
#ifndef NO_NAP_FENCE
	fence();
#endif
	load(WORK, a);
#endif
#ifdef BLOCK
	/* pause_for() */
	store(ASLEEP, 1);
#ifndef PLAIN_SLEEP
	fence();
#endif
	load(BLOCKED, a);
#endif
#ifdef TIMER
	/* take_role(), arm_next() */
	store(DRIVEN, 1);
#ifndef PLAIN_ROLE
	fence();
#endif
	load(ARMED, a);
#endif
	seen[1] = a;
	done++
}

init
{
	atomic {
		mem[SPINNING] = 1;
#ifdef FOUND
		mem[NIDLE] = 1;
#endif
		run buffer(0);
		run buffer(1);
		run left();
		run right()
	}
	timeout;
	assert(done == 2 && kept[0] == 0 && kept[1] == 0);
	assert(seen[0] || seen[1])
}
