/*
 * Note: one entry a record.
 *
 * An entry is the state's until the pull's record of the same key is found;
 * then raw, digest and present become the new ones, as nothing asks for the
 * old ones again, while body stays the old row, which a change names as what
 * was before.
 */
#include "steps/cmdb/match_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/reread.h"
#include "steps/cmdb/staged.h"

#include <stdlib.h>
#include <string.h>

/* Changes */

struct flo__change *flo__match_change(struct flo__match *m, char op,
				      uint32_t entry)
{
	struct flo__change *change;

	if (m->change_len == m->change_cap) {
		size_t cap = m->change_cap != 0 ? m->change_cap * 2 : 256;

		change = flo__reallocarray(m->change, cap, sizeof(*change));
		if (change == NULL)
			return NULL;
		m->change = change;
		m->change_cap = cap;
	}
	change = &m->change[m->change_len++];
	*change = (struct flo__change){.op = op, .entry = entry};
	return change;
}

/* A record of the pull: its row, and what is known of it. */
struct pulled {
	int64_t row;
	struct flo__digest raw;
	struct flo__identity id;
	const char *key; /* as people see it; NULL: the record was not read */
	size_t key_len;
	bool gone;
};

/* What changes is read for its texts at last, unless it is told already. */
static flo_status add_change(struct flo__match *m, const struct pulled *p,
			     char op, uint32_t entry)
{
	struct flo__change *change = flo__match_change(m, op, entry);

	if (change == NULL)
		return FLO_NOMEM;
	change->after = p->row;
	if (op != 'c' || p->key == NULL)
		return FLO_OK;
	change->told = true;
	change->key_at = m->texts.len;
	change->key_len = (uint32_t)p->key_len;
	flo__strbuf_add(&m->texts, p->key, p->key_len);
	return flo__strbuf_status(&m->texts);
}

static flo_status match_new(struct flo__match *m, const struct pulled *p)
{
	struct flo__entry *e = &m->entry[m->len];

	*e = (struct flo__entry){
		.key = p->id.key,
		.raw = p->raw,
		.digest = p->id.body,
		.body = p->row,
		.present = (uint16_t)p->id.present,
		.seen = true,
	};
	flo__index_put(&m->by_key, (uint32_t)m->len);
	m->counts.added++;
	return add_change(m, p, 'c', (uint32_t)m->len++);
}

static flo_status match_known(struct flo__match *m, const struct pulled *p,
			      uint32_t at)
{
	struct flo__entry *e = &m->entry[at];
	flo_status st;

	e->seen = true;
	if (memcmp(&e->digest, &p->id.body, sizeof(e->digest)) == 0) {
		m->counts.same++;
		return FLO_OK;
	}
	m->counts.changed++;
	st = add_change(m, p, 'u', at);
	e->raw = p->raw;
	e->digest = p->id.body;
	e->present = (uint16_t)p->id.present;
	return st;
}

/* Its entry is for what else the pull has of its key. */
static flo_status match_gone(struct flo__match *m, const struct pulled *p,
			     uint32_t at)
{
	if (at != FLO__INDEX_NONE)
		return flo__match_remove(m, at);
	m->entry[m->len] = (struct flo__entry){.key = p->id.key, .seen = true};
	flo__index_put(&m->by_key, (uint32_t)m->len++);
	m->counts.same++;
	return FLO_OK;
}

static flo_status match_record(struct flo__match *m, const struct pulled *p,
			       flo_error *err)
{
	bool seen = false;
	uint32_t at;
	flo_status st;

	m->present_any |= p->id.present;
	if (flo__match_null_key(m, p->id.present))
		return flo__match_bad_key(m, p->row, &m->null_keys, err);
	at = flo__index_find(&m->by_key, &p->id.key);
	if (at != FLO__INDEX_NONE && m->entry[at].seen) {
		if (m->in.is == FLO__PULL_FULL)
			return flo__match_bad_key(m, p->row,
						  &m->counts.dup_keys, err);
		/* A later change of its key has been met: see match_staged. */
		m->counts.same++;
		return FLO_OK;
	}
	if (at == FLO__INDEX_NONE)
		TRY(flo__match_is_seen(m, &p->id.key, err, &seen));
	if (seen)
		return flo__match_bad_key(m, p->row, &m->counts.dup_keys, err);
	if (at == FLO__INDEX_NONE && m->len == m->cap)
		return flo_error_set(err, FLO_CORRUPT,
				     "%s: the pull has more records than it "
				     "says; pull again: " FLO__CDB_ANEW,
				     m->db->path);
	if (p->gone)
		return match_gone(m, p, at);
	m->there++;
	flo__match_present(m, p->id.present, m->present_after);
	if (at == FLO__INDEX_NONE)
		return match_new(m, p);
	return match_known(m, p, at);
out:
	return st;
}

/* What was pulled */

static flo_status match_identified(struct flo__match *m, flo_error *err)
{
	struct flo__staged staged;
	flo_status st;

	TRY(flo__staged_open(&staged, m->db, m->in.pull,
			     m->in.is == FLO__PULL_CHANGES, err));
	for (;;) {
		struct flo__staged_row row;
		struct pulled pulled;
		bool more;

		TRY(flo__staged_next(&staged, err, &row, &more));
		if (!more)
			break;
		if (!row.identified) {
			st = flo_error_set(err, FLO_CORRUPT,
					   "%s: a staged record is broken; "
					   "pull again: " FLO__CDB_ANEW,
					   m->db->path);
			goto out;
		}
		pulled = (struct pulled){
			.row = row.id,
			.raw = row.raw,
			.id = row.identity,
			.gone = row.gone,
		};
		TRY(match_record(m, &pulled, err));
	}
out:
	flo__staged_close(&staged);
	return st;
}

static flo_status match_reread(struct flo__match *m, flo_error *err)
{
	const struct flo__reread_row *row = NULL;
	struct flo__reread *reread = NULL;
	const char *key = NULL;
	flo_status st;

	st = flo__reread_open(m->db, m->in.pull, m->in.spec,
			      m->in.is == FLO__PULL_CHANGES, err, &reread);
	if (st != FLO_OK)
		return st;
	flo__task_compute_begin();
	for (;;) {
		struct pulled pulled;

		TRY(flo__reread_next(reread, err, &row, &key));
		if (row == NULL)
			break;
		pulled = (struct pulled){
			.row = row->id,
			.raw = row->raw,
			.id = row->identity,
			.key = key,
			.key_len = row->key_len,
			.gone = row->gone,
		};
		st = match_record(m, &pulled, err);
		if (st != FLO_OK)
			break;
	}
out:
	flo__task_compute_end();
	flo__reread_close(reread);
	return st;
}

/* Changes are matched from the last to the first: the last one counts. */
static flo_status match_staged(struct flo__match *m, flo_error *err)
{
	return m->in.identified ? match_identified(m, err)
				: match_reread(m, err);
}

/* A change, and the first bytes of its key so that they compare as bytes do. */
struct ordered {
	uint32_t head;
	uint32_t change;
};

static uint32_t head_of(const struct flo__digest *key)
{
	uint32_t head = 0;

	for (size_t i = 0; i < sizeof(head); i++)
		head = head << 8 | key->byte[i];
	return head;
}

static int compare_changes(const void *a, const void *b, void *arg)
{
	const struct flo__match *m = arg;
	const struct ordered *x = a;
	const struct ordered *y = b;

	if (x->head != y->head)
		return x->head < y->head ? -1 : 1;
	return memcmp(&m->entry[m->change[x->change].entry].key,
		      &m->entry[m->change[y->change].entry].key,
		      sizeof(m->entry->key));
}

/* Put each where its order is, along the circles in which they change places. */
static void move_changes(struct flo__match *m, struct ordered *order)
{
	for (uint32_t i = 0; i < m->change_len; i++) {
		struct flo__change first = m->change[i];
		uint32_t to = i;

		while (order[to].change != i) {
			uint32_t from = order[to].change;

			m->change[to] = m->change[from];
			order[to].change = to;
			to = from;
		}
		m->change[to] = first;
		order[to].change = to;
	}
}

/*
 * So that apply writes to the state from one end to the other. Keys lie all
 * over the entries, so their first bytes are looked at in one place.
 */
static flo_status sort_changes(struct flo__match *m)
{
	struct ordered *order =
		flo__reallocarray(NULL, m->change_len, sizeof(*order));

	if (order == NULL)
		return FLO_NOMEM;
	for (uint32_t i = 0; i < m->change_len; i++)
		order[i] = (struct ordered){
			.head = head_of(&m->entry[m->change[i].entry].key),
			.change = i,
		};
	qsort_r(order, m->change_len, sizeof(*order), compare_changes, m);
	move_changes(m, order);
	flo__free(order);
	return FLO_OK;
}

flo_status flo__match_run(struct flo__match *match, struct flo__cdb *db,
			  const struct flo__match_input *in, flo_error *err)
{
	flo_status st;

	*match = (struct flo__match){.in = *in, .db = db};
	flo__strbuf_init(&match->texts);
	flo__strbuf_init(&match->bad_keys);
	flo__strbuf_init(&match->misfit.text);
	flo__strbuf_init(&match->misfit.fields);
	flo__strbuf_init(&match->misfit.inside);
	flo__strbuf_init(&match->scratch);
	flo__strbuf_init(&match->was_text);
	match->counts.rows = in->pull_rows;
	match->counts.rejected = in->pull_rejected;
	TRY(flo__cdb_prepare(db, FLO__BODY_SQL, err, &match->body));
	TRY(flo__match_told(match, err));
	TRY(flo__match_state(match, err));
	if (in->staged && in->is != FLO__PULL_SAME) {
		TRY(flo__match_seen(match, err));
		TRY(match_staged(match, err));
	} else {
		flo__match_itself(match);
	}
	TRY(flo__match_absent(match, err));
	TRY(flo__match_check_keys(match, err));
	TRY(flo__match_texts(match, err));
	if (match->change_len != 0)
		st = sort_changes(match);
out:
	return st;
}

void flo__match_fini(struct flo__match *match)
{
	flo__field_counts_fini(&match->fields);
	flo__unseen_fini(&match->unseen);
	flo__index_fini(&match->by_key);
	flo__free(match->entry);
	flo__free(match->change);
	flo__strbuf_fini(&match->texts);
	flo__strbuf_fini(&match->bad_keys);
	flo__strbuf_fini(&match->misfit.text);
	flo__strbuf_fini(&match->misfit.fields);
	flo__strbuf_fini(&match->misfit.inside);
	flo__strbuf_fini(&match->scratch);
	flo__strbuf_fini(&match->was_text);
	flo__json_reader_fini(&match->bad);
	flo__reading_fini(&match->was);
	sqlite3_finalize(match->body);
	sqlite3_finalize(match->find);
	match->body = NULL;
	match->find = NULL;
}
