/*
 * Secrets that a program prints.
 */
#include "engine/run/secret_p.h"

#include "base/alloc.h"
#include "base/signal_name.h"

#include <inttypes.h>
#include <signal.h>
#include <string.h>

#define EXEC_TIMEOUT UINT64_C(30000000000)
#define EXEC_GRACE   UINT64_C(2000000000)
#define STDERR_KEEP  (64u << 10)
#define STDERR_SHOWN 400

struct output {
	struct flo__exec_sink sink; /* first: the executor gives it back */
	struct flo__strbuf *value;  /* room is made before */
	struct flo__strbuf errors;  /* the last of stderr */
};

static flo_status output_write(struct flo__exec_sink *sink, int stream,
			       const char *bytes, size_t len, flo_error *err)
{
	struct output *o = (struct output *)sink;
	struct flo__strbuf *errors = &o->errors;

	if (stream == 1) {
		if (o->value->len + len > FLO__SECRET_VALUE_MAX + 1)
			return flo__secret_too_large("its output", err);
		flo__strbuf_add(o->value, bytes, len);
		return FLO_OK;
	}
	if (errors->len > STDERR_KEEP) {
		memmove(errors->data, errors->data + errors->len / 2,
			errors->len - errors->len / 2);
		flo__strbuf_cut(errors, errors->len - errors->len / 2);
	}
	flo__strbuf_add(errors, bytes, len);
	return FLO_OK;
}

/* The end of its stderr, for an error, hidden and on one line. */
static void last_words(const struct flo__run *run, const struct output *o,
		       struct flo__strbuf *sb)
{
	struct flo__mask *mask = flo__secret_mask_so_far(run, o->value);
	struct flo__strbuf text = FLO__STRBUF_INIT;
	size_t begin = 0, end;

	if (mask != NULL)
		flo__mask_text(mask, o->errors.data, o->errors.len, &text);
	end = text.failed ? 0 : text.len;
	while (end > 0 && text.data[end - 1] == '\n')
		end--;
	if (end > STDERR_SHOWN)
		begin = end - STDERR_SHOWN;
	/* Not in the middle of a character. */
	while (begin < end && (text.data[begin] & 0xc0) == 0x80)
		begin++;
	if (begin < end)
		flo__strbuf_adds(sb, begin > 0 ? ": ..." : ": ");
	flo__strbuf_add(sb, text.data + begin, end - begin);
	for (size_t i = 0; i < sb->len; i++) {
		if (sb->data[i] == '\n' || sb->data[i] == '\0')
			sb->data[i] = ' ';
	}
	flo__strbuf_fini(&text);
	flo__mask_free(mask);
}

static flo_status exec_failed(const struct flo__run *run,
			      const struct flo__secret *secret,
			      const struct output *o,
			      const struct flo__exec_result *result,
			      flo_error *err)
{
	struct flo__strbuf words = FLO__STRBUF_INIT;
	flo_status st;

	last_words(run, o, &words);
	if (result->signal != 0)
		st = flo_error_set(err, FLO_SIGNAL, "%s: ended by %s%s",
				   secret->argv[0],
				   flo__signal_name(result->signal),
				   words.data);
	else
		st = flo_error_set(err, FLO_EXIT, "%s: exit code %" PRId32 "%s",
				   secret->argv[0], result->exit_code,
				   words.data);
	flo__strbuf_fini(&words);
	return st;
}

static flo_status run_exec(const struct flo__run *run,
			   const struct flo__secret *secret, flo_context *ctx,
			   struct output *o, flo_error *err)
{
	static const char *const nothing[] = {NULL};
	struct flo__exec_result result = {.exit_code = -1};
	struct flo__exec_request request = {
		.id = run->record.id,
		.argv = secret->argv,
		.env = run->deps.environ_ != NULL ? run->deps.environ_
						  : nothing,
		.dir = flo__secret_dir(run, secret),
		.input = "",
		.stdout_fd = -1,
		.stop_signal = SIGTERM,
		.grace_ns = EXEC_GRACE,
		.sink = &o->sink,
	};
	struct flo__executor *executor = run->deps.executor;
	flo_status st =
		executor->ops->run(executor, &request, ctx, err, &result);

	if (st == FLO_OK && (result.signal != 0 || result.exit_code != 0))
		return exec_failed(run, secret, o, &result, err);
	return st;
}

flo_status flo__secret_read_exec(const struct flo__run *run,
				 const struct flo__secret *secret,
				 flo_context *ctx, flo_error *err,
				 struct flo__strbuf *value)
{
	struct output o = {.sink = {output_write},
			   .value = value,
			   .errors = FLO__STRBUF_INIT};
	flo_context *limited =
		flo_context_timeout(ctx, EXEC_TIMEOUT, "it takes too long");
	flo_error why = FLO_ERROR_INIT;
	flo_status st = FLO_NOMEM;

	if (limited != NULL &&
	    flo__strbuf_reserve(value, FLO__SECRET_VALUE_MAX + 2))
		st = run_exec(run, secret, limited, &o, &why);
	flo_context_unref(limited);
	flo__secret_wipe(&o.errors);
	if (st == FLO_OK)
		return FLO_OK;
	/* What ends the run is not this secret's failure. */
	if (flo_context_status(ctx) != FLO_OK)
		return flo_context_cause(ctx, err);
	if (st == FLO_TIMEOUT || st == FLO_CANCELED)
		return flo_error_set(err, FLO_FAILED,
				     "%s has not ended within 30 s",
				     secret->argv[0]);
	return flo_error_set(err, st, "%s",
			     why.text[0] != '\0' ? why.text
						 : flo_status_text(st));
}
