/* What a `schedule` may say. tests/invalid has the mistakes with their places;
 * base/cron.c has its own tests. */
#include "dsl_fixture.h"

/* A pipeline with @schedule, and a required param `who`. */
static void schedule_says(const char *schedule, const char *want)
{
	char text[1024];

	snprintf(
		text, sizeof(text),
		"{\"name\": \"p\", \"params\": {\"who\": {\"required\": true}},"
		"\n\"steps\": [{\"name\": \"a\", \"exec\": [\"${{ params.who "
		"}}\"]}],\n\"schedule\": %s}",
		schedule);
	assert_says(text, want);
}

static void use_zones(const char *folder)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", getenv("FLO_TESTS_DIR"), folder);
	assert_int_equal(setenv("TZDIR", path, 1), 0);
}

static void one_or_several_with_all_keys_are_fine(void **state)
{
	(void)state;
	use_zones("zoneinfo");
	schedule_says("{\"cron\": \"@daily\", \"params\": {\"who\": \"x\"}}",
		      "");
	schedule_says("[]", "");
	schedule_says("[{\"cron\": \"5 4 * * SUN\", \"timezone\": "
		      "\"Europe/Berlin\", \"overlap\": \"queue\", "
		      "\"catch_up\": \"all\", \"jitter\": \"0s\", \"params\": "
		      "{\"who\": \"x\"}}]",
		      "");
}

static void a_required_param_must_come_from_somewhere(void **state)
{
	(void)state;
	schedule_says("{\"cron\": \"@daily\"}",
		      "3:13: error: [missing-param] nobody gives param \"who\" "
		      "a value, and it is required | give it a value in "
		      "`params` of the schedule, or a `default`\n");
	schedule_says("{\"cron\": \"@daily\", \"params\": {}}",
		      "3:32: error: [missing-param] nobody gives param \"who\" "
		      "a value, and it is required | give it a value in "
		      "`params` of the schedule, or a `default`\n");
}

#define ZONED(zone)                                                            \
	"{\"cron\": \"@daily\", \"timezone\": \"" zone                         \
	"\", \"params\": {\"who\": \"x\"}}"

static void a_time_zone_is_a_file_of_the_database(void **state)
{
	(void)state;
	use_zones("zoneinfo");
	schedule_says(ZONED("UTC"), "");
	schedule_says(ZONED("Asia/Tokyo"), "");
	schedule_says(ZONED("Asia/Tokio"),
		      "3:44: error: [unknown-timezone] there is no time zone "
		      "\"Asia/Tokio\" | did you mean \"Asia/Tokyo\"?\n");
	schedule_says(ZONED("Europ/Berlin"),
		      "3:44: error: [unknown-timezone] there is no time zone "
		      "\"Europ/Berlin\" | did you mean \"Europe/Berlin\"?\n");
	schedule_says(ZONED("Notes"),
		      "3:44: error: [unknown-timezone] there is no time zone "
		      "\"Notes\" | as in \"UTC\" or \"Europe/Berlin\"\n");
	schedule_says(ZONED("Asia"),
		      "3:44: error: [unknown-timezone] there is no time zone "
		      "\"Asia\" | as in \"UTC\" or \"Europe/Berlin\"\n");
}

static void a_time_zone_does_not_leave_the_database(void **state)
{
	static const char *const names[] = {ZONED("../zoneinfo/Asia/Tokyo"),
					    ZONED("/Asia/Tokyo"),
					    ZONED("Asia//Tokyo"),
					    ZONED("Asia/Tokyo/"), ZONED("")};

	(void)state;
	use_zones("zoneinfo");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct flo__strbuf said = FLO__STRBUF_INIT;
		struct flo__plan *plan = NULL;
		char text[512];

		snprintf(text, sizeof(text),
			 "{\"name\": \"p\", \"schedule\": %s, \"steps\": []}",
			 names[i]);
		assert_int_equal(compile_n(text, strlen(text), &said, &plan),
				 FLO_INVALID);
		assert_non_null(strstr(said.data, "[unknown-timezone]"));
		flo__strbuf_fini(&said);
	}
}

static void without_a_database_a_zone_is_a_warning(void **state)
{
	char want[4300];

	(void)state;
	use_zones("no-such-folder");
	snprintf(want, sizeof(want),
		 "3:44: warning: [no-zoneinfo] whether there is a time zone "
		 "\"Asia/Tokyo\" is not known: %s is not there | install "
		 "tzdata, or set TZDIR\n",
		 getenv("TZDIR"));
	schedule_says(ZONED("Asia/Tokyo"), want);
	schedule_says(ZONED("UTC"), "");
}

/* Fail each allocation in turn. */
static void out_of_memory_anywhere_is_an_error(void **state)
{
	static const char text[] =
		"{\"name\": \"p\", \"params\": {\"a\": {\"type\": \"integer\"},"
		"\"b\": {\"required\": true}}, \"schedule\": [{\"cron\": "
		"\"@daly\", \"timezone\": \"Asia/Tokio\", \"overlap\": \"x\", "
		"\"params\": {\"a\": \"x\", \"c\": [1, {\"k\": \"v\"}]}}], "
		"\"steps\": []}";
	flo_status st = FLO_NOMEM;

	(void)state;
	use_zones("zoneinfo");
	flo__json_guard_install();
	for (long n = 1; st == FLO_NOMEM; n++) {
		struct flo__plan *plan = NULL;

		flo__alloc_fail_at(n, 0);
		st = compile_n(text, strlen(text), NULL, &plan);
		flo__alloc_fail_at(0, 0);
		assert_null(plan);
		assert_in_range(n, 1, 10000);
	}
	assert_int_equal(st, FLO_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_or_several_with_all_keys_are_fine),
		cmocka_unit_test(a_required_param_must_come_from_somewhere),
		cmocka_unit_test(a_time_zone_is_a_file_of_the_database),
		cmocka_unit_test(a_time_zone_does_not_leave_the_database),
		cmocka_unit_test(without_a_database_a_zone_is_a_warning),
		cmocka_unit_test(out_of_memory_anywhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
