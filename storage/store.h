/*
 * The store: durable runs in one SQLite file.
 */
#ifndef FLO_STORAGE_STORE_H
#define FLO_STORAGE_STORE_H

#include "engine/journal.h"

enum flo__store_durability {
	FLO__STORE_POWER,   /* synchronous=FULL */
	FLO__STORE_PROCESS, /* synchronous=NORMAL */
	FLO__STORE_NONE,    /* synchronous=OFF */
};

/*
 * Open @path for writing as a journal; the file and its directory (0700) are
 * made if they do not exist. Blocks. The errors name the path and the way out:
 * FLO_SYSTEM (cannot write there), FLO_VERSION (written by a newer flowctl),
 * FLO_CORRUPT, FLO_FULL, FLO_READONLY.
 */
flo_status flo__store_open(const char *path,
			   enum flo__store_durability durability,
			   flo_error *err, struct flo__journal **ret_journal);
/* Requires: every run journal is closed. NULL is allowed. */
void flo__store_close(struct flo__journal *journal);

/* The absolute directory for the files of runs: PATH.d beside the store. */
const char *flo__store_files(const struct flo__journal *journal);

/* A read-only view; independent of writers, sees what is committed. */
struct flo__reader;

/* FLO_NOTFOUND if there is no store at @path. */
flo_status flo__reader_open(const char *path, flo_error *err,
			    struct flo__reader **ret_reader);
void flo__reader_close(struct flo__reader *reader);
const char *flo__reader_files(const struct flo__reader *reader);

/*
 * A run as the store knows it. status is running or queued for a run that some
 * engine owns, interrupted for one that nobody owns and that has not ended.
 * All pointers are borrowed until the next call with this reader.
 */
struct flo__run_row {
	struct flo__run_record record;
	enum flo__state status;
	int64_t started_us;	   /* 0: not yet */
	int64_t finished_us;	   /* 0: not yet */
	const char *finished_json; /* the run.finished event, or NULL */
};

/* One run: FLO_NOTFOUND. An unambiguous prefix of an id is enough. */
flo_status flo__reader_run(struct flo__reader *reader, const char *id,
			   flo_error *err, struct flo__run_row *ret_row);
/* The newest @max runs (0: all), newest first; without their texts. */
flo_status flo__reader_runs(struct flo__reader *reader, size_t max,
			    flo_status (*fn)(void *arg,
					     const struct flo__run_row *row),
			    void *arg, flo_error *err);
/* A run's events in order, as JSON. The id is exact. */
flo_status flo__reader_events(struct flo__reader *reader, const char *id,
			      flo_status (*fn)(void *arg, const char *json,
					       size_t len),
			      void *arg, flo_error *err);
/*
 * Check a run's hash chain, and that one that has ended does so with its
 * run.finished. FLO_CORRUPT names the first event that is wrong. The id is
 * exact.
 */
flo_status flo__reader_verify(struct flo__reader *reader, const char *id,
			      flo_error *err);

#endif
