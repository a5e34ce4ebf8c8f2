/* JSON that lies between the records: checked, and passed over. */
#include "steps/cmdb/split_p.h"

#include "base/contract.h"

#include <ctype.h>
#include <string.h>

flo_status flo__split_unexpected(const struct flo__split *split, int c,
				 const char *wanted, flo_error *err)
{
	unsigned long long at = split->base + split->at;

	if (c < 0)
		return flo_error_set(err, FLO_SYNTAX,
				     "the document ends at byte %llu, after "
				     "%llu records, where %s should follow: "
				     "was it cut off?",
				     at, (unsigned long long)split->records,
				     wanted);
	return flo_error_set(err, FLO_SYNTAX,
			     isprint(c) ? "'%c' at byte %llu, after %llu "
					  "records, where %s should be"
					: "byte 0x%02x at byte %llu, after "
					  "%llu records, where %s should be",
			     c, at, (unsigned long long)split->records, wanted);
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
