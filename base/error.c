#include <flo/error.h>

#include "base/utf8.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Show that a text was cut: its last characters become "...". */
static void mark_cut(char *text, size_t size)
{
	size_t at = size - 4;

	/* Not inside a character of UTF-8, which has three tails at most. */
	while (at > size - 7 && (text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, "...", 4);
}

void flo_error_clear(flo_error *err)
{
	if (err != NULL)
		*err = (flo_error)FLO_ERROR_INIT;
}

flo_status flo_error_setv(flo_error *err, flo_status status, const char *format,
			  va_list args)
{
	int len;

	if (err == NULL || err->status != FLO_OK)
		return status;
	err->status = status;
	len = vsnprintf(err->text, sizeof(err->text), format, args);
	if (len >= (int)sizeof(err->text))
		mark_cut(err->text, sizeof(err->text));
	/* What it names may have been cut, or be no text at all. */
	flo__utf8_tidy(err->text);
	return status;
}

flo_status flo_error_set(flo_error *err, flo_status status, const char *format,
			 ...)
{
	va_list args;

	va_start(args, format);
	flo_error_setv(err, status, format, args);
	va_end(args);
	return status;
}

static flo_status status_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM:
		return FLO_NOMEM;
	case ENOSPC:
	case EDQUOT:
		return FLO_FULL;
	case EROFS:
		return FLO_READONLY;
	case ENOENT:
		return FLO_NOTFOUND;
	default:
		return FLO_SYSTEM;
	}
}

flo_status flo_error_sys(flo_error *err, int errnum, const char *format, ...)
{
	flo_status status = status_of_errno(errnum);
	size_t len;
	va_list args;

	if (err == NULL || err->status != FLO_OK)
		return status;
	va_start(args, format);
	flo_error_setv(err, status, format, args);
	va_end(args);
	err->code = errnum;
	len = strlen(err->text);
	snprintf(err->text + len, sizeof(err->text) - len, ": %s",
		 strerror(errnum));
	flo__utf8_tidy(err->text);
	return status;
}

void flo_error_prefix(flo_error *err, const char *format, ...)
{
	char old[FLO_ERROR_TEXT_MAX];
	size_t len;
	va_list args;

	if (err == NULL || err->status == FLO_OK)
		return;
	memcpy(old, err->text, sizeof(old));
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	len = strlen(err->text);
	if (snprintf(err->text + len, sizeof(err->text) - len, ": %s", old) >=
	    (int)(sizeof(err->text) - len))
		mark_cut(err->text, sizeof(err->text));
	flo__utf8_tidy(err->text);
}

void flo_error_place(flo_error *err, int line, int column)
{
	if (err == NULL)
		return;
	err->line = line;
	err->column = column;
}
