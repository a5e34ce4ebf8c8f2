/*
 * A growing string of bytes.
 *
 * Invariants: data is never NULL and data[len] is 0 (an empty buffer points to
 * a shared empty string). A failed append sets `failed` and changes nothing
 * else, so that a series of appends is checked once, at its end.
 */
#ifndef FLO_BASE_STRBUF_H
#define FLO_BASE_STRBUF_H

#include <flo/status.h>

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flo__strbuf {
	char *data;
	size_t len;
	size_t cap;  /* bytes owned at data; 0: data is the shared empty one */
	bool failed; /* an append ran out of memory */
	bool mended; /* a text for JSON was no UTF-8 */
};

extern char flo__strbuf_empty[1];

#define FLO__STRBUF_INIT                                                       \
	{                                                                      \
		flo__strbuf_empty, 0, 0, false, false                          \
	}

/* Start empty, owning nothing. */
void flo__strbuf_init(struct flo__strbuf *sb);
/* Free what it owns and make it empty again. */
void flo__strbuf_fini(struct flo__strbuf *sb);
/* Forget the content and what has failed, keep the memory. */
void flo__strbuf_reset(struct flo__strbuf *sb);
/* Make room for @extra more bytes. */
bool flo__strbuf_reserve(struct flo__strbuf *sb, size_t extra);

void flo__strbuf_add(struct flo__strbuf *sb, const void *bytes, size_t len);
void flo__strbuf_adds(struct flo__strbuf *sb, const char *text);
void flo__strbuf_addc(struct flo__strbuf *sb, char c);
void flo__strbuf_addf(struct flo__strbuf *sb, const char *format, ...)
	FLO_PRINTF(2, 3);
void flo__strbuf_addv(struct flo__strbuf *sb, const char *format, va_list args)
	FLO_PRINTF(2, 0);
/* Cut to @len bytes. Requires: @len <= sb->len. */
void flo__strbuf_cut(struct flo__strbuf *sb, size_t len);

/* FLO_NOMEM if any append failed since init or reset, else FLO_OK. */
flo_status flo__strbuf_status(const struct flo__strbuf *sb);

/*
 * Take the string out as memory of its own (flo__free()), leaving the buffer
 * empty. NULL if an append failed or there is no memory for an empty string;
 * then it owns nothing any more either, and its status stays FLO_NOMEM.
 */
char *flo__strbuf_take(struct flo__strbuf *sb);

/*
 * JSON text (RFC 8259): a quoted and escaped string, where what is no UTF-8
 * becomes U+FFFD; integers; a real number.
 */
void flo__strbuf_add_json(struct flo__strbuf *sb, const char *text, size_t len);
void flo__strbuf_add_int(struct flo__strbuf *sb, int64_t n);
/* Shortest decimal that reads back as @d, always with a '.' or an exponent. */
void flo__strbuf_add_double(struct flo__strbuf *sb, double d);
/* One word of a shell, between quotes where it needs them. */
void flo__strbuf_add_shell(struct flo__strbuf *sb, const char *word);

#endif
