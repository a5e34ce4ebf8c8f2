#include "base/strbuf.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/utf8.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char flo__strbuf_empty[1];

void flo__strbuf_init(struct flo__strbuf *sb)
{
	*sb = (struct flo__strbuf)FLO__STRBUF_INIT;
}

void flo__strbuf_fini(struct flo__strbuf *sb)
{
	if (sb->cap != 0)
		flo__free(sb->data);
	flo__strbuf_init(sb);
}

void flo__strbuf_reset(struct flo__strbuf *sb)
{
	sb->len = 0;
	sb->failed = sb->mended = false;
	if (sb->cap != 0)
		sb->data[0] = '\0';
}

bool flo__strbuf_reserve(struct flo__strbuf *sb, size_t extra)
{
	size_t cap = sb->cap < 32 ? 32 : sb->cap;
	size_t want;
	char *data = NULL;

	if (extra < sb->cap - sb->len)
		return true;
	/* Half of what can be addressed: then nothing below overflows. */
	want = sb->len + extra + 1;
	if (extra <= SIZE_MAX / 2 && want <= SIZE_MAX / 2) {
		while (cap < want)
			cap += cap / 2;
		data = flo__realloc(sb->cap != 0 ? sb->data : NULL, cap);
	}
	if (data == NULL) {
		sb->failed = true;
		return false;
	}
	data[sb->len] = '\0';
	sb->data = data;
	sb->cap = cap;
	return true;
}

void flo__strbuf_add(struct flo__strbuf *sb, const void *bytes, size_t len)
{
	if (len == 0 || !flo__strbuf_reserve(sb, len))
		return;
	memcpy(sb->data + sb->len, bytes, len);
	sb->len += len;
	sb->data[sb->len] = '\0';
}

void flo__strbuf_adds(struct flo__strbuf *sb, const char *text)
{
	flo__strbuf_add(sb, text, strlen(text));
}

void flo__strbuf_addc(struct flo__strbuf *sb, char c)
{
	flo__strbuf_add(sb, &c, 1);
}

void flo__strbuf_addv(struct flo__strbuf *sb, const char *format, va_list args)
{
	size_t room = sb->cap - sb->len;
	va_list again;
	int len;

	va_copy(again, args);
	len = vsnprintf(room != 0 ? sb->data + sb->len : NULL, room, format,
			args);
	INSIST(len >= 0);
	if ((size_t)len < room) {
		sb->len += (size_t)len;
	} else if (flo__strbuf_reserve(sb, (size_t)len)) {
		vsnprintf(sb->data + sb->len, (size_t)len + 1, format, again);
		sb->len += (size_t)len;
	} else if (room != 0) {
		sb->data[sb->len] = '\0';
	}
	va_end(again);
}

void flo__strbuf_addf(struct flo__strbuf *sb, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flo__strbuf_addv(sb, format, args);
	va_end(args);
}

void flo__strbuf_cut(struct flo__strbuf *sb, size_t len)
{
	REQUIRE(len <= sb->len);
	if (len == sb->len)
		return;
	sb->len = len;
	sb->data[len] = '\0';
}

flo_status flo__strbuf_status(const struct flo__strbuf *sb)
{
	return sb->failed ? FLO_NOMEM : FLO_OK;
}

char *flo__strbuf_take(struct flo__strbuf *sb)
{
	char *data = NULL;

	if (!sb->failed && flo__strbuf_reserve(sb, 0)) {
		data = sb->data;
		flo__strbuf_init(sb);
	} else {
		flo__strbuf_fini(sb);
		sb->failed = true;
	}
	return data;
}

void flo__strbuf_add_json(struct flo__strbuf *sb, const char *text, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t plain = 0; /* where the run of bytes not yet copied begins */
	uint32_t code;

	flo__strbuf_addc(sb, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];
		char esc[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
		size_t esc_len = 2;

		if (c >= 0x80) {
			size_t n = flo__utf8_next(text + i, len - i, &code);

			if (n != 0) {
				i += n - 1;
				continue;
			}
			flo__strbuf_add(sb, text + plain, i - plain);
			flo__strbuf_adds(sb, FLO__UTF8_REPLACEMENT);
			sb->mended = true;
			plain = i + 1;
			continue;
		}
		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		switch (c) {
		case '"':
		case '\\':
			esc[1] = (char)c;
			break;
		case '\n':
			esc[1] = 'n';
			break;
		case '\r':
			esc[1] = 'r';
			break;
		case '\t':
			esc[1] = 't';
			break;
		default:
			esc_len = 6;
		}
		flo__strbuf_add(sb, text + plain, i - plain);
		flo__strbuf_add(sb, esc, esc_len);
		plain = i + 1;
	}
	flo__strbuf_add(sb, text + plain, len - plain);
	flo__strbuf_addc(sb, '"');
}

void flo__strbuf_add_int(struct flo__strbuf *sb, int64_t n)
{
	char text[24];
	char *at = text + sizeof(text);
	uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do {
		*--at = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (n < 0)
		*--at = '-';
	flo__strbuf_add(sb, at, (size_t)(text + sizeof(text) - at));
}

/*
 * The decimal point is the locale's, and the embedding program may have set
 * one; JSON's is a full stop.
 */
static void mend_point(char *text)
{
	for (; *text != '\0'; text++) {
		if (strchr("+-0123456789e", *text) == NULL)
			*text = '.';
	}
}

/*
 * What people write has few places: a whole number divided by a power of ten.
 * Below 2^53 both are exact, and so is the rounding of the division; of all
 * decimals of up to 15 digits only one reads back as @d. False: it is no such.
 */
static bool add_decimal(struct flo__strbuf *sb, double d)
{
	static const double power[] = {1,     10,     100,    1000,
				       10000, 100000, 1000000};
	const size_t most = sizeof(power) / sizeof(power[0]);
	double abs = fabs(d);
	char text[24];
	char *at = text + sizeof(text);
	size_t places = 0;
	uint64_t u;

	if (!(abs >= 1e-4 && abs < 1e9))
		return false;
	while (places < most &&
	       rint(abs * power[places]) / power[places] != abs)
		places++;
	if (places == most)
		return false;
	u = (uint64_t)rint(abs * power[places]);
	if (places == 0)
		*--at = '0';
	for (; places > 0; places--, u /= 10)
		*--at = (char)('0' + u % 10);
	*--at = '.';
	do {
		*--at = (char)('0' + u % 10);
		u /= 10;
	} while (u != 0);
	if (d < 0)
		*--at = '-';
	flo__strbuf_add(sb, at, (size_t)(text + sizeof(text) - at));
	return true;
}

void flo__strbuf_add_double(struct flo__strbuf *sb, double d)
{
	char text[40];

	if (add_decimal(sb, d))
		return;

	if (d != d) {
		flo__strbuf_adds(sb, "\"NaN\"");
		return;
	}
	if (d - d != 0) {
		flo__strbuf_adds(sb, d > 0 ? "\"Infinity\"" : "\"-Infinity\"");
		return;
	}
	/* 15 digits read back, and %g drops zeros; but those near 0 have less. */
	for (int digits = fabs(d) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	mend_point(text);
	flo__strbuf_adds(sb, text);
	if (strpbrk(text, ".e") == NULL)
		flo__strbuf_adds(sb, ".0");
}

void flo__strbuf_add_shell(struct flo__strbuf *sb, const char *word)
{
	size_t plain = strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz"
				    "0123456789_-./=:,+@%");

	if (*word != '\0' && word[plain] == '\0') {
		flo__strbuf_adds(sb, word);
		return;
	}
	flo__strbuf_addc(sb, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			flo__strbuf_adds(sb, "'\\''");
		else
			flo__strbuf_addc(sb, *word);
	}
	flo__strbuf_addc(sb, '\'');
}
