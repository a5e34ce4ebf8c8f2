/* Looking after a store: checking it, and deleting what is old. */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "json/json_p.h"

#include <string.h>

/* ---- check ---- */

flo_status flo_store_check(const char *path, flo_check_fn fn, void *arg,
			   flo_error *err)
{
	char *standard = path == NULL ? flo_store_default_path() : NULL;
	flo_status st;

	REQUIRE(fn != NULL);
	if (path == NULL && standard == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__store_check(path != NULL ? path : standard, fn, arg, err);
	flo_free(standard);
	return st;
}

/* ---- prune ---- */

static const enum flo__state ends[] = {FLO__STATE_SUCCEEDED, FLO__STATE_FAILED,
				       FLO__STATE_CANCELLED};

#define ENDS (sizeof(ends) / sizeof(ends[0]))

static flo_status read_status(const char *name, flo_error *err,
			      unsigned *states)
{
	for (size_t i = 0; i < ENDS; i++) {
		if (strcmp(flo__state_text(ends[i]), name) == 0) {
			*states |= 1u << ends[i];
			return FLO_OK;
		}
	}
	return flo_error_set(
		err, FLO_INVALID,
		"\"%s\" is no state in which a run can have ended: "
		"succeeded, failed or cancelled",
		name);
}

static flo_status read_options(const struct flo_prune_options *options,
			       struct flo__prune *prune, flo_error *err)
{
	bool chosen = options->older_than != NULL || options->status != NULL ||
		      options->keeps;
	uint64_t ns = 0;
	flo_status st = FLO_OK;

	prune->before_us = INT64_MAX;
	prune->keep = options->keeps ? options->keep : 0;
	prune->runs = chosen;
	if (chosen == options->sweep)
		return flo_error_set(err, FLO_INVALID,
				     chosen ? "to sweep is to delete no run: "
					      "leave out which"
					    : "which runs are to be deleted?");
	if (options->older_than != NULL) {
		if (flo__duration_parse(options->older_than,
					strlen(options->older_than),
					&ns) != FLO_OK)
			return flo_error_set(err, FLO_INVALID,
					     "\"%s\" is no duration such as "
					     "12h or 30d",
					     options->older_than);
		prune->before_us = flo__time_now_us() - (int64_t)(ns / 1000);
	}
	for (size_t i = 0; options->status != NULL && options->status[i]; i++)
		TRY(read_status(options->status[i], err, &prune->states));
	for (size_t i = 0; options->status == NULL && i < ENDS; i++)
		prune->states |= 1u << ends[i];
out:
	return st;
}

static flo_status add_run(void *arg, const struct flo__run_row *row)
{
	flo_value *map = flo_value_map(4);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "run", flo_value_string(row->record.id), &st);
	flo__api_put(map, "pipeline", flo_value_string(row->record.pipeline),
		     &st);
	flo__api_put(map, "status",
		     flo_value_string(flo__state_text(row->status)), &st);
	flo__api_put(map, "finished_at", flo__api_time(row->finished_us), &st);
	if (st == FLO_OK)
		return flo_value_list_add(arg, map);
	flo_value_unref(map);
	return st;
}

/* Takes @runs. */
static flo_status make_result(const struct flo__prune *prune, bool dry_run,
			      flo_value *runs, flo_value **ret)
{
	flo_value *map = flo_value_map(8);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	flo__api_put(map, "dry_run", flo_value_bool(dry_run), &st);
	flo__api_put(map, "runs", runs, &st);
	flo__api_put(map, "owned", flo_value_int((int64_t)prune->owned), &st);
	flo__api_put(map, "events", flo_value_int((int64_t)prune->events), &st);
	flo__api_put(map, "directories", flo_value_int((int64_t)prune->dirs),
		     &st);
	flo__api_put(map, "left", flo_value_int((int64_t)prune->left), &st);
	flo__api_put(map, "why",
		     prune->left != 0 ? flo_value_string(prune->why.text)
				      : flo_value_null(),
		     &st);
	flo__api_put(map, "free_bytes", flo_value_int(prune->free), &st);
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status open_for_writing(const char *path, flo_error *err,
				   struct flo__journal **ret_journal)
{
	struct flo__reader *reader = NULL;
	flo_error first = FLO_ERROR_INIT;
	flo_status st;

	/* Opened for writing it would be made. The reader does not stay: where
	 * there is no room it may be one that must not see changes. */
	st = flo__reader_open(path, &first, &reader);
	flo__reader_close(reader);
	if (st == FLO_OK) {
		flo_error_clear(&first);
		st = flo__store_open(path, FLO__STORE_POWER, &first,
				     ret_journal);
	}
	if (st == FLO_FULL)
		return flo__store_open_lean(path, err, ret_journal);
	if (st != FLO_OK && err != NULL)
		*err = first;
	return st;
}

static flo_status prune_at(const char *path,
			   const struct flo_prune_options *options,
			   flo_error *err, flo_value **ret_result)
{
	flo_value *runs = flo_value_list(16);
	struct flo__prune prune = {.fn = add_run,
				   .arg = runs,
				   .why = FLO_ERROR_INIT};
	struct flo__journal *journal = NULL;
	struct flo__reader *reader = NULL;
	flo_status st = FLO_NOMEM;

	if (runs == NULL)
		goto out;
	TRY(read_options(options, &prune, err));
	if (!options->dry_run)
		TRY(open_for_writing(path, err, &journal));
	TRY(flo__reader_open(path, err, &reader));
	TRY(flo__store_prune(reader, journal, &prune, err));
	st = make_result(&prune, options->dry_run, runs, ret_result);
	runs = NULL;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "%s", flo_status_text(st));
	flo__reader_close(reader);
	flo__store_close(journal);
	flo_value_unref(runs);
	return st;
}

flo_status flo_store_prune(const char *path,
			   const struct flo_prune_options *options,
			   flo_error *err, flo_value **ret_result)
{
	char *standard = path == NULL ? flo_store_default_path() : NULL;
	flo_status st;

	REQUIRE(options != NULL && ret_result != NULL);
	flo__json_guard_install();
	if (path == NULL && standard == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = prune_at(path != NULL ? path : standard, options, err, ret_result);
	flo_free(standard);
	return st;
}
