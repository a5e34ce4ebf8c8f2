/*
 * The functions of expressions, and what they share.
 *
 * functions.c  the table; size, type, JSON, and what looks for a string
 * convert.c    int uint double bool string bytes
 * time.c       timestamps and durations: reading, writing, arithmetic, parts
 * zone.c       the offset of a time zone, from the system's tzdata
 * strings.c    the strings extension, in code points
 * regex.c      matches, and `pattern` of params
 *
 * A function borrows its arguments, of which there are as many as its row in
 * the table allows, and gives a value that the caller owns; or NULL with a
 * failure, or NULL without one: out of memory.
 */
#ifndef FLO_DSL_FUNCTIONS_P_H
#define FLO_DSL_FUNCTIONS_P_H

#include "dsl/expr_p.h"
#include "dsl/regex_p.h"

/* Results longer than this are refused, before memory runs out. */
#define FLO__TEXT_LEN_MAX ((size_t)64 << 20)

#define FLO__FUNCTION(name)                                                    \
	flo_value *flo__fn_##name(const flo_value *const *args, size_t n,      \
				  struct flo__failure *failure)

FLO__FUNCTION(int);
FLO__FUNCTION(uint);
FLO__FUNCTION(double);
FLO__FUNCTION(bool);
FLO__FUNCTION(string);
FLO__FUNCTION(bytes);

FLO__FUNCTION(timestamp);
FLO__FUNCTION(duration);
FLO__FUNCTION(get_full_year);
FLO__FUNCTION(get_month);
FLO__FUNCTION(get_date);
FLO__FUNCTION(get_day_of_month);
FLO__FUNCTION(get_day_of_week);
FLO__FUNCTION(get_day_of_year);
FLO__FUNCTION(get_hours);
FLO__FUNCTION(get_minutes);
FLO__FUNCTION(get_seconds);
FLO__FUNCTION(get_milliseconds);

FLO__FUNCTION(char_at);
FLO__FUNCTION(index_of);
FLO__FUNCTION(join);
FLO__FUNCTION(last_index_of);
FLO__FUNCTION(lower_ascii);
FLO__FUNCTION(replace);
FLO__FUNCTION(split);
FLO__FUNCTION(substring);
FLO__FUNCTION(trim);
FLO__FUNCTION(upper_ascii);

FLO__FUNCTION(matches);

/* matches() in two steps: the pattern @v compiled (NULL and a failure, or no
 * memory), and the search in @v with it, which takes its steps off *@steps. */
struct flo__regex *flo__fn_pattern(const flo_value *v,
				   struct flo__failure *failure);
flo_value *flo__fn_matches_with(const struct flo__regex *regex,
				const flo_value *v, uint64_t *steps,
				struct flo__failure *failure);

/* Fail because @name() does not take @v. Returns NULL. */
flo_value *flo__fn_refuse(const char *name, const flo_value *v,
			  struct flo__failure *failure);

/*
 * + and - where a timestamp or a duration takes part: both are a duration, or
 * one is a timestamp. NULL without a failure also if they do not go together;
 * then *@ret_fits is false.
 */
flo_value *flo__time_arithmetic(enum flo__op op, const flo_value *a,
				const flo_value *b,
				struct flo__failure *failure, bool *ret_fits);

/* The text of a timestamp or duration, as string() gives it. */
flo_value *flo__time_string(const flo_value *v);

/*
 * How many seconds local time is ahead of UTC at @s seconds since the epoch in
 * the zone called @name: a name of tzdata, "UTC", or an offset such as
 * "-08:00". False and a failure if there is no such zone. Reads a small file
 * when the thread asks for another zone than before.
 */
bool flo__zone_offset(const char *name, size_t len, int64_t s, int32_t *ret,
		      struct flo__failure *failure);

#endif
