#include "cli/signals.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static struct {
	pthread_mutex_t lock;
	sigset_t set;
	flo_run *run;	       /* by lock; NULL before and after */
	struct cli_sink *sink; /* by lock */
	int first;	       /* by lock; the first signal, or 0 */
	int last;	       /* by lock; the last one */
	int count;	       /* by lock */
	bool is_over;	       /* by lock; the run has ended */
	int late;	       /* by lock; the first signal after that, or 0 */
	bool is_settled;       /* by lock; nothing can change the code */
	int code;	       /* by lock; the program's, once settled */
	bool is_leaving;       /* by lock; it was interrupted */
	bool is_starting;      /* by lock; what the store has now is unknown */
	bool interrupts;       /* that is what SIGTERM does; constant */
	bool resumes;	       /* a run that there is already; constant */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const char *name_of(int signal)
{
	return signal == SIGINT ? "SIGINT" : "SIGTERM";
}

/* What the run's error says; see cancelled_code() in store.c. */
static const char *why_of(int signal)
{
	return signal == SIGINT ? "cancelled by SIGINT"
				: "cancelled by SIGTERM";
}

/* A SIGTERM that interrupts counts more than a cancel that is under way: who
 * resumes the run goes on with that. Called with the lock held. */
static void interrupt_run(void)
{
	if (watch.is_leaving) {
		cli_sink_abandon(watch.sink);
		flo_run_interrupt(watch.run, FLO_CANCEL_KILL, NULL);
		cli_error("killing the steps; the run can be resumed");
		return;
	}
	watch.is_leaving = true;
	flo_run_interrupt(watch.run, FLO_CANCEL_STOP, "interrupted by SIGTERM");
	cli_error("SIGTERM: asking the steps to stop, and leaving the run to "
		  "be resumed; once more kills them at once");
}

/* Tell of the @nth signal. Called with the lock held. */
static void tell_run(int signal, int nth)
{
	const char *name = name_of(watch.first);

	if (watch.is_leaving || (watch.interrupts && signal == SIGTERM)) {
		interrupt_run();
	} else if (nth == 1) {
		flo_run_cancel(watch.run, FLO_CANCEL_STOP, why_of(watch.first));
		cli_error("%s: asking the steps to stop; once more kills "
			  "them at once",
			  name);
	} else if (nth == 2) {
		cli_sink_abandon(watch.sink);
		flo_run_cancel(watch.run, FLO_CANCEL_KILL, why_of(watch.first));
		cli_error("killing the steps");
	}
}

/* Called with the lock held. */
static int code_for(int signal)
{
	return watch.is_leaving ? CLI_INTERRUPTED : CLI_SIGNALLED + signal;
}

/*
 * Of signals that come before there is a run to tell of them. A run that was to
 * be resumed stays as it is.
 */
static int early_code(int signal)
{
	bool stays = watch.resumes || (watch.interrupts && signal == SIGTERM);

	return stays ? CLI_INTERRUPTED : code_for(signal);
}

static void on_signal(int signal)
{
	pthread_mutex_lock(&watch.lock);
	watch.count++;
	watch.last = signal;
	if (!watch.first)
		watch.first = signal;
	if (watch.is_settled)
		_exit(watch.code);
	if (watch.is_over && !watch.late) {
		watch.late = signal;
		if (watch.sink)
			cli_sink_abandon(watch.sink);
	} else if (watch.is_over) {
		_exit(code_for(signal));
	} else if (watch.run) {
		tell_run(signal, watch.count);
	} else if (watch.count > (watch.is_starting ? 2 : 1)) {
		cli_error("%s: ended before the run was %s", name_of(signal),
			  watch.resumes ? "gone on with; it stays as it is"
					: "recorded");
		_exit(early_code(signal));
	}
	pthread_mutex_unlock(&watch.lock);
}

static void *watcher(void *arg)
{
	int signal;

	(void)arg;
	for (;;)
		if (sigwait(&watch.set, &signal) == 0)
			on_signal(signal);
	return NULL;
}

static void add_unless_ignored(sigset_t *set, int signal)
{
	struct sigaction old;

	if (sigaction(signal, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaddset(set, signal);
}

bool cli_signals_start(bool interrupt, bool resumes)
{
	pthread_t thread;

	watch.interrupts = interrupt;
	watch.resumes = resumes;
	sigemptyset(&watch.set);
	add_unless_ignored(&watch.set, SIGINT);
	add_unless_ignored(&watch.set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &watch.set, NULL);
	if (pthread_create(&thread, NULL, watcher, NULL) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

void cli_signals_starting(void)
{
	pthread_mutex_lock(&watch.lock);
	watch.is_starting = true;
	pthread_mutex_unlock(&watch.lock);
}

void cli_signals_attach(flo_run *run, struct cli_sink *sink)
{
	pthread_mutex_lock(&watch.lock);
	watch.run = run;
	watch.sink = sink;
	for (int nth = 1; nth <= watch.count && nth <= 2; nth++)
		tell_run(nth == 1 ? watch.first : watch.last, nth);
	pthread_mutex_unlock(&watch.lock);
}

int cli_signals_detach(void)
{
	int first;

	pthread_mutex_lock(&watch.lock);
	watch.run = NULL;
	watch.is_over = true;
	first = watch.first;
	pthread_mutex_unlock(&watch.lock);
	return first;
}

bool cli_signals_seen(void)
{
	bool seen;

	pthread_mutex_lock(&watch.lock);
	seen = watch.count > 0;
	pthread_mutex_unlock(&watch.lock);
	return seen;
}

int cli_signals_release(void)
{
	int code = 0;

	pthread_mutex_lock(&watch.lock);
	if (watch.late && !cli_sink_is_drained(watch.sink))
		code = code_for(watch.late);
	watch.sink = NULL;
	pthread_mutex_unlock(&watch.lock);
	return code;
}

void cli_signals_settle(int code)
{
	pthread_mutex_lock(&watch.lock);
	watch.is_settled = true;
	watch.code = code;
	pthread_mutex_unlock(&watch.lock);
}
