/*
 * One attempt's working state: attempt.c runs it, native.c calls native code,
 * work.c furnishes it (its directory and environment).
 */
#ifndef FLO_ENGINE_RUN_ATTEMPT_P_H
#define FLO_ENGINE_RUN_ATTEMPT_P_H

#include "engine/run/call_p.h"
#include "engine/run/run_p.h"

#include "engine/proc/steplog.h"

/* Owned by the attempt's coroutine. */
struct flo__work {
	struct flo__exec_sink sink; /* first: the executor gives it back */
	struct flo_step_call call;  /* of native code */
	struct flo__attempt *attempt;
	const struct flo__leaf *leaf;
	struct flo__steplog *log;
	struct flo__strbuf captured; /* stdout, as far as it is the output */
	struct flo__strbuf input;
	struct flo__strbuf dir;		/* absolute */
	struct flo__strbuf key;		/* idempotency key */
	struct flo__strbuf output_path; /* $FLOW_OUTPUT */
	char **argv;			/* owned, with its strings */
	char **env;			/* owned; see env_owned */
	size_t env_len, env_cap;
	bool *env_owned; /* which strings of env are */
	uint64_t grace_ns;
	bool over_limit;
};

/* Make the attempt's error object, with the tail of stderr; returns @st. */
flo_status flo__work_fail(struct flo__work *w, flo_status st, const char *kind,
			  const char *message);
/* The same with the words of @err. Without memory not even they may tell of it:
 * @st counts. */
flo_status flo__work_fail_err(struct flo__work *w, flo_status st,
			      const char *kind, const flo_error *err);

/* native.c: call the step's type, here or in a worker process. */
flo_status flo__native_run(struct flo__work *w);

/*
 * worker.c: run a native attempt in a process of its own. Its status, and the
 * kind of a failure.
 */
flo_status flo__worker_attempt(struct flo__work *w, const flo_value *with,
			       flo_error *err, const char **ret_kind,
			       flo_value **ret_output);

/* work.c */
flo_status flo__work_dir(struct flo__work *w, flo_error *err);
flo_status flo__work_env(struct flo__work *w, flo_error *err);
void flo__work_env_free(struct flo__work *w);
uint64_t flo__work_grace(const struct flo__work *w);

#endif
