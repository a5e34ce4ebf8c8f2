#include "steps/parquet/column.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* Texts are short: what it costs to call is more than to hash. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#define SLOTS_MIN 256u

/* After how many values a dictionary is looked at that repeats too little. */
#define LOOK_AT 16384u

static bool is_text(const struct flo__pcolumn *column)
{
	return column->type == FLO__PARQUET_STRING ||
	       column->type == FLO__PARQUET_JSON;
}

/* A bit a value is less than any index. */
static bool has_dict(const struct flo__pcolumn *column)
{
	return column->type != FLO__PARQUET_BOOL;
}

flo_status flo__pcolumn_init(struct flo__pcolumn *column,
			     const struct flo__parquet_column *as,
			     size_t dict_max)
{
	memset(column, 0, sizeof(*column));
	column->type = as->type;
	column->dict_max = dict_max;
	column->name = flo__strdup(as->name);
	flo__strbuf_init(&column->present);
	flo__strbuf_init(&column->entries);
	flo__strbuf_init(&column->plain);
	column->dict_full = !has_dict(column);
	return column->name != NULL ? FLO_OK : FLO_NOMEM;
}

/* Empty it; its memory stays if the next group may need about as much. */
static void forget(struct flo__strbuf *sb)
{
	if (sb->len < sb->cap / 2)
		flo__strbuf_fini(sb);
	else
		flo__strbuf_reset(sb);
}

static void forget_numbers(uint32_t **numbers, size_t *len, size_t *cap)
{
	if (*len < *cap / 2) {
		flo__free(*numbers);
		*numbers = NULL;
		*cap = 0;
	}
	*len = 0;
}

void flo__pcolumn_reset(struct flo__pcolumn *column)
{
	forget(&column->present);
	forget(&column->entries);
	forget(&column->plain);
	forget_numbers(&column->entry_at, &column->entry_len,
		       &column->entry_cap);
	forget_numbers(&column->index, &column->index_len, &column->index_cap);
	/* The dictionary was closed, so there are no slots. */
	INSIST(column->slots == NULL);
	memset(&column->stats, 0, sizeof(column->stats));
	column->values = 0;
	column->plain_bytes = 0;
	column->dict_full = !has_dict(column);
	column->dict_rows = 0;
}

void flo__pcolumn_fini(struct flo__pcolumn *column)
{
	flo__free(column->name);
	flo__free(column->entry_at);
	flo__free(column->slots);
	flo__free(column->index);
	flo__strbuf_fini(&column->present);
	flo__strbuf_fini(&column->entries);
	flo__strbuf_fini(&column->plain);
}

size_t flo__pcolumn_rows(const struct flo__pcolumn *column)
{
	return column->present.len;
}

size_t flo__pcolumn_dict_rows(const struct flo__pcolumn *column)
{
	return column->dict_full ? column->dict_rows : column->present.len;
}

size_t flo__pcolumn_bytes(const struct flo__pcolumn *column)
{
	return column->present.len + column->entries.len + column->plain.len +
	       sizeof(uint32_t) * (column->entry_len + column->index_len) +
	       sizeof(uint64_t) * column->slot_len;
}

/* Values as they lie in a file */

/* As flo__strbuf_reserve(), which is called only when there is no room. */
static inline bool make_room(struct flo__strbuf *sb, size_t extra)
{
	return sb->len + extra < sb->cap || flo__strbuf_reserve(sb, extra);
}

static void add_plain(const struct flo__pcolumn *column, const void *bytes,
		      size_t len, struct flo__strbuf *sb)
{
	size_t skip = is_text(column) ? sizeof(uint32_t) : 0;
	uint32_t n = (uint32_t)len;
	char *to;

	if (!make_room(sb, skip + len))
		return;
	to = sb->data + sb->len;
	/* Little-endian, as every machine that this is built for. */
	memcpy(to, &n, skip);
	memcpy(to + skip, bytes, len);
	sb->len += skip + len;
	sb->data[sb->len] = '\0';
}

/* An entry of the dictionary, with its length before a text. */
static const char *entry(const struct flo__pcolumn *column, size_t i,
			 size_t *ret_len)
{
	size_t begin = column->entry_at[i];
	size_t end = i + 1 < column->entry_len ? column->entry_at[i + 1]
					       : column->entries.len;

	*ret_len = end - begin;
	return column->entries.data + begin;
}

static size_t prefix_len(const struct flo__pcolumn *column)
{
	return is_text(column) ? sizeof(uint32_t) : 0;
}

static bool is_entry(const struct flo__pcolumn *column, size_t i,
		     const void *bytes, size_t len)
{
	const char *have = column->entries.data;
	uint32_t have_len;

	if (!is_text(column))
		return memcmp(have + i * sizeof(int64_t), bytes,
			      sizeof(int64_t)) == 0;
	have += column->entry_at[i];
	memcpy(&have_len, have, sizeof(have_len));
	return have_len == len &&
	       memcmp(have + sizeof(have_len), bytes, len) == 0;
}

/* Numbers come from near each other: mixed by two rounds of splitmix64. */
static uint64_t hash_of(const struct flo__pcolumn *column, const void *bytes,
			size_t len)
{
	uint64_t n;

	if (is_text(column))
		return XXH3_64bits(bytes, len);
	memcpy(&n, bytes, sizeof(n));
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

#define TAG_MASK (UINT64_C(0xffffffff) << 32)

/* The slot of the value with that hash: that of its entry, or a free one. */
static uint64_t *find_slot(const struct flo__pcolumn *column, uint64_t hash,
			   const void *bytes, size_t len)
{
	size_t at = (hash >> 32) & (column->slot_len - 1);

	for (;; at = (at + 1) & (column->slot_len - 1)) {
		uint64_t *slot = &column->slots[at];

		if (*slot == 0)
			return slot;
		if (((*slot ^ hash) & TAG_MASK) == 0 &&
		    is_entry(column, (uint32_t)*slot - 1, bytes, len))
			return slot;
	}
}

/* Put a used slot among the new ones. */
static void move_slot(uint64_t *slots, size_t len, uint64_t slot)
{
	size_t at = (slot >> 32) & (len - 1);

	while (slots[at] != 0)
		at = (at + 1) & (len - 1);
	slots[at] = slot;
}

/* Keep at least half of the slots free. */
static flo_status grow_slots(struct flo__pcolumn *column)
{
	size_t len = column->slot_len == 0 ? SLOTS_MIN : column->slot_len * 2;
	uint64_t *slots;

	if ((column->entry_len + 1) * 2 <= column->slot_len)
		return FLO_OK;
	slots = flo__calloc(len, sizeof(*slots));
	if (slots == NULL)
		return FLO_NOMEM;
	for (size_t i = 0; i < column->slot_len; i++)
		if (column->slots[i] != 0)
			move_slot(slots, len, column->slots[i]);
	flo__free(column->slots);
	column->slots = slots;
	column->slot_len = len;
	return FLO_OK;
}

/* Make room for one more number. */
static flo_status reserve(uint32_t **numbers, size_t len, size_t *cap)
{
	size_t more = *cap == 0 ? 64 : *cap * 2;
	uint32_t *mem;

	if (len < *cap)
		return FLO_OK;
	mem = flo__reallocarray(*numbers, more, sizeof(*mem));
	if (mem == NULL)
		return FLO_NOMEM;
	*numbers = mem;
	*cap = more;
	return FLO_OK;
}

/* Make plain values of all indices: they come before what is plain already. */
static flo_status make_plain(struct flo__pcolumn *column)
{
	INSIST(column->plain.len == 0);
	for (size_t i = 0; i < column->index_len; i++) {
		size_t len;
		const char *bytes = entry(column, column->index[i], &len);

		flo__strbuf_add(&column->plain, bytes, len);
	}
	flo__free(column->index);
	flo__free(column->entry_at);
	column->index = NULL;
	column->entry_at = NULL;
	column->index_len = column->index_cap = 0;
	column->entry_len = column->entry_cap = 0;
	flo__strbuf_fini(&column->entries);
	column->dict_full = true;
	column->dict_rows = 0;
	return flo__strbuf_status(&column->plain);
}

/* Whether entries and indices together are less than the values are. */
static bool dict_pays(const struct flo__pcolumn *column)
{
	size_t bits = 1;

	while (column->entry_len > (size_t)1 << bits)
		bits++;
	return column->entries.len + column->index_len * bits / 8 <
	       column->plain_bytes;
}

/* The dictionary is closed: is it kept for the rows so far? */
static flo_status close_dict(struct flo__pcolumn *column)
{
	flo_status st = FLO_OK;

	flo__free(column->slots);
	column->slots = NULL;
	column->slot_len = 0;
	column->dict_full = true;
	column->dict_rows = column->present.len;
	if (!dict_pays(column))
		st = make_plain(column);
	return st;
}

flo_status flo__pcolumn_settle(struct flo__pcolumn *column)
{
	/* A full one was judged when it became full. */
	return column->dict_full ? FLO_OK : close_dict(column);
}

/* Whether a dictionary repeats so little that more of it is in vain. */
static bool is_vain(const struct flo__pcolumn *column)
{
	return column->index_len == LOOK_AT &&
	       column->entry_len > LOOK_AT / 16 * 15;
}

/* Columns of one value are many, so the last one is looked at first. */
static bool is_last(const struct flo__pcolumn *column, const void *bytes,
		    size_t len)
{
	return column->index_len > 0 &&
	       is_entry(column, column->index[column->index_len - 1], bytes,
			len);
}

/* The number of the value, which is made an entry if it is none yet. */
static flo_status find_entry(struct flo__pcolumn *column, const void *bytes,
			     size_t len, bool *ret_known, uint32_t *ret_entry)
{
	uint64_t hash = hash_of(column, bytes, len);
	uint64_t *slot;
	flo_status st;

	TRY(grow_slots(column));
	slot = find_slot(column, hash, bytes, len);
	*ret_known = *slot != 0;
	if (*slot == 0) {
		if (column->entries.len + len > column->dict_max)
			return FLO_FULL;
		TRY(reserve(&column->entry_at, column->entry_len,
			    &column->entry_cap));
		column->entry_at[column->entry_len] =
			(uint32_t)column->entries.len;
		add_plain(column, bytes, len, &column->entries);
		TRY(flo__strbuf_status(&column->entries));
		*slot = (hash & TAG_MASK) | ++column->entry_len;
	}
	*ret_entry = (uint32_t)*slot - 1;
out:
	return st;
}

/* FLO_FULL: the dictionary has no room for one more entry, or is in vain. */
static flo_status add_index(struct flo__pcolumn *column, const void *bytes,
			    size_t len, bool *ret_known)
{
	uint32_t at;
	flo_status st;

	if (is_vain(column))
		return FLO_FULL;
	TRY(reserve(&column->index, column->index_len, &column->index_cap));
	*ret_known = is_last(column, bytes, len);
	if (*ret_known)
		at = column->index[column->index_len - 1];
	else
		TRY(find_entry(column, bytes, len, ret_known, &at));
	column->index[column->index_len++] = at;
out:
	return st;
}

static flo_status add_value(struct flo__pcolumn *column, const void *bytes,
			    size_t len, bool *ret_known)
{
	flo_status st = FLO_FULL;

	*ret_known = false;
	if (!column->dict_full) {
		st = add_index(column, bytes, len, ret_known);
		if (st == FLO_FULL)
			TRY(close_dict(column));
	}
	if (column->dict_full) {
		add_plain(column, bytes, len, &column->plain);
		st = flo__strbuf_status(&column->plain);
	}
out:
	return st == FLO_FULL ? FLO_OK : st;
}

/* One of these for each cell there is. */
static flo_status add_present(struct flo__pcolumn *column, char is)
{
	struct flo__strbuf *sb = &column->present;

	if (!make_room(sb, 1))
		return FLO_NOMEM;
	sb->data[sb->len++] = is;
	sb->data[sb->len] = '\0';
	return FLO_OK;
}

flo_status flo__pcolumn_add(struct flo__pcolumn *column, const void *bytes,
			    size_t len, bool *ret_known)
{
	flo_status st = add_value(column, bytes, len, ret_known);

	if (st != FLO_OK)
		return st;
	column->values++;
	column->plain_bytes += len + prefix_len(column);
	return add_present(column, 1);
}

flo_status flo__pcolumn_add_again(struct flo__pcolumn *column)
{
	size_t rows = column->present.len;
	uint32_t last;
	size_t len;
	flo_status st;

	if (column->dict_full || rows == 0 ||
	    column->present.data[rows - 1] == 0)
		return FLO_NOTFOUND;
	TRY(reserve(&column->index, column->index_len, &column->index_cap));
	last = column->index[column->index_len - 1];
	column->index[column->index_len++] = last;
	(void)entry(column, last, &len);
	column->values++;
	column->plain_bytes += len;
	st = add_present(column, 1);
out:
	return st;
}

flo_status flo__pcolumn_add_null(struct flo__pcolumn *column)
{
	return add_present(column, 0);
}
