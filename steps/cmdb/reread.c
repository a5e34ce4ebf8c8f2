/*
 * Note: the ring of chunks.
 *
 * As in stage.c: chunks are filled, worked on and taken back in one order,
 * round a ring. All that are free are filled before the oldest is waited for,
 * so that there is work while the owner looks at rows. A chunk of a large
 * record is not: of texts that are under way there are RING_BYTES at most, or
 * one record, and what was needed to read a large one is given back at once.
 */
#include "steps/cmdb/reread.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/body.h"
#include "steps/cmdb/reading.h"
#include "steps/cmdb/staged.h"
#include "steps/cmdb/task.h"

#include <string.h>

#define RING	    16
#define CHUNK_BYTES (128u << 10)
#define CHUNK_ROWS  512
#define RING_BYTES  (16u << 20)
#define KEPT_BYTES  (1u << 20) /* of texts, in a chunk that is used again */

struct chunk {
	struct flo__task task;
	const struct flo__spec *spec; /* borrowed; only read */
	struct flo__reread_row row[CHUNK_ROWS];
	size_t len;
	size_t bytes; /* of texts, as they were filled; the owner's */
	struct flo__strbuf texts;
	struct flo__strbuf keys;
	struct flo__strbuf scratch;
	struct flo__reading reading;
	flo_status st;
	size_t failed; /* the row of which st is, unless it is FLO_OK */
	flo_error err;
};

struct flo__reread {
	struct flo__cdb *db; /* borrowed */
	struct flo__staged staged;
	sqlite3_stmt *bodies; /* owned: in step with `staged` */
	bool ended;	      /* no more rows */
	struct chunk *ring;   /* owned; RING of them */
	uint64_t started;
	uint64_t taken; /* the current one is the last of these */
	size_t at;	/* next row of the current one */
};

/* Working */

static flo_status read_one(struct chunk *chunk, struct flo__reread_row *row)
{
	const char *text = chunk->texts.data + row->at;
	flo_status st;

	TRY(flo__reading_read(&chunk->reading, text, row->len, &chunk->err));
	TRY(flo__tape_identify(chunk->reading.tape, chunk->spec,
			       &chunk->scratch, &row->identity));
	row->key_at = chunk->keys.len;
	TRY(flo__reading_key_text(&chunk->reading, chunk->spec, &chunk->keys,
				  &chunk->err));
	row->key_len = chunk->keys.len - row->key_at;
out:
	return st;
}

static void work(struct flo__task *task)
{
	struct chunk *chunk = (struct chunk *)task;
	flo_status st = FLO_OK;
	size_t i = 0;

	while (i < chunk->len &&
	       (st = read_one(chunk, &chunk->row[i])) == FLO_OK)
		i++;
	chunk->failed = i;
	chunk->st = st;
	if (chunk->texts.cap > KEPT_BYTES) {
		flo__strbuf_fini(&chunk->texts);
		flo__strbuf_fini(&chunk->scratch);
		flo__reading_fini(&chunk->reading);
	}
}

/* Filling */

/* The body of the staged record @id, from where the last one was. */
static flo_status next_body(struct flo__reread *reread, int64_t id,
			    flo_error *err)
{
	bool row = true;
	flo_status st;

	TRY(flo__cdb_step(reread->db, reread->bodies, err, &row));
	if (!row || sqlite3_column_int64(reread->bodies, 0) != id ||
	    sqlite3_column_type(reread->bodies, 1) != SQLITE_TEXT)
		return flo__body_broken(reread->db, id, err);
out:
	return st;
}

static flo_status add_row(struct flo__reread *reread, struct chunk *chunk,
			  const struct flo__staged_row *staged, flo_error *err)
{
	struct flo__reread_row *row = &chunk->row[chunk->len];
	const unsigned char *text;
	flo_status st;

	TRY(next_body(reread, staged->id, err));
	text = sqlite3_column_text(reread->bodies, 1);
	if (text == NULL)
		return FLO_NOMEM;
	*row = (struct flo__reread_row){
		.id = staged->id,
		.raw = staged->raw,
		.at = chunk->texts.len,
		.len = (size_t)sqlite3_column_bytes(reread->bodies, 1),
		.gone = staged->gone,
	};
	flo__strbuf_add(&chunk->texts, text, row->len);
	chunk->len++;
	st = flo__strbuf_status(&chunk->texts);
out:
	return st;
}

static flo_status fill(struct flo__reread *reread, struct chunk *chunk,
		       flo_error *err)
{
	bool more = true;
	flo_status st = FLO_OK;

	chunk->len = 0;
	flo__strbuf_reset(&chunk->texts);
	flo__strbuf_reset(&chunk->keys);
	flo_error_clear(&chunk->err);
	while (chunk->len < CHUNK_ROWS && chunk->texts.len < CHUNK_BYTES) {
		struct flo__staged_row row;

		TRY(flo__staged_next(&reread->staged, err, &row, &more));
		reread->ended = !more;
		if (!more)
			break;
		TRY(add_row(reread, chunk, &row, err));
	}
	chunk->bytes = chunk->texts.len;
out:
	return st;
}

static bool is_full(const struct flo__reread *reread)
{
	size_t bytes = 0;

	for (uint64_t n = reread->taken; n < reread->started; n++)
		bytes += reread->ring[n % RING].bytes;
	return reread->started - reread->taken == RING || bytes >= RING_BYTES;
}

/* Have something worked on in all chunks: the current one is used up. */
static flo_status fill_all(struct flo__reread *reread, flo_error *err)
{
	flo_status st = FLO_OK;

	while (!reread->ended && !is_full(reread)) {
		struct chunk *chunk = &reread->ring[reread->started % RING];

		st = fill(reread, chunk, err);
		if (st != FLO_OK)
			break;
		flo__task_start(&chunk->task);
		reread->started++;
	}
	return st;
}

/* Taking back */

/* What a pull has read and staged is JSON, unless it was damaged since. */
static flo_status tell_fault(const struct flo__reread *reread,
			     const struct chunk *chunk, flo_error *err)
{
	if (chunk->st == FLO_SYNTAX || chunk->st == FLO_LIMIT)
		return flo__body_broken(reread->db,
					chunk->row[chunk->failed].id, err);
	return flo_error_set(err, chunk->st, "%s", flo_status_text(chunk->st));
}

flo_status flo__reread_next(struct flo__reread *reread, flo_error *err,
			    const struct flo__reread_row **ret_row,
			    const char **ret_key)
{
	struct chunk *chunk = &reread->ring[(reread->taken - 1) % RING];
	flo_status st = FLO_OK;

	*ret_row = NULL;
	while (reread->taken == 0 || reread->at == chunk->len) {
		TRY(fill_all(reread, err));
		if (reread->taken == reread->started)
			return FLO_OK;
		chunk = &reread->ring[reread->taken % RING];
		flo__task_wait(&chunk->task, FLO__TASK_COMPUTING);
		reread->taken++;
		reread->at = 0;
		if (chunk->st != FLO_OK)
			return tell_fault(reread, chunk, err);
	}
	*ret_row = &chunk->row[reread->at++];
	*ret_key = chunk->keys.data + (*ret_row)->key_at;
out:
	return st;
}

/* Life */

static flo_status prepare(struct flo__reread *reread, int64_t no,
			  bool backwards, flo_error *err)
{
	flo_status st;

	TRY(flo__staged_open(&reread->staged, reread->db, no, backwards, err));
	/* Of a pull that is staged there are no other bodies. */
	TRY(flo__cdb_prepare(reread->db,
			     backwards ? "SELECT id, body FROM body WHERE id"
					 " BETWEEN ?1 AND ?2 ORDER BY id DESC"
				       : "SELECT id, body FROM body WHERE id"
					 " BETWEEN ?1 AND ?2 ORDER BY id",
			     err, &reread->bodies));
	st = flo__cdb_bind(reread->db, reread->bodies, err, "ii",
			   flo__cdb_first(no), flo__cdb_last(no));
out:
	return st;
}

flo_status flo__reread_open(struct flo__cdb *db, int64_t no,
			    const struct flo__spec *spec, bool backwards,
			    flo_error *err, struct flo__reread **ret_reread)
{
	struct flo__reread *reread = flo__calloc(1, sizeof(*reread));
	flo_status st = FLO_NOMEM;

	if (reread == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	reread->db = db;
	reread->ring = flo__calloc(RING, sizeof(*reread->ring));
	for (size_t i = 0; reread->ring != NULL && i < RING; i++) {
		struct chunk *chunk = &reread->ring[i];

		chunk->task.work = work;
		chunk->spec = spec;
		flo__strbuf_init(&chunk->texts);
		flo__strbuf_init(&chunk->keys);
		flo__strbuf_init(&chunk->scratch);
	}
	if (reread->ring != NULL)
		st = prepare(reread, no, backwards, err);
	if (st == FLO_OK)
		*ret_reread = reread;
	else
		flo__reread_close(reread);
	return st;
}

void flo__reread_close(struct flo__reread *reread)
{
	if (reread == NULL)
		return;
	for (size_t i = 0; reread->ring != NULL && i < RING; i++) {
		struct chunk *chunk = &reread->ring[i];

		flo__task_drop(&chunk->task);
		flo__strbuf_fini(&chunk->texts);
		flo__strbuf_fini(&chunk->keys);
		flo__strbuf_fini(&chunk->scratch);
		flo__reading_fini(&chunk->reading);
	}
	flo__staged_close(&reread->staged);
	sqlite3_finalize(reread->bodies);
	flo__free(reread->ring);
	flo__free(reread);
}
