#include "worker_fixture.h"

#include <flo/panic.h>
#include <flo/runtime.h>
#include <flo/worker.h>

#include "base/alloc.h"
#include "fault_kinds.h"
#include "proc_util.h"

#include <ftw.h>
#include <inttypes.h>
#include <signal.h>

/* Faults are the kernel's to see, not the sanitizers'. */
#define DEFAULTS                                                               \
	"handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_sigill=0:"       \
	"handle_abort=0"
const char *__asan_default_options(void);
const char *__tsan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return DEFAULTS;
}

const char *__tsan_default_options(void)
{
	return DEFAULTS;
}

const char *__ubsan_default_options(void)
{
	return DEFAULTS;
}

/* ---- step types ---- */

static const char *text_arg(const flo_value *with, const char *name)
{
	return flo_value_get_string(flo_value_map_get(with, name), NULL);
}

static flo_status run_break(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)err;
	(void)ret_output;
	fault_kind_find(text_arg(with, "kind"))->commit(NULL);
	return FLO_OK;
}

static flo_status run_healthy(flo_step_call *call, const flo_value *with,
			      flo_error *err, flo_value **ret_output)
{
	(void)with;
	(void)err;
	(void)ret_output;
	for (int i = 0; i < 20; i++)
		flo_yield();
	return flo_sleep(flo_step_context(call), 1000000);
}

static flo_status run_echo(flo_step_call *call, const flo_value *with,
			   flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)err;
	*ret_output = flo_value_ref(flo_value_map_get(with, "value"));
	return FLO_OK;
}

static void put(flo_value *map, const char *key, const char *text)
{
	flo_value_map_set(map, key, flo_value_string(text));
}

static flo_status run_facts(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	flo_value *map = flo_value_map(8);
	char cwd[4096], c;

	(void)with;
	(void)err;
	put(map, "dir", flo_step_dir(call));
	put(map, "cwd", getcwd(cwd, sizeof(cwd)));
	put(map, "run", flo_step_run_id(call));
	put(map, "trace", flo_step_trace_id(call));
	put(map, "path", flo_step_path(call));
	put(map, "key", flo_step_idempotency_key(call));
	put(map, "user", flo_step_user(call));
	put(map, "env", getenv("FLOW_STEP"));
	put(map, "stdin", read(0, &c, 1) == 0 ? "empty" : "not empty");
	flo_value_map_set(map, "attempt",
			  flo_value_int(flo_step_attempt(call)));
	flo_value_map_set(map, "pid", flo_value_int(getpid()));
	flo_value_map_set(map, "fds", flo_value_int(open_fds()));
	*ret_output = map;
	return FLO_OK;
}

static flo_status run_fail(flo_step_call *call, const flo_value *with,
			   flo_error *err, flo_value **ret_output)
{
	(void)ret_output;
	if (text_arg(with, "text")[0] == 'p')
		flo_panic("%s", text_arg(with, "text"));
	if (flo_step_attempt(call) > 2)
		return FLO_OK;
	flo_step_log(call, "about to fail");
	return flo_error_set(err, FLO_BLOCKED, "%s", text_arg(with, "text"));
}

static flo_status run_say(flo_step_call *call, const flo_value *with,
			  flo_error *err, flo_value **ret_output)
{
	(void)with;
	(void)err;
	(void)ret_output;
	printf("printed\n");
	flo_step_log(call, "logged %d", 1);
	return FLO_OK;
}

static flo_status run_big(flo_step_call *call, const flo_value *with,
			  flo_error *err, flo_value **ret_output)
{
	size_t len =
		(size_t)flo_value_get_int(flo_value_map_get(with, "bytes"));
	char *text = malloc(len);

	(void)call;
	(void)err;
	memset(text, 'x', len);
	if (flo_value_map_get(with, "bad") != NULL)
		text[0] = (char)0xff;
	*ret_output = flo_value_stringn(text, len);
	free(text);
	return FLO_OK;
}

/* Write a file, so that the test knows how far the step is. */
static void mark_up(const flo_value *with)
{
	int fd = open(text_arg(with, "up"), O_WRONLY | O_CREAT | O_CLOEXEC,
		      0600);

	if (fd >= 0)
		close(fd);
}

static flo_status run_stop(flo_step_call *call, const flo_value *with,
			   flo_error *err, flo_value **ret_output)
{
	flo_context *context = flo_step_context(call);
	const char *how = text_arg(with, "how");

	mark_up(with);
	if (strcmp(how, "deaf") == 0)
		for (;;)
			pause();
	if (strcmp(how, "busy") == 0)
		while (flo_context_status(context) == FLO_OK)
			continue;
	else
		flo_sleep(context, UINT64_C(600000000000));
	if (strcmp(how, "done") == 0) {
		*ret_output = flo_value_string("done all the same");
		return FLO_OK;
	}
	flo_step_log(call, "stopped in peace");
	return flo_context_cause(context, err);
}

/* Tell of begin and end in a file that all attempts share. */
static flo_status run_overlap(flo_step_call *call, const flo_value *with,
			      flo_error *err, flo_value **ret_output)
{
	int fd =
		open(text_arg(with, "up"), O_WRONLY | O_CREAT | O_APPEND, 0600);
	bool told = write(fd, "+", 1) == 1;

	(void)ret_output;
	flo_sleep(flo_step_context(call), 20000000);
	told = told && write(fd, "-", 1) == 1;
	close(fd);
	return told ? FLO_OK : flo_error_set(err, FLO_IO, "not told");
}

static flo_status run_command(flo_step_call *call, const flo_value *with,
			      flo_error *err, flo_value **ret_output)
{
	const char *argv[] = {"sh", "-c", text_arg(with, "sh"), NULL};
	bool more = flo_value_map_get(with, "env") != NULL;
	const char *env[] = {more ? text_arg(with, "env") : NULL, NULL};
	flo_command command = {.argv = argv,
			       .stdout_fd = -1,
			       .env = more ? env : NULL};

	(void)ret_output;
	return flo_step_command(call, &command, err);
}

char user_text[] = "user of the type";

#define PROCESS(what, fn)                                                      \
	{                                                                      \
		.name = what, .description = "", .run = fn, .user = user_text, \
		.isolation = FLO_ISOLATION_PROCESS                             \
	}

const flo_step_type worker_types[] = {
	PROCESS("test.break", run_break),
	PROCESS("test.echo", run_echo),
	PROCESS("test.facts", run_facts),
	PROCESS("test.fail", run_fail),
	PROCESS("test.say", run_say),
	PROCESS("test.big", run_big),
	PROCESS("test.stop", run_stop),
	PROCESS("test.command", run_command),
	PROCESS("test.overlap", run_overlap),
};
const size_t worker_types_len = sizeof(worker_types) / sizeof(worker_types[0]);

static const flo_step_type unknown = PROCESS("test.unknown", run_echo);
static const flo_step_type healthy = {.name = "test.healthy",
				      .description = "",
				      .run = run_healthy};

/* ---- this program as a worker, and as what only pretends to be one ---- */

/* Reply with argv[2] and end as argv[3] says. */
static void pretend(char **argv)
{
	char c = 1;
	off_t at = 0;

	while (pread(0, &c, 1, at) == 1 && c != '\0')
		at++;
	if (pwrite(0, argv[2], strlen(argv[2]), at) < 0)
		_exit(99);
	if (strcmp(argv[3], "kill") == 0)
		raise(SIGKILL);
	if (strcmp(argv[3], "segv") == 0)
		raise(SIGSEGV);
	_exit(atoi(argv[3]));
}

static void worker_main(char **argv)
{
	static const flo_step_type *types[32];

	for (size_t i = 0; i < worker_types_len; i++)
		types[i] = &worker_types[i];
	if (strcmp(argv[1], "--pretend") == 0)
		pretend(argv);
	if (strcmp(argv[1], "--starved") == 0)
		flo__alloc_fail_at(atol(argv[2]), 0);
	flo_worker_main(types, worker_types_len);
}

/* ---- the engine ---- */

char self[4096];
char dir[64];
const char *worker_mark;
flo_engine *engine;

struct worker_outcome outcome;
static flo_pipeline *started;

static int remove_one(const char *path, const struct stat *info, int kind,
		      struct FTW *ftw)
{
	(void)info;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static void open_engine(const char *const *worker_argv)
{
	char store[128];
	struct flo_engine_options options = {.store = store,
					     .durability = FLO_DURABILITY_NONE,
					     .procs = 2,
					     .minder = FLO__TEST_MINDER,
					     .worker_argv = worker_argv};
	flo_error err = FLO_ERROR_INIT;

	snprintf(store, sizeof(store), "%s/flow.db", dir);
	if (flo_engine_open(&options, &err, &engine) != FLO_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < worker_types_len; i++)
		assert_int_equal(flo_engine_register_step(engine,
							  &worker_types[i],
							  NULL),
				 FLO_OK);
	assert_int_equal(flo_engine_register_step(engine, &healthy, NULL),
			 FLO_OK);
	assert_int_equal(flo_engine_register_step(engine, &unknown, NULL),
			 FLO_OK);
}

void reopen(const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {a, b, c, d, NULL};

	flo_engine_close(engine);
	open_engine(argv);
}

int set_up(void **state)
{
	const char *argv[4] = {self, "--worker"};

	(void)state;
	argv[2] = worker_mark = fresh_mark();
	strcpy(dir, "/tmp/flo-worker-XXXXXX");
	assert_non_null(mkdtemp(dir));
	open_engine(argv);
	return 0;
}

void forget(void)
{
	flo_value_unref(outcome.result);
	outcome = (struct worker_outcome){.err = FLO_ERROR_INIT};
}

/* Whatever a test did, nothing of it is alive. */
int tear_down(void **state)
{
	int left = alive_with(worker_mark);

	(void)state;
	forget();
	flo_engine_close(engine);
	engine = NULL;
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return left;
}

void print_diagnostic(const flo_diagnostic *d, void *arg)
{
	(void)arg;
	fprintf(stderr, "%d:%d: %s\n", d->line, d->column, d->message);
}

flo_run *start_pipeline(const char *text)
{
	flo_pipeline *pipeline = NULL;
	flo_run *run = NULL;
	flo_error err = FLO_ERROR_INIT;
	char file[128], *json = strdup(text);

	for (char *p = json; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	snprintf(file, sizeof(file), "%s/p.json", dir);
	forget();
	if (flo_pipeline_load(engine, json, strlen(json), file,
			      print_diagnostic, NULL, &err,
			      &pipeline) != FLO_OK)
		fail_msg("%s: %s", json, err.text);
	if (flo_run_start(engine, pipeline, NULL, &err, &run) != FLO_OK)
		fail_msg("%s", err.text);
	free(json);
	started = pipeline;
	return run;
}

void end_pipeline(flo_run *run)
{
	outcome.st = flo_run_wait(run, &outcome.err, &outcome.result);
	snprintf(outcome.run_id, sizeof(outcome.run_id), "%s", flo_run_id(run));
	flo_run_free(run);
	flo_pipeline_free(started);
	assert_int_equal(outcome.st, FLO_OK);
}

void run_pipeline(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	assert_true(vasprintf(&text, format, args) >= 0);
	va_end(args);
	end_pipeline(start_pipeline(text));
	free(text);
}

const char *status(void)
{
	return flo_value_get_string(flo_value_map_get(outcome.result, "status"),
				    NULL);
}

const flo_value *output(void)
{
	const flo_value *error = flo_value_map_get(outcome.result, "error");

	if (strcmp(status(), "succeeded") != 0)
		fail_msg("%s: %s", status(), flo_value_to_json(error));
	return flo_value_map_get(outcome.result, "output");
}

const char *output_text(const char *key)
{
	return flo_value_get_string(flo_value_map_get(output(), key), NULL);
}

const char *error(const char *key)
{
	const flo_value *text =
		flo_value_map_get(flo_value_map_get(outcome.result, "error"),
				  key);

	if (text == NULL || flo_value_typeof(text) != FLO_VALUE_STRING)
		return "";
	return flo_value_get_string(text, NULL);
}

int64_t count(const char *state)
{
	return flo_value_get_int(
		flo_value_map_get(flo_value_map_get(outcome.result, "counts"),
				  state));
}

void expect_failure(const char *kind, const char *text)
{
	assert_string_equal(status(), "failed");
	if (strcmp(error("kind"), kind) != 0 ||
	    strstr(error("message"), text) == NULL)
		fail_msg("%s: %s (not %s: %s)", error("kind"), error("message"),
			 kind, text);
}

char *items(int n)
{
	char *text = malloc((size_t)n * 2 + 1);

	for (int i = 0; i < n; i++)
		memcpy(text + (size_t)i * 2, "1,", 3);
	text[(size_t)n * 2 - 1] = '\0';
	return text;
}

/* ---- logs ---- */

struct log {
	char text[4096];
};

static int read_log(const char *path, const struct stat *info, int kind,
		    struct FTW *ftw);
static struct log found;

static int read_log(const char *path, const struct stat *info, int kind,
		    struct FTW *ftw)
{
	ssize_t n;
	int fd;

	(void)info;
	(void)ftw;
	if (kind != FTW_F || strstr(path, ".log") == NULL)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = read(fd, found.text, sizeof(found.text) - 1);
	found.text[n > 0 ? n : 0] = '\0';
	close(fd);
	return 0;
}

/* The log of the last attempt that wrote one. */
const char *log_text(void)
{
	found.text[0] = '\0';
	nftw(dir, read_log, 16, FTW_PHYS);
	return found.text;
}

int run_worker_tests(int argc, char **argv, int (*tests)(void))
{
	if (argc > 1)
		worker_main(argv);
	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return 1;
	return tests();
}
