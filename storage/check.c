/*
 * Checking a store: whether all of it is there, whole, and whose.
 *
 * It reads as every reader does and writes nothing; what it says is of the
 * moment at which it looked. Three things change while it looks, and none is
 * taken for damage: a run gets on (its events are checked as far as they are
 * committed when its turn comes), a run ends, and a run is deleted (its row
 * goes first, so a chain that does not hold counts only if the row is there
 * afterwards).
 *
 * Damage is what it is for, so no statement is trusted to come to its end. The
 * names of runs come from the table and from its index, which do not share a
 * page; what cannot be read is told with the error, and the rest goes on.
 */
#include "storage/check_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where SQLite's check leaves off: as FLO__SQL_INTEGRITY says. */
#define INTEGRITY_PLACES_MAX 20

#define RESTORE                                                                \
	"restore the store from a copy, with its -wal; runs that are not "     \
	"named here are whole"

struct name {
	int64_t row;
	char *id; /* owned */
};

struct looked {
	struct flo__check check;
	struct flo__reader *reader;
	struct name *names; /* owned; by row, each once */
	size_t len, cap;
	size_t damaged, owned, interrupted;
};

/* Only what keeps the check from going on is an error of the check. */
static flo_status tell_error(struct looked *l, const char *name,
			     const char *run, flo_status st, flo_error *why)
{
	if (st != FLO_NOMEM)
		st = TELL(&l->check, PROBLEM, name, run, RESTORE, "%s%s%s%s",
			  run != NULL ? "run " : "", run != NULL ? run : "",
			  run != NULL ? ": " : "",
			  why->text[0] != '\0' ? why->text
					       : flo_status_text(st));
	return st;
}

/* --- the file --- */

static flo_status check_version(struct looked *l, int64_t *ret_version)
{
	flo_error why = FLO_ERROR_INIT;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&l->reader->db, FLO__SQL_VERSION, &why, &stmt));
	TRY(flo__conn_step(&l->reader->db, stmt, &why, &row));
	*ret_version = row ? sqlite3_column_int64(stmt, 0) : 0;
	if (*ret_version == FLO__SCHEMA_VERSION)
		st = TELL(&l->check, OK, "format", NULL, NULL,
			  "a flowctl store of format %d", FLO__SCHEMA_VERSION);
	else
		st = TELL(&l->check, NOTE, "format", NULL,
			  "it is brought up to date when it is next opened for "
			  "writing",
			  "a flowctl store of the older format %lld",
			  (long long)*ret_version);
out:
	flo__conn_done(stmt);
	return why.status == FLO_OK ? st
				    : tell_error(l, "format", NULL, st, &why);
}

/* What SQLite finds damaged: how many places, and the first. */
struct damage {
	int places;
	char first[200];
};

/* Faults of pages come many in a row, a line each, below a heading. */
static void count_damage(struct damage *damage, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");

		if (len > 0 && strncmp(text, "***", 3) != 0 &&
		    damage->places++ == 0)
			snprintf(damage->first, sizeof(damage->first), "%.*s",
				 (int)len, text);
		text += len + (text[len] == '\n');
	}
}

static flo_status tell_damage(struct looked *l, const struct damage *damage)
{
	if (damage->places == 0)
		return TELL(&l->check, OK, "integrity", NULL, NULL,
			    "SQLite finds every page in its place");
	return TELL(&l->check, PROBLEM, "integrity", NULL, RESTORE,
		    "SQLite finds damage in %s%d place%s, the first: %s",
		    damage->places >= INTEGRITY_PLACES_MAX ? "at least " : "",
		    damage->places, damage->places == 1 ? "" : "s",
		    damage->first);
}

static flo_status check_integrity(struct looked *l)
{
	struct damage damage = {.places = 0};
	flo_error why = FLO_ERROR_INIT;
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__conn_get(&l->reader->db, FLO__SQL_INTEGRITY, &why, &stmt));
	for (;;) {
		const char *text;

		TRY(flo__conn_step(&l->reader->db, stmt, &why, &row));
		text = row ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
		if (!row || (text != NULL && strcmp(text, "ok") == 0))
			break;
		count_damage(&damage, text != NULL ? text : "damaged");
	}
out:
	flo__conn_done(stmt);
	/* What keeps it from going on comes of what it has found already. */
	if (st != FLO_OK && (damage.places == 0 || st == FLO_NOMEM))
		return tell_error(l, "integrity", NULL, st, &why);
	return tell_damage(l, &damage);
}

/* --- the names of all runs --- */

static flo_status add_name(struct looked *l, sqlite3_stmt *stmt)
{
	const char *id = (const char *)sqlite3_column_text(stmt, 1);
	struct name name = {.row = sqlite3_column_int64(stmt, 0)};

	if (id == NULL || name.row < 1 || name.row > FLO__RUN_ROW_MAX)
		return FLO_OK; /* SQLite's check has told of it */
	if (l->len == l->cap) {
		size_t cap = l->cap != 0 ? l->cap * 2 : 64;
		void *at = flo__realloc(l->names, cap * sizeof(*l->names));

		if (at == NULL)
			return FLO_NOMEM;
		l->names = at;
		l->cap = cap;
	}
	name.id = flo__strdup(id);
	if (name.id == NULL)
		return FLO_NOMEM;
	l->names[l->len++] = name;
	return FLO_OK;
}

static flo_status read_names(struct looked *l, enum flo__sql which)
{
	flo_error why = FLO_ERROR_INIT;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&l->reader->db, which, &why, &stmt));
	for (;;) {
		TRY(flo__conn_step(&l->reader->db, stmt, &why, &row));
		if (!row)
			break;
		TRY(add_name(l, stmt));
	}
out:
	flo__conn_done(stmt);
	return st == FLO_OK ? st : tell_error(l, "runs", NULL, st, &why);
}

static int by_row(const void *a, const void *b)
{
	const struct name *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void sort_names(struct looked *l)
{
	size_t kept = 0;

	if (l->len > 1)
		qsort(l->names, l->len, sizeof(*l->names), by_row);
	for (size_t i = 0; i < l->len; i++) {
		if (kept > 0 && by_row(&l->names[kept - 1], &l->names[i]) == 0)
			flo__free(l->names[i].id);
		else
			l->names[kept++] = l->names[i];
	}
	l->len = kept;
}

static void free_names(struct looked *l)
{
	for (size_t i = 0; i < l->len; i++)
		flo__free(l->names[i].id);
	flo__free(l->names);
}

/* --- each run --- */

/* Whether a row with that number is there: 1, 0, or -1 if it is damaged. */
static int has_row(struct looked *l, int64_t row)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	int has = -1;

	if (flo__conn_get(&l->reader->db, FLO__SQL_RUN_ENDED, NULL, &stmt) !=
	    FLO_OK)
		return -1;
	sqlite3_bind_int64(stmt, 1, row);
	if (flo__conn_step(&l->reader->db, stmt, NULL, &found) == FLO_OK)
		has = found;
	flo__conn_done(stmt);
	return has;
}

static flo_status check_chain(struct looked *l, const struct name *name)
{
	flo_error why = FLO_ERROR_INIT;
	flo_status st = flo__reader_verify(l->reader, name->id, &why);

	if (st == FLO_OK || st == FLO_NOMEM)
		return st;
	if (has_row(l, name->row) == 0)
		return FLO_OK; /* deleted meanwhile */
	l->damaged++;
	return tell_error(l, "chain", name->id, st, &why);
}

static flo_status tell_owner(struct looked *l, const struct name *name)
{
	struct flo__owner owner = {.pid = 0};
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	flo_status st;

	l->owned++;
	TRY(flo__conn_get(&l->reader->db, FLO__SQL_LEASE_OWNER, NULL, &stmt));
	sqlite3_bind_int64(stmt, 1, name->row);
	TRY(flo__conn_step(&l->reader->db, stmt, NULL, &found));
	if (found) {
		const char *boot = (const char *)sqlite3_column_text(stmt, 0);

		snprintf(owner.boot_id, sizeof(owner.boot_id), "%s",
			 boot != NULL ? boot : "");
		owner.pid = sqlite3_column_int64(stmt, 1);
		owner.starttime = sqlite3_column_int64(stmt, 2);
	}
	if (found && flo__owner_is_alive(&owner))
		st = TELL(&l->check, OK, "owner", name->id, NULL,
			  "run %s is carried out by process %lld", name->id,
			  (long long)owner.pid);
	else
		st = TELL(&l->check, NOTE, "owner", name->id,
			  "if nothing of it runs in another container, look "
			  "for who has the file PATH.lock open",
			  "run %s is held by a process that is not the one on "
			  "record (%lld)",
			  name->id, (long long)owner.pid);
out:
	flo__conn_done(stmt);
	return st == FLO_NOMEM ? st : FLO_OK;
}

/* As read_run() in reader.c: the row, the lock, and the row once more. */
static flo_status check_owner(struct looked *l, const struct name *name)
{
	char remedy[128];

	for (int look = 0; look < 2; look++) {
		struct flo__run_row row;
		void *mem = NULL;
		int64_t number = 0;
		flo_status st = flo__reader_row(l->reader, name->id, NULL,
						&number, &row, &mem);

		flo__free(mem);
		if (st == FLO_NOMEM)
			return st;
		/* damage was told of by its chain */
		if (st != FLO_OK || row.finished_us != 0)
			return FLO_OK;
		if (flo__reader_held(l->reader, number))
			return tell_owner(l, name);
	}
	l->interrupted++;
	snprintf(remedy, sizeof(remedy), "flowctl resume %.64s", name->id);
	return TELL(&l->check, NOTE, "owner", name->id, remedy,
		    "run %s was interrupted: its engine is gone", name->id);
}

static flo_status check_runs(struct looked *l)
{
	flo_status st;

	TRY(read_names(l, FLO__SQL_RUN_IDS));
	TRY(read_names(l, FLO__SQL_RUN_IDS_INDEXED));
	sort_names(l);
	for (size_t i = 0; i < l->len; i++) {
		TRY(check_chain(l, &l->names[i]));
		TRY(check_owner(l, &l->names[i]));
	}
	if (l->damaged == 0)
		TRY(TELL(&l->check, OK, "chain", NULL, NULL,
			 "every event of %zu runs matches its hash", l->len));
	if (l->owned == 0 && l->interrupted == 0)
		TRY(TELL(&l->check, OK, "owner", NULL, NULL,
			 "no run is under way or interrupted"));
out:
	return st;
}

/* --- what is left of others --- */

static flo_status check_requests(struct looked *l)
{
	flo_error why = FLO_ERROR_INIT;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	long long count;
	flo_status st;

	TRY(flo__conn_get(&l->reader->db, FLO__SQL_REQUEST_STALE, &why, &stmt));
	TRY(flo__conn_step(&l->reader->db, stmt, &why, &row));
	count = row ? (long long)sqlite3_column_int64(stmt, 0) : 0;
	if (count == 0)
		st = TELL(&l->check, OK, "requests", NULL, NULL,
			  "none waits for a run that has ended");
	else
		st = TELL(&l->check, NOTE, "requests", NULL,
			  "flowctl prune --sweep",
			  "%lld wait for runs that have ended or are gone",
			  count);
out:
	flo__conn_done(stmt);
	return why.status == FLO_OK ? st
				    : tell_error(l, "requests", NULL, st, &why);
}

static flo_status note_events(void *arg, int64_t first, int64_t last,
			      flo_error *err)
{
	(void)first;
	(void)last;
	(void)err;
	*(bool *)arg = true;
	return FLO_OK;
}

static flo_status check_leftovers(struct looked *l)
{
	struct flo__sweep files = {.reader = l->reader, .why = FLO_ERROR_INIT};
	flo_error why = FLO_ERROR_INIT;
	bool events = false;
	flo_status st;

	TRY(flo__sweep_events(l->reader, note_events, &events, &why));
	TRY(flo__sweep_files(&files, &why));
	if (files.left != 0)
		TRY(TELL(&l->check, PROBLEM, "leftovers", NULL,
			 "check its permissions, and that it is no link", "%s",
			 files.why.text));
	if (events || files.dirs != 0)
		st = TELL(&l->check, NOTE, "leftovers", NULL,
			  "flowctl prune --sweep",
			  "%llu directories%s belong to no run any more",
			  (unsigned long long)files.dirs,
			  events ? ", and events," : "");
	else if (files.left == 0)
		st = TELL(&l->check, OK, "leftovers", NULL, NULL,
			  "nothing belongs to no run");
out:
	return why.status == FLO_OK
		       ? st
		       : tell_error(l, "leftovers", NULL, st, &why);
}

/* --- the whole --- */

static flo_status look_inside(struct looked *l)
{
	int64_t version = 0;
	flo_status st;

	TRY(check_version(l, &version));
	TRY(check_integrity(l));
	TRY(check_runs(l));
	if (version >= 2)
		TRY(check_requests(l));
	TRY(check_leftovers(l));
out:
	return st;
}

static flo_status tell_none(struct looked *l, const char *path)
{
	return TELL(&l->check, OK, "store", NULL, NULL,
		    "no store yet at %s: the first `flowctl run` makes it",
		    path);
}

static flo_status look(struct looked *l, const char *path)
{
	flo_error why = FLO_ERROR_INIT;
	struct stat info;
	flo_status st;

	if (stat(path, &info) != 0 && errno == ENOENT)
		return tell_none(l, path);
	st = flo__reader_open(path, &why, &l->reader);
	if (st == FLO_NOTFOUND && info.st_size == 0)
		return tell_none(l, path);
	if (st == FLO_OK)
		l->check.path = l->reader->path;
	if (st == FLO_NOMEM)
		return st;
	if (st == FLO_OK || S_ISREG(info.st_mode))
		TRY(flo__store_check_files(&l->check));
	if (l->reader != NULL)
		return look_inside(l);
	if (st == FLO_NOTFOUND) /* SQLite takes a few bytes for an empty file */
		st = TELL(&l->check, PROBLEM, "format", NULL, RESTORE,
			  "%s was cut off in its first page", path);
	else
		st = TELL(&l->check, PROBLEM, "format", NULL, NULL, "%s",
			  why.text);
out:
	return st;
}

flo_status flo__store_check(const char *path, flo_check_fn fn, void *arg,
			    flo_error *err)
{
	struct looked l = {.check = {.fn = fn, .arg = arg, .path = path}};
	flo_status st;

	REQUIRE(path != NULL && fn != NULL);
	TRY(look(&l, path));
	TRY(flo__store_check_disk(&l.check));
out:
	free_names(&l);
	flo__reader_close(l.reader);
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}
