/* The tables of a CMDB's file; docs/cmdb.md explains them. */
#ifndef FLO_CMDB_SCHEMA_H
#define FLO_CMDB_SCHEMA_H

#include <flo/status.h>

/* "fCMD": what tells a CMDB from other SQLite files. */
#define FLO__CDB_APPLICATION 0x66434d44
/* Raised by every change of the tables; older files are migrated. */
#define FLO__CDB_VERSION 4

/*
 * What makes a file of format N + 1 from one of format N; format 0 is an empty
 * file. So a new file and an old one that was migrated cannot differ.
 */
extern const char *const flo__cdb_migrations[FLO__CDB_VERSION];

#endif
