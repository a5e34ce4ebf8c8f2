/* Built without zstd: what is packed is as it was. */
#include "steps/cmdb/pack.h"

void flo__packer_free(flo__packer *packer)
{
	(void)packer;
}

flo_status flo__pack(flo__packer **packer, const struct flo__strbuf *from,
		     struct flo__strbuf *to)
{
	(void)packer;
	flo__strbuf_reset(to);
	flo__strbuf_add(to, from->data, from->len);
	return flo__strbuf_status(to);
}

flo_status flo__unpack(const void *bytes, size_t len, size_t size,
		       struct flo__strbuf *to)
{
	if (len != size)
		return FLO_VERSION;
	flo__strbuf_reset(to);
	flo__strbuf_add(to, bytes, len);
	return flo__strbuf_status(to);
}
