/*
 * An engine whose native steps run in workers, and step types for them. The
 * test program is its own worker.
 */
#ifndef FLO_TESTS_UNIT_WORKER_FIXTURE_H
#define FLO_TESTS_UNIT_WORKER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/engine.h>

#include <stdbool.h>

/* How the last run ended. */
struct worker_outcome {
	flo_status st;
	flo_error err;
	flo_value *result;
	char run_id[64];
};

extern struct worker_outcome outcome;
extern char self[4096];		/* this program */
extern char dir[64];		/* of the test: store, logs, steps' directory */
extern const char *worker_mark; /* in the arguments of every worker */
extern flo_engine *engine;
extern char user_text[]; /* `user` of the types */
extern const flo_step_type worker_types[];
extern const size_t worker_types_len;

/* main() of a test: this process may be a worker. */
int run_worker_tests(int argc, char **argv, int (*tests)(void));

/* Around each test: an engine in a new directory; nothing stays alive. */
int set_up(void **state);
int tear_down(void **state);
/* Open the engine again with that worker program (argv; NULL ends it). */
void reopen(const char *a, const char *b, const char *c, const char *d);

void print_diagnostic(const flo_diagnostic *d, void *arg);
/* Start a pipeline, written with ' for ", and wait for its end. */
flo_run *start_pipeline(const char *text);
void end_pipeline(flo_run *run);
void run_pipeline(const char *format, ...) FLO_PRINTF(1, 2);
/* Forget the outcome. */
void forget(void);

/* Run one step of the type with arguments that are JSON. */
#define RUN_STEP(type, with)                                                   \
	run_pipeline("{'name':'p','output':'${{ steps.s.output }}','steps':["  \
		     "{'name':'s','use':'%s','with':%s}]}",                    \
		     type, with)

/* Of the outcome: */
const char *status(void);
const flo_value *output(void); /* the test fails if there is none */
const char *output_text(const char *key);
const char *error(const char *key); /* "": none */
int64_t count(const char *state);
/* The run failed, for a reason of @kind whose text has @text in it. */
void expect_failure(const char *kind, const char *text);
/* A log of an attempt, if but one has one. */
const char *log_text(void);

/* "1,1,1": @n items for a foreach; for free(). */
char *items(int n);

#endif
