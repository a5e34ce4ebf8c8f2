/*
 * The top-level fields that a source's records ever had, and of what type a
 * column of each is.
 *
 * Stored beside the source, and only added to: a field that is gone keeps its
 * column, and a type only widens. So all files of a source have the same
 * columns in the same order, as far as they go.
 */
#ifndef FLO_CMDB_FIELDS_H
#define FLO_CMDB_FIELDS_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/member.h"

/* More make no table. */
#define FLO__TYPED_FIELDS_MAX 1000

struct flo__typed_field {
	char *name; /* owned */
	size_t name_len;
	enum flo__kind kind; /* NULL: no value was seen, there is no column */
};

/* Starts as zeros. */
struct flo__fields {
	struct flo__typed_field *field; /* owned */
	size_t len;
	size_t cap;
	size_t next; /* where the next member is likely found */
};

void flo__fields_fini(struct flo__fields *fields);

/*
 * The field of that name; SIZE_MAX if there is none. *@next is where it is
 * likely found: 0, or what the last call left there.
 */
size_t flo__fields_find(const struct flo__fields *fields, const char *name,
			size_t len, size_t *next);

/*
 * Take the members of a record in. FLO_LIMIT: more than FLO__TYPED_FIELDS_MAX fields;
 * FLO_NOMEM.
 */
flo_status flo__fields_see(struct flo__fields *fields, const char *text,
			   size_t len, flo_error *err);

/*
 * Add @fields to what is stored for @source, in a transaction, and make them
 * what is stored then. Errors as of flo__fields_see() and the database's.
 */
flo_status flo__fields_store(struct flo__cdb *db, int64_t source,
			     struct flo__fields *fields, flo_error *err);

/* What a column is that has values of both kinds. */
enum flo__kind flo__kind_join(enum flo__kind a, enum flo__kind b);

#endif
