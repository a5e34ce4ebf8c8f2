/* flo_try, flo_panic, flo_defer: on threads, in coroutines, over parks. */
#include "coro.h"

#include <flo/panic.h>
#include <flo/sync.h>

#include "base/contract.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void nothing(void *arg)
{
	(void)arg;
}

static void panic_with(void *arg)
{
	flo_panic("no more %s", (const char *)arg);
}

static void a_return_is_no_panic_body(void *arg)
{
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_try(nothing, NULL, &err) == FLO_OK);
	EXPECT(err.status == FLO_OK);
}
CORO_TEST(a_return_is_no_panic);

static void a_panic_ends_the_try_body(void *arg)
{
	char milk[] = "milk";
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_try(panic_with, milk, &err) == FLO_PANIC);
	EXPECT(err.status == FLO_PANIC);
	EXPECT(strcmp(err.text, "no more milk") == 0);
	EXPECT(flo_try(panic_with, milk, NULL) == FLO_PANIC);
}
CORO_TEST(a_panic_ends_the_try);

static void it_works_on_an_ordinary_thread(void **state)
{
	(void)state;
	atomic_store(&coro_failures, 0);
	a_panic_ends_the_try_body(NULL);
	a_return_is_no_panic_body(NULL);
	assert_int_equal(atomic_load(&coro_failures), 0);
}

static void break_a_contract(void *arg)
{
	int two = *(int *)arg;

	REQUIRE(two + two == 5);
}

static void a_broken_contract_is_a_panic_body(void *arg)
{
	flo_error err = FLO_ERROR_INIT;
	int two = 2;

	(void)arg;
	EXPECT(flo_try(break_a_contract, &two, &err) == FLO_PANIC);
	EXPECT(strstr(err.text, "REQUIRE(two + two == 5)") != NULL);
	EXPECT(strstr(err.text, "break_a_contract") != NULL);
	EXPECT(strchr(err.text, '\n') == NULL);
}
CORO_TEST(a_broken_contract_is_a_panic);

static __attribute__((noinline)) void panic_here(void *arg)
{
	flo_panic("%s", (const char *)arg);
}

/* The place that panicked comes first, not the library. */
static bool is_within(const void *frame, void (*fn)(void *arg))
{
	uintptr_t at = (uintptr_t)frame, begin = (uintptr_t)fn;

	return at > begin && at < begin + 200;
}

static void it_is_told_where_body(void *arg)
{
	flo_error err = FLO_ERROR_INIT;
	flo_panic_info info = {.signal = 1, .frames_len = 7};
	char text[64] = "", short_text[4];

	(void)arg;
	EXPECT(flo_try_info(panic_here, "there", &err, &info) == FLO_PANIC);
	EXPECT(info.signal == 0 && info.address == 0 && !info.stack_overflow);
	EXPECT(info.frames_len > 2 && is_within(info.frames[0], panic_here));
	flo_panic_frame_text(info.frames[0], text, sizeof(text));
	EXPECT(strstr(text, "panic_test+0x") != NULL);
	flo_panic_frame_text(info.frames[0], short_text, sizeof(short_text));
	EXPECT(strncmp(short_text, text, 3) == 0 && short_text[3] == '\0');
	EXPECT(flo_try_info(nothing, NULL, &err, &info) == FLO_OK);
	EXPECT(info.frames_len == 0);
}
CORO_TEST(it_is_told_where);

/* --- clean-ups ----------------------------------------------------------- */

struct trail {
	char text[32];
	struct flo_defer_node nodes[4];
	flo_status inner;
};

static void put(struct trail *trail, char c)
{
	size_t len = strlen(trail->text);

	trail->text[len] = c;
	trail->text[len + 1] = '\0';
}

static void put_a(void *arg)
{
	put(arg, 'a');
}

static void put_b(void *arg)
{
	put(arg, 'b');
}

static void put_c_and_panic(void *arg)
{
	put(arg, 'c');
	flo_panic("in a clean-up");
}

static void defer_and_panic(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_a, trail);
	flo_defer(&trail->nodes[1], put_b, trail);
	put(trail, '.');
	flo_panic("first");
}

static void clean_ups_run_last_first_body(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	EXPECT(flo_try(defer_and_panic, &trail, NULL) == FLO_PANIC);
	EXPECT(strcmp(trail.text, ".ba") == 0);
}
CORO_TEST(clean_ups_run_last_first);

static void defer_and_return(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_a, trail);
	flo_defer(&trail->nodes[1], put_b, trail);
	put(trail, '.');
}

static void clean_ups_run_at_a_return_too_body(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	EXPECT(flo_try(defer_and_return, &trail, NULL) == FLO_OK);
	EXPECT(strcmp(trail.text, ".ba") == 0);
}
CORO_TEST(clean_ups_run_at_a_return_too);

static void defer_a_panic_and_panic(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_a, trail);
	flo_defer(&trail->nodes[1], put_c_and_panic, trail);
	flo_defer(&trail->nodes[2], put_b, trail);
	flo_panic("first");
}

static void defer_a_panic_and_return(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_a, trail);
	flo_defer(&trail->nodes[1], put_c_and_panic, trail);
}

static void a_panicking_clean_up_does_not_stop_the_rest_body(void *arg)
{
	struct trail trail = {.text = ""};
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_try(defer_a_panic_and_panic, &trail, &err) == FLO_PANIC);
	EXPECT(strcmp(trail.text, "bca") == 0);
	EXPECT(strcmp(err.text, "first") == 0);
	trail.text[0] = '\0';
	flo_error_clear(&err);
	EXPECT(flo_try(defer_a_panic_and_return, &trail, &err) == FLO_PANIC);
	EXPECT(strcmp(trail.text, "ca") == 0);
	EXPECT(strcmp(err.text, "in a clean-up") == 0);
}
CORO_TEST(a_panicking_clean_up_does_not_stop_the_rest);

/* A function with a clean-up on its own stack, which it runs itself. */
static void with_own_node(struct trail *trail)
{
	struct flo_defer_node b, a;

	flo_defer(&b, put_b, trail);
	flo_defer(&a, put_a, trail);
	put(trail, '.');
	flo_defer_run(&b);
	put(trail, '.');
}

static void call_with_own_node(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[0], put_b, trail);
	with_own_node(trail);
}

static void defer_run_runs_down_to_its_node_body(void *arg)
{
	struct trail trail = {.text = ""};

	(void)arg;
	EXPECT(flo_try(call_with_own_node, &trail, NULL) == FLO_OK);
	EXPECT(strcmp(trail.text, ".ab.b") == 0);
}
CORO_TEST(defer_run_runs_down_to_its_node);

static void try_inside(void *arg)
{
	struct trail *trail = arg;

	flo_defer(&trail->nodes[3], put_b, trail);
	trail->inner = flo_try(defer_and_panic, trail, NULL);
	put(trail, '!');
	flo_panic("outer");
}

static void they_nest_body(void *arg)
{
	struct trail trail = {.text = ""};
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_try(try_inside, &trail, &err) == FLO_PANIC);
	EXPECT(trail.inner == FLO_PANIC);
	EXPECT(strcmp(trail.text, ".ba!b") == 0);
	EXPECT(strcmp(err.text, "outer") == 0);
}
CORO_TEST(they_nest);

/* --- over parks ---------------------------------------------------------- */

static void yield_and_panic(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < 20; i++)
		flo_yield();
	flo_panic("number %d", n);
}

struct crowd {
	flo_waitgroup wg;
	int numbers[50];
	atomic_int right;
};

struct one_of {
	struct crowd *crowd;
	int *n;
};

static void panic_among_others(void *arg)
{
	struct one_of who = *(struct one_of *)arg;
	flo_error err = FLO_ERROR_INIT;
	char want[32];

	snprintf(want, sizeof(want), "number %d", *who.n);
	if (flo_try(yield_and_panic, who.n, &err) == FLO_PANIC &&
	    strcmp(err.text, want) == 0)
		atomic_fetch_add(&who.crowd->right, 1);
	flo_waitgroup_done(&who.crowd->wg);
}

static void every_coroutine_has_its_own_body(void *arg)
{
	struct crowd crowd = {.wg = {.count = 0}};
	struct one_of who[50];

	(void)arg;
	atomic_init(&crowd.right, 0);
	for (int i = 0; i < 50; i++) {
		crowd.numbers[i] = i;
		who[i] = (struct one_of){&crowd, &crowd.numbers[i]};
		flo_waitgroup_add(&crowd.wg, 1);
		coro_go(panic_among_others, &who[i]);
	}
	EXPECT(flo_waitgroup_wait(&crowd.wg, NULL) == FLO_OK);
	EXPECT(atomic_load(&crowd.right) == 50);
}
CORO_TEST(every_coroutine_has_its_own);

static void yield_once(void *arg)
{
	(void)arg;
	flo_yield();
}

static void panic_in_a_blocking_region(void *arg)
{
	flo_blocking_begin();
	flo_blocking_begin();
	flo_defer(arg, yield_once, NULL);
	flo_panic("while blocked");
}

static void try_in_a_blocking_region(void *arg)
{
	flo_blocking_begin();
	EXPECT(flo_try(panic_with, arg, NULL) == FLO_PANIC);
	flo_blocking_end();
}

static void blocking_regions_are_left_body(void *arg)
{
	struct flo_defer_node node;
	char milk[] = "milk";

	(void)arg;
	for (int i = 0; i < 100; i++) {
		EXPECT(flo_try(panic_in_a_blocking_region, &node, NULL) ==
		       FLO_PANIC);
		flo_yield();
		try_in_a_blocking_region(milk);
		flo_yield();
	}
}
CORO_TEST(blocking_regions_are_left);

/* --- with nobody to tell ------------------------------------------------- */

static bool aborts(void (*fn)(void *arg), void *arg)
{
	struct rlimit none = {0, 0};
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void defer_nothing(void *arg)
{
	flo_defer(arg, nothing, NULL);
}

static void outside_a_try_the_process_ends(void **state)
{
	struct flo_defer_node node;
	char milk[] = "milk";
	int two = 2;

	(void)state;
	assert_true(aborts(panic_with, milk));
	assert_true(aborts(break_a_contract, &two));
	assert_true(aborts(defer_nothing, &node));
	assert_false(aborts(nothing, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_return_is_no_panic),
		cmocka_unit_test(a_panic_ends_the_try),
		cmocka_unit_test(it_works_on_an_ordinary_thread),
		cmocka_unit_test(a_broken_contract_is_a_panic),
		cmocka_unit_test(it_is_told_where),
		cmocka_unit_test(clean_ups_run_last_first),
		cmocka_unit_test(clean_ups_run_at_a_return_too),
		cmocka_unit_test(a_panicking_clean_up_does_not_stop_the_rest),
		cmocka_unit_test(defer_run_runs_down_to_its_node),
		cmocka_unit_test(they_nest),
		cmocka_unit_test(every_coroutine_has_its_own),
		cmocka_unit_test(blocking_regions_are_left),
		cmocka_unit_test(outside_a_try_the_process_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
