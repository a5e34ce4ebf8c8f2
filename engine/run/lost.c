/*
 * What a crash left open: attempts that had begun and have no end.
 *
 * They are recorded as lost, and run again. One that says "idempotent": false
 * is not run again without a person's word, which may also be how it ended:
 * then that is its end, recorded like any other. A word counts for one resume;
 * where the engine dies again before it has acted on it, it asks again.
 */
#include "engine/run/run_p.h"

#include "base/contract.h"

#include <string.h>

/* Is a part of @path "finally", which is nothing else's name? */
static bool is_in_finally(const char *path)
{
	const char *at = path;

	while ((at = strstr(at, "finally.")) != NULL) {
		if (at == path || at[-1] == '.')
			return true;
		at++;
	}
	return false;
}

/* Its last attempt has begun, and nobody has recorded an end. */
static bool is_lost(const struct flo__preset *preset)
{
	return preset->result.state == FLO__STATE_RUNNING;
}

/* Must it not be repeated blindly? In a run that is only cancelled nothing is
 * repeated but finally. */
static bool must_ask(const struct flo__run *run, const char *path,
		     const struct flo__preset *preset)
{
	uint32_t id;

	if (!is_lost(preset) || preset->accepted)
		return false;
	if ((run->preset_cancelling || run->shared.cancelled) &&
	    !is_in_finally(path))
		return false;
	id = flo__preset_resolve(run->plan, path);
	return id != FLO__NODE_NONE && run->plan->nodes[id].not_idempotent;
}

flo_status flo__run_preset_done(struct flo__run *run, flo_error *err)
{
	const struct flo__map *map = &run->presets;

	run->resumed = true;
	if (flo__spent_done(run) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (uint32_t i = 0; i < map->len; i++) {
		const char *path = map->entries[i].key;

		if (must_ask(run, path, map->entries[i].slot.ptr))
			return flo_error_set(
				err, FLO_BLOCKED,
				"step %s was running when the engine stopped "
				"and says \"idempotent\": false, so it is not "
				"run again by itself; find out whether it took "
				"effect, then resume with --accept "
				"%s=succeeded, =failed or =rerun",
				path, path);
	}
	return FLO_OK;
}

flo_status flo__run_accept(struct flo__run *run, const char *path,
			   enum flo__accept accept, flo_error *err)
{
	union flo__map_slot *slot = flo__map_get(&run->presets, path);
	struct flo__preset *preset = slot != NULL ? slot->ptr : NULL;

	if (preset == NULL || !is_lost(preset))
		return flo_error_set(err, FLO_NOTFOUND,
				     "step %s was not running when the engine "
				     "stopped: there is nothing to accept",
				     path);
	preset->accepted = true;
	preset->accept = accept;
	return FLO_OK;
}

/* The end that a person says it had. */
static void record_accepted(struct flo__run *run, const char *path,
			    struct flo__preset *preset)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);
	bool failed = preset->accept == FLO__ACCEPT_FAILED;
	flo_value *error = NULL;

	event.path = path;
	event.attempt = preset->result.attempts;
	event.span_id = preset->span_id;
	event.status = failed ? FLO__STATE_FAILED : FLO__STATE_SUCCEEDED;
	event.accepted = true;
	if (failed) {
		error = flo__failure("signal", path,
				     "was running when the engine stopped, and "
				     "is accepted as failed",
				     NULL, NULL);
		event.error = error;
	}
	if (failed && error == NULL) {
		flo__run_broken(run, &(flo_error){.status = FLO_NOMEM,
						  .text = "out of memory"});
		return;
	}
	if (flo__run_append(run, &event) == FLO_OK) {
		flo__preset_ended(preset, &event);
		if (failed && flo__preset_spread(run, path) != FLO_OK)
			flo__run_broken(run,
					&(flo_error){.status = FLO_NOMEM,
						     .text = "out of memory"});
	}
	flo_value_unref(error);
}

static void record_lost(struct flo__run *run, const char *path,
			struct flo__preset *preset)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_LOST);

	event.path = path;
	event.attempt = preset->result.attempts;
	event.span_id = preset->span_id;
	flo__run_append(run, &event);
	preset->open = false;
	preset->lost++;
}

void flo__run_end_left(struct flo__run *run)
{
	struct flo__executor *executor = run->deps.executor;
	struct flo__strbuf id = FLO__STRBUF_INIT, dir = FLO__STRBUF_INIT;
	const char *env[] = {NULL, NULL, NULL};
	flo_status st;

	if (executor->ops->end_left == NULL)
		return;
	flo__strbuf_addf(&id, "FLOW_RUN_ID=%s", run->record.id);
	/* Another store may have a run of that name. */
	flo__strbuf_addf(&dir, "FLOW_WORKDIR=");
	flo__run_workdir_path(run, &dir);
	TRY(flo__strbuf_status(&id));
	TRY(flo__strbuf_status(&dir));
	env[0] = id.data;
	env[1] = dir.data;
	executor->ops->end_left(executor, env);
out:
	flo__strbuf_fini(&id);
	flo__strbuf_fini(&dir);
	if (st != FLO_OK)
		flo__run_broken(run, &(flo_error){.status = st,
						  .text = "out of memory"});
}

void flo__run_record_lost(struct flo__run *run)
{
	for (uint32_t i = 0; i < run->presets.len; i++) {
		struct flo__preset *preset = run->presets.entries[i].slot.ptr;
		const char *path = run->presets.entries[i].key;

		if (preset->accepted && preset->accept != FLO__ACCEPT_RERUN)
			record_accepted(run, path, preset);
		else if (preset->open)
			record_lost(run, path, preset);
	}
}
