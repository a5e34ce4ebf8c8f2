#include "engine/proc/minder_spawn.h"

#include "engine/proc/minder_clone.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Note: in the child
 *
 * Between vfork() and execve() the child borrows our memory while we are
 * suspended, so what it writes to @spawn we read afterwards: no pipe is needed
 * to learn why a start failed. It must not allocate, and nothing that it calls
 * may leave our own state changed.
 */

static const char *path_of(char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return "/usr/local/bin:/usr/bin:/bin";
}

/* Whether a file that the kernel cannot run may be meant for a shell. */
static bool looks_like_text(const char *path)
{
	char buf[256];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n >= 0 && memchr(buf, '\0', (size_t)n) == NULL;
}

/* As execvp(): a text without "#!" is a shell script. Returns the errno. */
static int exec_file(struct minder_spawn *spawn, const char *path)
{
	char *name = spawn->argv[0];

	execve(path, spawn->argv, spawn->env);
	if (errno != ENOEXEC || !looks_like_text(path))
		return errno;
	spawn->argv[-1] = (char *)(uintptr_t) "/bin/sh";
	spawn->argv[0] = (char *)(uintptr_t)path;
	execve("/bin/sh", spawn->argv - 1, spawn->env);
	spawn->argv[0] = name;
	return ENOEXEC;
}

/* Try each directory of PATH, as execvp() does; an empty one is ".". */
static int exec_search(struct minder_spawn *spawn)
{
	const char *name = spawn->argv[0];
	const char *at = path_of(spawn->env);
	char path[PATH_MAX];
	int errnum = ENOENT;

	for (;;) {
		int len = (int)strcspn(at, ":");
		int e;

		if (snprintf(path, sizeof(path), "%.*s%s%s", len, at,
			     len > 0 ? "/" : "", name) < (int)sizeof(path)) {
			e = exec_file(spawn, path);
			if (e == EACCES)
				errnum = EACCES;
			else if (e != ENOENT && e != ENOTDIR && e != ESTALE &&
				 e != ENODEV && e != ETIMEDOUT)
				return e;
		}
		if (at[len] == '\0')
			return errnum;
		at += len + 1;
	}
}

static int run_program(struct minder_spawn *spawn)
{
	const char *name = spawn->argv[0];

	if (name[0] == '\0')
		return ENOENT;
	if (strchr(name, '/') != NULL)
		return exec_file(spawn, name);
	return exec_search(spawn);
}

/* Everything between vfork() and the program; returns only on failure. */
static void become_program(struct minder_spawn *spawn)
{
	sigset_t none;

	spawn->stage = FLO__MINDER_AT_SETUP;
	if (setsid() < 0)
		goto failed;
	/* If we are killed ourselves, at least the program goes too. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto failed;
	for (int i = 0; i < FLO__MINDER_STREAMS; i++)
		if (dup2(spawn->fds[i], i) < 0)
			goto failed;
	spawn->stage = FLO__MINDER_AT_DIR;
	if (chdir(spawn->dir) < 0)
		goto failed;
	spawn->stage = FLO__MINDER_AT_EXEC;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	spawn->errnum = run_program(spawn);
	return;
failed:
	spawn->errnum = errno;
}

static void child_main(void *arg)
{
	become_program(arg);
	/* By hand: the address sanitizer's _exit() looks for the stack. */
	for (;;)
		syscall(SYS_exit_group, 127);
}

/*
 * Start it in the cgroup. What fails for want of memory or processes does so
 * without a cgroup too; anything else means that this one cannot be used.
 */
static pid_t spawn_inside(struct minder_spawn *spawn)
{
	pid_t pid = minder_clone(spawn->cgroup, child_main, spawn);

	if (pid < 0 && errno != EAGAIN && errno != ENOMEM)
		spawn->cgroup = -1;
	return pid;
}

pid_t minder_spawn(struct minder_spawn *spawn)
{
	pid_t pid = -1;

	spawn->errnum = 0;
	if (spawn->cgroup >= 0)
		pid = spawn_inside(spawn);
	if (spawn->cgroup < 0)
		pid = vfork();
	if (pid == 0)
		child_main(spawn);
	if (pid < 0) {
		spawn->stage = FLO__MINDER_AT_FORK;
		spawn->errnum = errno;
	} else if (spawn->errnum != 0) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	return pid;
}
