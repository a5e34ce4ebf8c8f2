/*
 * The top-level members of a stored record, read from its text: what is a
 * column of its own has no need of a tree.
 *
 * The text was read as JSON when it was staged, so it is an object in which no
 * key comes twice. Of one that has been damaged since, garbage is read, or
 * FLO_CORRUPT comes back.
 */
#ifndef FLO_CMDB_MEMBER_H
#define FLO_CMDB_MEMBER_H

#include "base/strbuf.h"

#include <flo/error.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * What a value is, and what a column of such values is. Each is written to the
 * database by its name, see fields.c.
 */
enum flo__kind {
	FLO__KIND_NULL,
	FLO__KIND_BOOL,
	FLO__KIND_INT53, /* an integer that a double holds exactly */
	FLO__KIND_INT,	 /* another one of 64 bits */
	FLO__KIND_DOUBLE,
	FLO__KIND_STRING,
	FLO__KIND_JSON,	 /* an array, an object, a larger integer */
	FLO__KIND_MIXED, /* of a column only: strings and others, all as JSON */
};

struct flo__member {
	const char *name; /* without quotes and escapes; not terminated */
	size_t name_len;
	const char *text; /* the value as it stands in the record */
	size_t text_len;
	enum flo__kind kind;
	bool escaped; /* a string that has escapes */
};

/* Where in a record the next member is. Starts with @at and @key as zeros. */
struct flo__members {
	const char *text; /* borrowed, as are the members */
	size_t len;
	size_t at;
	struct flo__strbuf key; /* of one with escapes; the caller's to fini */
};

/*
 * Read the next member, which lives until the next call. *@ret_more is false
 * after the last. FLO_CORRUPT, FLO_NOMEM.
 */
flo_status flo__members_next(struct flo__members *members, flo_error *err,
			     struct flo__member *ret_member, bool *ret_more);

/* Append what a string's token with escapes says. FLO_NOMEM, FLO_CORRUPT. */
flo_status flo__member_unescape(const char *text, size_t len, flo_error *err,
				struct flo__strbuf *sb);

/* What a number's token says, as a double or, if it is one, as an integer. */
flo_status flo__member_double(const char *text, size_t len, flo_error *err,
			      double *ret_d);
int64_t flo__member_int(const char *text, size_t len);

#endif
