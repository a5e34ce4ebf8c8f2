/*
 * What to do when a minder was killed and its step's processes were not, or all
 * minders together with their engine: end what can be recognised from outside.
 */
#include "engine/proc/local_p.h"

#include "base/strbuf.h"
#include "base/time.h"

#include <flo/runtime.h>

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SWEEPS_MAX  100
#define CALM_SWEEPS 2
#define WAIT_NS	    (UINT64_C(2000) * FLO__NS_PER_MS)

/*
 * The session of @pid; 0 if it is dead, reaped or not. Its name may hold
 * anything, so from its end.
 */
static pid_t session_of(pid_t pid)
{
	char path[64], buf[512], state;
	const char *end;
	int fd, session;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	end = strrchr(buf, ')');
	if (end == NULL ||
	    sscanf(end + 1, " %c %*d %*d %d", &state, &session) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : session;
}

/* Append what @file of @pid holds. Returns whether we may see that. */
static bool read_file(pid_t pid, const char *file, struct flo__strbuf *text)
{
	char path[64], buf[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		flo__strbuf_add(text, buf, (size_t)n);
	close(fd);
	return n == 0;
}

static bool has_variable(const struct flo__strbuf *env, const char *variable)
{
	size_t len = strlen(variable) + 1;

	for (size_t at = 0; at + len <= env->len;
	     at += strlen(env->data + at) + 1) {
		if (memcmp(env->data + at, variable, len) == 0)
			return true;
	}
	return false;
}

/*
 * Whether @pid was in the middle of execve() when its environment was empty:
 * the kernel then shows no arguments either, until the new program's are there.
 */
static bool begins(pid_t pid)
{
	struct flo__strbuf words = FLO__STRBUF_INIT;
	bool empty = read_file(pid, "cmdline", &words) && words.len == 0;

	flo__strbuf_fini(&words);
	return empty;
}

enum whose {
	OTHERS,
	OURS,
	UNSURE
};

/* @pid is ours if it has every variable of @env that names the attempt. */
static enum whose whose(pid_t pid, const char *const *env)
{
	struct flo__strbuf theirs = FLO__STRBUF_INIT;
	bool marked = false, all = true, unsure;

	unsure = read_file(pid, "environ", &theirs) && theirs.len == 0 &&
		 begins(pid);
	for (; all && *env != NULL; env++) {
		if (strncmp(*env, "FLOW_", 5) != 0)
			continue;
		marked = true;
		all = has_variable(&theirs, *env);
	}
	flo__strbuf_fini(&theirs);
	return unsure ? UNSURE : marked && all ? OURS : OTHERS;
}

/*
 * Kill @pid, if it is still what was looked at, and wait for its end until
 * @until. A zombie has ended: whoever inherits it reaps it.
 */
static void end_one(pid_t pid, pid_t session, const char *const *env,
		    uint64_t until)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd ended = {fd, POLLIN, 0};
	uint64_t now;

	if (fd < 0)
		return;
	/* The number may have been given to another before we had the fd. */
	if ((session_of(pid) == session || whose(pid, env) == OURS) &&
	    syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0) {
		now = flo_now();
		poll(&ended, 1,
		     now < until ? (int)((until - now) / FLO__NS_PER_MS) : 0);
	}
	close(fd);
}

/* Returns how many were found, with those that cannot be told yet. */
static int sweep(pid_t session, const char *const *env, uint64_t until)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int found = 0;

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		pid_t theirs = pid > 1 ? session_of(pid) : 0;
		enum whose it;

		if (theirs == 0 || pid == getpid())
			continue;
		it = theirs == session ? OURS : whose(pid, env);
		found += it != OTHERS;
		if (it == OURS)
			end_one(pid, session, env, until);
	}
	closedir(proc);
	return found;
}

void flo__orphans_kill(pid_t program, const char *const *env)
{
	uint64_t until = flo_now() + WAIT_NS;
	int calm = 0;

	flo_blocking_begin();
	if (program > 1)
		kill(-program, SIGKILL);
	else
		program = -1; /* no session has that number */
	/* Until none is found: some were born meanwhile. Who ended in one sweep
	 * may have left a child that only the next one sees. */
	for (int i = 0; i < SWEEPS_MAX && flo_now() < until; i++) {
		calm = sweep(program, env, until) == 0 ? calm + 1 : 0;
		if (calm == CALM_SWEEPS)
			break;
	}
	flo_blocking_end();
}
