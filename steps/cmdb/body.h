/* Records that the database holds, read by their row. */
#ifndef FLO_CMDB_BODY_H
#define FLO_CMDB_BODY_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/reading.h"

/*
 * Read the body in row @id as JSON, with @stmt, which is "SELECT body FROM body
 * WHERE id = ?1". *@ret lives until @reader reads again.
 */
#define FLO__BODY_SQL "SELECT body FROM body WHERE id = ?1"
flo_status flo__body_read(struct flo__cdb *db, sqlite3_stmt *stmt, int64_t id,
			  struct flo__json_reader *reader, flo_error *err,
			  const json_t **ret);
/*
 * The same for who needs no tree: the body is copied into @text, which is
 * lent, and @reading read from there.
 */
flo_status flo__body_reading(struct flo__cdb *db, sqlite3_stmt *stmt,
			     int64_t id, struct flo__strbuf *text,
			     struct flo__reading *reading, flo_error *err);

/* FLO_CORRUPT: the body in row @id is missing, or no record. */
flo_status flo__body_broken(const struct flo__cdb *db, int64_t id,
			    flo_error *err);

#endif
