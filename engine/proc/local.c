/*
 * The local executor: programs of this machine, each under a minder.
 *
 * Who owns what: the executor its minders, a run the pipes and the minder it
 * took, a minder the processes of its step. The engine has no children but
 * minders and waits for no pid but theirs, so a host program's own children,
 * its SIGCHLD and its sub-reaper setting are as it left them.
 *
 * When the engine dies its sockets close, and every minder ends its tree.
 */
#include "engine/proc/local.h"

#include "base/alloc.h"
#include "engine/proc/local_p.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a minder may be, seen from the directory of the running program. */
static const char *const beside[] = {
	"flo-minder", "../libexec/flowctl/flo-minder",
	"../engine/proc/flo-minder", /* in a build directory */
};

/* The directory of the running program, with its last slash; or "". */
static void program_dir(char *ret_dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret_dir, size - 1);
	char *slash;

	ret_dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret_dir, '/');
	if (slash != NULL)
		slash[1] = '\0';
}

/* Find the minder; "" if there is none. */
static void find_minder(const char *given, char *ret_path, size_t size)
{
	char dir[PATH_MAX];

	if (given == NULL)
		given = getenv("FLO_MINDER");
	if (given != NULL && given[0] != '\0') {
		snprintf(ret_path, size, "%s", given);
		return;
	}
	program_dir(dir, sizeof(dir));
	for (size_t i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
		snprintf(ret_path, size, "%s%s", dir, beside[i]);
		if (access(ret_path, X_OK) == 0)
			return;
	}
	snprintf(ret_path, size, "%s", FLO__MINDER_INSTALLED);
}

static void local_kill_all(struct flo__executor *executor)
{
	flo__minders_kill_all((struct flo__local *)executor);
}

static void local_free(struct flo__executor *executor)
{
	struct flo__local *local = (struct flo__local *)executor;

	if (local == NULL)
		return;
	flo__minders_fini(local);
	pthread_mutex_destroy(&local->lock);
	flo__free(local->path);
	flo__free(local);
}

static const struct flo__executor_ops local_ops = {
	.run = flo__local_run,
	.kill_all = local_kill_all,
	.free = local_free,
};

flo_status flo__local_new(const char *minder, flo_error *err,
			  struct flo__executor **ret_executor)
{
	struct flo__local *local = flo__calloc(1, sizeof(*local));
	char path[2 * PATH_MAX];

	if (local == NULL)
		goto nomem;
	/* That it is missing matters only to who runs a program. */
	find_minder(minder, path, sizeof(path));
	local->path = flo__strdup(path);
	if (local->path == NULL)
		goto nomem;
	local->executor.ops = &local_ops;
	pthread_mutex_init(&local->lock, NULL);
	*ret_executor = &local->executor;
	return FLO_OK;
nomem:
	flo__free(local);
	return flo_error_set(err, FLO_NOMEM, "out of memory");
}
