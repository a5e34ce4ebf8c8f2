/* Is a file that was named as a store plainly something else? */
#include "storage/conn_p.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* https://www.sqlite.org/fileformat2.html#the_database_header */
#define MAGIC	   "SQLite format 3"
#define HEADER	   100
#define APP_OFFSET 68

static uint32_t application_of(const unsigned char *header)
{
	uint32_t id = 0;

	for (size_t i = 0; i < 4; i++)
		id = id << 8 | header[APP_OFFSET + i];
	return id;
}

/* What there is of a regular file's header; 0 bytes if that cannot be read. */
static size_t read_header(const char *path, unsigned char *header)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat info;
	ssize_t n = 0;

	if (fd < 0)
		return 0;
	if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode))
		n = pread(fd, header, HEADER, 0);
	close(fd);
	return n > 0 ? (size_t)n : 0;
}

flo_status flo__store_foreign(const char *path, flo_error *err)
{
	unsigned char header[HEADER];
	size_t len = read_header(path, header);
	size_t magic = len < sizeof(MAGIC) ? len : sizeof(MAGIC);

	if (memcmp(header, MAGIC, magic) != 0)
		return flo_error_set(err, FLO_CORRUPT,
				     "%s is not a flowctl store (no SQLite "
				     "database at all); name another file with "
				     "--store",
				     path);
	/* 0: none, or one that is still in the WAL */
	if (len == HEADER && application_of(header) != 0 &&
	    application_of(header) != FLO__APPLICATION_ID)
		return flo_error_set(err, FLO_CORRUPT,
				     "%s is the SQLite database of another "
				     "program, not a flowctl store; name "
				     "another file with --store",
				     path);
	return FLO_OK;
}
