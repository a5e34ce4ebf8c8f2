/* Log records: dropped without a sink, typed, harmless to terminals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/value.h>

#include "base/alloc.h"
#include "base/log.h"

#include <string.h>

static char last_json[1024];
static char last_console[1024];
static int records;

/* A sink that keeps the last record in both encodings. */
static void keep(void *arg, const flo_log_record *record)
{
	flo_log_record copy = *record;
	char *json, *console;

	assert_ptr_equal(arg, &records);
	assert_true(record->time_us > 0);
	copy.time_us = 1709210096123456;
	json = flo_log_json(&copy);
	console = flo_log_console(&copy);
	strcpy(last_json, json);
	strcpy(last_console, console);
	flo_free(json);
	flo_free(console);
	records++;
}

static const flo_log_sink sink = {keep, &records, FLO_LOG_INFO};

#define TS "{\"ts\":\"2024-02-29T12:34:56.123456Z\","

static int never(void)
{
	fail_msg("a field was evaluated that nobody wants");
	return 0;
}

static void without_a_sink_nothing_is_evaluated(void **state)
{
	struct flo__log log;

	(void)state;
	flo__log_init(&log, NULL);
	FLO__LOG(&log, FLO_LOG_ERROR, "dropped", FLO__I64("n", never()));
	FLO__LOG((struct flo__log *)NULL, FLO_LOG_ERROR, "dropped",
		 FLO__I64("n", never()));
}

static void levels_below_the_sinks_are_dropped(void **state)
{
	struct flo__log log;

	(void)state;
	records = 0;
	flo__log_init(&log, &sink);
	FLO__LOG(&log, FLO_LOG_DEBUG, "dropped", FLO__I64("n", never()));
	assert_int_equal(records, 0);
	FLO__LOG(&log, FLO_LOG_WARN, "kept");
	assert_int_equal(records, 1);
	assert_string_equal(last_json,
			    TS "\"level\":\"warn\",\"msg\":\"kept\"}");
	assert_string_equal(last_console, "12:34:56.123 WARN  kept");
}

static void fields_keep_their_types(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__log log;

	(void)state;
	flo__log_init(&log, &sink);
	flo_error_set(&err, FLO_SYNTAX, "no \"key\"");
	flo_error_place(&err, 3, 4);
	FLO__LOG(&log, FLO_LOG_ERROR, "run failed", FLO__STR("run", "r1"),
		 FLO__I64("i", -1), FLO__U64("u", UINT64_MAX),
		 FLO__F64("f", 0.5), FLO__BOOL("b", true),
		 FLO__DURATION("took", UINT64_C(1200500000)), FLO__ERROR(&err),
		 FLO__STR("none", NULL));
	assert_string_equal(
		last_json,
		TS "\"level\":\"error\",\"msg\":\"run failed\",\"run\":\"r1\","
		   "\"i\":-1,\"u\":18446744073709551615,\"f\":0.5,\"b\":true,"
		   "\"took_ms\":1200.500,\"error\":{\"status\":\"SYNTAX\","
		   "\"message\":\"no \\\"key\\\"\",\"line\":3,\"column\":4},"
		   "\"none\":null}");
	assert_string_equal(last_console,
			    "12:34:56.123 ERROR run failed  run=r1 i=-1 "
			    "u=18446744073709551615 f=0.5 b=true took=1.2s "
			    "error=\"no \\\"key\\\"\" none=null");
}

static void children_add_their_fields_behind(void **state)
{
	const flo_log_field run[] = {FLO__STR("run", "r1")};
	const flo_log_field step[] = {FLO__STR("step", "a")};
	struct flo__log root, of_run, of_step;

	(void)state;
	flo__log_init(&root, &sink);
	flo__log_with(&of_run, &root, run, 1);
	flo__log_with(&of_step, &of_run, step, 1);
	FLO__LOG(&of_step, FLO_LOG_INFO, "m", FLO__I64("n", 1));
	assert_string_equal(last_console,
			    "12:34:56.123 INFO  m  run=r1 step=a n=1");
	flo__log_with(&of_run, NULL, run, 1);
	FLO__LOG(&of_run, FLO_LOG_ERROR, "m", FLO__I64("n", never()));
}

static void too_many_fields_are_cut(void **state)
{
	flo_log_field many[FLO__LOG_FIELDS_MAX];
	struct flo__log root, child, grandchild;

	(void)state;
	for (int i = 0; i < FLO__LOG_FIELDS_MAX; i++)
		many[i] = (flo_log_field)FLO__I64("n", i);
	flo__log_init(&root, &sink);
	flo__log_with(&child, &root, many, FLO__LOG_FIELDS_MAX - 1);
	flo__log_with(&grandchild, &child, many, 2);
	FLO__LOG(&grandchild, FLO_LOG_INFO, "m", FLO__STR("cut", "cut"));
	assert_non_null(strstr(last_console, " n=22 n=0"));
	assert_null(strstr(last_console, "cut"));
}

static void assert_console(const char *value, const char *want)
{
	struct flo__log log;

	flo__log_init(&log, &sink);
	FLO__LOG(&log, FLO_LOG_INFO, "m", FLO__STR("v", value));
	assert_string_equal(last_console + strlen("12:34:56.123 INFO  m  "),
			    want);
}

static void terminals_see_no_control_bytes(void **state)
{
	(void)state;
	assert_console("plain-\xc3\xa9", "v=plain-\xc3\xa9");
	assert_console("", "v=\"\"");
	assert_console("two words", "v=\"two words\"");
	assert_console("a\nb\x1b[31m", "v=\"a\\nb\\x1b[31m\"");
	assert_console("\xc2\x9b"
		       "31m\x7f",
		       "v=\"\\x9b31m\\x7f\"");
	assert_console("\xff\\", "v=\"\\xff\\\\\"");
}

static void encoders_report_that_memory_ran_out(void **state)
{
	const flo_log_field fields[] = {FLO__DURATION("took", 1),
					FLO__STR("s", "text")};
	const flo_log_record record = {1, FLO_LOG_INFO, "message", fields, 2};
	char *text = NULL;

	(void)state;
	for (long nth = 1; text == NULL; nth++) {
		flo__alloc_fail_at(nth, 0);
		text = flo_log_json(&record);
		flo__alloc_fail_at(0, 0);
	}
	flo_free(text);
	flo__alloc_fail_at(1, 1);
	text = flo_log_console(&record);
	flo__alloc_fail_at(0, 0);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_sink_nothing_is_evaluated),
		cmocka_unit_test(levels_below_the_sinks_are_dropped),
		cmocka_unit_test(fields_keep_their_types),
		cmocka_unit_test(children_add_their_fields_behind),
		cmocka_unit_test(too_many_fields_are_cut),
		cmocka_unit_test(terminals_see_no_control_bytes),
		cmocka_unit_test(encoders_report_that_memory_ran_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
