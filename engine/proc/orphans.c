/* What to do when a minder was killed and its step's processes were not. */
#include "engine/proc/local_p.h"

#include "base/strbuf.h"

#include <flo/runtime.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SWEEPS 3

/* The session of @pid, or 0. Its name may hold anything, so from its end. */
static pid_t session_of(pid_t pid)
{
	char path[64], buf[512];
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
	if (end == NULL || sscanf(end + 1, " %*c %*d %*d %d", &session) != 1)
		return 0;
	return session;
}

/* Append the environment that @pid began with, if we may see it. */
static void read_environ(pid_t pid, struct flo__strbuf *env)
{
	char path[64], buf[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		flo__strbuf_add(env, buf, (size_t)n);
	close(fd);
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

/* Whether @pid has every variable of @env that names the attempt. */
static bool is_marked(pid_t pid, const char *const *env)
{
	struct flo__strbuf theirs = FLO__STRBUF_INIT;
	bool marked = false, all = true;

	read_environ(pid, &theirs);
	for (; all && *env != NULL; env++) {
		if (strncmp(*env, "FLOW_", 5) != 0)
			continue;
		marked = true;
		all = has_variable(&theirs, *env);
	}
	flo__strbuf_fini(&theirs);
	return marked && all;
}

/* Returns how many were found. */
static int sweep(pid_t session, const char *const *env)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");
	int found = 0;

	if (proc == NULL)
		return 0;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 1 || pid == getpid())
			continue;
		if (session_of(pid) == session || is_marked(pid, env))
			found += kill(pid, SIGKILL) == 0;
	}
	closedir(proc);
	return found;
}

void flo__orphans_kill(pid_t program, const char *const *env)
{
	flo_blocking_begin();
	if (program > 1)
		kill(-program, SIGKILL);
	else
		program = -1; /* no session has that number */
	/* Again, for what was born meanwhile; the dying may be seen again. */
	for (int i = 0; i < SWEEPS && sweep(program, env) > 0; i++)
		;
	flo_blocking_end();
}
