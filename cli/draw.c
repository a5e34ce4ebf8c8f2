#include "cli/draw.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int cannot_write(const char *path, int error)
{
	cli_error("cannot write %s: %s", path, strerror(error));
	return CLI_STORE;
}

/* Beside the file, so that it can take its place in one step. */
static FILE *open_temporary(struct cli_draw *draw)
{
	mode_t mask = umask(0);
	FILE *file;
	int fd;

	umask(mask);
	if (asprintf(&draw->temporary, "%s.XXXXXX", draw->path) < 0) {
		draw->temporary = NULL;
		errno = ENOMEM;
		return NULL;
	}
	fd = mkostemp(draw->temporary, O_CLOEXEC);
	if (fd < 0) {
		free(draw->temporary);
		draw->temporary = NULL;
		return NULL;
	}
	file = fchmod(fd, 0666 & ~mask) == 0 ? fdopen(fd, "w") : NULL;
	if (!file)
		close(fd);
	return file;
}

int cli_draw_open(const char *path, struct cli_draw *draw)
{
	struct stat st;

	*draw = (struct cli_draw){.path = path, .file = stdout};
	if (!path)
		return CLI_GO_ON;
	/* A device, a pipe or a link is written to, not replaced. */
	if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode))
		draw->file = fopen(path, "we");
	else
		draw->file = open_temporary(draw);
	if (draw->file)
		return CLI_GO_ON;
	cannot_write(path, errno);
	cli_draw_abandon(draw);
	return CLI_USAGE;
}

int cli_draw_close(struct cli_draw *draw)
{
	bool failed;
	int error;

	if (!draw->path)
		return CLI_OK; /* main() finishes standard output */
	failed = ferror(draw->file);
	errno = 0;
	failed |= fclose(draw->file) != 0;
	error = errno;
	draw->file = NULL;
	if (!failed && draw->temporary &&
	    rename(draw->temporary, draw->path) != 0) {
		failed = true;
		error = errno;
	}
	if (failed) {
		cli_draw_abandon(draw);
		return cannot_write(draw->path, error ? error : EIO);
	}
	free(draw->temporary);
	draw->temporary = NULL;
	return CLI_OK;
}

void cli_draw_abandon(struct cli_draw *draw)
{
	if (draw->path && draw->file)
		fclose(draw->file);
	draw->file = NULL;
	if (draw->temporary)
		unlink(draw->temporary);
	free(draw->temporary);
	draw->temporary = NULL;
}

/* ---- Graphviz ---- */

/* Start dot with @in as its input and @out as its output; an errno. */
static int spawn_dot(int in, int out, pid_t *ret_pid)
{
	char *argv[] = {(char *)"dot", (char *)"-Tsvg", NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int error;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
	posix_spawnattr_init(&attr);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &defaults);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	error = posix_spawnp(ret_pid, "dot", &actions, &attr, argv, environ);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return error;
}

static int no_dot(int error)
{
	if (error == ENOENT)
		cli_error("the program dot, which draws svg, is not "
			  "installed: install Graphviz (Debian, Ubuntu: "
			  "apt-get install graphviz), or use --format dot, "
			  "mermaid or text");
	else
		cli_error("cannot start dot, which draws svg: %s",
			  strerror(error));
	return CLI_STORE;
}

static int wait_dot(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0) {
		if (errno == EINTR)
			continue;
		cli_error("cannot wait for dot: %s", strerror(errno));
		return CLI_STORE;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return CLI_GO_ON;
	if (WIFSIGNALED(status))
		cli_error("dot, which draws svg, was killed by signal %d (%s)",
			  WTERMSIG(status), strsignal(WTERMSIG(status)));
	else
		cli_error("dot, which draws svg, failed with exit code %d",
			  WEXITSTATUS(status));
	return CLI_STORE;
}

/* What dot draws, to where it goes: dot itself says nothing of a full disk. */
static void copy_drawing(int from, FILE *to)
{
	char bytes[16384];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) != 0) {
		if (n > 0)
			fwrite(bytes, 1, (size_t)n, to);
		else if (errno != EINTR)
			break;
	}
}

int cli_draw_svg(struct cli_draw *draw,
		 void (*write)(FILE *file, const void *arg), const void *arg)
{
	int in[2], out[2], error;
	FILE *file;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC) != 0)
		return no_dot(errno);
	if (pipe2(out, O_CLOEXEC) != 0) {
		error = errno;
		close(in[0]);
		close(in[1]);
		return no_dot(error);
	}
	error = spawn_dot(in[0], out[1], &pid);
	close(in[0]);
	close(out[1]);
	file = error ? NULL : fdopen(in[1], "w");
	if (file) {
		/* It draws when it has read all, so neither waits for the
		 * other. That it has gone away is told by its exit code. */
		write(file, arg);
		fclose(file);
		copy_drawing(out[0], draw->file);
	} else {
		close(in[1]);
	}
	close(out[0]);
	return error ? no_dot(error) : wait_dot(pid);
}
