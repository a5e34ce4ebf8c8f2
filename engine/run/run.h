/*
 * Running a plan: what api/ sees of the runner.
 *
 * A run is one coroutine that walks the plan's tree; each member of a
 * concurrent block is a coroutine of its own. Nothing polls: a parent waits
 * for its children, a leaf for its program, all of them for their context.
 */
#ifndef FLO_ENGINE_RUN_RUN_H
#define FLO_ENGINE_RUN_RUN_H

#include <flo/runtime.h>

#include "engine/clock.h"
#include "engine/executor.h"
#include "engine/journal.h"
#include "engine/plan.h"

struct flo__run;

/* Programs at once when nobody says: enough to hide their waiting. */
static inline uint64_t flo__run_limit_default(long cores)
{
	uint64_t limit = 4 * (uint64_t)(cores > 0 ? cores : 1);

	return limit < 16 ? 16 : limit;
}

/* What a run stands on; all borrowed until flo__run_free(). */
struct flo__run_deps {
	flo_runtime *runtime;
	struct flo__executor *executor;
	struct flo__clock *clock; /* of what is recorded; NULL: the system's */
	const char *files;	  /* directory for logs and work directories */
	const char *const *environ_; /* what children inherit */
	bool end_when_tainted;	     /* flo_engine_options says what it means */
	/* NULL-terminated: what runs native steps that want a process of their
	 * own; NULL: nothing does. And where they find flo-minder; or NULL. */
	const char *const *worker_argv;
	const char *minder;
	/* Gets what is probably not as it was meant; it may block. Or NULL. */
	void (*warn)(const char *text, void *arg);
	void *warn_arg;
};

/*
 * Make a run of @plan. @record and its strings are copied. @params is the
 * bound map. FLO_NOMEM.
 */
flo_status flo__run_new(const struct flo__run_deps *deps,
			const struct flo__plan *plan,
			const struct flo__run_record *record,
			const flo_value *params, flo_error *err,
			struct flo__run **ret_run);
/* Free. Requires: not started, or flo__run_main() has returned. */
void flo__run_free(struct flo__run *run);

/*
 * Take over what an earlier engine recorded, event by event and in order,
 * before the run starts. FLO_CORRUPT.
 */
flo_status flo__run_preset(struct flo__run *run, const char *json, size_t len,
			   flo_error *err);
/* What a person says of an attempt that was alive at a crash. */
enum flo__accept {
	FLO__ACCEPT_RERUN,     /* run it again */
	FLO__ACCEPT_SUCCEEDED, /* it did what it was to do; no output */
	FLO__ACCEPT_FAILED,    /* it did not, and will not */
};

/*
 * Take a person's word on the step at @path, after the last event and before
 * flo__run_preset_done(). FLO_NOTFOUND: it was not alive.
 */
flo_status flo__run_accept(struct flo__run *run, const char *path,
			   enum flo__accept accept, flo_error *err);
/*
 * After the last event. FLO_BLOCKED: a step that is not idempotent was lost;
 * the text names it and says what to do.
 */
flo_status flo__run_preset_done(struct flo__run *run, flo_error *err);

/*
 * Make @run, which has not begun, a rerun: @what is copied (of NULL: it is
 * none). flo__run_preset() does so by itself. FLO_NOMEM.
 */
flo_status flo__run_rerun(struct flo__run *run, const struct flo__rerun *what,
			  flo_error *err);
/* Its run.queued is in the record: it is not recorded again. */
void flo__run_queued(struct flo__run *run);
/* What @run repeats; its strings are borrowed from @run. */
struct flo__rerun flo__run_rerun_of(const struct flo__run *run);
/*
 * The run to take steps over from, or NULL: it is no rerun, or all that it takes
 * over is recorded.
 */
const char *flo__run_owes(const struct flo__run *run);
/*
 * Take over from @old, which has ended and whose events were all given to
 * flo__run_preset(), what the words of flo__run_rerun() say, when @run begins.
 * In a coroutine; @old is of no other use after that, and may be freed.
 * FLO_NOTFOUND: there is no step to begin with of that path; FLO_NOMEM.
 */
flo_status flo__run_reuse(struct flo__run *run, struct flo__run *old,
			  flo_error *err);

/*
 * Everything stands still (@why, borrowed until flo__run_free()): cancel the
 * run, which then ends as failed. From any thread, at any time before the end.
 */
void flo__run_deadlock(struct flo__run *run, const char *why);

/*
 * Everything stands still since there is no memory for the stacks of
 * coroutines: leave the run as it is, to be resumed. Threads as above.
 */
void flo__run_starved(struct flo__run *run);

/*
 * It stands still all the same: record that what is open has failed, and the
 * run. As a coroutine; none of the run's own will ever run again, and it is not
 * to be freed. Returns as flo__run_main() does.
 */
flo_status flo__run_bury(struct flo__run *run, const char *why, flo_error *err,
			 flo_value **ret_result);

/*
 * Run to the end, as a coroutine of the runtime. Records everything in
 * @journal's @run_journal, which it does not close.
 *
 * Returns FLO_OK when the run has ended and that is durable; *@ret_result is
 * then the map that run.finished carries. Otherwise the store's failure: the
 * run is left as it is, resumable, with nothing of it alive.
 */
flo_status flo__run_main(struct flo__run *run, struct flo__journal *journal,
			 struct flo__run_journal *run_journal, flo_error *err,
			 flo_value **ret_result);

/*
 * Ask a run to end. @kill: at once and without finally. Any thread; @run must
 * be alive. Before flo__run_main() it takes effect when that begins.
 */
void flo__run_cancel(struct flo__run *run, bool kill, const char *why);

/*
 * Leave the run as it is, for another engine to go on with: nothing starts any
 * more, `finally` neither, what runs is asked to stop (@kill: is killed), and
 * its attempts are left without an end; but one that ends well all the same has
 * succeeded. flo__run_main() then returns FLO_INTERRUPTED with @why (copied).
 * Threads and times as flo__run_cancel(), and stronger than that. Does nothing
 * once how the run ends is settled.
 */
void flo__run_interrupt(struct flo__run *run, bool kill, const char *why);

/* One step as `show` lists it; pointers are borrowed for the call. */
struct flo__run_step {
	const char *path;
	const struct flo__node *node;
	enum flo__state state;
	uint32_t attempts;
	int64_t started_us, finished_us; /* 0: none */
	int64_t duration_ns; /* of its last attempt that ended; -1: none. Of a
			      * block it means nothing. */
	int32_t exit_code;   /* FLO__EVENT_NO_CODE: none */
	int32_t signal;
	uint64_t log_seq; /* of the last attempt's step.started; 0: none */
	bool reused;	  /* its end was taken over from another run */
	const flo_value *error;	  /* or NULL */
	const flo_value *output;  /* or NULL */
	const flo_value *command; /* the argv of a failed program, or NULL */
};

/* What flo__run_inspect() counts and derives beside the steps. */
struct flo__run_summary {
	uint64_t counts[FLO__STATES]; /* leaves by state */
};

/*
 * Derive the state of every leaf and block instance of a run from its events
 * (given with flo__run_preset()), by the very rules that run it, with nothing
 * started. Called in a coroutine. @ended: whether the run has ended.
 * The order of the steps is not that of the pipeline. FLO_NOMEM, if anything
 * lacked memory meanwhile, here or in another thread; what was told is not to be
 * relied on then.
 */
flo_status flo__run_inspect(struct flo__run *run, bool ended,
			    void (*fn)(void *arg,
				       const struct flo__run_step *step),
			    void *arg, struct flo__run_summary *ret_summary);

/* Where the log of the attempt that began with event @seq lies. */
void flo__run_log_path(const char *files, const char *run_id, uint64_t seq,
		       struct flo__strbuf *sb);

#endif
