/*
 * A column's values in the row group that is being filled.
 *
 * Values go into a dictionary, and a row is a number in it, until the
 * dictionary has grown too large. What comes then is kept as it is, after
 * dict_rows rows: so a chunk may begin with pages of indices and go on with
 * plain ones. Where the dictionary has not paid by then, or at the end, its rows
 * are made plain too; they are no longer then than what was held, so that this
 * needs no more memory than twice the limit. One in which nearly all of the
 * first values are different counts as too large at once.
 */
#ifndef FLO_PARQUET_COLUMN_H
#define FLO_PARQUET_COLUMN_H

#include "steps/parquet/parquet.h"
#include "steps/parquet/stats.h"

struct flo__pcolumn {
	char *name; /* owned */
	enum flo__parquet_type type;
	size_t dict_max; /* bytes */
	struct flo__stats stats;

	struct flo__strbuf present; /* a byte a row: 1, or 0 for null */
	size_t values;		    /* that are not null */
	size_t plain_bytes;	    /* of all of them as PLAIN */

	/* The dictionary: entries as PLAIN, where they begin, who has a hash. */
	bool dict_full;
	size_t dict_rows; /* that indices are for, once it is full */
	struct flo__strbuf entries;
	uint32_t *entry_at; /* owned, like the slots */
	size_t entry_len, entry_cap;
	/*
	 * A power of two of them: entry + 1, or 0, in the lower half; in the
	 * upper one half of the value's hash, so that another value is passed
	 * by without a look at it, and growing needs no hash anew.
	 */
	uint64_t *slots;
	size_t slot_len;
	uint32_t *index; /* owned; of each value in dict_rows */
	size_t index_len, index_cap;

	/* Values after dict_rows as PLAIN, but a boolean is a byte. */
	struct flo__strbuf plain;
};

/* All zeros, and a name: ready. FLO_NOMEM. */
flo_status flo__pcolumn_init(struct flo__pcolumn *column,
			     const struct flo__parquet_column *as,
			     size_t dict_max);
void flo__pcolumn_fini(struct flo__pcolumn *column);

/* Forget the rows; much memory of little use is given back. Requires: settled. */
void flo__pcolumn_reset(struct flo__pcolumn *column);

/*
 * Add a row. @bytes is the value: 1 byte of a boolean, 8 of a number, a text's.
 * Its statistics are the caller's; *@ret_known says that the value was there
 * before, so that there is nothing new about it. FLO_NOMEM: the column is of no
 * use then.
 */
flo_status flo__pcolumn_add(struct flo__pcolumn *column, const void *bytes,
			    size_t len, bool *ret_known);
flo_status flo__pcolumn_add_null(struct flo__pcolumn *column);
/* Add the last row's value. FLO_NOTFOUND: it is not at hand. FLO_NOMEM. */
flo_status flo__pcolumn_add_again(struct flo__pcolumn *column);

/* No rows follow: drop a dictionary that does not pay. FLO_NOMEM. */
flo_status flo__pcolumn_settle(struct flo__pcolumn *column);

/* Rows, and those at the beginning that are indices. */
size_t flo__pcolumn_rows(const struct flo__pcolumn *column);
size_t flo__pcolumn_dict_rows(const struct flo__pcolumn *column);

/* About the bytes of memory that are held. */
size_t flo__pcolumn_bytes(const struct flo__pcolumn *column);

#endif
