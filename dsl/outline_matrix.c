/*
 * How many combinations a matrix makes, by the rules that the runner has
 * (engine/run/items.c): the product, without what an exclusion matches in all
 * that it names, and with what is included.
 */
#include "dsl/outline_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* Combinations that exclusions may name, one by one; more are not counted. */
#define EXCLUDE_COST_MAX 100000000

struct counting {
	struct flo__known *known;
	const struct flo__matrix *matrix;
	flo_value **axes; /* owned: lists, NULL where one is not known */
	uint64_t product;
	uint8_t *out;	 /* of each combination: it is excluded */
	uint32_t *found; /* combinations that an exclusion matches */
	uint64_t cost;
	flo_error *err;
	enum flo__known_state state;
};

/* A list that is known; *@ret is NULL if it is not or cannot be. */
static flo_status eval_list(struct counting *c, const struct flo__expr *expr,
			    const char *what, flo_value **ret)
{
	enum flo__known_state state;
	flo_value *value = NULL;
	flo_status st = flo__known_eval(c->known, expr, c->err, &state, &value);

	if (st != FLO_OK)
		return st;
	if (state == FLO__KNOWN_YES &&
	    flo_value_typeof(value) != FLO_VALUE_LIST) {
		state = FLO__KNOWN_ERROR;
		flo_error_set(c->err, FLO_TYPE, "it is not an array");
	}
	if (state == FLO__KNOWN_YES) {
		*ret = value;
		return FLO_OK;
	}
	flo_value_unref(value);
	if (state == FLO__KNOWN_ERROR)
		flo_error_prefix(c->err, "%s", what);
	if (c->state != FLO__KNOWN_ERROR)
		c->state = state;
	return FLO_OK;
}

static flo_status eval_axes(struct counting *c)
{
	flo_status st = FLO_OK;

	for (uint32_t a = 0; a < c->matrix->axes_len && st == FLO_OK &&
			     c->state != FLO__KNOWN_ERROR;
	     a++)
		st = eval_list(c, c->matrix->axes[a].values,
			       c->matrix->axes[a].name, &c->axes[a]);
	return st;
}

static void too_many(struct counting *c)
{
	c->state = FLO__KNOWN_ERROR;
	flo_error_set(c->err, FLO_LIMIT, "more than %d combinations",
		      FLO__MATRIX_ITEMS_MAX);
}

static void multiply(struct counting *c)
{
	bool none = c->matrix->axes_len == 0;

	for (uint32_t a = 0; a < c->matrix->axes_len; a++)
		none |= flo_value_len(c->axes[a]) == 0;
	c->product = !none;
	for (uint32_t a = 0; a < c->matrix->axes_len && !none; a++) {
		c->product *= flo_value_len(c->axes[a]);
		if (c->product <= FLO__MATRIX_ITEMS_MAX)
			continue;
		too_many(c);
		return;
	}
}

/* ---- exclusions ---- */

/*
 * Go from combinations of the axes before @a to those of @a, too: of each that
 * was found, with each value that @want is; all of them for NULL. From the last
 * to the first, for they grow in place.
 */
static uint64_t extend(struct counting *c, uint32_t a, const flo_value *want,
		       uint64_t len)
{
	const flo_value *axis = c->axes[a];
	size_t values = flo_value_len(axis);
	uint64_t hits = 0;
	uint64_t at;

	for (size_t i = 0; i < values; i++)
		hits += want == NULL ||
			flo_value_equal(flo_value_list_at(axis, i), want);
	at = hits * len;
	c->cost += values * (len + 1);
	for (uint64_t k = len; k > 0 && hits > 0; k--) {
		uint32_t before = c->found[k - 1];

		for (size_t i = values; i > 0; i--) {
			if (want != NULL &&
			    (hits < values &&
			     !flo_value_equal(flo_value_list_at(axis, i - 1),
					      want)))
				continue;
			c->found[--at] = (uint32_t)(before * values + i - 1);
		}
	}
	return hits * len;
}

static void exclude_one(struct counting *c, const flo_value *entry)
{
	uint64_t len = 1;

	c->found[0] = 0;
	for (uint32_t a = 0; a < c->matrix->axes_len && len > 0; a++)
		len = extend(c, a,
			     flo_value_map_get(entry, c->matrix->axes[a].name),
			     len);
	for (uint64_t i = 0; i < len; i++)
		c->out[c->found[i]] = 1;
}

/* Every key of an exclusion is an axis, or the run fails. */
static bool is_exclusion(struct counting *c, const flo_value *entry, size_t i)
{
	bool map = flo_value_typeof(entry) == FLO_VALUE_MAP;
	size_t known = 0;

	for (uint32_t a = 0; map && a < c->matrix->axes_len; a++)
		known += flo_value_map_get(entry, c->matrix->axes[a].name) !=
			 NULL;
	if (map && known == flo_value_len(entry) && known > 0)
		return true;
	c->state = FLO__KNOWN_ERROR;
	flo_error_set(c->err, FLO_INVALID,
		      !map ? "exclude: item %zu is not a map"
		      : flo_value_len(entry) == 0 ? "exclude: item %zu would "
						    "exclude all"
						  : "exclude: item %zu has a "
						    "key that is none of the "
						    "matrix",
		      i);
	return false;
}

static flo_status exclude_all(struct counting *c, const flo_value *exclude)
{
	uint64_t n = 0;

	if (c->product == 0)
		return FLO_OK;
	c->out = flo__calloc(c->product, 1);
	c->found = flo__calloc(c->product, sizeof(*c->found));
	if (c->out == NULL || c->found == NULL)
		return FLO_NOMEM;
	for (size_t i = 0; i < flo_value_len(exclude); i++) {
		const flo_value *entry = flo_value_list_at(exclude, i);

		if (!is_exclusion(c, entry, i))
			return FLO_OK;
		exclude_one(c, entry);
		if (c->cost > EXCLUDE_COST_MAX) {
			c->state = FLO__KNOWN_NO;
			return FLO_OK;
		}
	}
	for (uint64_t i = 0; i < c->product; i++)
		n += c->out[i] == 0;
	c->product = n;
	return FLO_OK;
}

/* ---- the whole ---- */

static void check_include(struct counting *c, const flo_value *include)
{
	for (size_t i = 0; i < flo_value_len(include); i++) {
		if (flo_value_typeof(flo_value_list_at(include, i)) ==
		    FLO_VALUE_MAP)
			continue;
		c->state = FLO__KNOWN_ERROR;
		flo_error_set(c->err, FLO_TYPE,
			      "include: item %zu is not a map", i);
		return;
	}
}

static flo_status count(struct counting *c, uint64_t *ret_len)
{
	const struct flo__matrix *matrix = c->matrix;
	flo_value *exclude = NULL;
	flo_value *include = NULL;
	flo_status st;

	TRY(eval_axes(c));
	if (matrix->exclude != NULL && c->state != FLO__KNOWN_ERROR)
		TRY(eval_list(c, matrix->exclude, "exclude", &exclude));
	if (matrix->include != NULL && c->state != FLO__KNOWN_ERROR)
		TRY(eval_list(c, matrix->include, "include", &include));
	if (c->state == FLO__KNOWN_YES)
		multiply(c);
	if (c->state == FLO__KNOWN_YES && include != NULL)
		check_include(c, include);
	if (c->state == FLO__KNOWN_YES && exclude != NULL)
		TRY(exclude_all(c, exclude));
	*ret_len = c->product + (include != NULL ? flo_value_len(include) : 0);
out:
	flo_value_unref(exclude);
	flo_value_unref(include);
	return st;
}

flo_status flo__known_matrix(struct flo__known *known,
			     const struct flo__matrix *matrix, flo_error *err,
			     enum flo__known_state *ret_state,
			     uint64_t *ret_len)
{
	struct counting c = {.known = known,
			     .matrix = matrix,
			     .err = err,
			     .state = FLO__KNOWN_YES};
	flo_status st = FLO_NOMEM;

	c.axes = flo__calloc((size_t)matrix->axes_len + 1, sizeof(*c.axes));
	if (c.axes != NULL)
		st = count(&c, ret_len);
	for (uint32_t a = 0; c.axes != NULL && a < matrix->axes_len; a++)
		flo_value_unref(c.axes[a]);
	flo__free(c.axes);
	flo__free(c.out);
	flo__free(c.found);
	*ret_state = c.state;
	return st;
}

/* ---- told ---- */

/* {"name", "values" or "expr", "count"} */
static flo_value *axis_value(struct flo__outline *o,
			     const struct flo__axis *axis, uint32_t written)
{
	flo_value *map = flo_value_map(4);
	flo_value *values = NULL;
	enum flo__known_state state;
	bool expr = written != FLO__DOC_NONE &&
		    o->doc->nodes[written].type == FLO__DOC_STRING;

	flo__outline_put(o, map, "name", flo_value_string(axis->name));
	flo__outline_put_doc(o, map, expr ? "expr" : "values", written);
	if (o->st == FLO_OK)
		o->st = flo__known_eval(&o->known, axis->values, NULL, &state,
					&values);
	if (o->st == FLO_OK && state == FLO__KNOWN_YES &&
	    flo_value_typeof(values) == FLO_VALUE_LIST)
		flo__outline_put(o, map, "count",
				 flo_value_int((int64_t)flo_value_len(values)));
	flo_value_unref(values);
	return map;
}

/* Why each run would fail to make the combinations. */
static void put_error(struct flo__outline *o, flo_value *map,
		      const struct flo__matrix *matrix)
{
	enum flo__known_state state;
	flo_error err = FLO_ERROR_INIT;
	uint64_t n;

	if (o->st == FLO_OK)
		o->st = flo__known_matrix(&o->known, matrix, &err, &state, &n);
	flo__outline_put(o, map, "error", flo_value_string(err.text));
}

void flo__outline_put_matrix(struct flo__outline *o, flo_value *map,
			     uint32_t id, uint32_t object)
{
	const struct flo__matrix *matrix =
		o->plan->blocks[o->plan->nodes[id].spec].matrix;
	const struct flo__size *size = &o->sizes[id];
	uint32_t written = flo__outline_get(o, object, "matrix");
	flo_value *entry = flo_value_map(4);
	flo_value *axes = flo_value_list(matrix->axes_len);

	for (uint32_t a = 0; a < matrix->axes_len; a++)
		flo__outline_add(
			o, axes,
			axis_value(o, &matrix->axes[a],
				   flo__outline_get(o, written,
						    matrix->axes[a].name)));
	flo__outline_put(o, entry, "axes", axes);
	flo__outline_put_doc(o, entry, "exclude",
			     flo__outline_get(o, written, "exclude"));
	flo__outline_put_doc(o, entry, "include",
			     flo__outline_get(o, written, "include"));
	if (size->items != FLO__OUTLINE_MANY)
		flo__outline_put(o, entry, "count",
				 flo_value_int((int64_t)size->items));
	else if (size->items_state == FLO__KNOWN_ERROR)
		put_error(o, entry, matrix);
	flo__outline_put(o, map, "matrix", entry);
}
