/*
 * What becomes of records that a pull did not have.
 *
 * Only a pull of everything says something by leaving a record out. Even then
 * the record stays until so many applied pulls in a row have lacked it, for
 * sources that lose some of their records for an hour now and then. How often
 * it was missing so far lies in the table miss; a plan carries what that is to
 * become, and its apply writes it, whether there are changes or not. So two
 * plans of the same base may not both be applied where misses count: see
 * flo__cmdb_plan.since.
 */
#include "steps/cmdb/match_p.h"

flo_status flo__match_remove(struct flo__match *match, uint32_t entry)
{
	if (flo__match_change(match, 'd', entry) == NULL)
		return FLO_NOMEM;
	match->counts.removed++;
	match->entry[entry].seen = true;
	return FLO_OK;
}

/*
 * What stays without the pull having it was never held against a key that is
 * new, and might not have its fields.
 */
static flo_status keep(struct flo__match *match, const struct flo__entry *e,
		       flo_error *err)
{
	match->missing += e->times != 0;
	match->present_any |= e->present;
	if (!match->in.rebase || !flo__match_null_key(match, e->present))
		return FLO_OK;
	return flo__match_bad_key(match, e->body, &match->null_keys, err);
}

flo_status flo__match_absent(struct flo__match *match, flo_error *err)
{
	bool everything = match->in.is == FLO__PULL_FULL && match->in.staged;
	flo_status st = FLO_OK;

	for (uint32_t i = 0; st == FLO_OK && i < match->state_len; i++) {
		struct flo__entry *e = &match->entry[i];

		e->times = e->seen ? 0 : e->times + everything;
		if (e->seen)
			continue;
		if (everything && e->times >= match->in.remove_after) {
			e->times = 0;
			st = flo__match_remove(match, i);
		} else {
			st = keep(match, e, err);
		}
	}
	return st;
}

/* What was applied already, or has not changed since: nothing can differ. */
void flo__match_itself(struct flo__match *match)
{
	if (match->in.is == FLO__PULL_SAME)
		match->counts.rows = (int64_t)match->state_len;
	match->counts.same = match->counts.rows;
	match->counts.raw_hits = match->counts.rows;
	match->there = (int64_t)match->state_len;
	for (size_t i = 0; i < match->state_len; i++)
		flo__match_present(match, match->entry[i].present,
				   match->present_after);
}
