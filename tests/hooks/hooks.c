#include "hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hook_need(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "hooks: cannot: %s\n", what);
	exit(99);
}

void hook_go(flo_fn fn, void *arg)
{
	hook_need(flo_go(NULL, fn, arg) == FLO_OK, "start a coroutine");
}

static void list(void)
{
	for (const struct hook *h = hooks; h->name != NULL; h++)
		printf("%s\t%s\t%s\n", h->name,
		       h->planted != NULL ? "both" : "clean",
		       h->report != NULL ? h->report : "-");
}

static int run(const struct hook *h, const char *which)
{
	struct flo_runtime_options options = {.procs = h->procs};
	flo_fn fn = strcmp(which, "planted") == 0 ? h->planted : h->clean;
	flo_runtime *rt = NULL;

	hook_need(fn != NULL, "run what is not there");
	hook_need(flo_runtime_new(&options, NULL, &rt) == FLO_OK,
		  "make a runtime");
	hook_need(flo_runtime_run(rt, fn, NULL) == FLO_OK, "run");
	flo_runtime_free(rt);
	return 0;
}

/* list | HOOK planted|clean */
int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "list") == 0) {
		list();
		return 0;
	}
	for (const struct hook *h = hooks; argc == 3 && h->name != NULL; h++)
		if (strcmp(argv[1], h->name) == 0)
			return run(h, argv[2]);
	fprintf(stderr, "usage: %s list | HOOK planted|clean\n", argv[0]);
	return 99;
}
