/* Recording: see power_disk.h. */
#include "power_disk_p.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct power_record power__disk = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The function that ours stands in front of. */
#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))
#define EXPORT	   __attribute__((visibility("default")))

void power__die(const char *why, const char *what)
{
	fprintf(stderr, "power_disk: %s: %s\n", why, what);
	abort();
}

void *power__must(void *mem)
{
	if (mem == NULL)
		power__die("out of memory", "");
	return mem;
}

/* --- the record; the lock is held ---------------------------------------- */

static struct power_op *add(enum power_kind kind, int file)
{
	struct power_op *op;

	if (power__disk.len == power__disk.cap) {
		power__disk.cap = power__disk.cap ? 2 * power__disk.cap : 256;
		power__disk.ops =
			power__must(realloc(power__disk.ops,
					    power__disk.cap * sizeof(*op)));
	}
	op = &power__disk.ops[power__disk.len++];
	*op = (struct power_op){.kind = kind,
				.file = file,
				.settled_at = POWER_NEVER};
	return op;
}

/* The name below the root, or NULL: none of ours. */
static const char *below_root(const char *path)
{
	size_t len = strlen(power__disk.root);

	if (!power__disk.on || strncmp(path, power__disk.root, len) != 0 ||
	    path[len] != '/')
		return NULL;
	return path + len + 1;
}

static int by_name(const char *name)
{
	for (int i = power__disk.files_len - 1; i >= 0; i--)
		if (power__disk.files[i].name != NULL &&
		    strcmp(power__disk.files[i].name, name) == 0)
			return i;
	power__die("a name that was not recorded", name);
	return -1;
}

static int dir_of(const char *name)
{
	const char *slash = strrchr(name, '/');
	char dir[4096];

	if (slash == NULL)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - name), name);
	return by_name(dir);
}

/* The file that is open as @fd, or -1: none of ours. */
static int by_fd(int fd)
{
	struct stat info;

	if (!power__disk.on || fstat(fd, &info) != 0)
		return -1;
	/* the latest first: numbers of inodes are used again */
	for (int i = power__disk.files_len - 1; i >= 0; i--)
		if (power__disk.files[i].ino == info.st_ino &&
		    power__disk.files[i].dev == info.st_dev)
			return i;
	return -1;
}

static int add_known(const char *name, const struct stat *info)
{
	struct power_known *known = &power__disk.files[power__disk.files_len];

	if (power__disk.files_len == POWER_FILES_MAX)
		power__die("too many files", name);
	known->dev = info->st_dev;
	known->ino = info->st_ino;
	known->is_dir = S_ISDIR(info->st_mode);
	known->name = power__must(strdup(name));
	return power__disk.files_len++;
}

static void add_made(const char *path)
{
	const char *name = below_root(path);
	struct stat info;
	struct power_op *op;
	int dir;

	if (name == NULL || lstat(path, &info) != 0)
		return;
	dir = dir_of(name);
	op = add(MADE, add_known(name, &info));
	op->dir = dir;
	op->name = power__must(strdup(name));
}

static void add_written(int file, const void *bytes, size_t len, off64_t at)
{
	struct power_op *op = add(WRITTEN, file);

	op->at = at;
	op->len = len;
	op->bytes = power__must(malloc(len + 1));
	memcpy(op->bytes, bytes, len);
}

static void add_synced(int file)
{
	size_t now = power__disk.len;

	add(SYNCED, file);
	for (size_t i = 0; i < now; i++) {
		struct power_op *op = &power__disk.ops[i];
		int whose = op->kind <= RENAMED ? op->dir : op->file;

		if (whose == file && op->settled_at == POWER_NEVER)
			op->settled_at = now;
	}
}

/* --- the calls ------------------------------------------------------------ */

EXPORT int open64(const char *path, int flags, ...)
{
	static __typeof__(&open64) real;
	struct stat info;
	mode_t mode = 0;
	va_list ap;
	bool make;
	int fd;

	va_start(ap, flags);
	if (flags & O_CREAT)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	pthread_mutex_lock(&power__disk.lock);
	if (real == NULL)
		real = REAL(open64);
	make = (flags & O_CREAT) != 0 && below_root(path) != NULL &&
	       lstat(path, &info) != 0;
	fd = real(path, flags, mode);
	if (fd >= 0 && make)
		add_made(path);
	if (fd >= 0 && (flags & O_TRUNC) && !make && by_fd(fd) > 0)
		add(RESIZED, by_fd(fd));
	pthread_mutex_unlock(&power__disk.lock);
	return fd;
}

EXPORT int mkdir(const char *path, mode_t mode)
{
	int rc;

	pthread_mutex_lock(&power__disk.lock);
	rc = REAL(mkdir)(path, mode);
	if (rc == 0)
		add_made(path);
	pthread_mutex_unlock(&power__disk.lock);
	return rc;
}

EXPORT int unlink(const char *path)
{
	const char *name;
	int rc;

	pthread_mutex_lock(&power__disk.lock);
	rc = REAL(unlink)(path);
	name = below_root(path);
	if (rc == 0 && name != NULL) {
		int file = by_name(name);
		struct power_op *op = add(REMOVED, file);

		op->dir = dir_of(name);
		op->name = power__must(strdup(name));
		free(power__disk.files[file].name);
		power__disk.files[file].name = NULL;
		power__disk.files[file].ino = 0; /* somebody else's soon */
	}
	pthread_mutex_unlock(&power__disk.lock);
	return rc;
}

EXPORT int rename(const char *from, const char *to)
{
	const char *name;
	int rc;

	pthread_mutex_lock(&power__disk.lock);
	rc = REAL(rename)(from, to);
	name = below_root(from);
	if (rc == 0 && name != NULL) {
		int file = by_name(name);
		struct power_op *op = add(RENAMED, file);

		op->dir = dir_of(name);
		op->name = power__must(strdup(below_root(to)));
		if (dir_of(op->name) != op->dir)
			power__die("a rename between directories", to);
		free(power__disk.files[file].name);
		power__disk.files[file].name = power__must(strdup(op->name));
	}
	pthread_mutex_unlock(&power__disk.lock);
	return rc;
}

static bool is_full(void)
{
	if (power__disk.full_left == 0 || --power__disk.full_left > 0)
		return false;
	power__disk.was_full = true;
	return true;
}

EXPORT ssize_t pwrite64(int fd, const void *bytes, size_t len, off64_t at)
{
	static __typeof__(&pwrite64) real;
	ssize_t n = -1;
	int file;

	pthread_mutex_lock(&power__disk.lock);
	if (real == NULL)
		real = REAL(pwrite64);
	file = by_fd(fd);
	if (file < 0 || !is_full())
		n = real(fd, bytes, len, at);
	else
		errno = ENOSPC;
	if (file >= 0 && n > 0)
		add_written(file, bytes, (size_t)n, at);
	pthread_mutex_unlock(&power__disk.lock);
	return n;
}

EXPORT int ftruncate64(int fd, off64_t size)
{
	int rc, file;

	pthread_mutex_lock(&power__disk.lock);
	rc = REAL(ftruncate64)(fd, size);
	file = by_fd(fd);
	if (rc == 0 && file >= 0)
		add(RESIZED, file)->at = size;
	pthread_mutex_unlock(&power__disk.lock);
	return rc;
}

/* Sparse will do: what is reserved is of no interest here. */
EXPORT int posix_fallocate64(int fd, off64_t at, off64_t len)
{
	int errnum, file;

	pthread_mutex_lock(&power__disk.lock);
	errnum = REAL(ftruncate64)(fd, at + len) == 0 ? 0 : errno;
	file = by_fd(fd);
	if (errnum == 0 && file >= 0)
		add(RESIZED, file)->at = at + len;
	pthread_mutex_unlock(&power__disk.lock);
	return errnum;
}

static int sync_file(int fd)
{
	int file;

	pthread_mutex_lock(&power__disk.lock);
	file = by_fd(fd);
	if (file >= 0)
		add_synced(file);
	pthread_mutex_unlock(&power__disk.lock);
	return 0;
}

EXPORT int fsync(int fd)
{
	return sync_file(fd);
}

EXPORT int fdatasync(int fd)
{
	return sync_file(fd);
}

/* --- recording ------------------------------------------------------------ */

static void add_contents(int file, const char *path)
{
	FILE *stream = fopen(path, "rb");
	char buf[65536];
	off64_t at = 0;
	size_t n;

	if (stream == NULL)
		power__die("cannot read", path);
	while ((n = fread(buf, 1, sizeof(buf), stream)) > 0) {
		add_written(file, buf, n, at);
		at += (off64_t)n;
	}
	fclose(stream);
}

/* What is there already, as if it had been made and synced. */
static void add_existing(const char *dir)
{
	DIR *list = opendir(dir);
	struct dirent *entry;

	if (list == NULL)
		power__die("cannot list", dir);
	while ((entry = readdir(list)) != NULL) {
		char path[4096];

		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		add_made(path);
		if (power__disk.files[power__disk.files_len - 1].is_dir)
			add_existing(path);
		else
			add_contents(power__disk.files_len - 1, path);
	}
	closedir(list);
}

void power_record(const char *dir)
{
	struct stat info;

	power_forget();
	pthread_mutex_lock(&power__disk.lock);
	if (stat(dir, &info) != 0)
		power__die("no such directory", dir);
	snprintf(power__disk.root, sizeof(power__disk.root), "%s", dir);
	power__disk.on = true;
	add_known("", &info);
	add_existing(dir);
	for (int i = 0; i < power__disk.files_len; i++)
		add_synced(i);
	pthread_mutex_unlock(&power__disk.lock);
}

void power_stop(void)
{
	pthread_mutex_lock(&power__disk.lock);
	power__disk.on = false;
	pthread_mutex_unlock(&power__disk.lock);
}

void power_forget(void)
{
	pthread_mutex_lock(&power__disk.lock);
	for (size_t i = 0; i < power__disk.len; i++) {
		free(power__disk.ops[i].name);
		free(power__disk.ops[i].bytes);
	}
	for (int i = 0; i < power__disk.files_len; i++)
		free(power__disk.files[i].name);
	free(power__disk.ops);
	memset(power__disk.files, 0, sizeof(power__disk.files));
	power__disk.ops = NULL;
	power__disk.len = power__disk.cap = 0;
	power__disk.files_len = 0;
	power__disk.full_left = 0;
	power__disk.was_full = false;
	power__disk.on = false;
	pthread_mutex_unlock(&power__disk.lock);
}

size_t power_calls(void)
{
	size_t len;

	pthread_mutex_lock(&power__disk.lock);
	len = power__disk.len;
	pthread_mutex_unlock(&power__disk.lock);
	return len;
}

void power_fill_disk(int nth)
{
	pthread_mutex_lock(&power__disk.lock);
	power__disk.full_left = nth;
	pthread_mutex_unlock(&power__disk.lock);
}

bool power_disk_was_full(void)
{
	return power__disk.was_full;
}

const char *power_describe(size_t at)
{
	static const char *const kinds[] = {"made",    "removed", "renamed",
					    "written", "resized", "synced"};
	static char text[512];
	const char *name = "";

	if (at >= power__disk.len)
		return "after the last call";
	for (size_t i = 0; i < power__disk.len && i <= at; i++)
		if (power__disk.ops[i].file == power__disk.ops[at].file &&
		    power__disk.ops[i].name != NULL)
			name = power__disk.ops[i].name;
	snprintf(text, sizeof(text), "%s %s, %zu bytes at %lld", name,
		 kinds[power__disk.ops[at].kind], power__disk.ops[at].len,
		 (long long)power__disk.ops[at].at);
	return text;
}
