/*
 * One program from its submission to the moment nothing of it is alive.
 *
 * Note: who wakes the run
 *
 * For a program of a few milliseconds one message does: GONE. Its pipes are
 * not even watched before the minder says STARTED (after 3 ms) or EXITED: what
 * it writes until then waits in them, and a program that fills one waits those
 * milliseconds once. Watching three descriptors for every /bin/true would cost
 * six system calls, and a wake-up for each end of file.
 *
 * After GONE only the minder may hold a write end still, so an empty pipe is
 * at its end (a stranger who was handed one over a socket is not waited for).
 *
 * Standard input is never watched: small ones fit into the pipe before the
 * program starts, larger ones are files in memory. So nothing that we write
 * can raise SIGPIPE in the host.
 */
#include "engine/proc/local_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "engine/sched/poll_p.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define NEVER	 UINT64_MAX
#define DRAIN_NS (100 * FLO__NS_PER_MS)
#define PIPE_MAX (1u << 20) /* the most a user's pipe may hold */

struct output {
	int fd;	    /* read end, -1 once it has ended */
	int theirs; /* write end, until it has been sent */
};

struct run {
	struct flo__local *local;
	const struct flo__exec_request *request;
	flo_context *context;
	flo_error *err;
	struct flo__minder *minder; /* taken from the pool, or NULL */
	int input;		    /* what becomes stdin; -1: /dev/null */
	struct output outputs[2];   /* stdout, stderr */
	bool watching;		    /* the pipes: it is no short program */
	bool exited;		    /* the program has; others of it live */
	bool gone;		    /* all of it, or the minder */
	bool lost;		    /* the minder died, or does not see */
	bool deaf;		    /* the sink has failed */
	flo_status stopped;	    /* why; FLO_OK: nobody stops it */
	uint64_t drain_until;	    /* NEVER while the program runs */
};

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* FLO_OK while @context lives; else its status, and its cause as the error. */
static flo_status context_check(flo_context *context, flo_error *err)
{
	flo_error cause = FLO_ERROR_INIT;
	flo_status st;

	if (context == NULL)
		return FLO_OK;
	st = flo_context_cause(context, &cause);
	if (st == FLO_OK)
		return FLO_OK;
	return flo_error_set(err, st, "%s",
			     cause.text[0] != '\0' ? cause.text
						   : flo_status_text(st));
}

/* --- submission -------------------------------------------------------- */

static flo_status output_open(struct run *run, struct output *output)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return flo__local_sys_error(run->err, errno,
					    "cannot open a pipe");
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	output->fd = p[0];
	output->theirs = p[1];
	return FLO_OK;
}

static flo_status streams_open(struct run *run)
{
	flo_status st;

	if (run->request->input_fd <= 0)
		TRY(flo__local_input(run->request, run->err, &run->input));
	if (run->request->stdout_fd < 0)
		TRY(output_open(run, &run->outputs[0]));
	TRY(output_open(run, &run->outputs[1]));
out:
	return st;
}

/* The program has them now, or never will. */
static void close_theirs(struct run *run)
{
	close_fd(&run->input);
	close_fd(&run->outputs[0].theirs);
	close_fd(&run->outputs[1].theirs);
}

/* Why a minder did not take a request. Gives it up. */
static flo_status refused(struct run *run, flo_status st)
{
	struct flo__minder *minder = run->minder;

	if (st == FLO_CLOSED && flo__minders_killed(run->local, minder))
		st = flo_error_set(run->err, FLO_CANCELED,
				   "ended together with all programs");
	else if (st == FLO_CLOSED && minder->fresh)
		st = flo_error_set(run->err, FLO_SYSTEM,
				   "flo-minder ended right after its start");
	flo__minders_drop(run->local, minder, NULL);
	run->minder = NULL;
	return st;
}

/* Hand the request to the minder that was taken, or give it back. */
static flo_status submit_to(struct run *run)
{
	struct flo__minder *minder = run->minder;
	int in = run->request->input_fd, out = run->request->stdout_fd;
	int fds[] = {in > 0 ? in : run->input,
		     out >= 0 ? out : run->outputs[0].theirs,
		     run->outputs[1].theirs};
	char *bytes;
	size_t size;
	flo_status st;

	st = flo__local_encode(minder, run->request, fds[0] >= 0 ? 7 : 6,
			       run->err, &bytes, &size);
	if (st != FLO_OK) {
		flo__minders_give(run->local, minder);
		run->minder = NULL;
		return st;
	}
	st = flo__local_send(minder, bytes, size, fds, run->err);
	if (bytes != minder->buf)
		flo__free(bytes);
	return st == FLO_OK ? FLO_OK : refused(run, st);
}

/* An idle minder may have died unseen: then the next one is asked. */
static flo_status submit(struct run *run)
{
	flo_status st;

	do {
		TRY(flo__minders_take(run->local, run->err, &run->minder));
		st = submit_to(run);
	} while (st == FLO_CLOSED);
out:
	return st;
}

/* --- while it runs ----------------------------------------------------- */

/* End of file: kill the tree, then end. */
static void last_order(struct run *run)
{
	run->minder->spent = true;
	shutdown(run->minder->sock, SHUT_WR);
}

static void command(struct run *run, enum flo__minder_op op)
{
	struct flo__minder_command command = {
		.op = op,
		.signal = run->request->stop_signal,
		.grace_ns = run->request->grace_ns,
	};
	ssize_t n = send(run->minder->sock, &command, sizeof(command),
			 MSG_NOSIGNAL);

	if (n != (ssize_t)sizeof(command))
		last_order(run);
}

/* Stop it because of @why; the first reason stays. */
static void stop(struct run *run, flo_status why)
{
	if (run->stopped != FLO_OK)
		return;
	run->stopped = why;
	if (!run->exited && !run->gone)
		command(run, FLO__MINDER_STOP);
}

/* What is missing must not pass for the end of it. */
static void output_lost(struct run *run, int errnum)
{
	flo_status st;

	if (run->deaf)
		return;
	st = flo__local_sys_error(run->stopped == FLO_OK ? run->err : NULL,
				  errnum, "cannot read what the program wrote");
	run->deaf = true;
	stop(run, st);
}

/*
 * Read once and hand it on; returns how much came. What a program says while
 * it is being stopped is heard too.
 */
static size_t output_read(struct run *run, int i)
{
	struct flo__exec_sink *sink = run->request->sink;
	char *buf = run->minder->buf;
	flo_status st;
	ssize_t n;

	n = read(run->outputs[i].fd, buf, sizeof(run->minder->buf));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		output_lost(run, errno);
	if (n <= 0) {
		close_fd(&run->outputs[i].fd);
		return 0;
	}
	if (run->deaf)
		return (size_t)n;
	st = sink->write(sink, i + 1, buf, (size_t)n,
			 run->stopped == FLO_OK ? run->err : NULL);
	if (st != FLO_OK) {
		run->deaf = true;
		stop(run, st);
	}
	return (size_t)n;
}

/* Take what is left in the pipes. Nothing of the program is alive. */
static void outputs_finish(struct run *run)
{
	for (int i = 0; i < 2; i++) {
		size_t total = 0, n = 1;

		while (run->outputs[i].fd >= 0 && n > 0 && total < PIPE_MAX) {
			n = output_read(run, i);
			total += n;
		}
		close_fd(&run->outputs[i].fd);
	}
}

static void on_reply(struct run *run)
{
	switch (run->minder->reply.event) {
	case FLO__MINDER_STARTED:
		run->watching = true;
		break;
	case FLO__MINDER_EXITED:
		run->watching = true;
		run->exited = true;
		/* Who is being stopped has the rest of the grace. */
		if (run->stopped == FLO_OK)
			run->drain_until = flo_now() + DRAIN_NS;
		break;
	case FLO__MINDER_BLIND:
		run->lost = true;
		run->gone = true;
		break;
	case FLO__MINDER_FAILED:
	case FLO__MINDER_GONE:
		run->minder->spent |= run->minder->reply.spent != 0;
		run->gone = true;
		break;
	default:
		INSIST(!"a reply that we know");
	}
}

static void reply_read(struct run *run)
{
	struct flo__minder *m = run->minder;
	ssize_t n = recv(m->sock, (char *)&m->incoming + m->got,
			 sizeof(m->incoming) - m->got, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		run->lost = true;
		run->gone = true;
		return;
	}
	m->got += (size_t)n;
	if (m->got < sizeof(m->incoming))
		return;
	m->got = 0;
	m->reply = m->incoming;
	on_reply(run);
}

/* The program has ended: how long do we listen to what it left behind? */
static void drain(struct run *run)
{
	bool silent = run->outputs[0].fd < 0 && run->outputs[1].fd < 0;

	if (run->drain_until == NEVER)
		return;
	if (!silent && flo_now() < run->drain_until)
		return;
	run->drain_until = NEVER;
	command(run, FLO__MINDER_KILL);
}

/* Wait for the next thing to happen, and see to it. */
static flo_status step(struct run *run)
{
	bool watch = run->watching;
	struct flo__pollfd fds[] = {
		{run->minder->sock, FLO__POLL_READ, 0},
		{watch ? run->outputs[0].fd : -1, FLO__POLL_READ, 0},
		{watch ? run->outputs[1].fd : -1, FLO__POLL_READ, 0},
	};
	/* What happens after the program's end does not change how it went. */
	bool free = run->stopped == FLO_OK && !run->exited;
	flo_status st, ended = FLO_OK;

	st = flo__poll(fds, 3, run->drain_until, free ? run->context : NULL);
	if (st == FLO_OK) {
		for (int i = 0; i < 2; i++)
			if (fds[i + 1].revents != 0)
				output_read(run, i);
		if (fds[0].revents != 0)
			reply_read(run);
	} else if (free) {
		ended = context_check(run->context, run->err);
		if (ended != FLO_OK)
			stop(run, ended);
	}
	if (st == FLO_NOMEM || st == FLO_SYSTEM)
		return flo_error_set(run->err, st, "cannot wait for a program");
	drain(run);
	return FLO_OK;
}

/* We cannot wait as we should: end it all, blocking the thread. */
static void end_blocking(struct run *run)
{
	struct pollfd pollfd = {run->minder->sock, POLLIN, 0};

	close_fd(&run->outputs[0].fd);
	close_fd(&run->outputs[1].fd);
	last_order(run);
	flo_blocking_begin();
	while (!run->gone) {
		poll(&pollfd, 1, -1);
		reply_read(run);
	}
	flo_blocking_end();
}

static flo_status follow(struct run *run)
{
	flo_status st = FLO_OK;

	while (st == FLO_OK && !run->gone)
		st = step(run);
	if (st != FLO_OK) {
		end_blocking(run);
		run->stopped = run->stopped != FLO_OK ? run->stopped : st;
	}
	return st;
}

/* --- its end ----------------------------------------------------------- */

static void result_set(const struct flo__minder_reply *reply,
		       struct flo__exec_result *ret_result)
{
	ret_result->pid = reply->pid;
	ret_result->exit_code = reply->exit_code;
	ret_result->signal = reply->signal;
	ret_result->cpu_us = reply->cpu_us;
	ret_result->max_rss_kib = reply->max_rss_kib;
}

/*
 * Say what happened to a program whose minder was killed. Its death has sent
 * the program SIGKILL.
 */
static flo_status lost_error(struct run *run, pid_t minder, int status,
			     bool empty)
{
	char how[64];

	if (status != -1 && WIFSIGNALED(status))
		snprintf(how, sizeof(how), "was ended by signal %d",
			 WTERMSIG(status));
	else
		snprintf(how, sizeof(how), "ended");
	/* Whatever it was to be blamed for before, this is worse. */
	flo_error_clear(run->err);
	return flo_error_set(
		run->err, FLO_SIGNAL,
		"flo-minder (process %d), which ran \"%s\", %s, and %s was "
		"killed with it%s",
		minder, run->request->argv[0], how,
		run->exited ? "what the program left behind" : "the program",
		empty ? ""
		      : "; what left its session and emptied its environment "
			"may be alive");
}

/* The minder has given up: it could not look for what was to be killed. */
static flo_status blind_error(struct run *run,
			      const struct flo__minder_reply *reply, bool empty)
{
	char what[FLO_ERROR_TEXT_MAX];

	snprintf(what, sizeof(what),
		 "flo-minder (of \"%.200s\") cannot find the processes that "
		 "were to be ended%s: %s in /proc",
		 run->request->argv[0],
		 empty ? ", which were ended with their cgroup"
		       : "; what left its session and emptied its environment "
			 "may be alive",
		 reply->stage == FLO__MINDER_AT_PROC_READ ? "read" : "open");
	flo_error_clear(run->err);
	return flo__local_sys_error(run->err, reply->errnum, what);
}

/*
 * Nobody answers for the tree any more: do what can be done without. Who was
 * being stopped has been, if it is certain that nothing is alive.
 */
static flo_status bury_lost(struct run *run, struct flo__exec_result *result)
{
	struct flo__minder *minder = run->minder;
	const struct flo__minder_reply reply = minder->reply;
	pid_t program = reply.pid, pid = minder->pid;
	bool killed = flo__minders_killed(run->local, minder), empty;
	int status = flo__minders_drop(run->local, minder, &empty);

	run->minder = NULL;
	if (!run->exited)
		result->signal = SIGKILL;
	/* With a cgroup too: root may leave one. */
	flo__orphans_kill(program, run->request->env);
	if (empty && run->stopped != FLO_OK)
		return run->stopped;
	if (empty && killed)
		return flo_error_set(run->err, FLO_CANCELED,
				     "ended together with all programs");
	if (reply.event == FLO__MINDER_BLIND)
		return blind_error(run, &reply, empty);
	return lost_error(run, pid, status, empty);
}

static flo_status start_error(struct run *run)
{
	flo_status st;

	flo_blocking_begin(); /* looks at files */
	st = flo__local_start_error(run->request, &run->minder->reply,
				    run->err);
	flo_blocking_end();
	return st;
}

/* How it went, now that nothing of it is alive. */
static flo_status conclude(struct run *run, struct flo__exec_result *ret_result)
{
	struct flo__minder *minder = run->minder;
	flo_status st;

	if (minder->reply.event == FLO__MINDER_FAILED) {
		st = start_error(run);
	} else {
		outputs_finish(run);
		result_set(&minder->reply, ret_result);
		st = run->stopped;
	}
	if (run->lost)
		return bury_lost(run, ret_result);
	if (st == FLO_OK && flo__minders_killed(run->local, minder))
		st = flo_error_set(run->err, FLO_CANCELED,
				   "ended together with all programs");
	flo__minders_give(run->local, minder);
	run->minder = NULL;
	return st;
}

flo_status flo__local_run(struct flo__executor *executor,
			  const struct flo__exec_request *request,
			  flo_context *context, flo_error *err,
			  struct flo__exec_result *ret_result)
{
	struct run run = {
		.local = (struct flo__local *)executor,
		.request = request,
		.context = context,
		.err = err,
		.input = -1,
		.outputs = {{-1, -1}, {-1, -1}},
		.drain_until = NEVER,
	};
	flo_status st;

	REQUIRE(request->argv[0] != NULL && request->dir != NULL);
	*ret_result = (struct flo__exec_result){.exit_code = -1};
	TRY(context_check(context, err));
	TRY(streams_open(&run));
	TRY(submit(&run));
	close_theirs(&run);
	follow(&run);
	st = conclude(&run, ret_result);
out:
	close_theirs(&run);
	close_fd(&run.outputs[0].fd);
	close_fd(&run.outputs[1].fd);
	return st;
}
