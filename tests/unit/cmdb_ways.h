/*
 * The two ways in which a record is read, without a tree and over jansson's,
 * and what both must come to: what a plain writer of the canonical form, which
 * knows nothing of tapes, makes of jansson's tree.
 */
#ifndef TESTS_UNIT_CMDB_WAYS_H
#define TESTS_UNIT_CMDB_WAYS_H

#include "steps/cmdb/reading.h"

enum way {
	WAY_NONE,  /* it is no record of ours */
	WAY_TREE,  /* it is one, but not plain */
	WAY_PLAIN, /* it is plain */
};

/* Memory for it. Starts as zeros, but for what ways_init() does. */
struct ways {
	struct flo__reading reading;
	struct flo__json_reader reader;
	struct flo__strbuf scratch;
	struct flo__strbuf key;
	struct flo__strbuf wanted_key;
};
void ways_init(struct ways *ways);
void ways_fini(struct ways *ways);

/*
 * Read @text both ways under @spec, which may be NULL. NULL if they agree, else
 * what they differ in. @gone is a pointer to look for.
 */
const char *ways_differ(struct ways *ways, const struct flo__spec *spec,
			const struct flo__pointer *gone, const char *text,
			size_t len, enum way *ret_way);

/* What a record's tree comes to, by the tape that is made of it. FLO_NOMEM. */
flo_status ways_identify_tree(const json_t *record,
			      const struct flo__spec *spec,
			      struct flo__strbuf *scratch,
			      struct flo__identity *ret_identity);

/* A spec of lists of pointers as JSON; NULL if they are none. */
struct flo__spec *ways_spec(const char *key, const char *ignore,
			    const char *unordered);

#endif
