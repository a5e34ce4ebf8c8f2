/* One record: its text, its digests, and what two of them differ in. */
#ifndef FLO_CMDB_RECORD_H
#define FLO_CMDB_RECORD_H

#include "steps/cmdb/spec.h"
#include "steps/cmdb/tape.h"

/*
 * Read a record's text as JSON. Integers beyond 64 bits are kept exactly, as
 * strings that begin with FLO__RECORD_HUGE and the digits. No string of the
 * record's own can begin so, as NUL is refused in them.
 *
 * FLO_SYNTAX (no object, or not JSON), FLO_NOMEM. *@ret_json: json_decref().
 */
#define FLO__RECORD_HUGE "\0integer:"
flo_status flo__record_load(const char *text, size_t len, flo_error *err,
			    json_t **ret_json);

/* What a look at the bytes of a record tells; they need not be JSON. */
struct flo__shape {
	size_t depth; /* how deep it nests, if it is JSON */
	bool spaced;  /* there is space between its tokens */
};
struct flo__shape flo__record_look(const char *text, size_t len);

/*
 * As flo__record_load(), with the tree as @reader keeps it; @depth is that of
 * its shape. FLO_LIMIT too: more than FLO__RECORD_DEPTH_MAX.
 */
flo_status flo__record_read(struct flo__json_reader *reader, const char *text,
			    size_t len, size_t depth, flo_error *err,
			    const json_t **ret_json);

/* Append the record without the space between its tokens: one line. */
void flo__record_compact(const char *text, size_t len, struct flo__strbuf *sb);

/*
 * Append @json in the canonical form that digests are made of, as @at (where
 * in @spec's pointers @json lies; NULL: nowhere) says: without what is ignored,
 * unordered arrays as sets. Requires: nested FLO__RECORD_DEPTH_MAX deep at most.
 */
void flo__record_canonical(const json_t *json, const struct flo__pointer *at,
			   struct flo__strbuf *sb);

/* The same of the value at place @i of a record's tape. */
void flo__tape_canonical(const struct flo__tape *tape, size_t i,
			 const struct flo__pointer *at, struct flo__strbuf *sb);

/* What a diff wants to know of a record. */
struct flo__identity {
	struct flo__digest key;
	struct flo__digest body;
	unsigned present; /* bit i: key i is there and not null */
};

/* @scratch is the caller's to lend; its content is lost. FLO_NOMEM. */
flo_status flo__tape_identify(const struct flo__tape *tape,
			      const struct flo__spec *spec,
			      struct flo__strbuf *scratch,
			      struct flo__identity *ret_identity);

/* Append the key as people see it: a JSON array of its parts. */
void flo__record_key_text(const json_t *record, const struct flo__spec *spec,
			  struct flo__strbuf *sb);
/* Append one part of it; NULL is null. */
void flo__record_part_text(const json_t *part, struct flo__strbuf *sb);
/*
 * As flo__record_key_text() of a record's tape. False, with anything appended:
 * a part is a container, or a real that is not whole, for which it takes the
 * record's tree.
 */
bool flo__tape_key_text(const struct flo__tape *tape,
			const struct flo__spec *spec, struct flo__strbuf *sb);

/*
 * Append the pointers of the leaves that differ, as a JSON array, to @sb, and
 * call @field for each top-level field that differs. Where more than
 * FLO__RECORD_LEAVES_MAX leaves differ, only top-level fields are named.
 */
#define FLO__RECORD_LEAVES_MAX 1000
flo_status flo__record_compare(const json_t *before, const json_t *after,
			       const struct flo__spec *spec,
			       void (*field)(void *arg, const char *name),
			       void *arg, struct flo__strbuf *sb);

#endif
