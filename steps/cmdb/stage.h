/*
 * A pull on its way into the database: records are staged in transactions of a
 * few megabytes, so that other writers get their turn, and the pull becomes
 * visible to a diff with the last of them, which marks it complete.
 *
 * A record whose very bytes the state holds already is not staged, and what of
 * the state was not found is noted at the end (see unseen.h). One that is the
 * same in other bytes (written differently, or what differs is ignored) is kept
 * in case that the diff is to compare in another way than the last: see same.h.
 * Not so in a pull of changes, where the order of the records matters: the last
 * one of a key counts.
 *
 * Records are read in batches, which are tasks (see task.h): the caller gives
 * records, and hears later, at some other record or at the end, that one of
 * them could not be read. What is staged does not depend on how many P there
 * are.
 */
#ifndef FLO_CMDB_STAGE_H
#define FLO_CMDB_STAGE_H

#include "steps/cmdb/batch.h"
#include "steps/cmdb/since.h"

/* Bytes of a source's name: it becomes part of a file's name. */
#define FLO__SOURCE_BYTES_MAX 128

struct flo__mask;
struct flo__stage;

/* What a pull came to. */
struct flo__pull {
	int64_t no;
	char id[FLO__DIGEST_TEXT_SIZE];
	uint64_t rows;	   /* staged, or known */
	uint64_t rejected; /* see flo__stage_shape() */
	uint64_t bytes;
};

/* The same rule, for the compiler. */
#define FLO__SOURCE_PATTERN "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"
#define FLO__SOURCE_HINT                                                       \
	"a source becomes part of file names: letters, digits, _, - and ., "   \
	"beginning with none of the last two"

/*
 * FLO_INVALID unless @source may be part of a file's name: letters, digits,
 * '_', '-' and '.', not beginning with a '.' or '-'.
 */
flo_status flo__source_check(const char *source, flo_error *err);

/*
 * The id of what the step @call makes of kind @kind: the same each time it is
 * executed, so that it replaces what it left when it was cut off. What came of
 * it was used already, where a pipeline around the step is tried again: then
 * @n is how often. FLO_NOMEM.
 */
flo_status flo__stage_id(const flo_step_call *call, const char *kind,
			 unsigned n, char ret_id[FLO__DIGEST_TEXT_SIZE]);

/*
 * Begin the pull of the step that @db belongs to. One of the same id, from an
 * attempt or an execution before, is replaced.
 */
flo_status flo__stage_open(struct flo__cdb *db, const char *source,
			   flo_error *err, struct flo__stage **ret_stage);

/*
 * Say what the pull is of; without it, it is of everything, and nothing goes on
 * from it. @since is what it goes on from, as it was before the product was
 * asked: if another pull of the source is applied meanwhile, the diff of one
 * that is not full is refused. @origin may be NULL.
 *
 * Requires: no record was added yet.
 */
flo_status flo__stage_ask(struct flo__stage *stage, enum flo__pull_is is,
			  const char *origin, const struct flo__since *since,
			  flo_error *err);

/*
 * Say what the next pull of the same origin may go on from, once this one is
 * applied. Each may be NULL. A pull of changes without a cursor leaves the one
 * that it went on from, and one that is the same leaves everything.
 */
flo_status flo__stage_answer(struct flo__stage *stage, const char *cursor,
			     const char *etag, const char *modified,
			     flo_error *err);

/*
 * Records are gone where the value at the JSON pointer @gone is true; false,
 * null and nothing mean that they are not, and anything else fails the pull. Of
 * a record that is gone the key is enough. @gone is copied.
 *
 * Requires: no record was added yet.
 */
flo_status flo__stage_gone(struct flo__stage *stage, const char *gone,
			   flo_error *err);

/*
 * Hide what @mask hides in what errors quote of records; NULL: nothing. The
 * stage has a reference of its own, as tasks may outlive a step that panics.
 *
 * Requires: no record was added yet; it is called once at most.
 */
void flo__stage_hide(struct flo__stage *stage, const struct flo__mask *mask);

/*
 * Have @shape(@arg) look at each record whose bytes are not known. @salt is the
 * digest of what it does: under another one no bytes are known. What it leaves
 * out counts as rejected; in a pull of changes it is staged as gone, as it
 * must not stay what it was. `gone` is looked up in what was pulled.
 *
 * @shape is called by tasks, several at once; what @arg points at is borrowed
 * until the close, and not on the caller's stack (see task.h).
 *
 * Requires: no record was added yet; it is called once at most.
 */
void flo__stage_shape(struct flo__stage *stage, flo__shape_fn shape,
		      const void *arg, const struct flo__digest *salt);

/*
 * Around a loop that adds many records: the caller leaves its step's blocking
 * region, and computes beside the tasks that read them (see task.h). It adds and
 * settles, and does nothing else with the stage.
 */
void flo__stage_begin_loop(struct flo__stage *stage);
void flo__stage_end_loop(struct flo__stage *stage);

/*
 * Stage a record, which is copied. FLO_SYNTAX if its bytes, or those of one
 * that was added before, are no JSON object, FLO_TYPE if it does not say
 * whether it is gone, FLO_LIMIT if it nests too deep, and what its shape says: @err names the record by
 * its @place. FLO_LIMIT too: the pull has too many records.
 */
flo_status flo__stage_add(struct flo__stage *stage, const char *text,
			  size_t len, const struct flo__place *place,
			  flo_error *err);

/*
 * Wait until all records so far are read. Who has found a fault after them
 * calls it, as theirs comes first. Errors as of flo__stage_add().
 */
flo_status flo__stage_settle(struct flo__stage *stage, flo_error *err);

/* Mark the pull complete; it was read from @bytes bytes. */
flo_status flo__stage_finish(struct flo__stage *stage, uint64_t bytes,
			     flo_error *err, struct flo__pull *ret_pull);

/* Free it; a pull that was not finished is taken out of the database. */
void flo__stage_close(struct flo__stage *stage);

/*
 * Take out what is staged of the pull @no, keeping the bodies that the history
 * or a plan points at. Within a write transaction.
 */
flo_status flo__stage_release(struct flo__cdb *db, int64_t no, flo_error *err);

#endif
