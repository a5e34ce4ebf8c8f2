#include "engine/proc/helper.h"

#include "base/alloc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The directory of the running program, with its last slash; or "". */
static void program_dir(char *ret_dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", ret_dir, size - 1);
	char *slash;

	ret_dir[n > 0 ? n : 0] = '\0';
	slash = strrchr(ret_dir, '/');
	if (slash != NULL)
		slash[1] = '\0';
}

/* Where others will look for it, too: who runs it may stand elsewhere. */
static char *absolute(const char *path)
{
	char dir[PATH_MAX], whole[2 * PATH_MAX];

	if (path[0] == '/' || getcwd(dir, sizeof(dir)) == NULL)
		return flo__strdup(path);
	snprintf(whole, sizeof(whole), "%s/%s", dir, path);
	return flo__strdup(whole);
}

char *flo__helper_find(const struct flo__helper *helper, const char *given)
{
	char dir[PATH_MAX], path[2 * PATH_MAX];

	if (given == NULL)
		given = getenv(helper->env);
	if (given != NULL && given[0] != '\0')
		return absolute(given);
	program_dir(dir, sizeof(dir));
	for (size_t i = 0; i < FLO__HELPER_PLACES; i++) {
		snprintf(path, sizeof(path), "%s%s", dir, helper->beside[i]);
		if (access(path, X_OK) == 0)
			return flo__strdup(path);
	}
	return flo__strdup(helper->installed);
}
