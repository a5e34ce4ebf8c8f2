/*
 * Times that come again, as cron(5) writes them.
 *
 * Five fields (minute, hour, day of the month, month, day of the week) of
 * lists, ranges and steps; months and weekdays also by their first three
 * letters; or @hourly, @daily (@midnight), @weekly, @monthly, @yearly
 * (@annually). As in Argo Workflows and Dagu: `?` is `*`, `5/15` is from 5 on,
 * and where neither of the two days is `*`, either of them will do. Sunday is
 * 0 and 7. What cron(5) takes without a word and nobody means is refused:
 * ranges that run backwards, steps that leave their range at once, days that
 * no month has.
 */
#ifndef FLO_BASE_CRON_H
#define FLO_BASE_CRON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bit i of a field: the number i is in it. */
struct flo__cron {
	uint64_t minutes;
	uint32_t hours;
	uint32_t days;	   /* of the month, from bit 1 */
	uint32_t months;   /* from bit 1 */
	uint32_t weekdays; /* bit 0: Sunday */
	bool any_day;	   /* days was `*`: weekdays alone decide */
	bool any_weekday;  /* weekdays was `*`: days alone decide */
};

/* What is wrong, and which bytes of the text are to blame. */
struct flo__cron_problem {
	size_t at;
	size_t len;
	char message[160];
	char hint[120]; /* "" if there is none */
};

/* Read @text. False after an error, told in *@ret_problem. */
bool flo__cron_parse(const char *text, size_t len, struct flo__cron *ret_cron,
		     struct flo__cron_problem *ret_problem);

#endif
