/*
 * A group: several things at once, of which the first failure ends the rest.
 *
 * Prints:
 *	1 + 4 + 9 + 16 = 30
 *	cannot go on: host c: connection refused
 */
#include <flo/group.h>
#include <flo/runtime.h>

#include <stdio.h>

#define HOUR_NS 3600000000000ull

static flo_status square(flo_context *context, void *arg, flo_error *err)
{
	int *n = arg;

	(void)context;
	(void)err;
	*n *= *n;
	return FLO_OK;
}

/* Each member has a place of its own, which is read after the wait. */
static flo_status sum_of_squares(flo_context *context, flo_error *err)
{
	int n[] = {1, 2, 3, 4};
	flo_group *group;
	flo_status st = flo_group_new(context, &group);

	if (st != FLO_OK)
		return st;
	for (int i = 0; i < 4 && st == FLO_OK; i++)
		st = flo_group_go(group, square, &n[i]);
	/* In any case: what was started uses our stack. No member fails. */
	flo_group_wait(group, err);
	if (st == FLO_OK)
		printf("%d + %d + %d + %d = %d\n", n[0], n[1], n[2], n[3],
		       n[0] + n[1] + n[2] + n[3]);
	flo_group_free(group);
	return st;
}

/* Talks to a host until it is told to stop; one of them is not there. */
static flo_status talk(flo_context *context, void *arg, flo_error *err)
{
	const char *host = arg;

	if (host[0] == 'c')
		return flo_error_set(err, FLO_FAILED,
				     "host %s: connection refused", host);
	return flo_sleep(context, HOUR_NS);
}

static flo_status talk_to_all(flo_context *context, flo_error *err)
{
	static const char *const hosts[] = {"a", "b", "c", "d", "e", "f"};
	flo_group *group;
	flo_status st = flo_group_new(context, &group), first;

	if (st != FLO_OK)
		return st;
	flo_group_set_limit(group, 3);
	/* At the limit this waits; once the group has failed, it says so. */
	for (int i = 0; i < 6 && st == FLO_OK; i++)
		st = flo_group_go(group, talk, (void *)hosts[i]);
	if (st != FLO_OK)
		flo_context_cancel(flo_group_context(group), NULL);
	first = flo_group_wait(group, err);
	flo_group_free(group);
	return first != FLO_OK ? first : st;
}

static void run(void *arg)
{
	flo_context *context = flo_context_new(flo_runtime_current());
	flo_error err = FLO_ERROR_INIT;
	flo_status st = context != NULL ? FLO_OK : FLO_NOMEM;

	if (st == FLO_OK)
		st = sum_of_squares(context, &err);
	if (st == FLO_OK && talk_to_all(context, &err) != FLO_OK)
		printf("cannot go on: %s\n", err.text);
	flo_context_unref(context);
	*(flo_status *)arg = st;
}

int main(void)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt;
	flo_status st = FLO_OK;

	if (flo_runtime_new(NULL, &err, &rt) != FLO_OK) {
		fprintf(stderr, "group: %s\n", err.text);
		return 1;
	}
	if (flo_runtime_run(rt, run, &st) != FLO_OK)
		st = FLO_NOMEM;
	flo_runtime_free(rt);
	return st == FLO_OK ? 0 : 1;
}
