/*
 * Regular expressions: PCRE2 within limits.
 *
 * Note: a budget of steps.
 *
 * PCRE2 goes back and tries again, and for some patterns the number of tries
 * grows exponentially with the text. It has a limit on them (match_limit), but
 * counts anew at each place of the text where a match may begin, and does not
 * say how many there were. So patterns are compiled with PCRE2_AUTO_CALLOUT:
 * before each item of a pattern PCRE2 calls count_step(), which counts, and
 * ends the search when the budget is used up. What was taken is known to the
 * step, and so an expression pays for what its searches did and no more. It
 * does not depend on the machine, so neither does what an expression results
 * in. A search takes up to twice as long as without, mostly much less.
 *
 * A run of characters, as [a-z]+ takes it, is not counted when it is taken but
 * when it is given back, one by one. So PCRE2 may not make such runs possessive
 * by itself, and patterns that do so are refused (regex_syntax.c).
 *
 * Where a match may begin PCRE2 looks for by itself, in time that grows with
 * the text; but not if the first character may be of either case, since it then
 * looks for both each time, and the one that is nowhere costs the whole text.
 * So patterns with (?i) do without (NO_START_OPTIMIZE).
 *
 * The calls take room, 6 bytes an item. A pattern that repeats a group so often
 * that it then has more than PCRE2's 64 KiB is compiled without them, and its
 * searches are estimated: each gets a limit a place, small at first, and is
 * charged that for all places; if it does not suffice, eight times as much.
 *
 * Refused: asking the clock, which makes the result depend on the load;
 * estimating all searches, which for ordinary patterns is ten times what they
 * take, so that lists are refused which are searched in no time; putting ".*?"
 * before the pattern, so that there is one place only, which loses what PCRE2
 * knows about where matches begin; the DFA matcher, which is not bounded
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

#define STEPS_MAX UINT64_C(20000000) /* of a search; 0.3 to 0.6 s */
#define STEPS_MIN UINT64_C(64)	     /* a place, where they are estimated */
#define HEAP_MAX  (32 * 1024)	     /* KiB, for what is to be tried later */
#define NEST_MAX  100		     /* parentheses; the compiler recurses */
#define TOO_LARGE 120		     /* PCRE2's error, which has no name */

struct flo__regex {
	pcre2_code *code;	       /* owned */
	pcre2_general_context *memory; /* owned */
	bool counted;		       /* it calls count_step() */
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

/* Whether a group of @pattern turns the case off: "(?i)", "(?s-i:". */
static bool has_caseless(const char *pattern, size_t len)
{
	for (size_t at = 0; at + 2 < len; at++) {
		size_t end = at + 2;

		if (pattern[at] != '(' || pattern[at + 1] != '?')
			continue;
		while (end < len && strchr("imsU-", pattern[end]) != NULL &&
		       pattern[end] != '\0') {
			if (pattern[end++] == 'i')
				return true;
		}
	}
	return false;
}

/*
 * As near to RE2 as options go: ^ and $ without (?m) mean the ends of the text
 * (not also a last newline), . is anything but a newline, \d \w \s are ASCII,
 * \C and the settings that a pattern may begin with, "(*UCP)", are refused.
 */
static void compile(struct flo__regex *regex, const char *pattern, size_t len,
		    pcre2_compile_context *context, int *ret_code,
		    size_t *ret_at)
{
	uint32_t options = PCRE2_UTF | PCRE2_DOLLAR_ENDONLY |
			   PCRE2_NO_AUTO_POSSESS | PCRE2_NEVER_BACKSLASH_C;

	if (has_caseless(pattern, len))
		options |= PCRE2_NO_START_OPTIMIZE;
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(context, NEST_MAX);
	regex->code = pcre2_compile((PCRE2_SPTR)pattern, len,
				    options | PCRE2_AUTO_CALLOUT, ret_code,
				    ret_at, context);
	regex->counted = regex->code != NULL;
	if (regex->code == NULL && *ret_code == TOO_LARGE)
		regex->code = pcre2_compile((PCRE2_SPTR)pattern, len, options,
					    ret_code, ret_at, context);
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
	compile(regex, pattern, len, context, &code, &at);
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
	uint64_t steps; /* taken */
	uint64_t steps_max;
};

/* A pcre2 callout: see the note. */
static int count_step(pcre2_callout_block *block, void *arg)
{
	struct search *s = arg;

	(void)block;
	if (s->steps >= s->steps_max)
		return PCRE2_ERROR_MATCHLIMIT;
	s->steps++;
	return 0;
}

/* Search with at most @steps a place, which is a second fence where they are
 * counted. */
static int search(const struct search *s, uint64_t steps)
{
	pcre2_set_match_limit(s->context, steps < UINT32_MAX ? (uint32_t)steps
							     : UINT32_MAX);
	return pcre2_match(s->regex->code, (PCRE2_SPTR)s->text, s->len, 0,
			   PCRE2_NO_UTF_CHECK, s->data, s->context);
}

/* Whether a match can only begin where the text does. */
static bool is_anchored(const struct flo__regex *regex)
{
	uint32_t options = 0;

	pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
	return (options & PCRE2_ANCHORED) != 0;
}

/* Search with a pattern whose steps are not counted: see the note. */
static int search_estimated(struct search *s)
{
	uint64_t places = is_anchored(s->regex) ? 1 : s->len + 1;
	uint64_t steps = s->steps_max / places;
	int code = PCRE2_ERROR_MATCHLIMIT;

	if (steps > STEPS_MIN)
		steps = STEPS_MIN;
	while (code == PCRE2_ERROR_MATCHLIMIT && steps > 0 &&
	       steps <= (s->steps_max - s->steps) / places) {
		s->steps += steps * places;
		code = search(s, steps);
		steps *= 8;
	}
	if (code == PCRE2_ERROR_MATCHLIMIT)
		s->steps = s->steps_max;
	return code;
}

static int search_counted(struct search *s)
{
	int code = search(s, s->steps_max);

	if (code == PCRE2_ERROR_MATCHLIMIT)
		s->steps = s->steps_max;
	return code;
}

static int search_within(struct search *s, uint64_t steps_max)
{
	s->steps_max = STEPS_MAX + s->len;
	if (s->steps_max > steps_max)
		s->steps_max = steps_max;
	pcre2_set_heap_limit(s->context, HEAP_MAX);
	pcre2_set_depth_limit(s->context, (uint32_t)STEPS_MAX);
	pcre2_set_callout(s->context, count_step, s);
	return s->regex->counted ? search_counted(s) : search_estimated(s);
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
			   size_t len, uint64_t *steps,
			   char ret_why[FLO__REGEX_WHY], bool *ret_found)
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
		st = outcome(search_within(&s, *steps), ret_why, ret_found);
	*steps -= s.steps;
	pcre2_match_data_free(s.data);
	pcre2_match_context_free(s.context);
	return st;
}

/* ---- the function ---- */

flo_value *flo__fn_matches_with(const struct flo__regex *regex,
				const flo_value *v, uint64_t *steps,
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
	st = flo__regex_find(regex, text, len, steps, why, &found);
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
	uint64_t steps = FLO__REGEX_STEPS_ANY;
	flo_value *value;

	(void)n;
	if (regex == NULL)
		return NULL;
	value = flo__fn_matches_with(regex, args[0], &steps, failure);
	flo__regex_free(regex);
	return value;
}
