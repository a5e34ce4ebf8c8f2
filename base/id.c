#include "base/id.h"

#include "base/hash.h"
#include "base/time.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Where the kernel gives no entropy (a sandbox), ids must still differ. */
static void weak_bytes(unsigned char *bytes, size_t len)
{
	static atomic_uint_least64_t count; /* relaxed: only to differ */

	for (size_t i = 0; i < len; i++) {
		uint64_t n = atomic_fetch_add_explicit(&count, 1,
						       memory_order_relaxed);

		n ^= flo__time_mono_ns() << 20 ^ (uint64_t)getpid() << 40;
		bytes[i] = (unsigned char)flo__hash_u64(n);
	}
}

void flo__random_bytes(void *bytes, size_t len)
{
	unsigned char *at = bytes;

	while (len != 0) {
		ssize_t n = getrandom(at, len < 256 ? len : 256, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			weak_bytes(at, len);
			return;
		}
		at += n;
		len -= (size_t)n;
	}
}

void flo__id_hex(const void *bytes, size_t len, char *ret_text)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *in = bytes;

	for (size_t i = 0; i < len; i++) {
		*ret_text++ = digits[in[i] >> 4];
		*ret_text++ = digits[in[i] & 15];
	}
	*ret_text = '\0';
}

void flo__id_run_of(int64_t now_us, uint32_t random,
		    char ret_text[FLO__ID_RUN_SIZE])
{
	char time[FLO__RFC3339_SIZE]; /* 2026-11-22T03:12:44.000000Z */
	unsigned char bits[3] = {
		(unsigned char)(random >> 16),
		(unsigned char)(random >> 8),
		(unsigned char)random,
	};

	flo__time_rfc3339(now_us, time);
	memcpy(ret_text, time, 4);
	memcpy(ret_text + 4, time + 5, 2);
	memcpy(ret_text + 6, time + 8, 2);
	ret_text[8] = '-';
	memcpy(ret_text + 9, time + 11, 2);
	memcpy(ret_text + 11, time + 14, 2);
	memcpy(ret_text + 13, time + 17, 2);
	ret_text[15] = '-';
	flo__id_hex(bits, sizeof(bits), ret_text + 16);
}

void flo__id_run(char ret_text[FLO__ID_RUN_SIZE])
{
	uint32_t random;

	flo__random_bytes(&random, sizeof(random));
	flo__id_run_of(flo__time_now_us(), random, ret_text);
}

void flo__id_trace(char ret_text[FLO__ID_TRACE_SIZE])
{
	unsigned char bytes[16];

	flo__random_bytes(bytes, sizeof(bytes));
	bytes[0] |= 1; /* all zero means: no trace */
	flo__id_hex(bytes, sizeof(bytes), ret_text);
}

void flo__id_span(char ret_text[FLO__ID_SPAN_SIZE])
{
	unsigned char bytes[8];

	flo__random_bytes(bytes, sizeof(bytes));
	bytes[0] |= 1;
	flo__id_hex(bytes, sizeof(bytes), ret_text);
}
