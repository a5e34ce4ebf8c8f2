/* jansson behind its guard, and values made of JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "json/json_p.h"

#include <float.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static flo_status read_any(const char *text, flo_error *err, flo_value **ret)
{
	return flo_value_from_json(text, strlen(text), FLO_JSON_ANY, err, ret);
}

/* Read @text and write it again. */
static void assert_round_trip(const char *text, const char *want)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	char *json;

	if (read_any(text, &err, &value) != FLO_OK)
		fail_msg("%s: %s", text, err.text);
	json = flo_value_to_json(value);
	assert_string_equal(json, want);
	flo_free(json);
	flo_value_unref(value);
}

static void assert_refused(const char *text, int line, int column)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	assert_int_equal(read_any(text, &err, &value), FLO_SYNTAX);
	assert_null(value);
	assert_int_equal(err.status, FLO_SYNTAX);
	assert_string_not_equal(err.text, "");
	assert_int_equal(err.line, line);
	assert_int_equal(err.column, column);
}

static void documents_survive_a_round_trip(void **state)
{
	(void)state;
	assert_round_trip("[]", "[]");
	assert_round_trip(" { \"b\" : [ 1 , -2.5, true,false, null ],\n"
			  "\"a\":{}}",
			  "{\"b\":[1,-2.5,true,false,null],\"a\":{}}");
	assert_round_trip("\"\\u00e9\\n\\\"\\u0000\"",
			  "\"\xc3\xa9\\n\\\"\\u0000\"");
	assert_round_trip("1e2", "100.0");
	assert_round_trip("-0", "0");
}

/* Without the library's own words: a new one of these shows here. */
static void what_is_wrong_is_said_in_our_words(void **state)
{
	static const struct {
		const char *text;
		const char *says;
	} cases[] = {
		{"", "the text is empty"},
		{" \n\t", "the text is empty"},
		{"{\"a\":1", "an object is not closed"},
		{"[1,", "an array is not closed"},
		{"{\"a\":1,}",
		 "one comma too many; there is none after the last member"},
		{"{\"a\":1 2}", "a comma is missing before this"},
		{"[1 2]", "a comma is missing before this"},
		{"[,]", "one comma too many"},
		{"[nil]", "not a JSON value; did you mean null?"},
		{"[1] x", "there is more text after the end of the document"},
		{"{\"a\":1,\"a\":2}", "a key appears twice"},
		{"[\"a", "string is not closed"},
		{"[\"a\n\"]",
		 "string is not closed; a line break inside a string is \\n"},
		{"[\"\t\"]", "a control character in a string; write it as an "
			     "escape: \\t, \\u00XX"},
		{"[\"\\x\"]",
		 "an unknown escape in a string; those of JSON are "
		 "\\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX"},
		{"[\"\\u00g0\"]",
		 "an unknown escape in a string; those of JSON "
		 "are \\\" \\\\ \\/ \\b \\f \\n \\r \\t "
		 "\\uXXXX"},
		{"[\"\\ud800\"]", "half of a surrogate pair; characters above "
				  "U+FFFF take two \\u escapes"},
		{"{\"\\u0000\":1}", "\\u0000 is not allowed in a key"},
		{"[1e999]", "a number is too large"},
		{"[\"\xe9\"]", "byte 0xe9 is not valid UTF-8 there"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_error err = FLO_ERROR_INIT;
		flo_value *value = NULL;

		assert_int_equal(read_any(cases[i].text, &err, &value),
				 FLO_SYNTAX);
		assert_string_equal(err.text, cases[i].says);
	}
}

/* jansson cites the token: it may be a secret. */
static void no_message_cites_the_text(void **state)
{
	char digits[500] = "[";
	flo_error err = FLO_ERROR_INIT, scalar = FLO_ERROR_INIT;
	flo_value *value = NULL;

	(void)state;
	memset(digits + 1, '7', 400);
	memcpy(digits + 401, "]", 2);
	assert_int_equal(read_any(digits, &err, &value), FLO_SYNTAX);
	assert_string_equal(err.text, "a number is too large");
	assert_int_equal(flo_value_from_json("\"hunter2\"", 9, 0, &scalar,
					     &value),
			 FLO_SYNTAX);
	assert_string_equal(scalar.text, "this is no array and no object");
}

/* As deep as a text may nest it is still read token by token. */
static void the_deepest_text_has_our_words(void **state)
{
	static const struct {
		const char *end;
		const char *says;
	} cases[] = {
		{"hunter2", "not a JSON value; strings stand in double quotes"},
		{"] 2", "a comma is missing before this"},
		{"", "an array is not closed"},
		{"[]", "it nests too deep"},
		{"1 2", "it nests too deep"},
		{":", "a JSON value is missing here"},
	};
	enum {
		DEEP = 2048
	};
	char text[DEEP + 16];

	(void)state;
	memset(text, '[', DEEP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_error err = FLO_ERROR_INIT;
		flo_value *value = NULL;

		strcpy(text + DEEP, cases[i].end);
		assert_int_equal(read_any(text, &err, &value), FLO_SYNTAX);
		assert_string_equal(err.text, cases[i].says);
	}
}

static void scalars_need_the_flag(void **state)
{
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(flo_value_from_json("1", 1, 0, NULL, &value),
			 FLO_SYNTAX);
	assert_int_equal(flo_value_from_json("", 0, FLO_JSON_ANY, NULL, &value),
			 FLO_SYNTAX);
	assert_null(value);
}

static void integers_beyond_64_bits_become_doubles(void **state)
{
	(void)state;
	assert_round_trip("9223372036854775807", "9223372036854775807");
	assert_round_trip("-9223372036854775808", "-9223372036854775808");
	assert_round_trip("[9223372036854775808, 9007199254740993]",
			  "[9.223372036854776e+18,9007199254740993]");
	assert_round_trip("-9223372036854775809", "-9.223372036854776e+18");
	assert_round_trip("99999999999999999999", "1e+20");
	assert_round_trip("{\"9999999999999999999\":\"99999999999999999999\","
			  "\"n\":123456789012345678901234567890}",
			  "{\"9999999999999999999\":\"99999999999999999999\","
			  "\"n\":1.2345678901234568e+29}");
}

static void huge_integers_round_as_strtod_does(void **state)
{
	char text[320];

	(void)state;
	srand(7);
	for (int i = 0; i < 2000; i++) {
		flo_value *value = NULL;
		size_t len = 20 + (size_t)rand() % 280;

		for (size_t k = 0; k < len; k++)
			text[k] = (char)('0' + rand() % 10);
		text[0] = '1';
		text[len] = '\0';
		assert_int_equal(read_any(text, NULL, &value), FLO_OK);
		assert_true(flo_value_get_double(value) == strtod(text, NULL));
		flo_value_unref(value);
	}
}

static void numbers_beyond_a_double_are_refused(void **state)
{
	char digits[400];

	(void)state;
	assert_refused("[1,1e999]", 1, 4);
	memset(digits, '9', sizeof(digits));
	digits[sizeof(digits) - 1] = '\0';
	assert_refused(digits, 1, 1);
	/* What is too small is 0, the nearest double. */
	assert_round_trip("1e-999", "0.0");
}

static void faults_have_their_place(void **state)
{
	(void)state;
	assert_refused("{\"a\" 1}", 1, 6);
	assert_refused("{\"a\": 1,\n \"\xc3\xa9\": tru}", 2, 7);
	assert_refused("{\"a\": 1,\n \"a\": 2}", 2, 2);
	assert_refused("{\"key\": 1, \"a longer key than jansson quotes\": 1,"
		       " \"a longer key than jansson quotes\": 2}",
		       1, 51);
	assert_refused("[1,\n2\n", 3, 1);
	assert_refused("[1, \"abc", 1, 5);
	assert_refused("[1] x", 1, 5);
	assert_refused("[01]", 1, 2);
	assert_refused("[1,]", 1, 3);
	assert_refused("", 1, 1);
}

static void bytes_that_are_no_utf8_are_refused(void **state)
{
	(void)state;
	assert_refused("[1,\"a\xff\"]", 1, 4);
	assert_refused("[\"\xc0\x80\"]", 1, 2);
	assert_refused("[\"\xed\xa0\x80\"]", 1, 2);
	assert_refused("[\"\\ud800\"]", 1, 2);
}

static void nul_bytes_are_refused(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(flo_value_from_json("1\0", 2, FLO_JSON_ANY, &err,
					     &value),
			 FLO_SYNTAX);
	assert_int_equal(err.line, 1);
	assert_int_equal(err.column, 2);
	assert_null(value);
}

/* @depth arrays, or objects, around a 1. */
static char *nested(size_t depth, const char *open, char close)
{
	size_t len = strlen(open);
	char *text = malloc(depth * (len + 1) + 2);

	assert_non_null(text);
	for (size_t i = 0; i < depth; i++)
		memcpy(text + i * len, open, len);
	text[depth * len] = '1';
	memset(text + depth * len + 1, close, depth);
	text[depth * (len + 1) + 1] = '\0';
	return text;
}

static void nesting_is_read_to_2047_levels(void **state)
{
	(void)state;
	for (int object = 0; object < 2; object++) {
		char *text = object != 0 ? nested(2047, "{\"a\":", '}')
					 : nested(2047, "[", ']');

		assert_round_trip(text, text);
		free(text);
	}
}

static void deeper_nesting_is_an_error(void **state)
{
	static const size_t depths[] = {2048, 2049, 10000, 1000000};

	(void)state;
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		char *text = nested(depths[i], "[", ']');
		flo_error err = FLO_ERROR_INIT;
		flo_value *value = NULL;

		assert_int_equal(read_any(text, &err, &value), FLO_SYNTAX);
		assert_int_equal(err.line, 1);
		assert_int_equal(err.column, 2049);
		free(text);
	}
}

/* What jansson gets wrong when one allocation fails, and other shapes. */
static const char *const hard_cases[] = {
	"{\"path\":\"dir/flowctl-work\",\"env\":{\"LC_ALL\":\"C\"},"
	"\"steps\":[{\"name\":\"fetch\",\"exec\":[\"./pull.sh\","
	"\"${{ product }}\"],\"retry\":{\"limit\":3,\"factor\":2.5}}]}",
	"[1234567890123456789,12345678901234567890.123456789012345678901234e5,"
	"-3,true,false,null,truefalse]",
	"[123456789012345678901234567890123456789012345678901234567890]",
	"[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]],{\"a\":{\"b\":{\"c\":[]}}}]",
	"[\"a string that outgrows the first buffers of the lexer\n\"]",
	"{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5,\"f\":6,\"g\":7,\"h\":8,"
	"\"i\":9,\"j\":10,\"k\":11,\"l\":12,\"m\":13,\"n\":14,\"a\":15}",
};

/* The outcome of reading @text with every allocation granted. */
static flo_status read_unhurt(const char *text, char **ret_json)
{
	flo_value *value = NULL;
	flo_status st = read_any(text, NULL, &value);

	*ret_json = NULL;
	if (st == FLO_OK)
		*ret_json = flo_value_to_json(value);
	flo_value_unref(value);
	return st;
}

/* Fail allocation @nth. False if @text was read without reaching it. */
static bool read_hurt(const char *text, long nth, bool forever, flo_status want,
		      const char *want_json)
{
	flo_value *value = NULL;
	flo_status st;
	bool reached;

	flo__alloc_fail_at(nth, forever);
	st = read_any(text, NULL, &value);
	reached = flo__alloc_count() >= nth;
	flo__alloc_fail_at(0, 0);
	if (reached) {
		assert_int_equal(st, FLO_NOMEM);
		assert_null(value);
		return true;
	}
	assert_int_equal(st, want);
	if (st == FLO_OK) {
		char *json = flo_value_to_json(value);

		assert_string_equal(json, want_json);
		flo_free(json);
	}
	flo_value_unref(value);
	return false;
}

static void no_failed_allocation_gives_a_wrong_result(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(hard_cases) / sizeof(hard_cases[0]);
	     i++) {
		char *json;
		flo_status st = read_unhurt(hard_cases[i], &json);
		long nth = 1;

		while (read_hurt(hard_cases[i], nth, false, st, json))
			nth++;
		assert_true(nth > 5);
		nth = 1;
		while (read_hurt(hard_cases[i], nth, true, st, json))
			nth++;
		flo_free(json);
	}
}

static void deep_documents_survive_failed_allocations(void **state)
{
	char *text = nested(300, "[", ']');
	long nth = 1;

	(void)state;
	while (read_hurt(text, nth, false, FLO_OK, text))
		nth += 1 + nth / 50;
	free(text);
}

/* @n small objects in an array, and then a fault. */
static char *faulty_list(size_t n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_addc(&sb, '[');
	for (size_t i = 0; i < n; i++)
		flo__strbuf_addf(&sb, "{\"k%zu\":[%zu,\"s\"]},", i, i);
	flo__strbuf_adds(&sb, "x]");
	return flo__strbuf_take(&sb);
}

static void what_a_fault_frees_survives_failed_allocations(void **state)
{
	char *text = faulty_list(40);
	long nth = 1;

	(void)state;
	while (read_hurt(text, nth, false, FLO_SYNTAX, NULL))
		nth++;
	assert_true(nth > 200);
	nth = 1;
	while (read_hurt(text, nth, true, FLO_SYNTAX, NULL))
		nth += 1 + nth / 50;
	flo__free(text);
}

/* The pieces of a text, valid or not: its outermost brackets that are near. */
struct near {
	struct flo__json_pieces head;
	const char *text;
	size_t len;
	size_t at;
	size_t given;
};

/* Where the bracket at @at is closed, 0 if it is not before @end. */
static size_t closed_at(const char *text, size_t at, size_t end)
{
	size_t depth = 0;
	size_t begin;

	while (flo__json_next_token(text, end, &at, &begin)) {
		if (text[begin] == '[' || text[begin] == '{')
			depth++;
		if (text[begin] == ']' || text[begin] == '}')
			depth--;
		if (depth == 0)
			return at;
	}
	return 0;
}

static bool next_near(struct flo__json_pieces *head, size_t *ret_begin,
		      size_t *ret_end)
{
	struct near *near = (struct near *)head;
	const char *text = near->text;

	while (flo__json_next_token(text, near->len, &near->at, ret_begin)) {
		size_t left = near->len - *ret_begin;

		if (text[*ret_begin] != '[' && text[*ret_begin] != '{')
			continue;
		*ret_end = closed_at(text, *ret_begin,
				     *ret_begin + (left < 40 ? left : 40));
		if (*ret_end < *ret_begin + 4)
			continue;
		near->at = *ret_end;
		near->given++;
		return true;
	}
	return false;
}

static flo_status check(const char *text, size_t depth, bool pieces,
			flo_error *err)
{
	struct near near = {{next_near}, text, strlen(text), 0, 0};

	return flo__json_check(text, near.len, JSON_DECODE_ANY, depth,
			       pieces ? &near.head : NULL, err);
}

/* A check of @text must say what reading it says, with and without memory. */
static void assert_check_alike(const char *text, size_t depth, bool pieces)
{
	flo_error want = FLO_ERROR_INIT;
	flo_error got = FLO_ERROR_INIT;
	json_t *json = NULL;
	flo_status st = flo__json_load(text, strlen(text), JSON_DECODE_ANY,
				       &want, &json);

	flo__json_free(json);
	for (long nth = 1;; nth++) {
		flo_error err = FLO_ERROR_INIT;
		bool reached;

		flo__alloc_fail_at(nth, nth % 2);
		got = err;
		if (check(text, depth, pieces, &got) == st && st != FLO_NOMEM &&
		    flo__alloc_count() < nth)
			break;
		reached = flo__alloc_count() >= nth;
		assert_int_equal(flo__alloc_live(), 0);
		flo__alloc_fail_at(0, 0);
		assert_true(reached);
		assert_int_equal(got.status, FLO_NOMEM);
	}
	assert_int_equal(flo__alloc_live(), 0);
	flo__alloc_fail_at(0, 0);
	assert_int_equal(got.status, want.status);
	assert_string_equal(got.text, want.text);
	assert_int_equal(got.line, want.line);
	assert_int_equal(got.column, want.column);
}

static void assert_checks_alike(const char *text, size_t depth)
{
	assert_check_alike(text, depth, false);
	assert_check_alike(text, depth, true);
}

static void a_check_says_what_a_load_says(void **state)
{
	char *deep = nested(2047, "[", ']');
	char *deeper = nested(2048, "[", ']');
	char *faulty = faulty_list(5000);

	(void)state;
	for (size_t i = 0; i < sizeof(hard_cases) / sizeof(hard_cases[0]); i++)
		assert_checks_alike(hard_cases[i], 30);
	assert_checks_alike("", 0);
	assert_checks_alike("\"\xff\"", 0);
	assert_checks_alike(deep, 2047);
	assert_checks_alike(deeper, 2048);
	assert_checks_alike(faulty, 3);
	free(deep);
	free(deeper);
	flo__free(faulty);
}

/* What is wrong in a piece, beside one, and with what a piece stands for. */
static void a_check_in_pieces_says_what_a_load_says(void **state)
{
	static const char *const texts[] = {
		"[{\"a\":1}, {\"b\":[1, 2, 3]}, []]",
		"{\"a\": {\"x\": 1}, \"b\": [1, 2]}",
		"[{\"a\":1, \"a\":2}]",
		"[1, {\"a\":1, \"\\u0061\":2}, 3]",
		"{\"a\": {\"x\": 1}, \"b\": 0, \"a\": [1, 2]}",
		"{[1, 2]: 3}",
		"{{\"a\": 1}: 3}",
		"[1, 2] [3, 4]",
		"[[1, 2] [3, 4]]",
		"[true[1, 2]]",
		"[nul[1, 2]]",
		"[[1, 2]l, 3]",
		"[1[2, 3]]",
		"[-[2, 3]]",
		"[[1, 2}, 3]",
		"[{\"a\", 2}, 3]",
		"[{\"a\": \"\x01\"}, 3]",
		"[\"[1, 2]\", \"{\\\"a\\\": 1}\"]",
		"[[18446744073709551616], 18446744073709551616]",
		"[[1e999], [1, 2]]",
		"[\"\\ud800\", [1, 2]]",
		"\n\n [ [1, 2],\n  [\"Ã¤\", x] ]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_checks_alike(texts[i], 3);
}

/* Not the memory of all that is read: of one piece after the other. */
static void a_check_in_pieces_uses_the_same_memory_again(void **state)
{
	char *text = faulty_list(20000);
	size_t len = strlen(text);
	struct near near = {{next_near}, text, len, 0, 0};
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	memcpy(text + len - 2, "0]", 2);
	flo__alloc_fail_at(LONG_MAX, 0);
	assert_int_equal(flo__json_check(text, len, 0, 3, &near.head, &err),
			 FLO_OK);
	assert_in_range(flo__alloc_count(), 2, 60);
	flo__alloc_fail_at(0, 0);
	assert_int_equal(near.given, 20000);
	flo__free(text);
}

/* The time was quadratic: a fault behind 640 kB took 18 seconds, and here it
 * would be an hour. */
static void a_fault_at_the_end_of_a_long_text_is_told_at_once(void **state)
{
	char *text = faulty_list(500000);
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(read_any(text, NULL, &value), FLO_SYNTAX);
	assert_null(value);
	flo__free(text);
}

static void memory_from_before_the_guard_can_be_freed(void **state)
{
	/* Made by main(), before the guard was installed. */
	json_t *old = *state;

	assert_int_equal(json_integer_value(json_object_get(old, "n")), 1);
	json_decref(old);
}

static void places_count_code_points(void **state)
{
	static const char text[] = "a\n\xc3\xa9\xe2\x82\xac x";
	struct flo__json_place place = flo__json_place_of(text, 8);

	(void)state;
	assert_int_equal(place.line, 2);
	assert_int_equal(place.column, 4);
	assert_int_equal(place.offset, 8);
}

static void tokens_are_told_apart(void **state)
{
	static const char text[] = " {\"a\\\"]\": -1.5e3x,\"open";
	static const char *const want[] = {
		"{", "\"a\\\"]\"", ":", "-1.5e3x", ",", "\"open",
	};
	size_t begin;
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(flo__json_next_token(text, sizeof(text) - 1, &at,
						 &begin));
		assert_int_equal(at - begin, strlen(want[i]));
		assert_memory_equal(text + begin, want[i], at - begin);
	}
	assert_false(flo__json_next_token(text, sizeof(text) - 1, &at, &begin));
}

int main(void)
{
	json_t *old = json_pack("{s:i}", "n", 1);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_survive_a_round_trip),
		cmocka_unit_test(what_is_wrong_is_said_in_our_words),
		cmocka_unit_test(no_message_cites_the_text),
		cmocka_unit_test(the_deepest_text_has_our_words),
		cmocka_unit_test(scalars_need_the_flag),
		cmocka_unit_test(integers_beyond_64_bits_become_doubles),
		cmocka_unit_test(huge_integers_round_as_strtod_does),
		cmocka_unit_test(numbers_beyond_a_double_are_refused),
		cmocka_unit_test(faults_have_their_place),
		cmocka_unit_test(bytes_that_are_no_utf8_are_refused),
		cmocka_unit_test(nul_bytes_are_refused),
		cmocka_unit_test(nesting_is_read_to_2047_levels),
		cmocka_unit_test(deeper_nesting_is_an_error),
		cmocka_unit_test(no_failed_allocation_gives_a_wrong_result),
		cmocka_unit_test(deep_documents_survive_failed_allocations),
		cmocka_unit_test(
			what_a_fault_frees_survives_failed_allocations),
		cmocka_unit_test(a_check_says_what_a_load_says),
		cmocka_unit_test(a_check_in_pieces_says_what_a_load_says),
		cmocka_unit_test(a_check_in_pieces_uses_the_same_memory_again),
		cmocka_unit_test(
			a_fault_at_the_end_of_a_long_text_is_told_at_once),
		cmocka_unit_test_prestate(
			memory_from_before_the_guard_can_be_freed, old),
		cmocka_unit_test(places_count_code_points),
		cmocka_unit_test(tokens_are_told_apart),
	};

	flo__json_guard_install();
	flo__json_guard_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
