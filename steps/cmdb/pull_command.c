/*
 * cmdb.pull, `command`: a program, whose output is kept in a file without a
 * name until it has exited with 0, and read then: what a program wrote that
 * failed later is not looked at.
 */
#include "steps/cmdb/pull_changes.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <flo/runtime.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Strings in `command`. */
#define ARGV_MAX 4096

struct program {
	const char **argv; /* owned array, NULL-terminated */
	int fd;		   /* what it wrote; owned */
	struct flo__changes changes;
};

static flo_status read_argv(struct program *program, const flo_value *command,
			    flo_error *err)
{
	size_t len = flo_value_len(command);

	if (flo_value_typeof(command) != FLO_VALUE_LIST || len == 0)
		return flo_error_set(err, FLO_TYPE,
				     "\"command\" must be a list of strings: "
				     "a program and its arguments");
	if (len > ARGV_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"command\" has %zu strings; %d are "
				     "allowed",
				     len, ARGV_MAX);
	program->argv = flo__calloc(len + 1, sizeof(*program->argv));
	if (program->argv == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (size_t i = 0; i < len; i++) {
		const flo_value *item = flo_value_list_at(command, i);

		if (flo_value_typeof(item) != FLO_VALUE_STRING ||
		    strlen(flo_value_get_string(item, NULL)) !=
			    flo_value_len(item))
			return flo_error_set(err, FLO_TYPE,
					     "item %zu of \"command\" is no "
					     "string, or has a NUL byte in it",
					     i);
		program->argv[i] = flo_value_get_string(item, NULL);
	}
	return FLO_OK;
}

static flo_status run_once(struct flo__pull_job *job, struct program *program,
			   bool all, flo_error *err)
{
	struct flo_command command = {.argv = program->argv};
	flo_status st;

	if (program->changes.cursor_at != NULL) {
		TRY(flo__changes_env(&program->changes, all, err));
		command.env = program->changes.env;
	}
	TRY(flo__pull_spool(job, err, &program->fd));
	command.stdout_fd = program->fd;
	TRY(flo_step_command(job->call, &command, err));
	if (lseek(program->fd, 0, SEEK_SET) != 0)
		st = flo_error_sys(err, errno, "rewind the program's output");
out:
	return st;
}

/* Once more, for everything, if it does not know its cursor any more. */
static flo_status run_program(struct flo__pull_job *job,
			      struct program *program, flo_error *err)
{
	flo_error fault = FLO_ERROR_INIT;
	flo_status st = run_once(job, program, false, &fault);

	if (flo__changes_gone(&program->changes, st, fault.code)) {
		flo_step_log(job->call,
			     "%s exited with %d: what changed since the last "
			     "pull is not known any more; everything is "
			     "pulled",
			     program->argv[0], fault.code);
		close(program->fd);
		program->fd = -1;
		return run_once(job, program, true, err);
	}
	if (st != FLO_OK) {
		flo_error_set(err, st, "%s",
			      fault.text[0] != '\0' ? fault.text
						    : flo_status_text(st));
		if (err != NULL)
			err->code = fault.code;
	}
	return st;
}

static flo_status open_source(struct flo__pull_job *job, const flo_value *arg,
			      flo_error *err, void **ret_state)
{
	struct program *program = flo__calloc(1, sizeof(*program));
	flo_status st;

	if (program == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	program->fd = -1;
	*ret_state = program;
	TRY(read_argv(program, arg, err));
	job->from = program->argv[0];
	TRY(flo__changes_open(job, &program->changes, err));
	/* Its errors name the program. */
	job->from = "";
	TRY(run_program(job, program, err));
	job->from = program->argv[0];
out:
	return st;
}

static flo_status read_source(struct flo__pull_job *job, void *state,
			      struct flo__stage *stage, flo_error *err)
{
	struct program *program = state;

	return flo__changes_split(&program->changes, job, program->fd, stage,
				  err);
}

static void close_source(void *state)
{
	struct program *program = state;

	if (program == NULL)
		return;
	if (program->fd >= 0)
		close(program->fd);
	flo__changes_fini(&program->changes);
	flo__free(program->argv);
	flo__free(program);
}

const struct flo__pull_kind flo__pull_command = {
	.name = "command",
	.open = open_source,
	.read = read_source,
	.close = close_source,
};
