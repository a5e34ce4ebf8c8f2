/*
 * Records of a pull that the state holds already, in other bytes: only under
 * another spec than the one that the pull was read under can they differ.
 *
 * So they are not staged one by one, but kept packed, and nobody looks at them
 * unless the diff's spec is another one; then they are staged after all. What is
 * packed is a line each: FLO__SAME_RAW, the raw digest of what was pulled, by
 * which later pulls know it, and the record.
 */
#ifndef FLO_CMDB_SAME_H
#define FLO_CMDB_SAME_H

#include "steps/cmdb/batch.h"

/* No record begins so. Lines of older programs are a record and no more. */
#define FLO__SAME_RAW '\1'

/*
 * Write those of @batch; @id is the first one's, the others follow. Within a
 * transaction. Errors are the database's.
 */
flo_status flo__same_write(struct flo__cdb *db, int64_t id,
			   const struct flo__batch *batch, flo_error *err);

/*
 * Stage those of the pull @no, in a transaction of its own; it may have been
 * done before. FLO_CORRUPT, FLO_NOMEM, the database's errors.
 */
flo_status flo__same_stage(struct flo__cdb *db, int64_t no, flo_error *err);

#endif
