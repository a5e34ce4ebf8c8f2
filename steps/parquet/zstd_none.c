/* Built without zstd: pages are not compressed. */
#include "steps/parquet/parquet_p.h"

bool flo__parquet_has_zstd(void)
{
	return false;
}

void *flo__parquet_zstd_new(void)
{
	return NULL;
}

void flo__parquet_zstd_free(void *zstd)
{
	(void)zstd;
}

flo_status flo__parquet_zstd_pack(void *zstd, const struct flo__strbuf *from,
				  struct flo__strbuf *to, flo_error *err)
{
	(void)zstd;
	(void)from;
	(void)to;
	return flo_error_set(err, FLO_VERSION, "built without zstd");
}
