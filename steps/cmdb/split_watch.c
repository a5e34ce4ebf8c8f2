/* Values outside the records that somebody wants: a cursor, the next page. */
#include "steps/cmdb/split_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* Records lie at @node or above it. */
static bool meets_records(const struct flo__pointer *node)
{
	for (const struct flo__pointer *up = node; up != NULL; up = up->parent)
		if ((up->marks & RECORDS) != 0)
			return true;
	return false;
}

flo_status flo__split_watch(struct flo__split *split, const char *pointer,
			    flo_error *err, size_t *ret_place)
{
	struct flo__pointer *node = NULL;
	flo_status st;

	REQUIRE(split->buf == NULL && split->seen_len < FLO__SPLIT_WATCH_MAX);
	st = flo__pointer_add(&split->root, pointer, strlen(pointer), err,
			      &node);
	if (st != FLO_OK)
		return st;
	if (meets_records(node))
		return flo_error_set(err, FLO_INVALID,
				     "\"%s\" is where \"records\" says that "
				     "records are; a value beside them is "
				     "wanted",
				     pointer);
	if ((node->marks & WATCHED) == 0)
		node->marks |=
			WATCHED | (unsigned)(split->seen_len++ << WATCH_SHIFT);
	*ret_place = node->marks >> WATCH_SHIFT;
	return FLO_OK;
}

flo_status flo__split_note(struct flo__split *split,
			   const struct flo__pointer *at, const char *text,
			   size_t len, flo_error *err)
{
	char **seen = &split->seen[at->marks >> WATCH_SHIFT];
	bool again = *seen != NULL;
	char where[256];
	char *copy;

	flo__pointer_text(at, where, sizeof(where));
	if (len > FLO__SPLIT_WATCH_BYTES_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the value at \"%s\" has %zu bytes; %d "
				     "are allowed",
				     where, len, FLO__SPLIT_WATCH_BYTES_MAX);
	copy = flo__strndup(text, len);
	if (copy == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(*seen);
	*seen = copy;
	if (!again)
		return FLO_OK;
	return flo_error_set(
		err, FLO_SYNTAX,
		"the value at \"%s\" is there twice, again at byte "
		"%llu",
		where,
		(unsigned long long)(split->base + (split->keeping
							    ? split->keep
							    : split->at)));
}

/* A document that is one value, all of which is in the window. */
static void begin_text(struct flo__split *look, const char *text, size_t len)
{
	look->buf = (char *)text; /* only looked at: nothing is read into it */
	look->len = len;
	look->at = 0;
	look->eof = true;
	look->keeping = false;
	look->depth = 0;
	look->next_at = &look->root;
	look->want = WANT_VALUE;
}

flo_status flo__split_look(struct flo__split *look, const char *text,
			   size_t len, uint64_t number, uint64_t place,
			   flo_error *err)
{
	const char *record = NULL;
	size_t record_len = 0;
	flo_status st;

	REQUIRE(look->fd < 0 && look->buf == NULL);
	for (size_t i = 0; i < look->seen_len; i++) {
		flo__free(look->seen[i]);
		look->seen[i] = NULL;
	}
	begin_text(look, text, len);
	look->base = place;
	look->records = number;
	st = flo__split_next(look, err, &record, &record_len);
	INSIST(record == NULL);
	look->buf = NULL;
	look->len = 0;
	return st;
}

const char *flo__split_seen(const struct flo__split *split, size_t place)
{
	REQUIRE(place < split->seen_len);
	return split->seen[place];
}

bool flo__split_is_lines(const struct flo__split *split)
{
	return split->lines;
}
