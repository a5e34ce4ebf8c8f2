#include "cmdb_made_up.h"

#include <string.h>

static uint64_t seed; /* of what is being made up */

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

void made_up_record(uint64_t from, bool broken, struct flo__strbuf *sb)
{
	seed = from;
	add_space(sb);
	add_object(sb, 4);
	add_space(sb);
	if (broken)
		mutate(sb);
}
