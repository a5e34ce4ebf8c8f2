/*
 * The fields of an event's line of JSON, without building values of it: a run
 * has two events a step, and most of them only move a counter.
 */
#ifndef CLI_EVENT_H
#define CLI_EVENT_H

#include <stdbool.h>
#include <stddef.h>

/* Text inside the line, not terminated; of strings without the quotes (and
 * with their escapes). len 0: absent. */
struct cli_slice {
	const char *at;
	size_t len;
};

struct cli_event {
	struct cli_slice seq, run, kind, path, attempt, status, duration_ms,
		delay_ms, exit_code, signal, error, output, counts;
	struct cli_slice rerun_of;
};

/* False if the line is no JSON object. */
bool cli_event_scan(const char *json, size_t len, struct cli_event *ret_event);

bool cli_slice_is(struct cli_slice slice, const char *text);
/* 0 if it is absent or no number. */
double cli_slice_number(struct cli_slice slice);

#endif
