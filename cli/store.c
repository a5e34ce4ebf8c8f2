#include "cli/store.h"

#include "cli/event.h"
#include "cli/print.h"

#include <signal.h>
#include <string.h>
#include <time.h>

static int no_store(const char *path, const char *run_id)
{
	char *standard = path ? NULL : flo_store_default_path();

	cli_error("there is no store at %s, so no run %s",
		  path	     ? path
		  : standard ? standard
			     : "the default place",
		  run_id);
	flo_free(standard);
	return CLI_USAGE;
}

int cli_store_error(const flo_error *err)
{
	cli_error("%s", *err->text ? err->text : flo_status_text(err->status));
	return CLI_STORE;
}

static int open_for(const char *path, const char *run_id, flo_store **ret_store)
{
	flo_error err = FLO_ERROR_INIT;
	flo_status st = flo_store_open(path, &err, ret_store);

	if (st == FLO_NOTFOUND)
		return no_store(path, run_id);
	return st == FLO_OK ? CLI_GO_ON : cli_store_error(&err);
}

/* The row of @run_id, or of the only run whose id begins so. Borrowed. */
static int pick_row(const flo_value *runs, const char *run_id,
		    const flo_value **ret_row)
{
	size_t len = strlen(run_id), found = 0;

	for (size_t i = 0; i < flo_value_len(runs); i++) {
		const flo_value *row = flo_value_list_at(runs, i);
		const char *id = cli_map_text(row, "run");

		if (strncmp(id, run_id, len) != 0)
			continue;
		*ret_row = row;
		found++;
		if (id[len] == '\0')
			return CLI_GO_ON;
	}
	if (found == 1)
		return CLI_GO_ON;
	if (found > 1)
		cli_error("%zu runs begin with %s: write more of it", found,
			  run_id);
	else
		cli_error("there is no run %s: 'flowctl runs' lists those "
			  "there are",
			  run_id);
	return CLI_USAGE;
}

int cli_store_find_row(const char *path, const char *run_id,
		       flo_store **ret_store, flo_value **ret_row)
{
	flo_error err = FLO_ERROR_INIT;
	flo_store *store = NULL;
	flo_value *runs = NULL;
	const flo_value *row = NULL;
	int code = open_for(path, run_id, &store);

	if (code != CLI_GO_ON)
		return code;
	if (flo_store_runs(store, 0, &err, &runs))
		code = cli_store_error(&err);
	else
		code = pick_row(runs, run_id, &row);
	if (code == CLI_GO_ON) {
		*ret_row = flo_value_ref(row);
		*ret_store = store;
	} else {
		flo_store_close(store);
	}
	flo_value_unref(runs);
	return code;
}

int cli_store_find(const char *path, const char *run_id, flo_store **ret_store,
		   flo_value **ret_run)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *row = NULL;
	int code = cli_store_find_row(path, run_id, ret_store, &row);

	if (code != CLI_GO_ON)
		return code;
	if (flo_store_run(*ret_store, cli_map_text(row, "run"), &err,
			  ret_run)) {
		code = cli_store_error(&err);
		flo_store_close(*ret_store);
	}
	flo_value_unref(row);
	return code;
}

/* A cancelled run says in its error what asked for it. */
static int cancelled_code(const flo_value *run)
{
	const flo_value *error = flo_value_map_get(run, "error");
	const char *message = cli_map_text(error, "message");

	if (strstr(message, "SIGINT"))
		return CLI_SIGNALLED + SIGINT;
	if (strstr(message, "SIGTERM"))
		return CLI_SIGNALLED + SIGTERM;
	return CLI_CANCELLED;
}

int cli_store_code(const flo_value *run)
{
	const char *status = cli_map_text(run, "status");

	if (!strcmp(status, "succeeded"))
		return CLI_OK;
	if (!strcmp(status, "failed"))
		return CLI_FAILED;
	if (!strcmp(status, "cancelled"))
		return cancelled_code(run);
	return CLI_GO_ON;
}

static void print_if_finished(const char *json, size_t len, void *arg)
{
	struct cli_event event;

	(void)arg;
	if (cli_event_scan(json, len, &event) &&
	    cli_slice_is(event.kind, "run.finished"))
		printf("%.*s\n", (int)len, json);
}

void cli_store_print_end(flo_store *store, const char *run_id)
{
	flo_store_events(store, run_id, print_if_finished, NULL, NULL);
}

void cli_store_pause(void)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000000};

	nanosleep(&pause, NULL);
}

const flo_value *cli_step_at(const flo_value *run, const char *path)
{
	const flo_value *steps = flo_value_map_get(run, "steps");
	size_t len = steps ? flo_value_len(steps) : 0;

	for (size_t i = 0; i < len; i++) {
		const flo_value *step = flo_value_list_at(steps, i);

		if (!strcmp(cli_map_text(step, "path"), path))
			return step;
	}
	return NULL;
}
