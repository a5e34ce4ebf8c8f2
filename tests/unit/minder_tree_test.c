/*
 * The two ways to find descendants: what the kernel lists for each thread, and
 * the scan of /proc where it does not. Includes the source to reach both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

static bool no_memory, no_entries; /* what fails from now on */

static void *realloc_or_fail(void *mem, size_t size)
{
	return no_memory ? NULL : realloc(mem, size);
}

static struct dirent *readdir_or_fail(DIR *dir)
{
	if (!no_entries)
		return readdir(dir);
	errno = EIO;
	return NULL;
}

#define realloc realloc_or_fail
#define readdir readdir_or_fail
#include "engine/proc/minder_tree.c"
#undef realloc
#undef readdir

#include "proc_util.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* Start the tree below us and wait until all of it is there. */
static void tree_start(const char *mark)
{
	char text[64] = "";
	size_t len = 0;
	int up[2];

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	if (fork() == 0) {
		dup2(up[1], 1);
		execlp("sh", "sh", "-c", TREE_OF_SEVEN, mark, NULL);
		_exit(127);
	}
	close(up[1]);
	while (len < strlen(TREE_IS_UP)) {
		ssize_t n;

		assert_true(readable(up[0], DEADLINE_MS));
		n = read(up[0], text + len, sizeof(text) - 1 - len);
		assert_true(n > 0);
		len += (size_t)n;
	}
	close(up[0]);
}

/* Reap all; a process that cannot be reaped hangs us, and meson ends that. */
static void tree_reap(const char *mark)
{
	while (waitpid(-1, NULL, 0) > 0)
		;
	assert_int_equal(errno, ECHILD);
	assert_int_equal(alive_with(mark), 0);
}

static void the_kernels_lists_find_the_tree(void **state)
{
	const char *mark = fresh_mark();
	struct minder_pids pids = {.at = NULL};

	(void)state;
	tree_start(mark);
	tree_collect(&pids);
	assert_true(pids.len >= 7);
	minder_pids_fini(&pids);
	minder_tree_kill(-1);
	tree_reap(mark);
}

static void the_scan_finds_the_tree(void **state)
{
	const char *mark = fresh_mark();
	struct minder_pids pids = {.at = NULL};

	(void)state;
	tree_start(mark);
	add_by_scan(&pids);
	assert_true(pids.len >= 7);
	for (size_t i = 0; i < pids.len; i++)
		kill(pids.at[i], SIGKILL);
	minder_pids_fini(&pids);
	tree_reap(mark);
}

static void without_children_there_is_nothing(void **state)
{
	struct minder_pids lists = {.at = NULL}, scan = {.at = NULL};

	(void)state;
	tree_collect(&lists);
	add_by_scan(&scan);
	assert_int_equal(lists.len, 0);
	assert_int_equal(scan.len, 0);
}

static void who_was_told_is_not_told_again(void **state)
{
	struct minder_pids told = {.at = NULL};
	char byte;
	int p[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		close(p[1]);
		_exit(read(p[0], &byte, 1) != 0);
	}
	/* Signal 0 only looks, so the first time nothing happens either. */
	minder_tree_stop(0, -1, &told);
	assert_int_equal(told.len, 1);
	assert_int_equal(told.at[0], pid);
	minder_tree_stop(SIGKILL, -1, &told);
	close(p[0]);
	close(p[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	minder_pids_fini(&told);
}

/* Who sweeps on without knowing this does so for ever. */
static void a_sweep_that_cannot_look_says_why(void **state)
{
	struct minder_pids told = {.at = NULL};
	struct minder_blind sees, stop, kill_;
	struct rlimit limit, none;

	(void)state;
	sees = minder_tree_kill(-1);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	stop = minder_tree_stop(SIGTERM, -1, &told);
	kill_ = minder_tree_kill(-1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(sees.errnum, 0);
	assert_int_equal(stop.errnum, EMFILE);
	assert_int_equal(kill_.errnum, EMFILE);
	assert_int_equal(kill_.stage, FLO__MINDER_AT_PROC_OPEN);
	assert_int_equal(told.len, 0);
	assert_int_equal(minder_tree_kill(-1).errnum, 0);
	minder_pids_fini(&told);
}

static void a_sweep_without_memory_says_so(void **state)
{
	struct minder_pids scan = {.at = NULL}, told = {.at = NULL};
	struct minder_blind stop, kill_;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	no_memory = true;
	stop = minder_tree_stop(SIGTERM, -1, &told);
	kill_ = minder_tree_kill(-1);
	add_by_scan(&scan);
	no_memory = false;
	assert_int_equal(stop.errnum, ENOMEM);
	assert_int_equal(kill_.errnum, ENOMEM);
	assert_int_equal(scan.blind.errnum, ENOMEM);
	assert_int_equal(minder_tree_kill(-1).errnum, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	minder_pids_fini(&scan);
	minder_pids_fini(&told);
}

static void a_directory_that_cannot_be_read_is_said(void **state)
{
	struct minder_pids lists = {.at = NULL}, scan = {.at = NULL};

	(void)state;
	no_entries = true;
	(void)add_children(getpid(), &lists);
	add_by_scan(&scan);
	no_entries = false;
	assert_int_equal(lists.blind.errnum, EIO);
	assert_int_equal(lists.blind.stage, FLO__MINDER_AT_PROC_READ);
	assert_int_equal(scan.blind.errnum, EIO);
	assert_int_equal(scan.blind.stage, FLO__MINDER_AT_PROC_READ);
}

static void a_group_is_ended_if_a_child_is_in_it(void **state)
{
	int up[2], status;
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		setsid();
		close(up[0]);
		(void)!write(up[1], "", 1);
		for (;;)
			pause();
	}
	close(up[1]);
	assert_int_equal(read(up[0], &byte, 1), 1);
	minder_group_kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	close(up[0]);
	/* We are in this one, but have no child there. */
	minder_group_kill(getpgrp(), SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_children_there_is_nothing),
		cmocka_unit_test(the_kernels_lists_find_the_tree),
		cmocka_unit_test(the_scan_finds_the_tree),
		cmocka_unit_test(who_was_told_is_not_told_again),
		cmocka_unit_test(a_sweep_that_cannot_look_says_why),
		cmocka_unit_test(a_sweep_without_memory_says_so),
		cmocka_unit_test(a_directory_that_cannot_be_read_is_said),
		cmocka_unit_test(a_group_is_ended_if_a_child_is_in_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
