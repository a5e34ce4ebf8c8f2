/* What native step types see of their attempt: flo/step.h. */
#include "engine/run/call_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/signal_name.h"
#include "base/strbuf.h"

#include <flo/runtime.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

flo_context *flo_step_context(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->context;
}

const char *flo_step_dir(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->dir;
}

const char *flo_step_run_id(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->run_id;
}

const char *flo_step_trace_id(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->trace_id;
}

const char *flo_step_path(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->path;
}

unsigned flo_step_attempt(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->attempt;
}

const char *flo_step_idempotency_key(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->key;
}

void *flo_step_user(const flo_step_call *call)
{
	REQUIRE_RULE(call != NULL, "there is no call");
	return call->user;
}

void flo_step_log(flo_step_call *call, const char *format, ...)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	va_list args;

	REQUIRE_RULE(call != NULL, "there is no call");
	va_start(args, format);
	flo__strbuf_addv(&sb, format, args);
	va_end(args);
	flo__strbuf_addc(&sb, '\n');
	/* A log that cannot be written must not fail the work it tells of. */
	call->ops->write(call, 2, sb.data, sb.len, NULL);
	flo__strbuf_fini(&sb);
}

/* ---- commands ---- */

#define LAST_MAX 512 /* as much of a line as an error has room for */

/*
 * A command's output goes to the log only, whatever the step's output is, or to
 * a file. The program itself has a pipe even then: what it opens as /dev/stdout
 * would be a file of its own, with a place of its own, and emptied.
 */
struct command_sink {
	struct flo__exec_sink head; /* first */
	struct flo_step_call *call;
	int stdout_fd;	     /* -1: the log */
	char last[LAST_MAX]; /* the last line of stderr that is not empty */
	size_t last_len;
	bool line_over; /* the next byte begins a line */
};

static void remember(struct command_sink *s, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] == '\n') {
			s->line_over = true;
			continue;
		}
		if (s->line_over)
			s->last_len = 0;
		s->line_over = false;
		if (s->last_len < sizeof(s->last))
			s->last[s->last_len++] = bytes[i];
	}
}

static flo_status keep(int fd, const char *bytes, size_t len, flo_error *err)
{
	flo_status st = FLO_OK;
	size_t done = 0;

	flo_blocking_begin();
	while (done < len) {
		ssize_t n = write(fd, bytes + done, len - done);

		if (n > 0) {
			done += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			st = flo_error_sys(err, n == 0 ? EIO : errno,
					   "keep what the program wrote");
			break;
		}
	}
	flo_blocking_end();
	return st;
}

static flo_status command_write(struct flo__exec_sink *sink, int stream,
				const char *bytes, size_t len, flo_error *err)
{
	struct command_sink *s = (struct command_sink *)sink;

	if (stream == 1 && s->stdout_fd >= 0)
		return keep(s->stdout_fd, bytes, len, err);
	if (stream == 2)
		remember(s, bytes, len);
	return s->call->ops->write(s->call, stream, bytes, len, err);
}

/* The text of a failure, with the last line of stderr behind it. */
static flo_status command_failed(const struct command_sink *s,
				 const char *program, flo_status st, int code,
				 flo_error *err)
{
	const char *colon = s->last_len > 0 ? ": " : "";
	int len = (int)s->last_len;

	if (st == FLO_EXIT)
		flo_error_set(err, st, "%s: exit code %d%s%.*s", program, code,
			      colon, len, s->last);
	else
		flo_error_set(err, st, "%s: ended by %s%s%.*s", program,
			      flo__signal_name(code), colon, len, s->last);
	if (err != NULL)
		err->code = code;
	return st;
}

/* Whether @env has a variable of the name that @entry gives a value to. */
static bool env_has(const char *const *env, const char *entry)
{
	size_t len = strcspn(entry, "=") + 1;

	for (; *env != NULL; env++)
		if (strncmp(*env, entry, len) == 0)
			return true;
	return false;
}

/* @more, and of @env what @more does not have; NULL without memory. */
static const char **env_with(const char *const *env, const char *const *more)
{
	size_t len = 1;
	const char **all;
	size_t n = 0;

	for (const char *const *at = env; *at != NULL; at++)
		len++;
	for (const char *const *at = more; *at != NULL; at++)
		len++;
	all = flo__calloc(len, sizeof(*all));
	if (all == NULL)
		return NULL;
	for (const char *const *at = more; *at != NULL; at++)
		all[n++] = *at;
	for (const char *const *at = env; *at != NULL; at++)
		if (!env_has(more, *at))
			all[n++] = *at;
	return all;
}

flo_status flo_step_command(flo_step_call *call, const flo_command *command,
			    flo_error *err)
{
	struct command_sink sink = {.head = {command_write},
				    .call = call,
				    .stdout_fd = command->stdout_fd};
	struct flo__exec_result result = {.exit_code = -1};
	struct flo__exec_request request = {.id = call->key,
					    .argv = command->argv,
					    .dir = command->dir != NULL
							   ? command->dir
							   : call->dir,
					    .input = "",
					    .stdout_fd = -1,
					    .stop_signal = call->stop_signal,
					    .grace_ns = call->grace_ns,
					    .sink = &sink.head};
	const char **env = NULL;
	flo_status st = FLO_OK;

	REQUIRE_RULE(command->argv != NULL && command->argv[0] != NULL,
		     "there is no program");
	if (call->env == NULL)
		st = call->ops->furnish(call, err);
	if (st != FLO_OK)
		return st;
	request.env = call->env;
	if (command->env != NULL) {
		request.env = env = env_with(call->env, command->env);
		if (env == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	st = call->executor->ops->run(call->executor, &request, call->context,
				      err, &result);
	flo__free(env);
	if (st != FLO_OK)
		return st;
	if (result.signal != 0)
		return command_failed(&sink, command->argv[0], FLO_SIGNAL,
				      result.signal, err);
	if (result.exit_code != 0)
		return command_failed(&sink, command->argv[0], FLO_EXIT,
				      result.exit_code, err);
	return FLO_OK;
}
