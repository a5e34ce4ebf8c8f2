/*
 * A process of its own that writes to a store and tells its parent over a pipe
 * what it knows to be durable, until it is killed.
 */
#ifndef FLO_TESTS_STORE_CHILD_H
#define FLO_TESTS_STORE_CHILD_H

#include "store_fixture.h"

#include <signal.h>
#include <sys/wait.h>

struct child {
	pid_t pid;
	int fd; /* a uint64_t for each event that is durable; 0: it owns r */
};

/* In the child: own run "r", going on with it if it is there. */
static inline struct flo__run_journal *child_own(struct flo__journal *j)
{
	const struct flo__run_record *pinned;
	struct flo__run_record record = make_record("r");
	struct flo__run_journal *run = NULL;
	flo_status st;

	st = j->ops->open(j, "r", NULL, NULL, NULL, &run, &pinned);
	if (st == FLO_NOTFOUND)
		st = j->ops->create(j, &record, NULL, NULL, NULL, &run);
	if (st != FLO_OK)
		_exit(10 + (int)st);
	return run;
}

static inline void child_main(const struct fixture *f,
			      enum flo__store_durability durability, int fd)
{
	struct flo__event e = make_event(FLO__EVENT_STEP_STARTED);
	struct flo__run_journal *run;
	struct flo__journal *j;
	uint64_t seq = 0;

	if (flo__store_open(f->path, durability, NULL, &j) != FLO_OK)
		_exit(1);
	run = child_own(j);
	while (write(fd, &seq, sizeof(seq)) == sizeof(seq)) {
		/* several at once, so that a commit can be cut in its middle */
		for (int i = 0; i < 5; i++) {
			if (j->ops->append(run, &e) != FLO_OK)
				_exit(2);
		}
		if (wait_durable(j, run, e.seq) != FLO_OK)
			_exit(3);
		seq = e.seq;
	}
	_exit(0);
}

static inline struct child start_child(const struct fixture *f,
				       enum flo__store_durability durability)
{
	struct child child;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	child.pid = fork();
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		close(fds[0]);
		child_main(f, durability, fds[1]);
	}
	close(fds[1]);
	child.fd = fds[0];
	return child;
}

/* Read one number; false at the end of the child. */
static inline bool hear(const struct child *child, uint64_t *ret_seq)
{
	return read(child->fd, ret_seq, sizeof(*ret_seq)) == sizeof(*ret_seq);
}

/* Kill it. Returns the last number that it told. */
static inline uint64_t kill_child(struct child *child, uint64_t last)
{
	uint64_t seq;
	int status;

	kill(child->pid, SIGKILL);
	while (hear(child, &seq))
		last = seq;
	close(child->fd);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_true(WIFSIGNALED(status));
	return last;
}

#endif
