/*
 * Points in time as the library writes them (RFC 3339, UTC).
 */
#ifndef CLI_WHEN_H
#define CLI_WHEN_H

struct cli_when {
	char text[32];
};

/* "2026-01-31 12:00:05", or "-" for "". */
struct cli_when cli_when_short(const char *rfc3339);

/* Milliseconds from one to the other; to now if @to is "" and @from is not;
 * -1 if they are no times. */
double cli_when_between(const char *from, const char *to);

#endif
