#include "steps/core/core.h"

#include "base/time.h"
#include "steps/args.h"

#include <flo/runtime.h>

#include <string.h>

static flo_status noop(flo_step_call *call, const flo_value *with,
		       flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)with;
	(void)err;
	(void)ret_output;
	return FLO_OK;
}

const flo_step_type flo__core_noop = {
	.name = "core.noop",
	.description = "Do nothing, successfully.",
	.run = noop,
};

static flo_status sleep_for(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	const char *text = NULL;
	uint64_t ns = 0;
	flo_status st;

	(void)ret_output;
	st = flo__args_string(with, "duration", true, err, &text);
	if (st != FLO_OK)
		return st;
	st = flo__duration_parse(text, strlen(text), &ns);
	if (st != FLO_OK)
		return flo_error_set(err, st,
				     "duration \"%s\" is not one; write it "
				     "like \"250ms\", \"10s\" or \"1m30s\"",
				     text);
	st = flo_sleep(flo_step_context(call), ns);
	if (st != FLO_OK)
		flo__args_ended(call, err);
	return st;
}

static const flo_step_param sleep_params[] = {
	{.name = "duration",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "How long, like \"250ms\".",
	 .format = FLO_FORMAT_DURATION},
};

const flo_step_type flo__core_sleep = {
	.name = "core.sleep",
	.description = "Wait for a while.",
	.params = sleep_params,
	.params_len = 1,
	.run = sleep_for,
};

static flo_status fail(flo_step_call *call, const flo_value *with,
		       flo_error *err, flo_value **ret_output)
{
	const char *message = NULL;
	flo_status st;

	(void)call;
	(void)ret_output;
	st = flo__args_string(with, "message", false, err, &message);
	if (st != FLO_OK)
		return st;
	return flo_error_set(err, FLO_FAILED, "%s",
			     message != NULL ? message : "core.fail");
}

static const flo_step_param fail_params[] = {
	{.name = "message",
	 .types = FLO_TYPES(STRING),
	 .description = "What the error says.",
	 .min_len = 1},
};

const flo_step_type flo__core_fail = {
	.name = "core.fail",
	.description = "Fail, with a message.",
	.params = fail_params,
	.params_len = 1,
	.run = fail,
};

static flo_status set(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)err;
	*ret_output = with != NULL ? flo_value_ref(with) : flo_value_map(0);
	return *ret_output != NULL ? FLO_OK : FLO_NOMEM;
}

const flo_step_type flo__core_set = {
	.name = "core.set",
	.description = "Give its arguments as its output.",
	.run = set,
};
