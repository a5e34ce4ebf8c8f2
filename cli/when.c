#include "cli/when.h"

#include "cli/print.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct cli_when cli_when_short(const char *rfc3339)
{
	struct cli_when when = {"-"};

	if (strlen(rfc3339) >= 19) {
		memcpy(when.text, rfc3339, 19);
		when.text[10] = ' ';
		when.text[19] = '\0';
	}
	return when;
}

/* Milliseconds since the epoch, or -1. */
static double parse(const char *text)
{
	struct tm tm = {0};
	double seconds = 0;

	if (sscanf(text, "%d-%d-%dT%d:%d:%lf", &tm.tm_year, &tm.tm_mon,
		   &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &seconds) != 6)
		return -1;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	return (double)timegm(&tm) * 1e3 + seconds * 1e3;
}

double cli_when_between(const char *from, const char *to)
{
	double begin = parse(from), end;
	struct timespec now;

	if (begin < 0)
		return -1;
	if (*to) {
		end = parse(to);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		end = (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
	}
	return end < begin ? -1 : end - begin;
}

double cli_when_taken(const flo_value *run, const flo_value *of)
{
	const flo_value *ms = flo_value_map_get(of, "duration_ms");

	if (ms && flo_value_typeof(ms) == FLO_VALUE_DOUBLE)
		return flo_value_get_double(ms);
	if (ms && flo_value_typeof(ms) == FLO_VALUE_INT)
		return (double)flo_value_get_int(ms);
	if (*cli_map_text(of, "finished_at"))
		return cli_when_between(cli_map_text(of, "started_at"),
					cli_map_text(of, "finished_at"));
	return cli_when_between(cli_map_text(of, "started_at"),
				cli_map_text(run, "interrupted_at"));
}
