/* What the tests of dsl/ share: a registry, and compiling with the
 * diagnostics as text. Included by one test file each. */
#ifndef TESTS_UNIT_DSL_FIXTURE_H
#define TESTS_UNIT_DSL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "dsl/dsl.h"
#include "json/json_p.h"

static const flo_step_param sleep_params[] = {
	{.name = "duration",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "how long",
	 .format = FLO_FORMAT_DURATION},
};

static const flo_step_param pull_params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "the database"},
	{.name = "source",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "its name"},
	{.name = "file",
	 .types = FLO_TYPES(STRING),
	 .description = "what to read"},
	{.name = "records",
	 .types = FLO_TYPES(STRING),
	 .description = "JSON pointer"},
	{.name = "keep", .types = FLO_TYPES(INT), .description = "how many"},
	{.name = "key",
	 .types = FLO_TYPES(LIST),
	 .description = "JSON pointers"},
};

static const char *const limits_formats[] = {"ndjson", "parquet", NULL};

static const flo_step_param rules_params[] = {
	{.name = "most",
	 .types = FLO_TYPES(DOUBLE) | FLO_TYPES(BOOL),
	 .has_max = true,
	 .max = 5},
	{.name = "kind",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .pattern = "^[ab]$"},
	{.name = "deep",
	 .types = FLO_TYPES(MAP),
	 .members = rules_params,
	 .members_len = 2},
};

static const flo_step_param limits_params[] = {
	{.name = "format",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .one_of = limits_formats},
	{.name = "part", .types = FLO_TYPES(STRING), .format = FLO_FORMAT_SIZE},
	{.name = "level",
	 .types = FLO_TYPES(INT),
	 .has_min = true,
	 .has_max = true,
	 .min = 1,
	 .max = 9},
	{.name = "ratio",
	 .types = FLO_TYPES(DOUBLE),
	 .has_max = true,
	 .max = 1},
	{.name = "prefix",
	 .types = FLO_TYPES(STRING),
	 .pattern = "^[a-z]*$",
	 .min_len = 2,
	 .max_len = 4},
	{.name = "columns",
	 .types = FLO_TYPES(LIST) | FLO_TYPES(STRING),
	 .min_len = 1,
	 .max_len = 3},
	{.name = "rules",
	 .types = FLO_TYPES(MAP) | FLO_TYPES(BOOL),
	 .members = rules_params,
	 .members_len = 3},
};

static const flo_expr_name record_names[] = {
	{"record", FLO_TYPES(MAP)},
};

static const flo_expr_options record_any = {
	.names = record_names,
	.names_len = 1,
};

static const flo_expr_options record_bool = {
	.names = record_names,
	.names_len = 1,
	.types = FLO_TYPES(BOOL),
};

static const flo_step_param record_params[] = {
	{.name = "map",
	 .types = FLO_TYPES(MAP),
	 .format = FLO_FORMAT_EXPRESSION,
	 .expression = &record_any},
	{.name = "where",
	 .types = FLO_TYPES(STRING),
	 .format = FLO_FORMAT_EXPRESSION,
	 .expression = &record_bool},
};

static const flo_step_type types[] = {
	{"core.noop", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"core.fail", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"core.set", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"core.sleep", "", sleep_params, 1, NULL, NULL, FLO_ISOLATION_NONE,
	 NULL},
	{"cmdb.pull", "", pull_params, 6, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"cmdb.diff", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"cmdb.apply", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"cmdb.export", "", NULL, 0, NULL, NULL, FLO_ISOLATION_NONE, NULL},
	{"test.limits", "", limits_params, 7, NULL, NULL, FLO_ISOLATION_NONE,
	 NULL},
	{"test.record", "", record_params, 2, NULL, NULL, FLO_ISOLATION_NONE,
	 NULL},
};

static const flo_step_type *registry_at(const struct flo__registry *registry,
					size_t i)
{
	(void)registry;
	return i < sizeof(types) / sizeof(types[0]) ? &types[i] : NULL;
}

static const flo_step_type *registry_find(const struct flo__registry *registry,
					  const char *name, size_t len)
{
	const flo_step_type *type;

	for (size_t i = 0; (type = registry_at(registry, i)) != NULL; i++) {
		if (strlen(type->name) == len &&
		    memcmp(type->name, name, len) == 0)
			return type;
	}
	return NULL;
}

static const struct flo__registry registry = {registry_find, registry_at};

/* "LINE:COL: severity: [code] message | hint", a line each; with the file in
 * front where it is another one. */
static void collect(const flo_diagnostic *d, void *arg)
{
	struct flo__strbuf *sb = arg;

	if (strcmp(d->file, "pipeline.json") != 0)
		flo__strbuf_addf(sb, "%s:", d->file);
	flo__strbuf_addf(sb, "%d:%d: %s: [%s] %s%s%s\n", d->line, d->column,
			 d->severity == FLO_SEVERITY_ERROR ? "error"
							   : "warning",
			 d->code, d->message, d->hint[0] != '\0' ? " | " : "",
			 d->hint);
}

/* @dir: where the paths of other pipelines start; NULL: here. */
static flo_status compile_in(const char *dir, const char *text, size_t len,
			     struct flo__strbuf *said,
			     struct flo__plan **ret_plan)
{
	struct flo__dsl_options options = {
		.file = "pipeline.json",
		.dir = dir,
		.registry = &registry,
		.fn = said != NULL ? collect : NULL,
		.arg = said,
	};

	return flo__dsl_compile(text, len, &options, NULL, ret_plan);
}

static inline flo_status compile_n(const char *text, size_t len,
				   struct flo__strbuf *said,
				   struct flo__plan **ret_plan)
{
	return compile_in(NULL, text, len, said, ret_plan);
}

/* The plan of a text without any problem. */
static inline struct flo__plan *plan_of(const char *text)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;

	compile_n(text, strlen(text), &said, &plan);
	assert_string_equal(said.data, "");
	assert_non_null(plan);
	flo__strbuf_fini(&said);
	return plan;
}

/* Assert that compiling @text says exactly @want. */
static inline void assert_says(const char *text, const char *want)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;

	compile_n(text, strlen(text), &said, &plan);
	assert_string_equal(said.data, want);
	flo__strbuf_fini(&said);
	if (plan != NULL)
		plan->free(plan);
}

/* Variables for expressions: "kind.member" of a map made from JSON. */
struct test_scope {
	struct flo__scope scope; /* first */
	const struct flo__plan *plan;
	flo_value *params;
	flo_value *outputs; /* by the name of the step */
	flo_value *item;
	int64_t index;
};

static flo_status test_get(const struct flo__scope *scope,
			   const struct flo__ref *ref, flo_error *err,
			   flo_value **ret_value)
{
	const struct test_scope *t = (const struct test_scope *)scope;
	const flo_value *value = NULL;

	switch (ref->var) {
	case FLO__VAR_PARAMS:
		value = t->params;
		break;
	case FLO__VAR_ITEM:
		value = t->item;
		break;
	case FLO__VAR_INDEX:
		*ret_value = flo_value_int(t->index);
		return *ret_value != NULL ? FLO_OK : FLO_NOMEM;
	case FLO__VAR_STEP:
		if (ref->field != FLO__FIELD_OUTPUT)
			return flo_error_set(err, FLO_FAILED, "no field");
		value = flo_value_map_get(t->outputs,
					  t->plan->nodes[ref->node].name);
		if (value == NULL) {
			*ret_value = flo_value_null();
			return FLO_OK;
		}
		break;
	default:
		break;
	}
	if (value == NULL)
		return flo_error_set(err, FLO_NOTFOUND, "not in this test");
	*ret_value = flo_value_ref(value);
	return FLO_OK;
}

static inline flo_value *json_value(const char *text)
{
	flo_value *value = NULL;

	assert_int_equal(flo_value_from_json(text, strlen(text), FLO_JSON_ANY,
					     NULL, &value),
			 FLO_OK);
	return value;
}

/* Assert that @expr computes to the JSON @want in @scope. */
static inline void assert_computes(const struct flo__expr *expr,
				   struct test_scope *scope, const char *want)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	char *json;

	assert_non_null(expr);
	scope->scope.get = test_get;
	scope->plan->language->eval(expr, &scope->scope, &err, &value);
	assert_string_equal(err.text, "");
	json = flo_value_to_json(value);
	assert_string_equal(json, want);
	flo_free(json);
	flo_value_unref(value);
}

#endif
