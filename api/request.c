/* Asking for something of a run that another process carries out. */
#include "api/api_p.h"

#include "base/contract.h"

static flo_status ask(const char *path, const char *run_id,
		      enum flo__request kind, const char *why, flo_error *err)
{
	struct flo__journal *journal = NULL;
	struct flo__reader *reader = NULL;
	flo_status st;

	/* Opened for writing it would be made. */
	TRY(flo__reader_open(path, err, &reader));
	TRY(flo__store_open(path, FLO__STORE_POWER, err, &journal));
	TRY(journal->ops->request(journal, run_id, kind, why, err));
out:
	flo__store_close(journal);
	flo__reader_close(reader);
	return st;
}

flo_status flo_store_cancel(const char *path, const char *run_id,
			    flo_cancel_mode mode, const char *why,
			    flo_error *err)
{
	char *standard = path == NULL ? flo_store_default_path() : NULL;
	flo_status st;

	if (path == NULL && standard == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = ask(path != NULL ? path : standard, run_id,
		 mode == FLO_CANCEL_KILL ? FLO__REQUEST_KILL
					 : FLO__REQUEST_STOP,
		 why != NULL ? why : "cancelled by request", err);
	flo_free(standard);
	return st;
}
