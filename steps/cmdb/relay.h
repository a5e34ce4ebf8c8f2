/*
 * Rows on their way to a sheet: written in batches beside the coroutine that
 * makes them (task.h), in their order.
 *
 * To read rows from the database and to put them into columns takes about as
 * long, so the two are done at once. There are two batches: one is filled while
 * the other is written. What is less than one batch is written by the caller
 * itself, at the end.
 *
 * Threads: one at a time, in one blocking region and no second around it.
 */
#ifndef FLO_CMDB_RELAY_H
#define FLO_CMDB_RELAY_H

#include "steps/cmdb/sheet.h"

struct flo__relay;

/* Begin to write to @sheet (borrowed), of @len columns. FLO_NOMEM. */
flo_status flo__relay_new(struct flo__sheet *sheet, size_t len, flo_error *err,
			  struct flo__relay **ret_relay);

/*
 * Write a row of as many cells as there are columns, which is copied. What
 * fails may be an earlier row; then nothing follows but flo__relay_free().
 */
flo_status flo__relay_row(struct flo__relay *relay,
			  const struct flo__cell *cells, flo_error *err);

/* Write all that was not yet, and wait for it. */
flo_status flo__relay_finish(struct flo__relay *relay, flo_error *err);

/* Waits for what is being written. NULL is allowed. */
void flo__relay_free(struct flo__relay *relay);

#endif
