/* Blocking regions: a thread that blocks does not take its P along. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

/* One coroutine blocks in read() until another one writes. */
struct pipes {
	int there[2], back[2];
	atomic_int done;
};

static void block_in_read(void *arg)
{
	struct pipes *pipes = arg;
	char byte;

	flo_blocking_begin();
	flo_blocking_begin();
	if (read(pipes->there[0], &byte, 1) == 1)
		atomic_fetch_add(&pipes->done, 1);
	flo_blocking_end();
	flo_blocking_end();
	atomic_fetch_add(&pipes->done, 1);
}

static void write_byte(void *arg)
{
	struct pipes *pipes = arg;

	if (write(pipes->there[1], "x", 1) == 1)
		atomic_fetch_add(&pipes->done, 1);
}

static void block_then_write(void *arg)
{
	flo_go(NULL, block_in_read, arg);
	flo_go(NULL, write_byte, arg);
}

static void queued_work_runs_while_one_blocks(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 2; procs++) {
		flo_runtime *rt = runtime(procs);
		struct pipes pipes = {0};

		assert_int_equal(pipe(pipes.there), 0);
		flo_runtime_run(rt, block_then_write, &pipes);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&pipes.done), 3);
		close(pipes.there[0]);
		close(pipes.there[1]);
	}
}

/* Nothing waits when it blocks; what comes later needs the monitor. */
static void later_work_runs_while_one_blocks(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		flo_runtime *rt = runtime(1);
		struct pipes pipes = {0};

		assert_int_equal(pipe(pipes.there), 0);
		flo_go(rt, block_in_read, &pipes);
		if (i % 2)
			usleep(100);
		flo_runtime_run(rt, write_byte, &pipes);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&pipes.done), 3);
		close(pipes.there[0]);
		close(pipes.there[1]);
	}
}

static void block_twice(void *arg)
{
	struct pipes *pipes = arg;
	char byte;

	for (int i = 0; i < 50; i++) {
		flo_blocking_begin();
		if (write(pipes->there[1], "x", 1) == 1 &&
		    read(pipes->back[0], &byte, 1) == 1)
			atomic_fetch_add(&pipes->done, 1);
		flo_blocking_end();
		flo_yield();
	}
}

static void answer(void *arg)
{
	struct pipes *pipes = arg;
	char byte;

	for (int i = 0; i < 50; i++) {
		flo_blocking_begin();
		if (read(pipes->there[0], &byte, 1) == 1 &&
		    write(pipes->back[1], "y", 1) == 1)
			atomic_fetch_add(&pipes->done, 1);
		flo_blocking_end();
	}
}

static void blocked_coroutines_can_wait_for_each_other(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 2; procs++) {
		flo_runtime *rt = runtime(procs);
		struct pipes pipes[8];

		memset(pipes, 0, sizeof(pipes));
		for (int i = 0; i < 8; i++) {
			assert_int_equal(pipe(pipes[i].there), 0);
			assert_int_equal(pipe(pipes[i].back), 0);
			flo_go(rt, block_twice, &pipes[i]);
			flo_go(rt, answer, &pipes[i]);
		}
		flo_runtime_free(rt);
		for (int i = 0; i < 8; i++) {
			assert_int_equal(atomic_load(&pipes[i].done), 100);
			close(pipes[i].there[0]);
			close(pipes[i].there[1]);
			close(pipes[i].back[0]);
			close(pipes[i].back[1]);
		}
	}
}

static void short_regions(void *arg)
{
	for (int i = 0; i < 500; i++) {
		flo_blocking_begin();
		if (i % 50 == 0)
			usleep(30);
		flo_blocking_end();
		if (i % 3 == 0)
			flo_yield();
	}
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void spawn_short_regions(void *arg)
{
	for (int i = 0; i < 16; i++)
		flo_go(NULL, short_regions, arg);
}

static void regions_come_back_with_or_without_their_p(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);
		atomic_int done = 0;

		flo_runtime_run(rt, spawn_short_regions, &done);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&done), 16);
	}
}

static void spawn_and_wake_inside(void *arg)
{
	struct pipes *pipes = arg;
	flo_note note;

	flo_note_init(&note);
	flo_blocking_begin();
	flo_go(NULL, write_byte, pipes);
	flo_note_wake(&note);
	flo_blocking_end();
	flo_note_wait(&note);
	block_in_read(pipes);
}

static void work_made_inside_a_region_runs(void **state)
{
	flo_runtime *rt = runtime(1);
	struct pipes pipes = {0};

	(void)state;
	assert_int_equal(pipe(pipes.there), 0);
	flo_runtime_run(rt, spawn_and_wake_inside, &pipes);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&pipes.done), 3);
	close(pipes.there[0]);
	close(pipes.there[1]);
}

static void sleep_a_little(void *arg)
{
	flo_sleep(NULL, 1000000);
	write_byte(arg);
}

static void block_and_sleep(void *arg)
{
	flo_go(NULL, sleep_a_little, arg);
	flo_yield();
	block_in_read(arg);
}

static void timers_run_while_the_only_p_blocks(void **state)
{
	flo_runtime *rt = runtime(1);
	struct pipes pipes = {0};

	(void)state;
	assert_int_equal(pipe(pipes.there), 0);
	flo_runtime_run(rt, block_and_sleep, &pipes);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&pipes.done), 3);
	close(pipes.there[0]);
	close(pipes.there[1]);
}

static void outside_coroutines_regions_do_nothing(void **state)
{
	(void)state;
	flo_blocking_begin();
	flo_blocking_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outside_coroutines_regions_do_nothing),
		cmocka_unit_test(queued_work_runs_while_one_blocks),
		cmocka_unit_test(later_work_runs_while_one_blocks),
		cmocka_unit_test(work_made_inside_a_region_runs),
		cmocka_unit_test(timers_run_while_the_only_p_blocks),
		cmocka_unit_test(blocked_coroutines_can_wait_for_each_other),
		cmocka_unit_test(regions_come_back_with_or_without_their_p),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
