/*
 * The records of the state that a match looks at: all of them, or, where the
 * pull has told which ones it did not find, and they are few, these alone.
 */
#include "steps/cmdb/match_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/second.h"

#include <string.h>

/* Where more of the state is looked up one by one, reading all is faster. */
#define FEW_OF 8

static flo_status load_again(struct flo__match *m, int64_t id, flo_error *err)
{
	return flo__body_reading(m->db, m->body, id, &m->was_text, &m->was,
				 err);
}

/* Digest a record of the state again, as the spec has changed. */
static flo_status identify_again(struct flo__match *m, struct flo__entry *e,
				 flo_error *err)
{
	struct flo__identity id;
	flo_status st;

	TRY(load_again(m, e->body, err));
	TRY(flo__tape_identify(m->was.tape, m->in.spec, &m->scratch, &id));
	e->key = id.key;
	e->digest = id.body;
	e->present = (uint16_t)id.present;
	m->present_any |= id.present;
	if (flo__index_find(&m->by_key, &e->key) != FLO__INDEX_NONE)
		st = flo__match_bad_key(m, e->body, &m->counts.dup_keys, err);
out:
	return st;
}

/* Read a row of the state, of @db, as the entry @e. Only reads @m. */
static flo_status read_entry(const struct flo__match *m, struct flo__cdb *db,
			     sqlite3_stmt *row, struct flo__entry *e,
			     flo_error *err)
{
	*e = (struct flo__entry){.body = sqlite3_column_int64(row, 4)};
	if (!flo__cdb_digest(row, 0, &e->key) ||
	    !flo__cdb_digest(row, 1, &e->raw) ||
	    !flo__cdb_digest(row, 2, &e->digest))
		return flo_error_set(err, FLO_CORRUPT,
				     "%s: a row of the state is broken; "
				     "restore the file from a backup",
				     db->path);
	e->present = (uint16_t)sqlite3_column_int64(row, 3);
	e->times = (uint32_t)sqlite3_column_int64(row, 5);
	e->seen = m->told && !flo__unseen_has(&m->unseen, &e->key);
	return FLO_OK;
}

static void take_entry(struct flo__match *m)
{
	flo__match_present(m, m->entry[m->len].present, m->present_before);
	m->len++;
	m->state_len++;
}

static flo_status add_state(struct flo__match *m, sqlite3_stmt *row,
			    flo_error *err)
{
	struct flo__entry *e = &m->entry[m->len];
	flo_status st;

	if (m->state_len == m->state_max)
		return flo_error_set(err, FLO_CORRUPT,
				     "%s: the state has more records than its "
				     "source says; restore the file from a "
				     "backup",
				     m->db->path);
	TRY(read_entry(m, m->db, row, e, err));
	if (m->in.rebase) {
		st = identify_again(m, e, err);
		flo__index_put(&m->by_key, (uint32_t)m->len);
	}
	take_entry(m);
out:
	return st;
}

static flo_status reserve(struct flo__match *m, size_t state_len)
{
	size_t max =
		state_len +
		(size_t)(m->in.staged ? m->in.pull_rows - m->in.pull_hits : 0);

	/* One more, so that a row too many has a place to be looked at. */
	m->entry = flo__calloc(max + 1, sizeof(*m->entry));
	if (m->entry == NULL)
		return FLO_NOMEM;
	m->cap = max;
	m->state_max = state_len;
	return flo__index_init(&m->by_key, &m->entry->key, sizeof(*m->entry),
			       max);
}

/* Without misses in the way: they are few, and mostly none. */
static const char state_sql[] = "SELECT key, raw, digest, present, body, 0"
				" FROM state WHERE source = ?1 ORDER BY key";
static const char state_and_misses_sql[] =
	"SELECT s.key, s.raw, s.digest, s.present, s.body, m.times"
	" FROM state s LEFT JOIN miss m ON m.source = s.source"
	"  AND m.key = s.key"
	" WHERE s.source = ?1 ORDER BY s.key";
static const char one_sql[] = "SELECT key, raw, digest, present, body, 0"
			      " FROM state WHERE source = ?1 AND key = ?2";
static const char one_and_misses_sql[] =
	"SELECT s.key, s.raw, s.digest, s.present, s.body, m.times"
	" FROM state s LEFT JOIN miss m ON m.source = s.source"
	"  AND m.key = s.key"
	" WHERE s.source = ?1 AND s.key = ?2";

static flo_status load_all(struct flo__match *m, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(m->db,
			     m->in.remove_after > 1 ? state_and_misses_sql
						    : state_sql,
			     err, &stmt));
	TRY(flo__cdb_bind(m->db, stmt, err, "i", m->in.source));
	for (;;) {
		TRY(flo__cdb_step(m->db, stmt, err, &row));
		if (!row)
			break;
		TRY(add_state(m, stmt, err));
	}
	if (!m->in.rebase)
		flo__index_fill(&m->by_key, (uint32_t)m->state_len);
	if (m->counts.dup_keys != 0) {
		st = flo__match_check_keys(m, err);
		flo_error_prefix(err, "records that the database holds");
	}
	m->present_any = 0;
out:
	sqlite3_finalize(stmt);
	return st;
}

/* Few records */

/* Of the unseen, and of as many entries, from @from on, before @to. */
struct half {
	struct flo__half half;
	struct flo__match *m; /* borrowed: only its entries are written */
	size_t from;
	size_t to;
	size_t len; /* entries that were found */
};

/* One that an apply has removed since the pull is not there any more. */
static flo_status find_one(struct half *half, sqlite3_stmt *stmt,
			   const struct flo__digest *key)
{
	struct flo__cdb *db = half->half.db;
	struct flo__match *m = half->m;
	flo_error *err = &half->half.err;
	bool row = false;
	flo_status st;

	TRY(flo__cdb_bind(db, stmt, err, "id", m->in.source, key));
	TRY(flo__cdb_step(db, stmt, err, &row));
	if (row)
		TRY(read_entry(m, db, stmt, &m->entry[half->from + half->len++],
			       err));
out:
	sqlite3_reset(stmt);
	return st;
}

static flo_status find_half(struct flo__half *of)
{
	struct half *half = (struct half *)of;
	const struct flo__match *m = half->m;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	half->len = 0;
	TRY(flo__cdb_prepare(of->db,
			     m->in.remove_after > 1 ? one_and_misses_sql
						    : one_sql,
			     &of->err, &stmt));
	for (size_t i = half->from; i < half->to; i++)
		TRY(find_one(half, stmt, &m->unseen.key[i]));
out:
	sqlite3_finalize(stmt);
	return st;
}

/* Entries of the second half follow those of the first. */
static void take_both(struct flo__match *m, const struct half *half)
{
	memmove(m->entry + half[0].len, m->entry + half[1].from,
		half[1].len * sizeof(*m->entry));
	while (m->len < half[0].len + half[1].len)
		take_entry(m);
	flo__index_fill(&m->by_key, (uint32_t)m->state_len);
}

/* Where they are many, two look up a half each. */
static flo_status load_few(struct flo__match *m, flo_error *err)
{
	struct half *half = flo__calloc(2, sizeof(*half));
	size_t len = m->unseen.len;
	flo_status st;

	if (half == NULL)
		return FLO_NOMEM;
	half[0].m = half[1].m = m;
	half[0].half.read = half[1].half.read = find_half;
	half[0].to = half[1].from = len / 2;
	half[1].to = len;
	st = flo__half_both(&half[0].half, &half[1].half, m->db, m->in.source,
			    len >= FLO__SECOND_LOOKUPS, err);
	if (st == FLO_OK)
		take_both(m, half);
	flo__free(half);
	return st;
}

/*
 * Whether what the pull did not tell of can be judged without reading it: all
 * of the state has all parts of the key, under the spec that is asked for.
 */
static bool are_few(const struct flo__match *m)
{
	int64_t looked_up =
		(int64_t)m->unseen.len + m->in.pull_rows - m->in.pull_hits;

	return m->told && m->in.identified && !m->in.rebase && !m->in.partial &&
	       looked_up <= m->state_rows / FEW_OF;
}

flo_status flo__match_state(struct flo__match *m, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_row(m->db, err, &stmt,
			 "SELECT rows FROM source WHERE id = ?1", "i",
			 m->in.source));
	m->state_rows = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	stmt = NULL;
	m->few = are_few(m);
	TRY(reserve(m, m->few ? m->unseen.len : (size_t)m->state_rows));
	st = m->few ? load_few(m, err) : load_all(m, err);
out:
	sqlite3_finalize(stmt);
	return st;
}
