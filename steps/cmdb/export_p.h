/* An export under way: shared by export.c and export_table.c. */
#ifndef FLO_CMDB_EXPORT_P_H
#define FLO_CMDB_EXPORT_P_H

#include "steps/cmdb/outfile.h"
#include "steps/cmdb/plan.h"

struct flo__export {
	const char *plan_id; /* borrowed, like the next three */
	const char *format;
	const char *what;
	const char *root;
	struct flo__cmdb_plan plan;
	char date[32]; /* dt=YYYY-MM-DD */
	char name[64];
	char *path; /* absolute; owned */
	int64_t rows;
	int64_t bytes;
};

bool flo__export_is_snapshot(const struct flo__export *ex);

/*
 * The rows to write, in their order. Changes: op, key, fields, before, after.
 * A snapshot: key, valid_from, record. *@ret is finalised by the caller, if it
 * is set, also on failure.
 */
flo_status flo__export_open_rows(const struct flo__export *ex,
				 struct flo__cdb *db, flo_error *err,
				 sqlite3_stmt **ret);

/* Write all rows to @file in columns, and count rows and bytes. */
flo_status flo__export_table(struct flo__export *ex, struct flo__cdb *db,
			     struct flo__outfile *file, flo_error *err);

#endif
