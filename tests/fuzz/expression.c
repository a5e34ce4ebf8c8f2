/*
 * Any bytes as an expression over a fixed set of variables: it has a value or
 * an error with a text, the same each time, within its cost limit.
 */
#include "fuzz.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <flo/value.h>

#include <stdlib.h>
#include <string.h>

static const char vars_json[] =
	"{\"params\":{\"s\":\"text\",\"n\":42,\"x\":1.5,\"yes\":true,"
	"\"no\":false,\"none\":null,\"l\":[1,2,3],\"m\":{\"a\":1,\"b\":[]},"
	"\"odd-name\":\"\\u00e9\\ud83d\\ude00\"},"
	"\"env\":{\"LC_ALL\":\"C\"},"
	"\"run\":{\"id\":\"r1\",\"name\":\"p\",\"status\":\"running\"},"
	"\"steps\":{\"a\":{\"output\":[{\"k\":\"v\",\"n\":1},{\"k\":\"w\"}],"
	"\"status\":\"succeeded\",\"exit_code\":0}},"
	"\"item\":{\"host\":\"h1\",\"port\":80},\"index\":7,"
	"\"big\":9223372036854775807,\"small\":-9223372036854775808,"
	"\"huge\":1e308,\"tiny\":5e-324,\"zero\":0,\"empty\":\"\",\"l\":[],"
	"\"m\":{},\"words\":[\"b\",\"a\",\"\"],\"mixed\":[1,\"1\",1.0,null,[]]"
	"}";

/* How an evaluation ended; `text` is the value as JSON or the error. */
struct ended {
	flo_status st;
	char *text; /* owned; flo_free() */
};

static const flo_value *variables(void)
{
	static flo_value *vars;

	if (vars == NULL)
		flo_value_from_json(vars_json, sizeof(vars_json) - 1,
				    FLO_JSON_ANY, NULL, &vars);
	FUZZ_CHECK(vars != NULL, "the variables are no JSON");
	return vars;
}

static struct ended evaluate(const char *expr, size_t len)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	struct ended ended;

	ended.st = flo__dsl_eval(expr, len, variables(), &err, &value);
	if (ended.st == FLO_OK) {
		FUZZ_CHECK(value != NULL, "no value");
		ended.text = flo_value_to_json(value);
	} else {
		FUZZ_CHECK(value == NULL, "a value beside %s", err.text);
		FUZZ_CHECK(err.text[0] != '\0', "%s without a text",
			   flo_status_text(ended.st));
		FUZZ_CHECK(flo__utf8_valid(err.text, strlen(err.text)),
			   "error %s", err.text);
		ended.text = flo__strdup(err.text);
	}
	flo_value_unref(value);
	if (ended.text == NULL)
		ended.st = FLO_NOMEM;
	return ended;
}

static bool same(const struct ended *a, const struct ended *b)
{
	return a->st == b->st && strcmp(a->text, b->text) == 0;
}

/* With the @nth allocation failing: out of memory, or the same as ever. */
static void evaluate_short(const char *expr, size_t len, long nth,
			   const struct ended *want)
{
	struct ended ended;
	long live;

	flo__alloc_fail_at(nth, 0);
	ended = evaluate(expr, len);
	FUZZ_CHECK(ended.st == FLO_NOMEM || same(&ended, want),
		   "with allocation %ld failing: %s\nwithout: %s", nth,
		   ended.text, want->text);
	flo_free(ended.text);
	live = flo__alloc_live();
	flo__alloc_fail_at(0, 0);
	FUZZ_CHECK(live == 0, "allocation %ld fails and %ld are lost", nth,
		   live);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *expr = (const char *)data;
	struct ended first;
	struct ended again;
	long count;
	long nth;

	variables();
	fuzz_count_allocations();
	first = evaluate(expr, len);
	count = flo__alloc_count();
	flo__alloc_fail_at(0, 0);
	FUZZ_CHECK(first.st != FLO_NOMEM, "out of memory");
	again = evaluate(expr, len);
	FUZZ_CHECK(same(&first, &again), "first: %s\nthen: %s", first.text,
		   again.text);
	nth = fuzz_nth_allocation(data, len, count);
	if (nth != 0)
		evaluate_short(expr, len, nth, &first);
	flo_free(first.text);
	flo_free(again.text);
	return 0;
}
