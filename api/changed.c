/* Has the file of a pipeline another text than the one that a run pinned? */
#include "api/api_p.h"

#include "base/alloc.h"
#include "dsl/dsl.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Compare what @fd has with @text: -1 if it cannot be read. */
static int differs(int fd, const char *text, size_t len)
{
	size_t at = 0;
	char buffer[4096];
	ssize_t n;

	while ((n = read(fd, buffer, sizeof(buffer))) > 0) {
		if ((size_t)n > len - at ||
		    memcmp(buffer, text + at, (size_t)n) != 0)
			return 1;
		at += (size_t)n;
	}
	return n < 0 ? -1 : at != len;
}

bool flo__api_text_changed(const char *path, const char *text, size_t len)
{
	const char *end = memchr(text, FLO__PIN_SEPARATOR, len);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	bool changed = false;
	struct stat stat;

	if (fd < 0)
		return false;
	if (fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
		changed = differs(fd, text, end ? (size_t)(end - text) : len) ==
			  1;
	close(fd);
	return changed;
}
