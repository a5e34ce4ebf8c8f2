/*
 * The items of a foreach: a list, or the cross product of a matrix.
 *
 * A product is not made: item @i is put together when its instance starts.
 * Only what `exclude` leaves is kept, as a number a combination, so that item
 * @i can be found at once.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/value_p.h"
#include "base/contract.h"

#include <inttypes.h>
#include <string.h>

/* Steps that working out the exclusions may take. */
#define EXCLUDE_COST_MAX 100000000

/* ---- lists ---- */

static flo_status no_list(const flo_value *value, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	flo__value_json(value, &sb);
	st = flo_error_set(err, FLO_TYPE, "%.60s%s is not an array",
			   flo__strbuf_status(&sb) == FLO_OK ? sb.data : "this",
			   sb.len > 60 ? "..." : "");
	flo__strbuf_fini(&sb);
	return st;
}

static flo_status eval_list(struct flo__frame *frame,
			    const struct flo__expr *expr, flo_error *err,
			    flo_value **ret)
{
	flo_value *list = NULL;
	flo_status st = flo__scope_eval(frame, expr, NULL, err, &list);

	if (st != FLO_OK)
		return st;
	if (flo_value_typeof(list) != FLO_VALUE_LIST) {
		st = no_list(list, err);
		flo_value_unref(list);
		return st;
	}
	*ret = list;
	return FLO_OK;
}

/* A list of maps, or NULL if there is no expression for one. */
static flo_status eval_entries(struct flo__frame *frame,
			       const struct flo__expr *expr, const char *what,
			       flo_error *err, flo_value **ret)
{
	flo_status st;

	if (expr == NULL)
		return FLO_OK;
	st = eval_list(frame, expr, err, ret);
	for (size_t i = 0; st == FLO_OK && i < flo_value_len(*ret); i++) {
		if (flo_value_typeof(flo_value_list_at(*ret, i)) !=
		    FLO_VALUE_MAP)
			st = flo_error_set(err, FLO_TYPE,
					   "item %zu is not a map", i);
	}
	if (st != FLO_OK)
		flo_error_prefix(err, "%s", what);
	return st;
}

/* ---- what is left out ---- */

/* Working out which combinations an exclusion takes away. */
struct sieve {
	const struct flo__items *items;
	uint8_t *out;	  /* of each combination: it is left out */
	uint32_t *places; /* of each axis in turn: values that match */
	uint32_t *first;  /* of each axis: where its places begin */
	uint32_t *len;	  /* how many there are */
	uint32_t *at;	  /* the one that is looked at */
	uint64_t *stride; /* combinations from one value to the next */
	uint64_t cost;
};

/* The values of axis @a that fit @value; all of them for NULL. */
static void match_axis(struct sieve *s, uint32_t a, const flo_value *value)
{
	const flo_value *axis = s->items->axes[a];
	size_t n = flo_value_len(axis);

	s->len[a] = 0;
	s->at[a] = 0;
	s->cost += n;
	for (size_t i = 0; i < n; i++) {
		if (value == NULL ||
		    flo_value_equal(flo_value_list_at(axis, i), value))
			s->places[s->first[a] + s->len[a]++] = (uint32_t)i;
	}
}

/* Go on to the next combination that matches; false after the last. */
static bool next_match(struct sieve *s)
{
	for (uint32_t a = s->items->matrix->axes_len; a > 0; a--) {
		if (++s->at[a - 1] < s->len[a - 1])
			return true;
		s->at[a - 1] = 0;
	}
	return false;
}

static void take_out(struct sieve *s)
{
	uint32_t n = s->items->matrix->axes_len;

	for (uint32_t a = 0; a < n; a++) {
		if (s->len[a] == 0)
			return;
	}
	do {
		uint64_t combination = 0;

		for (uint32_t a = 0; a < n; a++)
			combination += s->stride[a] *
				       s->places[s->first[a] + s->at[a]];
		s->out[combination] = 1;
		s->cost += n;
	} while (s->cost <= EXCLUDE_COST_MAX && next_match(s));
}

/* Every key of an exclusion is an axis, or it would mean nothing. */
static flo_status check_exclusion(const struct flo__items *items,
				  const flo_value *entry, size_t i,
				  flo_error *err)
{
	const struct flo__matrix *matrix = items->matrix;
	size_t known = 0;

	for (uint32_t a = 0; a < matrix->axes_len; a++)
		known += flo_value_map_get(entry, matrix->axes[a].name) != NULL;
	if (known == flo_value_len(entry) && known > 0)
		return FLO_OK;
	return flo_error_set(err, FLO_INVALID,
			     known == 0 && flo_value_len(entry) == 0
				     ? "exclude: item %zu would exclude all"
				     : "exclude: item %zu has a key that is "
				       "none of the matrix",
			     i);
}

static flo_status run_sieve(struct sieve *s, const flo_value *exclude,
			    flo_error *err)
{
	const struct flo__matrix *matrix = s->items->matrix;

	for (size_t i = 0; i < flo_value_len(exclude); i++) {
		const flo_value *entry = flo_value_list_at(exclude, i);
		flo_status st = check_exclusion(s->items, entry, i, err);

		if (st != FLO_OK)
			return st;
		for (uint32_t a = 0; a < matrix->axes_len; a++)
			match_axis(s, a,
				   flo_value_map_get(entry,
						     matrix->axes[a].name));
		take_out(s);
		if (s->cost > EXCLUDE_COST_MAX)
			return flo_error_set(err, FLO_LIMIT,
					     "exclude: too much work: it names "
					     "too many combinations too often");
	}
	return FLO_OK;
}

/* Keep the numbers of those combinations that are not out. */
static flo_status keep_rest(struct flo__items *items, const uint8_t *out)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < items->product; i++)
		n += out[i] == 0;
	items->kept = flo__calloc(n, sizeof(*items->kept));
	if (items->kept == NULL)
		return FLO_NOMEM;
	n = 0;
	for (uint64_t i = 0; i < items->product; i++) {
		if (out[i] == 0)
			items->kept[n++] = (uint32_t)i;
	}
	items->product = n;
	return FLO_OK;
}

static flo_status sieve_init(struct sieve *s, const struct flo__items *items)
{
	uint32_t n = items->matrix->axes_len;
	uint64_t stride = 1;
	size_t values = 0;

	*s = (struct sieve){.items = items};
	for (uint32_t a = 0; a < n; a++)
		values += flo_value_len(items->axes[a]);
	s->out = flo__calloc(items->product, 1);
	s->places = flo__calloc(values + 3 * (size_t)n, sizeof(*s->places));
	s->stride = flo__calloc(n, sizeof(*s->stride));
	if (s->out == NULL || s->places == NULL || s->stride == NULL)
		return FLO_NOMEM;
	s->first = s->places + values;
	s->len = s->first + n;
	s->at = s->len + n;
	for (uint32_t a = n; a > 0; a--) {
		s->stride[a - 1] = stride;
		stride *= flo_value_len(items->axes[a - 1]);
	}
	for (uint32_t a = 1; a < n; a++)
		s->first[a] = s->first[a - 1] +
			      (uint32_t)flo_value_len(items->axes[a - 1]);
	return FLO_OK;
}

static flo_status leave_out(struct flo__items *items, const flo_value *exclude,
			    flo_error *err)
{
	struct sieve s;
	flo_status st = sieve_init(&s, items);

	if (st == FLO_OK)
		st = run_sieve(&s, exclude, err);
	if (st == FLO_OK)
		st = keep_rest(items, s.out);
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	flo__free(s.out);
	flo__free(s.places);
	flo__free(s.stride);
	return st;
}

/* ---- the whole ---- */

static flo_status eval_axes(struct flo__items *items, struct flo__frame *frame,
			    flo_error *err)
{
	const struct flo__matrix *matrix = items->matrix;
	flo_status st = FLO_OK;

	items->axes = flo__calloc(matrix->axes_len, sizeof(*items->axes));
	if (items->axes == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (uint32_t a = 0; a < matrix->axes_len; a++) {
		st = eval_list(frame, matrix->axes[a].values, err,
			       &items->axes[a]);
		if (st != FLO_OK) {
			flo_error_prefix(err, "%s", matrix->axes[a].name);
			return st;
		}
	}
	return FLO_OK;
}

static flo_status count_product(struct flo__items *items, flo_error *err)
{
	const struct flo__matrix *matrix = items->matrix;
	bool none = matrix->axes_len == 0;

	for (uint32_t a = 0; a < matrix->axes_len; a++)
		none |= flo_value_len(items->axes[a]) == 0;
	items->product = !none;
	for (uint32_t a = 0; a < matrix->axes_len && !none; a++) {
		items->product *= flo_value_len(items->axes[a]);
		if (items->product > FLO__MATRIX_ITEMS_MAX)
			return flo_error_set(err, FLO_LIMIT,
					     "more than %d combinations",
					     FLO__MATRIX_ITEMS_MAX);
	}
	return FLO_OK;
}

static flo_status init_matrix(struct flo__items *items,
			      struct flo__frame *frame, flo_error *err)
{
	flo_value *exclude = NULL;
	flo_status st;

	TRY(eval_axes(items, frame, err));
	TRY(count_product(items, err));
	TRY(eval_entries(frame, items->matrix->exclude, "exclude", err,
			 &exclude));
	TRY(eval_entries(frame, items->matrix->include, "include", err,
			 &items->list));
	if (exclude != NULL && items->product > 0)
		TRY(leave_out(items, exclude, err));
	items->len = items->product +
		     (items->list != NULL ? flo_value_len(items->list) : 0);
out:
	flo_value_unref(exclude);
	if (st != FLO_OK)
		flo_error_prefix(err, "matrix");
	return st;
}

flo_status flo__items_init(struct flo__items *items, struct flo__frame *frame,
			   const struct flo__block *block, flo_error *err)
{
	flo_status st;

	*items = (struct flo__items){.matrix = block->matrix};
	if (items->matrix != NULL)
		return init_matrix(items, frame, err);
	st = eval_list(frame, block->items, err, &items->list);
	if (st != FLO_OK)
		flo_error_prefix(err, "foreach");
	else
		items->len = flo_value_len(items->list);
	return st;
}

void flo__items_fini(struct flo__items *items)
{
	for (uint32_t a = 0; items->axes != NULL && a < items->matrix->axes_len;
	     a++)
		flo_value_unref(items->axes[a]);
	flo__free(items->axes);
	flo__free(items->kept);
	flo_value_unref(items->list);
	*items = (struct flo__items){.list = NULL};
}

/* The combination with the number @number, as a map. */
static flo_value *combination(const struct flo__items *items, uint64_t number)
{
	const struct flo__matrix *matrix = items->matrix;
	uint64_t stride = 1;
	flo_value *map = flo_value_map(matrix->axes_len);

	for (uint32_t a = 1; a < matrix->axes_len; a++)
		stride *= flo_value_len(items->axes[a]);
	for (uint32_t a = 0; map != NULL && a < matrix->axes_len; a++) {
		const flo_value *value =
			flo_value_list_at(items->axes[a], number / stride);

		if (flo_value_map_set(map, matrix->axes[a].name,
				      flo_value_ref(value)) != FLO_OK) {
			flo_value_unref(map);
			return NULL;
		}
		number %= stride;
		if (a + 1 < matrix->axes_len)
			stride /= flo_value_len(items->axes[a + 1]);
	}
	return map;
}

flo_value *flo__items_at(const struct flo__items *items, uint64_t i)
{
	REQUIRE(i < items->len);
	if (i < items->product)
		return combination(items,
				   items->kept != NULL ? items->kept[i] : i);
	return flo_value_ref(
		flo_value_list_at(items->list, i - items->product));
}
