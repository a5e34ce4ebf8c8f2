/* A CMDB that is open, for the files that look into it: book*.c. */
#ifndef FLO_CMDB_BOOK_P_H
#define FLO_CMDB_BOOK_P_H

#include "base/strbuf.h"
#include "steps/cmdb/db.h"

#include <flo/cmdb.h>

struct flo_cmdb {
	struct flo__cdb *db; /* owned */
	bool writes;
};

/* A row as a value: *@ret is the caller's. */
typedef flo_status (*flo__book_row_fn)(sqlite3_stmt *row, flo_error *err,
				       flo_value **ret);

/* Make a list of what @make gives of each row of @stmt. */
flo_status flo__book_list(flo_cmdb *cmdb, sqlite3_stmt *stmt,
			  flo__book_row_fn make, flo_error *err,
			  flo_value **ret_list);

/* A column that holds a time: RFC 3339, or null for none and 0. */
flo_value *flo__book_time(sqlite3_stmt *row, int column);
/* A column that holds a text, or null. */
flo_value *flo__book_text(sqlite3_stmt *row, int column);

/* The source's row. FLO_NOTFOUND names those that there are. */
flo_status flo__book_source(flo_cmdb *cmdb, const char *name, flo_error *err,
			    int64_t *ret_id);

/*
 * Append to a statement what is true of a plan p of a source s that waits for a
 * person: it is "blocked", as flo_cmdb_plan() calls it.
 */
void flo__book_add_waiting(const flo_cmdb *cmdb, struct flo__strbuf *sql);

/* The id of the plan @prefix, or of the only one that begins so. */
flo_status flo__book_plan_id(flo_cmdb *cmdb, const char *prefix, flo_error *err,
			     char ret_id[FLO__DIGEST_TEXT_SIZE]);

#endif
