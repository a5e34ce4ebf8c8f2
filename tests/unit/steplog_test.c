/* The log of an attempt: marks, pieces, cuts, and the tail of stderr. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "engine/proc/steplog.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* More than any test writes. */
#define CONTENT_MAX 1000000

static char dir[64], path[128];

static int make_place(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/steplog_test.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/a/b/1.log", dir);
	return 0;
}

static int drop_place(void **state)
{
	char at[128];

	(void)state;
	unlink(path);
	snprintf(at, sizeof(at), "%s/a/b", dir);
	rmdir(at);
	snprintf(at, sizeof(at), "%s/a", dir);
	rmdir(at);
	return rmdir(dir);
}

static struct flo__steplog *log_at(const char *at, size_t cap)
{
	struct flo__steplog *log;

	assert_int_equal(flo__steplog_new(at, cap, &log), FLO_OK);
	return log;
}

static struct flo__steplog *log_new(size_t cap)
{
	return log_at(path, cap);
}

static void put(struct flo__steplog *log, int stream, const char *text)
{
	flo_error err = FLO_ERROR_INIT;

	if (flo__steplog_write(log, stream, text, strlen(text), &err) != FLO_OK)
		fail_msg("%s", err.text);
}

static void close_log(struct flo__steplog *log)
{
	flo_error err = FLO_ERROR_INIT;

	if (flo__steplog_close(log, &err) != FLO_OK)
		fail_msg("%s", err.text);
}

/* What is in the file now; the caller frees. */
static char *content(void)
{
	FILE *file = fopen(path, "re");
	char *text = malloc(CONTENT_MAX);
	size_t len;

	assert_non_null(file);
	assert_non_null(text);
	len = fread(text, 1, CONTENT_MAX, file);
	assert_true(len < CONTENT_MAX);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void expect_content(const char *want)
{
	char *text = content();

	assert_string_equal(text, want);
	free(text);
}

static void no_output_makes_no_file(void **state)
{
	struct flo__steplog *log = log_new(0);

	(void)state;
	put(log, 1, "");
	close_log(log);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(flo__steplog_close(NULL, NULL), FLO_OK);
}

static void lines_are_marked_by_stream(void **state)
{
	struct flo__steplog *log = log_new(0);

	(void)state;
	put(log, 1, "one\n\ntwo\n");
	put(log, 2, "oops\n");
	expect_content("O one\nO \nO two\nE oops\n");
	put(log, 1, "three");
	close_log(log);
	expect_content("O one\nO \nO two\nE oops\nO three\n");
}

static void pieces_of_lines_are_joined(void **state)
{
	struct flo__steplog *log = log_new(0);

	(void)state;
	put(log, 1, "he");
	put(log, 2, "er");
	put(log, 1, "l");
	assert_int_equal(access(path, F_OK), -1);
	put(log, 1, "lo\nwor");
	put(log, 2, "ror\n");
	put(log, 1, "ld");
	expect_content("O hello\nE error\n");
	close_log(log);
	expect_content("O hello\nE error\nO world\n");
}

static void files_and_directories_are_private(void **state)
{
	struct flo__steplog *log = log_new(0);
	struct stat st;
	char at[128];

	(void)state;
	put(log, 1, "x\n");
	close_log(log);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(at, sizeof(at), "%s/a/b", dir);
	assert_int_equal(stat(at, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
}

static void symbolic_links_are_not_followed(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__steplog *log;
	char aim[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/link", dir);
	snprintf(aim, sizeof(aim), "%s/aim", dir);
	assert_int_equal(symlink(aim, path), 0);
	log = log_new(0);
	assert_int_not_equal(flo__steplog_write(log, 1, "x\n", 2, &err),
			     FLO_OK);
	assert_int_equal(err.code, ELOOP);
	flo__steplog_close(log, NULL);
	assert_int_equal(access(aim, F_OK), -1);
}

static void long_lines_come_in_marked_pieces(void **state)
{
	enum {
		LEN = FLO__STEPLOG_LINE_MAX * 2 + 10
	};
	struct flo__steplog *log = log_new(0);
	char *text = malloc(LEN + 1), *got;

	(void)state;
	memset(text, 'x', LEN);
	text[LEN] = '\0';
	for (int i = 0; i < LEN; i += 4099)
		flo__steplog_write(log, 1, text + i,
				   (size_t)(LEN - i < 4099 ? LEN - i : 4099),
				   NULL);
	put(log, 1, "\nshort\n");
	close_log(log);
	got = content();
	assert_int_equal(strlen(got), LEN + 3 * 3 + strlen("O short\n"));
	assert_memory_equal(got, "O x", 3);
	assert_memory_equal(got + FLO__STEPLOG_LINE_MAX + 3, "O+x", 3);
	assert_memory_equal(got + (FLO__STEPLOG_LINE_MAX + 3) * 2, "O+x", 3);
	assert_string_equal(got + LEN + 9, "O short\n");
	free(got);
	free(text);
}

/* Write @count numbered lines of stdout, @batch at a time. */
static void number_lines(struct flo__steplog *log, int count, int batch)
{
	char text[4096] = "";

	for (int i = 0; i < count; i++) {
		char *end = text + strlen(text);

		snprintf(end, 32, "line %06d\n", i);
		if (i % batch == batch - 1) {
			put(log, 1, text);
			text[0] = '\0';
		}
	}
	put(log, 1, text);
}

static void head_and_tail_are_kept(void **state)
{
	enum {
		CAP = 1000,
		LINE = 14,
		COUNT = 5000
	};
	int head = CAP / LINE;
	unsigned long long cut;
	char want[32], *got, *remark, *tail;
	struct flo__steplog *log;

	(void)state;
	for (int batch = 1; batch < 200; batch += 66) {
		log = log_new(CAP);
		number_lines(log, COUNT, batch);
		got = content();
		assert_true(strlen(got) <= CAP * 3 + 57 + (size_t)batch * LINE);
		free(got);
		close_log(log);
		got = content();
		snprintf(want, sizeof(want), "\nO line %06d\n-", head - 1);
		assert_memory_equal(got, "O line 000000\n", LINE);
		remark = strstr(got, want);
		assert_non_null(remark);
		remark += LINE + 1;
		assert_int_equal(remark - got, head * LINE);
		assert_int_equal(sscanf(remark, "- %llu bytes of output", &cut),
				 1);
		tail = strchr(remark, '\n') + 1;
		assert_memory_equal(tail, "O line ", 7);
		assert_true(strlen(tail) <= CAP);
		assert_true(strlen(tail) > CAP - LINE);
		assert_int_equal((size_t)(remark - got) + cut + strlen(tail),
				 COUNT * LINE);
		assert_string_equal(tail + strlen(tail) - LINE,
				    "O line 004999\n");
		free(got);
	}
}

static void what_fits_is_not_cut(void **state)
{
	struct flo__steplog *log = log_new(1000);
	char *got;

	(void)state;
	number_lines(log, 140, 7);
	close_log(log);
	got = content();
	assert_int_equal(strlen(got), 140 * 14);
	free(got);
}

static void tiny_caps_hold(void **state)
{
	(void)state;
	for (size_t cap = 1; cap < 80; cap++) {
		struct flo__steplog *log = log_new(cap);
		char *got;

		number_lines(log, 300, 11);
		close_log(log);
		got = content();
		assert_true(strlen(got) <= 2 * cap + 57);
		free(got);
	}
}

static void expect_tail(struct flo__steplog *log, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__steplog_tail(log, &sb);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
}

static void the_tail_is_the_last_lines_of_stderr(void **state)
{
	struct flo__steplog *log = log_new(0);
	char line[32], want[1024] = "";

	(void)state;
	expect_tail(log, "");
	put(log, 1, "not this\n");
	put(log, 2, "a\nb");
	expect_tail(log, "a\nb");
	put(log, 2, "c\n");
	expect_tail(log, "a\nbc");
	for (int i = 0; i < 3000; i++) {
		snprintf(line, sizeof(line), "line %d\n", i);
		put(log, 2, line);
		if (i >= 2980)
			strcat(want, line);
	}
	want[strlen(want) - 1] = '\0';
	expect_tail(log, want);
	close_log(log);
}

static void the_tail_is_bounded_in_bytes(void **state)
{
	struct flo__steplog *log = log_new(0);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char line[1002];

	(void)state;
	memset(line, 'y', 1000);
	strcpy(line + 1000, "\n");
	for (int i = 0; i < 50; i++)
		put(log, 2, line);
	flo__steplog_tail(log, &sb);
	assert_int_equal(sb.len, 8 * 1001 - 1); /* whole lines only */
	flo__strbuf_reset(&sb);
	line[1000] = 'y';
	for (int i = 0; i < 20; i++)
		flo__steplog_write(log, 2, line, 1001, NULL);
	flo__steplog_tail(log, &sb);
	assert_int_equal(sb.len, FLO__STEPLOG_TAIL_BYTES);
	flo__strbuf_fini(&sb);
	close_log(log);
}

static void a_failure_is_told_again(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__steplog *log;

	(void)state;
	log = log_at("/dev/full", 0);
	assert_int_equal(flo__steplog_write(log, 2, "x\n", 2, &err), FLO_FULL);
	assert_string_equal(
		err.text,
		"cannot write the log /dev/full: No space left on device");
	assert_int_equal(flo__steplog_write(log, 2, "y\n", 2, NULL), FLO_FULL);
	expect_tail(log, "x\ny");
	assert_int_equal(flo__steplog_close(log, NULL), FLO_OK);
	log = log_at("/proc/none/1.log", 0);
	flo_error_clear(&err);
	assert_int_not_equal(flo__steplog_write(log, 1, "x\n", 2, &err),
			     FLO_OK);
	flo__steplog_close(log, NULL);
}

/* Every allocation fails once: an error, and never a line that is wrong. */
static void running_out_of_memory_is_an_error(void **state)
{
	bool failed = true;

	(void)state;
	for (int nth = 1; failed; nth++) {
		struct flo__steplog *log;
		flo_status st;

		flo__alloc_fail_at(nth, 0);
		st = flo__steplog_new(path, 100, &log);
		for (int i = 0; st == FLO_OK && i < 40; i++) {
			st = flo__steplog_write(log, 1, "first half, ", 12,
						NULL);
			if (st == FLO_OK)
				st = flo__steplog_write(log, 1, "second\n", 7,
							NULL);
		}
		failed = flo__alloc_count() >= nth;
		flo__alloc_fail_at(0, 0);
		assert_int_equal(st, failed ? FLO_NOMEM : FLO_OK);
		if (failed && nth <= 2)
			continue;
		flo__steplog_close(log, NULL);
	}
}

static struct flo__mask *mask_of(const char *value)
{
	struct flo__mask *mask = flo__mask_new();

	assert_non_null(mask);
	assert_int_equal(flo__mask_add(mask, value, strlen(value)), FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	return mask;
}

/* Whatever the pieces, no byte of a value is in the file or in the tail. */
static void secrets_are_hidden_in_every_division(void **state)
{
	static const char text[] = "a hunter2 b\nhunter2\nhunt\n";
	struct flo__mask *mask = mask_of("hunter2");
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct flo__steplog *log = log_new(0);
		char *got;

		assert_int_equal(flo__steplog_mask(log, mask), FLO_OK);
		flo__steplog_write(log, 1, text, cut, NULL);
		flo__steplog_write(log, 2, text, cut, NULL);
		flo__steplog_write(log, 2, text + cut, len - cut, NULL);
		expect_tail(log, "a *** b\n***\nhunt");
		flo__steplog_write(log, 1, text + cut, len - cut, NULL);
		close_log(log);
		got = content();
		assert_null(strstr(got, "hunter"));
		assert_non_null(strstr(got, "O a *** b\n"));
		assert_non_null(strstr(got, "E a *** b\n"));
		free(got);
		unlink(path);
	}
	flo__mask_free(mask);
}

static void what_may_become_a_secret_is_held_until_it_is_known(void **state)
{
	struct flo__mask *mask = mask_of("hunter2");
	struct flo__steplog *log = log_new(0);

	(void)state;
	assert_int_equal(flo__steplog_mask(log, mask), FLO_OK);
	put(log, 1, "one\nthe hunt");
	expect_content("O one\n");
	put(log, 2, "the hunter");
	/* Nobody knows whether it was cut off: the program may be dead. */
	expect_tail(log, "the ***");
	put(log, 1, "s\nhun");
	close_log(log);
	expect_content("O one\nO the hunts\nO hun\nE the ***\n");
	flo__mask_free(mask);
}

/* A line of the log ends after 64 KiB; a secret across that is none less. */
static void a_secret_across_the_pieces_of_a_long_line_is_hidden(void **state)
{
	struct flo__mask *mask = mask_of("hunter2");
	struct flo__steplog *log = log_new(0);
	size_t len = FLO__STEPLOG_LINE_MAX - 3;
	char *line = malloc(len), *got;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', len);
	assert_int_equal(flo__steplog_mask(log, mask), FLO_OK);
	flo__steplog_write(log, 1, line, len, NULL);
	put(log, 1, "hunter2 and more\n");
	close_log(log);
	got = content();
	assert_null(strstr(got, "hun"));
	assert_null(strstr(got, "ter2"));
	assert_non_null(strstr(got, "***"));
	free(got);
	free(line);
	flo__mask_free(mask);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_place, drop_place)
	const struct CMUnitTest tests[] = {
		TEST(no_output_makes_no_file),
		TEST(lines_are_marked_by_stream),
		TEST(pieces_of_lines_are_joined),
		TEST(files_and_directories_are_private),
		TEST(symbolic_links_are_not_followed),
		TEST(long_lines_come_in_marked_pieces),
		TEST(head_and_tail_are_kept),
		TEST(what_fits_is_not_cut),
		TEST(tiny_caps_hold),
		TEST(the_tail_is_the_last_lines_of_stderr),
		TEST(the_tail_is_bounded_in_bytes),
		TEST(a_failure_is_told_again),
		TEST(running_out_of_memory_is_an_error),
		TEST(secrets_are_hidden_in_every_division),
		TEST(what_may_become_a_secret_is_held_until_it_is_known),
		TEST(a_secret_across_the_pieces_of_a_long_line_is_hidden),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
