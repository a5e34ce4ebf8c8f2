#include "cli/utf8.h"

#include <stdbool.h>

static size_t sequence_len(unsigned char lead)
{
	if (lead < 0x80)
		return 1;
	if (lead >= 0xc2 && lead <= 0xdf)
		return 2;
	if (lead >= 0xe0 && lead <= 0xef)
		return 3;
	if (lead >= 0xf0 && lead <= 0xf4)
		return 4;
	return 0;
}

uint32_t cli_utf8_next(const char *text, size_t len, size_t *ret_used)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *b = (const unsigned char *)text;
	size_t n = sequence_len(b[0]);
	uint32_t point = n < 2 ? b[0] : b[0] & (0x7fu >> n);

	*ret_used = 1;
	if (n == 0 || n > len)
		return CLI_UTF8_BAD;
	for (size_t i = 1; i < n; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return CLI_UTF8_BAD;
		point = (point << 6) | (b[i] & 0x3f);
	}
	if (point < least[n] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return CLI_UTF8_BAD;
	*ret_used = n;
	return point;
}

struct range {
	uint32_t first, last;
};

static bool is_in(uint32_t point, const struct range *ranges, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (point >= ranges[i].first && point <= ranges[i].last)
			return true;
	return false;
}

#define IS_IN(point, ranges)                                                   \
	is_in(point, ranges, sizeof(ranges) / sizeof((ranges)[0]))

int cli_utf8_width(uint32_t point)
{
	/* C0, DEL and C1; line separators; marks that reorder text. */
	static const struct range unsafe[] = {
		{0, 0x1f},	  {0x7f, 0x9f},	    {0x061c, 0x061c},
		{0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069},
		{0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f},
	};
	static const struct range zero[] = {
		{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},
		{0x064b, 0x065f}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
		{0x200b, 0x200d}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f},
		{0xfe20, 0xfe2f},
	};
	static const struct range wide[] = {
		{0x1100, 0x115f},   {0x2e80, 0x303e},	{0x3041, 0xa4cf},
		{0xa960, 0xa97f},   {0xac00, 0xd7a3},	{0xf900, 0xfaff},
		{0xfe30, 0xfe6f},   {0xff00, 0xff60},	{0xffe0, 0xffe6},
		{0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff},
		{0x20000, 0x3fffd},
	};

	if (point >= 0x20 && point < 0x7f)
		return 1;
	if (IS_IN(point, unsafe))
		return -1;
	if (IS_IN(point, zero))
		return 0;
	return IS_IN(point, wide) ? 2 : 1;
}
