/*
 * The journal: how the engine records runs. A struct of functions, so that
 * another store can stand in; storage/ implements it on SQLite.
 *
 * Promises a journal makes: appended events become durable in order and
 * completely or not at all up to some point; an event whose notify() reported
 * FLO_OK survives whatever the durability level says; a run has one owner at a
 * time; a journal that failed once (disk full, I/O error) accepts nothing more
 * and says why.
 *
 * Threads: any; append() and notify() never wait for a disk.
 */
#ifndef FLO_ENGINE_JOURNAL_H
#define FLO_ENGINE_JOURNAL_H

#include "engine/event.h"

struct flo__journal;	 /* the store as the engine sees it */
struct flo__run_journal; /* one run, owned */

/* What is pinned when a run begins, so that resume depends on no file. */
struct flo__run_record {
	const char *id;
	const char *trace_id;	 /* 32 hex digits */
	const char *parent_span; /* 16 hex digits of TRACEPARENT, or "" */
	const char *pipeline;	 /* its name */
	const char *file;	 /* as given; for people */
	const char *dir;	 /* absolute: where relative paths start */
	const char *text;	 /* the document */
	size_t text_len;
	const char *params; /* the bound params as JSON */
	uint32_t limit;	    /* --limit; 0: none */
	int64_t created_us;
	/* Of a rerun, when it is made; nothing where a record is read back:
	 * there it is in the run.queued. */
	struct flo__rerun rerun;
};

/*
 * Called for each event after it is durable, in order, on a thread of the
 * journal's: it must not block for long nor call the journal.
 */
typedef void (*flo__journal_observer)(void *arg, const char *json, size_t len);

/* Called once: FLO_OK when durable, else why it never will be. May be called
 * before notify() returns, and on a thread of the journal's. */
typedef void (*flo__journal_notify_fn)(void *arg, flo_status status);

/* What somebody may ask of whoever owns a run: append only. */
enum flo__request {
	FLO__REQUEST_STOP = 1, /* cancel it */
	FLO__REQUEST_KILL = 2, /* cancel it at once and without finally */
};

/*
 * Called once for each kind of request, with a reason for people, on a thread
 * of the journal's: it must not block for long nor call the journal, except
 * append().
 */
typedef void (*flo__journal_heed_fn)(void *arg, enum flo__request kind,
				     const char *why);

struct flo__journal_ops {
	/*
	 * Record a new run and own it; durable on return. Blocks. A rerun has
	 * its run.queued then, so that nobody can take it for another run.
	 * FLO_EXISTS if the id is taken.
	 */
	flo_status (*create)(struct flo__journal *journal,
			     const struct flo__run_record *record,
			     flo__journal_observer observer, void *arg,
			     flo_error *err, struct flo__run_journal **ret_run);
	/*
	 * Own an existing run that nobody owns, in order to go on with it.
	 * Verifies its hash chain. *@ret_record is borrowed until close().
	 * Blocks. FLO_NOTFOUND; FLO_BUSY: an engine owns it; FLO_CLOSED: it has
	 * ended; FLO_CORRUPT.
	 */
	flo_status (*open)(struct flo__journal *journal, const char *id,
			   flo__journal_observer observer, void *arg,
			   flo_error *err, struct flo__run_journal **ret_run,
			   const struct flo__run_record **ret_record);
	/* Give every event recorded so far, in order, to @fn. Blocks. */
	flo_status (*replay)(struct flo__run_journal *run,
			     flo_status (*fn)(void *arg, const char *json,
					      size_t len, flo_error *err),
			     void *arg, flo_error *err);
	/*
	 * Take an event (copied) and give it the next sequence number. Does
	 * not wait. FLO_AGAIN: too much is queued, nothing was taken; wait for
	 * the last event with notify() and try again. After a failure of the
	 * store: its status, always.
	 */
	flo_status (*append)(struct flo__run_journal *run,
			     struct flo__event *event);
	/* Ask to be told when event @seq is durable; makes the commit happen
	 * now instead of after the linger. */
	void (*notify)(struct flo__run_journal *run, uint64_t seq,
		       flo__journal_notify_fn fn, void *arg);
	/*
	 * Ask something of the owner of run @id, in whatever process, or of the
	 * one who will open it; durable on return. Blocks. @why: a reason,
	 * copied. FLO_NOTFOUND; FLO_CLOSED: it has ended.
	 */
	flo_status (*request)(struct flo__journal *journal, const char *id,
			      enum flo__request kind, const char *why,
			      flo_error *err);
	/*
	 * Have @fn called for what is asked of the run, within some 200 ms, and
	 * for what was asked before. Once for a run; until close().
	 */
	void (*heed)(struct flo__run_journal *run, flo__journal_heed_fn fn,
		     void *arg);
	/* The detail behind the journal's failure; untouched if it has none. */
	void (*failure)(struct flo__run_journal *run, flo_error *ret_err);
	/* Commit what is left, fold the run's state if it has ended, give up
	 * the ownership, free. Blocks. */
	flo_status (*close)(struct flo__run_journal *run, flo_error *err);
};

struct flo__journal {
	const struct flo__journal_ops *ops;
};

#endif
