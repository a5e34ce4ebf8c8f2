/* Cgroups for steps: where they can be had, and what is left of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/proc/cgroup.h"
#include "proc_util.h"

#include <stdbool.h>
#include <sys/stat.h>

static char root[] = "/tmp/cgroup_test.XXXXXX";

/* --- a system that we made up ------------------------------------------ */

static void put(const char *name, const char *text)
{
	char path[200];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* A system whose mountinfo is @mounts, with @root for "%s", and us in @self. */
static void pretend(const char *mounts, const char *self)
{
	char text[500];
	const char *at = strstr(mounts, "%s");

	snprintf(text, sizeof(text), "%.*s%s%s",
		 at != NULL ? (int)(at - mounts) : 0, mounts,
		 at != NULL ? root : "", at != NULL ? at + 2 : mounts);
	put("mountinfo", text);
	put("cgroup", self);
}

#define MOUNTED	   "1 0 0:1 / / rw - ext4 /dev/x rw\n"
#define CGROUP2_AT "2 1 0:2 / %s rw shared:1 - cgroup2 cgroup2 rw\n"

static void refused(const char *words)
{
	flo_error err = FLO_ERROR_INIT;

	assert_int_equal(flo__cgroup_probe(root, &err), FLO_SYSTEM);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", words, err.text);
}

static int root_make(void **state)
{
	char path[100];

	(void)state;
	unsetenv("FLO_CGROUP");
	if (mkdtemp(root) == NULL)
		return 1;
	snprintf(path, sizeof(path), "%s/a b", root);
	return mkdir(path, 0700);
}

static int root_remove(void **state)
{
	static const char *const names[] = {"a b/cgroup.procs", "a b",
					    "cgroup.procs",	"mountinfo",
					    "cgroup",		""};
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", root, names[i]);
		remove(path);
	}
	return access(root, F_OK) == 0;
}

static void it_can_be_switched_off(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	setenv("FLO_CGROUP", "off", 1);
	assert_int_equal(flo__cgroup_probe("/proc/self", &err), FLO_NOTFOUND);
	assert_string_equal(err.text, "FLO_CGROUP is \"off\"");
	unsetenv("FLO_CGROUP");
}

static void version_1_is_not_enough(void **state)
{
	(void)state;
	pretend(MOUNTED, "4:memory:/x\n1:name=systemd:/\n");
	refused("version 1");
}

static void it_must_be_mounted(void **state)
{
	(void)state;
	pretend(MOUNTED, "0::/user.slice\n");
	refused("no cgroup2 file system is mounted (to see the cgroup "
		"/user.slice)");
}

static void what_lies_outside_the_namespace_is_refused(void **state)
{
	(void)state;
	pretend(MOUNTED CGROUP2_AT, "0::/../other\n");
	refused("outside of its cgroup namespace");
	pretend(MOUNTED "2 1 0:2 /mine %s rw - cgroup2 cgroup2 rw\n",
		"0::/mine2\n");
	refused("is not in what is mounted");
}

static void a_cgroup_that_is_not_ours_is_refused(void **state)
{
	(void)state;
	pretend(MOUNTED CGROUP2_AT, "4:memory:/x\n0::/a b\n");
	refused("a b/cgroup.procs: No such file or directory");
}

/* A blank in the place, a mount that shows a part only; no kernel below it. */
static void a_kernel_that_cannot_kill_is_refused(void **state)
{
	(void)state;
	put("a b/cgroup.procs", "");
	put("cgroup.procs", "");
	pretend(MOUNTED "2 1 0:2 /mine %s/a\\040b rw - cgroup2 cgroup2 rw\n",
		"0::/mine\n");
	refused("no cgroup.kill in");
	pretend(MOUNTED CGROUP2_AT, "0::/\n");
	refused("no cgroup.kill in");
	/* and nothing was left behind */
}

/* --- this system ------------------------------------------------------- */

static struct flo__cgroup opened(void)
{
	struct flo__cgroup cgroup = {.dir = ""};
	flo_error why = FLO_ERROR_INIT;

	if (flo__cgroup_open(&cgroup, "/proc/self", &why) != FLO_OK) {
		print_message("[  SKIPPED ] no cgroups here: %s\n", why.text);
		skip();
	}
	return cgroup;
}

static bool exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

/* Start a process that sleeps in the cgroup at @path. */
static pid_t sleeper(const char *path)
{
	char procs[FLO__CGROUP_PATH_MAX + 20], byte;
	int up[2], fd;
	pid_t pid;

	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	assert_int_equal(pipe2(up, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		/* No copy of an engine's lock, as a program has none. */
		for (int i = 3; i < 100; i++)
			if (i != up[1])
				close(i);
		fd = open(procs, O_WRONLY | O_CLOEXEC);
		if (write(fd, "0", 1) != 1 || write(up[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(up[1]);
	assert_true(readable(up[0], DEADLINE_MS));
	assert_int_equal(read(up[0], &byte, 1), 1);
	close(up[0]);
	return pid;
}

static void was_killed(pid_t pid)
{
	int status;

	assert_true(ends_in_time(pid, DEADLINE_MS));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void an_end_kills_and_removes_what_a_step_made(void **state)
{
	struct flo__cgroup cgroup = opened();
	char path[FLO__CGROUP_PATH_MAX], deep[FLO__CGROUP_PATH_MAX + 9];
	unsigned number = flo__cgroup_add(&cgroup);
	pid_t shallow, low;

	(void)state;
	assert_int_equal(number, 1);
	flo__cgroup_path(&cgroup, number, path);
	snprintf(deep, sizeof(deep), "%s/a", path);
	assert_int_equal(mkdir(deep, 0700), 0);
	strcat(deep, "/b");
	assert_int_equal(mkdir(deep, 0700), 0);
	shallow = sleeper(path);
	low = sleeper(deep);
	assert_true(flo__cgroup_end(&cgroup, number, DEADLINE_MS));
	was_killed(shallow);
	was_killed(low);
	assert_false(exists(path));
	flo__cgroup_close(&cgroup);
	assert_false(exists(cgroup.dir));
}

static void numbers_are_not_used_again(void **state)
{
	struct flo__cgroup cgroup = opened();

	(void)state;
	assert_int_equal(flo__cgroup_add(&cgroup), 1);
	assert_true(flo__cgroup_end(&cgroup, 1, DEADLINE_MS));
	assert_int_equal(flo__cgroup_add(&cgroup), 2);
	assert_true(flo__cgroup_end(&cgroup, 2, DEADLINE_MS));
	flo__cgroup_close(&cgroup);
}

/* Its lock is given up as the end of a process does it. */
static void what_a_dead_engine_left_is_ended_by_the_next(void **state)
{
	struct flo__cgroup dead = opened(), next = {.dir = ""};
	char path[FLO__CGROUP_PATH_MAX];
	pid_t pid;

	(void)state;
	assert_int_equal(flo__cgroup_add(&dead), 1);
	flo__cgroup_path(&dead, 1, path);
	pid = sleeper(path);
	close(dead.lock);
	assert_int_equal(flo__cgroup_open(&next, "/proc/self", NULL), FLO_OK);
	was_killed(pid);
	assert_false(exists(path));
	flo__cgroup_close(&next);
}

static void what_a_living_engine_has_is_left_alone(void **state)
{
	struct flo__cgroup one = opened(), other = {.dir = ""};
	char path[FLO__CGROUP_PATH_MAX];
	pid_t pid;

	(void)state;
	assert_int_equal(flo__cgroup_add(&one), 1);
	flo__cgroup_path(&one, 1, path);
	pid = sleeper(path);
	assert_int_equal(flo__cgroup_open(&other, "/proc/self", NULL), FLO_OK);
	assert_string_not_equal(one.dir, other.dir);
	flo__cgroup_close(&other);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	assert_true(flo__cgroup_end(&one, 1, DEADLINE_MS));
	was_killed(pid);
	flo__cgroup_close(&one);
}

static void a_closed_one_has_nothing_to_give(void **state)
{
	struct flo__cgroup cgroup = {.dir = ""};

	(void)state;
	assert_int_equal(flo__cgroup_add(&cgroup), 0);
	flo__cgroup_close(&cgroup);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_can_be_switched_off),
		cmocka_unit_test(version_1_is_not_enough),
		cmocka_unit_test(it_must_be_mounted),
		cmocka_unit_test(what_lies_outside_the_namespace_is_refused),
		cmocka_unit_test(a_cgroup_that_is_not_ours_is_refused),
		cmocka_unit_test(a_kernel_that_cannot_kill_is_refused),
		cmocka_unit_test(an_end_kills_and_removes_what_a_step_made),
		cmocka_unit_test(numbers_are_not_used_again),
		cmocka_unit_test(what_a_dead_engine_left_is_ended_by_the_next),
		cmocka_unit_test(what_a_living_engine_has_is_left_alone),
		cmocka_unit_test(a_closed_one_has_nothing_to_give),
	};

	return cmocka_run_group_tests(tests, root_make, root_remove);
}
