/*
 * The argument `changes` of cmdb.pull: a program that can say what has changed
 * since a cursor. The first time, and whenever it does not know the cursor any
 * more, it says everything: list and watch, as with HTTP.
 *
 * Threads: the step's coroutine.
 */
#ifndef FLO_CMDB_PULL_CHANGES_H
#define FLO_CMDB_PULL_CHANGES_H

#include "steps/cmdb/pull_p.h"

/* The variable in which a program finds the cursor. */
#define FLO__CHANGES_VARIABLE "FLOW_CMDB_CURSOR"

/* {0}: the argument is not there, and pulls are of everything. */
struct flo__changes {
	const char *cursor_at; /* borrowed: a pointer; NULL: no argument */
	int64_t gone_exit;     /* the program does not know the cursor */
	char *origin;	       /* owned */
	struct flo__since since;
	enum flo__pull_is is;
	char *variable; /* owned: "FLOW_CMDB_CURSOR=..." */
	const char *env[2];
};

/* The members, for the table of arguments. */
#define FLO__CHANGES_PARAMS 2
extern const flo_step_param flo__changes_params[FLO__CHANGES_PARAMS];

/*
 * Read the argument, and what the database says is to be gone on from. Blocks,
 * bracketed. @changes is {0}, and flo__changes_fini()ed whatever comes back.
 */
flo_status flo__changes_open(struct flo__pull_job *job,
			     struct flo__changes *changes, flo_error *err);
void flo__changes_fini(struct flo__changes *changes);

/*
 * Set @changes->env for the next run of the program: with the cursor, or with
 * none (@all), which is an empty variable. FLO_NOMEM.
 */
flo_status flo__changes_env(struct flo__changes *changes, bool all,
			    flo_error *err);

/*
 * Whether a program that ended with @st and @code says that the cursor it was
 * given is of no use any more.
 */
bool flo__changes_gone(const struct flo__changes *changes, flo_status st,
		       int code);

/* As flo__pull_split(), with all that a pull of changes is besides. */
flo_status flo__changes_split(const struct flo__changes *changes,
			      struct flo__pull_job *job, int fd,
			      struct flo__stage *stage, flo_error *err);

#endif
