/**
 * Log records of the library, for the program that embeds it.
 *
 * The library never prints. It makes records (a level, a constant message and
 * typed fields) and hands them to a sink; without a sink they are dropped.
 * The embedding program writes them with an encoder of this file, or maps the
 * fields to the log it has already. The model is that of go.uber.org/zap.
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

typedef enum flo_log_level {
	FLO_LOG_DEBUG,
	FLO_LOG_INFO,
	FLO_LOG_WARN,
	FLO_LOG_ERROR,
} flo_log_level;

typedef enum flo_log_type {
	FLO_LOG_TYPE_STR,
	FLO_LOG_TYPE_I64,
	FLO_LOG_TYPE_U64,
	FLO_LOG_TYPE_F64,
	FLO_LOG_TYPE_BOOL,
	FLO_LOG_TYPE_DURATION, /* nanoseconds in u64 */
	FLO_LOG_TYPE_ERROR,
} flo_log_type;

/** A key and a typed value. All of it is borrowed during the sink's call. */
typedef struct flo_log_field {
	const char *key;
	flo_log_type type;
	union {
		const char *str; /* NULL is shown as null */
		int64_t i64;
		uint64_t u64;
		double f64;
		bool boolean;
		const flo_error *error;
	} of;
} flo_log_field;

/** One record. All of it is borrowed during the sink's call. */
typedef struct flo_log_record {
	int64_t time_us; /* since the Unix epoch */
	flo_log_level level;
	const char *message;
	const flo_log_field *fields;
	size_t fields_len;
} flo_log_record;

/**
 * Where records go. @write is called from any thread, from coroutines too,
 * several at once; it must not park, and must not call into the library but
 * for the functions of this file. @arg is the program's own.
 */
typedef struct flo_log_sink {
	void (*write)(void *arg, const flo_log_record *record);
	void *arg;
	flo_log_level level; /* records below are not made */
} flo_log_sink;

/** "debug", "info", "warn", "error". */
FLO_EXTERN const char *flo_log_level_name(flo_log_level level);

/**
 * Write @record as one JSON object without a newline:
 * {"ts":"...","level":"info","msg":"...","key":value,...}. A duration's key
 * gets the suffix _ms; an error becomes {"status","message",...}.
 *
 * Returns memory for flo_free() (flo/value.h), or NULL without memory.
 */
FLO_EXTERN char *flo_log_json(const flo_log_record *record);

/**
 * Write @record as a line for people, without a newline:
 * "03:12:44.123 INFO  run started  run=20261122-031244-9f3c2a took=1.2s".
 * Control bytes are escaped, so a record cannot drive a terminal.
 *
 * Returns memory for flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_log_console(const flo_log_record *record);

#ifdef __cplusplus
}
#endif
#endif
