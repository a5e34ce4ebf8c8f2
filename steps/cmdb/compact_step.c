/* cmdb.compact: the files of each day that is over become one; see compact.c */
#include "steps/cmdb/cmdb.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/cmdb/compact_p.h"
#include "steps/cmdb/export_p.h"
#include "steps/cmdb/outdir.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAY_SIZE 11 /* YYYY-MM-DD */

struct compact {
	const char *root_arg; /* borrowed, like the next */
	const char *source;   /* NULL: all */
	const char *formats[4];
	char before[DAY_SIZE];
	char *root; /* owned */
	struct flo__compact_day total;
	flo_error failed; /* the first day or source that did; FLO_OK: none */
};

/* Arguments */

/* "2026-11-22", and a date that there is. */
static bool is_day(const char *text)
{
	struct flo__civil day = {.year = 0};
	int used = 0;

	if (strlen(text) != DAY_SIZE - 1 ||
	    strspn(text, "0123456789-") != DAY_SIZE - 1 || text[0] == '-' ||
	    text[4] != '-' || text[7] != '-' ||
	    sscanf(text, "%ld-%d-%d%n", &day.year, &day.month, &day.day,
		   &used) != 3 ||
	    used != DAY_SIZE - 1)
		return false;
	return day.month >= 1 && day.month <= 12 && day.day >= 1 &&
	       day.day <= flo__time_month_days(day.year, day.month);
}

static flo_status read_before(struct compact *c, const flo_value *with,
			      flo_error *err)
{
	const char *before = NULL;
	char now[FLO__RFC3339_SIZE];
	flo_status st;

	st = flo__args_string(with, "before", false, err, &before);
	if (st != FLO_OK)
		return st;
	flo__time_rfc3339(flo__time_now_us(), now);
	if (before != NULL && !is_day(before))
		return flo_error_set(err, FLO_INVALID,
				     "\"before\" is \"%.40s\"; it is a date "
				     "like \"%.10s\"",
				     before, now);
	snprintf(c->before, sizeof(c->before), "%.10s",
		 before != NULL ? before : now);
	return FLO_OK;
}

static flo_status read_format(struct compact *c, const flo_value *with,
			      flo_error *err)
{
	const char *const *all = flo__export_formats;
	const char *format = NULL;
	size_t n = 0;
	flo_status st = flo__args_string(with, "format", false, err, &format);

	if (st != FLO_OK)
		return st;
	for (; *all != NULL; all++)
		if (format == NULL || strcmp(format, *all) == 0)
			c->formats[n++] = *all;
	if (n == 0)
		return flo_error_set(err, FLO_INVALID,
				     "there is no format \"%.40s\"; use "
				     "\"ndjson\", \"parquet\" or \"csv\"",
				     format);
	return FLO_OK;
}

static flo_status read_args(struct compact *c, const flo_value *with,
			    flo_error *err)
{
	flo_status st;

	TRY(flo__args_string(with, "root", true, err, &c->root_arg));
	TRY(flo__args_string(with, "source", false, err, &c->source));
	TRY(read_format(c, with, err));
	st = read_before(c, with, err);
out:
	return st;
}

/* Days */

/* Append the days of which there are small files. */
static flo_status add_exported(const struct compact *c, struct flo__cdb *db,
			       const char *source, flo_error *err,
			       struct flo__strbuf *days)
{
	struct flo__strbuf prefix = FLO__STRBUF_INIT;
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	flo__strbuf_addf(&prefix, "%s/%s/changes/dt=", c->root, source);
	TRY(flo__strbuf_status(&prefix));
	/* '>' comes after '=': all paths that begin with the prefix. */
	TRY(flo__cdb_prepare(
		db,
		"SELECT DISTINCT substr(path, length(?1) + 1, 10) AS day"
		" FROM export WHERE path > ?1"
		" AND path < substr(?1, 1, length(?1) - 1) || '>'"
		" AND what = 'changes' AND compacted IS NULL AND day < ?2",
		err, &rows));
	TRY(flo__cdb_bind(db, rows, err, "tt", prefix.data, c->before));
	for (;;) {
		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		if (is_day(flo__cdb_text(rows, 0)))
			flo__strbuf_add(days, flo__cdb_text(rows, 0), DAY_SIZE);
	}
out:
	sqlite3_finalize(rows);
	flo__strbuf_fini(&prefix);
	return st;
}

/* Append the days that an earlier compact has not ended. */
static flo_status add_begun(const struct compact *c, const char *source,
			    flo_error *err, struct flo__strbuf *days)
{
	const size_t skip = strlen(FLO__COMPACT_ASIDE);
	struct flo__strbuf path = FLO__STRBUF_INIT;
	struct flo__strbuf names = FLO__STRBUF_INIT;
	const char *at;
	flo_status st;
	int fd = -1;

	flo__strbuf_addf(&path, "%s/%s", c->root, source);
	TRY(flo__strbuf_status(&path));
	fd = open(path.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		goto out;
	if (fd < 0) {
		st = flo_error_sys(err, errno, "open the directory %s",
				   path.data);
		goto out;
	}
	TRY(flo__outdir_names(fd, err, &names));
	for (at = names.data; at < names.data + names.len; at += strlen(at) + 1)
		if (strncmp(at, FLO__COMPACT_ASIDE, skip) == 0 &&
		    is_day(at + skip))
			flo__strbuf_add(days, at + skip, DAY_SIZE);
out:
	if (fd >= 0)
		close(fd);
	flo__strbuf_fini(&path);
	flo__strbuf_fini(&names);
	return st;
}

static int compare_days(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* What the next day, or source, would fail with as well. */
static bool is_everyones(flo_status st)
{
	return st == FLO_NOMEM || st == FLO_CANCELED || st == FLO_TIMEOUT ||
	       st == FLO_BUSY || st == FLO_FULL;
}

/*
 * One day, or source, has failed with @own: note the first, so that the others
 * go on, or give all up.
 */
static flo_status note_failed(struct compact *c, flo_status st,
			      const flo_error *own, flo_error *err)
{
	if (is_everyones(st)) {
		if (err != NULL)
			*err = *own;
		return st;
	}
	if (c->failed.status == FLO_OK)
		c->failed = *own;
	return FLO_OK;
}

static flo_status compact_day(struct compact *c, const char *source,
			      const char *day, flo_error *err)
{
	flo_error own = FLO_ERROR_INIT;
	flo_status st;

	c->total.source = source;
	c->total.day = day;
	c->total.settle_only = strcmp(day, c->before) >= 0;
	st = flo__compact_day(&c->total, &own);
	if (st == FLO_OK)
		return st;
	/* A failure without a text is an allocation's. */
	flo__cmdb_told(st, &own);
	flo_error_prefix(&own, "%s: %s", source, day);
	return note_failed(c, st, &own, err);
}

static flo_status compact_days(struct compact *c, struct flo__cdb *db,
			       const char *source, flo_error *err)
{
	struct flo__strbuf days = FLO__STRBUF_INIT;
	const char *last = "";
	flo_status st;

	/* The name becomes a directory's. */
	TRY(flo__source_check(source, err));
	TRY(add_exported(c, db, source, err, &days));
	TRY(add_begun(c, source, err, &days));
	TRY(flo__strbuf_status(&days));
	qsort(days.data, days.len / DAY_SIZE, DAY_SIZE, compare_days);
	for (size_t i = 0; i < days.len; i += DAY_SIZE) {
		TRY(flo__cdb_alive(db, err));
		if (strcmp(days.data + i, last) != 0)
			TRY(compact_day(c, source, days.data + i, err));
		last = days.data + i;
	}
out:
	flo__strbuf_fini(&days);
	return st;
}

static flo_status compact_source(struct compact *c, struct flo__cdb *db,
				 const char *source, flo_error *err)
{
	flo_error own = FLO_ERROR_INIT;
	flo_status st = compact_days(c, db, source, &own);

	if (st == FLO_OK)
		return st;
	flo__cmdb_told(st, &own);
	/* What was given up in one of its days says so already. */
	if (!is_everyones(st))
		flo_error_prefix(&own, "%.140s", source);
	return note_failed(c, st, &own, err);
}

/* The names of the sources, each with its NUL. */
static flo_status find_sources(const struct compact *c, struct flo__cdb *db,
			       flo_error *err, struct flo__strbuf *names)
{
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "SELECT name FROM source"
			     " WHERE ?1 IS NULL OR name = ?1 ORDER BY name",
			     err, &rows));
	TRY(flo__cdb_bind(db, rows, err, "t", c->source));
	for (;;) {
		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		flo__strbuf_add(names, flo__cdb_text(rows, 0),
				(size_t)sqlite3_column_bytes(rows, 0) + 1);
	}
	if (names->len == 0 && c->source != NULL)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "%s has no source \"%.100s\"", db->path,
				   c->source);
	else
		st = flo__strbuf_status(names);
out:
	sqlite3_finalize(rows);
	return st;
}

static flo_status compact_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct compact *c = arg;
	struct flo__strbuf names = FLO__STRBUF_INIT;
	const char *at;
	flo_status st;

	TRY(flo__outdir_root(db, c->root_arg, err, &c->root));
	TRY(find_sources(c, db, err, &names));
	c->total.db = db;
	c->total.root = c->root;
	c->total.formats = c->formats;
	for (at = names.data; at < names.data + names.len; at += strlen(at) + 1)
		TRY(compact_source(c, db, at, err));
	st = c->failed.status;
	if (st != FLO_OK && err != NULL)
		*err = c->failed;
out:
	flo__strbuf_fini(&names);
	if (st != FLO_OK)
		flo_error_prefix(err, "compact");
	return st;
}

/* The step */

static flo_status make_output(const struct compact *c, flo_value **ret_output)
{
	flo_value *map = flo_value_map(4);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__cmdb_put(map, "files", flo_value_int(c->total.files), &st);
	flo__cmdb_put(map, "rows", flo_value_int(c->total.rows), &st);
	flo__cmdb_put(map, "bytes", flo_value_int(c->total.bytes), &st);
	flo__cmdb_put(map, "days", flo_value_ref(c->total.days), &st);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct compact c = {.failed = FLO_ERROR_INIT};
	flo_status st = FLO_NOMEM;

	c.total.days = flo_value_list(0);
	if (c.total.days == NULL)
		goto out;
	TRY(read_args(&c, with, err));
	TRY(flo__cmdb_with_db(call, with, compact_in, &c, err));
	flo_step_log(call, "%lld file%s with %lld row%s",
		     (long long)c.total.files, FLO__CDB_S(c.total.files),
		     (long long)c.total.rows, FLO__CDB_S(c.total.rows));
	st = make_output(&c, ret_output);
out:
	flo_value_unref(c.total.days);
	flo__free(c.root);
	return flo__cmdb_told(st, err);
}

static const flo_step_param params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The CMDB's file.",
	 .min_len = 1},
	{.name = "root",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The directory that exports were written below.",
	 .min_len = 1},
	{.name = "source",
	 .types = FLO_TYPES(STRING),
	 .description = "Only this source; by default all.",
	 .min_len = 1},
	{.name = "format",
	 .types = FLO_TYPES(STRING),
	 .description = "Only this format; by default all.",
	 .one_of = flo__export_formats},
	{.name = "before",
	 .types = FLO_TYPES(STRING),
	 .description = "Only days before this one, like \"2026-11-22\"; by "
			"default before today, in UTC.",
	 .min_len = 1},
};

const flo_step_type flo__cmdb_compact = {
	.name = "cmdb.compact",
	.description = "Put the files of changes of each day together.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.run = run,
};
