/*
 * A crew's state, and what its files share: crew.c admits, crew_member.c is how
 * members start and end, crew_replay.c what comes first on resume. The notes
 * are in crew.c.
 */
#ifndef FLO_ENGINE_RUN_CREW_P_H
#define FLO_ENGINE_RUN_CREW_P_H

#include "engine/run/run_p.h"

#include "engine/group_p.h"

/* What a crew does with members that have not started. */
enum flo__crew_stop {
	FLO__CREW_STOP_NONE,
	FLO__CREW_STOP_DRAIN,  /* start nothing more, let the others finish */
	FLO__CREW_STOP_CANCEL, /* and the group's context has ended */
};

struct flo__crew {
	struct flo__frame *frame; /* a group: its own; a foreach: the outer */
	struct flo__run *run;
	const struct flo__block *block;
	const struct flo__node *node;
	const char *path;
	flo_context *ctx; /* the block's; the group's is a child of it */
	flo_group *group;
	uint64_t need_seq;
	uint64_t n;
	struct flo__items items;	  /* of a foreach */
	bool passed;			  /* FLO__RECORDED_PASSED */
	struct flo__admission *admission; /* the block's own, or NULL */
	uint8_t *recorded;		  /* owned; constant; NULL: no record */

	flo_mutex lock;
	flo_cond change;	/* a member ended */
	flo_cond room;		/* fewer are on their way */
	_Atomic(uint32_t) held; /* seq_cst; partner: paced, see crew.c */
	atomic_bool paced;	/* seq_cst; written by lock; partner: held */
	struct flo__result *results; /* of a group: the frame's */
	flo_value *outputs;	     /* of a foreach: a list */
	uint8_t *states;	     /* enum flo__state of every member */
	uint32_t *pending; /* of a group with needs: dependencies not ended */
	uint32_t *ready;   /* of a group with needs: a queue of n places */
	uint64_t ready_head, ready_tail;
	uint64_t next; /* without needs: the next to admit */
	uint64_t running;
	uint64_t failing; /* members that record a failure just now */
	uint64_t replays; /* of a group with needs: recorded, not started */
	/* Of a group with needs, while it is replayed: failed members of which
	 * it is not known whether they are tolerated. See judge_next(). */
	uint32_t *unjudged; /* owned; room for n */
	uint64_t unjudged_len, judged;
	bool replaying;
	struct flo__tally tally;
	enum flo__crew_stop stop;
	struct flo__result *ret;
	uint64_t end_seq;
};

/* ---- crew_member.c ---- */

/* The node of member @index, and its path, for flo__free(). */
uint32_t flo__crew_node(const struct flo__crew *crew, uint64_t index);
char *flo__crew_path(const struct flo__crew *crew, uint64_t index);

/* What is recorded of member @index. */
enum flo__recorded flo__crew_recorded(const struct flo__crew *crew,
				      uint64_t index);

/* Stop as @mode says, because of @error. By crew->lock, or before there are
 * members. */
void flo__crew_stop(struct flo__crew *crew, enum flo__on_error mode,
		    const flo_value *error);

/* Let go those that need member @index, or block them; by crew->lock. */
void flo__crew_settle(struct flo__crew *crew, uint64_t index, bool well);

/* Wait, by crew->lock, until few enough members are on their way. */
void flo__crew_pace(struct flo__crew *crew);

/* Admit member @index, parking while there is no slot. Returns false if the
 * crew has stopped meanwhile; then the member never ran. */
bool flo__crew_admit(struct flo__crew *crew, uint64_t index);

/* Run member @index here and now: inspections, and what a resumed run had
 * finished or must not go on with. */
void flo__crew_run_inline(struct flo__crew *crew, uint64_t index);

/* ---- crew_replay.c ---- */

/* Admit all that the record says had been admitted. */
void flo__crew_replay(struct flo__crew *crew);

#endif
