/*
 * One step of a run, from its own events alone. `show` works out the states of
 * all steps and takes memory for each; this looks at the texts of events and
 * reads those few that are of the step.
 */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>
#include <unistd.h>

struct search {
	const char *path;
	char *needle; /* owned: what such an event has in it */
	size_t needle_len;
	bool found;
	struct flo__event last; /* without what its document owns */
	uint64_t log_seq;
};

static void take(struct search *s, const struct flo__event *event)
{
	if (event->path == NULL || strcmp(event->path, s->path) != 0)
		return;
	s->found = true;
	s->last = *event;
	s->last.path = NULL;
	s->last.error = s->last.output = s->last.counts = NULL;
	if (event->kind == FLO__EVENT_STEP_STARTED)
		s->log_seq = event->seq;
}

static flo_status look(void *arg, const char *json, size_t len)
{
	struct search *s = arg;
	struct flo__event event;
	flo_value *doc = NULL;
	flo_status st;

	/* The errors of others may have it, too. */
	if (memmem(json, len, s->needle, s->needle_len) == NULL)
		return FLO_OK;
	st = flo__event_parse(json, len, NULL, &doc, &event);
	if (st == FLO_OK)
		take(s, &event);
	flo_value_unref(doc);
	return st;
}

static flo_value *log_of(const flo_store *store, const char *id, uint64_t seq)
{
	struct flo__strbuf path = FLO__STRBUF_INIT;
	flo_value *value = NULL;

	if (seq == 0)
		return flo_value_null();
	flo__run_log_path(flo__reader_files(store->reader), id, seq, &path);
	if (flo__strbuf_status(&path) == FLO_OK)
		value = access(path.data, F_OK) == 0
				? flo_value_string(path.data)
				: flo_value_null();
	flo__strbuf_fini(&path);
	return value;
}

static flo_value *step_of(const flo_store *store, const char *id,
			  const struct search *s)
{
	const struct flo__event *last = &s->last;
	flo_value *map = flo_value_map(5);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "path", flo_value_string(s->path), &st);
	flo__api_put(map, "attempts", flo_value_int(last->attempt), &st);
	flo__api_put(map, "exit_code",
		     last->exit_code == FLO__EVENT_NO_CODE
			     ? flo_value_null()
			     : flo_value_int(last->exit_code),
		     &st);
	flo__api_put(map, "signal",
		     last->signal == 0
			     ? flo_value_null()
			     : flo_value_string(flo__signal_name(last->signal)),
		     &st);
	flo__api_put(map, "log", log_of(store, id, s->log_seq), &st);
	if (st == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

flo_status flo_store_step(flo_store *store, const char *run_id,
			  const char *path, flo_error *err,
			  flo_value **ret_step)
{
	struct search s = {.path = path};
	struct flo__strbuf needle = FLO__STRBUF_INIT;
	struct flo__run_row row;
	flo_value *step = NULL;
	char *id = NULL;
	flo_status st;

	flo__strbuf_addf(&needle, "\"path\":\"%s\"", path);
	s.needle_len = needle.len;
	s.needle = flo__strbuf_take(&needle);
	TRY(flo__reader_run(store->reader, run_id, err, &row));
	id = flo__strdup(row.record.id);
	if (id == NULL || s.needle == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__reader_events(store->reader, id, look, &s, err));
	if (!s.found) {
		st = flo_error_set(err, FLO_NOTFOUND,
				   "run %s has no event of a step %s", id,
				   path);
		goto out;
	}
	step = step_of(store, id, &s);
	if (step == NULL)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	else
		*ret_step = step;
out:
	flo__strbuf_fini(&needle);
	flo__free(s.needle);
	flo__free(id);
	return st;
}
