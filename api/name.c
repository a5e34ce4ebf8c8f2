/* What a new run is called: its id, and the trace that it is part of. */
#include "api/api_p.h"

#include "base/id.h"
#include "base/time.h"

#include <string.h>

/* Ids that are tried for a run that the caller has given none. */
#define ID_TRIES 8

/* The trace that TRACEPARENT names (W3C Trace Context), or a new one. */
static void choose_trace(const flo_engine *engine,
			 char trace[FLO__ID_TRACE_SIZE],
			 char parent[FLO__ID_SPAN_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	const char *text = NULL;

	for (const char **e = engine->environ_copy; *e != NULL; e++) {
		if (strncmp(*e, "TRACEPARENT=", 12) == 0)
			text = *e + 12;
	}
	parent[0] = '\0';
	if (text != NULL && strlen(text) >= 55 && text[2] == '-' &&
	    text[35] == '-' && text[52] == '-' && strspn(text, hex) == 2 &&
	    strncmp(text, "ff", 2) != 0 && strspn(text + 3, hex) == 32 &&
	    strspn(text + 36, hex) == 16 && strspn(text + 3, "0") < 32 &&
	    strspn(text + 36, "0") < 16) {
		memcpy(trace, text + 3, 32);
		trace[32] = '\0';
		memcpy(parent, text + 36, 16);
		parent[16] = '\0';
		return;
	}
	flo__id_trace(trace);
}

/* A run's id becomes a file's name: letters, digits and "-_." only. */
flo_status flo__api_check_id(const char *id, flo_error *err)
{
	size_t ok = strspn(id, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

	if (id[0] == '\0' || id[0] == '.' || id[0] == '-' || id[ok] != '\0' ||
	    ok > 64)
		return flo_error_set(err, FLO_RANGE,
				     "\"%.80s\" is no run id: use 1 to 64 "
				     "letters, digits, \"-\", \"_\" or \".\"",
				     id);
	return FLO_OK;
}

/* Where the names of a new run lie. */
struct names {
	char id[FLO__ID_RUN_SIZE];
	char trace[FLO__ID_TRACE_SIZE];
	char parent[FLO__ID_SPAN_SIZE];
};

/* Give @record its id, its trace and its date. */
static void name(const flo_engine *engine,
		 const struct flo_run_options *options, struct names *names,
		 struct flo__run_record *record)
{
	flo__id_run(names->id);
	choose_trace(engine, names->trace, names->parent);
	record->id = options->run_id != NULL ? options->run_id : names->id;
	record->trace_id = names->trace;
	record->parent_span = names->parent;
	record->created_us = flo__time_now_us();
}

flo_status flo__api_begin(const flo_engine *engine,
			  const struct flo_run_options *options,
			  struct flo__run_record *record,
			  flo_status (*begin)(void *arg, flo_error *err),
			  void *arg, flo_error *err)
{
	struct names names;
	flo_status st;

	/* An id is a second and 24 bits: of a thousand runs that begin within
	 * one, two have the same every thirtieth time. */
	for (int tries = 1;; tries++) {
		name(engine, options, &names, record);
		st = begin(arg, err);
		if (st != FLO_EXISTS || options->run_id != NULL ||
		    tries == ID_TRIES)
			return st;
		flo_error_clear(err);
	}
}
