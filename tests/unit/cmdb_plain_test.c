/* Records read without a tree are what jansson makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "cmdb_ways.h"
#include "steps/cmdb/split.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct ways ways;

static int set_up(void **state)
{
	(void)state;
	flo__json_guard_install();
	ways_init(&ways);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	ways_fini(&ways);
	return 0;
}

/* The way of @text, in memory that ends where it ends. */
static enum way way_of_bytes(const struct flo__spec *spec, const char *text,
			     size_t len)
{
	struct flo__pointer root = {0};
	struct flo__pointer *gone = NULL;
	char *copy = malloc(len != 0 ? len : 1);
	const char *differs;
	enum way way;

	assert_non_null(copy);
	memcpy(copy, text, len);
	assert_int_equal(flo__pointer_add(&root, "/a", 2, NULL, &gone), FLO_OK);
	differs = ways_differ(&ways, spec, gone, copy, len, &way);
	free(copy);
	flo__pointer_fini(&root);
	if (differs != NULL)
		fail_msg("%s differs: %.*s", differs, (int)len, text);
	return way;
}

static enum way way_of(const struct flo__spec *spec, const char *text)
{
	return way_of_bytes(spec, text, strlen(text));
}

static void assert_way(const char *const *texts, enum way way)
{
	struct flo__spec *spec =
		ways_spec("[\"/a\",\"/b/c\"]", "[\"/seen\"]", "[\"/t\"]");

	assert_non_null(spec);
	for (; *texts != NULL; texts++)
		if (way_of(spec, *texts) != way)
			fail_msg("not that way: %s", *texts);
	flo__spec_free(spec);
}

static void records_of_inventories_are_plain(void **state)
{
	static const char *const texts[] = {
		/* as bench/cmdb_input.c writes them */
		"{\"id\":\"i-0000000003\",\"hostname\":\"media-3.ap-south-1."
		"example.net\",\"ip\":\"10.0.0.3\",\"region\":\"ap-south-1\","
		"\"tags\":{\"team\":\"media\",\"roles\":[\"r7\",\"r20\"]},"
		"\"cpus\":16,\"load\":7.42,\"active\":true,\"seen_at\":"
		"\"2026-03-14T07:35:13Z\",\"note\":\"rack caf\u00e9 \\\"hot\\\""
		" owner spare disk swap checked\"}",
		"{}",
		" {\t\"a\" :\r\n[ 1 , -0, [ ] , { } ] } \n",
		"{\"\":null,\"b\":{\"c\":false}}",
		"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u0041\\u20ac\"}",
		"{\"a\":\"\u00e9\u65e5\U0001f600\x7f\"}",
		"{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
		"{\"a\":0.1,\"b\":-1.5e-3,\"c\":1E+2,\"d\":-0.0,\"e\":5e-324,"
		"\"f\":0.30000000000000004,\"g\":9007199254740993.0}",
		"{\"t\":[3,1,2,1.0],\"seen\":{\"x\":1}}",
		NULL,
	};

	(void)state;
	assert_way(texts, WAY_PLAIN);
}

static void what_is_unusual_goes_to_jansson(void **state)
{
	static const char *const texts[] = {
		"{\"a\":9223372036854775808}",
		"{\"a\":-9223372036854775809}",
		"{\"a\":18446744073709551615}",
		"{\"a\":123456789012345678901234567890}",
		"{\"a\":\"\\ud83d\\ude00\"}",
		NULL,
	};

	(void)state;
	assert_way(texts, WAY_TREE);
}

static void what_is_no_record_is_not_plain(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"[]",
		"1",
		"\"a\"",
		"null",
		"{",
		"{\"a\"",
		"{\"a\":",
		"{\"a\":1",
		"{\"a\":1,",
		"{\"a\":1,}",
		"{,}",
		"{\"a\":1}x",
		"{\"a\":1}{}",
		"{\"a\":1]",
		"{\"a\":[1}",
		"{\"a\":[1,]}",
		"{\"a\":[,1]}",
		"{\"a\" 1}",
		"{a:1}",
		"{1:1}",
		"{\"a\":1 \"b\":2}",
		"{\"a\":01}",
		"{\"a\":-}",
		"{\"a\":+1}",
		"{\"a\":1.}",
		"{\"a\":.5}",
		"{\"a\":1e}",
		"{\"a\":1e+}",
		"{\"a\":1.e5}",
		"{\"a\":0x10}",
		"{\"a\":00}",
		"{\"a\":-01}",
		"{\"a\":1e400}",
		"{\"a\":-1e400}",
		"{\"a\":tru}",
		"{\"a\":truex}",
		"{\"a\":True}",
		"{\"a\":nul",
		"{\"a\":NaN}",
		"{\"a\":\"\x01\"}",
		"{\"a\":\"\n\"}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xc0\xaf\"}",
		"{\"a\":\"\xc3\"}",
		"{\"a\":\"\xe2\x82\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\xf4\x90\x80\x80\"}",
		"{\"\xff\":1}",
		"{\"a\":\"\\x\"}",
		"{\"a\":\"\\",
		"{\"a\":\"\\\"}",
		"{\"a\":\"\\u00\"}",
		"{\"a\":\"\\u00g0\"}",
		"{\"a\":\"\\u0000\"}",
		"{\"a\":\"\\ud83d\"}",
		"{\"a\":\"\\ude00\"}",
		"{\"a\":1,\"a\":1}",
		"{\"a\":1,\"b\":2,\"\\u0061\":3}",
		"{\"x\":{\"abcdefghi\":1,\"abcdefghi\":1}}",
		"{\"a\":1,\f\"b\":2}",
		"\xef\xbb\xbf{}",
		NULL,
	};

	(void)state;
	assert_way(texts, WAY_NONE);
}

static void a_nul_byte_is_never_plain(void **state)
{
	static const char texts[][10] = {"{\"a\":\"\0\"}", "{\"a\":1\0}",
					 "{\"a\":1}\0\0", "\0{\"a\":1}"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(way_of_bytes(NULL, texts[i], 9), WAY_NONE);
}

static void nest(struct flo__strbuf *sb, int depth)
{
	flo__strbuf_reset(sb);
	flo__strbuf_adds(sb, "{\"a\":");
	for (int i = 1; i < depth; i++)
		flo__strbuf_addc(sb, '[');
	for (int i = 1; i < depth; i++)
		flo__strbuf_addc(sb, ']');
	flo__strbuf_addc(sb, '}');
}

static void it_nests_as_deep_as_records_may(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	nest(&sb, FLO__RECORD_DEPTH_MAX);
	assert_int_equal(way_of(NULL, sb.data), WAY_PLAIN);
	nest(&sb, FLO__RECORD_DEPTH_MAX + 1);
	assert_int_equal(way_of(NULL, sb.data), WAY_NONE);
	flo__strbuf_fini(&sb);
}

/* A record with an object of @members, an array of @items and a string. */
static enum way way_of_many(int members, int items, int bytes)
{
	struct flo__spec *spec =
		ways_spec("[\"/m/k7\",\"/l/2\"]", "[\"/m/k11\"]", "[\"/l\"]");
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	enum way way;

	flo__strbuf_adds(&sb, "{\"m\":{");
	for (int i = 0; i < members; i++)
		flo__strbuf_addf(&sb, "%s\"k%d\":%d", i != 0 ? "," : "",
				 i * 7919 % 10007, i);
	flo__strbuf_adds(&sb, "},\"l\":[");
	for (int i = 0; i < items; i++)
		flo__strbuf_addf(&sb, "%s%d", i != 0 ? "," : "", i % 7);
	flo__strbuf_addf(&sb, "],\"s\":\"\\n%0*d\"}", bytes, 0);
	way = way_of(spec, sb.data);
	flo__strbuf_fini(&sb);
	flo__spec_free(spec);
	return way;
}

static void what_has_no_room_goes_to_jansson(void **state)
{
	(void)state;
	assert_int_equal(way_of_many(60, 10, 10), WAY_PLAIN);
	assert_int_equal(way_of_many(FLO__PLAIN_MEMBERS_MAX - 1, 1, 1),
			 WAY_PLAIN);
	assert_int_equal(way_of_many(FLO__PLAIN_MEMBERS_MAX, 1, 1), WAY_TREE);
	/* Beside them: the record, three keys, an object, an array, a text. */
	assert_int_equal(way_of_many(0, FLO__PLAIN_TOKENS_MAX - 7, 1),
			 WAY_PLAIN);
	assert_int_equal(way_of_many(0, FLO__PLAIN_TOKENS_MAX - 6, 1),
			 WAY_TREE);
	assert_int_equal(way_of_many(0, 0, FLO__PLAIN_BYTES_MAX - 26),
			 WAY_PLAIN);
	assert_int_equal(way_of_many(0, 0, FLO__PLAIN_BYTES_MAX), WAY_TREE);
}

/* Records made up, from a seed */

static uint64_t seed;

/* splitmix64 */
static uint64_t next_random(void)
{
	uint64_t n = seed += UINT64_C(0x9e3779b97f4a7c15);

	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

static size_t below(size_t n)
{
	return (size_t)(next_random() % n);
}

/* One of a list; of its last @rare ones once in 200 times only. */
#define PICK(list, rare) pick(list, sizeof(list) / sizeof((list)[0]), rare)
static const char *pick(const char *const *list, size_t len, size_t rare)
{
	return list[below(200) == 0 ? below(len) : below(len - rare)];
}

static void add_space(struct flo__strbuf *sb)
{
	static const char *const spaces[] = {"", "", "",   "",	   "",	" ",
					     "", "", "\t", "\r\n", "\f"};

	flo__strbuf_adds(sb, PICK(spaces, 1));
}

static void add_text(struct flo__strbuf *sb)
{
	static const char *const pieces[] = {
		"a",
		"host-17.example.net",
		"a text of more than sixteen bytes",
		"",
		"\u00e9",
		"\u65e5\u672c",
		"\U0001f600",
		"\x7f",
		"/",
		"\\n",
		"\\\"",
		"\\\\",
		"\\/\\b\\f\\r\\t",
		"\\u00e9",
		"\\u20AC\\u000a",
		"\\u0001integer:12",
		"\\ud83d\\ude00",
		/* what makes it no JSON */
		"\\ud83d",
		"\\u0000",
		"\\x",
		"\xff",
		"\xc1\x80",
		"\xe2\x82",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\x1f",
		"\n",
		"\"",
	};

	flo__strbuf_addc(sb, '"');
	for (size_t i = below(4); i > 0; i--)
		flo__strbuf_adds(sb, PICK(pieces, 11));
	flo__strbuf_addc(sb, '"');
}

static void add_number(struct flo__strbuf *sb)
{
	static const char *const numbers[] = {
		"0",
		"-0",
		"1",
		"-1",
		"1.0",
		"-0.0",
		"1e2",
		"1E-2",
		"-15e+1",
		"0.1",
		"0.30000000000000004",
		"5e-324",
		"1e-400",
		"1.7976931348623157e308",
		"9007199254740993.0",
		"9007199254740992.5",
		"1e22",
		"1e23",
		"9223372036854775807",
		"9223372036854775808",
		"-9223372036854775808",
		"-9223372036854775809",
		"9223372036854775807.0",
		"-9223372036854775808.0",
		"18446744073709551616",
		"1234567890123456789012345678901234567890",
		"123456789012345678.5",
		"0.00000000000000000000000000000000000000000000000000000000001",
		/* what makes it no JSON */
		"1e400",
		"01",
		"-",
		"1.",
		".5",
		"1e",
		"+1",
		"1x",
	};

	switch (below(4)) {
	case 0:
		flo__strbuf_adds(sb, PICK(numbers, 8));
		break;
	case 1:
		flo__strbuf_addf(sb, "%lld.%0*u",
				 (long long)next_random() >> below(64),
				 (int)below(18) + 1, (unsigned)below(1000));
		break;
	default:
		flo__strbuf_add_int(sb, (int64_t)next_random() >> below(64));
	}
}

static void add_key(struct flo__strbuf *sb, size_t nth)
{
	static const char *const keys[] = {
		"a",	 "b",	     "c",	  "t",	       "seen", "",
		"m",	 "abcdefgh", "abcdefghi", "abcdefghj", "l",    "abcd",
		"abcde", "x/y~",     "\u00e9",	  "\\u00e8",   "0",    "1",
	};

	/* Nearly always another one than before. */
	if (below(300) != 0)
		flo__strbuf_addf(sb, "\"%s\"",
				 keys[(nth * 7 + seed % 2) %
				      (sizeof(keys) / sizeof(keys[0]))]);
	else
		flo__strbuf_addf(sb, "\"%s\"", PICK(keys, 0));
}

static void add_any(struct flo__strbuf *sb, int depth);

static void add_array(struct flo__strbuf *sb, int depth)
{
	size_t len = below(4);

	flo__strbuf_addc(sb, '[');
	for (size_t i = 0; i < len; i++) {
		if (i != 0)
			flo__strbuf_addc(sb, ',');
		add_any(sb, depth - 1);
	}
	add_space(sb);
	flo__strbuf_addc(sb, ']');
}

static void add_object(struct flo__strbuf *sb, int depth)
{
	size_t len = below(9);
	size_t from = below(18);

	flo__strbuf_addc(sb, '{');
	for (size_t i = 0; i < len; i++) {
		if (i != 0)
			flo__strbuf_addc(sb, ',');
		add_space(sb);
		add_key(sb, from + i);
		add_space(sb);
		flo__strbuf_addc(sb, ':');
		add_any(sb, depth - 1);
	}
	add_space(sb);
	flo__strbuf_addc(sb, '}');
}

static void add_any(struct flo__strbuf *sb, int depth)
{
	static const char *const words[] = {"true", "false", "null", "nul",
					    "TRUE"};

	add_space(sb);
	switch (below(depth > 0 ? 8 : 5)) {
	case 0:
		flo__strbuf_adds(sb, PICK(words, 2));
		break;
	case 1:
	case 2:
		add_number(sb);
		break;
	case 3:
	case 4:
		add_text(sb);
		break;
	case 5:
		add_array(sb, depth);
		break;
	default:
		add_object(sb, depth);
	}
	add_space(sb);
}

/* Break it, mostly: a byte that is gone, another one, new, or cut off. */
static void mutate(struct flo__strbuf *sb)
{
	static const char bytes[] = "{}[]:,\"\\ \n09-+.eEu\x01\x80\xc3\xff";
	size_t at = below(sb->len);
	char c = bytes[below(sizeof(bytes))]; /* its NUL, too */

	switch (below(4)) {
	case 0:
		flo__strbuf_cut(sb, at);
		break;
	case 1:
		sb->data[at] = c;
		break;
	case 2:
		memmove(sb->data + at, sb->data + at + 1, sb->len - at - 1);
		flo__strbuf_cut(sb, sb->len - 1);
		break;
	default:
		flo__strbuf_addc(sb, ' ');
		memmove(sb->data + at + 1, sb->data + at, sb->len - at - 1);
		sb->data[at] = c;
	}
}

#define SPECS 6

static void make_specs(struct flo__spec **spec)
{
	static const char *const lists[SPECS][3] = {
		{"[\"/a\"]", NULL, NULL},
		{"[\"/a\",\"/b/c\",\"/l/0\"]", "[\"/seen\",\"/m/t\"]", NULL},
		{"[\"/c\",\"/\"]", "[\"/l/1\",\"/t/0\",\"/a\"]", "[\"/t\"]"},
		{"[\"/m/l/1/a\"]", NULL, "[\"/l\",\"/m\",\"/a/b\",\"/t/0\"]"},
		{"[\"/\u00e9\",\"/x~1y~0\"]", "[\"/0\",\"/1\"]", "[\"/b\"]"},
		{"[\"/abcdefghi\",\"/abcd\"]", "[\"/c\"]", "[\"/c\"]"},
	};

	for (size_t i = 0; i < SPECS; i++) {
		spec[i] = ways_spec(lists[i][0], lists[i][1], lists[i][2]);
		assert_non_null(spec[i]);
	}
}

static void both_ways_agree_on_what_is_made_up(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__spec *spec[SPECS];
	size_t seen[WAY_PLAIN + 1] = {0};

	(void)state;
	make_specs(spec);
	for (size_t i = 0; i < 20000; i++) {
		seed = i;
		flo__strbuf_reset(&sb);
		add_space(&sb);
		add_object(&sb, 4);
		add_space(&sb);
		if (i % 3 == 0)
			mutate(&sb);
		seen[way_of_bytes(i % 7 < SPECS ? spec[i % 7] : NULL, sb.data,
				  sb.len)]++;
	}
	/* Enough of each for it to mean something. */
	assert_true(seen[WAY_PLAIN] > 7000);
	assert_true(seen[WAY_TREE] > 1500);
	assert_true(seen[WAY_NONE] > 3000);
	for (size_t i = 0; i < SPECS; i++)
		flo__spec_free(spec[i]);
	flo__strbuf_fini(&sb);
}

/* Digests are stored: what they are must not change with how they are made. */
static void digests_are_what_they_were(void **state)
{
	static const struct {
		const char *record;
		const char *key;
		const char *body;
	} known[] = {
		{"{\"id\":\"i-7\",\"n\":[1.5,2],\"seen\":3,\"tags\":[\"b\",\"a\",\"b\"],\"up\":true,\"down\":false}",
		 "165a5f4208e3d292890417fc6b844369",
		 "876ce7692db879ac330495d7072769d7"},
		{"{\"id\":18446744073709551615,\"x\":{\"b\":-0.0,\"a\":null,\"\":[[],{}]}}",
		 "3288bbcf10addc1700a9147667a9612d",
		 "063bca2d3b65b3896e7cdd8bd456745a"},
		{"{\"abcdefghij\":1e300,\"abcdefghi\":\"\\u00e9\",\"abcdefgh\":-9223372036854775808}",
		 "3ed9b7de786dd802befb7e0c69b74c0d",
		 "da01d47b8b5b086ec446c7d97a016d87"},
	};
	struct flo__spec *spec =
		ways_spec("[\"/id\",\"/n/0\"]", "[\"/seen\"]", "[\"/tags\"]");
	struct flo__identity id;
	char text[FLO__DIGEST_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const char *record = known[i].record;

		assert_int_equal(flo__reading_read(&ways.reading, record,
						   strlen(record), NULL),
				 FLO_OK);
		assert_int_equal(flo__tape_identify(ways.reading.tape, spec,
						    &ways.scratch, &id),
				 FLO_OK);
		flo__digest_text(&id.key, text);
		assert_string_equal(text, known[i].key);
		flo__digest_text(&id.body, text);
		assert_string_equal(text, known[i].body);
	}
	flo__spec_free(spec);
}

/* Read and identify with the @nth allocation failing. */
static flo_status read_short(const struct flo__spec *spec, const char *text,
			     long nth, struct flo__identity *ret_id,
			     long *ret_count)
{
	struct flo__strbuf scratch = FLO__STRBUF_INIT;
	struct flo__strbuf key = FLO__STRBUF_INIT;
	struct flo__reading reading = {0};
	flo_status st;

	flo__alloc_fail_at(nth, nth % 2 == 0);
	st = flo__reading_read(&reading, text, strlen(text), NULL);
	if (st == FLO_OK)
		st = flo__tape_identify(reading.tape, spec, &scratch, ret_id);
	if (st == FLO_OK)
		st = flo__reading_key_text(&reading, spec, &key, NULL);
	flo__reading_fini(&reading);
	flo__strbuf_fini(&scratch);
	flo__strbuf_fini(&key);
	*ret_count = flo__alloc_count();
	assert_int_equal(flo__alloc_live(), 0);
	flo__alloc_fail_at(0, 0);
	return st;
}

static void out_of_memory_is_told_and_loses_nothing(void **state)
{
	static const char *const texts[] = {
		"{\"a\":\"\\n\",\"b\":{\"c\":1.5},\"t\":[1,2,{\"x\":[]}]}",
		"{\"a\":18446744073709551615,\"t\":[1,[2]],\"b\":{\"d\":2}}",
	};
	struct flo__spec *spec =
		ways_spec("[\"/a\",\"/b/c\"]", NULL, "[\"/t\"]");

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct flo__identity want;
		struct flo__identity id;
		long count = 0;
		long n;

		assert_int_equal(read_short(spec, texts[i], 100000, &want,
					    &count),
				 FLO_OK);
		assert_true(count > 2);
		for (long nth = 1; nth <= count; nth++) {
			flo_status st =
				read_short(spec, texts[i], nth, &id, &n);

			assert_true(st == FLO_NOMEM ||
				    (st == FLO_OK && nth % 2 != 0 &&
				     memcmp(&id.body, &want.body,
					    sizeof(id.body)) == 0));
		}
	}
	flo__spec_free(spec);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_of_inventories_are_plain),
		cmocka_unit_test(what_is_unusual_goes_to_jansson),
		cmocka_unit_test(what_is_no_record_is_not_plain),
		cmocka_unit_test(a_nul_byte_is_never_plain),
		cmocka_unit_test(it_nests_as_deep_as_records_may),
		cmocka_unit_test(what_has_no_room_goes_to_jansson),
		cmocka_unit_test(both_ways_agree_on_what_is_made_up),
		cmocka_unit_test(digests_are_what_they_were),
		cmocka_unit_test(out_of_memory_is_told_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
