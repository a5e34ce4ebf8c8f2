/* What the tests of processes share: seeing which are alive, and waiting. */
#ifndef FLO_TESTS_PROC_UTIL_H
#define FLO_TESTS_PROC_UTIL_H

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEADLINE_MS 20000

/*
 * Seven processes that carry $0 in their arguments: the shell itself, a plain
 * child, one in a session of its own, a double-forked daemon, one without our
 * environment, and a shell that ignores SIGTERM with its child, which inherits
 * that. Each writes "up" when it is there.
 */
#define TREE_OF_SEVEN                                                          \
	"u='echo up; exec sleep $0';"                                          \
	"sh -c \"$u\" $0 & setsid sh -c \"$u\" $0 &"                           \
	"(setsid sh -c \"sh -c '$u' \\$0 & exit\" $0 &) &"                     \
	"env -i sh -c \"$u\" $0 &"                                             \
	"sh -c \"trap '' TERM; sh -c '$u' \\$0 & echo up; wait; sleep \\$0\""  \
	" $0 & echo up; sleep $0; :"
#define TREE_IS_UP "up\nup\nup\nup\nup\nup\nup\n"

/* A number that `sleep` takes for a long time and nobody else has. */
static inline const char *fresh_mark(void)
{
	static char mark[64];
	static int n;

	snprintf(mark, sizeof(mark), "7205.%d%04d", getpid(), ++n);
	return mark;
}

static inline int has_mark(const char *pid, const char *mark)
{
	char path[300], buf[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n > 0 && memmem(buf, (size_t)n, mark, strlen(mark)) != NULL;
}

/* How many living processes have @mark in their arguments. */
static inline int alive_with(const char *mark)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]))
			count += has_mark(entry->d_name, mark);
	closedir(proc);
	return count;
}

/* Kill what has @mark in its arguments, after a test that leaves it alive. */
static inline void kill_with(const char *mark)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while ((entry = readdir(proc)) != NULL)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    has_mark(entry->d_name, mark))
			kill((pid_t)atoi(entry->d_name), SIGKILL);
	closedir(proc);
}

static inline int open_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(fds) != NULL)
		count++;
	closedir(fds);
	return count;
}

/* Wait until @fd is readable; 0 if that did not happen in time. */
static inline int readable(int fd, int timeout_ms)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, timeout_ms) == 1;
}

/* Wait for the end of @pid, a child or not; 0 if it did not come in time. */
static inline int ends_in_time(pid_t pid, int timeout_ms)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	int ended;

	if (fd < 0)
		return 1;
	ended = readable(fd, timeout_ms);
	close(fd);
	return ended;
}

static inline long ms_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

#endif
