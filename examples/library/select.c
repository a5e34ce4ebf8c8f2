/*
 * Select: wait for whichever of several channels comes first, for a time limit,
 * or not at all.
 *
 * Prints:
 *	nothing is there yet
 *	both have sent, 30 in all
 *	nobody came within 1 ms
 */
#include <flo/chan.h>
#include <flo/runtime.h>

#include <stdio.h>

#define MS 1000000ull

struct source {
	flo_chan *chan;
	int value;
};

static void send(void *arg)
{
	struct source *source = arg;

	flo_chan_send(source->chan, &source->value, NULL);
	flo_chan_close(source->chan);
}

/* Add up what two channels bring until both are closed. A case whose channel
 * is NULL is never ready: so a closed one is switched off. */
static int sum(struct source *sources)
{
	int value, total = 0;
	size_t i = 0;
	struct flo_select_case cases[] = {
		{.chan = sources[0].chan, .recv = &value},
		{.chan = sources[1].chan, .recv = &value},
	};

	while (cases[0].chan != NULL || cases[1].chan != NULL) {
		if (flo_select(cases, 2, UINT64_MAX, NULL, &i) == FLO_OK)
			total += value;
		else
			cases[i].chan = NULL;
	}
	return total;
}

static flo_status make(struct source *sources)
{
	flo_status st = FLO_OK;

	for (int i = 0; i < 2 && st == FLO_OK; i++)
		st = flo_chan_new(sizeof(int), 0, &sources[i].chan);
	return st;
}

static flo_status show(struct source *sources, flo_chan *nobody)
{
	struct flo_select_case one = {.chan = nobody};
	flo_status st = FLO_OK;

	if (flo_select(&one, 1, 0, NULL, NULL) == FLO_AGAIN)
		printf("nothing is there yet\n");
	for (int i = 0; i < 2; i++) {
		if (flo_go(NULL, send, &sources[i]) == FLO_OK)
			continue;
		flo_chan_close(sources[i].chan);
		st = FLO_NOMEM;
	}
	printf("both have sent, %d in all\n", sum(sources));
	if (flo_select(&one, 1, 1 * MS, NULL, NULL) == FLO_TIMEOUT)
		printf("nobody came within 1 ms\n");
	return st;
}

static void run(void *arg)
{
	struct source sources[] = {{NULL, 10}, {NULL, 20}};
	flo_chan *nobody = NULL;
	flo_status *st = arg;

	*st = make(sources);
	if (*st == FLO_OK)
		*st = flo_chan_new(0, 0, &nobody);
	if (*st == FLO_OK)
		*st = show(sources, nobody);
	flo_chan_free(nobody);
	flo_chan_free(sources[1].chan);
	flo_chan_free(sources[0].chan);
}

int main(void)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt;
	flo_status st = FLO_OK;

	if (flo_runtime_new(NULL, &err, &rt) != FLO_OK) {
		fprintf(stderr, "select: %s\n", err.text);
		return 1;
	}
	if (flo_runtime_run(rt, run, &st) != FLO_OK)
		st = FLO_NOMEM;
	flo_runtime_free(rt);
	return st == FLO_OK ? 0 : 1;
}
