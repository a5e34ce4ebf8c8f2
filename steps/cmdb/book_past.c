/* flo/cmdb.h: what records were, and when. */
#include "steps/cmdb/book_p.h"

#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/cmdb/record.h"
#include "steps/cmdb/steps_p.h"

#include <string.h>

#define COLUMNS                                                                \
	"SELECT h.key, b.body, h.valid_from, h.valid_to, p.id"                 \
	" FROM history h LEFT JOIN body b ON b.id = h.id"                      \
	" LEFT JOIN plan p ON p.no = h.from_plan WHERE h.source = ?1"

/* Keys */

/* Append a key of the parts of @json, an array, or of @json alone. */
static void add_parts(const json_t *json, struct flo__strbuf *sb)
{
	size_t len = json_array_size(json);

	flo__strbuf_addc(sb, '[');
	if (!json_is_array(json))
		flo__record_part_text(json, sb);
	for (size_t i = 0; i < len; i++) {
		flo__strbuf_adds(sb, i == 0 ? "" : ",");
		flo__record_part_text(json_array_get(json, i), sb);
	}
	flo__strbuf_addc(sb, ']');
}

/*
 * What @key is as JSON: as a record's member, since records keep integers that
 * jansson alone would round. FLO_NOTFOUND: it is none.
 */
static flo_status key_of_json(const char *key, struct flo__strbuf *sb)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	json_t *json = NULL;
	flo_status st;

	flo__strbuf_addf(&text, "{\"key\":%s}", key);
	TRY(flo__strbuf_status(&text));
	st = flo__record_load(text.data, text.len, NULL, &json);
	if (st == FLO_OK && json_object_size(json) == 1)
		add_parts(json_object_get(json, "key"), sb);
	else if (st != FLO_NOMEM)
		st = FLO_NOTFOUND;
	if (st == FLO_OK)
		st = flo__strbuf_status(sb);
out:
	json_decref(json);
	flo__strbuf_fini(&text);
	return st;
}

/* Which of the two forms of a key there ever was in the history. */
static flo_status pick_key(flo_cmdb *cmdb, int64_t source, const char *name,
			   const char *key, const char *text, const char *json,
			   flo_error *err, struct flo__strbuf *ret_key)
{
	sqlite3_stmt *stmt = NULL;
	int64_t found;
	flo_status st;

	TRY(flo__cdb_row(cmdb->db, err, &stmt,
			 "SELECT count(DISTINCT key), min(key) FROM history"
			 " WHERE source = ?1 AND key IN (?2, ?3)",
			 "itt", source, text, json));
	found = sqlite3_column_int64(stmt, 0);
	if (found == 1)
		flo__strbuf_adds(ret_key, flo__cdb_text(stmt, 1));
	else if (found == 0)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "%s never had a record with the key %.200s; "
				   "keys are JSON arrays like [\"a\",1], or, "
				   "of one part, that part",
				   name, key);
	else
		st = flo_error_set(err, FLO_INVALID,
				   "%s has the keys %.200s and %.200s; write "
				   "which of them",
				   name, text, json);
out:
	sqlite3_finalize(stmt);
	return st != FLO_OK ? st : flo__strbuf_status(ret_key);
}

static flo_status find_key(flo_cmdb *cmdb, int64_t source, const char *name,
			   const char *key, flo_error *err,
			   struct flo__strbuf *ret_key)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct flo__strbuf json = FLO__STRBUF_INIT;
	flo_status st;

	flo__strbuf_addc(&text, '[');
	flo__strbuf_add_json(&text, key, strlen(key));
	flo__strbuf_addc(&text, ']');
	TRY(flo__strbuf_status(&text));
	st = key_of_json(key, &json);
	if (st == FLO_OK || st == FLO_NOTFOUND)
		st = pick_key(cmdb, source, name, key, text.data,
			      st == FLO_OK ? json.data : NULL, err, ret_key);
out:
	flo__strbuf_fini(&text);
	flo__strbuf_fini(&json);
	return st;
}

/* Rows */

static flo_status damaged(flo_cmdb *cmdb, sqlite3_stmt *row, flo_error *err)
{
	return flo_error_set(err, FLO_CORRUPT,
			     "%s: the record %.200s is missing or broken; "
			     "restore the file from a backup",
			     cmdb->db->path, flo__cdb_text(row, 0));
}

static flo_status next_version(flo_cmdb *cmdb, sqlite3_stmt *stmt,
			       flo_error *err, flo_cmdb_version *ret_version,
			       bool *ret_row)
{
	flo_status st = flo__cdb_step(cmdb->db, stmt, err, ret_row);

	if (st != FLO_OK || !*ret_row)
		return st;
	if (sqlite3_column_type(stmt, 1) != SQLITE_TEXT)
		return damaged(cmdb, stmt, err);
	*ret_version = (flo_cmdb_version){
		.key = flo__cdb_text(stmt, 0),
		.record = flo__cdb_text(stmt, 1),
		.valid_from_us = sqlite3_column_int64(stmt, 2),
		.valid_to_us = sqlite3_column_int64(stmt, 3),
		.plan = flo__cdb_text(stmt, 4),
	};
	return FLO_OK;
}

/* A walk over the versions of one record. */
struct walk {
	struct flo__spec *spec; /* owned */
	json_t *last;		/* the version before; owned */
	int64_t last_to;
	struct flo__strbuf fields;
};

static void no_field(void *arg, const char *name)
{
	(void)arg;
	(void)name;
}

/* What @version differs in from the one before, if that ended with it. */
static flo_status compare(struct walk *walk, flo_cmdb_version *version)
{
	json_t *json = NULL;
	flo_status st;

	flo__strbuf_reset(&walk->fields);
	TRY(flo__record_load(version->record, strlen(version->record), NULL,
			     &json));
	if (walk->last != NULL && walk->last_to == version->valid_from_us) {
		TRY(flo__record_compare(walk->last, json, walk->spec, no_field,
					NULL, &walk->fields));
		version->fields = walk->fields.data;
	}
	json_decref(walk->last);
	walk->last = json;
	walk->last_to = version->valid_to_us;
	return FLO_OK;
out:
	json_decref(json);
	return st;
}

static flo_status read_spec(flo_cmdb *cmdb, int64_t source, flo_error *err,
			    struct flo__spec **ret_spec)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(cmdb->db, err, &stmt,
			  "SELECT spec FROM source WHERE id = ?1", "i", source);
	if (st == FLO_OK)
		st = flo__spec_read(flo__cdb_text(stmt, 0), err, ret_spec);
	sqlite3_finalize(stmt);
	return st;
}

static flo_status give_history(flo_cmdb *cmdb, sqlite3_stmt *stmt,
			       struct walk *walk, flo_cmdb_version_fn fn,
			       void *arg, flo_error *err)
{
	bool row = true;
	flo_status st;

	for (;;) {
		flo_cmdb_version version;

		TRY(next_version(cmdb, stmt, err, &version, &row));
		if (!row)
			break;
		st = compare(walk, &version);
		if (st == FLO_SYNTAX)
			st = damaged(cmdb, stmt, err);
		TRY(st);
		TRY(fn(&version, arg));
	}
out:
	return st;
}

flo_status flo_cmdb_history(flo_cmdb *cmdb, const char *source, const char *key,
			    flo_cmdb_version_fn fn, void *arg, flo_error *err)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct walk walk = {.fields = FLO__STRBUF_INIT};
	sqlite3_stmt *stmt = NULL;
	int64_t id = 0;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	REQUIRE_RULE(fn != NULL, "there is no function to give versions to");
	TRY(flo__cdb_read(cmdb->db, err));
	TRY(flo__book_source(cmdb, source, err, &id));
	TRY(find_key(cmdb, id, source, key, err, &text));
	TRY(read_spec(cmdb, id, err, &walk.spec));
	TRY(flo__cdb_prepare(cmdb->db,
			     COLUMNS " AND h.key = ?2 ORDER BY h.valid_from",
			     err, &stmt));
	TRY(flo__cdb_bind(cmdb->db, stmt, err, "it", id, text.data));
	st = give_history(cmdb, stmt, &walk, fn, arg, err);
out:
	sqlite3_finalize(stmt);
	flo__cdb_rollback(cmdb->db);
	json_decref(walk.last);
	flo__spec_free(walk.spec);
	flo__strbuf_fini(&walk.fields);
	flo__strbuf_fini(&text);
	return flo__cmdb_told(st, err);
}

/* What was valid at a time */

static flo_status give_versions(flo_cmdb *cmdb, sqlite3_stmt *stmt,
				flo_cmdb_version_fn fn, void *arg,
				flo_error *err)
{
	bool row = true;
	flo_status st;

	for (;;) {
		flo_cmdb_version version;

		TRY(next_version(cmdb, stmt, err, &version, &row));
		if (!row)
			break;
		TRY(fn(&version, arg));
	}
out:
	return st;
}

flo_status flo_cmdb_at(flo_cmdb *cmdb, const char *source, const char *key,
		       int64_t us, flo_cmdb_version_fn fn, void *arg,
		       flo_error *err)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	sqlite3_stmt *stmt = NULL;
	int64_t id = 0;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	REQUIRE_RULE(fn != NULL, "there is no function to give versions to");
	TRY(flo__cdb_read(cmdb->db, err));
	TRY(flo__book_source(cmdb, source, err, &id));
	if (key != NULL)
		TRY(find_key(cmdb, id, source, key, err, &text));
	TRY(flo__cdb_prepare(cmdb->db,
			     COLUMNS " AND h.valid_from <= ?2"
				     " AND (h.valid_to IS NULL"
				     "  OR h.valid_to > ?2)"
				     " AND h.key BETWEEN ?3 AND ?4"
				     " ORDER BY h.key, h.valid_from",
			     err, &stmt));
	/* All keys begin with a bracket, and a backslash comes after that. */
	TRY(flo__cdb_bind(cmdb->db, stmt, err, "iitt", id, us,
			  key != NULL ? text.data : "[",
			  key != NULL ? text.data : "\\"));
	st = give_versions(cmdb, stmt, fn, arg, err);
out:
	sqlite3_finalize(stmt);
	flo__cdb_rollback(cmdb->db);
	flo__strbuf_fini(&text);
	return flo__cmdb_told(st, err);
}
