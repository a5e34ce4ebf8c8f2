/*
 * Contexts: a time limit, a cancellation, and why, reach whoever works below;
 * and what is known of the work travels with it.
 *
 * Prints:
 *	request 42 ended: it may take 5 ms
 *	request 42 ended: the operator said stop
 *	all that is left is the request
 */
#include <flo/context.h>
#include <flo/runtime.h>
#include <flo/sync.h>

#include <stdio.h>

#define MS 1000000ull

/* The address is the key: nobody else has it. */
static const char request_key;

struct work {
	flo_context *context;
	flo_waitgroup done;
};

/* Works in small steps until its context ends, whatever the reason. */
static void work(void *arg)
{
	struct work *w = arg;
	const int *request = flo_context_value(w->context, &request_key);
	flo_error cause = FLO_ERROR_INIT;

	while (flo_sleep(w->context, 1 * MS) == FLO_OK)
		continue;
	flo_context_cause(w->context, &cause);
	printf("request %d ended: %s\n", *request, cause.text);
	flo_waitgroup_done(&w->done);
}

/* Work under @context, which is taken, and cancel it if @cause is not NULL. */
static flo_status work_under(flo_context *context, const flo_error *cause)
{
	struct work w = {.context = context};
	flo_status st = FLO_NOMEM;

	if (context == NULL)
		return st;
	flo_waitgroup_add(&w.done, 1);
	st = flo_go(NULL, work, &w);
	if (st == FLO_OK) {
		if (cause != NULL)
			flo_context_cancel(context, cause);
		flo_waitgroup_wait(&w.done, NULL);
	}
	flo_context_unref(context);
	return st;
}

static flo_status work_twice(flo_context *request)
{
	flo_error stop = FLO_ERROR_INIT;
	flo_status st;

	st = work_under(flo_context_timeout(request, 5 * MS,
					    "it may take 5 ms"),
			NULL);
	if (st != FLO_OK)
		return st;
	flo_error_set(&stop, FLO_CANCELED, "the operator said stop");
	st = work_under(flo_context_child(request), &stop);
	if (st == FLO_OK && flo_context_status(request) == FLO_OK)
		printf("all that is left is the request\n");
	return st;
}

static void run(void *arg)
{
	int number = 42;
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *request = NULL;
	flo_status *st = arg;

	if (root != NULL)
		request = flo_context_with_value(root, &request_key, &number,
						 NULL);
	*st = request != NULL ? work_twice(request) : FLO_NOMEM;
	flo_context_unref(request);
	flo_context_unref(root);
}

int main(void)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt;
	flo_status st = FLO_OK;

	if (flo_runtime_new(NULL, &err, &rt) != FLO_OK) {
		fprintf(stderr, "context: %s\n", err.text);
		return 1;
	}
	if (flo_runtime_run(rt, run, &st) != FLO_OK)
		st = FLO_NOMEM;
	flo_runtime_free(rt);
	return st == FLO_OK ? 0 : 1;
}
