/* Records of the pull that the state holds, as the pull has found. */
#include "steps/cmdb/match_p.h"

#include "base/contract.h"

static flo_status match_hit(struct flo__match *m, const struct flo__digest *raw,
			    flo_error *err)
{
	uint32_t at = flo__index_find(&m->by_raw, raw);
	struct flo__entry *e;

	if (at == FLO__INDEX_NONE)
		return flo_error_set(err, FLO_FAILED,
				     "the state has changed since the pull, "
				     "so that records it had are gone; pull "
				     "again: " FLO__CDB_ANEW);
	e = &m->entry[at];
	m->present_any |= e->present;
	if (flo__match_null_key(m, e->present))
		return flo__match_bad_key(m, e->body, &m->null_keys, err);
	if (e->seen)
		return flo__match_bad_key(m, e->body, &m->counts.dup_keys, err);
	m->there++;
	flo__match_present(m, e->present, m->present_after);
	e->seen = true;
	m->counts.same++;
	return FLO_OK;
}

/* Records that are looked for ahead of the one that is matched. */
#define HITS_AHEAD 16

static void hint_hit(const struct flo__match *m, const struct flo__digest *raw,
		     size_t i, size_t len)
{
	if (i + 2 * HITS_AHEAD < len)
		flo__index_hint(&m->by_raw, &raw[i + 2 * HITS_AHEAD]);
	if (i + HITS_AHEAD < len)
		flo__index_hint_place(&m->by_raw, &raw[i + HITS_AHEAD]);
}

flo_status flo__match_hits(struct flo__match *m, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(
		m->db,
		"SELECT raws, 1 FROM hit WHERE id BETWEEN ?1 AND ?2"
		" UNION ALL"
		" SELECT raws, 0 FROM same WHERE id BETWEEN ?1 AND"
		" ?2",
		err, &stmt));
	TRY(flo__cdb_bind(m->db, stmt, err, "ii", flo__cdb_first(m->in.pull),
			  flo__cdb_last(m->in.pull)));
	for (;;) {
		const struct flo__digest *raw;
		size_t len;

		TRY(flo__cdb_step(m->db, stmt, err, &row));
		if (!row)
			break;
		raw = sqlite3_column_blob(stmt, 0);
		len = (size_t)sqlite3_column_bytes(stmt, 0) / sizeof(*raw);
		if (sqlite3_column_int(stmt, 1) != 0)
			m->counts.raw_hits += (int64_t)len;
		for (size_t i = 0; i < len; i++) {
			hint_hit(m, raw, i, len);
			TRY(match_hit(m, &raw[i], err));
		}
	}
out:
	sqlite3_finalize(stmt);
	return st;
}
