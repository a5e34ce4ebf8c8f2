/* Reading a store: what `runs`, `show` and `events` are made of. */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/time.h"
#include "base/value_p.h"
#include "json/json_p.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Without $HOME: where the user database says that it is. */
static const char *own_home(void)
{
	const struct passwd *user = getpwuid(getuid());

	return user != NULL && user->pw_dir[0] == '/' ? user->pw_dir : "/";
}

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
								: own_home());
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

flo_value *flo__api_time(int64_t us)
{
	char text[FLO__RFC3339_SIZE];

	if (us == 0)
		return flo_value_null();
	flo__time_rfc3339(us, text);
	return flo_value_string(text);
}

flo_value *flo__api_ref(const flo_value *value)
{
	return value != NULL ? flo_value_ref(value) : flo_value_null();
}

void flo__api_put(flo_value *map, const char *key, flo_value *value,
		  flo_status *st)
{
	if (*st == FLO_OK)
		*st = flo_value_map_set(map, key, value);
	else
		flo_value_unref(value);
}

/* One run whose record is damaged must not hide the others. */
static flo_status damaged(flo_value **ret)
{
	flo_value *map = flo_value_map(1);
	flo_value *error = flo_value_map(2);
	flo_status st = map != NULL && error != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(error, "kind", flo_value_string("store"), &st);
	flo__api_put(error, "message",
		     flo_value_string("what was recorded of the run's end is "
				      "damaged: see 'flowctl doctor'"),
		     &st);
	flo__api_put(map, "error", error, &st);
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

flo_status flo__api_finished(const struct flo__run_row *row, flo_error *err,
			     flo_value **ret)
{
	const char *json = row->finished_json;
	flo_status st;

	if (json == NULL) {
		*ret = flo_value_map(0);
		return *ret != NULL ? FLO_OK : FLO_NOMEM;
	}
	st = flo_value_from_json(json, strlen(json), 0, NULL, ret);
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	return st == FLO_OK ? FLO_OK : damaged(ret);
}

flo_status flo__api_row(flo_value *map, const struct flo__run_row *row,
			const flo_value *finished)
{
	flo_status st = FLO_OK;

	flo__api_put(map, "run", flo_value_string(row->record.id), &st);
	flo__api_put(map, "pipeline", flo_value_string(row->record.pipeline),
		     &st);
	flo__api_put(map, "status",
		     flo_value_string(flo__state_text(row->status)), &st);
	flo__api_put(map, "trace_id", flo_value_string(row->record.trace_id),
		     &st);
	flo__api_put(map, "started_at", flo__api_time(row->started_us), &st);
	flo__api_put(map, "finished_at", flo__api_time(row->finished_us), &st);
	flo__api_put(map, "duration_ms",
		     flo__api_ref(flo_value_map_get(finished, "duration_ms")),
		     &st);
	if (row->interrupted_us != 0)
		flo__api_put(map, "interrupted_at",
			     flo__api_time(row->interrupted_us), &st);
	flo__api_put(map, "error",
		     flo__api_ref(flo_value_map_get(finished, "error")), &st);
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
		st = flo__api_finished(row, NULL, &finished);
	if (st == FLO_OK)
		st = flo__api_row(map, row, finished);
	if (st == FLO_OK)
		flo__api_put(map, "counts",
			     flo__api_ref(
				     flo_value_map_get(finished, "counts")),
			     &st);
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
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	if (st == FLO_OK)
		*ret_runs = list;
	else
		flo_value_unref(list);
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
