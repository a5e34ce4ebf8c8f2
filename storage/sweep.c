/*
 * What belongs to no run: found, and removed from below PATH.d.
 *
 * A directory of files belongs to the run whose id is its name. It is nobody's
 * when there is no such run; and a work directory is, too, when its run has
 * succeeded and no engine holds it any more, since the engine removes it then
 * unless something kills it first. (That of a run that failed stays: somebody
 * may want to look into it.)
 *
 * Note: why a directory is set aside first
 *
 * An id can come back: `--run-id nightly`, pruned and started anew. Between the
 * look into the table and the last unlink() a new run could own the name. So
 * the look and a rename() into PATH.d/trash are one under the right to write,
 * without which nobody creates a run; what is in the trash is nobody's for
 * ever, and is removed at leisure. Who creates a run moves away, in the same
 * way, what an earlier one of that name has left. Refused: holding the right to write while
 * files are removed, which may take minutes.
 *
 * Note: why no path is followed
 *
 * Programs of steps may have left anything in a work directory: links to other
 * places, ten thousand levels, directories without permissions, mounts. Each
 * name is used once, against the descriptor of the directory it stands in, and
 * no link and no mount is gone through. A directory in a directory is not gone
 * down into but moved up into the trash, where its turn comes: so depth costs
 * neither stack nor descriptors.
 */
#include "storage/store_p.h"

#include "base/contract.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TRASH "trash"
#define NAME_CHARS                                                             \
	"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-"

/* --- directories --- */

/* Open the directory @name in @at; neither links nor mounts are followed. */
static int open_dir(int at, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct open_how how = {
		.flags = (unsigned)flags,
		.resolve =
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof(how));

	/* kernels before 5.6, and sandboxes that do not know the call */
	if (fd < 0 && (errno == ENOSYS || errno == EPERM))
		fd = openat(at, name, flags);
	return fd;
}

static void note_left(struct flo__sweep *sweep, int errnum, const char *where,
		      const char *name)
{
	sweep->left++;
	flo_error_sys(&sweep->why, errnum, "cannot remove %s/%s%s%s",
		      sweep->reader->files, where, *name != '\0' ? "/" : "",
		      name);
}

static void random_name(char ret[17])
{
	uint64_t n = 0;
	ssize_t got = getrandom(&n, sizeof(n), 0);

	INSIST(got == (ssize_t)sizeof(n)); /* up to 256 bytes never fail */
	snprintf(ret, 17, "%016llx", (unsigned long long)n);
}

static bool is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Only such names do we give to directories of runs. */
static bool is_run_id(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= 64 && strspn(name, NAME_CHARS) == len &&
	       !is_dots(name);
}

/* --- the trash --- */

/* Have all rights in a directory of ours: a program may have taken them. */
static void make_open(int at, const char *name)
{
	(void)!fchmodat(at, name, 0700, AT_SYMLINK_NOFOLLOW);
}

/* Remove @name from @dir, or move it up into the trash if it is a directory. */
static bool drop_entry(int trash, int dir, const char *name)
{
	char aside[17];

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return false;
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0)
		return true;
	random_name(aside);
	if (renameat(dir, name, trash, aside) == 0)
		return true;
	if (errno != EACCES)
		return false;
	make_open(dir, name);
	return renameat(dir, name, trash, aside) == 0;
}

/* Empty a directory of the trash as far as it goes. Returns an errno. */
static int empty_dir(int trash, int fd)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	int errnum = 0;

	if (dir == NULL) {
		errnum = errno;
		close(fd);
		return errnum;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (!is_dots(entry->d_name) &&
		    !drop_entry(trash, fd, entry->d_name) && errnum == 0)
			errnum = errno;
	}
	closedir(dir);
	return errnum;
}

/* Remove one thing in the trash. Returns an errno; ENOTEMPTY: try again. */
static int drop_one(int trash, const char *name)
{
	int errnum = 0, fd;

	if (unlinkat(trash, name, 0) == 0 ||
	    unlinkat(trash, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	fd = open_dir(trash, name);
	if (fd < 0 && errno == EACCES) {
		make_open(trash, name);
		fd = open_dir(trash, name);
	}
	if (fd < 0)
		return errno == ENOENT ? 0 : errno;
	/* what may be read may still not be changed */
	(void)!fchmod(fd, 0700);
	errnum = empty_dir(trash, fd);
	if (unlinkat(trash, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	return errnum != 0 ? errnum : errno;
}

/*
 * Go once through the trash. Returns how many are gone; directories that were
 * in them stand in the trash then.
 */
static size_t empty_round(struct flo__sweep *sweep, int trash, bool last)
{
	int fd = open_dir(trash, ".");
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	size_t gone = 0;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return 0;
	}
	while ((entry = readdir(dir)) != NULL) {
		int errnum;

		if (is_dots(entry->d_name))
			continue;
		errnum = drop_one(trash, entry->d_name);
		if (errnum == 0)
			gone++;
		else if (last && errnum != ENOTEMPTY) /* another prune's */
			note_left(sweep, errnum, TRASH, entry->d_name);
	}
	closedir(dir);
	return gone;
}

/* Each round removes something, so that there is an end. */
static void empty_trash(struct flo__sweep *sweep, int trash)
{
	while (empty_round(sweep, trash, false) > 0)
		;
	empty_round(sweep, trash, true);
}

/* --- whose is it --- */

/* Whether the directory @name is nobody's, as the head of this file says. */
static flo_status is_nobodys(struct flo__conn *db, int lock_fd,
			     const char *name, bool work, flo_error *err,
			     bool *ret)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	flo_status st;

	TRY(flo__conn_get(db, FLO__SQL_RUN_BRIEF, err, &stmt));
	sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
	TRY(flo__conn_step(db, stmt, err, &found));
	*ret = !found;
	if (found && work)
		*ret = sqlite3_column_int64(stmt, 2) != 0 &&
		       sqlite3_column_int(stmt, 1) == FLO__STATE_SUCCEEDED &&
		       !flo__run_is_held(lock_fd,
					 sqlite3_column_int64(stmt, 0));
out:
	flo__conn_done(stmt);
	return st;
}

struct aside {
	const char *name;
	bool work;
	int dir, trash; /* descriptors */
	bool moved;
	int errnum; /* of the move */
};

/* Writer only: see "why a directory is set aside first". */
static flo_status set_aside(struct flo__store *store, void *arg, flo_error *err)
{
	struct aside *aside = arg;
	char name[17];
	bool nobodys = false;
	flo_status st;

	random_name(name);
	st = flo__lock_write(store->lock_fd, store->path, err);
	if (st != FLO_OK)
		return st;
	st = is_nobodys(&store->db, store->lock_fd, aside->name, aside->work,
			err, &nobodys);
	if (st == FLO_OK && nobodys) {
		aside->moved = renameat(aside->dir, aside->name, aside->trash,
					name) == 0;
		aside->errnum = aside->moved ? 0 : errno;
	}
	flo__unlock_write(store->lock_fd);
	return st;
}

static flo_status sweep_one(struct flo__sweep *sweep, struct aside *aside,
			    flo_error *err)
{
	struct flo__reader *reader = sweep->reader;
	bool nobodys = false;
	flo_status st;

	if (reader->lock_fd < 0)
		reader->lock_fd =
			flo__lock_open(reader->path, false, NULL, NULL);
	/* a first look, which costs nobody the right to write */
	TRY(is_nobodys(&reader->db, reader->lock_fd, aside->name, aside->work,
		       err, &nobodys));
	if (!nobodys)
		goto out;
	if (sweep->store == NULL) {
		sweep->dirs++;
		goto out;
	}
	TRY(flo__writer_call(sweep->store, set_aside, aside, err));
	if (aside->moved)
		sweep->dirs++;
	else if (aside->errnum != 0 && aside->errnum != ENOENT)
		note_left(sweep, aside->errnum, aside->work ? "work" : "logs",
			  aside->name);
out:
	return st;
}

/* PATH.d/logs or PATH.d/work, of which the descriptor is @fd. Closes it. */
static flo_status sweep_dir(struct flo__sweep *sweep, int fd, bool work,
			    int trash, flo_error *err)
{
	DIR *dir = fdopendir(fd);
	struct dirent *entry;
	flo_status st = FLO_OK;

	if (dir == NULL) {
		close(fd);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	while (st == FLO_OK && (entry = readdir(dir)) != NULL) {
		struct aside aside = {.name = entry->d_name,
				      .work = work,
				      .dir = fd,
				      .trash = trash};

		if (is_run_id(entry->d_name))
			st = sweep_one(sweep, &aside, err);
	}
	closedir(dir);
	return st;
}

static flo_status sweep_kind(struct flo__sweep *sweep, int files, bool work,
			     int trash, flo_error *err)
{
	const char *name = work ? "work" : "logs";
	int fd = open_dir(files, name);

	if (fd >= 0)
		return sweep_dir(sweep, fd, work, trash, err);
	if (errno != ENOENT) /* never made yet */
		note_left(sweep, errno, name, "");
	return FLO_OK;
}

static int open_trash(struct flo__sweep *sweep, int files)
{
	int fd;

	if (sweep->store != NULL && mkdirat(files, TRASH, 0700) != 0 &&
	    errno != EEXIST) {
		note_left(sweep, errno, TRASH, "");
		return -1;
	}
	fd = open_dir(files, TRASH);
	if (fd < 0 && errno != ENOENT)
		note_left(sweep, errno, TRASH, "");
	return fd;
}

/* What a prune that was killed has left there. */
static void count_trash(struct flo__sweep *sweep, int trash)
{
	DIR *dir = fdopendir(trash);
	struct dirent *entry;

	if (dir == NULL) {
		close(trash);
		return;
	}
	while ((entry = readdir(dir)) != NULL)
		sweep->dirs += !is_dots(entry->d_name);
	closedir(dir);
}

flo_status flo__sweep_files(struct flo__sweep *sweep, flo_error *err)
{
	int files = open(sweep->reader->files,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int trash = -1;
	flo_status st = FLO_OK;

	if (files < 0) {
		if (errno != ENOENT)
			note_left(sweep, errno, "", "");
		return FLO_OK;
	}
	trash = open_trash(sweep, files);
	if (sweep->store != NULL && trash < 0)
		goto out;
	TRY(sweep_kind(sweep, files, false, trash, err));
	TRY(sweep_kind(sweep, files, true, trash, err));
	if (sweep->store != NULL) {
		empty_trash(sweep, trash);
	} else if (trash >= 0) {
		count_trash(sweep, trash);
		trash = -1;
	}
out:
	if (trash >= 0)
		close(trash);
	close(files);
	return st;
}

/* --- a new run --- */

/* PATH.d/@kind/@id, if there is one, goes into the trash. */
static flo_status clear_one(struct flo__store *store, const char *kind,
			    const char *id, flo_error *err)
{
	char name[17], path[128];
	int files, dir = -1, trash = -1;
	flo_status st = FLO_OK;

	files = open(store->files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/%.64s", kind, id);
	if (files < 0 || faccessat(files, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		goto out;
	dir = open_dir(files, kind);
	if (mkdirat(files, TRASH, 0700) == 0 || errno == EEXIST)
		trash = open_dir(files, TRASH);
	random_name(name);
	if (dir < 0 || trash < 0 || renameat(dir, id, trash, name) != 0)
		st = flo_error_sys(err, errno,
				   "%s/%s is left of a run that was deleted, "
				   "and cannot be moved away",
				   store->files, path);
out:
	if (trash >= 0)
		close(trash);
	if (dir >= 0)
		close(dir);
	if (files >= 0)
		close(files);
	return st;
}

flo_status flo__sweep_before(struct flo__store *store, const char *id,
			     flo_error *err)
{
	flo_status st;

	REQUIRE(store->writing);
	if (!is_run_id(id))
		return FLO_OK;
	TRY(clear_one(store, "logs", id, err));
	TRY(clear_one(store, "work", id, err));
out:
	return st;
}

/* --- events --- */

/*
 * A run that is in one of the table and its index and not in the other was
 * lost by damage and not by us: its events are all that is left of it.
 */
static flo_status check_counts(struct flo__conn *db, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(db, FLO__SQL_RUN_COUNTS, err, &stmt));
	TRY(flo__conn_step(db, stmt, err, &row));
	if (!row ||
	    sqlite3_column_int64(stmt, 0) != sqlite3_column_int64(stmt, 1))
		st = flo_error_set(err, FLO_CORRUPT,
				   "the list of runs in %s is damaged; "
				   "`flowctl doctor` says more",
				   db->path);
out:
	flo__conn_done(stmt);
	return st;
}

/* A number that a statement with one parameter gives; 0 for none. */
static flo_status ask(struct flo__conn *db, enum flo__sql which, int64_t with,
		      flo_error *err, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(db, which, err, &stmt));
	sqlite3_bind_int64(stmt, 1, with);
	TRY(flo__conn_step(db, stmt, err, &row));
	*ret = row ? sqlite3_column_int64(stmt, 0) : 0;
out:
	flo__conn_done(stmt);
	return st;
}

/*
 * Note: why the events of no run are nobody's for ever
 *
 * A run's row is committed before its first event, and its number is never
 * given twice. `end` is the highest number that had events at first; so each
 * number up to it has been given. Whichever of them has no row when that is
 * asked, afterwards, was deleted and stays so, however long it takes until its
 * events are. Above `end` nothing is known, and nothing is touched.
 */
flo_status flo__sweep_events(struct flo__reader *reader,
			     flo_status (*fn)(void *arg, int64_t first,
					      int64_t last, flo_error *err),
			     void *arg, flo_error *err)
{
	int64_t row = 0, end = 0, run = 0;
	flo_status st;

	TRY(check_counts(&reader->db, err));
	TRY(ask(&reader->db, FLO__SQL_EVENT_LAST, 0, err, &end));
	if (end > FLO__RUN_ROW_MAX)
		end = FLO__RUN_ROW_MAX;
	for (;;) {
		int64_t last = end;

		TRY(ask(&reader->db, FLO__SQL_EVENT_NEXT,
			FLO__EVENT_ID(row + 1, 0), err, &row));
		if (row < 1 || row > end)
			break;
		TRY(ask(&reader->db, FLO__SQL_RUN_FROM, row, err, &run));
		if (run == row)
			continue;
		if (run != 0 && run <= end)
			last = run - 1;
		TRY(fn(arg, row, last, err));
		row = last;
	}
out:
	return st;
}
