#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/cron.h"

static struct flo__cron parse(const char *text)
{
	struct flo__cron_problem problem = {0};
	struct flo__cron cron = {0};

	if (!flo__cron_parse(text, strlen(text), &cron, &problem))
		fail_msg("%s: %s", text, problem.message);
	return cron;
}

/* @text is refused, and the fault is in the bytes @blame of it. */
static void refused(const char *text, const char *blame, const char *message)
{
	struct flo__cron_problem problem = {0};
	struct flo__cron cron = {.hours = 42};

	assert_false(flo__cron_parse(text, strlen(text), &cron, &problem));
	assert_string_equal(problem.message, message);
	assert_int_equal(problem.len, strlen(blame));
	assert_true(problem.at + problem.len <= strlen(text));
	assert_memory_equal(text + problem.at, blame, strlen(blame));
	assert_int_equal(cron.hours, 42);
}

static void a_star_is_all_of_a_field(void **state)
{
	struct flo__cron cron = parse("* * * * *");

	(void)state;
	assert_true(cron.minutes == (UINT64_C(1) << 60) - 1);
	assert_int_equal(cron.hours, 0xffffff);
	assert_true(cron.days == 0xfffffffe);
	assert_int_equal(cron.months, 0x1ffe);
	assert_int_equal(cron.weekdays, 0x7f);
	assert_true(cron.any_day);
	assert_true(cron.any_weekday);
}

static void lists_ranges_and_steps_add_up(void **state)
{
	struct flo__cron cron = parse(" */15\t8-18/5,23 1,31 ? *  ");

	(void)state;
	assert_true(cron.minutes == (UINT64_C(1) << 0 | UINT64_C(1) << 15 |
				     UINT64_C(1) << 30 | UINT64_C(1) << 45));
	assert_int_equal(cron.hours, 1 << 8 | 1 << 13 | 1 << 18 | 1 << 23);
	assert_true(cron.days == (2u | 1u << 31));
	assert_false(cron.any_day);
	assert_true(cron.any_weekday);
}

static void a_step_after_a_number_runs_to_the_end(void **state)
{
	(void)state;
	assert_true(parse("50/5 * * * *").minutes ==
		    (UINT64_C(1) << 50 | UINT64_C(1) << 55));
}

static void a_star_with_a_step_restricts_its_field(void **state)
{
	(void)state;
	assert_false(parse("0 0 */2 * MON").any_day);
}

static void names_are_numbers_in_any_case(void **state)
{
	struct flo__cron cron = parse("0 0 * jan,Feb,DEC-DEC mon-FRI");

	(void)state;
	assert_int_equal(cron.months, 1 << 1 | 1 << 2 | 1 << 12);
	assert_int_equal(cron.weekdays, 0x3e);
}

static void sunday_begins_and_ends_a_week(void **state)
{
	(void)state;
	assert_int_equal(parse("0 0 * * 7").weekdays, 1);
	assert_int_equal(parse("0 0 * * SUN").weekdays, 1);
	assert_int_equal(parse("0 0 * * FRI-SUN").weekdays, 0x61);
	assert_int_equal(parse("0 0 * * 5-7").weekdays, 0x61);
	assert_int_equal(parse("0 0 * * SUN-TUE").weekdays, 0x07);
}

static void macros_are_short_for_fields(void **state)
{
	static const char *const same[][2] = {
		{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
		{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
		{"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct flo__cron a = parse(same[i][0]);
		struct flo__cron b = parse(same[i][1]);

		assert_true(a.minutes == b.minutes && a.hours == b.hours &&
			    a.days == b.days && a.months == b.months &&
			    a.weekdays == b.weekdays);
	}
}

static void the_fault_is_where_it_stands(void **state)
{
	(void)state;
	refused("60 * * * *", "60", "the minute cannot be 60");
	refused("0 24 * * *", "24", "the hour cannot be 24");
	refused("0 0 0 * *", "0", "the day of the month cannot be 0");
	refused("0 0 1,32 * *", "32", "the day of the month cannot be 32");
	refused("0 0 * JUNE *", "JUNE", "there is no month \"JUNE\"");
	refused("0 0 * * 8", "8", "the day of the week cannot be 8");
	refused("0 0 * * MO", "MO", "there is no day of the week \"MO\"");
	refused("MON 0 * * *", "MON", "there is no minute \"MON\"");
	refused("5, 0 * * *", "", "a minute is missing here");
	refused("1- 0 * * *", "", "a minute is missing here");
	refused("-5 0 * * *", "-", "a minute is missing here");
	refused("1.5 0 * * *", ".", "\".\" cannot stand here");
	refused("0 0 1W * *", "W", "\"W\" cannot stand here");
	refused("99999999999999999999999 0 * * *", "99999999999999999999999",
		"the minute cannot be 99999999999999999999");
}

static void what_nobody_means_is_refused(void **state)
{
	(void)state;
	refused("0 22-2 * * *", "22-2", "the range 22-2 runs backwards");
	refused("*/90 * * * *", "90",
		"this step leaves the range 0-59 at once");
	refused("*/0 * * * *", "0", "a step is at least 1");
	refused("*/ * * * *", "", "a step is a number");
	refused("*/x * * * *", "x", "a step is a number");
	refused("0 0 30 2 *", "30",
		"no month that is named here has such a day");
	refused("0 0 31 4,6 *", "31",
		"no month that is named here has such a day");
	parse("0 0 30 2 MON");
	parse("0 0 29 2 *");
}

static void fields_are_five(void **state)
{
	(void)state;
	refused("", "", "there are five fields, not 0");
	refused("* * * *", "* * * *", "there are five fields, not 4");
	refused("0 * * * * *", "0 * * * * *", "there are five fields, not 6");
	refused("@hourl", "@hourl", "there is no \"@hourl\"");
	refused("@", "@", "there is no \"@\"");
	refused("@every 5m", "@every 5m", "there is no \"@every 5m\"");
	refused("TZ=UTC 0 * * * *",
		"TZ=", "the time zone does not belong here");
}

/* Whatever the bytes are: no crash, and a place inside the text. */
static void any_bytes_are_read_or_refused(void **state)
{
	static const char alphabet[] = "0159*/-,?@ \tMONjan\x00\xff";
	uint32_t seed = 1;
	unsigned taken = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct flo__cron_problem problem = {0};
		struct flo__cron cron = {0};
		char text[] = "*/15 8-18,23 1,2 JAN MON-FRI";
		size_t len = sizeof(text) - 1;

		for (int k = 0; k < i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % len] =
				alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
		}
		len -= (seed >> 24) % 3;
		if (flo__cron_parse(text, len, &cron, &problem)) {
			taken++;
			assert_true(cron.minutes != 0 && cron.hours != 0 &&
				    cron.days != 0 && cron.months != 0 &&
				    cron.weekdays != 0);
		} else {
			assert_true(problem.message[0] != '\0');
			assert_true(problem.at + problem.len <= len);
		}
	}
	assert_in_range(taken, 1000, 150000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_star_is_all_of_a_field),
		cmocka_unit_test(lists_ranges_and_steps_add_up),
		cmocka_unit_test(a_step_after_a_number_runs_to_the_end),
		cmocka_unit_test(a_star_with_a_step_restricts_its_field),
		cmocka_unit_test(names_are_numbers_in_any_case),
		cmocka_unit_test(sunday_begins_and_ends_a_week),
		cmocka_unit_test(macros_are_short_for_fields),
		cmocka_unit_test(the_fault_is_where_it_stands),
		cmocka_unit_test(what_nobody_means_is_refused),
		cmocka_unit_test(fields_are_five),
		cmocka_unit_test(any_bytes_are_read_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
