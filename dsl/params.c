#include "dsl/compile_p.h"
#include "dsl/regex_p.h"

#include "base/value_p.h"

#include <limits.h>
#include <string.h>

#define ITEMS_DEPTH_MAX 16

static void declare(struct flo__compiler *c, uint32_t node,
		    const struct flo__grammar *grammar, unsigned depth,
		    struct flo__param *param);

static flo_value *literal(struct flo__compiler *c, uint32_t node)
{
	const struct flo__expr *expr = flo__compile_literal(c, node);

	return expr != NULL ? flo_value_ref(expr->constant) : NULL;
}

/* A word of JSON Schema that only suits some types. */
static void suits(struct flo__compiler *c, uint32_t value, bool fits,
		  const struct flo__param *param)
{
	size_t len;
	const char *text;

	if (value == FLO__DOC_NONE || fits || param->doubtful)
		return;
	text = flo__doc_string(&c->doc, value - 1, &len);
	flo__compile_error(c, MISPLACED_KEY, value - 1, NULL,
			   "`%.*s` does not belong to a param of type %s",
			   (int)len, text, flo__param_type_text(param->type));
}

/* Two limits that leave nothing between them. */
static void crossed(struct flo__compiler *c, uint32_t node, const char *max,
		    const char *min)
{
	flo__compile_error(c, BAD_VALUE, node, NULL,
			   "%s is less than %s, so no value can fit", max, min);
}

static void read_numbers(struct flo__compiler *c, uint32_t node,
			 struct flo__param *param)
{
	static const struct flo__shape any_number = {0};
	uint32_t min = flo__doc_get(&c->doc, node, "minimum");
	uint32_t max = flo__doc_get(&c->doc, node, "maximum");
	bool number = param->type == FLO__PARAM_INTEGER ||
		      param->type == FLO__PARAM_NUMBER;

	suits(c, min, number, param);
	suits(c, max, number, param);
	param->has_min = flo__compile_real(c, min, "`minimum`", &any_number,
					   &param->min);
	param->has_max = flo__compile_real(c, max, "`maximum`", &any_number,
					   &param->max);
	if (param->has_min && param->has_max && param->min > param->max)
		crossed(c, max, "`maximum`", "`minimum`");
}

/* A length, which no template computes. */
static void read_length(struct flo__compiler *c, uint32_t node,
			const char *what, uint64_t *ret)
{
	struct flo__view view = flo__view_of(c, 0, 0);
	struct flo__number n = {.fixed = *ret};

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_NUMBER, what))
		return;
	flo__compile_count(&view, node, what, 0, &n);
	*ret = n.fixed;
}

static void read_lengths(struct flo__compiler *c, uint32_t node,
			 struct flo__param *param)
{
	uint32_t min = flo__doc_get(&c->doc, node, "minLength");
	uint32_t max = flo__doc_get(&c->doc, node, "maxLength");

	suits(c, min, param->type == FLO__PARAM_STRING, param);
	suits(c, max, param->type == FLO__PARAM_STRING, param);
	read_length(c, min, "`minLength`", &param->min_len);
	read_length(c, max, "`maxLength`", &param->max_len);
	if (param->min_len > param->max_len)
		crossed(c, max, "`maxLength`", "`minLength`");
}

/* `pattern`, which matches anywhere in a value unless it has ^ and $. */
static void read_pattern(struct flo__compiler *c, uint32_t node,
			 struct flo__param *param)
{
	uint32_t at = flo__doc_get(&c->doc, node, "pattern");
	char why[FLO__REGEX_WHY];
	const char *text;
	size_t len;
	flo_status st;

	suits(c, at, param->type == FLO__PARAM_STRING, param);
	if (at == FLO__DOC_NONE ||
	    !flo__compile_is(c, at, FLO__DOC_STRING, "`pattern`"))
		return;
	text = flo__doc_string(&c->doc, at, &len);
	param->pattern = flo__compile_string(c, at);
	st = flo__regex_new(text, len, why, &param->regex);
	c->nomem |= st == FLO_NOMEM;
	if (st == FLO_INVALID)
		flo__compile_error(c, BAD_PATTERN, at, NULL,
				   "`pattern` is no regular expression: %s",
				   why);
}

static void read_items(struct flo__compiler *c, uint32_t node, unsigned depth,
		       struct flo__param *param)
{
	uint32_t items = flo__doc_get(&c->doc, node, "items");

	suits(c, items, param->type == FLO__PARAM_ARRAY, param);
	if (items == FLO__DOC_NONE ||
	    !flo__compile_is(c, items, FLO__DOC_OBJECT, "`items`"))
		return;
	if (depth == ITEMS_DEPTH_MAX) {
		flo__compile_error(c, TOO_DEEP, items, NULL,
				   "`items` nested deeper than %d",
				   ITEMS_DEPTH_MAX);
		return;
	}
	param->items = flo__compile_alloc(c, 1, sizeof(*param->items));
	if (param->items == NULL)
		return;
	param->items->type = FLO__PARAM_ANY;
	param->items->name = "item";
	declare(c, items, &flo__grammar_items, depth + 1, param->items);
}

/* `default`, which must fit what is declared. */
static void read_default(struct flo__compiler *c, uint32_t node,
			 struct flo__param *param)
{
	struct flo__strbuf why = FLO__STRBUF_INIT;
	uint32_t at = flo__doc_get(&c->doc, node, "default");

	if (at == FLO__DOC_NONE)
		return;
	param->default_ = literal(c, at);
	if (param->default_ != NULL &&
	    !flo__param_fits(param, param->default_, &why))
		flo__compile_error(c, BAD_DEFAULT, at, NULL, "`default` %s",
				   why.data);
	c->nomem |= why.failed;
	flo__strbuf_fini(&why);
}

/*
 * Report a value of `enum` that is there already. They are told apart by their
 * JSON; 1 and 1.0 are one number.
 */
static void check_twice(struct flo__compiler *c, uint32_t item,
			const flo_value *value, struct flo__map *seen)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	union flo__map_slot *slot;
	flo_status st = FLO_NOMEM;

	flo__value_json(value, &sb);
	if (flo_value_typeof(value) == FLO_VALUE_DOUBLE && sb.len > 2 &&
	    memcmp(sb.data + sb.len - 2, ".0", 2) == 0)
		flo__strbuf_cut(&sb, sb.len - 2);
	if (!sb.failed)
		st = flo__map_putn(seen, sb.data, sb.len, &slot);
	if (st == FLO_EXISTS)
		flo__compile_error(c, BAD_VALUE, item, "leave one out",
				   "this value is in `enum` already");
	c->nomem |= st == FLO_NOMEM;
	flo__strbuf_fini(&sb);
}

static void read_enum(struct flo__compiler *c, uint32_t node,
		      struct flo__param *param)
{
	uint32_t at = flo__doc_get(&c->doc, node, "enum");
	struct flo__map seen;
	flo_value *one_of;

	if (at == FLO__DOC_NONE ||
	    !flo__compile_is(c, at, FLO__DOC_ARRAY, "`enum`"))
		return;
	if (c->doc.nodes[at].len == 0)
		flo__compile_error(c, BAD_VALUE, at, NULL,
				   "`enum` allows no value at all");
	flo__map_init(&seen, c->arena);
	one_of = literal(c, at);
	for (uint32_t item = flo__doc_first(&c->doc, at), i = 0;
	     one_of != NULL && item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next, i++) {
		struct flo__strbuf why = FLO__STRBUF_INIT;

		if (!flo__param_fits(param, flo_value_list_at(one_of, i), &why))
			flo__compile_error(c, BAD_DEFAULT, item, NULL,
					   "this value of `enum` %s", why.data);
		c->nomem |= why.failed;
		flo__strbuf_fini(&why);
		check_twice(c, item, flo_value_list_at(one_of, i), &seen);
	}
	flo__map_fini(&seen);
	param->one_of = one_of;
}

/* It may be anything: what it should be has been asked. */
static void doubt_param(struct flo__param *param)
{
	param->type = FLO__PARAM_ANY;
	param->doubtful = true;
}

/* The schema at @node, of a param or of the items of one. */
static void declare(struct flo__compiler *c, uint32_t node,
		    const struct flo__grammar *grammar, unsigned depth,
		    struct flo__param *param)
{
	uint32_t type, text;
	unsigned word = UINT_MAX;

	flo__keys_only(c, node, grammar);
	type = flo__doc_get(&c->doc, node, "type");
	text = flo__doc_get(&c->doc, node, "description");
	param->max_len = UINT64_MAX;
	flo__compile_word(c, type, "`type`", &flo__shape_param_type, &word);
	if (word != UINT_MAX)
		param->type = (enum flo__param_type)word;
	else if (type != FLO__DOC_NONE)
		doubt_param(param);
	if (text != FLO__DOC_NONE)
		flo__compile_plain(c, text, "`description`");
	read_numbers(c, node, param);
	read_lengths(c, node, param);
	read_pattern(c, node, param);
	read_items(c, node, depth, param);
	read_enum(c, node, param);
	read_default(c, node, param);
	flo__compile_bool(c, flo__doc_get(&c->doc, node, "required"),
			  "`required`", &param->required);
}

/* The param that is added next has @name; false without memory. */
static bool add_name(struct flo__params *params, const char *name)
{
	union flo__map_slot *slot;
	flo_status st = flo__map_put(&params->by_name, name, &slot);

	if (st == FLO_OK)
		slot->n = params->len;
	return st != FLO_NOMEM; /* twice: reported with the document */
}

void flo__params_declare(struct flo__compiler *c, uint32_t node)
{
	struct flo__params *params = &c->out->params;

	if (node == FLO__DOC_NONE)
		return;
	params->doubtful =
		!flo__compile_is(c, node, FLO__DOC_OBJECT, "`params`");
	if (params->doubtful)
		return;
	params->list = flo__compile_alloc(c, c->doc.nodes[node].len,
					  sizeof(*params->list));
	for (uint32_t key = flo__doc_first(&c->doc, node);
	     params->list != NULL && key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		struct flo__param *param = &params->list[params->len];
		uint32_t value = flo__doc_value(key);

		if (!flo__name_check(c, key, "a param")) {
			params->doubtful = true;
			continue;
		}
		param->name = flo__compile_string(c, key);
		if (param->name == NULL)
			return;
		param->place = key;
		if (!add_name(params, param->name)) {
			c->nomem = true;
			return;
		}
		params->len++;
		if (flo__compile_is(c, value, FLO__DOC_OBJECT, "a param"))
			declare(c, value, &flo__grammar_param, 0, param);
		else
			doubt_param(param);
	}
}
