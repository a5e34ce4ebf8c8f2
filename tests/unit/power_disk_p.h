/* What the two halves of power_disk.h share: the recording. */
#ifndef FLO_TESTS_POWER_DISK_P_H
#define FLO_TESTS_POWER_DISK_P_H

#include "power_disk.h"

#include <pthread.h>
#include <sys/types.h>

#define POWER_FILES_MAX 256
#define POWER_NEVER	SIZE_MAX

enum power_kind {
	MADE, /* a file, or a directory */
	REMOVED,
	RENAMED,
	WRITTEN,
	RESIZED,
	SYNCED
};

struct power_op {
	enum power_kind kind;
	int file;	   /* the file's number */
	int dir;	   /* MADE, REMOVED, RENAMED: that of its directory */
	char *name;	   /* MADE, REMOVED: its name; RENAMED: the new one */
	off64_t at;	   /* WRITTEN: where; RESIZED: the size */
	char *bytes;	   /* WRITTEN */
	size_t len;	   /* WRITTEN */
	size_t settled_at; /* the sync that made it stay */
};

/* A file or directory that was ever there; number 0 is the root. */
struct power_known {
	dev_t dev;
	ino_t ino;
	bool is_dir;
	char *name; /* below the root; while it is recorded */
};

struct power_record {
	pthread_mutex_t lock;
	bool on; /* this and the rest: by lock */
	char root[4096];
	struct power_known files[POWER_FILES_MAX];
	int files_len;
	struct power_op *ops;
	size_t len, cap;
	int full_left; /* writes until one fails */
	bool was_full;
};

extern struct power_record power__disk;

/* End the program: the test is broken. */
void power__die(const char *why, const char *what);
/* @mem, which is memory. */
void *power__must(void *mem);

#endif
