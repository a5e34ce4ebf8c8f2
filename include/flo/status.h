/**
 * What every function that can fail returns.
 *
 * A status says what kind of thing went wrong and is what callers branch on.
 * Detail for people (which file, which value, what to do) travels beside it
 * in a caller-owned flo_error (flo/error.h).
 */
#ifndef FLO_STATUS_H
#define FLO_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
/**
 * What a compiler is told of a declaration in these headers: that it is
 * exported, takes the arguments of printf(3), does not return, or returns what
 * must be looked at. Nothing, for compilers that do not know GNU's attributes.
 */
#define FLO_EXTERN	 __attribute__((visibility("default")))
#define FLO_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define FLO_NORETURN	 __attribute__((noreturn))
#define FLO_MUST_CHECK	 __attribute__((warn_unused_result))
#else
#define FLO_EXTERN
#define FLO_PRINTF(f, a)
#define FLO_NORETURN
#define FLO_MUST_CHECK
#endif

/** Every status with its text. The order is ABI: append only. */
#define FLO_STATUS_MAP(X)                                                      \
	X(OK, "success")                                                       \
	X(NOMEM, "out of memory")                                              \
	X(INVALID, "invalid argument")                                         \
	X(SYNTAX, "syntax error")                                              \
	X(TYPE, "type error")                                                  \
	X(RANGE, "value out of range")                                         \
	X(NOTFOUND, "not found")                                               \
	X(EXISTS, "already exists")                                            \
	X(CANCELED, "cancelled")                                               \
	X(TIMEOUT, "time limit exceeded")                                      \
	X(CLOSED, "closed")                                                    \
	X(BUSY, "busy")                                                        \
	X(AGAIN, "would block")                                                \
	X(LIMIT, "limit exceeded")                                             \
	X(SYSTEM, "system call failed")                                        \
	X(IO, "input/output error")                                            \
	X(FULL, "no space left")                                               \
	X(READONLY, "read-only")                                               \
	X(CORRUPT, "corrupt data")                                             \
	X(VERSION, "unsupported version")                                      \
	X(STORE, "store error")                                                \
	X(SPAWN, "program could not be started")                               \
	X(EXIT, "program failed")                                              \
	X(SIGNAL, "program was ended by a signal")                             \
	X(PANIC, "panic")                                                      \
	X(DEADLOCK, "deadlock")                                                \
	X(FAILED, "failed")                                                    \
	X(BLOCKED, "blocked by a guard")                                       \
	X(INTERRUPTED, "interrupted")

/** The outcome of an operation; 0 is success. */
typedef enum flo_status {
#define FLO_STATUS_X(code, text) FLO_##code,
	FLO_STATUS_MAP(FLO_STATUS_X)
#undef FLO_STATUS_X
} flo_status;

/**
 * Name @status in a few lower-case words ("out of memory"). Any thread; never
 * blocks.
 *
 * Returns a constant string; "unknown status" for a value of no status.
 */
FLO_EXTERN const char *flo_status_text(flo_status status);

/**
 * Give the identifier of @status without its prefix ("NOMEM"). Any thread;
 * never blocks.
 *
 * Returns a constant string; "UNKNOWN" for a value of no status.
 */
FLO_EXTERN const char *flo_status_name(flo_status status);

#ifdef __cplusplus
}
#endif
#endif
