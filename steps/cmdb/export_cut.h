/*
 * A row of an export, cut into the cells of its columns: by tasks, several at
 * once, which only read what is said here.
 */
#ifndef FLO_CMDB_EXPORT_CUT_H
#define FLO_CMDB_EXPORT_CUT_H

#include "steps/cmdb/fields.h"
#include "steps/cmdb/relay.h"

/* Where a row's texts are. */
enum {
	FLO__CUT_OP, /* of changes */
	FLO__CUT_KEY,
	FLO__CUT_FIELDS, /* of changes */
	FLO__CUT_BEFORE, /* of changes */
	FLO__CUT_AFTER,	 /* the record of a snapshot */
};

struct flo__cutter {
	bool snapshot;
	bool guessed; /* rows may show that the fields are others */
	struct flo__fields fields;
	size_t *old; /* owned: the column of a field before, SIZE_MAX: none */
	size_t *new; /* owned: after, or of a snapshot */
};

/*
 * A flo__relay_cut_fn; @cutter is a struct flo__cutter. The origin's texts are
 * the pull's, the run's and the trace's id, and the plan's. FLO_AGAIN: the
 * fields are others than was guessed; FLO_BUSY: than was seen. FLO_CORRUPT,
 * FLO_NOMEM.
 */
flo_status flo__export_cut(const void *cutter, const struct flo__relay_row *row,
			   struct flo__relay_scratch *scratch,
			   struct flo__parquet_cell *cells, size_t step,
			   flo_error *err);

#endif
