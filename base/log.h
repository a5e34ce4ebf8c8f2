/*
 * How the library writes log records: flo/log.h says what becomes of them.
 *
 *	FLO__LOG(log, FLO_LOG_INFO, "run started", FLO__STR("run", id),
 *		 FLO__DURATION("took", ns));
 *
 * Fields are evaluated only if the level is wanted. A log is a sink and the
 * fields that all of its records carry; one made from another adds its own.
 */
#ifndef FLO_BASE_LOG_H
#define FLO_BASE_LOG_H

#include <flo/log.h>

#include "base/strbuf.h"

#define FLO__LOG_FIELDS_MAX 24 /* of one record; more are cut */

/* A NULL log, and one without a sink, drops everything. */
struct flo__log {
	flo_log_sink sink;
	const struct flo__log *parent; /* borrowed; its fields come first */
	const flo_log_field *fields;   /* borrowed */
	size_t fields_len;
};

/* Log to @sink (copied; NULL drops all). */
void flo__log_init(struct flo__log *log, const flo_log_sink *sink);

/*
 * A log that adds @fields to those of @parent. Both are borrowed as long as
 * @log is used. @parent may be NULL.
 */
void flo__log_with(struct flo__log *log, const struct flo__log *parent,
		   const flo_log_field *fields, size_t fields_len);

static inline bool flo__log_wants(const struct flo__log *log,
				  flo_log_level level)
{
	return log != NULL && log->sink.write != NULL &&
	       level >= log->sink.level;
}

/* Hand a record to the sink. Requires: flo__log_wants(). */
void flo__log_write(const struct flo__log *log, flo_log_level level,
		    const char *message, const flo_log_field *fields,
		    size_t fields_len);

#define FLO__LOG(log, level, message, ...)                                     \
	do {                                                                   \
		if (flo__log_wants(log, level)) {                              \
			const flo_log_field flo__fields[] = {                  \
				{NULL, FLO_LOG_TYPE_STR, {NULL}},              \
				__VA_ARGS__};                                  \
			flo__log_write(log, level, message, flo__fields + 1,   \
				       sizeof(flo__fields) /                   \
						       sizeof(*flo__fields) -  \
					       1);                             \
		}                                                              \
	} while (0)

#define FLO__STR(key, v)      FLO__FIELD(key, STR, .str = (v))
#define FLO__I64(key, v)      FLO__FIELD(key, I64, .i64 = (v))
#define FLO__U64(key, v)      FLO__FIELD(key, U64, .u64 = (v))
#define FLO__F64(key, v)      FLO__FIELD(key, F64, .f64 = (v))
#define FLO__BOOL(key, v)     FLO__FIELD(key, BOOL, .boolean = (v))
#define FLO__DURATION(key, v) FLO__FIELD(key, DURATION, .u64 = (v))
#define FLO__ERROR(v)	      FLO__FIELD("error", ERROR, .error = (v))
#define FLO__FIELD(key, type, ...)                                             \
	{                                                                      \
		(key), FLO_LOG_TYPE_##type,                                    \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

/* The encoders of flo/log.h, appending. */
void flo__log_json(const flo_log_record *record, struct flo__strbuf *sb);
void flo__log_console(const flo_log_record *record, struct flo__strbuf *sb);

#endif
