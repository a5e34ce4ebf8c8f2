/* The hash chain of a run: schema.c has the argument. */
#include "storage/conn_p.h"

#include "base/strbuf.h"
#include "engine/journal.h"

#include <string.h>
#include <xxhash.h>

static void put_be64(uint8_t *at, uint64_t n)
{
	for (int i = 7; i >= 0; i--, n >>= 8)
		at[i] = (uint8_t)n;
}

static void hash_of(const void *mem, size_t len, uint8_t ret[FLO__HASH_SIZE])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(mem, len));
	_Static_assert(sizeof(canonical) == FLO__HASH_SIZE, "XXH3-128");
	memcpy(ret, &canonical, sizeof(canonical));
}

/* A length in front of each, so that no two records read the same. */
static void add(struct flo__strbuf *sb, const void *bytes, size_t len)
{
	uint8_t size[8];

	put_be64(size, len);
	flo__strbuf_add(sb, size, sizeof(size));
	flo__strbuf_add(sb, bytes, len);
}

flo_status flo__chain_begin(const struct flo__run_record *record,
			    uint8_t ret_hash[FLO__HASH_SIZE])
{
	const char *const texts[] = {record->id,	  record->trace_id,
				     record->parent_span, record->pipeline,
				     record->file,	  record->dir,
				     record->params};
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	uint8_t numbers[16];
	flo_status st;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		add(&sb, texts[i], strlen(texts[i]));
	add(&sb, record->text, record->text_len);
	put_be64(numbers, record->limit);
	put_be64(numbers + 8, (uint64_t)record->created_us);
	add(&sb, numbers, sizeof(numbers));
	st = flo__strbuf_status(&sb);
	if (st == FLO_OK)
		hash_of(sb.data, sb.len, ret_hash);
	flo__strbuf_fini(&sb);
	return st;
}

void flo__chain_next(uint8_t *mem, size_t len, uint64_t seq,
		     uint8_t hash[FLO__HASH_SIZE])
{
	memcpy(mem, hash, FLO__HASH_SIZE);
	put_be64(mem + FLO__HASH_SIZE, seq);
	hash_of(mem, FLO__CHAIN_PREFIX + len, hash);
}
