/* A day's files put together: shared by the files compact*.c. */
#ifndef FLO_CMDB_COMPACT_P_H
#define FLO_CMDB_COMPACT_P_H

#include "steps/cmdb/export_p.h"

#include <flo/value.h>

#include <string.h>
#include <sys/types.h>

/* How the directory is named that is exchanged for a day's: see compact.c. */
#define FLO__COMPACT_ASIDE ".compact-"
#define FLO__COMPACT_NAME  256

/* The file that a directory has in it until it has become a day's. */
#define FLO__COMPACT_MARK ".prepared"

struct flo__compact_day {
	struct flo__cdb *db;
	const char *root;   /* borrowed, like the next three: absolute */
	const char *source; /* its name */
	const char *day;    /* YYYY-MM-DD */
	const char *const *formats; /* ends with NULL */
	bool settle_only;	    /* end what was begun, begin nothing */
	/* Outcome, added to: files written, and their rows and bytes. */
	int64_t files;
	int64_t rows;
	int64_t bytes;
	flo_value *days; /* borrowed: a list, a map of each file is added */
};

/*
 * End what an earlier one has begun on the day, then put its files together,
 * for each of the formats of which there is more than one.
 *
 * FLO_NOTFOUND: changes that are in a file are not in the database any more.
 * FLO_EXISTS: something is in the way. The day is as it was after both. Else
 * what the database and the file system fail with: the day is as it was, or as
 * it is to be.
 */
flo_status flo__compact_day(struct flo__compact_day *day, flo_error *err);

/* Names of files. A day may have very many, so they are looked up sorted. */
struct flo__compact_names {
	struct flo__strbuf text; /* each with its NUL */
	size_t len;
	const char **at; /* owned; sorted, into `text`. NULL: not yet sorted */
};

/* The files of a day in one format that are to be one. */
struct flo__compact_batch {
	const char *format; /* borrowed */
	char name[FLO__COMPACT_NAME];
	struct flo__export_part *part; /* owned: in order of time */
	size_t len, cap;
	struct flo__compact_names taken; /* of small files */
	bool has_day;			 /* there is a day's file already */
	bool has_marked; /* and small files that say they are in it */
	mode_t mode;	 /* of the last small file */
	int64_t rows;	 /* written */
	int64_t bytes;
};

/* A compact of a day under way. */
struct flo__compact {
	struct flo__compact_day *day;
	struct flo__strbuf prefix;     /* ROOT/SOURCE/changes/dt=DAY/ */
	char name[FLO__COMPACT_NAME];  /* dt=DAY */
	char aside[FLO__COMPACT_NAME]; /* .compact-DAY */
	int source;		       /* owned, like the next three; or -1 */
	int changes;
	int there;  /* the day's directory, locked; after 2: what was it */
	int beside; /* .compact-DAY, locked */
	struct flo__compact_batch batch[4];
	size_t batch_len;
};

/* What the day's file in @format is called. */
void flo__compact_name(const struct flo__compact *c, const char *format,
		       char *ret_name);

/* Whether @name in @dir is a regular file; sets its permissions if it is. */
bool flo__compact_is_file(int dir, const char *name, mode_t *ret_mode);

/*
 * Whether @name in @dir is what an export, or a compact, that was killed has
 * left: nobody writes while we have the lock. Other names are users'.
 */
bool flo__compact_is_temp(const struct flo__compact *c, int dir,
			  const char *name);

/* The name after @name in a list in which each has its NUL. */
static inline const char *flo__compact_next(const char *name)
{
	return name + strlen(name) + 1;
}

/* Add @name, which is copied. Requires: not yet sorted. FLO_NOMEM. */
flo_status flo__compact_names_add(struct flo__compact_names *names,
				  const char *name, flo_error *err);

/* Sort them, once all are there. FLO_NOMEM. */
flo_status flo__compact_names_sort(struct flo__compact_names *names,
				   flo_error *err);

/* Whether @name is one of them. Requires: sorted. */
bool flo__compact_names_has(const struct flo__compact_names *names,
			    const char *name);
void flo__compact_names_fini(struct flo__compact_names *names);

/*
 * Step 3 of the note in compact.c: @beside is the directory beside, @now the
 * day's; both are the caller's, and locked.
 */
flo_status flo__compact_settle(const struct flo__compact *c, int beside,
			       int now, flo_error *err);

/* Take the mark out of the directory @dir, if it has one. */
flo_status flo__compact_unmark(int dir, flo_error *err);

/* Remove the directory beside, of which nothing is the only one. */
void flo__compact_discard(const struct flo__compact *c, int beside);

/* Flush the directory @fd, which is @of. */
flo_status flo__compact_flush(int fd, const char *of, flo_error *err);

#endif
