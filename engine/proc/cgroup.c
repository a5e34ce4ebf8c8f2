#include "engine/proc/cgroup.h"

#include "base/contract.h"
#include "engine/proc/minder_p.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PREFIX	     "flowctl-"
#define NAMES_MAX    64	  /* tried before we give up */
#define REMOVALS_MAX 4096 /* cgroups below one, which a step made itself */
#define LEFTOVER_MS  2000
#define MS_PER_S     1000
#define NS_PER_MS    1000000
#define HOW_TO_DELEGATE                                                        \
	"(run flowctl in a cgroup that is its own: systemd-run --user "        \
	"--scope -p Delegate=yes flowctl ...)"

/* --- where we are ------------------------------------------------------ */

/* Undo what mountinfo does to blanks and backslashes: "\040" is a blank. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text != '\0'; text++) {
		unsigned code;

		if (*text == '\\' && sscanf(text + 1, "%3o", &code) == 1) {
			*to++ = (char)code;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

/* "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS... - TYPE ..." of mountinfo. */
static bool is_cgroup2(char *line, char **ret_root, char **ret_point)
{
	const char *type = strstr(line, " - ");
	char *fields[5], *rest = line;

	if (type == NULL || strncmp(type + 3, "cgroup2 ", 8) != 0)
		return false;
	for (int i = 0; i < 5; i++) {
		fields[i] = strtok_r(i == 0 ? line : NULL, " ", &rest);
		if (fields[i] == NULL)
			return false;
	}
	unescape(fields[3]);
	unescape(fields[4]);
	*ret_root = fields[3];
	*ret_point = fields[4];
	return true;
}

static FILE *open_in(const char *proc, const char *name)
{
	char path[FLO__CGROUP_PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", proc, name);
	return fopen(path, "re");
}

/* Our cgroup as the kernel names it; "" if it does not. */
static void own_name(const char *proc, char ret_name[FLO__CGROUP_PATH_MAX])
{
	FILE *file = open_in(proc, "cgroup");
	char *line = NULL;
	size_t cap = 0;

	ret_name[0] = '\0';
	while (file != NULL && getline(&line, &cap, file) >= 0) {
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line + 3) < FLO__CGROUP_PATH_MAX)
			strcpy(ret_name, line + 3);
	}
	free(line);
	if (file != NULL)
		fclose(file);
}

/* Where @name is below the mount at @point, which shows @root and below. */
static bool join(const char *root, const char *point, const char *name,
		 char ret_dir[FLO__CGROUP_PATH_MAX])
{
	size_t len = strcmp(root, "/") == 0 ? 0 : strlen(root);

	if (strncmp(name, root, len) != 0 ||
	    (name[len] != '/' && name[len] != '\0'))
		return false;
	name += len;
	if (strcmp(name, "/") == 0)
		name = "";
	return snprintf(ret_dir, FLO__CGROUP_PATH_MAX, "%s%s", point, name) <
	       FLO__CGROUP_PATH_MAX;
}

/* Look our cgroup up in what is mounted; *@ret_any: there is any cgroup2. */
static bool find_mounted(const char *proc, const char *name, bool *ret_any,
			 char ret_dir[FLO__CGROUP_PATH_MAX])
{
	FILE *file = open_in(proc, "mountinfo");
	char *line = NULL, *root, *point;
	bool found = false;
	size_t cap = 0;

	*ret_any = false;
	while (file != NULL && !found && getline(&line, &cap, file) >= 0) {
		if (!is_cgroup2(line, &root, &point))
			continue;
		*ret_any = true;
		found = join(root, point, name, ret_dir);
	}
	free(line);
	if (file != NULL)
		fclose(file);
	return found;
}

static flo_status own_dir(const char *proc, flo_error *err,
			  char ret_dir[FLO__CGROUP_PATH_MAX])
{
	char name[FLO__CGROUP_PATH_MAX];
	bool any;

	own_name(proc, name);
	if (name[0] == '\0')
		return flo_error_set(err, FLO_SYSTEM,
				     "this process is in no cgroup of "
				     "version 2: the system uses version 1");
	if (strstr(name, "/..") != NULL)
		return flo_error_set(err, FLO_SYSTEM,
				     "the cgroup of this process (%s) lies "
				     "outside of its cgroup namespace",
				     name);
	if (find_mounted(proc, name, &any, ret_dir))
		return FLO_OK;
	return flo_error_set(err, FLO_SYSTEM,
			     any ? "the cgroup of this process (%s) is not in "
				   "what is mounted as cgroup2"
				 : "no cgroup2 file system is mounted (to see "
				   "the cgroup %s)",
			     name);
}

/* --- one cgroup -------------------------------------------------------- */

static int open_file(const char *dir, const char *name, int flags)
{
	char path[FLO__CGROUP_PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * MS_PER_S + ts.tv_nsec / NS_PER_MS;
}

/* Wait until nothing in @dir is alive; false if that takes too long. */
static bool wait_empty(const char *dir, int timeout_ms)
{
	int64_t end = now_ms() + timeout_ms, left = timeout_ms;
	int fd = open_file(dir, "cgroup.events", O_RDONLY);
	struct pollfd changed = {fd, POLLPRI, 0};
	bool empty = fd < 0; /* it has been removed */

	while (!empty && left >= 0) {
		char text[128];
		ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

		text[n > 0 ? n : 0] = '\0';
		empty = strstr(text, "populated 1") == NULL;
		if (!empty)
			poll(&changed, 1, (int)left);
		left = end - now_ms();
	}
	if (fd >= 0)
		close(fd);
	return empty;
}

static bool kill_all(const char *dir, int timeout_ms)
{
	int fd = open_file(dir, "cgroup.kill", O_WRONLY);

	if (fd >= 0) {
		(void)!write(fd, "1", 1);
		close(fd);
	}
	return wait_empty(dir, timeout_ms);
}

/* Append the name of a cgroup inside @path to it; false if there is none. */
static bool descend(char path[FLO__CGROUP_PATH_MAX])
{
	size_t len = strlen(path);
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir(path);

	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (len + 1 + strlen(entry->d_name) >= FLO__CGROUP_PATH_MAX)
			continue;
		path[len] = '/';
		strcpy(path + len + 1, entry->d_name);
		found = true;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

/*
 * Remove @dir and what steps made in it. The files in a cgroup go with it, and
 * the kernel removes none that has processes, so this can destroy nothing.
 */
static void remove_all(const char *dir)
{
	char path[FLO__CGROUP_PATH_MAX];

	for (int i = 0; i < REMOVALS_MAX; i++) {
		strcpy(path, dir);
		while (descend(path))
			;
		if (rmdir(path) < 0 || strcmp(path, dir) == 0)
			return;
	}
}

/* --- leftovers --------------------------------------------------------- */

static bool is_our_name(const char *name)
{
	unsigned pid, n;
	int end = 0;

	return sscanf(name, PREFIX "%u-%u%n", &pid, &n, &end) == 2 && end > 0 &&
	       name[end] == '\0';
}

/* Take the lock of an engine's directory; -1: its engine lives. */
static int lock_dir(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void remove_leftovers(const char *parent)
{
	char path[FLO__CGROUP_PATH_MAX];
	struct dirent *entry;
	DIR *dir = opendir(parent);

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		int lock;

		if (!is_our_name(entry->d_name) ||
		    snprintf(path, sizeof(path), "%s/%s", parent,
			     entry->d_name) >= (int)sizeof(path))
			continue;
		lock = lock_dir(path);
		if (lock < 0)
			continue;
		if (kill_all(path, LEFTOVER_MS))
			remove_all(path);
		close(lock);
	}
	if (dir != NULL)
		closedir(dir);
}

/* --- the engine's directory -------------------------------------------- */

/* Whether what we have locked is still what is called @dir. */
static bool is_there(const char *dir, int fd)
{
	struct stat named, locked;

	return fstat(fd, &locked) == 0 && lstat(dir, &named) == 0 &&
	       named.st_ino == locked.st_ino && named.st_dev == locked.st_dev;
}

/*
 * Make a directory with a new name and lock it. In between another engine may
 * take it for a leftover; then it has a lock on it, or is gone, and the next
 * name is tried.
 */
static flo_status make_dir(struct flo__cgroup *cgroup, const char *parent,
			   flo_error *err)
{
	int errnum = EEXIST;

	for (int i = 0; i < NAMES_MAX && errnum == EEXIST; i++) {
		if (snprintf(cgroup->dir, sizeof(cgroup->dir),
			     "%s/" PREFIX "%d-%d", parent, getpid(),
			     i) >= (int)sizeof(cgroup->dir) - 16) {
			errnum = ENAMETOOLONG;
			break;
		}
		errnum = mkdir(cgroup->dir, 0700) < 0 ? errno : 0;
		if (errnum != 0)
			continue;
		cgroup->lock = lock_dir(cgroup->dir);
		if (cgroup->lock >= 0 && is_there(cgroup->dir, cgroup->lock))
			return FLO_OK;
		if (cgroup->lock >= 0)
			close(cgroup->lock);
		errnum = EEXIST;
	}
	cgroup->dir[0] = '\0';
	return flo_error_set(err, FLO_SYSTEM,
			     "cannot make a cgroup in %s: %s%s", parent,
			     strerror(errnum),
			     errnum == EACCES ? " " HOW_TO_DELEGATE : "");
}

/* What a kernel puts into each cgroup must be there, and of our kind. */
static flo_status check_dir(const struct flo__cgroup *cgroup, flo_error *err)
{
	char type[32];
	ssize_t n;
	int fd = open_file(cgroup->dir, "cgroup.kill", O_WRONLY);

	if (fd < 0)
		return flo_error_set(err, FLO_SYSTEM,
				     "this kernel cannot kill a cgroup (no "
				     "cgroup.kill in %s; Linux 5.14 can)",
				     cgroup->dir);
	close(fd);
	fd = open_file(cgroup->dir, "cgroup.type", O_RDONLY);
	n = fd >= 0 ? read(fd, type, sizeof(type) - 1) : 0;
	if (fd >= 0)
		close(fd);
	type[n > 0 ? n : 0] = '\0';
	type[strcspn(type, "\n")] = '\0';
	if (strcmp(type, "domain") == 0)
		return FLO_OK;
	return flo_error_set(err, FLO_SYSTEM,
			     "a cgroup in the one of this process has the "
			     "type \"%s\", not \"domain\"",
			     type);
}

flo_status flo__cgroup_open(struct flo__cgroup *cgroup, const char *proc,
			    flo_error *err)
{
	const char *wish = getenv("FLO_CGROUP");
	char parent[FLO__CGROUP_PATH_MAX];
	char procs[FLO__CGROUP_PATH_MAX + 32];
	flo_status st;

	REQUIRE(cgroup->dir[0] == '\0');
	if (wish != NULL && strcmp(wish, "off") == 0)
		return flo_error_set(err, FLO_NOTFOUND,
				     "FLO_CGROUP is \"off\"");
	if (!FLO__MINDER_CLONES_INTO_CGROUP)
		return flo_error_set(err, FLO_SYSTEM,
				     "not done on this kind of processor");
	st = own_dir(proc, err, parent);
	if (st != FLO_OK)
		return st;
	/* Who moves a process between two cgroups needs that above both. */
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", parent);
	if (faccessat(AT_FDCWD, procs, W_OK, AT_EACCESS) < 0)
		return flo_error_set(err, FLO_SYSTEM, "cannot write %s: %s%s",
				     procs, strerror(errno),
				     errno == EACCES ? " " HOW_TO_DELEGATE
						     : "");
	remove_leftovers(parent);
	st = make_dir(cgroup, parent, err);
	if (st != FLO_OK)
		return st;
	st = check_dir(cgroup, err);
	if (st != FLO_OK)
		flo__cgroup_close(cgroup);
	return st;
}

void flo__cgroup_close(struct flo__cgroup *cgroup)
{
	if (cgroup->dir[0] == '\0')
		return;
	rmdir(cgroup->dir);
	close(cgroup->lock);
	cgroup->dir[0] = '\0';
}

flo_status flo__cgroup_probe(const char *proc, flo_error *err)
{
	struct flo__cgroup cgroup = {.dir = ""};
	flo_status st = flo__cgroup_open(&cgroup, proc, err);

	flo__cgroup_close(&cgroup);
	return st;
}

void flo__cgroup_path(const struct flo__cgroup *cgroup, unsigned number,
		      char ret_path[FLO__CGROUP_PATH_MAX])
{
	/* make_dir() has left room for the number. */
	int len = snprintf(ret_path, FLO__CGROUP_PATH_MAX, "%s/%u", cgroup->dir,
			   number);

	ENSURE(len < FLO__CGROUP_PATH_MAX);
}

unsigned flo__cgroup_add(struct flo__cgroup *cgroup)
{
	char path[FLO__CGROUP_PATH_MAX];

	if (cgroup->dir[0] == '\0')
		return 0;
	flo__cgroup_path(cgroup, cgroup->made + 1, path);
	if (mkdir(path, 0700) < 0)
		return 0;
	return ++cgroup->made;
}

bool flo__cgroup_end(const struct flo__cgroup *cgroup, unsigned number,
		     int timeout_ms)
{
	char path[FLO__CGROUP_PATH_MAX];

	flo__cgroup_path(cgroup, number, path);
	if (!kill_all(path, timeout_ms))
		return false;
	remove_all(path);
	return true;
}
