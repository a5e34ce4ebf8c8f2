/*
 * Workers: a fixed number of coroutines that take jobs from one channel, and
 * calls that block their thread, which others do not feel.
 *
 * Prints:
 *	3 workers, 8 files: 6 are there, 2 are not
 */
#include <flo/chan.h>
#include <flo/runtime.h>
#include <flo/sync.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#define WORKERS 3

struct office {
	flo_chan *jobs; /* of const char *, a path */
	flo_waitgroup workers;
	flo_mutex lock;
	int there; /* by lock */
	int not_there;
};

/* errno is read inside the region: after it we may be on another thread. */
static int look_for(const char *path)
{
	struct stat st;
	int errnum;

	flo_blocking_begin();
	errnum = stat(path, &st) == 0 ? 0 : errno;
	flo_blocking_end();
	return errnum;
}

static void work(void *arg)
{
	struct office *office = arg;
	const char *path;
	int errnum;

	while (flo_chan_recv(office->jobs, &path, NULL) == FLO_OK) {
		errnum = look_for(path);
		flo_mutex_lock(&office->lock);
		*(errnum == 0 ? &office->there : &office->not_there) += 1;
		flo_mutex_unlock(&office->lock);
	}
	flo_waitgroup_done(&office->workers);
}

static flo_status hire(struct office *office)
{
	flo_status st = FLO_OK;

	for (int i = 0; i < WORKERS && st == FLO_OK; i++) {
		flo_waitgroup_add(&office->workers, 1);
		st = flo_go_with(NULL, work, office, 0, "worker");
		if (st != FLO_OK)
			flo_waitgroup_done(&office->workers);
	}
	return st;
}

static flo_status hand_out(struct office *office)
{
	static const char *const paths[] = {"/",    "/etc",	"/tmp",
					    "/usr", "/dev",	"/bin",
					    "/no",  "/nor this"};
	flo_status st = hire(office);

	for (int i = 0; i < 8 && st == FLO_OK; i++)
		st = flo_chan_send(office->jobs, &paths[i], NULL);
	/* They go home when the channel is closed and empty. */
	flo_chan_close(office->jobs);
	flo_waitgroup_wait(&office->workers, NULL);
	return st;
}

static void run(void *arg)
{
	struct office office = {.jobs = NULL};
	flo_status *st = arg;

	*st = flo_chan_new(sizeof(const char *), WORKERS, &office.jobs);
	if (*st == FLO_OK)
		*st = hand_out(&office);
	if (*st == FLO_OK)
		printf("%d workers, %d files: %d are there, %d are not\n",
		       WORKERS, office.there + office.not_there, office.there,
		       office.not_there);
	flo_chan_free(office.jobs);
}

int main(void)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt;
	flo_status st = FLO_OK;

	if (flo_runtime_new(NULL, &err, &rt) != FLO_OK) {
		fprintf(stderr, "worker: %s\n", err.text);
		return 1;
	}
	if (flo_runtime_run(rt, run, &st) != FLO_OK)
		st = FLO_NOMEM;
	flo_runtime_free(rt);
	return st == FLO_OK ? 0 : 1;
}
