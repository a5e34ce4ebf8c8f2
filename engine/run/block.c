/*
 * What a block says of itself: that it was skipped, that it failed of itself,
 * and which errors there are beside the one that is its error.
 *
 * Blocks have no events but these, which nothing else in the record could tell:
 * a condition that was false, a failure that is no child's, and a time limit
 * that has stopped nothing but kept something from starting. All are taken from
 * the record when a run is resumed or looked at.
 */
#include "engine/run/run_p.h"

#include "base/value_p.h"

#include <string.h>

bool flo__block_skipped(struct flo__frame *frame, const char *path)
{
	const struct flo__preset *preset = flo__preset_find(frame, path);

	return preset != NULL && preset->result.state == FLO__STATE_SKIPPED;
}

void flo__block_skip(struct flo__frame *frame, const char *path,
		     struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_SKIPPED);
	const struct flo__preset *preset = flo__preset_find(frame, path);

	ret->state = FLO__STATE_SKIPPED;
	if (preset != NULL) {
		ret->end_seq = preset->result.end_seq;
	} else if (!run->frozen) {
		event.path = path;
		flo__run_append(run, &event);
		ret->end_seq = event.seq;
	}
}

/* The run's own end tells of the run, which has no path. */
static uint64_t record_failure(struct flo__run *run, const char *path,
			       const flo_value *error,
			       struct flo__admission *admission)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);

	if (run->frozen || path[0] == '\0')
		return 0;
	event.path = path;
	event.status = FLO__STATE_FAILED;
	event.error = error;
	if (admission != NULL)
		admission->failing(admission);
	return flo__run_append(run, &event) == FLO_OK ? event.seq : 0;
}

static void fail(struct flo__frame *frame, const char *path, const char *kind,
		 const char *message, struct flo__admission *admission,
		 struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__preset *preset = flo__preset_find(frame, path);
	flo_value *error;
	uint64_t seq = 0;

	if (!ret->tried && preset != NULL &&
	    preset->result.state == FLO__STATE_FAILED) {
		flo__result_fail(ret, preset->result.error,
				 preset->result.error_seq);
		return;
	}
	error = flo__failure(kind, path, message, NULL, NULL);
	if (!ret->tried)
		seq = record_failure(run, path, error, admission);
	if (ret->end_seq < seq)
		ret->end_seq = seq;
	flo__result_fail(ret, error, seq != 0 ? seq : flo__run_seq(run));
	flo_value_unref(error);
}

void flo__block_fail(struct flo__frame *frame, const char *path,
		     const char *message, struct flo__admission *admission,
		     struct flo__result *ret)
{
	fail(frame, path, "expression", message, admission, ret);
}

void flo__block_out_of_time(struct flo__frame *frame, const char *path,
			    const char *message,
			    struct flo__admission *admission,
			    struct flo__result *ret)
{
	fail(frame, path, "timeout", message, admission, ret);
}

const struct flo__preset *flo__block_was_out(struct flo__frame *frame,
					     const char *path,
					     const char *message)
{
	const struct flo__preset *preset = flo__preset_find(frame, path);
	const flo_value *said;

	if (preset == NULL || preset->result.state != FLO__STATE_FAILED)
		return NULL;
	said = flo_value_map_get(preset->result.error, "message");
	if (said == NULL || flo_value_typeof(said) != FLO_VALUE_STRING ||
	    !flo__limit_is(message, flo_value_get_string(said, NULL)))
		return NULL;
	return preset;
}

/* ---- the errors beside the first ---- */

static bool has_path(const flo_value *error, const flo_value *other)
{
	const flo_value *a = flo_value_map_get(error, "path");
	const flo_value *b = flo_value_map_get(other, "path");

	return a != NULL && b != NULL && flo_value_equal(a, b);
}

static bool is_listed(const flo_value *errors, const flo_value *error)
{
	for (size_t i = 0; i < flo_value_len(errors); i++) {
		if (has_path(flo_value_list_at(errors, i), error))
			return true;
	}
	return false;
}

/* All errors of @ret, its own included; NULL if there is but one. */
static flo_value *all_errors(const struct flo__result *ret, uint64_t *ret_total)
{
	bool listed = is_listed(ret->others, ret->error);
	flo_value *all;

	*ret_total = ret->others_total + !listed;
	if (*ret_total < 2)
		return NULL;
	all = flo_value_list(flo_value_len(ret->others) + 1);
	if (all != NULL &&
	    ((!listed && flo__errors_add(all, ret->error) != FLO_OK) ||
	     flo__errors_add(all, ret->others) != FLO_OK)) {
		flo_value_unref(all);
		return NULL;
	}
	return all;
}

static flo_value *with_errors(const flo_value *error, flo_value *errors,
			      uint64_t total)
{
	static const char *const keys[] = {"kind", "path", "message", "cause",
					   "stderr_tail"};
	flo_value *map = flo_value_map(7);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;
	bool cut = total > flo_value_len(errors);

	for (size_t i = 0; st == FLO_OK && i < 5; i++) {
		const flo_value *value = flo_value_map_get(error, keys[i]);

		st = flo_value_map_set(map, keys[i],
				       value != NULL ? flo_value_ref(value)
						     : flo_value_null());
	}
	if (st == FLO_OK)
		st = flo_value_map_set(map, "errors", flo_value_ref(errors));
	if (st == FLO_OK && cut)
		st = flo_value_map_set(map, "errors_total",
				       flo_value_int((int64_t)total));
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

void flo__block_errors(struct flo__result *ret)
{
	flo_value *all, *error;
	uint64_t total;

	if (ret->others == NULL || ret->error == NULL)
		return;
	all = all_errors(ret, &total);
	if (all == NULL)
		return;
	error = with_errors(ret->error, all, total);
	/* Without memory the error stands alone. */
	if (error != NULL) {
		flo_value_unref(ret->error);
		ret->error = error;
	}
	/* Being cancelled is no error of the blocks around it. */
	if (ret->state == FLO__STATE_FAILED) {
		flo_value_unref(ret->others);
		ret->others = all;
		ret->others_total = total;
	} else {
		flo_value_unref(all);
	}
}

/* Add what @from lists, or its error if it lists none, to @errors. */
static uint64_t add_errors(flo_value *errors, const struct flo__result *from)
{
	const flo_value *what =
		from->others != NULL ? from->others : from->error;

	if (what == NULL || flo__errors_add(errors, what) != FLO_OK)
		return 0;
	return from->others != NULL ? from->others_total : 1;
}

void flo__block_finally_failed(struct flo__result *ret,
			       const struct flo__result *last)
{
	/* A new one: the old one may be part of the error by now. */
	flo_value *errors = flo_value_list(2);
	uint64_t total = 0;

	if (ret->state == FLO__STATE_FAILED ||
	    (ret->state == FLO__STATE_CANCELLED && ret->others != NULL))
		total += errors != NULL ? add_errors(errors, ret) : 0;
	if (errors != NULL)
		total += add_errors(errors, last);
	if (ret->state != FLO__STATE_FAILED &&
	    ret->state != FLO__STATE_CANCELLED)
		flo__result_fail(ret, last->error, last->error_seq);
	flo_value_unref(ret->others);
	ret->others = errors;
	ret->others_total = total;
}
