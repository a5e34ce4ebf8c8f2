/* cmdb.pull, `http`, in a build without HTTP. */
#include "steps/cmdb/pull_p.h"

static flo_status open_source(struct flo__pull_job *job, const flo_value *arg,
			      flo_error *err, void **ret_state)
{
	(void)job;
	(void)arg;
	(void)ret_state;
	return flo_error_set(err, FLO_VERSION,
			     "this flowctl was built without HTTP (the option "
			     "\"http\" of its build); use \"command\" with "
			     "curl");
}

static flo_status read_source(struct flo__pull_job *job, void *state,
			      struct flo__stage *stage, flo_error *err)
{
	(void)job;
	(void)state;
	(void)stage;
	return flo_error_set(err, FLO_VERSION, "built without HTTP");
}

static void close_source(void *state)
{
	(void)state;
}

const struct flo__pull_kind flo__pull_http = {
	.name = "http",
	.open = open_source,
	.read = read_source,
	.close = close_source,
};
