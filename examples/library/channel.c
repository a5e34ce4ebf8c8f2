/*
 * Channels: a chain of coroutines, each with one task, and values that go from
 * one to the next. Who sends closes; that is how the others learn of the end.
 *
 * Prints:
 *	1
 *	4
 *	9
 *	16
 *	25
 */
#include <flo/chan.h>
#include <flo/runtime.h>

#include <stdio.h>

struct chain {
	flo_chan *numbers; /* unbuffered: who sends waits for who receives */
	flo_chan *squares; /* of two: the sender may be two values ahead */
};

static void count(void *arg)
{
	struct chain *chain = arg;

	for (int n = 1; n <= 5; n++)
		flo_chan_send(chain->numbers, &n, NULL);
	flo_chan_close(chain->numbers);
}

static void square(void *arg)
{
	struct chain *chain = arg;
	int n;

	while (flo_chan_recv(chain->numbers, &n, NULL) == FLO_OK) {
		n *= n;
		flo_chan_send(chain->squares, &n, NULL);
	}
	flo_chan_close(chain->squares);
}

static flo_status start(struct chain *chain)
{
	flo_status st = flo_go(NULL, square, chain);

	if (st != FLO_OK)
		return st;
	if (flo_go(NULL, count, chain) != FLO_OK)
		flo_chan_close(chain->numbers); /* there will be none */
	return FLO_OK;
}

/* FLO_CLOSED comes after the last value, when nobody needs the chain more. */
static void run(void *arg)
{
	struct chain chain = {NULL, NULL};
	flo_status *st = arg;
	int n;

	*st = flo_chan_new(sizeof(n), 0, &chain.numbers);
	if (*st == FLO_OK)
		*st = flo_chan_new(sizeof(n), 2, &chain.squares);
	if (*st == FLO_OK)
		*st = start(&chain);
	while (*st == FLO_OK &&
	       flo_chan_recv(chain.squares, &n, NULL) == FLO_OK)
		printf("%d\n", n);
	flo_chan_free(chain.squares);
	flo_chan_free(chain.numbers);
}

int main(void)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt;
	flo_status st = FLO_OK;

	if (flo_runtime_new(NULL, &err, &rt) != FLO_OK) {
		fprintf(stderr, "channel: %s\n", err.text);
		return 1;
	}
	if (flo_runtime_run(rt, run, &st) != FLO_OK)
		st = FLO_NOMEM;
	flo_runtime_free(rt);
	return st == FLO_OK ? 0 : 1;
}
