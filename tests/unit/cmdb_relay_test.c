/* Rows on their way to a sheet: the same file whoever makes it, and its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "steps/cmdb/relay.h"

#include <fcntl.h>
#include <flo/panic.h>
#include <flo/runtime.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* More than go round the ring of batches twice. */
#define ROWS 40000

static const struct flo__parquet_column columns[] = {
	{"n", FLO__PARQUET_INT},	{"odd", FLO__PARQUET_BOOL},
	{"third", FLO__PARQUET_DOUBLE}, {"text", FLO__PARQUET_STRING},
	{"word", FLO__PARQUET_STRING},	{"origin", FLO__PARQUET_STRING},
	{"when", FLO__PARQUET_TIME},
};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* What rows become, and what happens to some of them; -1: to none. */
struct job {
	const char *dir;
	const char *name;
	bool parquet;
	struct flo__parquet_limits limits;
	int rows;
	int width; /* of the text */
	int again_at;
	int broken_at;
	int panic_at;
	int stop_at;
	long fail_at;	    /* of memory; 0: never */
	atomic_int cutting; /* cuts that have begun and not ended; relaxed */
	/* What came of it. */
	flo_status st;
	flo_error err;
	bool again;
	int left; /* cuts under way when all was freed */
};

static struct job new_job(const char *dir, const char *name, bool parquet)
{
	return (struct job){.dir = dir,
			    .name = name,
			    .parquet = parquet,
			    .limits = {.rows_max = 7000,
				       .page_bytes = 9000,
				       .dict_bytes = 20000},
			    .rows = ROWS,
			    .width = 12,
			    .again_at = -1,
			    .broken_at = -1,
			    .panic_at = -1,
			    .stop_at = -1,
			    .err = FLO_ERROR_INIT};
}

static void set_text(struct flo__parquet_cell *cell, const char *text)
{
	cell->set = true;
	cell->text = text;
	cell->len = (uint32_t)strlen(text);
}

/* The row's number is its time; its texts come with it. */
static void fill_cells(const struct flo__relay_row *row,
		       struct flo__relay_scratch *scratch,
		       struct flo__parquet_cell *cells, size_t step)
{
	int64_t n = row->ts;
	size_t at = scratch->texts.len;

	cells[0].set = n % 5 != 0;
	cells[0].n = n / 3;
	cells[step].set = true;
	cells[step].n = n % 2;
	cells[2 * step].set = true;
	cells[2 * step].d = (double)n / 3;
	/* A text of the row's, and a copy of one. */
	cells[3 * step].set = true;
	cells[3 * step].text = row->text[0].at;
	cells[3 * step].len = (uint32_t)row->text[0].len;
	flo__strbuf_add(&scratch->texts, row->text[1].at, row->text[1].len);
	cells[4 * step].set = n % 7 != 0;
	cells[4 * step].text = scratch->texts.data + at;
	cells[4 * step].len = (uint32_t)row->text[1].len;
	set_text(&cells[5 * step], row->origin);
	cells[5 * step].same = row->same;
	cells[6 * step].set = true;
	cells[6 * step].n = row->valid_from;
}

static flo_status cut(const void *arg, const struct flo__relay_row *row,
		      struct flo__relay_scratch *scratch,
		      struct flo__parquet_cell *cells, size_t step,
		      flo_error *err)
{
	struct job *job = (struct job *)(uintptr_t)arg;
	flo_status st = FLO_OK;

	atomic_fetch_add_explicit(&job->cutting, 1, memory_order_relaxed);
	fill_cells(row, scratch, cells, step);
	if (row->ts == job->again_at)
		st = FLO_AGAIN;
	else if (job->broken_at >= 0 && row->ts >= job->broken_at)
		st = flo_error_set(err, FLO_CORRUPT, "row %d is broken",
				   (int)row->ts);
	atomic_fetch_sub_explicit(&job->cutting, 1, memory_order_relaxed);
	if (row->ts == job->panic_at)
		flo_panic("row %d", (int)row->ts);
	return st;
}

/* @text is the caller's, as a panic leaves this without a word. */
static flo_status give_row(struct flo__relay *relay, const struct job *job,
			   int n, struct flo__strbuf *text, flo_error *err)
{
	static const char *const words[] = {"one", "two", "", "four",
					    "caf\xc3\xa9"};
	const char *word = words[n % 5];
	struct flo__relay_row row = {.ts = n, .valid_from = n / 1000};
	flo_status st;

	flo__strbuf_reset(text);
	flo__strbuf_addf(text, "%0*d", job->width, n * 7919 % 30011);
	st = flo__strbuf_status(text);
	row.text[0].at = text->data;
	row.text[0].len = text->len;
	row.text[1].at = word;
	row.text[1].len = strlen(word);
	if (st == FLO_OK)
		st = flo__relay_row(relay, &row, err);
	return st == FLO_NOMEM ? flo_error_set(err, st, "out of memory") : st;
}

static flo_status give_rows(struct flo__relay *relay, const struct job *job,
			    struct flo__strbuf *text, flo_error *err)
{
	flo_status st = FLO_OK;

	for (int i = 0; i < job->rows && st == FLO_OK; i++) {
		if (i % 17000 == 0)
			st = flo__relay_origin(relay, i == 0 ? "a" : "b", 2,
					       err);
		if (i == job->stop_at)
			return flo_error_set(err, FLO_CANCELED, "stopped");
		if (st == FLO_OK)
			st = give_row(relay, job, i, text, err);
	}
	return st;
}

struct writing {
	struct job *job;
	struct flo__outfile *file;
	struct flo__sheet *sheet;
	struct flo__relay *relay;
	struct flo__strbuf text;
	bool computing;
};

static void write_rows(void *arg)
{
	static const char *const meta[][2] = {{"key", "value"}, {NULL, NULL}};
	struct writing *w = arg;
	struct job *job = w->job;
	flo_error *err = &job->err;
	int64_t bytes = 0;

	job->st = flo__sheet_open(w->file, job->parquet, columns, COLUMNS, meta,
				  &job->limits, err, &w->sheet);
	if (job->st == FLO_OK)
		job->st = flo__relay_new(w->sheet, cut, job, err, &w->relay);
	w->computing = true;
	flo__task_compute_begin();
	if (job->st == FLO_OK)
		job->st = give_rows(w->relay, job, &w->text, err);
	if (job->st == FLO_OK)
		job->st = flo__relay_finish(w->relay, err);
	w->computing = false;
	flo__task_compute_end();
	if (job->st == FLO_OK)
		job->st = flo__sheet_finish(w->sheet, err, &bytes);
}

static void run_job(void *arg)
{
	struct job *job = arg;
	struct writing w = {.job = job, .text = FLO__STRBUF_INIT};
	flo_error fault = FLO_ERROR_INIT;
	bool inside = flo_runtime_current() != NULL;
	int dir = open(job->dir, O_RDONLY | O_DIRECTORY);

	job->st = flo__outfile_open_at(dir, job->name, &job->err, &w.file);
	close(dir);
	if (job->st != FLO_OK)
		return;
	if (job->fail_at != 0)
		flo__alloc_fail_at(job->fail_at, 0);
	if (inside)
		flo_blocking_begin();
	if (flo_try(write_rows, &w, &fault) != FLO_OK) {
		job->st = FLO_PANIC;
		job->err = fault;
		if (w.computing)
			flo__task_compute_end();
	}
	job->again = w.relay != NULL && flo__relay_said_again(w.relay);
	flo__relay_free(w.relay);
	job->left = atomic_load_explicit(&job->cutting, memory_order_relaxed);
	if (inside)
		flo_blocking_end();
	flo__sheet_close(w.sheet);
	flo__strbuf_fini(&w.text);
	if (job->fail_at != 0)
		flo__alloc_fail_at(0, 0);
	if (job->st == FLO_OK)
		job->st = flo__outfile_finish(w.file, &job->err);
	flo__outfile_close(w.file);
}

/* On so many P, or, with 0, without any; what it started has ended then. */
static void run_on(struct job *job, unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs,
					      .stack_size = 256u << 10};
	flo_runtime *rt = NULL;

	if (procs == 0) {
		run_job(job);
		return;
	}
	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	assert_int_equal(flo_runtime_run(rt, run_job, job), FLO_OK);
	flo_runtime_free(rt);
	assert_int_equal(job->left, 0);
}

/* A directory of its own for each test. */
static char dir[64];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/flo-relay-XXXXXX");
	return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

static void read_file(const char *name, struct flo__strbuf *sb)
{
	char path[128], bytes[4096];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	assert_non_null(file);
	while ((len = fread(bytes, 1, sizeof(bytes), file)) > 0)
		flo__strbuf_add(sb, bytes, len);
	fclose(file);
	assert_int_equal(flo__strbuf_status(sb), FLO_OK);
}

static void expect_same(const char *a, const char *b)
{
	struct flo__strbuf one = FLO__STRBUF_INIT, other = FLO__STRBUF_INIT;

	read_file(a, &one);
	read_file(b, &other);
	assert_true(one.len > 1000);
	assert_int_equal(one.len, other.len);
	assert_memory_equal(one.data, other.data, one.len);
	flo__strbuf_fini(&one);
	flo__strbuf_fini(&other);
}

static void write_on(const char *name, bool parquet, unsigned procs,
		     const struct flo__parquet_limits *limits)
{
	struct job job = new_job(dir, name, parquet);

	if (limits != NULL)
		job.limits = *limits;
	run_on(&job, procs);
	if (job.st != FLO_OK)
		fail_msg("%s", job.err.text);
}

static void the_file_is_the_same_on_any_number_of_p(void **state)
{
	(void)state;
	for (int parquet = 0; parquet < 2; parquet++) {
		write_on("none", parquet, 0, NULL);
		write_on("one", parquet, 1, NULL);
		write_on("two", parquet, 2, NULL);
		write_on("four", parquet, 4, NULL);
		expect_same("none", "one");
		expect_same("one", "two");
		expect_same("one", "four");
	}
}

/* A column's name is in the schema, and in each group's description of it. */
static int groups_of(const char *name)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int found = 0;

	read_file(name, &sb);
	for (const char *at = sb.data;
	     (at = memmem(at, (size_t)(sb.data + sb.len - at), "origin", 6)) !=
	     NULL;
	     at++)
		found++;
	flo__strbuf_fini(&sb);
	return found - 1;
}

static void groups_that_end_by_their_size_are_the_same_too(void **state)
{
	static const struct flo__parquet_limits limits = {.bytes_max = 300000,
							  .page_bytes = 9000};

	(void)state;
	write_on("none", true, 0, &limits);
	write_on("one", true, 1, &limits);
	write_on("two", true, 2, &limits);
	expect_same("none", "one");
	expect_same("none", "two");
	assert_in_range(groups_of("two"), 4, 40);
	write_on("by-rows", true, 2, NULL);
	assert_int_equal(groups_of("by-rows"), (ROWS + 6999) / 7000);
}

static flo_status append(void *arg, struct flo__strbuf *sb, flo_error *err)
{
	flo__strbuf_add(arg, sb->data, sb->len);
	flo__strbuf_reset(sb);
	(void)err;
	return flo__strbuf_status(arg);
}

/* What row @n is, put a value at a time. */
static void put_row(struct flo__parquet *file, int n)
{
	static const char *const words[] = {"one", "two", "", "four",
					    "caf\xc3\xa9"};
	char text[32];

	snprintf(text, sizeof(text), "%012d", n * 7919 % 30011);
	if (n % 5 != 0)
		flo__parquet_put_int(file, 0, n / 3);
	flo__parquet_put_bool(file, 1, n % 2);
	flo__parquet_put_double(file, 2, (double)n / 3);
	flo__parquet_put_text(file, 3, text, strlen(text));
	if (n % 7 != 0)
		flo__parquet_put_text(file, 4, words[n % 5],
				      strlen(words[n % 5]));
	flo__parquet_put_text(file, 5, n < 17000 ? "a" : "b", 1);
	flo__parquet_put_time(file, 6, n / 1000);
	assert_int_equal(flo__parquet_end_row(file, NULL), FLO_OK);
}

static void the_file_is_that_of_its_rows_put_one_by_one(void **state)
{
	struct job job = new_job(dir, "two", true);
	struct flo__strbuf want = FLO__STRBUF_INIT, have = FLO__STRBUF_INIT;
	struct flo__parquet *file = NULL;

	(void)state;
	run_on(&job, 2);
	assert_int_equal(job.st, FLO_OK);
	assert_int_equal(flo__parquet_open(columns, COLUMNS, &job.limits,
					   append, &want, NULL, &file),
			 FLO_OK);
	flo__parquet_add_meta(file, "key", "value");
	for (int i = 0; i < ROWS; i++)
		put_row(file, i);
	assert_int_equal(flo__parquet_finish(file, NULL), FLO_OK);
	flo__parquet_free(file);
	read_file("two", &have);
	assert_int_equal(have.len, want.len);
	assert_memory_equal(have.data, want.data, want.len);
	flo__strbuf_fini(&have);
	flo__strbuf_fini(&want);
}

static void long_rows_go_out_too(void **state)
{
	(void)state;
	for (int parquet = 0; parquet < 2; parquet++) {
		for (unsigned procs = 0; procs < 3; procs += 2) {
			struct job job =
				new_job(dir, procs ? "two" : "none", parquet);

			job.rows = 40;
			job.width = 1000000;
			run_on(&job, procs);
			assert_int_equal(job.st, FLO_OK);
		}
		expect_same("none", "two");
	}
}

static void the_first_failure_is_told(void **state)
{
	(void)state;
	for (unsigned procs = 0; procs < 4; procs++) {
		struct job job = new_job(dir, "broken", true);

		job.broken_at = 23456;
		run_on(&job, procs);
		assert_int_equal(job.st, FLO_CORRUPT);
		assert_string_equal(job.err.text, "row 23456 is broken");
		assert_false(job.again);
	}
}

static void that_rows_do_not_fit_is_told(void **state)
{
	(void)state;
	for (unsigned procs = 0; procs < 3; procs++) {
		struct job job = new_job(dir, "again", true);

		job.again_at = 12345;
		job.broken_at = 12346;
		run_on(&job, procs);
		assert_int_equal(job.st, FLO_AGAIN);
		assert_true(job.again);
		assert_string_equal(job.err.text, "");
	}
}

static void who_stops_in_the_middle_leaves_nothing_behind(void **state)
{
	(void)state;
	for (int at = 1; at < ROWS; at += at / 2 + 1) {
		struct job job = new_job(dir, "stopped", at % 2 == 0);

		job.stop_at = at;
		run_on(&job, 2);
		assert_int_equal(job.st, FLO_CANCELED);
		assert_string_equal(job.err.text, "stopped");
	}
}

/* It panics where the batch is taken back, and all others end none the less. */
static void a_panic_leaves_nobody_waiting(void **state)
{
	(void)state;
	for (unsigned procs = 0; procs < 4; procs++) {
		struct job job = new_job(dir, "panic", true);

		job.panic_at = 20000;
		run_on(&job, procs);
		assert_int_equal(job.st, FLO_PANIC);
		assert_string_equal(job.err.text, "row 20000");
	}
}

static void a_full_disk_is_told(void **state)
{
	struct rlimit old, small;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 100000;
	for (int parquet = 0; parquet < 2; parquet++) {
		struct job job = new_job(dir, "full", parquet);

		assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
		run_on(&job, 2);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_not_equal(job.st, FLO_OK);
		assert_int_equal(job.st, job.err.status);
		assert_string_equal(job.err.text,
				    "write full.tmp: File too large");
	}
}

/* That of coroutines is made good: then the owner works itself. */
static void memory_may_lack_anywhere(void **state)
{
	(void)state;
	for (int parquet = 0; parquet < 2; parquet++) {
		int failed = 0;

		write_on("whole", parquet, 2, NULL);
		for (long nth = 1; nth < 1000; nth += nth / 4 + 1) {
			struct job job = new_job(dir, "lack", parquet);

			job.fail_at = nth;
			run_on(&job, 2);
			failed += job.st != FLO_OK;
			if (job.st == FLO_OK)
				expect_same("whole", "lack");
			else
				assert_int_equal(job.st, FLO_NOMEM);
		}
		assert_in_range(failed, 5, 30);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_file_is_the_same_on_any_number_of_p),
		TEST(groups_that_end_by_their_size_are_the_same_too),
		TEST(the_file_is_that_of_its_rows_put_one_by_one),
		TEST(long_rows_go_out_too),
		TEST(the_first_failure_is_told),
		TEST(that_rows_do_not_fit_is_told),
		TEST(who_stops_in_the_middle_leaves_nothing_behind),
		TEST(a_panic_leaves_nobody_waiting),
		TEST(a_full_disk_is_told),
		TEST(memory_may_lack_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
