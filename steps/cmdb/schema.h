/* The tables of a CMDB's file; docs/cmdb.md explains them. */
#ifndef FLO_CMDB_SCHEMA_H
#define FLO_CMDB_SCHEMA_H

#include <flo/status.h>

/* "fCMD": what tells a CMDB from other SQLite files. */
#define FLO__CDB_APPLICATION 0x66434d44
/* Raised by every change of the tables; older files are migrated. */
#define FLO__CDB_VERSION 1

extern const char flo__cdb_schema[];

#endif
