/* The pool of minders: started when one is needed, kept for the next step. */
#include "engine/proc/local_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What cannot be killed for so long is not waited for: a minder was. */
#define CGROUP_END_MS 2000

static void list_add(struct flo__minder_list *list, struct flo__minder *minder)
{
	minder->prev = NULL;
	minder->next = list->head;
	if (list->head != NULL)
		list->head->prev = minder;
	list->head = minder;
}

static void list_del(struct flo__minder_list *list, struct flo__minder *minder)
{
	if (minder->prev != NULL)
		minder->prev->next = minder->next;
	else
		list->head = minder->next;
	if (minder->next != NULL)
		minder->next->prev = minder->prev;
}

/*
 * Make the cgroup of a new minder's steps, the engine's own directory first.
 * Blocks. Where that is not possible the minder does without, as it must on
 * most systems; `flo__cgroup_probe()` says why.
 */
static unsigned cgroup_add(struct flo__local *local)
{
	unsigned number;

	pthread_mutex_lock(&local->cgroup_lock);
	if (!local->cgroup_tried)
		flo__cgroup_open(&local->cgroup, "/proc/self", NULL);
	local->cgroup_tried = true;
	number = flo__cgroup_add(&local->cgroup);
	pthread_mutex_unlock(&local->cgroup_lock);
	return number;
}

/* Returns whether there was a cgroup, and nothing in there is alive. Blocks. */
static bool cgroup_end(struct flo__local *local, struct flo__minder *minder)
{
	return minder->cgroup != 0 &&
	       flo__cgroup_end(&local->cgroup, minder->cgroup, CGROUP_END_MS);
}

/*
 * Start the process with @sock as its socket, and @cgroup as the directory of
 * its steps' cgroup, if it is not NULL. Blocks. Returns an errno.
 */
static int spawn(const char *path, int sock, const char *cgroup, pid_t *ret_pid)
{
	char engine[16];
	char *argv[] = {(char *)(uintptr_t) "flo-minder", engine,
			(char *)(uintptr_t)cgroup, NULL};
	char *env[] = {NULL}; /* what it runs gets its own */
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int errnum;

	snprintf(engine, sizeof(engine), "%d", getpid());
	errnum = posix_spawn_file_actions_init(&actions);
	if (errnum != 0)
		return errnum;
	posix_spawnattr_init(&attr);
	/* So that Ctrl-C reaches the engine alone. */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID);
	errnum = posix_spawn_file_actions_adddup2(&actions, sock,
						  FLO__MINDER_SOCKET);
	if (errnum == 0)
		errnum = posix_spawn(ret_pid, path, &actions, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	posix_spawn_file_actions_destroy(&actions);
	return errnum;
}

/* Start @minder with @sock as its end, in which it has it. Blocks. */
static int minder_spawn(struct flo__local *local, struct flo__minder *minder,
			int sock)
{
	char path[FLO__CGROUP_PATH_MAX];
	int errnum;

	minder->cgroup = cgroup_add(local);
	if (minder->cgroup != 0)
		flo__cgroup_path(&local->cgroup, minder->cgroup, path);
	errnum = spawn(local->path, sock, minder->cgroup != 0 ? path : NULL,
		       &minder->pid);
	if (errnum != 0)
		cgroup_end(local, minder);
	return errnum;
}

static flo_status start_error(flo_error *err, const char *path, int errnum)
{
	char what[512];

	if (errnum == ENOENT)
		return flo_error_set(err, FLO_SYSTEM,
				     "the helper program flo-minder was not "
				     "found (last looked at %s): set "
				     "FLO_MINDER to its path",
				     path);
	snprintf(what, sizeof(what), "cannot start the helper %s", path);
	return flo__local_sys_error(err, errnum, what);
}

static flo_status minder_start(struct flo__local *local, flo_error *err,
			       struct flo__minder **ret_minder)
{
	struct flo__minder *minder = flo__malloc(sizeof(*minder));
	int sv[2], errnum;

	if (minder == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
		errnum = errno;
		flo__free(minder);
		return start_error(err, local->path, errnum);
	}
	fcntl(sv[0], F_SETFL, O_NONBLOCK);
	flo_blocking_begin();
	errnum = minder_spawn(local, minder, sv[1]);
	flo_blocking_end();
	close(sv[1]);
	if (errnum != 0) {
		close(sv[0]);
		flo__free(minder);
		return start_error(err, local->path, errnum);
	}
	minder->sock = sv[0];
	minder->fresh = true;
	minder->spent = false;
	minder->killed = false;
	minder->got = 0;
	*ret_minder = minder;
	return FLO_OK;
}

flo_status flo__minders_take(struct flo__local *local, flo_error *err,
			     struct flo__minder **ret_minder)
{
	struct flo__minder *minder;
	flo_status st = FLO_OK;

	pthread_mutex_lock(&local->lock);
	minder = local->idle.head;
	if (minder != NULL) {
		list_del(&local->idle, minder);
		list_add(&local->busy, minder);
	}
	pthread_mutex_unlock(&local->lock);
	if (minder == NULL) {
		TRY(minder_start(local, err, &minder));
		pthread_mutex_lock(&local->lock);
		list_add(&local->busy, minder);
		pthread_mutex_unlock(&local->lock);
	}
	minder->reply = (struct flo__minder_reply){.exit_code = -1};
	*ret_minder = minder;
out:
	return st;
}

void flo__minders_give(struct flo__local *local, struct flo__minder *minder)
{
	bool spent;

	pthread_mutex_lock(&local->lock);
	spent = minder->spent || minder->killed;
	if (!spent) {
		list_del(&local->busy, minder);
		list_add(&local->idle, minder);
		minder->fresh = false;
	}
	pthread_mutex_unlock(&local->lock);
	if (spent)
		flo__minders_drop(local, minder, NULL);
}

/*
 * Wait for the end of a minder that was told to end, or was killed; in the
 * latter case end what it could not. Blocks.
 */
static int reap(struct flo__local *local, struct flo__minder *minder,
		bool *ret_empty)
{
	int status = -1;
	bool empty;
	pid_t pid;

	flo_blocking_begin();
	do
		pid = waitpid(minder->pid, &status, 0);
	while (pid < 0 && errno == EINTR);
	empty = cgroup_end(local, minder);
	flo_blocking_end();
	if (ret_empty != NULL)
		*ret_empty = empty;
	return pid == minder->pid ? status : -1;
}

int flo__minders_drop(struct flo__local *local, struct flo__minder *minder,
		      bool *ret_empty)
{
	int status;

	pthread_mutex_lock(&local->lock);
	list_del(&local->busy, minder);
	pthread_mutex_unlock(&local->lock);
	/* Not only closed: the host may have forked copies of it. */
	shutdown(minder->sock, SHUT_RDWR);
	close(minder->sock);
	status = reap(local, minder, ret_empty);
	flo__free(minder);
	return status;
}

bool flo__minders_killed(struct flo__local *local, struct flo__minder *minder)
{
	bool killed;

	pthread_mutex_lock(&local->lock);
	killed = minder->killed;
	pthread_mutex_unlock(&local->lock);
	return killed;
}

/*
 * End of file is an order that needs no turn on the socket: a run may be in
 * the middle of its request. The replies still come.
 */
void flo__minders_kill_all(struct flo__local *local)
{
	pthread_mutex_lock(&local->lock);
	for (struct flo__minder *m = local->busy.head; m != NULL; m = m->next) {
		m->killed = true;
		shutdown(m->sock, SHUT_WR);
	}
	pthread_mutex_unlock(&local->lock);
}

void flo__minders_fini(struct flo__local *local)
{
	struct flo__minder *minder, *next;

	REQUIRE(local->busy.head == NULL);
	for (minder = local->idle.head; minder != NULL; minder = minder->next) {
		shutdown(minder->sock, SHUT_RDWR);
		close(minder->sock);
	}
	for (minder = local->idle.head; minder != NULL; minder = next) {
		next = minder->next;
		reap(local, minder, NULL);
		flo__free(minder);
	}
	local->idle.head = NULL;
}
