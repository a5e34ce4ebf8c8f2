/**
 * Step types: native code that pipelines use by name (`"use": "cmdb.pull"`).
 *
 * A type is registered with an engine before pipelines that use it are loaded.
 * Its run function is called once an attempt, in a coroutine with 256 KiB of
 * stack, and may park. It must bracket what blocks (files, SQLite) with
 * flo_blocking_begin/end, watch flo_step_context() in long work, and return
 * FLO_CANCELED or FLO_TIMEOUT soon after that has ended.
 *
 * A type says how far from the engine its code is to run (flo_isolation). What
 * a run function may do and what it sees is the same in each.
 */
#ifndef FLO_STEP_H
#define FLO_STEP_H

#include <flo/context.h>
#include <flo/expr.h>
#include <flo/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One attempt, as its step type sees it; borrowed until run returns. */
typedef struct flo_step_call flo_step_call;

/** What the text of an argument says. */
typedef enum flo_format {
	FLO_FORMAT_NONE,       /* anything */
	FLO_FORMAT_DURATION,   /* "250ms", "10s", "1m30s", "2h", "1d" */
	FLO_FORMAT_SIZE,       /* "512B", "64KiB", "16MiB", "1GiB" */
	FLO_FORMAT_EXPRESSION, /* see flo_step_param.expression */
	FLO_FORMAT_POINTER,    /* a JSON pointer (RFC 6901): "/a/0", "" */
} flo_format;

/**
 * One argument of a step type. What a pipeline says literally is checked when
 * it is compiled, at its place in the file; what templates compute, right
 * before `run` is called, which then sees nothing that does not fit.
 *
 * A member that is left out (0, NULL) asks for nothing. Each asks for something
 * of values of its type only, as the words of JSON Schema do. Write tables with
 * designated initializers: members may be added.
 */
typedef struct flo_step_param {
	const char *name;	 /* its key in `with` */
	unsigned types;		 /* of FLO_TYPES(), or-ed; 0: any. DOUBLE takes
				  * whole numbers too, which come as ints */
	bool required;		 /* a pipeline without it is invalid */
	const char *description; /* a sentence for people, or NULL */
	/* of strings; POINTER also of lists: each item is one then */
	flo_format format;
	const char *const *one_of; /* the texts allowed, NULL at the end */
	const char *pattern;	   /* of RE2; matches anywhere without ^ $ */
	const char *hint;	   /* how what the pattern asks for is written,
				    * for people; NULL: they see the pattern */
	/* of FLO_FORMAT_EXPRESSION, not NULL there: what the text, and in a
	 * map the text of every entry, may use (flo_expr_compile()). Text with
	 * templates in it is none, but a template may compute all of it */
	const flo_expr_options *expression;
	/* of strings, in characters, and of lists, in items */
	size_t min_len;
	size_t max_len; /* 0: no limit */
	/* of numbers */
	bool has_min; /* min counts */
	bool has_max; /* max counts */
	double min;   /* the least allowed */
	double max;   /* the greatest allowed */
	/* of maps: the keys there may be, in the same way; NULL: any. What is
	 * asked of a member is only asked if the map is there */
	const struct flo_step_param *members;
	size_t members_len; /* of `members` */
} flo_step_param;

/** What stands between a step's code and the engine that runs it. */
typedef enum flo_isolation {
	/** Nothing: a fault of the step is a fault of the engine's process. */
	FLO_ISOLATION_NONE,
	/**
	 * It runs in the engine's process; faults that the kernel reports end
	 * the attempt, as far as the process allows it.
	 */
	FLO_ISOLATION_CONTAIN,
	/**
	 * Each attempt runs in a worker process of its own (flo/worker.h),
	 * under a minder like a program's. Whatever it does, the engine
	 * survives: a fault signal or exit() is a failure of kind `panic`, and
	 * an endless loop ends with the attempt's time limit or cancellation.
	 *
	 * The differences: arguments and output travel as JSON (at most 16 MiB
	 * each), so a timestamp arrives as a string; flo_step_context() ends
	 * by cancellation only, and has no deadline; `user` is what the
	 * worker's type says; the attempt takes a slot as programs do.
	 */
	FLO_ISOLATION_PROCESS,
} flo_isolation;

/**
 * A step type. It is borrowed by the engine that it is registered with, as is
 * all it points to; usually it is static and constant.
 */
typedef struct flo_step_type {
	const char *name;	      /* "cmdb.pull" */
	const char *description;      /* a sentence for people, or NULL */
	const flo_step_param *params; /* of `with`; NULL: anything goes */
	size_t params_len;	      /* of `params` */
	/**
	 * Do the work. @with is borrowed. On success *@ret_output may get a
	 * value the engine then owns; untouched means null. On failure @err
	 * says why, in words that name values and the way out.
	 */
	flo_status (*run)(flo_step_call *call, const flo_value *with,
			  flo_error *err, flo_value **ret_output);
	void *user;		 /* yours; see flo_step_user() */
	flo_isolation isolation; /* where it runs */
	/* Names of `params`, NULL at the end: every step has exactly one of
	 * these. NULL: nothing is asked. None of them is `required` */
	const char *const *exactly_one;
} flo_step_type;

/*
 * What an attempt can ask. Everything that is given is borrowed until the run
 * function returns.
 */

/** Give the context that ends when the attempt is cancelled or out of time. */
FLO_EXTERN flo_context *flo_step_context(const flo_step_call *call);

/** Give the step's absolute directory: relative paths in `with` start there. */
FLO_EXTERN const char *flo_step_dir(const flo_step_call *call);

/** Give the id of the run. */
FLO_EXTERN const char *flo_step_run_id(const flo_step_call *call);

/** Give the id of the run's trace, 32 hex digits (W3C Trace Context). */
FLO_EXTERN const char *flo_step_trace_id(const flo_step_call *call);

/** Give the path of the step, "sync[2].pull". */
FLO_EXTERN const char *flo_step_path(const flo_step_call *call);

/** Give the number of this attempt, from 1. */
FLO_EXTERN unsigned flo_step_attempt(const flo_step_call *call);

/** Give a text that is the same for every attempt of this step in this run. */
FLO_EXTERN const char *flo_step_idempotency_key(const flo_step_call *call);

/** Give what the step's type has as `user`. */
FLO_EXTERN void *flo_step_user(const flo_step_call *call);

/**
 * Write a line to the attempt's log; the newline is added. What cannot be
 * written is dropped.
 *
 * Requires: @format and what follows are as for printf(3).
 */
FLO_EXTERN void flo_step_log(flo_step_call *call, const char *format, ...)
	FLO_PRINTF(2, 3);

/** A program to run as part of a native step. */
typedef struct flo_command {
	const char *const *argv; /* NULL-terminated; argv[0] sought in PATH */
	const char *dir;	 /* NULL: the step's */
	/* a file to which stdout is copied while the program runs, which has
	 * a pipe itself; write(2) to it must wait, not fail with EAGAIN; -1:
	 * the attempt's log */
	int stdout_fd;
	/* NULL-terminated "NAME=value"s beside the step's environment, which
	 * they go before; NULL: none */
	const char *const *env;
} flo_command;

/**
 * Run @command like an `exec` step would: under a minder, in the step's
 * environment, its stderr to the attempt's log, ended with its whole tree when
 * the step's context ends. Parks; not within a blocking region.
 *
 * Returns FLO_OK when it exited with 0, FLO_EXIT (err->code: the exit code),
 * FLO_SIGNAL (err->code: the signal), FLO_SPAWN, or the context's status. The
 * text of @err ends with the last line of its stderr.
 */
FLO_EXTERN flo_status flo_step_command(flo_step_call *call,
				       const flo_command *command,
				       flo_error *err);

#ifdef __cplusplus
}
#endif
#endif
