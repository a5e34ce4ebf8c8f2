/* Coroutines that wait for each other: channels, mutex, a socket pair. */
#include "sched_bench.h"

#include "engine/sched/poll_p.h"

#include <flo/chan.h>

#include <sys/socket.h>
#include <unistd.h>

static flo_chan *new_chan(size_t capacity)
{
	flo_chan *chan;

	if (flo_chan_new(sizeof(long), capacity, &chan) != FLO_OK)
		bench_fail("no channel");
	return chan;
}

static struct {
	flo_chan *ping, *pong;
} table;

static void ponger(void *arg)
{
	long value;

	for (long i = 0; i < PINGS; i++) {
		flo_chan_recv(table.ping, &value, NULL);
		flo_chan_send(table.pong, &value, NULL);
	}
	flo_waitgroup_done(arg);
}

uint64_t sched_pingpong(void)
{
	static flo_waitgroup wg;
	uint64_t begin;
	long back;

	table.ping = new_chan(0);
	table.pong = new_chan(0);
	begin = bench_now();
	flo_waitgroup_add(&wg, 1);
	sched_go(ponger, &wg);
	for (long i = 0; i < PINGS; i++) {
		flo_chan_send(table.ping, &i, NULL);
		flo_chan_recv(table.pong, &back, NULL);
		if (back != i)
			bench_fail("a ball was lost");
	}
	flo_waitgroup_wait(&wg, NULL);
	begin = bench_now() - begin;
	flo_chan_free(table.ping);
	flo_chan_free(table.pong);
	return begin;
}

/* @sides senders and as many receivers share one channel and VALUES. */
struct traffic {
	flo_waitgroup wg;
	flo_chan *chan;
	long each;
};

static void sender(void *arg)
{
	struct traffic *t = arg;

	for (long i = 0; i < t->each; i++)
		flo_chan_send(t->chan, &i, NULL);
	flo_waitgroup_done(&t->wg);
}

static void receiver(void *arg)
{
	struct traffic *t = arg;
	long value;

	for (long i = 0; i < t->each; i++)
		flo_chan_recv(t->chan, &value, NULL);
	flo_waitgroup_done(&t->wg);
}

static uint64_t chan(long sides)
{
	struct traffic t = {.each = VALUES / sides};
	uint64_t begin;

	t.chan = new_chan(CHAN_CAPACITY);
	begin = bench_now();
	flo_waitgroup_add(&t.wg, 2 * sides);
	for (long i = 0; i < sides; i++) {
		sched_go(sender, &t);
		sched_go(receiver, &t);
	}
	flo_waitgroup_wait(&t.wg, NULL);
	begin = bench_now() - begin;
	flo_chan_free(t.chan);
	return begin;
}

uint64_t sched_chan_1x1(void)
{
	return chan(1);
}

uint64_t sched_chan_4x4(void)
{
	return chan(CHAN_SIDES);
}

static struct {
	flo_waitgroup wg;
	flo_mutex mutex;
	long count; /* by mutex */
} shared;

static void locker(void *arg)
{
	(void)arg;
	for (long i = 0; i < LOCKS; i++) {
		flo_mutex_lock(&shared.mutex);
		shared.count++;
		flo_mutex_unlock(&shared.mutex);
	}
	flo_waitgroup_done(&shared.wg);
}

static void yielding_locker(void *arg)
{
	(void)arg;
	for (long i = 0; i < LOCKS; i++) {
		flo_mutex_lock(&shared.mutex);
		shared.count++;
		flo_yield();
		flo_mutex_unlock(&shared.mutex);
	}
	flo_waitgroup_done(&shared.wg);
}

static uint64_t mutex(flo_fn fn)
{
	uint64_t begin = bench_now();

	shared.count = 0;
	sched_go_all(&shared.wg, MUTEX_USERS, fn, NULL);
	if (shared.count != MUTEX_USERS * LOCKS)
		bench_fail("the mutex excludes nobody");
	return bench_now() - begin;
}

uint64_t sched_mutex(void)
{
	return mutex(locker);
}

uint64_t sched_mutex_yield(void)
{
	return mutex(yielding_locker);
}

static void read_byte(int fd)
{
	struct flo__pollfd p = {.fd = fd, .events = FLO__POLL_READ};
	char byte;

	while (read(fd, &byte, 1) != 1) {
		if (flo__poll(&p, 1, UINT64_MAX, NULL) != FLO_OK)
			bench_fail("flo__poll failed");
	}
}

static void write_byte(int fd)
{
	if (write(fd, "x", 1) != 1)
		bench_fail("a socket is full");
}

static int sockets[2];

static void echoer(void *arg)
{
	for (long i = 0; i < ECHOES; i++) {
		read_byte(sockets[1]);
		write_byte(sockets[1]);
	}
	flo_waitgroup_done(arg);
}

uint64_t sched_echo(void)
{
	static flo_waitgroup wg;
	uint64_t begin;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
		       sockets) != 0)
		bench_fail("no socket pair");
	begin = bench_now();
	flo_waitgroup_add(&wg, 1);
	sched_go(echoer, &wg);
	for (long i = 0; i < ECHOES; i++) {
		write_byte(sockets[0]);
		read_byte(sockets[0]);
	}
	flo_waitgroup_wait(&wg, NULL);
	begin = bench_now() - begin;
	close(sockets[0]);
	close(sockets[1]);
	return begin;
}
