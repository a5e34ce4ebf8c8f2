/*
 * flo-minder: runs one program at a time for the engine and answers for
 * everything that comes of it.
 *
 * It is a sub-reaper: whatever a step starts and abandons becomes its child.
 * So "nothing of the step is alive" is what wait4() says (ECHILD), and not
 * what somebody guessed from process groups or marks in environments, which
 * setsid and `env -i` escape. (Refused: a scan of /proc for a cookie costs
 * more than a step; killpg() leaves what made a session; a parent-death signal
 * in the engine's children fires when the spawning thread ends.)
 *
 * Where the engine could make it a cgroup, a step runs in there: then whatever
 * comes of it is killed at one instant, is found if it should leave the tree
 * (by entering a process namespace that exists: its orphans go to that one's
 * init), and is still found by the engine when the minder has been killed. It
 * is gone when both say so.
 *
 * Life of a step: RUN -> spawn -> wait. The program ended and nothing else is
 * left: GONE. Something is left: EXITED, and the engine decides how long it
 * wants to listen to it before KILL. STOP: the signal to all, SIGKILL when the
 * grace is over. The engine died: SIGKILL at once. See minder_p.h.
 *
 * Who is to be killed is looked up in /proc. Where that cannot be done for a
 * second, and what can be done without does not end them either, the minder
 * says BLIND and ends, rather than sweep for ever: the engine sees to the rest.
 *
 * It sleeps in two places only: in recvmsg() while it has no step, and in
 * ppoll() with SIGCHLD let in while it has one, so no wake-up is lost and no
 * time is spent polling. (And for 10 ms where the kernel has no memory to send
 * a reply.)
 */
#include "base/prompt.h"
#include "engine/proc/minder_cgroup.h"
#include "engine/proc/minder_inbox.h"
#include "engine/proc/minder_p.h"
#include "engine/proc/minder_spawn.h"
#include "engine/proc/minder_tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NEVER	      INT64_MAX
#define NS_PER_S      INT64_C(1000000000)
#define SWEEP_MIN_NS  INT64_C(1000000)
#define SWEEP_MAX_NS  INT64_C(250000000)
#define GRACE_MAX_NS  (UINT64_C(1) << 60)
#define BLIND_SOON_NS INT64_C(20000000)
#define BLIND_MAX_NS  INT64_C(1000000000)
#define SEND_TRIES    100
#define SEND_PAUSE_NS 10000000

struct step {
	pid_t pid;
	struct flo__minder_reply reply; /* what is known so far */
	int64_t announce_at;		/* send STARTED; NEVER once it was */
	int64_t kill_at;		/* the grace ends */
	int64_t sweep_at; /* SIGKILL all again; NEVER: not ending it yet */
	int64_t sweep_ns; /* between sweeps */
	int stop_signal;  /* 0: nobody asked it to stop */
	struct minder_pids told; /* who had that signal */
	int64_t blind_since;	 /* of the sweeps; NEVER: the last one saw */
	bool exited, childless, gone, unseen;
};

struct minder {
	struct minder_inbox inbox;
	int engine; /* pidfd of the engine, -1: none, only the socket tells */
	int null;
	struct minder_cgroup cgroup;
	/* The engine is gone, or we cannot go on: end everything, then us. */
	bool orphan;
	sigset_t waiting; /* the mask while in ppoll(): SIGCHLD comes in */
};

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* May what failed with @errnum go well a little later? */
static bool passes(int errnum)
{
	return errnum == EINTR || errnum == ENOBUFS || errnum == ENOMEM ||
	       errnum == EAGAIN;
}

/*
 * The engine waits for each reply, so none may be dropped. One that cannot be
 * sent for long ends the talk instead: then the engine sees the end of file,
 * and so do we, and end everything as if it had died.
 */
static void reply_send(const struct flo__minder_reply *reply)
{
	const struct timespec pause = {.tv_nsec = SEND_PAUSE_NS};
	const char *at = (const void *)reply;
	size_t left = sizeof(*reply);

	for (int tries = 0; left > 0; tries++) {
		ssize_t n = send(FLO__MINDER_SOCKET, at, left, MSG_NOSIGNAL);

		if (n > 0) {
			at += n;
			left -= (size_t)n;
		} else if (tries < SEND_TRIES && passes(errno)) {
			nanosleep(&pause, NULL);
		} else {
			shutdown(FLO__MINDER_SOCKET, SHUT_RDWR);
			return;
		}
	}
}

static void step_tell(struct step *step, enum flo__minder_event event)
{
	step->reply.event = event;
	reply_send(&step->reply);
}

static void fds_close(int fds[FLO__MINDER_STREAMS])
{
	for (int i = 0; i < FLO__MINDER_STREAMS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

/* Add what one reaped process used. */
static void count_usage(struct step *step, const struct rusage *used)
{
	const struct timeval *user = &used->ru_utime, *sys = &used->ru_stime;

	step->reply.cpu_us += (uint64_t)(user->tv_sec + sys->tv_sec) * 1000000 +
			      (uint64_t)(user->tv_usec + sys->tv_usec);
	if ((uint64_t)used->ru_maxrss > step->reply.max_rss_kib)
		step->reply.max_rss_kib = (uint64_t)used->ru_maxrss;
}

/* Collect the dead. ECHILD is the proof that nothing of the step is left, but
 * for what left the tree inside the cgroup. */
static void step_reap(const struct minder *m, struct step *step)
{
	struct rusage used;
	int status;
	pid_t pid;

	while ((pid = wait4(-1, &status, WNOHANG | __WALL, &used)) > 0) {
		count_usage(step, &used);
		if (pid != step->pid)
			continue;
		step->exited = true;
		if (WIFSIGNALED(status))
			step->reply.signal = WTERMSIG(status);
		else
			step->reply.exit_code = WEXITSTATUS(status);
	}
	step->childless = pid < 0 && errno == ECHILD;
	step->gone = step->childless && !minder_cgroup_populated(&m->cgroup);
}

/*
 * A sweep could not see. The kernel ends a process group and a cgroup by their
 * names, and wait4() tells when nothing is left; so that is tried at once, and
 * for the cgroup soon, as no program can be started in it after that. What has
 * left both is then nobody's whom we can reach: we say so, and the engine, which
 * may see more, ends what it finds.
 */
static void sweep_blind(struct minder *m, struct step *step,
			struct minder_blind blind)
{
	int64_t now = now_ns();

	if (step->blind_since == NEVER)
		step->blind_since = now;
	minder_group_kill(step->pid, SIGKILL);
	if (m->cgroup.dir >= 0 && now - step->blind_since >= BLIND_SOON_NS)
		m->orphan = true; /* the next sweep kills the cgroup */
	if (now - step->blind_since < BLIND_MAX_NS)
		return;
	step->reply.stage = (uint32_t)blind.stage;
	step->reply.errnum = blind.errnum;
	step->unseen = true;
	m->orphan = true;
}

static void step_sweep(struct minder *m, struct step *step)
{
	struct minder_blind blind;

	/* Only if nothing is to be born there any more: Linux (6.18) kills
	 * whoever is started in a cgroup by clone3() after cgroup.kill. */
	if (m->orphan)
		minder_cgroup_kill(&m->cgroup);
	blind = minder_tree_kill(m->cgroup.dir);
	if (blind.errnum != 0)
		sweep_blind(m, step, blind);
	else
		step->blind_since = NEVER;
	/* What forks faster than that, or is stuck in the kernel, is swept
	 * again, at first soon, then without making a load of it. */
	step->sweep_at = now_ns() + step->sweep_ns;
	if (step->sweep_ns < SWEEP_MAX_NS)
		step->sweep_ns *= 2;
}

static void step_kill(struct minder *m, struct step *step)
{
	step->kill_at = NEVER;
	if (step->sweep_at == NEVER)
		step_sweep(m, step);
}

/* Send all that have not had it the signal that they are asked to stop with. */
static void step_ask(const struct minder *m, struct step *step)
{
	int signal = step->stop_signal;

	if (minder_tree_stop(signal, m->cgroup.dir, &step->told).errnum == 0)
		return;
	/* Better some of them twice than none. */
	minder_group_kill(step->pid, signal);
	minder_group_kill(step->pid, SIGCONT);
}

static void step_stop(struct minder *m, struct step *step, int signal,
		      uint64_t grace_ns)
{
	if (grace_ns == 0) {
		step_kill(m, step);
		return;
	}
	step->stop_signal = signal;
	step_ask(m, step);
	if (grace_ns < GRACE_MAX_NS)
		step->kill_at = now_ns() + (int64_t)grace_ns;
}

static void step_timers(struct minder *m, struct step *step)
{
	int64_t now = now_ns();

	if (step->announce_at <= now) {
		step->announce_at = NEVER;
		step_tell(step, FLO__MINDER_STARTED);
	}
	if (step->kill_at <= now)
		step_kill(m, step);
	else if (step->sweep_at <= now)
		step_sweep(m, step);
}

static void step_command(struct minder *m, struct step *step)
{
	struct flo__minder_command command;

	while (minder_inbox_command(&m->inbox, &command)) {
		if (command.op == FLO__MINDER_STOP)
			step_stop(m, step, command.signal, command.grace_ns);
		else if (command.op == FLO__MINDER_KILL)
			step_kill(m, step);
		else
			m->orphan = true; /* not our engine's language */
	}
}

static struct timespec *step_timeout(const struct step *step,
				     struct timespec *ts)
{
	int64_t due = step->announce_at, left;

	if (step->kill_at < due)
		due = step->kill_at;
	if (step->sweep_at < due)
		due = step->sweep_at;
	if (due == NEVER)
		return NULL;
	left = due - now_ns();
	if (left < 0)
		left = 0;
	*ts = (struct timespec){left / NS_PER_S, left % NS_PER_S};
	return ts;
}

/* Sleep until a child has ended, the engine speaks or dies, or time is up. */
static void step_sleep(struct minder *m, struct step *step)
{
	struct pollfd fds[] = {
		{m->orphan ? -1 : FLO__MINDER_SOCKET, POLLIN, 0},
		{m->orphan ? -1 : m->engine, POLLIN, 0},
		/* With children SIGCHLD comes in any case. */
		{step->childless ? m->cgroup.events : -1, POLLPRI, 0},
	};
	struct timespec ts;
	int n = ppoll(fds, 3, step_timeout(step, &ts), &m->waiting);

	if (n == 0)
		step_timers(m, step);
	if (n < 0 && errno != EINTR) {
		/* Deaf to the engine: end it all. */
		m->orphan = true;
		step_kill(m, step);
	}
	if (n <= 0)
		return;
	if (fds[0].revents != 0 && !minder_inbox_fill(&m->inbox, MSG_DONTWAIT))
		m->orphan = true;
	if (fds[1].revents != 0)
		m->orphan = true;
	step_command(m, step);
	if (m->orphan)
		step_kill(m, step);
}

/* The program has ended, and not all that came of it. */
static void step_exited(const struct minder *m, struct step *step,
			int fds[FLO__MINDER_STREAMS])
{
	/* Let end of file through once the others close. */
	fds_close(fds);
	step->announce_at = NEVER;
	step_tell(step, FLO__MINDER_EXITED);
	/* Who was born while the others were told to stop learns it now. */
	if (step->stop_signal != 0)
		step_ask(m, step);
}

static void step_wait(struct minder *m, struct step *step,
		      int fds[FLO__MINDER_STREAMS])
{
	bool told = false;

	while (!step->gone && !step->unseen) {
		step_sleep(m, step);
		step_reap(m, step);
		if (step->exited && !step->gone && !told) {
			step_exited(m, step, fds);
			told = true;
		}
	}
	step->reply.spent = m->orphan;
	step_tell(step, step->gone ? FLO__MINDER_GONE : FLO__MINDER_BLIND);
	minder_pids_fini(&step->told);
}

static bool step_failed(struct step *step, int stage, int errnum)
{
	step->reply.stage = (uint32_t)stage;
	step->reply.errnum = errnum;
	step_tell(step, FLO__MINDER_FAILED);
	return false;
}

/* Start what @request says; false, and FAILED was sent, if that failed. */
static bool step_start(struct minder *m, const struct minder_request *request,
		       struct step *step)
{
	struct minder_spawn spawn = {.dir = request->dir,
				     .argv = request->argv,
				     .env = request->env,
				     .cgroup = m->cgroup.dir};

	if (request->errnum != 0)
		return step_failed(step, FLO__MINDER_AT_REQUEST,
				   request->errnum);
	for (int i = 0; i < FLO__MINDER_STREAMS; i++)
		spawn.fds[i] = request->fds[i] >= 0 ? request->fds[i] : m->null;
	step->pid = minder_spawn(&spawn);
	if (spawn.cgroup < 0)
		minder_cgroup_close(&m->cgroup);
	if (step->pid < 0)
		return step_failed(step, spawn.stage, spawn.errnum);
	step->reply.pid = step->pid;
	step->announce_at = now_ns() + FLO__MINDER_QUICK_NS;
	return true;
}

static void serve(struct minder *m, struct minder_request *request)
{
	struct step step = {
		.announce_at = NEVER,
		.kill_at = NEVER,
		.sweep_at = NEVER,
		.sweep_ns = SWEEP_MIN_NS,
		.blind_since = NEVER,
		.reply = {.exit_code = -1},
	};

	bool started = step_start(m, request, &step);

	/* Its strings are not needed any more, and more commands may come. */
	minder_inbox_done(&m->inbox, request);
	if (started)
		step_wait(m, &step, request->fds);
	fds_close(request->fds);
}

static void on_sigchld(int signal)
{
	(void)signal; /* ppoll() returning is all that is wanted */
}

/*
 * Nothing that happens to be sent to us ends us or interrupts us: all signals
 * are blocked, and at their default so that programs inherit that.
 */
static void setup_signals(struct minder *m)
{
	struct sigaction sa = {.sa_handler = on_sigchld,
			       .sa_flags = SA_NOCLDSTOP};
	static const char none[128]; /* the kernel's struct; SIG_DFL is 0 */
	sigset_t all;

	/* Not by sigaction(): it keeps libc's own two signals from us, and
	 * those may have been ignored by whoever started the engine. */
	for (int s = 1; s <= 64; s++)
		syscall(SYS_rt_sigaction, s, none, NULL, 8);
	sigaction(SIGCHLD, &sa, NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	m->waiting = all;
	sigdelset(&m->waiting, SIGCHLD);
}

static void close_from(unsigned first)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, ~0u, 0) == 0)
		return;
#endif
	for (int fd = (int)first; fd < (int)sysconf(_SC_OPEN_MAX); fd++)
		close(fd);
}

/* Hold nothing of the engine's but the socket: no terminal, file or folder. */
static bool setup_descriptors(struct minder *m, pid_t engine)
{
	close_from(FLO__MINDER_SOCKET + 1);
	if (fcntl(FLO__MINDER_SOCKET, F_SETFD, FD_CLOEXEC) < 0)
		return false;
	m->null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (m->null < 0)
		return false;
	for (int fd = 0; fd < 3; fd++)
		if (dup2(m->null, fd) < 0)
			return false;
	/* A host may have forked copies of the socket: watch the engine too. */
	m->engine = (int)syscall(SYS_pidfd_open, engine, 0);
	return chdir("/") == 0;
}

int main(int argc, char **argv)
{
	struct minder m = {.engine = -1};
	pid_t engine = argc > 1 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
	struct minder_request request;

	if (engine <= 0) {
		static const char text[] =
			"flo-minder is started by flowctl, not by hand\n";

		return write(2, text, sizeof(text) - 1) < 0 ? 3 : 2;
	}
	flo__thread_prompt();
	setup_signals(&m);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 ||
	    !setup_descriptors(&m, engine))
		_exit(3);
	minder_cgroup_open(&m.cgroup, argc > 2 ? argv[2] : NULL);
	/* What passes through here may hold secrets: no core, no ptrace. */
	prctl(PR_SET_DUMPABLE, 0);
	minder_inbox_init(&m.inbox, FLO__MINDER_SOCKET);
	while (!m.orphan && minder_inbox_request(&m.inbox, &request))
		serve(&m, &request);
	_exit(0);
}
