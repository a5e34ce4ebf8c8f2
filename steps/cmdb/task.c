#include "steps/cmdb/task.h"

#include "base/contract.h"

#include <flo/panic.h>
#include <flo/runtime.h>

#define TASK_STACK (256u << 10)

static void work(void *arg)
{
	struct flo__task *task = arg;

	task->work(task);
}

static void main_of(void *arg)
{
	struct flo__task *task = arg;

	(void)flo_try(work, task, &task->fault);
	/* The last that is done with @task: its owner may free it. */
	flo_waitgroup_done(&task->running);
}

void flo__task_start(struct flo__task *task)
{
	flo_runtime *rt = flo_runtime_current();

	REQUIRE(!task->started);
	task->started = true;
	task->shared = false;
	flo_error_clear(&task->fault);
	if (rt != NULL) {
		task->shared_work = true;
		flo_waitgroup_add(&task->running, 1);
		task->shared = flo_go_with(rt, main_of, task, TASK_STACK,
					   "cmdb task") == FLO_OK;
		if (!task->shared)
			flo_waitgroup_done(&task->running);
	}
	if (!task->shared) {
		task->shared_work = false;
		task->work(task);
	}
}

flo_status flo__task_watch(struct flo__task *task, flo_context *context)
{
	flo_status st = FLO_OK;

	if (task->started && task->shared) {
		flo_blocking_end();
		st = flo_waitgroup_wait(&task->running, context);
		flo_blocking_begin();
	}
	return st;
}

void flo__task_drop(struct flo__task *task)
{
	(void)flo__task_watch(task, NULL);
	task->started = false;
}

void flo__task_wait(struct flo__task *task)
{
	flo__task_drop(task);
	if (task->shared && task->fault.status != FLO_OK)
		flo_panic("%s", task->fault.text);
}
