/*
 * Regular expressions: PCRE2 within limits.
 *
 * Note: a budget of steps.
 *
 * PCRE2 goes back and tries again, and for some patterns the number of tries
 * grows exponentially with the text. It has a limit on them (match_limit), but
 * counts anew at each place of the text where a match may begin, so the limit
 * alone bounds nothing for a long text. STEPS_MAX is to bound all of them.
 *
 * First it is spread evenly: PCRE2 searches by itself, with all that it knows
 * about where a match can begin, and with a limit of STEPS_MAX over the number
 * of places, though at least STEPS_MIN. That settles nearly everything. Only if
 * a place takes more are the places tried one by one, each with a limit that
 * grows until it suffices, and what was granted is taken off the budget. The
 * sum is at most STEPS_MIN for each byte and about twice STEPS_MAX, whatever
 * the pattern; and it does not depend on the machine, so neither does what an
 * expression results in.
 *
 * A run of characters, as [a-z]+ takes it, is not counted when it is taken but
 * when it is given back, one by one. So PCRE2 may not make such runs possessive
 * by itself, patterns that do so are refused (regex_syntax.c), and a try that
 * ends at its limit, and has given back less than it took, is charged a part
 * of the text that was before it.
 *
 * Refused: asking the clock, which makes the result depend on the load; putting
 * ".*?" before the pattern, so that there is one place only, which loses what
 * PCRE2 knows about where matches begin; the DFA matcher, which is not bounded
 * either; JIT, whose limit means something else and whose stack is not ours.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include "dsl/regex_p.h"

#include "dsl/functions_p.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#define STEPS_MAX UINT32_C(20000000) /* 0.3 to 0.6 s in all */
#define STEPS_MIN UINT32_C(64)
#define HEAP_MAX  (32 * 1024) /* KiB, for what is to be tried later */
#define NEST_MAX  100	      /* parentheses; the compiler recurses */

struct flo__regex {
	pcre2_code *code;	       /* owned */
	pcre2_general_context *memory; /* owned */
};

static void *take_memory(PCRE2_SIZE size, void *arg)
{
	(void)arg;
	return flo__malloc(size);
}

static void give_memory(void *mem, void *arg)
{
	(void)arg;
	flo__free(mem);
}

/* ---- compiling ---- */

/* PCRE2's message, and the code point of the pattern that it is about. */
static void explain(int code, const char *pattern, size_t at,
		    char ret_why[FLO__REGEX_WHY])
{
	char text[96];

	if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof(text)) <
	    0)
		snprintf(text, sizeof(text), "error %d", code);
	snprintf(ret_why, FLO__REGEX_WHY, "%s, at character %zu of it", text,
		 flo__utf8_count(pattern, at) + 1);
}

/*
 * As near to RE2 as options go: ^ and $ without (?m) mean the ends of the text
 * (not also a last newline), . is anything but a newline, \d \w \s are ASCII,
 * \C and the settings that a pattern may begin with, "(*UCP)", are refused.
 */
static pcre2_code *compile(const char *pattern, size_t len,
			   pcre2_compile_context *context, int *ret_code,
			   size_t *ret_at)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY |
			   PCRE2_NO_AUTO_POSSESS | PCRE2_NEVER_BACKSLASH_C;

	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(context, NEST_MAX);
	return pcre2_compile((PCRE2_SPTR)pattern, len, options, ret_code,
			     ret_at, context);
}

flo_status flo__regex_new(const char *pattern, size_t len,
			  char ret_why[FLO__REGEX_WHY],
			  struct flo__regex **ret_regex)
{
	struct flo__regex *regex;
	pcre2_compile_context *context = NULL;
	const char *foreign;
	size_t at = 0;
	int code = 0;

	if (len > FLO__REGEX_LEN_MAX) {
		snprintf(ret_why, FLO__REGEX_WHY, "it is longer than %d bytes",
			 FLO__REGEX_LEN_MAX);
		return FLO_INVALID;
	}
	foreign = flo__regex_foreign(pattern, len, &at);
	if (foreign != NULL) {
		snprintf(ret_why, FLO__REGEX_WHY,
			 "%s, at character %zu of it, is not in RE2's syntax, "
			 "which CEL uses",
			 foreign, flo__utf8_count(pattern, at) + 1);
		return FLO_INVALID;
	}
	regex = flo__calloc(1, sizeof(*regex));
	if (regex != NULL)
		regex->memory = pcre2_general_context_create(take_memory,
							     give_memory, NULL);
	if (regex != NULL && regex->memory != NULL)
		context = pcre2_compile_context_create(regex->memory);
	if (context == NULL) {
		flo__regex_free(regex);
		return FLO_NOMEM;
	}
	regex->code = compile(pattern, len, context, &code, &at);
	pcre2_compile_context_free(context);
	if (regex->code != NULL) {
		*ret_regex = regex;
		return FLO_OK;
	}
	flo__regex_free(regex);
	if (code == PCRE2_ERROR_HEAP_FAILED)
		return FLO_NOMEM;
	explain(code, pattern, at, ret_why);
	return FLO_INVALID;
}

void flo__regex_free(struct flo__regex *regex)
{
	if (regex == NULL)
		return;
	pcre2_code_free(regex->code);
	pcre2_general_context_free(regex->memory);
	flo__free(regex);
}

/* ---- matching ---- */

struct search {
	const struct flo__regex *regex;
	pcre2_match_context *context; /* owned */
	pcre2_match_data *data;	      /* owned */
	const char *text;
	size_t len;
};

/* Try at @at, or with @options 0 from there on, in @steps a place. */
static int attempt(const struct search *s, size_t at, uint32_t options,
		   uint32_t steps)
{
	pcre2_set_match_limit(s->context, steps);
	return pcre2_match(s->regex->code, (PCRE2_SPTR)s->text, s->len, at,
			   options | PCRE2_NO_UTF_CHECK, s->data, s->context);
}

/* Whether a match can only begin where the text does. */
static bool is_anchored(const struct flo__regex *regex)
{
	uint32_t options = 0;

	pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
	return (options & PCRE2_ANCHORED) != 0;
}

/*
 * Try at the place @at with a limit that grows while *@left lasts: see the
 * note.
 */
static int insist(const struct search *s, size_t at, uint64_t *left)
{
	uint64_t passed = (s->len - at) / 16;
	uint64_t steps = STEPS_MIN;
	int code = attempt(s, at, PCRE2_ANCHORED, STEPS_MIN);

	while (code == PCRE2_ERROR_MATCHLIMIT && *left > passed) {
		*left -= passed;
		steps = steps * 8 < *left ? steps * 8 : *left;
		*left -= steps;
		code = attempt(s, at, PCRE2_ANCHORED, (uint32_t)steps);
	}
	return code;
}

/* Place by place. */
static int walk(const struct search *s)
{
	bool anchored = is_anchored(s->regex);
	uint64_t left = STEPS_MAX;
	int code = PCRE2_ERROR_NOMATCH;

	for (size_t at = 0; at <= s->len && (at == 0 || !anchored); at++) {
		if (at < s->len && ((unsigned char)s->text[at] & 0xc0) == 0x80)
			continue;
		code = insist(s, at, &left);
		if (code != PCRE2_ERROR_NOMATCH)
			break;
	}
	return code;
}

static int search(struct search *s)
{
	uint64_t spread = STEPS_MAX / (s->len + 1);
	int code;

	pcre2_set_heap_limit(s->context, HEAP_MAX);
	pcre2_set_depth_limit(s->context, STEPS_MAX);
	code = attempt(s, 0, 0,
		       spread > STEPS_MIN ? (uint32_t)spread : STEPS_MIN);
	return code == PCRE2_ERROR_MATCHLIMIT ? walk(s) : code;
}

static flo_status outcome(int code, char ret_why[FLO__REGEX_WHY],
			  bool *ret_found)
{
	switch (code) {
	case PCRE2_ERROR_NOMATCH:
		*ret_found = false;
		return FLO_OK;
	case PCRE2_ERROR_NOMEMORY:
		return FLO_NOMEM;
	case PCRE2_ERROR_MATCHLIMIT:
	case PCRE2_ERROR_DEPTHLIMIT:
		snprintf(ret_why, FLO__REGEX_WHY,
			 "the pattern takes too many steps on this text: "
			 "a repetition in a repetition, such as (a+)+, and one "
			 "at the beginning do that");
		return FLO_LIMIT;
	case PCRE2_ERROR_HEAPLIMIT:
		snprintf(ret_why, FLO__REGEX_WHY,
			 "the pattern takes too much memory on this text: a "
			 "repeated group may be why; [ab]* takes less than "
			 "(a|b)*");
		return FLO_LIMIT;
	default:
		break;
	}
	*ret_found = code >= 0;
	if (code >= 0)
		return FLO_OK;
	snprintf(ret_why, FLO__REGEX_WHY, "matching failed: PCRE2 error %d",
		 code);
	return FLO_FAILED;
}

flo_status flo__regex_find(const struct flo__regex *regex, const char *text,
			   size_t len, char ret_why[FLO__REGEX_WHY],
			   bool *ret_found)
{
	struct search s = {.regex = regex, .text = text, .len = len};
	flo_status st = FLO_NOMEM;

	if (len > FLO__TEXT_LEN_MAX) {
		snprintf(ret_why, FLO__REGEX_WHY,
			 "the text has more than %zu MiB",
			 FLO__TEXT_LEN_MAX >> 20);
		return FLO_LIMIT;
	}
	if (!flo__utf8_valid(text, len)) {
		snprintf(ret_why, FLO__REGEX_WHY, "the text is not UTF-8");
		return FLO_INVALID;
	}
	s.context = pcre2_match_context_create(regex->memory);
	s.data = pcre2_match_data_create(1, regex->memory);
	if (s.context != NULL && s.data != NULL)
		st = outcome(search(&s), ret_why, ret_found);
	pcre2_match_data_free(s.data);
	pcre2_match_context_free(s.context);
	return st;
}

/* ---- the function ---- */

flo_value *flo__fn_matches_with(const struct flo__regex *regex,
				const flo_value *v,
				struct flo__failure *failure)
{
	char why[FLO__REGEX_WHY];
	bool found = false;
	size_t len;
	const char *text;
	flo_status st;

	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return flo__fn_refuse("matches", v, failure);
	text = flo_value_get_string(v, &len);
	st = flo__regex_find(regex, text, len, why, &found);
	if (st == FLO_NOMEM)
		return NULL;
	if (st != FLO_OK)
		return flo__fail(failure, st, "matches(): %s", why);
	return flo_value_bool(found);
}

struct flo__regex *flo__fn_pattern(const flo_value *v,
				   struct flo__failure *failure)
{
	struct flo__regex *regex = NULL;
	char why[FLO__REGEX_WHY];
	size_t len;
	const char *text;

	if (flo_value_typeof(v) != FLO_VALUE_STRING) {
		flo__fn_refuse("matches", v, failure);
		return NULL;
	}
	text = flo_value_get_string(v, &len);
	if (flo__regex_new(text, len, why, &regex) == FLO_INVALID)
		flo__fail(failure, FLO_INVALID,
			  "\"%.64s\" is no regular expression: %s", text, why);
	return regex;
}

FLO__FUNCTION(matches)
{
	struct flo__regex *regex = flo__fn_pattern(args[1], failure);
	flo_value *value;

	(void)n;
	if (regex == NULL)
		return NULL;
	value = flo__fn_matches_with(regex, args[0], failure);
	flo__regex_free(regex);
	return value;
}
