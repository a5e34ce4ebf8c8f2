/*
 * Hiding values in text: every occurrence of one of a set of values becomes
 * "***", also in a stream whose pieces divide an occurrence.
 *
 * What is hidden: every byte that belongs to an occurrence of any value. Each
 * stretch of such bytes becomes one "***", so values that overlap or touch show
 * neither how many they were nor where one ends. Bytes are bytes: no encoding
 * is assumed, and a NUL is one like any other.
 *
 * Threads: a mask is immutable once it is ready, and then any; a stream is one
 * coroutine's at a time.
 *
 * The context of a native step has the mask of its run under flo__mask_key, if
 * the run has secrets.
 */
#ifndef FLO_BASE_MASK_H
#define FLO_BASE_MASK_H

#include <flo/status.h>

#include "base/strbuf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLO__MASK_TEXT "***"

/*
 * Forms and lines of a value that are shorter than this are not hidden by
 * themselves: "}" or "ab" would be found everywhere. The value itself always
 * is, however short.
 */
#define FLO__MASK_PART_MIN 4

struct flo__mask;

extern const char flo__mask_key;

/* Make an empty one. NULL without memory. */
struct flo__mask *flo__mask_new(void);
/* Another reference to @mask, for flo__mask_free(). NULL is allowed. */
struct flo__mask *flo__mask_ref(const struct flo__mask *mask);
/* Give a reference back; the last one frees, and overwrites what it knew. NULL
 * is allowed. */
void flo__mask_free(struct flo__mask *mask);

/*
 * Hide @len bytes (copied; 0: nothing happens) as they are, and nothing else.
 * Requires: not ready. FLO_NOMEM; FLO_LIMIT: more bytes than one mask can take.
 */
flo_status flo__mask_add(struct flo__mask *mask, const char *bytes, size_t len);
/*
 * Hide a secret: the value, each line of it, and what they look like where
 * programs print them: escaped as JSON, a URL, XML or by a shell, and in
 * base64, also as a part of something longer. See mask_forms.c. As
 * flo__mask_add().
 */
flo_status flo__mask_add_secret(struct flo__mask *mask, const char *value,
				size_t len);
/* No more is added: make it ready for use. FLO_NOMEM. */
flo_status flo__mask_ready(struct flo__mask *mask);

/* Append @len bytes to @sb, with what is hidden in them hidden. */
void flo__mask_text(const struct flo__mask *mask, const char *bytes, size_t len,
		    struct flo__strbuf *sb);
/*
 * What stands in @bytes from @at on, @max bytes of it, with what is hidden in
 * all @len of them hidden: of a value that is cut, in front or behind, nothing
 * is shown. At their end a beginning of at least FLO__MASK_PART_MIN bytes is
 * taken for one. What is not needed to know that is not read. Without a @mask
 * (NULL) nothing is hidden.
 */
void flo__mask_excerpt(const struct flo__mask *mask, const char *bytes,
		       size_t len, size_t at, size_t max,
		       struct flo__strbuf *sb);
/*
 * As flo__mask_text(), for a text that may quote a value cut short: a beginning
 * of at least @part_min bytes is hidden wherever it stands, and one of at least
 * FLO__MASK_PART_MIN where quotations end: at the end of the text, or before a
 * quotation mark, a semicolon or an ellipsis.
 */
void flo__mask_quoting(const struct flo__mask *mask, const char *bytes,
		       size_t len, uint32_t part_min, struct flo__strbuf *sb);
/* How long the longest value in these bytes is; 0: there is none. */
size_t flo__mask_find(const struct flo__mask *mask, const char *bytes,
		      size_t len);

/*
 * Text that comes in pieces. What may be the beginning of a value is held back
 * until it is known, and nothing else is.
 */
struct flo__mask_stream {
	const struct flo__mask *mask; /* borrowed */
	uint32_t state;
	uint32_t part_min; /* see flo__mask_quoting(); 0: not that */
	bool inside;	   /* what was put out last was hidden */
	bool failed;	   /* without memory: nothing is put out any more */
	struct flo__strbuf held;
	/* Hidden stretches of what is held back, which neither overlap nor
	 * touch, in order; offsets into it. */
	struct flo__mask_span {
		size_t begin;
		size_t end;
	} * spans; /* owned */
	size_t spans_len, spans_cap;
};

void flo__mask_stream_init(struct flo__mask_stream *stream,
			   const struct flo__mask *mask);
/* Free what it owns, and overwrite it. */
void flo__mask_stream_fini(struct flo__mask_stream *stream);
/* Take @len bytes and append what is certain to @sb. Without memory @sb fails,
 * and nothing more comes out of the stream: it might have to be hidden. */
void flo__mask_stream_add(struct flo__mask_stream *stream, const char *bytes,
			  size_t len, struct flo__strbuf *sb);
/*
 * The text is over: append what was held back. @torn: it may have been cut off
 * where it ends, so the beginning of a value there is hidden, if it has at
 * least FLO__MASK_PART_MIN bytes. The stream begins anew.
 */
void flo__mask_stream_end(struct flo__mask_stream *stream, bool torn,
			  struct flo__strbuf *sb);

#endif
