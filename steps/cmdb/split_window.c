/* The window that slides over the stream. */
#include "steps/cmdb/split_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Bytes in front of what is needed that stay as well where secrets are hidden:
 * what an error quotes may begin within one. */
#define BEHIND (64u << 10)

static size_t needless(const struct flo__split *split)
{
	size_t drop = split->keeping ? split->keep : split->at;

	if (split->mask == NULL)
		return drop;
	return drop > BEHIND ? drop - BEHIND : 0;
}

static flo_status make_room(struct flo__split *split, flo_error *err)
{
	size_t drop = needless(split);
	size_t cap = split->cap;
	size_t from;
	char *buf;

	memmove(split->buf, split->buf + drop, split->len - drop);
	split->base += drop;
	split->len -= drop;
	split->at -= drop;
	split->keep -= split->keeping ? drop : 0;
	if (split->len + split->window <= cap)
		return FLO_OK;
	from = split->keeping ? split->keep : split->at;
	if (split->len - from > FLO__RECORD_BYTES_MAX)
		return flo_error_set(
			err, FLO_LIMIT,
			"record %llu (%s) is larger than %u bytes",
			(unsigned long long)split->records + 1,
			flo__split_spot(split, split->base + from).text,
			FLO__RECORD_BYTES_MAX);
	cap = cap != 0 ? cap * 2 : split->window * 2;
	buf = flo__realloc(split->buf, cap);
	if (buf == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	split->buf = buf;
	split->cap = cap;
	return FLO_OK;
}

void flo__split_heed(struct flo__split *split, flo_context *context)
{
	split->context = context;
}

void flo__split_hide(struct flo__split *split, const struct flo__mask *mask)
{
	split->mask = mask;
}

/* A document may have gigabytes, and none of them in a record. */
static flo_status check_context(const struct flo__split *split, flo_error *err)
{
	flo_error cause = FLO_ERROR_INIT;
	flo_status st = FLO_OK;

	if (split->context != NULL)
		st = flo_context_cause(split->context, &cause);
	if (st == FLO_OK)
		return FLO_OK;
	return flo_error_set(err, st, "%s",
			     cause.text[0] != '\0' ? cause.text
						   : flo_status_text(st));
}

static flo_status make_buffer(struct flo__split *split, flo_error *err)
{
	if (split->buf != NULL)
		return FLO_OK;
	split->buf = flo__malloc(split->window * 2);
	if (split->buf == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	split->cap = split->window * 2;
	return FLO_OK;
}

flo_status flo__split_fill(struct flo__split *split, flo_error *err)
{
	flo_status st;
	ssize_t n;

	if (split->eof)
		return FLO_OK;
	TRY(check_context(split, err));
	TRY(make_buffer(split, err));
	TRY(make_room(split, err));
	do
		n = read(split->fd, split->buf + split->len, split->window);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return flo_error_sys(err, errno, "read");
	split->eof = n == 0;
	split->len += (size_t)n;
out:
	return st;
}
