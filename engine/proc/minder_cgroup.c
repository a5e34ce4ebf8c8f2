#include "engine/proc/minder_cgroup.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

void minder_cgroup_open(struct minder_cgroup *cgroup, const char *path)
{
	*cgroup = (struct minder_cgroup){-1, -1, -1};
	if (path == NULL)
		return;
	cgroup->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (cgroup->dir < 0)
		return;
	cgroup->kill = openat(cgroup->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC);
	cgroup->events =
		openat(cgroup->dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (cgroup->kill < 0 || cgroup->events < 0)
		minder_cgroup_close(cgroup);
}

void minder_cgroup_close(struct minder_cgroup *cgroup)
{
	if (cgroup->dir >= 0)
		close(cgroup->dir);
	if (cgroup->kill >= 0)
		close(cgroup->kill);
	if (cgroup->events >= 0)
		close(cgroup->events);
	*cgroup = (struct minder_cgroup){-1, -1, -1};
}

void minder_cgroup_kill(const struct minder_cgroup *cgroup)
{
	/* If that fails, the sweep and the next try are left. */
	if (cgroup->dir >= 0)
		(void)!write(cgroup->kill, "1", 1);
}

bool minder_cgroup_populated(const struct minder_cgroup *cgroup)
{
	char text[128];
	ssize_t n;

	if (cgroup->dir < 0)
		return false;
	n = pread(cgroup->events, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0'; /* it fails once it has been removed */
	return strstr(text, "populated 1") != NULL;
}
