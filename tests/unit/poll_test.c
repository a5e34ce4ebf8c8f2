/* Waiting for descriptors: events, deadlines, contexts, and all at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "engine/sched/poll_p.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MS     1000000ull
#define PAIRS  16
#define ROUNDS 100

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static void pipe_nonblocking(int fds[2])
{
	assert_int_equal(pipe2(fds, O_NONBLOCK | O_CLOEXEC), 0);
}

/* A socket pair bounces a byte; two pipes are watched for nothing. */
struct pair {
	int socks[2], idle[2];
	atomic_int bounced, wrong;
	bool closed;
};

/* Wait on the socket @end and both idle descriptors until a byte comes. */
static bool recv_byte(struct pair *pair, int end)
{
	struct flo__pollfd fds[3] = {
		{.fd = pair->idle[0], .events = FLO__POLL_READ},
		{.fd = pair->socks[end], .events = FLO__POLL_READ},
		{.fd = -1, .events = FLO__POLL_READ},
	};
	char byte;

	if (end == 1)
		fds[0].fd = -1; /* one coroutine a descriptor */
	for (;;) {
		if (read(pair->socks[end], &byte, 1) == 1)
			return true;
		if (flo__poll(fds, 3, UINT64_MAX, NULL) != FLO_OK ||
		    fds[0].revents != 0 || fds[2].revents != 0 ||
		    fds[1].revents != FLO__POLL_READ) {
			atomic_fetch_add(&pair->wrong, 1);
			return false;
		}
	}
}

static void bounce(struct pair *pair, int end)
{
	for (int i = 0; i < ROUNDS; i++) {
		if (end == 0 && write(pair->socks[0], "x", 1) != 1)
			atomic_fetch_add(&pair->wrong, 1);
		if (!recv_byte(pair, end))
			return;
		if (end == 1 && write(pair->socks[1], "y", 1) != 1)
			atomic_fetch_add(&pair->wrong, 1);
		atomic_fetch_add(&pair->bounced, 1);
	}
}

static void bounce_0(void *arg)
{
	bounce(arg, 0);
}

static void bounce_1(void *arg)
{
	bounce(arg, 1);
}

static void many_coroutines_wait_for_sockets(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);
		struct pair pairs[PAIRS];

		memset(pairs, 0, sizeof(pairs));
		for (int i = 0; i < PAIRS; i++) {
			assert_int_equal(socketpair(AF_UNIX,
						    SOCK_STREAM | SOCK_NONBLOCK,
						    0, pairs[i].socks),
					 0);
			pipe_nonblocking(pairs[i].idle);
			flo_go(rt, bounce_0, &pairs[i]);
			flo_go(rt, bounce_1, &pairs[i]);
		}
		flo_runtime_free(rt);
		for (int i = 0; i < PAIRS; i++) {
			assert_int_equal(atomic_load(&pairs[i].wrong), 0);
			assert_int_equal(atomic_load(&pairs[i].bounced),
					 2 * ROUNDS);
			for (int k = 0; k < 2; k++) {
				close(pairs[i].socks[k]);
				close(pairs[i].idle[k]);
			}
		}
	}
}

/* One wait, its arguments and its outcome. */
struct wait {
	struct flo__pollfd fds[2];
	unsigned n;
	uint64_t timeout_ns;
	flo_context *context;
	flo_status status;
	atomic_bool over;
};

static void do_wait(void *arg)
{
	struct wait *w = arg;
	uint64_t deadline = w->timeout_ns == UINT64_MAX
				    ? UINT64_MAX
				    : flo_now() + w->timeout_ns;

	w->status = flo__poll(w->fds, w->n, deadline, w->context);
	atomic_store(&w->over, true);
}

static void a_deadline_ends_the_wait(void **state)
{
	flo_runtime *rt = runtime(1);
	struct wait w = {.n = 1, .timeout_ns = 2 * MS};
	int fds[2];

	(void)state;
	pipe_nonblocking(fds);
	w.fds[0].fd = fds[0];
	w.fds[0].events = FLO__POLL_READ;
	flo_runtime_run(rt, do_wait, &w);
	assert_int_equal(w.status, FLO_TIMEOUT);
	w.timeout_ns = 0;
	flo_runtime_run(rt, do_wait, &w);
	assert_int_equal(w.status, FLO_TIMEOUT);
	assert_int_equal(write(fds[1], "x", 1), 1);
	flo_runtime_run(rt, do_wait, &w);
	assert_int_equal(w.status, FLO_OK);
	assert_int_equal(w.fds[0].revents, FLO__POLL_READ);
	flo_runtime_free(rt);
	close(fds[0]);
	close(fds[1]);
}

static void what_is_ready_already_is_reported(void **state)
{
	flo_runtime *rt = runtime(2);
	struct wait w = {.n = 2, .timeout_ns = UINT64_MAX};
	int fds[2];

	(void)state;
	pipe_nonblocking(fds);
	w.fds[0].fd = fds[0];
	w.fds[0].events = FLO__POLL_READ;
	w.fds[1].fd = fds[1];
	w.fds[1].events = FLO__POLL_WRITE;
	for (int i = 0; i < 50; i++) {
		flo_runtime_run(rt, do_wait, &w);
		assert_int_equal(w.status, FLO_OK);
		assert_int_equal(w.fds[0].revents, 0);
		assert_int_equal(w.fds[1].revents, FLO__POLL_WRITE);
	}
	flo_runtime_free(rt);
	close(fds[0]);
	close(fds[1]);
}

static void the_end_of_a_pipe_is_readable(void **state)
{
	flo_runtime *rt = runtime(1);
	struct wait w = {.n = 1, .timeout_ns = UINT64_MAX};
	int fds[2];

	(void)state;
	pipe_nonblocking(fds);
	w.fds[0].fd = fds[0];
	w.fds[0].events = FLO__POLL_READ;
	close(fds[1]);
	flo_runtime_run(rt, do_wait, &w);
	assert_int_equal(w.status, FLO_OK);
	assert_int_equal(w.fds[0].revents, FLO__POLL_READ);
	flo_runtime_free(rt);
	close(fds[0]);
}

static void wait_and_cancel(void *arg)
{
	struct wait *w = arg;

	flo_go(NULL, do_wait, w);
	flo_yield();
	flo_yield();
	flo_context_cancel(w->context, NULL);
	while (!atomic_load(&w->over))
		flo_yield();
}

static void a_context_ends_the_wait(void **state)
{
	(void)state;
	for (int i = 0; i < 50; i++) {
		flo_runtime *rt = runtime(1 + i % 2);
		struct wait w = {.n = 1, .timeout_ns = 3600000 * MS};
		int fds[2];

		pipe_nonblocking(fds);
		w.fds[0].fd = fds[0];
		w.fds[0].events = FLO__POLL_READ;
		w.context = flo_context_new(rt);
		flo_runtime_run(rt, wait_and_cancel, &w);
		assert_int_equal(w.status, FLO_CANCELED);
		flo_context_unref(w.context);
		flo_runtime_free(rt);
		close(fds[0]);
		close(fds[1]);
	}
}

static void regular_files_are_refused(void **state)
{
	flo_runtime *rt = runtime(1);
	struct wait w = {.n = 1, .timeout_ns = UINT64_MAX};
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)state;
	w.fds[0].fd = fd;
	w.fds[0].events = FLO__POLL_READ;
	flo_runtime_run(rt, do_wait, &w);
	assert_int_equal(w.status, FLO_SYSTEM);
	flo_runtime_free(rt);
	close(fd);
}

/* Bytes from a thread, at the moment the deadline comes: no wait is lost. */
static void *feed(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 200; i++) {
		if (write(fd, "x", 1) != 1)
			break;
		usleep(50);
	}
	close(fd);
	return NULL;
}

static void drain(void *arg)
{
	struct wait *w = arg;
	char byte;
	ssize_t n;

	for (;;) {
		n = read(w->fds[0].fd, &byte, 1);
		if (n == 0)
			break;
		w->n += n == 1;
		if (n == 1)
			continue;
		w->status = flo__poll(w->fds, 1, flo_now() + 50000, NULL);
		if (w->status != FLO_OK && w->status != FLO_TIMEOUT)
			break;
	}
}

static void deadlines_and_events_may_meet(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 2; procs++) {
		flo_runtime *rt = runtime(procs);
		struct wait w = {.n = 0};
		pthread_t thread;
		int fds[2];

		pipe_nonblocking(fds);
		w.fds[0].fd = fds[0];
		w.fds[0].events = FLO__POLL_READ;
		pthread_create(&thread, NULL, feed, &fds[1]);
		flo_runtime_run(rt, drain, &w);
		pthread_join(thread, NULL);
		assert_int_equal(w.n, 200);
		flo_runtime_free(rt);
		close(fds[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ready_already_is_reported),
		cmocka_unit_test(the_end_of_a_pipe_is_readable),
		cmocka_unit_test(a_deadline_ends_the_wait),
		cmocka_unit_test(a_context_ends_the_wait),
		cmocka_unit_test(regular_files_are_refused),
		cmocka_unit_test(many_coroutines_wait_for_sockets),
		cmocka_unit_test(deadlines_and_events_may_meet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
