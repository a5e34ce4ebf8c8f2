/* An export under way: shared by export.c, export_table.c and compact.c. */
#ifndef FLO_CMDB_EXPORT_P_H
#define FLO_CMDB_EXPORT_P_H

#include "steps/cmdb/outfile.h"
#include "steps/cmdb/plan.h"

/* A plan whose changes are to be in a file with those of others. */
struct flo__export_part {
	char plan[FLO__DIGEST_TEXT_SIZE];
	int64_t rows; /* that it had when it was exported by itself */
};

struct flo__export {
	const char *plan_id; /* borrowed, like the next two */
	const char *format;
	const char *what;
	char *root;		    /* absolute; owned */
	struct flo__cmdb_plan plan; /* whose rows are written */
	/* Borrowed: a day's plans, one after the other. NULL: the one plan. */
	const struct flo__export_part *part;
	size_t part_len;
	const char *day; /* borrowed: the day of the parts */
	char date[32];	 /* dt=YYYY-MM-DD */
	char name[64];
	char *path; /* absolute; owned */
	int64_t rows;
	int64_t bytes;
};

/* The formats there are; ends with NULL. */
extern const char *const flo__export_formats[];

bool flo__export_is_snapshot(const struct flo__export *ex);

/*
 * Do @turn(@arg) with @ex->plan being each of the plans of the file in turn.
 * FLO_NOTFOUND: one of several has not the rows any more that it had.
 */
flo_status flo__export_each(struct flo__export *ex, struct flo__cdb *db,
			    flo_status (*turn)(struct flo__export *ex,
					       struct flo__cdb *db, void *arg,
					       flo_error *err),
			    void *arg, flo_error *err);

/*
 * The rows of @ex->plan, in their order, which is that of the keys where the
 * plan is one of several. Changes: op, key, fields, before, after.
 * A snapshot: key, valid_from, record. *@ret is finalised by the caller, if it
 * is set, also on failure.
 */
flo_status flo__export_open_rows(const struct flo__export *ex,
				 struct flo__cdb *db, flo_error *err,
				 sqlite3_stmt **ret);

/* Write all rows to @file in the format of @ex, and count rows and bytes. */
flo_status flo__export_write(struct flo__export *ex, struct flo__cdb *db,
			     struct flo__outfile *file, flo_error *err);

/* The same in columns: Parquet and CSV. */
flo_status flo__export_table(struct flo__export *ex, struct flo__cdb *db,
			     struct flo__outfile *file, flo_error *err);

#endif
