#include "dsl/compile_p.h"
#include "dsl/regex_p.h"

#include "base/contract.h"
#include "base/utf8.h"
#include "base/value_p.h"

#include <math.h>
#include <string.h>

const char *flo__param_type_text(enum flo__param_type type)
{
	static const char *const texts[] = {"string",  "integer", "number",
					    "boolean", "array",	  "object",
					    "any"};

	return texts[type];
}

static void release(struct flo__param *param)
{
	for (; param != NULL; param = param->items) {
		flo_value_unref(param->default_);
		flo_value_unref(param->one_of);
		flo__regex_free(param->regex);
	}
}

void flo__params_release(struct flo__params *params)
{
	for (uint32_t i = 0; i < params->len; i++)
		release(&params->list[i]);
	flo__map_fini(&params->by_name);
}

struct flo__param *flo__params_find(const struct flo__params *params,
				    const char *name, size_t len)
{
	const union flo__map_slot *slot =
		flo__map_getn(&params->by_name, name, len);

	return slot != NULL ? &params->list[slot->n] : NULL;
}

static bool has_type(enum flo__param_type type, const flo_value *value)
{
	flo_value_type have = flo_value_typeof(value);
	double d;

	switch (type) {
	case FLO__PARAM_STRING:
		return have == FLO_VALUE_STRING;
	case FLO__PARAM_INTEGER:
		if (have == FLO_VALUE_INT)
			return true;
		/* JSON Schema: 1.0 is an integer. */
		d = have == FLO_VALUE_DOUBLE ? flo_value_get_double(value)
					     : NAN;
		return fabs(d) < 9e15 && trunc(d) == d;
	case FLO__PARAM_NUMBER:
		return have == FLO_VALUE_INT || have == FLO_VALUE_DOUBLE;
	case FLO__PARAM_BOOLEAN:
		return have == FLO_VALUE_BOOL;
	case FLO__PARAM_ARRAY:
		return have == FLO_VALUE_LIST;
	case FLO__PARAM_OBJECT:
		return have == FLO_VALUE_MAP;
	default:
		return true;
	}
}

const char *flo__value_json_type(const flo_value *value)
{
	switch (flo_value_typeof(value)) {
	case FLO_VALUE_NULL:
		return "null";
	case FLO_VALUE_BOOL:
		return "a boolean";
	case FLO_VALUE_INT:
	case FLO_VALUE_UINT:
		return "an integer";
	case FLO_VALUE_DOUBLE:
		return "a number";
	case FLO_VALUE_LIST:
		return "an array";
	case FLO_VALUE_MAP:
		return "an object";
	default:
		return "a string";
	}
}

static bool number_fits(const struct flo__param *param, const flo_value *value,
			struct flo__strbuf *why)
{
	double d;

	if (flo_value_typeof(value) == FLO_VALUE_INT)
		d = (double)flo_value_get_int(value);
	else if (flo_value_typeof(value) == FLO_VALUE_DOUBLE)
		d = flo_value_get_double(value);
	else
		return true;
	if (param->has_min && d < param->min) {
		flo__strbuf_addf(why, "must be at least %.17g", param->min);
		return false;
	}
	if (param->has_max && d > param->max) {
		flo__strbuf_addf(why, "must be at most %.17g", param->max);
		return false;
	}
	return true;
}

/*
 * Bytes that are no text would be stored, and printed in JSON that nobody can
 * read. A list or map comes out of a JSON reader, which has looked.
 */
static bool text_fits(const flo_value *value, struct flo__strbuf *why)
{
	const char *text;
	size_t len;

	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return true;
	text = flo_value_get_string(value, &len);
	if (flo__utf8_valid(text, len))
		return true;
	flo__strbuf_adds(why, "is not valid UTF-8");
	return false;
}

static bool length_fits(const struct flo__param *param, const flo_value *value,
			struct flo__strbuf *why)
{
	const char *text;
	size_t len;
	uint64_t n = 0;

	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return true;
	text = flo_value_get_string(value, &len);
	for (size_t i = 0; i < len; i++)
		n += (text[i] & 0xc0) != 0x80;
	if (n >= param->min_len && n <= param->max_len)
		return true;
	if (n < param->min_len)
		flo__strbuf_addf(why, "must have at least %llu character%s",
				 (unsigned long long)param->min_len,
				 param->min_len == 1 ? "" : "s");
	else
		flo__strbuf_addf(why, "must have at most %llu character%s",
				 (unsigned long long)param->max_len,
				 param->max_len == 1 ? "" : "s");
	return false;
}

static bool pattern_fits(const struct flo__param *param, const flo_value *value,
			 struct flo__strbuf *why)
{
	char reason[FLO__REGEX_WHY];
	uint64_t steps = FLO__REGEX_STEPS_ANY;
	bool found = false;
	const char *text;
	size_t len;
	flo_status st;

	if (param->regex == NULL || flo_value_typeof(value) != FLO_VALUE_STRING)
		return true;
	text = flo_value_get_string(value, &len);
	st = flo__regex_find(param->regex, text, len, &steps, reason, &found);
	why->failed |= st == FLO_NOMEM;
	if (st == FLO_OK && found)
		return true;
	if (st == FLO_OK)
		flo__strbuf_addf(why, "must match the pattern \"%s\"",
				 param->pattern);
	else
		flo__strbuf_addf(why,
				 "cannot be compared with the pattern \"%s\": "
				 "%s",
				 param->pattern,
				 st == FLO_NOMEM ? "out of memory" : reason);
	return false;
}

static bool enum_fits(const struct flo__param *param, const flo_value *value,
		      struct flo__strbuf *why)
{
	size_t n = param->one_of != NULL ? flo_value_len(param->one_of) : 0;

	if (param->one_of == NULL)
		return true;
	for (size_t i = 0; i < n; i++) {
		if (flo_value_equal(flo_value_list_at(param->one_of, i), value))
			return true;
	}
	flo__strbuf_adds(why, "must be one of ");
	flo__value_json(param->one_of, why);
	return false;
}

bool flo__param_fits(const struct flo__param *param, const flo_value *value,
		     struct flo__strbuf *why)
{
	bool array = flo_value_typeof(value) == FLO_VALUE_LIST;

	if (!has_type(param->type, value)) {
		flo__strbuf_addf(why, "must be of type %s, not %s",
				 flo__param_type_text(param->type),
				 flo__value_json_type(value));
		return false;
	}
	if (!text_fits(value, why) || !number_fits(param, value, why) ||
	    !length_fits(param, value, why) ||
	    !pattern_fits(param, value, why) || !enum_fits(param, value, why))
		return false;
	for (size_t i = 0;
	     array && param->items != NULL && i < flo_value_len(value); i++) {
		if (flo__param_fits(param->items, flo_value_list_at(value, i),
				    why))
			continue;
		flo__strbuf_addf(why, " (item %zu)", i);
		return false;
	}
	return true;
}

static const struct flo__params *params_of(const struct flo__plan *plan)
{
	return &((const struct flo__dsl_plan *)plan)->params;
}

static void unknown(const struct flo__params *params, const char *name,
		    size_t len, struct flo__strbuf *sb)
{
	struct flo__nearest near;
	char hint[96];
	const char *text;

	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < params->len; i++)
		flo__nearest_offer(&near, params->list[i].name,
				   strlen(params->list[i].name));
	text = flo__nearest_hint(&near, hint, sizeof(hint));
	flo__strbuf_addf(sb, "there is no param \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	if (text != NULL) {
		flo__strbuf_addf(sb, "; %s", text);
		return;
	}
	flo__strbuf_adds(sb, params->len == 0 ? "; the pipeline has none"
					      : "; there are: ");
	for (uint32_t i = 0; i < params->len && i < 20; i++)
		flo__strbuf_addf(sb, "%s%s", i != 0 ? ", " : "",
				 params->list[i].name);
}

static void next_line(struct flo__strbuf *sb)
{
	if (sb->len != 0)
		flo__strbuf_addc(sb, '\n');
}

static void check_given(const struct flo__params *params,
			const flo_value *given, struct flo__strbuf *sb)
{
	for (size_t i = 0; i < flo_value_len(given); i++) {
		const flo_value *key;
		const char *name;
		size_t len;

		flo_value_map_at(given, i, &key);
		if (flo_value_typeof(key) != FLO_VALUE_STRING)
			continue;
		name = flo_value_get_string(key, &len);
		if (flo__params_find(params, name, len) != NULL)
			continue;
		next_line(sb);
		unknown(params, name, len, sb);
	}
}

static flo_value *as_declared(const struct flo__param *param,
			      const flo_value *value);

/* The same of each item. It recurses no deeper than `items` may nest. */
static flo_value *list_as_declared(const struct flo__param *param,
				   const flo_value *value)
{
	size_t n = flo_value_len(value);
	flo_value *list = flo_value_list(n);

	for (size_t i = 0; list != NULL && i < n; i++) {
		flo_value *item =
			as_declared(param->items, flo_value_list_at(value, i));

		if (flo_value_list_add(list, item) != FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
	}
	return list;
}

/*
 * An integer is an int and a number a double, however it was written: what an
 * expression computes with has the type that it was checked with.
 */
static flo_value *as_declared(const struct flo__param *param,
			      const flo_value *value)
{
	flo_value_type have = flo_value_typeof(value);

	if (param->type == FLO__PARAM_INTEGER && have == FLO_VALUE_DOUBLE)
		return flo_value_int((int64_t)flo_value_get_double(value));
	if (param->type == FLO__PARAM_NUMBER && have == FLO_VALUE_INT)
		return flo_value_double((double)flo_value_get_int(value));
	if (param->items != NULL && have == FLO_VALUE_LIST)
		return list_as_declared(param, value);
	return flo_value_ref(value);
}

static flo_status bind_one(const struct flo__param *param,
			   const flo_value *given, bool partly,
			   struct flo__strbuf *sb, flo_value *map)
{
	const flo_value *value = flo_value_map_get(given, param->name);
	struct flo__strbuf why = FLO__STRBUF_INIT;
	flo_status st;

	if (value == NULL && param->default_ == NULL && param->required) {
		if (partly)
			return FLO_OK;
		next_line(sb);
		flo__strbuf_addf(sb, "param \"%s\" is required", param->name);
		return FLO_OK;
	}
	if (value != NULL && !flo__param_fits(param, value, &why)) {
		next_line(sb);
		flo__strbuf_addf(sb, "param \"%s\" %s", param->name, why.data);
		sb->failed |= why.failed;
		flo__strbuf_fini(&why);
		return FLO_OK;
	}
	if (value == NULL)
		value = param->default_;
	st = flo_value_map_set(map, param->name,
			       value != NULL ? as_declared(param, value)
					     : flo_value_null());
	return st;
}

static flo_status bind(const struct flo__params *params, const flo_value *given,
		       bool partly, flo_error *err, flo_value **ret_params)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *map = flo_value_map(params->len);
	flo_value *empty = given == NULL ? flo_value_map(0) : NULL;
	flo_status st = FLO_NOMEM;

	if (given == NULL)
		given = empty;
	if (map == NULL || given == NULL)
		goto out;
	check_given(params, given, &sb);
	for (uint32_t i = 0; i < params->len; i++)
		TRY(bind_one(&params->list[i], given, partly, &sb, map));
	TRY(flo__strbuf_status(&sb));
	if (sb.len != 0) {
		st = flo_error_set(err, FLO_INVALID, "%s", sb.data);
		goto out;
	}
	*ret_params = map;
	map = NULL;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	flo_value_unref(map);
	flo_value_unref(empty);
	flo__strbuf_fini(&sb);
	return st;
}

flo_status flo__params_bind(const struct flo__params *params,
			    const flo_value *given, flo_error *err,
			    flo_value **ret_params)
{
	return bind(params, given, false, err, ret_params);
}

flo_status flo__params_bind_partly(const struct flo__params *params,
				   const flo_value *given, flo_error *err,
				   flo_value **ret_params)
{
	return bind(params, given, true, err, ret_params);
}

flo_status flo__dsl_bind(const struct flo__plan *plan, const flo_value *given,
			 flo_error *err, flo_value **ret_params)
{
	return bind(params_of(plan), given, false, err, ret_params);
}

flo_status flo__dsl_bind_partly(const struct flo__plan *plan,
				const flo_value *given, flo_error *err,
				flo_value **ret_params)
{
	return bind(params_of(plan), given, true, err, ret_params);
}

/* The value that @text means for @param. */
static flo_status parse_param(const struct flo__param *param, const char *text,
			      flo_error *err, flo_value **ret_value)
{
	flo_error json = FLO_ERROR_INIT;
	flo_status st;

	if (param->type == FLO__PARAM_STRING) {
		*ret_value = flo_value_string(text);
		return *ret_value != NULL ? FLO_OK : FLO_NOMEM;
	}
	st = flo_value_from_json(text, strlen(text), FLO_JSON_ANY, &json,
				 ret_value);
	if (st == FLO_OK || st == FLO_NOMEM)
		return st;
	if (param->type == FLO__PARAM_ARRAY || param->type == FLO__PARAM_OBJECT)
		return flo_error_set(err, FLO_TYPE,
				     "param \"%s\" must be an %s, written as "
				     "JSON: %s (line %d, column %d)",
				     param->name,
				     flo__param_type_text(param->type),
				     json.text, json.line, json.column);
	return flo_error_set(err, FLO_TYPE,
			     "param \"%s\" must be of type %s, not \"%.80s\"",
			     param->name, flo__param_type_text(param->type),
			     text);
}

flo_status flo__dsl_param(const struct flo__plan *plan, const char *name,
			  const char *text, flo_error *err,
			  flo_value **ret_value)
{
	const struct flo__params *params = params_of(plan);
	const struct flo__param *param;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *value = NULL;
	flo_status st;

	param = flo__params_find(params, name, strlen(name));
	if (param == NULL) {
		unknown(params, name, strlen(name), &sb);
		st = flo_error_set(err, FLO_NOTFOUND, "%s", sb.data);
		goto out;
	}
	TRY(parse_param(param, text, err, &value));
	if (!flo__param_fits(param, value, &sb)) {
		TRY(flo__strbuf_status(&sb));
		st = flo_error_set(err, FLO_TYPE, "param \"%s\" %s", name,
				   sb.data);
		goto out;
	}
	*ret_value = as_declared(param, value);
	st = *ret_value != NULL ? FLO_OK : FLO_NOMEM;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	flo_value_unref(value);
	flo__strbuf_fini(&sb);
	return st;
}
