/**
 * The engine: pipelines in, durable runs out.
 *
 * Open an engine on a store, load a pipeline, start a run, wait for it. All
 * functions may be called from ordinary threads; they block the caller.
 * `flowctl` is a thin layer of words over this header.
 */
#ifndef FLO_ENGINE_H
#define FLO_ENGINE_H

#include <flo/diagnostic.h>
#include <flo/error.h>
#include <flo/step.h>
#include <flo/value.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An engine: a store that is open for writing, and a runtime for runs. */
typedef struct flo_engine flo_engine;

/** A pipeline that was compiled without errors; it does not change. */
typedef struct flo_pipeline flo_pipeline;

/** A handle on a run that this process carries out. */
typedef struct flo_run flo_run;

/** A store that is open for reading. */
typedef struct flo_store flo_store;

/** What survives of what a caller was told. */
typedef enum flo_durability {
	FLO_DURABILITY_POWER,	/* survives a power cut (default) */
	FLO_DURABILITY_PROCESS, /* survives kill -9 of the engine */
	FLO_DURABILITY_NONE,	/* nothing need */
} flo_durability;

/** How an engine is to be. All zero are the defaults. */
struct flo_engine_options {
	const char *store; /* path, copied; NULL: flo_store_default_path() */
	flo_durability durability; /* of its runs */
	unsigned procs;		   /* scheduler threads; 0: one a core */
	const char *minder;	   /* path of flo-minder, copied; NULL: found */
	/* What becomes of runs once the process has contained a fault
	 * (flo/fault.h). False: the attempt has failed, all goes on, and it is
	 * for the host to end. True: no run is started any more, runs start no
	 * step, wait for those that run and are left resumable (flo_run_wait():
	 * FLO_INTERRUPTED). The step that faulted is tried again by whoever
	 * resumes; the third fault of a step is its failure. */
	bool end_when_tainted;
	/**
	 * The program, with its arguments and a NULL at the end, that runs
	 * steps of types with FLO_ISOLATION_PROCESS: flo/worker.h. The first
	 * is an absolute path, or a name that is sought in the PATH of the
	 * step. Copied. NULL: flo-worker, found as flo-minder is, which knows
	 * the built-in types.
	 */
	const char *const *worker_argv;
	/**
	 * The word of flo_runtime_options.closed_world, for this engine: no thread
	 * of the host's ends what a native step waits for, except by a note or by
	 * cancelling the run. Then runs that stand still fail, with the kind
	 * "deadlock" and a report of what waits for what: they are cancelled, and
	 * what does not end by that is left behind for as long as the process
	 * lives. Runs are judged together: one that still gets on keeps the others
	 * waiting. Without it they wait.
	 */
	bool closed_world;
};

/**
 * Open an engine. @options may be NULL. The store is made if it does not
 * exist.
 *
 * Returns FLO_OK and an engine the caller closes; FLO_INVALID: worker_argv is
 * empty or begins with a relative path; FLO_NOMEM; FLO_SYSTEM, FLO_STORE and
 * others of the store.
 */
FLO_EXTERN flo_status flo_engine_open(const struct flo_engine_options *options,
				      flo_error *err, flo_engine **ret_engine);
/**
 * Wait for the runs of @engine, then close it. NULL is allowed.
 *
 * Requires: no other thread uses @engine; each flo_run of it was freed.
 */
FLO_EXTERN void flo_engine_close(flo_engine *engine);

/**
 * Make @type known. It and all it points to is borrowed as long as the engine
 * lives.
 *
 * Requires: no other thread registers or loads meanwhile.
 * Returns FLO_OK; FLO_EXISTS: there is one of that name; FLO_INVALID: its
 * isolation is none of flo_isolation, or what it declares of an argument is no
 * pattern or fits no value; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_engine_register_step(flo_engine *engine,
					       const flo_step_type *type,
					       flo_error *err);

/**
 * Compile a pipeline. @text is copied. @file names it in diagnostics and its
 * directory is where relative paths start, those of other pipelines too, which
 * are read at once (and not again: a run keeps their texts). Every problem goes to @fn (may be
 * NULL) with @arg.
 *
 * @engine may be NULL: then only the built-in step types are known.
 * Returns FLO_OK (there may have been warnings) and a pipeline the caller
 * frees, FLO_INVALID after errors, FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_pipeline_load(flo_engine *engine, const char *text,
					size_t len, const char *file,
					flo_diagnostic_fn fn, void *arg,
					flo_error *err,
					flo_pipeline **ret_pipeline);

/**
 * Free @pipeline. NULL is allowed.
 *
 * Requires: each flo_run that flo_run_start() made of it was freed.
 */
FLO_EXTERN void flo_pipeline_free(flo_pipeline *pipeline);

/**
 * Write the JSON Schema (draft 2020-12) of pipelines, for editors and for
 * checks without the engine: a text with a newline at its end, the same each
 * time. It refuses no pipeline that flo_pipeline_load() takes; it takes some
 * that only a compiler can see through.
 *
 * @engine may be NULL: then only the built-in step types are known.
 * Requires: no other thread registers step types meanwhile.
 * Returns FLO_OK and a text the caller gives to flo_free(); FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_pipeline_schema(const flo_engine *engine,
					  char **ret_text);

/** Give the name that @pipeline has in its text; borrowed while that lives. */
FLO_EXTERN const char *flo_pipeline_name(const flo_pipeline *pipeline);

/**
 * Turn the text of `-p NAME=TEXT` into a value of the type that the pipeline
 * declares for NAME and add it to @params, a map that only the caller holds.
 *
 * Returns FLO_OK; FLO_NOTFOUND for an unknown name (the text of @err says which
 * are known); FLO_TYPE; FLO_EXISTS if @params has it already; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_pipeline_param(const flo_pipeline *pipeline,
					 const char *name, const char *text,
					 flo_value *params, flo_error *err);

/** How a look at what a run would do is to be. All zero are the defaults. */
struct flo_plan_options {
	const flo_value *params; /* a map, borrowed; NULL: none given */
	uint32_t limit;		 /* lowers the pipeline's; 0: as it says */
};

/** What a part of such a look is about: the keys of its map. */
typedef enum flo_plan_part {
	FLO_PLAN_RUN,	  /* first: the pipeline, its params and limits */
	FLO_PLAN_STEP,	  /* one leaf or block */
	FLO_PLAN_SUMMARY, /* last: counts */
} flo_plan_part;

/**
 * Hear of one part of a plan: a map, borrowed for the time of the call.
 * docs/cli.md, `plan`, lists its keys. @arg is what flo_pipeline_plan() was
 * given.
 */
typedef void (*flo_plan_fn)(flo_plan_part part, const flo_value *value,
			    void *arg);

/**
 * Tell @fn (with @arg) what a run of @pipeline would do, and run nothing: steps
 * in the order in which they are written, a block before what is in it. What
 * follows from params alone is computed, the rest are expressions. Memory does
 * not grow with the number of items, by some ten bytes with that of steps, and
 * with what each pipeline within the pipeline is given. To count a matrix with
 * an `exclude` takes 5 bytes a combination for that time.
 *
 * Unlike a run, it goes without required params: FLO_PLAN_RUN names those that
 * are missing. @options may be NULL. Any thread; @fn is called in this one.
 *
 * Returns FLO_OK; FLO_INVALID: params are unknown or ill-typed; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_pipeline_plan(const flo_pipeline *pipeline,
					const struct flo_plan_options *options,
					flo_plan_fn fn, void *arg,
					flo_error *err);

/**
 * Hear of one event, after its commit: the line of JSON that `flowctl events`
 * prints, without its newline, borrowed for the time of the call. It must
 * return soon, since the store waits.
 */
typedef void (*flo_event_fn)(const char *json, size_t len, void *arg);

/**
 * Hear of something about a run that is probably not as it was meant, such as
 * the file of a secret that others may read: one line, borrowed for the call,
 * in which nothing of a secret is. It is recorded nowhere. Called on a thread
 * of the engine's, which may wait meanwhile; not after the run has ended.
 */
typedef void (*flo_warning_fn)(const char *text, void *arg);

/** What became of an attempt that was alive when its engine died. */
typedef enum flo_accept {
	FLO_ACCEPT_RERUN,     /* unknown, or nothing: run it again */
	FLO_ACCEPT_SUCCEEDED, /* it took effect: it has succeeded, without output */
	FLO_ACCEPT_FAILED, /* it did not, and is not to be tried again */
} flo_accept;

/** A person's word on one step. */
typedef struct flo_accepted {
	const char *path; /* of the step: "pay", "each[2].pay" */
	flo_accept as;	  /* what became of it */
} flo_accepted;

/** How a run is to be. All zero are the defaults. */
struct flo_run_options {
	const flo_value *params;   /* a map, borrowed; NULL: none given */
	const char *run_id;	   /* copied; NULL: a new one is made */
	uint32_t limit;		   /* lowers the pipeline's; 0: as it says */
	flo_event_fn on_event;	   /* called on a thread of the engine's */
	void *on_event_arg;	   /* borrowed until the run has ended */
	flo_warning_fn on_warning; /* NULL: nobody wants to know */
	void *on_warning_arg;	   /* borrowed until the run has ended */
	/* Of flo_run_resume(): go on with the run only to cancel it, for this
	 * reason (copied): what is left is "finally". NULL: go on with it. */
	const char *cancel;
	/* Of flo_run_resume(): what a person says of attempts that were alive
	 * when their engine died. Borrowed for the call. */
	const flo_accepted *accept;
	size_t accept_len; /* how many */
	/* Of flo_run_rerun(): take over what has succeeded or was skipped, with
	 * its output, and run the rest and all that comes after it. */
	bool rerun_failed;
	/* Of flo_run_rerun(): run the step of this path ("each[2].pay", copied)
	 * and all that comes after it, and take over what else has succeeded,
	 * was skipped, or failed without being an error of its block. A block
	 * means all that is in it. NULL: no step is named. */
	const char *rerun_from;
};

/**
 * Start a run. It is in the store, and will be finished or resumable whatever
 * happens, when this returns FLO_OK. @options may be NULL. @pipeline is
 * borrowed until the run is freed.
 *
 * Returns FLO_OK and a run the caller frees; FLO_INVALID: params are missing,
 * unknown or ill-typed; FLO_RANGE: the run id cannot be one; FLO_EXISTS: it is
 * taken; FLO_INTERRUPTED: the process is tainted, and the engine was to end
 * then; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_run_start(flo_engine *engine,
				    const flo_pipeline *pipeline,
				    const struct flo_run_options *options,
				    flo_error *err, flo_run **ret_run);

/**
 * Go on with an interrupted run from what its store pinned. Of @options (may be
 * NULL) limit, on_event, on_warning, cancel and accept are used.
 *
 * Returns FLO_OK and a run the caller frees; FLO_NOTFOUND: no such run, or a
 * step of accept that was not alive; FLO_BUSY: it lives in another engine;
 * FLO_BLOCKED: a step that says "idempotent": false was alive, and accept has no
 * word on it; FLO_CLOSED: it has ended (flo_store_run() tells how);
 * FLO_VERSION: its pipeline is not valid for this version; FLO_INTERRUPTED as
 * in flo_run_start(); FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_run_resume(flo_engine *engine, const char *run_id,
				     const struct flo_run_options *options,
				     flo_error *err, flo_run **ret_run);

/**
 * Run once more what run @run_id of the engine's store was, as a new run: with
 * the pipeline, params and directory that are pinned there, and with its limit
 * unless @options have one. The environment is today's, and secrets are read
 * again. Without rerun_failed and rerun_from all of it runs; with both, what
 * each alone would run. docs/cli.md, `rerun`, says what is taken over.
 *
 * Of @options (may be NULL) run_id, limit, on_event, on_warning and those two are
 * used. The run is in the store, and will be finished or resumable whatever
 * happens, when this returns FLO_OK. Blocks for reading the old run. Any thread.
 *
 * Requires: a prefix is no id here; @run_id is whole.
 * Returns FLO_OK and a run the caller frees; FLO_NOTFOUND: no such run, or no
 * step rerun_from in it; FLO_BUSY: it has not ended; FLO_RANGE, FLO_EXISTS,
 * FLO_INTERRUPTED as flo_run_start(); FLO_VERSION as flo_run_resume();
 * FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_run_rerun(flo_engine *engine, const char *run_id,
				    const struct flo_run_options *options,
				    flo_error *err, flo_run **ret_run);

/** Give the id of @run; borrowed while that lives. */
FLO_EXTERN const char *flo_run_id(const flo_run *run);

/** How to end a run early. */
typedef enum flo_cancel_mode {
	FLO_CANCEL_STOP, /* stop steps (signal, grace, kill), run finally */
	FLO_CANCEL_KILL, /* kill steps at once and run nothing more */
} flo_cancel_mode;

/**
 * Cancel @run and return at once; flo_run_wait() tells when it has ended. @why
 * is copied and becomes the cause; NULL: "cancelled". A run that has ended
 * stays as it is. Any thread; not from a signal handler.
 */
FLO_EXTERN void flo_run_cancel(flo_run *run, flo_cancel_mode mode,
			       const char *why);

/**
 * Stop working on @run and leave it in the store as it is, for
 * flo_run_resume() in another engine to go on with, and return at once. For
 * programs that have to go although their runs are not done.
 *
 * Nothing of it starts any more, its "finally" neither. Steps that run are
 * asked to stop by their stop_signal and killed after their grace
 * (FLO_CANCEL_STOP), or killed at once (FLO_CANCEL_KILL, also later, after the
 * former). One that comes to a successful end all the same has succeeded; the
 * others have no end in the record and run again, or, with "idempotent": false,
 * wait for a person's word. flo_run_wait() returns FLO_INTERRUPTED, with @why
 * (copied; NULL: "interrupted") as its error, when nothing of it is alive.
 *
 * It counts more than flo_run_cancel(), whichever comes first; a run that was
 * being cancelled is cancelled by whoever resumes it. A run that has ended
 * stays as it is. Any thread; not from a signal handler.
 */
FLO_EXTERN void flo_run_interrupt(flo_run *run, flo_cancel_mode mode,
				  const char *why);

/**
 * Ask for the end of a run of the store at @path (NULL: the default), whichever
 * process carries it out: as flo_run_cancel() there, within a second. The
 * request is in the store when this returns; whoever resumes a run whose engine
 * died before it has heard of it cancels it, too. @why (NULL: "cancelled by
 * request") is copied up to 200 bytes. Blocks for a commit. Any thread.
 *
 * Returns FLO_OK; FLO_NOTFOUND: no such store or run; FLO_CLOSED: it has ended;
 * FLO_NOMEM; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_cancel(const char *path, const char *run_id,
				       flo_cancel_mode mode, const char *why,
				       flo_error *err);

/**
 * Wait for the end of @run. *@ret_result (@ret_result may be NULL) gets the
 * object that `run.finished` carries: {"status", "error", "output", "counts",
 * "run"}, a reference the caller owns.
 *
 * Returns FLO_OK when the run ended in whatever state; FLO_INTERRUPTED, or a
 * store error (FLO_FULL, FLO_STORE ...) when it could not be recorded, when it
 * is left resumable.
 */
FLO_EXTERN flo_status flo_run_wait(flo_run *run, flo_error *err,
				   flo_value **ret_result);

/** Wait for the end of @run, then free it. NULL is allowed. */
FLO_EXTERN void flo_run_free(flo_run *run);

/**
 * Evaluate an expression with the variables of @vars (a map or NULL).
 * On failure the column of the offending token is in @err.
 *
 * Returns FLO_OK and a value the caller owns; FLO_SYNTAX; another status, if it
 * has no value.
 */
FLO_EXTERN flo_status flo_eval(const char *expr, size_t len,
			       const flo_value *vars, flo_error *err,
			       flo_value **ret_value);

/* Reading a store. Needs no engine; never waits for a writer. */

/**
 * Say where a store is that is not named: $FLOW_STORE, else
 * $XDG_STATE_HOME/flowctl/flow.db, else ~/.local/state/flowctl/flow.db.
 *
 * Returns memory for flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_store_default_path(void);

/**
 * Open the store at @path (NULL: the default) for reading.
 *
 * Returns FLO_OK and a store the caller closes; FLO_NOTFOUND if there is none;
 * FLO_NOMEM; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_open(const char *path, flo_error *err,
				     flo_store **ret_store);

/** Close @store. NULL is allowed. */
FLO_EXTERN void flo_store_close(flo_store *store);

/**
 * List the newest @max runs (0: all), newest first, as a list of maps {"run",
 * "pipeline", "status", "started_at", "finished_at", "duration_ms", "counts",
 * "error"}; one that is "interrupted" has "interrupted_at", too: the time of its
 * last event.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOMEM; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_runs(flo_store *store, size_t max,
				     flo_error *err, flo_value **ret_runs);

/**
 * Tell of one run what `flowctl show RUN --json` prints.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOTFOUND; FLO_NOMEM;
 * FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_run(flo_store *store, const char *run_id,
				    flo_error *err, flo_value **ret_run);

/**
 * Tell of the step at @path ("each[2].pay") of a run how its last attempt went:
 * a map of `path`, `attempts`, `exit_code`, `signal` and `log`, which are as in
 * flo_store_run(). Of a run of many steps it takes far less time and memory than
 * that.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOTFOUND: no such run, or
 * nothing of that step is recorded; FLO_NOMEM; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_step(flo_store *store, const char *run_id,
				     const char *path, flo_error *err,
				     flo_value **ret_step);

/**
 * Give what expressions could see of a run, for flo_eval(): a map of `params`,
 * `run` and `steps`, the latter with those of the top level by their names,
 * each with `output`, `status`, `exit_code`, `attempts`, `error` and
 * `duration`. It is as the store has it now, whether the run has ended or not.
 *
 * Returns FLO_OK and a value the caller owns; FLO_NOTFOUND; FLO_NOMEM;
 * FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_vars(flo_store *store, const char *run_id,
				     flo_error *err, flo_value **ret_vars);

/**
 * Give the events of a run to @fn with @arg, in order, in this thread.
 *
 * Returns FLO_OK; FLO_NOTFOUND; FLO_NOMEM; FLO_STORE and others.
 */
FLO_EXTERN flo_status flo_store_events(flo_store *store, const char *run_id,
				       flo_event_fn fn, void *arg,
				       flo_error *err);

/* Looking after a store. */

/** How good or bad it is what a check has found. */
typedef enum flo_check_level {
	FLO_CHECK_OK,	   /* as it should be */
	FLO_CHECK_NOTE,	   /* worth knowing; nothing has to be done */
	FLO_CHECK_PROBLEM, /* runs fail by it, or something is lost */
} flo_check_level;

/** What a check has found. All of it is borrowed for the call. */
typedef struct flo_check {
	flo_check_level level; /* how bad it is */
	const char *name;   /* of the check: "integrity", "chain", "minder" */
	const char *run;    /* the run that it is about, or NULL */
	const char *text;   /* a sentence without its full stop */
	const char *remedy; /* what a person can do, or NULL */
} flo_check;

/** Get a finding, in the thread of who asked. It must not use the store. */
typedef void (*flo_check_fn)(const flo_check *check, void *arg);

/**
 * Look the store at @path (NULL: the default) over and give each finding to
 * @fn with @arg: files, format, SQLite's own check, the hash chain of every
 * run, owners, requests, what crashes left behind, disk and file system. Works
 * where there is no store, where it cannot be written, and while engines write.
 * Nothing is changed. Reads all of the store.
 *
 * Returns FLO_OK when all was looked at, whatever was found; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_store_check(const char *path, flo_check_fn fn,
				      void *arg, flo_error *err);

/**
 * Find out whether this machine has what runs need: flo-minder (@minder NULL:
 * found as flo_engine_options says), of which one is started to run a program,
 * and what the kernel and its limits offer. Findings go to @fn with @arg.
 *
 * Requires: called from an ordinary thread, which blocks.
 * Returns FLO_OK when all was looked at, whatever was found; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_machine_check(const char *minder, flo_check_fn fn,
					void *arg, flo_error *err);

/**
 * Which runs flo_store_prune() deletes: those that fit all that is given, of
 * older_than, status and keep at least one, or else `sweep`.
 */
struct flo_prune_options {
	/* Ended longer ago than that: "12h", "30d", as in pipelines. NULL:
	 * whenever. */
	const char *older_than;
	/* Names of end states, NULL at the end: "succeeded", "failed",
	 * "cancelled". NULL: all three. */
	const char *const *status;
	bool keeps;    /* whether `keep` is given */
	uint64_t keep; /* not the newest so many of those with such a status */
	bool sweep;    /* delete no run, only what crashes have left behind */
	bool dry_run;  /* change nothing, say what would be deleted */
};

/**
 * Delete runs that have ended from the store at @path (NULL: the default), with
 * their events, logs and work directories; and what earlier crashes have left
 * behind. Never a run that has not ended, or that an engine still has in its
 * hands. The rows go first, durably, in small transactions between which others
 * write; who is killed meanwhile leaves what the next call removes. Space is
 * free for later runs in the same file, which does not shrink.
 *
 * *@ret_result gets a map: "runs", a list of maps {"run", "pipeline", "status",
 * "finished_at"}; "owned", how many ended runs were left to their engine;
 * "events" (0 in a dry run) and "directories" that were removed without a run
 * or with it; "left", how many files could not be removed, and "why", a text or
 * null; "free_bytes" within the file; "dry_run".
 *
 * Returns FLO_OK and a value the caller owns; FLO_INVALID: @options make no
 * sense; FLO_NOTFOUND: no such store; FLO_CORRUPT; FLO_SYSTEM, FLO_READONLY:
 * it cannot be written; FLO_NOMEM and others. What was deleted before a failure
 * stays deleted.
 */
FLO_EXTERN flo_status flo_store_prune(const char *path,
				      const struct flo_prune_options *options,
				      flo_error *err, flo_value **ret_result);

#ifdef __cplusplus
}
#endif
#endif
