/*
 * A quick look at the scheduler's own costs: sched_bench [procs]. Prints one
 * line a row; tools/bench is the place for comparisons.
 */
#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/poll_p.h"
#include "engine/sched/sched_p.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long rounds;
static atomic_long left;

/* Wall time says what a user sees, processor time what a busy machine hides. */
struct start {
	uint64_t wall, cpu;
};

static uint64_t cpu_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct start begin(void)
{
	return (struct start){flo_now(), cpu_now()};
}

static void row(const char *name, struct start start, long n)
{
	double wall = (double)(flo_now() - start.wall) / (double)n;
	double cpu = (double)(cpu_now() - start.cpu) / (double)n;

	printf("%-28s %10.1f ns %10.1f ns cpu\n", name, wall, cpu);
}

static void yielder(void *arg)
{
	(void)arg;
	for (long i = 0; i < rounds; i++)
		flo_yield();
	atomic_fetch_sub(&left, 1);
}

static void yields(void *arg)
{
	struct start start = begin();

	(void)arg;
	rounds = 2000000;
	atomic_store(&left, 2);
	flo_go(NULL, yielder, NULL);
	flo_go(NULL, yielder, NULL);
	while (atomic_load(&left) > 0)
		flo_sleep(NULL, 100000);
	row("yield, two coroutines", start, 2 * rounds);
}

static void nothing(void *arg)
{
	(void)arg;
}

static void last(void *arg)
{
	flo__ready(arg);
}

static bool spawn_last(struct flo__g *g, void *arg)
{
	(void)arg;
	return flo_go(flo__g_runtime(g), last, g) == FLO_OK;
}

static void spawns(void *arg)
{
	struct start start = begin();

	(void)arg;
	for (int i = 0; i < 20000; i++) {
		for (int k = 0; k < 99; k++)
			flo_go(NULL, nothing, NULL);
		flo__park(spawn_last, NULL, "bench", false);
	}
	row("spawn, batches of 100", start, 2000000);
}

/* A baton between two coroutines. */
struct baton {
	struct flo__g *waiter;
};

static bool give(struct flo__g *g, void *arg)
{
	struct baton *baton = arg;
	struct flo__g *other = baton->waiter;

	baton->waiter = g;
	if (other != NULL)
		flo__ready(other);
	return true;
}

static void passer(void *arg)
{
	for (long i = 0; i < rounds; i++)
		flo__park(give, arg, "baton", false);
	atomic_fetch_sub(&left, 1);
	flo__ready(((struct baton *)arg)->waiter);
}

static void passes(void *arg)
{
	static struct baton baton;
	struct start start = begin();

	(void)arg;
	rounds = 1000000;
	atomic_store(&left, 1);
	flo_go(NULL, passer, &baton);
	while (atomic_load(&left) > 0)
		flo__park(give, &baton, "baton", false);
	row("park and ready, ping-pong", start, 2 * rounds);
}

static void echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	struct flo__pollfd p = {.fd = fd, .events = FLO__POLL_READ};
	char byte;

	for (;;) {
		while (read(fd, &byte, 1) < 0)
			flo__poll(&p, 1, UINT64_MAX, NULL);
		if (byte == 'q' || write(fd, &byte, 1) != 1)
			return;
	}
}

static void polls(void *arg)
{
	int fds[2], idle[2];
	struct flo__pollfd p[3] = {{.events = FLO__POLL_READ},
				   {.events = FLO__POLL_READ},
				   {.events = FLO__POLL_READ}};
	struct start start;
	char byte = 'x';

	(void)arg;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) != 0 ||
	    pipe(idle) != 0)
		return;
	p[0].fd = fds[0];
	p[1].fd = idle[0];
	p[2].fd = -1;
	flo_go(NULL, echo, (void *)(intptr_t)fds[1]);
	start = begin();
	for (int i = 0; i < 50000; i++) {
		if (write(fds[0], &byte, 1) != 1)
			return;
		while (read(fds[0], &byte, 1) < 0)
			flo__poll(p, 3, UINT64_MAX, NULL);
	}
	row("echo through the poller", start, 50000);
	if (write(fds[0], "q", 1) != 1)
		return;
	close(fds[0]);
	close(idle[0]);
	close(idle[1]);
}

static void work(void *arg)
{
	uint64_t until = flo_now() + 10000;

	(void)arg;
	while (flo_now() < until)
		;
	atomic_fetch_sub(&left, 1);
}

static void workers(void *arg)
{
	struct start start = begin();

	(void)arg;
	atomic_store(&left, 20000);
	for (int i = 0; i < 20000; i++)
		flo_go(NULL, work, NULL);
	while (atomic_load(&left) > 0)
		flo_yield();
	row("tasks of 10 us (wall each)", start, 20000);
}

int main(int argc, char **argv)
{
	struct flo_runtime_options options = {
		.procs = argc > 1 ? (unsigned)atoi(argv[1]) : 1,
	};
	static const flo_fn benches[] = {yields, spawns, passes, polls,
					 workers};
	flo_runtime *rt;

	if (flo_runtime_new(&options, NULL, &rt) != FLO_OK)
		return 1;
	for (unsigned i = 0; i < sizeof(benches) / sizeof(benches[0]); i++)
		flo_runtime_run(rt, benches[i], NULL);
	flo_runtime_free(rt);
	return 0;
}
