/**
 * Log records of the library, for the program that embeds it.
 *
 * The library does not print what it does. It makes records (a level, a
 * constant message and typed fields) and hands them to a sink; without a sink
 * they are dropped. (What goes to stderr is the last word of a process that
 * ends, and who keeps flo_runtime_free() waiting: flo/runtime.h.) The embedding
 * program writes them with an encoder of this file, or maps the fields to the
 * log it has already. The model is that of go.uber.org/zap.
 */
#ifndef FLO_LOG_H
#define FLO_LOG_H

#include <flo/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a record matters, in rising order. */
typedef enum flo_log_level {
	FLO_LOG_DEBUG, /* for who looks for a mistake */
	FLO_LOG_INFO,  /* what happens in the normal course */
	FLO_LOG_WARN,  /* goes on, but somebody should look */
	FLO_LOG_ERROR, /* something was not done */
} flo_log_level;

/** What a field holds, and so which member of its union counts. */
typedef enum flo_log_type {
	FLO_LOG_TYPE_STR,      /* of.str, UTF-8 */
	FLO_LOG_TYPE_I64,      /* of.i64 */
	FLO_LOG_TYPE_U64,      /* of.u64 */
	FLO_LOG_TYPE_F64,      /* of.f64 */
	FLO_LOG_TYPE_BOOL,     /* of.boolean */
	FLO_LOG_TYPE_DURATION, /* nanoseconds in of.u64 */
	FLO_LOG_TYPE_ERROR,    /* of.error */
} flo_log_type;

/** A key and a typed value. All of it is borrowed during the sink's call. */
typedef struct flo_log_field {
	const char *key;   /* a word, constant */
	flo_log_type type; /* which member of `of` is set */
	/* The value. A `str` or an `error` that is NULL is shown as null. */
	union {
		const char *str;
		int64_t i64;
		uint64_t u64;
		double f64;
		bool boolean;
		const flo_error *error;
	} of;
} flo_log_field;

/** One record. All of it is borrowed during the sink's call. */
typedef struct flo_log_record {
	int64_t time_us;	     /* since the Unix epoch */
	flo_log_level level;	     /* never below the sink's */
	const char *message;	     /* the same each time: search for it */
	const flo_log_field *fields; /* in order; keys may repeat */
	size_t fields_len; /* at most 24 in the library's own records */
} flo_log_record;

/**
 * Where records go. @write is called from any thread, from coroutines too,
 * several at once; it must not park, and must not call into the library but
 * for the functions of this file and flo_free(). @arg is the program's own.
 */
typedef struct flo_log_sink {
	/* Write @record, which is borrowed. NULL: all are dropped. */
	void (*write)(void *arg, const flo_log_record *record);
	void *arg;	     /* for `write`; borrowed as long as the sink */
	flo_log_level level; /* records below are not made */
} flo_log_sink;

/**
 * Name @level: "debug", "info", "warn", "error". A constant string; "unknown"
 * for a value of no level.
 */
FLO_EXTERN const char *flo_log_level_name(flo_log_level level);

/**
 * Write @record as one JSON object without a newline:
 * {"ts":"...","level":"info","msg":"...","key":value,...}. A duration's key
 * gets the suffix _ms; an error becomes {"status","message",...}. Any thread.
 *
 * Requires: @record is not NULL.
 * Returns memory for flo_free() (flo/value.h), or NULL without memory.
 */
FLO_EXTERN char *flo_log_json(const flo_log_record *record);

/**
 * Write @record as a line for people, without a newline:
 * "03:12:44.123 INFO  run started  run=20261122-031244-9f3c2a took=1.2s".
 * Control bytes are escaped, so a record cannot drive a terminal. Any thread.
 *
 * Requires: @record is not NULL.
 * Returns memory for flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_log_console(const flo_log_record *record);

#ifdef __cplusplus
}
#endif
#endif
