#include "store_power.h"

#include "base/contract.h"

#include <sqlite3.h>

void power_store_path(const struct stage *s, const char *dir, char *ret,
		      size_t size)
{
	snprintf(ret, size, "%s/%s", dir, s->name);
}

flo_status power_append(struct flo__journal *j, struct flo__run_journal *run,
			uint64_t seq, uint64_t total)
{
	static char path[1501];
	enum flo__event_kind kind = seq % 2 == 0 ? FLO__EVENT_STEP_STARTED
						 : FLO__EVENT_STEP_FINISHED;
	struct flo__event event;

	memset(path, 'a', sizeof(path) - 1);
	if (seq == 1)
		kind = FLO__EVENT_RUN_STARTED;
	if (seq == total)
		kind = FLO__EVENT_RUN_FINISHED;
	event = make_event(kind);
	if (event.path != NULL && seq % 3 != 0)
		event.path = path;
	return j->ops->append(run, &event);
}

struct judged {
	const struct truth *truth;
	uint64_t count;
	bool wrong; /* an event is not that of the truth */
};

static flo_status compare_event(void *arg, const char *json, size_t len)
{
	struct judged *judged = arg;
	const char *body = NULL;

	if (judged->count < judged->truth->total)
		body = judged->truth->bodies[judged->count];
	judged->count++;
	if (body == NULL || strlen(body) != len || memcmp(body, json, len) != 0)
		judged->wrong = true;
	return FLO_OK;
}

static uint64_t reported(const struct truth *t, size_t at)
{
	uint64_t seq = 0;

	for (int i = 0; i < t->acks_len; i++)
		if (t->acks[i].at <= at)
			seq = t->acks[i].seq;
	return seq;
}

/* The events of one run, as readers see them. */
static enum verdict judge_run(struct flo__reader *reader, const struct truth *t,
			      size_t at, flo_error *err, uint64_t *ret_count)
{
	struct judged judged = {.truth = t};
	struct flo__run_row row;
	enum verdict verdict = SOUND;
	flo_status st;

	TRY(flo__reader_verify(reader, t->id, err));
	TRY(flo__reader_events(reader, t->id, compare_event, &judged, err));
	TRY(flo__reader_run(reader, t->id, err, &row));
	if (judged.wrong ||
	    (judged.count == t->total) != (row.finished_us != 0))
		verdict = WRONG;
	else if (judged.count < reported(t, at))
		verdict = LOST;
out:
	*ret_count = judged.count;
	if (st == FLO_NOTFOUND) {
		flo_error_clear(err);
		return t->created_at <= at ? LOST : SOUND;
	}
	return st == FLO_OK ? verdict : TOLD;
}

/* Go on with a run that has @count events. */
flo_status power_finish_run(struct flo__journal *j, const struct truth *t,
			    uint64_t count, flo_error *err)
{
	const struct flo__run_record *record;
	struct flo__run_journal *run;
	flo_status st;

	st = j->ops->open(j, t->id, NULL, NULL, err, &run, &record);
	if (st == FLO_NOTFOUND || st == FLO_CLOSED) {
		flo_error_clear(err);
		return FLO_OK; /* it never began, or has ended */
	}
	if (st != FLO_OK)
		return st;
	while (count < t->total && st == FLO_OK)
		st = power_append(j, run, ++count, t->total);
	j->ops->close(run, err);
	return err->status;
}

static bool is_intact(const char *path)
{
	sqlite3_stmt *stmt = NULL;
	bool intact = false;
	sqlite3 *db;

	sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL) ==
		    SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		intact = strcmp((const char *)sqlite3_column_text(stmt, 0),
				"ok") == 0;
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return intact;
}

static enum verdict worse(enum verdict a, enum verdict b)
{
	return a > b ? a : b;
}

/* Read all runs, as @at and the truth say; @ret_counts are of their events. */
static enum verdict judge_runs(struct stage *s, const char *path, size_t at,
			       flo_error *err, uint64_t ret_counts[RUNS_MAX])
{
	enum verdict verdict = SOUND;
	struct flo__reader *reader;

	if (flo__reader_open(path, err, &reader) != FLO_OK)
		return TOLD;
	for (int i = 0; i < s->runs_len; i++)
		verdict = worse(verdict, judge_run(reader, &s->runs[i], at, err,
						   &ret_counts[i]));
	flo__reader_close(reader);
	return verdict;
}

/* Go on with all runs in a store that is open. */
static enum verdict finish_all(struct stage *s, struct flo__journal *j,
			       const uint64_t counts[RUNS_MAX], flo_error *err)
{
	for (int i = 0; i < s->runs_len; i++)
		if (power_finish_run(j, &s->runs[i], counts[i], err) != FLO_OK)
			return TOLD;
	return SOUND;
}

/* A run that was there is now as it is in the truth. */
static enum verdict judge_ends(struct stage *s, const char *path,
			       flo_error *err)
{
	uint64_t counts[RUNS_MAX] = {0};
	enum verdict verdict = judge_runs(s, path, s->begin, err, counts);

	for (int i = 0; i < s->runs_len && verdict <= LOST; i++)
		if (counts[i] != 0 && counts[i] != s->runs[i].total)
			verdict = WRONG;
	return verdict;
}

enum verdict power_judge(struct stage *s, size_t at, flo_error *err)
{
	uint64_t counts[RUNS_MAX] = {0};
	enum verdict verdict;
	struct flo__journal *j;
	char path[600];

	power_store_path(s, s->left, path, sizeof(path));
	if (flo__store_open(path, FLO__STORE_POWER, err, &j) != FLO_OK)
		return TOLD;
	verdict = is_intact(path) ? SOUND : TOLD;
	verdict = worse(verdict, judge_runs(s, path, at, err, counts));
	if (verdict <= LOST)
		verdict = worse(verdict, finish_all(s, j, counts, err));
	flo__store_close(j);
	if (verdict <= LOST)
		verdict = worse(verdict, judge_ends(s, path, err));
	return verdict;
}
