/* Parquet's encoders, byte by byte against the formats' descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "steps/parquet/hybrid.h"
#include "steps/parquet/stats.h"
#include "steps/parquet/thrift.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Compare and empty. */
static void expect(struct flo__strbuf *sb, const char *bytes, size_t len)
{
	assert_int_equal(sb->len, len);
	assert_memory_equal(sb->data, bytes, len);
	flo__strbuf_fini(sb);
}
#define EXPECT(sb, text) expect(sb, text, sizeof(text) - 1)

static void varints_have_seven_bits_a_byte(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__varint_add(&sb, 0);
	flo__varint_add(&sb, 127);
	flo__varint_add(&sb, 128);
	flo__varint_add(&sb, 300);
	EXPECT(&sb, "\x00\x7f\x80\x01\xac\x02");
	flo__varint_add(&sb, UINT64_MAX);
	EXPECT(&sb, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

static void integers_of_thrift_are_zigzag(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__thrift t = {.out = &sb};

	(void)state;
	flo__thrift_begin(&t);
	flo__thrift_i32(&t, 1, -1);
	flo__thrift_i64(&t, 2, INT64_MIN);
	flo__thrift_i16(&t, 3, 1);
	flo__thrift_end(&t);
	EXPECT(&sb, "\x15\x01"
		    "\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
		    "\x14\x02\x00");
}

static void fields_tell_their_distance_or_number(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__thrift t = {.out = &sb};

	(void)state;
	flo__thrift_begin(&t);
	flo__thrift_bool(&t, 15, true);
	flo__thrift_bool(&t, 31, false);
	flo__thrift_struct(&t, 3);
	flo__thrift_bool(&t, 1, true);
	flo__thrift_end(&t);
	/* After an inner struct the outer one's numbers go on. */
	flo__thrift_bytes(&t, 4, "ab", 2);
	flo__thrift_end(&t);
	EXPECT(&sb, "\xf1\x02\x3e\x0c\x06\x11\x00\x18\x02"
		    "ab\x00");
}

static void lists_of_fifteen_have_a_long_head(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__thrift t = {.out = &sb};

	(void)state;
	flo__thrift_begin(&t);
	flo__thrift_list(&t, 1, FLO__THRIFT_I32, 14);
	flo__thrift_list(&t, 2, FLO__THRIFT_STRUCT, 15);
	flo__thrift_list(&t, 3, FLO__THRIFT_BINARY, 200);
	flo__thrift_item_i32(&t, -2);
	flo__thrift_item_bytes(&t, "x", 1);
	flo__thrift_choice(&t, 4);
	EXPECT(&sb, "\x19\xe5\x19\xfc\x0f\x19\xf8\xc8\x01\x03\x01x\x1c\x00");
}

static void runs_of_eight_are_runs(void **state)
{
	const uint32_t same[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
	const uint32_t wide[8] = {0x1234, 0x1234, 0x1234, 0x1234,
				  0x1234, 0x1234, 0x1234, 0x1234};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__hybrid_add(&sb, same, 9, 1);
	EXPECT(&sb, "\x12\x01");
	flo__hybrid_add(&sb, wide, 8, 13);
	EXPECT(&sb, "\x10\x34\x12");
	flo__hybrid_add(&sb, same, 0, 1);
	EXPECT(&sb, "");
}

static void others_are_packed_from_the_lowest_bit(void **state)
{
	/* The example of the format's description: 0 to 7 in three bits. */
	const uint32_t counting[8] = {0, 1, 2, 3, 4, 5, 6, 7};
	const uint32_t few[3] = {1, 0, 1};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__hybrid_add(&sb, counting, 8, 3);
	EXPECT(&sb, "\x03\x88\xc6\xfa");
	flo__hybrid_add(&sb, few, 3, 1);
	EXPECT(&sb, "\x03\x05");
}

/* A decoder of the description, for what the encoder makes of anything. */
static size_t decode(const struct flo__strbuf *sb, unsigned width,
		     uint32_t *values, size_t len)
{
	const unsigned char *at = (const unsigned char *)sb->data;
	const unsigned char *end = at + sb->len;
	size_t n = 0;

	while (at < end) {
		uint64_t head = 0;
		unsigned shift = 0;

		do
			head |= (uint64_t)(*at & 127) << shift;
		while (shift += 7, *at++ >= 128);
		if ((head & 1) == 0) {
			uint32_t value = 0;

			for (unsigned bit = 0; bit < width; bit += 8)
				value |= (uint32_t)*at++ << bit;
			for (head >>= 1; head > 0 && n < len; head--)
				values[n++] = value;
			assert_int_equal(head, 0);
			continue;
		}
		for (uint64_t i = 0; i < (head >> 1) * 8; i++) {
			uint32_t value = 0;

			for (unsigned b = 0; b < width; b++) {
				uint64_t bit = i * width + b;

				value |= (uint32_t)(at[bit / 8] >> bit % 8 & 1)
					 << b;
			}
			if (n < len)
				values[n++] = value;
			else
				assert_int_equal(value, 0);
		}
		at += (head >> 1) * width;
	}
	assert_ptr_equal(at, end);
	return n;
}

static void what_is_encoded_is_decoded(void **state)
{
	static uint32_t in[5000], out[5000];
	unsigned seed = 1;

	(void)state;
	for (unsigned round = 0; round < 320; round++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		unsigned width = 1 + round % 32;
		size_t len = (size_t)rand_r(&seed) % 5000;
		uint32_t value = 0;

		for (size_t i = 0; i < len; i++) {
			if (rand_r(&seed) % (1 + (int)(i / 500)) == 0)
				value = (uint32_t)rand_r(&seed) * 3;
			in[i] = value & (uint32_t)((UINT64_C(1) << width) - 1);
		}
		flo__hybrid_add(&sb, in, len, width);
		assert_int_equal(decode(&sb, width, out, len), len);
		assert_memory_equal(in, out, len * sizeof(in[0]));
		flo__strbuf_fini(&sb);
	}
}

static void widths_hold_the_greatest_number(void **state)
{
	(void)state;
	assert_int_equal(flo__hybrid_width(0), 1);
	assert_int_equal(flo__hybrid_width(1), 1);
	assert_int_equal(flo__hybrid_width(2), 2);
	assert_int_equal(flo__hybrid_width(255), 8);
	assert_int_equal(flo__hybrid_width(256), 9);
	assert_int_equal(flo__hybrid_width(UINT32_MAX), 32);
}

static void a_zero_counts_as_both_zeros(void **state)
{
	const double zeros[] = {0.0, -0.0};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct flo__stats stats = {.any = false};

		flo__stats_double(&stats, zeros[i]);
		assert_true(stats.any);
		assert_true(signbit(stats.min_double));
		assert_false(signbit(stats.max_double));
	}
}

static void a_nan_leaves_no_bounds(void **state)
{
	const double orders[][3] = {{NAN, 1, 2}, {1, NAN, 2}, {1, 2, NAN}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct flo__stats stats = {.any = false};

		for (size_t j = 0; j < 3; j++)
			flo__stats_double(&stats, orders[i][j]);
		assert_false(stats.any);
	}
}

/* The bounds of one text that is @n times @piece. */
static void bounds_of(const char *piece, size_t n, struct flo__stats_bound *min,
		      struct flo__stats_bound *max, bool *has_max)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__stats stats = {.any = false};

	for (size_t i = 0; i < n; i++)
		flo__strbuf_adds(&sb, piece);
	flo__stats_text(&stats, sb.data, sb.len);
	assert_true(flo__stats_text_min(&stats, min));
	*has_max = flo__stats_text_max(&stats, max);
	assert_true(flo__utf8_valid((const char *)min->bytes, min->len));
	if (*has_max)
		assert_true(
			flo__utf8_valid((const char *)max->bytes, max->len));
	if (min->cut)
		assert_true(memcmp(min->bytes, sb.data, min->len) == 0);
	if (*has_max && max->cut)
		assert_true(memcmp(max->bytes, sb.data, max->len) > 0);
	flo__strbuf_fini(&sb);
}

static void short_texts_are_their_own_bounds(void **state)
{
	struct flo__stats_bound min, max;
	bool has_max;

	(void)state;
	bounds_of("a", 64, &min, &max, &has_max);
	assert_true(has_max);
	assert_false(min.cut || max.cut);
	assert_int_equal(min.len, 64);
	assert_int_equal(max.len, 64);
}

static void long_texts_are_cut_between_characters(void **state)
{
	struct flo__stats_bound min, max;
	bool has_max;

	(void)state;
	bounds_of("a", 65, &min, &max, &has_max);
	assert_true(has_max && min.cut && max.cut);
	assert_int_equal(max.bytes[63], 'b');
	/* 64 bytes are 21 characters of three, and a part. */
	bounds_of("\xe2\x82\xac", 30, &min, &max, &has_max);
	assert_true(has_max);
	assert_int_equal(min.len, 63);
	assert_memory_equal(&max.bytes[60], "\xe2\x82\xad", 3);
	/* The next code point is a byte longer and has no room any more. */
	bounds_of("\x7f", 65, &min, &max, &has_max);
	assert_true(has_max);
	assert_int_equal(max.len, 64);
	assert_memory_equal(&max.bytes[61], "\x7f\xc2\x80", 3);
	/* After U+D7FF comes U+E000: what lies between are no characters. */
	bounds_of("\xed\x9f\xbf", 30, &min, &max, &has_max);
	assert_true(has_max);
	assert_memory_equal(&max.bytes[60], "\xee\x80\x80", 3);
}

static void the_highest_text_has_no_upper_bound(void **state)
{
	struct flo__stats_bound min, max;
	bool has_max;

	(void)state;
	bounds_of("\xf4\x8f\xbf\xbf", 17, &min, &max, &has_max);
	assert_false(has_max);
	bounds_of("a\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf", 8, &min, &max, &has_max);
	assert_true(has_max);
	assert_memory_equal(&max.bytes[max.len - 1], "b", 1);
}

static void texts_that_differ_after_the_cut_keep_safe_bounds(void **state)
{
	struct flo__stats_bound min, max;
	struct flo__stats stats = {.any = false};
	char text[66];

	(void)state;
	memset(text, 'a', sizeof(text));
	flo__stats_text(&stats, text, 66);
	flo__stats_text(&stats, text, 64);
	assert_true(flo__stats_text_min(&stats, &min));
	assert_true(flo__stats_text_max(&stats, &max));
	assert_false(min.cut);
	assert_true(max.cut);
	assert_int_equal(max.bytes[63], 'b');
	flo__stats_text(&stats, "", 0);
	assert_true(flo__stats_text_min(&stats, &min));
	assert_int_equal(min.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(varints_have_seven_bits_a_byte),
		cmocka_unit_test(integers_of_thrift_are_zigzag),
		cmocka_unit_test(fields_tell_their_distance_or_number),
		cmocka_unit_test(lists_of_fifteen_have_a_long_head),
		cmocka_unit_test(runs_of_eight_are_runs),
		cmocka_unit_test(others_are_packed_from_the_lowest_bit),
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(widths_hold_the_greatest_number),
		cmocka_unit_test(a_zero_counts_as_both_zeros),
		cmocka_unit_test(a_nan_leaves_no_bounds),
		cmocka_unit_test(short_texts_are_their_own_bounds),
		cmocka_unit_test(long_texts_are_cut_between_characters),
		cmocka_unit_test(the_highest_text_has_no_upper_bound),
		cmocka_unit_test(
			texts_that_differ_after_the_cut_keep_safe_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
