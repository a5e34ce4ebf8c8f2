/*
 * A native attempt in a worker process: the worker's side.
 *
 * Whatever happens in the step's code may be the last thing that happens here,
 * so each line of the reply is written when it is true and not later. All
 * that has to be said when memory has run out is a constant.
 */
#include "engine/run/worker_serve.h"

#include "engine/proc/local.h"
#include "engine/run/call_p.h"
#include "engine/run/worker_p.h"

#include "base/contract.h"

#include <flo/panic.h>
#include <flo/runtime.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct serve {
	const struct flo__worker *worker;
	uint64_t at; /* where the next line of the reply goes */
	bool mute;   /* a line could not be written */
	struct flo__worker_request request;
	flo_value *line; /* what the request's strings are of */
	const flo_step_type *type;
	struct flo__executor *executor;
	struct flo_step_call call;
	flo_status st;
	flo_error err;
	flo_value *output;
};

/* ---- the reply ---- */

static void say_bytes(struct serve *s, const char *bytes, size_t len)
{
	flo_blocking_begin();
	if (flo__worker_text_write(s->worker->channel, s->at, bytes, len) != 0)
		s->mute = true;
	flo_blocking_end();
	s->at += len;
}

/* Write a line; @sb is over. */
static void say(struct serve *s, struct flo__strbuf *sb)
{
	static const char nomem[] =
		"{\"protocol\":1,\"refused\":{\"status\":\"NOMEM\","
		"\"text\":\"out of memory\"}}\n";

	_Static_assert(FLO__WORKER_PROTOCOL == 1, "nomem says so");
	if (flo__strbuf_status(sb) == FLO_OK)
		say_bytes(s, sb->data, sb->len);
	else
		say_bytes(s, nomem, sizeof(nomem) - 1);
	flo__strbuf_fini(sb);
}

static void say_refusal(struct serve *s, flo_status status, const char *text)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__worker_refusal_write(status,
				  text[0] != '\0' ? text
						  : flo_status_text(status),
				  &sb);
	say(s, &sb);
}

static void say_output(struct serve *s)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char text[64];

	flo__worker_output_write(s->output, &sb);
	if (sb.len > s->request.output_max) {
		flo__strbuf_fini(&sb);
		snprintf(text, sizeof(text),
			 "output is larger than %" PRIu64 " bytes",
			 s->request.output_max);
		say_refusal(s, FLO_LIMIT, text);
	} else if (sb.mended) {
		flo__strbuf_fini(&sb);
		say_refusal(s, FLO_CORRUPT,
			    "output has text that is not "
			    "UTF-8");
	} else {
		say(s, &sb);
	}
}

static void say_error(struct serve *s)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__worker_error_write(s->st,
				s->err.text[0] != '\0' ? s->err.text
						       : flo_status_text(s->st),
				&sb);
	say(s, &sb);
}

/* ---- the request ---- */

static flo_status read_line(struct serve *s, const struct flo__strbuf *sb,
			    flo_error *err)
{
	flo_error why = FLO_ERROR_INIT;
	flo_status st = FLO_SYNTAX;

	/* A request that was not written to its end is none. */
	if (sb->len > 0 && sb->data[sb->len - 1] == '\n')
		st = flo_value_from_json(sb->data, sb->len, 0, &why, &s->line);
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	if (st != FLO_OK)
		return flo_error_set(err, FLO_CORRUPT,
				     "the request is not valid: %s",
				     why.text[0] != '\0' ? why.text
							 : "it has no end");
	return flo__worker_request_read(s->line, err, &s->request);
}

static flo_status read_request(struct serve *s, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	flo_blocking_begin();
	st = flo__worker_text_read(s->worker->channel, 0,
				   FLO__WORKER_REQUEST_MAX, err, &sb);
	flo_blocking_end();
	if (st == FLO_OK)
		st = read_line(s, &sb, err);
	flo__strbuf_fini(&sb);
	return st;
}

static flo_status find_type(struct serve *s, flo_error *err)
{
	const struct flo__registry *registry = s->worker->registry;

	s->type = registry->find(registry, s->request.type,
				 strlen(s->request.type));
	if (s->type != NULL)
		return FLO_OK;
	return flo_error_set(err, FLO_NOTFOUND,
			     "this program does not know that step type: its "
			     "main() gives it to flo_worker_main()");
}

/* ---- the step ---- */

static flo_status call_write(struct flo_step_call *call, int stream,
			     const char *bytes, size_t len, flo_error *err)
{
	flo_status st = FLO_OK;

	(void)call;
	flo_blocking_begin(); /* the engine may be slow to read */
	while (len > 0 && st == FLO_OK) {
		ssize_t n = write(stream, bytes, len);

		if (n >= 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			st = flo_error_sys(err, errno,
					   "cannot write to the "
					   "attempt's log");
		}
	}
	flo_blocking_end();
	return st;
}

static flo_status call_furnish(struct flo_step_call *call, flo_error *err)
{
	(void)call;
	return flo_error_set(err, FLO_INVALID, "there is no environment");
}

static void call_init(struct serve *s)
{
	static const struct flo__call_ops ops = {call_write, call_furnish};
	const struct flo__worker_request *r = &s->request;

	s->call = (struct flo_step_call){.ops = &ops,
					 .context = s->worker->context,
					 .dir = r->dir,
					 .run_id = r->run_id,
					 .trace_id = r->trace_id,
					 .path = r->path,
					 .key = r->key,
					 .attempt = r->attempt,
					 .user = s->type->user,
					 .executor = s->executor,
					 .env = s->worker->env,
					 .stop_signal = SIGTERM,
					 .grace_ns = r->grace_ns};
}

static void call_type(void *arg)
{
	struct serve *s = arg;

	s->st = s->type->run(&s->call, s->request.with, &s->err, &s->output);
}

static void run_step(struct serve *s)
{
	flo_error panic = FLO_ERROR_INIT;

	call_init(s);
	if (flo_try(call_type, s, &panic) == FLO_PANIC) {
		s->st = FLO_PANIC;
		s->err = panic;
	}
	/* What it printed is in the log before its end is known. */
	flo_blocking_begin();
	fflush(NULL);
	flo_blocking_end();
}

static flo_status prepare(struct serve *s, flo_error *err)
{
	flo_status st;

	TRY(read_request(s, err));
	TRY(find_type(s, err));
	TRY(flo__local_new(s->request.minder, err, &s->executor));
out:
	return st;
}

/* ---- all of it ---- */

/* Where the request ends: at the first NUL byte. Needs no memory. */
static uint64_t end_of_request(int channel)
{
	char buf[4096];
	uint64_t at = 0;
	ssize_t n;

	while ((n = pread(channel, buf, sizeof(buf), (off_t)at)) > 0) {
		const char *nul = memchr(buf, '\0', (size_t)n);

		if (nul != NULL)
			return at + (uint64_t)(nul - buf);
		at += (uint64_t)n;
	}
	return at;
}

bool flo__worker_refuse(int channel, flo_status status, const char *text)
{
	struct flo__worker worker = {.channel = channel};
	struct serve s = {.worker = &worker, .at = end_of_request(channel)};

	say_refusal(&s, status, text);
	return !s.mute;
}

bool flo__worker_serve(const struct flo__worker *worker)
{
	struct serve s = {.worker = worker,
			  .at = end_of_request(worker->channel),
			  .err = FLO_ERROR_INIT};
	struct flo__strbuf took = FLO__STRBUF_INIT;
	flo_status st = prepare(&s, &s.err);

	if (st != FLO_OK) {
		say_refusal(&s, st, s.err.text);
	} else {
		flo__worker_took_write(s.type->name, &took);
		st = flo__strbuf_status(&took);
		say(&s, &took);
	}
	if (st == FLO_OK) {
		run_step(&s);
		if (s.st == FLO_OK)
			say_output(&s);
		else
			say_error(&s);
	}
	if (s.executor != NULL)
		s.executor->ops->free(s.executor);
	flo_value_unref(s.output);
	flo_value_unref(s.line);
	return !s.mute;
}
