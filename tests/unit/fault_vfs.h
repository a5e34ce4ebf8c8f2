/*
 * An SQLite VFS that passes everything to the real one and fails the Nth write
 * or sync, once or from then on: with a full disk, or an I/O error. It can also
 * tell of each write, and open nothing more.
 *
 * Threads: a plan may be made at any time, and changed or taken back while
 * nobody writes.
 */
#ifndef FLO_TESTS_FAULT_VFS_H
#define FLO_TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum fault_where {
	FAULT_WRITE,
	FAULT_SYNC
};

static struct {
	atomic_int where; /* an enum fault_where */
	atomic_int code;  /* what fails, SQLITE_FULL or SQLITE_IOERR_... */
	atomic_bool forever;
	atomic_int left;  /* calls until it fails; 0: never */
	atomic_int fired; /* how often it failed */
} fault;

static sqlite3_vfs *fault_real;

/* Called before each write to a file that was opened with @flags. */
static void (*fault_on_write)(int flags);
static atomic_bool fault_opens_nothing;

struct fault_file {
	sqlite3_file base;
	int flags;
	sqlite3_file *real; /* behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *file)
{
	return ((struct fault_file *)file)->real;
}

static bool must_fail(enum fault_where where)
{
	if (atomic_load(&fault.left) == 0 ||
	    (int)where != atomic_load(&fault.where))
		return false;
	if (atomic_load(&fault.left) > 1) {
		atomic_fetch_sub(&fault.left, 1);
		return false;
	}
	if (!atomic_load(&fault.forever))
		atomic_store(&fault.left, 0);
	atomic_fetch_add(&fault.fired, 1);
	return true;
}

static int fault_close(sqlite3_file *file)
{
	return real_of(file)->pMethods->xClose(real_of(file));
}

static int fault_read(sqlite3_file *file, void *mem, int len, sqlite3_int64 at)
{
	return real_of(file)->pMethods->xRead(real_of(file), mem, len, at);
}

static int fault_write(sqlite3_file *file, const void *mem, int len,
		       sqlite3_int64 at)
{
	if (fault_on_write != NULL)
		fault_on_write(((struct fault_file *)file)->flags);
	if (!must_fail(FAULT_WRITE))
		return real_of(file)->pMethods->xWrite(real_of(file), mem, len,
						       at);
	/* half of it gets there, as on a disk that fills up */
	real_of(file)->pMethods->xWrite(real_of(file), mem, len / 2, at);
	return atomic_load(&fault.code);
}

static int fault_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	return real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int fault_sync(sqlite3_file *file, int flags)
{
	if (must_fail(FAULT_SYNC))
		return atomic_load(&fault.code);
	return real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int fault_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int fault_lock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xLock(real_of(file), lock);
}

static int fault_unlock(sqlite3_file *file, int lock)
{
	return real_of(file)->pMethods->xUnlock(real_of(file), lock);
}

static int fault_check_lock(sqlite3_file *file, int *reserved)
{
	return real_of(file)->pMethods->xCheckReservedLock(real_of(file),
							   reserved);
}

static int fault_control(sqlite3_file *file, int op, void *arg)
{
	return real_of(file)->pMethods->xFileControl(real_of(file), op, arg);
}

static int fault_sector(sqlite3_file *file)
{
	return real_of(file)->pMethods->xSectorSize(real_of(file));
}

static int fault_device(sqlite3_file *file)
{
	return real_of(file)->pMethods->xDeviceCharacteristics(real_of(file));
}

static int fault_shm_map(sqlite3_file *file, int page, int size, int extend,
			 void volatile **mem)
{
	return real_of(file)->pMethods->xShmMap(real_of(file), page, size,
						extend, mem);
}

static int fault_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return real_of(file)->pMethods->xShmLock(real_of(file), offset, n,
						 flags);
}

static void fault_shm_barrier(sqlite3_file *file)
{
	real_of(file)->pMethods->xShmBarrier(real_of(file));
}

static int fault_shm_unmap(sqlite3_file *file, int remove)
{
	return real_of(file)->pMethods->xShmUnmap(real_of(file), remove);
}

static const sqlite3_io_methods fault_methods = {
	2,
	fault_close,
	fault_read,
	fault_write,
	fault_truncate,
	fault_sync,
	fault_size,
	fault_lock,
	fault_unlock,
	fault_check_lock,
	fault_control,
	fault_sector,
	fault_device,
	fault_shm_map,
	fault_shm_lock,
	fault_shm_barrier,
	fault_shm_unmap,
	NULL,
	NULL,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		      int flags, int *ret_flags)
{
	struct fault_file *f = (struct fault_file *)file;
	int rc;

	(void)vfs;
	f->base.pMethods = NULL;
	if (atomic_load(&fault_opens_nothing))
		return SQLITE_CANTOPEN;
	f->flags = flags;
	f->real = (sqlite3_file *)(f + 1);
	rc = fault_real->xOpen(fault_real, name, f->real, flags, ret_flags);
	f->base.pMethods = f->real->pMethods != NULL ? &fault_methods : NULL;
	return rc;
}

/* Make it the VFS that everybody gets. */
static void fault_install(void)
{
	static sqlite3_vfs vfs;

	fault_real = sqlite3_vfs_find(NULL);
	vfs = *fault_real;
	vfs.zName = "fault";
	vfs.szOsFile = (int)sizeof(struct fault_file) + fault_real->szOsFile;
	vfs.xOpen = fault_open;
	sqlite3_vfs_register(&vfs, 1);
}

static void fault_plan(enum fault_where where, int code, bool forever, int nth)
{
	atomic_store(&fault.where, (int)where);
	atomic_store(&fault.code, code);
	atomic_store(&fault.forever, forever);
	atomic_store(&fault.fired, 0);
	atomic_store(&fault.left, nth);
}

#endif
