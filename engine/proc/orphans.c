/* What to do when a minder was killed and its step's processes were not. */
#include "engine/proc/local_p.h"

#include <flo/runtime.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static void kill_session(pid_t session)
{
	struct dirent *entry;
	DIR *proc = opendir("/proc");

	if (proc == NULL)
		return;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && session_of(pid) == session)
			kill(pid, SIGKILL);
	}
	closedir(proc);
}

void flo__orphans_kill(pid_t program)
{
	if (program <= 1)
		return;
	flo_blocking_begin();
	kill(-program, SIGKILL);
	kill_session(program);
	flo_blocking_end();
}
