/* Tables of expressions and what they result in. Included by one test file
 * each, after dsl_fixture.h. */
#ifndef TESTS_UNIT_DSL_EVAL_H
#define TESTS_UNIT_DSL_EVAL_H

#include "dsl_fixture.h"

#include "dsl/compile_p.h"

/* An expression, and what flowctl eval would print. */
struct row {
	const char *expr;
	const char *want;
};

/* An expression, where it fails, and some of the words. */
struct wrong {
	const char *expr;
	int column;
	const char *words;
};

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* What the expression prints as JSON, or "COLUMN: error". */
static inline char *outcome(const char *expr, const flo_value *vars)
{
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
	return flo__strbuf_take(&sb);
}

static inline void are(const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *got = outcome(rows[i].expr, NULL);

		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s\n  is   %s\n  want %s", rows[i].expr, got,
				 rows[i].want);
		flo__free(got);
	}
}

static inline void all_fail(const struct wrong *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char *got = outcome(rows[i].expr, NULL);

		if (atoi(got) != rows[i].column ||
		    strchr("0123456789", got[0]) == NULL ||
		    strstr(got, ": ") == NULL ||
		    strstr(got, rows[i].words) == NULL)
			fail_msg("%s\n  is   %s\n  want %d: ...%s",
				 rows[i].expr, got, rows[i].column,
				 rows[i].words);
		flo__free(got);
	}
}

/* Each allocation fails once; in the end there is a value. */
static inline void survives_lack_of_memory(const char *expr)
{
	flo_status st = FLO_NOMEM;
	long n;

	flo__json_guard_install();
	for (n = 1; st == FLO_NOMEM; n++) {
		flo_value *value = NULL;

		flo__alloc_fail_at(n, 0);
		st = flo__dsl_eval(expr, strlen(expr), NULL, NULL, &value);
		flo__alloc_fail_at(0, 0);
		flo_value_unref(value);
	}
	if (st != FLO_OK || n < 4)
		fail_msg("%s: status %d after %ld", expr, (int)st, n);
}

#endif
