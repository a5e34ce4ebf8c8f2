/* Memory that is given back all at once: what a plan or a document owns. */
#ifndef FLO_DSL_POOL_P_H
#define FLO_DSL_POOL_P_H

#include <stddef.h>

struct flo__pool_chunk;

struct flo__pool {
	struct flo__pool_chunk *chunks;
	char *at;
	size_t left;
};

void flo__pool_init(struct flo__pool *pool);
void flo__pool_fini(struct flo__pool *pool);
/* Zeroed and aligned for anything; NULL without memory. */
void *flo__pool_alloc(struct flo__pool *pool, size_t size);
/* A copy with a NUL at its end. */
char *flo__pool_strn(struct flo__pool *pool, const char *text, size_t len);

#endif
