/*
 * Walking a run's events page by page. A page is copied and its transaction
 * ended before anybody sees an event of it: a pager that a person left open
 * must not keep the WAL from being copied away.
 */
#include "storage/store_p.h"

#include "base/contract.h"

#include <string.h>

#define PAGE_EVENTS 1024
#define PAGE_BYTES  (1u << 20)

/* One event of a page; the bytes follow each other without padding. */
struct item {
	uint32_t len;
};

struct page {
	struct flo__strbuf bytes; /* of item, chain prefix, body NUL */
	uint32_t count;
	bool last;
};

static flo_status damaged(uint64_t seq, const char *what, flo_error *err)
{
	return flo_error_set(err, FLO_CORRUPT,
			     "event %llu %s: the store was changed or damaged; "
			     "what came before it is sound",
			     (unsigned long long)seq, what);
}

/* Copy the row's body to the page and check its link, if asked to. */
static flo_status take_row(struct flo__walk *walk, sqlite3_stmt *stmt,
			   struct page *page, flo_error *err)
{
	static const char prefix[FLO__CHAIN_PREFIX];
	uint64_t seq = walk->seq + 1;
	int kind = sqlite3_column_int(stmt, 1);
	const void *body = sqlite3_column_text(stmt, 2);
	struct item item = {(uint32_t)sqlite3_column_bytes(stmt, 2)};
	const void *hash = sqlite3_column_blob(stmt, 3);
	int hash_len = sqlite3_column_bytes(stmt, 3);
	size_t at;

	if ((uint64_t)sqlite3_column_int64(stmt, 0) != seq)
		return damaged(seq, "is missing", err);
	if (kind < 0 || kind >= FLO__EVENT_KINDS || body == NULL)
		return damaged(seq, "is no event", err);
	flo__strbuf_add(&page->bytes, &item, sizeof(item));
	at = page->bytes.len;
	flo__strbuf_add(&page->bytes, prefix, sizeof(prefix));
	flo__strbuf_add(&page->bytes, body, item.len);
	flo__strbuf_addc(&page->bytes, '\0');
	if (page->bytes.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (walk->record != NULL) {
		flo__chain_next((uint8_t *)page->bytes.data + at, item.len, seq,
				walk->hash);
		if (hash == NULL || hash_len != FLO__HASH_SIZE ||
		    memcmp(hash, walk->hash, FLO__HASH_SIZE) != 0)
			return damaged(seq, "does not match its hash", err);
	}
	walk->seq = seq;
	walk->kind = (enum flo__event_kind)kind;
	page->count++;
	return FLO_OK;
}

static flo_status read_page(struct flo__conn *db, struct flo__walk *walk,
			    struct page *page, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	flo__strbuf_reset(&page->bytes);
	page->count = 0;
	TRY(flo__conn_get(db, FLO__SQL_EVENT_WALK, err, &stmt));
	sqlite3_bind_int64(stmt, 1, FLO__EVENT_ID(walk->row, walk->seq + 1));
	sqlite3_bind_int64(stmt, 2,
			   FLO__EVENT_ID(walk->row, FLO__EVENT_SEQ_MAX));
	do {
		TRY(flo__conn_step(db, stmt, err, &row));
		if (row)
			TRY(take_row(walk, stmt, page, err));
	} while (row && page->count < PAGE_EVENTS &&
		 page->bytes.len < PAGE_BYTES);
	page->last = !row;
out:
	flo__conn_done(stmt);
	return st;
}

static flo_status give_page(const struct flo__walk *walk,
			    const struct page *page, flo_error *err)
{
	const char *data = page->bytes.data;
	flo_status st = FLO_OK;
	size_t at = 0;

	while (at < page->bytes.len && st == FLO_OK) {
		struct item item;

		memcpy(&item, data + at, sizeof(item));
		at += sizeof(item) + FLO__CHAIN_PREFIX;
		st = walk->fn(walk->arg, data + at, item.len, err);
		at += item.len + 1;
		INSIST(at <= page->bytes.len);
	}
	return st;
}

flo_status flo__reader_walk(struct flo__reader *reader, struct flo__walk *walk,
			    flo_error *err)
{
	struct page page = {.bytes = FLO__STRBUF_INIT};
	flo_status st = FLO_OK;

	REQUIRE(walk->row > 0);
	walk->seq = 0;
	walk->kind = FLO__EVENT_KINDS;
	if (walk->record != NULL)
		TRY(flo__chain_begin(walk->record, walk->hash));
	do {
		TRY(read_page(&reader->db, walk, &page, err));
		if (walk->fn != NULL)
			TRY(give_page(walk, &page, err));
	} while (!page.last && walk->seq < FLO__EVENT_SEQ_MAX);
out:
	flo__strbuf_fini(&page.bytes);
	return st;
}
