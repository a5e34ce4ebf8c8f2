#include "measure.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void bench_fail(const char *what)
{
	fprintf(stderr, "bench: %s\n", what);
	exit(1);
}

/* Each round needs the one before, so no compiler and no core can hurry. */
__attribute__((noinline)) void bench_burn(uint64_t loops)
{
	uint64_t x = loops;

	for (uint64_t i = 0; i < loops; i++)
		x = x * 6364136223846793005u + 1442695040888963407u;
	__asm__ volatile("" : : "r"(x));
}

/* The shortest of many tries is the one that nobody disturbed. */
uint64_t bench_loops(uint64_t ns)
{
	const uint64_t loops = 100000;
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 100; i++) {
		uint64_t begin = bench_now();

		bench_burn(loops);
		begin = bench_now() - begin;
		if (begin < best)
			best = begin;
	}
	return loops * ns / best;
}

uint64_t bench_repeat(bench_piece piece)
{
	uint64_t warm = 0, total = 0, pieces = 0;

	while (warm < WARM_NS)
		warm += piece();
	while (total < RUN_NS) {
		total += piece();
		pieces++;
	}
	return total / pieces;
}

long bench_resident(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long size, resident;

	if (file == NULL || fscanf(file, "%ld %ld", &size, &resident) != 2)
		bench_fail("/proc/self/statm: cannot be read");
	fclose(file);
	return resident * sysconf(_SC_PAGESIZE);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint64_t bench_percentile(uint64_t *values, long n, int percent)
{
	qsort(values, (size_t)n, sizeof(*values), compare);
	return values[(n - 1) * percent / 100];
}

static int list(const struct bench_row *rows, int n)
{
	static const char *const procs[] = {
		[ANY_PROCS] = "any", [ONE_PROC] = "one", [MANY_PROCS] = "many"};

	for (int i = 0; i < n; i++)
		printf("%s %s %s\n", rows[i].name, rows[i].unit,
		       procs[rows[i].procs]);
	return 0;
}

static int run(const struct bench_row *row, unsigned procs, bench_host host)
{
	double figure;

	if ((row->procs == ONE_PROC && procs != 1) ||
	    (row->procs == MANY_PROCS && procs < 2))
		bench_fail("the row has no meaning with that many threads");
	if (row->whole != NULL)
		figure = row->whole(procs);
	else
		figure = (double)host(procs, row->piece) / (double)row->ops;
	printf("%.2f %s\n", figure, row->unit);
	return 0;
}

int bench_main(int argc, char **argv, const struct bench_row *rows, int n,
	       bench_host host)
{
	if (argc == 2 && strcmp(argv[1], "--list") == 0)
		return list(rows, n);
	if (argc != 3 || atoi(argv[2]) < 1) {
		fprintf(stderr, "usage: %s --list | ROW PROCS\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < n; i++) {
		if (strcmp(rows[i].name, argv[1]) == 0)
			return run(&rows[i], (unsigned)atoi(argv[2]), host);
	}
	fprintf(stderr, "%s: no row '%s'\n", argv[0], argv[1]);
	return 2;
}
