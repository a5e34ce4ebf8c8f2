#include "dsl_fixture.h"

#include "dsl/doc_p.h"
#include "dsl/report_p.h"

/* What the scan and the parser of record each say of a text. */
static void assert_agree(const char *text, size_t len)
{
	struct flo__doc doc;
	struct flo__report report;
	json_t *json = NULL;
	bool ours;
	bool theirs;

	flo__doc_init(&doc, text, len);
	flo__report_init(&report, &doc);
	ours = flo__doc_scan(&doc, &report) == FLO_OK && report.errors == 0;
	theirs = flo__json_load(text, len, JSON_DECODE_ANY, NULL, &json) ==
		 FLO_OK;
	flo__json_free(json);
	flo__report_fini(&report);
	flo__doc_fini(&doc);
	if (ours != theirs)
		fail_msg("scan %d, parser of record %d: %.*s", ours, theirs,
			 (int)(len < 300 ? len : 300), text);
}

static const char *const samples[] = {
	"null",
	"true",
	"false",
	"0",
	"-0",
	"-1",
	"12.50",
	"1e5",
	"1E+5",
	"1e-5",
	"-0.0e0",
	"01",
	"-",
	"1.",
	".5",
	"1e",
	"+1",
	"0x10",
	"1e400",
	"-1e400",
	"1e-400",
	"\"\"",
	"\"a\"",
	"\"\\u00e9\"",
	"\"\\ud83d\\ude00\"",
	"\"\\ud83d\"",
	"\"\\ude00\"",
	"\"\\u12\"",
	"\"\\x\"",
	"\"\t\"",
	"\"\\t\"",
	"\"a",
	"[]",
	"[1]",
	"[1,]",
	"[,1]",
	"[1 2]",
	"[[],[[]]]",
	"[",
	"]",
	"{}",
	"{\"a\":1}",
	"{\"a\":1,}",
	"{\"a\" 1}",
	"{a:1}",
	"{\"a\":}",
	"{\"a\":1,\"a\":2}",
	"{\"a\":1,\"\\u0061\":2}",
	"{",
	"}",
	"",
	" ",
	"1 2",
	"nul",
	"nulll",
	"True",
	"NaN",
	"Infinity",
	"\"\\u0000\"",
	"\"\x7f\"",
	"\"\xc3\xbc\"",
	"\"\xc3\"",
	"\"\xc0\x80\"",
	"\"\xed\xa0\x80\"",
	"\"\xf4\x90\x80\x80\"",
	"\xef\xbb\xbf{}",
	"{\"a\":{\"b\":[1,{\"c\":null}]}} ",
	"\"\\/\\b\\f\\n\\r\\\"\\\\\"",
	"123456789012345678901234567890",
	"-123456789012345678901234567890",
	"[1]//",
	"/**/1",
	"\f1",
	"\v1",
	"\r\n1\r\n",
	"'a'",
};

static void the_scan_and_the_parser_of_record_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_agree(samples[i], strlen(samples[i]));
	assert_agree("1\0", 2);
	assert_agree("\"a\0b\"", 5);
}

static const char seed[] = "{\"a\": [1, -2.5e3, \"\\u00e9\\n\xc3\xbc\", "
			   "true], \"b\": {\"c\": null}}";

static void they_agree_on_every_mutation(void **state)
{
	static const char bytes[] = "{}[]\",:\\0-e.tu\x01\x80\xc3 a";
	char text[sizeof(seed)];

	(void)state;
	for (size_t i = 0; i < sizeof(seed); i++)
		assert_agree(seed, i);
	for (size_t i = 0; i < sizeof(seed) - 1; i++) {
		for (size_t k = 0; k < sizeof(bytes); k++) {
			memcpy(text, seed, sizeof(seed));
			text[i] = bytes[k];
			assert_agree(text, sizeof(seed) - 1);
		}
	}
}

/* Strings are stepped over eight bytes at once. */
static void they_agree_on_every_byte_at_every_place_of_a_string(void **state)
{
	char text[] = "[\"abcdefghijklmnopqrstuvw\", 1]";
	char *end = strrchr(text, '"');

	(void)state;
	for (char *at = text + 2; at < end; at++) {
		char was = *at;

		for (int byte = 0; byte < 256; byte++) {
			*at = (char)byte;
			assert_agree(text, strlen(text));
			assert_agree(text, sizeof(text) - 1);
		}
		*at = was;
	}
	for (size_t len = 0; len < sizeof(text); len++)
		assert_agree(text, len);
}

/* Moves a cursor from each place of @text to each other. */
static void assert_moves(const char *text)
{
	uint32_t len = (uint32_t)strlen(text);
	struct flo__doc doc;
	struct flo__report report;

	flo__doc_init(&doc, text, len);
	flo__report_init(&report, &doc);
	assert_int_equal(flo__doc_scan(&doc, &report), FLO_OK);
	for (uint32_t from = 0; from < len; from++) {
		for (uint32_t to = 0; to < len; to++) {
			struct flo__doc_cursor cursor = {0};
			int line;
			int column;

			flo__doc_move(&doc, from, &cursor);
			flo__doc_move(&doc, to, &cursor);
			flo__doc_place(&doc, to, &line, &column);
			assert_int_equal(cursor.line, line);
			assert_int_equal(cursor.column, column);
		}
	}
	flo__report_fini(&report);
	flo__doc_fini(&doc);
}

static void a_cursor_finds_each_place_from_each_other(void **state)
{
	(void)state;
	assert_moves("{\"a\": [1,\n\n  2], \"bcdefghijkl\":\n\n\n 3}\n");
	assert_moves("{\"a\": [1,\n\n  2], \"b\xc3\xa4"
		     "cdefghijklm\":\n"
		     "\n\"\xe2\x82\xac \xf0\x9f\x98\x80\",\n \"z\": 3}\n");
}

static void places_are_exact(void **state)
{
	static const char text[] = "{\n  \"\xc3\xbc\": [1, {\"x/y~\": \"\\u00e4"
				   "bc\"}]\n}\n";
	struct flo__strbuf pointer = FLO__STRBUF_INIT;
	struct flo__doc doc;
	struct flo__report report;
	struct flo__span span;
	uint32_t list;
	uint32_t value;
	size_t len;
	int line;
	int column;

	(void)state;
	flo__doc_init(&doc, text, strlen(text));
	flo__report_init(&report, &doc);
	assert_int_equal(flo__doc_scan(&doc, &report), FLO_OK);
	list = flo__doc_get(&doc, 0, "\xc3\xbc");
	assert_int_equal(doc.nodes[list].len, 2);
	value = flo__doc_get(&doc, doc.nodes[flo__doc_first(&doc, list)].next,
			     "x/y~");
	flo__doc_place(&doc, doc.nodes[value].begin, &line, &column);
	assert_int_equal(line, 2);
	assert_int_equal(column, 21);
	flo__doc_pointer(&doc, value, &pointer);
	assert_string_equal(pointer.data, "/\xc3\xbc/1/x~1y~0");
	assert_memory_equal(flo__doc_string(&doc, value, &len),
			    "\xc3\xa4"
			    "bc",
			    4);
	assert_int_equal(len, 4);
	/* "b" is the third byte of the text, and behind an escape of six. */
	span = flo__doc_inside(&doc, value, 2, 1);
	flo__doc_place(&doc, span.begin, &line, &column);
	assert_int_equal(column, 28);
	flo__strbuf_fini(&pointer);
	flo__report_fini(&report);
	flo__doc_fini(&doc);
}

static char *repeat(const char *open, size_t n, const char *close)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		flo__strbuf_adds(&sb, open);
	for (size_t i = 0; i < n; i++)
		flo__strbuf_adds(&sb, close);
	return flo__strbuf_take(&sb);
}

static void deep_json_is_an_error_with_a_place(void **state)
{
	char *text = repeat("[", 10000, "]");

	(void)state;
	assert_says(text, "1:2049: error: [too-deep] JSON nested deeper than "
			  "2048 levels\n");
	flo__free(text);
	text = repeat("{\"a\":", 10000, "}");
	assert_says(text, "1:10241: error: [too-deep] JSON nested deeper than "
			  "2048 levels\n");
	flo__free(text);
	/* The parser of record counts the innermost value, of any type. */
	text = repeat("[", 2048, "]");
	assert_says(text, "1:1: error: [wrong-type] a pipeline must be an "
			  "object, not an array\n");
	text[2048] = '1';
	assert_says(text, "1:2049: error: [too-deep] JSON nested deeper than "
			  "2048 levels\n");
	flo__free(text);
}

/* A pipeline with @n groups inside each other. */
static char *nested_blocks(int n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, "{\"name\": \"p\", \"steps\": [\n");
	for (int i = 0; i < n; i++)
		flo__strbuf_adds(&sb, "{\"name\": \"g\", \"group\": [\n");
	for (int i = 0; i < n; i++)
		flo__strbuf_adds(&sb, "]}");
	flo__strbuf_adds(&sb, "]}");
	return flo__strbuf_take(&sb);
}

static void blocks_nest_64_deep_and_no_deeper(void **state)
{
	char *text = nested_blocks(64);

	(void)state;
	assert_says(text, "");
	flo__free(text);
	text = nested_blocks(65);
	assert_says(text, "66:15: error: [too-deep] blocks nested deeper than "
			  "64\n");
	flo__free(text);
}

static void a_deep_argument_is_an_error(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	char *deep = repeat("[", 1000, "]");

	(void)state;
	flo__strbuf_addf(&sb,
			 "{\"name\": \"p\", \"steps\": [{\"name\": \"a\", "
			 "\"use\": \"core.set\", \"with\": {\"x\": %s}}]}",
			 deep);
	assert_int_equal(compile_n(sb.data, sb.len, &said, &plan), FLO_INVALID);
	assert_non_null(strstr(said.data, "[too-deep] value nested deeper"));
	flo__strbuf_fini(&sb);
	flo__strbuf_fini(&said);
	flo__free(deep);
}

static void more_than_a_gibibyte_is_refused(void **state)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;

	(void)state;
	assert_int_equal(compile_n("{}", ((size_t)1 << 30) + 1, &said, &plan),
			 FLO_INVALID);
	assert_string_equal(said.data, "1:1: error: [too-large] a pipeline's "
				       "file may have 1 GiB at most\n");
	flo__strbuf_fini(&said);
}

struct mistake {
	const char *text;
	int column; /* of one line */
	const char *says;
};

/* What people write, and what they are told. */
static const struct mistake mistakes[] = {
	{"[1,]", 3, "one comma too many; there is none after the last item"},
	{"[1, 2 , ]", 7,
	 "one comma too many; there is none after the last item"},
	{"{\"a\":1,}", 7,
	 "one comma too many; there is none after the last member"},
	{"[1,,2]", 4, "one comma too many"},
	{"{\"a\":1,,\"b\":2}", 8, "one comma too many"},
	{"[,1]", 2, "one comma too many"},
	{"[{},]", 4, "one comma too many; there is none after the last item"},
	{"{ // a\n}", 3,
	 "JSON has no comments; leave it out; where a \"description\" may "
	 "stand, it takes such words"},
	{"# a\n{}", 1,
	 "JSON has no comments; leave it out; where a \"description\" may "
	 "stand, it takes such words"},
	{"[1 /* one */]", 4,
	 "JSON has no comments; leave it out; where a \"description\" may "
	 "stand, it takes such words"},
	{"{} // a", 4,
	 "JSON has no comments; leave it out; where a \"description\" may "
	 "stand, it takes such words"},
	{"[True]", 2, "not a JSON value; did you mean true?"},
	{"[yes]", 2, "not a JSON value; did you mean true?"},
	{"[FALSE]", 2, "not a JSON value; did you mean false?"},
	{"[None]", 2, "not a JSON value; did you mean null?"},
	{"[undefined]", 2, "not a JSON value; did you mean null?"},
	{"[NaN]", 2, "not a JSON value; JSON has neither NaN nor infinity"},
	{"[-Infinity]", 2,
	 "not a JSON value; JSON has neither NaN nor infinity"},
	{"[hello]", 2, "not a JSON value; strings stand in double quotes"},
	{"[1h]", 2, "not a number; put it in double quotes"},
	{"[10%]", 2, "not a number; put it in double quotes"},
	{"[2024-01-31]", 2, "not a number; put it in double quotes"},
	{"[10:30]", 2, "not a number; put it in double quotes"},
	{"[0x1f]", 2, "not a number; numbers are decimal"},
	{"[+1]", 2, "not a number; numbers have no plus sign"},
	{"[.5]", 2, "not a number; a digit must stand before the point"},
	{"[5.]", 2, "not a number; a digit must follow"},
	{"[-]", 2, "not a number; a digit must follow"},
	{"[01]", 2, "not a number; numbers have no leading zeros"},
	{"['a']", 2, "only double quotes are quotes in JSON; \"...\""},
	{"{'a': 1}", 2, "only double quotes are quotes in JSON; \"...\""},
	{"[\xe2\x80\x9c"
	 "a\xe2\x80\x9d]",
	 2, "only double quotes are quotes in JSON; \"...\""},
	{"{\"a\": \"b, \"c\": 1}", 12,
	 "a string ends before this; it may not be closed where it should "
	 "be, or a quote in it lacks its backslash: \\\""},
	{"[\"echo \"hi\" there\"]", 9,
	 "a string ends before this; it may not be closed where it should "
	 "be, or a quote in it lacks its backslash: \\\""},
	{"{\"a: \"b\"}", 7,
	 "a string ends before this; it may not be closed where it should "
	 "be, or a quote in it lacks its backslash: \\\""},
	{"{\"a\" \"b\"}", 6, "a colon is missing here"},
	{"{\"a\" 1}", 6, "a colon is missing here"},
	{"{\"a\" true}", 6, "a colon is missing here"},
	{"[\"a\" \"b\"]", 6, "a comma is missing before this"},
	{"[\"a\": 1]", 5,
	 "a comma is missing before this; names and values stand in { }"},
	{"{\"a\": [1, 2}", 12,
	 "an array is not closed before this; an array ends with ]"},
	{"[{\"a\": 1]", 9,
	 "an object is not closed before this; an object ends with }"},
	{"{a: 1}", 2, "a key is missing here; keys stand in double quotes"},
	{"{\"a\": }", 7, "a JSON value is missing here"},
	{"1 2", 3, "there is more text after the end of the document"},
	{"\xff\xfe{", 1,
	 "the text is not UTF-8, but UTF-16 or UTF-32; save it as UTF-8"},
};

/* What the reader of pipelines says of @text, as flo_error would have it. */
static void scan_says(const struct mistake *mistake, struct flo__strbuf *sb,
		      int *ret_column)
{
	struct flo__report report;
	struct flo__doc doc;
	int line;

	flo__doc_init(&doc, mistake->text, strlen(mistake->text));
	flo__report_init(&report, &doc);
	assert_int_equal(flo__doc_scan(&doc, &report), FLO_INVALID);
	assert_int_equal(report.len, 1);
	flo__strbuf_adds(sb, report.items[0].message);
	if (report.items[0].hint != NULL)
		flo__strbuf_addf(sb, "; %s", report.items[0].hint);
	flo__doc_place(&doc, report.items[0].span.begin, &line, ret_column);
	flo__report_fini(&report);
	flo__doc_fini(&doc);
}

static void both_say_what_was_meant(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *m = &mistakes[i];
		struct flo__strbuf said = FLO__STRBUF_INIT;
		flo_error err = FLO_ERROR_INIT;
		flo_value *value = NULL;
		int column = 0;

		scan_says(m, &said, &column);
		assert_string_equal(said.data, m->says);
		assert_int_equal(column, m->column);
		assert_int_equal(flo_value_from_json(m->text, strlen(m->text),
						     FLO_JSON_ANY, &err,
						     &value),
				 FLO_SYNTAX);
		assert_string_equal(err.text, m->says);
		assert_int_equal(err.column, m->column);
		flo__strbuf_fini(&said);
	}
}

static void utf16_without_a_mark_is_named(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(flo_value_from_json("{\0}\0", 4, FLO_JSON_ANY, &err,
					     &value),
			 FLO_SYNTAX);
	assert_string_equal(err.text, "the text is not UTF-8, but UTF-16 or "
				      "UTF-32; save it as UTF-8");
	assert_int_equal(err.column, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_say_what_was_meant),
		cmocka_unit_test(utf16_without_a_mark_is_named),
		cmocka_unit_test(the_scan_and_the_parser_of_record_agree),
		cmocka_unit_test(they_agree_on_every_mutation),
		cmocka_unit_test(
			they_agree_on_every_byte_at_every_place_of_a_string),
		cmocka_unit_test(a_cursor_finds_each_place_from_each_other),
		cmocka_unit_test(places_are_exact),
		cmocka_unit_test(deep_json_is_an_error_with_a_place),
		cmocka_unit_test(blocks_nest_64_deep_and_no_deeper),
		cmocka_unit_test(a_deep_argument_is_an_error),
		cmocka_unit_test(more_than_a_gibibyte_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
