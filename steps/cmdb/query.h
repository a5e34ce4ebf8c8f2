/*
 * The rows that a query gives of somebody else's SQLite file, as NDJSON: an
 * object a line, with a member for each column.
 *
 * The file is opened to be read only, for as long as the query takes, and
 * SQLite is told to refuse all but one SELECT: no writes, no ATTACH, no PRAGMA,
 * no extensions.
 *
 * An integer becomes one, as does a real number; NULL becomes null and a text
 * a string, or what it says, if its column is listed as JSON. Refused, with row
 * and column: a blob, an infinite number, a text that is not UTF-8 or has a NUL
 * in it.
 */
#ifndef FLO_CMDB_QUERY_H
#define FLO_CMDB_QUERY_H

#include <flo/step.h>

struct flo__query {
	const flo_step_call *call;
	const char *path; /* absolute; of a regular file */
	const char *sql;
	const flo_value *params; /* a map of values for :name; or NULL */
	const flo_value *json;	 /* a list of columns' names; or NULL */
	int fd;			 /* where the rows go */
};

/*
 * Run @query. Blocks, for a locked file a minute at most, and ends with the
 * step's context. SQLite is given @query's own thread: what a query may nest
 * takes more stack than a coroutine has.
 *
 * FLO_INVALID, FLO_SYNTAX (the query, with the byte), FLO_TYPE (a row),
 * FLO_BUSY, FLO_CORRUPT, FLO_SYSTEM, FLO_FULL, FLO_NOMEM, the context's status.
 */
flo_status flo__query_run(const struct flo__query *query, flo_error *err);

#endif
