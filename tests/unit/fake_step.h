/*
 * A step's call without a run: what a native step type sees, faked, in a
 * directory of its own. Steps run as coroutines with the stack that the engine
 * gives them; programs are really started.
 */
#ifndef FLO_TESTS_FAKE_STEP_H
#define FLO_TESTS_FAKE_STEP_H

#include <flo/runtime.h>
#include <flo/step.h>

struct fake_steps {
	flo_runtime *rt;
	flo_context *context; /* of the next step; the test may cancel it */
	char dir[64];
	const char *run_id;
	flo_error err; /* of the last step */
	char log[4096];
	long alloc_fail_at; /* not 0: this allocation of a step fails */
	long allocs;	    /* how many the last such step made */
};

/* Group set-up and tear-down: the directory and all in it goes at the end. */
void fake_steps_init(struct fake_steps *fs);
void fake_steps_fini(struct fake_steps *fs);

/*
 * Run a step: @key is its path and its idempotency key, @with its arguments as
 * JSON, printf-like. Returns its status; its output, null if it gave none, is
 * in *@ret_output, which may be NULL. @fs->err and @fs->log tell the rest.
 */
flo_status fake_step(struct fake_steps *fs, const flo_step_type *type,
		     const char *key, flo_value **ret_output, const char *with,
		     ...) FLO_PRINTF(5, 6);

/* The same with arguments that are a value already; from any thread. */
flo_status fake_step_value(struct fake_steps *fs, const flo_step_type *type,
			   const char *key, const flo_value *with,
			   flo_error *err, flo_value **ret_output);

/* Fail the test with the step's error unless @st is FLO_OK. */
void fake_ok(struct fake_steps *fs, flo_status st);

/* Write a file in the directory. */
void fake_file(struct fake_steps *fs, const char *name, const void *bytes,
	       size_t len);
void fake_text(struct fake_steps *fs, const char *name, const char *text);

/* A number, a text in an output; the test fails if it is not there. */
int64_t out_int(const flo_value *output, const char *name);
const char *out_text(const flo_value *output, const char *name);
bool out_bool(const flo_value *output, const char *name);

#endif
