/* Records of the state that the pull has found, and left out for that. */
#include "steps/cmdb/match_p.h"

#include "base/contract.h"
#include "base/strbuf.h"

#include <string.h>

flo_status flo__match_told(struct flo__match *m, flo_error *err)
{
	flo_status st;

	if (m->in.is != FLO__PULL_FULL || !m->in.staged || m->in.pull_hits == 0)
		return FLO_OK;
	st = flo__unseen_load(&m->unseen, m->db, m->in.source, m->in.pull,
			      m->in.base, err);
	m->told = st == FLO_OK;
	return st;
}

/* The row of the body of the state's record @key; 0: there is no record. */
static flo_status find_body(struct flo__match *m, const struct flo__digest *key,
			    flo_error *err, int64_t *ret_body)
{
	bool row = false;
	flo_status st = FLO_OK;

	*ret_body = 0;
	if (m->find == NULL)
		TRY(flo__cdb_prepare(m->db,
				     "SELECT body FROM state"
				     " WHERE source = ?1 AND key = ?2",
				     err, &m->find));
	TRY(flo__cdb_bind(m->db, m->find, err, "id", m->in.source, key));
	TRY(flo__cdb_step(m->db, m->find, err, &row));
	if (row)
		*ret_body = sqlite3_column_int64(m->find, 0);
out:
	sqlite3_reset(m->find);
	return st;
}

flo_status flo__match_is_seen(struct flo__match *m,
			      const struct flo__digest *key, flo_error *err,
			      bool *ret_seen)
{
	int64_t body = 0;
	flo_status st = FLO_OK;

	if (m->few)
		st = find_body(m, key, err, &body);
	*ret_seen = body != 0;
	return st;
}

/* They are there once in the state, and more than once in the pull. */
static flo_status match_twice(struct flo__match *m, flo_error *err,
			      int64_t *ret_len)
{
	struct flo__strbuf keys = FLO__STRBUF_INIT;
	struct flo__digest key;
	flo_status st;

	TRY(flo__unseen_read(m->db, FLO__TWICE_SELECT, m->in.pull, &keys, err));
	for (size_t at = 0; at < keys.len; at += sizeof(key)) {
		int64_t body;

		memcpy(&key, keys.data + at, sizeof(key));
		TRY(find_body(m, &key, err, &body));
		TRY(flo__match_bad_key(m, body, &m->counts.dup_keys, err));
	}
	*ret_len = (int64_t)(keys.len / sizeof(key));
out:
	flo__strbuf_fini(&keys);
	return st;
}

/* One that must not be, now that the diff allows no null, is not counted. */
static flo_status match_seen(struct flo__match *m, const struct flo__entry *e,
			     flo_error *err)
{
	m->present_any |= e->present;
	if (flo__match_null_key(m, e->present))
		return flo__match_bad_key(m, e->body, &m->null_keys, err);
	m->there++;
	m->counts.same++;
	flo__match_present(m, e->present, m->present_after);
	return FLO_OK;
}

static flo_status match_all_seen(struct flo__match *m, flo_error *err,
				 int64_t *ret_len)
{
	flo_status st = FLO_OK;

	*ret_len = 0;
	for (size_t i = 0; st == FLO_OK && i < m->state_len; i++) {
		if (!m->entry[i].seen)
			continue;
		st = match_seen(m, &m->entry[i], err);
		++*ret_len;
	}
	return st;
}

/* All that were not read have all parts of their key, and were found. */
static int64_t count_seen(struct flo__match *m)
{
	int64_t seen = m->state_rows - (int64_t)m->state_len;

	m->there += seen;
	m->counts.same += seen;
	for (size_t i = 0; i < m->in.spec->key_len; i++) {
		m->present_before[i] += seen;
		m->present_after[i] += seen;
		m->present_any |= seen != 0 ? 1u << i : 0;
	}
	return seen;
}

/* Of what was found, that whose bytes were known: the rest is in `same`. */
static flo_status count_raw_hits(struct flo__match *m, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_row(m->db, err, &stmt,
			 "SELECT ifnull(sum(length(keys)), 0) / 16 FROM same"
			 " WHERE id BETWEEN ?1 AND ?2",
			 "ii", flo__cdb_first(m->in.pull),
			 flo__cdb_last(m->in.pull)));
	m->counts.raw_hits = m->in.pull_hits - sqlite3_column_int64(stmt, 0);
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__match_seen(struct flo__match *m, flo_error *err)
{
	int64_t seen = 0, twice = 0;
	flo_status st = FLO_OK;

	if (!m->told)
		return FLO_OK;
	TRY(count_raw_hits(m, err));
	TRY(match_twice(m, err, &twice));
	if (m->few)
		seen = count_seen(m);
	else
		TRY(match_all_seen(m, err, &seen));
	if (seen + twice != m->in.pull_hits)
		st = flo_error_set(
			err, FLO_CORRUPT,
			"%s: the pull found %lld records in the "
			"state, where %lld are; pull again: " FLO__CDB_ANEW,
			m->db->path, (long long)m->in.pull_hits,
			(long long)(seen + twice));
out:
	return st;
}
