#include "steps/cmdb/second.h"

/* Every apply gives the source a time of its own, later than all before. */
static flo_status applied_at(struct flo__cdb *db, int64_t source,
			     int64_t *ret_us)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, NULL, &stmt,
			  "SELECT applied_us FROM source WHERE id = ?1", "i",
			  source);
	if (st == FLO_OK)
		*ret_us = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st;
}

void flo__second_open(struct flo__cdb *db, int64_t source,
		      struct flo__cdb **ret_second)
{
	struct flo__cdb *second = NULL;
	int64_t ours = 0, its = 0;

	*ret_second = NULL;
	if (applied_at(db, source, &ours) == FLO_OK &&
	    flo__cdb_open_beside(db, NULL, &second) == FLO_OK &&
	    flo__cdb_read(second, NULL) == FLO_OK &&
	    applied_at(second, source, &its) == FLO_OK && its == ours)
		*ret_second = second;
	else
		flo__cdb_close(second);
}

static flo_status read_half(struct flo__half *half, struct flo__cdb *db)
{
	half->db = db;
	flo_error_clear(&half->err);
	half->st = half->read(half);
	return half->st;
}

static void work(struct flo__task *task)
{
	struct flo__half *half = (struct flo__half *)task;

	(void)read_half(half, half->db);
}

static flo_status tell(const struct flo__half *half, flo_error *err)
{
	if (half->st != FLO_OK && err != NULL)
		*err = half->err;
	return half->st;
}

flo_status flo__half_both(struct flo__half *one, struct flo__half *other,
			  struct flo__cdb *db, int64_t source, bool beside,
			  flo_error *err)
{
	struct flo__cdb *second = NULL;

	if (beside)
		flo__second_open(db, source, &second);
	other->st = FLO_NOTFOUND;
	other->db = second;
	other->task.work = work;
	if (second != NULL)
		flo__task_start(&other->task);
	(void)read_half(one, db);
	flo__task_wait(&other->task, FLO__TASK_IN_REGION);
	flo__cdb_close(second);
	if (one->st == FLO_OK && other->st != FLO_OK)
		(void)read_half(other, db);
	return one->st != FLO_OK ? tell(one, err) : tell(other, err);
}
