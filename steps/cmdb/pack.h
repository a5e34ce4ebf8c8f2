/* Bytes made smaller, fast: pack_none.c stands in where there is no zstd. */
#ifndef FLO_CMDB_PACK_H
#define FLO_CMDB_PACK_H

#include "base/strbuf.h"

/* What packing keeps from one time to the next; starts as NULL. */
typedef struct flo__packer flo__packer;
void flo__packer_free(flo__packer *packer);

/*
 * Make @to of @from. What does not become smaller is copied, and so what has
 * its first size is as it was. FLO_NOMEM.
 */
flo_status flo__pack(flo__packer **packer, const struct flo__strbuf *from,
		     struct flo__strbuf *to);

/*
 * Make @to, of @size bytes, of what was packed. FLO_CORRUPT; FLO_NOMEM;
 * FLO_VERSION: it was packed, and this program is built without zstd.
 */
flo_status flo__unpack(const void *bytes, size_t len, size_t size,
		       struct flo__strbuf *to);

#endif
