/*
 * A native attempt in a worker process: the engine's side.
 *
 * The worker is a program like a step's own, run by the same executor: started
 * under a minder, stopped by signal and grace, ended with all that came of it.
 * What is different is its standard input, the channel of worker_p.h, and that
 * the reply found there says how the attempt went, and not the exit code.
 *
 * Rule: a whole reply that tells of a success counts, however the process
 * ended and whoever asked it to; then comes why the engine stopped it; then
 * any other whole reply; then how the process ended.
 */
#include "engine/run/attempt_p.h"
#include "engine/run/worker_p.h"

#include "base/contract.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

struct job {
	struct flo__exec_sink sink; /* first: the executor gives it back */
	struct flo__work *w;
	const char *type; /* its name */
	int fd;		  /* the channel; -1: none yet */
	uint64_t reply_at, reply_max;
	struct flo__exec_result result;
	struct flo__worker_reply reply;
	flo_error *err;
};

/* ---- the request ---- */

static flo_status request_line(const struct job *job, const flo_value *with,
			       struct flo__strbuf *sb)
{
	const struct flo__work *w = job->w;
	const struct flo__run *run = w->attempt->frame->run;
	struct flo__worker_request request = {
		.type = job->type,
		.with = with,
		.run_id = run->record.id,
		.trace_id = run->record.trace_id,
		.path = w->attempt->path,
		.key = w->key.data,
		.dir = w->dir.data,
		.minder = run->deps.minder,
		.attempt = w->attempt->number,
		.grace_ns = w->grace_ns,
		.output_max = w->leaf->output_limit,
	};

	flo__worker_request_write(&request, sb);
	if (flo__strbuf_status(sb) != FLO_OK)
		return flo_error_set(job->err, FLO_NOMEM, "out of memory");
	if (sb->len > FLO__WORKER_REQUEST_MAX)
		return flo_error_set(job->err, FLO_LIMIT,
				     "with: larger than %" PRIu64
				     " bytes, too much for a worker process",
				     FLO__WORKER_REQUEST_MAX);
	if (sb->mended)
		return flo_error_set(job->err, FLO_INVALID,
				     "\"%s\" cannot be told to a worker "
				     "process: not UTF-8",
				     w->dir.data);
	return FLO_OK;
}

/* A descriptor above those of the standard streams, and of fixed size. */
static int channel_make(uint64_t size, int *ret_fd)
{
	int fd, low = memfd_create("flo-worker",
				   MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (low < 0)
		return errno;
	fd = fcntl(low, F_DUPFD_CLOEXEC, 3);
	close(low);
	if (fd < 0)
		return errno;
	*ret_fd = fd;
	if (ftruncate(fd, (off_t)size) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) <
		    0)
		return errno;
	return 0;
}

static flo_status channel_open(struct job *job, const flo_value *with)
{
	struct flo__strbuf line = FLO__STRBUF_INIT;
	int errnum;
	flo_status st;

	TRY(request_line(job, with, &line));
	job->reply_at = line.len;
	job->reply_max = job->w->leaf->output_limit + FLO__WORKER_REPLY_EXTRA;
	flo_blocking_begin();
	errnum = channel_make(job->reply_at + job->reply_max, &job->fd);
	if (errnum == 0)
		errnum =
			flo__worker_text_write(job->fd, 0, line.data, line.len);
	flo_blocking_end();
	if (errnum != 0)
		st = flo_error_sys(job->err, errnum,
				   "cannot prepare a worker process");
out:
	flo__strbuf_fini(&line);
	return st;
}

/* ---- its end ---- */

/* Signals by which the kernel, libc or a sanitizer ends what has gone wrong. */
static bool is_fault(int signal)
{
	return signal == SIGSEGV || signal == SIGBUS || signal == SIGFPE ||
	       signal == SIGILL || signal == SIGABRT || signal == SIGTRAP ||
	       signal == SIGSYS;
}

/* It had begun, and did not say how it ended. */
static flo_status died(struct job *job, const char **ret_kind)
{
	const char *hint = job->result.signal == SIGKILL
				   ? " (by the kernel, when memory is short, "
				     "or by a person)"
				   : "";
	flo_status st = FLO_PANIC;

	if (job->result.signal == 0) {
		flo_error_set(job->err, st,
			      "\"%s\" called exit(%" PRId32
			      ") in its worker process",
			      job->type, job->result.exit_code);
	} else {
		if (!is_fault(job->result.signal))
			st = FLO_SIGNAL;
		flo_error_set(job->err, st,
			      "\"%s\" was ended by %s in its worker process%s",
			      job->type, flo__signal_name(job->result.signal),
			      hint);
	}
	*ret_kind = flo__failure_kind(st);
	return st;
}

/* It never began. */
static flo_status not_taken(struct job *job, const char **ret_kind)
{
	const char *program = job->w->attempt->frame->run->deps.worker_argv[0];
	char how[64];

	if (job->result.signal != 0)
		snprintf(how, sizeof(how), "was ended by %s",
			 flo__signal_name(job->result.signal));
	else
		snprintf(how, sizeof(how), "ended with exit code %" PRId32,
			 job->result.exit_code);
	*ret_kind = "spawn";
	return flo_error_set(job->err, FLO_SPAWN,
			     "worker of \"%s\": the program \"%s\" %s before "
			     "it took the step: does it call "
			     "flo_worker_main()?",
			     job->type, program, how);
}

static flo_status refused(struct job *job, const char **ret_kind)
{
	*ret_kind = job->reply.took ? "output" : "spawn";
	return flo_error_set(job->err, job->reply.status,
			     "worker of \"%s\": %s", job->type,
			     job->reply.text.text);
}

/* Nobody stopped it, and it was no success: which failure it was. */
static flo_status judge_failure(struct job *job, flo_status read,
				const flo_error *why, const char **ret_kind)
{
	if (job->reply.said == FLO__WORKER_ERROR && read == FLO_OK) {
		*ret_kind = flo__failure_kind(job->reply.status);
		return flo_error_set(job->err, job->reply.status, "%s",
				     job->reply.text.text);
	}
	if (job->reply.said == FLO__WORKER_REFUSED && read == FLO_OK)
		return refused(job, ret_kind);
	if (job->result.signal != 0 && job->reply.took)
		return died(job, ret_kind);
	if (read == FLO_NOMEM) {
		*ret_kind = flo__failure_kind(read);
		return flo_error_set(job->err, read, "out of memory");
	}
	if (read != FLO_OK) {
		*ret_kind = job->reply.took ? "output" : "spawn";
		return flo_error_set(job->err, read,
				     "worker of \"%s\": its reply is not "
				     "valid: %s",
				     job->type, why->text);
	}
	return job->reply.took ? died(job, ret_kind) : not_taken(job, ret_kind);
}

/* Fill in the attempt what there is to know of the process. */
static void take_process(const struct job *job)
{
	struct flo__attempt *attempt = job->w->attempt;

	attempt->pid = job->result.pid;
	attempt->signal = job->result.signal;
	if (job->reply.said <= FLO__WORKER_TOOK && job->result.signal == 0)
		attempt->exit_code = job->result.exit_code;
}

static flo_status judge(struct job *job, flo_status st, const char **ret_kind,
			flo_value **ret_output)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	flo_error why = FLO_ERROR_INIT;
	flo_status read;

	flo_blocking_begin();
	read = flo__worker_text_read(job->fd, job->reply_at, job->reply_max,
				     &why, &text);
	flo_blocking_end();
	if (read == FLO_OK)
		read = flo__worker_reply_read(text.data, text.len, &why,
					      &job->reply);
	flo__strbuf_fini(&text);
	take_process(job);
	if (read == FLO_OK && job->reply.said == FLO__WORKER_OUTPUT) {
		flo_error_clear(job->err);
		*ret_output = job->reply.output;
		job->reply.output = NULL;
		return FLO_OK;
	}
	if (st != FLO_OK) {
		*ret_kind = flo__failure_kind(st);
		return st;
	}
	return judge_failure(job, read, &why, ret_kind);
}

/* ---- all of it ---- */

static flo_status sink_write(struct flo__exec_sink *sink, int stream,
			     const char *bytes, size_t len, flo_error *err)
{
	/* As in flo_step_log(): a full disk must not fail the work. */
	(void)err;
	flo__steplog_write(((struct job *)sink)->w->log, stream, bytes, len,
			   NULL);
	return FLO_OK;
}

static flo_status execute(struct job *job)
{
	struct flo__work *w = job->w;
	const struct flo__run_deps *deps = &w->attempt->frame->run->deps;
	struct flo__exec_request request = {
		.id = w->key.data,
		.argv = deps->worker_argv,
		.env = (const char *const *)w->env,
		.dir = w->dir.data,
		.input_fd = job->fd,
		.stdout_fd = -1,
		.stop_signal = w->leaf->stop_signal,
		.grace_ns = w->grace_ns,
		.sink = &job->sink,
	};

	return deps->executor->ops->run(deps->executor, &request,
					w->attempt->ctx, job->err,
					&job->result);
}

flo_status flo__worker_attempt(struct flo__work *w, const flo_value *with,
			       flo_error *err, const char **ret_kind,
			       flo_value **ret_output)
{
	struct job job = {.sink = {sink_write},
			  .w = w,
			  .type = w->leaf->type->name,
			  .fd = -1,
			  .result = {.exit_code = -1},
			  .err = err};
	flo_status st = FLO_OK;

	if (w->attempt->frame->run->deps.worker_argv == NULL)
		st = flo_error_set(err, FLO_SPAWN,
				   "\"%s\" wants a worker process, and there "
				   "is no program for one",
				   job.type);
	if (st == FLO_OK && w->env == NULL)
		st = flo__work_env(w, err);
	if (st == FLO_OK)
		st = channel_open(&job, with);
	if (st == FLO_OK) {
		st = execute(&job);
		if (st == FLO_SPAWN) {
			flo_error_prefix(err, "worker of \"%s\"", job.type);
			*ret_kind = "spawn";
		} else {
			st = judge(&job, st, ret_kind, ret_output);
		}
	} else {
		*ret_kind = flo__failure_kind(st);
	}
	flo_value_unref(job.reply.output);
	if (job.fd >= 0)
		close(job.fd);
	return st;
}
