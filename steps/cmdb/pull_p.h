/*
 * What the sources of cmdb.pull share. A source is one of the arguments `file`,
 * `command` and their like, in a file of its own; pull.c chooses, and reports.
 */
#ifndef FLO_CMDB_PULL_P_H
#define FLO_CMDB_PULL_P_H

#include "steps/cmdb/mapping.h"
#include "steps/cmdb/split.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

/* Pointers in `records`. */
#define FLO__PULL_RECORDS_MAX 64

/* A pull that is being done. What it points at is borrowed from `with`. */
struct flo__pull_job {
	flo_step_call *call;
	const flo_value *with; /* all arguments */
	const char *db;
	struct flo__cdb *cdb; /* the same, open; for read() */
	const char *source;
	const char *records[FLO__PULL_RECORDS_MAX];
	size_t records_len;
	const char *gone;	      /* a pointer, or NULL */
	struct flo__mapping *mapping; /* owned by pull.c; NULL: none */
	const char *from; /* the source's: what errors call it; or NULL */
	const char *unit; /* what errors call a record; NULL: "record", and its
			   * first byte is told, too */
	uint32_t page;	  /* which one is read; 0: there is but one */
	bool of_record;	  /* what has failed is not the document that is read:
			   * the error names a record's page, if anything's */
	char inside[64];  /* a document that is one record has records there */
	uint64_t bytes;	  /* the source's, in all */
	struct flo__pull done;
};

/*
 * A kind of source. The calls come in this order, close() always:
 *
 * open() checks the argument and prepares what can be prepared without the
 * database: it is called in the coroutine, outside of blocking regions, so that
 * it may park, run programs and talk to servers; it brackets what blocks
 * itself. It sets @job->from as soon as it knows it, to "" while its errors
 * name it themselves. *@ret_state is for the
 * other two calls; after a failure it may be set too, and close() is called.
 *
 * read() adds the records to @stage, with flo__pull_split() or
 * flo__pull_split_watch(). It is called within the database's blocking region,
 * and in no other; it may park.
 *
 * close() frees @state, which may be NULL. Outside of blocking regions; it is
 * quick.
 */
struct flo__pull_kind {
	const char *name; /* of the argument */
	flo_status (*open)(struct flo__pull_job *job, const flo_value *arg,
			   flo_error *err, void **ret_state);
	flo_status (*read)(struct flo__pull_job *job, void *state,
			   struct flo__stage *stage, flo_error *err);
	void (*close)(void *state);
};

extern const struct flo__pull_kind flo__pull_file;
extern const struct flo__pull_kind flo__pull_command;
extern const struct flo__pull_kind flo__pull_sqlite;
#define FLO__PULL_SQLITE_MEMBERS 4
extern const flo_step_param flo__pull_sqlite_members[FLO__PULL_SQLITE_MEMBERS];
extern const struct flo__pull_kind flo__pull_http;

/* The members of "http". */
#define FLO__HTTP_PARAMS 12
extern const flo_step_param flo__http_params[FLO__HTTP_PARAMS];

/*
 * Cut what @fd (borrowed) gives, from where it stands, into records as
 * `records` says, and add each to @stage. Its bytes are added to @job->bytes.
 * Errors name the record and its first byte. Blocks.
 */
flo_status flo__pull_split(struct flo__pull_job *job, int fd,
			   struct flo__stage *stage, flo_error *err);

/*
 * Values that are wanted of a document besides its records: JSON pointers,
 * borrowed, and afterwards the scalars there as JSON text, owned by the caller;
 * NULL: there is none, or it is null.
 */
struct flo__pull_watch {
	const char *pointers[FLO__SPLIT_WATCH_MAX];
	char *seen[FLO__SPLIT_WATCH_MAX];
	size_t len;
	bool lines; /* afterwards: the document was NDJSON */
};

/*
 * As flo__pull_split(), and look for @watch. Where the document is an array of
 * records or NDJSON, the pointers lead into the records, and the last one that
 * has a value counts.
 */
flo_status flo__pull_split_watch(struct flo__pull_job *job, int fd,
				 struct flo__stage *stage,
				 struct flo__pull_watch *watch, flo_error *err);

/*
 * The text of @json, a scalar that was seen at @pointer: a string's characters,
 * a number as it is written. *@ret_text is the caller's: flo__free(). FLO_TYPE,
 * FLO_NOMEM.
 */
flo_status flo__pull_scalar(const char *json, const char *pointer,
			    flo_error *err, char **ret_text);

/*
 * Make a file without a name beside the database, where there is room for it,
 * to read and write. *@ret_fd is the caller's. Blocks, bracketed.
 */
flo_status flo__pull_spool(const struct flo__pull_job *job, flo_error *err,
			   int *ret_fd);

#endif
