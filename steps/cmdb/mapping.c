#include "steps/cmdb/mapping.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/mask.h"
#include "base/utf8.h"
#include "base/value_p.h"
#include "steps/cmdb/split.h"

#include <stdio.h>

/* Operations for one expression and record: some tens of milliseconds. */
#define COST_MAX 1000000

/* Bytes of a record that an error shows. */
#define SHOWN 200

static const flo_expr_name names[] = {
	{"record", FLO_TYPES(MAP)},
};

const flo_expr_options flo__mapping_field = {
	.names = names,
	.names_len = 1,
	.cost_max = COST_MAX,
};

const flo_expr_options flo__mapping_where = {
	.names = names,
	.names_len = 1,
	.types = FLO_TYPES(BOOL),
	.cost_max = COST_MAX,
};

/* A field of `map`. */
struct field {
	const flo_value *name; /* borrowed from `map` */
	flo_expr *expr;	       /* owned */
};

struct flo__mapping {
	flo_value *map;	 /* owned reference; NULL: none */
	flo_expr *where; /* owned; NULL: none */
	struct field *fields;
	size_t fields_len;
	struct flo__digest digest;
	struct flo__mask *mask; /* a reference: tasks use it; or NULL */
};

/* Life */

static flo_status compile(const flo_value *text, const char *name,
			  const flo_expr_options *options, flo_error *err,
			  flo_expr **ret_expr)
{
	flo_error fault = FLO_ERROR_INIT;
	size_t len;
	const char *chars;
	flo_status st;

	if (flo_value_typeof(text) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "%s: an expression is a string", name);
	chars = flo_value_get_string(text, &len);
	st = flo_expr_compile(chars, len, options, &fault, ret_expr);
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	if (st != FLO_OK)
		flo_error_set(err, st, "%s: %s (line %d, column %d)", name,
			      fault.text, fault.line, fault.column);
	return st;
}

/* A field as errors call it: map "id". */
static const char *name_of(const flo_value *key, char *buf, size_t size)
{
	snprintf(buf, size, "map \"%.60s\"", flo_value_get_string(key, NULL));
	flo__utf8_tidy(buf);
	return buf;
}

static flo_status compile_map(struct flo__mapping *m, flo_error *err)
{
	size_t len = flo_value_len(m->map);
	char name[80];

	if (flo_value_typeof(m->map) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "\"map\" must be an object: the name of "
				     "each field, and an expression for it");
	if (len == 0)
		return flo_error_set(err, FLO_INVALID,
				     "\"map\" has no fields, so that records "
				     "would be empty; leave it out to keep "
				     "them as they are");
	if (len > FLO__MAPPING_FIELDS_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"map\" has %zu fields; %d are allowed",
				     len, FLO__MAPPING_FIELDS_MAX);
	m->fields = flo__calloc(len, sizeof(*m->fields));
	if (m->fields == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (; m->fields_len < len; m->fields_len++) {
		struct field *field = &m->fields[m->fields_len];
		const flo_value *text =
			flo_value_map_at(m->map, m->fields_len, &field->name);
		flo_status st;

		st = compile(text, name_of(field->name, name, sizeof(name)),
			     &flo__mapping_field, err, &field->expr);
		if (st != FLO_OK)
			return st;
	}
	return FLO_OK;
}

/* Their order counts as well: it is that of the fields in what is stored. */
static flo_status digest(struct flo__mapping *m, const flo_value *where)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	flo__strbuf_adds(&sb, "map ");
	if (m->map != NULL)
		flo__value_json(m->map, &sb);
	flo__strbuf_adds(&sb, "\nwhere ");
	if (where != NULL)
		flo__strbuf_adds(&sb, flo_value_get_string(where, NULL));
	st = flo__strbuf_status(&sb);
	m->digest = flo__digest_of(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	return st;
}

flo_status flo__mapping_new(const flo_value *map, const flo_value *where,
			    const struct flo__mask *mask, flo_error *err,
			    struct flo__mapping **ret_mapping)
{
	struct flo__mapping *m;
	flo_status st = FLO_OK;

	if (map == NULL && where == NULL)
		return FLO_OK;
	m = flo__calloc(1, sizeof(*m));
	if (m == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	m->mask = flo__mask_ref(mask);
	m->map = map != NULL ? flo_value_ref(map) : NULL;
	if (where != NULL)
		TRY(compile(where, "where", &flo__mapping_where, err,
			    &m->where));
	if (map != NULL)
		TRY(compile_map(m, err));
	st = digest(m, where);
	if (st != FLO_OK)
		flo_error_set(err, st, "out of memory");
out:
	if (st == FLO_OK)
		*ret_mapping = m;
	else
		flo__mapping_free(m);
	return st;
}

void flo__mapping_free(struct flo__mapping *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->fields_len; i++)
		flo_expr_free(m->fields[i].expr);
	flo__free(m->fields);
	flo_expr_free(m->where);
	flo_value_unref(m->map);
	flo__mask_free(m->mask);
	flo__free(m);
}

const struct flo__digest *flo__mapping_digest(const struct flo__mapping *m)
{
	return &m->digest;
}

/* Run */

static flo_status eval(const flo_expr *expr, const flo_value *record,
		       const char *name, flo_error *err, flo_value **ret_value)
{
	const flo_value *const values[] = {record};
	flo_status st = flo_expr_eval(expr, values, err, ret_value);

	if (st != FLO_OK && st != FLO_NOMEM)
		flo_error_prefix(err, "%s", name);
	return st;
}

static flo_status is_wanted(const struct flo__mapping *m,
			    const flo_value *record, flo_error *err,
			    bool *ret_keep)
{
	flo_value *value = NULL;
	flo_status st;

	*ret_keep = true;
	if (m->where == NULL)
		return FLO_OK;
	st = eval(m->where, record, "where", err, &value);
	if (st != FLO_OK)
		return st;
	*ret_keep = flo_value_get_bool(value);
	flo_value_unref(value);
	return FLO_OK;
}

/* Out of memory, or of what an evaluation may spend. */
static bool is_final(flo_status st)
{
	return st == FLO_NOMEM || st == FLO_LIMIT;
}

static flo_status add_field(const struct field *field, const flo_value *record,
			    bool gone, flo_value *out, flo_error *err)
{
	flo_value *value = NULL;
	char name[80];
	flo_status st;

	st = eval(field->expr, record, name_of(field->name, name, sizeof(name)),
		  err, &value);
	if (gone && st != FLO_OK && !is_final(st)) {
		flo_error_clear(err);
		return FLO_OK;
	}
	if (st == FLO_OK)
		st = flo_value_map_add(out, flo_value_ref(field->name), value);
	return st;
}

/* What is stored has the limits of what is pulled. */
static flo_status check_size(const flo_value *record, flo_error *err)
{
	uint64_t bytes = 0;
	uint32_t depth = 0;
	flo_status st = flo__value_measure(record, &bytes, &depth);

	if (st != FLO_OK)
		return st;
	if (bytes > FLO__RECORD_BYTES_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "map makes a record larger than %u bytes",
				     FLO__RECORD_BYTES_MAX);
	if (depth > FLO__RECORD_DEPTH_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "map makes a record that nests deeper "
				     "than %d levels",
				     FLO__RECORD_DEPTH_MAX);
	return FLO_OK;
}

static flo_status make_text(const struct flo__mapping *m,
			    const flo_value *record, bool gone,
			    struct flo__strbuf *into, flo_error *err,
			    const char **ret_text, size_t *ret_len)
{
	flo_value *out = flo_value_map(m->fields_len);
	flo_status st = out != NULL ? FLO_OK : FLO_NOMEM;

	for (size_t i = 0; st == FLO_OK && i < m->fields_len; i++)
		st = add_field(&m->fields[i], record, gone, out, err);
	if (st == FLO_OK)
		st = check_size(out, err);
	flo__strbuf_reset(into);
	if (st == FLO_OK) {
		flo__value_json(out, into);
		st = flo__strbuf_status(into);
	}
	flo_value_unref(out);
	if (st != FLO_OK)
		return st;
	*ret_text = into->data;
	*ret_len = into->len;
	return FLO_OK;
}

static flo_status run(const struct flo__mapping *m, const flo_value *record,
		      bool gone, struct flo__strbuf *into, flo_error *err,
		      bool *ret_keep, const char **ret_text, size_t *ret_len)
{
	flo_status st = FLO_OK;

	*ret_keep = true;
	if (!gone)
		st = is_wanted(m, record, err, ret_keep);
	if (st == FLO_OK && *ret_keep && m->map != NULL)
		st = make_text(m, record, gone, into, err, ret_text, ret_len);
	return st;
}

/* What is wrong with the record @text, and how it begins. */
static flo_status tell(const struct flo__mapping *m, flo_status st,
		       const flo_error *fault, const char *text, size_t len,
		       flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__mask_excerpt(m->mask, text, len, 0, SHOWN, &sb);
	if (flo__strbuf_status(&sb) != FLO_OK)
		st = FLO_NOMEM;
	else
		flo_error_set(err, st, "%s; the record is %s%s", fault->text,
			      sb.data, len < SHOWN ? "" : "...");
	flo__strbuf_fini(&sb);
	return st;
}

flo_status flo__mapping_run(const struct flo__mapping *m, const char *text,
			    size_t len, bool gone, struct flo__strbuf *into,
			    flo_error *err, bool *ret_keep,
			    const char **ret_text, size_t *ret_len)
{
	flo_error fault = FLO_ERROR_INIT;
	flo_value *record = NULL;
	flo_status st;

	TRY(flo_value_from_json(text, len, 0, err, &record));
	*ret_text = text;
	*ret_len = len;
	st = run(m, record, gone, into, &fault, ret_keep, ret_text, ret_len);
	flo_value_unref(record);
	if (st != FLO_OK && st != FLO_NOMEM)
		st = tell(m, st, &fault, text, len, err);
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	return st;
}
