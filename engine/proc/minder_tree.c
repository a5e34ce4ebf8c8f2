#include "engine/proc/minder_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Note: two ways to find children
 *
 * /proc/PID/task/TID/children names the children of a thread. It costs what
 * the tree costs, so ending a thousand steps on a crowded host stays cheap.
 * Kernels built without it (CONFIG_PROC_CHILDREN) get a scan of all of /proc
 * for parents, which costs what the host costs.
 */

/*
 * Note: blind
 *
 * That a process has ended while we look at it is no failure, and says ENOENT
 * or ESRCH; nor is one of another user, which we may not see. Anything else (no
 * descriptor, no memory, an I/O error, no /proc) may hide processes that are
 * alive, and the caller is told: who sweeps until nothing is left would go on
 * for ever.
 */

/* More than this are left for the next sweep, so that a sweep has an end. */
#define PIDS_MAX 32768

static bool pids_have(const struct minder_pids *pids, pid_t pid)
{
	for (size_t i = 0; i < pids->len; i++)
		if (pids->at[i] == pid)
			return true;
	return false;
}

/* Some may be missing, as @stage failed with @errnum: the first such is kept. */
static void pids_hidden(struct minder_pids *pids, enum flo__minder_stage stage,
			int errnum)
{
	if (pids->blind.errnum == 0)
		pids->blind = (struct minder_blind){stage, errnum};
}

/* Out of memory we signal those we have, and the caller is told. */
static void pids_add(struct minder_pids *pids, pid_t pid)
{
	/* A child may be seen at its parent, then again as our orphan. */
	if (pids_have(pids, pid) || pids->len == PIDS_MAX)
		return;
	if (pids->len == pids->cap) {
		size_t cap = pids->cap != 0 ? pids->cap * 2 : 64;
		pid_t *at = realloc(pids->at, cap * sizeof(*at));

		if (at == NULL) {
			pids_hidden(pids, FLO__MINDER_AT_PROC_READ, ENOMEM);
			return;
		}
		pids->at = at;
		pids->cap = cap;
	}
	pids->at[pids->len++] = pid;
}

/* What was to be told of one process was not, by errno. */
static void pid_hidden(struct minder_pids *pids, enum flo__minder_stage stage)
{
	if (errno != ENOENT && errno != ESRCH && errno != EACCES &&
	    errno != EPERM)
		pids_hidden(pids, stage, errno);
}

/* The next entry of @dir; NULL after the last, and where that cannot be told. */
static struct dirent *next_entry(DIR *dir, struct minder_pids *pids)
{
	struct dirent *entry;

	errno = 0;
	entry = readdir(dir);
	if (entry == NULL && errno != 0)
		pid_hidden(pids, FLO__MINDER_AT_PROC_READ);
	return entry;
}

/* Read "12 345 6 " and add each. Numbers may straddle reads. */
static void add_numbers(int fd, struct minder_pids *pids)
{
	char buf[4096];
	pid_t pid = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9') {
				pid = pid * 10 + (buf[i] - '0');
				continue;
			}
			if (pid > 0)
				pids_add(pids, pid);
			pid = 0;
		}
	}
	if (n < 0)
		pid_hidden(pids, FLO__MINDER_AT_PROC_READ);
	if (pid > 0)
		pids_add(pids, pid);
}

/* Add the children of every thread of @pid; false if the kernel won't tell. */
static bool add_children(pid_t pid, struct minder_pids *pids)
{
	char path[64];
	struct dirent *entry;
	bool told = false;
	DIR *tasks;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	tasks = opendir(path);
	if (tasks == NULL) {
		pid_hidden(pids, FLO__MINDER_AT_PROC_OPEN);
		return false;
	}
	while ((entry = next_entry(tasks, pids)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%.20s/children", entry->d_name);
		fd = openat(dirfd(tasks), path, O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			pid_hidden(pids, FLO__MINDER_AT_PROC_OPEN);
			continue;
		}
		told = true;
		add_numbers(fd, pids);
		close(fd);
	}
	closedir(tasks);
	return told;
}

/* The parent of @pid, or 0. Its name may hold anything, so from its end. */
static pid_t parent_of(pid_t pid, struct minder_pids *pids)
{
	char buf[512], path[64];
	const char *end;
	ssize_t n;
	int fd, parent;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		pid_hidden(pids, FLO__MINDER_AT_PROC_OPEN);
		return 0;
	}
	n = read(fd, buf, sizeof(buf) - 1);
	if (n < 0)
		pid_hidden(pids, FLO__MINDER_AT_PROC_READ);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	end = strrchr(buf, ')');
	if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

/*
 * Add all whose parent is ours or in @pids already. Parents mostly have lower
 * numbers and come first, so few rounds find everything.
 */
static void add_by_scan(struct minder_pids *pids)
{
	struct dirent *entry;
	bool ourselves = false;
	size_t before;
	DIR *proc = opendir("/proc");

	if (proc == NULL) {
		pids_hidden(pids, FLO__MINDER_AT_PROC_OPEN, errno);
		return;
	}
	do {
		before = pids->len;
		rewinddir(proc);
		while ((entry = next_entry(proc, pids)) != NULL) {
			pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
			pid_t parent = pid > 0 ? parent_of(pid, pids) : 0;

			ourselves |= pid == getpid();
			if (parent == getpid() || pids_have(pids, parent))
				pids_add(pids, pid);
		}
	} while (pids->len != before);
	closedir(proc);
	if (ourselves)
		return;
	/* It is a directory, but no process is in it: it is not mounted. */
	pids_hidden(pids, FLO__MINDER_AT_PROC_OPEN, ENODEV);
}

/* Everything below us, parents before their children. */
static void tree_collect(struct minder_pids *pids)
{
	if (!add_children(getpid(), pids)) {
		/* What the lists hid, the scan may see. */
		pids->blind = (struct minder_blind){0};
		add_by_scan(pids);
		return;
	}
	for (size_t i = 0; i < pids->len; i++)
		(void)add_children(pids->at[i], pids);
}

void minder_pids_fini(struct minder_pids *pids)
{
	free(pids->at);
	*pids = (struct minder_pids){.at = NULL};
}

/* What is in a cgroup and may have left our tree; 0 stands for who is in no
 * process namespace of ours. */
static void add_members(int cgroup, struct minder_pids *pids)
{
	int fd;

	if (cgroup < 0)
		return;
	fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		pid_hidden(pids, FLO__MINDER_AT_PROC_OPEN);
		return;
	}
	add_numbers(fd, pids);
	close(fd);
}

struct minder_blind minder_tree_stop(int signal, int cgroup,
				     struct minder_pids *told)
{
	struct minder_pids pids = {.at = NULL};
	struct minder_blind blind;

	tree_collect(&pids);
	add_members(cgroup, &pids);
	blind = pids.blind;
	for (size_t i = 0; i < pids.len; i++) {
		if (pids_have(told, pids.at[i]))
			continue;
		kill(pids.at[i], signal);
		kill(pids.at[i], SIGCONT); /* suspended, it could not see it */
		pids_add(told, pids.at[i]);
	}
	minder_pids_fini(&pids);
	return blind;
}

struct minder_blind minder_tree_kill(int cgroup)
{
	struct minder_pids pids = {.at = NULL};
	struct minder_blind blind;

	tree_collect(&pids);
	add_members(cgroup, &pids);
	blind = pids.blind;
	for (size_t i = 0; i < pids.len; i++)
		kill(pids.at[i], SIGKILL);
	minder_pids_fini(&pids);
	return blind;
}

void minder_group_kill(pid_t leader, int signal)
{
	siginfo_t info;

	/* A zombie that is not reaped keeps the number, too. */
	if (waitid(P_PGID, (id_t)leader, &info,
		   WEXITED | WNOHANG | WNOWAIT | __WALL) == 0)
		kill(-leader, signal);
}
