#include "cli/store.h"

#include "cli/print.h"

#include <signal.h>
#include <string.h>

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

int cli_store_find(const char *path, const char *run_id, flo_store **ret_store,
		   flo_value **ret_run)
{
	flo_error err = FLO_ERROR_INIT;
	flo_store *store = NULL;
	flo_status st = flo_store_open(path, &err, &store);

	if (st == FLO_NOTFOUND)
		return no_store(path, run_id);
	if (st != FLO_OK)
		return cli_store_error(&err);
	st = flo_store_run(store, run_id, &err, ret_run);
	if (st == FLO_OK) {
		*ret_store = store;
		return CLI_GO_ON;
	}
	flo_store_close(store);
	/* Invalid: the beginning of several ids. */
	if (st != FLO_NOTFOUND && st != FLO_INVALID)
		return cli_store_error(&err);
	cli_error("%s", err.text);
	return CLI_USAGE;
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
