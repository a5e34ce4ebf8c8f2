/* What the tests of checking and of pruning a store share. */
#ifndef FLO_TESTS_STORE_UPKEEP_H
#define FLO_TESTS_STORE_UPKEEP_H

#include "store_fixture.h"

#include <sqlite3.h>

/* A run with @steps events between its start and its end. */
static inline void make_ended(struct flo__journal *j, const char *id, int steps,
			      enum flo__state how)
{
	struct flo__event end = make_event(FLO__EVENT_RUN_FINISHED);
	struct flo__run_journal *run = create_run(j, id);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	for (int i = 0; i < steps; i++)
		OK(append(j, run, FLO__EVENT_STEP_STARTED));
	end.status = how;
	OK(j->ops->append(run, &end));
	OK(j->ops->close(run, &err));
}

/* One that nobody owns and that has not ended. */
static inline void make_interrupted(struct flo__journal *j, const char *id)
{
	struct flo__run_journal *run = create_run(j, id);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(j->ops->close(run, &err));
}

/* Statements, behind the back of the store. */
static inline void do_sql(const struct fixture *f, const char *sql)
{
	sqlite3 *db = NULL;
	char *why = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(db);
}

static inline int64_t ask_sql(const struct fixture *f, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;
	int64_t n;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

/* --- files --- */

static inline void path_in(const struct fixture *f, const char *name,
			   char ret[512])
{
	snprintf(ret, 512, "%s.d/%s", f->path, name);
}

static inline void make_dir(const struct fixture *f, const char *name)
{
	char path[512];

	path_in(f, name, path);
	if (mkdir(path, 0700) != 0 && access(path, F_OK) != 0)
		fail_msg("cannot make %s", path);
}

static inline void make_file(const struct fixture *f, const char *name)
{
	char path[512];
	FILE *file;

	path_in(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs("something", file);
	fclose(file);
}

static inline bool is_there(const struct fixture *f, const char *name)
{
	struct stat info;
	char path[512];

	path_in(f, name, path);
	return lstat(path, &info) == 0;
}

#endif
