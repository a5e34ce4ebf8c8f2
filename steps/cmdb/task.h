/*
 * A piece of work that is done beside the coroutine which wants it, on another
 * P if there is one.
 *
 * Note: sharing out.
 *
 * A step of cmdb.* runs in a blocking region, because it talks to SQLite. What
 * is mere computing (reading records, digests) it cuts into tasks of a few
 * milliseconds. Each is a coroutine of its own, so that the scheduler spreads
 * them over all P without anyone knowing how many there are, and none holds a
 * P for long.
 *
 * A task belongs to its owner until flo__task_start(), then to the coroutine
 * that works, then, once flo__task_wait() has returned, to its owner again. So
 * nothing in it needs a lock; the wait group orders both hand-overs. What tasks
 * have in common they only read.
 *
 * An owner that goes on computing while its tasks are under way leaves the
 * region for that time (flo__task_compute_begin()), and then has a P like its
 * tasks: so there are never more threads that compute than P. In the region it
 * would be one thread more than there are cores, and Linux leaves two threads
 * on one core for ten milliseconds while the other core is idle. Where it may
 * really wait, as for a lock, it enters the region again.
 *
 * The owner takes tasks back in the order in which it started them, whichever
 * ended first: so what is made of them does not depend on the schedule. How
 * many it has started and not taken back is its bound on memory.
 *
 * A panic ends the task, and its owner panics when it takes it back. An owner
 * that panics for another reason leaks what it owns, tasks under way included,
 * so they must not use its stack.
 *
 * Refused: threads that live as long as the step and a queue between (who
 * stops them, and how many?); a group, whose members have a smaller stack and
 * whose first error is the first in time, not in the input.
 */
#ifndef FLO_CMDB_TASK_H
#define FLO_CMDB_TASK_H

#include <flo/context.h>
#include <flo/error.h>
#include <flo/sync.h>

/* Embedded in what is worked on. Starts as zeros. */
struct flo__task {
	void (*work)(struct flo__task *task); /* owner, before the start */
	flo_waitgroup running;
	bool started; /* owner */
	bool shared;  /* owner: by a coroutine of its own */
	/* the worker's: the same, told before the work begins */
	bool shared_work;
	/* the worker's until flo__task_wait(): of its panic */
	flo_error fault;
};

/*
 * Have @task->work(@task) called. In a coroutine it is done by another one of
 * 256 KiB of stack; elsewhere, or without the memory for that, at once.
 *
 * Requires: it is not started.
 */
void flo__task_start(struct flo__task *task);

/* Leave the step's blocking region, to compute beside tasks; enter it again. */
void flo__task_compute_begin(void);
void flo__task_compute_end(void);

/* Where the owner is when it waits: between these two, or in the region. */
enum flo__task_owner {
	FLO__TASK_IN_REGION, /* which is left for as long as it has to wait */
	FLO__TASK_COMPUTING,
};

/*
 * Wait until @task has come to its end, or @context. Returns FLO_OK, or the
 * context's status; either way the task is the worker's until flo__task_wait().
 *
 * Requires: as flo__task_wait().
 */
flo_status flo__task_watch(struct flo__task *task, enum flo__task_owner owner,
			   flo_context *context);

/*
 * Wait for the end of @task, which was started or not. What it wrote can be
 * read then. Panics if the work has.
 *
 * Requires: called by who has started it, who is where @owner says, and in no
 * second region.
 */
void flo__task_wait(struct flo__task *task, enum flo__task_owner owner);

/*
 * The same for one whose result does not matter any more: never panics. The
 * owner is in the region.
 */
void flo__task_drop(struct flo__task *task);

#endif
