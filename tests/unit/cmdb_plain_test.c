/* Records read without a tree are what jansson makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "cmdb_made_up.h"
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
		flo__strbuf_reset(&sb);
		made_up_record(i, i % 3 == 0, &sb);
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

static void note_field(void *arg, const char *name)
{
	flo__strbuf_adds(arg, name);
	flo__strbuf_addc(arg, '|');
}

struct pair {
	struct flo__reading before;
	struct flo__reading after;
	struct flo__strbuf fields[2];
	struct flo__strbuf leaves[2];
	struct flo__strbuf scratch;
};

/* Compare both ways; true if it was without a tree. */
static bool compare_both_ways(struct pair *p, const struct flo__spec *spec)
{
	bool plain = p->before.tree == NULL && p->after.tree == NULL;

	for (size_t i = 0; i < 2; i++) {
		flo__strbuf_reset(&p->fields[i]);
		flo__strbuf_reset(&p->leaves[i]);
	}
	assert_int_equal(flo__reading_compare(&p->before, &p->after, spec,
					      note_field, &p->fields[0],
					      &p->scratch, &p->leaves[0], NULL),
			 FLO_OK);
	plain = plain && p->before.tree == NULL;
	flo__json_reader_fini(&p->before.reader);
	flo__json_reader_fini(&p->after.reader);
	p->before.tree = p->after.tree = NULL;
	assert_int_equal(flo__record_read(&p->before.reader, p->before.text,
					  p->before.len, p->before.shape.depth,
					  NULL, &p->before.tree),
			 FLO_OK);
	assert_int_equal(flo__record_read(&p->after.reader, p->after.text,
					  p->after.len, p->after.shape.depth,
					  NULL, &p->after.tree),
			 FLO_OK);
	assert_int_equal(flo__record_compare(p->before.tree, p->after.tree,
					     spec, note_field, &p->fields[1],
					     &p->leaves[1]),
			 FLO_OK);
	assert_string_equal(p->fields[0].data, p->fields[1].data);
	assert_string_equal(p->leaves[0].data, p->leaves[1].data);
	return plain;
}

/* A record and itself with a byte changed, or the next one. */
static void both_ways_find_the_same_differences(void **state)
{
	struct flo__strbuf sb[2] = {FLO__STRBUF_INIT, FLO__STRBUF_INIT};
	struct flo__spec *spec[SPECS];
	size_t plain = 0, pairs = 0, differ = 0;
	struct pair p = {.scratch = FLO__STRBUF_INIT};

	(void)state;
	make_specs(spec);
	for (size_t i = 0; i < 2; i++) {
		flo__strbuf_init(&p.fields[i]);
		flo__strbuf_init(&p.leaves[i]);
	}
	for (size_t i = 0; i < 20000; i++) {
		bool other = i % 2 == 0;

		flo__strbuf_reset(&sb[0]);
		flo__strbuf_reset(&sb[1]);
		made_up_record(i, false, &sb[0]);
		made_up_record(i + other, !other, &sb[1]);
		if (flo__reading_read(&p.before, sb[0].data, sb[0].len, NULL) !=
			    FLO_OK ||
		    flo__reading_read(&p.after, sb[1].data, sb[1].len, NULL) !=
			    FLO_OK)
			continue;
		pairs++;
		plain += compare_both_ways(&p, spec[i % SPECS]);
		differ += p.leaves[0].len > 2;
	}
	assert_true(pairs > 4000);
	assert_true(plain > 1000);
	assert_true(differ > 1000);
	for (size_t i = 0; i < 2; i++) {
		flo__strbuf_fini(&p.fields[i]);
		flo__strbuf_fini(&p.leaves[i]);
		flo__strbuf_fini(&sb[i]);
	}
	for (size_t i = 0; i < SPECS; i++)
		flo__spec_free(spec[i]);
	flo__strbuf_fini(&p.scratch);
	flo__reading_fini(&p.before);
	flo__reading_fini(&p.after);
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
		cmocka_unit_test(both_ways_find_the_same_differences),
		cmocka_unit_test(digests_are_what_they_were),
		cmocka_unit_test(out_of_memory_is_told_and_loses_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
