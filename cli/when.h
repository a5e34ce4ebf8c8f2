/*
 * Points in time as the library writes them (RFC 3339, UTC).
 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

#include <flo/value.h>

struct cli_when {
	char text[32];
};

/* "2026-01-31 12:00:05", or "-" for "". */
struct cli_when cli_when_short(const char *rfc3339);

/*
 * How long a run, or a step of one, has taken, in milliseconds: as its end says,
 * up to the last record of the run @run where its engine is gone, else until
 * now; -1 if it has not begun. @run and @of may be the same.
 */
double cli_when_taken(const flo_value *run, const flo_value *of);

/* Milliseconds from one to the other; to now if @to is "" and @from is not;
 * -1 if they are no times. */
double cli_when_between(const char *from, const char *to);

#endif
