#include "cli/detach.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the process in the background. */
static struct {
	int tell; /* write end of the pipe to the command */
	int null; /* /dev/null */
	int err;  /* the command's stderr */
} background = {-1, -1, -1};

/* ---- in the background ---- */

static void close_all_but(int fd)
{
	if (fd > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, (unsigned)fd - 1, 0);
	close_range((unsigned)fd + 1, UINT_MAX, 0);
}

/*
 * Put /dev/null in the place of the standard streams. Until the run is in the
 * store errors go to the command's stderr all the same, by a descriptor that no
 * program inherits: a step that is started right away must not keep it open.
 */
static bool take_streams(void)
{
	FILE *stream;

	background.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	background.err = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (background.null < 0 || background.err < 0)
		return false;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(background.null, fd) < 0)
			return false;
	stream = fdopen(background.err, "w");
	if (!stream)
		return false;
	setvbuf(stream, NULL, _IOLBF, BUFSIZ);
	/* In glibc it is a variable. */
	stderr = stream;
	return true;
}

static int become_background(int tell)
{
	background.tell = tell;
	close_all_but(tell);
	setsid(); /* cannot fail: we lead no group */
	if (take_streams())
		return CLI_GO_ON;
	cli_error("cannot go into the background: %s", strerror(errno));
	return CLI_STORE;
}

bool cli_detach_done(const char *run_id)
{
	char line[128];
	int len = snprintf(line, sizeof(line), "%s\n", run_id);
	ssize_t n;

	fflush(stderr);
	dup3(background.null, background.err, O_CLOEXEC);
	do
		n = write(background.tell, line, (size_t)len);
	while (n < 0 && errno == EINTR);
	close(background.tell);
	background.tell = -1;
	return n == len;
}

/* ---- the command ---- */

/* Read until the other end is closed; how much came. */
static size_t read_line(int fd, char *line, size_t room)
{
	size_t len = 0;
	ssize_t n = 1;

	while (n != 0 && len < room - 1) {
		n = read(fd, line + len, room - 1 - len);
		if (n < 0 && errno != EINTR)
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	line[len] = '\0';
	return len;
}

/* It ended before its run was in the store, and has said why. */
static int code_of(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) != CLI_OK)
		return WEXITSTATUS(status);
	cli_error("the process in the background has ended before its run "
		  "began");
	return CLI_STORE;
}

static void print_run(const char *run_id, bool json, bool quiet)
{
	if (json)
		printf("{\"run\":\"%s\"}\n", run_id);
	else
		printf("%s\n", run_id);
	if (!json && !quiet)
		cli_error("it goes on in the background: 'flowctl show %s' "
			  "says how far it is, 'flowctl cancel %s' ends it",
			  run_id, run_id);
}

static int wait_for_run(pid_t pid, int fd, bool json, bool quiet)
{
	char line[128];
	size_t len = read_line(fd, line, sizeof(line));

	if (len < 2 || line[len - 1] != '\n')
		return code_of(pid);
	line[len - 1] = '\0';
	print_run(line, json, quiet);
	return CLI_OK;
}

int cli_detach(bool json, bool quiet)
{
	int fds[2], code;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		cli_error("cannot open a pipe: %s", strerror(errno));
		return CLI_STORE;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		return become_background(fds[1]);
	}
	close(fds[1]);
	if (pid < 0) {
		cli_error("cannot start a process: %s", strerror(errno));
		code = CLI_STORE;
	} else {
		code = wait_for_run(pid, fds[0], json, quiet);
	}
	close(fds[0]);
	return code;
}
