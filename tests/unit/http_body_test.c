/* Bodies of answers: unpacked, counted, and known to be whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "steps/http/body.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct flo__curl *curl;
static flo_error err;
static int fd;

#define TEXT "hello, hello, hello\n"

static const unsigned char gzipped[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00,
					0x00, 0x00, 0x02, 0x03, 0xcb, 0x48,
					0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8,
					0x40, 0xa2, 0xb8, 0x00, 0xe7, 0x42,
					0x6e, 0x52, 0x14, 0x00, 0x00, 0x00};
static const unsigned char zlibbed[] = {0x78, 0x9c, 0xcb, 0x48, 0xcd, 0xc9,
					0xc9, 0xd7, 0x51, 0xc8, 0x40, 0xa2,
					0xb8, 0x00, 0x4b, 0x07, 0x06, 0xdf};
static const unsigned char deflated[] = {0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7,
					 0x51, 0xc8, 0x40, 0xa2, 0xb8, 0x00};

/* Take @len bytes, @step at once. The file then has what was unpacked. */
static flo_status take(const char *encoding, uint64_t max, const void *bytes,
		       size_t len, size_t step)
{
	struct flo__http_body body = {0};
	flo_status st;

	flo_error_clear(&err);
	st = flo__http_body_begin(&body, curl, fd, max, encoding, &err);
	for (size_t at = 0; st == FLO_OK && at < len; at += step)
		st = flo__http_body_add(&body, (const char *)bytes + at,
					step < len - at ? step : len - at,
					&err);
	if (st == FLO_OK)
		st = flo__http_body_end(&body, &err);
	flo__http_body_fini(&body);
	return st;
}

static void expect_file(const char *text)
{
	char got[256] = "";

	assert_int_equal(lseek(fd, 0, SEEK_END), strlen(text));
	assert_int_equal(pread(fd, got, sizeof(got) - 1, 0), strlen(text));
	assert_string_equal(got, text);
}

static void every_encoding_is_unpacked_in_pieces_of_any_size(void **state)
{
	static const struct {
		const char *encoding;
		const void *bytes;
		size_t len;
	} cases[] = {
		{NULL, TEXT, sizeof(TEXT) - 1},
		{"identity", TEXT, sizeof(TEXT) - 1},
		{"gzip", gzipped, sizeof(gzipped)},
		{"X-GZIP", gzipped, sizeof(gzipped)},
		{"deflate", zlibbed, sizeof(zlibbed)},
		{"deflate", deflated, sizeof(deflated)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t step = 1; step <= cases[i].len; step++) {
			flo_status st =
				take(cases[i].encoding, 1000, cases[i].bytes,
				     cases[i].len, step);

			if (st != FLO_OK)
				fail_msg("%zu by %zu: %s", i, step, err.text);
			expect_file(TEXT);
		}
}

static void a_gzip_stream_may_have_several_members(void **state)
{
	unsigned char twice[2 * sizeof(gzipped)];

	(void)state;
	memcpy(twice, gzipped, sizeof(gzipped));
	memcpy(twice + sizeof(gzipped), gzipped, sizeof(gzipped));
	for (size_t step = 1; step <= sizeof(twice); step++) {
		assert_int_equal(take("gzip", 1000, twice, sizeof(twice), step),
				 FLO_OK);
		expect_file(TEXT TEXT);
	}
}

static void a_stream_that_is_cut_off_is_not_whole(void **state)
{
	(void)state;
	for (size_t len = 1; len < sizeof(gzipped); len++)
		assert_int_equal(take("gzip", 1000, gzipped, len, len),
				 FLO_CLOSED);
	for (size_t len = 1; len < sizeof(deflated); len++)
		assert_int_equal(take("deflate", 1000, deflated, len, len),
				 FLO_CLOSED);
	assert_non_null(strstr(err.text, "cut off"));
}

static void a_broken_stream_is_corrupt(void **state)
{
	unsigned char bytes[sizeof(gzipped)];

	(void)state;
	for (size_t at = 0; at < sizeof(gzipped); at++) {
		if (at >= 4 && at < 10)
			continue; /* time and system: nobody's business */
		memcpy(bytes, gzipped, sizeof(gzipped));
		bytes[at] ^= 0x80;
		assert_int_not_equal(take("gzip", 1000, bytes, sizeof(bytes),
					  7),
				     FLO_OK);
	}
	assert_int_equal(take("gzip", 1000, TEXT, strlen(TEXT), 3),
			 FLO_CORRUPT);
	assert_int_equal(take("gzip", 1000, deflated, sizeof(deflated), 3),
			 FLO_CORRUPT);
}

static void an_unknown_encoding_is_refused(void **state)
{
	(void)state;
	assert_int_equal(take("br", 1000, TEXT, 1, 1), FLO_CORRUPT);
	assert_non_null(strstr(err.text, "\"br\""));
}

static void the_limit_holds_for_what_is_unpacked(void **state)
{
	(void)state;
	assert_int_equal(take(NULL, 20, TEXT, 20, 20), FLO_OK);
	assert_int_equal(take(NULL, 19, TEXT, 20, 20), FLO_LIMIT);
	assert_int_equal(take("deflate", 20, deflated, sizeof(deflated), 1),
			 FLO_OK);
	assert_int_equal(take("deflate", 19, deflated, sizeof(deflated), 1),
			 FLO_LIMIT);
	assert_non_null(strstr(err.text, "larger than 19 bytes"));
}

static void the_limit_holds_for_what_comes(void **state)
{
	/* Empty members: they unpack to nothing, for ever. */
	static const unsigned char empty[] = {0x1f, 0x8b, 8, 0, 0, 0, 0,
					      0,    0,	  3, 3, 0, 0, 0,
					      0,    0,	  0, 0, 0, 0};
	unsigned char many[20 * sizeof(empty)];

	(void)state;
	for (size_t i = 0; i < 20; i++)
		memcpy(many + i * sizeof(empty), empty, sizeof(empty));
	assert_int_equal(take("gzip", 400, many, sizeof(many), 20), FLO_OK);
	assert_int_equal(take("gzip", 399, many, sizeof(many), 20), FLO_LIMIT);
}

static void no_bytes_are_an_empty_body(void **state)
{
	(void)state;
	assert_int_equal(take("gzip", 10, "", 0, 1), FLO_OK);
	expect_file("");
}

static void what_was_in_the_file_is_gone(void **state)
{
	(void)state;
	assert_int_equal(take(NULL, 100, "a longer text", 13, 13), FLO_OK);
	assert_int_equal(take(NULL, 100, "short", 5, 5), FLO_OK);
	expect_file("short");
}

static void a_full_disk_is_said(void **state)
{
	int file = fd;

	(void)state;
	fd = memfd_create("sealed", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), 0);
	assert_int_equal(take(NULL, 100, TEXT, 20, 20), FLO_SYSTEM);
	assert_non_null(strstr(err.text, "write to a temporary file"));
	close(fd);
	fd = file;
}

static void every_allocation_may_fail(void **state)
{
	long nth = 0;
	flo_status st;

	(void)state;
	do {
		flo__alloc_fail_at(++nth, 0);
		st = take("gzip", 1000, gzipped, sizeof(gzipped), 5);
		flo__alloc_fail_at(0, 0);
		assert_true(st == FLO_NOMEM || st == FLO_OK);
	} while (st != FLO_OK);
	assert_true(nth > 1);
	expect_file(TEXT);
}

static int set_up(void **state)
{
	(void)state;
	fd = memfd_create("body", MFD_CLOEXEC);
	return fd >= 0 && flo__curl_get(&err, &curl) == FLO_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_encoding_is_unpacked_in_pieces_of_any_size),
		cmocka_unit_test(a_gzip_stream_may_have_several_members),
		cmocka_unit_test(a_stream_that_is_cut_off_is_not_whole),
		cmocka_unit_test(a_broken_stream_is_corrupt),
		cmocka_unit_test(an_unknown_encoding_is_refused),
		cmocka_unit_test(the_limit_holds_for_what_is_unpacked),
		cmocka_unit_test(the_limit_holds_for_what_comes),
		cmocka_unit_test(no_bytes_are_an_empty_body),
		cmocka_unit_test(what_was_in_the_file_is_gone),
		cmocka_unit_test(a_full_disk_is_said),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests_name("http_body", tests, set_up,
					   tear_down);
}
