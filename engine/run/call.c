/* What native step types see of their attempt: flo/step.h. */
#include "engine/run/attempt_p.h"

#include "base/contract.h"

#include <flo/runtime.h>

#include <stdio.h>
#include <string.h>

static struct flo__work *work_of(const flo_step_call *call)
{
	REQUIRE(call != NULL);
	return (struct flo__work *)call;
}

flo_context *flo_step_context(const flo_step_call *call)
{
	return work_of(call)->attempt->ctx;
}

const char *flo_step_dir(const flo_step_call *call)
{
	return work_of(call)->dir.data;
}

const char *flo_step_run_id(const flo_step_call *call)
{
	return work_of(call)->attempt->frame->run->record.id;
}

const char *flo_step_trace_id(const flo_step_call *call)
{
	return work_of(call)->attempt->frame->run->record.trace_id;
}

const char *flo_step_path(const flo_step_call *call)
{
	return work_of(call)->attempt->path;
}

unsigned flo_step_attempt(const flo_step_call *call)
{
	return work_of(call)->attempt->number;
}

const char *flo_step_idempotency_key(const flo_step_call *call)
{
	return work_of(call)->key.data;
}

void *flo_step_user(const flo_step_call *call)
{
	return work_of(call)->leaf->type->user;
}

void flo_step_log(flo_step_call *call, const char *format, ...)
{
	struct flo__work *w = work_of(call);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	va_list args;

	va_start(args, format);
	flo__strbuf_addv(&sb, format, args);
	va_end(args);
	flo__strbuf_addc(&sb, '\n');
	/* A log that cannot be written must not fail the work it tells of. */
	flo__steplog_write(w->log, 2, sb.data, sb.len, NULL);
	flo__strbuf_fini(&sb);
}

/* A command's output goes to the log only, whatever the step's output is. */
struct command_sink {
	struct flo__exec_sink head; /* first */
	struct flo__work *work;
};

static flo_status command_write(struct flo__exec_sink *sink, int stream,
				const char *bytes, size_t len, flo_error *err)
{
	struct command_sink *s = (struct command_sink *)sink;

	return flo__steplog_write(s->work->log, stream, bytes, len, err);
}

/* The text of a failure, with the last line of stderr behind it. */
static flo_status command_failed(struct flo__work *w, const char *program,
				 flo_status st, int code, flo_error *err)
{
	struct flo__strbuf tail = FLO__STRBUF_INIT;
	const char *last;

	flo__steplog_tail(w->log, &tail);
	while (tail.len > 0 && tail.data[tail.len - 1] == '\n')
		flo__strbuf_cut(&tail, tail.len - 1);
	last = strrchr(tail.data, '\n');
	last = last != NULL ? last + 1 : tail.data;
	if (st == FLO_EXIT)
		flo_error_set(err, st, "%s: exit code %d%s%s", program, code,
			      last[0] != '\0' ? ": " : "", last);
	else
		flo_error_set(err, st, "%s: ended by %s%s%s", program,
			      flo__signal_name(code),
			      last[0] != '\0' ? ": " : "", last);
	if (err != NULL)
		err->code = code;
	flo__strbuf_fini(&tail);
	return st;
}

flo_status flo_step_command(flo_step_call *call, const flo_command *command,
			    flo_error *err)
{
	struct flo__work *w = work_of(call);
	struct flo__executor *executor = w->attempt->frame->run->deps.executor;
	struct command_sink sink = {{command_write}, w};
	struct flo__exec_result result = {.exit_code = -1};
	struct flo__exec_request request = {.id = w->key.data,
					    .argv = command->argv,
					    .dir = command->dir != NULL
							   ? command->dir
							   : w->dir.data,
					    .input = "",
					    .stdout_fd = command->stdout_fd,
					    .stop_signal = w->leaf->stop_signal,
					    .grace_ns = w->grace_ns,
					    .sink = &sink.head};
	flo_status st = FLO_OK;

	REQUIRE(command->argv != NULL && command->argv[0] != NULL);
	if (w->env == NULL)
		st = flo__work_env(w, err);
	if (st != FLO_OK)
		return st;
	request.env = (const char *const *)w->env;
	st = executor->ops->run(executor, &request, w->attempt->ctx, err,
				&result);
	if (st != FLO_OK)
		return st;
	if (result.signal != 0)
		return command_failed(w, command->argv[0], FLO_SIGNAL,
				      result.signal, err);
	if (result.exit_code != 0)
		return command_failed(w, command->argv[0], FLO_EXIT,
				      result.exit_code, err);
	return FLO_OK;
}
