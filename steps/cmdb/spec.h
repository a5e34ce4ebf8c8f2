/*
 * How the records of a source are told apart and compared: key, ignore and
 * unordered of cmdb.diff. Its text is stored beside the digests that were made
 * under it, so that digests of different specs are never compared.
 */
#ifndef FLO_CMDB_SPEC_H
#define FLO_CMDB_SPEC_H

#include "steps/cmdb/pointer.h"

#include <flo/value.h>

/* Pointers in a key, and in ignore and unordered together. */
#define FLO__SPEC_KEYS_MAX     16
#define FLO__SPEC_POINTERS_MAX 256

/* Marks of the pointers' tree. */
enum {
	FLO__SPEC_IGNORED = 1,
	FLO__SPEC_UNORDERED = 2
};

static inline bool flo__spec_ignores(const struct flo__pointer *at)
{
	return at != NULL && (at->marks & FLO__SPEC_IGNORED) != 0;
}

static inline bool flo__spec_is_set(const struct flo__pointer *at)
{
	return at != NULL && (at->marks & FLO__SPEC_UNORDERED) != 0;
}

struct flo__spec {
	struct flo__pointer root;
	const struct flo__pointer *key[FLO__SPEC_KEYS_MAX];
	size_t key_len;
	char *text; /* owned: JSON, the same for specs that mean the same */
};

/*
 * Make a spec of lists of pointers; @ignore and @unordered may be NULL.
 * FLO_INVALID, FLO_TYPE, FLO_SYNTAX, FLO_LIMIT, FLO_NOMEM.
 */
flo_status flo__spec_new(const flo_value *key, const flo_value *ignore,
			 const flo_value *unordered, flo_error *err,
			 struct flo__spec **ret_spec);

/* Read a spec that was stored. FLO_VERSION: made by another algorithm. */
flo_status flo__spec_read(const char *text, flo_error *err,
			  struct flo__spec **ret_spec);

void flo__spec_free(struct flo__spec *spec);

/* XXH3-128, in its canonical byte order: the same on every machine. */
struct flo__digest {
	unsigned char byte[16];
};

struct flo__digest flo__digest_of(const void *bytes, size_t len);

/* 32 hex digits and a NUL. */
#define FLO__DIGEST_TEXT_SIZE 33
void flo__digest_text(const struct flo__digest *digest,
		      char ret_text[FLO__DIGEST_TEXT_SIZE]);

#endif
