/*
 * `map` and `where` of a pull: what a product calls things becomes what the
 * CMDB calls them, and what does not belong is left out.
 *
 * Both are expressions (flo/expr.h) that see one name, `record`.
 *
 * Threads: it does not change once it is made, so any number may run it.
 */
#ifndef FLO_CMDB_MAPPING_H
#define FLO_CMDB_MAPPING_H

#include "steps/cmdb/spec.h"

#include <flo/expr.h>

/* Fields that `map` may have. */
#define FLO__MAPPING_FIELDS_MAX 1000

/* What the expressions may use, for the step's table of arguments. */
extern const flo_expr_options flo__mapping_field;
extern const flo_expr_options flo__mapping_where;

struct flo__mapping;
struct flo__mask;

/*
 * Compile `map` (an object of expressions) and `where` (an expression); either
 * may be NULL. *@ret_mapping stays untouched if both are. What @mask (NULL:
 * nothing) hides is hidden in what errors quote of records.
 *
 * FLO_SYNTAX, FLO_TYPE, FLO_INVALID, FLO_LIMIT, naming argument and column;
 * FLO_NOMEM.
 */
flo_status flo__mapping_new(const flo_value *map, const flo_value *where,
			    const struct flo__mask *mask, flo_error *err,
			    struct flo__mapping **ret_mapping);
/* NULL is allowed. */
void flo__mapping_free(struct flo__mapping *mapping);

/* The digest of both expressions, as text: another one, another result. */
const struct flo__digest *flo__mapping_digest(const struct flo__mapping *m);

/*
 * Hold the record @text against `where` and, if *@ret_keep, make of it what
 * `map` says: *@ret_text lies in @into, whose content is lost, or is
 * @text itself if there is no `map`. Of a record that is @gone `where` is not
 * asked, and fields that have no value are left out: of such a one the key is
 * enough.
 *
 * FLO_SYNTAX, if @text is not JSON; the error of the expression, with its name
 * in front and the record's text, shortened, behind; FLO_LIMIT; FLO_NOMEM.
 */
flo_status flo__mapping_run(const struct flo__mapping *mapping,
			    const char *text, size_t len, bool gone,
			    struct flo__strbuf *into, flo_error *err,
			    bool *ret_keep, const char **ret_text,
			    size_t *ret_len);

#endif
