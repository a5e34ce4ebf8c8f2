/* JSON that lies between the records: checked, and passed over. */
#include "steps/cmdb/split_p.h"

#include "base/contract.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* What a document that begins so may be. */
static const char *explain(int c, unsigned long long at)
{
	if (at == 0 && c == 0xef)
		return " (a byte order mark? save it as UTF-8 without one)";
	if (at == 0 && (c == 0xff || c == 0xfe))
		return " (UTF-16? convert it to UTF-8)";
	return "";
}

/* Bytes of what is there that an error quotes. */
#define SHOWN 31

/* The text that is there, as far as it is in the window and to be read. */
static void excerpt(const struct flo__split *split, struct flo__strbuf *sb)
{
	size_t len = 0;

	while (split->at + len < split->len && len < SHOWN &&
	       isprint((unsigned char)split->buf[split->at + len]))
		len++;
	if (len != 0)
		flo__mask_excerpt(split->mask, split->buf, split->len,
				  split->at, len, sb);
	if (sb->failed)
		flo__strbuf_cut(sb, 0);
}

struct flo__split_spot flo__split_spot(const struct flo__split *split,
				       uint64_t byte)
{
	struct flo__split_spot spot;

	if (split->lines)
		snprintf(spot.text, sizeof(spot.text), "line %llu, byte %llu",
			 (unsigned long long)split->newlines + 1,
			 (unsigned long long)byte);
	else
		snprintf(spot.text, sizeof(spot.text), "byte %llu",
			 (unsigned long long)byte);
	return spot;
}

/* Say that @text is where @wanted should be; "": byte @c, which is no text. */
static flo_status refuse(const struct flo__split *split, int c,
			 const char *text, const char *wanted, flo_error *err)
{
	unsigned long long at = split->base + split->at;
	struct flo__split_spot spot = flo__split_spot(split, at);
	unsigned long long records = split->records;
	const char *s = records == 1 ? "" : "s";

	if (c < 0)
		return flo_error_set(err, FLO_SYNTAX,
				     "the document ends at %s, after %llu "
				     "record%s, where %s should follow: was it "
				     "cut off?",
				     spot.text, records, s, wanted);
	if (text[0] != '\0')
		return flo_error_set(err, FLO_SYNTAX,
				     "'%s' at %s, after %llu record%s, where "
				     "%s should be",
				     text, spot.text, records, s, wanted);
	return flo_error_set(err, FLO_SYNTAX,
			     "byte 0x%02x at %s, after %llu record%s, where %s "
			     "should be%s",
			     c, spot.text, records, s, wanted, explain(c, at));
}

flo_status flo__split_unexpected(const struct flo__split *split, int c,
				 const char *wanted, flo_error *err)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;

	/* It may have been taken already, and then what follows is not it. */
	if (c >= 0 && split->at < split->len &&
	    (unsigned char)split->buf[split->at] == c)
		excerpt(split, &text);
	else if (c >= 0 && isprint(c))
		flo__strbuf_addc(&text, (char)c);
	refuse(split, c, text.len != 0 ? text.data : "", wanted, err);
	flo__strbuf_fini(&text);
	return FLO_SYNTAX;
}

static flo_status skip_escape(struct flo__split *split, flo_error *err)
{
	flo_status st;
	int c = 0;

	TRY(flo__split_peek(split, err, &c));
	if (c < 0 || strchr("\"\\/bfnrtu", c) == NULL || c == 0)
		return flo__split_unexpected(split, c, "an escape", err);
	split->at++;
	for (int i = 0; c == 'u' && i < 4; i++) {
		int digit = 0;

		TRY(flo__split_peek(split, err, &digit));
		if (digit < 0 || !isxdigit(digit))
			return flo__split_unexpected(split, digit,
						     "a hex digit", err);
		split->at++;
	}
out:
	return st;
}

flo_status flo__split_skip_string(struct flo__split *split, flo_error *err)
{
	flo_status st;
	int c = 0;

	for (;;) {
		TRY(flo__split_peek(split, err, &c));
		if (c < 0x20)
			return flo__split_unexpected(split, c, "a string's end",
						     err);
		split->at++;
		if (c == '"')
			return FLO_OK;
		if (c == '\\')
			TRY(skip_escape(split, err));
	}
out:
	return st;
}

static flo_status skip_digits(struct flo__split *split, flo_error *err)
{
	flo_status st;
	int c = 0;

	TRY(flo__split_peek(split, err, &c));
	if (c < 0 || !isdigit(c))
		return flo__split_unexpected(split, c, "a digit", err);
	while (c >= 0 && isdigit(c)) {
		split->at++;
		TRY(flo__split_peek(split, err, &c));
	}
out:
	return st;
}

static flo_status skip_number(struct flo__split *split, int c, flo_error *err)
{
	flo_status st;

	if (c == '-') {
		split->at++;
		TRY(flo__split_peek(split, err, &c));
	}
	if (c == '0')
		split->at++;
	else
		TRY(skip_digits(split, err));
	TRY(flo__split_peek(split, err, &c));
	if (c == '.') {
		split->at++;
		TRY(skip_digits(split, err));
		TRY(flo__split_peek(split, err, &c));
	}
	if (c == 'e' || c == 'E') {
		split->at++;
		TRY(flo__split_peek(split, err, &c));
		if (c == '+' || c == '-')
			split->at++;
		TRY(skip_digits(split, err));
	}
out:
	return st;
}

static flo_status skip_word(struct flo__split *split, const char *word,
			    flo_error *err)
{
	flo_status st = FLO_OK;
	int c = 0;

	for (; *word != '\0'; word++) {
		TRY(flo__split_peek(split, err, &c));
		if (c != (unsigned char)*word)
			return flo__split_unexpected(split, c, "a value", err);
		split->at++;
	}
out:
	return st;
}

flo_status flo__split_skip_scalar(struct flo__split *split, int c,
				  flo_error *err)
{
	switch (c) {
	case '"':
		split->at++;
		return flo__split_skip_string(split, err);
	case 't':
		return skip_word(split, "true", err);
	case 'f':
		return skip_word(split, "false", err);
	case 'n':
		return skip_word(split, "null", err);
	default:
		if (c == '-' || (c >= 0 && isdigit(c)))
			return skip_number(split, c, err);
		return flo__split_unexpected(split, c, "a value", err);
	}
}
