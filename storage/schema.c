/*
 * The format of a store, and why it survives.
 *
 * FILES
 *
 *   PATH          an SQLite database in WAL mode, 0600 (with PATH-wal and
 *                 PATH-shm beside it while it is in use, or after a crash).
 *                 Nothing but SQLite opens it: POSIX drops a process's locks
 *                 on a file when any descriptor of it is closed
 *   PATH.lock     empty; kernel locks on its bytes say who may write
 *                 (lease_p.h). Never deleted, not even when unused: whoever
 *                 deletes a lock file locks nobody out of the next one
 *   PATH.d/       0700; logs and other files of runs
 *   PATH.d/trash  what is being removed (sweep.c)
 *   PATH.d/ballast  1 MiB that is given back when the disk is full
 *
 * TABLES
 *
 *   events   the truth: append only, written in key order. `id` is the run's
 *            row in the upper 32 bits and the event's number below, so that
 *            appending is what SQLite does fastest (a rowid table appended at
 *            its right edge; a WITHOUT ROWID table with the key (run, seq)
 *            costs half as much again at large commits, and double at small
 *            ones). `body` is the event's JSON. kind, path, attempt, ts_us and
 *            state repeat what the body says, for the fold. The view
 *            run_events shows run and seq as columns.
 *   runs     one row a run: what was pinned when it began, which never
 *            changes, and its state as folded from its events. The columns
 *            started_us, finished_us, status and finished_json are written in
 *            the transaction of the event they repeat, so that no reader sees
 *            one without the other.
 *   steps    a view: one row a leaf, folded from the events when somebody
 *            looks, so that it is right while a run goes on too. As a table
 *            written at the end of a run it cost 3 us a leaf, more than the
 *            leaf's events did, and nothing of ours reads it: show wants what
 *            only the events' bodies have.
 *   leases   who owns a run, with a number that grows each time: see below.
 *   requests what other processes want of a run's owner: one row a run and
 *            kind (engine/journal.h), gone when the run has ended. Since
 *            version 2.
 *
 * WHY A PREFIX SURVIVES. A transaction holds a batch of events, and SQLite's
 * WAL keeps the committed transactions up to some point and nothing of the
 * rest. Events are numbered and queued under one lock, and the writer takes
 * the queue from its front; so what is in the file is, for each run, events
 * 1..n. At durability `power` each commit is synced before anybody hears of
 * it; at `process` the page cache keeps it, which outlives a process.
 *
 * WHY DAMAGE IS NOTICED. SQLite does not checksum pages of the database; 200
 * bytes overwritten inside a page pass its integrity check. So each event has
 * a link: XXH3-128 of (the link before, seq, body), where the first link is
 * the hash of what was pinned. Whoever resumes a run or verifies it walks the
 * chain: a changed, lost, added or swapped event breaks it at its number. Two
 * things it does not see: events cut off at the end of a run that has not
 * ended (for an ended run the last must be run.finished), and a forger, since
 * the hash has no key.
 *
 * WHY A RUN HAS ONE ENGINE. An engine holds the kernel lock on the run's byte;
 * the kernel gives it back when the engine dies, whatever killed it. The lease
 * row fences what locks cannot (a lock service that forgets, a file system
 * that lies): each owner writes its name and the next epoch, and every write
 * transaction of the run checks that both are still there.
 *
 * VERSIONS. `user_version` counts migrations, which only go forward, one
 * transaction each. A newer file is refused. Enumerations are stored as their
 * numbers (engine/event.h: append only).
 */
#include "storage/conn_p.h"

#include "base/contract.h"
#include "engine/event.h"

/* The numbers in the view's text. */
_Static_assert(FLO__EVENT_STEP_STARTED == 5 && FLO__EVENT_STEP_FINISHED == 6,
	       "kinds are append only");

#define APPLICATION_ID 0x666c6f77 /* "flow" */
#define TEXT2(x)       #x
#define TEXT(x)	       TEXT2(x)

/* migrations[n] brings a file from version n to n + 1. */
static const char *const migrations[] = {
	"CREATE TABLE runs ("
	" run INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE,"
	" trace_id TEXT NOT NULL,"
	" parent_span TEXT NOT NULL,"
	" pipeline TEXT NOT NULL,"
	" file TEXT NOT NULL,"
	" dir TEXT NOT NULL,"
	" text TEXT NOT NULL,"
	" params TEXT NOT NULL,"
	" step_limit INTEGER NOT NULL,"
	" created_us INTEGER NOT NULL,"
	" status INTEGER NOT NULL,"
	" started_us INTEGER NOT NULL DEFAULT 0,"
	" finished_us INTEGER NOT NULL DEFAULT 0,"
	" finished_json TEXT"
	") STRICT;"
	"CREATE TABLE events ("
	" id INTEGER PRIMARY KEY,"
	" kind INTEGER NOT NULL,"
	" path TEXT,"
	" attempt INTEGER NOT NULL,"
	" ts_us INTEGER NOT NULL,"
	" state INTEGER NOT NULL,"
	" body TEXT NOT NULL,"
	" hash BLOB NOT NULL"
	") STRICT;"
	"CREATE VIEW run_events AS SELECT id >> 32 AS run,"
	" id & 4294967295 AS seq, kind, path, attempt, ts_us, state, body, hash"
	" FROM events;"
	/* the last event's number and state travel as one number, because two
	   aggregates give no row of their own */
	"CREATE VIEW steps AS SELECT run, id, path, tail & 255 AS state,"
	" attempts, started_us, finished_us, tail >> 8 AS last_seq"
	" FROM (SELECT r.run, r.id, e.path, max(e.attempt) AS attempts,"
	" min(CASE e.kind WHEN 5 THEN e.ts_us END) AS started_us,"
	" max(CASE e.kind WHEN 6 THEN e.ts_us END) AS finished_us,"
	" max((e.id & 4294967295) << 8 | e.state) AS tail"
	" FROM runs AS r JOIN events AS e"
	" ON e.id BETWEEN r.run << 32 AND (r.run << 32) + 4294967295"
	" WHERE e.path IS NOT NULL GROUP BY r.run, e.path);"
	"CREATE TABLE leases ("
	" run INTEGER PRIMARY KEY,"
	" owner TEXT NOT NULL,"
	" boot_id TEXT NOT NULL,"
	" pid INTEGER NOT NULL,"
	" starttime INTEGER NOT NULL,"
	" epoch INTEGER NOT NULL"
	") STRICT;"
	"PRAGMA application_id = " TEXT(
		APPLICATION_ID) ";"
				"PRAGMA user_version = 1;",
	"CREATE TABLE requests ("
	" run INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" why TEXT NOT NULL,"
	" at_us INTEGER NOT NULL,"
	" PRIMARY KEY (run, kind)"
	") STRICT, WITHOUT ROWID;"
	"PRAGMA user_version = 2;",
};

_Static_assert(sizeof(migrations) / sizeof(migrations[0]) ==
		       FLO__SCHEMA_VERSION,
	       "a migration for each version");

flo_status flo__schema_check(struct flo__conn *db, flo_error *err,
			     int *ret_version)
{
	int64_t version = 0, application = 0, tables = 0;
	flo_status st;

	TRY(flo__conn_int(db, "PRAGMA user_version", err, &version));
	TRY(flo__conn_int(db, "PRAGMA application_id", err, &application));
	if (application != APPLICATION_ID) {
		TRY(flo__conn_int(db, "SELECT count(*) FROM sqlite_schema", err,
				  &tables));
		if (tables != 0 || version != 0 || application != 0)
			st = flo_error_set(
				err, FLO_CORRUPT,
				"%s is the SQLite database of another program, "
				"not a flowctl store; name another file with "
				"--store",
				db->path);
		goto out;
	}
	if (version > FLO__SCHEMA_VERSION)
		st = flo_error_set(
			err, FLO_VERSION,
			"%s was written by a newer flowctl (format %lld, this "
			"one knows up to %d); use that version, or another "
			"file with --store",
			db->path, (long long)version, FLO__SCHEMA_VERSION);
	if (version < 1)
		st = flo_error_set(err, FLO_CORRUPT,
				   "%s has an impossible format number; "
				   "restore it from a copy",
				   db->path);
out:
	if (st == FLO_OK)
		*ret_version = (int)version;
	return st;
}

static flo_status apply(struct flo__conn *db, int version, flo_error *err)
{
	flo_status st;

	TRY(flo__conn_exec(db, "BEGIN IMMEDIATE", err));
	TRY(flo__conn_exec(db, migrations[version], err));
	TRY(flo__conn_exec(db, "COMMIT", err));
out:
	if (st != FLO_OK && !sqlite3_get_autocommit(db->sqlite))
		flo__conn_exec(db, "ROLLBACK", NULL);
	return st;
}

flo_status flo__schema_migrate(struct flo__conn *db, flo_error *err)
{
	int version = 0;
	flo_status st;

	TRY(flo__schema_check(db, err, &version));
	for (; version < FLO__SCHEMA_VERSION; version++)
		TRY(apply(db, version, err));
	ENSURE(version == FLO__SCHEMA_VERSION);
out:
	return st;
}
