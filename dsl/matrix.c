/*
 * `matrix`: a foreach over a cross product.
 *
 * What is literal is checked here and computed by the runner, item by item;
 * what the items are like is kept for the expressions in the body.
 */
#include "dsl/compile_p.h"

#include <stdio.h>
#include <string.h>

/* Comparisons made to find out whether an exclusion does anything. */
#define COMPARE_MAX 10000000

/* A matrix with what expressions may know of its items. */
struct known {
	struct flo__matrix matrix; /* first: found by its address */
	unsigned *types;	   /* of each axis */
	bool open;		   /* items may have other keys, too */
};

/* One matrix on its way into a plan. */
struct making {
	struct flo__view view;
	struct flo__compiler *c;
	struct known *known;
	struct flo__axis *axes; /* those of known, still to be written */
};

static bool is_option(struct flo__compiler *c, uint32_t key)
{
	return flo__doc_is(&c->doc, key, "include") ||
	       flo__doc_is(&c->doc, key, "exclude");
}

/* ---- axes ---- */

static const struct flo__expr *axis_values(struct making *m, uint32_t at)
{
	struct flo__compiler *c = m->c;
	char what[96];
	size_t len;
	const char *name = flo__doc_string(&c->doc, at - 1, &len);

	snprintf(what, sizeof(what), "`%.*s` of `matrix`", (int)len, name);
	switch ((enum flo__doc_type)c->doc.nodes[at].type) {
	case FLO__DOC_ARRAY:
		if (c->doc.nodes[at].len == 0)
			flo__compile_error(c, BAD_VALUE, at,
					   "take it out, or name values",
					   "%s has no values, so there would "
					   "be no combinations",
					   what);
		return flo__compile_literal(c, at);
	case FLO__DOC_STRING:
		return flo__compile_expr(&m->view, at, FLO_TYPES(LIST), what);
	default:
		flo__compile_error(c, WRONG_TYPE, at, NULL,
				   "%s must be an array, or an expression "
				   "that yields one",
				   what);
		return NULL;
	}
}

static void add_axis(struct making *m, uint32_t key)
{
	struct known *known = m->known;
	struct flo__axis *axis = &m->axes[known->matrix.axes_len];

	axis->name = flo__compile_string(m->c, key);
	axis->values = axis_values(m, flo__doc_value(key));
	if (axis->name == NULL)
		return;
	known->types[known->matrix.axes_len] = FLO__TYPES_ANY;
	if (axis->values != NULL)
		known->types[known->matrix.axes_len] =
			axis->values->constant != NULL
				? flo__types_of_items(axis->values->constant)
				: m->view.items;
	known->matrix.axes_len++;
}

/* The axis called so, or -1. */
static int64_t find_axis(const struct flo__matrix *matrix, const char *name,
			 size_t len)
{
	for (uint32_t i = 0; i < matrix->axes_len; i++) {
		if (strlen(matrix->axes[i].name) == len &&
		    memcmp(matrix->axes[i].name, name, len) == 0)
			return i;
	}
	return -1;
}

/* Combinations before any is taken out or added; UINT64_MAX: not known. */
static uint64_t product(const struct flo__matrix *matrix)
{
	uint64_t n = matrix->axes_len != 0;

	for (uint32_t i = 0; i < matrix->axes_len; i++) {
		const struct flo__expr *values = matrix->axes[i].values;

		if (values == NULL || values->constant == NULL)
			return UINT64_MAX;
	}
	for (uint32_t i = 0; i < matrix->axes_len && n != 0; i++) {
		n *= flo_value_len(matrix->axes[i].values->constant);
		if (n > FLO__MATRIX_ITEMS_MAX) /* or it might overflow */
			return FLO__MATRIX_ITEMS_MAX + 1;
	}
	return n;
}

static void check_product(struct making *m, uint32_t at)
{
	uint64_t n = product(&m->known->matrix);

	if (n == UINT64_MAX || n <= FLO__MATRIX_ITEMS_MAX)
		return;
	flo__compile_error(m->c, TOO_LARGE, at - 1, NULL,
			   "`matrix` has more than %d combinations",
			   FLO__MATRIX_ITEMS_MAX);
}

/* ---- include and exclude ---- */

/* Whether an exclusion of @value from @axis can do anything. */
static bool excludes(const struct flo__axis *axis, const flo_value *value)
{
	size_t n;

	if (axis->values == NULL || axis->values->constant == NULL)
		return true;
	n = flo_value_len(axis->values->constant);
	for (size_t i = 0; i < n; i++) {
		if (flo_value_equal(flo_value_list_at(axis->values->constant,
						      i),
				    value))
			return true;
	}
	return false;
}

static void unknown_axis(struct making *m, uint32_t key)
{
	const struct flo__matrix *matrix = &m->known->matrix;
	struct flo__nearest near;
	char hint[96];
	size_t len;
	const char *name = flo__doc_string(&m->c->doc, key, &len);

	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < matrix->axes_len; i++)
		flo__nearest_offer(&near, matrix->axes[i].name,
				   strlen(matrix->axes[i].name));
	flo__compile_error(m->c, UNKNOWN_KEY, key,
			   flo__nearest_hint(&near, hint, sizeof(hint)),
			   "`matrix` has no \"%.*s\" to exclude from",
			   (int)(len < 64 ? len : 64), name);
}

static void check_exclude(struct making *m, uint32_t entry,
			  const flo_value *value, uint64_t *cost)
{
	struct flo__compiler *c = m->c;
	const struct flo__matrix *matrix = &m->known->matrix;

	if (c->doc.nodes[entry].len == 0)
		flo__compile_error(c, BAD_VALUE, entry, NULL,
				   "this would exclude every combination");
	for (uint32_t key = flo__doc_first(&c->doc, entry);
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		size_t len;
		const char *name = flo__doc_string(&c->doc, key, &len);
		int64_t axis = find_axis(matrix, name, len);
		const flo_value *have = flo_value_map_getn(value, name, len);

		if (axis < 0) {
			unknown_axis(m, key);
			continue;
		}
		if (matrix->axes[axis].values != NULL &&
		    matrix->axes[axis].values->constant != NULL)
			*cost += flo_value_len(
				matrix->axes[axis].values->constant);
		if (have == NULL || *cost > COMPARE_MAX ||
		    excludes(&matrix->axes[axis], have))
			continue;
		flo__report_warning(&c->report, FLO__CODE_IDLE_EXCLUDE,
				    flo__doc_span(&c->doc, flo__doc_value(key)),
				    flo__doc_value(key), NULL,
				    "this excludes nothing: it is no value of "
				    "`%s`",
				    matrix->axes[axis].name);
	}
}

/* A combination that is added has what the others have, or is not like them. */
static void check_include(struct making *m, uint32_t entry)
{
	struct flo__compiler *c = m->c;
	const struct flo__matrix *matrix = &m->known->matrix;

	for (uint32_t i = 0; i < matrix->axes_len; i++) {
		const char *name = matrix->axes[i].name;
		struct flo__nearest near;
		char hint[96];
		const char *text;

		if (flo__doc_get(&c->doc, entry, name) != FLO__DOC_NONE)
			continue;
		flo__nearest_init(&near, name, strlen(name));
		for (uint32_t key = flo__doc_first(&c->doc, entry);
		     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
			size_t len;
			const char *have = flo__doc_string(&c->doc, key, &len);

			if (find_axis(matrix, have, len) < 0)
				flo__nearest_offer(&near, have, len);
		}
		text = NULL;
		if (near.name[0] != '\0') {
			snprintf(hint, sizeof(hint), "write \"%s\" for \"%s\"?",
				 name, near.name);
			text = hint;
		}
		flo__report_warning(&c->report, FLO__CODE_PARTIAL_INCLUDE,
				    flo__doc_span(&c->doc, entry), entry,
				    text != NULL ? text
						 : "`include` adds "
						   "combinations and changes "
						   "none",
				    "this combination has no \"%s\", as the "
				    "others have",
				    name);
	}
}

static void check_entries(struct making *m, uint32_t at, bool exclude,
			  const flo_value *list)
{
	struct flo__compiler *c = m->c;
	uint64_t cost = 0;
	size_t i = 0;

	for (uint32_t item = flo__doc_first(&c->doc, at); item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next, i++) {
		if (!flo__compile_is(c, item, FLO__DOC_OBJECT,
				     exclude ? "an item of `exclude`"
					     : "an item of `include`"))
			continue;
		if (exclude) {
			check_exclude(m, item, flo_value_list_at(list, i),
				      &cost);
			continue;
		}
		check_include(m, item);
	}
}

/* `include` or `exclude`; NULL if it is not there. */
static const struct flo__expr *entries(struct making *m, uint32_t at,
				       bool exclude)
{
	const struct flo__expr *list;
	const char *what = exclude ? "`exclude`" : "`include`";

	if (at == FLO__DOC_NONE)
		return NULL;
	if (m->c->doc.nodes[at].type == FLO__DOC_STRING)
		return flo__compile_expr(&m->view, at, FLO_TYPES(LIST), what);
	if (!flo__compile_is(m->c, at, FLO__DOC_ARRAY, what))
		return NULL;
	list = flo__compile_literal(m->c, at);
	if (list != NULL)
		check_entries(m, at, exclude, list->constant);
	return list;
}

/* What the items that `include` adds have. */
static void take_included(struct known *known)
{
	const struct flo__expr *include = known->matrix.include;
	const flo_value *list = include != NULL ? include->constant : NULL;

	known->open |= include != NULL && list == NULL;
	for (size_t i = 0; list != NULL && i < flo_value_len(list); i++) {
		const flo_value *item = flo_value_list_at(list, i);

		if (flo_value_typeof(item) != FLO_VALUE_MAP)
			continue;
		for (uint32_t k = 0; k < known->matrix.axes_len; k++) {
			const flo_value *value =
				flo_value_map_get(item,
						  known->matrix.axes[k].name);

			if (value != NULL)
				known->types[k] |= 1U
						   << flo_value_typeof(value);
		}
	}
	for (uint32_t k = 0; known->open && k < known->matrix.axes_len; k++)
		known->types[k] = FLO__TYPES_ANY;
}

/* ---- the whole ---- */

static struct known *known_new(struct flo__compiler *c, uint32_t len,
			       struct flo__axis **ret_axes)
{
	struct known *known = flo__compile_alloc(c, 1, sizeof(*known));
	struct flo__axis *axes = flo__compile_alloc(c, len + 1, sizeof(*axes));

	if (known == NULL || axes == NULL)
		return NULL;
	known->types = flo__compile_alloc(c, len + 1, sizeof(*known->types));
	known->matrix.axes = axes;
	*ret_axes = axes;
	return known->types != NULL ? known : NULL;
}

const struct flo__matrix *flo__compile_matrix(struct flo__compiler *c,
					      uint32_t node, uint32_t at)
{
	struct making m = {.view = flo__view_of(c, node, SEES_STEP), .c = c};
	struct flo__matrix *matrix;

	if (!flo__compile_is(c, at, FLO__DOC_OBJECT, "`matrix`"))
		return NULL;
	m.known = known_new(c, c->doc.nodes[at].len, &m.axes);
	if (m.known == NULL)
		return NULL;
	matrix = &m.known->matrix;
	for (uint32_t key = flo__doc_first(&c->doc, at);
	     key != FLO__DOC_NONE && !c->nomem; key = c->doc.nodes[key].next) {
		if (!is_option(c, key))
			add_axis(&m, key);
	}
	check_product(&m, at);
	matrix->exclude =
		entries(&m, flo__doc_get(&c->doc, at, "exclude"), true);
	matrix->include =
		entries(&m, flo__doc_get(&c->doc, at, "include"), false);
	if (matrix->axes_len == 0 && matrix->include == NULL && !m.known->open)
		flo__compile_error(c, BAD_VALUE, at,
				   "{\"os\": [\"linux\", \"bsd\"], \"arch\": "
				   "[\"amd64\", \"arm64\"]}",
				   "`matrix` has no combinations");
	take_included(m.known);
	return matrix;
}

uint64_t flo__matrix_known_len(const struct flo__matrix *matrix)
{
	uint64_t n = product(matrix);
	bool open =
		matrix->exclude != NULL ||
		(matrix->include != NULL && matrix->include->constant == NULL);

	if (n == UINT64_MAX || open)
		return UINT64_MAX;
	if (matrix->include != NULL)
		n += flo_value_len(matrix->include->constant);
	return n;
}

/* Offer the keys that only included items have. Whether one of them is it. */
static bool find_included(const struct flo__matrix *matrix, const char *name,
			  size_t len, struct flo__nearest *near)
{
	const flo_value *list =
		matrix->include != NULL ? matrix->include->constant : NULL;

	for (size_t i = 0; list != NULL && i < flo_value_len(list); i++) {
		const flo_value *item = flo_value_list_at(list, i);

		if (flo_value_typeof(item) != FLO_VALUE_MAP)
			continue;
		if (flo_value_map_getn(item, name, len) != NULL)
			return true;
		for (size_t k = 0; k < flo_value_len(item); k++) {
			const flo_value *key;
			const char *text;
			size_t text_len;

			flo_value_map_at(item, k, &key);
			text = flo_value_get_string(key, &text_len);
			flo__nearest_offer(near, text, text_len);
		}
	}
	return false;
}

flo_status flo__matrix_member(const struct flo__matrix *matrix,
			      const char *name, size_t len, unsigned *types,
			      struct flo__expr_problem *problem)
{
	const struct known *known = (const struct known *)matrix;
	struct flo__nearest near;
	char hint[96];
	int64_t axis;

	if (name == NULL) {
		*types = FLO_TYPES(MAP);
		return FLO_OK;
	}
	axis = find_axis(matrix, name, len);
	if (axis >= 0)
		*types = known->types[axis];
	if (axis >= 0 || known->open)
		return FLO_OK;
	flo__nearest_init(&near, name, len);
	if (find_included(matrix, name, len, &near))
		return FLO_OK;
	for (uint32_t i = 0; i < matrix->axes_len; i++)
		flo__nearest_offer(&near, matrix->axes[i].name,
				   strlen(matrix->axes[i].name));
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "the `matrix` has no \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}
