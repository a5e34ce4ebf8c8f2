/* What a run would do, told without running anything. */
#include "api/api_p.h"

#include "json/json_p.h"

#include <unistd.h>

flo_status flo_pipeline_plan(const flo_pipeline *pipeline,
			     const struct flo_plan_options *options,
			     flo_plan_fn fn, void *arg, flo_error *err)
{
	static const struct flo_plan_options none;
	struct flo__dsl_outline outline = {
		.text = pipeline->text,
		.len = pipeline->len,
		.limit_default =
			flo__run_limit_default(sysconf(_SC_NPROCESSORS_ONLN)),
		.fn = fn,
		.arg = arg,
	};

	if (options == NULL)
		options = &none;
	outline.params = options->params;
	outline.limit = options->limit;
	flo__json_guard_install();
	return flo__dsl_outline(pipeline->plan, &outline, err);
}
