/*
 * A mistake made on purpose, to see that one is found: a gate whose waiter
 * looks at it before it has the lock. Should the gate open between the look
 * and the lock, nobody will wake the waiter, who is then the last one left.
 */
#include "tests/sim/crowd.h"

#include <string.h>

#define GATES 3

struct gate {
	flo_mutex lock;
	flo_cond opened;
	bool open;
};

static struct {
	struct gate gates[GATES];
	struct crowd all;
} p;

static void gate_wait(struct gate *gate)
{
	if (gate->open) /* here */
		return;
	flo_mutex_lock(&gate->lock);
	CHECK(flo_cond_wait(&gate->opened, &gate->lock, NULL) == FLO_OK);
	flo_mutex_unlock(&gate->lock);
}

static void gate_open(struct gate *gate)
{
	flo_mutex_lock(&gate->lock);
	gate->open = true;
	flo_cond_broadcast(&gate->opened);
	flo_mutex_unlock(&gate->lock);
}

static void pass(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < GATES; i++)
		gate_wait(&p.gates[i]);
	crowd_leave(&p.all);
}

/* Late enough that most of the time those who wait have begun to. */
static void open_all(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < GATES; i++) {
		CHECK(flo_sleep(NULL, 10 * US) == FLO_OK);
		gate_open(&p.gates[i]);
	}
	crowd_leave(&p.all);
}

static void come(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < 4; i++) {
		CHECK(flo_sleep(NULL, draw(20) * US) == FLO_OK);
		crowd_go(&p.all, pass, NULL);
	}
	crowd_leave(&p.all);
}

static void planted_main(void *arg)
{
	(void)arg;
	crowd_go(&p.all, open_all, NULL);
	crowd_go(&p.all, come, NULL);
	crowd_wait(&p.all);
}

static void play_planted(flo_runtime *rt)
{
	memset(&p, 0, sizeof(p));
	play_main(rt, planted_main, NULL);
}

const struct scenario planted_scenario = {.name = "planted",
					  .play = play_planted,
					  .planted = true};
