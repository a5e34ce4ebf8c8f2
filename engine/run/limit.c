/*
 * Time limits of blocks and of the run: their contexts, and what they have to do
 * with how a body ended. Limits of attempts are in leaf.c.
 *
 * Note: whose limit it was
 *
 * What a context says that ended is all that tells, here and in the record, by
 * whose limit it did. Of the blocks around a place each has a path of its own
 * length, so that is said where the path is too long to be said in full: its
 * beginning may be another block's as well. (Refused: the end of the path. Names
 * may repeat, and then so does it.) What was recorded without the length is taken
 * for the innermost block's that it fits.
 */
#include "engine/run/run_p.h"

#include "base/time.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* What a context says that ended by the time limit of @path. */
#define LIMIT_PREFIX "time limit of "

/* How it goes on behind the first of a path of PATH_MAX_LEN bytes or more. With
 * that the longest duration still fits in what a context keeps, 255 bytes. */
#define LENGTH_MARK  "... ("
#define PATH_MAX_LEN 200

void flo__limit_text(uint64_t timeout_ns, const char *path,
		     char text[FLO__LIMIT_TEXT_SIZE])
{
	size_t len = strlen(path);
	char duration[24];
	char length[40] = "";

	flo__duration_text(timeout_ns, duration, sizeof(duration));
	if (len >= PATH_MAX_LEN)
		snprintf(length, sizeof(length), LENGTH_MARK "%zu bytes)", len);
	snprintf(text, FLO__LIMIT_TEXT_SIZE,
		 LIMIT_PREFIX "%s of %.200s%s exceeded", duration,
		 len != 0 ? path : "the run", length);
	flo__utf8_tidy(text);
}

bool flo__limit_is(const char *limit, const char *message)
{
	const char *mark = strstr(limit, LENGTH_MARK);
	size_t len;

	if (mark == NULL || strcmp(limit, message) == 0)
		return strcmp(limit, message) == 0;
	/* As it was recorded before the length was in it. */
	len = (size_t)(mark - limit);
	return strncmp(limit, message, len) == 0 &&
	       strcmp(message + len, strchr(mark, ')') + 1) == 0;
}

/* The message of @error, "" if it has none. */
static const char *message_of(const flo_value *error)
{
	const flo_value *message = flo_value_map_get(error, "message");

	return message != NULL && flo_value_typeof(message) == FLO_VALUE_STRING
		       ? flo_value_get_string(message, NULL)
		       : "";
}

bool flo__tree_is_limit(const flo_value *error)
{
	return strncmp(message_of(error), LIMIT_PREFIX, strlen(LIMIT_PREFIX)) ==
	       0;
}

/* The block from @frame outwards of whose limit @message tells, or NULL. */
static struct flo__frame *limited_by(struct flo__frame *frame,
				     const char *message)
{
	while (frame != NULL &&
	       (frame->limit == NULL || !flo__limit_is(frame->limit, message)))
		frame = frame->parent;
	return frame;
}

__attribute__((noinline)) void flo__tree_kept(struct flo__frame *frame,
					      flo_context *ctx)
{
	flo_error cause = FLO_ERROR_INIT;

	if (flo_context_cause(ctx, &cause) == FLO_OK)
		return;
	frame = limited_by(frame, cause.text);
	if (frame != NULL)
		atomic_store_explicit(&frame->kept, true, memory_order_relaxed);
}

void flo__tree_cut(struct flo__frame *frame, const struct flo__result *result)
{
	uint64_t seq = result->end_seq;

	frame = limited_by(frame, message_of(result->error));
	if (frame == NULL)
		return;
	/* The least of them, whoever comes first. */
	for (uint64_t was = 0; was == 0 || seq < was;)
		if (atomic_compare_exchange_weak_explicit(&frame->cut_seq, &was,
							  seq,
							  memory_order_relaxed,
							  memory_order_relaxed))
			break;
}

/*
 * Whether the record tells that it was the limit of @path that ended what was
 * cancelled in it: its context then was another one, in an engine that is gone.
 */
static __attribute__((noinline)) bool
recorded_limit(const struct flo__run *run, const char *path,
	       uint64_t timeout_ns, const struct flo__result *ret)
{
	char text[FLO__LIMIT_TEXT_SIZE];

	if (!flo__run_replays(run) || timeout_ns == 0)
		return false;
	flo__limit_text(timeout_ns, path, text);
	return flo__limit_is(text, message_of(ret->error));
}

/*
 * Tell why a body without a failure of its own did not succeed: the time
 * limit @ctx was made for here is a failure; what came from outside is not.
 * Returns whether it is, and nothing in the body has an event that says so.
 */
__attribute__((noinline)) bool
flo__limit_judge_end(struct flo__run *run, const char *path,
		     flo_context *parent, flo_context *ctx, uint64_t timeout_ns,
		     struct flo__result *ret)
{
	flo_error cause = FLO_ERROR_INIT;
	const char *message;
	bool own;
	flo_value *error;

	if (ret->state != FLO__STATE_CANCELLED)
		return false;
	own = flo_context_cause(ctx, &cause) == FLO_TIMEOUT &&
	      flo_context_status(parent) == FLO_OK;
	own |= recorded_limit(run, path, timeout_ns, ret);
	if (own && ret->error_seq == 0 && path[0] != '\0')
		return true; /* (the run's own end tells of the run) */
	message = message_of(ret->error);
	if (message[0] == '\0')
		message = cause.text[0] != '\0'
				  ? cause.text
				  : "was being cancelled when the engine "
				    "stopped";
	error = flo__failure(own ? "timeout" : "cancelled", path, message, NULL,
			     NULL);
	if (own) {
		flo__result_fail(ret, error,
				 ret->error_seq != 0 ? ret->error_seq
						     : flo__run_seq(run));
	} else if (error != NULL) {
		flo_value_unref(ret->error);
		ret->error = flo_value_ref(error);
	}
	flo_value_unref(error);
	return false;
}

/*
 * Whether the time limit of the block that @frame is of ended something in its
 * body, which event *@ret_seq tells, or (0) kept it from starting. All that
 * failed there may have been allowed to.
 */
static bool was_cut(const struct flo__frame *frame, uint64_t *ret_seq)
{
	*ret_seq = atomic_load_explicit(&frame->cut_seq, memory_order_relaxed);
	return *ret_seq != 0 ||
	       atomic_load_explicit(&frame->kept, memory_order_relaxed);
}

/* Make it a failure that the limit of @path ended what event @seq is of. */
static __attribute__((noinline)) void fail_cut(const struct flo__frame *frame,
					       const char *path, uint64_t seq,
					       struct flo__result *ret)
{
	flo_value *error =
		flo__failure("timeout", path, frame->limit, NULL, NULL);

	flo__result_fail(ret, error, seq);
	flo_value_unref(error);
}

/*
 * What the time limit of the block at @path has to do with how its body in
 * @frame, run with @ctx under @parent, ended. Where no event of the body tells
 * that it was the limit, one of the block does.
 */
void flo__limit_judge(struct flo__frame *frame, const char *path,
		      flo_context *parent, flo_context *ctx,
		      uint64_t timeout_ns, struct flo__admission *admission,
		      struct flo__result *ret)
{
	bool untold = flo__limit_judge_end(frame->run, path, parent, ctx,
					   timeout_ns, ret);
	uint64_t seq = 0;

	if (frame->limit == NULL || ret->state == FLO__STATE_FAILED)
		return;
	if (untold || ret->state == FLO__STATE_SUCCEEDED)
		untold |= was_cut(frame, &seq);
	untold |= !ret->tried &&
		  flo__block_was_out(frame->parent, path, frame->limit) != NULL;
	if (untold && seq != 0)
		fail_cut(frame, path, seq, ret);
	else if (untold)
		flo__block_out_of_time(frame->parent, path, frame->limit,
				       admission, ret);
}

/* A child context of @parent for a limit of @timeout_ns (0: none), of which
 * @left_ns are left; NULL without memory. */
static __attribute__((noinline)) flo_context *
limit_context(const struct flo__run *run, flo_context *parent,
	      uint64_t timeout_ns, uint64_t left_ns, const char *path)
{
	char why[FLO__LIMIT_TEXT_SIZE];

	/* Nothing runs in an inspection, so nothing takes too long. */
	if (timeout_ns == 0 || run->frozen)
		return flo_context_ref(parent);
	flo__limit_text(timeout_ns, path, why);
	return flo_context_timeout(parent, left_ns, why);
}

/* The context of a block that had run out of time: nothing new starts there. */
static __attribute__((noinline)) flo_context *ended_context(flo_context *parent,
							    const char *limit)
{
	flo_context *ctx = flo_context_child(parent);
	flo_error cause = FLO_ERROR_INIT;

	if (ctx == NULL)
		return NULL;
	flo_error_set(&cause, FLO_CANCELED, "%s", limit);
	flo_context_cancel(ctx, &cause);
	return ctx;
}

/* The context that the body of block @path in @frame runs in. */
flo_context *flo__limit_context(const struct flo__frame *frame,
				const char *path, flo_context *parent,
				uint64_t timeout_ns, uint64_t left_ns,
				const struct flo__result *ret)
{
	if (timeout_ns != 0 && !frame->run->frozen && !ret->tried &&
	    flo__block_was_out(frame->parent, path, frame->limit) != NULL)
		return ended_context(parent, frame->limit);
	return limit_context(frame->run, parent, timeout_ns, left_ns, path);
}
