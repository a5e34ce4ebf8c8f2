/*
 * Who may write: kernel locks on PATH.lock, and the owner's identity.
 *
 * The file has no content and is never deleted; byte ranges of it are locked
 * with open-file-description locks (F_OFD_SETLK), so that the end of a process
 * gives everything back, however it came, and no close() of an unrelated
 * descriptor does. Byte 0 is the right to write to the database, taken around
 * each write transaction; byte N is the run in row N, held as long as an
 * engine owns it.
 *
 * Two handles of one process are two descriptions and exclude each other. The
 * same handle does not exclude itself: run_journal.c looks at its list first.
 */
#ifndef FLO_STORAGE_LEASE_P_H
#define FLO_STORAGE_LEASE_P_H

#include <flo/error.h>

#include <stdbool.h>
#include <stdint.h>

struct flo__conn;

#define FLO__DYING_NS (500 * FLO__NS_PER_MS)

/* Who holds a lease, in words that mean something after a reboot too. */
struct flo__owner {
	char id[33];	  /* random, one a handle: what fences */
	char boot_id[40]; /* "" where the system has none */
	int64_t pid;
	int64_t starttime; /* in clock ticks since boot; 0: unknown */
};

void flo__owner_init(struct flo__owner *owner);
/* Whether that very process is here and has not ended. */
bool flo__owner_is_alive(const struct flo__owner *owner);

/*
 * Open PATH.lock for reading; with @create make it, 0600, and open it for
 * both. Returns -1 on failure and sets @err and *@ret_status (may be NULL).
 */
int flo__lock_open(const char *store_path, bool create, flo_error *err,
		   flo_status *ret_status);

/*
 * Ask the kernel whether files beside @store_path can be locked at all, with a
 * byte of PATH.lock that nobody locks. Any thread; does not wait.
 *
 * Returns 0, also where there is no PATH.lock to ask about; else the errno by
 * which the file system says that it gives no locks (NFS without its lock
 * daemon, some of FUSE).
 */
int flo__lock_probe(const char *store_path);
/* The error for that. */
flo_status flo__lock_none(const char *store_path, int errnum, flo_error *err);

/* Wait for the right to write. */
flo_status flo__lock_write(int fd, const char *store_path, flo_error *err);
void flo__unlock_write(int fd);

/* Take a run without waiting: FLO_BUSY if another handle has it. */
flo_status flo__lock_run(int fd, int64_t row, flo_error *err);
void flo__unlock_run(int fd, int64_t row);
/* Whether any other handle holds the run. @fd may be read-only, or -1. */
bool flo__run_is_held(int fd, int64_t row);

/*
 * As flo__run_is_held(), but one who has ended does not count: a child that a
 * killed engine was just starting has the engine's descriptors until it runs
 * its program, and the locks with them. So while the process that the lease
 * names is gone, wait up to FLO__DYING_NS for the kernel; the lock has the last
 * word, since a process of another container cannot be seen.
 */
bool flo__lease_is_held(struct flo__conn *db, int fd, int64_t row);

#endif
