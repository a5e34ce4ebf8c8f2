#include "steps/cmdb/pack.h"

#include <zstd.h>

/* Records are much alike: the fastest level makes a sixth of them. */
#define LEVEL 1

static ZSTD_CCtx *context_of(flo__packer *packer)
{
	return (ZSTD_CCtx *)packer;
}

void flo__packer_free(flo__packer *packer)
{
	ZSTD_freeCCtx(context_of(packer));
}

flo_status flo__pack(flo__packer **packer, const struct flo__strbuf *from,
		     struct flo__strbuf *to)
{
	size_t max = ZSTD_compressBound(from->len);
	size_t len;

	flo__strbuf_reset(to);
	if (*packer == NULL)
		*packer = (flo__packer *)ZSTD_createCCtx();
	if (*packer == NULL || !flo__strbuf_reserve(to, max))
		return FLO_NOMEM;
	len = ZSTD_compressCCtx(context_of(*packer), to->data, max, from->data,
				from->len, LEVEL);
	/* With room for every outcome only memory can be lacking. */
	if (ZSTD_isError(len))
		return FLO_NOMEM;
	if (len >= from->len) {
		flo__strbuf_add(to, from->data, from->len);
		return flo__strbuf_status(to);
	}
	to->len = len;
	to->data[len] = '\0';
	return FLO_OK;
}

flo_status flo__unpack(const void *bytes, size_t len, size_t size,
		       struct flo__strbuf *to)
{
	flo__strbuf_reset(to);
	if (len == size) {
		flo__strbuf_add(to, bytes, len);
		return flo__strbuf_status(to);
	}
	if (ZSTD_getFrameContentSize(bytes, len) != size)
		return FLO_CORRUPT;
	if (!flo__strbuf_reserve(to, size))
		return FLO_NOMEM;
	if (ZSTD_decompress(to->data, size, bytes, len) != size)
		return FLO_CORRUPT;
	to->len = size;
	to->data[size] = '\0';
	return FLO_OK;
}
