/*
 * A channel: engine/sync/chan.c and the note in engine/sync/chan_p.h.
 *
 * Two senders send a value each, then the channel is closed; two receivers
 * receive until it is. The channel has room for CAP values. One receiver begins
 * with a context, or (-DSEND) one sender does, who has then sent nothing if it
 * ends; the receiver goes on without it.
 *
 * Checked: every value that was sent, and no other, is received once; values
 * that are buffered at the close come before FLO_CLOSED; a close wakes all who
 * wait; who is readied was parked, once; nobody touches an operation that has
 * returned; senders wait only at a full buffer, receivers at an empty one.
 *
 * NO_CAS	   a peer takes what it finds parked without a CAS
 * NO_RELINK	   an interrupted operation leaves its node in the queue
 * CLOSED_FIRST	   a receiver looks at `closed` before the buffer
 * ONE_WOKEN	   the close wakes one of those who wait
 * NO_REFILL	   a receive from a full buffer leaves the waiting sender there
 * BUFFER_FIRST	   a send fills the buffer though a receiver waits
 * EARLY_COMMIT	   the lock is released before the state says PARKED
 * READY_PREPARING the watch readies whatever it finds
 *
 * @holds -DCAP=0
 * @holds -DCAP=0 -DSEND
 * @holds -DCAP=1
 * @holds -DCAP=1 -DSEND
 * @finds NO_CAS -DCAP=0
 * @finds NO_RELINK -DCAP=0
 * @finds CLOSED_FIRST -DCAP=1
 * @finds ONE_WOKEN -DCAP=0
 * @finds NO_REFILL -DCAP=1
 * @finds BUFFER_FIRST -DCAP=1
 * @finds EARLY_COMMIT -DCAP=0
 * @finds READY_PREPARING -DCAP=0
 */
#define N     4	  /* coroutines: senders 0 and 1, receivers 2 and 3 */
#define VALUE(me) (me + 1)
#define NONE  255
#ifdef SEND
#define VICTIM 0
#else
#define VICTIM 2
#endif

mtype = { IDLE, PREPARING, PARKED, WON, CANCELED };

bool locked;
bool closed;
byte buffered;	  /* 0, or the value */
#define SENDERS	  0
#define RECEIVERS 1
byte line[4];	  /* their queues, two places each */
byte waiting[2];

/* operations, by coroutine */
mtype state[N] = IDLE;
bool linked[N];	  /* the node, by the channel's lock */
bool saved[N];	  /* its stack was left */
bool resumed[N];
bool dismissed[N]; /* won by the close */
byte slot[N];	  /* the value that is sent or was received */

bool ended, watched, running; /* the victim's context */
bool sent[3];
byte got[3];
byte sending = 2;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

inline ready(w)
{
	atomic {
		assert(saved[w] && !resumed[w] && state[w] != IDLE);
		resumed[w] = true
	}
}

/* flo__op_unlink(), under the lock */
inline unlink(q, w)
{
	d_step {
		if
		:: linked[w] ->
			linked[w] = false;
			waiting[q]--;
			line[2 * q] = (line[2 * q] == w -> line[2 * q + 1]
							: line[2 * q]);
			line[2 * q + 1] = NONE
		:: else
		fi
	}
}

inline link(q, w)
{
	d_step {
		assert(!linked[w] && waiting[q] < 2);
		line[2 * q + waiting[q]] = w;
		waiting[q]++;
		linked[w] = true
	}
}

/* win() in chan.c: sets @ok. */
inline win(w)
{
#ifdef NO_CAS /* win(): atomic_compare_exchange */
	ok = (state[w] == PARKED);
	if
	:: ok -> state[w] = WON
	:: else
	fi
#else
	atomic {
		assert(state[w] != IDLE && state[w] != PREPARING);
		ok = (state[w] == PARKED);
		if
		:: ok -> state[w] = WON
		:: else
		fi
	}
#endif
}

/* meet(): sets @peer, NONE if there is nobody. */
inline meet(q)
{
	peer = NONE;
	do
	:: peer == NONE && waiting[q] > 0 ->
		w = line[2 * q];
		assert(state[w] != IDLE);
		unlink(q, w);
		win(w);
		peer = (ok -> w : NONE);
		w = NONE;
		ok = false
	:: else -> break
	od
}

/*
 * The rest of a wait, from wait_one(): the lock is held. The commit runs on the
 * scheduler's stack; the coroutine may go on elsewhere before it has ended, but
 * it has then nothing to touch but the lock.
 */
inline wait(q, me)
{
	state[me] = PREPARING;
	/* flo__op_begin() */
	ok = true;
	if
	:: with ->
		atomic {
			if
			:: ended -> ok = false; state[me] = IDLE
			:: else -> watched = true
			fi
		}
	:: else
	fi;
	if
	:: !ok -> unlock()
	:: else ->
		link(q, me);
		saved[me] = true;
#ifdef EARLY_COMMIT /* commit_one(): flo__op_commit() first */
		unlock();
#endif
		atomic {
			ok = (state[me] == PREPARING);
			if
			:: ok -> state[me] = PARKED
			:: else -> resumed[me] = true /* called off */
			fi
		};
#ifndef EARLY_COMMIT
		unlock();
#endif
		resumed[me];
		if
		:: state[me] != WON ->
#ifndef NO_RELINK /* wait_one(): one.op.won == NULL */
			lock();
			unlink(q, me);
			unlock()
#else
			skip
#endif
		:: else
		fi;
		/* flo__op_end() */
		if
		:: with ->
			watched = false;
			!running
		:: else
		fi;
		assert(state[me] == WON || (state[me] == CANCELED && ended));
		ok = (state[me] == WON);
		atomic {
			state[me] = IDLE; saved[me] = false;
			resumed[me] = false
		}
	fi
}

/* flo_chan_send() */
proctype sender(byte me)
{
	byte w = NONE, peer = NONE;
	bool ok, with = (me == VICTIM); /* a context */

	if
	:: with && ended -> goto out
	:: else
	fi;
	lock();
	assert(!closed);
#ifdef BUFFER_FIRST /* flo__chan_send_now(): receivers first */
	peer = NONE;
	if
	:: buffered == 0 && CAP > 0
	:: else -> meet(RECEIVERS)
	fi;
#else
	meet(RECEIVERS);
#endif
	if
	:: peer != NONE ->
		assert(buffered == 0);
		slot[peer] = VALUE(me);
		sent[VALUE(me)] = true;
		unlock();
		ready(peer)
	:: peer == NONE && CAP > 0 && buffered == 0 ->
		buffered = VALUE(me);
		sent[VALUE(me)] = true;
		unlock()
	:: else ->
		slot[me] = VALUE(me);
		wait(SENDERS, me);
		assert(!dismissed[me]);
		sent[VALUE(me)] = ok
	fi;
out:	sending--
}

/* flo_chan_recv(), until it says FLO_CLOSED */
proctype receiver(byte me)
{
	byte w = NONE, peer = NONE, value;
	bool ok, over, with = (me == VICTIM); /* a context */

again:	do
	:: over -> break
	:: else ->
		value = 0;
		if
		:: with && ended -> with = false; goto again
		:: else
		fi;
		lock();
		/* flo__chan_recv_now() */
		meet(SENDERS);
		assert(peer == NONE || (!closed && (CAP == 0 || buffered != 0)));
		if
#ifdef CLOSED_FIRST /* flo__chan_recv_now(): closed comes last */
		:: closed -> over = true; unlock()
#endif
		:: buffered != 0 ->
			value = buffered;
			buffered = 0;
			if
			:: peer != NONE ->
#ifndef NO_REFILL /* flo__chan_recv_now(): copy() into the slot */
				buffered = slot[peer]
#else
				skip
#endif
			:: else
			fi;
			unlock()
		:: buffered == 0 && peer != NONE ->
			value = slot[peer];
			unlock()
		:: buffered == 0 && peer == NONE && closed ->
			over = true;
			unlock()
		:: else ->
			slot[me] = 0;
			wait(RECEIVERS, me);
			if
			:: ok && dismissed[me] -> over = true; dismissed[me] = false
			:: ok && !dismissed[me] -> value = slot[me]; slot[me] = 0
			:: else -> with = false
			fi
		fi;
		if
		:: peer != NONE -> ready(peer); peer = NONE
		:: else
		fi;
		if
		:: value != 0 -> got[value]++; value = 0
		:: else
		fi;
		assert(!over || closed)
	od;
	assert(buffered == 0)
}

/* flo_chan_close(), by contract after the last send */
proctype closer()
{
	byte w = NONE, peer = NONE, list[2], n;
	bool ok;

	sending == 0;
	lock();
	closed = true;
	do
	:: true ->
		meet(RECEIVERS);
		if
		:: peer != NONE ->
			dismissed[peer] = true;
			list[n] = peer;
			n++;
#ifdef ONE_WOKEN /* dismiss(): the loop */
			break
#endif
		:: else -> break
		fi
	od;
	assert(waiting[SENDERS] == 0 && (n == 0 || buffered == 0));
	unlock();
	do
	:: n > 0 -> n--; ready(list[n])
	:: else -> break
	od
}

/* flo_context_cancel(), interrupt() in op.c */
proctype canceller()
{
	bool parked;

	ended = true;
	atomic {
		if
		:: watched -> watched = false; running = true
		:: else -> goto out
		fi
	};
	atomic {
		assert(state[VICTIM] != IDLE);
		parked = (state[VICTIM] == PARKED);
#ifdef READY_PREPARING /* interrupt(): PREPARING is called off */
		parked = parked || state[VICTIM] == PREPARING;
#endif
		if
		:: state[VICTIM] == PARKED || state[VICTIM] == PREPARING ->
			state[VICTIM] = CANCELED
		:: else
		fi
	};
	if
	:: parked -> ready(VICTIM)
	:: else
	fi;
	running = false;
out:
	skip
}

init
{
	atomic {
		line[0] = NONE; line[1] = NONE;
		line[2] = NONE; line[3] = NONE;
		run sender(0);
		run sender(1);
		run receiver(2);
		run receiver(3);
		run closer();
		run canceller()
	}
	_nr_pr == 1;
	assert(got[1] == sent[1] && got[2] == sent[2] && sent[2]);
	assert(!locked && waiting[SENDERS] == 0 && waiting[RECEIVERS] == 0)
}
