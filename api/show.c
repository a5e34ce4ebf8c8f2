/*
 * What `show` lists, and what `eval --run` sees: every leaf and block instance of a run, with its state.
 *
 * States come from a replay of the run's events (flo__run_inspect()), which
 * tells of steps in the order in which it settles them. They are listed as the
 * pipeline is written, a block before what is in it, so each gets a key: its
 * position, or its item's index, at each level from the outermost inwards.
 */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/contract.h"
#include "base/value_p.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Levels of a path: a foreach, its body and a finally are levels too. */
#define LEVELS_MAX (3 * FLO__PLAN_DEPTH_MAX + 4)

struct row {
	const uint64_t *key; /* of the arena */
	size_t key_len;
	flo_value *value; /* owned until it is in the list */
};

struct show {
	flo_store *store;
	const char
		*id; /* owned by who shows: the reader's row is short-lived */
	bool ended;
	struct flo__plan *plan;
	struct flo__run *run;
	flo_runtime *runtime;
	struct row *rows; /* owned */
	size_t rows_len, rows_cap;
	struct flo__arena keys;
	struct flo__run_summary summary;
	flo_value *vars; /* of flo_store_vars(): steps by name; else NULL */
	flo_status st;
};

static const char *kind_text(const struct flo__plan *plan,
			     const struct flo__node *node)
{
	static const char *const kinds[] = {"exec",	"sh",	 "use",
					    "sequence", "group", "foreach"};

	if (node->kind == FLO__NODE_FOREACH &&
	    plan->blocks[node->spec].matrix != NULL)
		return "matrix";
	if (node->kind == FLO__NODE_SEQUENCE &&
	    plan->blocks[node->spec].call != NULL)
		return "pipeline";
	return kinds[node->kind];
}

static flo_value *log_value(const struct show *show,
			    const struct flo__run_step *step)
{
	struct flo__strbuf path = FLO__STRBUF_INIT;
	flo_value *value = NULL;

	if (step->log_seq == 0)
		return flo_value_null();
	flo__run_log_path(flo__reader_files(show->store->reader), show->id,
			  step->log_seq, &path);
	if (flo__strbuf_status(&path) == FLO_OK)
		value = access(path.data, F_OK) == 0
				? flo_value_string(path.data)
				: flo_value_null();
	flo__strbuf_fini(&path);
	return value;
}

static flo_value *exit_code_of(const struct flo__run_step *step)
{
	return step->exit_code == FLO__EVENT_NO_CODE
		       ? flo_value_null()
		       : flo_value_int(step->exit_code);
}

/* As its end has it, which is what `run` prints: that of the last attempt. */
static flo_value *duration_value(const struct flo__run_step *step)
{
	return flo__node_is_block(step->node) || step->finished_us == 0 ||
			       step->duration_ns < 0
		       ? flo_value_null()
		       : flo_value_double((double)step->duration_ns / 1e6);
}

static flo_value *step_value(const struct show *show,
			     const struct flo__run_step *step)
{
	flo_value *map = flo_value_map(13);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "path", flo_value_string(step->path), &st);
	flo__api_put(map, "kind",
		     flo_value_string(kind_text(show->plan, step->node)), &st);
	flo__api_put(map, "status",
		     flo_value_string(flo__state_text(step->state)), &st);
	flo__api_put(map, "attempts", flo_value_int(step->attempts), &st);
	flo__api_put(map, "started_at", flo__api_time(step->started_us), &st);
	flo__api_put(map, "finished_at", flo__api_time(step->finished_us), &st);
	flo__api_put(map, "duration_ms", duration_value(step), &st);
	flo__api_put(map, "exit_code", exit_code_of(step), &st);
	flo__api_put(map, "signal",
		     step->signal == 0
			     ? flo_value_null()
			     : flo_value_string(flo__signal_name(step->signal)),
		     &st);
	flo__api_put(map, "error", flo__api_ref(step->error), &st);
	flo__api_put(map, "output", flo__api_ref(step->output), &st);
	flo__api_put(map, "log", log_value(show, step), &st);
	if (step->reused)
		flo__api_put(map, "reused", flo_value_bool(true), &st);
	if (step->command != NULL)
		flo__api_put(map, "command", flo_value_ref(step->command), &st);
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* What `steps.NAME` is: see engine/run/scope.c. */
static flo_value *step_var(const struct flo__run_step *step)
{
	int64_t ns = step->duration_ns < 0 ? 0 : step->duration_ns;
	flo_value *map = flo_value_map(6);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "output", flo__api_ref(step->output), &st);
	flo__api_put(map, "status",
		     flo_value_string(flo__state_text(step->state)), &st);
	flo__api_put(map, "exit_code", exit_code_of(step), &st);
	flo__api_put(map, "attempts", flo_value_int(step->attempts), &st);
	flo__api_put(map, "error", flo__api_ref(step->error), &st);
	flo__api_put(map, "duration",
		     flo_value_duration(ns / 1000000000,
					(int32_t)(ns % 1000000000)),
		     &st);
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* The index in the last "[...]" of @path before *@end, which moves there. */
static uint64_t last_index(const char *path, const char **end)
{
	const char *p = *end;

	while (p > path && *p != '[')
		p--;
	INSIST(*p == '[');
	*end = p - (p > path);
	return strtoull(p + 1, NULL, 10);
}

/* The key of a step; NULL without memory. */
static const uint64_t *
make_key(struct show *show, const struct flo__run_step *step, size_t *ret_len)
{
	const struct flo__node *nodes = show->plan->nodes;
	const struct flo__node *node = step->node;
	const char *end = step->path + strlen(step->path);
	uint64_t levels[LEVELS_MAX];
	size_t n = LEVELS_MAX;
	uint64_t *key;

	for (; node->parent != FLO__NODE_NONE; node = &nodes[node->parent]) {
		INSIST(n > 0);
		if (node->is_body)
			levels[--n] = last_index(step->path, &end);
		else if (node->is_finally) /* after all that it follows */
			levels[--n] = UINT64_MAX;
		else
			levels[--n] = node->pos;
	}
	*ret_len = LEVELS_MAX - n;
	key = flo__arena_alloc(&show->keys, (*ret_len + 1) * sizeof(*key));
	if (key != NULL)
		memcpy(key, levels + n, *ret_len * sizeof(*key));
	return key;
}

static void add_step(void *arg, const struct flo__run_step *step)
{
	struct show *show = arg;
	struct row *row;

	if (show->st != FLO_OK)
		return;
	if (show->vars != NULL) {
		if (strpbrk(step->path, ".[") == NULL &&
		    !step->node->is_finally)
			flo__api_put(show->vars, step->path, step_var(step),
				     &show->st);
		return;
	}
	if (show->rows_len == show->rows_cap) {
		size_t cap = show->rows_cap * 2 + 64;
		struct row *rows =
			flo__reallocarray(show->rows, cap, sizeof(*rows));

		if (rows == NULL) {
			show->st = FLO_NOMEM;
			return;
		}
		show->rows = rows;
		show->rows_cap = cap;
	}
	row = &show->rows[show->rows_len];
	row->key = make_key(show, step, &row->key_len);
	row->value = step_value(show, step);
	if (row->value != NULL)
		show->rows_len++;
	if (row->key == NULL || row->value == NULL)
		show->st = FLO_NOMEM;
}

static int by_key(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;

	for (size_t i = 0; i < n; i++) {
		if (x->key[i] != y->key[i])
			return x->key[i] < y->key[i] ? -1 : 1;
	}
	return (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* The steps as written; NULL without memory. Empties the rows. */
static flo_value *steps_value(struct show *show)
{
	flo_value *list = flo_value_list(show->rows_len);
	flo_status st = list != NULL ? FLO_OK : FLO_NOMEM;

	if (show->rows_len > 1)
		qsort(show->rows, show->rows_len, sizeof(*show->rows), by_key);
	for (size_t i = 0; i < show->rows_len; i++) {
		if (st == FLO_OK)
			st = flo_value_list_add(list, show->rows[i].value);
		else
			flo_value_unref(show->rows[i].value);
	}
	show->rows_len = 0;
	if (st == FLO_OK)
		return list;
	flo_value_unref(list);
	return NULL;
}

static void show_fini(struct show *show)
{
	for (size_t i = 0; i < show->rows_len; i++)
		flo_value_unref(show->rows[i].value);
	flo__free(show->rows);
	flo_value_unref(show->vars);
	flo__arena_fini(&show->keys);
	flo__run_free(show->run);
	flo_runtime_free(show->runtime);
	if (show->plan != NULL)
		show->plan->free(show->plan);
}

static void inspect_coroutine(void *arg)
{
	struct show *show = arg;
	flo_status st = flo__run_inspect(show->run, show->ended, add_step, show,
					 &show->summary);

	if (show->st == FLO_OK)
		show->st = st;
}

static flo_status preset_one(void *arg, const char *json, size_t len)
{
	return flo__run_preset(arg, json, len, NULL);
}

static flo_value *summary_value(const struct show *show,
				const flo_value *finished)
{
	static const enum flo__state states[] = {
		FLO__STATE_SUCCEEDED, FLO__STATE_FAILED,  FLO__STATE_SKIPPED,
		FLO__STATE_CANCELLED, FLO__STATE_BLOCKED, FLO__STATE_PENDING,
		FLO__STATE_RUNNING};
	const flo_value *counts = flo_value_map_get(finished, "counts");
	flo_value *map;
	flo_status st = FLO_OK;

	if (counts != NULL)
		return flo_value_ref(counts);
	map = flo_value_map(7);
	if (map == NULL)
		return NULL;
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		flo__api_put(map, flo__state_text(states[i]),
			     flo_value_int(
				     (int64_t)show->summary.counts[states[i]]),
			     &st);
	return map;
}

/* Compile what the store pinned, and make a run of it. */
static flo_status prepare(struct show *show,
			  const struct flo__run_record *record, flo_error *err)
{
	/* The walk nests as deep as the plan, on one stack. */
	struct flo_runtime_options rt_options = {.procs = 1,
						 .stack_size = 256 * 1024};
	struct flo__run_deps deps = {
		.files = flo__reader_files(show->store->reader)};
	struct flo__types types;
	struct flo__dsl_options options = {.file = record->file,
					   .dir = record->dir,
					   .registry = &types.head,
					   .pinned = true,
					   .any_step = true};
	flo_value *params = NULL;
	flo_status st;

	flo__types_init(&types);
	TRY(flo__dsl_compile(record->text, record->text_len, &options, err,
			     &show->plan));
	TRY(flo_value_from_json(record->params, strlen(record->params), 0, err,
				&params));
	TRY(flo_runtime_new(&rt_options, err, &show->runtime));
	deps.runtime = show->runtime;
	TRY(flo__run_new(&deps, show->plan, record, params, err, &show->run));
out:
	flo_value_unref(params);
	return st;
}

/* Replay the run with nothing started: see flo__run_inspect(). */
static flo_status inspect(struct show *show, flo_error *err)
{
	flo_status st;

	TRY(flo__reader_events(show->store->reader, show->id, preset_one,
			       show->run, err));
	TRY(flo_runtime_run(show->runtime, inspect_coroutine, show));
	st = show->st;
out:
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}

static flo_status put_rest(struct show *show, flo_value *map,
			   const flo_value *finished)
{
	struct flo__rerun rerun = flo__run_rerun_of(show->run);
	flo_status st = FLO_OK;

	if (rerun.of != NULL)
		flo__api_put(map, "rerun_of", flo_value_string(rerun.of), &st);
	flo__api_put(map, "output",
		     flo__api_ref(flo_value_map_get(finished, "output")), &st);
	flo__api_put(map, "counts", summary_value(show, finished), &st);
	flo__api_put(map, "steps", steps_value(show), &st);
	return st;
}

flo_status flo_store_run(flo_store *store, const char *run_id, flo_error *err,
			 flo_value **ret_run)
{
	struct flo__run_row row;
	struct show show = {.store = store, .st = FLO_OK};
	flo_value *map = flo_value_map(10);
	flo_value *finished = NULL;
	char *id = NULL;
	flo_status st;

	flo__arena_init(&show.keys);
	TRY(flo__reader_run(store->reader, run_id, err, &row));
	show.ended = row.finished_json != NULL;
	show.id = id = flo__strdup(row.record.id);
	if (id == NULL || map == NULL) {
		st = FLO_NOMEM;
		goto out;
	}
	TRY(flo__api_finished(&row, err, &finished));
	TRY(flo__api_row(map, &row, finished));
	TRY(prepare(&show, &row.record, err));
	TRY(inspect(&show, err));
	TRY(put_rest(&show, map, finished));
	*ret_run = map;
	map = NULL;
out:
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	show_fini(&show);
	flo_value_unref(finished);
	flo_value_unref(map);
	flo__free(id);
	return st;
}

static flo_value *moment(int64_t us)
{
	return us == 0 ? flo_value_null()
		       : flo_value_timestamp(us / 1000000,
					     (int32_t)(us % 1000000) * 1000);
}

/* What `run` is: see engine/run/scope.c. */
static flo_value *run_var(const struct flo__run_row *row,
			  const flo_value *finished)
{
	const struct flo__run_record *record = &row->record;
	flo_value *map = flo_value_map(7);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "id", flo_value_string(record->id), &st);
	flo__api_put(map, "name", flo_value_string(record->pipeline), &st);
	flo__api_put(map, "trace_id", flo_value_string(record->trace_id), &st);
	flo__api_put(map, "status",
		     flo_value_string(flo__state_text(row->status)), &st);
	flo__api_put(map, "error",
		     flo__api_ref(flo_value_map_get(finished, "error")), &st);
	flo__api_put(map, "started_at", moment(row->started_us), &st);
	flo__api_put(map, "scheduled_at", flo_value_null(), &st);
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* All but the steps, which are added when the run is inspected. */
static flo_status vars_of(const struct flo__run_row *row, flo_error *err,
			  flo_value *map)
{
	const char *json = row->record.params;
	flo_value *finished = NULL;
	flo_value *params = NULL;
	flo_status st;

	TRY(flo__api_finished(row, err, &finished));
	TRY(flo_value_from_json(json, strlen(json), 0, err, &params));
	flo__api_put(map, "params", flo_value_ref(params), &st);
	flo__api_put(map, "run", run_var(row, finished), &st);
out:
	flo_value_unref(finished);
	flo_value_unref(params);
	return st;
}

flo_status flo_store_vars(flo_store *store, const char *run_id, flo_error *err,
			  flo_value **ret_vars)
{
	struct flo__run_row row;
	struct show show = {.store = store, .vars = flo_value_map(0)};
	flo_value *map = flo_value_map(3);
	char *id = NULL;
	flo_status st;

	flo__arena_init(&show.keys);
	TRY(flo__reader_run(store->reader, run_id, err, &row));
	show.ended = row.finished_json != NULL;
	show.id = id = flo__strdup(row.record.id);
	if (id == NULL || map == NULL || show.vars == NULL) {
		st = FLO_NOMEM;
		goto out;
	}
	TRY(vars_of(&row, err, map));
	TRY(prepare(&show, &row.record, err));
	TRY(inspect(&show, err));
	TRY(flo_value_map_set(map, "steps", flo_value_ref(show.vars)));
	*ret_vars = map;
	map = NULL;
out:
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	show_fini(&show);
	flo_value_unref(map);
	flo__free(id);
	return st;
}
