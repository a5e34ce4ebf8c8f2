/*
 * Preloaded into flowctl: lets one call into the kernel fail.
 *
 * FAIL_CALL is "CALL:N:HOW:ERRNO". CALL names a function below, N is the call
 * that fails, from 1. HOW is `once`; `ever`: all later ones fail too; or
 * `short`: a read or write moves half its bytes and says so. ERRNO is a number.
 * FAIL_COUNT names a file that gets a line "CALL COUNT FAILED" for each
 * function that was called, when flowctl ends by itself.
 *
 * Only functions that flowctl and its libraries call by a name can be failed
 * here; what libc calls inside is libc's. Of fcntl() only the locks are counted,
 * of mmap() what is mapped from no file. Of libuv's own pipe2(), read(), write()
 * and epoll_ctl() nothing: it ends the program when one of these fails on its
 * few descriptors, which is a crash, and crashes are played elsewhere.
 *
 * Programs that flowctl starts are left alone: the variables are gone before
 * main() begins.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <unistd.h>

#define CALLS(X)                                                               \
	X(open64)                                                              \
	X(openat64)                                                            \
	X(read)                                                                \
	X(pread64)                                                             \
	X(write)                                                               \
	X(pwrite64)                                                            \
	X(fsync)                                                               \
	X(fdatasync)                                                           \
	X(ftruncate64)                                                         \
	X(posix_fallocate64)                                                   \
	X(rename)                                                              \
	X(renameat)                                                            \
	X(unlink)                                                              \
	X(unlinkat)                                                            \
	X(mkdir)                                                               \
	X(mkdirat)                                                             \
	X(pipe2)                                                               \
	X(socketpair)                                                          \
	X(sendmsg)                                                             \
	X(send)                                                                \
	X(recv)                                                                \
	X(epoll_create1)                                                       \
	X(epoll_ctl)                                                           \
	X(epoll_wait)                                                          \
	X(timerfd_create)                                                      \
	X(eventfd)                                                             \
	X(memfd_create)                                                        \
	X(posix_spawn)                                                         \
	X(pthread_create)                                                      \
	X(fcntl64)                                                             \
	X(mmap64)

#define X(name) CALL_##name,
enum call {
	CALLS(X) CALL_COUNT
};
#undef X

#define X(name) #name,
static const char *const names[] = {CALLS(X)};
#undef X

static struct {
	bool on, ever, halved;
	enum call call; /* CALL_COUNT: none fails */
	unsigned long at;
	int errnum;
	const char *counts; /* the file for them, or NULL */
	/* Relaxed both: nothing else hangs on them. */
	atomic_ulong calls[CALL_COUNT], failed;
} plan = {.call = CALL_COUNT};

static enum call call_named(const char *name)
{
	for (int i = 0; i < CALL_COUNT; i++)
		if (strcmp(names[i], name) == 0)
			return (enum call)i;
	fprintf(stderr, "failer: no \"%s\"\n", name);
	abort();
}

__attribute__((constructor)) static void failer_begin(void)
{
	const char *text = getenv("FAIL_CALL");
	char call[32], how[8];

	if (strcmp(program_invocation_short_name, "flowctl") != 0)
		return;
	if (text != NULL && sscanf(text, "%31[a-z0-9_]:%lu:%7[a-z]:%d", call,
				   &plan.at, how, &plan.errnum) == 4) {
		plan.call = call_named(call);
		plan.ever = strcmp(how, "ever") == 0;
		plan.halved = strcmp(how, "short") == 0;
	}
	if (getenv("FAIL_COUNT") != NULL)
		plan.counts = strdup(getenv("FAIL_COUNT"));
	unsetenv("LD_PRELOAD");
	unsetenv("FAIL_CALL");
	unsetenv("FAIL_COUNT");
	plan.on = true;
}

__attribute__((destructor)) static void failer_end(void)
{
	FILE *file;

	if (!plan.on || plan.counts == NULL)
		return;
	plan.on = false;
	file = fopen(plan.counts, "w");
	if (file == NULL)
		return;
	for (int i = 0; i < CALL_COUNT; i++)
		if (plan.calls[i] != 0)
			fprintf(file, "%s %lu %lu\n", names[i],
				atomic_load(&plan.calls[i]),
				i == (int)plan.call ? atomic_load(&plan.failed)
						    : 0);
	fclose(file);
}

static bool is_of_libuv(enum call call, const void *caller)
{
	Dl_info info;

	if (call != CALL_read && call != CALL_write && call != CALL_pipe2 &&
	    call != CALL_epoll_ctl)
		return false;
	return dladdr(caller, &info) != 0 &&
	       strstr(info.dli_fname, "/libuv.so") != NULL;
}

/* Count a call; whether it is to fail, with errno set. */
static bool fails_from(enum call call, const void *caller)
{
	unsigned long n;

	if (!plan.on || is_of_libuv(call, caller))
		return false;
	n = 1 + atomic_fetch_add_explicit(&plan.calls[call], 1,
					  memory_order_relaxed);
	if (call != plan.call || n < plan.at || (n > plan.at && !plan.ever))
		return false;
	atomic_fetch_add_explicit(&plan.failed, 1, memory_order_relaxed);
	errno = plan.errnum;
	return true;
}

#define fails(call) fails_from((call), __builtin_return_address(0))

/* The function that ours stands in front of. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

/* A function that returns @bad and sets errno when it fails. */
#define WRAP(type, bad, name, params, args)                                    \
	type name params                                                       \
	{                                                                      \
		return fails(CALL_##name) ? (bad) : REAL(name) args;           \
	}

/* One that returns an error number. */
#define WRAP_NUMBER(name, params, args)                                        \
	int name params                                                        \
	{                                                                      \
		return fails(CALL_##name) ? plan.errnum : REAL(name) args;     \
	}

/* One that may move half of @len bytes instead. */
#define WRAP_BYTES(name, params, args, len)                                    \
	ssize_t name params                                                    \
	{                                                                      \
		if (fails(CALL_##name)) {                                      \
			if (!plan.halved)                                      \
				return -1;                                     \
			(len) = ((len) + 1) / 2;                               \
		}                                                              \
		return REAL(name) args;                                        \
	}

WRAP_BYTES(read, (int fd, void *mem, size_t len), (fd, mem, len), len)
WRAP_BYTES(pread64, (int fd, void *mem, size_t len, off64_t at),
	   (fd, mem, len, at), len)
WRAP_BYTES(write, (int fd, const void *mem, size_t len), (fd, mem, len), len)
WRAP_BYTES(pwrite64, (int fd, const void *mem, size_t len, off64_t at),
	   (fd, mem, len, at), len)
WRAP_BYTES(send, (int fd, const void *mem, size_t len, int flags),
	   (fd, mem, len, flags), len)
WRAP_BYTES(recv, (int fd, void *mem, size_t len, int flags),
	   (fd, mem, len, flags), len)
WRAP(ssize_t, -1, sendmsg, (int fd, const struct msghdr *m, int flags),
     (fd, m, flags))
WRAP(int, -1, fsync, (int fd), (fd))
WRAP(int, -1, fdatasync, (int fd), (fd))
WRAP(int, -1, ftruncate64, (int fd, off64_t size), (fd, size))
WRAP(int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(int, -1, renameat, (int a, const char *from, int b, const char *to),
     (a, from, b, to))
WRAP(int, -1, unlink, (const char *path), (path))
WRAP(int, -1, unlinkat, (int dir, const char *path, int flags),
     (dir, path, flags))
WRAP(int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, -1, mkdirat, (int dir, const char *path, mode_t mode),
     (dir, path, mode))
WRAP(int, -1, pipe2, (int fds[2], int flags), (fds, flags))
WRAP(int, -1, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))
WRAP(int, -1, epoll_create1, (int flags), (flags))
/* Taking a descriptor off does not fail. */
int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (op != EPOLL_CTL_DEL && fails(CALL_epoll_ctl))
		return -1;
	return REAL(epoll_ctl)(epfd, op, fd, event);
}

WRAP(int, -1, epoll_wait,
     (int epfd, struct epoll_event *events, int max, int timeout),
     (epfd, events, max, timeout))
WRAP(int, -1, timerfd_create, (int clock, int flags), (clock, flags))
WRAP(int, -1, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP_NUMBER(posix_fallocate64, (int fd, off64_t at, off64_t len), (fd, at, len))
WRAP_NUMBER(pthread_create,
	    (pthread_t * thread, const pthread_attr_t *attr,
	     void *(*fn)(void *arg), void *arg),
	    (thread, attr, fn, arg))
WRAP_NUMBER(posix_spawn,
	    (pid_t * pid, const char *path,
	     const posix_spawn_file_actions_t *actions,
	     const posix_spawnattr_t *attr, char *const argv[],
	     char *const env[]),
	    (pid, path, actions, attr, argv, env))

WRAP(int, -1, eventfd, (unsigned value, int flags), (value, flags))

int open64(const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails(CALL_open64) ? -1 : REAL(open64)(path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	return fails(CALL_openat64) ? -1
				    : REAL(openat64)(dir, path, flags, mode);
}

int fcntl64(int fd, int op, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, op);
	arg = va_arg(ap, void *); /* a number comes in the same register */
	va_end(ap);
	if (op != F_SETLK && op != F_SETLKW && op != F_OFD_SETLK &&
	    op != F_OFD_SETLKW)
		return REAL(fcntl64)(fd, op, arg);
	/* giving a lock back does not fail */
	if (((struct flock *)arg)->l_type != F_UNLCK && fails(CALL_fcntl64))
		return -1;
	return REAL(fcntl64)(fd, op, arg);
}

void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t off)
{
	if ((flags & MAP_ANONYMOUS) && fails(CALL_mmap64))
		return MAP_FAILED;
	return REAL(mmap64)(at, len, prot, flags, fd, off);
}
