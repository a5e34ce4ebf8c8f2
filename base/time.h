/* Wall-clock time as text, durations and sizes as pipelines write them. */
#ifndef FLO_BASE_TIME_H
#define FLO_BASE_TIME_H

#include <flo/status.h>

#include <stddef.h>
#include <stdint.h>

#define FLO__NS_PER_S  UINT64_C(1000000000)
#define FLO__NS_PER_MS UINT64_C(1000000)

/* Microseconds since the Unix epoch, UTC. */
int64_t flo__time_now_us(void);

/* Monotonic nanoseconds. */
uint64_t flo__time_mono_ns(void);

/* A moment in UTC, in the proleptic Gregorian calendar. */
struct flo__civil {
	int64_t year;
	int month; /* 1..12 */
	int day;   /* 1..31 */
	int hour;
	int minute;
	int second;
};

/* The date and time @s seconds after the epoch. */
void flo__time_civil(int64_t s, struct flo__civil *ret);

/* How many seconds after the epoch @civil is; the inverse. */
int64_t flo__time_of_civil(const struct flo__civil *civil);

/* How many days @month (1..12) of @year has. */
int flo__time_month_days(int64_t year, int month);

#define FLO__RFC3339_SIZE 32

/* "2026-11-22T03:04:05.678901Z" (RFC 3339, UTC, microseconds). */
void flo__time_rfc3339(int64_t us, char ret_text[FLO__RFC3339_SIZE]);

/*
 * Read "250ms", "10s", "1m30s", "2h", "1d": decreasing units, each at most
 * once, whole numbers. FLO_SYNTAX, or FLO_RANGE above 100 years.
 */
flo_status flo__duration_parse(const char *text, size_t len, uint64_t *ret_ns);

/* Write a duration shortly for people: "340ms", "1.2s", "2m05s", "3h10m". */
void flo__duration_text(uint64_t ns, char *ret_text, size_t size);

/* Read "64KiB", "16MiB", "1GiB", "512B" (and bare digits: bytes). */
flo_status flo__size_parse(const char *text, size_t len, uint64_t *ret_bytes);

#endif
