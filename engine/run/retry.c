/*
 * Whether what has failed is tried again, and when: `retry` of leaves and of
 * pipelines within the pipeline.
 */
#include "engine/run/run_p.h"

#include "engine/sched/sched_p.h"

#include "base/id.h"

#include <math.h>

uint64_t flo__run_random_id(void)
{
	uint64_t id;

	do {
		if (!flo__drive_random(&id))
			flo__random_bytes(&id, sizeof(id));
	} while (id == 0);
	return id;
}

/* `step` as retry.when sees it. */
static flo_value *attempt_value(const struct flo__tries *tries,
				const struct flo__result *r)
{
	flo_value *map = flo_value_map(5);
	const flo_value *kind = flo_value_map_get(r->error, "kind");
	const flo_value *tail = flo_value_map_get(r->error, "stderr_tail");

	if (map == NULL)
		return NULL;
	if (flo_value_map_set(map, "exit_code",
			      r->exit_code == FLO__EVENT_NO_CODE
				      ? flo_value_null()
				      : flo_value_int(r->exit_code)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "signal",
			      r->signal == 0
				      ? flo_value_null()
				      : flo_value_string(flo__signal_name(
						r->signal))) == FLO_OK &&
	    flo_value_map_set(map, "kind",
			      kind != NULL ? flo_value_ref(kind)
					   : flo_value_null()) == FLO_OK &&
	    flo_value_map_set(map, "attempt", flo_value_int(tries->number)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "stderr_tail",
			      tail != NULL ? flo_value_ref(tail)
					   : flo_value_null()) == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* The step's own error stays what it is, and tells why that was the end. */
static __attribute__((noinline)) bool no_retry(struct flo__result *ret,
					       const flo_error *why)
{
	flo_value *error =
		flo__failure_add(ret->error, "not retried",
				 why->text[0] != '\0' ? why->text
						      : "out of memory");

	if (error != NULL) {
		flo_value_unref(ret->error);
		ret->error = error;
	}
	return false;
}

static flo_status ask_retry(const struct flo__tries *tries,
			    const struct flo__result *ret, flo_error *err,
			    bool *ret_yes)
{
	flo_value *step = attempt_value(tries, ret);
	flo_status st = FLO_NOMEM;

	if (step != NULL)
		st = flo__scope_bool(tries->frame, tries->retry->when, step,
				     err, ret_yes);
	flo_value_unref(step);
	if (st != FLO_OK)
		flo_error_prefix(err, "retry.when");
	return st;
}

__attribute__((noinline)) bool flo__retry_wanted(const struct flo__tries *tries,
						 struct flo__result *ret)
{
	const struct flo__retry *retry = tries->retry;
	flo_error err = FLO_ERROR_INIT;
	uint64_t limit = 0;
	bool yes = true;

	if (retry == NULL || flo_context_status(tries->ctx) != FLO_OK)
		return false;
	if (flo__scope_number(tries->frame, &retry->limit, FLO__NUMBER_COUNT,
			      &err, &limit) != FLO_OK) {
		flo_error_prefix(&err, "retry.limit");
		return no_retry(ret, &err);
	}
	if (tries->counted > limit)
		return false;
	if (retry->when != NULL && ask_retry(tries, ret, &err, &yes) != FLO_OK)
		return no_retry(ret, &err);
	return yes;
}

uint64_t flo__retry_delay_ns(const struct flo__retry *retry, uint32_t tries)
{
	double ns = (double)retry->backoff_ns *
		    pow(retry->factor, (double)(tries - 1));

	/* The power of many tries is infinite, and 0 times that no number. */
	if (retry->backoff_ns == 0)
		return 0;
	if (retry->max_ns != 0 && ns > (double)retry->max_ns)
		ns = (double)retry->max_ns;
	if (retry->jitter > 0) {
		/* 53 random bits as a fraction in [-1, 1). */
		double r = (double)(flo__run_random_id() >> 11) /
				   (double)(UINT64_C(1) << 52) -
			   1.0;

		ns += ns * retry->jitter * r;
	}
	if (ns > 1e18)
		ns = 1e18;
	return (uint64_t)ns;
}
