/*
 * Rows on their way from the database to a sheet: cut into cells, formatted and
 * put into columns by tasks (task.h), beside the coroutine that reads them.
 *
 * The owner reads rows, which only it can, and copies their texts; all else is
 * done by others. What comes out depends on the rows alone, not on how many
 * others there are.
 *
 * Threads: one at a time. Rows are written, and the relay is finished, between
 * flo__task_compute_begin() and its end (see task.h), and all else is done in
 * the step's blocking region.
 */
#ifndef FLO_CMDB_RELAY_H
#define FLO_CMDB_RELAY_H

#include "steps/cmdb/sheet.h"
#include "steps/cmdb/task.h"

struct flo__relay;

#define FLO__RELAY_TEXTS 5

/* A row as it was read; where its texts are is the relay's to say. */
struct flo__relay_row {
	struct {
		const char *at; /* NULL: null */
		size_t len;
		size_t place; /* the relay's */
	} text[FLO__RELAY_TEXTS];
	/* The relay's: texts, each with its NUL, of many rows; whether they are
	 * those of the row before. */
	const char *origin;
	size_t origin_place;
	bool same;
	int64_t ts;
	int64_t valid_from;
};

/* What is used anew for each row of a batch. */
struct flo__relay_scratch {
	size_t next;		/* flo__fields_find()'s */
	struct flo__strbuf key; /* flo__members_next()'s */
	/* For texts that cells point to: there is room for as much as the
	 * batch's rows have, so that it stays in place. */
	struct flo__strbuf texts;
};

/*
 * Cut a row into cells, which are null until then: the first column's is at
 * @cells, the next one's @step further. They may point into the row's texts.
 * FLO_AGAIN, without an error: rows like this one cannot be written here.
 *
 * Threads: called by tasks, several at once, with another @scratch each.
 */
typedef flo_status (*flo__relay_cut_fn)(const void *arg,
					const struct flo__relay_row *row,
					struct flo__relay_scratch *scratch,
					struct flo__parquet_cell *cells,
					size_t step, flo_error *err);

/*
 * Begin to write to @sheet, with @cut(@arg): all are borrowed until the relay
 * is freed, and should not lie on the stack of a step that may panic. FLO_NOMEM.
 */
flo_status flo__relay_new(struct flo__sheet *sheet, flo__relay_cut_fn cut,
			  const void *arg, flo_error *err,
			  struct flo__relay **ret_relay);

/*
 * Where the rows that follow come from: @len bytes of texts, which are copied.
 * FLO_NOMEM.
 */
flo_status flo__relay_origin(struct flo__relay *relay, const char *texts,
			     size_t len, flo_error *err);

/*
 * Write a row, whose texts are copied; Requires: it has an origin. What
 * fails may be an earlier row; then nothing follows but flo__relay_free().
 */
flo_status flo__relay_row(struct flo__relay *relay,
			  const struct flo__relay_row *row, flo_error *err);

/* Write all that was not yet, and wait for it. */
flo_status flo__relay_finish(struct flo__relay *relay, flo_error *err);

/* Whether what has failed is that @cut returned FLO_AGAIN. */
bool flo__relay_said_again(const struct flo__relay *relay);

/* Waits for what is under way. NULL is allowed. */
void flo__relay_free(struct flo__relay *relay);

#endif
