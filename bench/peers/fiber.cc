/*
 * The rows of sched_bench that Boost.Fiber has an answer to, and the bare
 * switch of Boost.Context below it: fiber --list, or fiber ROW PROCS.
 *
 * One thread takes the default round_robin and stacks of a pool; several steal
 * from each other, and their stacks come from malloc, since the pool is not for
 * several threads.
 */
#include "../measure.h"

#include <boost/context/detail/fcontext.hpp>
#include <boost/fiber/algo/work_stealing.hpp>
#include <boost/fiber/all.hpp>

#include <malloc.h>
#include <thread>
#include <vector>

namespace
{

namespace fibers = boost::fibers;

const size_t stack_size = 65536;

bool several;

template <typename F> fibers::fiber go(F fn)
{
	static fibers::pooled_fixedsize_stack pool(stack_size);
	static fibers::fixedsize_stack plain(stack_size);

	if (several)
		return fibers::fiber(fibers::launch::post, std::allocator_arg,
				     plain, fn);
	return fibers::fiber(fibers::launch::post, std::allocator_arg, pool,
			     fn);
}

template <typename F> void go_all(long n, F fn)
{
	std::vector<fibers::fiber> all;

	all.reserve((size_t)n);
	for (long i = 0; i < n; i++)
		all.push_back(go(fn));
	for (fibers::fiber &fiber : all)
		fiber.join();
}

/*
 * On @procs threads that steal, of which the caller's is one. The algorithm's
 * constructor waits until all of them are there. Idle ones sleep (the true):
 * with spinning a round trip of pingpong took ten to eighty times as long
 * whenever another process wanted one of the cores.
 */
uint64_t steal_and_repeat(unsigned procs, bench_piece piece)
{
	std::vector<std::thread> threads;
	fibers::mutex mutex;
	fibers::condition_variable_any over;
	bool stop = false;
	uint64_t ns;

	for (unsigned i = 1; i < procs; i++)
		threads.emplace_back([&] {
			fibers::use_scheduling_algorithm<
				fibers::algo::work_stealing>(procs, true);
			std::unique_lock<fibers::mutex> lock(mutex);
			over.wait(lock, [&] { return stop; });
		});
	fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(procs,
								      true);
	ns = bench_repeat(piece);
	{
		std::unique_lock<fibers::mutex> lock(mutex);
		stop = true;
	}
	over.notify_all();
	for (std::thread &thread : threads)
		thread.join();
	return ns;
}

uint64_t host(unsigned procs, bench_piece piece)
{
	several = procs > 1;
	/* Stacks that are freed together must not go back to the kernel. */
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	return several ? steal_and_repeat(procs, piece) : bench_repeat(piece);
}

uint64_t batch()
{
	uint64_t begin = bench_now();

	go_all(BATCH, [] {});
	return bench_now() - begin;
}

uint64_t yields()
{
	uint64_t begin = bench_now();

	go_all(2, [] {
		for (long i = 0; i < YIELDS; i++)
			boost::this_fiber::yield();
	});
	return bench_now() - begin;
}

namespace context = boost::context::detail;

void other(context::transfer_t t)
{
	for (;;)
		t = context::jump_fcontext(t.fctx, nullptr);
}

uint64_t switches()
{
	alignas(16) static char stack[65536];
	static context::fcontext_t there =
		context::make_fcontext(stack + sizeof(stack), sizeof(stack),
				       other);
	uint64_t begin = bench_now();

	for (long i = 0; i < SWITCHES; i++)
		there = context::jump_fcontext(there, nullptr).fctx;
	return bench_now() - begin;
}

double bare_switch(unsigned)
{
	return (double)bench_repeat(switches) / (2 * SWITCHES);
}

uint64_t pingpong()
{
	fibers::unbuffered_channel<long> ping, pong;
	uint64_t begin = bench_now();
	fibers::fiber ponger = go([&] {
		for (long i = 0; i < PINGS; i++)
			pong.push(ping.value_pop());
	});

	for (long i = 0; i < PINGS; i++) {
		ping.push(i);
		if (pong.value_pop() != i)
			bench_fail("a ball was lost");
	}
	ponger.join();
	return bench_now() - begin;
}

/* A buffered_channel of 128 holds 127: one place of its ring stays empty. */
uint64_t traffic(long sides)
{
	fibers::buffered_channel<long> chan(CHAN_CAPACITY);
	std::vector<fibers::fiber> all;
	uint64_t begin = bench_now();
	long each = VALUES / sides;

	for (long s = 0; s < sides; s++) {
		all.push_back(go([&chan, each] {
			for (long i = 0; i < each; i++)
				chan.push(i);
		}));
		all.push_back(go([&chan, each] {
			long value;

			for (long i = 0; i < each; i++)
				chan.pop(value);
		}));
	}
	for (fibers::fiber &fiber : all)
		fiber.join();
	return bench_now() - begin;
}

uint64_t chan_1x1()
{
	return traffic(1);
}

uint64_t chan_4x4()
{
	return traffic(CHAN_SIDES);
}

template <typename F> uint64_t locks(F inside)
{
	fibers::mutex mutex;
	uint64_t begin = bench_now();
	long count = 0;

	go_all(MUTEX_USERS, [&] {
		for (long i = 0; i < LOCKS; i++) {
			mutex.lock();
			count++;
			inside();
			mutex.unlock();
		}
	});
	if (count != MUTEX_USERS * LOCKS)
		bench_fail("the mutex excludes nobody");
	return bench_now() - begin;
}

uint64_t mutex()
{
	return locks([] {});
}

uint64_t mutex_yield()
{
	return locks([] { boost::this_fiber::yield(); });
}

const long all_locks = MUTEX_USERS * LOCKS;

const struct bench_row rows[] = {
	{"group-1k", "ns", ANY_PROCS, batch, BATCH, nullptr},
	{"yield", "ns", ANY_PROCS, yields, 2 * YIELDS, nullptr},
	{"switch", "ns", ONE_PROC, nullptr, 0, bare_switch},
	{"pingpong", "ns", ANY_PROCS, pingpong, PINGS, nullptr},
	{"chan-1x1", "ns", ANY_PROCS, chan_1x1, VALUES, nullptr},
	{"chan-4x4", "ns", ANY_PROCS, chan_4x4, VALUES, nullptr},
	{"mutex-8", "ns", ANY_PROCS, mutex, all_locks, nullptr},
	{"mutex-8-yield", "ns", ANY_PROCS, mutex_yield, all_locks, nullptr},
};

} // namespace

int main(int argc, char **argv)
{
	return bench_main(argc, argv, rows, sizeof(rows) / sizeof(rows[0]),
			  host);
}
