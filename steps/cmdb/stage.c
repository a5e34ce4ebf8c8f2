#include "steps/cmdb/stage_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/cmdb/same.h"
#include "steps/cmdb/staged.h"
#include "steps/cmdb/unseen.h"

#include <string.h>

/* Open */

flo_status flo__stage_open(struct flo__cdb *db, const char *source,
			   flo_error *err, struct flo__stage **ret_stage)
{
	struct flo__stage *stage = flo__calloc(1, sizeof(*stage));
	flo_status st;

	if (stage == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	stage->db = db;
	flo__strbuf_init(&stage->run);
	flo__strbuf_init(&stage->twice);
	for (size_t i = 0; i < RING; i++)
		flo__batch_init(&stage->ring[i]);
	st = flo__stage_begin(stage, source, err);
	stage->how = (struct flo__batch_how){
		.held = &stage->held,
		.spec = stage->spec,
		.full = true,
		.stop = &stage->stop,
	};
	if (st == FLO_OK)
		*ret_stage = stage;
	else
		flo__stage_close(stage);
	return st;
}

/* What it is of */

flo_status flo__stage_ask(struct flo__stage *stage, enum flo__pull_is is,
			  const char *origin, const struct flo__since *since,
			  flo_error *err)
{
	static const char *const names[] = {"full", "changes", "same"};
	flo_status st;

	REQUIRE(stage->pull.rows == 0);
	TRY(flo__cdb_write(stage->db, false, err));
	TRY(flo__cdb_run(stage->db, err,
			 "UPDATE pull SET kind = ?2, origin = ?3, since = ?4"
			 " WHERE no = ?1",
			 "itti", stage->pull.no, names[is], origin,
			 since->pull));
	TRY(flo__cdb_commit(stage->db, err));
	stage->is = is;
	stage->how.full = is == FLO__PULL_FULL;
out:
	flo__cdb_rollback(stage->db);
	return st;
}

flo_status flo__stage_answer(struct flo__stage *stage, const char *cursor,
			     const char *etag, const char *modified,
			     flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(stage->db, false, err));
	TRY(flo__cdb_run(stage->db, err,
			 "UPDATE pull SET cursor = ?2, etag = ?3, modified = ?4"
			 " WHERE no = ?1",
			 "ittt", stage->pull.no, cursor, etag, modified));
	st = flo__cdb_commit(stage->db, err);
out:
	flo__cdb_rollback(stage->db);
	return st;
}

static void add_salt(struct flo__stage *stage, struct flo__digest salt)
{
	for (size_t i = 0; i < sizeof(salt.byte); i++)
		stage->how.salt.byte[i] ^= salt.byte[i];
}

flo_status flo__stage_gone(struct flo__stage *stage, const char *gone,
			   flo_error *err)
{
	struct flo__pointer *node = NULL;
	flo_status st;

	REQUIRE(stage->pull.rows == 0 && stage->how.gone == NULL);
	st = flo__pointer_add(&stage->gone_root, gone, strlen(gone), err,
			      &node);
	if (st != FLO_OK)
		return st;
	stage->how.gone = node;
	add_salt(stage, flo__digest_of(gone, strlen(gone)));
	return FLO_OK;
}

void flo__stage_hide(struct flo__stage *stage, const struct flo__mask *mask)
{
	REQUIRE(stage->pull.rows == 0 && stage->how.mask == NULL);
	stage->how.mask = flo__mask_ref(mask);
}

void flo__stage_shape(struct flo__stage *stage, flo__shape_fn shape,
		      const void *arg, const struct flo__digest *salt)
{
	REQUIRE(stage->pull.rows == 0 && stage->how.shape == NULL);
	stage->how.shape = shape;
	stage->how.shape_arg = arg;
	add_salt(stage, *salt);
}

/* Add */

/* The pull is still ours: no newer one of its source has been applied. */
static flo_status check_open(struct flo__stage *stage, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(stage->db, err, &stmt,
			  "SELECT 1 FROM pull WHERE no = ?1 AND staged = 1",
			  "i", stage->pull.no);
	sqlite3_finalize(stmt);
	if (st != FLO_NOTFOUND)
		return st;
	return flo_error_set(err, FLO_FAILED,
			     "while this pull was read, a newer one of its "
			     "source was applied; pull again");
}

static flo_status write_new(struct flo__stage *stage, sqlite3_stmt *body,
			    const struct flo__batch *batch,
			    const struct flo__batch_row *row, flo_error *err)
{
	const struct flo__staged_row staged = {
		.raw = row->raw,
		.identity = row->id,
		.identified = stage->spec != NULL,
		.gone = row->gone,
	};
	int64_t id =
		flo__cdb_first(stage->pull.no) + (int64_t)stage->staged_len++;
	flo_status st;

	flo__staged_add(&stage->run, &staged);
	TRY(flo__cdb_bind(stage->db, body, err, "is", id,
			  batch->bodies.data + row->at, row->len));
	st = flo__cdb_done(stage->db, body, err);
out:
	return st;
}

/* Note that the state's record at @place was found, perhaps once more. */
static void see(struct flo__stage *stage, uint32_t place)
{
	unsigned char bit = (unsigned char)(1u << place % 8);

	if ((stage->seen[place / 8] & bit) != 0)
		flo__strbuf_add(&stage->twice, &stage->held.key[place],
				sizeof(*stage->held.key));
	stage->seen[place / 8] |= bit;
}

/* The rows of a batch: first what is new, then what is the same. */
static flo_status write_batch(struct flo__stage *stage, sqlite3_stmt *body,
			      const struct flo__batch *batch, flo_error *err)
{
	int64_t first = flo__cdb_first(stage->pull.no);
	uint64_t before = stage->staged_len;
	flo_status st;

	for (size_t i = 0; i < batch->len; i++) {
		const struct flo__batch_row *row = &batch->row[i];

		if (row->is == FLO__BATCH_HIT || row->is == FLO__BATCH_SAME)
			see(stage, row->held);
		if (row->is == FLO__BATCH_NEW)
			TRY(write_new(stage, body, batch, row, err));
	}
	TRY(flo__staged_write(stage->db, first + (int64_t)before, &stage->run,
			      err));
	if (batch->sames != 0)
		st = flo__same_write(stage->db,
				     first + (int64_t)stage->staged_len, batch,
				     err);
	stage->staged_len += batch->sames;
out:
	return st;
}

static flo_status write_batches(struct flo__stage *stage, flo_error *err)
{
	sqlite3_stmt *body = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(stage->db, "INSERT INTO body VALUES(?1, ?2)", err,
			     &body));
	for (uint64_t n = stage->written; n < stage->taken; n++)
		TRY(write_batch(stage, body, &stage->ring[n % RING], err));
out:
	sqlite3_finalize(body);
	return st;
}

/* Write what was taken back, within a transaction. */
static flo_status write_taken(struct flo__stage *stage, flo_error *err)
{
	flo_status st;

	TRY(check_open(stage, err));
	st = write_batches(stage, err);
out:
	return st;
}

static void forget_taken(struct flo__stage *stage)
{
	for (; stage->written < stage->taken; stage->written++)
		flo__batch_reset(&stage->ring[stage->written % RING]);
}

/* Around what may wait, or takes long without tasks: in the step's region. */
static void enter_region(const struct flo__stage *stage)
{
	if (stage->owner == FLO__TASK_COMPUTING)
		flo__task_compute_end();
}

static void leave_region(const struct flo__stage *stage)
{
	if (stage->owner == FLO__TASK_COMPUTING)
		flo__task_compute_begin();
}

/* Begin a transaction. Mostly there is no other writer to wait for. */
static flo_status begin(struct flo__stage *stage, flo_error *err)
{
	flo_status st = flo__cdb_write_now(stage->db, err);

	if (st != FLO_BUSY)
		return st;
	enter_region(stage);
	st = flo__cdb_write(stage->db, false, err);
	leave_region(stage);
	return st;
}

static flo_status flush(struct flo__stage *stage, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_alive(stage->db, err));
	/* Most pulls are small, and never come here. */
	if (stage->drain == NULL)
		flo__drain_open(stage->db, &stage->drain);
	TRY(begin(stage, err));
	TRY(write_taken(stage, err));
	TRY(flo__cdb_commit(stage->db, err));
	flo__drain_look(stage->drain, stage->owner);
	forget_taken(stage);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}

static void stop(struct flo__stage *stage)
{
	atomic_store_explicit(&stage->stop, true, memory_order_relaxed);
}

/* Take back the oldest batch that is worked on. */
static flo_status take(struct flo__stage *stage, flo_error *err)
{
	struct flo__batch *batch = &stage->ring[stage->taken % RING];
	flo_context *context = flo_step_context(stage->db->call);
	flo_status st;

	INSIST(stage->taken < stage->started);
	st = flo__task_watch(&batch->task, stage->owner, context);
	if (st != FLO_OK)
		stop(stage);
	flo__task_wait(&batch->task, stage->owner);
	if (st != FLO_OK) {
		flo__args_ended(stage->db->call, err);
		return flo_error_set(err, st, "%s", flo_status_text(st));
	}
	stage->taken++;
	stage->hits_len += batch->hits + batch->sames;
	stage->pull.rows -= batch->left_out;
	stage->pull.rejected += batch->rejected;
	/* Line and column are of the record, not of the document. */
	if (batch->st != FLO_OK)
		return flo_error_set(err, batch->st, "%s",
				     batch->err.text[0] != '\0'
					     ? batch->err.text
					     : flo_status_text(batch->st));
	return FLO_OK;
}

/*
 * Whether the state was made of records that were read in another way. Then
 * what is the same is staged all the same: the apply wants its raw digests.
 */
static bool is_reshaped(const struct flo__stage *stage)
{
	char shape[FLO__DIGEST_TEXT_SIZE];

	flo__digest_text(&stage->how.salt, shape);
	return strcmp(shape, stage->applied) != 0;
}

/*
 * Where most records are hits, it is cheaper to stage the rest than to load
 * what the state's records are. So that is done when the first batches had
 * something else. Those that are being worked on look at `held` only. An apply,
 * meanwhile, leaves nothing to compare with.
 */
static flo_status look_wider(struct flo__stage *stage, flo_error *err)
{
	flo_status st;

	if (stage->wider || stage->spec == NULL || !stage->how.full ||
	    is_reshaped(stage) || stage->held.len == 0 ||
	    stage->staged_len < stage->hits_len / 4)
		return FLO_OK;
	stage->how_wider = stage->how;
	stage->how_wider.what = &stage->what;
	enter_region(stage);
	st = flo__held_widen(&stage->held, &stage->what, stage->db,
			     stage->source, stage->spec->text, err,
			     &stage->wider);
	leave_region(stage);
	return st;
}

/* Whether so much is in the ring that some of it must be written. */
static bool is_full(const struct flo__stage *stage)
{
	size_t bytes = 0;

	for (uint64_t n = stage->written; n < stage->started; n++)
		bytes += stage->ring[n % RING].texts.len;
	return stage->started - stage->written == RING || bytes >= RING_BYTES;
}

static flo_status load_held(struct flo__stage *stage, flo_error *err)
{
	size_t parts = stage->spec != NULL ? stage->spec->key_len : 0;
	flo_status st;

	TRY(flo__held_load(&stage->held, stage->db, stage->source, parts, err));
	stage->seen = flo__calloc(stage->held.len / 8 + 1, 1);
	if (stage->seen == NULL)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	if (st != FLO_OK)
		flo__held_fini(&stage->held);
	return st;
}

/* What the first record needs: a pull of changes looks nothing up. */
static flo_status prepare(struct flo__stage *stage, flo_error *err)
{
	flo_status st = FLO_OK;

	enter_region(stage);
	if (stage->how.full)
		st = load_held(stage, err);
	leave_region(stage);
	stage->prepared = st == FLO_OK;
	return st;
}

static flo_status start(struct flo__stage *stage, flo_error *err)
{
	struct flo__batch *batch = &stage->ring[stage->started % RING];
	uint64_t half;
	flo_status st = FLO_OK;

	if (batch->len == 0)
		return FLO_OK;
	if (!stage->prepared)
		TRY(prepare(stage, err));
	batch->how = stage->wider ? &stage->how_wider : &stage->how;
	flo__task_start(&batch->task);
	stage->started++;
	if (!is_full(stage))
		return FLO_OK;
	half = stage->written + (stage->started - stage->written + 1) / 2;
	while (st == FLO_OK && stage->taken < half)
		st = take(stage, err);
	if (st == FLO_OK)
		st = flush(stage, err);
	return st == FLO_OK ? look_wider(stage, err) : st;
out:
	return st;
}

void flo__stage_begin_loop(struct flo__stage *stage)
{
	stage->owner = FLO__TASK_COMPUTING;
	flo__task_compute_begin();
}

void flo__stage_end_loop(struct flo__stage *stage)
{
	flo__task_compute_end();
	stage->owner = FLO__TASK_IN_REGION;
}

flo_status flo__stage_add(struct flo__stage *stage, const char *text,
			  size_t len, const struct flo__place *place,
			  flo_error *err)
{
	struct flo__batch *batch = &stage->ring[stage->started % RING];
	flo_status st;

	INSIST(stage->is != FLO__PULL_SAME);
	INSIST(stage->started - stage->written < RING);
	if (stage->pull.rows == UINT32_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "more than %u records in one pull",
				     UINT32_MAX);
	st = flo__batch_add(batch, text, len, place);
	if (st != FLO_OK)
		return st;
	stage->pull.rows++;
	if (!flo__batch_is_full(batch))
		return FLO_OK;
	st = flo__cdb_alive(stage->db, err);
	return st == FLO_OK ? start(stage, err) : st;
}

flo_status flo__stage_settle(struct flo__stage *stage, flo_error *err)
{
	flo_status st = start(stage, err);

	while (st == FLO_OK && stage->taken < stage->started)
		st = take(stage, err);
	return st;
}

/* End */

/*
 * Write what was not found in the state, and what was found more than once.
 * Where nothing was found, and of changes, there is nothing to say.
 */
static flo_status write_seen(struct flo__stage *stage, flo_error *err)
{
	const struct flo__held *held = &stage->held;
	struct flo__strbuf unseen = FLO__STRBUF_INIT;
	flo_status st;

	if (stage->hits_len == 0)
		return FLO_OK;
	for (size_t i = 0; i < held->len; i++)
		if ((stage->seen[i / 8] >> i % 8 & 1) == 0)
			flo__strbuf_add(&unseen, &held->key[i],
					sizeof(held->key[i]));
	TRY(flo__unseen_write(stage->db, FLO__UNSEEN_INSERT, stage->pull.no,
			      &unseen, err));
	st = flo__unseen_write(stage->db, FLO__TWICE_INSERT, stage->pull.no,
			       &stage->twice, err);
out:
	flo__strbuf_fini(&unseen);
	return st;
}

static flo_status mark_complete(struct flo__stage *stage, flo_error *err)
{
	const struct flo__pull *pull = &stage->pull;
	const struct flo__held *held = &stage->held;
	char shape[FLO__DIGEST_TEXT_SIZE];

	flo__digest_text(&stage->how.salt, shape);
	return flo__cdb_run(
		stage->db, err,
		"UPDATE pull SET complete = 1, rows = ?2, hits = ?3, bytes = ?4,"
		" finished_us = ?5, rejected = ?6, shape = ?7, base = ?8,"
		" partial = ?9 WHERE no = ?1",
		"iiiiiitii", pull->no, (int64_t)pull->rows,
		(int64_t)stage->hits_len, (int64_t)pull->bytes,
		flo__time_now_us(), (int64_t)pull->rejected, shape,
		held->version, (int64_t)(held->partial || held->broken));
}

flo_status flo__stage_finish(struct flo__stage *stage, uint64_t bytes,
			     flo_error *err, struct flo__pull *ret_pull)
{
	flo_status st;

	stage->pull.bytes = bytes;
	TRY(flo__cdb_alive(stage->db, err));
	TRY(flo__stage_settle(stage, err));
	TRY(flo__cdb_write(stage->db, true, err));
	TRY(write_taken(stage, err));
	TRY(write_seen(stage, err));
	TRY(mark_complete(stage, err));
	TRY(flo__cdb_commit(stage->db, err));
	stage->open = false;
	*ret_pull = stage->pull;
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}

/*
 * Leave nothing behind. What fails here is done by the next apply: so nobody
 * who was cancelled has to wait for another writer.
 */
static void discard(struct flo__stage *stage)
{
	struct flo__cdb *db = stage->db;

	db->deaf = db->hasty = true;
	if (flo__cdb_write(db, false, NULL) == FLO_OK &&
	    flo__stage_release(db, stage->pull.no, NULL) == FLO_OK &&
	    flo__cdb_run(db, NULL, "DELETE FROM pull WHERE no = ?1", "i",
			 stage->pull.no) == FLO_OK)
		(void)flo__cdb_commit(db, NULL);
	flo__cdb_rollback(db);
	db->deaf = db->hasty = false;
}

void flo__stage_close(struct flo__stage *stage)
{
	if (stage == NULL)
		return;
	/* Those that are worked on look at what is freed below. */
	stop(stage);
	for (size_t i = 0; i < RING; i++)
		flo__batch_fini(&stage->ring[i]);
	flo__drain_close(stage->drain);
	if (stage->open)
		discard(stage);
	flo__spec_free(stage->spec);
	flo__pointer_fini(&stage->gone_root);
	flo__held_fini(&stage->held);
	flo__held_what_fini(&stage->what);
	flo__free(stage->seen);
	flo__strbuf_fini(&stage->run);
	flo__strbuf_fini(&stage->twice);
	flo__mask_free(stage->how.mask);
	flo__free(stage);
}
