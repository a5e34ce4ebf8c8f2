#include "steps/cmdb/batch.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/same.h"
#include "steps/cmdb/split.h"

#include <string.h>

/* Looking up */

/*
 * The digest by which a record is known without being read. Where another
 * `gone` or shape might read the same bytes as something else, it is another
 * digest.
 */
static struct flo__digest digest_raw(const struct flo__batch_how *how,
				     const char *text, size_t len)
{
	struct flo__digest raw = flo__digest_of(text, len);

	for (size_t i = 0; i < sizeof(raw.byte); i++)
		raw.byte[i] ^= how->salt.byte[i];
	return raw;
}

static void digest_rows(struct flo__batch *batch)
{
	for (size_t i = 0; i < batch->len; i++) {
		struct flo__batch_row *row = &batch->row[i];

		row->raw = digest_raw(batch->how, batch->texts.data + row->at,
				      row->len);
		flo__index_hint(&batch->how->held->by_raw, &row->raw);
	}
}

static void find_hits(struct flo__batch *batch)
{
	const struct flo__index *index = &batch->how->held->by_raw;

	for (size_t i = 0; i < batch->len; i++)
		flo__index_hint_place(index, &batch->row[i].raw);
	for (size_t i = 0; i < batch->len; i++) {
		struct flo__batch_row *row = &batch->row[i];
		bool hit;

		row->held = flo__index_find(index, &row->raw);
		hit = row->held != FLO__INDEX_NONE;
		row->is = hit ? FLO__BATCH_HIT : FLO__BATCH_NEW;
		batch->hits += hit;
	}
}

static void find_none(struct flo__batch *batch)
{
	for (size_t i = 0; i < batch->len; i++)
		batch->row[i].is = FLO__BATCH_NEW;
}

/* Reading */

static flo_status read_gone(const struct flo__batch *batch, flo_error *err,
			    bool *ret_gone)
{
	const struct flo__pointer *gone = batch->how->gone;
	const struct flo__token *value =
		flo__tape_get(batch->reading.tape, gone);
	char text[128];

	*ret_gone = value != NULL && value->kind == FLO__TOKEN_TRUE;
	if (value == NULL || *ret_gone || value->kind == FLO__TOKEN_FALSE ||
	    value->kind == FLO__TOKEN_NULL)
		return FLO_OK;
	flo__pointer_text(gone, text, sizeof(text));
	return flo_error_set(err, FLO_TYPE,
			     "%s, which says whether the record is gone, is "
			     "neither true, false nor null",
			     text);
}

/* Records are read in batches, whose errors may come while a later page is. */
static void name_page(const struct flo__place *place, flo_error *err)
{
	if (place->page != 0)
		flo_error_prefix(err, "page %u", (unsigned)place->page);
}

static void name_place(const struct flo__place *place, flo_error *err)
{
	if (place->unit == NULL)
		return;
	if (place->byte == FLO__PLACE_NO_BYTE)
		flo_error_prefix(err, "%s %llu", place->unit,
				 (unsigned long long)place->number);
	else if (place->line != 0)
		flo_error_prefix(err, "%s %llu (line %llu, byte %llu)",
				 place->unit, (unsigned long long)place->number,
				 (unsigned long long)place->line,
				 (unsigned long long)place->byte);
	else
		flo_error_prefix(err, "%s %llu (byte %llu)", place->unit,
				 (unsigned long long)place->number,
				 (unsigned long long)place->byte);
}

static const char *text_of(const struct flo__batch *batch,
			   const struct flo__batch_row *row)
{
	return (row->shaped ? batch->shaped.data : batch->texts.data) + row->at;
}

static flo_status read_text(struct flo__batch *batch,
			    struct flo__batch_row *row, flo_error *err)
{
	flo_status st = flo__reading_read(&batch->reading, text_of(batch, row),
					  row->len, err);

	row->spaced = batch->reading.shape.spaced;
	return st;
}

static flo_status look_gone(struct flo__batch *batch,
			    struct flo__batch_row *row, flo_error *err)
{
	flo_status st;

	TRY(read_text(batch, row, err));
	st = read_gone(batch, err, &row->gone);
out:
	return st;
}

static flo_status shape_once(struct flo__batch *batch,
			     struct flo__batch_row *row, flo_error *err,
			     bool *ret_keep)
{
	const struct flo__batch_how *how = batch->how;
	const char *text = text_of(batch, row);
	const char *made = text;
	size_t made_len = row->len;
	flo_status st;

	st = how->shape(how->shape_arg, text, row->len, row->gone,
			&batch->shape_scratch, err, ret_keep, &made, &made_len);
	if (st != FLO_OK || !*ret_keep || made == text)
		return st;
	row->at = batch->shaped.len;
	row->len = made_len;
	row->shaped = true;
	flo__strbuf_add(&batch->shaped, made, made_len);
	return flo__strbuf_status(&batch->shaped);
}

/* What is left out of changes is gone: it must not stay what it was. */
static flo_status shape_row(struct flo__batch *batch,
			    struct flo__batch_row *row, flo_error *err)
{
	bool keep = true;
	flo_status st;

	if (batch->how->gone != NULL)
		TRY(look_gone(batch, row, err));
	TRY(shape_once(batch, row, err, &keep));
	if (keep)
		return FLO_OK;
	batch->rejected++;
	row->gone = true;
	if (!batch->how->full)
		return shape_once(batch, row, err, &keep);
	row->is = FLO__BATCH_REJECTED;
	batch->left_out++;
out:
	return st;
}

static flo_status identify(struct flo__batch *batch, struct flo__batch_row *row,
			   flo_error *err)
{
	const struct flo__batch_how *how = batch->how;
	flo_status st;

	if (how->shape != NULL)
		TRY(shape_row(batch, row, err));
	if (row->is == FLO__BATCH_REJECTED)
		return FLO_OK;
	TRY(read_text(batch, row, err));
	if (how->spec != NULL)
		TRY(flo__tape_identify(batch->reading.tape, how->spec,
				       &batch->scratch, &row->id));
	if (how->gone != NULL && how->shape == NULL)
		st = read_gone(batch, err, &row->gone);
out:
	return st;
}

static flo_status read_row(struct flo__batch *batch, struct flo__batch_row *row)
{
	const struct flo__place *place = &row->place;
	flo_status st;

	/* It names the record itself. */
	if (place->trusted)
		TRY(flo__split_check_line(text_of(batch, row), row->len, place,
					  batch->how->mask, &batch->err));
	st = identify(batch, row, &batch->err);
	if (st != FLO_OK && st != FLO_NOMEM)
		name_place(place, &batch->err);
out:
	if (st != FLO_OK && st != FLO_NOMEM)
		name_page(place, &batch->err);
	return st;
}

static flo_status read_rows(struct flo__batch *batch)
{
	const atomic_bool *stop = batch->how->stop;
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < batch->len; i++) {
		/* One may take some tens of milliseconds, with a map. */
		if (atomic_load_explicit(stop, memory_order_relaxed))
			return FLO_CANCELED;
		if (batch->row[i].is == FLO__BATCH_NEW)
			st = read_row(batch, &batch->row[i]);
	}
	return st;
}

/* Being the same */

/* To be looked up: what is gone is never the same. */
static bool may_be_same(const struct flo__batch *batch, size_t i)
{
	return batch->row[i].is == FLO__BATCH_NEW && !batch->row[i].gone;
}

/* What the state may hold under @key: what[i] is of row i, if that is new. */
static void hint_same(const struct flo__batch *batch, struct flo__digest *what)
{
	const struct flo__index *index = &batch->how->what->by_what;

	for (size_t i = 0; i < batch->len; i++) {
		const struct flo__identity *id = &batch->row[i].id;

		if (!may_be_same(batch, i))
			continue;
		what[i] = flo__held_what(&id->key, &id->body);
		flo__index_hint(index, &what[i]);
	}
	for (size_t i = 0; i < batch->len; i++)
		if (may_be_same(batch, i))
			flo__index_hint_place(index, &what[i]);
}

static flo_status find_same(struct flo__batch *batch)
{
	struct flo__digest *what =
		flo__reallocarray(NULL, batch->len, sizeof(*what));

	if (what == NULL)
		return FLO_NOMEM;
	hint_same(batch, what);
	for (size_t i = 0; i < batch->len; i++) {
		uint32_t at = FLO__INDEX_NONE;

		if (may_be_same(batch, i))
			at = flo__index_find(&batch->how->what->by_what,
					     &what[i]);
		if (at == FLO__INDEX_NONE)
			continue;
		batch->row[i].is = FLO__BATCH_SAME;
		batch->row[i].held = at;
		batch->sames++;
	}
	flo__free(what);
	return FLO_OK;
}

/* What is kept */

static void keep_body(struct flo__batch *batch, struct flo__batch_row *row)
{
	bool same = row->is == FLO__BATCH_SAME;
	struct flo__strbuf *to = same ? &batch->same : &batch->bodies;
	const char *text = text_of(batch, row);
	size_t at;

	if (same) {
		flo__strbuf_addc(to, FLO__SAME_RAW);
		flo__strbuf_add(to, &row->raw, sizeof(row->raw));
	}
	at = to->len;
	if (row->spaced)
		flo__record_compact(text, row->len, to);
	else
		flo__strbuf_add(to, text, row->len);
	row->at = at;
	row->len = to->len - at;
	if (same)
		flo__strbuf_addc(to, '\n');
}

static flo_status keep_bodies(struct flo__batch *batch)
{
	flo_status st;

	for (size_t i = 0; i < batch->len; i++)
		if (batch->row[i].is == FLO__BATCH_NEW ||
		    batch->row[i].is == FLO__BATCH_SAME)
			keep_body(batch, &batch->row[i]);
	TRY(flo__strbuf_status(&batch->bodies));
	TRY(flo__strbuf_status(&batch->same));
	if (batch->sames != 0)
		st = flo__pack(&batch->packer, &batch->same, &batch->packed);
out:
	return st;
}

static void work(struct flo__task *task)
{
	struct flo__batch *batch = (struct flo__batch *)task;
	flo_status st = FLO_OK;

	digest_rows(batch);
	if (batch->how->full)
		find_hits(batch);
	else
		find_none(batch);
	if (batch->hits == batch->len)
		goto out;
	TRY(read_rows(batch));
	if (batch->how->what != NULL)
		TRY(find_same(batch));
	st = keep_bodies(batch);
out:
	batch->st = st;
}

/* Life */

void flo__batch_init(struct flo__batch *batch)
{
	batch->task.work = work;
	flo__strbuf_init(&batch->texts);
	flo__strbuf_init(&batch->shaped);
	flo__strbuf_init(&batch->shape_scratch);
	flo__strbuf_init(&batch->bodies);
	flo__strbuf_init(&batch->same);
	flo__strbuf_init(&batch->packed);
	flo__strbuf_init(&batch->scratch);
}

void flo__batch_fini(struct flo__batch *batch)
{
	flo__task_drop(&batch->task);
	flo__strbuf_fini(&batch->texts);
	flo__strbuf_fini(&batch->shaped);
	flo__strbuf_fini(&batch->shape_scratch);
	flo__strbuf_fini(&batch->bodies);
	flo__strbuf_fini(&batch->same);
	flo__strbuf_fini(&batch->packed);
	flo__strbuf_fini(&batch->scratch);
	flo__reading_fini(&batch->reading);
	flo__packer_free(batch->packer);
	flo__free(batch->row);
	batch->row = NULL;
}

static flo_status reserve_row(struct flo__batch *batch)
{
	size_t cap = batch->cap != 0 ? batch->cap * 2 : 128;
	struct flo__batch_row *row;

	if (batch->len < batch->cap)
		return FLO_OK;
	row = flo__reallocarray(batch->row, cap, sizeof(*row));
	if (row == NULL)
		return FLO_NOMEM;
	batch->row = row;
	batch->cap = cap;
	return FLO_OK;
}

flo_status flo__batch_add(struct flo__batch *batch, const char *text,
			  size_t len, const struct flo__place *place)
{
	size_t at = batch->texts.len;
	flo_status st = reserve_row(batch);

	REQUIRE(!batch->task.started);
	if (st != FLO_OK)
		return st;
	flo__strbuf_add(&batch->texts, text, len);
	batch->row[batch->len++] =
		(struct flo__batch_row){.at = at, .len = len, .place = *place};
	return flo__strbuf_status(&batch->texts);
}

bool flo__batch_is_full(const struct flo__batch *batch)
{
	return batch->texts.len >= FLO__BATCH_BYTES ||
	       batch->len >= FLO__BATCH_RECORDS;
}

/* What one large record needed is not kept for the small ones after it. */
#define KEPT_BYTES (1u << 20)

static void empty(struct flo__strbuf *sb)
{
	if (sb->cap > KEPT_BYTES)
		flo__strbuf_fini(sb);
	else
		flo__strbuf_reset(sb);
}

void flo__batch_reset(struct flo__batch *batch)
{
	REQUIRE(!batch->task.started);
	if (batch->texts.cap > KEPT_BYTES)
		flo__reading_fini(&batch->reading);
	empty(&batch->texts);
	empty(&batch->shaped);
	empty(&batch->shape_scratch);
	empty(&batch->bodies);
	empty(&batch->same);
	empty(&batch->packed);
	empty(&batch->scratch);
	flo_error_clear(&batch->err);
	batch->len = 0;
	batch->hits = 0;
	batch->sames = 0;
	batch->rejected = 0;
	batch->left_out = 0;
}
