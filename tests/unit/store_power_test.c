/*
 * The power goes, at every call that changes a file and with much that such a
 * disk may have done: the store opens, is sound, and each run in it is a
 * prefix with all that was reported, which can be gone on with to the same
 * end. Below durability `power` a tail may be lost, and a file may be damaged
 * at `none`; but never is a wrong record passed off as right.
 *
 * A scene is played once and recorded; then it is cut at each of its calls, a
 * few times (FLO_POWER_SEEDS, 2), and each time the store is judged.
 */
#include "store_power.h"

#include <sqlite3.h>

/* --- playing -------------------------------------------------------------- */

static void enter(struct stage *s)
{
	flo_error err = FLO_ERROR_INIT;
	char path[600];

	power_store_path(s, s->disk, path, sizeof(path));
	OK(flo__store_open(path, s->durability, &err, &s->journal));
}

static struct truth *add_truth(struct stage *s, const char *id, uint64_t total)
{
	struct truth *t = &s->runs[s->runs_len++];

	*t = (struct truth){.id = id, .total = total, .created_at = SIZE_MAX};
	return t;
}

static struct truth *begin(struct stage *s, const char *id, uint64_t total)
{
	struct truth *t = add_truth(s, id, total);

	t->run = create_run(s->journal, id);
	t->created_at = power_calls();
	return t;
}

static void write_until(struct stage *s, struct truth *t, uint64_t seq)
{
	while (t->appended < seq)
		assert_int_equal(power_append(s->journal, t->run, ++t->appended,
					      t->total),
				 FLO_OK);
	assert_int_equal(wait_durable(s->journal, t->run, seq), FLO_OK);
	t->acks[t->acks_len].seq = seq;
	t->acks[t->acks_len++].at = power_calls();
}

static void leave_run(struct stage *s, struct truth *t)
{
	flo_error err = FLO_ERROR_INIT;

	OK(s->journal->ops->close(t->run, &err));
}

/* Copy the WAL into the database, as the store does after some MiB. */
static void checkpoint(struct stage *s)
{
	static const char *const synchronous[] = {
		[FLO__STORE_POWER] = "PRAGMA synchronous = FULL",
		[FLO__STORE_PROCESS] = "PRAGMA synchronous = NORMAL",
		[FLO__STORE_NONE] = "PRAGMA synchronous = OFF",
	};
	sqlite3 *db;
	char path[600];

	power_store_path(s, s->disk, path, sizeof(path));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_exec(db, synchronous[s->durability], NULL, NULL, NULL);
	assert_int_equal(sqlite3_wal_checkpoint_v2(db, NULL,
						   SQLITE_CHECKPOINT_PASSIVE,
						   NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
}

/* --- scenes --------------------------------------------------------------- */

/* A store that is made, with its directories, and its first run. */
static void play_making(struct stage *s)
{
	struct truth *t;

	enter(s);
	t = begin(s, "first", 8);
	write_until(s, t, 3);
	write_until(s, t, 8);
	leave_run(s, t);
	flo__store_close(s->journal);
}

/* Commits of several runs, checkpoints between them, closing. */
static void play_runs(struct stage *s)
{
	struct truth *a, *b, *c;

	enter(s);
	a = begin(s, "a", 20);
	b = begin(s, "b", 20);
	write_until(s, a, 4);
	write_until(s, b, 7);
	checkpoint(s);
	write_until(s, a, 9); /* the WAL begins anew */
	c = begin(s, "c", 10);
	write_until(s, c, 10);
	write_until(s, b, 20);
	checkpoint(s);
	write_until(s, a, 12);
	leave_run(s, c);
	leave_run(s, b);
	leave_run(s, a);
	flo__store_close(s->journal);
}

/* A full disk, for which the ballast pays. */
static void play_ballast(struct stage *s)
{
	flo_error err = FLO_ERROR_INIT;
	struct truth *t;

	enter(s);
	t = begin(s, "a", 12);
	write_until(s, t, 4);
	power_fill_disk(2);
	write_until(s, t, 9);
	assert_true(power_disk_was_full());
	assert_int_equal(s->journal->ops->close(t->run, &err), FLO_FULL);
	flo__store_close(s->journal);
	enter(s); /* there is space again, and so a ballast */
	flo__store_close(s->journal);
}

/* A run that is gone on with. */
static void play_resuming(struct stage *s)
{
	const struct flo__run_record *record;
	flo_error err = FLO_ERROR_INIT;
	struct truth *t = &s->runs[0];

	enter(s);
	OK(s->journal->ops->open(s->journal, t->id, NULL, NULL, &err, &t->run,
				 &record));
	write_until(s, t, t->appended + 3);
	write_until(s, t, t->total);
	leave_run(s, t);
	flo__store_close(s->journal);
}

/* --- before the scene ----------------------------------------------------- */

static void prepare_nothing(struct stage *s)
{
	(void)s;
}

static void prepare_store(struct stage *s)
{
	enter(s);
	flo__store_close(s->journal);
}

static struct truth *recorded_before(struct stage *s, const char *id,
				     uint64_t seq, uint64_t total)
{
	struct truth *t = add_truth(s, id, total);

	t->created_at = 0;
	t->appended = t->acks[0].seq = seq;
	t->acks_len = 1;
	return t;
}

/* A store whose engine was killed, so that there is a WAL. */
static void prepare_killed(struct stage *s)
{
	struct truth *t;

	power_record(s->disk);
	enter(s);
	t = begin(s, "killed", 20);
	write_until(s, t, 6);
	power_stop();
	leave_run(s, t);
	flo__store_close(s->journal);
	/* what was there before it was closed */
	nftw(s->disk, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(s->disk, 0700), 0);
	power_cut(power_calls(), POWER_KEEPS_ALL, s->disk);
	s->runs_len = 0;
	recorded_before(s, "killed", 6, 20);
}

static char *read_text(const char *path)
{
	FILE *stream = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_non_null(stream);
	assert_true(fread(text, 1, (1 << 20) - 1, stream) > 0);
	fclose(stream);
	return text;
}

/* A store of format 1, with a run to go on with. */
static void prepare_format_1(struct stage *s)
{
	const char *tests = getenv("FLO_TESTS_DIR");
	char path[600], *text;
	sqlite3 *db;

	assert_non_null(tests);
	snprintf(path, sizeof(path), "%s/%s", tests,
		 "scenario/f013-a-store-of-the-first-release/store.sql");
	text = read_text(path);
	power_store_path(s, s->disk, path, sizeof(path));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	free(text);
	recorded_before(s, "interrupted", 11, 20);
	recorded_before(s, "ended", 8, 8);
}

/* --- all of it ------------------------------------------------------------ */

struct scene {
	const char *title;
	const char *store; /* its name */
	void (*prepare)(struct stage *s);
	void (*play)(struct stage *s);
};

static const struct scene scenes[] = {
	{"making", "new/deep/flow.db", prepare_nothing, play_making},
	{"runs", "flow.db", prepare_store, play_runs},
	{"ballast", "flow.db", prepare_store, play_ballast},
	{"resuming", "flow.db", prepare_killed, play_resuming},
	{"migrating", "flow.db", prepare_format_1, play_resuming},
};

#define SCENES ((int)(sizeof(scenes) / sizeof(scenes[0])))

struct learner {
	struct truth *truth;
	uint64_t count;
};

static flo_status keep_body(void *arg, const char *json, size_t len)
{
	struct learner *learner = arg;

	assert_true(learner->count < EVENTS_MAX);
	learner->truth->bodies[learner->count++] = strndup(json, len);
	return FLO_OK;
}

/* End all runs, and keep what their events are then. */
static void learn_truth(struct stage *s)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__reader *reader;
	char path[600];

	power_store_path(s, s->disk, path, sizeof(path));
	enter(s);
	for (int i = 0; i < s->runs_len; i++)
		OK(power_finish_run(s->journal, &s->runs[i],
				    s->runs[i].appended, &err));
	flo__store_close(s->journal);
	OK(flo__reader_open(path, &err, &reader));
	for (int i = 0; i < s->runs_len; i++) {
		struct learner learner = {.truth = &s->runs[i]};

		OK(flo__reader_events(reader, s->runs[i].id, keep_body,
				      &learner, &err));
		assert_int_equal(learner.count, s->runs[i].total);
	}
	flo__reader_close(reader);
}

static void empty_left(struct stage *s)
{
	nftw(s->left, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(s->left, 0700), 0);
}

/* That no call was missed: all of them together make the same files. */
static void check_recording(struct stage *s)
{
	char line[1400];

	empty_left(s);
	power_cut(power_calls(), POWER_KEEPS_ALL, s->left);
	snprintf(line, sizeof(line), "diff -rq -x '*-shm' '%s' '%s'", s->disk,
		 s->left);
	assert_int_equal(system(line), 0);
}

static void play(struct stage *s, const struct fixture *f,
		 const struct scene *scene,
		 enum flo__store_durability durability)
{
	*s = (struct stage){.name = scene->store, .durability = durability};
	snprintf(s->disk, sizeof(s->disk), "%s/disk", f->dir);
	snprintf(s->left, sizeof(s->left), "%s/left", f->dir);
	nftw(s->disk, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(s->disk, 0700), 0);
	scene->prepare(s);
	power_record(s->disk);
	s->begin = power_calls();
	scene->play(s);
	power_stop();
	check_recording(s);
	learn_truth(s);
}

static void stage_fini(struct stage *s)
{
	for (int i = 0; i < s->runs_len; i++)
		for (int n = 0; n < EVENTS_MAX; n++)
			free(s->runs[i].bodies[n]);
	power_forget();
}

static uint64_t seeds(void)
{
	const char *text = getenv("FLO_POWER_SEEDS");

	return text != NULL ? strtoull(text, NULL, 10) : 2;
}

/* Cut everywhere; counts verdicts, and explains those worse than @accepted. */
static void cut_everywhere(struct stage *s, enum verdict accepted,
			   size_t ret_counts[VERDICTS])
{
	static const char *const names[] = {"sound", "lost", "told", "WRONG"};
	int said = 0;

	for (size_t at = s->begin; at <= power_calls(); at++) {
		for (uint64_t seed = 0; seed < seeds(); seed++) {
			flo_error err = FLO_ERROR_INIT;
			enum verdict verdict;

			empty_left(s);
			power_cut(at, seed, s->left);
			verdict = power_judge(s, at, &err);
			ret_counts[verdict]++;
			if (verdict > accepted && said++ < 5)
				print_error("cut %zu (%s), seed %llu: %s %s\n",
					    at, power_describe(at),
					    (unsigned long long)seed,
					    names[verdict], err.text);
		}
	}
}

/* Play every scene at @durability; no verdict may be worse than @accepted. */
static void cut_all(struct fixture *f, enum flo__store_durability durability,
		    enum verdict accepted, size_t ret_sum[VERDICTS])
{
	size_t worse_ones = 0;

	for (int i = 0; i < SCENES; i++) {
		size_t counts[VERDICTS] = {0};
		struct stage s;

		play(&s, f, &scenes[i], durability);
		cut_everywhere(&s, accepted, counts);
		print_message("%s: %zu calls; %zu sound, %zu lost, %zu told, "
			      "%zu wrong\n",
			      scenes[i].title, power_calls(), counts[SOUND],
			      counts[LOST], counts[TOLD], counts[WRONG]);
		stage_fini(&s);
		for (int v = 0; v < VERDICTS; v++) {
			ret_sum[v] += counts[v];
			worse_ones += v > (int)accepted ? counts[v] : 0;
		}
	}
	assert_int_equal(worse_ones, 0);
}

static void a_power_cut_loses_nothing_that_was_reported(void **state)
{
	size_t sum[VERDICTS] = {0};

	cut_all(*state, FLO__STORE_POWER, SOUND, sum);
	assert_true(sum[SOUND] > 500);
}

/* Also shows that a lost tail is seen: there must be some. */
static void below_power_only_tails_are_lost(void **state)
{
	size_t sum[VERDICTS] = {0};

	cut_all(*state, FLO__STORE_PROCESS, LOST, sum);
	assert_true(sum[LOST] > 10);
}

/* Also shows that damage is seen. */
static void without_syncs_damage_is_told(void **state)
{
	size_t sum[VERDICTS] = {0};

	cut_all(*state, FLO__STORE_NONE, TOLD, sum);
	assert_true(sum[LOST] > 10);
	assert_true(sum[TOLD] > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_power_cut_loses_nothing_that_was_reported),
		STORE_TEST(below_power_only_tails_are_lost),
		STORE_TEST(without_syncs_damage_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
