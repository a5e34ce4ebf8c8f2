/* Checking a store from outside: its files, its disk, its file system. */
#include "storage/check_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define MIB	 (INT64_C(1) << 20)
#define WAL_LONG (256 * MIB)
#define DISK_LOW (64 * MIB)

flo_status flo__store_check_tell(flo_check_fn fn, void *arg,
				 flo_check_level level, const char *name,
				 const char *run, const char *remedy,
				 const char *format, ...)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;
	va_list args;

	va_start(args, format);
	flo__strbuf_addv(&sb, format, args);
	va_end(args);
	st = flo__strbuf_status(&sb);
	if (st == FLO_OK)
		fn(&(flo_check){level, name, run, sb.data, remedy}, arg);
	flo__strbuf_fini(&sb);
	return st;
}

/* --- permissions --- */

struct file {
	const char *suffix;
	mode_t most; /* of its permissions */
	bool must;
	bool runs_need; /* made with the store, and nobody removes it */
	const char *remedy;
};

static const struct file files[] = {
	{"", 0600, true, false,
	 "chmod 600 on it: others can read or change it"},
	{"-wal", 0600, false, false,
	 "chmod 600 on it: others can read or change it"},
	{"-shm", 0600, false, false,
	 "chmod 600 on it: others can read or change it"},
	{".lock", 0600, false, false,
	 "chmod 600 on it: who opens it can hold up runs"},
	{".d", 0700, false, true, "chmod 700 on it: others can read logs"},
};

static flo_status check_file(const struct flo__check *check,
			     const struct file *file, bool *fine)
{
	char *path = flo__path_with(check->path, file->suffix);
	struct stat info;
	flo_status st = FLO_OK;

	if (path == NULL)
		return FLO_NOMEM;
	if (lstat(path, &info) != 0) {
		if (errno == ENOENT && !file->must && !file->runs_need)
			goto out;
		*fine = false;
		if (errno == ENOENT && file->runs_need)
			st = TELL(check, NOTE, "files", NULL,
				  "the next run makes it again, empty",
				  "%s is not there, nor are the logs of runs",
				  path);
		else
			st = TELL(
				check, PROBLEM, "files", NULL,
				"give its directory back the permission to search it",
				"%s cannot be looked at: %s", path,
				strerror(errno));
	} else if (S_ISLNK(info.st_mode)) {
		*fine = false;
		st = TELL(check, NOTE, "files", NULL,
			  "prune removes nothing through a link: mount the "
			  "directory there instead",
			  "%s is a symbolic link", path);
	} else if ((info.st_mode & 07777 & ~file->most) != 0) {
		*fine = false;
		st = TELL(check, PROBLEM, "files", NULL, file->remedy,
			  "%s has the permissions %04o, more than %04o", path,
			  (unsigned)info.st_mode & 07777, (unsigned)file->most);
	} else if (access(path, R_OK) != 0) {
		*fine = false;
		st = TELL(check, PROBLEM, "files", NULL,
			  "use flowctl as its owner, or give it back",
			  "%s cannot be read: %s", path, strerror(errno));
	} else if (access(path, W_OK) != 0) {
		*fine = false;
		st = TELL(check, NOTE, "files", NULL,
			  "nothing can be run, resumed or pruned in it",
			  "%s cannot be written: %s", path, strerror(errno));
	}
out:
	flo__free(path);
	return st;
}

static flo_status check_ballast(const struct flo__check *check)
{
	char *path = flo__path_with(check->path, ".d/ballast");
	struct stat info;
	flo_status st;

	if (path == NULL)
		return FLO_NOMEM;
	if (lstat(path, &info) == 0 && S_ISREG(info.st_mode) &&
	    info.st_size == FLO__BALLAST_SIZE &&
	    info.st_blocks >= FLO__BALLAST_SIZE / 512)
		st = TELL(check, OK, "ballast", NULL, NULL,
			  "1 MiB is set aside for a full disk");
	else
		st = TELL(check, NOTE, "ballast", NULL,
			  "the next run makes it again, once there is space",
			  "nothing is set aside for a full disk: it was given "
			  "up, or removed");
	flo__free(path);
	return st;
}

static flo_status check_wal(const struct flo__check *check)
{
	char *path = flo__path_with(check->path, "-wal");
	struct stat info = {.st_size = 0};
	long long mib;
	flo_status st;

	if (path == NULL)
		return FLO_NOMEM;
	(void)!stat(path, &info);
	mib = (long long)(info.st_size / MIB);
	if (info.st_size < WAL_LONG)
		st = TELL(check, OK, "wal", NULL, NULL,
			  "%lld MiB wait to be copied into the database", mib);
	else
		st = TELL(check, NOTE, "wal", NULL,
			  "end whoever has had the store open for reading for "
			  "long; it shrinks when the next run has ended",
			  "%lld MiB wait to be copied into the database", mib);
	flo__free(path);
	return st;
}

flo_status flo__store_check_files(const struct flo__check *check)
{
	bool fine = true;
	flo_status st;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		TRY(check_file(check, &files[i], &fine));
	if (fine)
		TRY(TELL(check, OK, "files", NULL, NULL,
			 "%s is private to its owner", check->path));
	TRY(check_ballast(check));
	TRY(check_wal(check));
out:
	return st;
}

/* --- the disk --- */

/* The nearest directory above check->path that is there; for flo__free(). */
static char *existing(const char *path)
{
	char *at = flo__strdup(path), *slash;
	struct stat info;

	while (at != NULL && lstat(at, &info) != 0) {
		slash = strrchr(at, '/');
		if (slash == NULL) {
			flo__free(at);
			return flo__strdup(".");
		}
		slash[slash == at] = '\0';
		if (slash == at)
			break;
	}
	return at;
}

enum flo__fs flo__fs_of(unsigned long magic)
{
	/* linux/magic.h, and those that statfs(2) lists beside it */
	static const struct {
		unsigned long magic;
		enum flo__fs fs;
	} known[] = {
		{0x6969, FLO__FS_NETWORK},     /* nfs */
		{0x517b, FLO__FS_NETWORK},     /* smb */
		{0xff534d42, FLO__FS_NETWORK}, /* cifs */
		{0xfe534d42, FLO__FS_NETWORK}, /* smb2 */
		{0x01021997, FLO__FS_NETWORK}, /* 9p */
		{0x00c36400, FLO__FS_NETWORK}, /* ceph */
		{0x5346414f, FLO__FS_NETWORK}, /* afs */
		{0x6b414653, FLO__FS_NETWORK}, /* afs of the kernel */
		{0x73757245, FLO__FS_NETWORK}, /* coda */
		{0x564c, FLO__FS_NETWORK},     /* ncp */
		{0x0bd00bd0, FLO__FS_NETWORK}, /* lustre */
		{0x47504653, FLO__FS_NETWORK}, /* gpfs */
		{0x7461636f, FLO__FS_NETWORK}, /* ocfs2 */
		{0x01161970, FLO__FS_NETWORK}, /* gfs2 */
		{0x786f4256, FLO__FS_NETWORK}, /* vboxsf */
		{0x65735546, FLO__FS_UNKNOWN}, /* fuse */
		{0x01021994, FLO__FS_MEMORY},  /* tmpfs */
		{0x858458f6, FLO__FS_MEMORY},  /* ramfs */
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].magic == magic)
			return known[i].fs;
	return FLO__FS_LOCAL;
}

static flo_status check_fs(const struct flo__check *check, const char *dir)
{
	int no_locks = flo__lock_probe(check->path);
	struct statfs fs;

	if (no_locks != 0)
		return TELL(check, PROBLEM, "filesystem", NULL,
			    "keep the store on a local disk",
			    "the file system of %s gives no locks: %s", dir,
			    strerror(no_locks));
	if (statfs(dir, &fs) != 0)
		return TELL(check, NOTE, "filesystem", NULL, NULL,
			    "cannot be told for %s: %s", dir, strerror(errno));
	switch (flo__fs_of((unsigned long)fs.f_type & 0xffffffff)) {
	case FLO__FS_NETWORK:
		return TELL(check, PROBLEM, "filesystem", NULL,
			    "keep the store on a local disk: its locks and its "
			    "WAL do not work across machines",
			    "%s is on a network file system (type %#lx)", dir,
			    (unsigned long)fs.f_type & 0xffffffff);
	case FLO__FS_UNKNOWN:
		return TELL(check, NOTE, "filesystem", NULL,
			    "if what is behind it is another machine, keep the "
			    "store on a local disk",
			    "%s is on FUSE: whether locks and syncs work there "
			    "cannot be told",
			    dir);
	case FLO__FS_MEMORY:
		return TELL(check, NOTE, "filesystem", NULL,
			    "keep the store on a disk if runs are to survive "
			    "that",
			    "%s is in memory: a reboot loses it", dir);
	case FLO__FS_LOCAL:
		break;
	}
	return TELL(check, OK, "filesystem", NULL, NULL, "%s is local", dir);
}

flo_status flo__store_check_disk(const struct flo__check *check)
{
	char *dir = existing(check->path);
	struct statvfs fs;
	flo_status st;

	if (dir == NULL)
		return FLO_NOMEM;
	TRY(check_fs(check, dir));
	if (statvfs(dir, &fs) != 0) {
		st = TELL(check, NOTE, "disk", NULL, NULL,
			  "free space cannot be told for %s: %s", dir,
			  strerror(errno));
	} else if (fs.f_files != 0 && fs.f_favail == 0) {
		st = TELL(check, PROBLEM, "disk", NULL,
			  "delete files: no log can be made",
			  "the file system of %s has no free inode", dir);
	} else {
		int64_t free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
		const char *remedy = "free some space; `flowctl prune` deletes "
				     "old runs";

		if (free < MIB)
			st = TELL(check, PROBLEM, "disk", NULL, remedy,
				  "the disk of %s is full", dir);
		else if (free < DISK_LOW)
			st = TELL(check, NOTE, "disk", NULL, remedy,
				  "only %lld MiB are free for %s",
				  (long long)(free / MIB), dir);
		else
			st = TELL(check, OK, "disk", NULL, NULL,
				  "%lld MiB are free", (long long)(free / MIB));
	}
out:
	flo__free(dir);
	return st;
}
