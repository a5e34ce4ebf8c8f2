/*
 * The log of one attempt: a file made at its first byte.
 *
 * Each line is marked with its stream ("O " or "E ") so that they can be told
 * apart; a file grows to a cap, then its head and its tail are kept and the
 * cut is marked. The last lines of stderr are kept in memory for the error.
 *
 * Threads: one coroutine at a time. Writes block (page cache) and are short.
 */
#ifndef FLO_ENGINE_PROC_STEPLOG_H
#define FLO_ENGINE_PROC_STEPLOG_H

#include <flo/error.h>

#include "base/strbuf.h"

#define FLO__STEPLOG_TAIL_LINES 20

struct flo__steplog;

/*
 * @path is where the file will be (its directory exists or is made, 0700).
 * @cap: bytes of head and of tail each; 0: 8 MiB.
 */
flo_status flo__steplog_new(const char *path, size_t cap,
			    struct flo__steplog **ret_log);
/* Append output of @stream (1 or 2). Lines may arrive in pieces. */
flo_status flo__steplog_write(struct flo__steplog *log, int stream,
			      const char *bytes, size_t len, flo_error *err);
/* The last FLO__STEPLOG_TAIL_LINES lines of stderr, without marks. */
void flo__steplog_tail(const struct flo__steplog *log, struct flo__strbuf *sb);
/* Write what is held back and close; NULL is allowed. */
flo_status flo__steplog_close(struct flo__steplog *log, flo_error *err);

#endif
