#include "steps/cmdb/relay.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/task.h"

#include <flo/runtime.h>
#include <string.h>

/* A batch goes on its way with this many cells, or bytes of text. */
#define CELLS (64u << 10)
#define BYTES (1u << 20)

struct batch {
	struct flo__task task;	  /* the rest is the worker's while it works */
	struct flo__sheet *sheet; /* borrowed */
	size_t len;		  /* columns */
	struct flo__cell *cells;  /* owned; a text's place in @text is its n */
	size_t rows;
	struct flo__strbuf text;
	flo_status st;
	flo_error err;
};

struct flo__relay {
	struct batch batch[2];
	size_t turn; /* the one that is filled; the other may be written */
	size_t rows_max;
};

/* Beside the owner */

static void write_batch(struct batch *b)
{
	struct flo__cell *cell = b->cells;

	for (size_t i = 0; i < b->rows && b->st == FLO_OK; i++) {
		for (size_t j = 0; j < b->len; j++)
			if (cell[j].text != NULL)
				cell[j].text = b->text.data + cell[j].n;
		b->st = flo__sheet_row(b->sheet, cell, &b->err);
		cell += b->len;
	}
	b->rows = 0;
	flo__strbuf_reset(&b->text);
}

static void work(struct flo__task *task)
{
	/* The task is the first of its batch. */
	struct batch *b = (struct batch *)(void *)task;

	flo_blocking_begin();
	write_batch(b);
	flo_blocking_end();
}

/* The owner */

static flo_status outcome(const struct batch *b, flo_error *err)
{
	if (b->st != FLO_OK && err != NULL && err->status == FLO_OK)
		*err = b->err;
	return b->st;
}

static flo_status init_batch(struct batch *b, struct flo__sheet *sheet,
			     size_t len, size_t rows_max)
{
	b->task.work = work;
	b->sheet = sheet;
	b->len = len;
	flo__strbuf_init(&b->text);
	b->cells = flo__calloc(rows_max * len, sizeof(*b->cells));
	return b->cells != NULL ? FLO_OK : FLO_NOMEM;
}

flo_status flo__relay_new(struct flo__sheet *sheet, size_t len, flo_error *err,
			  struct flo__relay **ret_relay)
{
	struct flo__relay *relay = flo__calloc(1, sizeof(*relay));
	flo_status st = FLO_OK;

	REQUIRE(len > 0);
	if (relay == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	relay->rows_max = len < CELLS ? CELLS / len : 1;
	for (size_t i = 0; i < 2 && st == FLO_OK; i++)
		st = init_batch(&relay->batch[i], sheet, len, relay->rows_max);
	if (st == FLO_OK) {
		*ret_relay = relay;
		return st;
	}
	flo__relay_free(relay);
	return flo_error_set(err, st, "out of memory");
}

void flo__relay_free(struct flo__relay *relay)
{
	if (relay == NULL)
		return;
	for (size_t i = 0; i < 2; i++) {
		flo__task_drop(&relay->batch[i].task);
		flo__free(relay->batch[i].cells);
		if (relay->batch[i].task.work != NULL)
			flo__strbuf_fini(&relay->batch[i].text);
	}
	flo__free(relay);
}

/* Have the full batch written, once the one before it is. */
static flo_status hand_over(struct flo__relay *relay, flo_error *err)
{
	struct batch *full = &relay->batch[relay->turn];
	struct batch *other = &relay->batch[relay->turn ^ 1];
	flo_status st;

	flo__task_wait(&other->task);
	st = outcome(other, err);
	if (st != FLO_OK)
		return st;
	flo__task_start(&full->task);
	relay->turn ^= 1;
	return FLO_OK;
}

static flo_status copy_row(struct batch *b, const struct flo__cell *cells)
{
	struct flo__cell *to = b->cells + b->rows * b->len;
	bool first = b->rows++ == 0;

	memcpy(to, cells, b->len * sizeof(*to));
	for (size_t i = 0; i < b->len; i++) {
		if (to[i].text == NULL)
			continue;
		if (to[i].same && !first) {
			to[i].n = to[(ptrdiff_t)i - (ptrdiff_t)b->len].n;
			continue;
		}
		to[i].n = (int64_t)b->text.len;
		flo__strbuf_add(&b->text, to[i].text, to[i].len);
	}
	return flo__strbuf_status(&b->text);
}

flo_status flo__relay_row(struct flo__relay *relay,
			  const struct flo__cell *cells, flo_error *err)
{
	struct batch *b = &relay->batch[relay->turn];
	flo_status st = copy_row(b, cells);

	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	if (b->rows < relay->rows_max && b->text.len < BYTES)
		return FLO_OK;
	return hand_over(relay, err);
}

flo_status flo__relay_finish(struct flo__relay *relay, flo_error *err)
{
	struct batch *last = &relay->batch[relay->turn];
	struct batch *other = &relay->batch[relay->turn ^ 1];
	flo_status st;

	flo__task_wait(&other->task);
	TRY(outcome(other, err));
	write_batch(last);
	st = outcome(last, err);
out:
	return st;
}
