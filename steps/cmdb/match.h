/*
 * Match the records of a pull with the state of their source: which are new,
 * changed, gone or the same.
 *
 * All that is kept for a record is its digests; bodies are read where two
 * versions are compared. One read transaction sees state and pull.
 */
#ifndef FLO_CMDB_MATCH_H
#define FLO_CMDB_MATCH_H

#include "steps/cmdb/body.h"
#include "steps/cmdb/db.h"
#include "steps/cmdb/index.h"
#include "steps/cmdb/since.h"
#include "steps/cmdb/unseen.h"

struct flo__mask;

struct flo__counts {
	int64_t rows, dup_keys, added, changed, removed, same, fields, rejected,
		raw_hits;
};

/* A record of the state, or one that the pull adds. */
struct flo__entry {
	struct flo__digest key;
	struct flo__digest raw;	   /* of what will be: see match.c */
	struct flo__digest digest; /* the same */
	int64_t body;		   /* its row; of what was, if it was */
	uint32_t times; /* pulls in a row that lacked it, and kept it */
	uint16_t present;
	bool seen; /* the pull has it */
};

struct flo__change {
	int64_t after; /* the new body; not for 'd' */
	size_t key_at; /* in match->texts; its fields follow */
	uint32_t key_len;
	uint32_t fields_len;
	uint32_t entry;
	char op;   /* c, u, d */
	bool told; /* its key's text was there when it was found */
};

#define FLO__FIELDS_MAX 256

/* How often a top-level field differed, and all together. */
struct flo__field {
	char *name; /* owned */
	int64_t count;
};

struct flo__field_counts {
	struct flo__field field[FLO__FIELDS_MAX];
	size_t len;
	int64_t all;
};

/* The first record whose key must not be, for the error. */
struct flo__misfit {
	struct flo__strbuf text;   /* its beginning */
	struct flo__strbuf fields; /* pointers to its first fields */
	struct flo__strbuf inside; /* where it has an array of objects, or "" */
	unsigned nulls; /* parts of the key that are there, and null */
};

/* What to match. */
struct flo__match_input {
	int64_t source;
	int64_t pull;
	int64_t pull_rows;
	int64_t pull_hits;
	int64_t pull_rejected;
	int64_t base; /* version of the source that the pull looked at */
	enum flo__pull_is is;
	uint32_t remove_after; /* pulls in a row that must lack a record */
	bool staged;	       /* else the pull is what the state was made of */
	bool identified;       /* staged records were digested under `spec` */
	bool rebase;	       /* the state was not: do it again */
	bool partial; /* some record of the state lacks a part of its key */
	bool null_allowed;
	const struct flo__spec *spec; /* borrowed */
	/* Hides in what errors quote of records; borrowed; NULL: nothing. */
	const struct flo__mask *mask;
};

struct flo__match {
	struct flo__match_input in;
	struct flo__cdb *db; /* borrowed */
	struct flo__counts counts;
	struct flo__entry *entry; /* owned: the state, then what is added */
	size_t state_len;
	size_t state_max;
	size_t len;
	size_t cap;
	struct flo__index by_key;
	int64_t state_rows;	   /* what the source says that it has */
	struct flo__unseen unseen; /* of the state, if the pull has told */
	bool told;
	bool few;		    /* only what is in `unseen` has entries */
	struct flo__change *change; /* owned */
	size_t change_len;
	size_t change_cap;
	struct flo__strbuf texts; /* of the changes */
	int64_t there;		  /* records of the pull that are not gone */
	int64_t missing; /* records that the pull lacks, but that stay */
	int64_t null_keys;
	struct flo__strbuf bad_keys; /* the first ten, null or twice */
	size_t bad_keys_len;
	struct flo__misfit misfit;
	unsigned present_any; /* parts of the key that some record has */
	int64_t present_before[FLO__SPEC_KEYS_MAX];
	int64_t present_after[FLO__SPEC_KEYS_MAX];
	struct flo__field_counts fields;
	sqlite3_stmt *body; /* owned */
	sqlite3_stmt *find; /* owned: see match_seen.c; NULL until it is used */
	struct flo__strbuf scratch;
	struct flo__reading was; /* a record of the state */
	struct flo__strbuf was_text;
	struct flo__json_reader bad; /* one whose key must not be */
};

/*
 * Match, in @db's read transaction. Changes come out in the order of their
 * keys' digests. FLO_INVALID names keys that are null or there twice;
 * FLO_FAILED if the state has moved since the pull.
 *
 * @match is to be flo__match_fini()ed whatever comes back.
 */
flo_status flo__match_run(struct flo__match *match, struct flo__cdb *db,
			  const struct flo__match_input *in, flo_error *err);
void flo__match_fini(struct flo__match *match);

#endif
