/*
 * The world of a run, faked: a journal in memory, a clock, and an executor that
 * plays scripts, so that tests of the runner decide what happens and when. On
 * a runtime that is driven deterministically all of it is on the virtual clock.
 *
 * A "program" is a word and its arguments:
 *
 *	ok			exits with 0
 *	exit N			exits with N
 *	sig N			is ended by signal N
 *	say TEXT		writes TEXT to stdout and exits with 0
 *	err TEXT N		writes TEXT to stderr and exits with N
 *	hang			runs until it is stopped
 *	post NAME		opens gate NAME and exits with 0
 *	wait NAME		exits with 0 once gate NAME is open
 *	flaky N			exits with 1 the first N times this step runs
 *	missing			cannot be started
 *	show NAME CODE		writes its variable NAME a byte at a time to
 *				stdout and to stderr, and exits with CODE
 *	leave TEXT		writes TEXT to $FLOW_OUTPUT and exits with 1
 *	echo			writes its stdin to stdout
 *	dice MS PERCENT		takes up to MS milliseconds and exits with 1 in
 *				PERCENT of all cases: both depend on the fake's
 *				seed, the path and its failures so far alone,
 *				and not on what else runs or has crashed
 */
#ifndef FLO_TESTS_RUN_FAKE_H
#define FLO_TESTS_RUN_FAKE_H

#include "dsl/dsl.h"
#include "engine/run/run.h"

#include <pthread.h>

struct fake_event {
	char *json;
	size_t len;
	enum flo__event_kind kind;
	char path[128];
	enum flo__state status;
};

struct fake {
	flo_runtime *rt;
	struct flo__journal journal;
	struct flo__executor executor;
	struct flo__clock clock;
	struct flo__registry registry;
	char files[64]; /* a temporary directory */
	pthread_mutex_t lock;
	struct fake_event *events;
	size_t events_len, events_cap;
	uint64_t seed; /* of dice */
	/* Commits take a while, in which others run; needs a runtime with a
	 * drive for tests. */
	bool late_commits;
	uint64_t durable; /* the highest event that was told to be */
	/* A program began while its step's attempt before was not durable. */
	bool ran_ahead;
	uint64_t fail_at; /* append() of this sequence number fails; 0: never */
	const char *const *environ_; /* of the engine; NULL: none */
	/* The allocation that fails while it runs, and before that, while its
	 * record is taken over or what it repeats is chosen; 0: none. */
	long alloc_fail;
	bool alloc_ever; /* all after it, too */
	/* How many there were, and of those how many before it ran. */
	long allocs, allocs_before;
	/* A person's word about this lost step of a resumed run; or NULL. */
	const char *accept;
	enum flo__accept accept_as;
	char (*executed)[128]; /* paths, in order of execution */
	size_t executed_len, executed_cap;
	unsigned running, running_max;
	uint32_t gates_open; /* bit i: gate 'a' + i */
};

/* Results of one run. */
struct fake_result {
	flo_status st;
	flo_error err;
	flo_value *result; /* of run.finished; owned */
};

void fake_init(struct fake *fake);
/* As fake_init(), on a runtime made with @options. */
void fake_init_with(struct fake *fake,
		    const struct flo_runtime_options *options);
void fake_fini(struct fake *fake);
/* Add an event to the record, as if it had been recorded. */
void fake_put(struct fake *fake, const char *json);
/* Forget everything that was recorded and executed. */
void fake_reset(struct fake *fake);

/*
 * Compile @text (with ' for ") and run it. @keep: how many of the events
 * recorded so far are taken over as those of an interrupted run; the others
 * are forgotten. @hook, if not NULL, is called in a coroutine of its own with
 * the run, which lives until it returns.
 */
struct fake_result fake_run(struct fake *fake, const char *text, size_t keep,
			    void (*hook)(struct flo__run *run));
/*
 * Run @text again as a rerun of what is recorded, which is forgotten then, but
 * not what was executed. A failure to choose is its result.
 */
struct fake_result fake_rerun(struct fake *fake, const char *text,
			      const struct flo__rerun *what);
void fake_result_fini(struct fake_result *result);

/* What the world's clock says when the runtime's is at 0; both go alike. */
#define FAKE_EPOCH_US INT64_C(1767225600000000)

/* What an inspection told. */
struct fake_shown {
	struct flo__run_summary summary;
	struct fake_state {
		char path[128];
		enum flo__state state;
		bool leaf;
	} steps[256];
	size_t len;
};

/* Inspect the first @keep events recorded, as of a run that has @ended. */
void fake_inspect(struct fake *fake, const char *text, size_t keep, bool ended,
		  struct fake_shown *ret);
/* The state in which @path was shown; NONE. */
enum flo__state fake_shown_state(const struct fake_shown *shown,
				 const char *path);

/* "succeeded" etc. of the last run; "" if it has not finished. */
const char *fake_status(const struct fake_result *result);
/* A string under @key of its error, "" if there is none. */
const char *fake_error(const struct fake_result *result, const char *key);
int64_t fake_count(const struct fake_result *result, const char *state);

/* Whether an event of @kind for @path (NULL: any) was recorded. */
bool fake_has(const struct fake *fake, enum flo__event_kind kind,
	      const char *path);
/* The state @path ended in; NONE. */
enum flo__state fake_state(const struct fake *fake, const char *path);
/* How many times @path (NULL: any) was executed since fake_init(). */
unsigned fake_executions(const struct fake *fake, const char *path);
/* Where in the order of execution @path came first; -1. */
int fake_order(const struct fake *fake, const char *path);

#endif
