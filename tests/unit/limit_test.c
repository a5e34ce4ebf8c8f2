/* What is said of the time limit of a block, and whose it is told by that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/run/run_p.h"

#include <stdio.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

/* A path of @len bytes, of names of eight. */
static const char *path_of(size_t len, char buf[512])
{
	for (size_t i = 0; i < len; i++)
		buf[i] = i % 9 == 8 ? '.' : 'a';
	buf[len] = '\0';
	return buf;
}

/* What a record says that has no lengths. */
static void text_before(const char *path, char text[FLO__LIMIT_TEXT_SIZE])
{
	snprintf(text, FLO__LIMIT_TEXT_SIZE,
		 "time limit of 2.0s of %.200s exceeded", path);
}

static void a_short_path_is_said_in_full(void **state)
{
	char text[FLO__LIMIT_TEXT_SIZE];

	(void)state;
	flo__limit_text(2 * SECOND, "a.b", text);
	assert_string_equal(text, "time limit of 2.0s of a.b exceeded");
	flo__limit_text(2 * SECOND, "", text);
	assert_string_equal(text, "time limit of 2.0s of the run exceeded");
}

static void no_two_blocks_around_a_place_say_the_same(void **state)
{
	char one[FLO__LIMIT_TEXT_SIZE], other[FLO__LIMIT_TEXT_SIZE];
	char path[512];

	(void)state;
	for (size_t i = 196; i < 206; i++) {
		flo__limit_text(2 * SECOND, path_of(i, path), one);
		for (size_t k = 196; k < 206; k++) {
			flo__limit_text(2 * SECOND, path_of(k, path), other);
			assert_int_equal(flo__limit_is(one, other), i == k);
		}
	}
}

static void what_was_recorded_without_a_length_is_understood(void **state)
{
	const size_t lens[] = {3, 199, 200, 201, 500};
	char text[FLO__LIMIT_TEXT_SIZE], before[FLO__LIMIT_TEXT_SIZE];
	char path[512];

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		text_before(path_of(lens[i], path), before);
		flo__limit_text(2 * SECOND, path, text);
		assert_true(flo__limit_is(text, before));
		flo__limit_text(3 * SECOND, path, text);
		assert_false(flo__limit_is(text, before));
	}
}

static void the_longest_text_is_not_cut(void **state)
{
	char text[FLO__LIMIT_TEXT_SIZE];
	char path[512];
	const char *end = " exceeded";

	(void)state;
	flo__limit_text(UINT64_MAX - 1, path_of(500, path), text);
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_short_path_is_said_in_full),
		cmocka_unit_test(no_two_blocks_around_a_place_say_the_same),
		cmocka_unit_test(
			what_was_recorded_without_a_length_is_understood),
		cmocka_unit_test(the_longest_text_is_not_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
