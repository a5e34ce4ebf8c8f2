/* What to tell people about a program that could not be started. */
#include "engine/proc/local_p.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HINT_MAX 600

flo_status flo__local_sys_error(flo_error *err, int errnum, const char *what)
{
	flo_status st = FLO_SYSTEM;
	const char *hint = "";

	if (errnum == ENOMEM)
		st = FLO_NOMEM;
	if (errnum == EMFILE || errnum == ENFILE)
		hint = " (raise `ulimit -n`, or lower the limit of steps that "
		       "run at once)";
	else if (errnum == EAGAIN)
		hint = " (too many processes: raise `ulimit -u`, or lower the "
		       "limit of steps that run at once)";
	if (hint[0] != '\0')
		st = FLO_LIMIT;
	if (err != NULL && err->status == FLO_OK) {
		flo_error_set(err, st, "%s: %s%s", what, strerror(errnum),
			      hint);
		err->code = errnum;
	}
	return st;
}

/* What a file's "#!" line asks for; "" if it has none. */
static void read_interpreter(const char *path, char ret_name[256])
{
	char buf[256];
	ssize_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char *at;

	if (fd >= 0) {
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = '\0';
	ret_name[0] = '\0';
	if (strncmp(buf, "#!", 2) != 0)
		return;
	at = buf + 2 + strspn(buf + 2, " \t");
	at[strcspn(at, " \t\n")] = '\0';
	strcpy(ret_name, at);
}

static const char *path_of(const char *const *env)
{
	for (; *env != NULL; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	return "not set";
}

/* The program is named without a slash. */
static void hint_search(const struct flo__exec_request *request,
			const char *path, char *hint)
{
	if (access(path, X_OK) == 0)
		snprintf(hint, HINT_MAX,
			 "it is not in PATH; for the one in that directory "
			 "write \"./%.200s\"",
			 request->argv[0]);
	else
		snprintf(hint, HINT_MAX, "it is not in PATH (%.400s)",
			 path_of(request->env));
}

static void hint_missing(const char *path, char *hint)
{
	char interpreter[256];
	struct stat file;

	if (stat(path, &file) < 0) {
		if (lstat(path, &file) == 0)
			snprintf(hint, HINT_MAX,
				 "it is a symbolic link to nothing");
		return;
	}
	read_interpreter(path, interpreter);
	if (interpreter[0] == '\0')
		snprintf(hint, HINT_MAX,
			 "the file is there, its program loader is not: was it "
			 "built for another system?");
	else if (interpreter[strlen(interpreter) - 1] == '\r')
		snprintf(hint, HINT_MAX,
			 "its first line ends with CR LF: convert it to LF");
	else
		snprintf(hint, HINT_MAX,
			 "the file is there, its interpreter \"%s\" is not",
			 interpreter);
}

static void hint_refused(const char *path, char *hint)
{
	struct stat file;

	if (stat(path, &file) < 0)
		snprintf(hint, HINT_MAX,
			 "a directory above it is closed to us");
	else if (S_ISDIR(file.st_mode))
		snprintf(hint, HINT_MAX, "it is a directory");
	else if ((file.st_mode & 0111) == 0)
		snprintf(hint, HINT_MAX,
			 "it is not executable: chmod +x \"%.400s\"", path);
}

static void hint_exec(const struct flo__exec_request *request, int errnum,
		      char *hint)
{
	const char *name = request->argv[0];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s%s%s",
		 name[0] == '/' ? "" : request->dir, name[0] == '/' ? "" : "/",
		 name);
	if (name[0] == '\0')
		snprintf(hint, HINT_MAX, "its name is empty");
	else if (errnum == ENOENT && strchr(name, '/') == NULL)
		hint_search(request, path, hint);
	else if (errnum == ENOENT)
		hint_missing(path, hint);
	else if (errnum == EACCES)
		hint_refused(path, hint);
	else if (errnum == ENOEXEC)
		snprintf(hint, HINT_MAX,
			 "it is neither a program for this machine nor a "
			 "script");
	else if (errnum == E2BIG)
		snprintf(hint, HINT_MAX,
			 "arguments and environment are too long: hand large "
			 "values over by stdin or in files");
	else if (errnum == ETXTBSY)
		snprintf(hint, HINT_MAX, "somebody still writes to it");
}

flo_status flo__local_start_error(const struct flo__exec_request *request,
				  const struct flo__minder_reply *reply,
				  flo_error *err)
{
	char what[FLO_ERROR_TEXT_MAX], hint[HINT_MAX] = "";
	const char *program = request->argv[0];
	int errnum = reply->errnum;

	snprintf(what, sizeof(what), "cannot run \"%.300s\" in %.300s", program,
		 request->dir);
	if (reply->stage != FLO__MINDER_AT_DIR &&
	    reply->stage != FLO__MINDER_AT_EXEC)
		return flo__local_sys_error(err, errnum, what);
	if (reply->stage == FLO__MINDER_AT_DIR)
		snprintf(hint, sizeof(hint), "cannot enter that directory");
	else
		hint_exec(request, errnum, hint);
	flo_error_set(err, FLO_SPAWN, "%s: %s%s%s%s", what, strerror(errnum),
		      hint[0] != '\0' ? " (" : "", hint,
		      hint[0] != '\0' ? ")" : "");
	if (err != NULL && err->status == FLO_SPAWN && err->code == 0)
		err->code = errnum;
	return FLO_SPAWN;
}
