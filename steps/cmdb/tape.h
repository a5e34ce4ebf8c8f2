/*
 * A record as a row of tokens: what canonical forms and keys are made of,
 * whether it was read by plain.c, without a tree, or is a tree of jansson's.
 *
 * An object or array comes before what is in it, a member's key before its
 * value. Members are linked in the order of their keys' bytes, which is the
 * order of the canonical form; that of the text is forgotten.
 */
#ifndef FLO_CMDB_TAPE_H
#define FLO_CMDB_TAPE_H

#include "steps/cmdb/pointer.h"

enum flo__token_kind {
	FLO__TOKEN_NULL,
	FLO__TOKEN_FALSE,
	FLO__TOKEN_TRUE,
	FLO__TOKEN_INTEGER,
	FLO__TOKEN_REAL,
	FLO__TOKEN_STRING, /* a key, too */
	FLO__TOKEN_ARRAY,
	FLO__TOKEN_OBJECT,
};

struct flo__token {
	union {
		const char *text; /* of a string: borrowed, not terminated */
		int64_t integer;
		double real;
		size_t first; /* of an object: its first key; 0: it is empty */
	};
	size_t len; /* of a string; of an array its items */
	/* The place behind it and all that is in it. Of a key the next one in
	 * the object; 0: it is the last. The value follows its key. */
	uint32_t next;
	enum flo__token_kind kind;
};

struct flo__tape {
	struct flo__token *token; /* whose, says who made the tape */
	size_t len;
	size_t cap;
};

/* A member of an object that is not put in order yet. */
struct flo__ranked {
	uint64_t prefix; /* of its key, so that it compares as bytes do */
	size_t key;	 /* its place */
};
struct flo__ranked flo__ranked_of(const struct flo__tape *tape, size_t key);

/*
 * Sort the members of the object at @object and link them. False: two have one
 * key, and then the links are worth nothing.
 */
bool flo__tape_link(struct flo__tape *tape, size_t object,
		    struct flo__ranked *member, size_t len);

/*
 * Make the tape of a tree, whose strings it borrows. Its tokens go into @few,
 * if they are no more than @few_len, else into memory of their own, for
 * flo__tape_fini(). FLO_NOMEM.
 */
flo_status flo__tape_of_tree(const json_t *json, struct flo__token *few,
			     size_t few_len, struct flo__tape *ret_tape);
void flo__tape_fini(struct flo__tape *tape, const struct flo__token *few);

/* What @node points at in @tape, as flo__pointer_get(); borrowed, or NULL. */
const struct flo__token *flo__tape_get(const struct flo__tape *tape,
				       const struct flo__pointer *node);

#endif
