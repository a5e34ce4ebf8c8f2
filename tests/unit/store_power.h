/*
 * What a scene of the tests of power cuts recorded, and whether a store that
 * was left behind is as it should be.
 */
#ifndef FLO_TESTS_STORE_POWER_H
#define FLO_TESTS_STORE_POWER_H

#include "power_disk.h"
#include "store_fixture.h"

#define RUNS_MAX   4
#define EVENTS_MAX 32
#define ACKS_MAX   32

struct truth {
	const char *id;
	uint64_t total;	   /* events, the last of which ends the run */
	size_t created_at; /* calls until it was reported; SIZE_MAX: not yet */
	struct {
		size_t at; /* calls until then */
		uint64_t seq;
	} acks[ACKS_MAX];
	int acks_len;
	struct flo__run_journal *run; /* while the scene plays */
	uint64_t appended;
	char *bodies[EVENTS_MAX]; /* as they are in the end */
};

struct stage {
	char disk[300], left[300]; /* directories */
	const char *name;	   /* of the store, below both */
	enum flo__store_durability durability;
	struct flo__journal *journal;
	size_t begin; /* calls before the scene: they are on the disk */
	struct truth runs[RUNS_MAX];
	int runs_len;
};

enum verdict {
	SOUND,
	LOST,  /* less than was reported, but all of it is right */
	TOLD,  /* an error says so, or SQLite's own check */
	WRONG, /* a wrong record, or a damage, that nobody mentions */
	VERDICTS
};

/* Where the store is below @dir. */
void power_store_path(const struct stage *s, const char *dir, char *ret,
		      size_t size);
/* Append event @seq of a run of @total; some of them fill a page. */
flo_status power_append(struct flo__journal *j, struct flo__run_journal *run,
			uint64_t seq, uint64_t total);
/* Go on with a run that has @count events, to its end. */
flo_status power_finish_run(struct flo__journal *j, const struct truth *t,
			    uint64_t count, flo_error *err);
/*
 * Judge the store below s->left, when the power went at call @at: open it, read
 * all runs, go on with each, and read them again.
 */
enum verdict power_judge(struct stage *s, size_t at, flo_error *err);

#endif
