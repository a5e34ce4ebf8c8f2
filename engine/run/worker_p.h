/*
 * A native attempt in a process of its own: what the engine and its worker
 * say to each other. worker.c is the engine's side, worker_serve.c the
 * worker's, worker_wire.c the format.
 *
 * Note: the channel
 *
 * One file in memory, the worker's standard input. It begins with the request;
 * behind that the worker writes its reply; a NUL byte ends the text. It is
 * made as large as both may be together and sealed at that size.
 *
 * So nobody has to read while the worker runs, however much it has to say;
 * what a worker that dies has written is there afterwards, whole or not; and
 * one that has gone mad can neither fill our memory nor keep us waiting. The
 * engine looks at it when nothing of the worker is alive, and copies before it
 * reads, since a stranger who was handed the descriptor might still write.
 * (Refused: a socket, which the attempt's coroutine would have to read beside
 * the minder's, and whose end a detached child can keep open; standard output,
 * which belongs to the step's printf.)
 *
 * Format: lines of JSON. The request is one:
 *
 *	{"protocol":1,"type":"cmdb.pull","with":{...},"run":ID,"trace":HEX,
 *	 "path":"a.b","attempt":1,"key":"...","dir":"/...","minder":"/...",
 *	 "grace_ns":N,"output_max":N}
 *
 * The reply is two. The first says that the step begins, so that what goes
 * wrong before can be told from what the step did; the second how it ended.
 *
 *	{"protocol":1,"took":"cmdb.pull"}
 *	{"output":...}   or   {"error":{"status":"FAILED","text":"..."}}
 *
 * Instead of either line, the last, a worker may refuse, for reasons of its
 * own: {"protocol":1,"refused":{"status":"NOTFOUND","text":"..."}}. A line
 * without its newline was not said.
 */
#ifndef FLO_ENGINE_RUN_WORKER_P_H
#define FLO_ENGINE_RUN_WORKER_P_H

#include <flo/context.h>
#include <flo/error.h>
#include <flo/value.h>

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

#define FLO__WORKER_PROTOCOL 1

/* What a request may have, and a reply beside its output: both lines, an error
 * of which each byte is escaped. */
#define FLO__WORKER_REQUEST_MAX (UINT64_C(16) << 20)
#define FLO__WORKER_REPLY_EXTRA UINT64_C(16384)

/* Its strings are borrowed: the sender's, or of the value it was read from. */
struct flo__worker_request {
	const char *type;
	const flo_value *with;
	const char *run_id;
	const char *trace_id;
	const char *path;
	const char *key;
	const char *dir;
	const char *minder; /* NULL: the worker finds it by itself */
	unsigned attempt;
	uint64_t grace_ns;
	uint64_t output_max; /* bytes of JSON */
};

enum flo__worker_said {
	FLO__WORKER_NOTHING, /* not even the first line, whole */
	FLO__WORKER_TOOK,    /* the first line */
	FLO__WORKER_OUTPUT,
	FLO__WORKER_ERROR,
	FLO__WORKER_REFUSED,
};

struct flo__worker_reply {
	enum flo__worker_said said;
	bool took;	   /* it began to run the step */
	flo_status status; /* of an error or a refusal; never FLO_OK then */
	flo_value *output; /* owned; NULL: null, or there is none */
	flo_error text;	   /* of an error or a refusal */
};

/* Append the line of @request. */
void flo__worker_request_write(const struct flo__worker_request *request,
			       struct flo__strbuf *sb);
/*
 * Read a request from what its line held. FLO_VERSION: its sender speaks
 * another protocol; FLO_CORRUPT: it is none.
 */
flo_status flo__worker_request_read(const flo_value *line, flo_error *err,
				    struct flo__worker_request *ret_request);

/* Append a line of a reply. @output may be NULL; @status is not FLO_OK. */
void flo__worker_took_write(const char *type, struct flo__strbuf *sb);
void flo__worker_output_write(const flo_value *output, struct flo__strbuf *sb);
void flo__worker_error_write(flo_status status, const char *text,
			     struct flo__strbuf *sb);
void flo__worker_refusal_write(flo_status status, const char *text,
			       struct flo__strbuf *sb);
/*
 * Read a reply, of which there may be any part or anything else.
 * FLO_CORRUPT: it is none; FLO_VERSION: not of our protocol; FLO_NOMEM. What
 * was understood before that is in *@ret_reply (given empty) all the same.
 */
flo_status flo__worker_reply_read(const char *bytes, size_t len, flo_error *err,
				  struct flo__worker_reply *ret_reply);

/*
 * Read text of @fd from @at to the first NUL byte, the end, or @max bytes,
 * whichever is first. Blocks a little.
 */
flo_status flo__worker_text_read(int fd, uint64_t at, uint64_t max,
				 flo_error *err, struct flo__strbuf *sb);
/* Write all of @bytes at @at. Blocks a little. Returns an errno or 0. */
int flo__worker_text_write(int fd, uint64_t at, const char *bytes, size_t len);

#endif
