/*
 * What a compact leaves beside a day, settled: step 3 of the note in compact.c.
 */
#include "steps/cmdb/compact_p.h"

#include "base/contract.h"
#include "steps/cmdb/outdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of one name that are kept beside each other. */
#define BACKUPS_MAX 100

/* Names */

bool flo__compact_is_file(int dir, const char *name, mode_t *ret_mode)
{
	struct stat is;

	if (fstatat(dir, name, &is, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(is.st_mode))
		return false;
	*ret_mode = is.st_mode & 0777;
	return true;
}

/* Whether @text is ".FORMAT.tmp", of a format that there is. */
static bool is_temp_ending(const char *text)
{
	const char *const *format = flo__export_formats;
	char ending[32];

	for (; *format != NULL; format++) {
		snprintf(ending, sizeof(ending), ".%s.tmp", *format);
		if (strcmp(ending, text) == 0)
			return true;
	}
	return false;
}

/* "PULL.FORMAT.tmp" of an export, "day-DAY.FORMAT.tmp" of a compact. */
static bool is_temp_name(const struct flo__compact *w, const char *name)
{
	const size_t id_len = FLO__DIGEST_TEXT_SIZE - 1;
	char days[FLO__COMPACT_NAME];
	int len = snprintf(days, sizeof(days), "day-%s", w->day->day);

	if (strspn(name, "0123456789abcdef") == id_len)
		return is_temp_ending(name + id_len);
	return strncmp(name, days, (size_t)len) == 0 &&
	       is_temp_ending(name + len);
}

bool flo__compact_is_temp(const struct flo__compact *w, int dir,
			  const char *name)
{
	mode_t mode;

	return is_temp_name(w, name) && flo__compact_is_file(dir, name, &mode);
}

void flo__compact_name(const struct flo__compact *w, const char *format,
		       char *ret_name)
{
	snprintf(ret_name, FLO__COMPACT_NAME, "day-%s.%s", w->day->day, format);
}

static bool is_days(const struct flo__compact *w, int dir, const char *name)
{
	const char *const *format = flo__export_formats;
	char days[FLO__COMPACT_NAME];
	mode_t mode;

	for (; *format != NULL; format++) {
		flo__compact_name(w, *format, days);
		if (strcmp(days, name) == 0)
			return flo__compact_is_file(dir, name, &mode);
	}
	return false;
}

flo_status flo__compact_flush(int fd, const char *of, flo_error *err)
{
	if (fsync(fd) != 0)
		return flo_error_sys(err, errno, "flush %s", of);
	return FLO_OK;
}

/* Settling: step 3 */

static bool is_same(int a, int b, const char *name)
{
	struct stat one, other;

	return fstatat(a, name, &one, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(b, name, &other, AT_SYMLINK_NOFOLLOW) == 0 &&
	       one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Whether @name in @beside needs no thought: @now is the day's directory. */
static bool is_spare(const struct flo__compact *w, int beside, int now,
		     const char *name)
{
	return flo__compact_is_temp(w, beside, name) ||
	       is_days(w, beside, name) || is_same(beside, now, name);
}

/* Mark the export of that name: *@ret_known is false if there is none. */
static flo_status mark(const struct flo__compact *w, const char *name,
		       flo_error *err, bool *ret_known)
{
	struct flo__cdb *db = w->day->db;
	struct flo__strbuf path = FLO__STRBUF_INIT;
	struct flo__strbuf to = FLO__STRBUF_INIT;
	flo_status st;

	flo__strbuf_addf(&path, "%s%s", w->prefix.data, name);
	flo__strbuf_addf(&to, "%sday-%s.", w->prefix.data, w->day->day);
	if (path.failed || to.failed) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__cdb_run(db, err,
			 "UPDATE export SET compacted = ?2 || format"
			 " WHERE path = ?1",
			 "tt", path.data, to.data));
	*ret_known = sqlite3_changes(db->sql) > 0;
out:
	flo__strbuf_fini(&path);
	flo__strbuf_fini(&to);
	return st;
}

/*
 * Came in the last moment: nothing of that name may be lost. Where the day has
 * another file of the name meanwhile, the name stays that one's, and this one
 * gets the next that is free, as `cp --backup=numbered` names them.
 */
static flo_status rescue(int beside, int now, const char *name, flo_error *err)
{
	char to[FLO__COMPACT_NAME];

	snprintf(to, sizeof(to), "%s", name);
	for (int i = 1; i <= BACKUPS_MAX; i++) {
		if (renameat2(beside, name, now, to, RENAME_NOREPLACE) == 0)
			return FLO_OK;
		if (errno != EEXIST)
			break;
		snprintf(to, sizeof(to), "%.240s.~%d~", name, i);
	}
	return flo_error_sys(err, errno, "move %s back to its day as %s", name,
			     to);
}

static flo_status mark_names(const struct flo__compact *w, int beside, int now,
			     const struct flo__strbuf *names, flo_error *err)
{
	const char *end = names->data + names->len;
	struct flo__cdb *db = w->day->db;
	bool known = false;
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	for (const char *at = names->data; at < end;
	     at = flo__compact_next(at)) {
		if (is_spare(w, beside, now, at))
			continue;
		TRY(mark(w, at, err, &known));
		if (!known)
			TRY(rescue(beside, now, at, err));
	}
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}

/*
 * Remove the directory beside and all of @names in it; its mark last, so that
 * what is left by a kill is still known for what it is.
 */
static flo_status remove_beside(const struct flo__compact *w, int beside,
				const struct flo__strbuf *names, flo_error *err)
{
	const char *end = names->data + names->len;
	flo_status st;

	for (const char *at = names->data; at < end; at = flo__compact_next(at))
		if (strcmp(at, FLO__COMPACT_MARK) != 0 &&
		    unlinkat(beside, at, 0) != 0 && errno != ENOENT)
			return flo_error_sys(err, errno, "remove %s/%s",
					     w->aside, at);
	TRY(flo__compact_flush(beside, w->aside, err));
	TRY(flo__compact_unmark(beside, err));
	if (unlinkat(w->source, w->aside, AT_REMOVEDIR) != 0 && errno != ENOENT)
		return flo_error_sys(err, errno, "remove %s", w->aside);
out:
	return st;
}

flo_status flo__compact_unmark(int dir, flo_error *err)
{
	if (unlinkat(dir, FLO__COMPACT_MARK, 0) != 0 && errno != ENOENT)
		return flo_error_sys(err, errno, "remove " FLO__COMPACT_MARK);
	return FLO_OK;
}

/* The exchange has happened: @beside is what the day was. */
static flo_status settle(const struct flo__compact *w, int beside, int now,
			 const struct flo__strbuf *names, flo_error *err)
{
	flo_status st;

	TRY(flo__compact_flush(w->changes, "changes", err));
	TRY(flo__compact_flush(w->source, w->day->source, err));
	/* Before anything can be exchanged again the day has no mark. */
	TRY(flo__compact_unmark(now, err));
	TRY(mark_names(w, beside, now, names, err));
	st = flo__compact_flush(now, w->name, err);
out:
	return st;
}

flo_status flo__compact_settle(const struct flo__compact *w, int beside,
			       int now, flo_error *err)
{
	struct flo__strbuf names = FLO__STRBUF_INIT;
	mode_t mode;
	flo_status st;

	TRY(flo__outdir_names(beside, err, &names));
	if (!flo__compact_is_file(beside, FLO__COMPACT_MARK, &mode))
		TRY(settle(w, beside, now, &names, err));
	st = remove_beside(w, beside, &names, err);
out:
	flo__strbuf_fini(&names);
	return st;
}

void flo__compact_discard(const struct flo__compact *w, int beside)
{
	struct flo__strbuf names = FLO__STRBUF_INIT;

	if (beside >= 0 && flo__outdir_names(beside, NULL, &names) == FLO_OK)
		(void)remove_beside(w, beside, &names, NULL);
	flo__strbuf_fini(&names);
}
