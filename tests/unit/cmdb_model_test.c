/*
 * Random pulls of every kind, random plans, some applied, some late, some that
 * run out of memory: after each step the database must be what the model is,
 * and in the end what was true after each apply must be in the history.
 *
 * FLO_TEST_CMDB_SEEDS is how many seeds to try, FLO_TEST_CMDB_SEED the first;
 * a failure names its seed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "cmdb_model.h"
#include "cmdb_stage_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS	    120
#define STEPS	    24
#define PULLS	    2
#define PLANS	    2
#define APPLIES_MAX 64

/* A pull or a plan that waits to be used, perhaps too late. */
struct pending_pull {
	bool set;
	char id[64];
	struct model_pull is;
};

struct pending_plan {
	bool set;
	bool blocked;
	bool applied;
	char id[64];
	struct model_pull pull;
	struct model_plan is;
};

struct world {
	uint64_t seed;
	uint64_t random;
	unsigned step;
	sqlite3 *sql;
	char db[128];
	struct model_state is;
	struct model_settings settings;
	struct pending_pull pull[PULLS];
	struct pending_plan plan[PLANS];
	/* after each apply, its time and the records */
	int64_t time[APPLIES_MAX];
	struct model_state was[APPLIES_MAX];
	size_t applies;
	int cursors;
	unsigned out_of_memory;
	unsigned diffs[MODEL_INVALID + 1]; /* by outcome */
	unsigned late;			   /* applies that were refused */
};

static unsigned pick(struct world *w, unsigned below)
{
	return model_pick(&w->random, below);
}

#define CHECK(w, cond, ...)                                                    \
	do {                                                                   \
		if (cond)                                                      \
			break;                                                 \
		print_error("seed %llu, step %u: ",                            \
			    (unsigned long long)(w)->seed, (w)->step);         \
		fail_msg(__VA_ARGS__);                                         \
	} while (0)

/* Looks into the database */

static void look(struct world *w, const char *sql, int64_t arg,
		 struct flo__strbuf *sb)
{
	sqlite3_stmt *stmt = NULL;
	char name[32];

	snprintf(name, sizeof(name), "s%llu", (unsigned long long)w->seed);
	assert_int_equal(sqlite3_prepare_v2(w->sql, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, arg);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			flo__strbuf_addf(
				sb, "%s%s", i != 0 ? "|" : "",
				sqlite3_column_type(stmt, i) == SQLITE_NULL
					? "-"
					: (const char *)
						  sqlite3_column_text(stmt, i));
		flo__strbuf_addc(sb, '\n');
	}
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
}

static int64_t look_number(struct world *w, const char *sql)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int64_t n;

	look(w, sql, 0, &sb);
	n = strtoll(sb.data, NULL, 10);
	flo__strbuf_fini(&sb);
	return n;
}

static void add_record(struct flo__strbuf *sb, int id,
		       const struct model_record *r)
{
	flo__strbuf_addf(sb, "{\"id\":%d,\"n\":%d,\"seen\":%d}", id, r->n,
			 r->seen);
}

static void add_records(struct flo__strbuf *sb, const struct model_state *state)
{
	for (int i = 0; i < KEYS; i++) {
		if (!state->record[i].there)
			continue;
		add_record(sb, i, &state->record[i]);
		flo__strbuf_addc(sb, '\n');
	}
}

static void compare(struct world *w, const char *what, struct flo__strbuf *got,
		    struct flo__strbuf *want)
{
	CHECK(w, strcmp(got->data, want->data) == 0, "%s is\n%s, not\n%s", what,
	      got->data, want->data);
	flo__strbuf_reset(got);
	flo__strbuf_reset(want);
}

/* The database is what the model is. */
static void check_state(struct world *w)
{
	struct flo__strbuf got = FLO__STRBUF_INIT, want = FLO__STRBUF_INIT;
	const struct model_state *is = &w->is;

	look(w,
	     "SELECT body FROM cmdb_current WHERE source = ?1"
	     " ORDER BY json_extract(body, '$.id')",
	     0, &got);
	add_records(&want, is);
	compare(w, "the state", &got, &want);
	look(w,
	     "SELECT h.key, m.times FROM miss m JOIN state t USING(source, key)"
	     " JOIN history h ON h.id = t.body JOIN source s ON s.id = m.source"
	     " WHERE s.name = ?1 ORDER BY json_extract(h.key, '$[0]')",
	     0, &got);
	for (int i = 0; i < KEYS; i++)
		if (is->record[i].misses != 0)
			flo__strbuf_addf(&want, "[%d]|%u\n", i,
					 is->record[i].misses);
	compare(w, "what is missing", &got, &want);
	look(w,
	     "SELECT version, rows, pull, ifnull(cursor, 0), ifnull(origin, 0),"
	     " (SELECT count(*) FROM miss m WHERE m.source = s.id"
	     "  AND NOT EXISTS (SELECT 1 FROM state t WHERE t.source = s.id"
	     "   AND t.key = m.key)) FROM source s WHERE name = ?1",
	     0, &got);
	if (got.len != 0)
		flo__strbuf_addf(&want, "%lld|%lld|%lld|%d|%d|0\n",
				 (long long)is->version,
				 (long long)model_rows(is), (long long)is->pull,
				 is->cursor, is->origin);
	compare(w, "the source", &got, &want);
	flo__strbuf_fini(&got);
	flo__strbuf_fini(&want);
}

/* What was true after each apply is what the history says of that time. */
static void check_history(struct world *w)
{
	struct flo__strbuf got = FLO__STRBUF_INIT, want = FLO__STRBUF_INIT;

	for (size_t i = 0; i < w->applies; i++) {
		look(w,
		     "SELECT body FROM cmdb_history WHERE source = ?1"
		     " AND valid_from <= ?2"
		     " AND (valid_to IS NULL OR valid_to > ?2)"
		     " ORDER BY json_extract(body, '$.id')",
		     w->time[i], &got);
		add_records(&want, &w->was[i]);
		compare(w, "the history", &got, &want);
	}
	CHECK(w,
	      look_number(w, "SELECT count(*) FROM history a JOIN history b"
			     " ON a.source = b.source AND a.key = b.key"
			     " AND a.id <> b.id"
			     " AND a.valid_from <= b.valid_from"
			     " LEFT JOIN ended e ON e.id = a.id"
			     " JOIN source s ON s.id = a.source"
			     " WHERE s.name = ?1 AND (e.valid_to IS NULL"
			     "  OR e.valid_to > b.valid_from)") == 0,
	      "versions overlap");
	CHECK(w,
	      look_number(w,
			  "SELECT count(*) FROM cmdb_history"
			  " WHERE source = ?1 AND valid_to <= valid_from") == 0,
	      "a version ends before it begins");
	flo__strbuf_fini(&got);
	flo__strbuf_fini(&want);
}

/* Steps */

/* A step's name, its key, and whether it is to run out of memory. */
static const char *begin_step(struct world *w, bool may_fail)
{
	static char key[64];

	snprintf(key, sizeof(key), "%llu-%u", (unsigned long long)w->seed,
		 w->step);
	fs.alloc_fail_at = may_fail && pick(w, 6) == 0 ? 1 + pick(w, 120) : 0;
	return key;
}

/* True if the step failed because it was to. */
static bool end_step(struct world *w, flo_status st)
{
	bool meant = fs.alloc_fail_at != 0 && fs.allocs >= fs.alloc_fail_at;

	fs.alloc_fail_at = 0;
	w->out_of_memory += meant && st != FLO_OK;
	return meant && st != FLO_OK;
}

static void add_events(struct flo__strbuf *sb, const struct model_pull *pull,
		       bool broken)
{
	for (size_t i = 0; i < pull->len; i++) {
		const struct model_event *e = &pull->event[i];

		flo__strbuf_adds(sb, i != 0 ? "," : "");
		if (e->gone)
			flo__strbuf_addf(sb, "{\"id\":%d,\"gone\":true}",
					 e->id);
		else
			flo__strbuf_addf(sb, "{\"id\":%d,\"n\":%d,\"seen\":%d}",
					 e->id, e->n, e->seen);
	}
	if (broken)
		flo__strbuf_adds(sb, pull->len != 0 ? ",7" : "7");
}

/* The cursor is offered where the same was asked for and nothing is missing. */
static void check_offer(struct world *w, const struct model_pull *pull,
			const flo_value *output)
{
	const flo_value *offered = flo_value_map_get(output, "offered");
	int want = w->is.origin == pull->origin ? w->is.cursor : 0;

	for (int i = 0; i < KEYS; i++)
		want = w->is.record[i].misses != 0 ? 0 : want;
	if (want == 0)
		CHECK(w, flo_value_typeof(offered) == FLO_VALUE_NULL,
		      "a cursor was offered");
	else
		CHECK(w, atoi(out_text(output, "offered")) == want,
		      "the cursor %s was offered, not %d",
		      out_text(output, "offered"), want);
}

static void pull_step(struct world *w)
{
	static const char *const kinds[] = {"full", "changes", "same"};
	struct pending_pull *to = &w->pull[pick(w, PULLS)];
	struct flo__strbuf records = FLO__STRBUF_INIT;
	bool broken = pick(w, 12) == 0;
	flo_value *output = NULL;
	struct model_pull pull;
	char cursor[32] = "";
	flo_status st;

	model_make_pull(&w->is, &w->random, &w->cursors, &pull);
	if (pull.kind == MODEL_SAME)
		broken = false;
	add_events(&records, &pull, broken);
	if (pull.cursor != 0)
		snprintf(cursor, sizeof(cursor), ",\"cursor\":\"%d\"",
			 pull.cursor);
	st = fake_step(&fs, &cmdb_stage_step, begin_step(w, true), &output,
		       "{\"db\":\"%s\",\"source\":\"s%llu\",\"kind\":\"%s\","
		       "\"origin\":\"%d\",\"gone\":\"/gone\"%s,"
		       "\"records\":[%s]}",
		       w->db, (unsigned long long)w->seed, kinds[pull.kind],
		       pull.origin, cursor, records.data);
	flo__strbuf_fini(&records);
	if (end_step(w, st))
		return;
	CHECK(w, (st == FLO_SYNTAX) == broken && (broken || st == FLO_OK),
	      "pull: %s: %s", flo_status_name(st), fs.err.text);
	if (broken)
		return;
	check_offer(w, &pull, output);
	pull.no = look_number(w, "SELECT max(no) FROM pull p JOIN source s"
				 " ON s.id = p.source WHERE s.name = ?1");
	*to = (struct pending_pull){.set = true, .is = pull};
	snprintf(to->id, sizeof(to->id), "%s", out_text(output, "pull"));
	flo_value_unref(output);
}

static void check_counts(struct world *w, const flo_value *output,
			 const struct model_counts *n)
{
	char got[160], want[160];

	snprintf(got, sizeof(got), "rows %lld +%lld ~%lld -%lld =%lld",
		 (long long)out_int(output, "rows"),
		 (long long)out_int(output, "added"),
		 (long long)out_int(output, "changed"),
		 (long long)out_int(output, "removed"),
		 (long long)out_int(output, "same"));
	snprintf(want, sizeof(want), "rows %lld +%lld ~%lld -%lld =%lld",
		 (long long)n->rows, (long long)n->added, (long long)n->changed,
		 (long long)n->removed, (long long)n->same);
	CHECK(w, strcmp(got, want) == 0, "counted %s, not %s", got, want);
	CHECK(w,
	      w->settings.after <= 1 ||
		      out_int(output, "missing") == n->missing,
	      "missing is %lld, not %lld",
	      (long long)out_int(output, "missing"), (long long)n->missing);
}

static void keep_plan(struct world *w, const struct pending_pull *pull,
		      const struct model_plan *plan)
{
	struct pending_plan *to = &w->plan[pick(w, PLANS)];
	struct flo__strbuf id = FLO__STRBUF_INIT;

	look(w,
	     "SELECT p.id FROM plan p JOIN source s ON s.id = p.source"
	     " WHERE s.name = ?1 ORDER BY no DESC LIMIT 1",
	     0, &id);
	*to = (struct pending_plan){
		.set = true,
		.blocked = plan->outcome == MODEL_BLOCKED,
		.pull = pull->is,
		.is = *plan,
	};
	snprintf(to->id, sizeof(to->id), "%.*s", (int)id.len - 1, id.data);
	flo__strbuf_fini(&id);
}

static void diff_step(struct world *w)
{
	static const flo_status statuses[] = {
		[MODEL_READY] = FLO_OK,
		[MODEL_BLOCKED] = FLO_BLOCKED,
		[MODEL_REFUSED] = FLO_FAILED,
		[MODEL_INVALID] = FLO_INVALID,
	};
	struct pending_pull *pull = &w->pull[pick(w, PULLS)];
	flo_value *output = NULL;
	struct model_plan plan;
	flo_status st;

	if (!pull->set)
		return;
	if (pick(w, 12) == 0)
		w->settings.ignores = !w->settings.ignores;
	w->settings.guards = pick(w, 3) == 0;
	model_diff(&w->is, &pull->is, &w->settings, &plan);
	st = fake_step(&fs, &flo__cmdb_diff, begin_step(w, true), &output,
		       "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"]%s,"
		       "\"guard\":{\"remove_after_misses\":%u%s}}",
		       w->db, pull->id,
		       w->settings.ignores ? ",\"ignore\":[\"/seen\"]" : "",
		       w->settings.after,
		       w->settings.guards ? ""
					  : ",\"empty_pull\":false,"
					    "\"removed_percent\":false");
	if (end_step(w, st))
		return;
	CHECK(w, st == statuses[plan.outcome], "diff: %s, not %s: %s",
	      flo_status_name(st), flo_status_name(statuses[plan.outcome]),
	      fs.err.text);
	if (st == FLO_OK)
		check_counts(w, output, &plan.counts);
	flo_value_unref(output);
	w->diffs[plan.outcome]++;
	if (st == FLO_OK || st == FLO_BLOCKED)
		keep_plan(w, pull, &plan);
}

static void remember(struct world *w)
{
	if (w->applies == APPLIES_MAX)
		return;
	w->time[w->applies] =
		look_number(w, "SELECT applied_us FROM source WHERE name = ?1");
	w->was[w->applies++] = w->is;
}

static void release(struct world *w, struct pending_plan *plan)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		 "UPDATE plan SET state = 'ready' WHERE id = '%s'", plan->id);
	assert_int_equal(sqlite3_exec(w->sql, sql, NULL, NULL, NULL),
			 SQLITE_OK);
	plan->blocked = false;
}

static bool is_applied(struct world *w, const struct pending_plan *plan)
{
	char sql[160];

	snprintf(sql, sizeof(sql),
		 "SELECT state = 'applied' AND ?1 <> '' FROM plan"
		 " WHERE id = '%s'",
		 plan->id);
	return look_number(w, sql) != 0;
}

static void apply_step(struct world *w)
{
	struct pending_plan *plan = &w->plan[pick(w, PLANS)];
	flo_value *output = NULL;
	flo_status want;
	flo_status st;

	if (!plan->set)
		return;
	if (plan->blocked && pick(w, 2) == 0)
		release(w, plan);
	want = plan->applied				    ? FLO_OK
	       : plan->blocked				    ? FLO_BLOCKED
	       : model_fits(&w->is, &plan->pull, &plan->is) ? FLO_OK
							    : FLO_FAILED;
	st = fake_step(&fs, &flo__cmdb_apply, begin_step(w, true), &output,
		       "{\"db\":\"%s\",\"plan\":\"%s\"}", w->db, plan->id);
	if (end_step(w, st)) {
		flo_value_unref(output);
		/* It may have been the output that there was no memory for. */
		if (plan->applied || !is_applied(w, plan))
			return;
		st = FLO_OK;
		output = NULL;
	}
	CHECK(w, st == want, "apply: %s, not %s: %s", flo_status_name(st),
	      flo_status_name(want), fs.err.text);
	if (output != NULL)
		CHECK(w, out_bool(output, "already") == plan->applied,
		      "already is wrong");
	flo_value_unref(output);
	w->late += st == FLO_FAILED;
	if (st != FLO_OK || plan->applied)
		return;
	plan->applied = true;
	w->is = plan->is.next;
	remember(w);
}

static void try_seed(struct world *w, uint64_t seed)
{
	w->seed = seed;
	w->random = seed;
	w->settings.after = pick(w, 4);
	if (w->settings.after == 0)
		w->settings.after = 1;
	for (w->step = 0; w->step < STEPS * 3; w->step++) {
		unsigned what = pick(w, 3);

		if (what == 0)
			pull_step(w);
		else if (what == 1)
			diff_step(w);
		else
			apply_step(w);
		check_state(w);
	}
	check_history(w);
}

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* In memory if there is such a place: thousands of commits. */
static void open_world(struct world *w)
{
	snprintf(w->db, sizeof(w->db), "%s/model-%d.db",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : fs.dir,
		 (int)getpid());
	unlink(w->db);
	fake_ok(&fs, fake_step(&fs, &cmdb_stage_step, "first", NULL,
			       "{\"db\":\"%s\",\"source\":\"other\"}", w->db));
	assert_int_equal(sqlite3_open(w->db, &w->sql), SQLITE_OK);
}

static void close_world(struct world *w)
{
	char path[160];

	sqlite3_close(w->sql);
	unlink(w->db);
	snprintf(path, sizeof(path), "%s-wal", w->db);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", w->db);
	unlink(path);
}

static void check_integrity(struct world *w)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	look(w, "PRAGMA integrity_check", 0, &sb);
	assert_string_equal(sb.data, "ok\n");
	flo__strbuf_fini(&sb);
}

static void add_up(struct world *all, const struct world *w)
{
	all->applies += w->applies;
	all->late += w->late;
	all->out_of_memory += w->out_of_memory;
	for (int i = 0; i <= MODEL_INVALID; i++)
		all->diffs[i] += w->diffs[i];
}

/* What was tried: a seed in which nothing happens proves nothing. */
static void tell(const struct world *all, uint64_t seeds)
{
	print_message("%llu seeds: %zu applies, %u too late; diffs: %u ready, "
		      "%u blocked, %u refused, %u invalid; %u without memory\n",
		      (unsigned long long)seeds, all->applies, all->late,
		      all->diffs[MODEL_READY], all->diffs[MODEL_BLOCKED],
		      all->diffs[MODEL_REFUSED], all->diffs[MODEL_INVALID],
		      all->out_of_memory);
	assert_true(seeds < SEEDS || (all->applies > seeds && all->late != 0));
	for (int i = 0; i <= MODEL_INVALID; i++)
		assert_true(seeds < SEEDS || all->diffs[i] != 0);
}

static void the_database_is_what_the_model_is(void **state)
{
	uint64_t first = number_of("FLO_TEST_CMDB_SEED", 1);
	uint64_t seeds = number_of("FLO_TEST_CMDB_SEEDS", SEEDS);
	static struct world empty, w, all;

	(void)state;
	open_world(&empty);
	for (uint64_t seed = first; seed < first + seeds; seed++) {
		w = empty;
		try_seed(&w, seed);
		add_up(&all, &w);
	}
	tell(&all, seeds);
	check_integrity(&empty);
	close_world(&empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_database_is_what_the_model_is),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
