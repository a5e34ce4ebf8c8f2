/*
 * What only the records that change can tell: keys as people see them, and the
 * fields that differ.
 *
 * Note: halves.
 *
 * The records lie all over the file, and reading them one by one is most of the
 * time of a diff that finds little. So where they are many, two read a half of
 * the changes each, over a connection of their own. Nothing is shared but the
 * match, which both only read: each has its own changes, texts and counts, which
 * are put together in the order of the halves.
 */
#include "steps/cmdb/match_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/second.h"

#include <string.h>

/* Fields */

static void count(struct flo__field_counts *fields, const char *name,
		  int64_t times)
{
	size_t i = 0;

	while (i < fields->len && strcmp(fields->field[i].name, name) != 0)
		i++;
	if (i == FLO__FIELDS_MAX)
		return;
	if (i == fields->len) {
		char *copy = flo__strdup(name);

		/* It is for a warning only: without memory there is none. */
		if (copy == NULL)
			return;
		fields->field[i] = (struct flo__field){.name = copy};
		fields->len++;
	}
	fields->field[i].count += times;
}

static void count_field(void *arg, const char *name)
{
	struct flo__field_counts *fields = arg;

	fields->all++;
	count(fields, name, 1);
}

static void add_fields(struct flo__match *m,
		       const struct flo__field_counts *fields)
{
	m->counts.fields += fields->all;
	for (size_t i = 0; i < fields->len; i++)
		count(&m->fields, fields->field[i].name,
		      fields->field[i].count);
}

void flo__field_counts_fini(struct flo__field_counts *fields)
{
	for (size_t i = 0; i < fields->len; i++)
		flo__free(fields->field[i].name);
	fields->len = 0;
}

/* Texts */

/* Of the changes from @from on, before @to. */
struct half {
	struct flo__half half;
	struct flo__match *m; /* borrowed: only its changes are written */
	size_t from;
	size_t to;
	struct flo__strbuf texts;
	struct flo__field_counts fields;
	sqlite3_stmt *body; /* owned */
	struct flo__strbuf scratch;
	struct flo__reading now; /* a record of the pull */
	struct flo__strbuf now_text;
	struct flo__reading was; /* one of the state */
	struct flo__strbuf was_text;
};

static flo_status read_now(struct half *half, const struct flo__change *change)
{
	return flo__body_reading(half->half.db, half->body, change->after,
				 &half->now_text, &half->now, &half->half.err);
}

static flo_status read_was(struct half *half, const struct flo__change *change)
{
	return flo__body_reading(half->half.db, half->body,
				 half->m->entry[change->entry].body,
				 &half->was_text, &half->was, &half->half.err);
}

static flo_status write_key(struct half *half, struct flo__change *change,
			    struct flo__reading *record)
{
	flo_status st;

	change->key_at = half->texts.len;
	st = flo__reading_key_text(record, half->m->in.spec, &half->texts,
				   &half->half.err);
	change->key_len = (uint32_t)(half->texts.len - change->key_at);
	return st;
}

/* Right behind the key's text. */
static flo_status write_fields(struct half *half, struct flo__change *change)
{
	size_t at = half->texts.len;
	flo_status st;

	st = flo__reading_compare(&half->was, &half->now, half->m->in.spec,
				  count_field, &half->fields, &half->scratch,
				  &half->texts, &half->half.err);
	change->fields_len = (uint32_t)(half->texts.len - at);
	return st;
}

static flo_status write_change(struct half *half, struct flo__change *change)
{
	bool gone = change->op == 'd';
	flo_status st;

	if (gone || change->op == 'u')
		TRY(read_was(half, change));
	if (!gone)
		TRY(read_now(half, change));
	TRY(write_key(half, change, gone ? &half->was : &half->now));
	if (change->op == 'u')
		st = write_fields(half, change);
out:
	return st;
}

static flo_status write_half(struct flo__half *of)
{
	struct half *half = (struct half *)of;
	flo_status st;

	flo__strbuf_reset(&half->texts);
	flo__field_counts_fini(&half->fields);
	half->fields.all = 0;
	TRY(flo__cdb_prepare(of->db, FLO__BODY_SQL, &of->err, &half->body));
	for (size_t i = half->from; i < half->to; i++)
		if (!half->m->change[i].told)
			TRY(write_change(half, &half->m->change[i]));
out:
	sqlite3_finalize(half->body);
	half->body = NULL;
	return st;
}

static void half_init(struct half *half, struct flo__match *m, size_t from,
		      size_t to)
{
	half->half.read = write_half;
	half->m = m;
	half->from = from;
	half->to = to;
	flo__strbuf_init(&half->texts);
	flo__strbuf_init(&half->scratch);
	flo__strbuf_init(&half->now_text);
	flo__strbuf_init(&half->was_text);
}

static void half_fini(struct half *half)
{
	flo__field_counts_fini(&half->fields);
	flo__strbuf_fini(&half->texts);
	flo__strbuf_fini(&half->scratch);
	flo__strbuf_fini(&half->now_text);
	flo__strbuf_fini(&half->was_text);
	flo__reading_fini(&half->now);
	flo__reading_fini(&half->was);
}

static flo_status take(struct flo__match *m, const struct half *half)
{
	size_t at = m->texts.len;

	flo__strbuf_add(&m->texts, half->texts.data, half->texts.len);
	for (size_t i = half->from; i < half->to; i++)
		if (!m->change[i].told)
			m->change[i].key_at += at;
	add_fields(m, &half->fields);
	return flo__strbuf_status(&m->texts);
}

/* What it takes to read the records of a change, roughly. */
static size_t work_of(const struct flo__change *change)
{
	return change->told ? 0 : change->op == 'u' ? 3 : 1;
}

static size_t all_work(const struct flo__match *m)
{
	size_t work = 0;

	for (size_t i = 0; i < m->change_len; i++)
		work += work_of(&m->change[i]);
	return work;
}

/* The change with which half of @work is done. */
static size_t middle(const struct flo__match *m, size_t work)
{
	size_t done = 0, i = 0;

	while (done < work / 2)
		done += work_of(&m->change[i++]);
	return i;
}

flo_status flo__match_texts(struct flo__match *m, flo_error *err)
{
	size_t work = all_work(m), mid = middle(m, work);
	struct half *half;
	flo_status st;

	if (work == 0)
		return FLO_OK;
	half = flo__calloc(2, sizeof(*half));
	if (half == NULL)
		return FLO_NOMEM;
	half_init(&half[0], m, 0, mid);
	half_init(&half[1], m, mid, m->change_len);
	st = flo__half_both(&half[0].half, &half[1].half, m->db, m->in.source,
			    work >= FLO__SECOND_LOOKUPS, err);
	for (size_t i = 0; i < 2; i++) {
		if (st == FLO_OK)
			st = take(m, &half[i]);
		half_fini(&half[i]);
	}
	flo__free(half);
	return st;
}
