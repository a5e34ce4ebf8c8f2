/* The local executor: programs from submission to the end of their tree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include "base/alloc.h"
#include "base/strbuf.h"
#include "engine/proc/cgroup.h"
#include "engine/proc/local.h"
#include "proc_util.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
					NULL};

/* A program to run and all that came of it. */
struct job {
	struct flo__exec_sink sink; /* first: the sink's functions cast */
	struct flo__exec_request request;
	const char *argv[6];
	struct flo__executor *executor;
	flo_context *context;
	uint64_t timeout_ns; /* of the context; 0: none */
	const char *until;   /* once stdout holds that, do_then */
	void (*then)(struct job *job);
	flo_status sink_status;
	struct flo__strbuf out, err_out;
	flo_status status;
	flo_error err;
	struct flo__exec_result result;
	flo_waitgroup *wg;
};

static flo_status collect(struct flo__exec_sink *sink, int stream,
			  const char *bytes, size_t len, flo_error *err)
{
	struct job *job = (struct job *)sink;

	flo__strbuf_add(stream == 1 ? &job->out : &job->err_out, bytes, len);
	if (job->until != NULL && strstr(job->out.data, job->until) != NULL) {
		job->until = NULL;
		job->then(job);
	}
	if (job->sink_status != FLO_OK)
		return flo_error_set(err, job->sink_status, "enough of it");
	return FLO_OK;
}

static struct job job_of(const char *program)
{
	struct job job = {
		.sink = {collect},
		.argv = {program},
		.request = {.id = "1",
			    .env = plain_env,
			    .dir = "/",
			    .stdout_fd = -1,
			    .stop_signal = SIGTERM,
			    .grace_ns = 10000000000},
		.out = FLO__STRBUF_INIT,
		.err_out = FLO__STRBUF_INIT,
		.err = FLO_ERROR_INIT,
	};

	return job;
}

static struct job job_sh(const char *script, const char *arg)
{
	struct job job = job_of("sh");

	job.argv[1] = "-c";
	job.argv[2] = script;
	job.argv[3] = arg;
	return job;
}

static void job_fini(struct job *job)
{
	flo__strbuf_fini(&job->out);
	flo__strbuf_fini(&job->err_out);
}

/* Runs in a coroutine. */
static void job_run(struct job *job)
{
	flo_context *root = flo_context_new(flo_runtime_current());

	job->request.argv = job->argv;
	job->request.sink = &job->sink;
	job->context =
		job->timeout_ns != 0
			? flo_context_timeout(root, job->timeout_ns, "too slow")
			: flo_context_child(root);
	job->status =
		job->executor->ops->run(job->executor, &job->request,
					job->context, &job->err, &job->result);
	flo_context_unref(job->context);
	flo_context_unref(root);
}

static void job_main(void *arg)
{
	struct job *job = arg;

	job_run(job);
	if (job->wg != NULL)
		flo_waitgroup_done(job->wg);
}

static flo_runtime *rt;
static struct flo__executor *executor;

static int open_all(void **state)
{
	(void)state;
	return flo_runtime_new(NULL, NULL, &rt) != FLO_OK ||
	       flo__local_new(FLO__TEST_MINDER, NULL, &executor) != FLO_OK;
}

/* Whatever a test did, in the end we have no children. */
static int close_all(void **state)
{
	(void)state;
	executor->ops->free(executor);
	flo_runtime_free(rt);
	return waitpid(-1, NULL, WNOHANG) != -1 || errno != ECHILD;
}

static void run(struct job *job)
{
	job->executor = executor;
	assert_int_equal(flo_runtime_run(rt, job_main, job), FLO_OK);
}

static void run_ok(struct job *job)
{
	run(job);
	if (job->status != FLO_OK)
		fail_msg("%s: %s", flo_status_name(job->status), job->err.text);
}

static void cancel(struct job *job)
{
	flo_error cause = FLO_ERROR_INIT;

	flo_error_set(&cause, FLO_FAILED, "a sibling failed");
	flo_context_cancel(job->context, &cause);
}

static void exit_codes_and_signals_are_told_apart(void **state)
{
	struct job job = job_sh("exit 7", NULL);

	(void)state;
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 7);
	assert_int_equal(job.result.signal, 0);
	assert_true(job.result.pid > 0);
	assert_true(job.result.max_rss_kib > 0);
	job = job_sh("kill -SEGV $$", NULL);
	run_ok(&job);
	assert_int_equal(job.result.exit_code, -1);
	assert_int_equal(job.result.signal, SIGSEGV);
	job_fini(&job);
}

static void both_streams_arrive_and_stay_apart(void **state)
{
	struct job job = job_sh("echo one; echo two >&2; printf three", NULL);

	(void)state;
	run_ok(&job);
	assert_string_equal(job.out.data, "one\nthree");
	assert_string_equal(job.err_out.data, "two\n");
	job_fini(&job);
}

static void stdin_is_empty_unless_given(void **state)
{
	struct job job = job_of("cat");

	(void)state;
	run_ok(&job);
	assert_string_equal(job.out.data, "");
	job.request.input = "hello";
	job.request.input_len = 5;
	run_ok(&job);
	assert_string_equal(job.out.data, "hello");
	job_fini(&job);
}

/* And the program may write to it, too. */
static void stdin_can_be_a_descriptor(void **state)
{
	struct job job = job_sh("cat; printf ' back' >&0", NULL);
	char text[16] = "";
	int fd = memfd_create("in", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(pwrite(fd, "there", 5, 0), 5);
	job.request.input = "not this";
	job.request.input_len = 8;
	job.request.input_fd = fd;
	run_ok(&job);
	assert_string_equal(job.out.data, "there");
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 10);
	assert_string_equal(text, "there back");
	close(fd);
	job_fini(&job);
}

static void a_megabyte_goes_through_cat(void **state)
{
	enum {
		LEN = 1 << 20
	};
	char *input = malloc(LEN);
	struct job job = job_of("cat");

	(void)state;
	for (int i = 0; i < LEN; i++)
		input[i] = (char)(i * 7 + i / 251);
	job.request.input = input;
	job.request.input_len = LEN;
	run_ok(&job);
	assert_int_equal(job.out.len, LEN);
	assert_memory_equal(job.out.data, input, LEN);
	job_fini(&job);
	/* and nobody minds if it is not read */
	job = job_of("true");
	job.request.input = input;
	job.request.input_len = LEN;
	run_ok(&job);
	job.request.input_len = 60000;
	run_ok(&job);
	job_fini(&job);
	free(input);
}

static void ten_megabytes_of_output_arrive(void **state)
{
	enum {
		LEN = 10 << 20
	};
	struct job job = job_sh("head -c 10485760 /dev/zero | tr '\\0' x;"
				"head -c 100000 /dev/zero | tr '\\0' y >&2",
				NULL);

	(void)state;
	run_ok(&job);
	assert_int_equal(job.out.len, LEN);
	assert_int_equal(strspn(job.out.data, "x"), LEN);
	assert_int_equal(job.err_out.len, 100000);
	assert_int_equal(strspn(job.err_out.data, "y"), 100000);
	job_fini(&job);
}

static void stdout_can_be_a_descriptor(void **state)
{
	struct job job = job_sh("echo there; echo here >&2", NULL);
	char text[16] = "";
	int fd = memfd_create("out", MFD_CLOEXEC);

	(void)state;
	job.request.stdout_fd = fd;
	run_ok(&job);
	assert_int_equal(pread(fd, text, sizeof(text) - 1, 0), 6);
	assert_string_equal(text, "there\n");
	assert_string_equal(job.out.data, "");
	assert_string_equal(job.err_out.data, "here\n");
	close(fd);
	job_fini(&job);
}

static void who_keeps_stdout_open_delays_no_end(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh("setsid sleep $0 & echo hi; exit 5", mark);
	long before = ms_now();

	(void)state;
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 5);
	assert_string_equal(job.out.data, "hi\n");
	assert_int_equal(alive_with(mark), 0);
	assert_true(ms_now() - before < DEADLINE_MS);
	job_fini(&job);
}

/*
 * A child that is still writing has a moment to finish. On a busy machine it
 * may get no processor in that moment, so it has more than one try.
 */
static void what_is_said_after_the_end_is_heard(void **state)
{
	struct job job = job_sh("(read x; echo late) < $0 & exit 0", NULL);
	bool heard = false;
	char fifo[] = "/tmp/local_test.XXXXXX";
	int fd;

	(void)state;
	assert_non_null(mkdtemp(fifo));
	assert_int_equal(rmdir(fifo), 0);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(fifo, O_RDWR | O_CLOEXEC);
	job.argv[3] = fifo;
	for (int i = 0; i < 50 && !heard; i++) {
		assert_int_equal(write(fd, "go\n", 3), 3);
		run_ok(&job);
		heard = strcmp(job.out.data, "late\n") == 0;
	}
	assert_true(heard);
	close(fd);
	unlink(fifo);
	job_fini(&job);
}

static void cancel_ends_a_tree_of_seven(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh(TREE_OF_SEVEN, mark);

	(void)state;
	job.until = TREE_IS_UP;
	job.then = cancel;
	job.request.grace_ns = 200000000;
	run(&job);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_string_equal(job.err.text, "a sibling failed");
	assert_int_equal(job.result.signal, SIGTERM);
	assert_int_equal(alive_with(mark), 0);
	job_fini(&job);
}

static void an_end_in_the_grace_is_recorded(void **state)
{
	struct job job = job_sh("trap 'echo bye; exit 9' INT; echo up;"
				"sleep 7205 & wait",
				NULL);

	(void)state;
	job.until = "up";
	job.then = cancel;
	job.request.stop_signal = SIGINT;
	/* sh starts background jobs with SIGINT ignored: the sleep stays */
	job.request.grace_ns = 100000000;
	run(&job);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_int_equal(job.result.exit_code, 9);
	assert_string_equal(job.out.data, "up\nbye\n");
	job_fini(&job);
}

static void no_grace_is_sigkill_at_once(void **state)
{
	struct job job = job_sh("trap '' TERM; echo up; sleep 7205; :", NULL);

	(void)state;
	job.until = "up";
	job.then = cancel;
	job.request.grace_ns = 0;
	run(&job);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_int_equal(job.result.signal, SIGKILL);
	job_fini(&job);
}

static void a_deadline_is_a_timeout(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh("sleep $0; :", mark);

	(void)state;
	job.timeout_ns = 50000000;
	run(&job);
	assert_int_equal(job.status, FLO_TIMEOUT);
	assert_int_equal(job.result.signal, SIGTERM);
	assert_string_equal(job.err.text, "too slow");
	assert_int_equal(alive_with(mark), 0);
	job_fini(&job);
}

static void born_cancelled_never_runs(void *arg)
{
	struct job *job = arg;

	job->context = flo_context_new(flo_runtime_current());
	flo_context_cancel(job->context, NULL);
	job->request.argv = job->argv;
	job->status = executor->ops->run(executor, &job->request, job->context,
					 &job->err, &job->result);
	flo_context_unref(job->context);
}

static void an_ended_context_starts_nothing(void **state)
{
	struct job job = job_of("true");

	(void)state;
	assert_int_equal(flo_runtime_run(rt, born_cancelled_never_runs, &job),
			 FLO_OK);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_int_equal(job.result.pid, 0);
	assert_int_equal(job.result.exit_code, -1);
}

static void a_sink_that_fails_stops_the_program(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh("echo x; sleep $0; :", mark);

	(void)state;
	job.sink_status = FLO_LIMIT;
	run(&job);
	assert_int_equal(job.status, FLO_LIMIT);
	assert_string_equal(job.err.text, "enough of it");
	assert_int_equal(job.result.signal, SIGTERM);
	assert_int_equal(alive_with(mark), 0);
	/* also when all was said and done before it was heard, mostly */
	job_fini(&job);
	job = job_sh("echo x", NULL);
	job.sink_status = FLO_LIMIT;
	run(&job);
	assert_int_equal(job.status, FLO_LIMIT);
	assert_true(job.result.exit_code == 0 || job.result.signal == SIGTERM);
	job_fini(&job);
}

static void expect_spawn_error(const char *dir, const char *program,
			       const char *text)
{
	struct job job = job_of(program);

	job.request.dir = dir;
	run(&job);
	assert_int_equal(job.status, FLO_SPAWN);
	assert_string_equal(job.err.text, text);
	assert_int_equal(job.err.status, FLO_SPAWN);
	assert_int_not_equal(job.err.code, 0);
	job_fini(&job);
}

static void write_file(const char *path, const char *text, int mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, (mode_t)mode), 0);
	close(fd);
}

static void failed_starts_read_well(void **state)
{
	char dir[] = "/tmp/local_test.XXXXXX", path[64], want[512];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/pull.sh", dir);
#define EXPECT(in, program, format, ...)                                       \
	do {                                                                   \
		snprintf(want, sizeof(want), format, __VA_ARGS__);             \
		expect_spawn_error(in, program, want);                         \
	} while (0)
	EXPECT(dir, "./pull.sh",
	       "cannot run \"./pull.sh\" in %s: No such file or directory",
	       dir);
	EXPECT(dir, "pull.sh",
	       "cannot run \"pull.sh\" in %s: No such file or directory (it "
	       "is not in PATH (/usr/local/bin:/usr/bin:/bin))",
	       dir);
	write_file(path, "echo hi\n", 0600);
	EXPECT(dir, "./pull.sh",
	       "cannot run \"./pull.sh\" in %s: Permission denied (it is not "
	       "executable: chmod +x \"%s/./pull.sh\")",
	       dir, dir);
	write_file(path, "#!/no/such/python -u\n", 0700);
	EXPECT(dir, "./pull.sh",
	       "cannot run \"./pull.sh\" in %s: No such file or directory "
	       "(the file is there, its interpreter \"/no/such/python\" is "
	       "not)",
	       dir);
	write_file(path, "#!/bin/sh\r\necho\r\n", 0700);
	EXPECT(dir, "./pull.sh",
	       "cannot run \"./pull.sh\" in %s: No such file or directory "
	       "(its first line ends with CR LF: convert it to LF)",
	       dir);
	EXPECT(dir, "pull.sh",
	       "cannot run \"pull.sh\" in %s: No such file or directory (it "
	       "is not in PATH; for the one in that directory write "
	       "\"./pull.sh\")",
	       dir);
	EXPECT("/no/such", "true",
	       "cannot run \"%s\" in /no/such: No such file or directory "
	       "(cannot enter that directory)",
	       "true");
	EXPECT("/", "/tmp",
	       "cannot run \"%s\" in /: Permission denied (it is a directory)",
	       "/tmp");
	EXPECT("/", "",
	       "cannot run \"%s\" in /: No such file or directory (its name "
	       "is empty)",
	       "");
	unlink(path);
	rmdir(dir);
}

static void long_environments_arrive_or_are_refused(void **state)
{
	enum {
		VARS = 15,
		SIZE = 100000
	};
	const char *env[100] = {plain_env[0]};
	struct job job = job_sh("env | wc -c", NULL);
	char *var = malloc(SIZE + 1);

	(void)state;
	memset(var, 'v', SIZE);
	var[SIZE] = '\0';
	var[1] = '=';
	for (int i = 1; i <= VARS; i++)
		env[i] = var;
	job.request.env = env;
	run_ok(&job); /* the shell keeps one of each name */
	assert_true(atoi(job.out.data) > SIZE);
	for (int i = 1; i < 99; i++)
		env[i] = var;
	run(&job);
	assert_int_equal(job.status, FLO_SPAWN);
	assert_int_equal(job.err.code, E2BIG);
	job_fini(&job);
	job = job_sh("exit 3", NULL);
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 3);
	job_fini(&job);
	free(var);
}

static void kill_all(struct job *job)
{
	job->executor->ops->kill_all(job->executor);
}

static void kill_all_ends_programs_and_not_the_executor(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh(TREE_OF_SEVEN, mark);

	(void)state;
	job.until = TREE_IS_UP;
	job.then = kill_all;
	run(&job);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_int_equal(job.result.signal, SIGKILL);
	assert_int_equal(alive_with(mark), 0);
	job_fini(&job);
	job = job_sh("exit 4", NULL);
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 4);
	job_fini(&job);
}

static void kill_minder(struct job *job)
{
	kill((pid_t)atoi(job->out.data), SIGKILL);
}

static void cancel_and_kill_minder(struct job *job)
{
	cancel(job);
	kill_minder(job);
}

static void a_lost_minder_is_reported(void **state)
{
	const char *mark = fresh_mark();
	struct job job = job_sh("sleep $0 & echo $PPID $!; sleep $0; :", mark);

	(void)state;
	job.until = "\n";
	job.then = kill_minder;
	run(&job);
	assert_int_equal(job.status, FLO_SIGNAL);
	assert_non_null(strstr(job.err.text, "was ended by signal 9, and the "
					     "program was killed with it"));
	assert_true(job.result.pid > 0);
	assert_int_equal(job.result.signal, SIGKILL);
	assert_int_equal(job.result.exit_code, -1);
	assert_int_equal(alive_with(mark), 0);
	job_fini(&job);
	job = job_sh("exit 4", NULL);
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 4);
	job_fini(&job);
}

/* What has left the session is known by the attempt's own variables. */
static void a_lost_minder_takes_daemons_with_it(void **state)
{
	const char *env[] = {plain_env[0], "FLOW_RUN_ID=local_test",
			     "FLOW_ATTEMPT=7", NULL};
	struct job job = job_sh("setsid sleep $0 >/dev/null & sleep 0.1; "
				"echo $PPID $!; sleep $0; :",
				fresh_mark());
	pid_t other = fork();

	(void)state;
	assert_true(other >= 0);
	if (other == 0) {
		execle("/bin/sleep", "sleep", "60", NULL,
		       (const char *const[]){env[1], "FLOW_ATTEMPT=77", NULL});
		_exit(127);
	}
	job.request.env = env;
	job.until = "\n";
	job.then = kill_minder;
	run(&job);
	assert_int_equal(job.status, FLO_SIGNAL);
	assert_int_equal(alive_with(job.argv[3]), 0);
	/* another attempt's is not touched */
	assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
	kill(other, SIGKILL);
	assert_int_equal(waitpid(other, NULL, 0), other);
	job_fini(&job);
}

/* Run @job, whose minder is killed, by an executor with cgroups or without. */
static void run_lost(struct job *job, const char *cgroup)
{
	struct flo__executor *kept = executor;

	job->until = TREE_IS_UP;
	job->then = kill_minder;
	setenv("FLO_CGROUP", cgroup, 1);
	assert_int_equal(flo__local_new(FLO__TEST_MINDER, NULL, &executor),
			 FLO_OK);
	run(job);
	unsetenv("FLO_CGROUP");
	executor->ops->free(executor);
	executor = kept;
	assert_int_equal(job->status, FLO_SIGNAL);
	assert_int_equal(job->result.signal, SIGKILL);
}

/* Says why. */
static void skip_without_cgroups(void)
{
	flo_error why = FLO_ERROR_INIT;

	if (flo__cgroup_probe("/proc/self", &why) == FLO_OK)
		return;
	print_message("[  SKIPPED ] no cgroups here: %s\n", why.text);
	skip();
}

/* The tree has a daemon that emptied its environment, but no cgroup of ours. */
static void a_cgroup_outlives_its_minder(void **state)
{
	struct job job = job_sh("echo $PPID;" TREE_OF_SEVEN, fresh_mark());

	(void)state;
	skip_without_cgroups();
	run_lost(&job, "");
	assert_int_equal(alive_with(job.argv[3]), 0);
	assert_null(strstr(job.err.text, "may be alive"));
	job_fini(&job);
}

static void without_a_cgroup_a_lost_minder_leaves_one_at_most(void **state)
{
	const char *env[] = {plain_env[0], "FLOW_RUN_ID=local_test",
			     "FLOW_ATTEMPT=8", NULL};
	struct job job = job_sh("echo $PPID; "
				"setsid env -i sleep $0.5 & " TREE_OF_SEVEN,
				fresh_mark());

	(void)state;
	job.request.env = env;
	run_lost(&job, "off");
	assert_non_null(strstr(job.err.text, "may be alive"));
	assert_true(alive_with(job.argv[3]) <= 1);
	kill_with(job.argv[3]);
	job_fini(&job);
}

/* It was to end and it has: how, is not its fault. */
static void a_cancelled_program_may_lose_its_minder(void **state)
{
	struct job job = job_sh("echo $PPID;" TREE_OF_SEVEN, fresh_mark());

	(void)state;
	skip_without_cgroups();
	job.until = TREE_IS_UP;
	job.then = cancel_and_kill_minder;
	run(&job);
	assert_int_equal(job.status, FLO_CANCELED);
	assert_int_equal(alive_with(job.argv[3]), 0);
	job_fini(&job);
}

static void a_minder_that_died_idle_is_replaced(void **state)
{
	struct job job = job_sh("echo $PPID", NULL);
	pid_t minder;

	(void)state;
	run_ok(&job);
	minder = (pid_t)atoi(job.out.data);
	kill(minder, SIGKILL);
	assert_true(ends_in_time(minder, DEADLINE_MS));
	job_fini(&job);
	job = job_sh("echo $PPID; exit 2", NULL);
	run_ok(&job);
	assert_int_equal(job.result.exit_code, 2);
	assert_int_not_equal(atoi(job.out.data), minder);
	job_fini(&job);
}

static void without_a_minder_the_error_says_so(void **state)
{
	struct flo__executor *kept = executor;
	struct job job = job_of("true");

	(void)state;
	assert_int_equal(flo__local_new("/no/minder", NULL, &executor), FLO_OK);
	run(&job);
	executor->ops->free(executor);
	executor = kept;
	assert_int_equal(job.status, FLO_SYSTEM);
	assert_non_null(strstr(job.err.text, "set FLO_MINDER"));
	job_fini(&job);
}

static void programs_of_the_host_are_not_reaped(void **state)
{
	struct job job = job_of("true");
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(7);
	run_ok(&job);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(WEXITSTATUS(status), 7);
	job_fini(&job);
}

static void a_host_may_ignore_sigchld(void **state)
{
	struct job job = job_sh("trap 'exit 6' CHLD; sh -c : ; exit 5", NULL);

	(void)state;
	signal(SIGCHLD, SIG_IGN);
	assert_int_equal(open_all(NULL), 0);
	run_ok(&job);
	job_fini(&job);
	assert_int_equal(close_all(NULL), 0);
	signal(SIGCHLD, SIG_DFL);
	assert_int_equal(job.result.exit_code, 6);
}

/* The child is an engine with two steps, and is killed. */
static void engine_to_be_killed(int up)
{
	struct job job = job_sh("echo $PPID;" TREE_OF_SEVEN, NULL);
	char mark[64];

	if (open_all(NULL) != 0)
		_exit(1);
	snprintf(mark, sizeof(mark), "7205.%d", getppid());
	job.argv[3] = mark;
	job.request.stdout_fd = up;
	run(&job);
	_exit(2);
}

static void nothing_survives_the_engines_sigkill(void **state)
{
	char mark[64], text[256] = "";
	int up[2];
	size_t len = 0;
	pid_t engine;
	long before;

	(void)state;
	snprintf(mark, sizeof(mark), "7205.%d", getpid());
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	engine = fork();
	if (engine == 0)
		engine_to_be_killed(up[1]);
	close(up[1]);
	while (strstr(text, TREE_IS_UP) == NULL) {
		ssize_t n;

		assert_true(readable(up[0], DEADLINE_MS));
		n = read(up[0], text + len, sizeof(text) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	before = ms_now();
	kill(engine, SIGKILL);
	assert_true(ends_in_time((pid_t)atoi(text), 3000));
	assert_int_equal(alive_with(mark), 0);
	assert_true(ms_now() - before < 3000);
	assert_int_equal(waitpid(engine, NULL, 0), engine);
	close(up[0]);
}

enum {
	MANY = 200
};

static void run_many(void *arg)
{
	struct job *jobs = arg;
	flo_waitgroup wg = {0};

	flo_waitgroup_add(&wg, MANY);
	for (int i = 0; i < MANY; i++) {
		jobs[i] = job_sh("echo $0; exit 3", i % 2 ? "odd" : "even");
		jobs[i].executor = executor;
		jobs[i].wg = &wg;
		assert_int_equal(flo_go(NULL, job_main, &jobs[i]), FLO_OK);
	}
	flo_waitgroup_wait(&wg, NULL);
}

static void many_steps_leak_nothing(void **state)
{
	struct job *jobs = calloc(MANY, sizeof(*jobs));
	int before = open_fds();

	(void)state;
	assert_int_equal(open_all(NULL), 0);
	for (int i = 0; i < 300; i++) {
		struct job job = job_of(i % 3 ? "true" : "no-such-program");

		run(&job);
		assert_int_equal(job.status, i % 3 ? FLO_OK : FLO_SPAWN);
		job_fini(&job);
	}
	assert_int_equal(flo_runtime_run(rt, run_many, jobs), FLO_OK);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(jobs[i].status, FLO_OK);
		assert_int_equal(jobs[i].result.exit_code, 3);
		assert_string_equal(jobs[i].out.data,
				    i % 2 ? "odd\n" : "even\n");
		job_fini(&jobs[i]);
	}
	assert_int_equal(close_all(NULL), 0);
	assert_int_equal(open_fds(), before);
	free(jobs);
}

static void run_short_of_descriptors(void *arg)
{
	struct job *job = arg;
	struct rlimit old, low;

	getrlimit(RLIMIT_NOFILE, &old);
	low = old;
	for (int spare = 0; spare < 8; spare++) {
		low.rlim_cur = (rlim_t)open_fds() - 3 + (rlim_t)spare;
		setrlimit(RLIMIT_NOFILE, &low);
		flo_error_clear(&job->err);
		job_run(job);
		setrlimit(RLIMIT_NOFILE, &old);
		if (job->status == FLO_OK)
			break;
		assert_int_equal(job->status, FLO_LIMIT);
		assert_non_null(strstr(job->err.text, "ulimit -n"));
	}
}

static void running_out_of_descriptors_is_a_limit(void **state)
{
	struct job job = job_of("true");
	int before;

	(void)state;
	run_ok(&job);
	before = open_fds();
	job.request.input = "x";
	job.request.input_len = 1;
	job.executor = executor;
	assert_int_equal(flo_runtime_run(rt, run_short_of_descriptors, &job),
			 FLO_OK);
	assert_int_equal(job.status, FLO_OK);
	assert_int_equal(open_fds(), before);
	job_fini(&job);
}

static void run_short_of_memory(void *arg)
{
	struct job *job = arg;
	flo_context *context = flo_context_new(flo_runtime_current());
	bool failed = true;

	job->request.argv = job->argv;
	job->request.sink = &job->sink;
	for (int nth = 1; failed; nth++) {
		struct flo__executor *fresh;

		flo_error_clear(&job->err);
		flo__strbuf_reset(&job->out);
		flo__alloc_fail_at(nth, 0);
		job->status = flo__local_new(FLO__TEST_MINDER, NULL, &fresh);
		failed = job->status != FLO_OK;
		if (!failed) {
			job->status =
				fresh->ops->run(fresh, &job->request, context,
						&job->err, &job->result);
			failed = flo__alloc_count() >= nth;
			fresh->ops->free(fresh);
		}
		flo__alloc_fail_at(0, 0);
		if (job->status != FLO_OK)
			assert_int_equal(job->status, FLO_NOMEM);
	}
	flo_context_unref(context);
}

static void running_out_of_memory_is_an_error(void **state)
{
	struct job job = job_sh("echo x", NULL);
	const char *env[3] = {plain_env[0]};
	char *var = malloc(70001);
	int before;

	(void)state;
	memset(var, 'v', 70000);
	var[70000] = '\0';
	var[1] = '=';
	env[1] = var;
	job.request.env = env; /* too long for the usual buffer */
	before = open_fds();
	assert_int_equal(flo_runtime_run(rt, run_short_of_memory, &job),
			 FLO_OK);
	assert_int_equal(job.status, FLO_OK);
	assert_int_equal(open_fds(), before);
	job_fini(&job);
	free(var);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_all, close_all)
		TEST(exit_codes_and_signals_are_told_apart),
		TEST(both_streams_arrive_and_stay_apart),
		TEST(stdin_is_empty_unless_given),
		TEST(stdin_can_be_a_descriptor),
		TEST(a_megabyte_goes_through_cat),
		TEST(ten_megabytes_of_output_arrive),
		TEST(stdout_can_be_a_descriptor),
		TEST(who_keeps_stdout_open_delays_no_end),
		TEST(what_is_said_after_the_end_is_heard),
		TEST(cancel_ends_a_tree_of_seven),
		TEST(an_end_in_the_grace_is_recorded),
		TEST(no_grace_is_sigkill_at_once),
		TEST(a_deadline_is_a_timeout),
		TEST(an_ended_context_starts_nothing),
		TEST(a_sink_that_fails_stops_the_program),
		TEST(failed_starts_read_well),
		TEST(long_environments_arrive_or_are_refused),
		TEST(kill_all_ends_programs_and_not_the_executor),
		TEST(a_lost_minder_is_reported),
		TEST(a_lost_minder_takes_daemons_with_it),
		TEST(a_cgroup_outlives_its_minder),
		TEST(without_a_cgroup_a_lost_minder_leaves_one_at_most),
		TEST(a_cancelled_program_may_lose_its_minder),
		TEST(a_minder_that_died_idle_is_replaced),
		TEST(without_a_minder_the_error_says_so),
		TEST(programs_of_the_host_are_not_reaped),
		cmocka_unit_test(a_host_may_ignore_sigchld),
		cmocka_unit_test(nothing_survives_the_engines_sigkill),
		cmocka_unit_test(many_steps_leak_nothing),
		TEST(running_out_of_descriptors_is_a_limit),
		TEST(running_out_of_memory_is_an_error),
	};

	/* What the host does to its signals must not reach programs. */
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
