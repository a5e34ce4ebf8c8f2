/* Contained faults: whose they are, what runs after them, on and off. */
#include "fault_child.h"
#include "fault_kinds.h"

#include <flo/chan.h>
#include <flo/fault.h>
#include <flo/panic.h>
#include <flo/sync.h>

#include "engine/sched/sched_p.h"

#include <pthread.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define TSAN 1
#endif

/* What the host's handler ends a process with. */
#define HOST 42

static void on_host(int sig)
{
	(void)sig;
	_exit(HOST);
}

static void on_host_info(int sig, siginfo_t *info, void *uc)
{
	(void)uc;
	_exit(info->si_signo == sig ? HOST : 1);
}

static void host_handles(int sig)
{
	struct sigaction action = {.sa_handler = on_host,
				   .sa_flags = SA_ONSTACK};

	sigaction(sig, &action, NULL);
}

static void read_null(void *arg)
{
	fault_kind_find("read_null")->commit(arg);
}

static void call_abort(void *arg)
{
	fault_kind_find("call_abort")->commit(arg);
}

static bool is_contained(void (*fn)(void *arg), void *arg)
{
	flo_error err = FLO_ERROR_INIT;

	return flo_try(fn, arg, &err) == FLO_PANIC &&
	       strncmp(err.text, "SIG", 3) == 0;
}

static void expect_contained(void *arg)
{
	(void)arg;
	EXPECT(is_contained(read_null, NULL));
}

/* --- what runs after a fault --------------------------------------------- */

struct trail {
	char text[32];
	struct flo_defer_node nodes[3];
};

static void put(struct trail *trail, char c)
{
	trail->text[strlen(trail->text)] = c;
}

static void put_a(void *arg)
{
	put(arg, 'a');
}

static void put_b(void *arg)
{
	flo_yield();
	put(arg, 'b');
}

static void put_c_and_fault(void *arg)
{
	put(arg, 'c');
	read_null(NULL);
}

static void defer_and_fault(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_a, trail);
	flo_defer(&trail->nodes[1], put_c_and_fault, trail);
	flo_defer(&trail->nodes[2], put_b, trail);
	read_null(NULL);
}

static void clean_ups(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	EXPECT(is_contained(defer_and_fault, &trail));
	EXPECT(strcmp(trail.text, "bca") == 0);
}

static int clean_ups_child(const void *arg)
{
	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, clean_ups, NULL);
	EXPECT(flo_fault_tainted() == 2);
	return 0;
}

static void clean_ups_run_though_one_faults(void **state)
{
	struct child_end end = child_run(clean_ups_child, NULL);

	(void)state;
	child_check(&end, "clean-ups", 0, 0);
}

static void try_inside(void *arg)
{
	EXPECT(is_contained(read_null, NULL));
	put(arg, '!');
	read_null(NULL);
}

static void nested(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	EXPECT(is_contained(try_inside, &trail));
	EXPECT(strcmp(trail.text, "!") == 0);
}

static void fault_in_a_region(void *arg)
{
	flo_blocking_begin();
	flo_blocking_begin();
	flo_defer(arg, put_b, (char *)arg - offsetof(struct trail, nodes));
	read_null(NULL);
}

static void in_a_region(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	for (int i = 0; i < 20; i++) {
		EXPECT(is_contained(fault_in_a_region, &trail.nodes[0]));
		flo_yield();
	}
	EXPECT(strlen(trail.text) == 20);
}

static void all_of_these(void *arg)
{
	nested(arg);
	in_a_region(arg);
}

static int nested_child(const void *arg)
{
	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(2, all_of_these, NULL);
	return 0;
}

static void they_nest_and_leave_blocking_regions(void **state)
{
	struct child_end end = child_run(nested_child, NULL);

	(void)state;
	child_check(&end, "nested", 0, 0);
}

/* --- whose fault it is --------------------------------------------------- */

static void send_from_nowhere(void *arg)
{
	const char *nowhere = (const char *)8;

	flo_chan_send(arg, nowhere, NULL);
}

static void in_flo_function(void *arg)
{
	flo_chan *chan;

	(void)arg;
	EXPECT(flo_chan_new(8, 1, &chan) == FLO_OK);
	flo_try(send_from_nowhere, chan, NULL);
}

static void timer_fault(struct flo__timer *timer)
{
	read_null(timer);
}

static void wait_for_timer(void *arg)
{
	struct flo__timer *timer = arg;

	EXPECT(flo__timer_start(flo_runtime_current(), timer, flo_now(),
				timer_fault) == FLO_OK);
	for (;;)
		flo_yield();
}

static void on_scheduler_stack(void *arg)
{
	struct flo__timer timer = {.when_ns = 0};

	(void)arg;
	flo_try(wait_for_timer, &timer, NULL);
}

static void kill_us(void *arg)
{
	kill(getpid(), *(int *)arg);
	for (;;)
		flo_yield();
}

static void sent_to_process(void *arg)
{
	int sig = SIGSEGV;

	(void)arg;
	flo_try(kill_us, &sig, NULL);
}

#ifndef TSAN
static void on_signal(int sig)
{
	read_null(&sig);
}

static void interrupt_ourselves(void *arg)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGPROF, &action, NULL);
	pthread_kill(pthread_self(), SIGPROF);
	read_null(arg); /* not reached, unless the handler was left */
}

static void in_signal_handler(void *arg)
{
	(void)arg;
	flo_try(interrupt_ourselves, NULL, NULL);
}
#endif

static void outside_try(void *arg)
{
	read_null(arg);
}

struct whose {
	const char *name;
	flo_fn fn;
};

static int whose_child(const void *arg)
{
	const struct whose *whose = arg;

	host_handles(SIGSEGV);
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(2, whose->fn, NULL);
	return 0;
}

static void other_faults_go_to_the_host(void **state)
{
	static const struct whose table[] = {
		{"outside flo_try()", outside_try},
		{"in a flo function", in_flo_function},
		{"on a scheduler's stack", on_scheduler_stack},
		{"sent to the process", sent_to_process},
#ifndef TSAN /* it calls handlers from a handler of its own */
		{"in a signal's handler", in_signal_handler},
#endif
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct child_end end = child_run(whose_child, &table[i]);

		child_check(&end, table[i].name, 0, HOST);
	}
}

/* On an ordinary thread even inside flo_try(); a handler with siginfo. */
static int thread_child(const void *arg)
{
	struct sigaction action = {.sa_sigaction = on_host_info,
				   .sa_flags = SA_SIGINFO};

	(void)arg;
	sigaction(SIGSEGV, &action, NULL);
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	flo_try(read_null, NULL, NULL);
	return 0;
}

static void ordinary_threads_are_the_hosts(void **state)
{
	struct child_end end = child_run(thread_child, NULL);

	(void)state;
	child_check(&end, "thread", 0, HOST);
}

/* --- abort() ------------------------------------------------------------- */

static void contain_abort(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		EXPECT(is_contained(call_abort, NULL));
}

static int abort_later_child(const void *arg)
{
	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(2, contain_abort, NULL);
	fprintf(stderr, "contained: %u\n", flo_fault_tainted());
	abort();
}

static void after_a_contained_abort_another_ends_the_process(void **state)
{
	struct child_end end = child_run(abort_later_child, NULL);

	(void)state;
	child_check(&end, "abort", SIGABRT, 0);
	assert_non_null(strstr(end.said, "contained: 10\n"));
}

static atomic_int tell_thread;
static pthread_t its_thread; /* published by tell_thread: release, acquire */

static void spin_in_try(void *arg)
{
	(void)arg;
	its_thread = pthread_self();
	atomic_store(&tell_thread, 1);
	for (;;)
		;
}

static void try_to_spin(void *arg)
{
	(void)arg;
	flo_try(spin_in_try, NULL, NULL);
}

static int abort_sent_child(const void *arg)
{
	flo_runtime *rt;

	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(flo_runtime_new(NULL, NULL, &rt) == FLO_OK);
	EXPECT(flo_go(rt, try_to_spin, NULL) == FLO_OK);
	while (atomic_load(&tell_thread) == 0)
		sched_yield();
	pthread_kill(its_thread, SIGABRT);
	pause();
	return 0;
}

static void an_abort_that_is_sent_is_not_the_coroutines(void **state)
{
	struct child_end end = child_run(abort_sent_child, NULL);

	(void)state;
	child_check(&end, "sent", SIGABRT, 0);
}

/* --- on and off ---------------------------------------------------------- */

static bool is_host(int sig)
{
	struct sigaction now;

	return sigaction(sig, NULL, &now) == 0 && now.sa_handler == on_host;
}

static int counted_child(const void *arg)
{
	(void)arg;
	host_handles(SIGSEGV);
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(!is_host(SIGSEGV));
	flo_fault_release();
	child_coro(1, expect_contained, NULL);
	flo_fault_release();
	EXPECT(is_host(SIGSEGV));
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, expect_contained, NULL);
	flo_fault_release();
	EXPECT(is_host(SIGSEGV));
	EXPECT(flo_fault_tainted() == 2);
	if (atomic_load(&coro_failures) == 0)
		child_coro(1, expect_contained, NULL); /* ends in the host's */
	return 0;
}

static void it_is_counted_and_the_last_one_gives_back(void **state)
{
	struct child_end end = child_run(counted_child, NULL);

	(void)state;
	child_check(&end, "counted", 0, HOST);
}

/* A handler of the host's that calls whoever was there before it. */
static struct sigaction before;
static atomic_int passed_on;

static void pass_on(int sig, siginfo_t *info, void *uc)
{
	if (atomic_fetch_add(&passed_on, 1) > 10)
		_exit(7);
	before.sa_sigaction(sig, info, uc);
}

static int buried_child(const void *arg)
{
	struct sigaction action = {.sa_sigaction = pass_on,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK};

	(void)arg;
	host_handles(SIGSEGV);
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	sigaction(SIGSEGV, &action, &before);
	child_coro(1, expect_contained, NULL);
	flo_fault_release();
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, expect_contained, NULL);
	EXPECT(atomic_load(&passed_on) == 2);
	if (atomic_load(&coro_failures) == 0)
		read_null(NULL); /* on a thread: theirs, ours, the first */
	return 0;
}

static void a_later_handler_may_call_ours(void **state)
{
	struct child_end end = child_run(buried_child, NULL);

	(void)state;
	child_check(&end, "buried", 0, HOST);
}

static int release_child(const void *arg)
{
	(void)arg;
	flo_fault_release();
	return 0;
}

static void releasing_too_often_breaks_a_contract(void **state)
{
	struct child_end end = child_run(release_child, NULL);

	(void)state;
	child_check(&end, "release", SIGABRT, 0);
	assert_non_null(strstr(end.said, "flo_fault_release"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_ups_run_though_one_faults),
		cmocka_unit_test(they_nest_and_leave_blocking_regions),
		cmocka_unit_test(other_faults_go_to_the_host),
		cmocka_unit_test(ordinary_threads_are_the_hosts),
		cmocka_unit_test(
			after_a_contained_abort_another_ends_the_process),
		cmocka_unit_test(an_abort_that_is_sent_is_not_the_coroutines),
		cmocka_unit_test(it_is_counted_and_the_last_one_gives_back),
		cmocka_unit_test(a_later_handler_may_call_ours),
		cmocka_unit_test(releasing_too_often_breaks_a_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
