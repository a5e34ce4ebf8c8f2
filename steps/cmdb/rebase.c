/*
 * A changed key, ignore or unordered makes every stored digest worthless, but
 * not the bodies: they are read again, once, in the transaction that applies
 * the first plan under the new spec. The alternative was to take what comes
 * next for the truth without comparing it; then a change that falls together
 * with a changed pipeline would be missing from the change set.
 */
#include "steps/cmdb/rebase.h"

#include "base/contract.h"

static flo_status read_spec(struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, flo_error *err,
			    struct flo__spec **ret_spec)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt, "SELECT spec FROM plan WHERE no = ?1",
			  "i", plan->no);
	if (st == FLO_OK)
		st = flo__spec_read(flo__cdb_text(stmt, 0), err, ret_spec);
	sqlite3_finalize(stmt);
	return st;
}

struct rebase {
	struct flo__cdb *db;
	struct flo__spec *spec; /* owned, like the statements */
	int64_t source;
	sqlite3_stmt *body;
	sqlite3_stmt *write;
	struct flo__strbuf text;
	struct flo__strbuf body_text;
	struct flo__reading reading;
};

static flo_status rebase_state_row(struct rebase *r, sqlite3_stmt *row,
				   flo_error *err)
{
	int64_t body = sqlite3_column_int64(row, 0);
	struct flo__identity id;
	struct flo__digest raw;
	flo_status st;

	if (!flo__cdb_digest(row, 1, &raw))
		return flo_error_set(err, FLO_CORRUPT,
				     "%s: a row of the state is broken",
				     r->db->path);
	TRY(flo__body_reading(r->db, r->body, body, &r->body_text, &r->reading,
			      err));
	TRY(flo__tape_identify(r->reading.tape, r->spec, &r->text, &id));
	TRY(flo__cdb_bind(r->db, r->write, err, "idddii", r->source, &id.key,
			  &raw, &id.body, (int64_t)id.present, body));
	st = flo__cdb_done(r->db, r->write, err);
out:
	return st;
}

static flo_status rebase_history_row(struct rebase *r, sqlite3_stmt *row,
				     flo_error *err)
{
	int64_t id = sqlite3_column_int64(row, 0);
	flo_status st;

	TRY(flo__body_reading(r->db, r->body, id, &r->body_text, &r->reading,
			      err));
	flo__strbuf_reset(&r->text);
	TRY(flo__reading_key_text(&r->reading, r->spec, &r->text, err));
	TRY(flo__cdb_bind(r->db, r->write, err, "is", id, r->text.data,
			  r->text.len));
	st = flo__cdb_done(r->db, r->write, err);
out:
	return st;
}

/* Call @each for every row of @read, with @write prepared. */
static flo_status for_rows(
	struct rebase *r, const char *read, const char *write,
	flo_status (*each)(struct rebase *r, sqlite3_stmt *row, flo_error *err),
	flo_error *err)
{
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(r->db, write, err, &r->write));
	TRY(flo__cdb_prepare(r->db, read, err, &rows));
	TRY(flo__cdb_bind(r->db, rows, err, "i", r->source));
	for (;;) {
		TRY(flo__cdb_step(r->db, rows, err, &row));
		if (!row)
			break;
		TRY(each(r, rows, err));
	}
out:
	sqlite3_finalize(rows);
	sqlite3_finalize(r->write);
	r->write = NULL;
	return st;
}

/* Through a table of its own, as rows that are read must not move. */
static flo_status rebase_state(struct rebase *r, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_run(r->db, err,
			 "CREATE TEMP TABLE rebased AS SELECT body, raw"
			 " FROM state WHERE source = ?1",
			 "i", r->source));
	TRY(flo__cdb_run(r->db, err, "DELETE FROM state WHERE source = ?1", "i",
			 r->source));
	TRY(for_rows(r, "SELECT body, raw FROM rebased WHERE ?1",
		     "INSERT INTO state VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
		     rebase_state_row, err));
	st = flo__cdb_run(r->db, err, "DROP TABLE rebased", "");
out:
	return st;
}

static flo_status rebase_history(struct rebase *r, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_run(r->db, err,
			 "CREATE TEMP TABLE rebased AS SELECT id FROM history"
			 " WHERE source = ?1",
			 "i", r->source));
	TRY(for_rows(r, "SELECT id FROM rebased WHERE ?1",
		     "UPDATE history SET key = ?2 WHERE id = ?1",
		     rebase_history_row, err));
	TRY(flo__cdb_run(r->db, err, "DROP TABLE rebased", ""));
	st = flo__cdb_run(r->db, err,
			  "UPDATE ended SET key = (SELECT h.key FROM history h"
			  " WHERE h.id = ended.id) WHERE source = ?1",
			  "i", r->source);
out:
	return st;
}

flo_status flo__rebase(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
		       flo_error *err)
{
	struct rebase r = {.db = db, .source = plan->source};
	flo_status st;

	flo__strbuf_init(&r.text);
	flo__strbuf_init(&r.body_text);
	TRY(read_spec(db, plan, err, &r.spec));
	TRY(flo__cdb_prepare(db, FLO__BODY_SQL, err, &r.body));
	TRY(rebase_state(&r, err));
	st = rebase_history(&r, err);
out:
	sqlite3_finalize(r.body);
	flo__spec_free(r.spec);
	flo__strbuf_fini(&r.text);
	flo__strbuf_fini(&r.body_text);
	flo__reading_fini(&r.reading);
	return st;
}
