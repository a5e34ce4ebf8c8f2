/*
 * The store: durable runs in one SQLite file.
 */
#ifndef FLO_STORAGE_STORE_H
#define FLO_STORAGE_STORE_H

#include <flo/engine.h>

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
/*
 * The same for who is about to make room on a full disk: gives the ballast up
 * first and does not make it again. At FLO__STORE_POWER.
 */
flo_status flo__store_open_lean(const char *path, flo_error *err,
				struct flo__journal **ret_journal);
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
	int64_t interrupted_us;	   /* if it is: its last event; else 0 */
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
 * run.finished, which its row repeats. FLO_CORRUPT names the first event that is wrong. The id is
 * exact.
 */
flo_status flo__reader_verify(struct flo__reader *reader, const char *id,
			      flo_error *err);

/* --- check.c --- */

/*
 * Tell @fn all that can be told of the store at @path, as flo_store_check()
 * promises. Writes nothing. FLO_NOMEM; damage is no failure.
 */
flo_status flo__store_check(const char *path, flo_check_fn fn, void *arg,
			    flo_error *err);
/* Tell one thing; the text is formatted. @run and @remedy may be NULL. */
flo_status flo__store_check_tell(flo_check_fn fn, void *arg,
				 flo_check_level level, const char *name,
				 const char *run, const char *remedy,
				 const char *format, ...) FLO_PRINTF(7, 8);

/* --- prune.c --- */

/* Which runs are to go, and what became of it. */
struct flo__prune {
	int64_t before_us; /* ended earlier than that; INT64_MAX: whenever */
	uint64_t keep;	   /* but for the newest so many */
	unsigned states;   /* a bit for each enum flo__state */
	bool runs;	   /* false: delete no run, only sweep */
	/* Of each run that is deleted (or would be); @row lasts for the call. */
	flo_status (*fn)(void *arg, const struct flo__run_row *row);
	void *arg;

	/* out */
	uint64_t owned;	 /* ended runs that an engine still tidies up */
	uint64_t events; /* deleted; of deleted runs, not by a dry run */
	uint64_t dirs;	 /* of files: removed, or that belong to nobody */
	uint64_t left;	 /* files and directories that could not be removed */
	flo_error why;	 /* of the first of them */
	int64_t free;	 /* bytes in the file for later runs */
};

/*
 * Delete runs that have ended, and what belongs to no run. With @journal NULL
 * only look. Blocks, and lets others write in between. FLO_NOTFOUND: there is
 * no store; FLO_CORRUPT: nothing more was deleted; and others.
 */
flo_status flo__store_prune(struct flo__reader *reader,
			    struct flo__journal *journal,
			    struct flo__prune *prune, flo_error *err);

#endif
