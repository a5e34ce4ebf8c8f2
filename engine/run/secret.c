/*
 * Secrets: their values for the time of a run, and hiding them.
 *
 * Note: where a value goes, and where it is hidden
 *
 * Values are read when the run begins and again when it is resumed; nothing of
 * them is recorded. Expressions see them by scope.c, and dsl/secrets.c has made
 * sure that what is computed from them only goes to a program's environment or
 * standard input, or to native code. From there it may come back: in what a
 * step writes (hidden in engine/proc/steplog.c, before the log and the tail of
 * stderr), in its output (attempt.c: before the runner has it, so that a run
 * and its resumption compute with the same), in its error (attempt.c), and in
 * whatever else is recorded of the run (run.c: for errors that are not a
 * step's). Params, names and the pipeline are recorded as they were given.
 *
 * What is cut first and hidden then shows a part. So the mask goes along in the
 * context of a native step (native.c), which hides in what it quotes before it
 * cuts that.
 *
 * What expressions make of a value lies in memory until it is used again; the
 * value itself, the mask, and a step's environment and input are overwritten.
 */
#include "engine/run/secret_p.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/value_p.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUOTED_MIN 16 /* bytes of a value that a message quotes in part */

void flo__secret_wipe(struct flo__strbuf *sb)
{
	if (sb->cap != 0)
		explicit_bzero(sb->data, sb->cap);
	flo__strbuf_fini(sb);
}

flo_status flo__secret_too_large(const char *what, flo_error *err)
{
	return flo_error_set(err, FLO_LIMIT,
			     "%s is larger than %u bytes, too much for a "
			     "secret",
			     what, FLO__SECRET_VALUE_MAX);
}

/* ---- what is probably not meant ---- */

static void warn(const struct flo__run *run, const struct flo__secret *secret,
		 const char *format, ...) FLO_PRINTF(3, 4);
static void warn(const struct flo__run *run, const struct flo__secret *secret,
		 const char *format, ...)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	va_list args;

	if (run->deps.warn == NULL)
		return;
	flo__strbuf_addf(&sb, "secret \"%s\": ", secret->name);
	va_start(args, format);
	flo__strbuf_addv(&sb, format, args);
	va_end(args);
	flo_blocking_begin();
	if (flo__strbuf_status(&sb) == FLO_OK)
		run->deps.warn(sb.data, run->deps.warn_arg);
	flo_blocking_end();
	flo__strbuf_fini(&sb);
}

/* Others may read the file @path. */
static void warn_mode(const struct flo__run *run,
		      const struct flo__secret *secret, const char *path,
		      mode_t mode)
{
	if ((mode & (S_IRGRP | S_IROTH)) != 0)
		warn(run, secret, "%s may be read by %s: chmod 600 it", path,
		     (mode & S_IROTH) != 0 ? "everybody" : "its group");
}

/* Hiding it does not hide it, or comes too late. */
static void warn_value(const struct flo__run *run,
		       const struct flo__secret *secret, const char *value,
		       size_t len)
{
	struct flo__mask *mask;
	struct flo__strbuf params = FLO__STRBUF_INIT;

	if (len < FLO__MASK_PART_MIN) {
		warn(run, secret,
		     "its value is shorter than %d bytes: it is hidden "
		     "wherever it comes up, and not hard to guess",
		     FLO__MASK_PART_MIN);
		return;
	}
	mask = flo__mask_new();
	flo__value_json(run->params, &params);
	if (mask != NULL && flo__mask_add_secret(mask, value, len) == FLO_OK &&
	    flo__mask_ready(mask) == FLO_OK && !params.failed &&
	    flo__mask_find(mask, params.data, params.len) == len)
		warn(run, secret,
		     "its value is in the params, too, and these are recorded "
		     "as they are");
	flo__mask_free(mask);
	flo__strbuf_fini(&params);
}

/* ---- from the environment ---- */

static flo_status read_env(const struct flo__run *run, const char *name,
			   flo_error *err, struct flo__strbuf *value)
{
	const char *const *env = run->deps.environ_;
	size_t len = strlen(name);

	for (; env != NULL && *env != NULL; env++) {
		if (strncmp(*env, name, len) != 0 || (*env)[len] != '=')
			continue;
		flo__strbuf_adds(value, *env + len + 1);
		return FLO_OK;
	}
	return flo_error_set(err, FLO_NOTFOUND,
			     "the environment variable %s is not set", name);
}

/* ---- from a file ---- */

/* Room for all of it at once, so that no copy is left behind. */
static flo_status read_all(int fd, const char *path, flo_error *err,
			   struct flo__strbuf *value)
{
	ssize_t n = 1;

	if (!flo__strbuf_reserve(value, FLO__SECRET_VALUE_MAX + 2))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	while (n > 0 && value->len < FLO__SECRET_VALUE_MAX + 2) {
		n = read(fd, value->data + value->len,
			 FLO__SECRET_VALUE_MAX + 2 - value->len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			return flo_error_sys(err, errno, "cannot read %s",
					     path);
		else
			value->len += (size_t)n;
	}
	value->data[value->len] = '\0';
	return FLO_OK;
}

static flo_status check_file(int fd, const char *path, flo_error *err,
			     mode_t *ret_mode)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return flo_error_sys(err, errno, "cannot read %s", path);
	if (S_ISDIR(st.st_mode))
		return flo_error_set(err, FLO_INVALID, "%s is a directory",
				     path);
	if (!S_ISREG(st.st_mode))
		return flo_error_set(err, FLO_INVALID,
				     "%s is not a regular file", path);
	*ret_mode = st.st_mode;
	return FLO_OK;
}

/* Links are followed: what a cluster mounts as a secret is one. */
static flo_status read_path(const char *path, flo_error *err,
			    struct flo__strbuf *value, mode_t *ret_mode)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	flo_status st;

	if (fd < 0)
		return flo_error_sys(err, errno, "cannot read %s", path);
	st = check_file(fd, path, err, ret_mode);
	if (st == FLO_OK)
		st = read_all(fd, path, err, value);
	close(fd);
	return st;
}

/* Where relative paths start. */
const char *flo__secret_dir(const struct flo__run *run,
			    const struct flo__secret *secret)
{
	return secret->dir != NULL ? secret->dir : run->record.dir;
}

static flo_status read_file(const struct flo__run *run,
			    const struct flo__secret *secret, flo_error *err,
			    struct flo__strbuf *value)
{
	struct flo__strbuf path = FLO__STRBUF_INIT;
	const char *name = secret->from;
	mode_t mode = 0;
	flo_status st;

	if (name[0] != '/')
		flo__strbuf_addf(&path, "%s/", flo__secret_dir(run, secret));
	flo__strbuf_adds(&path, name);
	st = flo__strbuf_status(&path);
	flo_blocking_begin();
	if (st == FLO_OK)
		st = read_path(path.data, err, value, &mode);
	flo_blocking_end();
	if (st == FLO_OK)
		warn_mode(run, secret, path.data, mode);
	flo__strbuf_fini(&path);
	return st == FLO_NOMEM ? flo_error_set(err, st, "out of memory") : st;
}

/* ---- all of them ---- */

static flo_status add_set(struct flo__mask *mask, const flo_value *set)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < flo_value_len(set); i++) {
		size_t len;
		const char *text =
			flo_value_get_string(flo_value_map_at(set, i, NULL),
					     &len);

		st = flo__mask_add_secret(mask, text, len);
	}
	return st;
}

struct flo__mask *flo__secret_mask_so_far(const struct flo__run *run,
					  const struct flo__strbuf *value)
{
	struct flo__mask *mask = flo__mask_new();
	flo_status st = mask != NULL ? FLO_OK : FLO_NOMEM;

	for (size_t i = 0; st == FLO_OK && i < flo_value_len(run->secrets); i++)
		st = add_set(mask, flo_value_list_at(run->secrets, i));
	if (st == FLO_OK && value != NULL && value->len > 0)
		st = flo__mask_add_secret(mask, value->data,
					  value->data[value->len - 1] == '\n'
						  ? value->len - 1
						  : value->len);
	if (st == FLO_OK)
		st = flo__mask_ready(mask);
	if (st == FLO_OK)
		return mask;
	flo__mask_free(mask);
	return NULL;
}

/* "the environment variable X", for what is wrong with its value. */
static const char *source_of(const struct flo__secret *secret, char *buf,
			     size_t size)
{
	if (secret->kind == FLO__SECRET_ENV)
		snprintf(buf, size, "the environment variable %.200s",
			 secret->from);
	else if (secret->kind == FLO__SECRET_FILE)
		snprintf(buf, size, "the file %.400s", secret->from);
	else
		snprintf(buf, size, "what %.200s has printed", secret->argv[0]);
	return buf;
}

/* What a value must be, wherever it comes from. */
static flo_status check_value(const struct flo__secret *secret,
			      const struct flo__strbuf *value, flo_error *err)
{
	char source[512];

	source_of(secret, source, sizeof(source));
	if (value->failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (value->len == 0)
		return flo_error_set(err, FLO_INVALID, "%s is empty", source);
	if (value->len > FLO__SECRET_VALUE_MAX)
		return flo__secret_too_large(source, err);
	if (memchr(value->data, '\0', value->len) != NULL)
		return flo_error_set(err, FLO_INVALID,
				     "%s has a NUL byte in it", source);
	if (!flo__utf8_valid(value->data, value->len))
		return flo_error_set(err, FLO_INVALID,
				     "%s is not UTF-8 text: store it in base64",
				     source);
	return FLO_OK;
}

static flo_status read_value(const struct flo__run *run,
			     const struct flo__secret *secret, flo_context *ctx,
			     flo_error *err, struct flo__strbuf *value)
{
	flo_status st;

	switch (secret->kind) {
	case FLO__SECRET_ENV:
		st = read_env(run, secret->from, err, value);
		break;
	case FLO__SECRET_FILE:
		st = read_file(run, secret, err, value);
		break;
	default:
		st = flo__secret_read_exec(run, secret, ctx, err, value);
	}
	if (st != FLO_OK)
		return st;
	if (secret->kind != FLO__SECRET_ENV && value->len > 0 &&
	    value->data[value->len - 1] == '\n')
		flo__strbuf_cut(value, value->len - 1);
	st = check_value(secret, value, err);
	if (st == FLO_OK)
		warn_value(run, secret, value->data, value->len);
	return st;
}

static flo_status read_one(struct flo__run *run,
			   const struct flo__secret *secret, flo_value *set,
			   flo_context *ctx, flo_error *err)
{
	struct flo__strbuf value = FLO__STRBUF_INIT;
	flo_status st = FLO_OK;

	if (run->frozen)
		flo__strbuf_adds(&value, FLO__MASK_TEXT);
	else
		st = read_value(run, secret, ctx, err, &value);
	if (st == FLO_OK)
		st = flo_value_map_set(set, secret->name,
				       flo_value_stringn(value.data,
							 value.len));
	flo__secret_wipe(&value);
	if (st != FLO_OK && flo_context_status(ctx) == FLO_OK) {
		flo_error_set(err, st, "out of memory");
		flo_error_prefix(err, "secret \"%s\"", secret->name);
	}
	return st;
}

void flo__run_wipe_map(flo_value *map)
{
	for (size_t i = 0; map != NULL && i < flo_value_len(map); i++) {
		const flo_value *value = flo_value_map_at(map, i, NULL);
		size_t len;
		const char *text = flo_value_get_string(value, &len);

		/* The cast takes the const off: no one will read it again. */
		explicit_bzero((char *)(uintptr_t)text, len);
	}
	flo_value_unref(map);
}

/* Overwrite and free the values of all sets. */
static void wipe_sets(flo_value *sets)
{
	for (size_t i = 0; sets != NULL && i < flo_value_len(sets); i++)
		flo__run_wipe_map(flo_value_ref(flo_value_list_at(sets, i)));
	flo_value_unref(sets);
}

/* The secrets from number *@i on that are of set @set. What has been read is
 * in run->secrets at once: flo__secret_mask_so_far() looks there. */
static flo_status read_set(struct flo__run *run, uint32_t set, uint32_t *i,
			   flo_context *ctx, flo_error *err)
{
	const struct flo__plan *plan = run->plan;
	flo_value *map = flo_value_map(plan->secrets_len - *i);
	flo_status st =
		map != NULL ? flo_value_list_add(run->secrets, map) : FLO_NOMEM;

	while (st == FLO_OK && *i < plan->secrets_len &&
	       plan->secrets[*i].set == set)
		st = read_one(run, &plan->secrets[(*i)++], map, ctx, err);
	return st;
}

static flo_status read_each(struct flo__run *run, flo_context *ctx,
			    flo_error *err)
{
	const struct flo__plan *plan = run->plan;
	flo_status st = FLO_OK;
	uint32_t i = 0;

	wipe_sets(run->secrets);
	run->secrets = flo_value_list(plan->secrets_sets);
	if (run->secrets == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (uint32_t set = 0; st == FLO_OK && set < plan->secrets_sets; set++)
		st = read_set(run, set, &i, ctx, err);
	return st != FLO_OK ? flo_error_set(err, st, "out of memory") : st;
}

flo_status flo__run_secrets(struct flo__run *run, flo_error *err)
{
	flo_status st;

	if (run->plan->secrets_len == 0)
		return FLO_OK;
	st = read_each(run, run->ctx, err);
	/* What was cancelled after it had begun has a `finally` to run. */
	if (st != FLO_OK && run->resumed && !run->frozen &&
	    flo_context_status(run->ctx) != FLO_OK &&
	    flo_context_status(run->base) == FLO_OK) {
		flo_error_clear(err);
		st = read_each(run, run->base, err);
	}
	if (st != FLO_OK || run->frozen)
		return st;
	run->mask = flo__secret_mask_so_far(run, NULL);
	return run->mask != NULL
		       ? FLO_OK
		       : flo_error_set(err, FLO_NOMEM, "out of memory");
}

void flo__run_secrets_fini(struct flo__run *run)
{
	/* In the pipeline's env there may be some of them. */
	if (run->mask != NULL)
		flo__run_wipe_map(run->env);
	else
		flo_value_unref(run->env);
	wipe_sets(run->secrets);
	flo__mask_free(run->mask);
	run->env = run->secrets = NULL;
	run->mask = NULL;
}

/* ---- hiding ---- */

flo_status flo__run_hide(const struct flo__run *run, flo_value **value)
{
	flo_value *hidden;

	if (run->mask == NULL || *value == NULL)
		return FLO_OK;
	hidden = flo__value_mask(*value, run->mask);
	flo_value_unref(*value);
	*value = hidden;
	return hidden != NULL ? FLO_OK : FLO_NOMEM;
}

/* Steps of ours hide what they quote before they cut it: flo__mask_excerpt().
 * This is for whoever does not, and for what flo_error has no room for. */
void flo__run_hide_text(const struct flo__run *run, const char *text,
			struct flo__strbuf *sb)
{
	if (run->mask != NULL)
		flo__mask_quoting(run->mask, text, strlen(text), QUOTED_MIN,
				  sb);
	else
		flo__strbuf_adds(sb, text);
}

void flo__run_wipe(const struct flo__run *run, void *mem, size_t len)
{
	if (run->mask != NULL && len > 0)
		explicit_bzero(mem, len);
}
