/*
 * What the files of the store share. Nothing outside storage/ includes it.
 *
 * Who touches what:
 *
 *   callers           run_journal.c: append and notify take a run's lock for
 *                     a moment; create, open, replay and close block
 *   the writer        writer.c: the one thread of a store that owns the write
 *                     connection. Callers leave events in their run's queue
 *                     and work for it (struct flo__store_op) in the store's
 *   readers           reader.c: connections of their own, any thread, one at
 *                     a time
 *
 * Locks: flo__store.lock, then flo__run_journal.lock; never the other way
 * round, and neither is held while SQLite or a callback runs.
 */
#ifndef FLO_STORAGE_STORE_P_H
#define FLO_STORAGE_STORE_P_H

#include "storage/conn_p.h"
#include "storage/lease_p.h"
#include "storage/store.h"

#include <pthread.h>
#include <stdatomic.h>

/* A queue of events holds so many, or so many bytes and one event more. */
#define FLO__QUEUE_EVENTS_MAX 16384
#define FLO__QUEUE_BYTES_MAX  (4u << 20)
/* One event's JSON; outputs have lower limits of their own. */
#define FLO__EVENT_BYTES_MAX (64u << 20)
/* How long events wait for company when nobody waits for them. */
#define FLO__LINGER_NS (5 * FLO__NS_PER_MS)
/*
 * Pages of WAL that are worth a checkpoint: when idle, or when commits are so
 * small that they write the same few pages again and again (few to copy, and a
 * WAL that is overwritten syncs in 155 us where one that grows takes 230-315);
 * and under load.
 */
#define FLO__WAL_IDLE_PAGES   1000
#define FLO__WAL_COMMIT_PAGES 4
#define FLO__WAL_BUSY_PAGES   16384
/* More is left to a thread (checkpoint.c); and so long may the WAL become. */
#define FLO__WAL_OWN_PAGES 4000
#define FLO__WAL_PAGES_MAX 65536
/* How long nothing must come before the writer calls itself idle. */
#define FLO__IDLE_NS (50 * FLO__NS_PER_MS)
/*
 * A caller that waits for one commit and at once asks for the next is met by
 * a writer that is still awake: it spins so long if the last one who waited
 * came so soon after the commit before.
 */
#define FLO__SPIN_NS	  50000
#define FLO__SPIN_SOON_NS 100000
/* How often the writer looks whether something was asked of its runs. */
#define FLO__LOOK_NS (200 * FLO__NS_PER_MS)
/* Given up when the disk is full, so that what is queued can be written. */
#define FLO__BALLAST_SIZE (1u << 20)

struct flo__waiter {
	struct flo__waiter *next;
	uint64_t seq;
	flo__journal_notify_fn fn;
	void *arg;
};

/* Events of a run on their way to the disk, one frame after another. */
struct flo__event_queue {
	struct flo__strbuf bytes;
	uint32_t count;
	uint64_t last; /* seq of the last event; 0: empty */
};

struct flo__run_journal {
	/* constant after create or open */
	struct flo__store *store;
	int64_t row; /* of table runs; also its byte in the lock file */
	int64_t epoch;
	struct flo__run_record record; /* points into record_mem, owned */
	void *record_mem;
	flo__journal_observer observer; /* or NULL */
	void *observer_arg;

	/* by store->lock */
	flo__journal_heed_fn heed; /* or NULL */
	void *heed_arg;
	struct flo__run_journal *next;	     /* store->runs */
	struct flo__run_journal *dirty_next; /* store->dirty */

	pthread_mutex_t lock;
	/* by lock */
	struct flo__event_queue fill;
	struct flo__waiter *waiters; /* in the order of notify() */
	struct flo__waiter **waiters_end;
	uint64_t seq;		      /* last that was given out */
	uint64_t taken;		      /* last that the writer has taken */
	uint64_t durable;	      /* last that is committed */
	uint8_t hash[FLO__HASH_SIZE]; /* of event seq */
	bool queued;		      /* is or is about to be in store->dirty */
	bool ended;		      /* run.finished was appended */
	flo_error failure;	      /* sticky; FLO_OK: none */

	/* writer only */
	struct flo__event_queue drain;
	struct flo__run_journal *batch_next; /* in the same commit */
	bool fenced;	 /* the lease row names another owner */
	unsigned heeded; /* kinds of requests that were told, a bit each */
	uint64_t looks;	 /* the last look that has come by */

	/* whoever runs open, replay or close: one at a time */
	struct flo__reader *reader; /* or NULL */
};

/* Work for the writer thread, on the stack of a caller that waits. */
struct flo__store_op {
	flo_status (*fn)(struct flo__store *store, void *arg, flo_error *err);
	void *arg;
	flo_error *err;
	flo_status status; /* by store->lock, like what follows */
	bool done;
	struct flo__store_op *next;
};

struct flo__store {
	struct flo__journal journal; /* first: the engine's view of it */

	/* constant after open */
	char *path;  /* absolute, without symbolic links */
	char *files; /* PATH.d */
	enum flo__store_durability durability;
	int lock_fd; /* PATH.lock: see lease_p.h */
	struct flo__owner owner;
	bool lean; /* opened on a full disk: without the ballast */

	/* writer only, once it runs */
	struct flo__conn db;
	int wal_pages;	 /* in the WAL after the last commit */
	int wal_copied;	 /* of these, copied into the database */
	int wal_commits; /* since the last checkpoint */
	struct flo__checkpointer *checkpointer; /* NULL: not needed so far */
	bool no_checkpointer;			/* it cannot be had */
	bool copying;		/* the checkpointer has been asked */
	uint64_t idle_since_ns; /* end of the last work */
	bool hot;		/* the last one who waited came soon */
	bool writing; /* a write transaction is open, byte 0 is locked */
	bool ballast; /* there is a ballast file to give up */
	int64_t data_version; /* at the last look for requests */
	uint64_t looks;	      /* how many there were */

	/* atomic, relaxed: counts those who wait, for the spinning writer,
	   which looks again under the lock */
	atomic_uint calls;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work; /* to the writer */
	pthread_cond_t done; /* from the writer: some op is done */
	/* by lock */
	struct flo__run_journal *runs; /* every one that is open */
	struct flo__run_journal *dirty;
	struct flo__run_journal **dirty_end;
	uint64_t dirty_since_ns; /* when dirty became non-empty */
	struct flo__store_op *ops;
	struct flo__store_op **ops_end;
	unsigned heeding;   /* runs with a heed function */
	bool look_now;	    /* though the file has not changed */
	uint64_t looked_ns; /* when the writer looked last */
	bool urgent;	    /* someone waits for what is queued */
	bool stopping;	    /* commit what there is, then end */
	flo_error failure;  /* sticky; FLO_OK: none */
};

/* --- writer.c --- */

flo_status flo__writer_start(struct flo__store *store, flo_error *err);
/* Commit what is queued and join the thread. */
void flo__writer_stop(struct flo__store *store);
/* Wait until everything that is queued now is committed, or has failed. */
void flo__writer_flush(struct flo__store *store);
/* Tell @run's observer of what is in its drain, which is durable. Writer only. */
void flo__writer_show(const struct flo__run_journal *run);
/*
 * Have @fn(@arg) run on the writer thread after everything that is queued now,
 * and wait for it. After a failure of the store @fn does not run.
 */
flo_status flo__writer_call(struct flo__store *store,
			    flo_status (*fn)(struct flo__store *store,
					     void *arg, flo_error *err),
			    void *arg, flo_error *err);
/* The run has something in its queue; @urgent: somebody waits. */
void flo__writer_wake(struct flo__store *store, struct flo__run_journal *dirty,
		      bool urgent);

/* Writer only: a write transaction, alone among all processes. */
flo_status flo__store_begin(struct flo__store *store, flo_error *err);
flo_status flo__store_commit(struct flo__store *store, flo_error *err);
/* Safe without a transaction. */
void flo__store_rollback(struct flo__store *store);
/* Write the batch that @run has in drain, in the transaction that is open. */
flo_status flo__batch_write_run(struct flo__store *store,
				struct flo__run_journal *run, flo_error *err);
/* One transaction with the batches that @runs have in drain (batch.c). */
flo_status flo__batch_write(struct flo__store *store,
			    struct flo__run_journal *runs, flo_error *err);

/* --- checkpoint.c: writer only, or once it has ended --- */

/* Whether flo__checkpoint() has something to do; @idle: there is time. */
bool flo__checkpoint_due(const struct flo__store *store, bool idle);
/*
 * Copy what no reader needs any more from the WAL to the database, or have it
 * copied, which goes on after return. An error ends the store.
 */
flo_status flo__checkpoint(struct flo__store *store, flo_error *err);
void flo__checkpointer_stop(struct flo__store *store);
flo_status flo__conn_synchronous(struct flo__conn *db,
				 enum flo__store_durability durability,
				 flo_error *err);

/* --- run_journal.c, own.c, queue.c --- */

extern const struct flo__journal_ops flo__store_journal_ops;

flo_status flo__store_run_create(struct flo__journal *journal,
				 const struct flo__run_record *record,
				 flo__journal_observer observer, void *arg,
				 flo_error *err,
				 struct flo__run_journal **ret_run);
flo_status flo__store_run_open(struct flo__journal *journal, const char *id,
			       flo__journal_observer observer, void *arg,
			       flo_error *err,
			       struct flo__run_journal **ret_run,
			       const struct flo__run_record **ret_record);
flo_status flo__store_run_close(struct flo__run_journal *run, flo_error *err);

/*
 * Make @error the end of @run. Returns those who wait for what now never
 * comes: give them to flo__waiters_tell() without any lock held.
 */
struct flo__waiter *flo__store_run_fail(struct flo__run_journal *run,
					const flo_error *error);
/* Events up to @seq are durable. Returns those who waited for them. */
struct flo__waiter *flo__store_run_advance(struct flo__run_journal *run,
					   uint64_t seq);
/* Call each of @waiters and free them. */
void flo__waiters_tell(struct flo__waiter *waiters, flo_status status);

/* One event in a queue; the bytes belong to the queue. */
struct flo__queued_event {
	uint64_t seq;
	int64_t ts_us;
	uint32_t attempt;
	enum flo__event_kind kind;
	enum flo__state state; /* of the run or step after it */
	const char *path;      /* NUL-terminated, or NULL */
	uint32_t path_len;
	const char *body; /* NUL-terminated */
	uint32_t body_len;
	const uint8_t *hash;
};

/*
 * Encode @event at the end of the queue, chained to @hash, which becomes the
 * event's own. Nothing is changed on failure: FLO_NOMEM, FLO_LIMIT.
 */
flo_status flo__queue_put(struct flo__event_queue *queue,
			  const struct flo__run_record *record,
			  const struct flo__event *event,
			  uint8_t hash[FLO__HASH_SIZE]);
/* Read the frame at *@at and move on; false at the end. */
bool flo__queue_next(const struct flo__event_queue *queue, size_t *at,
		     struct flo__queued_event *ret_event);
void flo__queue_reset(struct flo__event_queue *queue);

/* --- request.c --- */

flo_status flo__store_request(struct flo__journal *journal, const char *id,
			      enum flo__request kind, const char *why,
			      flo_error *err);
void flo__store_run_heed(struct flo__run_journal *run, flo__journal_heed_fn fn,
			 void *arg);
/* No more for @run: sure once the writer has done something after that. */
void flo__store_run_unheed(struct flo__run_journal *run);
/* Holds the lock. When the next look is due; 0: never. */
uint64_t flo__requests_due_ns(const struct flo__store *store);
/* Writer only: tell the runs what was asked of them. */
void flo__requests_look(struct flo__store *store);
/* Writer only, in a transaction: @run has ended. */
flo_status flo__requests_drop(struct flo__store *store, int64_t row,
			      flo_error *err);

/* --- fold.c --- */

/* Writer only, in a transaction: what @event changes in the run's row. */
flo_status flo__fold_event(struct flo__store *store,
			   const struct flo__run_journal *run,
			   const struct flo__queued_event *event,
			   flo_error *err);

/* --- create.c --- */

/*
 * Make an empty store at @path, private to its user, if there is no file.
 * Requires: the right to write.
 */
flo_status flo__store_create(const char *path, flo_error *err);

/* --- ballast.c --- */

flo_status flo__ballast_make(struct flo__store *store, flo_error *err);
/* False if there is none left to give. */
bool flo__ballast_give_up(struct flo__store *store);

/* --- reader.c, reader_runs.c, walk.c --- */

struct flo__reader {
	struct flo__conn db;
	char *path;  /* absolute, without symbolic links */
	char *files; /* PATH.d */
	int lock_fd; /* PATH.lock for reading; -1: not there (yet) */
	void *mem;   /* what the last row that was given out points into */
};

/*
 * The row of the run with this very id, without a look at who owns it. Its
 * strings are in one block, *@ret_mem, which the caller frees.
 */
flo_status flo__reader_row(struct flo__reader *reader, const char *id,
			   flo_error *err, int64_t *ret_row,
			   struct flo__run_row *ret, void **ret_mem);

/* Copy the row that RUN_BY_ID or RUN_PAGE is at: FLO_NOMEM, FLO_CORRUPT. */
flo_status flo__reader_copy(struct flo__reader *reader, sqlite3_stmt *stmt,
			    flo_error *err, struct flo__run_row *ret,
			    void **ret_mem);
/* Whether some engine owns the run in row @row at this moment. */
bool flo__reader_held(struct flo__reader *reader, int64_t row);
/* Make @run, in row @row, one that is interrupted. */
flo_status flo__reader_interrupted(struct flo__reader *reader, int64_t row,
				   flo_error *err, struct flo__run_row *run);

/* A walk over a run's events, in order. */
struct flo__walk {
	int64_t row;
	/* if set, the hash chain is checked, not only the numbers */
	const struct flo__run_record *record;
	flo_status (*fn)(void *arg, const char *json, size_t len,
			 flo_error *err); /* or NULL */
	void *arg;

	/* out: of the last event */
	uint64_t seq;
	enum flo__event_kind kind;
	uint8_t hash[FLO__HASH_SIZE];
};

/* No transaction is open while @walk->fn runs, however long it takes. */
flo_status flo__reader_walk(struct flo__reader *reader, struct flo__walk *walk,
			    flo_error *err);

/* --- sweep.c --- */

/* Directories below PATH.d that belong to no run. */
struct flo__sweep {
	struct flo__reader *reader;
	struct flo__store *store; /* NULL: only look */

	/* out */
	uint64_t dirs; /* found, and removed if there is a store */
	uint64_t left; /* what could not be looked at or removed */
	flo_error why; /* of the first of them */
};

flo_status flo__sweep_files(struct flo__sweep *sweep, flo_error *err);
/*
 * Writer only, in the transaction that creates run @id: what an earlier run of
 * that name has left is not the new one's.
 */
flo_status flo__sweep_before(struct flo__store *store, const char *id,
			     flo_error *err);
/*
 * Give each range of row numbers that have events (at least the first) and no
 * run to @fn; it may delete them. FLO_CORRUPT if the table of runs is damaged,
 * so that nobody can say.
 */
flo_status flo__sweep_events(struct flo__reader *reader,
			     flo_status (*fn)(void *arg, int64_t first,
					      int64_t last, flo_error *err),
			     void *arg, flo_error *err);

#endif
