/*
 * An attempt of a native step: its type is called here, where a panic of it is
 * contained, or in a worker process.
 */
#include "engine/run/attempt_p.h"

#include <flo/panic.h>

#include <stddef.h>
#include <stdio.h>

static struct flo__work *work_of(struct flo_step_call *call)
{
	return (struct flo__work *)((char *)call -
				    offsetof(struct flo__work, call));
}

static flo_status call_write(struct flo_step_call *call, int stream,
			     const char *bytes, size_t len, flo_error *err)
{
	return flo__steplog_write(work_of(call)->log, stream, bytes, len, err);
}

static flo_status call_furnish(struct flo_step_call *call, flo_error *err)
{
	struct flo__work *w = work_of(call);
	flo_status st = flo__work_env(w, err);

	if (st == FLO_OK)
		call->env = (const char *const *)w->env;
	return st;
}

static void call_init(struct flo__work *w)
{
	static const struct flo__call_ops ops = {call_write, call_furnish};
	const struct flo__run *run = w->attempt->frame->run;

	w->call = (struct flo_step_call){.ops = &ops,
					 .context = w->attempt->ctx,
					 .dir = w->dir.data,
					 .run_id = run->record.id,
					 .trace_id = run->record.trace_id,
					 .path = w->attempt->path,
					 .key = w->key.data,
					 .attempt = w->attempt->number,
					 .user = w->leaf->type->user,
					 .executor = run->deps.executor,
					 .stop_signal = w->leaf->stop_signal,
					 .grace_ns = w->grace_ns};
}

static void give_back(void *mask)
{
	flo__mask_free(mask);
}

/* What hides secrets goes along: who cuts a text hides them first. */
static flo_status carry_mask(struct flo__work *w, flo_error *err)
{
	const struct flo__run *run = w->attempt->frame->run;
	flo_context *context;

	if (run->mask == NULL)
		return FLO_OK;
	context = flo_context_with_value(w->attempt->ctx, &flo__mask_key,
					 flo__mask_ref(run->mask), give_back);
	if (context == NULL) {
		flo__mask_free(run->mask);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	w->call.context = context;
	return FLO_OK;
}

struct native {
	struct flo__work *w;
	const flo_value *with;
	flo_value *output;
	flo_error err;
	flo_status st;
};

static void call_native(void *arg)
{
	struct native *n = arg;

	n->st = n->w->leaf->type->run(&n->w->call, n->with, &n->err,
				      &n->output);
}

/* Where it panicked, to the attempt's log; so its end shows it, too. */
static void log_frames(struct flo__work *w, const flo_panic_info *info)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char text[256];

	for (size_t i = 0; i < info->frames_len; i++) {
		flo_panic_frame_text(info->frames[i], text, sizeof(text));
		flo__strbuf_addf(&sb, "#%zu %s\n", i, text);
	}
	/* As flo_step_log(): not being able to tell changes nothing. */
	if (sb.len > 0 && flo__strbuf_status(&sb) == FLO_OK)
		flo__steplog_write(w->log, 2, sb.data, sb.len, NULL);
	flo__strbuf_fini(&sb);
}

static flo_status panicked(struct flo__work *w, const flo_error *panic,
			   const flo_panic_info *info)
{
	w->attempt->signal = info->signal;
	w->attempt->fault = info->signal != 0;
	log_frames(w, info);
	return flo__work_fail(w, FLO_PANIC, "panic", panic->text);
}

/* On its own: the frames of a panic are large. */
static __attribute__((noinline)) flo_status try_native(struct flo__work *w,
						       struct native *n)
{
	char what[256];
	flo_panic_info info = {.what = what};
	flo_error panic = FLO_ERROR_INIT;

	snprintf(what, sizeof(what), "step %s of run %s", w->attempt->path,
		 w->attempt->frame->run->record.id);
	if (flo_try_info(call_native, n, &panic, &info) == FLO_PANIC)
		return panicked(w, &panic, &info);
	if (n->st == FLO_OK) {
		w->attempt->output = n->output;
		return FLO_OK;
	}
	flo_value_unref(n->output);
	return flo__work_fail(w, n->st, flo__failure_kind(n->st),
			      n->err.text[0] != '\0' ? n->err.text
						     : flo_status_text(n->st));
}

static flo_status run_in_worker(struct flo__work *w, const flo_value *with)
{
	flo_error err = FLO_ERROR_INIT;
	const char *kind = NULL;
	flo_status st =
		flo__worker_attempt(w, with, &err, &kind, &w->attempt->output);

	return st == FLO_OK ? FLO_OK : flo__work_fail_err(w, st, kind, &err);
}

flo_status flo__native_run(struct flo__work *w)
{
	struct native n = {.w = w, .err = FLO_ERROR_INIT};
	flo_value *with = NULL;
	flo_status st = FLO_OK;

	if (w->leaf->with != NULL)
		st = flo__scope_eval(w->attempt->frame, w->leaf->with, NULL,
				     &n.err, &with);
	else if ((with = flo_value_map(0)) == NULL)
		st = flo_error_set(&n.err, FLO_NOMEM, "out of memory");
	/* What the compiler could not check because it came from templates. */
	if (st == FLO_OK)
		st = w->attempt->frame->run->plan->language->check(
			w->leaf->type, w->leaf->with, with, &n.err);
	if (st != FLO_OK) {
		flo_value_unref(with);
		return flo__work_fail_err(w, st, "expression", &n.err);
	}
	n.with = with;
	if (w->leaf->type->isolation == FLO_ISOLATION_PROCESS) {
		st = run_in_worker(w, with);
		flo_value_unref(with);
		return st;
	}
	call_init(w);
	st = carry_mask(w, &n.err);
	st = st == FLO_OK ? try_native(w, &n)
			  : flo__work_fail_err(w, st, "native", &n.err);
	if (w->call.context != w->attempt->ctx)
		flo_context_unref(w->call.context);
	flo_value_unref(with);
	return st;
}
