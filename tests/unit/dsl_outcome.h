/* What an expression comes to, for tests of expressions: one text that is
 * either its value or why it has none. Included by one test file each. */
#ifndef TESTS_UNIT_DSL_OUTCOME_H
#define TESTS_UNIT_DSL_OUTCOME_H

#include "dsl_fixture.h"

#include "dsl/compile_p.h"

static const char vars_json[] =
	"{\"n\": 7, \"d\": 2.5, \"s\": \"gr\\u00fc\\u00df\", \"t\": true,"
	" \"z\": null, \"l\": [1, 2, 3], \"m\": {\"a\": 1, \"a-b\": {\"c\": 2}},"
	" \"big\": 9223372036854775807}";

/* What the expression prints as JSON, or "COLUMN: error". */
static inline char *outcome(const char *expr)
{
	flo_value *vars = json_value(vars_json);
	flo_value *value = NULL;
	flo_error err = FLO_ERROR_INIT;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *json;

	if (flo__dsl_eval(expr, strlen(expr), vars, &err, &value) == FLO_OK) {
		json = flo_value_to_json(value);
		flo__strbuf_adds(&sb, json);
		flo_free(json);
	} else {
		flo__strbuf_addf(&sb, "%d: %s", err.column, err.text);
	}
	flo_value_unref(value);
	flo_value_unref(vars);
	return flo__strbuf_take(&sb);
}

static inline void is(const char *expr, const char *want)
{
	char *got = outcome(expr);

	if (strcmp(got, want) != 0)
		fail_msg("%s\n  is   %s\n  want %s", expr, got, want);
	flo__free(got);
}

/* Assert that it fails at @column, in words that contain @want. */
static inline void fails(const char *expr, int column, const char *want)
{
	char *got = outcome(expr);

	if (atoi(got) != column || strstr(got, want) == NULL)
		fail_msg("%s\n  is   %s\n  want %d: ...%s", expr, got, column,
			 want);
	flo__free(got);
}

struct expectation {
	const char *expr;
	const char *json;
};

/* Assert what each of a table, which ends with {NULL, NULL}, comes to. */
static inline void are(const struct expectation *table)
{
	for (; table->expr != NULL; table++)
		is(table->expr, table->json);
}

struct mistake {
	const char *expr;
	int column;
	const char *words;
};

static inline void all_fail(const struct mistake *table)
{
	for (; table->expr != NULL; table++)
		fails(table->expr, table->column, table->words);
}

#endif
