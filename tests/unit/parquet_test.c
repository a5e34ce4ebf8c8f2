/* The Parquet writer when things go wrong; tests/parquet reads its files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "steps/parquet/parquet.h"

#include <stdio.h>
#include <string.h>

static const struct flo__parquet_column columns[] = {
	{"b", FLO__PARQUET_BOOL},   {"i", FLO__PARQUET_INT},
	{"d", FLO__PARQUET_DOUBLE}, {"s", FLO__PARQUET_STRING},
	{"j", FLO__PARQUET_JSON},   {"t", FLO__PARQUET_TIME},
};

/* A disk that keeps what it gets, in parts, and fails one of them. */
struct disk {
	struct flo__strbuf bytes;
	int writes;
	int fail_at; /* from 1; 0: never */
};

static flo_status disk_write(void *arg, struct flo__strbuf *sb, flo_error *err)
{
	struct disk *disk = arg;

	if (++disk->writes == disk->fail_at)
		return flo_error_set(err, FLO_FULL, "the disk is full");
	flo__strbuf_add(&disk->bytes, sb->data, sb->len);
	flo__strbuf_reset(sb);
	return flo__strbuf_status(&disk->bytes);
}

/* Small row groups and pages, so that everything happens several times. */
static flo_status write_table(struct disk *disk, size_t rows, flo_error *err)
{
	struct flo__parquet_limits limits = {.rows_max = 700,
					     .page_bytes = 500,
					     .dict_bytes = 700};
	struct flo__parquet *file = NULL;
	char text[32];
	flo_status st;

	st = flo__parquet_open(columns, 6, &limits, disk_write, disk, err,
			       &file);
	for (size_t i = 0; st == FLO_OK && i < rows; i++) {
		snprintf(text, sizeof(text), "%zu", i % 300 * 7919);
		flo__parquet_put_bool(file, 0, i % 3 == 0);
		if (i % 4 != 0)
			flo__parquet_put_int(file, 1, (int64_t)i % 10);
		flo__parquet_put_double(file, 2, (double)i / 3);
		flo__parquet_put_text(file, 3, text, strlen(text));
		flo__parquet_put_text(file, 4, text, strlen(text));
		flo__parquet_put_time(file, 5, 1);
		st = flo__parquet_end_row(file, err);
	}
	if (st == FLO_OK) {
		flo__parquet_add_meta(file, "key", "value");
		st = flo__parquet_finish(file, err);
	}
	flo__parquet_free(file);
	return st;
}

static bool is_whole(const struct disk *disk)
{
	const struct flo__strbuf *sb = &disk->bytes;

	return sb->len >= 12 && memcmp(sb->data, "PAR1", 4) == 0 &&
	       memcmp(sb->data + sb->len - 4, "PAR1", 4) == 0;
}

static void every_allocation_may_fail(void **state)
{
	flo_status st = FLO_NOMEM;
	long nth;

	(void)state;
	for (nth = 1; st != FLO_OK; nth++) {
		struct disk disk = {.bytes = FLO__STRBUF_INIT};
		flo_error err = FLO_ERROR_INIT;

		assert_true(nth < 100000);
		/* The disk's own memory is there. */
		flo__strbuf_reserve(&disk.bytes, 1u << 20);
		flo__alloc_fail_at(nth, 0);
		st = write_table(&disk, 1500, &err);
		assert_int_equal(flo__alloc_live(), 0);
		flo__alloc_fail_at(0, 0);
		assert_int_equal(st, err.status);
		if (st != FLO_OK) {
			assert_int_equal(st, FLO_NOMEM);
			assert_string_equal(err.text, "out of memory");
		}
		assert_int_equal(is_whole(&disk), st == FLO_OK);
		flo__strbuf_fini(&disk.bytes);
	}
	assert_true(nth > 50);
}

static void every_write_may_fail(void **state)
{
	flo_status st = FLO_FULL;
	int nth;

	(void)state;
	for (nth = 1; st != FLO_OK; nth++) {
		struct disk disk = {.bytes = FLO__STRBUF_INIT, .fail_at = nth};
		flo_error err = FLO_ERROR_INIT;

		assert_true(nth < 1000);
		st = write_table(&disk, 200000, &err);
		assert_int_equal(st, err.status);
		if (st != FLO_OK) {
			assert_int_equal(st, FLO_FULL);
			assert_string_equal(err.text, "the disk is full");
			/* After a failure nothing more is tried. */
			assert_int_equal(disk.writes, nth);
		}
		assert_int_equal(is_whole(&disk), st == FLO_OK);
		flo__strbuf_fini(&disk.bytes);
	}
	assert_true(nth > 3);
}

static void a_failure_stays(void **state)
{
	struct disk disk = {.bytes = FLO__STRBUF_INIT};
	struct flo__parquet *file = NULL;

	(void)state;
	assert_int_equal(flo__parquet_open(columns, 6, NULL, disk_write, &disk,
					   NULL, &file),
			 FLO_OK);
	flo__parquet_put_text(file, 3, "\xff", 1);
	for (int i = 0; i < 2; i++) {
		flo_error err = FLO_ERROR_INIT;

		assert_int_equal(flo__parquet_end_row(file, &err), FLO_INVALID);
		assert_string_equal(err.text, "column s: a value is not UTF-8");
		flo__parquet_put_int(file, 1, 1);
	}
	assert_int_equal(flo__parquet_finish(file, NULL), FLO_INVALID);
	flo__parquet_free(file);
	assert_int_equal(disk.writes, 0);
}

/* A dictionary that pays is kept; made plain, it would be 1.6 GB here. */
static void a_full_dictionary_costs_no_memory(void **state)
{
	static char text[16384];
	struct flo__parquet_limits limits = {.bytes_max = 512u << 20};
	struct disk disk = {.bytes = FLO__STRBUF_INIT};
	struct flo__parquet *file = NULL;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(flo__parquet_open(&columns[3], 1, &limits, disk_write,
					   &disk, NULL, &file),
			 FLO_OK);
	for (int i = 0; i < 100100; i++) {
		/* 60 texts over and over, then new ones: it grows full. */
		snprintf(text, 16, "%08d", i < 100000 ? i % 60 : i);
		text[8] = 'x';
		flo__parquet_put_text(file, 0, text, sizeof(text));
		assert_int_equal(flo__parquet_end_row(file, NULL), FLO_OK);
	}
	assert_int_equal(flo__parquet_finish(file, NULL), FLO_OK);
	assert_true(is_whole(&disk));
	/* Without compression the dictionary and the 100 are 3 MiB. */
	assert_true(disk.bytes.len < (4u << 20));
	assert_int_equal(flo__parquet_bytes(file), disk.bytes.len);
	flo__parquet_free(file);
	flo__strbuf_fini(&disk.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_write_may_fail),
		cmocka_unit_test(a_failure_stays),
		cmocka_unit_test(a_full_dictionary_costs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
