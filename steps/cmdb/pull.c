/* cmdb.pull: choose the source, stage what it says, report. */
#include "steps/cmdb/cmdb.h"

#include "base/contract.h"
#include "steps/args.h"
#include "steps/cmdb/pull_changes.h"

/* Every kind of source there is. */
static const struct flo__pull_kind *const kinds[] = {
	&flo__pull_file,
	&flo__pull_command,
	&flo__pull_sqlite,
	&flo__pull_http,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

struct pull {
	struct flo__pull_job job;
	const struct flo__pull_kind *kind;
	void *state; /* the kind's */
};

/* Arguments */

static flo_status add_record_pointer(struct flo__pull_job *job,
				     const flo_value *item, flo_error *err)
{
	if (flo_value_typeof(item) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "\"records\" must be a JSON pointer like "
				     "\"/items\", or a list of them");
	if (job->records_len == FLO__PULL_RECORDS_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"records\" has more than %d pointers",
				     FLO__PULL_RECORDS_MAX);
	job->records[job->records_len++] = flo_value_get_string(item, NULL);
	return FLO_OK;
}

static flo_status read_records(struct flo__pull_job *job, flo_error *err)
{
	const flo_value *records = flo__args_get(job->with, "records");
	flo_status st = FLO_OK;

	if (records == NULL)
		return FLO_OK;
	if (flo_value_typeof(records) != FLO_VALUE_LIST)
		return add_record_pointer(job, records, err);
	for (size_t i = 0; st == FLO_OK && i < flo_value_len(records); i++)
		st = add_record_pointer(job, flo_value_list_at(records, i),
					err);
	return st;
}

/* The one kind whose argument is there. */
static flo_status choose_kind(struct pull *pull, flo_error *err)
{
	size_t found = 0;

	for (size_t i = 0; i < KINDS; i++) {
		if (flo__args_get(pull->job.with, kinds[i]->name) == NULL)
			continue;
		pull->kind = kinds[i];
		found++;
	}
	if (found == 1)
		return FLO_OK;
	return flo_error_set(
		err, FLO_INVALID,
		"a pull reads from one of \"file\", "
		"\"command\", \"sqlite\" and \"http\": give exactly "
		"one");
}

static flo_status read_args(struct pull *pull, flo_error *err)
{
	struct flo__pull_job *job = &pull->job;
	flo_status st;

	TRY(flo__args_string(job->with, "db", true, err, &job->db));
	TRY(flo__args_string(job->with, "source", true, err, &job->source));
	TRY(flo__source_check(job->source, err));
	TRY(flo__args_string(job->with, "gone", false, err, &job->gone));
	TRY(read_records(job, err));
	TRY(flo__mapping_new(flo__args_get(job->with, "map"),
			     flo__args_get(job->with, "where"),
			     flo__args_mask(flo_step_context(job->call)), err,
			     &job->mapping));
	TRY(choose_kind(pull, err));
	if (flo__args_get(job->with, "changes") != NULL &&
	    pull->kind != &flo__pull_command)
		st = flo_error_set(err, FLO_INVALID,
				   "\"changes\" is of programs (\"command\"); "
				   "\"http\" has its own within it, and others "
				   "cannot be asked");
out:
	return st;
}

/* Work */

static void name_pull(const struct flo__pull_job *job, flo_status st,
		      flo_error *err)
{
	/* Without it the argument itself is wrong, and the error names that. */
	if (st == FLO_OK || job->from == NULL)
		return;
	if (job->from[0] == '\0')
		flo_error_prefix(err, "pull %s", job->source);
	else
		flo_error_prefix(err, "pull %s from %s", job->source,
				 job->from);
}

static flo_status open_kind(struct pull *pull, flo_error *err)
{
	const flo_value *arg = flo__args_get(pull->job.with, pull->kind->name);

	flo_status st;

	st = pull->kind->open(&pull->job, arg, err, &pull->state);
	name_pull(&pull->job, st, err);
	return st;
}

static flo_status shape(const void *arg, const char *text, size_t len,
			bool gone, struct flo__strbuf *into, flo_error *err,
			bool *ret_keep, const char **ret_text, size_t *ret_len)
{
	return flo__mapping_run(arg, text, len, gone, into, err, ret_keep,
				ret_text, ret_len);
}

static flo_status stage_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct pull *pull = arg;
	struct flo__pull_job *job = &pull->job;
	struct flo__stage *stage = NULL;
	flo_status st;

	job->cdb = db;
	TRY(flo__stage_open(db, job->source, err, &stage));
	flo__stage_hide(stage, flo__args_mask(flo_step_context(job->call)));
	if (job->gone != NULL)
		TRY(flo__stage_gone(stage, job->gone, err));
	if (job->mapping != NULL)
		flo__stage_shape(stage, shape, job->mapping,
				 flo__mapping_digest(job->mapping));
	TRY(pull->kind->read(job, pull->state, stage, err));
	st = flo__stage_finish(stage, job->bytes, err, &job->done);
out:
	flo__stage_close(stage);
	name_pull(job, st, err);
	return st;
}

static flo_status make_output(const struct flo__pull_job *job,
			      flo_value **ret_output)
{
	flo_value *map = flo_value_map(6);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (map == NULL)
		return FLO_NOMEM;
	flo__cmdb_put(map, "pull", flo_value_string(job->done.id), &st);
	flo__cmdb_put(map, "source", flo_value_string(job->source), &st);
	flo__cmdb_put(map, "rows", flo_value_int((int64_t)job->done.rows), &st);
	flo__cmdb_put(map, "rejected",
		      flo_value_int((int64_t)job->done.rejected), &st);
	flo__cmdb_put(map, "bytes", flo_value_int((int64_t)job->done.bytes),
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
	struct pull pull = {.job = {.call = call, .with = with}};
	struct flo__pull_job *job = &pull.job;
	flo_status st;

	TRY(read_args(&pull, err));
	TRY(open_kind(&pull, err));
	TRY(flo__cmdb_with_db(call, with, stage_in, &pull, err));
	flo_step_log(call, "pulled %llu record%s of %s, %llu byte%s",
		     (unsigned long long)job->done.rows,
		     FLO__CDB_S(job->done.rows), job->source,
		     (unsigned long long)job->done.bytes,
		     FLO__CDB_S(job->done.bytes));
	if (job->inside[0] != '\0')
		flo_step_log(call,
			     "warning: the document is one object and was "
			     "taken as one record; if the records are in its "
			     "\"%s\", set \"records\"",
			     job->inside);
	if (job->done.rejected != 0)
		flo_step_log(call, "rejected %llu record%s of %s, by \"where\"",
			     (unsigned long long)job->done.rejected,
			     FLO__CDB_S(job->done.rejected), job->source);
	st = make_output(job, ret_output);
out:
	flo__mapping_free(job->mapping);
	if (pull.kind != NULL)
		pull.kind->close(pull.state);
	return flo__cmdb_told(st, err);
}

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
	 .pattern = FLO__SOURCE_PATTERN,
	 .hint = FLO__SOURCE_HINT},
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
		 "Where in the document the records are: JSON pointers to arrays.",
	 .format = FLO_FORMAT_POINTER},
	{.name = "changes",
	 .types = FLO_TYPES(MAP),
	 .description = "Have the program say what changed since a cursor.",
	 .members = flo__changes_params,
	 .members_len = FLO__CHANGES_PARAMS},
	{.name = "map",
	 .types = FLO_TYPES(MAP),
	 .description = "The fields to store, an expression over `record` for "
			"each.",
	 .format = FLO_FORMAT_EXPRESSION,
	 .expression = &flo__mapping_field},
	{.name = "where",
	 .types = FLO_TYPES(STRING),
	 .description = "An expression over `record`: false leaves it out.",
	 .format = FLO_FORMAT_EXPRESSION,
	 .expression = &flo__mapping_where},
	{.name = "sqlite",
	 .types = FLO_TYPES(MAP),
	 .description = "A SQLite file, and a query whose rows are records.",
	 .members = flo__pull_sqlite_members,
	 .members_len = FLO__PULL_SQLITE_MEMBERS},
	{.name = "gone",
	 .types = FLO_TYPES(STRING),
	 .description =
		 "Where a record says that it is no more: a JSON pointer to a boolean.",
	 .format = FLO_FORMAT_POINTER,
	 .min_len = 1},
	{.name = "http",
	 .types = FLO_TYPES(MAP),
	 .description = "A URL to read from, and how.",
	 .members = flo__http_params,
	 .members_len = FLO__HTTP_PARAMS},
};

static const char *const sources[] = {"file", "command", "sqlite", "http",
				      NULL};

const flo_step_type flo__cmdb_pull = {
	.name = "cmdb.pull",
	.description = "Stage the records of a source.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.exactly_one = sources,
	.run = run,
};
