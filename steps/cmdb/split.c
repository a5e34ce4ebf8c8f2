/*
 * Note: the machine.
 *
 * One window slides over the stream. `at` is the next byte to look at; bytes
 * from `keep` on stay when the window is filled again (a key or a record that
 * is being read), so all that is remembered across a fill is offsets from it.
 *
 * Outside records a push-down machine reads JSON token by token: `want` says
 * what may come next, `frame` is the stack of open containers with the pointer
 * each stands for (NULL where no pointer leads). In an array that a pointer
 * names, the machine does not read values: take_record() looks for the end of
 * each, which is the fast path: one table look-up a byte, and sixteen bytes
 * at once inside strings.
 *
 * Of NDJSON not even that is needed: a line end is never inside a string, so a
 * line is a record or is broken. Who knows the very bytes of the line knows that
 * they are a record; for all others flo__split_check_line() finds out, which
 * may be done beside the reading.
 *
 * Refused: mapping the file (a file that shrinks while it is read is a SIGBUS,
 * and a pipe cannot be mapped), and json_load_callback() (with
 * JSON_DISABLE_EOF_CHECK it reads past the record's end, silently).
 */
#include "steps/cmdb/split_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/batch.h"
#include "steps/cmdb/scan.h"

#include <string.h>

/* Life */

static flo_status add_target(struct flo__split *split, const char *text,
			     flo_error *err)
{
	struct flo__pointer *node = NULL;
	flo_status st;

	st = flo__pointer_add(&split->root, text, strlen(text), err, &node);
	if (st == FLO_OK)
		node->marks |= RECORDS;
	return st;
}

/* No array of records may lie inside another one's. */
static flo_status check_targets(const struct flo__pointer *node, flo_error *err)
{
	char text[256];
	flo_status st = FLO_OK;

	if ((node->marks & RECORDS) != 0 && node->child != NULL) {
		flo__pointer_text(node, text, sizeof(text));
		return flo_error_set(err, FLO_INVALID,
				     "\"records\" names \"%s\" and something "
				     "inside it; name one of them",
				     text);
	}
	for (node = node->child; st == FLO_OK && node; node = node->next)
		st = check_targets(node, err);
	return st;
}

flo_status flo__split_new(int fd, const char *const *records,
			  size_t records_len, size_t window, flo_error *err,
			  struct flo__split **ret_split)
{
	struct flo__split *split = flo__calloc(1, sizeof(*split));
	flo_status st = FLO_OK;

	if (split == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	split->fd = fd;
	split->want = records_len == 0 ? WANT_START : WANT_VALUE;
	split->next_at = &split->root;
	split->window = window != 0 ? window : FLO__SPLIT_WINDOW;
	for (size_t i = 0; st == FLO_OK && i < records_len; i++)
		st = add_target(split, records[i], err);
	if (st == FLO_OK)
		st = check_targets(&split->root, err);
	if (st == FLO_OK)
		*ret_split = split;
	else
		flo__split_free(split);
	return st;
}

void flo__split_free(struct flo__split *split)
{
	if (split == NULL)
		return;
	flo__pointer_fini(&split->root);
	for (size_t i = 0; i < split->seen_len; i++)
		flo__free(split->seen[i]);
	flo__free(split->buf);
	flo__free(split);
}

uint64_t flo__split_bytes(const struct flo__split *split)
{
	return split->base + split->len;
}

uint64_t flo__split_records(const struct flo__split *split)
{
	return split->records;
}

uint64_t flo__split_line(const struct flo__split *split)
{
	return split->lines ? split->newlines + 1 : 0;
}

uint64_t flo__split_place(const struct flo__split *split)
{
	return split->record_at;
}

void flo__split_trust_lines(struct flo__split *split)
{
	REQUIRE(split->want == WANT_START || split->want == WANT_VALUE);
	split->trust_lines = true;
}

bool flo__split_trusted(const struct flo__split *split)
{
	return split->trusted;
}

/* The window */

static void keep_from_here(struct flo__split *split)
{
	split->keep = split->at;
	split->keeping = true;
}

static flo_status skip_space(struct flo__split *split, flo_error *err,
			     int *ret_c)
{
	flo_status st;

	for (;;) {
		st = flo__split_peek(split, err, ret_c);
		if (st != FLO_OK)
			return st;
		if (*ret_c != ' ' && *ret_c != '\n' && *ret_c != '\r' &&
		    *ret_c != '\t')
			return FLO_OK;
		split->newlines += *ret_c == '\n';
		split->at++;
	}
}

/* The way to the records */

static flo_status push(struct flo__split *split, bool object, flo_error *err)
{
	if (split->depth == FLO__RECORD_DEPTH_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the document nests deeper than %d "
				     "levels at byte %llu",
				     FLO__RECORD_DEPTH_MAX,
				     (unsigned long long)(split->base +
							  split->at));
	split->frame[split->depth++] = (struct flo__frame){
		.at = split->next_at,
		.object = object,
	};
	split->at++;
	return FLO_OK;
}

static void pop(struct flo__split *split)
{
	split->at++;
	split->depth--;
	split->want = split->depth != 0 ? WANT_AFTER : WANT_END;
}

/* Begin an array of records; the tree is ours, so its marks may change. */
static flo_status enter_records(struct flo__split *split, int c, flo_error *err)
{
	struct flo__pointer *node = (struct flo__pointer *)split->next_at;

	if (c != '[')
		return flo__split_unexpected(split, c, "the array of records",
					     err);
	if ((node->marks & FOUND) != 0)
		return flo_error_set(err, FLO_SYNTAX,
				     "the member that \"records\" names is "
				     "there twice, again at byte %llu",
				     (unsigned long long)(split->base +
							  split->at));
	node->marks |= FOUND;
	split->want = WANT_RECORD_OR_END;
	return push(split, false, err);
}

static flo_status take_watched(struct flo__split *split, int c, flo_error *err)
{
	const struct flo__pointer *at = split->next_at;
	flo_status st;

	keep_from_here(split);
	st = flo__split_skip_scalar(split, c, err);
	if (st == FLO_OK)
		st = flo__split_note(split, at, split->buf + split->keep,
				     split->at - split->keep, err);
	split->keeping = false;
	return st;
}

static flo_status take_value(struct flo__split *split, int c, flo_error *err)
{
	const struct flo__pointer *at = split->next_at;
	bool watched = at != NULL && (at->marks & WATCHED) != 0;
	flo_status st;

	if (at != NULL && (at->marks & RECORDS) != 0)
		return enter_records(split, c, err);
	if (c == '{' || c == '[') {
		if (watched)
			TRY(flo__split_note(split, at, c == '{' ? "{" : "[", 1,
					    err));
		split->want = c == '{' ? WANT_MEMBER : WANT_ITEM;
		st = push(split, c == '{', err);
		split->next_at = flo__pointer_item(at, 0);
		return st;
	}
	st = watched ? take_watched(split, c, err)
		     : flo__split_skip_scalar(split, c, err);
	split->want = split->depth != 0 ? WANT_AFTER : WANT_END;
out:
	return st;
}

/* The pointer's child for a key as it is written in the document. */
static flo_status find_member(const struct flo__pointer *at, const char *quoted,
			      size_t len, flo_error *err,
			      const struct flo__pointer **ret)
{
	json_t *key = NULL;
	flo_status st;

	if (memchr(quoted, '\\', len) == NULL) {
		*ret = flo__pointer_member(at, quoted + 1, len - 2);
		return FLO_OK;
	}
	st = flo__json_load(quoted, len, JSON_DECODE_ANY, err, &key);
	if (st != FLO_OK)
		return st;
	*ret = flo__pointer_member(at, json_string_value(key),
				   json_string_length(key));
	flo__json_free(key);
	return FLO_OK;
}

static flo_status take_key(struct flo__split *split, int c, flo_error *err)
{
	const struct flo__pointer *at = split->frame[split->depth - 1].at;
	flo_status st;

	if (c != '"')
		return flo__split_unexpected(split, c, "a key", err);
	split->next_at = NULL;
	if (at != NULL && at->child != NULL)
		keep_from_here(split);
	split->at++;
	st = flo__split_skip_string(split, err);
	if (st == FLO_OK && split->keeping)
		st = find_member(at, split->buf + split->keep,
				 split->at - split->keep, err, &split->next_at);
	split->keeping = false;
	split->want = WANT_COLON;
	return st;
}

static flo_status take_after(struct flo__split *split, int c, flo_error *err)
{
	struct flo__frame *top = &split->frame[split->depth - 1];

	if (c == (top->object ? '}' : ']')) {
		pop(split);
		return FLO_OK;
	}
	if (c != ',')
		return flo__split_unexpected(split, c,
					     top->object ? "',' or '}'"
							 : "',' or ']'",
					     err);
	split->at++;
	top->index++;
	if (top->object)
		split->want = WANT_KEY;
	else if (top->at != NULL && (top->at->marks & RECORDS) != 0)
		split->want = WANT_RECORD;
	else
		split->want = WANT_VALUE;
	if (split->want == WANT_VALUE)
		split->next_at = flo__pointer_item(top->at, top->index);
	return FLO_OK;
}

/* Records */

enum byte_class {
	PLAIN,
	QUOTE,
	ESCAPE,
	OPEN,
	CLOSE,
	LINE
};

static const unsigned char class_of[256] = {
	['"'] = QUOTE, ['\\'] = ESCAPE, ['{'] = OPEN,  ['['] = OPEN,
	['}'] = CLOSE, [']'] = CLOSE,	['\n'] = LINE,
};

/* How far the look for a record's end has come. */
struct extent {
	unsigned depth;
	bool quoted;
	bool escaped; /* the next byte belongs to a '\\' */
	bool one_line;
	bool broken; /* a line end within a record of NDJSON */
};

/*
 * Look through bytes [@from, @to) and return the index after the record's
 * last byte, or @to if it does not end there.
 */
static size_t scan_record(struct extent *ext, const char *buf, size_t from,
			  size_t to)
{
	size_t i = from;

	while (i < to) {
		unsigned char class;

		if (ext->escaped) {
			ext->escaped = false;
			i++;
			continue;
		}
		if (ext->quoted)
			i = flo__scan_string(buf, i, to);
		if (i == to)
			break;
		class = class_of[(unsigned char)buf[i++]];
		if (class == PLAIN)
			continue;
		if (class == QUOTE) {
			ext->quoted = !ext->quoted;
		} else if (class == ESCAPE) {
			ext->escaped = ext->quoted;
		} else if (class == LINE) {
			ext->broken = ext->one_line;
			if (ext->broken)
				return i;
		} else if (!ext->quoted) {
			ext->depth += class == OPEN ? 1u : -1u;
			if (ext->depth == 0 ||
			    ext->depth > FLO__RECORD_DEPTH_MAX)
				return i;
		}
	}
	return to;
}

static flo_status check_extent(const struct flo__split *split,
			       const struct extent *ext, flo_error *err)
{
	unsigned long long number = split->records + 1;
	struct flo__split_spot at = flo__split_spot(split, split->record_at);

	if (ext->broken)
		return flo_error_set(err, FLO_SYNTAX,
				     "record %llu (%s) does not end on "
				     "its line: a document that begins with "
				     "'{' is read as one record a line; if "
				     "records lie inside it, name the place "
				     "with \"records\"",
				     number, at.text);
	if (ext->depth > FLO__RECORD_DEPTH_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "record %llu (%s) nests deeper than %d "
				     "levels",
				     number, at.text, FLO__RECORD_DEPTH_MAX);
	if (split->eof && (ext->depth != 0 || ext->quoted))
		return flo_error_set(err, FLO_SYNTAX,
				     "the document ends inside record %llu, "
				     "which begins at %s: was it cut off?",
				     number, at.text);
	return FLO_OK;
}

static flo_status check_length(const struct flo__split *split, size_t len,
			       flo_error *err)
{
	if (len <= FLO__RECORD_BYTES_MAX)
		return FLO_OK;
	return flo_error_set(err, FLO_LIMIT,
			     "record %llu (%s) is larger than %u bytes",
			     (unsigned long long)split->records,
			     flo__split_spot(split, split->record_at).text,
			     FLO__RECORD_BYTES_MAX);
}

/* The record that begins here: all of it lies in the window afterwards. */
static flo_status take_record(struct flo__split *split, bool one_line,
			      flo_error *err, size_t *ret_len)
{
	struct extent ext = {.one_line = one_line};
	flo_status st = FLO_OK;

	split->record_at = split->base + split->at;
	keep_from_here(split);
	do {
		if (split->at == split->len)
			TRY(flo__split_fill(split, err));
		split->at =
			scan_record(&ext, split->buf, split->at, split->len);
		TRY(check_extent(split, &ext, err));
	} while (ext.depth != 0);
	*ret_len = split->at - split->keep;
	split->records++;
	st = check_length(split, *ret_len, err);
out:
	split->keeping = false;
	return st;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/*
 * The line that begins here, if all of it lies in the window then. The last
 * one, without an end, is for take_record(), which can say what it lacks.
 */
static flo_status take_trusted(struct flo__split *split, flo_error *err,
			       size_t *ret_len)
{
	size_t looked = 0;
	const char *end = NULL;
	flo_status st = FLO_OK;

	keep_from_here(split);
	while (!split->eof && end == NULL) {
		const char *from = split->buf + split->at + looked;

		end = memchr(from, '\n', split->len - split->at - looked);
		looked = split->len - split->at;
		if (end == NULL)
			TRY(flo__split_fill(split, err));
	}
	split->trusted = end != NULL;
	if (end == NULL)
		goto out;
	while (is_blank(end[-1]))
		end--;
	split->record_at = split->base + split->at;
	*ret_len = (size_t)(end - (split->buf + split->at));
	split->at += *ret_len;
	split->records++;
out:
	split->keeping = false;
	return st;
}

flo_status flo__split_check_line(const char *text, size_t len,
				 const struct flo__place *place,
				 const struct flo__mask *mask, flo_error *err)
{
	/* Only looked at: it is for the place and for what is there. */
	struct flo__split at = {.buf = (char *)text,
				.mask = mask,
				.len = len,
				.base = place->byte,
				.record_at = place->byte,
				.lines = place->line != 0,
				.newlines = place->line - 1,
				.records = place->number - 1};
	struct extent ext = {.one_line = true};
	flo_status st;

	at.at = scan_record(&ext, text, 0, len);
	ext.broken = ext.depth != 0 && ext.depth <= FLO__RECORD_DEPTH_MAX;
	st = check_extent(&at, &ext, err);
	if (st != FLO_OK)
		return st;
	at.records = place->number;
	while (at.at < len && is_blank(text[at.at]))
		at.at++;
	if (at.at == len)
		return FLO_OK;
	return flo__split_unexpected(&at, (unsigned char)text[at.at],
				     "the end of the record's line", err);
}

static flo_status take_item_record(struct flo__split *split, int c,
				   flo_error *err, size_t *ret_len)
{
	if (c == ']' && split->want == WANT_RECORD_OR_END) {
		pop(split);
		return FLO_OK;
	}
	if (c != '{')
		return flo__split_unexpected(split, c, "a record (an object)",
					     err);
	split->want = WANT_AFTER;
	return take_record(split, false, err, ret_len);
}

/* NDJSON: the rest of the line that a record has left is space. */
static flo_status end_line(struct flo__split *split, flo_error *err)
{
	flo_status st;
	int c = ' ';

	while (c == ' ' || c == '\t' || c == '\r') {
		TRY(flo__split_peek(split, err, &c));
		if (c == '\n' || c < 0)
			return FLO_OK;
		split->at++;
	}
	split->at--;
	st = flo__split_unexpected(split, c, "the end of the record's line",
				   err);
out:
	return st;
}

static flo_status take_line(struct flo__split *split, int c, flo_error *err,
			    size_t *ret_len)
{
	flo_status st;

	if (c < 0) {
		split->want = WANT_NOTHING;
		return FLO_OK;
	}
	if (c != '{')
		return flo__split_unexpected(split, c, "a record (an object)",
					     err);
	split->trusted = false;
	if (split->trust_lines)
		TRY(take_trusted(split, err, ret_len));
	if (!split->trusted)
		return take_record(split, true, err, ret_len);
	st = check_length(split, *ret_len, err);
out:
	return st;
}

/* All of it */

static flo_status all_found(const struct flo__pointer *node, flo_error *err)
{
	char text[256];
	flo_status st = FLO_OK;

	if ((node->marks & (RECORDS | FOUND)) == RECORDS) {
		flo__pointer_text(node, text, sizeof(text));
		return flo_error_set(err, FLO_NOTFOUND,
				     "the document has nothing at \"%s\", "
				     "where \"records\" says that records are",
				     text);
	}
	for (node = node->child; st == FLO_OK && node; node = node->next)
		st = all_found(node, err);
	return st;
}

static flo_status take_start(struct flo__split *split, int c)
{
	split->lines = c != '[';
	split->want = split->lines ? WANT_LINE : WANT_VALUE;
	split->root.marks |= c == '[' ? RECORDS : 0;
	return FLO_OK;
}

static flo_status take_end(struct flo__split *split, int c, flo_error *err)
{
	if (c >= 0)
		return flo__split_unexpected(split, c, "the document's end",
					     err);
	split->want = WANT_NOTHING;
	return all_found(&split->root, err);
}

static flo_status take(struct flo__split *split, int c, flo_error *err,
		       size_t *ret_len)
{
	switch (split->want) {
	case WANT_START:
		return take_start(split, c);
	case WANT_MEMBER:
	case WANT_ITEM:
		if (c == (split->want == WANT_MEMBER ? '}' : ']')) {
			pop(split);
			return FLO_OK;
		}
		return split->want == WANT_MEMBER ? take_key(split, c, err)
						  : take_value(split, c, err);
	case WANT_KEY:
		return take_key(split, c, err);
	case WANT_COLON:
		if (c != ':')
			return flo__split_unexpected(split, c, "':'", err);
		split->at++;
		split->want = WANT_VALUE;
		return FLO_OK;
	case WANT_VALUE:
		return take_value(split, c, err);
	case WANT_AFTER:
		return take_after(split, c, err);
	case WANT_RECORD:
	case WANT_RECORD_OR_END:
		return take_item_record(split, c, err, ret_len);
	case WANT_LINE:
		return take_line(split, c, err, ret_len);
	case WANT_END:
	case WANT_NOTHING:
		break;
	}
	return take_end(split, c, err);
}

flo_status flo__split_next(struct flo__split *split, flo_error *err,
			   const char **ret_record, size_t *ret_len)
{
	size_t len = 0;
	flo_status st;
	int c = 0;

	if (split->want == WANT_LINE && split->records != 0)
		TRY(end_line(split, err));
	while (len == 0 && split->want != WANT_NOTHING) {
		TRY(skip_space(split, err, &c));
		TRY(take(split, c, err, &len));
	}
	*ret_record = len != 0 ? split->buf + split->at - len : NULL;
	*ret_len = len;
	st = FLO_OK;
out:
	return st;
}
