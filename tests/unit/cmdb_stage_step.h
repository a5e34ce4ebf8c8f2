/*
 * A step type that stages what the test says, as a source of its own would: the
 * kinds of pulls without a product.
 *
 * Its arguments: db, source, kind (full, changes, same), origin, cursor, etag,
 * modified, gone (a pointer), records (a list). The cursor that it was offered
 * is in its output as "offered", beside "pull"; the texts are null without.
 */
#ifndef FLO_TESTS_CMDB_STAGE_STEP_H
#define FLO_TESTS_CMDB_STAGE_STEP_H

#include <flo/step.h>

extern const flo_step_type cmdb_stage_step;

#endif
