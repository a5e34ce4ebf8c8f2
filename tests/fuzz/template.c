/*
 * Any bytes as a string with templates, in every place where one may stand:
 * compiled, and where that gives a plan, computed.
 */
#include "fuzz.h"

#include "base/strbuf.h"
#include "base/utf8.h"

#include <flo/value.h>

#include <stdlib.h>
#include <string.h>

static const char variables[] =
	"{\"params\":{\"s\":\"text\",\"n\":3,\"l\":[1,\"\\u00e9\"],"
	"\"d\":\"5s\"},\"env\":{\"A\":\"a\"},\"run\":{\"id\":\"r1\"},"
	"\"item\":{\"k\":\"v\"},\"output\":{\"x\":[1,2]}}";

/* Variables for the expressions of a plan. */
struct fixed_scope {
	struct flo__scope scope; /* first */
	flo_value *values;
};

static flo_status get(const struct flo__scope *scope,
		      const struct flo__ref *ref, flo_error *err,
		      flo_value **ret_value)
{
	static const char *const names[] = {
		[FLO__VAR_PARAMS] = "params", [FLO__VAR_ENV] = "env",
		[FLO__VAR_RUN] = "run",	      [FLO__VAR_STEP] = "output",
		[FLO__VAR_ITEM] = "item",     [FLO__VAR_INDEX] = "params",
	};
	const struct fixed_scope *fixed = (const struct fixed_scope *)scope;
	const flo_value *value = NULL;

	if (ref->var == FLO__VAR_INDEX) {
		*ret_value = flo_value_int(4);
		return *ret_value != NULL ? FLO_OK : FLO_NOMEM;
	}
	if (ref->var < sizeof(names) / sizeof(names[0]))
		value = flo_value_map_get(fixed->values, names[ref->var]);
	if (value == NULL)
		return flo_error_set(err, FLO_NOTFOUND, "not here");
	*ret_value = flo_value_ref(value);
	return FLO_OK;
}

static void compute(const struct flo__plan *plan, struct fixed_scope *scope,
		    const struct flo__expr *expr)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	flo_status st;

	if (expr == NULL)
		return;
	st = plan->language->eval(expr, &scope->scope, &err, &value);
	FUZZ_CHECK((st == FLO_OK) == (value != NULL), "a value");
	FUZZ_CHECK(st == FLO_OK || err.text[0] != '\0', "%s without a text",
		   flo_status_text(st));
	FUZZ_CHECK(flo__utf8_valid(err.text, strlen(err.text)), "error %s",
		   err.text);
	flo_value_unref(value);
}

static void compute_all(const struct flo__plan *plan)
{
	struct fixed_scope scope = {.scope.get = get};

	flo_value_from_json(variables, sizeof(variables) - 1, FLO_JSON_ANY,
			    NULL, &scope.values);
	for (uint32_t i = 0; i < plan->nodes_len; i++) {
		const struct flo__node *node = &plan->nodes[i];
		const struct flo__attrs *attrs = &plan->attrs[node->attrs];

		for (uint32_t k = 0; k < attrs->env_len; k++)
			compute(plan, &scope, attrs->env[k].value);
		compute(plan, &scope, attrs->dir);
		compute(plan, &scope, attrs->timeout.expr);
		if (flo__node_is_block(node))
			continue;
		for (uint32_t k = 0; k < plan->leaves[node->spec].argv_len; k++)
			compute(plan, &scope, plan->leaves[node->spec].argv[k]);
		compute(plan, &scope, plan->leaves[node->spec].stdin_);
		compute(plan, &scope, plan->leaves[node->spec].with);
	}
	compute(plan, &scope, plan->output);
	flo_value_unref(scope.values);
}

/* The pieces of a pipeline; the string comes between any two of them. */
static const char *const pieces[] = {
	"{\"name\":\"p\",\"params\":{\"s\":{\"default\":\"\"},"
	"\"n\":{\"type\":\"integer\",\"default\":1},\"l\":{\"type\":\"array\"},"
	"\"d\":{\"default\":\"1s\"}},\"env\":{\"A\":\"${{ params.s }}\"},"
	"\"steps\":[{\"name\":\"a\",\"exec\":[\"true\",",
	"],\"stdin\":",
	",\"env\":{\"B\":",
	"}},\n{\"name\":\"b\",\"use\":\"core.set\",\"dir\":",
	",\"with\":{\"x\":",
	",\"deep\":[{\"y\":",
	"}]}},\n{\"name\":\"c\",\"foreach\":[1],\"exec\":[",
	"],\"timeout\":",
	",\"when\":",
	"}],\"output\":{\"o\":",
	"}}",
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* Compile a pipeline with @string in the places of the bits in @where. */
static void try_places(const char *string, unsigned where)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;

	for (size_t i = 0; i < PIECES; i++) {
		flo__strbuf_adds(&text, pieces[i]);
		if (i + 1 == PIECES)
			break;
		/* Where it is not wanted: something that fits everywhere. */
		flo__strbuf_adds(&text, (where >> i & 1) != 0 ? string
					: i == 7	      ? "\"9s\""
					: i == 8	      ? "\"index > 1\""
							      : "\"-\"");
	}
	fuzz_compile(text.data, text.len, &plan);
	if (plan != NULL) {
		compute_all(plan);
		plan->free(plan);
	}
	flo__strbuf_fini(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	flo_value *value;
	char *string;

	if (!flo__utf8_valid((const char *)data, len) ||
	    (len != 0 && memchr(data, '\0', len) != NULL))
		return -1; /* not worth keeping: no JSON string has it */
	value = flo_value_stringn((const char *)data, len);
	string = flo_value_to_json(value);
	FUZZ_CHECK(string != NULL, "out of memory");
	try_places(string, 0x27f); /* all but `timeout` and `when` */
	try_places(string, 1 << 7);
	try_places(string, 1 << 8);
	flo_free(string);
	flo_value_unref(value);
	return 0;
}
