/*
 * What pull, diff and apply are to do, said once more and as simply as can be:
 * a map from keys to records. It knows nothing of digests, bodies and bytes.
 */
#ifndef FLO_TESTS_CMDB_MODEL_H
#define FLO_TESTS_CMDB_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYS	   40
#define EVENTS_MAX 64

/* A record: {"id":..,"n":..,"seen":..}, where `seen` may be ignored. */
struct model_record {
	bool there;
	int n;
	int seen;
	unsigned misses;
	int64_t version; /* of the source since which it is so */
};

/* What a pull says of a key. */
struct model_event {
	int id;
	int n;
	int seen;
	bool gone;
	bool hit;	 /* its bytes were in the state when it was pulled, */
	int64_t version; /* since this one */
};

enum model_kind {
	MODEL_FULL,
	MODEL_CHANGES,
	MODEL_SAME
};

struct model_pull {
	int64_t no;
	enum model_kind kind;
	int64_t since;
	int64_t base; /* the source's version when it was pulled */
	int cursor;   /* 0: none */
	int origin;   /* 0: none */
	size_t len;
	struct model_event event[EVENTS_MAX];
};

/* A source: {0} is a new one. */
struct model_state {
	struct model_record record[KEYS];
	int64_t version;
	int64_t rebased; /* the version that its spec is of */
	int64_t pull;	 /* last applied */
	int cursor;
	int origin;
	bool has_spec;
	bool ignores; /* its spec */
};

struct model_counts {
	int64_t rows, added, changed, removed, same, missing;
};

struct model_settings {
	bool ignores;	/* `seen` */
	bool guards;	/* empty_pull and removed, as they are by default */
	unsigned after; /* remove_after_misses */
};

enum model_outcome {
	MODEL_READY,
	MODEL_BLOCKED,
	MODEL_REFUSED, /* the pull is of another state */
	MODEL_INVALID, /* duplicate keys */
};

struct model_plan {
	enum model_outcome outcome;
	struct model_counts counts;
	int64_t base;
	int64_t since;		 /* -1: any */
	struct model_state next; /* what applying it makes */
};

/* A random number below @below; *@random is where the next one begins. */
unsigned model_pick(uint64_t *random, unsigned below);

/*
 * Make up a pull, mostly of what @state knows, as it is in life. *@cursors is
 * the last cursor there was.
 */
void model_make_pull(const struct model_state *state, uint64_t *random,
		     int *cursors, struct model_pull *ret_pull);

int64_t model_rows(const struct model_state *state);

/* Whether the bytes of @event are those of a record of @state. */
bool model_knows(const struct model_state *state,
		 const struct model_event *event);

/* What the diff of @pull against @state is. */
void model_diff(const struct model_state *state, const struct model_pull *pull,
		const struct model_settings *settings,
		struct model_plan *ret_plan);

/* Whether @plan of @pull may be applied to @state. */
bool model_fits(const struct model_state *state, const struct model_pull *pull,
		const struct model_plan *plan);

#endif
