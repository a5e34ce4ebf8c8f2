/*
 * What every benchmark program has: a clock, a loop of known length, the
 * repetition of a piece of work until it has lasted long enough, and a main()
 * over a table of rows.
 *
 * Usage of such a program: PROGRAM --list, which prints a line a row (name,
 * unit, and the numbers of scheduler threads it has a meaning for: any, one or
 * many), or PROGRAM ROW PROCS, which prints one figure and its unit.
 */
#ifndef FLO_BENCH_MEASURE_H
#define FLO_BENCH_MEASURE_H

#include "constants.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A piece of work; it returns how long that part of it took that counts. */
typedef uint64_t (*bench_piece)(void);

enum bench_procs {
	ANY_PROCS,
	ONE_PROC,
	MANY_PROCS
};

/* Either @piece, of @ops operations (ns each are printed), or @whole. */
struct bench_row {
	const char *name;
	const char *unit;
	enum bench_procs procs;
	bench_piece piece;
	long ops;
	double (*whole)(unsigned procs);
};

/* Run bench_repeat(piece) where the program's coroutines run, on @procs. */
typedef uint64_t (*bench_host)(unsigned procs, bench_piece piece);

/* The monotonic clock, in nanoseconds. */
uint64_t bench_now(void);

/* Compute for @loops rounds of a chain of multiplications. */
void bench_burn(uint64_t loops);

/* How many rounds last @ns on this machine when nothing else runs. */
uint64_t bench_loops(uint64_t ns);

/*
 * Repeat @piece for WARM_NS, and then until it has lasted RUN_NS. Returns
 * nanoseconds a piece.
 */
uint64_t bench_repeat(bench_piece piece);

/* Resident memory of this process, in bytes. */
long bench_resident(void);

/* The value below which @percent of the @n @values are; sorts them. */
uint64_t bench_percentile(uint64_t *values, long n, int percent);

/* End the program with a message: a benchmark has nothing to recover. */
void bench_fail(const char *what) __attribute__((noreturn));

/* The program: find the row, run it, print. Returns main()'s status. */
int bench_main(int argc, char **argv, const struct bench_row *rows, int n,
	       bench_host host);

#ifdef __cplusplus
}
#endif
#endif
