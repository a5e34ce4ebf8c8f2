/**
 * The detail of a failure, owned by the caller and usually on its stack.
 *
 * Rules, for every function that takes a `flo_error *err`:
 *  1. NULL is allowed and means that the caller wants no detail.
 *  2. It is written only on failure, and the first error stays: a function
 *     called with an error already set does not overwrite it.
 *  3. Callers that pass an error on add context in front of its text
 *     (flo_error_prefix()): "sync hosts: pull cmdb: connection refused".
 *  4. It owns no memory. Text that does not fit is cut with "...".
 *
 * There is no thread-local last error: coroutines change threads.
 */
#ifndef FLO_ERROR_H
#define FLO_ERROR_H

#include <flo/status.h>

#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Bytes of an error's text, and of its place, with their NUL. */
#define FLO_ERROR_TEXT_MAX  1024
#define FLO_ERROR_WHERE_MAX 256

/**
 * One failure. Begins as FLO_ERROR_INIT; may be copied. It is 1.3 KiB, so a
 * function that recurses keeps it out of its own frame.
 *
 * Threads: one at a time; nothing in here is locked.
 */
typedef struct flo_error {
	flo_status status; /* FLO_OK: none is recorded */
	int code;   /* errno, libuv, SQLite or exit code; 0 if there is none */
	int line;   /* of the input, from 1; 0 if there is none */
	int column; /* in code points, from 1; 0 if there is none */
	char where[FLO_ERROR_WHERE_MAX]; /* file or step path; "" if none */
	char text[FLO_ERROR_TEXT_MAX];	 /* for people; "" if none */
} flo_error;

/** The value with which an error begins: none. */
#define FLO_ERROR_INIT                                                         \
	{                                                                      \
		FLO_OK, 0, 0, 0, "", ""                                        \
	}

/** Make @err empty again. NULL is allowed. */
FLO_EXTERN void flo_error_clear(flo_error *err);

/**
 * Record @status with a formatted text, unless @err holds an error already.
 * @err may be NULL.
 *
 * Requires: @format and what follows are as for printf(3), and no text of @err.
 * Returns @status always, so that `return flo_error_set(err, ...)` reads well.
 */
FLO_EXTERN flo_status flo_error_set(flo_error *err, flo_status status,
				    const char *format, ...) FLO_PRINTF(3, 4);

/** As flo_error_set(), with a va_list, which the caller ends. */
FLO_EXTERN flo_status flo_error_setv(flo_error *err, flo_status status,
				     const char *format, va_list args)
	FLO_PRINTF(3, 0);

/**
 * Record a failed system call: the text gets ": strerror(@errnum)" appended
 * and @errnum becomes the code. ENOMEM, ENOSPC/EDQUOT, EROFS and ENOENT map to
 * their own statuses (FLO_NOMEM, FLO_FULL, FLO_READONLY, FLO_NOTFOUND), all
 * others to FLO_SYSTEM. @err may be NULL. In a coroutine errno is another's
 * after a call that can park: read it before.
 *
 * Returns the status chosen, also if @err holds an error already.
 */
FLO_EXTERN flo_status flo_error_sys(flo_error *err, int errnum,
				    const char *format, ...) FLO_PRINTF(3, 4);

/**
 * Put a formatted context and ": " in front of the text of @err, if set. NULL
 * is allowed.
 */
FLO_EXTERN void flo_error_prefix(flo_error *err, const char *format, ...)
	FLO_PRINTF(2, 3);

/**
 * Say where in the input the error lies: a line and a column from 1, in code
 * points. NULL is allowed. What was said before is replaced.
 */
FLO_EXTERN void flo_error_place(flo_error *err, int line, int column);

#ifdef __cplusplus
}
#endif
#endif
