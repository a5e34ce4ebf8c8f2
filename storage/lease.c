#include "storage/lease_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "storage/conn_p.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

/* The first @size - 1 bytes of a file, as a string; "" without it. */
static void read_small(const char *path, char *ret, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, ret, size - 1);
		close(fd);
	}
	ret[n > 0 ? n : 0] = '\0';
}

/*
 * Field 22 of @path, a /proc/PID/stat; 0: no such process, or it has ended and
 * waits for its parent. The name in field 2 may hold anything.
 */
static int64_t process_starttime(const char *path)
{
	char text[1024];
	const char *at;

	read_small(path, text, sizeof(text));
	at = strrchr(text, ')');
	if (at != NULL && (at[1] != ' ' || at[2] == 'Z' || at[2] == 'X'))
		return 0;
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at != NULL ? strtoll(at, NULL, 10) : 0;
}

static void read_boot_id(char *ret, size_t size)
{
	read_small("/proc/sys/kernel/random/boot_id", ret, size);
	ret[strcspn(ret, "\n")] = '\0';
}

void flo__owner_init(struct flo__owner *owner)
{
	unsigned char bytes[16] = {0};
	ssize_t n = getrandom(bytes, sizeof(bytes), 0);

	INSIST(n == (ssize_t)sizeof(bytes)); /* up to 256 bytes never fail */
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(owner->id + 2 * i, 3, "%02x", bytes[i]);
	read_boot_id(owner->boot_id, sizeof(owner->boot_id));
	owner->pid = getpid();
	owner->starttime = process_starttime("/proc/self/stat");
}

bool flo__owner_is_alive(const struct flo__owner *owner)
{
	char boot_id[sizeof(owner->boot_id)], path[64];

	read_boot_id(boot_id, sizeof(boot_id));
	snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)owner->pid);
	return strcmp(owner->boot_id, boot_id) == 0 &&
	       process_starttime(path) == owner->starttime;
}

/* Whether the owner that the lease of @row names has ended. */
static bool owner_is_gone(struct flo__conn *db, int64_t row)
{
	char boot_id[sizeof((struct flo__owner *)NULL)->boot_id], path[64];
	sqlite3_stmt *stmt = NULL;
	bool found = false, gone = false;

	if (flo__conn_get(db, FLO__SQL_LEASE_OWNER, NULL, &stmt) != FLO_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, row);
	if (flo__conn_step(db, stmt, NULL, &found) == FLO_OK && found) {
		const char *boot = (const char *)sqlite3_column_text(stmt, 0);

		read_boot_id(boot_id, sizeof(boot_id));
		snprintf(path, sizeof(path), "/proc/%lld/stat",
			 (long long)sqlite3_column_int64(stmt, 1));
		gone = (boot != NULL && strcmp(boot, boot_id) != 0) ||
		       process_starttime(path) != sqlite3_column_int64(stmt, 2);
	}
	flo__conn_done(stmt);
	return gone;
}

bool flo__lease_is_held(struct flo__conn *db, int fd, int64_t row)
{
	const struct timespec pause = {.tv_nsec = 2 * FLO__NS_PER_MS};
	uint64_t until = 0;

	while (flo__run_is_held(fd, row)) {
		uint64_t now = flo__time_mono_ns();

		if (until == 0)
			until = now + FLO__DYING_NS;
		if (now >= until || !owner_is_gone(db, row))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

int flo__lock_open(const char *store_path, bool create, flo_error *err,
		   flo_status *ret_status)
{
	int flags = O_CLOEXEC | O_NOFOLLOW | (create ? O_RDWR : O_RDONLY);
	char *path = flo__path_with(store_path, ".lock");
	flo_status st;
	int fd = -1;

	if (path == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	fd = open(path, flags | (create ? O_CREAT : 0), 0600);
	st = fd >= 0 ? FLO_OK
		     : flo_error_sys(err, errno,
				     "cannot open the lock file %s; check the "
				     "permissions of its directory",
				     path);
out:
	if (st != FLO_OK && ret_status != NULL)
		*ret_status = st;
	flo__free(path);
	return fd;
}

static int lock_byte(int fd, int command, short type, int64_t byte,
		     struct flock *ret)
{
	struct flock range = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = byte,
		.l_len = 1,
	};
	int rc;

	do
		rc = fcntl(fd, command, &range);
	while (rc != 0 && errno == EINTR);
	if (ret != NULL)
		*ret = range;
	return rc;
}

/* Behind the bytes of all runs. */
#define PROBE_BYTE (INT64_C(1) << 40)

static bool means_no_locks(int errnum)
{
	return errnum == ENOLCK || errnum == ENOSYS || errnum == EOPNOTSUPP;
}

int flo__lock_probe(const char *store_path)
{
	int errnum = 0;
	flo_status st;
	int fd = flo__lock_open(store_path, false, NULL, &st);

	if (fd < 0)
		return 0;
	if (lock_byte(fd, F_OFD_SETLK, F_RDLCK, PROBE_BYTE, NULL) != 0 &&
	    means_no_locks(errno))
		errnum = errno;
	close(fd);
	return errnum;
}

flo_status flo__lock_none(const char *store_path, int errnum, flo_error *err)
{
	flo_error_set(err, FLO_STORE,
		      "cannot lock %s: its file system gives no locks (%s); "
		      "keep the store on a local disk, and name it with "
		      "--store",
		      store_path, strerror(errnum));
	if (err != NULL && err->status == FLO_STORE && err->code == 0)
		err->code = errnum;
	return FLO_STORE;
}

flo_status flo__lock_write(int fd, const char *store_path, flo_error *err)
{
	if (lock_byte(fd, F_OFD_SETLKW, F_WRLCK, 0, NULL) == 0)
		return FLO_OK;
	if (means_no_locks(errno))
		return flo__lock_none(store_path, errno, err);
	return flo_error_sys(err, errno,
			     "cannot lock %s.lock (stores need a local file "
			     "system)",
			     store_path);
}

void flo__unlock_write(int fd)
{
	int rc = lock_byte(fd, F_OFD_SETLK, F_UNLCK, 0, NULL);

	INSIST(rc == 0);
}

flo_status flo__lock_run(int fd, int64_t row, flo_error *err)
{
	REQUIRE(row > 0);
	if (lock_byte(fd, F_OFD_SETLK, F_WRLCK, row, NULL) == 0)
		return FLO_OK;
	if (errno == EAGAIN || errno == EACCES)
		return FLO_BUSY;
	return flo_error_sys(err, errno, "cannot lock a run");
}

void flo__unlock_run(int fd, int64_t row)
{
	int rc;

	REQUIRE(row > 0);
	rc = lock_byte(fd, F_OFD_SETLK, F_UNLCK, row, NULL);
	INSIST(rc == 0);
}

bool flo__run_is_held(int fd, int64_t row)
{
	struct flock found = {.l_type = F_UNLCK};

	REQUIRE(row > 0);
	return fd >= 0 &&
	       lock_byte(fd, F_OFD_GETLK, F_RDLCK, row, &found) == 0 &&
	       found.l_type != F_UNLCK;
}
