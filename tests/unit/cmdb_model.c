#include "cmdb_model.h"

#include <string.h>

int64_t model_rows(const struct model_state *state)
{
	int64_t rows = 0;

	for (int i = 0; i < KEYS; i++)
		rows += state->record[i].there;
	return rows;
}

bool model_knows(const struct model_state *state,
		 const struct model_event *event)
{
	const struct model_record *r = &state->record[event->id];

	return !event->gone && r->there && r->n == event->n &&
	       r->seen == event->seen;
}

/* splitmix64 */
unsigned model_pick(uint64_t *random, unsigned below)
{
	uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (unsigned)((z ^ z >> 31) % below);
}

static void make_event(const struct model_state *state, uint64_t *random,
		       int id, struct model_event *event)
{
	*event = (struct model_event){
		.id = id,
		.n = (int)model_pick(random, 3),
		.seen = (int)model_pick(random, 3),
		.gone = model_pick(random, 8) == 0,
	};
	if (state->record[id].there && model_pick(random, 2) == 0) {
		event->n = state->record[id].n;
		event->seen = state->record[id].seen;
	}
}

/* All that @state holds, but for one or two: mostly it is so. */
static struct model_event *make_calm(const struct model_state *state,
				     uint64_t *random, struct model_event *to)
{
	for (int i = 0; i < KEYS; i++) {
		const struct model_record *r = &state->record[i];

		if (model_pick(random, 25) == 0) {
			if (model_pick(random, 2) == 0)
				make_event(state, random, i, to++);
		} else if (r->there) {
			*to++ = (struct model_event){i, .n = r->n,
						     .seen = r->seen};
		}
	}
	return to;
}

static void make_events(const struct model_state *state, uint64_t *random,
			struct model_pull *pull)
{
	bool calm = pull->kind == MODEL_FULL && model_pick(random, 2) == 0;
	unsigned share = model_pick(random, 11);
	unsigned changes = model_pick(random, 12);
	struct model_event *to = pull->event;

	if (pull->kind == MODEL_CHANGES)
		while (changes-- != 0)
			make_event(state, random, (int)model_pick(random, KEYS),
				   to++);
	if (calm)
		to = make_calm(state, random, to);
	for (int i = 0; pull->kind == MODEL_FULL && !calm && i < KEYS; i++)
		if (model_pick(random, 10) < share)
			make_event(state, random, i, to++);
	/* A key that is there twice, now and then. */
	if (pull->kind == MODEL_FULL && to != pull->event &&
	    model_pick(random, 20) == 0)
		make_event(state, random, pull->event[0].id, to++);
	pull->len = (size_t)(to - pull->event);
}

void model_make_pull(const struct model_state *state, uint64_t *random,
		     int *cursors, struct model_pull *ret_pull)
{
	static const enum model_kind kinds[] = {
		MODEL_FULL,    MODEL_FULL,    MODEL_FULL,    MODEL_FULL,
		MODEL_CHANGES, MODEL_CHANGES, MODEL_CHANGES, MODEL_SAME,
	};
	struct model_pull pull = {
		.kind = kinds[model_pick(random, 8)],
		.origin = 1 + (model_pick(random, 8) == 0),
		.since = state->pull,
		.base = state->version,
	};

	if (model_pick(random, 3) != 0)
		pull.cursor = ++*cursors;
	make_events(state, random, &pull);
	for (size_t i = 0; i < pull.len; i++) {
		struct model_event *e = &pull.event[i];

		e->hit = pull.kind == MODEL_FULL && model_knows(state, e);
		e->version = state->record[e->id].version;
	}
	*ret_pull = pull;
}

/* What was found in the state is still there, untouched, and means the same. */
static bool stands(const struct model_state *state,
		   const struct model_pull *pull,
		   const struct model_event *event)
{
	const struct model_record *r = &state->record[event->id];

	return r->there && r->version == event->version &&
	       state->rebased <= pull->base;
}

static bool refused(const struct model_state *state,
		    const struct model_pull *pull)
{
	if (pull->no < state->pull)
		return true;
	if (pull->no == state->pull)
		return false;
	if (pull->kind != MODEL_FULL && pull->since != state->pull)
		return true;
	for (size_t i = 0; i < pull->len; i++)
		if (pull->event[i].hit && !stands(state, pull, &pull->event[i]))
			return true;
	return false;
}

static bool twice(const struct model_pull *pull)
{
	bool seen[KEYS] = {false};

	for (size_t i = 0; i < pull->len; i++) {
		if (seen[pull->event[i].id])
			return true;
		seen[pull->event[i].id] = true;
	}
	return false;
}

/* What one event does to its record. */
static void take(const struct model_event *event,
		 const struct model_settings *settings, int64_t version,
		 struct model_record *record, struct model_counts *counts)
{
	bool equal = record->n == event->n &&
		     (settings->ignores || record->seen == event->seen);

	record->misses = 0;
	if (event->gone && record->there) {
		counts->removed++;
		record->there = false;
	} else if (event->gone || (record->there && equal)) {
		counts->same++;
	} else {
		*(record->there ? &counts->changed : &counts->added) += 1;
		*record = (struct model_record){true, event->n, event->seen, 0,
						version};
	}
}

static void take_all(const struct model_pull *pull,
		     const struct model_settings *settings,
		     struct model_plan *plan, bool told[KEYS])
{
	for (size_t i = 0; i < pull->len; i++) {
		const struct model_event *event = &pull->event[i];
		bool last = true;

		for (size_t j = i + 1; j < pull->len; j++)
			last = last && pull->event[j].id != event->id;
		told[event->id] = true;
		if (last)
			take(event, settings, plan->base + 1,
			     &plan->next.record[event->id], &plan->counts);
		else
			plan->counts.same++;
	}
}

/* What a list left out. */
static void miss_all(const struct model_settings *settings,
		     struct model_plan *plan, const bool told[KEYS])
{
	for (int i = 0; i < KEYS; i++) {
		struct model_record *record = &plan->next.record[i];

		if (!record->there || told[i])
			continue;
		if (++record->misses < settings->after)
			continue;
		*record = (struct model_record){.there = false};
		plan->counts.removed++;
	}
}

static bool blocked(const struct model_state *state,
		    const struct model_pull *pull,
		    const struct model_settings *settings,
		    const struct model_counts *counts)
{
	int64_t rows = model_rows(state);

	if (!settings->guards)
		return false;
	return (pull->kind == MODEL_FULL && rows != 0 && counts->rows == 0) ||
	       (counts->removed >= 10 && counts->removed * 5 > rows);
}

static void fill_next(const struct model_state *state,
		      const struct model_pull *pull,
		      const struct model_settings *settings,
		      struct model_plan *plan)
{
	struct model_state *next = &plan->next;
	const struct model_counts *n = &plan->counts;

	bool rebase = state->has_spec && state->ignores != settings->ignores;

	next->version += n->added + n->changed + n->removed != 0 || rebase;
	if (rebase)
		next->rebased = next->version;
	next->pull = pull->no;
	next->has_spec = true;
	next->ignores = settings->ignores;
	if (pull->kind != MODEL_SAME)
		next->origin = pull->origin;
	if (pull->kind == MODEL_FULL ||
	    (pull->kind == MODEL_CHANGES && pull->cursor != 0))
		next->cursor = pull->cursor;
	/* What was ignored may be older here than at the source. */
	if (rebase && pull->kind != MODEL_FULL)
		next->cursor = 0;
}

void model_diff(const struct model_state *state, const struct model_pull *pull,
		const struct model_settings *settings,
		struct model_plan *ret_plan)
{
	bool itself = pull->no == state->pull;
	bool told[KEYS] = {false};
	struct model_plan plan = {
		.next = *state,
		.base = state->version,
		.since = pull->kind != MODEL_FULL || settings->after > 1
				 ? state->pull
				 : -1,
		.counts = {.rows = (int64_t)pull->len},
	};

	if (settings->after <= 1)
		for (int i = 0; i < KEYS; i++)
			plan.next.record[i].misses = 0;
	if (pull->kind == MODEL_SAME)
		plan.counts.rows = model_rows(state);
	if (refused(state, pull))
		plan.outcome = MODEL_REFUSED;
	else if (itself || pull->kind == MODEL_SAME)
		plan.counts.same = plan.counts.rows;
	else if (pull->kind == MODEL_FULL && twice(pull))
		plan.outcome = MODEL_INVALID;
	else
		take_all(pull, settings, &plan, told);
	if (plan.outcome == MODEL_READY && pull->kind == MODEL_FULL && !itself)
		miss_all(settings, &plan, told);
	for (int i = 0; i < KEYS; i++)
		plan.counts.missing += plan.next.record[i].misses != 0;
	if (plan.outcome == MODEL_READY &&
	    blocked(state, pull, settings, &plan.counts))
		plan.outcome = MODEL_BLOCKED;
	fill_next(state, pull, settings, &plan);
	*ret_plan = plan;
}

bool model_fits(const struct model_state *state, const struct model_pull *pull,
		const struct model_plan *plan)
{
	return state->version == plan->base && state->pull <= pull->no &&
	       (plan->since < 0 || plan->since == state->pull);
}
