/* flo/cmdb.h: what records were, and when. */
#include "steps/cmdb/book_p.h"

#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/cmdb/record.h"
#include "steps/cmdb/steps_p.h"

#include <string.h>

/*
 * Note: where versions are found.
 *
 * Those of one key that have ended have an index; the one that is valid now is
 * what the state has under the key's digest. Before format 3 all were rows of
 * the history, with an index, and the state is not asked.
 */
#define COLUMNS "SELECT h.key, b.body, h.valid_from, h.valid_to, p.id FROM ("
#define BODIES                                                                 \
	") h LEFT JOIN body b ON b.id = h.id"                                  \
	" LEFT JOIN plan p ON p.no = h.from_plan"

/* The ends apart: they have no columns in common but the id and the key. */
#define VERSIONS                                                               \
	"SELECT h.id, h.source, h.key, h.valid_from, e.valid_to, h.from_plan"  \
	" FROM history h LEFT JOIN ended e ON e.id = h.id"
#define VERSIONS_BEFORE_3                                                      \
	"SELECT id, source, key, valid_from, valid_to, from_plan FROM history"

static bool has_ends(const flo_cmdb *cmdb)
{
	return cmdb->db->format >= 3;
}

/* Keys */

/* A key, and what is valid now under it. */
struct found {
	struct flo__strbuf key; /* its text */
	int64_t open;		/* the version; 0: none */
};

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

static flo_status digest_key(const char *key, struct flo__digest *ret_digest)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const json_t *parts;
	json_t *json = NULL;
	flo_status st;

	flo__strbuf_addf(&sb, "{\"key\":%s}", key);
	TRY(flo__strbuf_status(&sb));
	TRY(flo__record_load(sb.data, sb.len, NULL, &json));
	parts = json_object_get(json, "key");
	flo__strbuf_reset(&sb);
	for (size_t i = 0; i < json_array_size(parts); i++)
		flo__record_canonical(json_array_get(parts, i), NULL, &sb);
	st = flo__strbuf_status(&sb);
	*ret_digest = flo__digest_of(sb.data, sb.len);
out:
	json_decref(json);
	flo__strbuf_fini(&sb);
	return st;
}

static flo_status find_open(flo_cmdb *cmdb, int64_t source, const char *key,
			    flo_error *err, int64_t *ret_open)
{
	struct flo__digest digest;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_open = 0;
	if (!has_ends(cmdb))
		return FLO_OK;
	st = digest_key(key, &digest);
	if (st != FLO_OK)
		return flo_error_set(err, st, "%s", flo_status_text(st));
	st = flo__cdb_row(cmdb->db, err, &stmt,
			  "SELECT body FROM state WHERE source = ?1"
			  " AND key = ?2",
			  "id", source, &digest);
	if (st == FLO_OK)
		*ret_open = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st == FLO_NOTFOUND ? FLO_OK : st;
}

/* Whether there ever was a record of this key; NULL: there was none. */
static flo_status look_for(flo_cmdb *cmdb, int64_t source, const char *key,
			   flo_error *err, int64_t *ret_open, bool *ret_was)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_was = false;
	if (key == NULL)
		return FLO_OK;
	TRY(find_open(cmdb, source, key, err, ret_open));
	TRY(flo__cdb_row(cmdb->db, err, &stmt,
			 has_ends(cmdb)
				 ? "SELECT ?3 <> 0 OR EXISTS (SELECT 1 FROM"
				   " ended WHERE source = ?1 AND key = ?2)"
				 : "SELECT ?3 <> 0 OR EXISTS (SELECT 1 FROM"
				   " history WHERE source = ?1 AND key = ?2)",
			 "iti", source, key, *ret_open));
	*ret_was = sqlite3_column_int(stmt, 0) != 0;
out:
	sqlite3_finalize(stmt);
	return st;
}

/* Which of the two forms of a key there ever was. */
static flo_status pick_key(flo_cmdb *cmdb, int64_t source, const char *name,
			   const char *key, const char *text, const char *json,
			   flo_error *err, struct found *ret)
{
	int64_t open = 0;
	bool is_text, is_json;
	flo_status st;

	/* Of an array, say, the two may be one. */
	if (json != NULL && strcmp(text, json) == 0)
		json = NULL;
	TRY(look_for(cmdb, source, text, err, &ret->open, &is_text));
	TRY(look_for(cmdb, source, json, err, &open, &is_json));
	if (!is_text && !is_json)
		return flo_error_set(err, FLO_NOTFOUND,
				     "%s never had a record with the key "
				     "%.200s; keys are JSON arrays like "
				     "[\"a\",1], or, of one part, that part",
				     name, key);
	/* An array is the whole key, as it is printed. */
	if (is_text && is_json && key[strspn(key, " \t\r\n")] == '[')
		is_text = false;
	if (is_text && is_json)
		return flo_error_set(err, FLO_INVALID,
				     "%s has the keys %.200s and %.200s; write "
				     "which of them",
				     name, text, json);
	if (is_json)
		ret->open = open;
	flo__strbuf_adds(&ret->key, is_text ? text : json);
	st = flo__strbuf_status(&ret->key);
out:
	return st;
}

static flo_status find_key(flo_cmdb *cmdb, int64_t source, const char *name,
			   const char *key, flo_error *err, struct found *ret)
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
			      st == FLO_OK ? json.data : NULL, err, ret);
out:
	flo__strbuf_fini(&text);
	flo__strbuf_fini(&json);
	return st;
}

/* Rows */

/*
 * The versions of a key that began at @last or before and were still valid
 * after @first, the oldest first.
 */
static flo_status open_versions(flo_cmdb *cmdb, int64_t source,
				const struct found *found, int64_t first,
				int64_t last, flo_error *err,
				sqlite3_stmt **ret)
{
	const char *sql =
		COLUMNS VERSIONS " WHERE e.source = ?1 AND e.key = ?2"
				 " UNION ALL " VERSIONS
				 " WHERE h.id = ?5 AND e.id IS NULL" BODIES
				 " WHERE h.valid_from <= ?4 AND"
				 " (h.valid_to IS NULL OR h.valid_to > ?3)"
				 " ORDER BY h.valid_from";
	const char *sql_before_3 = COLUMNS VERSIONS_BEFORE_3
		" WHERE source = ?1 AND key = ?2 AND ?5 = 0" BODIES
		" WHERE h.valid_from <= ?4 AND"
		" (h.valid_to IS NULL OR h.valid_to > ?3)"
		" ORDER BY h.valid_from";
	flo_status st;

	TRY(flo__cdb_prepare(cmdb->db, has_ends(cmdb) ? sql : sql_before_3, err,
			     ret));
	st = flo__cdb_bind(cmdb->db, *ret, err, "itiii", source,
			   found->key.data, first, last, found->open);
out:
	return st;
}

/*
 * All that was valid at @us, in the order of the keys. The limit keeps SQLite
 * from sorting the bodies with them.
 */
static flo_status open_all(flo_cmdb *cmdb, int64_t source, int64_t us,
			   flo_error *err, sqlite3_stmt **ret)
{
	const char *sql = COLUMNS VERSIONS
		" WHERE h.source = ?1 AND h.valid_from <= ?2"
		" AND (e.valid_to IS NULL OR e.valid_to > ?2)"
		" ORDER BY h.key, h.valid_from LIMIT -1" BODIES;
	const char *sql_before_3 = COLUMNS VERSIONS_BEFORE_3
		" WHERE source = ?1 AND valid_from <= ?2"
		" AND (valid_to IS NULL OR valid_to > ?2)"
		" ORDER BY key, valid_from LIMIT -1" BODIES;
	flo_status st;

	TRY(flo__cdb_prepare(cmdb->db, has_ends(cmdb) ? sql : sql_before_3, err,
			     ret));
	st = flo__cdb_bind(cmdb->db, *ret, err, "ii", source, us);
out:
	return st;
}

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
	struct found found = {.key = FLO__STRBUF_INIT};
	struct walk walk = {.fields = FLO__STRBUF_INIT};
	sqlite3_stmt *stmt = NULL;
	int64_t id = 0;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	REQUIRE_RULE(fn != NULL, "there is no function to give versions to");
	TRY(flo__cdb_read(cmdb->db, err));
	TRY(flo__book_source(cmdb, source, err, &id));
	TRY(find_key(cmdb, id, source, key, err, &found));
	TRY(read_spec(cmdb, id, err, &walk.spec));
	TRY(open_versions(cmdb, id, &found, 0, INT64_MAX, err, &stmt));
	st = give_history(cmdb, stmt, &walk, fn, arg, err);
out:
	sqlite3_finalize(stmt);
	flo__cdb_rollback(cmdb->db);
	json_decref(walk.last);
	flo__spec_free(walk.spec);
	flo__strbuf_fini(&walk.fields);
	flo__strbuf_fini(&found.key);
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
	struct found found = {.key = FLO__STRBUF_INIT};
	sqlite3_stmt *stmt = NULL;
	int64_t id = 0;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	REQUIRE_RULE(fn != NULL, "there is no function to give versions to");
	TRY(flo__cdb_read(cmdb->db, err));
	TRY(flo__book_source(cmdb, source, err, &id));
	if (key != NULL) {
		TRY(find_key(cmdb, id, source, key, err, &found));
		TRY(open_versions(cmdb, id, &found, us, us, err, &stmt));
	} else {
		TRY(open_all(cmdb, id, us, err, &stmt));
	}
	st = give_versions(cmdb, stmt, fn, arg, err);
out:
	sqlite3_finalize(stmt);
	flo__cdb_rollback(cmdb->db);
	flo__strbuf_fini(&found.key);
	return flo__cmdb_told(st, err);
}
