/* What the files of api/ share: engines, pipelines and runs from inside. */
#ifndef FLO_API_API_P_H
#define FLO_API_API_P_H

#include <flo/engine.h>
#include <flo/runtime.h>

#include "base/id.h"
#include "dsl/dsl.h"
#include "engine/executor.h"
#include "engine/run/run.h"
#include "storage/store.h"

#include <pthread.h>

/* Step types known to an engine: the built-in ones, then registered ones. */
struct flo__types {
	struct flo__registry head;   /* first: found by its address */
	const flo_step_type **extra; /* owned array of borrowed types */
	size_t extra_len;
};

void flo__types_init(struct flo__types *types);
void flo__types_fini(struct flo__types *types);

struct flo_engine {
	flo_runtime *runtime;
	struct flo__journal *journal;
	struct flo__executor *executor;
	struct flo__types types;
	char *store_path;	   /* owned */
	const char **environ_copy; /* owned, with its strings */
	bool end_when_tainted;	   /* constant */
	const char **worker_argv;  /* owned, with its strings */
	char *minder;		   /* its path; owned */
	pthread_mutex_t lock;
	pthread_cond_t idle; /* runs became NULL */
	flo_run *runs;	     /* by lock: those whose coroutine has not ended */
	/* by lock, and freely once all runs have ended: a run was buried */
	bool stuck;
};

struct flo_run {
	flo_engine *engine;
	struct flo__run *run;
	struct flo__run_journal *run_journal;
	struct flo__plan *plan; /* owned by a resumed run, else NULL */
	char *id;		/* owned */
	flo_event_fn on_event;
	void *on_event_arg;
	flo_run *next; /* by the engine's lock, with the two below */
	char *why;     /* owned: it stood still; NULL: it did not */
	bool buried;   /* it did so for good */
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done;	   /* by lock, like what follows */
	flo_status status; /* FLO_OK: result is set */
	flo_error err;
	flo_value *result;
};

/* deadlock.c */

/* Runs of which a standstill is told. */
void flo__api_runs_add(flo_run *run);
void flo__api_runs_del(flo_run *run);
/* Wait until there are none. */
void flo__api_runs_wait(flo_engine *engine);
/* The runtime's on_deadlock; @arg is the engine. */
void flo__api_deadlocked(flo_runtime *rt, const char *report, void *arg);
/* engine.c: the run has ended. Takes @result. */
void flo__api_run_done(flo_run *run, flo_status status, const flo_error *err,
		       flo_value *result);

/* The handle of a run that is about to be; NULL without memory. */
flo_run *flo__api_run_new(flo_engine *engine,
			  const struct flo_run_options *options);
/* Requires: its coroutine has ended, or was never started. */
void flo__api_run_free(flo_run *run);
struct flo__run_deps flo__api_deps(const flo_engine *engine,
				   const struct flo_run_options *options);
/* FLO_INTERRUPTED: the engine is to start nothing any more. */
flo_status flo__api_check_tainted(const flo_engine *engine, flo_error *err);
/* FLO_RANGE: @id cannot be a run's. */
flo_status flo__api_check_id(const char *id, flo_error *err);
/* Compile what the store pinned, which was valid once: run->plan. FLO_VERSION */
flo_status flo__api_recompile(flo_run *run,
			      const struct flo__run_record *record,
			      flo_error *err, flo_value **ret_params);

/*
 * name.c: name the new run of @record and call @begin(@arg), which makes it:
 * again with another id where chance has made one that another run has
 * (FLO_EXISTS), unless @options give it. The names in @record live until this
 * returns.
 *
 * Returns what @begin did.
 */
flo_status flo__api_begin(const flo_engine *engine,
			  const struct flo_run_options *options,
			  struct flo__run_record *record,
			  flo_status (*begin)(void *arg, flo_error *err),
			  void *arg, flo_error *err);
/* Record the run and set it going; run->run may be made already. */
flo_status flo__api_create(flo_run *run, const struct flo__run_deps *deps,
			   const struct flo__plan *plan,
			   const struct flo__run_record *record,
			   const flo_value *params, flo_error *err);

/* changed.c: whether the file @path has another text than @text, as it was pinned;
 * not if it cannot be read, and of the other files that it uses nothing is known.
 * Blocks. */
bool flo__api_text_changed(const char *path, const char *text, size_t len);

/* rerun.c: if @run is to take over steps of another one and its record does not
 * have them yet, read them from the store. */
flo_status flo__api_take_over(flo_engine *engine, const struct flo__plan *plan,
			      const flo_value *params, struct flo__run *run,
			      flo_error *err);

struct flo_pipeline {
	struct flo__plan *plan;
	char *text; /* owned: as a run keeps it, see flo__dsl_pin() */
	size_t len;
};

struct flo_store {
	struct flo__reader *reader;
};

/* A point of time as RFC 3339; null for 0. NULL: no memory (likewise below). */
flo_value *flo__api_time(int64_t us);
/* A reference to @value, or null for NULL. */
flo_value *flo__api_ref(const flo_value *value);
/* Maps are filled entry by entry; the first failure stays in *@st. */
void flo__api_put(flo_value *map, const char *key, flo_value *value,
		  flo_status *st);
/* What run.finished says, as a map; an empty one while there is none. */
flo_status flo__api_finished(const struct flo__run_row *row, flo_error *err,
			     flo_value **ret);
/* Add the keys that `runs` and `show` have in common. */
flo_status flo__api_row(flo_value *map, const struct flo__run_row *row,
			const flo_value *finished);

/* The environment at this moment, for children to inherit; NULL: no memory. */
const char **flo__environ_copy(void);
/* Free a list of strings that NULL ends, or NULL. */
void flo__environ_free(const char **env);

#endif
