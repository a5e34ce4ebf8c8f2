/*
 * The log of one attempt: a file made at its first byte.
 *
 * Format: lines. Each begins with a mark of two bytes: "O " stdout, "E "
 * stderr, "O+" and "E+" a further piece of that stream's last line (longer than
 * FLO__STEPLOG_LINE_MAX), "- " a remark of ours (how much was left out). A line
 * stands where its end was written, and always ends with a newline, whether the
 * program ended it or not.
 *
 * Size: once head and tail are both full, the file grows by one more tail, then
 * what lies between is cut out, in place. So at every moment the file is a
 * valid log of at most head + two tails (and a write), and after close of head
 * + tail, with a remark at the cut. (Refused: a ring in the file, which a reader of a
 * running step sees out of order; the tail in memory, which a thousand steps
 * pay for; a second file, which a crash leaves behind.)
 *
 * The last lines of stderr are kept in memory for the error.
 *
 * Threads: one coroutine at a time. Writes block (page cache) and are short.
 */
#ifndef FLO_ENGINE_PROC_STEPLOG_H
#define FLO_ENGINE_PROC_STEPLOG_H

#include <flo/error.h>

#include "base/mask.h"
#include "base/strbuf.h"

#include <stdbool.h>

#define FLO__STEPLOG_TAIL_LINES 20
#define FLO__STEPLOG_TAIL_BYTES 8192
#define FLO__STEPLOG_LINE_MAX	65536

struct flo__steplog;

/*
 * @path (copied) is where the file will be (its directory exists or is made,
 * 0700). @cap: bytes of head and of tail each; 0: 8 MiB.
 */
flo_status flo__steplog_new(const char *path, size_t cap,
			    struct flo__steplog **ret_log);
/*
 * Hide what @mask hides (borrowed until close) in all that is written from now
 * on: of a value that comes in pieces neither file nor tail ever has a byte.
 * Requires: nothing has been written. FLO_NOMEM.
 */
flo_status flo__steplog_mask(struct flo__steplog *log,
			     const struct flo__mask *mask);
/*
 * Append output of @stream (1 or 2). Lines may arrive in pieces: on return all
 * that are complete are in the file.
 *
 * After an error (a full disk) nothing more is written and each further call
 * returns that status again; the tail of stderr is kept all the same.
 */
flo_status flo__steplog_write(struct flo__steplog *log, int stream,
			      const char *bytes, size_t len, flo_error *err);
/*
 * Append the last lines of stderr to @sb, without marks and without the last
 * newline: at most FLO__STEPLOG_TAIL_LINES and FLO__STEPLOG_TAIL_BYTES. What
 * might have become a value that is hidden is taken for one that was cut off.
 */
void flo__steplog_tail(struct flo__steplog *log, struct flo__strbuf *sb);
/* Whether nothing has come: to close it then touches no file. NULL: true. */
bool flo__steplog_is_empty(const struct flo__steplog *log);
/* Write what is held back, close and free; NULL is allowed. */
flo_status flo__steplog_close(struct flo__steplog *log, flo_error *err);

#endif
