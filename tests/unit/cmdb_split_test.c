/* Cutting a stream into records: whole, cut off, malformed; any window. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mask.h"
#include "base/strbuf.h"
#include "steps/cmdb/batch.h"
#include "steps/cmdb/split.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory_file(const char *bytes, size_t len)
{
	int fd = memfd_create("split", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

/* What errors hide; NULL: nothing. */
static struct flo__mask *mask;

/* The next record, whose end is looked for afterwards if it was trusted. */
static flo_status next_checked(struct flo__split *split, flo_error *err,
			       const char **ret_record, size_t *ret_len)
{
	flo_status st = flo__split_next(split, err, ret_record, ret_len);

	if (st != FLO_OK || *ret_record == NULL || !flo__split_trusted(split))
		return st;
	return flo__split_check_line(*ret_record, *ret_len,
				     &(struct flo__place){
					     .number =
						     flo__split_records(split),
					     .byte = flo__split_place(split),
					     .line = flo__split_line(split),
				     },
				     mask, err);
}

/* Every case is read in both ways, which make no difference. */
static bool trusting;

/* Split @text; the records, joined by '|', are added to @sb. */
static flo_status split_with(const char *text, size_t len, size_t window,
			     const char *const *records, size_t records_len,
			     flo_error *err, struct flo__strbuf *sb)
{
	struct flo__split *split = NULL;
	int fd = memory_file(text, len);
	const char *record = NULL;
	size_t record_len = 0;
	flo_status st;

	st = flo__split_new(fd, records, records_len, window, err, &split);
	if (st == FLO_OK && trusting)
		flo__split_trust_lines(split);
	if (st == FLO_OK)
		flo__split_hide(split, mask);
	while (st == FLO_OK) {
		st = next_checked(split, err, &record, &record_len);
		if (st != FLO_OK || record == NULL)
			break;
		flo__strbuf_add(sb, record, record_len);
		flo__strbuf_addc(sb, '|');
	}
	flo__split_free(split);
	close(fd);
	return st;
}

static void expect_once(const char *text, const char *place, const char *want)
{
	static const size_t windows[] = {1, 2, 3, 7, 64, 0};

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_error err = FLO_ERROR_INIT;

		if (split_with(text, strlen(text), windows[i], &place,
			       place != NULL, &err, &sb) != FLO_OK)
			fail_msg("%s: %s", text, err.text);
		assert_string_equal(sb.data, want);
		flo__strbuf_fini(&sb);
	}
}

/* Split @text at one place or none, with several windows, expecting @want. */
static void expect(const char *text, const char *place, const char *want)
{
	expect_once(text, place, want);
	trusting = true;
	expect_once(text, place, want);
	trusting = false;
}

static void refuse_once(const char *text, const char *place, flo_status want,
			const char *says)
{
	static const size_t windows[] = {1, 2, 0};

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_error err = FLO_ERROR_INIT;
		flo_status st = split_with(text, strlen(text), windows[i],
					   &place, place != NULL, &err, &sb);

		if (st != want || strstr(err.text, says) == NULL)
			fail_msg("%s: status %s: %s", text, flo_status_name(st),
				 err.text);
		flo__strbuf_fini(&sb);
	}
}

static void refuse(const char *text, const char *place, flo_status want,
		   const char *says)
{
	refuse_once(text, place, want, says);
	trusting = true;
	refuse_once(text, place, want, says);
	trusting = false;
}

static void lines_are_records(void **state)
{
	(void)state;
	expect("", NULL, "");
	expect(" \n\n", NULL, "");
	expect("{}\n{\"a\":1}", NULL, "{}|{\"a\":1}|");
	expect("\n{\"a\":\"}\\\"{\"} \r\n\n {\"b\":[{}]}\t\n", NULL,
	       "{\"a\":\"}\\\"{\"}|{\"b\":[{}]}|");
}

/* What follows a line that is no record is the error of that line. */
static void a_line_that_is_no_record_is_told_alike(void **state)
{
	(void)state;
	refuse("{}\n{\"a\":{\n}}\n", NULL, FLO_SYNTAX,
	       "record 2 (line 2, byte 3) does not end on its line");
	refuse("{\"a\":\"\n\"}\n{}\n", NULL, FLO_SYNTAX,
	       "record 1 (line 1, byte 0) does not end on its line");
	refuse("{} {}\n{}\n", NULL, FLO_SYNTAX,
	       "at line 1, byte 3, after 1 record, where the end of the record's");
	refuse("{}\n{}x\n", NULL, FLO_SYNTAX,
	       "'x' at line 2, byte 5, after 2 records");
	refuse("\n{}\n\n \n{}\n\nx\n", NULL, FLO_SYNTAX,
	       "'x' at line 7, byte 11, after 2 records");
	refuse("{}\n{\"a\":1", NULL, FLO_SYNTAX, "was it cut off?");
	refuse("{}\n{\"a\":\"}\n", NULL, FLO_SYNTAX,
	       "record 2 (line 2, byte 3)");
}

static void an_array_holds_records(void **state)
{
	(void)state;
	expect("[]", NULL, "");
	expect(" [ {\"a\":1} , {\n\"b\" : [ ] } ]\n", NULL,
	       "{\"a\":1}|{\n\"b\" : [ ] }|");
	expect("[{}]", "", "{}|");
}

static void a_pointer_leads_to_the_records(void **state)
{
	(void)state;
	expect("{\"n\":-1.5e+3,\"items\":[{\"a\":1},{}],\"z\":[[],{\"k\":[]}]}",
	       "/items", "{\"a\":1}|{}|");
	expect("{\"a\":{\"items\":[{}]},\"b\":{\"it~/ems\":[{\"x\":1}]}}",
	       "/b/it~0~1ems", "{\"x\":1}|");
	expect("[0,\"\\u00e9\\n\",{\"r\":[{}]},{\"r\":[{\"y\":2}]}]", "/3/r",
	       "{\"y\":2}|");
	expect("{\"\\u0069tems\":[{}],\"t\":true,\"f\":false,\"n\":null}",
	       "/items", "{}|");
}

static void several_pointers_are_read_in_one_pass(void **state)
{
	static const char *const both[] = {"/a", "/b/c"};
	const char *text = "{\"b\":{\"c\":[{\"n\":1}]},\"a\":[{\"n\":2}]}";
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_int_equal(split_with(text, strlen(text), 0, both, 2, &err, &sb),
			 FLO_OK);
	assert_string_equal(sb.data, "{\"n\":1}|{\"n\":2}|");
	flo__strbuf_fini(&sb);
}

static void what_is_no_document_is_refused(void **state)
{
	(void)state;
	refuse("7", NULL, FLO_SYNTAX, "where a record");
	refuse("[1]", NULL, FLO_SYNTAX, "where a record");
	refuse("[{},]", NULL, FLO_SYNTAX, "where a record");
	refuse("[{} {}]", NULL, FLO_SYNTAX, "',' or ']'");
	refuse("[{}] x", NULL, FLO_SYNTAX, "the document's end");
	refuse("[{}]]", NULL, FLO_SYNTAX, "the document's end");
	refuse("{} {}", NULL, FLO_SYNTAX, "end of the record's line");
	refuse("{\n}", NULL, FLO_SYNTAX, "name the place with \"records\"");
	refuse("\xef\xbb\xbf{}", NULL, FLO_SYNTAX, "byte 0xef");
	refuse("{\"a\":[{}],}", "/a", FLO_SYNTAX, "a key");
	refuse("{\"a\":[{}],\"b\"}", "/a", FLO_SYNTAX, "':'");
	refuse("{\"a\":[{}],\"b\":01}", "/a", FLO_SYNTAX, "',' or '}'");
	refuse("{\"a\":[{}],\"b\":1.}", "/a", FLO_SYNTAX, "a digit");
	refuse("{\"a\":[{}],\"b\":tru}", "/a", FLO_SYNTAX, "a value");
	refuse("{\"a\":[{}],\"b\":\"\\x\"}", "/a", FLO_SYNTAX, "an escape");
	refuse("{\"a\":[{}],\"b\":\"\n\"}", "/a", FLO_SYNTAX, "string's end");
	refuse("{\"a\":[{}],\"b\":[}", "/a", FLO_SYNTAX, "a value");
	refuse("{\"a\":[{}],\"a\":[{}]}", "/a", FLO_SYNTAX, "there twice");
	refuse("{\"a\":{}}", "/a", FLO_SYNTAX, "the array of records");
	refuse("{\"b\":[{}]}", "/a/b", FLO_NOTFOUND, "\"/a/b\"");
	refuse("", "/a", FLO_SYNTAX, "cut off");
	refuse("[]", "a", FLO_SYNTAX, "not a JSON pointer");
	refuse("[]", "/~2", FLO_SYNTAX, "not a JSON pointer");
}

static void pointers_must_not_lie_inside_each_other(void **state)
{
	static const char *const both[] = {"/a", "/a/0/b"};
	struct flo__split *split = NULL;
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_int_equal(flo__split_new(0, both, 2, 0, &err, &split),
			 FLO_INVALID);
	assert_non_null(strstr(err.text, "\"/a\""));
}

/* A document that ends anywhere before its end is never taken for whole. */
static void every_cut_is_noticed(void **state)
{
	const char *text =
		"{\"h\":[1,{\"x\":\"\\u0041\"}],\"items\":[{\"a\":1},"
		"{\"b\":\"]}\"}],\"t\":{\"n\":null}}";
	const char *place = "/items";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_error err = FLO_ERROR_INIT;

		assert_int_equal(split_with(text, len, 3, &place, 1, &err, &sb),
				 FLO_SYNTAX);
		assert_non_null(strstr(err.text, "cut off"));
		flo__strbuf_fini(&sb);
	}
}

static void depth_has_a_limit(void **state)
{
	char text[2 * FLO__RECORD_DEPTH_MAX + 64];
	int n;

	(void)state;
	n = sprintf(text, "{\"a\":");
	memset(text + n, '[', FLO__RECORD_DEPTH_MAX - 1);
	memset(text + n + FLO__RECORD_DEPTH_MAX - 1, ']',
	       FLO__RECORD_DEPTH_MAX - 1);
	strcpy(text + n + 2 * (FLO__RECORD_DEPTH_MAX - 1), "}");
	refuse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
	       "[[[[[[[[[[[[[[[[",
	       "/0/x", FLO_LIMIT, "nests deeper");
	memmove(text + 1, text, strlen(text) + 1);
	text[0] = ' ';
	{
		char want[sizeof(text) + 2];

		snprintf(want, sizeof(want), "%s|", text + 1);
		expect(text, NULL, want);
	}
	memmove(text + n + 2, text + n + 1, strlen(text + n + 1) + 1);
	text[n + 1] = '[';
	refuse(text, NULL, FLO_LIMIT, "nests deeper");
}

static void a_record_has_a_largest_size(void **state)
{
	size_t len = FLO__RECORD_BYTES_MAX + 64;
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	flo__strbuf_adds(&text, "[{\"a\":\"");
	assert_true(flo__strbuf_reserve(&text, len));
	while (text.len < len)
		flo__strbuf_addc(&text, 'x');
	flo__strbuf_adds(&text, "\"}]");
	assert_int_equal(split_with(text.data, text.len, 0, NULL, 0, &err, &sb),
			 FLO_LIMIT);
	assert_non_null(strstr(err.text, "larger than"));
	flo__strbuf_fini(&text);
	flo__strbuf_fini(&sb);
}

/* Watched values */

/* The values at "/next" and "/meta/c" of @text, as the document has them. */
static flo_status watch(const char *text, size_t window, flo_error *err,
			char ret_seen[2][64])
{
	static const char *const records[] = {"/items"};
	static const char *const pointers[] = {"/next", "/meta/c"};
	struct flo__split *split = NULL;
	int fd = memory_file(text, strlen(text));
	const char *record = "";
	size_t places[2], len = 0;
	flo_status st;

	assert_int_equal(flo__split_new(fd, records, 1, window, err, &split),
			 FLO_OK);
	for (int i = 0; i < 2; i++)
		assert_int_equal(flo__split_watch(split, pointers[i], err,
						  &places[i]),
				 FLO_OK);
	do
		st = flo__split_next(split, err, &record, &len);
	while (st == FLO_OK && record != NULL);
	for (int i = 0; i < 2; i++)
		snprintf(ret_seen[i], 64, "%s",
			 flo__split_seen(split, places[i]) != NULL
				 ? flo__split_seen(split, places[i])
				 : "none");
	flo__split_free(split);
	close(fd);
	return st;
}

static void watched_values_are_seen_beside_the_records(void **state)
{
	static const struct {
		const char *text;
		const char *next;
		const char *c;
	} cases[] = {
		{"{\"items\":[{\"next\":1}],\"next\":\"a\\u0062\",\"meta\":"
		 "{\"d\":1,\"c\":12}}",
		 "\"a\\u0062\"", "12"},
		{"{\"meta\":{\"c\":null},\"items\":[]}", "none", "null"},
		{"{\"items\":[],\"next\":{\"a\":[1]},\"meta\":[2]}", "{",
		 "none"},
		{"{\"items\":[],\"meta\":{\"c\":[]},\"next\":-1.5e3}", "-1.5e3",
		 "["},
	};
	flo_error err = FLO_ERROR_INIT;
	char seen[2][64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t window = 1; window < 80; window++) {
			assert_int_equal(watch(cases[i].text, window, &err,
					       seen),
					 FLO_OK);
			assert_string_equal(seen[0], cases[i].next);
			assert_string_equal(seen[1], cases[i].c);
		}
}

static void a_watched_value_among_the_records_is_refused(void **state)
{
	static const char *const records[] = {"/a/items"};
	static const char *const bad[] = {"/a/items", "/a/items/0/id", "next"};
	flo_error err = FLO_ERROR_INIT;
	size_t place;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct flo__split *split = NULL;

		flo_error_clear(&err);
		assert_int_equal(flo__split_new(-1, records, 1, 0, &err,
						&split),
				 FLO_OK);
		assert_int_equal(flo__split_watch(split, bad[i], &err, &place),
				 i < 2 ? FLO_INVALID : FLO_SYNTAX);
		flo__split_free(split);
	}
}

/* Of "next" and null, which is it? */
static void a_watched_value_that_is_there_twice_is_an_error(void **state)
{
	static const struct {
		const char *text;
		const char *says;
		const char *next;
		const char *c;
	} cases[] = {
		{"{\"next\":\"/2\",\"items\":[],\"next\":null}",
		 "\"/next\" is there twice, again at byte 31", "null", "none"},
		{"{\"next\":null,\"items\":[],\"n\\u0065xt\":[1]}",
		 "\"/next\" is there twice, again at byte 36", "[", "none"},
		{"{\"meta\":{\"c\":1},\"items\":[],\"meta\":{\"c\":1}}",
		 "\"/meta/c\" is there twice, again at byte 39", "none", "1"},
	};
	char seen[2][64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t window = 1; window < 80; window++) {
			flo_error err = FLO_ERROR_INIT;

			assert_int_equal(watch(cases[i].text, window, &err,
					       seen),
					 FLO_SYNTAX);
			if (strstr(err.text, cases[i].says) == NULL)
				fail_msg("%s", err.text);
			assert_string_equal(seen[0], cases[i].next);
			assert_string_equal(seen[1], cases[i].c);
		}
}

static void a_watched_value_has_a_limit(void **state)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	flo_error err = FLO_ERROR_INIT;
	char seen[2][64];

	(void)state;
	flo__strbuf_adds(&text, "{\"items\":[],\"next\":\"");
	for (int i = 0; i < FLO__SPLIT_WATCH_BYTES_MAX - 1; i++)
		flo__strbuf_addc(&text, 'x');
	flo__strbuf_adds(&text, "\"}");
	assert_int_equal(watch(text.data, 0, &err, seen), FLO_LIMIT);
	assert_non_null(strstr(err.text, "\"/next\" has 16385 bytes"));
	flo__strbuf_fini(&text);
}

/* The end of a context */

/* Records of @text that are cut if their context ends after the first. */
static uint64_t cut_after_first(const char *text, const char *place,
				flo_error *err)
{
	flo_context *context = flo_context_new(NULL);
	struct flo__split *split = NULL;
	int fd = memory_file(text, strlen(text));
	const char *record = "";
	uint64_t records;
	size_t len = 0;
	flo_status st;

	assert_int_equal(flo__split_new(fd, &place, place != NULL, 16, err,
					&split),
			 FLO_OK);
	flo__split_heed(split, context);
	do {
		st = flo__split_next(split, err, &record, &len);
		flo_context_cancel(context, NULL);
	} while (st == FLO_OK && record != NULL);
	assert_int_equal(st, FLO_CANCELED);
	records = flo__split_records(split);
	flo__split_free(split);
	flo_context_unref(context);
	close(fd);
	return records;
}

/* Windows are of 16 bytes here; at the first read there are no records. */
static void it_ends_with_its_context(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_in_range(cut_after_first("{\"id\":1}\n{\"id\":2}\n{\"id\":3}\n"
					"{\"id\":4}\n{\"id\":5}\n{\"id\":6}\n",
					NULL, &err),
			1, 3);
	assert_string_equal(err.text, flo_status_text(FLO_CANCELED));
	/* What is beside the records is never given back to the caller. */
	assert_int_equal(cut_after_first("{\"i\":[{\"id\":1}],\"x\":[1,1,1,1,1,"
					 "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
					 "/i", &err),
			 1);
	assert_int_equal(
		cut_after_first("{\"i\":[{\"id\":1}],\"x\":\"aaaaaaaaaa"
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
				"/i", &err),
		1);
}

static void hides(const char *text, const char *want)
{
	static const size_t windows[] = {64, 0};

	for (int i = 0; i < 4; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_error err = FLO_ERROR_INIT;

		trusting = i >= 2;
		assert_int_equal(split_with(text, strlen(text), windows[i % 2],
					    NULL, 0, &err, &sb),
				 FLO_SYNTAX);
		if (strncmp(err.text, want, strlen(want)) != 0)
			fail_msg("%s: %s", text, err.text);
		flo__strbuf_fini(&sb);
	}
	trusting = false;
}

/* What is quoted begins where the document is wrong and ends where there is no
 * more room, both of which may be within a secret. */
static void of_a_quoted_secret_nothing_is_shown(void **state)
{
	(void)state;
	mask = flo__mask_new();
	assert_int_equal(flo__mask_add_secret(mask, "4f3 gh\\p_Qz7kM2pXw9Lr4",
					      22),
			 FLO_OK);
	assert_int_equal(flo__mask_add_secret(mask, "trustno1", 8), FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	hides("The access token is 4f3 gh\\p_Qz7kM2pXw9Lr4 is not known",
	      "'The access token is ***' at ");
	hides("The access tokens are: 4f3 ... 4f",
	      "'The access tokens are: 4f3 ... ' at ");
	hides("4f3 gh\\p_Qz7kM2pXw9Lr4 is it", "'*** is it' at ");
	hides("[4f3 gh\\p_Qz7kM2pXw9Lr4 is it", "'*** is it' at ");
	hides("{\"a\": 1} 4f3 gh\\p_Qz7kM2pXw9Lr4", "'***' at ");
	/* Within it: what is not known yet is the second line. */
	hides("{}\n{\"a\": \"x\"}\n4f3 gh\\p_Qz7kM2pXw9Lr4 it", "'*** it' at ");
	flo__mask_free(mask);
	mask = NULL;
}

/* A word and a number are wrong where they are none any more. */
static void a_secret_is_hidden_from_within(void **state)
{
	static const char *const records[] = {"/r"};
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"{\"t\": trustno1, \"r\": []}", "'***, \"r\": []}' at byte 9"},
		{"{\"t\": 4f3-token, \"r\": []}",
		 "'***, \"r\": []}' at byte 7"},
		{"{\"t\": \"a\\pq:word\", \"r\": []}",
		 "'***\", \"r\": []}' at byte 9"},
	};
	static const size_t windows[] = {4, 5, 6, 7, 0};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	mask = flo__mask_new();
	assert_int_equal(flo__mask_add_secret(mask, "trustno1", 8), FLO_OK);
	assert_int_equal(flo__mask_add_secret(mask, "4f3-token", 9), FLO_OK);
	assert_int_equal(flo__mask_add_secret(mask, "a\\pq:word", 9), FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t w = 0; w < 5; w++) {
			flo_error err = FLO_ERROR_INIT;
			const char *text = cases[i].text;

			assert_int_equal(split_with(text, strlen(text),
						    windows[w], records, 1,
						    &err, &sb),
					 FLO_SYNTAX);
			/* In a small window the rest of it is not there yet. */
			if (windows[w] != 0)
				assert_null(strstr(err.text, "stno"));
			else if (strncmp(err.text, cases[i].want,
					 strlen(cases[i].want)) != 0)
				fail_msg("%s: %s", text, err.text);
		}
	}
	flo__strbuf_fini(&sb);
	flo__mask_free(mask);
	mask = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_records),
		cmocka_unit_test(a_line_that_is_no_record_is_told_alike),
		cmocka_unit_test(an_array_holds_records),
		cmocka_unit_test(a_pointer_leads_to_the_records),
		cmocka_unit_test(several_pointers_are_read_in_one_pass),
		cmocka_unit_test(what_is_no_document_is_refused),
		cmocka_unit_test(pointers_must_not_lie_inside_each_other),
		cmocka_unit_test(every_cut_is_noticed),
		cmocka_unit_test(depth_has_a_limit),
		cmocka_unit_test(a_record_has_a_largest_size),
		cmocka_unit_test(watched_values_are_seen_beside_the_records),
		cmocka_unit_test(a_watched_value_among_the_records_is_refused),
		cmocka_unit_test(
			a_watched_value_that_is_there_twice_is_an_error),
		cmocka_unit_test(a_watched_value_has_a_limit),
		cmocka_unit_test(it_ends_with_its_context),
		cmocka_unit_test(of_a_quoted_secret_nothing_is_shown),
		cmocka_unit_test(a_secret_is_hidden_from_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
