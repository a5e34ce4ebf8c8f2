/*
 * The one table of keys: which there are, where they belong, what their values
 * may be, and a line about each.
 *
 * Two read it, so that they cannot drift apart: the compiler, for unknown and
 * misplaced keys, words, numbers and lengths; and schema.c, which prints it as
 * a JSON Schema. What no table can say (a step that is not there, a cycle, the
 * inside of an expression) only the compiler knows.
 *
 * A key's value has a shape. One shape may allow several types of JSON; each of
 * its fields says something about one of them, as keywords of JSON Schema do.
 */
#ifndef FLO_DSL_GRAMMAR_P_H
#define FLO_DSL_GRAMMAR_P_H

#include "dsl/doc_p.h"

#define FLO__TITLE_LEN_MAX 256
#define FLO__NAME_LEN_MAX  63

/* A pattern of strings without a "${{" that no "$" makes a literal one. */
#define FLO__NO_TEMPLATE "^(?!\\$\\{\\{)(?![\\s\\S]*[^$]\\$\\{\\{)"

/* To what steps a key belongs: by the keys that make them what they are. */
enum flo__where {
	IN_EXEC = 1,
	IN_SH = 2,
	IN_USE = 4,
	IN_STEPS = 8,
	IN_GROUP = 16,
	IN_FOREACH = 32, /* or matrix */
	IN_PIPELINE = 64,
	IN_PROGRAM = IN_EXEC | IN_SH,
	IN_LEAF = IN_PROGRAM | IN_USE,
	IN_BLOCK = IN_STEPS | IN_GROUP | IN_FOREACH,
	IN_ANY = IN_LEAF | IN_BLOCK | IN_PIPELINE,
	/* Beside any of these: an object without the key is not complete. */
	IS_REQUIRED = 1 << 30,
};

/* Keys of a step. The columns: enum, text, where, shape, what it means. */
#define FLO__KEY_MAP(X)                                                        \
	X(NAME, "name", IN_ANY | IS_REQUIRED, name,                            \
	  "What expressions and paths call the step; no other step of its "    \
	  "scope has the same name.")                                          \
	X(TITLE, "title", IN_ANY, title,                                       \
	  "What people see instead of the name.")                              \
	X(DESCRIPTION, "description", IN_ANY, plain, "Text for people.")       \
	X(WHEN, "when", IN_ANY, expression,                                    \
	  "An expression; the step is skipped where it is false.")             \
	X(NEEDS, "needs", IN_ANY, names,                                       \
	  "In a group only: the siblings that must end well before this "      \
	  "starts.")                                                           \
	X(ENV, "env", IN_ANY, env, "Variables added to the environment.")      \
	X(DIR, "dir", IN_ANY, text,                                            \
	  "The working directory; relative to that of the pipeline's file.")   \
	X(TIMEOUT, "timeout", IN_ANY, timeout,                                 \
	  "How long each attempt, or the block as a whole, may take.")         \
	X(GRACE, "grace", IN_ANY, duration,                                    \
	  "How long the step may take to stop when it is told to, before it "  \
	  "is killed; 10s unless said.")                                       \
	X(ALLOW_FAILURE, "allow_failure", IN_ANY, boolean,                     \
	  "true: its failure is shown, but does not count.")                   \
	X(RETRY, "retry", IN_LEAF | IN_PIPELINE, retry,                        \
	  "Extra attempts after one that failed.")                             \
	X(IDEMPOTENT, "idempotent", IN_LEAF | IN_PIPELINE, boolean,            \
	  "false: never run a second time after a crash without being told "   \
	  "to; of a pipeline, none of its leaves is.")                         \
	X(EXEC, "exec", IN_EXEC, argv,                                         \
	  "A program and its arguments, run without a shell. One element is "  \
	  "one argument, whatever its templates compute.")                     \
	X(SH, "sh", IN_SH, script,                                             \
	  "A script for /bin/sh -eu. It holds no templates: pass values in "   \
	  "`env`.")                                                            \
	X(USE, "use", IN_USE, step_type, "A native step type.")                \
	X(PIPELINE, "pipeline", IN_PIPELINE, path,                             \
	  "Another pipeline's file, relative to this one, run as a step.")     \
	X(STEPS, "steps", IN_STEPS, sequence,                                  \
	  "A sequence: one step after the other.")                             \
	X(GROUP, "group", IN_GROUP, group,                                     \
	  "Steps that run all at once; `needs` puts an order on them.")        \
	X(FOREACH, "foreach", IN_FOREACH, items,                               \
	  "An array, or an expression that yields one: the rest of the step "  \
	  "runs once for each item.")                                          \
	X(MATRIX, "matrix", IN_FOREACH, matrix,                                \
	  "Arrays, or expressions that yield them: the rest of the step runs " \
	  "once for each combination.")                                        \
	X(SHELL, "shell", IN_SH, words,                                        \
	  "The program that gets the script as its last argument.")            \
	X(STDIN, "stdin", IN_PROGRAM, value,                                   \
	  "What the program reads; other values than strings are sent as "     \
	  "JSON.")                                                             \
	X(OUTPUT, "output", IN_PROGRAM, output,                                \
	  "How the standard output becomes the step's output.")                \
	X(OUTPUT_LIMIT, "output_limit", IN_PROGRAM, size,                      \
	  "The most output there may be, 16MiB unless said; more is a "        \
	  "failure.")                                                          \
	X(EXIT_OK, "exit_ok", IN_PROGRAM, exit_codes,                          \
	  "The exit codes that count as success; [0] unless said.")            \
	X(STOP_SIGNAL, "stop_signal", IN_PROGRAM, signal,                      \
	  "What asks the program to stop; SIGTERM unless said.")               \
	X(WITH, "with", IN_USE | IN_PIPELINE, arguments,                       \
	  "Arguments of the step type, or params of the pipeline.")            \
	X(AS, "as", IN_FOREACH, item_name,                                     \
	  "What expressions call the item; `item` unless said.")               \
	X(LIMIT, "limit", IN_BLOCK, limit,                                     \
	  "The most children that run at any instant.")                        \
	X(ON_ERROR, "on_error", IN_BLOCK, on_error,                            \
	  "What the first failure does to the others.")                        \
	X(MAX_FAILURES, "max_failures", IN_BLOCK, max_failures,                \
	  "How many failures are tolerated; in a foreach also \"5%\".")        \
	X(FINALLY, "finally", IN_BLOCK, finally,                               \
	  "Steps that run when the block has ended, however it ended.")

/* Keys of a pipeline, the same columns. */
#define FLO__TOP_MAP(X)                                                        \
	X(SCHEMA, "$schema", 0, plain, "Where editors find this schema.")      \
	X(NAME, "name", IS_REQUIRED, name, "What runs of it are called.")      \
	X(DESCRIPTION, "description", 0, plain, "Text for people.")            \
	X(LABELS, "labels", 0, labels, "Words for people and tools.")          \
	X(PARAMS, "params", 0, params, "What the pipeline may be given.")      \
	X(ENV, "env", 0, env, "Environment variables of every step.")          \
	X(SECRETS, "secrets", 0, secrets,                                      \
	  "Values that are read at the start and never shown.")                \
	X(DEFAULTS, "defaults", 0, defaults,                                   \
	  "What leaves inherit that do not say otherwise.")                    \
	X(LIMIT, "limit", 0, limit,                                            \
	  "The most leaves that run at any instant of the run.")               \
	X(TIMEOUT, "timeout", 0, timeout, "How long the run may take.")        \
	X(ON_ERROR, "on_error", 0, on_error,                                   \
	  "What the first failure of a top-level step does to the others.")    \
	X(MAX_FAILURES, "max_failures", 0, count,                              \
	  "How many failures of top-level steps are tolerated.")               \
	X(SCHEDULE, "schedule", 0, schedules,                                  \
	  "When the pipeline is run: one schedule, or several.")               \
	X(STEPS, "steps", IS_REQUIRED, sequence,                               \
	  "The steps, run one after the other.")                               \
	X(FINALLY, "finally", 0, finally,                                      \
	  "Steps that run when `steps` have ended, however they ended.")       \
	X(OUTPUT, "output", 0, value,                                          \
	  "The run's result, computed when it has succeeded.")

/* What a string may be. */
enum flo__string {
	STRING_TEXT,	   /* anything; templates are its compiler's matter */
	STRING_PLAIN,	   /* without templates */
	STRING_EXPRESSION, /* an expression, not in ${{ }} */
	STRING_NAME,	   /* an identifier that is no reserved word */
	STRING_WORD,	   /* one of `words` */
	STRING_PATTERN,	   /* what `pattern` matches, which is no template */
	STRING_SIGNAL,	   /* the name of a signal */
	STRING_STEP_TYPE,  /* a native step type that is known */
	STRING_TEMPLATE,   /* one template and nothing around it */
};

/* The bit of a type of JSON, in flo__shape.types. */
#define FLO__JSON(t) (1u << FLO__DOC_##t)

struct flo__grammar;

/* What a value may be. Fields that are 0 say nothing. */
struct flo__shape {
	const char *def;  /* what the schema calls it; NULL: written in place */
	const char *text; /* a line about it */
	unsigned types;	  /* of FLO__JSON(), or-ed; true and false as BOOL */
	/* strings */
	enum flo__string string;
	bool template;	     /* or else one template, without text around it */
	const char *pattern; /* ECMA-262, anchored */
	const char *const *words;  /* or not, for a name; NULL at the end */
	unsigned len_max, len_min; /* in bytes, at least in characters */
	/* numbers */
	bool whole;
	bool count;	 /* whole, and at least `min` */
	double min, max; /* both, if max is not 0 */
	/* arrays */
	const struct flo__shape *items; /* NULL: anything */
	const struct flo__shape *first; /* of the first item, if it differs */
	unsigned items_min;
	/* objects */
	const struct flo__grammar *object; /* its keys are these */
	bool some;			   /* at least one key */
	const struct flo__shape *keys;	   /* else each key is so */
	const struct flo__shape *values;   /* and each value so */
	const char *without;		   /* a key of `object` that is not */
};

#define FLO__JSON_BOOL (FLO__JSON(FALSE) | FLO__JSON(TRUE))

/* A key of some object. */
struct flo__field {
	const char *key;
	unsigned where; /* of a step: enum flo__where. Of a param: 1 << type */
	const struct flo__shape *shape;
	const char *text;
};

/* An object with known keys. */
struct flo__grammar {
	const char *def;  /* what the schema calls it */
	const char *what; /* what messages call it: "a step" */
	const char *text;
	const struct flo__field *fields;
	unsigned len;
	bool one;  /* exactly one of the keys */
	bool some; /* at least one */
	/* Other keys are allowed: their names and values. */
	const struct flo__shape *keys;
	const struct flo__shape *values;
};

extern const struct flo__grammar flo__grammar_pipeline;
extern const struct flo__grammar flo__grammar_step; /* by enum flo__key */
extern const struct flo__grammar flo__grammar_retry;
extern const struct flo__grammar flo__grammar_defaults;
extern const struct flo__grammar flo__grammar_finally;
extern const struct flo__grammar flo__grammar_schedule;
extern const struct flo__grammar flo__grammar_param;
extern const struct flo__grammar flo__grammar_items; /* of a param */
extern const struct flo__grammar flo__grammar_secret;

/* Shapes that the compiler reads, too. */
extern const struct flo__shape flo__shape_value;
extern const struct flo__shape flo__shape_duration;
extern const struct flo__shape flo__shape_size;
extern const struct flo__shape flo__shape_on_error;
extern const struct flo__shape flo__shape_output;
extern const struct flo__shape flo__shape_param_type;
extern const struct flo__shape flo__shape_overlap;
extern const struct flo__shape flo__shape_catch_up;
extern const struct flo__shape flo__shape_factor;
extern const struct flo__shape flo__shape_fraction;
extern const struct flo__shape flo__shape_exit_code;
extern const struct flo__shape flo__shape_item_name;

/* The keys of which a step has exactly one, and those that repeat it. */
struct flo__body {
	unsigned where;
	unsigned key; /* enum flo__key */
};
#define FLO__BODIES 6
#define FLO__LOOPS  2
extern const struct flo__body flo__bodies[FLO__BODIES];
extern const struct flo__body flo__loops[FLO__LOOPS];

#endif
