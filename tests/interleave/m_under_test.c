/* m.c, with a door to its thread-local, which the explorer has to switch. */
#ifndef M_SOURCE
#define M_SOURCE "engine/sched/m.c"
#endif
#include M_SOURCE

void **explore_local(void);
void **explore_local(void)
{
	return (void **)&current;
}
