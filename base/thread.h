/*
 * Threads of ours that wake nobody in ways that cannot be counted: what the
 * scheduler needs to know of a process before it may call a standstill a
 * deadlock.
 */
#ifndef FLO_BASE_THREAD_H
#define FLO_BASE_THREAD_H

/*
 * Say that the calling ordinary thread of ours wakes coroutines only in ways
 * that are counted (notes, holds), or (-1), at its end, that this is over.
 * While the process has threads that are not known, any of which might cancel
 * a context, no deadlock is reported.
 */
void flo__thread_known(int by);

/* How many threads are known now. */
int flo__threads_known(void);

#endif
