/*
 * Arguments of step types: what a type declares of them, and whether a value
 * fits. The compiler asks for what is literal, at its place in the file, and
 * the runner for what templates computed.
 */
#include "dsl/arguments_p.h"

#include "dsl/dsl.h"
#include "dsl/expr_p.h"
#include "dsl/regex_p.h"
#include "dsl/report_p.h"

#include "base/time.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 40 /* bytes of a text that a message shows */

/* A secret is not shown: what masks it does not know a part of it. */
static void refuse(struct flo__misfit *why, const char *text, size_t len)
{
	if (why->secret)
		flo__strbuf_adds(&why->text, "cannot be what it is");
	else
		flo__strbuf_addf(&why->text, "cannot be \"%.*s\"",
				 (int)(len < SHOWN ? len : SHOWN), text);
}

/* Its place is in the text, of which a file may show another one. */
static bool is_expression(const flo_step_param *param, const char *text,
			  size_t len, struct flo__misfit *why)
{
	flo_error err = FLO_ERROR_INIT;
	flo_expr *expr = NULL;
	flo_status st = flo__dsl_expr_compile(text, len, param->expression,
					      &err, &expr);

	flo__dsl_expr_free(expr);
	if (st == FLO_OK)
		return true;
	why->text.failed |= st == FLO_NOMEM;
	if (why->secret)
		flo__strbuf_adds(&why->text, "is no expression that fits");
	else
		flo__strbuf_addf(&why->text,
				 "is no expression that fits: %s (line %d, "
				 "column %d)",
				 err.text, err.line, err.column);
	return false;
}

static bool is_pointer(const char *text, size_t len, struct flo__misfit *why)
{
	bool good = len == 0 || text[0] == '/';
	size_t skip = 0;

	for (size_t i = 0; good && i < len; i++)
		good = text[i] != '~' || (i + 1 < len && (text[i + 1] == '0' ||
							  text[i + 1] == '1'));
	if (good)
		return true;
	refuse(why, text, len);
	/* "$.a" is JSONPath's, ".a" is jq's. */
	skip += skip < len && text[skip] == '$';
	skip += skip < len && text[skip] == '.';
	if (len != 0 && text[0] != '/' && len <= SHOWN && !why->secret)
		snprintf(why->hint, sizeof(why->hint),
			 "a JSON pointer begins with a slash: \"/%.*s\"",
			 (int)(len - skip), text + skip);
	else
		snprintf(why->hint, sizeof(why->hint),
			 "a JSON pointer is written \"/a/b\"; ~ in a name is "
			 "~0, / is ~1");
	return false;
}

static bool is_format(const flo_step_param *param, const char *text, size_t len,
		      struct flo__misfit *why)
{
	uint64_t n;
	flo_status st = FLO_OK;

	switch (param->format) {
	case FLO_FORMAT_DURATION:
		st = flo__units_parse(flo__duration_parse, text, len, &n);
		snprintf(why->hint, sizeof(why->hint), FLO__DURATION_HINT);
		break;
	case FLO_FORMAT_SIZE:
		st = flo__units_parse(flo__size_parse, text, len, &n);
		snprintf(why->hint, sizeof(why->hint), FLO__SIZE_HINT);
		break;
	case FLO_FORMAT_EXPRESSION:
		return is_expression(param, text, len, why);
	case FLO_FORMAT_POINTER:
		return is_pointer(text, len, why);
	default:
		break;
	}
	if (st == FLO_OK)
		return true;
	refuse(why, text, len);
	if (st == FLO_RANGE)
		flo__strbuf_adds(&why->text, ", which is too large");
	return false;
}

static bool is_word(const flo_step_param *param, const char *text, size_t len,
		    struct flo__misfit *why)
{
	struct flo__nearest near;

	if (param->one_of == NULL)
		return true;
	flo__nearest_init(&near, text, len);
	for (size_t i = 0; param->one_of[i] != NULL; i++) {
		const char *word = param->one_of[i];

		if (strlen(word) == len && memcmp(word, text, len) == 0)
			return true;
		flo__nearest_offer(&near, word, strlen(word));
	}
	if (flo__nearest_hint(&near, why->hint, sizeof(why->hint)) == NULL)
		flo__words_list(param->one_of, why->hint, sizeof(why->hint));
	if (why->secret) /* the nearest word says what it looks like */
		flo__words_list(param->one_of, why->hint, sizeof(why->hint));
	refuse(why, text, len);
	return false;
}

static bool has_pattern(const flo_step_param *param, const char *text,
			size_t len, struct flo__misfit *why)
{
	char reason[FLO__REGEX_WHY];
	struct flo__regex *regex = NULL;
	uint64_t steps = FLO__REGEX_STEPS_ANY;
	bool found = false;
	flo_status st;

	if (param->pattern == NULL)
		return true;
	st = flo__regex_new(param->pattern, strlen(param->pattern), reason,
			    &regex);
	if (st == FLO_OK)
		st = flo__regex_find(regex, text, len, &steps, reason, &found);
	flo__regex_free(regex);
	why->text.failed |= st == FLO_NOMEM;
	if (st == FLO_OK && found)
		return true;
	if (param->hint != NULL && st == FLO_OK) {
		refuse(why, text, len);
		snprintf(why->hint, sizeof(why->hint), "%s", param->hint);
		return false;
	}
	flo__strbuf_addf(&why->text, "must match the pattern \"%s\"",
			 param->pattern);
	if (st != FLO_OK && st != FLO_NOMEM)
		flo__strbuf_addf(&why->text, ": %s", reason);
	return false;
}

bool flo__argument_len_fits(const flo_step_param *param, size_t len,
			    const char *unit, struct flo__misfit *why)
{
	if (len < param->min_len)
		flo__strbuf_addf(&why->text, "must have at least %zu %s%s",
				 param->min_len, unit,
				 param->min_len == 1 ? "" : "s");
	else if (param->max_len != 0 && len > param->max_len)
		flo__strbuf_addf(&why->text, "must have at most %zu %s%s",
				 param->max_len, unit,
				 param->max_len == 1 ? "" : "s");
	else
		return true;
	return false;
}

static bool text_fits(const flo_step_param *param, const flo_value *value,
		      struct flo__misfit *why)
{
	size_t len;
	const char *text = flo_value_get_string(value, &len);
	size_t chars = 0;

	for (size_t i = 0; i < len; i++)
		chars += (text[i] & 0xc0) != 0x80;
	return flo__argument_len_fits(param, chars, "character", why) &&
	       is_format(param, text, len, why) &&
	       is_word(param, text, len, why) &&
	       has_pattern(param, text, len, why);
}

static bool number_fits(const flo_step_param *param, double d,
			struct flo__misfit *why)
{
	if (param->has_min && !(d >= param->min))
		flo__strbuf_addf(&why->text, "must be at least %.17g",
				 param->min);
	else if (param->has_max && !(d <= param->max))
		flo__strbuf_addf(&why->text, "must be at most %.17g",
				 param->max);
	else
		return true;
	return false;
}

const flo_step_param *flo__argument_find(const flo_step_param *params,
					 size_t params_len, const char *name,
					 size_t len)
{
	for (size_t i = 0; i < params_len; i++)
		if (strlen(params[i].name) == len &&
		    memcmp(params[i].name, name, len) == 0)
			return &params[i];
	return NULL;
}

void flo__argument_nearest(const flo_step_param *params, size_t params_len,
			   const char *name, size_t len,
			   struct flo__nearest *ret_near)
{
	flo__nearest_init(ret_near, name, len);
	for (size_t i = 0; i < params_len; i++)
		flo__nearest_offer(ret_near, params[i].name,
				   strlen(params[i].name));
}

const char *flo__argument_near(const flo_step_param *params, size_t params_len,
			       const char *name, size_t len, char *hint,
			       size_t hint_size)
{
	struct flo__nearest near;

	flo__argument_nearest(params, params_len, name, len, &near);
	return flo__nearest_hint(&near, hint, hint_size);
}

/* One member of a map, by its name. */
static bool member_fits(const flo_step_param *param, const char *name,
			size_t len, const flo_value *value,
			struct flo__misfit *why)
{
	const flo_step_param *member =
		flo__argument_find(param->members, param->members_len, name,
				   len);

	if (member == NULL) {
		flo__argument_near(param->members, param->members_len, name,
				   len, why->hint, sizeof(why->hint));
		flo__strbuf_addf(&why->text, "takes no \"%.*s\"",
				 (int)(len < SHOWN ? len : SHOWN), name);
		return false;
	}
	flo__strbuf_addf(&why->text, "has a \"%s\" that ", member->name);
	if ((flo__argument_types(member) & 1u << flo_value_typeof(value)) ==
	    0) {
		flo__strbuf_addf(&why->text, "must be %s, not %s",
				 flo__argument_wanted(member),
				 flo__value_json_type(value));
		return false;
	}
	if (!flo__argument_fits(member, value, why))
		return false;
	flo__strbuf_reset(&why->text);
	return true;
}

static bool members_fit(const flo_step_param *param, const flo_value *map,
			struct flo__misfit *why)
{
	size_t n = param->members != NULL ? flo_value_len(map) : 0;
	bool fits = true;

	for (size_t i = 0; fits && i < n; i++) {
		const flo_value *key;
		const flo_value *value = flo_value_map_at(map, i, &key);
		const char *name;
		size_t len;

		if (flo_value_typeof(key) != FLO_VALUE_STRING)
			continue; /* none is, in what JSON can say */
		name = flo_value_get_string(key, &len);
		fits = member_fits(param, name, len, value, why);
	}
	for (size_t i = 0; fits && i < param->members_len; i++) {
		const flo_step_param *member = &param->members[i];

		fits = !member->required ||
		       flo_value_map_get(map, member->name) != NULL;
		if (!fits)
			flo__strbuf_addf(&why->text, "lacks \"%s\"",
					 member->name);
	}
	return fits;
}

/* A map of expressions; of others nothing is asked. */
static bool entries_fit(const flo_step_param *param, const flo_value *map,
			struct flo__misfit *why)
{
	size_t n =
		param->format == FLO_FORMAT_EXPRESSION ? flo_value_len(map) : 0;

	for (size_t i = 0; i < n; i++) {
		const flo_value *key;
		const flo_value *value = flo_value_map_at(map, i, &key);
		size_t len;
		const char *text;

		if (flo_value_typeof(key) != FLO_VALUE_STRING)
			continue; /* none is, in what JSON can say */
		flo__strbuf_addf(&why->text, "entry \"%.*s\" ", SHOWN,
				 flo_value_get_string(key, NULL));
		if (flo_value_typeof(value) != FLO_VALUE_STRING) {
			flo__strbuf_addf(&why->text,
					 "must be a string, an expression, not "
					 "%s",
					 flo__value_json_type(value));
			return false;
		}
		text = flo_value_get_string(value, &len);
		if (!is_expression(param, text, len, why))
			return false;
		flo__strbuf_cut(&why->text, 0);
	}
	return true;
}

bool flo__argument_item_fits(const flo_step_param *param, const flo_value *item,
			     struct flo__misfit *why)
{
	const char *text;
	size_t len;

	if (param->format != FLO_FORMAT_POINTER)
		return true;
	flo__strbuf_adds(&why->text, "has an item that ");
	if (flo_value_typeof(item) != FLO_VALUE_STRING) {
		flo__strbuf_addf(&why->text, "must be a string, not %s",
				 flo__value_json_type(item));
		return false;
	}
	text = flo_value_get_string(item, &len);
	if (!is_format(param, text, len, why))
		return false;
	flo__strbuf_reset(&why->text);
	return true;
}

static bool list_fits(const flo_step_param *param, const flo_value *list,
		      struct flo__misfit *why)
{
	size_t n = flo_value_len(list);

	if (!flo__argument_len_fits(param, n, "item", why))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!flo__argument_item_fits(param, flo_value_list_at(list, i),
					     why))
			return false;
	}
	return true;
}

bool flo__argument_fits(const flo_step_param *param, const flo_value *value,
			struct flo__misfit *why)
{
	switch (flo_value_typeof(value)) {
	case FLO_VALUE_STRING:
		return text_fits(param, value, why);
	case FLO_VALUE_LIST:
		return list_fits(param, value, why);
	case FLO_VALUE_INT:
		return number_fits(param, (double)flo_value_get_int(value),
				   why);
	case FLO_VALUE_DOUBLE:
		return number_fits(param, flo_value_get_double(value), why);
	case FLO_VALUE_MAP:
		return param->members != NULL ? members_fit(param, value, why)
					      : entries_fit(param, value, why);
	default:
		return true;
	}
}

unsigned flo__argument_types(const flo_step_param *param)
{
	if (param->types == 0)
		return ~0u;
	return param->types & FLO_TYPES(DOUBLE) ? param->types | FLO_TYPES(INT)
						: param->types;
}

const char *flo__argument_wanted(const flo_step_param *param)
{
	static const struct {
		unsigned types;
		const char *text;
	} texts[] = {
		{FLO_TYPES(STRING), "a string"},
		{FLO_TYPES(BOOL), "a boolean"},
		{FLO_TYPES(INT), "a whole number"},
		{FLO_TYPES(INT) | FLO_TYPES(DOUBLE), "a number"},
		{FLO_TYPES(INT) | FLO_TYPES(DOUBLE) | FLO_TYPES(BOOL),
		 "a number or a boolean"},
		{FLO_TYPES(LIST), "an array"},
		{FLO_TYPES(MAP), "an object"},
		{FLO_TYPES(STRING) | FLO_TYPES(LIST), "a string or an array"},
		{FLO_TYPES(STRING) | FLO_TYPES(MAP), "a string or an object"},
		{FLO_TYPES(MAP) | FLO_TYPES(BOOL), "an object or a boolean"},
		{FLO_TYPES(LIST) | FLO_TYPES(MAP), "an array or an object"},
	};
	unsigned types = flo__argument_types(param);

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].types == types)
			return texts[i].text;
	}
	return "something else";
}

/* One argument that a step was given. */
static flo_status check_value(const flo_step_param *param,
			      const flo_value *value, bool secret,
			      flo_error *err)
{
	struct flo__misfit why = {.text = FLO__STRBUF_INIT, .secret = secret};
	flo_status st = FLO_OK;

	if ((flo__argument_types(param) & 1u << flo_value_typeof(value)) == 0)
		return flo_error_set(err, FLO_TYPE,
				     "with: \"%s\" must be %s, not %s",
				     param->name, flo__argument_wanted(param),
				     flo__value_json_type(value));
	if (!flo__argument_fits(param, value, &why) && !why.text.failed)
		st = flo_error_set(err, FLO_INVALID, "with: \"%s\" %s%s%s",
				   param->name, why.text.data,
				   why.hint[0] != '\0' ? "; " : "", why.hint);
	if (why.text.failed)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__strbuf_fini(&why.text);
	return st;
}

void flo__argument_choices(const flo_step_type *type, char *ret, size_t size)
{
	const char *const *names = type->exactly_one;
	int at = 0;

	for (size_t i = 0; names[i] != NULL && at >= 0 && (size_t)at < size;
	     i++)
		at += snprintf(ret + at, size - (size_t)at, "%s`%s`",
			       i == 0		      ? ""
			       : names[i + 1] == NULL ? " and "
						      : ", ",
			       names[i]);
}

/* Of those of which a step has one, it was given one. */
static flo_status check_one(const flo_step_type *type, const flo_value *with,
			    flo_error *err)
{
	char names[160];
	size_t n = 0;

	if (type->exactly_one == NULL)
		return FLO_OK;
	for (size_t i = 0; type->exactly_one[i] != NULL; i++)
		n += flo_value_map_get(with, type->exactly_one[i]) != NULL;
	if (n == 1)
		return FLO_OK;
	flo__argument_choices(type, names, sizeof(names));
	return flo_error_set(err, FLO_INVALID, "with: give exactly one of %s",
			     names);
}

flo_status flo__arguments_check(const flo_step_type *type,
				const struct flo__expr *expr,
				const flo_value *with, flo_error *err)
{
	bool secret = expr != NULL && flo__expr_uses_secret(expr);
	flo_status st = FLO_OK;

	if (type->params == NULL)
		return FLO_OK;
	if (flo_value_typeof(with) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "with: it must be an object, not %s",
				     flo__value_json_type(with));
	for (size_t i = 0; i < type->params_len && st == FLO_OK; i++) {
		const flo_step_param *param = &type->params[i];
		const flo_value *value = flo_value_map_get(with, param->name);

		if (value != NULL)
			st = check_value(param, value, secret, err);
		else if (param->required)
			st = flo_error_set(err, FLO_INVALID,
					   "with: \"%s\" is missing",
					   param->name);
	}
	return st == FLO_OK ? check_one(type, with, err) : st;
}

/* What is declared of @param can be had. */
static flo_status check_declared(const flo_step_type *type,
				 const flo_step_param *param, flo_error *err)
{
	char why[FLO__REGEX_WHY];
	struct flo__regex *regex = NULL;
	flo_status st = FLO_OK;

	if (param->pattern != NULL)
		st = flo__regex_new(param->pattern, strlen(param->pattern), why,
				    &regex);
	flo__regex_free(regex);
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	if (st != FLO_OK)
		return flo_error_set(err, FLO_INVALID,
				     "step type \"%s\": the pattern "
				     "of `%s` is no regular "
				     "expression: %s",
				     type->name, param->name, why);
	if ((param->has_min && param->has_max && param->min > param->max) ||
	    (param->max_len != 0 && param->min_len > param->max_len) ||
	    (unsigned)param->format > FLO_FORMAT_POINTER ||
	    (param->format == FLO_FORMAT_EXPRESSION &&
	     param->expression == NULL))
		return flo_error_set(err, FLO_INVALID,
				     "step type \"%s\": no value can "
				     "fit what is asked of `%s`",
				     type->name, param->name);
	for (size_t i = 0; i < param->members_len && st == FLO_OK; i++)
		st = check_declared(type, &param->members[i], err);
	return st;
}

/* What is one of several is an argument, and may be left out. */
static flo_status check_choice(const flo_step_type *type, const char *name,
			       flo_error *err)
{
	const flo_step_param *param =
		flo__argument_find(type->params, type->params_len, name,
				   strlen(name));

	if (param != NULL && !param->required)
		return FLO_OK;
	return flo_error_set(err, FLO_INVALID,
			     "step type \"%s\": `%s` of `exactly_one` %s",
			     type->name, name,
			     param == NULL ? "is no argument" : "is required");
}

flo_status flo__arguments_declared(const flo_step_type *type, flo_error *err)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; i < type->params_len && st == FLO_OK; i++)
		st = check_declared(type, &type->params[i], err);
	for (size_t i = 0; st == FLO_OK && type->exactly_one != NULL &&
			   type->exactly_one[i] != NULL;
	     i++)
		st = check_choice(type, type->exactly_one[i], err);
	return st;
}
