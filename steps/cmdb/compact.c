/*
 * Note: how the files of a day become one.
 *
 * Who lists ROOT/SOURCE/changes/dt=DAY must find each change once, at any
 * moment, whatever is killed. A file that is added and files that are removed
 * are several steps, and between them changes are there twice, or not at all.
 * So a directory is prepared beside, and takes the day's place in one step:
 *
 *	1. ROOT/SOURCE/.compact-DAY is made. Into it goes day-DAY.FORMAT, with
 *	   all rows that the small files have, written from the database; and a
 *	   second name (a hard link) of every other file of the day: those of
 *	   formats that stay as they are, and what is not ours. The first thing
 *	   in it is a file `.prepared`, its mark. All is flushed.
 *	2. Both directories change names: renameat2(RENAME_EXCHANGE). Flushed.
 *	3. The mark, which the day has now, is removed. What `.compact-DAY` now
 *	   holds is settled: small files that the day has no more are marked in
 *	   the database (`export.compacted` is the file that has their rows),
 *	   the marks are flushed, and it is removed.
 *
 * A kill before 2 leaves the day as it was, one after it the day as it is to
 * be; in either case a `.compact-DAY` may be left, and the next compact of the
 * source settles that first. With a mark in it, it was prepared only, and all
 * in it is a second name or can be written again: it is removed, its mark last,
 * whatever users have done to the day since. Without, it is what the day was,
 * and it goes by what there is: a file that the day has as well, the very same,
 * is a second name; `day-` is a file before the last; an exported file that the
 * day has no more was put together; and anything else came into the old
 * directory in the last moment, and is moved to the new one. If that has
 * another file of the name, both are kept. So nothing is lost even where a
 * power loss has taken a mark before the names beside it.
 *
 * Marks come after the exchange, and are derived from what is there. Made
 * before, a kill would leave marks of what has not happened, and whether a file
 * was taken away by its reader or is in the day's file could not be told. What
 * was taken away does not come back: rows are those of small files that are
 * there, and of those that are marked with the day's file, if that is there.
 *
 * Exports hold the lock of the day's directory with others, a compact holds it
 * alone (outdir.h), from before it looks at the files until all is settled; and
 * of the directory that takes its place too, before it takes it. An export that
 * has written its file but has not marked it yet has left the lock: its file is
 * not known, gets its second name, and is put together the next time.
 *
 * A reader in the middle of a scan: one that has listed the directory and then
 * opens by path finds that a file is not there, and has to list again; it never
 * reads a change twice without an error, nor misses one. One that holds the
 * directory open (openat) may go on until step 3, then it is told the same. A
 * file that is open stays readable to its end.
 *
 * Refused: removing the small files after a rename of the large one (changes
 * are there twice in between); a list of files that readers must follow (those
 * who glob do not); links from one directory to another (a symbolic link is
 * replaced atomically too, but then the day is no directory any more, and
 * exports refuse to follow links).
 */
#include "steps/cmdb/compact_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/export_p.h"
#include "steps/cmdb/outdir.h"
#include "steps/cmdb/steps_p.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool starts_with(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What to put together */

static void batch_fini(struct flo__compact_batch *batch)
{
	flo__free(batch->part);
	flo__compact_names_fini(&batch->taken);
}

static flo_status add_part(struct flo__compact_batch *batch, sqlite3_stmt *row,
			   flo_error *err)
{
	size_t cap = batch->cap == 0 ? 64 : batch->cap * 2;
	struct flo__export_part *mem = batch->part;

	if (batch->len == batch->cap) {
		mem = flo__reallocarray(mem, cap, sizeof(*mem));
		if (mem == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
		batch->part = mem;
		batch->cap = cap;
	}
	mem += batch->len++;
	snprintf(mem->plan, sizeof(mem->plan), "%s", flo__cdb_text(row, 1));
	mem->rows = sqlite3_column_int64(row, 2);
	return FLO_OK;
}

/* An exported file: path, plan's id, rows, where its rows are now. */
static flo_status see_export(const struct flo__compact *w,
			     struct flo__compact_batch *batch,
			     sqlite3_stmt *row, flo_error *err)
{
	const char *name = flo__cdb_text(row, 0) + w->prefix.len;
	const char *in = flo__cdb_text(row, 3);
	bool small = flo__compact_is_file(w->there, name, &batch->mode);
	bool marked = starts_with(in, w->prefix.data) &&
		      strcmp(in + w->prefix.len, batch->name) == 0;

	batch->has_marked |= marked;
	if (!small && !(marked && batch->has_day))
		return FLO_OK;
	if (sqlite3_column_type(row, 1) == SQLITE_NULL)
		return flo_error_set(err, FLO_NOTFOUND,
				     "the plan of %s is not in %s any more; "
				     "the day's files stay as they are",
				     flo__cdb_text(row, 0), w->day->db->path);
	if (small) {
		flo_status st =
			flo__compact_names_add(&batch->taken, name, err);

		if (st != FLO_OK)
			return st;
	}
	return add_part(batch, row, err);
}

static flo_status see_exports(const struct flo__compact *w,
			      struct flo__compact_batch *batch, flo_error *err)
{
	struct flo__cdb *db = w->day->db;
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	/* '0' comes after '/': all paths that begin with the prefix. */
	TRY(flo__cdb_prepare(
		db,
		"SELECT e.path, p.id, e.rows, e.compacted FROM export e"
		" LEFT JOIN plan p ON p.no = e.plan"
		" WHERE e.path > ?1"
		" AND e.path < substr(?1, 1, length(?1) - 1) || '0'"
		" AND e.what = 'changes' AND e.format = ?2"
		" ORDER BY p.ts, e.plan",
		err, &rows));
	TRY(flo__cdb_bind(db, rows, err, "tt", w->prefix.data, batch->format));
	for (;;) {
		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		TRY(see_export(w, batch, rows, err));
	}
out:
	sqlite3_finalize(rows);
	return st;
}

/*
 * The day's file was taken away: what was in it does not come back, not even
 * once there is another of its name.
 */
static flo_status forget(const struct flo__compact *w,
			 const struct flo__compact_batch *batch, flo_error *err)
{
	struct flo__cdb *db = w->day->db;
	struct flo__strbuf path = FLO__STRBUF_INIT;
	flo_status st;

	flo__strbuf_addf(&path, "%s%s", w->prefix.data, batch->name);
	TRY(flo__strbuf_status(&path));
	TRY(flo__cdb_write(db, true, err));
	TRY(flo__cdb_run(db, err,
			 "UPDATE export SET compacted = ''"
			 " WHERE path > ?1 AND"
			 " path < substr(?1, 1, length(?1) - 1) || '0'"
			 " AND compacted = ?2",
			 "tt", w->prefix.data, path.data));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	flo__strbuf_fini(&path);
	return st;
}

/* Whether there is something to do for @batch, which has the format only. */
static flo_status plan_batch(struct flo__compact *w,
			     struct flo__compact_batch *batch, flo_error *err,
			     bool *ret_needed)
{
	mode_t mode;
	flo_status st;

	*ret_needed = false;
	flo__compact_name(w, batch->format, batch->name);
	batch->has_day = flo__compact_is_file(w->there, batch->name, &mode);
	TRY(see_exports(w, batch, err));
	TRY(flo__compact_names_sort(&batch->taken, err));
	if (batch->has_day && !batch->has_marked && batch->taken.len > 0)
		return flo_error_set(err, FLO_EXISTS,
				     "%s%s is there, and %s does not know what "
				     "is in it; move it away",
				     w->prefix.data, batch->name,
				     w->day->db->path);
	if (!batch->has_day && batch->has_marked)
		TRY(forget(w, batch, err));
	*ret_needed =
		batch->taken.len + batch->has_day > 1 && batch->taken.len > 0;
out:
	return st;
}

static flo_status plan_batches(struct flo__compact *w, flo_error *err)
{
	const char *const *format = w->day->formats;
	flo_status st = FLO_OK;

	for (; *format != NULL; format++) {
		struct flo__compact_batch *batch = &w->batch[w->batch_len];
		bool needed = false;

		memset(batch, 0, sizeof(*batch));
		flo__strbuf_init(&batch->taken.text);
		batch->format = *format;
		st = plan_batch(w, batch, err, &needed);
		if (needed && st == FLO_OK)
			w->batch_len++;
		else
			batch_fini(batch);
		if (st != FLO_OK)
			break;
	}
	return st;
}

/* Preparing: step 1 */

static flo_status make_mark(const struct flo__compact *w, flo_error *err)
{
	int fd = openat(w->beside, FLO__COMPACT_MARK,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return flo_error_sys(err, errno, "make %s/%s", w->aside,
				     FLO__COMPACT_MARK);
	close(fd);
	return FLO_OK;
}

/* Nobody's but ours until all in it is for whom it is to be. */
static flo_status make_beside(struct flo__compact *w, flo_error *err)
{
	flo_status st;

	if (mkdirat(w->source, w->aside, 0700) != 0)
		return flo_error_sys(err, errno, "make the directory %s",
				     w->aside);
	TRY(flo__outdir_lock(w->day->db, w->source, w->aside, true, err,
			     &w->beside));
	st = make_mark(w, err);
out:
	return st;
}

/* The new directory is for those whom the old one was for. */
static flo_status open_beside(const struct flo__compact *w, flo_error *err)
{
	struct stat is;

	if (fstat(w->there, &is) != 0)
		return flo_error_sys(err, errno, "look at %s", w->name);
	(void)!fchown(w->beside, (uid_t)-1, is.st_gid);
	if (fchmod(w->beside, is.st_mode & 07777) != 0)
		return flo_error_sys(err, errno, "set the mode of %s",
				     w->aside);
	return FLO_OK;
}

static flo_status write_batch(struct flo__compact *w,
			      struct flo__compact_batch *batch, flo_error *err)
{
	struct flo__export ex = {.format = batch->format,
				 .what = "changes",
				 .part = batch->part,
				 .part_len = batch->len,
				 .day = w->day->day};
	struct flo__outfile *file = NULL;
	flo_status st;

	/* Whose source it is; each plan comes in its turn. */
	TRY(flo__plan_read(w->day->db, batch->part[0].plan, err, &ex.plan));
	TRY(flo__outfile_open_at(w->beside, batch->name, err, &file));
	TRY(flo__export_write(&ex, w->day->db, file, err));
	TRY(flo__outfile_mode(file, batch->mode, err));
	TRY(flo__outfile_finish(file, err));
	batch->rows = ex.rows;
	batch->bytes = ex.bytes;
out:
	flo__outfile_close(file);
	return st;
}

static bool is_batch(const struct flo__compact *w, const char *name)
{
	for (size_t i = 0; i < w->batch_len; i++)
		if (strcmp(w->batch[i].name, name) == 0)
			return true;
	return false;
}

/* Whether the new directory does without the day's @name. */
static bool is_left_out(const struct flo__compact *w, const char *name)
{
	if (strcmp(name, FLO__COMPACT_MARK) == 0 || is_batch(w, name))
		return true;
	for (size_t i = 0; i < w->batch_len; i++)
		if (flo__compact_names_has(&w->batch[i].taken, name))
			return true;
	return flo__compact_is_temp(w, w->there, name);
}

/*
 * Refuse what cannot get a second name, and what has the name of a day's file
 * but is none.
 */
static flo_status check_other(const struct flo__compact *w, const char *name,
			      flo_error *err)
{
	struct stat is;

	if (fstatat(w->there, name, &is, AT_SYMLINK_NOFOLLOW) != 0)
		return FLO_OK;
	if (S_ISDIR(is.st_mode) || (is_batch(w, name) && !S_ISREG(is.st_mode)))
		return flo_error_set(err, FLO_EXISTS,
				     "%s%s is a %s; move it away",
				     w->prefix.data, name,
				     S_ISDIR(is.st_mode) ? "directory"
							 : "special file");
	return FLO_OK;
}

static flo_status link_other(const struct flo__compact *w, const char *name,
			     flo_error *err)
{
	struct stat is;
	int errnum;

	if (is_left_out(w, name) ||
	    linkat(w->there, name, w->beside, name, 0) == 0)
		return FLO_OK;
	errnum = errno;
	/* As fs.protected_hardlinks has it; or the file system has no links. */
	if (errnum == EPERM &&
	    fstatat(w->there, name, &is, AT_SYMLINK_NOFOLLOW) == 0 &&
	    is.st_uid != geteuid())
		return flo_error_sys(err, errnum,
				     "%s%s may not be linked, as it is another "
				     "user's and not writable; move it away",
				     w->prefix.data, name);
	return flo_error_sys(err, errnum, "link %s into %s", name, w->aside);
}

static flo_status each_name(const struct flo__compact *w,
			    flo_status (*turn)(const struct flo__compact *w,
					       const char *name,
					       flo_error *err),
			    flo_error *err)
{
	struct flo__strbuf names = FLO__STRBUF_INIT;
	const char *end;
	flo_status st;

	TRY(flo__outdir_names(w->there, err, &names));
	end = names.data + names.len;
	for (const char *at = names.data; at < end; at = flo__compact_next(at))
		TRY(turn(w, at, err));
out:
	flo__strbuf_fini(&names);
	return st;
}

static flo_status prepare(struct flo__compact *w, flo_error *err)
{
	flo_status st;

	/* First what may be in the way: it costs nothing to find. */
	TRY(each_name(w, check_other, err));
	TRY(make_beside(w, err));
	for (size_t i = 0; i < w->batch_len; i++)
		TRY(write_batch(w, &w->batch[i], err));
	/* Last what others may still change. It stays: as the same file. */
	TRY(each_name(w, link_other, err));
	TRY(open_beside(w, err));
	st = flo__compact_flush(w->beside, w->aside, err);
out:
	return st;
}

/* The exchange: step 2 */

static flo_status exchange(struct flo__compact *w, flo_error *err)
{
	if (renameat2(w->source, w->aside, w->changes, w->name,
		      RENAME_EXCHANGE) != 0)
		return flo_error_sys(err, errno,
				     "exchange %s for %s, which the file "
				     "system must be able to do",
				     w->prefix.data, w->aside);
	return FLO_OK;
}

/* What came of it, for the output. */
static flo_status tell(struct flo__compact *w,
		       const struct flo__compact_batch *batch, flo_error *err)
{
	flo_value *map = flo_value_map(6);
	struct flo__strbuf path = FLO__STRBUF_INIT;
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__strbuf_addf(&path, "%s%s", w->prefix.data, batch->name);
	flo__cmdb_put(map, "source", flo_value_string(w->day->source), &st);
	flo__cmdb_put(map, "day", flo_value_string(w->day->day), &st);
	flo__cmdb_put(map, "path",
		      path.failed ? NULL : flo_value_string(path.data), &st);
	flo__cmdb_put(map, "replaced", flo_value_int((int64_t)batch->taken.len),
		      &st);
	flo__cmdb_put(map, "rows", flo_value_int(batch->rows), &st);
	flo__cmdb_put(map, "bytes", flo_value_int(batch->bytes), &st);
	flo__strbuf_fini(&path);
	w->day->files++;
	w->day->rows += batch->rows;
	w->day->bytes += batch->bytes;
	if (st == FLO_OK)
		st = flo_value_list_add(w->day->days, map);
	else
		flo_value_unref(map);
	return st == FLO_OK ? st : flo_error_set(err, st, "out of memory");
}

static flo_status put_together(struct flo__compact *w, flo_error *err)
{
	flo_status st = prepare(w, err);

	if (st == FLO_OK)
		st = exchange(w, err);
	if (st != FLO_OK) {
		flo__compact_discard(w, w->beside);
		return st;
	}
	/* What fails from here on is for the next compact to settle. */
	TRY(flo__compact_settle(w, w->there, w->beside, err));
	for (size_t i = 0; i < w->batch_len; i++)
		TRY(tell(w, &w->batch[i], err));
out:
	return st;
}

/* A day */

/* End what a compact that was killed has begun. */
static flo_status settle_earlier(struct flo__compact *w, flo_error *err)
{
	int beside = -1;
	flo_status st;

	st = flo__outdir_lock(w->day->db, w->source, w->aside, true, err,
			      &beside);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st == FLO_OK)
		st = flo__compact_settle(w, beside, w->there, err);
	if (beside >= 0)
		close(beside);
	return st;
}

/* Open the directory @name in @parent; *@ret is -1 if there is none. */
static flo_status descend(int parent, const char *name, flo_error *err,
			  int *ret)
{
	*ret = openat(parent, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret < 0 && errno != ENOENT)
		return flo_error_sys(err, errno, "open the directory %s", name);
	return FLO_OK;
}

static flo_status open_source(struct flo__compact *w, flo_error *err)
{
	int root = open(w->day->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flo_status st;

	if (root < 0 && errno != ENOENT)
		return flo_error_sys(err, errno, "open the directory %s",
				     w->day->root);
	if (root < 0)
		return FLO_OK;
	TRY(descend(root, w->day->source, err, &w->source));
	if (w->source >= 0)
		st = descend(w->source, "changes", err, &w->changes);
out:
	close(root);
	return st;
}

/*
 * Lock the day's directory, if there is one. Somebody may have taken it away
 * and left what a compact had begun: that is settled with an empty one.
 */
static flo_status lock_day(struct flo__compact *w, flo_error *err)
{
	flo_status st;

	if (faccessat(w->source, w->aside, F_OK, AT_SYMLINK_NOFOLLOW) == 0 &&
	    mkdirat(w->changes, w->name, 0777) != 0 && errno != EEXIST)
		return flo_error_sys(err, errno, "make the directory %s",
				     w->name);
	st = flo__outdir_lock(w->day->db, w->changes, w->name, true, err,
			      &w->there);
	return st == FLO_NOTFOUND ? FLO_OK : st;
}

static flo_status work_on(struct flo__compact *w, flo_error *err)
{
	flo_status st;

	TRY(open_source(w, err));
	if (w->changes < 0)
		goto out;
	TRY(lock_day(w, err));
	if (w->there < 0)
		goto out;
	TRY(settle_earlier(w, err));
	/* Left by one that was killed, it would speak for the old directory. */
	TRY(flo__compact_unmark(w->there, err));
	if (w->day->settle_only)
		goto out;
	TRY(plan_batches(w, err));
	if (w->batch_len > 0)
		st = put_together(w, err);
out:
	return st;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

flo_status flo__compact_day(struct flo__compact_day *day, flo_error *err)
{
	struct flo__compact w = {.day = day,
				 .prefix = FLO__STRBUF_INIT,
				 .source = -1,
				 .changes = -1,
				 .there = -1,
				 .beside = -1};
	flo_status st;

	snprintf(w.name, sizeof(w.name), "dt=%s", day->day);
	snprintf(w.aside, sizeof(w.aside), FLO__COMPACT_ASIDE "%s", day->day);
	flo__strbuf_addf(&w.prefix, "%s/%s/changes/%s/", day->root, day->source,
			 w.name);
	st = flo__strbuf_status(&w.prefix);
	if (st == FLO_OK)
		st = work_on(&w, err);
	for (size_t i = 0; i < w.batch_len; i++)
		batch_fini(&w.batch[i]);
	/* The locks go last: the directory of the day, and what was it. */
	close_fd(w.changes);
	close_fd(w.source);
	close_fd(w.beside);
	close_fd(w.there);
	flo__strbuf_fini(&w.prefix);
	return st;
}
