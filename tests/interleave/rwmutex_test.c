/*
 * The readers-writer mutex: a writer is alone, nobody is forgotten, and what a
 * wait that was given up has kept out goes on.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include <flo/sync.h>

static flo_rwmutex rw;
static flo_context *context;
static unsigned readers, writers, came;
static atomic_uint clock_hand;

static void begin(void)
{
	rw = (flo_rwmutex){0};
	readers = 0;
	writers = 0;
	came = 0;
	context = flo_context_new(NULL);
}

static void end(unsigned expected)
{
	explore_join();
	explore_check(came == expected, "all came through");
	explore_check(flo_rwmutex_trylock(&rw), "nobody is left inside");
	flo_rwmutex_unlock(&rw);
	flo_context_unref(context);
}

static void be_reader(void)
{
	readers++;
	came++;
	explore_check(writers == 0, "no reader is beside a writer");
	atomic_fetch_add(&clock_hand, 1); /* a point within */
	explore_check(writers == 0, "no writer comes to a reader");
	readers--;
	flo_rwmutex_runlock(&rw);
}

static void be_writer(void)
{
	came++;
	explore_check(++writers == 1 && readers == 0, "a writer is alone");
	atomic_fetch_add(&clock_hand, 1);
	explore_check(writers == 1 && readers == 0, "and stays so");
	writers--;
	flo_rwmutex_unlock(&rw);
}

static void read_once(void *arg)
{
	(void)arg;
	flo_rwmutex_rlock(&rw);
	be_reader();
}

static void write_once(void *arg)
{
	(void)arg;
	flo_rwmutex_lock(&rw);
	be_writer();
}

static void try_both(void *arg)
{
	(void)arg;
	if (flo_rwmutex_tryrlock(&rw))
		be_reader();
	else
		came++;
	if (flo_rwmutex_trylock(&rw))
		be_writer();
	else
		came++;
}

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
}

static void a_reader_against_a_writer(void)
{
	begin();
	explore_go("reads", read_once, NULL);
	write_once(NULL);
	write_once(NULL);
	end(3);
}

static void two_readers_and_a_writer(void)
{
	begin();
	explore_go("reads", read_once, NULL);
	explore_go("reads", read_once, NULL);
	write_once(NULL);
	end(3);
}

static void two_writers_and_a_reader(void)
{
	begin();
	explore_go("writes", write_once, NULL);
	explore_go("reads", read_once, NULL);
	write_once(NULL);
	end(3);
}

static void who_tries_is_as_alone(void)
{
	begin();
	explore_go("tries", try_both, NULL);
	explore_go("reads", read_once, NULL);
	write_once(NULL);
	end(4);
}

static void write_until_cancelled(void *arg)
{
	(void)arg;
	explore_check(flo_rwmutex_lock_ctx(&rw, context) == FLO_CANCELED,
		      "a reader is inside until the writer has given up");
	came++;
}

/* The reader inside stays: only the writer's end can let the other one in. */
static void a_cancelled_writer_lets_readers_in(void)
{
	begin();
	flo_rwmutex_rlock(&rw);
	explore_go("cancelled", write_until_cancelled, NULL);
	explore_go("reads", read_once, NULL);
	flo_context_cancel(context, NULL);
	explore_join();
	flo_rwmutex_runlock(&rw);
	end(2);
}

/* A cancelled wait has what it was granted, or nothing. */
static void a_cancelled_reader_holds_nothing(void)
{
	begin();
	explore_go("canceller", cancel, NULL);
	explore_go("writes", write_once, NULL);
	if (flo_rwmutex_rlock_ctx(&rw, context) == FLO_OK)
		be_reader();
	else
		came++;
	end(2);
}

static void a_cancelled_writer_holds_nothing(void)
{
	begin();
	explore_go("canceller", cancel, NULL);
	explore_go("reads", read_once, NULL);
	if (flo_rwmutex_lock_ctx(&rw, context) == FLO_OK)
		be_writer();
	else
		came++;
	end(2);
}

static const struct explore_scenario scenarios[] = {
	{"a_reader_against_a_writer", a_reader_against_a_writer, 4, 5},
	{"two_readers_and_a_writer", two_readers_and_a_writer, 3, 4},
	{"two_writers_and_a_reader", two_writers_and_a_reader, 3, 4},
	{"who_tries_is_as_alone", who_tries_is_as_alone, 2, 3},
	{"a_cancelled_writer_lets_readers_in",
	 a_cancelled_writer_lets_readers_in, 3, 4},
	{"a_cancelled_reader_holds_nothing", a_cancelled_reader_holds_nothing,
	 3, 4},
	{"a_cancelled_writer_holds_nothing", a_cancelled_writer_holds_nothing,
	 3, 4},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
