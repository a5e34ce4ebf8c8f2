/* cmdb.pull, `sqlite`: the rows of a query. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/args.h"
#include "steps/cmdb/query.h"

#include <flo/runtime.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const flo_step_param flo__pull_sqlite_members[] = {
	{.name = "path",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The file, which is only read.",
	 .min_len = 1},
	{.name = "query",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "One SELECT.",
	 .min_len = 1},
	{.name = "params",
	 .types = FLO_TYPES(MAP),
	 .description = "A value for each :name in the query."},
	{.name = "json",
	 .types = FLO_TYPES(LIST),
	 .description = "Columns whose text is JSON and becomes what it says."},
};

struct source {
	struct flo__query query;
	char *path; /* owned */
};

static flo_status check_keys(const flo_value *arg, flo_error *err)
{
	static const char *const known[] = {"path", "query", "params", "json"};

	for (size_t i = 0; i < flo_value_len(arg); i++) {
		const flo_value *key;
		const char *name;
		size_t k = 0;

		flo_value_map_at(arg, i, &key);
		name = flo_value_get_string(key, NULL);
		while (k < 4 && strcmp(known[k], name) != 0)
			k++;
		if (k == 4)
			return flo_error_set(
				err, FLO_INVALID,
				"\"sqlite\" takes no \"%.60s\"; it "
				"has path, query, params and json",
				name);
	}
	return FLO_OK;
}

static flo_status read_args(struct flo__pull_job *job, struct source *source,
			    const flo_value *arg, flo_error *err)
{
	struct flo__query *query = &source->query;
	flo_status st;

	if (flo_value_typeof(arg) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "\"sqlite\" must be an object with "
				     "\"path\" and \"query\"");
	TRY(check_keys(arg, err));
	TRY(flo__args_string(arg, "path", true, err, &job->from));
	TRY(flo__args_string(arg, "query", true, err, &query->sql));
	query->params = flo__args_get(arg, "params");
	query->json = flo__args_get(arg, "json");
	if (query->params != NULL &&
	    flo_value_typeof(query->params) != FLO_VALUE_MAP)
		st = flo_error_set(err, FLO_TYPE,
				   "\"params\" must be an object: a value for "
				   "each :name of the query");
	else if (query->json != NULL &&
		 flo_value_typeof(query->json) != FLO_VALUE_LIST)
		st = flo_error_set(err, FLO_TYPE,
				   "\"json\" must be a list of columns whose "
				   "text is JSON");
	else if (job->records_len != 0)
		st = flo_error_set(err, FLO_INVALID,
				   "\"records\" is for documents; every row of "
				   "a query is a record");
out:
	return st;
}

/* Not by opening it: see query.c. */
static flo_status check_file(const char *path, flo_error *err)
{
	struct stat info;

	if (stat(path, &info) != 0)
		return flo_error_sys(err, errno, "open %s", path);
	if (S_ISREG(info.st_mode))
		return FLO_OK;
	return flo_error_set(err, FLO_INVALID, "%s is not a regular file",
			     path);
}

static flo_status open_source(struct flo__pull_job *job, const flo_value *arg,
			      flo_error *err, void **ret_state)
{
	struct source *source = flo__calloc(1, sizeof(*source));
	struct flo__query *query;
	flo_status st;

	if (source == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	*ret_state = source;
	query = &source->query;
	query->call = job->call;
	query->fd = -1;
	TRY(read_args(job, source, arg, err));
	source->path = flo__args_path(job->call, job->from);
	if (source->path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	query->path = source->path;
	TRY(check_file(source->path, err));
	TRY(flo__pull_spool(job, err, &query->fd));
	flo_blocking_begin();
	st = flo__query_run(query, err);
	if (st == FLO_OK && lseek(query->fd, 0, SEEK_SET) != 0)
		st = flo_error_sys(err, errno, "rewind the rows");
	flo_blocking_end();
out:
	return st;
}

static flo_status read_source(struct flo__pull_job *job, void *state,
			      struct flo__stage *stage, flo_error *err)
{
	const struct source *source = state;

	job->unit = "row";
	return flo__pull_split(job, source->query.fd, stage, err);
}

static void close_source(void *state)
{
	struct source *source = state;

	if (source == NULL)
		return;
	if (source->query.fd >= 0)
		close(source->query.fd);
	flo__free(source->path);
	flo__free(source);
}

const struct flo__pull_kind flo__pull_sqlite = {
	.name = "sqlite",
	.open = open_source,
	.read = read_source,
	.close = close_source,
};
