#include "steps/cmdb/stage.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "steps/cmdb/index.h"
#include "steps/cmdb/record.h"

#include <string.h>

/* A transaction is written when it has this many bytes or records. */
#define FLUSH_BYTES   (4u << 20)
#define FLUSH_RECORDS 16384

/* A record that waits to be written. */
struct waiting {
	size_t at; /* its text in stage->texts */
	size_t len;
	struct flo__digest raw;
	struct flo__identity id;
	bool gone;
};

struct flo__stage {
	struct flo__cdb *db; /* borrowed */
	struct flo__pull pull;
	int64_t source;
	enum flo__pull_is is;
	struct flo__pointer gone_root;	 /* of the pointer below */
	const struct flo__pointer *gone; /* NULL: no record ever is */
	flo__stage_shape_fn shape;	 /* NULL: records stay what they are */
	void *shape_arg;		 /* borrowed */
	struct flo__digest salt; /* of how records are read: see digest_raw() */
	struct flo__spec *spec;	 /* of the last apply; NULL: none. owned */
	struct flo__digest *known; /* raw digests of the state; owned */
	size_t known_len;
	struct flo__index index; /* of known */
	struct waiting *waiting; /* owned; FLUSH_RECORDS of them */
	size_t waiting_len;
	struct flo__strbuf texts;
	struct flo__strbuf hits; /* raw digests, one after the other */
	struct flo__strbuf scratch;
	uint64_t hits_len;   /* in all */
	uint64_t staged_len; /* in all */
	int64_t hit_rows;
	bool open; /* the pull is in the database, incomplete */
};

/* Open */

/* The source's row, made if it is new; and its spec. In a transaction. */
static flo_status find_source(struct flo__stage *stage, const char *name,
			      flo_error *err)
{
	struct flo__cdb *db = stage->db;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_run(db, err,
			 "INSERT INTO source(name) VALUES(?1)"
			 " ON CONFLICT DO NOTHING",
			 "t", name));
	TRY(flo__cdb_row(db, err, &stmt,
			 "SELECT id, spec FROM source WHERE name = ?1", "t",
			 name));
	stage->source = sqlite3_column_int64(stmt, 0);
	/* A spec of another algorithm is as good as none. */
	if (sqlite3_column_type(stmt, 1) == SQLITE_TEXT &&
	    flo__spec_read(flo__cdb_text(stmt, 1), NULL, &stage->spec) ==
		    FLO_NOMEM)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	sqlite3_finalize(stmt);
	return st;
}

/*
 * What an earlier execution of this step has left. Nothing was made of it:
 * what depends on this step starts when it is recorded as done.
 */
static flo_status remove_earlier(struct flo__stage *stage, flo_error *err)
{
	struct flo__cdb *db = stage->db;
	sqlite3_stmt *stmt = NULL;
	int64_t no = 0;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt, "SELECT no FROM pull WHERE id = ?1",
			  "t", stage->pull.id);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	no = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	TRY(flo__stage_release(db, no, err));
	st = flo__cdb_run(db, err, "DELETE FROM pull WHERE no = ?1", "i", no);
out:
	return st;
}

static flo_status insert_pull(struct flo__stage *stage, flo_error *err)
{
	const flo_step_call *call = stage->db->call;
	flo_status st;

	st = flo__cdb_run(stage->db, err,
			  "INSERT INTO pull(id, source, run_id, trace_id, step,"
			  " attempt, started_us, spec)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			  "titttiit", stage->pull.id, stage->source,
			  flo_step_run_id(call), flo_step_trace_id(call),
			  flo_step_path(call), (int64_t)flo_step_attempt(call),
			  flo__time_now_us(),
			  stage->spec != NULL ? stage->spec->text : NULL);
	stage->pull.no = sqlite3_last_insert_rowid(stage->db->sql);
	return st;
}

static flo_status begin_pull(struct flo__stage *stage, const char *source,
			     flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(stage->db, false, err));
	TRY(find_source(stage, source, err));
	TRY(remove_earlier(stage, err));
	TRY(insert_pull(stage, err));
	TRY(flo__cdb_commit(stage->db, err));
	stage->open = true;
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}

static flo_status count_state(struct flo__stage *stage, flo_error *err,
			      size_t *ret_len)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(stage->db, err, &stmt,
			  "SELECT count(*) FROM state WHERE source = ?1", "i",
			  stage->source);
	if (st == FLO_OK)
		*ret_len = (size_t)sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st;
}

/*
 * The raw digests of the state. It may be moved by an apply meanwhile; then a
 * hit may be of a record that is no longer there, which the diff notices.
 */
static flo_status load_known(struct flo__stage *stage, flo_error *err)
{
	struct flo__cdb *db = stage->db;
	sqlite3_stmt *stmt = NULL;
	size_t max = 0;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_read(db, err));
	TRY(count_state(stage, err, &max));
	stage->known = flo__reallocarray(NULL, max, sizeof(*stage->known));
	if (stage->known == NULL ||
	    flo__index_init(&stage->index, stage->known, sizeof(*stage->known),
			    max) != FLO_OK) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__cdb_prepare(db, "SELECT raw FROM state WHERE source = ?1", err,
			     &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "i", stage->source));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row || stage->known_len == max)
			break;
		if (!flo__cdb_digest(stmt, 0, &stage->known[stage->known_len]))
			continue;
		flo__index_put(&stage->index, (uint32_t)stage->known_len++);
	}
out:
	sqlite3_finalize(stmt);
	flo__cdb_rollback(db);
	return st;
}

flo_status flo__stage_open(struct flo__cdb *db, const char *source,
			   flo_error *err, struct flo__stage **ret_stage)
{
	struct flo__stage *stage = flo__calloc(1, sizeof(*stage));
	flo_status st;

	if (stage == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	stage->db = db;
	flo__strbuf_init(&stage->texts);
	flo__strbuf_init(&stage->hits);
	flo__strbuf_init(&stage->scratch);
	st = flo__stage_id(db->call, "pull", stage->pull.id);
	stage->waiting =
		flo__reallocarray(NULL, FLUSH_RECORDS, sizeof(*stage->waiting));
	if (stage->waiting == NULL)
		st = FLO_NOMEM;
	if (st == FLO_OK)
		st = begin_pull(stage, source, err);
	if (st == FLO_OK)
		st = load_known(stage, err);
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
		stage->salt.byte[i] ^= salt.byte[i];
}

flo_status flo__stage_gone(struct flo__stage *stage, const char *gone,
			   flo_error *err)
{
	struct flo__pointer *node = NULL;
	flo_status st;

	REQUIRE(stage->pull.rows == 0 && stage->gone == NULL);
	st = flo__pointer_add(&stage->gone_root, gone, strlen(gone), err,
			      &node);
	if (st != FLO_OK)
		return st;
	stage->gone = node;
	add_salt(stage, flo__digest_of(gone, strlen(gone)));
	return FLO_OK;
}

void flo__stage_shape(struct flo__stage *stage, flo__stage_shape_fn shape,
		      void *arg, const struct flo__digest *salt)
{
	REQUIRE(stage->pull.rows == 0 && stage->shape == NULL);
	stage->shape = shape;
	stage->shape_arg = arg;
	add_salt(stage, *salt);
}

/* Add */

/*
 * The digest by which a record is known without being read. Where another
 * `gone` or shape might read the same bytes as something else, it is another
 * digest.
 */
static struct flo__digest digest_raw(const struct flo__stage *stage,
				     const char *text, size_t len)
{
	struct flo__digest raw = flo__digest_of(text, len);

	for (size_t i = 0; i < sizeof(raw.byte); i++)
		raw.byte[i] ^= stage->salt.byte[i];
	return raw;
}

static flo_status read_gone(const struct flo__stage *stage, const json_t *json,
			    flo_error *err, bool *ret_gone)
{
	const json_t *value = flo__pointer_get(stage->gone, json);
	char text[128];

	*ret_gone = json_is_true(value);
	if (value == NULL || json_is_boolean(value) || json_is_null(value))
		return FLO_OK;
	flo__pointer_text(stage->gone, text, sizeof(text));
	return flo_error_set(err, FLO_TYPE,
			     "%s, which says whether the record is gone, is "
			     "neither true, false nor null",
			     text);
}

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

static flo_status write_record(struct flo__stage *stage, sqlite3_stmt *body,
			       sqlite3_stmt *staged, size_t i, flo_error *err)
{
	const struct waiting *w = &stage->waiting[i];
	int64_t id = flo__cdb_first(stage->pull.no) +
		     (int64_t)(stage->staged_len - stage->waiting_len + i);
	flo_status st;

	TRY(flo__cdb_bind(stage->db, body, err, "is", id,
			  stage->texts.data + w->at, w->len));
	TRY(flo__cdb_done(stage->db, body, err));
	/* Without a spec the identity is not known yet: the rest stays null. */
	TRY(flo__cdb_bind(stage->db, staged, err,
			  stage->spec != NULL ? "ididdi" : "idi", id, &w->raw,
			  (int64_t)w->gone, &w->id.key, &w->id.body,
			  (int64_t)w->id.present));
	st = flo__cdb_done(stage->db, staged, err);
out:
	return st;
}

static flo_status write_records(struct flo__stage *stage, flo_error *err)
{
	sqlite3_stmt *body = NULL;
	sqlite3_stmt *staged = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(stage->db, "INSERT INTO body VALUES(?1, ?2)", err,
			     &body));
	TRY(flo__cdb_prepare(stage->db,
			     "INSERT INTO staged(id, raw, gone, key, digest,"
			     " present) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
			     err, &staged));
	for (size_t i = 0; i < stage->waiting_len; i++)
		TRY(write_record(stage, body, staged, i, err));
out:
	sqlite3_finalize(body);
	sqlite3_finalize(staged);
	return st;
}

static flo_status write_hits(struct flo__stage *stage, flo_error *err)
{
	if (stage->hits.len == 0)
		return FLO_OK;
	return flo__cdb_run(stage->db, err, "INSERT INTO hit VALUES(?1, ?2)",
			    "ib",
			    flo__cdb_first(stage->pull.no) + stage->hit_rows++,
			    stage->hits.data, stage->hits.len);
}

/* Write what waits, within a transaction. */
static flo_status write_waiting(struct flo__stage *stage, flo_error *err)
{
	flo_status st;

	TRY(flo__strbuf_status(&stage->texts));
	TRY(flo__strbuf_status(&stage->hits));
	TRY(check_open(stage, err));
	TRY(write_records(stage, err));
	st = write_hits(stage, err);
out:
	return st;
}

static void forget_waiting(struct flo__stage *stage)
{
	stage->waiting_len = 0;
	flo__strbuf_reset(&stage->texts);
	flo__strbuf_reset(&stage->hits);
}

static flo_status flush(struct flo__stage *stage, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_alive(stage->db, err));
	TRY(flo__cdb_write(stage->db, false, err));
	TRY(write_waiting(stage, err));
	TRY(flo__cdb_commit(stage->db, err));
	forget_waiting(stage);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}

static flo_status add_new(struct flo__stage *stage, const char *text,
			  size_t len, const struct flo__digest *raw, bool gone,
			  flo_error *err)
{
	struct waiting *w = &stage->waiting[stage->waiting_len];
	json_t *json = NULL;
	flo_status st;

	*w = (struct waiting){.at = stage->texts.len,
			      .raw = *raw,
			      .gone = gone};
	st = flo__record_load(text, len, err, &json);
	if (st != FLO_OK)
		return st;
	if (stage->spec != NULL)
		st = flo__record_identify(json, stage->spec, &stage->scratch,
					  &w->id);
	if (st == FLO_OK && stage->gone != NULL && stage->shape == NULL)
		st = read_gone(stage, json, err, &w->gone);
	json_decref(json);
	flo__record_compact(text, len, &stage->texts);
	w->len = stage->texts.len - w->at;
	stage->waiting_len++;
	stage->staged_len++;
	return st;
}

/* Whether the record is gone, of which no more than its text is known. */
static flo_status look_gone(const struct flo__stage *stage, const char *text,
			    size_t len, flo_error *err, bool *ret_gone)
{
	json_t *json = NULL;
	flo_status st;

	*ret_gone = false;
	if (stage->gone == NULL)
		return FLO_OK;
	st = flo__record_load(text, len, err, &json);
	if (st != FLO_OK)
		return st;
	st = read_gone(stage, json, err, ret_gone);
	json_decref(json);
	return st;
}

static flo_status add_shaped(struct flo__stage *stage, const char *text,
			     size_t len, const struct flo__digest *raw,
			     flo_error *err)
{
	const char *made = text;
	size_t made_len = len;
	bool keep = true;
	bool gone;
	flo_status st;

	TRY(look_gone(stage, text, len, err, &gone));
	TRY(stage->shape(stage->shape_arg, text, len, gone, err, &keep, &made,
			 &made_len));
	if (!keep && ++stage->pull.rejected % 1024 == 0)
		TRY(flo__cdb_alive(stage->db, err));
	if (!keep && stage->is != FLO__PULL_CHANGES)
		return FLO_OK;
	if (!keep) {
		gone = true;
		TRY(stage->shape(stage->shape_arg, text, len, gone, err, &keep,
				 &made, &made_len));
	}
	stage->pull.rows++;
	st = add_new(stage, made, made_len, raw, gone, err);
out:
	return st;
}

flo_status flo__stage_add(struct flo__stage *stage, const char *text,
			  size_t len, flo_error *err)
{
	struct flo__digest raw = digest_raw(stage, text, len);
	flo_status st = FLO_OK;

	INSIST(stage->is != FLO__PULL_SAME);
	if (stage->pull.rows == UINT32_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "more than %u records in one pull",
				     UINT32_MAX);
	if (stage->is == FLO__PULL_FULL &&
	    flo__index_find(&stage->index, &raw) != FLO__INDEX_NONE) {
		flo__strbuf_add(&stage->hits, &raw, sizeof(raw));
		stage->hits_len++;
		stage->pull.rows++;
	} else if (stage->shape != NULL) {
		st = add_shaped(stage, text, len, &raw, err);
	} else {
		stage->pull.rows++;
		st = add_new(stage, text, len, &raw, false, err);
	}
	if (st == FLO_OK && stage->pull.rows % 1024 == 0)
		st = flo__cdb_alive(stage->db, err);
	if (st == FLO_OK && (stage->texts.len >= FLUSH_BYTES ||
			     stage->hits.len >= FLUSH_BYTES / 4 ||
			     stage->waiting_len == FLUSH_RECORDS))
		st = flush(stage, err);
	return st;
}

/* End */

flo_status flo__stage_finish(struct flo__stage *stage, uint64_t bytes,
			     flo_error *err, struct flo__pull *ret_pull)
{
	char shape[FLO__DIGEST_TEXT_SIZE];
	flo_status st;

	flo__digest_text(&stage->salt, shape);
	stage->pull.bytes = bytes;
	TRY(flo__cdb_alive(stage->db, err));
	TRY(flo__cdb_write(stage->db, true, err));
	TRY(write_waiting(stage, err));
	TRY(flo__cdb_run(stage->db, err,
			 "UPDATE pull SET complete = 1, rows = ?2, hits = ?3,"
			 " bytes = ?4, finished_us = ?5, rejected = ?6,"
			 " shape = ?7 WHERE no = ?1",
			 "iiiiiit", stage->pull.no, (int64_t)stage->pull.rows,
			 (int64_t)stage->hits_len, (int64_t)bytes,
			 flo__time_now_us(), (int64_t)stage->pull.rejected,
			 shape));
	TRY(flo__cdb_commit(stage->db, err));
	stage->open = false;
	*ret_pull = stage->pull;
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}

/* Leave nothing behind. What fails here is done by the next apply. */
static void discard(struct flo__stage *stage)
{
	struct flo__cdb *db = stage->db;

	db->deaf = true;
	if (flo__cdb_write(db, false, NULL) == FLO_OK &&
	    flo__stage_release(db, stage->pull.no, NULL) == FLO_OK &&
	    flo__cdb_run(db, NULL, "DELETE FROM pull WHERE no = ?1", "i",
			 stage->pull.no) == FLO_OK)
		(void)flo__cdb_commit(db, NULL);
	flo__cdb_rollback(db);
	db->deaf = false;
}

void flo__stage_close(struct flo__stage *stage)
{
	if (stage == NULL)
		return;
	if (stage->open)
		discard(stage);
	flo__spec_free(stage->spec);
	flo__pointer_fini(&stage->gone_root);
	flo__index_fini(&stage->index);
	flo__free(stage->known);
	flo__free(stage->waiting);
	flo__strbuf_fini(&stage->texts);
	flo__strbuf_fini(&stage->hits);
	flo__strbuf_fini(&stage->scratch);
	flo__free(stage);
}
