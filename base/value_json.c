/*
 * Values as JSON text. What JSON has no type for is written as protobuf's JSON
 * mapping does (protobuf.dev, "ProtoJSON Format"): bytes in base64, timestamps
 * as RFC 3339, durations as seconds with an "s", non-finite doubles by name;
 * except that 64-bit integers are numbers, whatever their size.
 */
#include "base/value_p.h"

#include "base/time.h"
#include "base/value_repr.h"

#include <inttypes.h>
#include <string.h>

static void add_base64(struct flo__strbuf *sb, const unsigned char *bytes,
		       size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)bytes[i] << 16;
		char four[4];

		if (n > 1)
			bits |= (uint32_t)bytes[i + 1] << 8;
		if (n > 2)
			bits |= bytes[i + 2];
		four[0] = digits[bits >> 18];
		four[1] = digits[bits >> 12 & 63];
		four[2] = n > 1 ? digits[bits >> 6 & 63] : '=';
		four[3] = n > 2 ? digits[bits & 63] : '=';
		flo__strbuf_add(sb, four, 4);
	}
}

/* A fraction of a second in 0, 3, 6 or 9 digits. */
static void add_fraction(struct flo__strbuf *sb, int32_t ns)
{
	if (ns == 0)
		return;
	if (ns % 1000000 == 0)
		flo__strbuf_addf(sb, ".%03" PRId32, ns / 1000000);
	else if (ns % 1000 == 0)
		flo__strbuf_addf(sb, ".%06" PRId32, ns / 1000);
	else
		flo__strbuf_addf(sb, ".%09" PRId32, ns);
}

static void add_timestamp(struct flo__strbuf *sb, int64_t s, int32_t ns)
{
	struct flo__civil at;

	flo__time_civil(s, &at);
	flo__strbuf_addf(sb, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", at.year,
			 at.month, at.day, at.hour, at.minute, at.second);
	add_fraction(sb, ns);
	flo__strbuf_addc(sb, 'Z');
}

static void add_duration(struct flo__strbuf *sb, int64_t s, int32_t ns)
{
	uint64_t whole = (uint64_t)s;

	/* Stored as floor and rest; written as sign and magnitude. */
	if (s < 0) {
		flo__strbuf_addc(sb, '-');
		whole = 0 - whole;
		if (ns != 0) {
			whole--;
			ns = 1000000000 - ns;
		}
	}
	flo__strbuf_addf(sb, "%" PRIu64, whole);
	add_fraction(sb, ns);
	flo__strbuf_addc(sb, 's');
}

static void add_uint(struct flo__strbuf *sb, uint64_t n)
{
	if (n <= INT64_MAX)
		flo__strbuf_add_int(sb, (int64_t)n);
	else
		flo__strbuf_addf(sb, "%" PRIu64, n);
}

/* A bytes, timestamp or duration value without the quotes. */
static void add_special(const flo_value *value, struct flo__strbuf *sb)
{
	if (value->type == FLO_VALUE_TIMESTAMP)
		add_timestamp(sb, value->of.time.s, value->of.time.ns);
	else if (value->type == FLO_VALUE_DURATION)
		add_duration(sb, value->of.time.s, value->of.time.ns);
	else
		add_base64(sb, (const unsigned char *)value->of.str.text,
			   value->of.str.len);
}

static void add_scalar(const flo_value *value, struct flo__strbuf *sb)
{
	switch (value->type) {
	case FLO_VALUE_NULL:
		flo__strbuf_add(sb, "null", 4);
		break;
	case FLO_VALUE_BOOL:
		flo__strbuf_adds(sb, value->of.b ? "true" : "false");
		break;
	case FLO_VALUE_INT:
		flo__strbuf_add_int(sb, value->of.i);
		break;
	case FLO_VALUE_UINT:
		add_uint(sb, value->of.u);
		break;
	case FLO_VALUE_DOUBLE:
		flo__strbuf_add_double(sb, value->of.d);
		break;
	case FLO_VALUE_STRING:
	case FLO_VALUE_TYPE:
		flo__strbuf_add_json(sb, value->of.str.text, value->of.str.len);
		break;
	default:
		flo__strbuf_addc(sb, '"');
		add_special(value, sb);
		flo__strbuf_addc(sb, '"');
	}
}

/* JSON has string keys only: 1 becomes "1", true becomes "true". */
static void add_key(const flo_value *key, struct flo__strbuf *sb)
{
	if (key->type == FLO_VALUE_STRING) {
		add_scalar(key, sb);
		return;
	}
	flo__strbuf_addc(sb, '"');
	add_scalar(key, sb);
	flo__strbuf_addc(sb, '"');
}

/* A writer: where to, and how far to indent a level (0: all on one line). */
struct writer {
	struct flo__strbuf *sb;
	size_t indent;
	struct walk walk;
};

static void new_line(struct writer *w)
{
	if (w->indent == 0)
		return;
	flo__strbuf_addc(w->sb, '\n');
	for (size_t i = 0; i < w->walk.len * w->indent; i++)
		flo__strbuf_addc(w->sb, ' ');
}

/* Write a scalar, or the opening bracket of a container that comes next. */
static void open_value(struct writer *w, const flo_value *value)
{
	bool list = value->type == FLO_VALUE_LIST;

	if (!list && value->type != FLO_VALUE_MAP) {
		add_scalar(value, w->sb);
		return;
	}
	if (flo_value_len(value) == 0) {
		flo__strbuf_adds(w->sb, list ? "[]" : "{}");
		return;
	}
	flo__strbuf_addc(w->sb, list ? '[' : '{');
	if (!flo__walk_push(&w->walk, value, NULL))
		w->sb->failed = true;
}

/* Write the next item of the innermost container, or its end. */
static void write_next(struct writer *w)
{
	struct walk_frame *top = &w->walk.frames[w->walk.len - 1];
	const flo_value *value = top->a;
	bool list = value->type == FLO_VALUE_LIST;
	const flo_value *key;

	if (top->i == flo_value_len(value)) {
		w->walk.len--;
		new_line(w);
		flo__strbuf_addc(w->sb, list ? ']' : '}');
		return;
	}
	if (top->i != 0)
		flo__strbuf_addc(w->sb, ',');
	new_line(w);
	if (list) {
		open_value(w, flo_value_list_at(value, top->i++));
		return;
	}
	value = flo_value_map_at(value, top->i++, &key);
	add_key(key, w->sb);
	flo__strbuf_adds(w->sb, w->indent != 0 ? ": " : ":");
	open_value(w, value);
}

static void write_value(const flo_value *value, size_t indent,
			struct flo__strbuf *sb)
{
	struct writer w = {.sb = sb, .indent = indent};

	flo__walk_init(&w.walk);
	open_value(&w, value);
	while (w.walk.len != 0 && !sb->failed)
		write_next(&w);
	flo__walk_fini(&w.walk);
}

void flo__value_json(const flo_value *value, struct flo__strbuf *sb)
{
	write_value(value, 0, sb);
}

/*
 * A double without the ".0" that JSON needs to bring it back as one: whoever
 * writes 5 for a number reads 5 in a text.
 */
static void add_bare_double(const flo_value *value, struct flo__strbuf *sb)
{
	flo__strbuf_add_double(sb, value->of.d);
	if (!sb->failed && memcmp(sb->data + sb->len - 2, ".0", 2) == 0)
		flo__strbuf_cut(sb, sb->len - 2);
}

void flo__value_text(const flo_value *value, struct flo__strbuf *sb)
{
	if (value->type == FLO_VALUE_STRING)
		flo__strbuf_add(sb, value->of.str.text, value->of.str.len);
	else if (value->type == FLO_VALUE_DOUBLE)
		add_bare_double(value, sb);
	else
		write_value(value, 0, sb);
}

static char *to_json(const flo_value *value, size_t indent)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *text;

	write_value(value, indent, &sb);
	text = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return text;
}

char *flo_value_to_json(const flo_value *value)
{
	return to_json(value, 0);
}

char *flo_value_to_json_pretty(const flo_value *value)
{
	return to_json(value, 2);
}
