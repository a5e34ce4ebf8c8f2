/*
 * The local executor: programs of this machine, each under a minder.
 *
 * Who owns what: the executor its minders, a run the pipes and the minder it
 * took, a minder the processes of its step. The engine has no children but
 * minders and waits for no pid but theirs, so a host program's own children,
 * its SIGCHLD and its sub-reaper setting are as it left them.
 *
 * When the engine dies its sockets close, and every minder ends its tree. When
 * a minder dies the engine ends its tree: all of it if the step was in a cgroup
 * of its own (cgroup.h), else as much as can be recognised (orphans.c). When
 * both die at once, the next engine does that.
 */
#include "engine/proc/local.h"

#include "base/alloc.h"
#include "engine/proc/helper.h"
#include "engine/proc/local_p.h"

static const struct flo__helper minder = {
	.env = "FLO_MINDER",
	.beside = {"flo-minder", "../libexec/flowctl/flo-minder",
		   "../engine/proc/flo-minder"}, /* in a build directory */
	.installed = FLO__MINDER_INSTALLED,
};

static void local_kill_all(struct flo__executor *executor)
{
	flo__minders_kill_all((struct flo__local *)executor);
}

static void local_end_left(struct flo__executor *executor,
			   const char *const *env)
{
	(void)executor;
	flo__orphans_kill(0, env);
}

static void local_free(struct flo__executor *executor)
{
	struct flo__local *local = (struct flo__local *)executor;

	if (local == NULL)
		return;
	flo__minders_fini(local);
	flo__cgroup_close(&local->cgroup);
	pthread_mutex_destroy(&local->cgroup_lock);
	pthread_mutex_destroy(&local->lock);
	flo__free(local->path);
	flo__free(local);
}

static const struct flo__executor_ops local_ops = {
	.run = flo__local_run,
	.kill_all = local_kill_all,
	.end_left = local_end_left,
	.free = local_free,
};

char *flo__local_minder(const char *path)
{
	return flo__helper_find(&minder, path);
}

flo_status flo__local_new(const char *path, flo_error *err,
			  struct flo__executor **ret_executor)
{
	struct flo__local *local = flo__calloc(1, sizeof(*local));

	if (local == NULL)
		goto nomem;
	/* That it is missing matters only to who runs a program. */
	local->path = flo__local_minder(path);
	if (local->path == NULL)
		goto nomem;
	local->executor.ops = &local_ops;
	pthread_mutex_init(&local->lock, NULL);
	pthread_mutex_init(&local->cgroup_lock, NULL);
	*ret_executor = &local->executor;
	return FLO_OK;
nomem:
	flo__free(local);
	return flo_error_set(err, FLO_NOMEM, "out of memory");
}
