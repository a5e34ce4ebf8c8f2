#include "steps/cmdb/guard.h"

#include "steps/args.h"

#include <stdio.h>
#include <string.h>

/* A share of fewer rows says nothing about a field. */
#define VOLATILE_ROWS_MIN 10

/* A percentage that nothing reaches. */
#define NEVER 101

#define PERCENT                                                                \
	.types = FLO_TYPES(DOUBLE) | FLO_TYPES(BOOL), .has_min = true,         \
	.has_max = true, .max = 100

const flo_step_param flo__guard_params[FLO__GUARD_PARAMS] = {
	{.name = "empty_pull",
	 .types = FLO_TYPES(BOOL),
	 .description = "Block an empty pull if there are rows."},
	{.name = "key_field",
	 .types = FLO_TYPES(BOOL),
	 .description = "Block a key field that appears or vanishes."},
	{.name = "removed_percent",
	 PERCENT,
	 .description = "Block if more of the rows are removed; false: never."},
	{.name = "removed_rows",
	 .types = FLO_TYPES(INT),
	 .description = "How many must be removed for that, at least.",
	 .has_min = true},
	{.name = "volatile_percent",
	 PERCENT,
	 .description =
		 "Warn if so many differ in one field at once; false: never."},
	{.name = "remove_after_misses",
	 .types = FLO_TYPES(INT),
	 .description = "How many pulls in a row must lack a record.",
	 .has_min = true,
	 .min = 1,
	 .has_max = true,
	 .max = FLO__MISSES_MAX},
};

static flo_status read_switch(const flo_value *value, const char *name,
			      flo_error *err, bool *ret_on)
{
	if (flo_value_typeof(value) != FLO_VALUE_BOOL)
		return flo_error_set(err, FLO_TYPE,
				     "guard: \"%s\" must be true or false",
				     name);
	*ret_on = flo_value_get_bool(value);
	return FLO_OK;
}

/* Or false, which is more than there can be. */
static flo_status read_percent(const flo_value *value, const char *name,
			       flo_error *err, double *ret_percent)
{
	double percent = -1;

	if (flo_value_typeof(value) == FLO_VALUE_BOOL &&
	    !flo_value_get_bool(value)) {
		*ret_percent = NEVER;
		return FLO_OK;
	}
	if (flo_value_typeof(value) == FLO_VALUE_INT)
		percent = (double)flo_value_get_int(value);
	else if (flo_value_typeof(value) == FLO_VALUE_DOUBLE)
		percent = flo_value_get_double(value);
	if (!(percent >= 0 && percent <= 100))
		return flo_error_set(err, FLO_RANGE,
				     "guard: \"%s\" must be a number from 0 "
				     "to 100, or false",
				     name);
	*ret_percent = percent;
	return FLO_OK;
}

static flo_status read_rows(const flo_value *value, const char *name,
			    flo_error *err, int64_t *ret_rows)
{
	if (flo_value_typeof(value) != FLO_VALUE_INT ||
	    flo_value_get_int(value) < 0)
		return flo_error_set(err, FLO_RANGE,
				     "guard: \"%s\" must be a number of rows",
				     name);
	*ret_rows = flo_value_get_int(value);
	return FLO_OK;
}

static flo_status read_misses(const flo_value *value, const char *name,
			      flo_error *err, int64_t *ret_times)
{
	if (flo_value_typeof(value) != FLO_VALUE_INT ||
	    flo_value_get_int(value) < 1 ||
	    flo_value_get_int(value) > FLO__MISSES_MAX)
		return flo_error_set(err, FLO_RANGE,
				     "guard: \"%s\" must be a number of pulls "
				     "from 1 to %d",
				     name, FLO__MISSES_MAX);
	*ret_times = flo_value_get_int(value);
	return FLO_OK;
}

static flo_status read_setting(const char *name, const flo_value *value,
			       flo_error *err, struct flo__guard *guard)
{
	if (strcmp(name, "empty_pull") == 0)
		return read_switch(value, name, err, &guard->empty);
	if (strcmp(name, "key_field") == 0)
		return read_switch(value, name, err, &guard->key_field);
	if (strcmp(name, "removed_percent") == 0)
		return read_percent(value, name, err, &guard->removed_percent);
	if (strcmp(name, "removed_rows") == 0)
		return read_rows(value, name, err, &guard->removed_rows);
	if (strcmp(name, "volatile_percent") == 0)
		return read_percent(value, name, err, &guard->volatile_percent);
	if (strcmp(name, "remove_after_misses") == 0)
		return read_misses(value, name, err, &guard->remove_after);
	return flo_error_set(err, FLO_INVALID,
			     "guard: there is no \"%s\"; there are "
			     "empty_pull, key_field, removed_percent, "
			     "removed_rows, volatile_percent and "
			     "remove_after_misses",
			     name);
}

static flo_status read_settings(const flo_value *given, flo_error *err,
				struct flo__guard *guard)
{
	flo_status st = FLO_OK;

	if (flo_value_typeof(given) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "\"guard\" must be an object of settings, "
				     "or false");
	for (size_t i = 0; st == FLO_OK && i < flo_value_len(given); i++) {
		const flo_value *key = NULL;
		const flo_value *value = flo_value_map_at(given, i, &key);

		if (flo_value_typeof(key) != FLO_VALUE_STRING)
			return flo_error_set(err, FLO_TYPE,
					     "guard: a setting's name must be "
					     "a string");
		st = read_setting(flo_value_get_string(key, NULL), value, err,
				  guard);
	}
	return st;
}

flo_status flo__guard_read(const flo_value *with, flo_error *err,
			   struct flo__guard *ret_guard)
{
	const flo_value *given = flo__args_get(with, "guard");
	struct flo__guard guard = {true, true, 20, 10, 90, 1};
	flo_status st = FLO_OK;

	if (given != NULL && flo_value_typeof(given) == FLO_VALUE_BOOL) {
		if (!flo_value_get_bool(given))
			guard = (struct flo__guard){false, false, 100,
						    0,	   101,	  1};
	} else if (given != NULL) {
		st = read_settings(given, err, &guard);
	}
	if (st == FLO_OK)
		*ret_guard = guard;
	return st;
}

static void broken(const char *name, struct flo__strbuf *names,
		   struct flo__strbuf *reason)
{
	if (names->len != 0) {
		flo__strbuf_addc(names, ',');
		flo__strbuf_adds(reason, "; ");
	}
	flo__strbuf_adds(names, name);
}

/*
 * Whether a key field of which @before records of the state have a value and
 * @after of the pull's do is not what it was. Changes are of a few records, so
 * that a field which not every record has is missing there by chance.
 */
static bool key_field_moved(const struct flo__match *match, int64_t before,
			    int64_t after)
{
	if (before == 0 || after != 0)
		return (before == 0) != (after == 0);
	return match->in.is != FLO__PULL_CHANGES || before == match->state_rows;
}

static void check_key_fields(const struct flo__match *match,
			     struct flo__strbuf *names,
			     struct flo__strbuf *reason)
{
	const struct flo__spec *spec = match->in.spec;
	char text[128];

	for (size_t i = 0; i < spec->key_len; i++) {
		int64_t before = match->present_before[i];

		if (!key_field_moved(match, before, match->present_after[i]))
			continue;
		flo__pointer_text(spec->key[i], text, sizeof(text));
		broken("key_field", names, reason);
		flo__strbuf_addf(reason, "the key field %s %s", text,
				 before != 0 ? "has vanished from all records"
					     : "has appeared");
		return;
	}
}

void flo__guard_check(const struct flo__guard *guard,
		      const struct flo__match *match, struct flo__strbuf *names,
		      struct flo__strbuf *reason)
{
	int64_t before = match->state_rows;
	int64_t removed = match->counts.removed;
	double percent =
		before != 0 ? 100.0 * (double)removed / (double)before : 0;

	if (guard->empty && match->in.is == FLO__PULL_FULL && before != 0 &&
	    match->counts.rows == 0) {
		broken("empty_pull", names, reason);
		flo__strbuf_addf(reason,
				 "the pull is empty, the database has %lld "
				 "row%s",
				 (long long)before, FLO__CDB_S(before));
	}
	if (guard->key_field && before != 0 && match->there != 0)
		check_key_fields(match, names, reason);
	if (percent > guard->removed_percent &&
	    removed >= guard->removed_rows) {
		broken("removed", names, reason);
		flo__strbuf_addf(reason,
				 "%lld of %lld row%s (%.1f%%) would be "
				 "removed, and %g%% is the limit",
				 (long long)removed, (long long)before,
				 FLO__CDB_S(before), percent,
				 guard->removed_percent);
	}
}

/* Of changes every record differs in something: they are held to the state. */
static int64_t volatile_of(const struct flo__match *match)
{
	return match->in.is == FLO__PULL_CHANGES
		       ? match->state_rows
		       : match->counts.same + match->counts.changed;
}

void flo__guard_volatile(const struct flo__guard *guard,
			 const struct flo__match *match,
			 struct flo__strbuf *fields)
{
	int64_t both = volatile_of(match);

	for (size_t i = 0; i < match->fields.len; i++) {
		const struct flo__field *field = &match->fields.field[i];

		if (both < VOLATILE_ROWS_MIN ||
		    100.0 * (double)field->count <
			    guard->volatile_percent * (double)both)
			continue;
		flo__strbuf_adds(fields, fields->len != 0 ? ", " : "");
		flo__strbuf_adds(fields, field->name);
	}
}
