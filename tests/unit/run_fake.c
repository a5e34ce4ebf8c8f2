#include "tests/unit/run_fake.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/sched/sched_p.h"
#include "json/json_p.h"
#include "steps/steps.h"

#include <flo/panic.h>

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the journal ---- */

struct flo__run_journal {
	struct fake *fake;
};

static struct flo__run_journal *the_journal(struct fake *fake)
{
	static struct flo__run_journal journal;

	journal.fake = fake;
	return &journal;
}

static void make_room(struct fake *fake)
{
	if (fake->events_len < fake->events_cap)
		return;
	fake->events_cap = fake->events_cap * 2 + 64;
	fake->events =
		realloc(fake->events, fake->events_cap * sizeof(*fake->events));
	INSIST(fake->events != NULL);
}

static void describe(struct fake_event *e, const struct flo__event *event)
{
	e->kind = event->kind;
	e->status = event->status;
	snprintf(e->path, sizeof(e->path), "%s",
		 event->path != NULL ? event->path : "");
}

void fake_put(struct fake *fake, const char *json)
{
	struct fake_event e = {.json = flo__strdup(json), .len = strlen(json)};
	struct flo__event event;
	flo_value *doc = NULL;

	INSIST(e.json != NULL &&
	       flo__event_parse(json, e.len, NULL, &doc, &event) == FLO_OK);
	describe(&e, &event);
	flo_value_unref(doc);
	make_room(fake);
	fake->events[fake->events_len++] = e;
}

static flo_status append(struct flo__run_journal *run, struct flo__event *event)
{
	struct fake *fake = run->fake;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct fake_event *e;
	uint64_t seq = event->seq;
	flo_status st = FLO_OK;
	char *json;

	pthread_mutex_lock(&fake->lock);
	if (fake->events_len + 1 == fake->fail_at) {
		st = FLO_FULL;
		goto out;
	}
	make_room(fake);
	event->seq = fake->events_len + 1;
	flo__event_json(event, "r1", "0123456789abcdef0123456789abcdef", &sb);
	e = &fake->events[fake->events_len];
	e->len = sb.len;
	json = flo__strbuf_take(&sb);
	if (json == NULL) {
		flo__strbuf_fini(&sb);
		event->seq = seq;
		st = FLO_NOMEM;
		goto out;
	}
	fake->events_len++;
	e->json = json;
	describe(e, event);
out:
	pthread_mutex_unlock(&fake->lock);
	return st;
}

struct commit {
	struct fake *fake;
	uint64_t seq;
	flo__journal_notify_fn fn;
	void *arg;
};

static void end_commit(const struct commit *commit)
{
	struct fake *fake = commit->fake;

	pthread_mutex_lock(&fake->lock);
	INSIST(commit->seq <= fake->events_len);
	if (fake->durable < commit->seq)
		fake->durable = commit->seq;
	pthread_mutex_unlock(&fake->lock);
	commit->fn(commit->arg, FLO_OK);
}

static void commit_late(void *arg)
{
	struct commit *commit = arg;
	uint32_t rounds = 0;

	flo__drive_choose(8, &rounds);
	while (rounds-- > 0)
		flo_yield();
	end_commit(commit);
	free(commit);
}

static void notify(struct flo__run_journal *run, uint64_t seq,
		   flo__journal_notify_fn fn, void *arg)
{
	struct commit commit = {run->fake, seq, fn, arg}, *late;

	if (!run->fake->late_commits) {
		end_commit(&commit);
		return;
	}
	late = malloc(sizeof(*late));
	INSIST(late != NULL);
	*late = commit;
	INSIST(flo_go(run->fake->rt, commit_late, late) == FLO_OK);
}

static void failure(struct flo__run_journal *run, flo_error *ret_err)
{
	if (run->fake->fail_at != 0)
		flo_error_set(ret_err, FLO_FULL, "the disk is full");
}

/* ---- the executor ---- */

static unsigned gate_bit(const char *name)
{
	return 1u << (name[0] - 'a');
}

static bool gate_is_open(struct fake *fake, const char *name)
{
	return __atomic_load_n(&fake->gates_open, __ATOMIC_ACQUIRE) &
	       gate_bit(name);
}

static flo_status until_gate(struct fake *fake, const char *name,
			     flo_context *context)
{
	while (!gate_is_open(fake, name)) {
		flo_status st = flo_context_status(context);

		if (st != FLO_OK)
			return st;
		flo_yield();
	}
	return FLO_OK;
}

static const char *env_get(const char *const *env, const char *name)
{
	size_t len = strlen(name);

	for (; env != NULL && *env != NULL; env++) {
		if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
			return *env + len + 1;
	}
	return "";
}

static void note_execution(struct fake *fake, const char *path)
{
	pthread_mutex_lock(&fake->lock);
	if (fake->executed_len == fake->executed_cap) {
		fake->executed_cap = 2 * fake->executed_cap + 64;
		fake->executed =
			realloc(fake->executed,
				fake->executed_cap * sizeof(*fake->executed));
		INSIST(fake->executed != NULL);
	}
	for (size_t i = fake->durable; i < fake->events_len; i++)
		fake->ran_ahead |=
			fake->events[i].kind == FLO__EVENT_STEP_RETRYING &&
			strcmp(fake->events[i].path, path) == 0;
	snprintf(fake->executed[fake->executed_len++], 128, "%s", path);
	if (++fake->running > fake->running_max)
		fake->running_max = fake->running;
	pthread_mutex_unlock(&fake->lock);
}

/* Any bits of the seed's for @path after @failures of it. */
static uint64_t dice(const struct fake *fake, const char *path,
		     unsigned failures)
{
	uint64_t z = fake->seed + failures;

	for (; *path != '\0'; path++)
		z = (z ^ (unsigned char)*path) * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static unsigned recorded_failures(struct fake *fake, const char *path)
{
	unsigned n = 0;

	pthread_mutex_lock(&fake->lock);
	for (size_t i = 0; i < fake->events_len; i++)
		n += fake->events[i].kind == FLO__EVENT_STEP_RETRYING &&
		     strcmp(fake->events[i].path, path) == 0;
	pthread_mutex_unlock(&fake->lock);
	return n;
}

static flo_status throw_dice(struct fake *fake, const char *const *argv,
			     const char *path, flo_context *context,
			     struct flo__exec_result *ret)
{
	uint64_t z = dice(fake, path, recorded_failures(fake, path));
	uint64_t spread_us = strtoull(argv[1], NULL, 10) * 1000;
	uint64_t us = (z >> 32) % (spread_us + 1);
	flo_status st = flo_sleep(context, us * 1000);

	if (st != FLO_OK)
		ret->signal = 15;
	else
		ret->exit_code = z % 100 < strtoull(argv[2], NULL, 10);
	return st;
}

static flo_status show(const struct flo__exec_request *req, flo_error *err)
{
	const char *text = env_get(req->env, req->argv[1]);
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && text[i] != '\0'; i++) {
		st = req->sink->write(req->sink, 1, text + i, 1, err);
		if (st == FLO_OK)
			st = req->sink->write(req->sink, 2, text + i, 1, err);
	}
	return st;
}

static void leave(const struct flo__exec_request *req)
{
	FILE *file = fopen(env_get(req->env, "FLOW_OUTPUT"), "we");

	INSIST(file != NULL && fputs(req->argv[1], file) >= 0);
	fclose(file);
}

static flo_status play(struct fake *fake, const struct flo__exec_request *req,
		       flo_context *context, flo_error *err,
		       struct flo__exec_result *ret)
{
	const char *const *argv = req->argv;
	const char *path = env_get(req->env, "FLOW_STEP");

	ret->exit_code = 0;
	if (strcmp(argv[0], "missing") == 0)
		return flo_error_set(err, FLO_SPAWN, "cannot run \"missing\"");
	if (strcmp(argv[0], "exit") == 0) {
		ret->exit_code = atoi(argv[1]);
	} else if (strcmp(argv[0], "sig") == 0) {
		ret->signal = atoi(argv[1]);
		ret->exit_code = -1;
	} else if (strcmp(argv[0], "say") == 0) {
		return req->sink->write(req->sink, 1, argv[1], strlen(argv[1]),
					err);
	} else if (strcmp(argv[0], "show") == 0) {
		ret->exit_code = atoi(argv[2]);
		return show(req, err);
	} else if (strcmp(argv[0], "leave") == 0) {
		leave(req);
		ret->exit_code = 1;
	} else if (strcmp(argv[0], "echo") == 0) {
		return req->sink->write(req->sink, 1, req->input,
					req->input_len, err);
	} else if (strcmp(argv[0], "err") == 0) {
		req->sink->write(req->sink, 2, argv[1], strlen(argv[1]), err);
		ret->exit_code = atoi(argv[2]);
	} else if (strcmp(argv[0], "hang") == 0) {
		flo_status st = flo_sleep(context, UINT64_C(600000000000));

		ret->signal = 15;
		return st != FLO_OK ? st : FLO_TIMEOUT;
	} else if (strcmp(argv[0], "post") == 0) {
		__atomic_or_fetch(&fake->gates_open, gate_bit(argv[1]),
				  __ATOMIC_RELEASE);
	} else if (strcmp(argv[0], "wait") == 0) {
		return until_gate(fake, argv[1], context);
	} else if (strcmp(argv[0], "flaky") == 0) {
		ret->exit_code =
			fake_executions(fake, path) <= (unsigned)atoi(argv[1])
				? 1
				: 0;
	} else if (strcmp(argv[0], "dice") == 0) {
		return throw_dice(fake, argv, path, context, ret);
	} else {
		INSIST(strcmp(argv[0], "ok") == 0);
	}
	return FLO_OK;
}

static struct fake *fake_of(struct flo__executor *executor)
{
	return (struct fake *)((char *)executor -
			       offsetof(struct fake, executor));
}

static flo_status run_fake(struct flo__executor *executor,
			   const struct flo__exec_request *request,
			   flo_context *context, flo_error *err,
			   struct flo__exec_result *ret_result)
{
	struct fake *fake = fake_of(executor);
	flo_status st;

	*ret_result = (struct flo__exec_result){.pid = 1};
	note_execution(fake, env_get(request->env, "FLOW_STEP"));
	st = play(fake, request, context, err, ret_result);
	pthread_mutex_lock(&fake->lock);
	fake->running--;
	pthread_mutex_unlock(&fake->lock);
	return st;
}

static void kill_all(struct flo__executor *executor)
{
	(void)executor;
}

/* ---- step types ---- */

static flo_status run_panic(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)with;
	(void)err;
	(void)ret_output;
	flo_panic("on purpose");
}

static flo_status run_error(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	(void)call;
	(void)with;
	(void)err;
	(void)ret_output;
	return FLO_SYSTEM;
}

static const flo_step_type panic_type = {.name = "test.panic",
					 .run = run_panic};
static const flo_step_type error_type = {.name = "test.error",
					 .run = run_error};

static const flo_step_type *at(const struct flo__registry *registry, size_t i)
{
	size_t len;
	const flo_step_type *const *types = flo__builtin_steps(&len);

	(void)registry;
	if (i < len)
		return types[i];
	return i == len ? &panic_type : i == len + 1 ? &error_type : NULL;
}

static const flo_step_type *find(const struct flo__registry *registry,
				 const char *name, size_t len)
{
	const flo_step_type *type;

	for (size_t i = 0; (type = at(registry, i)) != NULL; i++) {
		if (strlen(type->name) == len &&
		    strncmp(type->name, name, len) == 0)
			return type;
	}
	return NULL;
}

/* ---- the world ---- */

static int64_t now_us(struct flo__clock *clock)
{
	struct fake *fake =
		(struct fake *)((char *)clock - offsetof(struct fake, clock));

	return FAKE_EPOCH_US + (int64_t)(flo__runtime_now(fake->rt) / 1000);
}

void fake_init(struct fake *fake)
{
	const struct flo_runtime_options options = {0};

	fake_init_with(fake, &options);
}

void fake_init_with(struct fake *fake,
		    const struct flo_runtime_options *options)
{
	static const struct flo__journal_ops journal_ops = {.append = append,
							    .notify = notify,
							    .failure = failure};
	static const struct flo__executor_ops executor_ops = {.run = run_fake,
							      .kill_all =
								      kill_all};

	/* As engines run theirs. */
	struct flo_runtime_options rt_options = *options;

	rt_options.stack_size = 256 * 1024;
	flo__json_guard_install();
	memset(fake, 0, sizeof(*fake));
	fake->journal.ops = &journal_ops;
	fake->executor.ops = &executor_ops;
	fake->clock.now_us = now_us;
	fake->registry = (struct flo__registry){find, at};
	pthread_mutex_init(&fake->lock, NULL);
	snprintf(fake->files, sizeof(fake->files), "/tmp/flo-run-XXXXXX");
	INSIST(mkdtemp(fake->files) != NULL);
	INSIST(flo_runtime_new(&rt_options, NULL, &fake->rt) == FLO_OK);
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void fake_reset(struct fake *fake)
{
	for (size_t i = 0; i < fake->events_len; i++)
		flo__free(fake->events[i].json);
	fake->events_len = 0;
	fake->executed_len = 0;
	fake->durable = 0;
	fake->ran_ahead = false;
	fake->fail_at = 0;
	fake->running_max = 0;
	fake->gates_open = 0;
	INSIST(fake->running == 0);
}

void fake_fini(struct fake *fake)
{
	flo_runtime_free(fake->rt);
	fake_reset(fake);
	free(fake->events);
	free(fake->executed);
	nftw(fake->files, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	pthread_mutex_destroy(&fake->lock);
}

struct job {
	struct fake *fake;
	struct flo__run *run;
	struct fake_result result;
	void (*hook)(struct flo__run *run);
	bool hooked; /* atomic: the hook has returned */
};

static void run_hook(void *arg)
{
	struct job *job = arg;

	job->hook(job->run);
	__atomic_store_n(&job->hooked, true, __ATOMIC_RELEASE);
}

/* From here to alloc_end() allocations are counted, over all such stretches. */
static void alloc_begin(struct fake *fake)
{
	long nth = fake->alloc_fail - fake->allocs;

	if (fake->alloc_fail != 0 && nth <= 0)
		nth = fake->alloc_ever ? 1 : LONG_MAX / 2; /* that was it */
	flo__alloc_fail_at(fake->alloc_fail != 0 ? nth : 0, fake->alloc_ever);
}

static void alloc_end(struct fake *fake)
{
	fake->allocs += flo__alloc_count();
	flo__alloc_fail_at(0, 0);
}

static void run_job(void *arg)
{
	struct job *job = arg;

	/* Not by the thread that starts us: whether one had run before the other
	 * came would not follow from the seed. */
	if (job->hook != NULL)
		INSIST(flo_go(NULL, run_hook, job) == FLO_OK);
	alloc_begin(job->fake);
	job->result.st = flo__run_main(job->run, &job->fake->journal,
				       the_journal(job->fake), &job->result.err,
				       &job->result.result);
	alloc_end(job->fake);
	while (job->hook != NULL &&
	       !__atomic_load_n(&job->hooked, __ATOMIC_ACQUIRE))
		flo_yield();
}

static void print_diagnostic(const flo_diagnostic *d, void *arg)
{
	(void)arg;
	fprintf(stderr, "%d:%d: %s: %s (%s)\n", d->line, d->column, d->code,
		d->message, d->hint);
}

/* Tests write pipelines with ' where JSON wants ". */
static char *with_quotes(const char *text)
{
	char *copy = strdup(text);

	for (char *p = copy; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	return copy;
}

static flo_status take_events(struct fake *fake, struct flo__run *run,
			      flo_error *err)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < fake->events_len; i++)
		st = flo__run_preset(run, fake->events[i].json,
				     fake->events[i].len, err);
	return st;
}

static flo_status take_over(struct fake *fake, struct flo__run *run,
			    size_t keep, flo_error *err)
{
	flo_status st;

	for (size_t i = keep; i < fake->events_len; i++)
		flo__free(fake->events[i].json);
	fake->events_len = keep;
	alloc_begin(fake);
	st = take_events(fake, run, err);
	if (st == FLO_OK && fake->accept != NULL)
		st = flo__run_accept(run, fake->accept, fake->accept_as, err);
	if (st == FLO_OK && keep > 0)
		st = flo__run_preset_done(run, err);
	alloc_end(fake);
	INSIST(st == FLO_OK || (st == FLO_NOMEM && fake->alloc_fail != 0));
	fake->allocs_before = fake->allocs;
	return st;
}

/* A pipeline compiled, and a run of it. */
struct world {
	char *json;
	struct flo__plan *plan;
	flo_value *params;
	struct flo__run *run;
};

static void world_init(struct fake *fake, const char *text, struct world *world)
{
	struct flo__run_deps deps = {.runtime = fake->rt,
				     .executor = &fake->executor,
				     .clock = &fake->clock,
				     .environ_ = fake->environ_,
				     .files = fake->files};
	struct flo__run_record record = {
		.id = "r1",
		.trace_id = "0123456789abcdef0123456789abcdef",
		.pipeline = "p",
		.file = "p.json",
		.dir = "/"};
	struct flo__dsl_options options = {.file = "p.json",
					   .registry = &fake->registry,
					   .fn = print_diagnostic};

	*world = (struct world){.json = with_quotes(text)};
	INSIST(flo__dsl_compile(world->json, strlen(world->json), &options,
				NULL, &world->plan) == FLO_OK);
	INSIST(flo__dsl_bind(world->plan, NULL, NULL, &world->params) ==
	       FLO_OK);
	INSIST(flo__run_new(&deps, world->plan, &record, world->params, NULL,
			    &world->run) == FLO_OK);
}

static void world_fini(struct world *world)
{
	flo__run_free(world->run);
	flo_value_unref(world->params);
	world->plan->free(world->plan);
	free(world->json);
}

struct fake_result fake_run(struct fake *fake, const char *text, size_t keep,
			    void (*hook)(struct flo__run *run))
{
	struct job job = {.fake = fake, .hook = hook};
	struct world world;

	world_init(fake, text, &world);
	job.run = world.run;
	fake->allocs = 0;
	job.result.st = take_over(fake, job.run, keep, &job.result.err);
	if (job.result.st == FLO_OK)
		flo_runtime_run(fake->rt, run_job, &job);
	world_fini(&world);
	return job.result;
}

struct repeat {
	struct job job;
	struct flo__run *old;
};

static void forget_events(struct fake *fake)
{
	for (size_t i = 0; i < fake->events_len; i++)
		flo__free(fake->events[i].json);
	fake->events_len = 0;
	fake->durable = 0;
}

static void repeat_job(void *arg)
{
	struct repeat *repeat = arg;
	struct job *job = &repeat->job;

	alloc_begin(job->fake);
	job->result.st =
		flo__run_reuse(job->run, repeat->old, &job->result.err);
	alloc_end(job->fake);
	job->fake->allocs_before = job->fake->allocs;
	if (job->result.st != FLO_OK)
		return;
	forget_events(job->fake);
	run_job(job);
}

struct fake_result fake_rerun(struct fake *fake, const char *text,
			      const struct flo__rerun *what)
{
	struct repeat repeat = {.job = {.fake = fake}};
	struct world old, world;

	world_init(fake, text, &old);
	world_init(fake, text, &world);
	fake->allocs = 0;
	alloc_begin(fake);
	repeat.job.result.st =
		take_events(fake, old.run, &repeat.job.result.err);
	if (repeat.job.result.st == FLO_OK)
		repeat.job.result.st =
			flo__run_rerun(world.run, what, &repeat.job.result.err);
	alloc_end(fake);
	repeat.job.run = world.run;
	repeat.old = old.run;
	if (repeat.job.result.st == FLO_OK)
		flo_runtime_run(fake->rt, repeat_job, &repeat);
	world_fini(&world);
	world_fini(&old);
	return repeat.job.result;
}

/* ---- inspections ---- */

struct look {
	struct flo__run *run;
	bool ended;
	struct fake_shown *shown;
};

static void look_at(void *arg, const struct flo__run_step *step)
{
	struct fake_shown *shown = arg;
	bool block = flo__node_is_block(step->node);
	struct fake_state *s;

	INSIST(step->state != FLO__STATE_NONE);
	if (shown->len == sizeof(shown->steps) / sizeof(shown->steps[0]))
		return;
	s = &shown->steps[shown->len++];
	snprintf(s->path, sizeof(s->path), "%s", step->path);
	s->state = step->state;
	s->leaf = !block;
}

static void look_job(void *arg)
{
	struct look *look = arg;

	INSIST(flo__run_inspect(look->run, look->ended, look_at, look->shown,
				&look->shown->summary) == FLO_OK);
}

void fake_inspect(struct fake *fake, const char *text, size_t keep, bool ended,
		  struct fake_shown *ret)
{
	struct look look = {.ended = ended, .shown = ret};
	struct world world;

	memset(ret, 0, sizeof(*ret));
	world_init(fake, text, &world);
	look.run = world.run;
	for (size_t i = 0; i < keep; i++)
		INSIST(flo__run_preset(look.run, fake->events[i].json,
				       fake->events[i].len, NULL) == FLO_OK);
	flo_runtime_run(fake->rt, look_job, &look);
	world_fini(&world);
}

enum flo__state fake_shown_state(const struct fake_shown *shown,
				 const char *path)
{
	for (size_t i = 0; i < shown->len; i++) {
		if (strcmp(shown->steps[i].path, path) == 0)
			return shown->steps[i].state;
	}
	return FLO__STATE_NONE;
}

void fake_result_fini(struct fake_result *result)
{
	flo_value_unref(result->result);
	result->result = NULL;
}

/* ---- questions ---- */

static const char *string_of(const flo_value *map, const char *key)
{
	const flo_value *value =
		map != NULL ? flo_value_map_get(map, key) : NULL;

	return value != NULL && flo_value_typeof(value) == FLO_VALUE_STRING
		       ? flo_value_get_string(value, NULL)
		       : "";
}

const char *fake_status(const struct fake_result *result)
{
	return string_of(result->result, "status");
}

const char *fake_error(const struct fake_result *result, const char *key)
{
	return string_of(result->result != NULL
				 ? flo_value_map_get(result->result, "error")
				 : NULL,
			 key);
}

int64_t fake_count(const struct fake_result *result, const char *state)
{
	const flo_value *counts = flo_value_map_get(result->result, "counts");

	return flo_value_get_int(flo_value_map_get(counts, state));
}

static void lock(const struct fake *fake)
{
	pthread_mutex_lock(&((struct fake *)fake)->lock);
}

static void unlock(const struct fake *fake)
{
	pthread_mutex_unlock(&((struct fake *)fake)->lock);
}

bool fake_has(const struct fake *fake, enum flo__event_kind kind,
	      const char *path)
{
	bool has = false;

	lock(fake);
	for (size_t i = 0; i < fake->events_len && !has; i++)
		has = fake->events[i].kind == kind &&
		      (path == NULL || strcmp(fake->events[i].path, path) == 0);
	unlock(fake);
	return has;
}

enum flo__state fake_state(const struct fake *fake, const char *path)
{
	enum flo__state state = FLO__STATE_NONE;

	lock(fake);
	for (size_t i = 0; i < fake->events_len; i++) {
		const struct fake_event *e = &fake->events[i];

		if (strcmp(e->path, path) != 0)
			continue;
		if (e->kind == FLO__EVENT_STEP_SKIPPED)
			state = FLO__STATE_SKIPPED;
		if (e->kind == FLO__EVENT_STEP_FINISHED)
			state = e->status;
	}
	unlock(fake);
	return state;
}

unsigned fake_executions(const struct fake *fake, const char *path)
{
	unsigned n = 0;

	lock(fake);
	for (size_t i = 0; i < fake->executed_len; i++)
		n += path == NULL || strcmp(fake->executed[i], path) == 0;
	unlock(fake);
	return n;
}

int fake_order(const struct fake *fake, const char *path)
{
	for (size_t i = 0; i < fake->executed_len; i++) {
		if (strcmp(fake->executed[i], path) == 0)
			return (int)i;
	}
	return -1;
}
