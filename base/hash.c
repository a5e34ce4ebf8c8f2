#include "base/hash.h"

#include "base/time.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

/* atomic, relaxed: 0 until the first use; whoever comes first decides it */
static atomic_uint_least64_t process_key;

static uint64_t make_key(void)
{
	uint64_t seen = 0;
	uint64_t key;

	/* Without entropy (a sandbox) the clock is better than a constant. */
	if (getrandom(&key, sizeof(key), GRND_NONBLOCK) != sizeof(key))
		key = flo__time_mono_ns();
	key |= 1;
	if (atomic_compare_exchange_strong(&process_key, &seen, key))
		return key;
	return seen;
}

static uint64_t hash_key(void)
{
	uint64_t key = atomic_load_explicit(&process_key, memory_order_relaxed);

	return key != 0 ? key : make_key();
}

static uint64_t rotl(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

static void sip_block(uint64_t v[4], uint64_t block)
{
	v[3] ^= block;
	sip_round(v);
	v[0] ^= block;
}

static void sip_init(uint64_t v[4])
{
	uint64_t k0 = hash_key();
	uint64_t k1 = rotl(k0, 29) * UINT64_C(0x9e3779b97f4a7c15);

	v[0] = k0 ^ UINT64_C(0x736f6d6570736575);
	v[1] = k1 ^ UINT64_C(0x646f72616e646f6d);
	v[2] = k0 ^ UINT64_C(0x6c7967656e657261);
	v[3] = k1 ^ UINT64_C(0x7465646279746573);
}

static uint64_t sip_finish(uint64_t v[4])
{
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t flo__hash_bytes(const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	uint64_t last = (uint64_t)len << 56;
	uint64_t block;
	uint64_t v[4];

	sip_init(v);
	for (size_t left = len; left >= 8; left -= 8, at += 8) {
		memcpy(&block, at, 8);
		sip_block(v, block);
	}
	for (size_t i = 0; i < len % 8; i++)
		last |= (uint64_t)at[i] << (8 * i);
	sip_block(v, last);
	return sip_finish(v);
}

uint64_t flo__hash_u64(uint64_t n)
{
	uint64_t v[4];

	sip_init(v);
	sip_block(v, n);
	return sip_finish(v);
}
