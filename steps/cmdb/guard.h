/*
 * Guards: what a diff may look like before anybody is asked.
 *
 * They are for the day on which a product answers with half of its inventory,
 * or with another shape of it, and a sync would delete the other half.
 *
 * A pull of changes may be empty; the other guards hold for it as well, as
 * nothing says that a product is right about what it calls gone.
 */
#ifndef FLO_CMDB_GUARD_H
#define FLO_CMDB_GUARD_H

#include "steps/cmdb/match.h"

#include <flo/step.h>

/* Largest remove_after_misses. */
#define FLO__MISSES_MAX 1000000

struct flo__guard {
	bool empty;		 /* an empty pull while there are rows */
	bool key_field;		 /* a key field that appears or vanishes */
	double removed_percent;	 /* more than this removed, and ... */
	int64_t removed_rows;	 /* ... at least so many rows */
	double volatile_percent; /* warn: so much changed in one field */
	int64_t remove_after;	 /* pulls in a row that must lack a record */
};

/* The settings, for the table of arguments. */
#define FLO__GUARD_PARAMS 6
extern const flo_step_param flo__guard_params[FLO__GUARD_PARAMS];

/* All on, as documented, then as the argument `guard` of @with says. */
flo_status flo__guard_read(const flo_value *with, flo_error *err,
			   struct flo__guard *ret_guard);

/*
 * Append the names of guards that @match breaks to @names, separated by commas,
 * and why to @reason, separated by semicolons. Nothing is appended if none is.
 */
void flo__guard_check(const struct flo__guard *guard,
		      const struct flo__match *match, struct flo__strbuf *names,
		      struct flo__strbuf *reason);

/* Append the names of fields that look volatile, separated by commas. */
void flo__guard_volatile(const struct flo__guard *guard,
			 const struct flo__match *match,
			 struct flo__strbuf *fields);

#endif
