/*
 * The ring of a P: its owner against thieves. Each coroutine is taken by
 * exactly one of them.
 */
#include "tests/interleave/explore.h"

#include "engine/sched/gmp_p.h"

#include <string.h>

#define GS_MAX 8

static struct flo__p ps[3];
static struct flo__g gs[GS_MAX];
static unsigned taken[GS_MAX]; /* how often; one thread runs at a time */

static void take(struct flo__g *g)
{
	if (g != NULL)
		taken[g - gs]++;
}

/* Take all that is in @p's ring. */
static void drain(struct flo__p *p)
{
	struct flo__g *g;

	while ((g = flo__runq_get(p)) != NULL)
		take(g);
	take(atomic_exchange(&p->runnext, NULL));
}

static void put(struct flo__p *p, struct flo__g *g)
{
	struct flo__gbatch spill;

	if (flo__runq_put(p, g, &spill))
		return;
	for (uint32_t i = 0; i < spill.len; i++)
		take(spill.at[i]);
}

static void begin(uint32_t n)
{
	explore_quiet(true);
	memset(ps, 0, sizeof(ps));
	memset(gs, 0, sizeof(gs));
	memset(taken, 0, sizeof(taken));
	for (uint32_t i = 0; i < n; i++)
		put(&ps[0], &gs[i]);
	explore_quiet(false);
}

static void steal(void *arg)
{
	struct flo__p *thief = arg;

	take(flo__runq_steal(thief, &ps[0], false));
	drain(thief);
}

static void steal_next(void *arg)
{
	struct flo__p *thief = arg;

	take(flo__runq_steal(thief, &ps[0], true));
	drain(thief);
}

/* As the monitor does with the queue behind a hog. */
static void take_all(void *arg)
{
	struct flo__g *g;

	(void)arg;
	while ((g = flo__runq_take(&ps[0])) != NULL)
		take(g);
}

static void end(uint32_t n)
{
	explore_join();
	drain(&ps[0]);
	for (uint32_t i = 0; i < n; i++)
		explore_check(taken[i] == 1, "each G is taken exactly once");
}

static void one_element(void)
{
	begin(1);
	explore_go("thief", steal, &ps[1]);
	explore_go("thief", steal, &ps[2]);
	take(flo__runq_get(&ps[0]));
	end(1);
}

static void two_elements(void)
{
	begin(2);
	explore_go("thief", steal, &ps[1]);
	explore_go("thief", steal, &ps[2]);
	take(flo__runq_get(&ps[0]));
	put(&ps[0], &gs[2]);
	end(3);
}

static void slots_are_used_again(void)
{
	begin(FLO__RING_LEN);
	explore_go("thief", steal, &ps[1]);
	take(flo__runq_get(&ps[0]));
	put(&ps[0], &gs[4]);
	take(flo__runq_get(&ps[0]));
	put(&ps[0], &gs[5]);
	end(6);
}

static void full_ring(void)
{
	begin(FLO__RING_LEN);
	explore_go("thief", steal, &ps[1]);
	explore_go("thief", steal, &ps[2]);
	put(&ps[0], &gs[4]);
	put(&ps[0], &gs[5]);
	end(6);
}

static void all_are_taken_behind_the_owner(void)
{
	begin(FLO__RING_LEN);
	explore_go("monitor", take_all, NULL);
	explore_go("thief", steal, &ps[1]);
	put(&ps[0], &gs[4]);
	take(flo__runq_get(&ps[0]));
	end(5);
}

static void what_runs_next(void)
{
	begin(0);
	explore_go("thief", steal_next, &ps[1]);
	explore_go("thief", steal_next, &ps[2]);
	for (int i = 0; i < 2; i++) {
		struct flo__g *g = atomic_exchange(&ps[0].runnext, &gs[i]);

		if (g != NULL)
			put(&ps[0], g);
	}
	take(atomic_exchange(&ps[0].runnext, NULL));
	end(2);
}

/* flo__runq_empty() may not say so while a G goes from runnext to the ring. */
static void look_while_it_moves(void *arg)
{
	bool *empty = arg;

	*empty = flo__runq_empty(&ps[0]);
}

static void a_moving_element_is_seen(void)
{
	bool empty = true;

	begin(0);
	atomic_store(&ps[0].runnext, &gs[0]);
	explore_go("looks", look_while_it_moves, &empty);
	put(&ps[0], atomic_exchange(&ps[0].runnext, &gs[1]));
	take(atomic_exchange(&ps[0].runnext, NULL));
	explore_join();
	explore_check(!empty, "a queue that is never empty looks empty");
	end(2);
}

static const struct explore_scenario scenarios[] = {
	{"one_element", one_element, 5, 7},
	{"two_elements", two_elements, 4, 5},
	{"slots_are_used_again", slots_are_used_again, 5, 7},
	{"full_ring", full_ring, 3, 4},
	{"all_are_taken_behind_the_owner", all_are_taken_behind_the_owner, 3,
	 4},
	{"what_runs_next", what_runs_next, 4, 5},
	{"a_moving_element_is_seen", a_moving_element_is_seen, 5, 7},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
