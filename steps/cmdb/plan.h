/* A plan in the database: what a diff found, to be applied and exported. */
#ifndef FLO_CMDB_PLAN_H
#define FLO_CMDB_PLAN_H

#include "steps/cmdb/match.h"

#include <stdbool.h>

enum flo__plan_state {
	FLO__PLAN_READY,   /* may be applied */
	FLO__PLAN_BLOCKED, /* a guard blocked it; a person may release it */
	FLO__PLAN_APPLIED, /* for ever */
};

/* What a person said of it; see decide.h. */
enum flo__plan_decision {
	FLO__PLAN_UNDECIDED,
	FLO__PLAN_APPROVED,
	FLO__PLAN_REJECTED, /* never applied */
};

/* A row of the table plan. */
struct flo__cmdb_plan {
	int64_t no;
	char id[FLO__DIGEST_TEXT_SIZE];
	int64_t source;
	char source_name[160];
	int64_t pull;
	char pull_id[FLO__DIGEST_TEXT_SIZE];
	char run_id[128];
	char trace_id[64];
	int64_t ts;
	bool rebase;
	bool held; /* plan_only: not to be applied by its own run */
	int64_t base;
	/*
	 * The pull that must still be the source's last applied one, or
	 * FLO__SINCE_ANY: where a plan depends on more than the state's
	 * version. A pull of changes goes on from one cursor only, and misses
	 * count from one pull to the next.
	 */
	int64_t since;
	enum flo__plan_state state;
	char guards[64]; /* names, separated by commas; "" */
	char reason[512];
	struct flo__counts counts;
	int64_t missing;    /* records that are missing, but stay */
	int64_t applied_us; /* 0: not yet */
	enum flo__plan_decision decision;
	char decided_by[128]; /* cut; "": nobody */
};

#define FLO__SINCE_ANY (-1)

/* Read the plan @id. FLO_NOTFOUND with a text. */
flo_status flo__plan_read(struct flo__cdb *db, const char *id, flo_error *err,
			  struct flo__cmdb_plan *ret_plan);

/*
 * Write @plan, whose no is set, and the changes of @match under @spec. One of
 * the same id is replaced, unless it was applied or a person has decided about
 * it, which may be while @plan was made: FLO_FAILED.
 */
flo_status flo__plan_write(struct flo__cdb *db, struct flo__cmdb_plan *plan,
			   const struct flo__match *match,
			   const struct flo__spec *spec, flo_error *err);

#endif
