#include "dsl_eval.h"

#include <sys/stat.h>
#include <unistd.h>

#define T(text) "timestamp('" text "')"
#define D(text) "duration('" text "')"

static void timestamps_are_read_as_rfc_3339_has_them(void **state)
{
	static const struct row rows[] = {
		{T("2024-02-29T00:00:00Z"), "\"2024-02-29T00:00:00Z\""},
		{T("2024-02-29t12:30:15z"), "\"2024-02-29T12:30:15Z\""},
		{T("2024-01-01T00:00:00+05:45"), "\"2023-12-31T18:15:00Z\""},
		{T("2023-12-31T23:30:00-08:00"), "\"2024-01-01T07:30:00Z\""},
		{T("2000-01-01T00:00:00-00:00"), "\"2000-01-01T00:00:00Z\""},
		{T("2000-01-01T00:00:00.5Z"), "\"2000-01-01T00:00:00.500Z\""},
		{T("2000-01-01T00:00:00.000001Z"),
		 "\"2000-01-01T00:00:00.000001Z\""},
		{T("1969-12-31T23:59:59.999999999Z"),
		 "\"1969-12-31T23:59:59.999999999Z\""},
		{T("0001-01-01T00:00:00Z"), "\"0001-01-01T00:00:00Z\""},
		{T("9999-12-31T23:59:59.999999999Z"),
		 "\"9999-12-31T23:59:59.999999999Z\""},
		{"timestamp(0)", "\"1970-01-01T00:00:00Z\""},
		{"timestamp(-62135596800)", "\"0001-01-01T00:00:00Z\""},
		{"timestamp(" T("2001-02-03T04:05:06Z") ") == " T(
			 "2001-02-03T04:05:06Z"),
		 "true"},
		{"int(" T("1969-12-31T23:59:58.5Z") ")", "-2"},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void what_is_no_timestamp_says_why(void **state)
{
	static const struct wrong rows[] = {
		{"timestamp('')", 11, "write it as RFC 3339"},
		{"timestamp('yesterday')", 11, "write it as RFC 3339"},
		{"timestamp('2024-01-01')", 11, "write it as RFC 3339"},
		{"timestamp('2024-01-01 00:00:00Z')", 11, "write it as RFC"},
		{"timestamp('2024-1-1T00:00:00Z')", 11, "write it as RFC 3339"},
		{"timestamp('2024-01-01T00:00:00')", 11,
		 "needs a Z or an offs"},
		{"timestamp('2024-01-01T00:00:00+0100')", 11, "as RFC 3339"},
		{"timestamp('2024-01-01T00:00:00Zjunk')", 11, "as RFC 3339"},
		{"timestamp('2024-13-01T00:00:00Z')", 11,
		 "months are 01 to 12"},
		{"timestamp('2024-00-01T00:00:00Z')", 11,
		 "months are 01 to 12"},
		{"timestamp('2023-02-29T00:00:00Z')", 11,
		 "that month has fewer"},
		{"timestamp('1900-02-29T00:00:00Z')", 11,
		 "that month has fewer"},
		{"timestamp('2024-01-32T00:00:00Z')", 11, "days are 01 to 31"},
		{"timestamp('2024-01-01T24:00:00Z')", 11, "hours are 00 to 23"},
		{"timestamp('2024-01-01T00:60:00Z')", 11, "minutes are 00 to"},
		{"timestamp('2024-01-01T00:00:60Z')", 11, "a leap second"},
		{"timestamp('2024-01-01T00:00:00+24:00')", 11,
		 "hours of an off"},
		{"timestamp('2024-01-01T00:00:00+01:60')", 11, "minutes of an"},
		{"timestamp('2024-01-01T00:00:00.Z')", 11, "as RFC 3339"},
		{"timestamp('2024-01-01T00:00:00.1234567890Z')", 11,
		 "at most 9 digits"},
		{"timestamp('0000-12-31T23:59:59Z')", 11, "years are 0001 to"},
		{"timestamp('12024-01-01T00:00:00Z')", 11, "years are 0001 to"},
		{"timestamp('0001-01-01T00:00:00+00:01')", 11, "out of range"},
		{"timestamp('9999-12-31T23:59:59-00:01')", 11, "out of range"},
		{"timestamp('2024-01-01T00:00:00\\u0000')", 11, "needs a Z"},
		{"timestamp(253402300800)", 1, "out of range"},
		{"timestamp(-62135596801)", 1, "out of range"},
		{"timestamp(1.5)", 1, "takes int, string or timestamp, not do"},
		{"timestamp(dyn(true))", 1, "does not take a bool"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

static void durations_are_read_as_go_reads_them(void **state)
{
	static const struct row rows[] = {
		{D("1h30m"), "\"5400s\""},
		{D("1.5s"), "\"1.500s\""},
		{D("-1us"), "\"-0.000001s\""},
		{D("0"), "\"0s\""},
		{D("-0"), "\"0s\""},
		{D("+5s"), "\"5s\""},
		{D(".5m"), "\"30s\""},
		{D("1.h"), "\"3600s\""},
		{D("30m1h"), "\"5400s\""},
		{D("1s1s"), "\"2s\""},
		{D("1ms1us1ns"), "\"0.001001001s\""},
		{D("2\xc2\xb5s"), "\"0.000002s\""},
		{D("2\xce\xbcs"), "\"0.000002s\""},
		{D("0.1234567899s"), "\"0.123456789s\""},
		{D("0.3333333333333333333333333333h"), "\"1199.999999999s\""},
		{D("315576000000s"), "\"315576000000s\""},
		{D("-315576000000s"), "\"-315576000000s\""},
		{D("315576000000000000000ns"), "\"315576000000s\""},
		{"duration(" D("1s") ")", "\"1s\""},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void what_is_no_duration_says_why(void **state)
{
	static const struct wrong rows[] = {
		{"duration('')", 10, "write numbers with units"},
		{"duration('-')", 10, "write numbers with units"},
		{"duration('.')", 10, "write numbers with units"},
		{"duration('.s')", 10, "write numbers with units"},
		{"duration('soon')", 10, "write numbers with units"},
		{"duration('3')", 10, "lacks its unit"},
		{"duration('1s3')", 10, "lacks its unit"},
		{"duration('1h-1s')", 10, "write numbers with units"},
		{"duration('1 s')", 10, "the units are ns, us, ms, s, m and h"},
		{"duration('1S')", 10, "the units are"},
		{"duration('1d')", 10, "no unit for days: \"24h\" is one"},
		{"duration('1w')", 10, "the units are"},
		{"duration('315576000000.000000001s')", 10, "out of range"},
		{"duration('-315576000001s')", 10, "out of range"},
		{"duration('99999999999999999999999999999999999999999h')", 10,
		 "out of range"},
		{"duration(60)", 1, "takes string or duration, not int"},
		{"duration(dyn(60))", 1, "say which unit, as in duration("},
		{"int(dyn(" D("1s") "))", 1, "getSeconds()"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

static void both_have_texts_without_needless_digits(void **state)
{
	static const struct row rows[] = {
		{"string(" T("2000-01-01T00:00:00.120Z") ")",
		 "\"2000-01-01T00:00:00.12Z\""},
		{"string(" T("0033-01-01T00:00:00+00:00") ")",
		 "\"0033-01-01T00:00:00Z\""},
		{"string(" D("90m") ")", "\"5400s\""},
		{"string(" D("1500ms") ")", "\"1.5s\""},
		{"string(" D("-1500ms") ")", "\"-1.5s\""},
		{"string(" D("-500ms") ")", "\"-0.5s\""},
		{"string(" D("-1s") ")", "\"-1s\""},
		{"string(" D("1ns") ")", "\"0.000000001s\""},
		{"string(" D("0s") ")", "\"0s\""},
		{"duration(string(" D("-1.000000001s") ")) == " D(
			 "-1.000000001s"),
		 "true"},
		{"type(" T("2000-01-01T00:00:00Z") ")",
		 "\"google.protobuf.Timestamp\""},
		{"type(" D("1s") ") == type(" D("2s") ")", "true"},
		{"type(timestamp(0)) == google.protobuf.Timestamp", "true"},
		{"type(" D("1s") ") == google.protobuf.Duration", "true"},
		{"google.protobuf.Duration", "\"google.protobuf.Duration\""},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void sums_and_differences(void **state)
{
	static const struct row rows[] = {
		{T("2024-02-28T12:00:00Z") " + " D("24h"),
		 "\"2024-02-29T12:00:00Z\""},
		{D("24h") " + " T("2023-02-28T12:00:00Z"),
		 "\"2023-03-01T12:00:00Z\""},
		{T("1970-01-01T00:00:00Z") " - " D("1ns"),
		 "\"1969-12-31T23:59:59.999999999Z\""},
		{T("2024-01-01T00:00:00Z") " - " T("2024-01-01T00:00:00.25Z"),
		 "\"-0.250s\""},
		{D("1s") " - " D("1500ms"), "\"-0.500s\""},
		{D("-1.5s") " + " D("-1.5s"), "\"-3s\""},
		{D("300000000000s") " - " D("300000000000s"), "\"0s\""},
		{T("2024-01-01T01:00:00+01:00") " == " T(
			 "2024-01-01T00:00:00Z"),
		 "true"},
		{D("60s") " == " D("1m"), "true"},
		{D("-1s") " < " D("-0.5s"), "true"},
		{T("1969-12-31T23:59:59.9Z") " < " T("1970-01-01T00:00:00Z"),
		 "true"},
		{T("2024-01-01T00:00:00Z") " in [" T(
			 "2024-01-01T00:00:00.0Z") "]",
		 "true"},
		{"dyn(" D("1s") ") == 1", "false"},
	};
	static const struct wrong bad[] = {
		{T("9999-12-31T23:59:59Z") " + " D("1s"), 35, "0001 to 9999"},
		{D("-1ns") " + " T("0001-01-01T00:00:00Z"), 18, "0001 to 9999"},
		{D("315576000000s") " + " D("1ns"), 27, "10,000 years"},
		{T("9999-01-01T00:00:00Z") " - " T("1999-01-01T00:00:00Z"), 35,
		 "at most 292 years apart"},
		{"dyn(" D("1s") ") - " T("1999-01-01T00:00:00Z"), 21,
		 "- does not work on duration and timestamp"},
		{"dyn(" T("1999-01-01T00:00:00Z") ") + " T(
			 "1999-01-01T00:00:00Z"),
		 40, "+ does not work on timestamp and timestamp"},
		{"dyn(" D("1s") ") * 2", 21, "* does not work on duration"},
		{"dyn(" D("1s") ") + 2", 21, "+ does not work on duration and"},
		{"2 - dyn(" D("1s") ")", 3, "- does not work on int and durat"},
		{"-dyn(" D("1s") ")", 1, "- does not work on duration"},
		{D("1s") " < dyn(1)", 16,
		 "< does not work on duration and int"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void a_timestamp_has_parts(void **state)
{
	/* A Friday. */
	static const struct row rows[] = {
		{T("2024-03-01T22:33:44.567Z") ".getFullYear()", "2024"},
		{T("2024-03-01T22:33:44.567Z") ".getMonth()", "2"},
		{T("2024-03-01T22:33:44.567Z") ".getDate()", "1"},
		{T("2024-03-01T22:33:44.567Z") ".getDayOfMonth()", "0"},
		{T("2024-03-01T22:33:44.567Z") ".getDayOfWeek()", "5"},
		{T("2024-03-01T22:33:44.567Z") ".getDayOfYear()", "60"},
		{T("2024-03-01T22:33:44.567Z") ".getHours()", "22"},
		{T("2024-03-01T22:33:44.567Z") ".getMinutes()", "33"},
		{T("2024-03-01T22:33:44.567Z") ".getSeconds()", "44"},
		{T("2024-03-01T22:33:44.567Z") ".getMilliseconds()", "567"},
		{T("1969-12-28T00:00:00Z") ".getDayOfWeek()", "0"},
		{T("1969-12-27T00:00:00Z") ".getDayOfWeek()", "6"},
		{T("1969-12-31T23:59:59.1Z") ".getMilliseconds()", "100"},
		{T("0001-01-01T00:00:00Z") ".getFullYear('-01:00')", "0"},
		{T("2024-12-31T00:00:00Z") ".getDayOfYear()", "365"},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void a_duration_is_counted_in_units(void **state)
{
	static const struct row rows[] = {
		{D("90m59s") ".getHours()", "1"},
		{D("90m59s") ".getMinutes()", "90"},
		{D("90m59.9s") ".getSeconds()", "5459"},
		{D("1.2345s") ".getMilliseconds()", "234"},
		{D("-90m") ".getHours()", "-1"},
		{D("-1.5s") ".getSeconds()", "-1"},
		{D("-1.25s") ".getMilliseconds()", "-250"},
	};
	static const struct wrong bad[] = {
		{D("1h") ".getHours('UTC')", 16, "takes no time zone"},
		{D("1h") ".getMilliseconds('UTC')", 16, "takes no time zone"},
		{D("1h") ".getDate()", 16, "takes timestamp, not duration"},
		{"dyn(" D("1h") ").getDate()", 21, "does not take a duration"},
		{"dyn(1).getHours()", 8, "does not take an int"},
		{"google.protobuf.Any", 1, "no variable \"google\""},
		{"google.protobuf", 1, "no variable \"google\""},
		{"getHours(1)", 1, "this function is a method"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void zones_are_offsets_or_names(void **state)
{
	static const struct row rows[] = {
		{T("2024-01-01T00:00:00Z") ".getHours('UTC')", "0"},
		{T("2024-01-01T00:00:00Z") ".getHours('+05:30')", "5"},
		{T("2024-01-01T00:00:00Z") ".getMinutes('05:30')", "30"},
		{T("2024-01-01T00:00:00Z") ".getHours('-8:00')", "16"},
		{T("2024-01-01T00:00:00Z") ".getDate('-08:00')", "31"},
		/* With summer time, in its last year with a table and later. */
		{T("2024-01-01T00:00:00Z") ".getHours('Europe/Berlin')", "1"},
		{T("2024-07-01T00:00:00Z") ".getHours('Europe/Berlin')", "2"},
		{T("2024-03-31T00:59:59Z") ".getHours('Europe/Berlin')", "1"},
		{T("2024-03-31T01:00:00Z") ".getHours('Europe/Berlin')", "3"},
		{T("2024-10-27T00:59:59Z") ".getHours('Europe/Berlin')", "2"},
		{T("2024-10-27T01:00:00Z") ".getHours('Europe/Berlin')", "2"},
		{T("2024-10-27T02:00:00Z") ".getHours('Europe/Berlin')", "3"},
		{T("2500-07-01T00:00:00Z") ".getHours('Europe/Berlin')", "2"},
		{T("2500-12-01T00:00:00Z") ".getHours('Europe/Berlin')", "1"},
		/* Summer is in winter there; half an hour. */
		{T("2024-01-01T00:00:00Z") ".getHours('Australia/Sydney')",
		 "11"},
		{T("2400-01-01T00:00:00Z") ".getHours('Australia/Sydney')",
		 "11"},
		{T("2400-07-01T00:00:00Z") ".getHours('Australia/Sydney')",
		 "10"},
		{T("2024-07-01T00:00:00Z") ".getMinutes('Asia/Kolkata')", "30"},
		/* Before the first change: local mean time. */
		{T("1800-01-01T00:00:00Z") ".getMinutes('Europe/Berlin')",
		 "53"},
		/* A zone without rules for the future, and one with <+05>. */
		{T("2400-07-01T00:00:00Z") ".getHours('Asia/Shanghai')", "8"},
		{T("2400-07-01T00:00:00Z") ".getHours('Asia/Tashkent')", "5"},
		{T("2400-07-01T00:00:00Z") ".getHours('Europe/Dublin')", "1"},
		{"['Europe/Berlin', 'Asia/Tokyo', 'Europe/Berlin'].map(z, "
		 "" T("2024-01-01T00:00:00Z") ".getHours(z))",
		 "[1,9,1]"},
	};

	(void)state;
	if (access("/usr/share/zoneinfo/Europe/Berlin", R_OK) != 0) {
		print_message("skipped: tzdata is not installed\n");
		skip();
	}
	are(rows, ROWS(rows));
}

static void other_zones_are_refused(void **state)
{
	static const struct wrong rows[] = {
		{"timestamp(0).getHours('Mars/Base')", 14,
		 "there is no time zone \"Mars/Base\""},
		{"timestamp(0).getHours('')", 14, "there is no time zone"},
		{"timestamp(0).getHours('../../../etc/passwd')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours('/etc/passwd')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours('Europe')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours('+1')", 14, "there is no time zone"},
		{"timestamp(0).getHours('+24:00')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours('+01:60')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours('+01:0')", 14, "there is no time zone"},
		{"timestamp(0).getHours('UTC\\u0000')", 14,
		 "there is no time zone"},
		{"timestamp(0).getHours(1)", 14,
		 "argument 1 of getHours() must be string, not int"},
		{"timestamp(0).getHours(dyn(1))", 14, "does not take an int"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

/* Any bytes in place of a file of tzdata: an error or some number. */
static void damaged_zone_files_are_survived(void **state)
{
	static const char expr[] =
		"timestamp(4000000000).getHours('Test/Damaged') < 24";
	char dir[] = "/tmp/flow-zone.XXXXXX";
	char path[64];
	unsigned char data[4096];
	size_t len;
	unsigned seed = 1;
	FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");

	(void)state;
	if (file == NULL) {
		print_message("skipped: tzdata is not installed\n");
		skip();
	}
	len = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/Test", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/Test/Damaged", dir);
	setenv("TZDIR", dir, 1);
	for (int i = 0; i < 2000; i++) {
		unsigned char copy[4096];
		char *got;
		size_t cut = i % 3 == 0 ? (size_t)rand_r(&seed) % len : len;

		memcpy(copy, data, len);
		for (int k = 0; k < i % 5; k++)
			copy[(size_t)rand_r(&seed) % (k < 2 ? 96 : len)] =
				(unsigned char)rand_r(&seed);
		file = fopen(path, "wb");
		assert_int_equal(fwrite(copy, 1, cut, file), cut);
		fclose(file);
		/* Another zone in between: the file is read again. */
		got = outcome("timestamp(0).getHours('Test/None')", NULL);
		assert_non_null(strstr(got, "there is no time zone"));
		flo__free(got);
		got = outcome(expr, NULL);
		if (strcmp(got, "true") != 0)
			assert_non_null(strstr(got, "there is no time zone"));
		flo__free(got);
	}
	unlink(path);
	snprintf(path, sizeof(path), "%s/Test", dir);
	rmdir(path);
	rmdir(dir);
	{
		char *got =
			outcome("timestamp(0).getHours('Asia/Tokyo')", NULL);

		assert_non_null(strstr(got, "install tzdata, or write an"));
		flo__free(got);
	}
	unsetenv("TZDIR");
}

static void lack_of_memory_is_an_error(void **state)
{
	(void)state;
	survives_lack_of_memory("[" T("2024-03-31T00:59:59.1Z") " + " D(
		"1h") ", " T("2024-03-31T00:59:59Z") ".getHours('Asia/Tokyo'), "
						     "string(" D("-1.5s") ")]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timestamps_are_read_as_rfc_3339_has_them),
		cmocka_unit_test(what_is_no_timestamp_says_why),
		cmocka_unit_test(durations_are_read_as_go_reads_them),
		cmocka_unit_test(what_is_no_duration_says_why),
		cmocka_unit_test(both_have_texts_without_needless_digits),
		cmocka_unit_test(sums_and_differences),
		cmocka_unit_test(a_timestamp_has_parts),
		cmocka_unit_test(a_duration_is_counted_in_units),
		cmocka_unit_test(zones_are_offsets_or_names),
		cmocka_unit_test(other_zones_are_refused),
		cmocka_unit_test(damaged_zone_files_are_survived),
		cmocka_unit_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
