/* Reading a store: the list of runs, and the events of one. */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

#define PAGE_RUNS 128

struct listed {
	int64_t row;
	struct flo__run_row run;
	void *mem;  /* what run points into */
	bool sound; /* else the row is damaged, and is left out */
};

struct run_page {
	struct listed runs[PAGE_RUNS];
	size_t count;
	int64_t before; /* the next page has rows below */
	bool last;
};

static void clear_page(struct run_page *page)
{
	for (size_t i = 0; i < page->count; i++)
		flo__free(page->runs[i].mem);
	page->count = 0;
}

/* Copy the newest rows below page->before, up to @max. */
static flo_status read_runs(struct flo__reader *reader, struct run_page *page,
			    size_t max, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&reader->db, FLO__SQL_RUN_PAGE, err, &stmt));
	sqlite3_bind_int64(stmt, 1, page->before);
	sqlite3_bind_int64(stmt, 2, (int64_t)max);
	for (;;) {
		struct listed *at = &page->runs[page->count];

		TRY(flo__conn_step(&reader->db, stmt, err, &row));
		if (!row)
			break;
		INSIST(page->count < PAGE_RUNS);
		at->mem = NULL;
		at->row = page->before = sqlite3_column_int64(stmt, 0);
		/* one bad record hides one run, not the list */
		st = flo__reader_copy(reader, stmt, NULL, &at->run, &at->mem);
		if (st != FLO_OK && st != FLO_CORRUPT)
			goto out;
		at->sound = st == FLO_OK;
		page->count++;
	}
	page->last = page->count < max;
	st = FLO_OK;
out:
	flo__conn_done(stmt);
	return st;
}

/* As read_run() in reader.c: settle what a run that has not ended is. */
static flo_status settle(struct flo__reader *reader, struct listed *at,
			 flo_error *err)
{
	struct flo__run_row again;
	void *mem = NULL;
	int64_t row;
	flo_status st;

	if (at->run.finished_us != 0 || flo__reader_held(reader, at->row))
		return FLO_OK;
	st = flo__reader_row(reader, at->run.record.id, err, &row, &again,
			     &mem);
	if (st != FLO_OK)
		return st;
	flo__free(at->mem);
	at->mem = mem;
	at->run = again;
	at->run.record.text = NULL;
	at->run.record.text_len = 0;
	if (again.finished_us == 0 && !flo__reader_held(reader, at->row))
		return flo__reader_interrupted(reader, at->row, err, &at->run);
	return FLO_OK;
}

flo_status flo__reader_runs(struct flo__reader *reader, size_t max,
			    flo_status (*fn)(void *arg,
					     const struct flo__run_row *row),
			    void *arg, flo_error *err)
{
	struct run_page *page = flo__calloc(1, sizeof(*page));
	size_t left = max == 0 ? SIZE_MAX : max;
	flo_status st = FLO_NOMEM;

	if (page == NULL)
		return flo_error_set(err, st, "%s", flo_status_text(st));
	page->before = INT64_MAX;
	do {
		size_t want = left < PAGE_RUNS ? left : PAGE_RUNS;

		clear_page(page);
		TRY(read_runs(reader, page, want, err));
		for (size_t i = 0; i < page->count; i++) {
			if (!page->runs[i].sound)
				continue;
			TRY(settle(reader, &page->runs[i], err));
			TRY(fn(arg, &page->runs[i].run));
		}
		left -= page->count;
	} while (!page->last && left > 0);
out:
	clear_page(page);
	flo__free(page);
	return st;
}

/* --- events --- */

struct plain_fn {
	flo_status (*fn)(void *arg, const char *json, size_t len);
	void *arg;
};

static flo_status call_plain(void *arg, const char *json, size_t len,
			     flo_error *err)
{
	const struct plain_fn *plain = arg;

	(void)err;
	return plain->fn(plain->arg, json, len);
}

flo_status flo__reader_events(struct flo__reader *reader, const char *id,
			      flo_status (*fn)(void *arg, const char *json,
					       size_t len),
			      void *arg, flo_error *err)
{
	struct plain_fn plain = {fn, arg};
	struct flo__walk walk = {.fn = call_plain, .arg = &plain};
	struct flo__run_row run;
	void *mem = NULL;
	flo_status st;

	TRY(flo__reader_row(reader, id, err, &walk.row, &run, &mem));
	TRY(flo__reader_walk(reader, &walk, err));
out:
	flo__free(mem);
	return st;
}

/* Whether an event is the one that the row of an ended run repeats. */
struct repeated {
	const char *json;
	size_t len;
	bool is_last; /* of the event that was seen last */
};

static flo_status compare(void *arg, const char *json, size_t len,
			  flo_error *err)
{
	struct repeated *repeated = arg;

	(void)err;
	repeated->is_last =
		len == repeated->len && memcmp(json, repeated->json, len) == 0;
	return FLO_OK;
}

/* A row that has changed makes `runs` and `resume` tell another end. */
static flo_status check_row(const struct flo__run_row *run,
			    const struct flo__walk *walk,
			    const struct repeated *repeated, flo_error *err)
{
	struct flo__strbuf status = FLO__STRBUF_INIT;
	flo_status st;

	if (walk->kind != FLO__EVENT_RUN_FINISHED)
		return flo_error_set(
			err, FLO_CORRUPT,
			"run %s has ended, but its events after %llu "
			"are missing",
			run->record.id, (unsigned long long)walk->seq);
	flo__strbuf_addf(&status, "\"status\":\"%s\"",
			 flo__state_text(run->status));
	st = flo__strbuf_status(&status);
	if (st == FLO_OK && (!repeated->is_last ||
			     strstr(run->finished_json, status.data) == NULL))
		st = flo_error_set(err, FLO_CORRUPT,
				   "its row tells another end than its last "
				   "event");
	flo__strbuf_fini(&status);
	return st;
}

flo_status flo__reader_verify(struct flo__reader *reader, const char *id,
			      flo_error *err)
{
	struct repeated repeated = {.json = NULL};
	struct flo__walk walk = {.row = 0};
	struct flo__run_row run;
	void *mem = NULL;
	flo_status st;

	TRY(flo__reader_row(reader, id, err, &walk.row, &run, &mem));
	walk.record = &run.record;
	if (run.finished_json != NULL) {
		repeated.json = run.finished_json;
		repeated.len = strlen(run.finished_json);
		walk.fn = compare;
		walk.arg = &repeated;
	}
	TRY(flo__reader_walk(reader, &walk, err));
	if (run.finished_us != 0)
		st = check_row(&run, &walk, &repeated, err);
out:
	flo__free(mem);
	return st;
}
