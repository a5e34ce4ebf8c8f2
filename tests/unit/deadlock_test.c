/* Deadlock: reported when certain, never while something may still come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/chan.h>
#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/context_p.h"
#include "engine/sched/sched_p.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static void wait_for_ever(void *arg)
{
	(void)arg;
	flo__park(NULL, NULL, "the end of days", false);
}

static void wait_in_run(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	flo_go_with(rt, wait_for_ever, NULL, 0, "prophet");
	flo_runtime_run(rt, wait_for_ever, NULL);
}

static void wait_in_free(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	flo_go(rt, wait_for_ever, NULL);
	flo_runtime_free(rt);
}

/* Run @fn in a child; its stderr to @text. Returns how it was ended. */
static int signal_of(void (*fn)(void), char *text, size_t len)
{
	struct rlimit none = {0, 0};
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		alarm(20);
		fn();
		_exit(0);
	}
	close(fds[1]);
	memset(text, 0, len);
	for (size_t at = 0; at < len - 1; at += (size_t)n) {
		n = read(fds[0], text + at, len - 1 - at);
		if (n <= 0)
			break;
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void a_deadlock_is_reported_with_names_and_reasons(void **state)
{
	char text[2048];

	(void)state;
	assert_int_equal(signal_of(wait_in_run, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "deadlock: all 2 coroutines"));
	assert_non_null(strstr(text, "prophet"));
	assert_non_null(strstr(text, "the end of days"));
}

static void freeing_a_runtime_that_cannot_end_is_a_deadlock(void **state)
{
	char text[2048];

	(void)state;
	assert_int_equal(signal_of(wait_in_free, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "deadlock: all 1 coroutines"));
}

/* Waits that nobody can end, each with its own words in the report. */
static void send_to_nobody(void *arg)
{
	(void)arg;
	flo_chan_send(NULL, NULL, NULL);
}

static void receive_from_nobody(void *arg)
{
	(void)arg;
	flo_chan_recv(NULL, NULL, NULL);
}

static void select_among_none(void *arg)
{
	struct flo_select_case c = {.chan = NULL};

	(void)arg;
	flo_select(&c, 1, UINT64_MAX, NULL, NULL);
}

static void want_too_much(void *arg)
{
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 2);
	flo_sem_take_n(&sem, 3, NULL);
}

static void do_in_itself(void *arg)
{
	flo_once_do(arg, do_in_itself, arg, NULL);
}

static void do_once(void *arg)
{
	flo_once once = {.state = 0};

	(void)arg;
	flo_once_do(&once, do_in_itself, &once, NULL);
}

static void read_then_write(void *arg)
{
	flo_rwmutex rw = {.state = 0};

	(void)arg;
	flo_rwmutex_rlock(&rw);
	flo_rwmutex_lock(&rw);
}

static flo_fn hopeless;

static void run_hopeless(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	flo_runtime_run(rt, hopeless, NULL);
}

static void a_hopeless_wait_is_named(void **state)
{
	static const struct {
		flo_fn fn;
		const char *why;
	} waits[] = {
		{send_to_nobody, "chan send (no channel)"},
		{receive_from_nobody, "chan receive (no channel)"},
		{select_among_none, "select (no channels)"},
		{want_too_much, "semaphore (more units than it has)"},
		{do_once, "once"},
		{read_then_write, "rwmutex write"},
	};
	char text[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		hopeless = waits[i].fn;
		assert_int_equal(signal_of(run_hopeless, text, sizeof(text)),
				 SIGABRT);
		assert_non_null(strstr(text, "deadlock: all 1 coroutines"));
		assert_non_null(strstr(text, waits[i].why));
	}
}

static void wait_traced(void *arg)
{
	flo__g_trace("4bf92f3577b34da6a3ce929d0e0e4736");
	flo_go_with(NULL, wait_for_ever, NULL, 0, "heir");
	flo__g_trace("not a trace");
	wait_for_ever(arg);
}

static void wait_traced_in_run(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	flo_runtime_run(rt, wait_traced, NULL);
}

static void a_trace_is_inherited_and_reported(void **state)
{
	char text[2048], *heir;

	(void)state;
	assert_int_equal(signal_of(wait_traced_in_run, text, sizeof(text)),
			 SIGABRT);
	heir = strstr(text, "heir waits: the end of days, "
			    "trace 4bf92f3577b34da6a3ce929d0e0e4736\n");
	assert_non_null(heir);
	assert_non_null(strstr(text, "main waits: the end of days\n"));
}

/* Names of their own: each is a line. */
static char names[150][16];

static void wait_in_many_ways(void *arg)
{
	for (int i = 0; i < 3000; i++)
		flo_go_with(NULL, wait_for_ever, NULL, 0, "crowd");
	for (int i = 0; i < 150; i++) {
		snprintf(names[i], sizeof(names[i]), "single-%d", i);
		flo_go_with(NULL, wait_for_ever, NULL, 0, names[i]);
	}
	wait_for_ever(arg);
}

static void wait_for_many(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	flo_runtime_run(rt, wait_in_many_ways, NULL);
}

static void thousands_are_reported_in_a_hundred_lines(void **state)
{
	static char text[64 * 1024];
	int lines = 0;

	(void)state;
	assert_int_equal(signal_of(wait_for_many, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "deadlock: all 3151 coroutines"));
	assert_non_null(strstr(text, "  3000 coroutines crowd wait: the end"));
	for (char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	assert_int_equal(lines, 1 + 100 + 1);
	assert_non_null(strstr(text, "  ... and 52 more\n"));
}

/* What a callback heard, and whom it wakes. */
struct heard {
	atomic_int times;
	char text[512];
	struct flo__g *g;     /* woken by the first call */
	flo_context *context; /* cancelled by the second */
};

static bool show_to(struct flo__g *g, void *arg)
{
	((struct heard *)arg)->g = g;
	return true;
}

static void deadlocked(flo_runtime *rt, const char *report, void *arg)
{
	struct heard *heard = arg;

	(void)rt;
	if (atomic_fetch_add(&heard->times, 1) == 0) {
		snprintf(heard->text, sizeof(heard->text), "%s", report);
		flo__ready(heard->g);
	} else {
		flo_context_cancel(heard->context, NULL);
		flo_context_unref(heard->context);
	}
}

/* Stands still twice. */
static void stand_still(void *arg)
{
	struct heard *heard = arg;
	flo_waitgroup never = {0};

	flo__park(show_to, heard, "a callback", false);
	flo_waitgroup_add(&never, 1);
	flo_context_ref(heard->context);
	flo_waitgroup_wait(&never, heard->context);
	flo_context_unref(heard->context);
}

static void a_callback_hears_of_each_standstill_once(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		struct heard heard = {.times = 0};
		struct flo_runtime_options options = {
			.procs = procs,
			.closed_world = true,
			.on_deadlock = deadlocked,
			.on_deadlock_arg = &heard,
		};
		flo_runtime *rt = NULL;

		assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
		heard.context = flo_context_new(rt);
		/* Nobody waits in the runtime: the host's word is enough. */
		assert_int_equal(flo_go_with(rt, stand_still, &heard, 0, "me"),
				 FLO_OK);
		while (atomic_load(&heard.times) < 2)
			usleep(1000);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&heard.times), 2);
		assert_non_null(strstr(heard.text, "deadlock: all 1 "));
		assert_non_null(strstr(heard.text, "me waits: a callback\n"));
	}
}

/* It starts a coroutine, which ends what the other waits for. */
static void release(void *arg)
{
	flo_waitgroup_done(arg);
}

static void start_a_rescuer(flo_runtime *rt, const char *report, void *arg)
{
	(void)report;
	flo_go(rt, release, arg);
}

static void wait_for_rescue(void *arg)
{
	flo_waitgroup_wait(arg, NULL);
}

static void a_callback_may_start_coroutines(void **state)
{
	flo_waitgroup wg = {0};
	struct flo_runtime_options options = {
		.on_deadlock = start_a_rescuer,
		.on_deadlock_arg = &wg,
	};
	flo_runtime *rt = NULL;

	(void)state;
	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	/* Twice: the first time must not open the world. */
	for (int i = 0; i < 2; i++) {
		flo_waitgroup_add(&wg, 1);
		assert_int_equal(flo_runtime_run(rt, wait_for_rescue, &wg),
				 FLO_OK);
	}
	flo_runtime_free(rt);
}

/* Cancelled, but still held: an hour from now nothing will come of it. */
static void wait_beside_cancelled_deadlines(void *arg)
{
	const uint64_t hour = UINT64_C(3600000000000);
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *a = flo_context_timeout(root, hour, "a");
	flo_context *b = flo_context_timeout(a, hour / 2, "b");
	flo_context *late;

	(void)arg;
	flo_context_cancel(a, NULL);
	late = flo_context_timeout(a, hour / 3, "born ended");
	flo_chan_recv(NULL, NULL, NULL);
	flo_context_unref(late);
	flo_context_unref(b);
	flo_context_unref(a);
	flo_context_unref(root);
}

static void a_cancelled_deadline_hides_no_deadlock(void **state)
{
	char text[2048];

	(void)state;
	hopeless = wait_beside_cancelled_deadlines;
	assert_int_equal(signal_of(run_hopeless, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "deadlock: all 1 coroutines"));
}

static void *cancel_late(void *arg)
{
	usleep(20000);
	flo_context_cancel(arg, NULL);
	return NULL;
}

static void cancelled(struct flo__context_watch *watch)
{
	flo__ready(*(struct flo__g **)(watch + 1));
}

/* A wait that only its context can end, which another thread will cancel. */
struct cancellable {
	struct flo__context_watch watch;
	struct flo__g *g;
	flo_context *context;
};

static bool watch_context(struct flo__g *g, void *arg)
{
	struct cancellable *c = arg;

	c->g = g;
	return flo__context_watch_add(c->context, &c->watch);
}

static void wait_for_cancel(void *arg)
{
	struct cancellable *c = arg;

	flo__park(watch_context, c, "context", false);
	flo__context_watch_del(c->context, &c->watch);
}

static void a_thread_that_may_cancel_keeps_the_detector_quiet(void **state)
{
	flo_runtime *rt = runtime(1);
	struct cancellable c = {.watch.fn = cancelled,
				.context = flo_context_new(rt)};
	pthread_t thread;

	(void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
	/* Its own thread makes counting threads impossible. */
	flo__runtime_hold(rt);
#endif
#endif
	pthread_create(&thread, NULL, cancel_late, c.context);
	flo_runtime_run(rt, wait_for_cancel, &c);
	pthread_join(thread, NULL);
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
	flo__runtime_release(rt);
#endif
#endif
	flo_context_unref(c.context);
	flo_runtime_free(rt);
}

static bool show(struct flo__g *g, void *arg)
{
	__atomic_store_n((struct flo__g **)arg, g, __ATOMIC_RELEASE);
	return true;
}

static void park_shown(void *arg)
{
	flo__park(show, arg, "a friend", false);
}

/* Another thread readies it in the end; meanwhile it looks like a deadlock. */
static void *ready_shown(void *arg)
{
	struct flo__g **g = arg, *shown;

	while ((shown = __atomic_load_n(g, __ATOMIC_ACQUIRE)) == NULL)
		usleep(1000);
	usleep(20000);
	flo__ready(shown);
	return NULL;
}

static void a_hold_keeps_the_detector_quiet(void **state)
{
	flo_runtime *rt = runtime(2);
	struct flo__g *g = NULL;
	pthread_t thread;

	(void)state;
	flo__runtime_hold(rt);
	pthread_create(&thread, NULL, ready_shown, &g);
	flo_runtime_run(rt, park_shown, &g);
	pthread_join(thread, NULL);
	flo__runtime_release(rt);
	flo_runtime_free(rt);
}

static void *wake_late(void *arg)
{
	usleep(20000);
	flo_note_wake(arg);
	return NULL;
}

static void wait_for_note(void *arg)
{
	pthread_t thread;
	flo_note note;

	(void)arg;
	flo_note_init(&note);
	pthread_create(&thread, NULL, wake_late, &note);
	flo_note_wait(&note);
	pthread_join(thread, NULL);
}

static void block_a_while(void *arg)
{
	struct flo__g *waiter;

	flo_blocking_begin();
	usleep(20000);
	flo_blocking_end();
	while ((waiter = __atomic_load_n((struct flo__g **)arg,
					 __ATOMIC_ACQUIRE)) == NULL)
		flo_yield();
	flo__ready(waiter);
}

static void wait_for_blocked(void *arg)
{
	flo_go(NULL, block_a_while, arg);
	flo__park(show, arg, "who blocks", false);
}

static void notes_regions_and_sleeps_are_no_deadlock(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 2; procs++) {
		flo_runtime *rt = runtime(procs);
		struct flo__g *g = NULL;

		flo_runtime_run(rt, wait_for_note, NULL);
		flo_runtime_run(rt, wait_for_blocked, &g);
		flo_runtime_free(rt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadlock_is_reported_with_names_and_reasons),
		cmocka_unit_test(
			freeing_a_runtime_that_cannot_end_is_a_deadlock),
		cmocka_unit_test(a_hopeless_wait_is_named),
		cmocka_unit_test(a_trace_is_inherited_and_reported),
		cmocka_unit_test(thousands_are_reported_in_a_hundred_lines),
		cmocka_unit_test(a_callback_hears_of_each_standstill_once),
		cmocka_unit_test(a_callback_may_start_coroutines),
		cmocka_unit_test(a_cancelled_deadline_hides_no_deadlock),
		cmocka_unit_test(
			a_thread_that_may_cancel_keeps_the_detector_quiet),
		cmocka_unit_test(a_hold_keeps_the_detector_quiet),
		cmocka_unit_test(notes_regions_and_sleeps_are_no_deadlock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
