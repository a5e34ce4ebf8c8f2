#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "fake_step.h"

#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct flo_step_call {
	struct fake_steps *fs;
	const flo_step_type *type;
	const flo_value *with;
	const char *key;
	flo_error *err;
	flo_value *output;
	flo_status st;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool done; /* by lock */
};

flo_context *flo_step_context(const flo_step_call *call)
{
	return call->fs->context;
}

const char *flo_step_dir(const flo_step_call *call)
{
	return call->fs->dir;
}

const char *flo_step_run_id(const flo_step_call *call)
{
	return call->fs->run_id;
}

const char *flo_step_trace_id(const flo_step_call *call)
{
	(void)call;
	return "0123456789abcdef0123456789abcdef";
}

const char *flo_step_path(const flo_step_call *call)
{
	return call->key;
}

unsigned flo_step_attempt(const flo_step_call *call)
{
	(void)call;
	return 1;
}

const char *flo_step_idempotency_key(const flo_step_call *call)
{
	return call->key;
}

void *flo_step_user(const flo_step_call *call)
{
	return call->type->user;
}

void flo_step_log(flo_step_call *call, const char *format, ...)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	va_list args;
	size_t len;

	pthread_mutex_lock(&lock);
	len = strlen(call->fs->log);
	va_start(args, format);
	vsnprintf(call->fs->log + len, sizeof(call->fs->log) - len, format,
		  args);
	va_end(args);
	pthread_mutex_unlock(&lock);
}

/* What putenv() took is its caller's again. */
static void remove_variable(const char *entry)
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)strcspn(entry, "="), entry);
	unsetenv(name);
}

flo_status flo_step_command(flo_step_call *call, const flo_command *command,
			    flo_error *err)
{
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;
	int rc;

	(void)call;
	/* Steps of a test run one at a time. */
	for (char *const *at = (char *const *)command->env;
	     at != NULL && *at != NULL; at++)
		putenv(*at);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, command->stdout_fd, 1);
	rc = posix_spawnp(&pid, command->argv[0], &actions, NULL,
			  (char *const *)command->argv, environ);
	for (char *const *at = (char *const *)command->env;
	     at != NULL && *at != NULL; at++)
		remove_variable(*at);
	posix_spawn_file_actions_destroy(&actions);
	if (rc != 0)
		return flo_error_set(err, FLO_SPAWN, "%s: %s", command->argv[0],
				     strerror(rc));
	waitpid(pid, &status, 0);
	if (WIFSIGNALED(status))
		return flo_error_set(err, FLO_SIGNAL, "signal %d",
				     WTERMSIG(status));
	if (WEXITSTATUS(status) != 0) {
		flo_error_set(err, FLO_EXIT, "exit code %d",
			      WEXITSTATUS(status));
		err->code = WEXITSTATUS(status);
		return FLO_EXIT;
	}
	return FLO_OK;
}

static void run(void *arg)
{
	flo_step_call *call = arg;

	if (call->fs->alloc_fail_at != 0)
		flo__alloc_fail_at(call->fs->alloc_fail_at, 0);
	call->st = call->type->run(call, call->with, call->err, &call->output);
	if (call->fs->alloc_fail_at != 0) {
		call->fs->allocs = flo__alloc_count();
		flo__alloc_fail_at(0, 0);
	}
	pthread_mutex_lock(&call->lock);
	call->done = true;
	pthread_cond_signal(&call->ended);
	pthread_mutex_unlock(&call->lock);
}

flo_status fake_step_value(struct fake_steps *fs, const flo_step_type *type,
			   const char *key, const flo_value *with,
			   flo_error *err, flo_value **ret_output)
{
	flo_step_call call = {.fs = fs,
			      .type = type,
			      .with = with,
			      .key = key,
			      .err = err,
			      .lock = PTHREAD_MUTEX_INITIALIZER,
			      .ended = PTHREAD_COND_INITIALIZER};

	flo_error_clear(err);
	assert_int_equal(flo_go_with(fs->rt, run, &call, 256 << 10, "step"),
			 FLO_OK);
	pthread_mutex_lock(&call.lock);
	while (!call.done)
		pthread_cond_wait(&call.ended, &call.lock);
	pthread_mutex_unlock(&call.lock);
	if (call.st != FLO_OK && call.st == err->status)
		assert_string_not_equal(err->text, "");
	if (ret_output != NULL)
		*ret_output = call.output;
	else
		flo_value_unref(call.output);
	return call.st;
}

flo_status fake_step(struct fake_steps *fs, const flo_step_type *type,
		     const char *key, flo_value **ret_output, const char *with,
		     ...)
{
	flo_value *value = NULL;
	flo_status st;
	va_list args;
	char *text;
	int len;

	va_start(args, with);
	len = vasprintf(&text, with, args);
	va_end(args);
	assert_true(len >= 0);
	st = flo_value_from_json(text, (size_t)len, 0, &fs->err, &value);
	if (st != FLO_OK)
		fail_msg("%s: %s", text, fs->err.text);
	free(text);
	fs->log[0] = '\0';
	st = fake_step_value(fs, type, key, value, &fs->err, ret_output);
	flo_value_unref(value);
	return st;
}

void fake_ok(struct fake_steps *fs, flo_status st)
{
	if (st != FLO_OK)
		fail_msg("%s: %s", flo_status_name(st), fs->err.text);
}

void fake_file(struct fake_steps *fs, const char *name, const void *bytes,
	       size_t len)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fs->dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

void fake_text(struct fake_steps *fs, const char *name, const char *text)
{
	fake_file(fs, name, text, strlen(text));
}

void fake_steps_init(struct fake_steps *fs)
{
	struct flo_runtime_options options = {.procs = 2};

	memset(fs, 0, sizeof(*fs));
	strcpy(fs->dir, "/tmp/flo-steps-XXXXXX");
	assert_non_null(mkdtemp(fs->dir));
	assert_int_equal(flo_runtime_new(&options, NULL, &fs->rt), FLO_OK);
	fs->context = flo_context_new(fs->rt);
	assert_non_null(fs->context);
	fs->run_id = "run-1";
}

static int remove_one(const char *path, const struct stat *info, int kind,
		      struct FTW *ftw)
{
	(void)info;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void fake_steps_fini(struct fake_steps *fs)
{
	flo_context_unref(fs->context);
	flo_runtime_free(fs->rt);
	nftw(fs->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static const flo_value *find(const flo_value *output, const char *name)
{
	const flo_value *value = flo_value_map_get(output, name);

	if (value == NULL)
		fail_msg("the output has no %s", name);
	return value;
}

int64_t out_int(const flo_value *output, const char *name)
{
	return flo_value_get_int(find(output, name));
}

const char *out_text(const flo_value *output, const char *name)
{
	return flo_value_get_string(find(output, name), NULL);
}

bool out_bool(const flo_value *output, const char *name)
{
	return flo_value_get_bool(find(output, name));
}
