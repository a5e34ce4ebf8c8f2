/*
 * Plays scenarios:
 *
 *	sim_test [-j JOBS] [-t] SCENARIO SEEDS [FIRST]
 *	sim_test -l
 *
 * SEEDS seeds from FIRST (0), in JOBS processes. The first that fails a check,
 * crashes or hangs is told, with the command that plays it alone; exit 1 then.
 * -t prints what the scheduler does, -l the names of the scenarios.
 *
 * Seeds are played one after the other on one runtime that is reset between
 * them, which is a hundred times as fast as a new one and as good
 * (tests/unit/drive_test.c). A process that fails is not asked anything any
 * more: which seed it was at stands in memory that it shares with its parent.
 */
#include "tests/sim/sim.h"

#include "engine/sched/sim_p.h"

#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define JOBS_MAX    64
#define AGAIN_EVERY 16 /* seeds, of which one is played twice */
#define HANG_S	    60 /* one seed takes a millisecond or so */

static const struct scenario *const scenarios[] = {
	&chan_scenario,	   &select_scenario,  &mutex_scenario, &cond_scenario,
	&sem_scenario,	   &fifo_scenario,    &group_scenario, &tree_scenario,
	&timeout_scenario, &cancel_scenario,  &run_scenario,   &resume_scenario,
	&rerun_scenario,   &rwmutex_scenario, &once_scenario,  &pool_scenario,
	&planted_scenario,
};
#define SCENARIOS (sizeof(scenarios) / sizeof(scenarios[0]))

/* What a worker process shares with its parent; relaxed: it only counts. */
struct progress {
	_Atomic uint64_t seed;
	_Atomic uint64_t done;
};

static struct task {
	const struct scenario *scenario;
	uint64_t seeds, first;
	unsigned jobs;
	bool trace;
	struct progress *progress; /* of each job */
} task = {.jobs = 1};

static struct progress *own; /* this worker's */
static uint64_t seed, draws;

/* ---- what scenarios use ---- */

uint64_t the_seed(void)
{
	return seed;
}

/* splitmix64, as the scheduler's own, but another stream. */
uint32_t draw(uint32_t n)
{
	uint64_t z = draws += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return (uint32_t)((z >> 32) * n >> 32);
}

bool once_in(uint32_t n)
{
	return draw(n) == 0;
}

void sim_fail(const char *rule, const char *file, int line)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, rule);
	abort();
}

void play_main(flo_runtime *rt, flo_fn fn, void *arg)
{
	CHECK(flo_runtime_run(rt, fn, arg) == FLO_OK);
	CHECK(flo__sim_alive(rt) == 0);
}

void start(flo_fn fn, void *arg)
{
	CHECK(flo_go(NULL, fn, arg) == FLO_OK);
}

/* ---- a worker ---- */

static void print_event(void *arg, const struct flo__sim_event *event)
{
	(void)arg;
	fprintf(stderr, "%12" PRIu64 " us  %-5s %" PRIu32 "\n",
		event->now_ns / 1000, flo__sim_kind_text(event->kind),
		event->id);
}

static uint64_t play_seed(flo_runtime *rt)
{
	flo__sim_reset(rt, seed);
	draws = ~seed;
	task.scenario->play(rt);
	return flo__sim_digest(rt);
}

/* The handler of the alarm: has anything been done since the last one? */
static void watch_progress(int sig)
{
	static const char text[] = "hangs\n";
	static uint64_t seen = UINT64_MAX;
	uint64_t done = atomic_load_explicit(&own->done, memory_order_relaxed);

	(void)sig;
	if (done == seen) {
		if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
			_exit(1);
		abort();
	}
	seen = done;
	alarm(HANG_S);
}

static flo_runtime *open_runtime(void)
{
	const struct flo_runtime_options options = {
		.drive = FLO_DRIVE_DETERMINISTIC};
	flo_runtime *rt = NULL;

	if (task.scenario->open != NULL)
		return task.scenario->open(&options);
	CHECK(flo_runtime_new(&options, NULL, &rt) == FLO_OK);
	return rt;
}

static void close_runtime(flo_runtime *rt)
{
	if (task.scenario->close != NULL)
		task.scenario->close(rt);
	else
		flo_runtime_free(rt);
}

static void work(unsigned job)
{
	flo_runtime *rt;
	uint64_t digest;

	own = &task.progress[job];
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	signal(SIGALRM, watch_progress);
	alarm(HANG_S);
	rt = open_runtime();
	if (task.trace)
		flo__sim_watch(rt, print_event, NULL);
	for (uint64_t i = job; i < task.seeds; i += task.jobs) {
		seed = task.first + i;
		atomic_store_explicit(&own->seed, seed, memory_order_relaxed);
		digest = play_seed(rt);
		if (seed % AGAIN_EVERY == 0)
			CHECK(digest == play_seed(rt));
		atomic_fetch_add_explicit(&own->done, 1, memory_order_relaxed);
	}
	close_runtime(rt);
}

/* ---- the parent ---- */

static void tell_failure(const char *self, unsigned job, int status)
{
	uint64_t at = atomic_load(&task.progress[job].seed);

	if (WIFSIGNALED(status))
		fprintf(stderr, "ended by %s\n", strsignal(WTERMSIG(status)));
	else
		fprintf(stderr, "ended with %d\n", WEXITSTATUS(status));
	printf("%s fails at seed %" PRIu64 "\n", task.scenario->name, at);
	printf("replay: %s %s 1 %" PRIu64 "\n", self, task.scenario->name, at);
}

/* Wait for the workers; the first that fails ends the others. */
static int wait_for_all(const char *self, pid_t pids[])
{
	int status, failed = 0;
	pid_t pid;

	while ((pid = wait(&status)) > 0) {
		unsigned job = 0;

		while (job < task.jobs && pids[job] != pid)
			job++;
		if (job < task.jobs)
			pids[job] = -1;
		if (status == 0 || failed || job == task.jobs)
			continue;
		failed = 1;
		tell_failure(self, job, status);
		for (unsigned i = 0; i < task.jobs; i++)
			if (pids[i] > 0)
				kill(pids[i], SIGKILL);
	}
	return failed;
}

static int run_jobs(const char *self)
{
	pid_t pids[JOBS_MAX];
	uint64_t done = 0;
	int failed;

	for (unsigned i = 0; i < task.jobs; i++) {
		pids[i] = fork();
		if (pids[i] < 0) {
			perror("fork");
			return 2;
		}
		if (pids[i] == 0) {
			work(i);
			exit(0);
		}
	}
	failed = wait_for_all(self, pids);
	for (unsigned i = 0; i < task.jobs; i++)
		done += atomic_load(&task.progress[i].done);
	printf("%s: %" PRIu64 " seeds\n", task.scenario->name, done);
	return failed;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: sim_test [-j JOBS] [-t] SCENARIO SEEDS [FIRST]\n"
		"       sim_test -l\n");
	return 2;
}

static int list(void)
{
	for (size_t i = 0; i < SCENARIOS; i++)
		if (!scenarios[i]->planted)
			puts(scenarios[i]->name);
	return 0;
}

static const struct scenario *find(const char *name)
{
	for (size_t i = 0; i < SCENARIOS; i++)
		if (strcmp(scenarios[i]->name, name) == 0)
			return scenarios[i];
	fprintf(stderr, "sim_test: no scenario is named '%s'\n", name);
	return NULL;
}

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "j:tl")) != -1) {
		if (c == 'l')
			return list();
		if (c == 't')
			task.trace = true;
		else if (c == 'j')
			task.jobs = (unsigned)strtoul(optarg, NULL, 10);
		else
			return usage();
	}
	if (argc - optind < 2 || argc - optind > 3 || task.jobs == 0 ||
	    task.jobs > JOBS_MAX)
		return usage();
	task.scenario = find(argv[optind]);
	task.seeds = strtoull(argv[optind + 1], NULL, 10);
	if (argc - optind == 3)
		task.first = strtoull(argv[optind + 2], NULL, 10);
	if (task.scenario == NULL || task.seeds == 0)
		return usage();
	task.progress =
		mmap(NULL, JOBS_MAX * sizeof(*task.progress),
		     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (task.progress == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	return run_jobs(argv[0]);
}
