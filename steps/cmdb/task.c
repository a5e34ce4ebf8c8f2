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

void flo__task_compute_begin(void)
{
	flo_blocking_end();
}

void flo__task_compute_end(void)
{
	flo_blocking_begin();
}

flo_status flo__task_watch(struct flo__task *task, enum flo__task_owner owner,
			   flo_context *context)
{
	bool in_region = owner == FLO__TASK_IN_REGION;
	flo_status st = FLO_OK;

	if (!task->started || !task->shared)
		return FLO_OK;
	if (in_region)
		flo_blocking_end();
	st = flo_waitgroup_wait(&task->running, context);
	if (in_region)
		flo_blocking_begin();
	return st;
}

static void end(struct flo__task *task, enum flo__task_owner owner)
{
	(void)flo__task_watch(task, owner, NULL);
	task->started = false;
}

void flo__task_drop(struct flo__task *task)
{
	end(task, FLO__TASK_IN_REGION);
}

void flo__task_wait(struct flo__task *task, enum flo__task_owner owner)
{
	end(task, owner);
	if (task->shared && task->fault.status != FLO_OK)
		flo_panic("%s", task->fault.text);
}
