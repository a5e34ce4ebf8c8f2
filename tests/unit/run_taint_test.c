/*
 * A native step that crashes the engine: its run is interrupted, resumed in
 * another process, and ends as its record says. Each process is a child.
 */
#include "fault_child.h"
#include "fault_kinds.h"

#include <flo/engine.h>
#include <flo/fault.h>

#include <ftw.h>
#include <stdlib.h>

/* A member that is alive while another crashes, one that is waiting for it,
 * and a step after them. */
static const char pipeline_text[] =
	"{\"name\": \"crashing\", \"steps\": ["
	"{\"name\": \"before\", \"use\": \"test.ok\"},"
	"{\"name\": \"g\", \"on_error\": \"continue\", \"group\": ["
	"{\"name\": \"crash\", \"use\": \"test.crash\"},"
	"{\"name\": \"alive\", \"use\": \"test.alive\"},"
	"{\"name\": \"next\", \"use\": \"test.ok\", \"needs\": [\"alive\"]}]}],"
	"\"finally\": [{\"name\": \"last\", \"use\": \"test.ok\"}]}";

struct world {
	char dir[32], store[64];
	unsigned crashes; /* of the step, before it succeeds */
	bool end_when_tainted;
};

static unsigned crashes;       /* constant in a child */
static atomic_bool alive_runs; /* the other member has begun */

static flo_status run_ok(flo_step_call *call, const flo_value *with,
			 flo_error *err, flo_value **ret_output)
{
	(void)call, (void)with, (void)err, (void)ret_output;
	return FLO_OK;
}

static flo_status run_crash(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	if (flo_step_attempt(call) == 1)
		UNTIL(atomic_load(&alive_runs));
	if (flo_step_attempt(call) <= crashes)
		fault_kind_find("read_null")->commit(NULL);
	return run_ok(call, with, err, ret_output);
}

/* Until the other has crashed, which in the first process it does. */
static flo_status run_alive(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	atomic_store(&alive_runs, true);
	UNTIL(flo_fault_tainted() > 0);
	return run_ok(call, with, err, ret_output);
}

static const flo_step_type types[] = {
	{.name = "test.ok", .run = run_ok},
	{.name = "test.crash", .run = run_crash},
	{.name = "test.alive", .run = run_alive},
};

/* --- in a child ---------------------------------------------------------- */

static flo_engine *open_engine(const struct world *w)
{
	struct flo_engine_options options = {
		.store = w->store,
		.durability = FLO_DURABILITY_PROCESS,
		.procs = 2,
		.end_when_tainted = w->end_when_tainted,
	};
	flo_error err = FLO_ERROR_INIT;
	flo_engine *engine = NULL;

	crashes = w->crashes;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	if (flo_engine_open(&options, &err, &engine) != FLO_OK) {
		fprintf(stderr, "%s\n", err.text);
		_exit(98);
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		EXPECT(flo_engine_register_step(engine, &types[i], NULL) ==
		       FLO_OK);
	return engine;
}

static void show(const flo_diagnostic *diagnostic, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", diagnostic->message);
}

static flo_pipeline *load(flo_engine *engine)
{
	flo_pipeline *pipeline = NULL;

	if (flo_pipeline_load(engine, pipeline_text, strlen(pipeline_text),
			      "test.json", show, NULL, NULL,
			      &pipeline) != FLO_OK)
		_exit(97);
	return pipeline;
}

/* Returns 0 succeeded, 1 failed, 5 interrupted, as flowctl does. */
static int end_of(flo_run *run)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *result = NULL;
	flo_status st = flo_run_wait(run, &err, &result);
	int code = 96;

	if (st == FLO_INTERRUPTED)
		code = 5;
	else if (st == FLO_OK)
		code = strcmp(flo_value_get_string(flo_value_map_get(result,
								     "status"),
						   NULL),
			      "succeeded") == 0
			       ? 0
			       : 1;
	fprintf(stderr, "%s\n", err.text);
	flo_value_unref(result);
	flo_run_free(run);
	return code;
}

static int start_child(const void *arg)
{
	const struct world *w = arg;
	struct flo_run_options options = {.run_id = "r"};
	flo_engine *engine = open_engine(w);
	flo_pipeline *pipeline = load(engine);
	flo_error err = FLO_ERROR_INIT;
	flo_run *run = NULL;
	int code;

	if (flo_run_start(engine, pipeline, &options, &err, &run) != FLO_OK)
		_exit(95);
	code = end_of(run);
	EXPECT(flo_fault_tainted() == 1);
	/* It is no engine for another one. */
	if (w->end_when_tainted) {
		options.run_id = "another";
		EXPECT(flo_run_start(engine, pipeline, &options, &err, &run) ==
		       FLO_INTERRUPTED);
		EXPECT(strstr(err.text, "crashed") != NULL);
		EXPECT(flo_run_resume(engine, "r", NULL, NULL, &run) ==
		       FLO_INTERRUPTED);
	}
	flo_pipeline_free(pipeline);
	flo_engine_close(engine);
	return code;
}

static int resume_child(const void *arg)
{
	const struct world *w = arg;
	flo_engine *engine = open_engine(w);
	flo_error err = FLO_ERROR_INIT;
	flo_run *run = NULL;
	int code = 94;

	if (flo_run_resume(engine, "r", NULL, &err, &run) == FLO_OK)
		code = end_of(run);
	else
		fprintf(stderr, "%s\n", err.text);
	flo_engine_close(engine);
	return code;
}

/* What is sought in the record; @counts by position in @wanted. */
struct count {
	const char *wanted;
	unsigned counted;
};

static void count_one(const char *json, size_t len, void *arg)
{
	struct count *count = arg;

	fprintf(stderr, "%.*s\n", (int)len, json);
	count->counted +=
		memmem(json, len, count->wanted, strlen(count->wanted)) != NULL;
}

struct question {
	const struct world *w;
	const char *wanted;
};

/* Events of the run that contain a text; at most 50. */
static int count_child(const void *arg)
{
	const struct question *q = arg;
	struct count count = {.wanted = q->wanted};
	flo_store *store = NULL;

	EXPECT(flo_store_open(q->w->store, NULL, &store) == FLO_OK);
	EXPECT(flo_store_events(store, "r", count_one, &count, NULL) == FLO_OK);
	flo_store_close(store);
	return (int)count.counted;
}

/* --- the tests ----------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *ftw)
{
	(void)st, (void)kind, (void)ftw;
	return remove(path);
}

static struct world world(unsigned n, bool end_when_tainted)
{
	struct world w = {.dir = "/tmp/flo-taint-XXXXXX",
			  .crashes = n,
			  .end_when_tainted = end_when_tainted};

	assert_non_null(mkdtemp(w.dir));
	snprintf(w.store, sizeof(w.store), "%s/flow.db", w.dir);
	return w;
}

static void check(const struct world *w, int (*child)(const void *arg),
		  int code)
{
	struct child_end end = child_run(child, w);

	child_check(&end, child == start_child ? "run" : "resume", 0, code);
}

static void check_events(const struct world *w, const char *wanted, int n)
{
	struct question q = {w, wanted};
	struct child_end end = child_run(count_child, &q);

	child_check(&end, wanted, 0, n);
}

static void a_crash_interrupts_its_run(void **state)
{
	struct world w = world(1, true);

	(void)state;
	check(&w, start_child, 5);
	check_events(&w, "\"signal\":\"SIGSEGV\"", 1);
	check_events(&w, "SIGSEGV at address 0x0 in ", 1);
	check_events(&w, "\"kind\":\"panic\"", 1);
	check_events(&w, "#0 ", 1); /* the frames */
	check_events(&w, "step.retrying", 1);
	/* Who was alive could end; nobody else has begun. */
	check_events(&w, "step.finished", 2);
	check_events(&w, "\"g.next\"", 0);
	check_events(&w, "\"finally.last\"", 0);
	check_events(&w, "run.finished", 0);
	check(&w, resume_child, 0);
	check_events(&w, "step.lost", 0);
	check_events(&w, "step.started", 6); /* five, one of them twice */
	check_events(&w, "run.finished", 1);
	nftw(w.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void the_third_crash_of_a_step_is_its_failure(void **state)
{
	struct world w = world(100, true);

	(void)state;
	check(&w, start_child, 5);
	check(&w, resume_child, 5);
	check_events(&w, "\"status\":\"failed\"", 0);
	/* It has failed, but `finally` is for the next engine. */
	check(&w, resume_child, 5);
	check_events(&w, "\"status\":\"failed\"", 1);
	check_events(&w, "\"signal\":\"SIGSEGV\"", 3);
	check(&w, resume_child, 1);
	check_events(&w, "\"signal\":\"SIGSEGV\"", 3);
	nftw(w.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void who_does_not_ask_for_it_has_a_failed_step(void **state)
{
	struct world w = world(1, false);

	(void)state;
	check(&w, start_child, 1);
	check_events(&w, "\"signal\":\"SIGSEGV\"", 1);
	check_events(&w, "step.retrying", 0);
	check_events(&w, "step.finished", 5);
	nftw(w.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_interrupts_its_run),
		cmocka_unit_test(the_third_crash_of_a_step_is_its_failure),
		cmocka_unit_test(who_does_not_ask_for_it_has_a_failed_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
