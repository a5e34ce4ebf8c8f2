#include "base/log.h"

#include "base/time.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>

static const char *const levels[] = {"debug", "info", "warn", "error"};
static const char *const levels_wide[] = {"DEBUG", "INFO ", "WARN ", "ERROR"};

#define LEVELS_LEN (sizeof(levels) / sizeof(levels[0]))

const char *flo_log_level_name(flo_log_level level)
{
	return (unsigned)level < LEVELS_LEN ? levels[level] : "unknown";
}

static void add_quoted(struct flo__strbuf *sb, const char *text)
{
	if (text == NULL)
		flo__strbuf_add(sb, "null", 4);
	else
		flo__strbuf_add_json(sb, text, strlen(text));
}

static void add_error(struct flo__strbuf *sb, const flo_error *err)
{
	if (err == NULL) {
		flo__strbuf_add(sb, "null", 4);
		return;
	}
	flo__strbuf_adds(sb, "{\"status\":");
	add_quoted(sb, flo_status_name(err->status));
	flo__strbuf_adds(sb, ",\"message\":");
	add_quoted(sb, err->text);
	if (err->code != 0)
		flo__strbuf_addf(sb, ",\"code\":%d", err->code);
	if (err->where[0] != '\0') {
		flo__strbuf_adds(sb, ",\"where\":");
		add_quoted(sb, err->where);
	}
	if (err->line != 0)
		flo__strbuf_addf(sb, ",\"line\":%d,\"column\":%d", err->line,
				 err->column);
	flo__strbuf_addc(sb, '}');
}

/* Milliseconds with three decimals, none where they are 0. */
static void add_ms(struct flo__strbuf *sb, uint64_t ns)
{
	uint64_t us = ns / 1000;

	flo__strbuf_add_int(sb, (int64_t)(us / 1000));
	if (us % 1000 != 0)
		flo__strbuf_addf(sb, ".%03u", (unsigned)(us % 1000));
}

static void add_json_value(struct flo__strbuf *sb, const flo_log_field *field)
{
	switch (field->type) {
	case FLO_LOG_TYPE_STR:
		add_quoted(sb, field->of.str);
		break;
	case FLO_LOG_TYPE_I64:
		flo__strbuf_add_int(sb, field->of.i64);
		break;
	case FLO_LOG_TYPE_U64:
		flo__strbuf_addf(sb, "%" PRIu64, field->of.u64);
		break;
	case FLO_LOG_TYPE_F64:
		flo__strbuf_add_double(sb, field->of.f64);
		break;
	case FLO_LOG_TYPE_BOOL:
		flo__strbuf_adds(sb, field->of.boolean ? "true" : "false");
		break;
	case FLO_LOG_TYPE_DURATION:
		add_ms(sb, field->of.u64);
		break;
	case FLO_LOG_TYPE_ERROR:
		add_error(sb, field->of.error);
		break;
	}
}

static void add_json_field(struct flo__strbuf *sb, const flo_log_field *field)
{
	flo__strbuf_addc(sb, ',');
	add_quoted(sb, field->key);
	if (field->type == FLO_LOG_TYPE_DURATION && !sb->failed) {
		flo__strbuf_cut(sb, sb->len - 1);
		flo__strbuf_adds(sb, "_ms\"");
	}
	flo__strbuf_addc(sb, ':');
	add_json_value(sb, field);
}

void flo__log_json(const flo_log_record *record, struct flo__strbuf *sb)
{
	char time[FLO__RFC3339_SIZE];

	flo__time_rfc3339(record->time_us, time);
	flo__strbuf_adds(sb, "{\"ts\":\"");
	flo__strbuf_adds(sb, time);
	flo__strbuf_adds(sb, "\",\"level\":\"");
	flo__strbuf_adds(sb, flo_log_level_name(record->level));
	flo__strbuf_adds(sb, "\",\"msg\":");
	add_quoted(sb, record->message);
	for (size_t i = 0; i < record->fields_len; i++)
		add_json_field(sb, &record->fields[i]);
	flo__strbuf_addc(sb, '}');
}

/* Control characters (C0, DEL, C1) and what is no UTF-8 (0 bytes) */
static bool is_harmful(uint32_t code, size_t bytes)
{
	return bytes == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* Whether @text reads well without quotes. */
static bool is_word(const char *text, size_t len)
{
	uint32_t code = 0;
	size_t n;

	for (size_t at = 0; at < len; at += n) {
		n = flo__utf8_next(text + at, len - at, &code);
		if (is_harmful(code, n) || code == ' ' || code == '"' ||
		    code == '\\' || code == '=')
			return false;
	}
	return len != 0;
}

/* Text for a terminal: as it is if that is harmless, else quoted. */
static void add_visible(struct flo__strbuf *sb, const char *text)
{
	size_t len = strlen(text);
	uint32_t code = 0;
	size_t n;

	if (is_word(text, len)) {
		flo__strbuf_add(sb, text, len);
		return;
	}
	flo__strbuf_addc(sb, '"');
	for (size_t at = 0; at < len; at += n) {
		n = flo__utf8_next(text + at, len - at, &code);
		if (code == '\n' && n != 0)
			flo__strbuf_adds(sb, "\\n");
		else if (is_harmful(code, n))
			flo__strbuf_addf(sb, "\\x%02x",
					 n != 0 ? (unsigned)code
						: (unsigned char)text[at]);
		else if (code == '"' || code == '\\')
			flo__strbuf_addf(sb, "\\%c", (char)code);
		else
			flo__strbuf_add(sb, text + at, n);
		n += n == 0;
	}
	flo__strbuf_addc(sb, '"');
}

static void add_console_value(struct flo__strbuf *sb,
			      const flo_log_field *field)
{
	char took[32];

	if (field->type == FLO_LOG_TYPE_STR && field->of.str != NULL) {
		add_visible(sb, field->of.str);
	} else if (field->type == FLO_LOG_TYPE_DURATION) {
		flo__duration_text(field->of.u64, took, sizeof(took));
		flo__strbuf_adds(sb, took);
	} else if (field->type == FLO_LOG_TYPE_ERROR &&
		   field->of.error != NULL) {
		add_visible(sb, field->of.error->text);
	} else {
		add_json_value(sb, field);
	}
}

void flo__log_console(const flo_log_record *record, struct flo__strbuf *sb)
{
	char time[FLO__RFC3339_SIZE]; /* 2026-11-22T03:12:44.000000Z */

	flo__time_rfc3339(record->time_us, time);
	flo__strbuf_add(sb, time + 11, 12);
	flo__strbuf_addc(sb, ' ');
	flo__strbuf_adds(sb, (unsigned)record->level < LEVELS_LEN
				     ? levels_wide[record->level]
				     : "?    ");
	flo__strbuf_addc(sb, ' ');
	flo__strbuf_adds(sb, record->message);
	for (size_t i = 0; i < record->fields_len; i++) {
		flo__strbuf_adds(sb, i == 0 ? "  " : " ");
		flo__strbuf_adds(sb, record->fields[i].key);
		flo__strbuf_addc(sb, '=');
		add_console_value(sb, &record->fields[i]);
	}
}

static char *encode(const flo_log_record *record,
		    void (*encoder)(const flo_log_record *,
				    struct flo__strbuf *))
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *text;

	encoder(record, &sb);
	text = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return text;
}

char *flo_log_json(const flo_log_record *record)
{
	return encode(record, flo__log_json);
}

char *flo_log_console(const flo_log_record *record)
{
	return encode(record, flo__log_console);
}
