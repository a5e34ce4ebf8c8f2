/*
 * The ways in which native code breaks, each with its documented outcome.
 *
 * One table for every tier of isolation: the test of contained faults commits
 * them in coroutines of its own process, another may do so in a worker
 * process. docs/panics.md has the same table for people.
 */
#ifndef FLO_TESTS_UNIT_FAULT_KINDS_H
#define FLO_TESTS_UNIT_FAULT_KINDS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* What comes of a fault inside flo_try() in a process that contains them. */
enum fault_contained {
	FAULT_TAINTS,  /* FLO_PANIC; the process is tainted */
	FAULT_PANICS,  /* FLO_PANIC; nothing is tainted */
	FAULT_LOCKS,   /* as FAULT_TAINTS, and what was locked stays locked */
	FAULT_UNSEEN,  /* FLO_OK, with memory that is wrong */
	FAULT_EXITS,   /* the process ends, after a report */
	FAULT_ENDLESS, /* it never comes back; others go on */
};

/* What such a fault needs that not every build or machine has. */
enum fault_needs {
	FAULT_NEEDS_NOTHING,
	FAULT_NEEDS_PLAIN, /* no sanitizer: they replace malloc, or watch exit */
};

struct fault_kind {
	unsigned number; /* of the list of 14 in docs/panics.md */
	const char *name;
	void (*commit)(void *arg); /* @arg is not used */
	enum fault_contained contained;
	const char *text; /* in the panic's text when contained, or in the
			     report; NULL: there is none */
	int signal;    /* what kills a process that contains nothing; 0: none */
	int exit_code; /* or what it exits with; -1: it does not */
	enum fault_needs needs;
};

extern const struct fault_kind fault_kinds[];
extern const size_t fault_kinds_len;

/* NULL if there is none. */
const struct fault_kind *fault_kind_find(const char *name);

/* Whether this build can have it. */
bool fault_kind_works(const struct fault_kind *kind);

/* What the kinds of number 11 hold when they fault. fault_file is opened by
 * the first of them that needs it. */
extern pthread_mutex_t fault_mutex;
extern FILE *fault_file;

/* Whether the wild write that nobody sees has been: it is undone. */
bool fault_unseen_take(void);

/* Ends the endless loop, so that a test can end. */
void fault_endless_stop(void);

#endif
