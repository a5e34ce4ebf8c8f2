#include "steps/cmdb/held.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/second.h"
#include "steps/cmdb/task.h"

#include <string.h>

struct flo__digest flo__held_what(const struct flo__digest *key,
				  const struct flo__digest *body)
{
	struct flo__digest both[2] = {*key, *body};

	return flo__digest_of(both, sizeof(both));
}

/* How many rows the source has, its version, and whether it is under @spec. */
static flo_status look_at(struct flo__cdb *db, int64_t source, const char *spec,
			  flo_error *err, size_t *ret_max, int64_t *ret_version,
			  bool *ret_is)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT rows, version, spec IS ?2 FROM source"
			  " WHERE id = ?1",
			  "it", source, spec);
	if (st == FLO_OK) {
		*ret_max = (size_t)sqlite3_column_int64(stmt, 0);
		*ret_version = sqlite3_column_int64(stmt, 1);
		*ret_is = sqlite3_column_int(stmt, 2) != 0;
	}
	sqlite3_finalize(stmt);
	return st;
}

static flo_status reserve(struct flo__digest **digests, size_t max,
			  struct flo__index *index, flo_error *err)
{
	*digests = flo__reallocarray(NULL, max, sizeof(**digests));
	if (*digests == NULL ||
	    (index != NULL &&
	     flo__index_init(index, *digests, sizeof(**digests), max) !=
		     FLO_OK))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/*
 * Note: halves.
 *
 * The state is read in the order of its keys, from one end to the other, by one
 * thread: a quarter of a second for a million rows, in which nothing else can be
 * done. So two read a half each, over a connection of their own. As keys are
 * digests, the halves are nearly the same size, but not quite: the upper one is
 * read to a place behind more than the lower one will be, and then moved down to
 * its end. Where it is not so, or there is no second connection, one reads both,
 * one after the other.
 */
#define LOWER "source = ?1 AND key < x'80' ORDER BY key"
#define UPPER "source = ?1 AND key >= x'80' ORDER BY key"

struct half {
	struct flo__task task;
	struct flo__cdb *db; /* borrowed */
	int64_t source;
	size_t parts;
	const char *sql;
	/* Put a row at place @at; false: it is broken. */
	bool (*take)(struct half *half, sqlite3_stmt *row, size_t at);
	struct flo__held *held;	     /* borrowed, with the next */
	struct flo__held_what *what; /* places of this half are written only */
	size_t at;		     /* its first place */
	size_t max;		     /* its places */
	size_t len;		     /* that were read */
	bool partial;
	bool broken;
	flo_status st;
	flo_error err;
};

static flo_status read_rows(struct half *half)
{
	flo_error *err = &half->err;
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	half->len = 0;
	half->partial = half->broken = false;
	flo_error_clear(err);
	TRY(flo__cdb_prepare(half->db, half->sql, err, &stmt));
	TRY(flo__cdb_bind(half->db, stmt, err, "i", half->source));
	for (;;) {
		TRY(flo__cdb_step(half->db, stmt, err, &row));
		if (!row || half->len == half->max)
			break;
		if (half->take(half, stmt, half->at + half->len))
			half->len++;
		else
			half->broken = true;
	}
	half->broken |= row;
out:
	sqlite3_finalize(stmt);
	return st;
}

static void work(struct flo__task *task)
{
	struct half *half = (struct half *)task;

	half->st = read_rows(half);
}

/*
 * Read both halves beside each other. Where the second connection fails, its
 * half is broken: the first one is to read it, and to say why.
 */
static flo_status read_both(struct half *half, struct flo__cdb *second,
			    flo_error *err)
{
	half[1].db = second;
	half[1].task.work = work;
	flo__task_start(&half[1].task);
	half[0].st = read_rows(&half[0]);
	flo__task_wait(&half[1].task, FLO__TASK_IN_REGION);
	half[1].broken |= half[1].st != FLO_OK;
	if (half[0].st != FLO_OK)
		*err = half[0].err;
	return half[0].st;
}

/* Read one half after the other, into @max places without a gap. */
static flo_status read_one_by_one(struct half *half, size_t max, flo_error *err)
{
	flo_status st = FLO_OK;

	half[0].max = max;
	for (size_t i = 0; i < 2 && st == FLO_OK; i++) {
		if (i == 1) {
			half[1].db = half[0].db;
			half[1].at = half[0].len;
			half[1].max = max - half[0].len;
		}
		st = read_rows(&half[i]);
		if (st != FLO_OK)
			*err = half[i].err;
	}
	return st;
}

/* Two of them, that are the same but for their rows. */
static flo_status new_halves(const struct half *like, const char *lower,
			     const char *upper, flo_error *err,
			     struct half **ret_half)
{
	struct half *half = flo__calloc(2, sizeof(*half));

	if (half == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	half[0] = half[1] = *like;
	half[0].sql = lower;
	half[1].sql = upper;
	*ret_half = half;
	return FLO_OK;
}

/* Raw digests and keys */

static bool take_held(struct half *half, sqlite3_stmt *row, size_t at)
{
	half->partial |=
		sqlite3_column_int64(row, 2) != (INT64_C(1) << half->parts) - 1;
	return flo__cdb_digest(row, 0, &half->held->raw[at]) &&
	       flo__cdb_digest(row, 1, &half->held->key[at]);
}

/* Places that are more than half of @max will be, but for a miracle. */
static size_t more_than_half(size_t max)
{
	return max / 2 + max / 16;
}

static void move_down(struct flo__digest *digests, const struct half *half)
{
	memmove(digests + half[0].len, digests + half[1].at,
		half[1].len * sizeof(*digests));
}

/* True if all was read, and lies in its place. */
static bool are_whole(struct flo__held *held, const struct half *half,
		      size_t max)
{
	if (half[0].broken || half[1].broken ||
	    half[0].len + half[1].len != max)
		return false;
	move_down(held->raw, half);
	move_down(held->key, half);
	return true;
}

static flo_status read_held(struct flo__held *held, struct half *half,
			    struct flo__cdb *second, size_t max, flo_error *err)
{
	bool whole = false;
	flo_status st;

	if (second != NULL) {
		half[0].max = half[1].at = half[1].max = more_than_half(max);
		TRY(read_both(half, second, err));
		whole = are_whole(held, half, max);
	}
	if (!whole)
		TRY(read_one_by_one(half, max, err));
	held->lower = half[0].len;
	held->len = half[0].len + half[1].len;
	held->partial = half[0].partial || half[1].partial;
	held->broken = half[0].broken || half[1].broken || held->len != max;
	st = FLO_OK;
out:
	return st;
}

flo_status flo__held_load(struct flo__held *held, struct flo__cdb *db,
			  int64_t source, size_t parts, flo_error *err)
{
	const struct half like = {.db = db,
				  .source = source,
				  .parts = parts,
				  .take = take_held,
				  .held = held};
	struct flo__cdb *second = NULL;
	struct half *half = NULL;
	size_t max = 0, room;
	bool is = false;
	flo_status st;

	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, NULL, err, &max, &held->version, &is));
	if (max >= FLO__SECOND_ROWS)
		flo__second_open(db, source, &second);
	room = second != NULL ? 2 * more_than_half(max) : max;
	TRY(reserve(&held->raw, room, &held->by_raw, err));
	TRY(reserve(&held->key, room, NULL, err));
	TRY(new_halves(&like,
		       "SELECT raw, key, present FROM state WHERE " LOWER,
		       "SELECT raw, key, present FROM state WHERE " UPPER, err,
		       &half));
	TRY(read_held(held, half, second, max, err));
	flo__index_fill(&held->by_raw, (uint32_t)held->len);
out:
	flo__free(half);
	flo__cdb_close(second);
	flo__cdb_rollback(db);
	return st;
}

/* What the records are */

/* One that is broken becomes zeros, which are those of no record. */
static bool take_what(struct half *half, sqlite3_stmt *row, size_t at)
{
	struct flo__digest *what = &half->what->what[at];
	struct flo__digest body;

	memset(what, 0, sizeof(*what));
	if (flo__cdb_digest(row, 0, &body))
		*what = flo__held_what(&half->held->key[at], &body);
	return true;
}

flo_status flo__held_widen(struct flo__held *held, struct flo__held_what *what,
			   struct flo__cdb *db, int64_t source,
			   const char *spec, flo_error *err, bool *ret_loaded)
{
	const struct half like = {.db = db,
				  .source = source,
				  .take = take_what,
				  .held = held,
				  .what = what};
	struct flo__cdb *second = NULL;
	struct half *half = NULL;
	int64_t version = 0;
	bool is = false;
	size_t max = 0;
	flo_status st;

	*ret_loaded = false;
	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, spec, err, &max, &version, &is));
	if (!is || held->broken || version != held->version)
		goto out;
	TRY(reserve(&what->what, held->len, &what->by_what, err));
	TRY(new_halves(&like, "SELECT digest FROM state WHERE " LOWER,
		       "SELECT digest FROM state WHERE " UPPER, err, &half));
	half[0].max = half[1].at = held->lower;
	half[1].max = held->len - held->lower;
	if (max >= FLO__SECOND_ROWS)
		flo__second_open(db, source, &second);
	if (second != NULL)
		TRY(read_both(half, second, err));
	if (second == NULL || half[1].broken)
		TRY(read_one_by_one(half, held->len, err));
	flo__index_fill(&what->by_what, (uint32_t)held->len);
	*ret_loaded = half[0].len + half[1].len == held->len;
out:
	flo__free(half);
	flo__cdb_close(second);
	flo__cdb_rollback(db);
	return st;
}

void flo__held_fini(struct flo__held *held)
{
	flo__index_fini(&held->by_raw);
	flo__free(held->raw);
	flo__free(held->key);
	held->raw = NULL;
	held->key = NULL;
	held->len = 0;
}

void flo__held_what_fini(struct flo__held_what *what)
{
	flo__index_fini(&what->by_what);
	flo__free(what->what);
	what->what = NULL;
}
