/*
 * State machines as data, after dqlite's lib/sm.c.
 *
 * A kind of machine is a table: for each state its name and the states it may
 * move to, and an invariant that holds whenever a machine is in a state.
 * A move that the table does not allow, or that breaks the invariant, is a
 * broken contract. Each move can be traced.
 *
 *	enum { WAITING, RUNNING, ENDED };
 *	static const struct flo__sm_state states[] = {
 *		[WAITING] = {"waiting", FLO__SM_TO(RUNNING) |
 *				       FLO__SM_TO(ENDED)},
 *		[RUNNING] = {"running", FLO__SM_TO(ENDED)},
 *		[ENDED] = {"ended", FLO__SM_FINAL},
 *	};
 *	static const struct flo__sm_kind kind = {"step", states, 3, invariant};
 *
 * Threads: a machine belongs to what it is embedded in, and so does its guard.
 */
#ifndef FLO_BASE_SM_H
#define FLO_BASE_SM_H

#include <stdbool.h>
#include <stdint.h>

#define FLO__SM_TO(state) (UINT64_C(1) << (state))
#define FLO__SM_FINAL	  UINT64_C(0)
#define FLO__SM_MAX	  64 /* states of one kind */

struct flo__sm;

/* Whether @sm may be in its state; @prev is the one before, or -1. */
typedef bool (*flo__sm_invariant)(const struct flo__sm *sm, int prev);

struct flo__sm_state {
	const char *name;
	uint64_t allowed; /* FLO__SM_TO() of each state it may move to */
};

struct flo__sm_kind {
	const char *name;
	const struct flo__sm_state *states;
	int states_len;
	flo__sm_invariant invariant; /* or NULL */
};

struct flo__sm {
	const struct flo__sm_kind *kind;
	int state;
};

/* Begin in state @first. */
void flo__sm_init(struct flo__sm *sm, const struct flo__sm_kind *kind,
		  int first);
/* Requires: the machine is in a state without moves. */
void flo__sm_fini(const struct flo__sm *sm);

/* Requires: the table allows it, and the invariant holds afterwards. */
void flo__sm_move(struct flo__sm *sm, int to);

/* Whether the table allows a move to @to. */
bool flo__sm_may(const struct flo__sm *sm, int to);
bool flo__sm_is_final(const struct flo__sm *sm);
const char *flo__sm_state_name(const struct flo__sm *sm);

/*
 * Be told of every move of every machine in the process; @from is -1 at the
 * beginning. NULL ends it. For tests and for hunting.
 */
typedef void (*flo__sm_trace)(const struct flo__sm *sm, int from, int to);
void flo__sm_set_trace(flo__sm_trace trace);

#endif
