/*
 * Whether this machine has what runs need. Each question is put to the kernel
 * in the way in which the engine will, and nothing stays changed.
 */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/proc/cgroup.h"
#include "engine/proc/local.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#define FILES_LOW    1024
#define MAPS_DEFAULT 65530

struct machine {
	flo_check_fn fn;
	void *arg;
};

#define TELL(m, level, name, remedy, ...)                                      \
	flo__store_check_tell((m)->fn, (m)->arg, FLO_CHECK_##level, name,      \
			      NULL, remedy, __VA_ARGS__)

/* ---- flo-minder ---- */

struct trial {
	struct flo__executor *executor;
	struct flo__exec_result result;
	flo_status st;
	flo_error err;
};

static flo_status swallow(struct flo__exec_sink *sink, int stream,
			  const char *bytes, size_t len, flo_error *err)
{
	(void)sink;
	(void)stream;
	(void)bytes;
	(void)len;
	(void)err;
	return FLO_OK;
}

/* A coroutine. */
static void try_minder(void *arg)
{
	static const char *const argv[] = {"true", NULL};
	static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
					  NULL};
	struct flo__exec_sink sink = {swallow};
	const struct flo__exec_request request = {.id = "doctor",
						  .argv = argv,
						  .env = env,
						  .dir = "/",
						  .stdout_fd = -1,
						  .stop_signal = SIGTERM,
						  .sink = &sink};
	struct trial *trial = arg;
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *context = NULL;

	trial->st = FLO_NOMEM;
	if (root != NULL)
		context = flo_context_timeout(root, 10000000000u, "too slow");
	if (context != NULL)
		trial->st = trial->executor->ops->run(trial->executor, &request,
						      context, &trial->err,
						      &trial->result);
	flo_context_unref(context);
	flo_context_unref(root);
}

static flo_status run_trial(const char *path, struct trial *trial)
{
	const struct flo_runtime_options options = {.procs = 1};
	flo_runtime *rt = NULL;
	flo_status st;

	TRY(flo__local_new(path, &trial->err, &trial->executor));
	TRY(flo_runtime_new(&options, &trial->err, &rt));
	TRY(flo_runtime_run(rt, try_minder, trial));
	st = trial->st;
out:
	flo_runtime_free(rt);
	if (trial->executor != NULL)
		trial->executor->ops->free(trial->executor);
	return st;
}

static flo_status check_minder(const struct machine *m, const char *minder)
{
	struct trial trial = {.err = FLO_ERROR_INIT};
	char *path = flo__local_minder(minder);
	flo_status st;

	if (path == NULL)
		return FLO_NOMEM;
	st = run_trial(path, &trial);
	if (st == FLO_OK && trial.result.exit_code == 0)
		st = TELL(m, OK, "minder", NULL, "%s runs programs", path);
	else if (st == FLO_OK)
		st = TELL(m, PROBLEM, "minder",
			  "run `true` by hand and see why it fails",
			  "`true` failed under %s: exit code %d, signal %d",
			  path, trial.result.exit_code, trial.result.signal);
	else if (st != FLO_NOMEM)
		st = TELL(m, PROBLEM, "minder",
			  "no program can be run: install flowctl anew, or set "
			  "FLO_MINDER to the path of flo-minder",
			  "%s", trial.err.text);
	flo__free(path);
	return st;
}

/* ---- ending what steps leave behind ---- */

static flo_status check_reaping(const struct machine *m)
{
	int on = 0, fd;
	flo_status st;

	if (prctl(PR_GET_CHILD_SUBREAPER, &on) == 0)
		st = TELL(m, OK, "subreaper", NULL,
			  "processes that escape from their step are found");
	else
		st = TELL(m, PROBLEM, "subreaper",
			  "allow prctl() in the sandbox, or use Linux 3.4 or "
			  "later",
			  "PR_SET_CHILD_SUBREAPER is not there: daemons of "
			  "steps would outlive them");
	if (st != FLO_OK)
		return st;
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (fd >= 0) {
		close(fd);
		return TELL(m, OK, "pidfd", NULL, "the kernel has them");
	}
	return TELL(m, NOTE, "pidfd", NULL,
		    "the kernel has none (%s): that the engine has died is "
		    "told by its sockets alone",
		    strerror(errno));
}

static flo_status check_proc(const struct machine *m)
{
	char path[64];

	if (access("/proc/self/stat", R_OK) != 0)
		return TELL(m, PROBLEM, "proc", "mount /proc",
			    "/proc is not mounted: what steps have started "
			    "cannot be found, nor who owns a run");
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	if (access(path, R_OK) != 0)
		return TELL(m, NOTE, "proc", NULL,
			    "/proc does not list children: to end a step, all "
			    "processes of the machine are looked at");
	return TELL(m, OK, "proc", NULL, "/proc is mounted");
}

static flo_status check_cgroup(const struct machine *m)
{
	flo_error why = FLO_ERROR_INIT;

	if (flo__cgroup_probe("/proc/self", &why) == FLO_OK)
		return TELL(m, OK, "cgroup", NULL,
			    "each minder has a cgroup: what escapes from its "
			    "step ends though the minder be killed");
	return TELL(m, OK, "cgroup", NULL,
		    "escaped processes are ended by flo-minder, their "
		    "sub-reaper; not by cgroups: %s",
		    why.text[0] != '\0' ? why.text : "they are switched off");
}

/* ---- memory and limits ---- */

static flo_status check_guard(const struct machine *m)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *at = mmap(NULL, page, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool has;

	if (at == MAP_FAILED)
		return FLO_NOMEM;
	has = madvise(at, page, MADV_GUARD_INSTALL) == 0;
	munmap(at, page);
	if (has)
		return TELL(m, OK, "guard", NULL,
			    "the kernel guards stacks without mappings");
	return TELL(m, NOTE, "guard", NULL,
		    "no MADV_GUARD_INSTALL (Linux 6.13): beyond some thousand "
		    "coroutines overflows of stacks are found late");
}

static flo_status check_maps(const struct machine *m)
{
	static const char path[] = "/proc/sys/vm/max_map_count";
	FILE *file = fopen(path, "re");
	long maps = -1;

	if (file != NULL) {
		if (fscanf(file, "%ld", &maps) != 1)
			maps = -1;
		fclose(file);
	}
	if (maps < 0)
		return TELL(m, NOTE, "maps", NULL, "%s cannot be read", path);
	if (maps < MAPS_DEFAULT)
		return TELL(m, NOTE, "maps", "sysctl -w vm.max_map_count=65530",
			    "vm.max_map_count is %ld, less than Linux has by "
			    "itself",
			    maps);
	return TELL(m, OK, "maps", NULL, "vm.max_map_count is %ld", maps);
}

static flo_status check_files(const struct machine *m)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return TELL(m, NOTE, "descriptors", NULL,
			    "the limit cannot be read: %s", strerror(errno));
	if (limit.rlim_cur < FILES_LOW)
		return TELL(m, NOTE, "descriptors",
			    "raise it with `ulimit -n`, or keep `limit` low: a "
			    "step needs about five",
			    "at most %llu files may be open",
			    (unsigned long long)limit.rlim_cur);
	return TELL(m, OK, "descriptors", NULL, "%llu files may be open",
		    (unsigned long long)limit.rlim_cur);
}

flo_status flo_machine_check(const char *minder, flo_check_fn fn, void *arg,
			     flo_error *err)
{
	const struct machine m = {fn, arg};
	flo_status st;

	REQUIRE(fn != NULL && flo_runtime_current() == NULL);
	TRY(check_minder(&m, minder));
	TRY(check_reaping(&m));
	TRY(check_proc(&m));
	TRY(check_cgroup(&m));
	TRY(check_guard(&m));
	TRY(check_maps(&m));
	TRY(check_files(&m));
out:
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}
