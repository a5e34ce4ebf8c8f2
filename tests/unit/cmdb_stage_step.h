/*
 * A step type that stages what the test says, as a source of its own would: the
 * kinds of pulls without a product.
 *
 * Its arguments: db, source, kind (full, changes, same), origin, cursor, etag,
 * modified, gone (a pointer), map, where, records (a list). The cursor that it was offered
 * is in its output as "offered", beside "pull"; the texts are null without.
 */
#ifndef FLO_TESTS_CMDB_STAGE_STEP_H
#define FLO_TESTS_CMDB_STAGE_STEP_H

#include <flo/step.h>

extern const flo_step_type cmdb_stage_step;

/* Stage as @how says, of source vm; the output is the caller's. */
flo_value *stage_as(const char *db, const char *how, const char *records);

/*
 * Diff what was staged by /id; @more is further arguments, beginning with a
 * comma, or "".
 */
flo_status diff_staged(const char *db, const flo_value *pull, const char *more,
		       flo_value **ret_diff);

/* Both; the counters must be @want: "3 rows +1 ~1 -0 =1". */
flo_value *plan_as(const char *db, const char *how, const char *records,
		   const char *more, const char *want);

/* All three: it must be this apply that applies it. */
void sync_as(const char *db, const char *how, const char *records,
	     const char *more, const char *want);

#endif
