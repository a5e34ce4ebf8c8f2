/* Reading a store: what `runs`, `show` and `events` are made of. */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "base/value_p.h"
#include "json/json_p.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct flo_store {
	struct flo__reader *reader;
};

char *flo_store_default_path(void)
{
	const char *store = getenv("FLOW_STORE");
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (store != NULL && store[0] != '\0')
		flo__strbuf_adds(&sb, store);
	else if (state != NULL && state[0] == '/')
		flo__strbuf_addf(&sb, "%s/flowctl/flow.db", state);
	else
		flo__strbuf_addf(&sb, "%s/.local/state/flowctl/flow.db",
				 home != NULL && home[0] == '/' ? home
								: "/tmp");
	return flo__strbuf_take(&sb);
}

flo_status flo_store_open(const char *path, flo_error *err,
			  flo_store **ret_store)
{
	flo_store *store = flo__calloc(1, sizeof(*store));
	char *own = path == NULL ? flo_store_default_path() : NULL;
	flo_status st;

	flo__json_guard_install();
	if (store == NULL || (path == NULL && own == NULL))
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	else
		st = flo__reader_open(path != NULL ? path : own, err,
				      &store->reader);
	flo_free(own);
	if (st == FLO_OK)
		*ret_store = store;
	else
		flo__free(store);
	return st;
}

void flo_store_close(flo_store *store)
{
	if (store == NULL)
		return;
	flo__reader_close(store->reader);
	flo__free(store);
}

/* ---- values ---- */

static flo_value *time_value(int64_t us)
{
	char text[FLO__RFC3339_SIZE];

	if (us == 0)
		return flo_value_null();
	flo__time_rfc3339(us, text);
	return flo_value_string(text);
}

static flo_value *ref_or_null(const flo_value *value)
{
	return value != NULL ? flo_value_ref(value) : flo_value_null();
}

/* Maps are filled entry by entry; the first failure stays in *@st. */
static void put(flo_value *map, const char *key, flo_value *value,
		flo_status *st)
{
	if (*st == FLO_OK)
		*st = flo_value_map_set(map, key, value);
	else
		flo_value_unref(value);
}

/* What run.finished says, as a map; an empty one while there is none. */
static flo_status finished_value(const struct flo__run_row *row, flo_error *err,
				 flo_value **ret)
{
	if (row->finished_json != NULL)
		return flo_value_from_json(row->finished_json,
					   strlen(row->finished_json), 0, err,
					   ret);
	*ret = flo_value_map(0);
	return *ret != NULL ? FLO_OK : FLO_NOMEM;
}

/* The keys that `runs` and `show` have in common. */
static flo_status put_row(flo_value *map, const struct flo__run_row *row,
			  const flo_value *finished)
{
	flo_status st = FLO_OK;

	put(map, "run", flo_value_string(row->record.id), &st);
	put(map, "pipeline", flo_value_string(row->record.pipeline), &st);
	put(map, "status", flo_value_string(flo__state_text(row->status)), &st);
	put(map, "trace_id", flo_value_string(row->record.trace_id), &st);
	put(map, "started_at", time_value(row->started_us), &st);
	put(map, "finished_at", time_value(row->finished_us), &st);
	put(map, "error", ref_or_null(flo_value_map_get(finished, "error")),
	    &st);
	return st;
}

/* ---- runs ---- */

static flo_status add_run(void *arg, const struct flo__run_row *row)
{
	flo_value *list = arg;
	flo_value *map = flo_value_map(8);
	flo_value *finished = NULL;
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (st == FLO_OK)
		st = finished_value(row, NULL, &finished);
	if (st == FLO_OK)
		st = put_row(map, row, finished);
	if (st == FLO_OK)
		put(map, "counts",
		    ref_or_null(flo_value_map_get(finished, "counts")), &st);
	flo_value_unref(finished);
	if (st == FLO_OK)
		return flo_value_list_add(list, map);
	flo_value_unref(map);
	return st;
}

flo_status flo_store_runs(flo_store *store, size_t max, flo_error *err,
			  flo_value **ret_runs)
{
	flo_value *list = flo_value_list(16);
	flo_status st;

	if (list == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__reader_runs(store->reader, max, add_run, list, err);
	if (st == FLO_OK)
		*ret_runs = list;
	else
		flo_value_unref(list);
	return st;
}

/* ---- show ---- */

struct show {
	flo_store *store;
	const char
		*id; /* owned by who shows; the reader's row is short-lived */
	bool ended;
	struct flo__plan *plan;
	struct flo__run *run;
	flo_runtime *runtime;
	flo_value *steps;
	/* places in steps of the blocks that are open, outermost first; a
	 * foreach, its body and a finally are levels too */
	size_t open[3 * FLO__PLAN_DEPTH_MAX + 4];
	size_t open_len;
	struct flo__run_summary summary;
	flo_status st;
};

static const char *kind_text(const struct flo__node *node)
{
	static const char *const kinds[] = {"exec",	"sh",	 "use",
					    "sequence", "group", "foreach"};

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

static flo_value *step_value(const struct show *show,
			     const struct flo__run_step *step)
{
	flo_value *map = flo_value_map(12);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	put(map, "path", flo_value_string(step->path), &st);
	put(map, "kind", flo_value_string(kind_text(step->node)), &st);
	put(map, "status", flo_value_string(flo__state_text(step->state)), &st);
	put(map, "attempts", flo_value_int(step->attempts), &st);
	put(map, "started_at", time_value(step->started_us), &st);
	put(map, "finished_at", time_value(step->finished_us), &st);
	put(map, "exit_code",
	    step->exit_code == FLO__EVENT_NO_CODE
		    ? flo_value_null()
		    : flo_value_int(step->exit_code),
	    &st);
	put(map, "signal",
	    step->signal == 0
		    ? flo_value_null()
		    : flo_value_string(flo__signal_name(step->signal)),
	    &st);
	put(map, "error", ref_or_null(step->error), &st);
	put(map, "output", ref_or_null(step->output), &st);
	put(map, "log", log_value(show, step), &st);
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* A block stands before what is in it: its place is kept while it is open. */
static void add_step(void *arg, const struct flo__run_step *step)
{
	struct show *show = arg;
	bool block = flo__node_is_block(step->node);
	flo_value *value;

	if (show->st != FLO_OK)
		return;
	if (block && step->state == FLO__STATE_NONE) {
		INSIST(show->open_len <
		       sizeof(show->open) / sizeof(show->open[0]));
		show->open[show->open_len++] = flo_value_len(show->steps);
		show->st = flo_value_list_add(show->steps, flo_value_null());
		return;
	}
	value = step_value(show, step);
	if (value == NULL) {
		show->st = FLO_NOMEM;
	} else if (block) {
		INSIST(show->open_len > 0);
		flo_value_list_set(show->steps, show->open[--show->open_len],
				   value);
	} else {
		show->st = flo_value_list_add(show->steps, value);
	}
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
		put(map, flo__state_text(states[i]),
		    flo_value_int((int64_t)show->summary.counts[states[i]]),
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

static flo_status put_rest(const struct show *show, flo_value *map,
			   const flo_value *finished)
{
	flo_status st = FLO_OK;

	put(map, "output", ref_or_null(flo_value_map_get(finished, "output")),
	    &st);
	put(map, "counts", summary_value(show, finished), &st);
	put(map, "steps", flo_value_ref(show->steps), &st);
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

	TRY(flo__reader_run(store->reader, run_id, err, &row));
	show.ended = row.finished_json != NULL;
	show.steps = flo_value_list(16);
	show.id = id = flo__strdup(row.record.id);
	if (show.steps == NULL || id == NULL || map == NULL) {
		st = FLO_NOMEM;
		goto out;
	}
	TRY(finished_value(&row, err, &finished));
	TRY(put_row(map, &row, finished));
	TRY(prepare(&show, &row.record, err));
	TRY(inspect(&show, err));
	TRY(put_rest(&show, map, finished));
	*ret_run = map;
	map = NULL;
out:
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	flo__run_free(show.run);
	flo_runtime_free(show.runtime);
	if (show.plan != NULL)
		show.plan->free(show.plan);
	flo_value_unref(show.steps);
	flo_value_unref(finished);
	flo_value_unref(map);
	flo__free(id);
	return st;
}

/* ---- events ---- */

struct forward {
	flo_event_fn fn;
	void *arg;
};

static flo_status forward_event(void *arg, const char *json, size_t len)
{
	struct forward *forward = arg;

	forward->fn(json, len, forward->arg);
	return FLO_OK;
}

flo_status flo_store_events(flo_store *store, const char *run_id,
			    flo_event_fn fn, void *arg, flo_error *err)
{
	struct forward forward = {fn, arg};
	struct flo__run_row row;
	char *id;
	flo_status st = flo__reader_run(store->reader, run_id, err, &row);

	if (st != FLO_OK)
		return st;
	id = flo__strdup(row.record.id);
	if (id == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__reader_events(store->reader, id, forward_event, &forward,
				err);
	flo__free(id);
	return st;
}
