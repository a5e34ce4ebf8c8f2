/*
 * What one attempt does: a program under the executor, or native code
 * (native.c).
 *
 * Its output goes to the attempt's log, and to memory as far as the step asks
 * for it; its failure becomes an error object.
 */
#include "engine/run/attempt_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "base/utf8.h"
#include "base/value_p.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- failures ---- */

flo_status flo__work_fail(struct flo__work *w, flo_status st, const char *kind,
			  const char *message)
{
	struct flo__strbuf tail = FLO__STRBUF_INIT;
	struct flo__strbuf text = FLO__STRBUF_INIT;

	if (w->log != NULL)
		flo__steplog_tail(w->log, &tail);
	flo__run_hide_text(w->attempt->frame->run, message, &text);
	flo_value_unref(w->attempt->error);
	w->attempt->error = flo__failure(kind, w->attempt->path, text.data,
					 NULL, tail.data);
	flo__strbuf_fini(&text);
	flo__strbuf_fini(&tail);
	return st;
}

flo_status flo__work_fail_err(struct flo__work *w, flo_status st,
			      const char *kind, const flo_error *err)
{
	return flo__work_fail(w, st, kind,
			      err->text[0] != '\0' ? err->text
						   : flo_status_text(st));
}

/* ---- the sink: log and capture ---- */

static flo_status sink_write(struct flo__exec_sink *sink, int stream,
			     const char *bytes, size_t len, flo_error *err)
{
	struct flo__work *w = (struct flo__work *)sink;
	uint64_t limit = w->leaf->output_limit;

	flo_status st = flo__steplog_write(w->log, stream, bytes, len, err);

	if (st != FLO_OK)
		return st;
	if (stream != 1 || w->leaf->output == FLO__OUTPUT_NONE)
		return FLO_OK;
	if (w->captured.len + len > limit) {
		w->over_limit = true;
		return flo_error_set(err, FLO_LIMIT,
				     "output is larger than %" PRIu64
				     " bytes (output_limit)",
				     limit);
	}
	flo__strbuf_add(&w->captured, bytes, len);
	if (flo__strbuf_status(&w->captured) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/* ---- what a program is given ---- */

static flo_status build_argv(struct flo__work *w, flo_error *err)
{
	uint32_t n = w->leaf->argv_len;

	w->argv = flo__calloc(n + 1, sizeof(*w->argv));
	if (w->argv == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_status st = flo__scope_text(w->attempt->frame,
						w->leaf->argv[i], err, &sb);

		if (st == FLO_OK && strlen(sb.data) != sb.len)
			st = flo_error_set(err, FLO_INVALID,
					   "argument %" PRIu32
					   " has a NUL byte in it",
					   i);
		w->argv[i] = st == FLO_OK ? flo__strbuf_take(&sb) : NULL;
		flo__strbuf_fini(&sb);
		if (st != FLO_OK)
			return st;
		if (w->argv[i] == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	return FLO_OK;
}

static flo_status build_input(struct flo__work *w, flo_error *err)
{
	if (w->leaf->stdin_ == NULL)
		return FLO_OK;
	return flo__scope_text(w->attempt->frame, w->leaf->stdin_, err,
			       &w->input);
}

/* ---- what a program gave ---- */

static flo_status lines_value(const struct flo__strbuf *text, flo_error *err,
			      flo_value **ret)
{
	flo_value *list = flo_value_list(16);
	size_t begin = 0;

	while (list != NULL && begin < text->len) {
		const char *nl =
			memchr(text->data + begin, '\n', text->len - begin);
		size_t end = nl != NULL ? (size_t)(nl - text->data) : text->len;

		if (flo_value_list_add(list,
				       flo_value_stringn(text->data + begin,
							 end - begin)) !=
		    FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
		begin = end + 1;
	}
	*ret = list;
	return list != NULL ? FLO_OK
			    : flo_error_set(err, FLO_NOMEM, "out of memory");
}

/* Say of @err that @what is not JSON. What was probably meant goes if secrets
 * may be in it: that a text is nearly `true` is most of the text. */
static void not_json(const struct flo__work *w, const char *what, int line,
		     flo_error *err)
{
	char *hint = w->attempt->frame->run->mask != NULL
			     ? strstr(err->text, "; ")
			     : NULL;

	if (hint != NULL)
		*hint = '\0';
	flo_error_prefix(err, "%s is not JSON (line %d, column %d)", what, line,
			 err->column);
}

static flo_status ndjson_value(const struct flo__work *w,
			       const struct flo__strbuf *text, flo_error *err,
			       flo_value **ret)
{
	flo_value *list = flo_value_list(16);
	size_t begin = 0;
	int line = 1;

	for (; list != NULL && begin < text->len; line++) {
		const char *nl =
			memchr(text->data + begin, '\n', text->len - begin);
		size_t end = nl != NULL ? (size_t)(nl - text->data) : text->len;
		flo_value *item = NULL;

		if (strspn(text->data + begin, " \t\r") < end - begin &&
		    flo_value_from_json(text->data + begin, end - begin,
					FLO_JSON_ANY, err, &item) != FLO_OK) {
			if (err->status == FLO_SYNTAX)
				not_json(w, "the output", line, err);
			flo_value_unref(list);
			return err->status;
		}
		if (item != NULL && flo_value_list_add(list, item) != FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
		begin = end + 1;
	}
	*ret = list;
	return list != NULL ? FLO_OK
			    : flo_error_set(err, FLO_NOMEM, "out of memory");
}

/* Text, or its lines. @text is borrowed. */
static flo_status plain_value(const struct flo__work *w,
			      struct flo__strbuf text, flo_error *err,
			      flo_value **ret)
{
	if (!flo__utf8_valid(text.data, text.len))
		return flo_error_set(err, FLO_SYNTAX,
				     "the output is not UTF-8 text");
	/* A newline ends a line, so here the last one is not cut off: an empty
	 * line at the end is a line. */
	if (w->leaf->output == FLO__OUTPUT_LINES)
		return lines_value(&text, err, ret);
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.len--;
	*ret = flo_value_stringn(text.data, text.len);
	return *ret != NULL ? FLO_OK
			    : flo_error_set(err, FLO_NOMEM, "out of memory");
}

/* The same, with secrets hidden before they are divided into lines. */
static flo_status text_value(const struct flo__work *w, struct flo__strbuf text,
			     flo_error *err, flo_value **ret)
{
	const struct flo__mask *mask = w->attempt->frame->run->mask;
	struct flo__strbuf hidden = FLO__STRBUF_INIT;
	flo_status st;

	if (mask == NULL)
		return plain_value(w, text, err, ret);
	flo__mask_text(mask, text.data, text.len, &hidden);
	st = flo__strbuf_status(&hidden);
	if (st == FLO_OK)
		st = plain_value(w, hidden, err, ret);
	else
		flo_error_set(err, st, "out of memory");
	flo__strbuf_fini(&hidden);
	return st;
}

static flo_status output_value(const struct flo__work *w, flo_error *err,
			       flo_value **ret)
{
	struct flo__strbuf text = w->captured; /* borrowed */
	flo_status st;

	if (w->leaf->output == FLO__OUTPUT_NDJSON)
		return ndjson_value(w, &text, err, ret);
	if (w->leaf->output == FLO__OUTPUT_JSON) {
		st = flo_value_from_json(text.data, text.len, FLO_JSON_ANY, err,
					 ret);
		if (st == FLO_SYNTAX)
			not_json(w, "the output", err->line, err);
		return st;
	}
	return text_value(w, text, err, ret);
}

/* What the program wrote to $FLOW_OUTPUT, open as @fd, which is closed. */
static flo_status output_file(struct flo__work *w, int fd, flo_error *err,
			      flo_value **ret)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	char buf[4096];
	ssize_t n = 0;
	flo_status st = FLO_OK;

	while (st == FLO_OK && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			st = flo_error_sys(err, errno,
					   "cannot read $FLOW_OUTPUT");
			break;
		}
		flo__strbuf_add(&text, buf, (size_t)n);
		if (flo__strbuf_status(&text) != FLO_OK)
			st = flo_error_set(err, FLO_NOMEM, "out of memory");
		if (text.len > w->leaf->output_limit)
			st = flo_error_set(err, FLO_LIMIT,
					   "$FLOW_OUTPUT is larger than "
					   "%" PRIu64 " bytes (output_limit)",
					   w->leaf->output_limit);
	}
	close(fd);
	unlink(w->output_path.data);
	if (st == FLO_OK && text.len > 0) {
		st = flo_value_from_json(text.data, text.len, FLO_JSON_ANY, err,
					 ret);
		if (st == FLO_SYNTAX)
			not_json(w, "$FLOW_OUTPUT", err->line, err);
		else if (st != FLO_OK)
			flo_error_prefix(err, "$FLOW_OUTPUT");
	}
	flo__strbuf_fini(&text);
	return st;
}

static flo_status collect_output(struct flo__work *w)
{
	flo_error err = FLO_ERROR_INIT;
	flo_status st = FLO_OK;
	/* Most write none: that is known within a microsecond, and to hand the
	 * P on and wake others for it would cost a hundred times as much. */
	int fd = open(w->output_path.data,
		      O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0) {
		flo_blocking_begin();
		st = output_file(w, fd, &err, &w->attempt->output);
		flo_blocking_end();
	} else if (errno != ENOENT) {
		st = flo_error_sys(&err, errno, "cannot open $FLOW_OUTPUT");
	}
	flo__strbuf_reset(&w->output_path);
	if (st == FLO_OK && w->attempt->output == NULL &&
	    w->leaf->output != FLO__OUTPUT_NONE)
		st = output_value(w, &err, &w->attempt->output);
	return st == FLO_OK ? FLO_OK
			    : flo__work_fail_err(w, st, "output", &err);
}

/* ---- programs ---- */

static bool exit_is_ok(const struct flo__leaf *leaf, int32_t code)
{
	for (uint32_t i = 0; i < leaf->exit_ok_len; i++) {
		if (leaf->exit_ok[i] == code)
			return true;
	}
	return leaf->exit_ok == NULL && code == 0;
}

static flo_status judge_program(struct flo__work *w,
				const struct flo__exec_result *result)
{
	char text[96];

	if (result->signal != 0) {
		snprintf(text, sizeof(text), "ended by %s",
			 flo__signal_name(result->signal));
		return flo__work_fail(w, FLO_SIGNAL, "signal", text);
	}
	if (!exit_is_ok(w->leaf, result->exit_code)) {
		snprintf(text, sizeof(text), "exit code %" PRId32,
			 result->exit_code);
		return flo__work_fail(w, FLO_EXIT, "exit", text);
	}
	return collect_output(w);
}

static void take_result(struct flo__attempt *attempt,
			const struct flo__exec_result *result)
{
	attempt->pid = result->pid;
	attempt->signal = result->signal;
	/* It is below 0 where no program has run to its end. */
	attempt->exit_code = result->signal != 0 || result->exit_code < 0
				     ? FLO__EVENT_NO_CODE
				     : result->exit_code;
}

/* Logs and work directories share the store's disk: when that is full the step
 * is not to blame. */
static void blame_disk(struct flo__work *w, flo_status st, const flo_error *err)
{
	if (st == FLO_FULL || st == FLO_READONLY)
		flo__run_broken(w->attempt->frame->run, err);
}

/* It was asked to stop because the run is being interrupted, and came to a good
 * end before it was killed: it need not run again. */
static bool came_to_an_end(const struct flo__work *w, flo_status st,
			   const struct flo__exec_result *result)
{
	return st == FLO_CANCELED && flo__run_leaving(w->attempt->frame->run) &&
	       result->signal == 0 && result->exit_code >= 0 &&
	       exit_is_ok(w->leaf, result->exit_code);
}

static flo_status run_program(struct flo__work *w)
{
	struct flo__run *run = w->attempt->frame->run;
	struct flo__exec_result result = {.exit_code = -1};
	struct flo__exec_request request = {
		.id = w->key.data,
		.stdout_fd = -1,
		.stop_signal = w->leaf->stop_signal,
		.grace_ns = w->grace_ns,
		.sink = &w->sink,
	};
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	st = build_argv(w, &err);
	if (st == FLO_OK)
		st = build_input(w, &err);
	if (st != FLO_OK)
		return flo__work_fail_err(w, st, "expression", &err);
	request.argv = (const char *const *)w->argv;
	request.env = (const char *const *)w->env;
	request.dir = w->dir.data;
	request.input = w->input.data;
	request.input_len = w->input.len;
	st = run->deps.executor->ops->run(run->deps.executor, &request,
					  w->attempt->ctx, &err, &result);
	if (st == FLO_SPAWN)
		return flo__work_fail_err(w, st, "spawn", &err);
	take_result(w->attempt, &result);
	if (st == FLO_OK || came_to_an_end(w, st, &result))
		return judge_program(w, &result);
	if (st == FLO_CANCELED || st == FLO_TIMEOUT)
		return flo__work_fail(w, st, flo__failure_kind(st), err.text);
	if (st == FLO_SIGNAL)
		return flo__work_fail_err(w, st, "signal", &err);
	blame_disk(w, st, &err);
	return flo__work_fail_err(w, st, w->over_limit ? "output" : "native",
				  &err);
}

/* ---- both ---- */

static flo_status open_work(struct flo__work *w, flo_error *err)
{
	struct flo__attempt *attempt = w->attempt;
	struct flo__run *run = attempt->frame->run;
	struct flo__strbuf path = FLO__STRBUF_INIT;
	flo_status st;

	flo__run_log_path(run->deps.files, run->record.id, attempt->start_seq,
			  &path);
	flo__strbuf_addf(&w->key, "%s/%s", run->record.id, attempt->path);
	st = flo__strbuf_status(&path);
	if (st == FLO_OK)
		st = flo__steplog_new(path.data, 0, &w->log);
	if (st == FLO_OK && run->mask != NULL)
		st = flo__steplog_mask(w->log, run->mask);
	flo__strbuf_fini(&path);
	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	TRY(flo__work_dir(w, err));
	w->grace_ns = flo__work_grace(w);
	if (run->plan->nodes[attempt->node].kind != FLO__NODE_USE)
		TRY(flo__work_env(w, err));
out:
	return st;
}

/* What stands where a secret may be, overwritten before it is freed. */
static void wipe_work(struct flo__work *w)
{
	const struct flo__run *run = w->attempt->frame->run;

	if (run->mask == NULL)
		return;
	flo__run_wipe(run, w->input.data, w->input.len);
	flo__run_wipe(run, w->captured.data, w->captured.len);
	for (size_t i = 0; i < w->env_len; i++) {
		if (w->env_owned[i])
			flo__run_wipe(run, w->env[i], strlen(w->env[i]));
	}
}

/* What there is of it on disk; mostly nothing. */
static void close_files(struct flo__work *w)
{
	if (w->output_path.len == 0 && flo__steplog_is_empty(w->log)) {
		flo__steplog_close(w->log, NULL);
		return;
	}
	flo_blocking_begin();
	flo__steplog_close(w->log, NULL);
	/* Of an attempt that failed, nobody reads it, and secrets may be in
	 * it. */
	if (w->output_path.len > 0)
		unlink(w->output_path.data);
	flo_blocking_end();
}

static void close_work(struct flo__work *w)
{
	wipe_work(w);
	close_files(w);
	for (char **s = w->argv; s != NULL && *s != NULL; s++)
		flo__free(*s);
	flo__free(w->argv);
	flo__work_env_free(w);
	flo__strbuf_fini(&w->captured);
	flo__strbuf_fini(&w->input);
	flo__strbuf_fini(&w->dir);
	flo__strbuf_fini(&w->key);
	flo__strbuf_fini(&w->output_path);
}

flo_status flo__attempt_run(struct flo__attempt *attempt)
{
	struct flo__run *run = attempt->frame->run;
	const struct flo__node *node = &run->plan->nodes[attempt->node];
	struct flo__work w = {.sink = {sink_write},
			      .attempt = attempt,
			      .leaf = &run->plan->leaves[node->spec],
			      .captured = FLO__STRBUF_INIT,
			      .input = FLO__STRBUF_INIT,
			      .dir = FLO__STRBUF_INIT,
			      .key = FLO__STRBUF_INIT,
			      .output_path = FLO__STRBUF_INIT};
	flo_error err = FLO_ERROR_INIT;
	flo_status st = open_work(&w, &err);

	if (st != FLO_OK) {
		blame_disk(&w, st, &err);
		flo__work_fail_err(&w, st, "expression", &err);
	} else if (node->kind == FLO__NODE_USE) {
		st = flo__native_run(&w);
	} else {
		st = run_program(&w);
	}
	/* Before anything sees it: what the record holds is what steps get. */
	if (flo__run_hide(run, &attempt->output) != FLO_OK)
		st = flo__work_fail(&w, FLO_NOMEM, "native", "out of memory");
	close_work(&w);
	return st;
}
