/*
 * The drives for tests: the deterministic one makes the same choices for a
 * seed, on a virtual clock; both make choices that the normal one would not.
 */
#include "tests/unit/coro.h"

#include <flo/chan.h>
#include <flo/context.h>
#include <flo/group.h>
#include <flo/sync.h>

#include "engine/sched/poll_p.h"
#include "engine/sched/sim_p.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOUR  UINT64_C(3600000000000)
#define SEEDS 50

static flo_runtime *sim_new(uint64_t seed)
{
	struct flo_runtime_options options = {.drive = FLO_DRIVE_DETERMINISTIC,
					      .seed = seed};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static void sim_run(uint64_t seed, flo_fn fn, void *arg)
{
	coro_run(&(struct flo_runtime_options){.drive = FLO_DRIVE_DETERMINISTIC,
					       .seed = seed},
		 fn, arg);
}

/* What coroutines did, in order. */
static char story[64];
static pthread_mutex_t story_lock = PTHREAD_MUTEX_INITIALIZER;

/* One P does not promise one thread: while it is late, relief comes. */
static void tell(char c)
{
	size_t len;

	pthread_mutex_lock(&story_lock);
	len = strlen(story);
	if (len + 1 < sizeof(story)) {
		story[len] = c;
		story[len + 1] = '\0';
	}
	pthread_mutex_unlock(&story_lock);
}

/* ---- the same seed ---- */

static flo_chan *chan;
static flo_mutex mutex;

static void act(void *arg)
{
	char name = *(const char *)arg;

	for (int i = 0; i < 4; i++) {
		flo_mutex_lock(&mutex);
		tell(name);
		flo_mutex_unlock(&mutex);
		flo_sleep(NULL, (uint64_t)(name - 'a') % 3 * 1000);
		EXPECT(flo_chan_send(chan, &name, NULL) == FLO_OK);
	}
}

static void actors(void *arg)
{
	static const char names[] = "abcdefgh";
	char value;

	(void)arg;
	EXPECT(flo_chan_new(1, 2, &chan) == FLO_OK);
	for (int i = 0; i < 8; i++)
		coro_go(act, (void *)(uintptr_t)&names[i]);
	for (int i = 0; i < 8 * 4; i++)
		EXPECT(flo_chan_recv(chan, &value, NULL) == FLO_OK);
	flo_chan_free(chan);
}

static uint64_t play(flo_runtime *rt, char ret_story[sizeof(story)])
{
	uint64_t digest;

	story[0] = '\0';
	assert_int_equal(flo_runtime_run(rt, actors, NULL), FLO_OK);
	digest = flo__sim_digest(rt);
	strcpy(ret_story, story);
	return digest;
}

static void same_seed_makes_the_same_choices(void **state)
{
	char first[sizeof(story)], second[sizeof(story)];

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		flo_runtime *rt = sim_new(seed), *again = sim_new(seed);
		uint64_t digest = play(rt, first);

		assert_true(digest == play(again, second));
		assert_string_equal(first, second);
		assert_int_equal(strlen(first), 32);
		flo_runtime_free(rt);
		flo_runtime_free(again);
	}
}

static void other_seeds_make_other_choices(void **state)
{
	char stories[SEEDS][sizeof(story)];
	int distinct = 0;

	(void)state;
	for (int i = 0; i < SEEDS; i++) {
		flo_runtime *rt = sim_new((uint64_t)i);
		int same = 0;

		play(rt, stories[i]);
		flo_runtime_free(rt);
		while (strcmp(stories[same], stories[i]) != 0)
			same++;
		distinct += same == i;
	}
	assert_true(distinct > SEEDS * 3 / 4);
}

static void reset_is_as_good_as_a_new_runtime(void **state)
{
	char first[sizeof(story)], second[sizeof(story)];
	flo_runtime *reused = sim_new(12345);

	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++) {
		flo_runtime *fresh = sim_new(seed);
		uint64_t digest = play(fresh, first);

		flo__sim_reset(reused, seed);
		assert_true(digest == play(reused, second));
		assert_string_equal(first, second);
		flo_runtime_free(fresh);
	}
	flo_runtime_free(reused);
}

static void see(void *arg, const struct flo__sim_event *event)
{
	unsigned *seen = arg;

	seen[event->kind]++;
}

static void a_watcher_sees_every_choice(void **state)
{
	unsigned seen[FLO__SIM_KINDS] = {0};
	char ignored[sizeof(story)];
	flo_runtime *rt = sim_new(0);

	(void)state;
	flo__sim_watch(rt, see, seen);
	for (uint64_t seed = 1; seed < 20; seed++) {
		flo__sim_reset(rt, seed);
		play(rt, ignored);
	}
	flo__sim_digest(rt); /* waits until the last has ended */
	flo__sim_watch(rt, NULL, NULL);
	assert_int_equal(seen[FLO__SIM_END], 19 * 9);
	assert_int_equal(seen[FLO__SIM_RUN],
			 seen[FLO__SIM_PARK] + seen[FLO__SIM_YIELD] +
				 seen[FLO__SIM_POINT] + seen[FLO__SIM_END]);
	assert_true(seen[FLO__SIM_POINT] > 0);
	assert_true(seen[FLO__SIM_TIMER] > 0 && seen[FLO__SIM_CLOCK] > 0);
	assert_string_equal(flo__sim_kind_text(FLO__SIM_CLOCK), "clock");
	flo_runtime_free(rt);
}

/* ---- every order is met ---- */

static void tell_own(void *arg)
{
	tell(*(const char *)arg);
}

static void three(void *arg)
{
	(void)arg;
	coro_go(tell_own, (void *)(uintptr_t) "a");
	coro_go(tell_own, (void *)(uintptr_t) "b");
	coro_go(tell_own, (void *)(uintptr_t) "c");
}

static void sleep_and_tell(void *arg)
{
	EXPECT(flo_sleep(NULL, 1000) == FLO_OK);
	tell(*(const char *)arg);
}

/* All three are asleep before the clock moves, so their timers are equal. */
static void three_sleepers(void *arg)
{
	(void)arg;
	coro_go(sleep_and_tell, (void *)(uintptr_t) "a");
	coro_go(sleep_and_tell, (void *)(uintptr_t) "b");
	coro_go(sleep_and_tell, (void *)(uintptr_t) "c");
}

/* Which of the orders of three was met, as a bit. */
static unsigned order_of(flo_fn fn, const struct flo_runtime_options *options)
{
	static const char *const all[] = {"abc", "acb", "bac",
					  "bca", "cab", "cba"};
	unsigned i = 0;

	story[0] = '\0';
	coro_run(options, fn, NULL);
	while (i < 6 && strcmp(story, all[i]) != 0)
		i++;
	assert_int_not_equal(i, 6);
	return 1u << i;
}

static unsigned orders_of(flo_fn fn)
{
	unsigned met = 0;

	for (uint64_t seed = 0; seed < 200; seed++)
		met |= order_of(fn, &(struct flo_runtime_options){
					    .drive = FLO_DRIVE_DETERMINISTIC,
					    .seed = seed});
	return met;
}

static void every_order_of_coroutines_is_met(void **state)
{
	(void)state;
	assert_int_equal(orders_of(three), 63);
}

static void every_order_of_equal_timers_is_met(void **state)
{
	(void)state;
	assert_int_equal(orders_of(three_sleepers), 63);
}

static void select_from_two(void *arg)
{
	unsigned *met = arg;
	flo_chan *chans[2];
	char value = 'x';
	size_t index = 9;

	for (int i = 0; i < 2; i++) {
		EXPECT(flo_chan_new(1, 1, &chans[i]) == FLO_OK);
		EXPECT(flo_chan_send(chans[i], &value, NULL) == FLO_OK);
	}
	EXPECT(flo_select(
		       (struct flo_select_case[]){
			       {.chan = chans[0], .recv = &value},
			       {.chan = chans[1], .recv = &value},
		       },
		       2, UINT64_MAX, NULL, &index) == FLO_OK);
	*met |= 1u << index;
	flo_chan_free(chans[0]);
	flo_chan_free(chans[1]);
}

static void every_case_of_a_select_is_met(void **state)
{
	unsigned met = 0;

	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++)
		sim_run(seed, select_from_two, &met);
	assert_int_equal(met, 3);
}

/* ---- the clock ---- */

static void sleep_for_years(void *arg)
{
	uint64_t before = flo_now();

	(void)arg;
	for (int i = 0; i < 1000; i++)
		EXPECT(flo_sleep(NULL, 24 * HOUR) == FLO_OK);
	EXPECT(flo_now() - before == 24000 * HOUR);
}

static void sleeping_takes_no_time_and_exactly_as_long_as_said(void **state)
{
	(void)state;
	sim_run(1, sleep_for_years, NULL);
}

static void time_out(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c = flo_context_timeout(root, 2 * HOUR, "two hours");
	uint64_t before = flo_now();
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 0);
	EXPECT(flo_sem_take(&sem, c) == FLO_TIMEOUT);
	EXPECT(flo_now() == before + 2 * HOUR);
	EXPECT(flo_select(NULL, 0, HOUR, NULL, NULL) == FLO_TIMEOUT);
	EXPECT(flo_now() == before + 3 * HOUR);
	flo_context_unref(c);
	flo_context_unref(root);
}

static void deadlines_end_waits_on_the_virtual_clock(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < SEEDS; seed++)
		sim_run(seed, time_out, NULL);
}

static void yield_until_deadline(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c = flo_context_timeout(root, HOUR, NULL);

	(void)arg;
	UNTIL(flo_context_status(c) == FLO_TIMEOUT);
	flo_context_unref(c);
	flo_context_unref(root);
}

static void who_only_yields_does_not_stop_the_clock(void **state)
{
	(void)state;
	sim_run(3, yield_until_deadline, NULL);
}

static void stay(void *arg)
{
	uint64_t *now = arg;

	*now = flo_now();
}

static void the_clock_stands_while_no_coroutine_lives(void **state)
{
	flo_runtime *rt = sim_new(5);
	flo_context *root = flo_context_new(rt);
	flo_context *c = flo_context_timeout(root, HOUR, NULL);
	uint64_t first = 0, second = 1;

	(void)state;
	assert_int_equal(flo_runtime_run(rt, stay, &first), FLO_OK);
	assert_int_equal(flo_runtime_run(rt, stay, &second), FLO_OK);
	assert_true(first == second);
	assert_int_equal(flo_context_status(c), FLO_OK);
	assert_true(flo_context_deadline(c) == first + HOUR);
	flo_context_unref(c);
	flo_context_unref(root);
	flo_runtime_free(rt);
}

/* ---- the outside ---- */

static flo_note knock;

static void *knock_late(void *arg)
{
	(void)arg;
	usleep(2000); /* so that it is waited for, not found */
	flo_note_wake(&knock);
	return NULL;
}

static void sleep_an_hour(void *arg)
{
	(void)arg;
	EXPECT(flo_sleep(NULL, HOUR) == FLO_OK);
}

static void wait_for_knock(void *arg)
{
	uint64_t before = flo_now();
	pthread_t thread;

	(void)arg;
	flo_note_init(&knock);
	coro_go(sleep_an_hour, NULL);
	EXPECT(pthread_create(&thread, NULL, knock_late, NULL) == 0);
	flo_note_wait(&knock);
	EXPECT(flo_now() == before);
	pthread_join(thread, NULL);
}

static void the_clock_stands_while_a_note_is_awaited(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++)
		sim_run(seed, wait_for_knock, NULL);
}

static int pipe_fds[2];

static void *write_late(void *arg)
{
	(void)arg;
	usleep(2000);
	if (write(pipe_fds[1], "x", 1) != 1)
		abort();
	return NULL;
}

static void wait_for_pipe(void *arg)
{
	struct flo__pollfd fd = {.fd = pipe_fds[0], .events = FLO__POLL_READ};
	uint64_t before = flo_now();
	pthread_t thread;
	char c;

	(void)arg;
	coro_go(sleep_an_hour, NULL);
	EXPECT(pthread_create(&thread, NULL, write_late, NULL) == 0);
	EXPECT(flo__poll(&fd, 1, UINT64_MAX, NULL) == FLO_OK);
	EXPECT(fd.revents == FLO__POLL_READ);
	EXPECT(read(pipe_fds[0], &c, 1) == 1);
	EXPECT(flo_now() == before);
	pthread_join(thread, NULL);
}

static void the_clock_stands_while_a_descriptor_is_awaited(void **state)
{
	(void)state;
	assert_int_equal(pipe2(pipe_fds, O_NONBLOCK | O_CLOEXEC), 0);
	for (uint64_t seed = 0; seed < 20; seed++)
		sim_run(seed, wait_for_pipe, NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static atomic_int visitors;

static void visit(void *arg)
{
	(void)arg;
	flo_sleep(NULL, HOUR);
	atomic_fetch_add(&visitors, 1);
}

static void *send_visitors(void *arg)
{
	for (int i = 0; i < 100; i++)
		if (flo_go(arg, visit, NULL) != FLO_OK)
			abort();
	return NULL;
}

static void other_threads_may_start_coroutines(void **state)
{
	flo_runtime *rt = sim_new(8);
	pthread_t threads[3];

	(void)state;
	atomic_store(&visitors, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						send_visitors, rt),
				 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&visitors), 300);
}

static void block(void *arg)
{
	atomic_int *others = arg;
	int before;

	flo_blocking_begin();
	before = atomic_load(others);
	usleep(1000);
	EXPECT(atomic_load(others) == before);
	flo_blocking_end();
	atomic_fetch_add(others, 1);
}

static void blockers(void *arg)
{
	for (int i = 0; i < 4; i++)
		coro_go(block, arg);
}

static void blocking_regions_run_in_place(void **state)
{
	atomic_int others = 0;

	(void)state;
	sim_run(9, blockers, &others);
	assert_int_equal(atomic_load(&others), 4);
}

static void wait_for_nobody(void *arg)
{
	(void)arg;
	flo_chan_recv(chan, NULL, NULL);
}

static void deadlocks_are_found(void **state)
{
	int status = 0;
	pid_t pid = fork();

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		flo_runtime *rt = sim_new(1);

		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		flo_chan_new(0, 0, &chan);
		flo_runtime_run(rt, wait_for_nobody, NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

/* ---- the shuffled drive ---- */

static void shuffled_drive_meets_several_orders(void **state)
{
	unsigned met = 0;

	(void)state;
	for (uint64_t seed = 1; seed < 200; seed++)
		met |= order_of(three, &(struct flo_runtime_options){
					       .procs = 1,
					       .drive = FLO_DRIVE_SHUFFLED,
					       .seed = seed});
	assert_true(__builtin_popcount(met) >= 3);
}

static void contend(void *arg)
{
	int *inside = arg;

	for (int i = 0; i < 100; i++) {
		flo_mutex_lock(&mutex);
		EXPECT(++*inside == 1);
		flo_yield();
		--*inside;
		flo_mutex_unlock(&mutex);
	}
}

static void contenders(void *arg)
{
	static int inside;

	(void)arg;
	inside = 0;
	for (int i = 0; i < 8; i++)
		coro_go(contend, &inside);
}

static void shuffled_drive_runs_on_several_threads(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 10; seed++)
		coro_run(
			&(struct flo_runtime_options){
				.procs = 4,
				.drive = FLO_DRIVE_SHUFFLED,
				.seed = seed},
			contenders, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_seed_makes_the_same_choices),
		cmocka_unit_test(other_seeds_make_other_choices),
		cmocka_unit_test(reset_is_as_good_as_a_new_runtime),
		cmocka_unit_test(a_watcher_sees_every_choice),
		cmocka_unit_test(every_order_of_coroutines_is_met),
		cmocka_unit_test(every_order_of_equal_timers_is_met),
		cmocka_unit_test(every_case_of_a_select_is_met),
		cmocka_unit_test(
			sleeping_takes_no_time_and_exactly_as_long_as_said),
		cmocka_unit_test(deadlines_end_waits_on_the_virtual_clock),
		cmocka_unit_test(who_only_yields_does_not_stop_the_clock),
		cmocka_unit_test(the_clock_stands_while_no_coroutine_lives),
		cmocka_unit_test(the_clock_stands_while_a_note_is_awaited),
		cmocka_unit_test(
			the_clock_stands_while_a_descriptor_is_awaited),
		cmocka_unit_test(other_threads_may_start_coroutines),
		cmocka_unit_test(blocking_regions_run_in_place),
		cmocka_unit_test(deadlocks_are_found),
		cmocka_unit_test(shuffled_drive_meets_several_orders),
		cmocka_unit_test(shuffled_drive_runs_on_several_threads),
	};

	return cmocka_run_group_tests_name("drive", tests, NULL, NULL);
}
