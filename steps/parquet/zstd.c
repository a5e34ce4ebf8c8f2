/* Compression of pages; zstd_none.c stands in where there is no zstd. */
#include "steps/parquet/parquet_p.h"

#include <zstd.h>

/* zstd's own default. */
#define LEVEL 3

bool flo__parquet_has_zstd(void)
{
	return true;
}

void *flo__parquet_zstd_new(void)
{
	return ZSTD_createCCtx();
}

void flo__parquet_zstd_free(void *zstd)
{
	ZSTD_freeCCtx(zstd);
}

flo_status flo__parquet_zstd_pack(void *zstd, const struct flo__strbuf *from,
				  struct flo__strbuf *to, flo_error *err)
{
	size_t max = ZSTD_compressBound(from->len);
	size_t len;

	flo__strbuf_reset(to);
	if (!flo__strbuf_reserve(to, max))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	len = ZSTD_compressCCtx(zstd, to->data, max, from->data, from->len,
				LEVEL);
	/* With room for every outcome only memory can be lacking. */
	if (ZSTD_isError(len))
		return flo_error_set(err, FLO_NOMEM, "compress: %s",
				     ZSTD_getErrorName(len));
	to->len = len;
	to->data[len] = '\0';
	return FLO_OK;
}
