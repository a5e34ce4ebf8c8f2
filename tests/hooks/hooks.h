/*
 * Planted bugs: what the tools that watch this program must say, and what they
 * must not.
 *
 * Each hook is two coroutine programs: one with a bug of which the tool must
 * report @report (an extended regular expression), and its twin without the
 * bug, of which the tool must say nothing. `run` starts both, each in a process
 * of its own, because most tools end the process at the first report.
 */
#ifndef FLO_TESTS_HOOKS_HOOKS_H
#define FLO_TESTS_HOOKS_HOOKS_H

#include <flo/runtime.h>

#include <stddef.h>

struct hook {
	const char *name;
	const char *report; /* what the tool says of the bug */
	flo_fn planted;	    /* NULL: only the twin, which must be silent */
	flo_fn clean;
	unsigned procs;
};

/* The hooks of this program, up to one without a name. */
extern const struct hook hooks[];

/* End the program with a message unless @ok: a hook that cannot be tried. */
void hook_need(int ok, const char *what);

/* Start @fn(@arg) as a coroutine. */
void hook_go(flo_fn fn, void *arg);

/* Keep the compiler from knowing what becomes of @p. */
static inline void *hook_hide(void *p)
{
	__asm__ volatile("" : "+r"(p) : : "memory");
	return p;
}

#endif
