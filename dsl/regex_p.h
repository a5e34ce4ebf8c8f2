/*
 * Regular expressions, for matches() and `pattern`: PCRE2, kept close to RE2
 * and bounded in time and memory. docs/language.md says what differs from RE2.
 */
#ifndef FLO_DSL_REGEX_P_H
#define FLO_DSL_REGEX_P_H

#include <flo/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLO__REGEX_LEN_MAX 4096 /* bytes of a pattern */
#define FLO__REGEX_WHY	   160	/* bytes of a reason */

/* Steps for a search that has no more limit than each search has. */
#define FLO__REGEX_STEPS_ANY UINT64_MAX

/* A compiled pattern. Immutable, so any number of threads may match with it. */
struct flo__regex;

/*
 * Compile @pattern. FLO_OK and a regex for flo__regex_free(); FLO_INVALID, and
 * in *@ret_why what is wrong with it; FLO_NOMEM.
 */
flo_status flo__regex_new(const char *pattern, size_t len,
			  char ret_why[FLO__REGEX_WHY],
			  struct flo__regex **ret_regex);

/* NULL is allowed. */
void flo__regex_free(struct flo__regex *regex);

/*
 * Whether @regex matches somewhere in @text, in at most *@steps, of which what
 * it took is taken off. FLO_OK; FLO_LIMIT and *@ret_why if that would take more
 * (*@steps is 0 then), too many for any search, or too much memory, or @text is
 * too long; FLO_INVALID and *@ret_why if it is not UTF-8; FLO_NOMEM.
 */
flo_status flo__regex_find(const struct flo__regex *regex, const char *text,
			   size_t len, uint64_t *steps,
			   char ret_why[FLO__REGEX_WHY], bool *ret_found);

/*
 * The first thing in @pattern that RE2's syntax does not have though PCRE2's
 * does, in words, and where it is; NULL if there is none.
 */
const char *flo__regex_foreign(const char *pattern, size_t len, size_t *ret_at);

#endif
