/*
 * cmdb.*: keep a database in step with what a product says.
 *
 * pull stages records, diff makes a plan of how they differ from the state,
 * apply carries a plan out, export writes its changes to a file,
 * compact puts the files of a day together. docs/cmdb.md
 * teaches them and explains the tables.
 */
#ifndef FLO_CMDB_CMDB_H
#define FLO_CMDB_CMDB_H

#include <flo/step.h>

extern const flo_step_type flo__cmdb_pull;
extern const flo_step_type flo__cmdb_diff;
extern const flo_step_type flo__cmdb_apply;
extern const flo_step_type flo__cmdb_export;
extern const flo_step_type flo__cmdb_compact;

#endif
