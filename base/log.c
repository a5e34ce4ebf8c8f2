#include "base/log.h"

#include "base/contract.h"
#include "base/time.h"

#include <string.h>

void flo__log_init(struct flo__log *log, const flo_log_sink *sink)
{
	*log = (struct flo__log){.sink = {.level = FLO_LOG_ERROR}};
	if (sink != NULL)
		log->sink = *sink;
}

void flo__log_with(struct flo__log *log, const struct flo__log *parent,
		   const flo_log_field *fields, size_t fields_len)
{
	flo__log_init(log, parent != NULL ? &parent->sink : NULL);
	log->parent = parent;
	log->fields = fields;
	log->fields_len = fields_len;
}

/* Copy the fields of @log and of what it was made from, oldest first. */
static size_t gather(const struct flo__log *log, flo_log_field *ret_fields)
{
	size_t len = 0;
	size_t n;

	if (log->parent != NULL)
		len = gather(log->parent, ret_fields);
	n = log->fields_len;
	if (n > FLO__LOG_FIELDS_MAX - len)
		n = FLO__LOG_FIELDS_MAX - len;
	if (n != 0)
		memcpy(ret_fields + len, log->fields, n * sizeof(*ret_fields));
	return len + n;
}

void flo__log_write(const struct flo__log *log, flo_log_level level,
		    const char *message, const flo_log_field *fields,
		    size_t fields_len)
{
	flo_log_field all[FLO__LOG_FIELDS_MAX];
	flo_log_record record = {flo__time_now_us(), level, message, fields,
				 fields_len};
	size_t len;

	REQUIRE(flo__log_wants(log, level));
	len = gather(log, all);
	if (len != 0) {
		if (fields_len > FLO__LOG_FIELDS_MAX - len)
			fields_len = FLO__LOG_FIELDS_MAX - len;
		if (fields_len != 0)
			memcpy(all + len, fields, fields_len * sizeof(*all));
		record.fields = all;
		record.fields_len = len + fields_len;
	}
	log->sink.write(log->sink.arg, &record);
}
