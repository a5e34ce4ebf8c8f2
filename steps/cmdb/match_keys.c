/* Keys that must not be: null, missing, or there twice. */
#include "steps/cmdb/match_p.h"

#include "base/contract.h"
#include "base/mask.h"
#include "base/utf8.h"

#include <string.h>

/* Keys that are named in an error, fields, and bytes of a record. */
#define BAD_KEYS_MAX 10
#define FIELDS_SHOWN 8
#define TEXT_SHOWN   100

bool flo__match_null_key(const struct flo__match *m, unsigned present)
{
	return !m->in.null_allowed &&
	       present != (1u << m->in.spec->key_len) - 1;
}

void flo__match_present(const struct flo__match *m, unsigned present,
			int64_t *count)
{
	for (size_t i = 0; i < m->in.spec->key_len; i++)
		count[i] += present >> i & 1;
}

/* Noting */

/* A member of the first: it is named, and may be where the records are. */
static void note_field(struct flo__misfit *misfit, size_t nth, const char *key,
		       size_t len, const json_t *value)
{
	if (misfit->inside.len == 0 && json_is_object(json_array_get(value, 0)))
		flo__pointer_append(&misfit->inside, key, len);
	if (nth > FIELDS_SHOWN)
		return;
	flo__strbuf_adds(&misfit->fields, nth > 0 ? ", " : "");
	if (nth == FIELDS_SHOWN)
		flo__strbuf_adds(&misfit->fields, "...");
	else
		flo__pointer_append(&misfit->fields, key, len);
}

/* The beginning of the record in row @body, as it is stored. */
static flo_status note_text(struct flo__match *m, int64_t body, flo_error *err)
{
	struct flo__strbuf *sb = &m->misfit.text;
	bool row = false;
	flo_status st;

	TRY(flo__cdb_bind(m->db, m->body, err, "i", body));
	TRY(flo__cdb_step(m->db, m->body, err, &row));
	if (row) {
		size_t len = (size_t)sqlite3_column_bytes(m->body, 0);
		bool cut = len > TEXT_SHOWN;

		flo__mask_excerpt(m->in.mask, flo__cdb_text(m->body, 0), len, 0,
				  TEXT_SHOWN, sb);
		if (!sb->failed)
			flo__utf8_tidy(sb->data);
		sb->len = sb->failed ? 0 : strlen(sb->data);
		flo__strbuf_adds(sb, cut ? "..." : "");
	}
out:
	sqlite3_reset(m->body);
	return st;
}

static flo_status note_first(struct flo__match *m, int64_t body,
			     const json_t *record, flo_error *err)
{
	struct flo__misfit *misfit = &m->misfit;
	/* jansson's iterators take a pointer to what they do not change. */
	json_t *all = (json_t *)record;
	size_t nth = 0;
	flo_status st;

	for (void *it = json_object_iter(all); it != NULL;
	     it = json_object_iter_next(all, it))
		note_field(misfit, nth++, json_object_iter_key(it),
			   json_object_iter_key_len(it),
			   json_object_iter_value(it));
	for (size_t i = 0; i < m->in.spec->key_len; i++)
		if (flo__pointer_get(m->in.spec->key[i], record) != NULL)
			misfit->nulls |= 1u << i;
	TRY(note_text(m, body, err));
	TRY(flo__strbuf_status(&misfit->fields));
	TRY(flo__strbuf_status(&misfit->inside));
	st = flo__strbuf_status(&misfit->text);
out:
	return st;
}

flo_status flo__match_bad_key(struct flo__match *m, int64_t body,
			      int64_t *count, flo_error *err)
{
	const json_t *record = NULL;
	flo_status st;

	++*count;
	if (m->bad_keys_len++ >= BAD_KEYS_MAX)
		return FLO_OK;
	TRY(flo__body_read(m->db, m->body, body, &m->bad, err, &record));
	if (m->bad_keys.len != 0)
		flo__strbuf_adds(&m->bad_keys, ", ");
	else
		TRY(note_first(m, body, record, err));
	flo__record_key_text(record, m->in.spec, &m->bad_keys);
	st = flo__strbuf_status(&m->bad_keys);
out:
	return st;
}

/* Telling */

/* The first part of the key that no record has at all; NULL: there is none. */
static const struct flo__pointer *nobodys(const struct flo__match *m)
{
	for (size_t i = 0; i < m->in.spec->key_len; i++)
		if (((m->present_any | m->misfit.nulls) >> i & 1) == 0)
			return m->in.spec->key[i];
	return NULL;
}

/* The key is wrong, or what was pulled is not the records. */
static flo_status tell_nobodys(const struct flo__match *m,
			       const struct flo__pointer *part, flo_error *err)
{
	const struct flo__misfit *misfit = &m->misfit;
	const char *fields =
		misfit->fields.len != 0 ? misfit->fields.data : "no field";
	bool one = m->counts.rows == 1 && m->counts.dup_keys == 0;
	char text[128];

	flo__pointer_text(part, text, sizeof(text));
	if (!one || misfit->inside.len == 0)
		return flo_error_set(err, FLO_INVALID,
				     "no record has %s (%s %s); choose another "
				     "\"key\"",
				     text, one ? "it has" : "records have",
				     fields);
	return flo_error_set(err, FLO_INVALID,
			     "no record has %s: the pull is of one record, "
			     "which has %s; if the records are in its %s, set "
			     "\"records\": \"%s\" of the pull, else choose "
			     "another \"key\"",
			     text, fields, misfit->inside.data,
			     misfit->inside.data);
}

flo_status flo__match_check_keys(const struct flo__match *m, flo_error *err)
{
	long long null = m->null_keys;
	long long dup = m->counts.dup_keys;
	const char *more = null + dup > BAD_KEYS_MAX ? " ..." : "";

	if (null == 0 && dup == 0)
		return FLO_OK;
	if (nobodys(m) != NULL)
		return tell_nobodys(m, nobodys(m), err);
	if (null == 0)
		return flo_error_set(err, FLO_INVALID,
				     "%lld duplicate key%s: %s%s; choose a "
				     "\"key\" that tells the records apart",
				     dup, FLO__CDB_S(dup), m->bad_keys.data,
				     more);
	return flo_error_set(err, FLO_INVALID,
			     "%lld record%s with a null or missing key "
			     "field%s: %s%s; the first is %s; choose another "
			     "\"key\", or set \"null_key\": \"allow\"",
			     null, FLO__CDB_S(null),
			     dup != 0 ? ", and duplicate keys" : "",
			     m->bad_keys.data, more, m->misfit.text.data);
}
