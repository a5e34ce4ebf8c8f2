#include "steps/cmdb/since.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/split.h"

#include <string.h>

/* A copy of a column's text; NULL where it is null. */
static flo_status copy_text(sqlite3_stmt *stmt, int column, flo_error *err,
			    char **ret_text)
{
	if (sqlite3_column_type(stmt, column) == SQLITE_NULL)
		return FLO_OK;
	*ret_text = flo__strdup(flo__cdb_text(stmt, column));
	return *ret_text != NULL
		       ? FLO_OK
		       : flo_error_set(err, FLO_NOMEM, "out of memory");
}

/*
 * One that is longer than a pull takes was applied by an older version. It can
 * be sent nowhere, so it is none.
 */
static void drop_long_cursor(struct flo__since *since)
{
	if (since->cursor == NULL ||
	    strlen(since->cursor) <= FLO__SPLIT_WATCH_BYTES_MAX)
		return;
	flo__free(since->cursor);
	since->cursor = NULL;
}

static flo_status read_row(sqlite3_stmt *stmt, flo_error *err,
			   struct flo__since *since)
{
	flo_status st = FLO_OK;

	since->pull = sqlite3_column_int64(stmt, 0);
	if (sqlite3_column_int64(stmt, 1) == 0)
		return FLO_OK;
	TRY(copy_text(stmt, 2, err, &since->cursor));
	drop_long_cursor(since);
	TRY(copy_text(stmt, 3, err, &since->etag));
	st = copy_text(stmt, 4, err, &since->modified);
out:
	return st;
}

flo_status flo__since_read(struct flo__cdb *db, const char *source,
			   const char *origin, flo_error *err,
			   struct flo__since *ret_since)
{
	struct flo__since since = {.pull = 0};
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT pull, ifnull(origin = ?2, 0) AND NOT EXISTS"
			  "  (SELECT 1 FROM miss m WHERE m.source = source.id),"
			  " cursor, etag, modified FROM source WHERE name = ?1",
			  "tt", source, origin);
	if (st == FLO_OK)
		st = read_row(stmt, err, &since);
	else if (st == FLO_NOTFOUND)
		st = FLO_OK;
	sqlite3_finalize(stmt);
	if (st == FLO_OK)
		*ret_since = since;
	else
		flo__since_fini(&since);
	return st;
}

void flo__since_fini(struct flo__since *since)
{
	flo__free(since->cursor);
	flo__free(since->etag);
	flo__free(since->modified);
	*since = (struct flo__since){.pull = 0};
}
