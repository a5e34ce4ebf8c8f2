/*
 * The process of a worker: descriptors, signals, a small runtime, and an end.
 *
 * SIGTERM becomes a cancellation on a thread of its own: a step that computes
 * without parking keeps the one P, so a coroutine that waits for the signal
 * might never run, while this step looks at its context all the time.
 */
#include "api/api_p.h"

#include "base/contract.h"
#include "engine/run/worker_serve.h"
#include "json/json_p.h"

#include <flo/worker.h>

#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

/* There is one in a process. */
static struct {
	struct flo__worker worker;
	flo_runtime *runtime;
	sem_t told; /* SIGTERM came */
	sem_t done; /* the reply is given */
	bool mute;  /* by done: there is none */
} self;

/* Only what a signal handler may do. */
static void on_sigterm(int signal)
{
	int saved = errno;

	(void)signal;
	sem_post(&self.told);
	errno = saved;
}

static void *canceller(void *arg)
{
	flo_error cause = FLO_ERROR_INIT;

	(void)arg;
	while (sem_wait(&self.told) < 0)
		continue;
	flo_error_set(&cause, FLO_CANCELED, "asked to stop");
	flo_context_cancel(self.worker.context, &cause);
	return NULL;
}

static void attempt(void *arg)
{
	(void)arg;
	self.mute = !flo__worker_serve(&self.worker);
	sem_post(&self.done);
}

/* Take the channel, so that what the step starts or reads finds none of it.
 * Returns whether there is one. */
static bool take_channel(void)
{
	int seals = fcntl(STDIN_FILENO, F_GET_SEALS);
	int null;

	if (seals < 0 || !(seals & F_SEAL_GROW))
		return false;
	self.worker.channel = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (self.worker.channel < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
		_exit(FLO__WORKER_MUTE);
	close(null);
	return true;
}

static flo_status set_up_signals(flo_error *err)
{
	struct sigaction sa = {.sa_handler = on_sigterm,
			       .sa_flags = SA_RESTART};
	pthread_t thread;
	int errnum;

	signal(SIGPIPE, SIG_IGN);
	sem_init(&self.told, 0, 0);
	sem_init(&self.done, 0, 0);
	errnum = pthread_create(&thread, NULL, canceller, NULL);
	if (errnum != 0)
		return flo_error_sys(err, errnum, "cannot start a thread");
	pthread_detach(thread);
	sigaction(SIGTERM, &sa, NULL);
	return FLO_OK;
}

static flo_status start(flo_error *err)
{
	struct flo_runtime_options options = {.procs = 1};
	flo_status st;

	flo__json_guard_install();
	TRY(flo_runtime_new(&options, err, &self.runtime));
	self.worker.context = flo_context_new(self.runtime);
	if (self.worker.context == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	TRY(set_up_signals(err));
	st = flo_go_with(self.runtime, attempt, NULL, 256 * 1024, "step");
	if (st != FLO_OK)
		flo_error_set(err, st, "out of memory");
out:
	return st;
}

void flo_worker_main(const flo_step_type *const *types, size_t types_len)
{
	static const char by_hand[] =
		"a worker is started by an engine of flowctl, not by hand\n";
	struct flo__types known;
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	REQUIRE(types != NULL || types_len == 0);
	if (!take_channel())
		_exit(write(STDERR_FILENO, by_hand, sizeof(by_hand) - 1) < 0
			      ? FLO__WORKER_MUTE
			      : 2);
	flo__types_init(&known);
	known.extra = (const flo_step_type **)(uintptr_t)types;
	known.extra_len = types_len;
	self.worker.registry = &known.head;
	self.worker.env = (const char *const *)environ;
	st = start(&err);
	if (st != FLO_OK)
		_exit(flo__worker_refuse(self.worker.channel, st, err.text)
			      ? 0
			      : FLO__WORKER_MUTE);
	while (sem_wait(&self.done) < 0)
		continue;
	/* At once, whatever threads and coroutines the step has left. */
	_exit(self.mute ? FLO__WORKER_MUTE : 0);
}
