/*
 * Preloaded into flowctl: kills it with SIGKILL at one call into the kernel.
 *
 * CRASH_CALL is "WHAT:N:HOW". WHAT is `any` or `sync`: which calls are counted,
 * all of those below or fdatasync() and fsync() alone, that is the commits at
 * durability `power`. N is the call that is the last one, from 1. HOW is
 * `before` it, `after` it, or `half`: a pwrite() then writes half its bytes.
 * CRASH_COUNT names a file that gets both counts when flowctl ends by itself,
 * "ANY SYNC"; so a driver learns what there is to choose from.
 *
 * Counted are the calls that change what outlives the process: writes, syncs
 * and cuts of the store and its WAL, files that are made or removed, what is
 * said to minders. A kill between two of them is, for what is left behind, a
 * kill at one of them.
 *
 * Programs that flowctl starts are left alone: the variables are gone before
 * main() begins.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum how {
	NEVER,
	BEFORE,
	AFTER,
	HALF
};

static struct {
	enum how how;
	bool sync_only;
	unsigned long at;
	const char *counts; /* the file for them, or NULL */
	/* Relaxed both: nothing else hangs on them. */
	atomic_ulong any, sync;
} plan;

static enum how how_named(const char *name)
{
	static const char *const names[] = {"", "before", "after", "half"};

	for (int i = BEFORE; i <= HALF; i++)
		if (strcmp(name, names[i]) == 0)
			return (enum how)i;
	fprintf(stderr, "killer: no \"%s\"\n", name);
	abort();
}

__attribute__((constructor)) static void killer_begin(void)
{
	const char *call = getenv("CRASH_CALL");
	char what[8], how[8];

	if (strcmp(program_invocation_short_name, "flowctl") != 0)
		return;
	if (call != NULL &&
	    sscanf(call, "%7[a-z]:%lu:%7s", what, &plan.at, how) == 3) {
		plan.sync_only = strcmp(what, "sync") == 0;
		plan.how = how_named(how);
	}
	if (getenv("CRASH_COUNT") != NULL)
		plan.counts = strdup(getenv("CRASH_COUNT"));
	unsetenv("LD_PRELOAD");
	unsetenv("CRASH_CALL");
	unsetenv("CRASH_COUNT");
}

__attribute__((destructor)) static void killer_end(void)
{
	FILE *file = plan.counts != NULL ? fopen(plan.counts, "w") : NULL;

	if (file == NULL)
		return;
	fprintf(file, "%lu %lu\n", atomic_load(&plan.any),
		atomic_load(&plan.sync));
	fclose(file);
}

/* Count a call; what is to happen to it. Returns only if it may begin. */
static enum how enter(bool is_sync)
{
	unsigned long any = 1 + atomic_fetch_add_explicit(&plan.any, 1,
							  memory_order_relaxed);
	unsigned long sync =
		!is_sync ? 0
			 : 1 + atomic_fetch_add_explicit(&plan.sync, 1,
							 memory_order_relaxed);

	if (plan.how == NEVER || (plan.sync_only ? sync : any) != plan.at)
		return NEVER;
	if (plan.how == BEFORE)
		kill(getpid(), SIGKILL);
	return plan.how;
}

static void leave(enum how how)
{
	if (how != NEVER)
		kill(getpid(), SIGKILL);
}

/* The function that ours stands in front of. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	enum how how = enter(false);
	ssize_t n = REAL(pwrite64)(fd, bytes, how == HALF ? len / 2 : len, at);

	leave(how);
	return n;
}

int fdatasync(int fd)
{
	enum how how = enter(true);
	int rc = REAL(fdatasync)(fd);

	leave(how);
	return rc;
}

int fsync(int fd)
{
	enum how how = enter(true);
	int rc = REAL(fsync)(fd);

	leave(how);
	return rc;
}

int ftruncate64(int fd, off64_t len)
{
	enum how how = enter(false);
	int rc = REAL(ftruncate64)(fd, len);

	leave(how);
	return rc;
}

int unlink(const char *path)
{
	enum how how = enter(false);
	int rc = REAL(unlink)(path);

	leave(how);
	return rc;
}

int unlinkat(int dir, const char *path, int flags)
{
	enum how how = enter(false);
	int rc = REAL(unlinkat)(dir, path, flags);

	leave(how);
	return rc;
}

int rename(const char *from, const char *to)
{
	enum how how = enter(false);
	int rc = REAL(rename)(from, to);

	leave(how);
	return rc;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	enum how how = enter(false);
	int rc = REAL(renameat)(from_dir, from, to_dir, to);

	leave(how);
	return rc;
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to,
	      unsigned flags)
{
	enum how how = enter(false);
	int rc = REAL(renameat2)(from_dir, from, to_dir, to, flags);

	leave(how);
	return rc;
}

int linkat(int from_dir, const char *from, int to_dir, const char *to,
	   int flags)
{
	enum how how = enter(false);
	int rc = REAL(linkat)(from_dir, from, to_dir, to, flags);

	leave(how);
	return rc;
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	enum how how = enter(false);
	int rc = REAL(mkdirat)(dir, path, mode);

	leave(how);
	return rc;
}

int mkdir(const char *path, mode_t mode)
{
	enum how how = enter(false);
	int rc = REAL(mkdir)(path, mode);

	leave(how);
	return rc;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	enum how how = enter(false);
	ssize_t n = REAL(sendmsg)(fd, message, flags);

	leave(how);
	return n;
}
