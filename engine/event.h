/*
 * Events: every change of a run, in the order in which it happened.
 *
 * The journal records them, and their JSON line is what observers see and
 * what resume reads back. Field by field: docs/events.md.
 */
#ifndef FLO_ENGINE_EVENT_H
#define FLO_ENGINE_EVENT_H

#include <flo/error.h>
#include <flo/value.h>

#include "base/signal_name.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

#define FLO__EVENT_KIND_MAP(X)                                                 \
	X(RUN_QUEUED, "run.queued")                                            \
	X(RUN_STARTED, "run.started")                                          \
	X(RUN_RESUMED, "run.resumed")                                          \
	X(RUN_CANCELLING, "run.cancelling")                                    \
	X(RUN_FINISHED, "run.finished")                                        \
	X(STEP_STARTED, "step.started")                                        \
	X(STEP_FINISHED, "step.finished")                                      \
	X(STEP_RETRYING, "step.retrying")                                      \
	X(STEP_SKIPPED, "step.skipped")                                        \
	X(STEP_LOST, "step.lost")                                              \
	X(STEP_REUSED, "step.reused")

/* The order is the store's format: append only. */
enum flo__event_kind {
#define FLO__EVENT_X(code, text) FLO__EVENT_##code,
	FLO__EVENT_KIND_MAP(FLO__EVENT_X)
#undef FLO__EVENT_X
	FLO__EVENT_KINDS
};

#define FLO__STATE_MAP(X)                                                      \
	X(NONE, "")                                                            \
	X(QUEUED, "queued")                                                    \
	X(PENDING, "pending")                                                  \
	X(RUNNING, "running")                                                  \
	X(RETRYING, "retrying")                                                \
	X(SUCCEEDED, "succeeded")                                              \
	X(FAILED, "failed")                                                    \
	X(SKIPPED, "skipped")                                                  \
	X(CANCELLED, "cancelled")                                              \
	X(BLOCKED, "blocked")                                                  \
	X(INTERRUPTED, "interrupted")

/* States of steps and of runs. The order is the store's: append only. */
enum flo__state {
#define FLO__STATE_X(code, text) FLO__STATE_##code,
	FLO__STATE_MAP(FLO__STATE_X)
#undef FLO__STATE_X
	FLO__STATES
};

const char *flo__event_kind_text(enum flo__event_kind kind);
const char *flo__state_text(enum flo__state state);
/* FLO__STATE_NONE, FLO__EVENT_KINDS for a text that names none. */
enum flo__state flo__state_parse(const char *text);
enum flo__event_kind flo__event_kind_parse(const char *text);

#define FLO__EVENT_NO_CODE INT32_MIN

/* What a run repeats that is a rerun. All is borrowed. */
struct flo__rerun {
	const char *of;	  /* the id of the run; NULL: it repeats none */
	const char *from; /* the path of a step to begin with, or NULL */
	bool failed;	  /* what has ended well is taken over */
};

struct flo__event {
	uint64_t seq;  /* dense from 1 in a run; set by the journal */
	int64_t ts_us; /* wall clock */
	enum flo__event_kind kind;
	const char *path;	/* of the step; NULL for the run's own events */
	uint32_t attempt;	/* from 1; 0: none */
	uint64_t span_id;	/* 0: none */
	bool accepted;		/* a person's word, not the engine's */
	enum flo__state status; /* of *.finished */
	int32_t pid;		/* 0: none */
	int32_t exit_code;	/* FLO__EVENT_NO_CODE: none */
	int32_t signal;		/* 0: none */
	int64_t duration_ns;	/* -1: none */
	int64_t delay_ns;	/* -1: none */
	const flo_value *error; /* a map {kind,path,message,cause,stderr_tail},
				    or NULL */
	const flo_value *output; /* or NULL */
	const flo_value *counts; /* or NULL */
	struct flo__rerun rerun; /* of run.queued */
};

/* An event with nothing set. */
#define FLO__EVENT_INIT(kind_)                                                 \
	{                                                                      \
		.kind = (kind_), .exit_code = FLO__EVENT_NO_CODE,              \
		.duration_ns = -1, .delay_ns = -1                              \
	}

/* Append the event's JSON object, without a newline. */
void flo__event_json(const struct flo__event *event, const char *run_id,
		     const char *trace_id, struct flo__strbuf *sb);

/*
 * Read such an object back. *@ret_doc owns what @ret_event points to.
 * FLO_CORRUPT if it is no event.
 */
flo_status flo__event_parse(const char *json, size_t len, flo_error *err,
			    flo_value **ret_doc, struct flo__event *ret_event);

#endif
