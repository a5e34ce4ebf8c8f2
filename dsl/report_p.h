/*
 * Problems of a file, collected while it is compiled and then reported in the
 * order of their places.
 */
#ifndef FLO_DSL_REPORT_P_H
#define FLO_DSL_REPORT_P_H

#include <flo/diagnostic.h>
#include <flo/error.h>
#include <flo/value.h>

#include "dsl/doc_p.h"

/* Every kind of problem: a stable code; docs/diagnostics.md explains each. */
#define FLO__CODE_MAP(X)                                                       \
	X(SYNTAX, "syntax")                                                    \
	X(TOO_LARGE, "too-large")                                              \
	X(TOO_DEEP, "too-deep")                                                \
	X(DUPLICATE_KEY, "duplicate-key")                                      \
	X(UNKNOWN_KEY, "unknown-key")                                          \
	X(MISPLACED_KEY, "misplaced-key")                                      \
	X(MISSING_KEY, "missing-key")                                          \
	X(CONFLICTING_KEYS, "conflicting-keys")                                \
	X(WRONG_TYPE, "wrong-type")                                            \
	X(BAD_VALUE, "bad-value")                                              \
	X(BAD_NAME, "bad-name")                                                \
	X(DUPLICATE_NAME, "duplicate-name")                                    \
	X(UNKNOWN_STEP, "unknown-step")                                        \
	X(STEP_ORDER, "step-order")                                            \
	X(CYCLE, "cycle")                                                      \
	X(UNREADABLE, "unreadable-pipeline")                                   \
	X(INCLUDED, "included-errors")                                         \
	X(UNKNOWN_PARAM, "unknown-param")                                      \
	X(UNKNOWN_SECRET, "unknown-secret")                                    \
	X(SECRET_PLACE, "secret-not-allowed")                                  \
	X(BAD_DEFAULT, "bad-default")                                          \
	X(BAD_PARAM, "bad-param")                                              \
	X(MISSING_PARAM, "missing-param")                                      \
	X(UNKNOWN_TYPE, "unknown-step-type")                                   \
	X(UNKNOWN_ARGUMENT, "unknown-argument")                                \
	X(MISSING_ARGUMENT, "missing-argument")                                \
	X(TEMPLATE, "bad-template")                                            \
	X(TEMPLATE_PLACE, "template-not-allowed")                              \
	X(EXPRESSION, "bad-expression")                                        \
	X(UNKNOWN_NAME, "unknown-name")                                        \
	X(UNKNOWN_FUNCTION, "unknown-function")                                \
	X(TYPE_MISMATCH, "type-mismatch")                                      \
	X(NEVER, "never-true")                                                 \
	X(BAD_PATTERN, "bad-pattern")                                          \
	X(CRON, "bad-cron")                                                    \
	X(TIMEZONE, "unknown-timezone")                                        \
	X(LOOKALIKE, "not-a-template")                                         \
	X(UNUSED_PARAM, "unused-param")                                        \
	X(UNUSED_SECRET, "unused-secret")                                      \
	X(IDLE_LIMIT, "idle-limit")                                            \
	X(PARTIAL_INCLUDE, "partial-include")                                  \
	X(IDLE_EXCLUDE, "idle-exclude")                                        \
	X(CONSTANT_WHEN, "constant-when")                                      \
	X(IDLE_RETRY, "idle-retry")                                            \
	X(NO_ZONEINFO, "no-zoneinfo")                                          \
	X(UNREACHABLE, "unreachable-step")

enum flo__problem_code {
#define FLO__CODE_X(code, text) FLO__CODE_##code,
	FLO__CODE_MAP(FLO__CODE_X)
#undef FLO__CODE_X
	FLO__CODES
};

const char *flo__code_text(enum flo__problem_code code);

struct flo__problem {
	struct flo__span span;
	uint32_t node; /* for the pointer; FLO__DOC_NONE: the document */
	uint32_t seq;  /* order of discovery, between equal places */
	enum flo__problem_code code;
	flo_severity severity;
	char *message; /* owned */
	char *hint;    /* owned, or NULL */
};

struct flo__report {
	struct flo__doc *doc; /* borrowed */
	struct flo__problem *items;
	size_t len;
	size_t cap;
	size_t errors; /* all that were found, kept or not */
	size_t warnings;
	bool nomem;
};

void flo__report_init(struct flo__report *report, struct flo__doc *doc);
void flo__report_fini(struct flo__report *report);

/* Record an error; @hint may be NULL. */
void flo__report_error(struct flo__report *report, enum flo__problem_code code,
		       struct flo__span span, uint32_t node, const char *hint,
		       const char *format, ...) FLO_PRINTF(6, 7);
void flo__report_warning(struct flo__report *report,
			 enum flo__problem_code code, struct flo__span span,
			 uint32_t node, const char *hint, const char *format,
			 ...) FLO_PRINTF(6, 7);

/* Order the problems by place and drop what is said twice. */
void flo__report_settle(struct flo__report *report);

/* Hand the first *@left by place to @fn, warnings only as far as errors leave
 * room; *@left is so many less then. FLO_NOMEM. */
flo_status flo__report_emit(struct flo__report *report, const char *file,
			    flo_diagnostic_fn fn, void *arg, size_t *left);

/*
 * "Did you mean": offer() each name that exists, then hint() is the nearest
 * one, if it is near enough, as a hint in @buf, or NULL.
 */
struct flo__nearest {
	const char *want;
	size_t want_len;
	size_t best; /* its distance */
	char name[64];
};

void flo__nearest_init(struct flo__nearest *near, const char *want, size_t len);
void flo__nearest_offer(struct flo__nearest *near, const char *name,
			size_t len);
const char *flo__nearest_hint(const struct flo__nearest *near, char *buf,
			      size_t size);

/* All there is to choose from: "it is none, text or json". */
void flo__words_list(const char *const *words, char *ret, size_t size);

/* A type as JSON calls it, with its article: "a boolean". */
const char *flo__value_json_type(const flo_value *value);

/* How these are written. */
#define FLO__DURATION_HINT                                                     \
	"a duration is written \"250ms\", \"10s\", \"1m30s\", \"2h\", \"1d\""
#define FLO__SIZE_HINT                                                         \
	"a size is written \"512B\", \"64KiB\", \"16MiB\", \"1GiB\""

/* Parse one of them, which must say its unit. */
flo_status flo__units_parse(flo_status (*parse)(const char *, size_t,
						uint64_t *),
			    const char *text, size_t len, uint64_t *ret);

#endif
