#include "dsl/compile_p.h"

#include "base/time.h"

#include <stdlib.h>
#include <string.h>

/* A string that is one template over params: its expression. */
static void template_number(struct flo__view *view, uint32_t node,
			    unsigned types, const char *what,
			    struct flo__number *ret)
{
	struct flo__compiler *c = view->c;
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	struct flo__view params = *view;
	const struct flo__expr *expr;

	if (len < 5 || memcmp(text, "${{", 3) != 0 ||
	    flo__lexer_template_end(text, len, 3) + 2 != len) {
		flo__compile_error(c, BAD_VALUE, node,
				   "write \"${{ ... }}\", with all of it "
				   "inside",
				   "%s must be one template, without text "
				   "around it",
				   what);
		return;
	}
	params.sees &= SEES_PARAMS | SEES_ITEM;
	expr = flo__compile_template(&params, node, types, what);
	if (expr != NULL)
		ret->expr = expr;
}

/* A whole number of at least @min, or report what is wrong. */
static bool whole(struct flo__compiler *c, uint32_t node, const char *what,
		  uint64_t min, uint64_t *ret)
{
	flo_value *value;
	bool ok;

	if (c->doc.nodes[node].type != FLO__DOC_NUMBER) {
		flo__compile_error(
			c, WRONG_TYPE, node,
			c->doc.nodes[node].type == FLO__DOC_STRING
				? "write it without quotes"
				: NULL,
			"%s must be a whole number, not %s", what,
			flo__doc_type_text(
				(enum flo__doc_type)c->doc.nodes[node].type));
		return false;
	}
	value = flo__doc_scalar(&c->doc, node);
	if (value == NULL) {
		c->nomem = true;
		return false;
	}
	ok = flo_value_typeof(value) == FLO_VALUE_INT &&
	     flo_value_get_int(value) >= (int64_t)min;
	if (ok)
		*ret = (uint64_t)flo_value_get_int(value);
	else
		flo__compile_error(c, BAD_VALUE, node, NULL,
				   "%s must be a whole number of at least %u",
				   what, (unsigned)min);
	flo_value_unref(value);
	return ok;
}

void flo__compile_count(struct flo__view *view, uint32_t node, const char *what,
			uint64_t min, struct flo__number *ret)
{
	struct flo__compiler *c = view->c;
	size_t at;

	if (node == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[node].type == FLO__DOC_STRING &&
	    flo__compile_has_template(c, node, &at)) {
		template_number(view, node, FLO_TYPES(INT), what, ret);
		return;
	}
	whole(c, node, what, min, &ret->fixed);
}

flo_status flo__units_parse(flo_status (*parse)(const char *, size_t,
						uint64_t *),
			    const char *text, size_t len, uint64_t *ret)
{
	flo_status st = parse(text, len, ret);

	if (st == FLO_OK && len > 0 && text[len - 1] <= '9')
		st = FLO_INVALID; /* of what? Bytes must be said, too. */
	return st;
}

/* Read a duration or size, which @parse understands. */
static bool units(struct flo__compiler *c, uint32_t node, const char *what,
		  const char *example,
		  flo_status (*parse)(const char *, size_t, uint64_t *),
		  uint64_t *ret)
{
	const char *text;
	size_t len;
	size_t at;
	flo_status st;

	if (c->doc.nodes[node].type != FLO__DOC_STRING) {
		flo__compile_error(
			c, WRONG_TYPE, node, example,
			"%s must be a string, "
			"not %s",
			what,
			flo__doc_type_text(
				(enum flo__doc_type)c->doc.nodes[node].type));
		return false;
	}
	if (flo__compile_has_template(c, node, &at)) {
		flo__compile_plain(c, node, what);
		return false;
	}
	text = flo__doc_string(&c->doc, node, &len);
	st = flo__units_parse(parse, text, len, ret);
	if (st == FLO_OK)
		return true;
	flo__compile_error(c, BAD_VALUE, node, example,
			   st == FLO_RANGE ? "%s \"%.*s\" is too large"
					   : "%s cannot be \"%.*s\"",
			   what, (int)(len < 40 ? len : 40), text);
	return false;
}

bool flo__compile_ns(struct flo__compiler *c, uint32_t node, const char *what,
		     uint64_t *ret_ns)
{
	return node != FLO__DOC_NONE && units(c, node, what, FLO__DURATION_HINT,
					      flo__duration_parse, ret_ns);
}

void flo__compile_time_limit(struct flo__compiler *c, uint32_t node,
			     const char *what, uint64_t *ret_ns)
{
	if (flo__compile_ns(c, node, what, ret_ns) && *ret_ns == 0)
		flo__compile_error(c, BAD_VALUE, node, NULL,
				   "%s must be more than 0", what);
}

bool flo__compile_size(struct flo__compiler *c, uint32_t node, const char *what,
		       uint64_t *ret_bytes)
{
	return node != FLO__DOC_NONE &&
	       units(c, node, what, FLO__SIZE_HINT, flo__size_parse, ret_bytes);
}

void flo__compile_duration(struct flo__view *view, uint32_t node,
			   const char *what, struct flo__number *ret)
{
	struct flo__compiler *c = view->c;
	size_t at;

	if (node == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[node].type == FLO__DOC_STRING &&
	    flo__compile_has_template(c, node, &at)) {
		template_number(view, node, FLO_TYPES(STRING), what, ret);
		return;
	}
	flo__compile_time_limit(c, node, what, &ret->fixed);
}

bool flo__compile_real(struct flo__compiler *c, uint32_t node, const char *what,
		       const struct flo__shape *shape, double *ret)
{
	flo_value *value;
	double max = shape->max > 0 ? shape->max : 1e308;
	double min = shape->max > 0 ? shape->min : -1e308;
	double d;

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_NUMBER, what))
		return false;
	value = flo__doc_scalar(&c->doc, node);
	if (value == NULL) {
		c->nomem = true;
		return false;
	}
	d = flo_value_typeof(value) == FLO_VALUE_INT
		    ? (double)flo_value_get_int(value)
		    : flo_value_get_double(value);
	flo_value_unref(value);
	if (!(d >= min && d <= max)) {
		flo__compile_error(c, BAD_VALUE, node, NULL,
				   "%s must lie between %g and %g", what, min,
				   max);
		return false;
	}
	*ret = d;
	return true;
}
