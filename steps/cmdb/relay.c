/*
 * Note: the relay.
 *
 * The owner fills batches, round a ring. A batch's work is a task that cuts its
 * rows into cells, and then one for each lane of the sheet, which puts the cells
 * of its columns where they belong. All of them are started at once, when the
 * batch is full:
 *
 *	cut 0 ---> lane 0 of 0 ---> lane 0 of 1 ---> lane 0 of 2
 *	      \--> lane 1 of 0 ---> lane 1 of 1 ---> ...
 *	cut 1 ---> ...
 *
 * A lane's task takes two tokens from its semaphore before it touches anything:
 * one is given by its batch's cut when that is done, the other by the same
 * lane's task of the batch before (the first batch's by the owner, at the
 * start). So a lane takes batches in their order, while cuts and other lanes go
 * on as they like, and what a lane has (its columns, `broken`) is one task's at
 * a time: the semaphores order each hand-over. Every task gives its tokens,
 * whatever happened to it, a panic too: so that each that was started comes to
 * its end, and the owner can always wait for all of them. Who waits was started
 * after whom it waits for, so there is no circle.
 *
 * The owner takes batches back in their order, and each one's tasks in the order
 * in which they were started; only then it writes what they have brought, and
 * fills the batch again. So the first failure in the order of the rows is the
 * one that is told. The first token for a batch's next turn may come before that
 * begins, but never before its last turn's were taken: it comes from the same
 * lane's task of the batch before, which had to wait for that turn.
 *
 * What is under way is bounded: RING batches, and UNDER_WAY bytes of texts, or
 * one row; and as much again for the cells, and for CSV.
 *
 * Refused: two batches and one task that writes, as it was: what one core does
 * beside SQLite then takes longer than SQLite. Whole groups of rows beside each
 * other: each is up to bytes_max, and where one ends is known only when its
 * columns are filled. One lane a column: a table of 1000 would be all tasks.
 */
#include "steps/cmdb/relay.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/task.h"

#include <flo/panic.h>
#include <flo/runtime.h>
#include <stdatomic.h>
#include <string.h>

/* A batch goes on its way with this many rows, cells, or bytes of text. */
#define ROWS  1024u
#define CELLS (32u << 10)
#define BYTES (256u << 10)

#define RING	  16
#define UNDER_WAY (8u << 20)

struct batch;

struct lane_task {
	struct flo__task task;
	struct batch *batch; /* borrowed, like the next */
	size_t lane;
	flo_sem go; /* two tokens: see the note */
	flo_status st;
	flo_error err;
};

struct batch {
	struct flo__task task; /* the rest is the workers' meanwhile */
	struct flo__relay *relay;
	struct flo__relay_row *row; /* owned; its texts are in @texts */
	size_t len;
	struct flo__strbuf texts;
	struct flo__strbuf origins;
	struct flo__relay_scratch scratch;
	struct flo__block block; /* by cut; then read by lanes */
	struct lane_task *lane;	 /* relay->lanes of relay->lane */
	flo_status st;		 /* of the cut */
	flo_error err;
};

struct flo__relay {
	/* Never changed while tasks are under way. */
	struct flo__sheet *sheet; /* borrowed */
	flo__relay_cut_fn cut;
	const void *arg;
	size_t lanes;
	size_t rows_max;
	/* A hint: nobody wants what comes out. Relaxed; set by the owner. */
	atomic_bool stop;
	/* By whose turn it is in that lane: a failure was there before. */
	bool *broken;		/* owned */
	struct lane_task *lane; /* owned; for each batch, of each lane */

	/* The owner's. */
	struct batch *ring; /* owned; RING of them */
	uint64_t started;
	uint64_t taken;
	size_t bytes;		   /* of texts that are under way */
	struct flo__strbuf origin; /* of the next row */
	bool same;		   /* as that of the row before */
	bool again;
};

static bool is_stopped(const struct flo__relay *relay)
{
	return atomic_load_explicit(&relay->stop, memory_order_relaxed);
}

/* Cutting */

static flo_status cut_rows(struct batch *b)
{
	const struct flo__relay *relay = b->relay;
	flo_status st = FLO_OK;

	flo__strbuf_reset(&b->scratch.texts);
	if (!flo__strbuf_reserve(&b->scratch.texts, b->texts.len))
		return flo_error_set(&b->err, FLO_NOMEM, "out of memory");
	for (size_t i = 0; i < b->len && st == FLO_OK; i++) {
		struct flo__relay_row *row = &b->row[i];

		for (size_t j = 0; j < FLO__RELAY_TEXTS; j++)
			if (row->text[j].at != NULL)
				row->text[j].at =
					b->texts.data + row->text[j].place;
		row->origin = b->origins.data + row->origin_place;
		st = relay->cut(relay->arg, row, &b->scratch,
				&b->block.cells[i], b->block.cap, &b->err);
	}
	return st;
}

static void cut_batch(void *arg)
{
	struct batch *b = arg;

	b->block.rows = b->len;
	b->st = is_stopped(b->relay) ? FLO_CANCELED : cut_rows(b);
	if (b->st == FLO_OK)
		b->st = flo__sheet_format(b->relay->sheet, &b->block, &b->err);
}

static void work_cut(struct flo__task *task)
{
	/* The task is the first of its batch. */
	struct batch *b = (struct batch *)(void *)task;
	size_t lanes = b->relay->lanes;
	flo_error fault = FLO_ERROR_INIT;
	flo_status st;

	b->st = FLO_PANIC;
	st = flo_try(cut_batch, b, &fault);
	for (size_t i = 0; i < lanes; i++)
		flo_sem_give(&b->lane[i].go);
	if (st != FLO_OK)
		flo_panic("%s", fault.text);
}

/* Lanes */

static struct batch *slot(const struct flo__relay *relay, uint64_t no)
{
	return &relay->ring[no % RING];
}

static struct batch *next_of(const struct batch *b)
{
	const struct flo__relay *relay = b->relay;

	return slot(relay, (uint64_t)(b - relay->ring) + 1);
}

static void take_lane(void *arg)
{
	struct lane_task *lane = arg;
	struct batch *b = lane->batch;
	struct flo__relay *relay = b->relay;
	bool *broken = &relay->broken[lane->lane];

	if (*broken || b->st != FLO_OK || is_stopped(relay)) {
		/* What has failed before is told before this. */
		lane->st = FLO_CANCELED;
		*broken = true;
		return;
	}
	/* To pack columns takes long; others may have the P then. */
	if (b->block.ends && lane->task.shared_work)
		flo_blocking_begin();
	lane->st = flo__sheet_take(relay->sheet, lane->lane, &b->block,
				   &lane->err);
	if (b->block.ends && lane->task.shared_work)
		flo_blocking_end();
	*broken = lane->st != FLO_OK;
}

/* In the owner's coroutine, where the task has none, which computes, too. */
static void wait_for_turn(struct lane_task *lane)
{
	if (!flo_sem_trytake_n(&lane->go, 2))
		(void)flo_sem_take_n(&lane->go, 2, NULL);
}

static void work_lane(struct flo__task *task)
{
	struct lane_task *lane = (struct lane_task *)(void *)task;
	struct flo__relay *relay = lane->batch->relay;
	flo_error fault = FLO_ERROR_INIT;
	flo_status st;

	wait_for_turn(lane);
	lane->st = FLO_PANIC;
	st = flo_try(take_lane, lane, &fault);
	if (st != FLO_OK)
		relay->broken[lane->lane] = true;
	flo_sem_give(&next_of(lane->batch)->lane[lane->lane].go);
	if (st != FLO_OK)
		flo_panic("%s", fault.text);
}

/* The owner: taking back */

static flo_status told(flo_status st, const flo_error *from, flo_error *err)
{
	if (st != FLO_OK && err != NULL && err->status == FLO_OK)
		*err = *from;
	return st;
}

/* What one long row has taken is not kept while others are under way. */
static void empty(struct flo__strbuf *sb)
{
	if (sb->cap > 4 * BYTES)
		flo__strbuf_fini(sb);
	else
		flo__strbuf_reset(sb);
}

static void empty_all(struct batch *b)
{
	empty(&b->texts);
	empty(&b->origins);
	empty(&b->scratch.texts);
	empty(&b->block.csv);
}

/* Take the oldest batch back, and write what it has brought. */
static flo_status take_back(struct flo__relay *relay, flo_error *err)
{
	struct batch *b = slot(relay, relay->taken);
	flo_status st;

	INSIST(relay->taken < relay->started);
	flo__task_wait(&b->task, FLO__TASK_COMPUTING);
	relay->again = b->st == FLO_AGAIN;
	TRY(told(b->st, &b->err, err));
	for (size_t i = 0; i < relay->lanes; i++) {
		flo__task_wait(&b->lane[i].task, FLO__TASK_COMPUTING);
		TRY(told(b->lane[i].st, &b->lane[i].err, err));
	}
	relay->taken++;
	relay->bytes -= b->texts.len;
	st = flo__sheet_put(relay->sheet, &b->block, err);
	empty_all(b);
out:
	return st;
}

static flo_status take_back_all(struct flo__relay *relay, flo_error *err)
{
	flo_status st = FLO_OK;

	while (relay->taken < relay->started && st == FLO_OK)
		st = take_back(relay, err);
	return st;
}

/* The owner: starting */

static struct batch *current(const struct flo__relay *relay)
{
	return slot(relay, relay->started);
}

/* What a batch needs for rows: most exports are small, and few are used. */
static flo_status furnish(struct batch *b)
{
	const struct flo__relay *relay = b->relay;
	flo_status st;

	TRY(flo__block_init(&b->block, relay->sheet, relay->rows_max));
	b->row = flo__calloc(relay->rows_max, sizeof(*b->row));
	st = b->row != NULL ? FLO_OK : FLO_NOMEM;
out:
	return st;
}

static flo_status reset(struct batch *b)
{
	if (b->row == NULL)
		return furnish(b);
	flo__block_reset(&b->block, b->relay->sheet);
	b->len = 0;
	return FLO_OK;
}

/* Start the current batch; the next one is the current then, and empty. */
static flo_status start(struct flo__relay *relay, bool ends, flo_error *err)
{
	struct batch *b = current(relay);
	flo_status st = FLO_OK;

	if (ends)
		TRY(flo__block_end(&b->block, relay->sheet, err));
	while (relay->taken < relay->started &&
	       relay->bytes + b->texts.len > UNDER_WAY)
		TRY(take_back(relay, err));
	relay->bytes += b->texts.len;
	relay->started++;
	flo__task_start(&b->task);
	for (size_t i = 0; i < relay->lanes; i++)
		flo__task_start(&b->lane[i].task);
	if (relay->started - relay->taken == RING)
		TRY(take_back(relay, err));
	if (reset(current(relay)) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	return st;
}

static flo_status hand_over(struct flo__relay *relay, flo_error *err)
{
	const struct batch *b = current(relay);
	bool ends = flo__sheet_count(relay->sheet, b->len, b->texts.len);
	flo_status st;

	TRY(start(relay, ends, err));
	if (!flo__sheet_asks(relay->sheet))
		return FLO_OK;
	TRY(take_back_all(relay, err));
	if (flo__sheet_is_full(relay->sheet) &&
	    flo__sheet_end_group(relay->sheet))
		st = start(relay, true, err);
out:
	return st;
}

/* The owner: rows */

flo_status flo__relay_origin(struct flo__relay *relay, const char *texts,
			     size_t len, flo_error *err)
{
	flo__strbuf_reset(&relay->origin);
	flo__strbuf_add(&relay->origin, texts, len);
	relay->same = false;
	if (relay->origin.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

static void copy_texts(struct batch *b, struct flo__relay_row *row)
{
	for (size_t i = 0; i < FLO__RELAY_TEXTS; i++) {
		if (row->text[i].at == NULL)
			continue;
		row->text[i].place = b->texts.len;
		flo__strbuf_add(&b->texts, row->text[i].at, row->text[i].len);
	}
}

static flo_status copy_row(struct flo__relay *relay,
			   const struct flo__relay_row *from)
{
	struct batch *b = current(relay);
	struct flo__relay_row *row = &b->row[b->len];

	*row = *from;
	copy_texts(b, row);
	row->same = relay->same;
	if (b->len > 0)
		row->origin_place = row[-1].origin_place;
	if (b->len == 0 || !relay->same) {
		row->origin_place = b->origins.len;
		flo__strbuf_add(&b->origins, relay->origin.data,
				relay->origin.len);
	}
	relay->same = true;
	b->len++;
	return b->texts.failed ? FLO_NOMEM : flo__strbuf_status(&b->origins);
}

flo_status flo__relay_row(struct flo__relay *relay,
			  const struct flo__relay_row *row, flo_error *err)
{
	const struct batch *b = current(relay);
	flo_status st = copy_row(relay, row);

	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	if (b->len < relay->rows_max && b->texts.len < BYTES &&
	    b->len < flo__sheet_room(relay->sheet))
		return FLO_OK;
	return hand_over(relay, err);
}

flo_status flo__relay_finish(struct flo__relay *relay, flo_error *err)
{
	const struct batch *b = current(relay);
	bool ends = flo__sheet_count(relay->sheet, b->len, b->texts.len) ||
		    flo__sheet_end_group(relay->sheet);
	flo_status st;

	if (b->len > 0 || ends)
		TRY(start(relay, ends, err));
	st = take_back_all(relay, err);
out:
	return st;
}

bool flo__relay_said_again(const struct flo__relay *relay)
{
	return relay->again;
}

/* Life */

/* The first batch's lanes have nobody before them to give them a token. */
static void init_lanes(struct flo__relay *relay)
{
	for (size_t i = 0; i < RING * relay->lanes; i++) {
		struct lane_task *lane = &relay->lane[i];

		lane->task.work = work_lane;
		lane->batch = slot(relay, i / relay->lanes);
		lane->lane = i % relay->lanes;
		if (i < relay->lanes)
			flo_sem_give(&lane->go);
	}
}

static void init_batch(struct batch *b, struct flo__relay *relay, size_t i)
{
	b->task.work = work_cut;
	b->relay = relay;
	b->lane = relay->lane + i * relay->lanes;
	flo__strbuf_init(&b->texts);
	flo__strbuf_init(&b->origins);
	flo__strbuf_init(&b->scratch.key);
	flo__strbuf_init(&b->scratch.texts);
}

static void fini_batch(struct batch *b)
{
	if (b->relay == NULL)
		return;
	flo__strbuf_fini(&b->texts);
	flo__strbuf_fini(&b->origins);
	flo__strbuf_fini(&b->scratch.key);
	flo__strbuf_fini(&b->scratch.texts);
	flo__block_fini(&b->block);
	flo__free(b->row);
}

static size_t batch_rows(size_t columns)
{
	size_t rows = columns < CELLS ? CELLS / columns : 1;

	return rows < ROWS ? rows : ROWS;
}

static flo_status make_ring(struct flo__relay *relay)
{
	for (size_t i = 0; i < RING; i++)
		init_batch(&relay->ring[i], relay, i);
	init_lanes(relay);
	return reset(current(relay));
}

flo_status flo__relay_new(struct flo__sheet *sheet, flo__relay_cut_fn cut,
			  const void *arg, flo_error *err,
			  struct flo__relay **ret_relay)
{
	struct flo__relay *relay = flo__calloc(1, sizeof(*relay));
	flo_status st = FLO_NOMEM;

	if (relay == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__strbuf_init(&relay->origin);
	relay->sheet = sheet;
	relay->cut = cut;
	relay->arg = arg;
	relay->lanes = flo__sheet_lanes(sheet);
	relay->rows_max = batch_rows(flo__sheet_columns(sheet));
	relay->broken = flo__calloc(relay->lanes + 1, sizeof(*relay->broken));
	relay->lane =
		flo__calloc(RING * relay->lanes + 1, sizeof(*relay->lane));
	relay->ring = flo__calloc(RING, sizeof(*relay->ring));
	if (relay->broken != NULL && relay->lane != NULL && relay->ring != NULL)
		st = make_ring(relay);
	if (st == FLO_OK) {
		*ret_relay = relay;
		return st;
	}
	flo__relay_free(relay);
	return flo_error_set(err, st, "out of memory");
}

/* In the order in which they were started, as each needs those before it. */
static void drop_all(struct flo__relay *relay)
{
	atomic_store_explicit(&relay->stop, true, memory_order_relaxed);
	for (; relay->taken < relay->started; relay->taken++) {
		struct batch *b = slot(relay, relay->taken);

		flo__task_drop(&b->task);
		for (size_t i = 0; i < relay->lanes; i++)
			flo__task_drop(&b->lane[i].task);
	}
}

void flo__relay_free(struct flo__relay *relay)
{
	if (relay == NULL)
		return;
	drop_all(relay);
	for (size_t i = 0; relay->ring != NULL && i < RING; i++)
		fini_batch(&relay->ring[i]);
	flo__strbuf_fini(&relay->origin);
	flo__free(relay->broken);
	flo__free(relay->lane);
	flo__free(relay->ring);
	flo__free(relay);
}
