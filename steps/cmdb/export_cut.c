#include "steps/cmdb/export_cut.h"

#include "base/contract.h"

#include <string.h>

/* A row that is being cut. */
struct cut {
	const struct flo__cutter *cutter;
	const struct flo__relay_row *row;
	struct flo__relay_scratch *scratch;
	struct flo__parquet_cell *cells;
	size_t step;
};

static struct flo__parquet_cell *cell_of(const struct cut *cut, size_t column)
{
	return &cut->cells[column * cut->step];
}

/* Values */

static void set_text(struct flo__parquet_cell *cell, const char *text,
		     size_t len)
{
	cell->set = true;
	cell->text = text;
	cell->len = (uint32_t)len;
}

static void set_number(struct flo__parquet_cell *cell, int64_t n)
{
	cell->set = true;
	cell->n = n;
}

/* There is room for all strings of the row, so that they stay in place. */
static flo_status set_string(const struct cut *cut,
			     const struct flo__member *member,
			     struct flo__parquet_cell *cell, flo_error *err)
{
	size_t at = cut->scratch->texts.len;
	flo_status st;

	if (!member->escaped) {
		set_text(cell, member->text + 1, member->text_len - 2);
		return FLO_OK;
	}
	st = flo__member_unescape(member->text, member->text_len, err,
				  &cut->scratch->texts);
	if (st == FLO_OK)
		set_text(cell, cut->scratch->texts.data + at,
			 cut->scratch->texts.len - at);
	return st;
}

/* A value as its column has it, which may be wider than it needs. */
static flo_status set_member(const struct cut *cut,
			     const struct flo__member *member,
			     enum flo__kind kind,
			     struct flo__parquet_cell *cell, flo_error *err)
{
	switch (kind) {
	case FLO__KIND_BOOL:
		set_number(cell, member->text[0] == 't');
		return FLO_OK;
	case FLO__KIND_INT53:
	case FLO__KIND_INT:
		set_number(cell,
			   flo__member_int(member->text, member->text_len));
		return FLO_OK;
	case FLO__KIND_DOUBLE:
		cell->set = true;
		return flo__member_double(member->text, member->text_len, err,
					  &cell->d);
	case FLO__KIND_STRING:
		return set_string(cut, member, cell, err);
	case FLO__KIND_NULL:
	case FLO__KIND_JSON:
	case FLO__KIND_MIXED:
		break;
	}
	set_text(cell, member->text, member->text_len);
	return FLO_OK;
}

/* Records */

static const char *plan_of(const struct cut *cut)
{
	const char *text = cut->row->origin;

	for (int i = 0; i < 3; i++)
		text += strlen(text) + 1;
	return text;
}

static flo_status set_field(const struct cut *cut,
			    const struct flo__member *member, const size_t *at,
			    flo_error *err)
{
	const struct flo__fields *fields = &cut->cutter->fields;
	size_t i = flo__fields_find(fields, member->name, member->name_len,
				    &cut->scratch->next);
	enum flo__kind kind;

	if (member->kind == FLO__KIND_NULL)
		return FLO_OK;
	kind = i == SIZE_MAX ? FLO__KIND_NULL : fields->field[i].kind;
	if (flo__kind_join(kind, member->kind) == kind)
		return set_member(cut, member, kind, cell_of(cut, at[i]), err);
	if (cut->cutter->guessed)
		return FLO_AGAIN;
	return flo_error_set(err, FLO_BUSY,
			     "the records of plan %s changed while they were "
			     "exported; export again",
			     plan_of(cut));
}

static flo_status set_body(const struct cut *cut, int text, const size_t *at,
			   flo_error *err)
{
	struct flo__members members = {.text = cut->row->text[text].at,
				       .len = cut->row->text[text].len,
				       .key = cut->scratch->key};
	struct flo__member member;
	bool more = true;
	flo_status st = FLO_OK;

	if (members.text == NULL)
		return FLO_OK;
	for (;;) {
		TRY(flo__members_next(&members, err, &member, &more));
		if (!more)
			break;
		TRY(set_field(cut, &member, at, err));
	}
out:
	/* Its memory is for the next one. */
	cut->scratch->key = members.key;
	return st;
}

/* Rows */

static void set_column(const struct cut *cut, size_t column, int text)
{
	set_text(cell_of(cut, column), cut->row->text[text].at,
		 cut->row->text[text].len);
}

/* Where the row comes from: the same for all of a plan. */
static void set_origin(const struct cut *cut, size_t column)
{
	const char *text = cut->row->origin;

	for (size_t i = 0; i < 3; i++, text += strlen(text) + 1)
		set_text(cell_of(cut, column + i), text, strlen(text));
	set_number(cell_of(cut, column + 3), cut->row->ts);
	for (size_t i = 0; i < 4; i++)
		cell_of(cut, column + i)->same = cut->row->same;
}

static flo_status set_change(const struct cut *cut, flo_error *err)
{
	flo_status st;

	set_column(cut, 0, FLO__CUT_OP);
	set_column(cut, 1, FLO__CUT_KEY);
	set_origin(cut, 2);
	set_column(cut, 6, FLO__CUT_FIELDS);
	TRY(set_body(cut, FLO__CUT_BEFORE, cut->cutter->old, err));
	st = set_body(cut, FLO__CUT_AFTER, cut->cutter->new, err);
out:
	return st;
}

static flo_status set_snapshot(const struct cut *cut, flo_error *err)
{
	set_column(cut, 0, FLO__CUT_KEY);
	set_origin(cut, 1);
	set_number(cell_of(cut, 5), cut->row->valid_from);
	return set_body(cut, FLO__CUT_AFTER, cut->cutter->new, err);
}

flo_status flo__export_cut(const void *cutter, const struct flo__relay_row *row,
			   struct flo__relay_scratch *scratch,
			   struct flo__parquet_cell *cells, size_t step,
			   flo_error *err)
{
	struct cut cut = {.cutter = cutter,
			  .row = row,
			  .scratch = scratch,
			  .cells = cells,
			  .step = step};

	return cut.cutter->snapshot ? set_snapshot(&cut, err)
				    : set_change(&cut, err);
}
