#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/mask.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A mask of exactly these values, up to NULL. */
static struct flo__mask *mask_of(const char *const *values)
{
	struct flo__mask *mask = flo__mask_new();

	assert_non_null(mask);
	for (; *values != NULL; values++)
		assert_int_equal(flo__mask_add(mask, *values, strlen(*values)),
				 FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	return mask;
}

/* A mask of one secret in all its forms. */
static struct flo__mask *secret_of(const char *value)
{
	struct flo__mask *mask = flo__mask_new();

	assert_non_null(mask);
	assert_int_equal(flo__mask_add_secret(mask, value, strlen(value)),
			 FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	return mask;
}

static void assert_masked(const struct flo__mask *mask, const char *text,
			  const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__mask_text(mask, text, strlen(text), &sb);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
}

/* @form stands in a text and is hidden, all of it. */
static void assert_hidden(const char *secret, const char *form)
{
	struct flo__mask *mask = secret_of(secret);
	struct flo__strbuf text = FLO__STRBUF_INIT;

	flo__strbuf_addf(&text, "<%s>", form);
	assert_masked(mask, text.data, "<***>");
	flo__strbuf_fini(&text);
	flo__mask_free(mask);
}

/* ---- what is hidden ---- */

static void text_without_values_is_unchanged(void **state)
{
	const char *const values[] = {"hunter2", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "", "");
	assert_masked(mask, "hunter", "hunter");
	assert_masked(mask, "hunhunter1 hunter", "hunhunter1 hunter");
	assert_int_equal(flo__mask_find(mask, "hunter", 6), 0);
	flo__mask_free(mask);
}

static void every_occurrence_is_hidden(void **state)
{
	const char *const values[] = {"hunter2", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "hunter2", "***");
	assert_masked(mask, "a hunter2 b hunter2\n", "a *** b ***\n");
	assert_masked(mask, "hunhunter2", "hun***");
	assert_int_equal(flo__mask_find(mask, "a hunter2", 9), 7);
	flo__mask_free(mask);
}

static void the_longest_value_wins(void **state)
{
	const char *const values[] = {"pass", "password", "sword1", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "a pass b", "a *** b");
	assert_masked(mask, "a password b", "a *** b");
	assert_masked(mask, "a passwork b", "a ***work b");
	assert_int_equal(flo__mask_find(mask, "a password b", 12), 8);
	flo__mask_free(mask);
}

static void values_that_overlap_or_touch_become_one(void **state)
{
	const char *const values[] = {"password", "sword1", "abab", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "xpassword1x", "x***x");
	assert_masked(mask, "xababababx", "x***x");
	assert_masked(mask, "xababax", "x***ax");
	assert_masked(mask, "ababpassword", "***");
	flo__mask_free(mask);
}

static void a_value_inside_what_did_not_become_one_is_hidden(void **state)
{
	const char *const values[] = {"bcd", "xabcdyyy", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "xabcdyyz", "xa***yyz");
	assert_masked(mask, "xabcdxabcdyyy", "xa***");
	flo__mask_free(mask);
}

static void a_mask_without_values_hides_nothing(void **state)
{
	const char *const values[] = {"", NULL};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	assert_masked(mask, "anything", "anything");
	flo__mask_free(mask);
}

static void bytes_of_any_kind_are_values(void **state)
{
	struct flo__mask *mask = flo__mask_new();
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	assert_non_null(mask);
	assert_int_equal(flo__mask_add(mask, "a\0\xff\n", 4), FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	flo__mask_text(mask, "\0a\0\xff\n\0", 6, &sb);
	assert_int_equal(sb.len, 5);
	assert_memory_equal(sb.data, "\0***\0", 5);
	flo__strbuf_fini(&sb);
	flo__mask_free(mask);
}

static void beginnings_are_hidden_in_texts_that_quote(void **state)
{
	const char *const values[] = {"hunter2secret", NULL};
	struct flo__mask *mask = mask_of(values);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	static const char text[] = "\"hunter2s...\", hunter2, hunter2secret";

	(void)state;
	flo__mask_quoting(mask, text, sizeof(text) - 1, 8, &sb);
	assert_string_equal(sb.data, "\"***...\", hunter2, ***");
	flo__strbuf_fini(&sb);
	flo__mask_free(mask);
}

static void a_beginning_is_hidden_where_a_quotation_ends(void **state)
{
	const char *const values[] = {"correct \"horse\" battery", NULL};
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"'a corr' at line 1", "'a ***' at line 1"},
		{"the type \"correct \" is", "the type \"***\" is"},
		{"the type \"correct \"h\" is", "the type \"***\" is"},
		{"{\"t\":\"correct...; more", "{\"t\":\"***...; more"},
		{"corre\xe2\x80\xa6", "***\xe2\x80\xa6"},
		{"no object: correc; more", "no object: ***; more"},
		{"it is corre", "it is ***"},
		{"'cor' and co... and cor", "'cor' and co... and cor"},
		{"correct it, correctly", "correct it, correctly"},
		{"correct. It is", "correct. It is"},
	};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		flo__mask_quoting(mask, cases[i].text, strlen(cases[i].text),
				  16, &sb);
		assert_string_equal(sb.data, cases[i].want);
		flo__strbuf_fini(&sb);
	}
	flo__mask_free(mask);
}

/* ---- excerpts ---- */

static void assert_excerpt(const struct flo__mask *mask, const char *text,
			   size_t at, size_t max, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, "");
	flo__mask_excerpt(mask, text, strlen(text), at, max, &sb);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
}

static void of_a_value_that_an_excerpt_cuts_nothing_is_shown(void **state)
{
	const char *const values[] = {"hunter2", "x", NULL};
	static const char text[] = "a hunter2 b hunt";
	struct flo__mask *mask = mask_of(values);

	(void)state;
	for (size_t max = 3; max <= 9; max++)
		assert_excerpt(mask, text, 0, max, "a ***");
	for (size_t at = 2; at <= 8; at++) {
		assert_excerpt(mask, text, at, 12 - at, "*** b ");
		assert_excerpt(mask, text, at, 1, "***");
	}
	assert_excerpt(mask, text, 0, 2, "a ");
	assert_excerpt(mask, text, 9, 2, " b");
	assert_excerpt(mask, text, 9, 100, " b ***");
	assert_excerpt(mask, text, 16, 100, "");
	assert_excerpt(mask, "hunter hunter3", 0, 6, "hunter");
	assert_excerpt(mask, "axb", 0, 3, "a***b");
	flo__mask_free(mask);
}

/* The definition: hide byte by byte, then cut. */
static void any_excerpt_is_cut_from_what_is_hidden(void **state)
{
	const char *const values[] = {"abab", "bc", "ccabc", NULL};
	static const char text[] = "cabababccabcxabcbcab-";
	struct flo__mask *mask = mask_of(values);
	size_t len = sizeof(text) - 1;

	(void)state;
	for (size_t at = 0; at <= len; at++) {
		for (size_t end = at; end <= len; end++) {
			struct flo__strbuf want = FLO__STRBUF_INIT;
			char shown[64];

			memset(shown, '.', sizeof(shown));
			for (size_t v = 0; values[v] != NULL; v++)
				for (size_t i = 0; i < len; i++)
					if (strncmp(text + i, values[v],
						    strlen(values[v])) == 0)
						memset(shown + i, '*',
						       strlen(values[v]));
			flo__strbuf_adds(&want, "");
			for (size_t i = at; i < end; i++)
				if (shown[i] == '.')
					flo__strbuf_addc(&want, text[i]);
				else if (i == at || shown[i - 1] == '.')
					flo__strbuf_adds(&want, "***");
			assert_excerpt(mask, text, at, end - at, want.data);
			flo__strbuf_fini(&want);
		}
	}
	flo__mask_free(mask);
}

static void an_excerpt_of_a_long_text_reads_its_beginning(void **state)
{
	const char *const values[] = {"hunter2", NULL};
	struct flo__mask *mask = mask_of(values);
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	/* What is said to follow is not there. */
	flo__mask_excerpt(mask, "a hunter2 b", SIZE_MAX / 2, 0, 5, &sb);
	assert_string_equal(sb.data, "a ***");
	flo__strbuf_fini(&sb);
	flo__mask_free(mask);
}

/* ---- streams ---- */

/* The definition: what belongs to an occurrence, byte by byte. */
static void naive(const char *const *values, const char *text, size_t len,
		  struct flo__strbuf *sb)
{
	bool *covered = flo__calloc(len + 1, sizeof(*covered));

	assert_non_null(covered);
	for (; *values != NULL; values++) {
		size_t n = strlen(*values);

		for (size_t at = 0; n > 0 && at + n <= len; at++) {
			if (memcmp(text + at, *values, n) == 0)
				memset(covered + at, 1, n);
		}
	}
	for (size_t at = 0; at < len; at++) {
		if (!covered[at])
			flo__strbuf_addc(sb, text[at]);
		else if (at == 0 || !covered[at - 1])
			flo__strbuf_adds(sb, "***");
	}
	flo__free(covered);
}

static void assert_stream(const struct flo__mask *mask, const char *text,
			  size_t len, size_t cut1, size_t cut2,
			  const struct flo__strbuf *want)
{
	struct flo__mask_stream stream;
	struct flo__strbuf got = FLO__STRBUF_INIT;

	flo__mask_stream_init(&stream, mask);
	flo__mask_stream_add(&stream, text, cut1, &got);
	flo__mask_stream_add(&stream, text + cut1, cut2 - cut1, &got);
	flo__mask_stream_add(&stream, text + cut2, len - cut2, &got);
	flo__mask_stream_end(&stream, false, &got);
	assert_int_equal(flo__strbuf_status(&got), FLO_OK);
	assert_int_equal(got.len, want->len);
	assert_memory_equal(got.data, want->data, got.len);
	flo__mask_stream_fini(&stream);
	flo__strbuf_fini(&got);
}

static void pieces_are_masked_as_the_whole(void **state)
{
	const char *const values[] = {"hunter2",    "hunhun",	    "2hu",
				      "er2 hunter", "line1\nline2", NULL};
	static const char text[] =
		"hunter2 hunhunter2hunter2 hunter line1\nline2 line1\nline "
		"hunhunhun er2 hunte 2h";
	size_t len = sizeof(text) - 1;
	struct flo__mask *mask = mask_of(values);
	struct flo__strbuf want = FLO__STRBUF_INIT;

	(void)state;
	naive(values, text, len, &want);
	for (size_t cut1 = 0; cut1 <= len; cut1++) {
		for (size_t cut2 = cut1; cut2 <= len; cut2++)
			assert_stream(mask, text, len, cut1, cut2, &want);
	}
	flo__strbuf_fini(&want);
	flo__mask_free(mask);
}

static uint64_t random_next(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#define VALUES_MAX 6

/* Values of two letters, which overlap in every way there is. */
static void random_case(uint64_t *seed)
{
	char texts[VALUES_MAX][12];
	const char *values[VALUES_MAX + 1] = {NULL};
	size_t n = 1 + random_next(seed) % VALUES_MAX;
	char text[64];
	size_t len = random_next(seed) % sizeof(text), cut1, cut2;
	struct flo__strbuf want = FLO__STRBUF_INIT;
	struct flo__mask *mask;

	for (size_t i = 0; i < n; i++) {
		size_t value_len = 1 + random_next(seed) % 10;

		for (size_t k = 0; k < value_len; k++)
			texts[i][k] = (char)('a' + random_next(seed) % 2);
		texts[i][value_len] = '\0';
		values[i] = texts[i];
	}
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + random_next(seed) % 8 / 3);
	cut1 = random_next(seed) % (len + 1);
	cut2 = cut1 + random_next(seed) % (len - cut1 + 1);
	mask = mask_of(values);
	naive(values, text, len, &want);
	assert_stream(mask, text, len, cut1, cut2, &want);
	flo__strbuf_fini(&want);
	flo__mask_free(mask);
}

static void any_values_in_any_pieces_are_hidden_as_defined(void **state)
{
	uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);

	(void)state;
	for (int i = 0; i < 5000; i++)
		random_case(&seed);
}

static void nothing_is_held_that_begins_no_value(void **state)
{
	const char *const values[] = {"hunter2", NULL};
	struct flo__mask *mask = mask_of(values);
	struct flo__mask_stream stream;
	struct flo__strbuf got = FLO__STRBUF_INIT;

	(void)state;
	flo__mask_stream_init(&stream, mask);
	flo__mask_stream_add(&stream, "a line\n", 7, &got);
	assert_string_equal(got.data, "a line\n");
	flo__mask_stream_add(&stream, "the hunt", 8, &got);
	assert_string_equal(got.data, "a line\nthe ");
	flo__mask_stream_add(&stream, "\n", 1, &got);
	assert_string_equal(got.data, "a line\nthe hunt\n");
	flo__mask_stream_fini(&stream);
	flo__strbuf_fini(&got);
	flo__mask_free(mask);
}

static void a_value_that_is_cut_off_is_hidden(void **state)
{
	const char *const values[] = {"hunter2", "xhun", NULL};
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"the hunter", "the ***"}, {"the hunt", "the ***"},
		{"the hun", "the hun"},	   {"hunter2", "***"},
		{"hunter2hunt", "***"},	   {"hunter2 hunt\n", "*** hunt\n"},
		{"a xhunter", "a ***"},
	};
	struct flo__mask *mask = mask_of(values);

	(void)state;
	for (size_t i = 0; i < LEN(cases); i++) {
		struct flo__mask_stream stream;
		struct flo__strbuf got = FLO__STRBUF_INIT;

		flo__mask_stream_init(&stream, mask);
		flo__mask_stream_add(&stream, cases[i].text,
				     strlen(cases[i].text), &got);
		flo__mask_stream_end(&stream, true, &got);
		assert_string_equal(got.data, cases[i].want);
		flo__mask_stream_fini(&stream);
		flo__strbuf_fini(&got);
	}
	flo__mask_free(mask);
}

static void a_stream_begins_anew_after_its_end(void **state)
{
	const char *const values[] = {"hunter2", NULL};
	struct flo__mask *mask = mask_of(values);
	struct flo__mask_stream stream;
	struct flo__strbuf got = FLO__STRBUF_INIT;

	(void)state;
	flo__mask_stream_init(&stream, mask);
	flo__mask_stream_add(&stream, "hunter2 hunt", 12, &got);
	flo__mask_stream_end(&stream, false, &got);
	flo__mask_stream_add(&stream, "er2 hunter2", 11, &got);
	flo__mask_stream_end(&stream, false, &got);
	assert_string_equal(got.data, "*** hunter2 ***");
	flo__mask_stream_fini(&stream);
	flo__strbuf_fini(&got);
	flo__mask_free(mask);
}

/* A search for each value would take a thousand million steps here. */
static void values_that_repeat_themselves_cost_no_more(void **state)
{
	size_t value_len = 65536, text_len = 1 << 20;
	char *text = flo__malloc(text_len);
	struct flo__mask *mask = flo__mask_new();
	struct flo__mask_stream stream;
	struct flo__strbuf got = FLO__STRBUF_INIT;

	(void)state;
	assert_non_null(text);
	assert_non_null(mask);
	memset(text, 'a', text_len);
	text[text_len / 2] = 'b';
	assert_int_equal(flo__mask_add(mask, text, value_len), FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	flo__mask_stream_init(&stream, mask);
	for (size_t at = 0; at < text_len; at += 4096)
		flo__mask_stream_add(&stream, text + at, 4096, &got);
	flo__mask_stream_end(&stream, false, &got);
	assert_string_equal(got.data, "***b***");
	flo__mask_stream_fini(&stream);
	flo__strbuf_fini(&got);
	flo__mask_free(mask);
	flo__free(text);
}

/* ---- forms ---- */

static void escaped_forms_are_hidden(void **state)
{
	static const char secret[] = "p\"w'<\\/&\xc3\xa9 ~*!";
	static const char *const forms[] = {
		secret,
		"p\\\"w'<\\\\/&\xc3\xa9 ~*!",		  /* JSON */
		"p\\\"w'<\\\\/&\\u00e9 ~*!",		  /* Python */
		"p\\\"w'<\\\\\\/&\\u00e9 ~*!",		  /* PHP */
		"p\\\"w'\\u003c\\\\/\\u0026\xc3\xa9 ~*!", /* Go */
		"p%22w%27%3C%5C%2F%26%C3%A9%20~%2A%21",	  /* curl */
		"p%22w%27%3c%5c%2f%26%c3%a9%20~%2a%21",	  /* others */
		"p%22w%27%3C%5C/%26%C3%A9%20~%2A%21",	  /* quote() */
		"p%22w'%3C%5C%2F%26%C3%A9%20~*!",	  /* browsers */
		"p%22w%27%3C%5C%2F%26%C3%A9+%7E*%21",	  /* forms */
		"p%22w%27%3C%5C%2F%26%C3%A9+~%2A%21",	  /* forms */
		"p&quot;w&#39;&lt;\\/&amp;\xc3\xa9 ~*!",  /* XML */
		"p\"w'&lt;\\/&amp;\xc3\xa9 ~*!",	  /* XML */
		"p\"w'\\''<\\/&\xc3\xa9 ~*!",		  /* sh -x */
	};

	(void)state;
	for (size_t i = 0; i < LEN(forms); i++)
		assert_hidden(secret, forms[i]);
}

static void characters_beyond_16_bits_are_hidden_as_surrogates(void **state)
{
	(void)state;
	assert_hidden("key\xf0\x9f\x98\x80!", "key\\ud83d\\ude00!");
}

static void base64_is_hidden_wherever_the_value_begins(void **state)
{
	struct flo__mask *mask = secret_of("hunter2?secret>>");

	(void)state;
	/* echo -n hunter2?secret>> | base64 */
	assert_masked(mask, "aHVudGVyMj9zZWNyZXQ+Pg==", "***");
	assert_masked(mask, "aHVudGVyMj9zZWNyZXQ-Pg==", "***");
	/* u:hunter2?secret>> and x hunter2?secret>>; then x:1: before it */
	assert_masked(mask, "dTpodW50ZXIyP3NlY3JldD4+", "dTp***");
	assert_masked(mask, "eDE6aHVudGVyMj9zZWNyZXQ+Pg==", "eDE6***");
	assert_masked(mask, "YTpiOmh1bnRlcjI/c2VjcmV0Pj4=", "YTpiOm***");
	flo__mask_free(mask);
}

static void long_base64_is_hidden_in_lines(void **state)
{
	char secret[101] = {0};
	struct flo__mask *mask;
	struct flo__strbuf got = FLO__STRBUF_INIT;
	/* 100 times "k", as base64 prints it */
	static const char text[] =
		"a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2"
		"tra2tra2tra2tr\na2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2"
		"tra2tra2traw==\n";

	(void)state;
	memset(secret, 'k', 100);
	mask = secret_of(secret);
	flo__mask_text(mask, text, sizeof(text) - 1, &got);
	assert_string_equal(got.data, "***\n***\n");
	flo__strbuf_fini(&got);
	flo__mask_free(mask);
}

static void each_line_of_a_value_is_hidden(void **state)
{
	struct flo__mask *mask = secret_of("-----BEGIN\r\nMIIE\"x\n}\nlast1");

	(void)state;
	assert_masked(mask, "a -----BEGIN b", "a *** b");
	assert_masked(mask, "a MIIE\"x b", "a *** b");
	assert_masked(mask, "a MIIE\\\"x b", "a *** b");
	assert_masked(mask, "last1", "***");
	assert_masked(mask, "{}", "{}");
	assert_masked(mask, "-----BEGIN\r\nMIIE\"x\n}\nlast1", "***");
	assert_masked(mask, "\"-----BEGIN\\r\\nMIIE\\\"x\\n}\\nlast1\"",
		      "\"***\"");
	flo__mask_free(mask);
}

static void a_short_value_is_hidden_but_not_its_forms(void **state)
{
	struct flo__mask *mask = secret_of("a/b");

	(void)state;
	assert_masked(mask, "xa/bx", "x***x");
	assert_masked(mask, "a%2Fb", "a%2Fb");
	flo__mask_free(mask);
	mask = secret_of("1");
	assert_masked(mask, "port 8011", "port 80***");
	flo__mask_free(mask);
}

static void without_memory_nothing_is_shown_by_mistake(void **state)
{
	long nth = 0;
	bool done = false;

	(void)state;
	while (!done) {
		struct flo__mask_stream stream;
		struct flo__strbuf got = FLO__STRBUF_INIT;
		struct flo__mask *mask;
		flo_status st;

		flo__alloc_fail_at(++nth, 0);
		mask = flo__mask_new();
		st = mask == NULL
			     ? FLO_NOMEM
			     : flo__mask_add_secret(mask, "hunter2\nzwei", 12);
		if (st == FLO_OK)
			st = flo__mask_ready(mask);
		if (st == FLO_OK) {
			flo__mask_stream_init(&stream, mask);
			flo__mask_stream_add(&stream, "a hunter2", 9, &got);
			flo__mask_stream_end(&stream, false, &got);
			st = flo__strbuf_status(&got);
			assert_null(strstr(got.data, "hunter2"));
			flo__mask_stream_fini(&stream);
		}
		done = flo__alloc_count() < nth;
		assert_int_equal(st, done ? FLO_OK : FLO_NOMEM);
		flo__strbuf_fini(&got);
		flo__mask_free(mask);
		assert_int_equal(flo__alloc_live(), 0);
		flo__alloc_fail_at(0, 0);
	}
	assert_true(nth > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_without_values_is_unchanged),
		cmocka_unit_test(every_occurrence_is_hidden),
		cmocka_unit_test(the_longest_value_wins),
		cmocka_unit_test(values_that_overlap_or_touch_become_one),
		cmocka_unit_test(
			a_value_inside_what_did_not_become_one_is_hidden),
		cmocka_unit_test(a_mask_without_values_hides_nothing),
		cmocka_unit_test(bytes_of_any_kind_are_values),
		cmocka_unit_test(beginnings_are_hidden_in_texts_that_quote),
		cmocka_unit_test(a_beginning_is_hidden_where_a_quotation_ends),
		cmocka_unit_test(
			of_a_value_that_an_excerpt_cuts_nothing_is_shown),
		cmocka_unit_test(any_excerpt_is_cut_from_what_is_hidden),
		cmocka_unit_test(an_excerpt_of_a_long_text_reads_its_beginning),
		cmocka_unit_test(pieces_are_masked_as_the_whole),
		cmocka_unit_test(
			any_values_in_any_pieces_are_hidden_as_defined),
		cmocka_unit_test(nothing_is_held_that_begins_no_value),
		cmocka_unit_test(a_value_that_is_cut_off_is_hidden),
		cmocka_unit_test(a_stream_begins_anew_after_its_end),
		cmocka_unit_test(values_that_repeat_themselves_cost_no_more),
		cmocka_unit_test(escaped_forms_are_hidden),
		cmocka_unit_test(
			characters_beyond_16_bits_are_hidden_as_surrogates),
		cmocka_unit_test(base64_is_hidden_wherever_the_value_begins),
		cmocka_unit_test(long_base64_is_hidden_in_lines),
		cmocka_unit_test(each_line_of_a_value_is_hidden),
		cmocka_unit_test(a_short_value_is_hidden_but_not_its_forms),
		cmocka_unit_test(without_memory_nothing_is_shown_by_mistake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
