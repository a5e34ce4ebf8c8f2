#include "steps/cmdb/steps_p.h"

#include "steps/args.h"

#include <flo/runtime.h>

flo_status flo__cmdb_told(flo_status st, flo_error *err)
{
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}

flo_status flo__cmdb_with_db(flo_step_call *call, const flo_value *with,
			     flo_status (*work)(struct flo__cdb *db, void *arg,
						flo_error *err),
			     void *arg, flo_error *err)
{
	struct flo__cdb *db = NULL;
	const char *path = NULL;
	flo_status st;

	st = flo__args_string(with, "db", true, err, &path);
	if (st != FLO_OK)
		return st;
	flo_blocking_begin();
	flo__json_guard_install();
	st = flo__cdb_open(call, path, err, &db);
	if (st == FLO_OK)
		st = work(db, arg, err);
	flo__cdb_close(db);
	flo_blocking_end();
	return flo__cmdb_told(st, err);
}

flo_status flo__cmdb_handle(const flo_value *with, const char *name,
			    flo_error *err, const char **ret_id)
{
	const flo_value *value = flo__args_get(with, name);
	const flo_value *complete;

	if (value == NULL || flo_value_typeof(value) != FLO_VALUE_MAP)
		return flo__args_string(with, name, true, err, ret_id);
	complete = flo__args_get(value, "complete");
	if (complete != NULL && flo_value_typeof(complete) == FLO_VALUE_BOOL &&
	    !flo_value_get_bool(complete))
		return flo_error_set(err, FLO_FAILED,
				     "the %s is incomplete; it is not used",
				     name);
	return flo__args_string(value, name, true, err, ret_id);
}

void flo__cmdb_put(flo_value *map, const char *key, flo_value *value,
		   flo_status *st)
{
	if (*st == FLO_OK)
		*st = flo_value_map_set(map, key, value);
	else
		flo_value_unref(value);
}
