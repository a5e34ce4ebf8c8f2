/*
 * The rules of the language, checked against nothing but a run's events and
 * the pipeline as it was drawn. docs/language.md and docs/events.md have them.
 */
#ifndef FLO_TESTS_SIM_RULES_H
#define FLO_TESTS_SIM_RULES_H

#include "tests/sim/pipe.h"
#include "tests/unit/run_fake.h"

#define RULES_LEAVES_MAX 512
#define RULES_OUT_MAX	 64

/* A leaf instance as its events tell of it. */
struct rules_leaf {
	char path[96];
	int node;
	uint32_t attempts, lost, retried;
	bool running;	     /* an attempt is open */
	bool active;	     /* or it is in back-off */
	bool reused;	     /* a rerun took it over: it never began */
	enum flo__state end; /* NONE: it has not ended */
	uint64_t end_seq;
	int64_t ended_us;
	int64_t started_us;    /* of the last attempt */
	int64_t not_before_us; /* of the next attempt: the end of its back-off */
};

struct rules {
	const struct pipe *pipe;
	struct rules_leaf leaves[RULES_LEAVES_MAX];
	size_t nleaves, nreused;
	/* Blocks that say of themselves that they ran out of time. */
	char out[RULES_OUT_MAX][96];
	size_t nout;
	uint64_t seq;
	bool cancelling, resumed, finished;
	bool replaying; /* after run.resumed, before its lost attempts */
};

/* Check the whole record of a run that has finished. */
void rules_check(struct rules *rules, const struct pipe *pipe,
		 const struct fake *fake);

/* How @path ended; NONE if it never did. */
enum flo__state rules_end(const struct rules *rules, const char *path);

/*
 * Whether @earlier comes before @path in the plan, so that @path waits for it:
 * in a sequence, by `needs`, or since @path is a `finally` around it. What either
 * names may be a leaf or a block.
 */
bool rules_before(const struct pipe *pipe, const char *earlier,
		  const char *path);

/* Whether @path is the `finally` of the run. */
bool rules_is_last(const struct pipe *pipe, const char *path);

#endif
