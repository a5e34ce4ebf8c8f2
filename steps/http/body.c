#include "steps/http/body.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define OUT_BYTES 16384

/* Window bits of inflateInit2(), which say what is around the stream. */
#define BITS_GZIP 31
#define BITS_ZLIB 15
/* "deflate" as some servers mean it: nothing. */
#define BITS_RAW (-15)

static void *z_alloc(void *unused, unsigned count, unsigned size)
{
	(void)unused;
	return flo__calloc(count, size);
}

static void z_free(void *unused, void *mem)
{
	(void)unused;
	flo__free(mem);
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcasecmp(text, *words) == 0)
			return true;
	return false;
}

flo_status flo__http_body_begin(struct flo__http_body *body,
				const struct flo__curl *curl, int fd,
				uint64_t bytes_max, const char *encoding,
				flo_error *err)
{
	static const char *const plain[] = {"", "identity", NULL};
	static const char *const gzip[] = {"gzip", "x-gzip", NULL};
	static const char *const deflate[] = {"deflate", NULL};

	*body = (struct flo__http_body){.curl = curl,
					.fd = fd,
					.bytes_max = bytes_max};
	if (encoding != NULL && is_one_of(encoding, gzip))
		body->bits = BITS_GZIP;
	else if (encoding != NULL && is_one_of(encoding, deflate))
		body->bits = BITS_ZLIB;
	else if (encoding != NULL && !is_one_of(encoding, plain))
		return flo_error_set(err, FLO_CORRUPT,
				     "the answer is encoded as \"%.40s\", "
				     "which was not asked for",
				     encoding);
	if (ftruncate(fd, 0) != 0 || lseek(fd, 0, SEEK_SET) != 0)
		return flo_error_sys(err, errno, "empty a temporary file");
	return FLO_OK;
}

void flo__http_body_fini(struct flo__http_body *body)
{
	if (body->begun)
		body->curl->inflateEnd(&body->z);
	body->begun = false;
}

static flo_status too_large(const struct flo__http_body *body, flo_error *err)
{
	if (body->bytes_max_all > body->bytes_max)
		return flo_error_set(
			err, FLO_LIMIT,
			"the answer is larger than %llu bytes, "
			"which is what \"max_bytes\" (%llu) leaves "
			"for it after the pages before",
			(unsigned long long)body->bytes_max,
			(unsigned long long)body->bytes_max_all);
	return flo_error_set(err, FLO_LIMIT,
			     "the answer is larger than %llu bytes, which is "
			     "what \"max_bytes\" leaves for it",
			     (unsigned long long)body->bytes_max);
}

static flo_status write_all(struct flo__http_body *body, const char *bytes,
			    size_t len, flo_error *err)
{
	if (len > body->bytes_max - body->bytes)
		return too_large(body, err);
	body->bytes += len;
	while (len != 0) {
		ssize_t n = write(body->fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return flo_error_sys(err, errno,
					     "write to a temporary file");
		bytes += n;
		len -= (size_t)n;
	}
	return FLO_OK;
}

static flo_status invalid(flo_error *err)
{
	return flo_error_set(err, FLO_CORRUPT,
			     "the answer is not the gzip or deflate stream "
			     "that its Content-Encoding says it is");
}

static flo_status from_zlib(int rc, flo_error *err)
{
	if (rc == Z_MEM_ERROR)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return invalid(err);
}

/* Begin to unpack; a "deflate" without zlib's header shows in its first byte. */
static flo_status unpack_from(struct flo__http_body *body, unsigned char first,
			      flo_error *err)
{
	int rc;

	if (body->bits == BITS_ZLIB && ((first & 15) != 8 || first > 0x78))
		body->bits = BITS_RAW;
	body->z.zalloc = z_alloc;
	body->z.zfree = z_free;
	rc = body->curl->inflateInit2_(&body->z, body->bits, ZLIB_VERSION,
				       (int)sizeof(z_stream));
	if (rc != Z_OK)
		return from_zlib(rc, err);
	body->begun = true;
	return FLO_OK;
}

/* One round: what fits into a buffer. */
static flo_status unpack_some(struct flo__http_body *body, flo_error *err)
{
	unsigned char out[OUT_BYTES];
	int rc = Z_OK;

	/* A gzip file may have several members, one after the other. */
	if (body->ended)
		rc = body->curl->inflateReset(&body->z);
	body->ended = false;
	body->z.next_out = out;
	body->z.avail_out = sizeof(out);
	if (rc == Z_OK)
		rc = body->curl->inflate(&body->z, Z_NO_FLUSH);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return from_zlib(rc, err);
	body->ended = rc == Z_STREAM_END;
	return write_all(body, (char *)out, sizeof(out) - body->z.avail_out,
			 err);
}

static flo_status unpack(struct flo__http_body *body, const char *bytes,
			 size_t len, flo_error *err)
{
	flo_status st = FLO_OK;

	if (!body->begun)
		st = unpack_from(body, (unsigned char)bytes[0], err);
	body->z.next_in = (unsigned char *)bytes;
	body->z.avail_in = (unsigned)len;
	body->z.avail_out = 1;
	/* A full buffer means that there may be more without more input. */
	while (st == FLO_OK && (body->z.avail_in != 0 ||
				(body->z.avail_out == 0 && !body->ended)))
		st = unpack_some(body, err);
	return st;
}

flo_status flo__http_body_add(struct flo__http_body *body, const char *bytes,
			      size_t len, flo_error *err)
{
	flo_status st;

	if (len == 0)
		return FLO_OK;
	if (len > body->bytes_max - body->raw)
		return too_large(body, err);
	st = body->bits != 0 ? unpack(body, bytes, len, err)
			     : write_all(body, bytes, len, err);
	body->raw += len;
	return st;
}

flo_status flo__http_body_end(struct flo__http_body *body, flo_error *err)
{
	/* No bytes at all are an empty body, however it is called; whether
	 * there should have been some its frame tells. */
	if (body->bits == 0 || body->raw == 0 || body->ended)
		return FLO_OK;
	return flo_error_set(err, FLO_CLOSED,
			     "the answer's gzip stream was cut off after %llu "
			     "bytes",
			     (unsigned long long)body->raw);
}
