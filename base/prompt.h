/*
 * Threads that wake often, do a little and sleep again.
 */
#ifndef FLO_BASE_PROMPT_H
#define FLO_BASE_PROMPT_H

/*
 * Ask the kernel to let the calling thread run soon after it is woken, at the
 * price of shorter turns; its share of the processor stays the same. What it
 * starts (threads, processes) does not inherit that.
 *
 * Whoever hands programs from one process to the next waits, where all cores
 * are busy with such programs, for a turn of theirs to end, three milliseconds
 * for one that takes half of one. Linux takes the wish from everybody since
 * 6.12 (sched(7), sched_setattr(2): sched_runtime of SCHED_OTHER); older ones
 * ignore it. Left alone are threads that somebody has given another policy, a
 * nice value below 0 or a wish of their own. An error changes nothing.
 */
void flo__thread_prompt(void);

#endif
