#include "steps/cmdb/fields.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

static const char *const kind_names[] = {"null",   "boolean", "int53", "int64",
					 "double", "string",  "json",  "mixed"};
#define KINDS (sizeof(kind_names) / sizeof(kind_names[0]))

/*
 * Note: JSON and mixed
 *
 * Both columns hold JSON text. But what is said to be JSON is parsed by readers,
 * also where it is put together with a file of before, in which the column had
 * strings; and those are no JSON. So where there ever were strings the column
 * is of strings, and files of all times can be read as one table.
 */
enum flo__kind flo__kind_join(enum flo__kind a, enum flo__kind b)
{
	enum flo__kind low = a < b ? a : b;
	enum flo__kind high = a < b ? b : a;

	if (low == high || low == FLO__KIND_NULL)
		return high;
	if (low == FLO__KIND_INT53 &&
	    (high == FLO__KIND_INT || high == FLO__KIND_DOUBLE))
		return high;
	return low == FLO__KIND_STRING || high == FLO__KIND_STRING ||
			       high == FLO__KIND_MIXED
		       ? FLO__KIND_MIXED
		       : FLO__KIND_JSON;
}

void flo__fields_fini(struct flo__fields *fields)
{
	for (size_t i = 0; i < fields->len; i++)
		flo__free(fields->field[i].name);
	flo__free(fields->field);
	memset(fields, 0, sizeof(*fields));
}

/* Records have their members in one order, mostly: so look there first. */
size_t flo__fields_find(const struct flo__fields *fields, const char *name,
			size_t len, size_t *next)
{
	size_t at = *next;

	for (size_t i = 0; i < fields->len; i++, at++) {
		if (at >= fields->len)
			at = 0;
		if (fields->field[at].name_len == len &&
		    memcmp(fields->field[at].name, name, len) == 0) {
			*next = at + 1;
			return at;
		}
	}
	return SIZE_MAX;
}

static flo_status reserve(struct flo__fields *fields)
{
	size_t cap = fields->cap == 0 ? 32 : fields->cap * 2;
	struct flo__typed_field *mem;

	if (fields->len < fields->cap)
		return FLO_OK;
	mem = flo__reallocarray(fields->field, cap, sizeof(*mem));
	if (mem == NULL)
		return FLO_NOMEM;
	fields->field = mem;
	fields->cap = cap;
	return FLO_OK;
}

static flo_status add(struct flo__fields *fields, const char *name, size_t len,
		      enum flo__kind kind, flo_error *err)
{
	struct flo__typed_field field = {.name_len = len, .kind = kind};
	size_t at = flo__fields_find(fields, name, len, &fields->next);
	flo_status st;

	if (at != SIZE_MAX) {
		fields->field[at].kind =
			flo__kind_join(fields->field[at].kind, kind);
		return FLO_OK;
	}
	if (fields->len == FLO__TYPED_FIELDS_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the records have more than %d top-level "
				     "fields, too many for columns; use "
				     "\"format\": \"ndjson\"",
				     FLO__TYPED_FIELDS_MAX);
	st = reserve(fields);
	field.name = st == FLO_OK ? flo__strndup(name, len) : NULL;
	if (field.name == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	fields->field[fields->len++] = field;
	fields->next = fields->len;
	return FLO_OK;
}

flo_status flo__fields_see(struct flo__fields *fields, const char *text,
			   size_t len, flo_error *err)
{
	struct flo__members members = {.text = text,
				       .len = len,
				       .key = FLO__STRBUF_INIT};
	struct flo__member member;
	bool more = true;
	flo_status st;

	for (;;) {
		TRY(flo__members_next(&members, err, &member, &more));
		if (!more)
			break;
		TRY(add(fields, member.name, member.name_len, member.kind,
			err));
	}
out:
	flo__strbuf_fini(&members.key);
	return st;
}

/* In the database */

static enum flo__kind kind_named(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kind_names[i], name) == 0)
			return (enum flo__kind)i;
	/* A later version's. */
	return FLO__KIND_JSON;
}

static flo_status read_stored(struct flo__cdb *db, int64_t source,
			      struct flo__fields *fields, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(
		db,
		"SELECT name, type FROM export_field WHERE source = ?1"
		" ORDER BY place",
		err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "i", source));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		TRY(add(fields, flo__cdb_text(stmt, 0),
			(size_t)sqlite3_column_bytes(stmt, 0),
			kind_named(flo__cdb_text(stmt, 1)), err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

static flo_status write_stored(struct flo__cdb *db, int64_t source,
			       const struct flo__fields *fields, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "INSERT INTO export_field VALUES(?1, ?2, ?3, ?4)"
			     " ON CONFLICT DO UPDATE SET type = excluded.type"
			     " WHERE type != excluded.type",
			     err, &stmt));
	for (size_t i = 0; i < fields->len; i++) {
		const struct flo__typed_field *field = &fields->field[i];

		TRY(flo__cdb_bind(db, stmt, err, "isit", source, field->name,
				  field->name_len, (int64_t)i,
				  kind_names[field->kind]));
		TRY(flo__cdb_done(db, stmt, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

static flo_status merge(struct flo__cdb *db, int64_t source,
			struct flo__fields *fields, struct flo__fields *all,
			flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(read_stored(db, source, all, err));
	for (size_t i = 0; i < fields->len; i++)
		TRY(add(all, fields->field[i].name, fields->field[i].name_len,
			fields->field[i].kind, err));
	TRY(write_stored(db, source, all, err));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}

flo_status flo__fields_store(struct flo__cdb *db, int64_t source,
			     struct flo__fields *fields, flo_error *err)
{
	struct flo__fields all = {.field = NULL};
	flo_status st = merge(db, source, fields, &all, err);

	if (st == FLO_OK) {
		flo__fields_fini(fields);
		*fields = all;
	} else {
		flo__fields_fini(&all);
	}
	return st;
}
