/* cmdb.pull: read what a product says, and stage it. */
#include "steps/cmdb/cmdb.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/args.h"
#include "steps/cmdb/split.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Pointers in `records`, and strings in `command`. */
#define RECORDS_MAX 64
#define ARGV_MAX    4096

struct pull {
	flo_step_call *call;
	const char *source; /* borrowed from `with`, like the next ones */
	const char *file;   /* or NULL */
	const char **argv;  /* owned array, NULL-terminated; or NULL */
	const char *records[RECORDS_MAX];
	size_t records_len;
	int fd; /* what is read; owned */
	struct flo__pull done;
};

/* Arguments */

static flo_status read_command(struct pull *pull, const flo_value *command,
			       flo_error *err)
{
	size_t len = flo_value_len(command);

	if (flo_value_typeof(command) != FLO_VALUE_LIST || len == 0)
		return flo_error_set(err, FLO_TYPE,
				     "\"command\" must be a list of strings: "
				     "a program and its arguments");
	if (len > ARGV_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"command\" has %zu strings; %d are "
				     "allowed",
				     len, ARGV_MAX);
	pull->argv = flo__calloc(len + 1, sizeof(*pull->argv));
	if (pull->argv == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (size_t i = 0; i < len; i++) {
		const flo_value *item = flo_value_list_at(command, i);

		if (flo_value_typeof(item) != FLO_VALUE_STRING ||
		    strlen(flo_value_get_string(item, NULL)) !=
			    flo_value_len(item))
			return flo_error_set(err, FLO_TYPE,
					     "item %zu of \"command\" is no "
					     "string, or has a NUL byte in it",
					     i);
		pull->argv[i] = flo_value_get_string(item, NULL);
	}
	return FLO_OK;
}

static flo_status add_record_pointer(struct pull *pull, const flo_value *item,
				     flo_error *err)
{
	if (flo_value_typeof(item) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "\"records\" must be a JSON pointer like "
				     "\"/items\", or a list of them");
	if (pull->records_len == RECORDS_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"records\" has more than %d pointers",
				     RECORDS_MAX);
	pull->records[pull->records_len++] = flo_value_get_string(item, NULL);
	return FLO_OK;
}

static flo_status read_records(struct pull *pull, const flo_value *with,
			       flo_error *err)
{
	const flo_value *records = flo__args_get(with, "records");
	flo_status st = FLO_OK;

	if (records == NULL)
		return FLO_OK;
	if (flo_value_typeof(records) != FLO_VALUE_LIST)
		return add_record_pointer(pull, records, err);
	for (size_t i = 0; st == FLO_OK && i < flo_value_len(records); i++)
		st = add_record_pointer(pull, flo_value_list_at(records, i),
					err);
	return st;
}

static flo_status read_args(struct pull *pull, const flo_value *with,
			    flo_error *err)
{
	static const char *const later[] = {"map", "where", "sqlite", "http"};
	const flo_value *command = flo__args_get(with, "command");
	flo_status st;

	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++)
		TRY(flo__args_refuse(with, later[i], err));
	TRY(flo__args_string(with, "source", true, err, &pull->source));
	TRY(flo__source_check(pull->source, err));
	TRY(flo__args_string(with, "file", false, err, &pull->file));
	TRY(read_records(pull, with, err));
	if ((pull->file != NULL) == (command != NULL))
		return flo_error_set(err, FLO_INVALID,
				     "a pull reads from one of \"file\" and "
				     "\"command\": give exactly one");
	if (command != NULL)
		st = read_command(pull, command, err);
out:
	return st;
}

/* Where the bytes come from */

static flo_status open_file(struct pull *pull, flo_error *err)
{
	char *path = flo__args_path(pull->call, pull->file);
	flo_status st = FLO_OK;
	struct stat info;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	/* Not to wait for a writer if it is a pipe, which is refused next. */
	pull->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (pull->fd < 0)
		st = flo_error_sys(err, errno, "open %s", path);
	else if (fstat(pull->fd, &info) != 0)
		st = flo_error_sys(err, errno, "look at %s", path);
	else if (!S_ISREG(info.st_mode))
		st = flo_error_set(err, FLO_INVALID,
				   "%s is not a regular file; to read from a "
				   "program use \"command\"",
				   path);
	flo__free(path);
	return st;
}

/* A file without a name beside the database, where there is room for it. */
static int unnamed_file(const char *db_path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int fd;

	flo__strbuf_adds(&sb, db_path);
	if (!sb.failed)
		flo__strbuf_cut(&sb,
				(size_t)(strrchr(sb.data, '/') + 1 - sb.data));
	fd = open(sb.data, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0 && !sb.failed) {
		flo__strbuf_adds(&sb, ".pull-XXXXXX");
		fd = sb.failed ? -1 : mkostemp(sb.data, O_CLOEXEC);
		if (fd >= 0)
			unlink(sb.data);
	}
	flo__strbuf_fini(&sb);
	return fd;
}

static flo_status run_command(struct pull *pull, const flo_value *with,
			      flo_error *err)
{
	struct flo_command command = {.argv = pull->argv};
	const char *db = NULL;
	char *path = NULL;
	flo_status st;

	TRY(flo__args_string(with, "db", true, err, &db));
	path = flo__args_path(pull->call, db);
	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo_blocking_begin();
	pull->fd = unnamed_file(path);
	if (pull->fd < 0)
		st = flo_error_sys(err, errno,
				   "make a temporary file beside %s", path);
	flo_blocking_end();
	if (pull->fd < 0)
		goto out;
	command.stdout_fd = pull->fd;
	TRY(flo_step_command(pull->call, &command, err));
	if (lseek(pull->fd, 0, SEEK_SET) != 0)
		st = flo_error_sys(err, errno, "rewind the program's output");
out:
	flo__free(path);
	return st;
}

/* Reading */

static flo_status add_record(struct flo__stage *stage,
			     const struct flo__split *split, const char *text,
			     size_t len, flo_error *err)
{
	const struct flo__place place = {
		.unit = "record",
		.number = flo__split_records(split),
		.byte = flo__split_place(split),
	};

	return flo__stage_add(stage, text, len, &place, err);
}

/* The document is broken at some place; a record before it may be, too. */
static flo_status tell_first(struct flo__stage *stage, flo_status st,
			     const flo_error *fault, flo_error *err)
{
	flo_status before = flo__stage_settle(stage, err);

	if (before != FLO_OK)
		return before;
	*err = *fault;
	return st;
}

static flo_status stage_all(struct pull *pull, struct flo__stage *stage,
			    flo_error *err)
{
	flo_error fault = FLO_ERROR_INIT;
	struct flo__split *split = NULL;
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	TRY(flo__split_new(pull->fd, pull->records, pull->records_len, 0, err,
			   &split));
	for (;;) {
		st = flo__split_next(split, &fault, &text, &len);
		if (st != FLO_OK) {
			st = tell_first(stage, st, &fault, err);
			goto out;
		}
		if (text == NULL)
			break;
		TRY(add_record(stage, split, text, len, err));
	}
	st = flo__stage_finish(stage, flo__split_bytes(split), err,
			       &pull->done);
out:
	flo__split_free(split);
	return st;
}

static flo_status stage_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct pull *pull = arg;
	struct flo__stage *stage = NULL;
	flo_status st;

	if (pull->file != NULL)
		TRY(open_file(pull, err));
	TRY(flo__stage_open(db, pull->source, err, &stage));
	st = stage_all(pull, stage, err);
out:
	flo__stage_close(stage);
	if (st != FLO_OK)
		flo_error_prefix(err, "pull %s from %s", pull->source,
				 pull->file != NULL ? pull->file
						    : pull->argv[0]);
	return st;
}

static flo_status make_output(const struct pull *pull, flo_value **ret_output)
{
	flo_value *map = flo_value_map(5);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (map == NULL)
		return FLO_NOMEM;
	flo__cmdb_put(map, "pull", flo_value_string(pull->done.id), &st);
	flo__cmdb_put(map, "source", flo_value_string(pull->source), &st);
	flo__cmdb_put(map, "rows", flo_value_int((int64_t)pull->done.rows),
		      &st);
	flo__cmdb_put(map, "bytes", flo_value_int((int64_t)pull->done.bytes),
		      &st);
	flo__cmdb_put(map, "complete", flo_value_bool(true), &st);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct pull pull = {.call = call, .fd = -1};
	flo_status st;

	TRY(read_args(&pull, with, err));
	if (pull.argv != NULL)
		TRY(run_command(&pull, with, err));
	TRY(flo__cmdb_with_db(call, with, stage_in, &pull, err));
	flo_step_log(call, "pulled %llu records of %s, %llu bytes",
		     (unsigned long long)pull.done.rows, pull.source,
		     (unsigned long long)pull.done.bytes);
	st = make_output(&pull, ret_output);
out:
	if (pull.fd >= 0)
		close(pull.fd);
	flo__free(pull.argv);
	return flo__cmdb_told(st, err);
}

#define OBJECT_LATER "Not supported by this version."

static const flo_step_param params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The CMDB's file.",
	 .min_len = 1},
	{.name = "source",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "What the records are of.",
	 .min_len = 1},
	{.name = "file",
	 .types = FLO_TYPES(STRING),
	 .description = "A JSON or NDJSON file to read.",
	 .min_len = 1},
	{.name = "command",
	 .types = FLO_TYPES(LIST),
	 .description = "A program, and its arguments, whose output is read.",
	 .min_len = 1},
	{.name = "records",
	 .types = FLO_TYPES(STRING) | FLO_TYPES(LIST),
	 .description =
		 "Where in the document the records are: JSON pointers to arrays."},
	{.name = "map", .description = OBJECT_LATER},
	{.name = "where", .description = OBJECT_LATER},
	{.name = "sqlite", .description = OBJECT_LATER},
	{.name = "http", .description = OBJECT_LATER},
};

const flo_step_type flo__cmdb_pull = {
	.name = "cmdb.pull",
	.description = "Stage the records of a source.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.run = run,
};
