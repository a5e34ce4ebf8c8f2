/*
 * The ring of a P and its run-next slot: engine/sched/runq.c, with
 * flo__sched_push() and flo__sched_get_local() of proc.c.
 *
 * An owner puts NG coroutines, at the tail or into run-next, and takes some in
 * between and all that is left in the end. NT thieves take half of what they
 * find, or run-next; with -DLOOKER one asks whether the queue is empty. The ring
 * has LEN slots, so they are used again at once, and its indices begin shortly
 * before they wrap at MOD. A full ring gives half of itself to the global queue.
 *
 * Every access of C is a step here, so a consumer may read a slot long before
 * its compare-and-swap, which must fail if the owner has used the slot again. It
 * does as long as an index does not come round meanwhile: in C that takes 2^32
 * puts, here MOD, so NG is less. MOD_SHORT shows what would happen else.
 *
 * Checked: every coroutine is taken exactly once and none is left; the owner
 * that finds nothing leaves an empty queue; who is told that the queue is empty
 * can rely on a moment, since he asked, in which it was.
 *
 * MOD_SHORT	 an index comes round while a thief sleeps
 * STALE_SLOT	 a thief reads the slot after it moved head
 * NO_CAS	 a thief looks at head and then stores it
 * EARLY_TAIL	 the owner shows the tail before it fills the slot
 * NEXT_BY_STORE the owner replaces run-next without an exchange
 * SPILL_FIRST	 an overflow hands half on before it owns it
 * ONE_TAIL	 who asks does not look at the tail again
 *
 * @holds -DNT=2
 * @holds -DNT=1 -DLEN=4 -DNG=6
 * @holds -DNT=1 -DLOOKER
 * @full -DNT=2 -DNG=5
 * @finds MOD_SHORT -DNT=1 -DNG=5
 * @finds STALE_SLOT -DNT=1 -DNG=5
 * @finds NO_CAS -DNT=1
 * @finds EARLY_TAIL -DNT=1
 * @finds NEXT_BY_STORE -DNT=1
 * @finds SPILL_FIRST -DNT=1
 * @finds ONE_TAIL -DNT=1 -DLOOKER
 */
#ifndef LEN
#define LEN 2
#endif
#ifndef NG
#define NG 4
#endif
#ifdef MOD_SHORT
#define MOD 4 /* runq.c: the indices are uint32_t */
#else
#define MOD 8
#endif
#define STEALS	  1   /* each thief's successful ones */
#define NONE	  0   /* coroutines are 1 to NG */
#define AFTER(i)  (((i) + 1) % MOD)
#define PLUS(i, n) (((i) + (n)) % MOD)
#define MINUS(a, b) (((a) + MOD - (b)) % MOD)

byte ring[LEN];
byte head = MOD - 1, tail = MOD - 1;
byte runnext;
bool taken[NG + 1];
byte present;	/* in ring or run-next: for the check only */
bool was_empty; /* at some moment since the looker asked */

inline take(x)
{
	assert(x != NONE && !taken[x]);
	taken[x] = true
}

/* Those that a compare-and-swap takes out. */
inline out(n)
{
	present = present - (n);
	was_empty = (present == 0 -> true : was_empty)
}

/* From @h, of which the ring was looked at: sets @ok. */
inline move_head(n)
{
	atomic {
		ok = (head == h);
		if
		:: ok -> head = PLUS(h, n); out(n)
		:: else
		fi
	}
}

inline exchange_next(x)
{
	atomic {
		present = present + (x != NONE) - (runnext != NONE);
		was_empty = (present == 0 -> true : was_empty);
		ok = false;
		tmp = runnext;
		runnext = x;
		x = tmp;
		tmp = NONE
	}
}

/* flo__runq_put() and overflow() */
inline put(x)
{
	do
	:: true ->
		h = head;
		if
		:: MINUS(tail, h) < LEN ->
#ifdef EARLY_TAIL /* flo__runq_put(): the slot before the tail */
			atomic { tail = AFTER(tail); present++ };
			ring[MINUS(tail, 1) % LEN] = x;
#else
			ring[tail % LEN] = x;
			atomic { tail = AFTER(tail); present++ };
#endif
			break
		:: else ->
			a = ring[h % LEN];
#if LEN == 4
			b = ring[AFTER(h) % LEN];
#endif
#ifdef SPILL_FIRST /* overflow(): the swap before the list */
			take(a);
			move_head(LEN / 2);
			if
			:: ok -> take(x)
			:: else
			fi;
#else
			move_head(LEN / 2);
			if
			:: ok ->
				take(a);
#if LEN == 4
				take(b);
#endif
				take(x)
			:: else
			fi;
#endif
			a = NONE;
#if LEN == 4
			b = NONE;
#endif
			if
			:: ok -> break
			:: else
			fi
		fi
	od;
	atomic { x = NONE; h = 0; ok = false }
}

/* flo__runq_get() by the owner: sets @x. */
inline get(x)
{
	h = head;
	do
	:: h == tail -> break
	:: else ->
		x = ring[h % LEN];
		atomic {
			move_head(1);
			if
			:: ok -> take(x); break
			:: else -> h = head
			fi
		}
	od;
	atomic { h = 0; ok = false }
}

proctype owner()
{
	byte g = 1, x, h, a, tmp;
#if LEN == 4
	byte b;
#endif
	bool ok;

	do
	:: g <= NG ->
		if
		:: x = g; put(x)
		:: x = g;
			/* an empty slot is filled by its owner only */
			if
#ifndef NEXT_BY_STORE /* swap_next(): atomic_exchange */
			:: runnext != NONE -> exchange_next(x)
#else
			:: runnext != NONE ->
				a = runnext;
				atomic {
					present = present + (runnext == NONE);
					runnext = x;
					x = a;
					a = NONE
				}
#endif
			:: else -> atomic { present++; runnext = x; x = NONE }
			fi;
			if
			:: x != NONE -> put(x)
			:: else
			fi
		fi;
		g++;
		if
		:: true
		:: get(x); x = NONE
		:: exchange_next(x);
			if
			:: x != NONE -> take(x); x = NONE
			:: else
			fi
		fi
	:: else -> break
	od;
	/* flo__sched_get_local() until there is nothing */
	do
	:: true ->
		x = NONE;
		get(x);
		if
		:: x == NONE ->
			exchange_next(x);
			if
			:: x == NONE -> break
			:: else -> take(x)
			fi
		:: else
		fi
	od;
	assert(head == tail && runnext == NONE && present == 0)
}

/* flo__runq_steal() and grab() */
proctype thief()
{
	byte h, n, a, steals, tmp, x;
#if LEN == 4
	byte b;
#endif
	bool ok;

	do
	:: steals < STEALS ->
		h = head;
		n = MINUS(tail, h);
		n = n - n / 2;
		if
		:: n > LEN / 2 /* not of one moment: again */
		:: n == 0 ->
			exchange_next(x);
			if
			:: x != NONE -> take(x)
			:: else
			fi;
			steals++
		:: n > 0 && n <= LEN / 2 ->
#ifndef STALE_SLOT /* grab(): the slots before the swap */
			a = ring[h % LEN];
#if LEN == 4
			if
			:: n == 2 -> b = ring[AFTER(h) % LEN]
			:: else
			fi;
#endif
#endif
#ifdef NO_CAS /* grab(): atomic_compare_exchange */
			ok = (head == h);
			if
			:: ok -> atomic { head = PLUS(h, n); out(n) }
			:: else
			fi;
#else
			move_head(n);
#endif
			if
			:: ok ->
#ifdef STALE_SLOT
				a = ring[h % LEN];
#endif
				take(a);
#if LEN == 4
				if
				:: n == 2 -> take(b)
				:: else
				fi;
#endif
				steals++
			:: else
			fi
		fi;
		atomic {
			h = 0; n = 0; a = NONE; x = NONE; ok = false;
#if LEN == 4
			b = NONE
#endif
		}
	:: true -> break
	od
}

/* flo__runq_empty() by somebody else */
proctype looker()
{
	byte h, t;

	atomic { was_empty = (present == 0); h = head };
	t = tail;
	if
	:: h == t ->
		h = runnext;
		if
#ifdef ONE_TAIL /* flo__runq_empty(): tail must have stood still */
		:: h == NONE -> assert(was_empty)
#else
		:: h == NONE && t == tail -> assert(was_empty)
#endif
		:: else
		fi
	:: else
	fi
}

init
{
	byte n;

	atomic {
		run owner();
		run thief();
#if NT == 2
		run thief();
#endif
#ifdef LOOKER
		run looker();
#endif
	}
	_nr_pr == 1;
	n = 1;
	do
	:: n <= NG -> assert(taken[n]); n++
	:: else -> break
	od
}
