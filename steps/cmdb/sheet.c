#include "steps/cmdb/sheet.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

#include <string.h>

#define WRITE_BYTES (256u << 10)

/* Enough to keep some cores busy; each costs a packer's memory. */
#define LANES 4

struct lane {
	struct flo__parquet_packer *packer; /* owned */
};

struct flo__sheet {
	struct flo__outfile *file;     /* borrowed */
	struct flo__parquet *parquet;  /* owned; NULL: CSV */
	enum flo__parquet_type *types; /* owned; never changed */
	size_t len;
	struct lane lane[LANES]; /* each by itself */
	size_t lanes;
	/* All that follows is the owner's. */
	size_t rows;		/* of this group */
	size_t unseen;		/* bytes that came since it was asked */
	size_t patience;	/* bytes after which it asks */
	struct flo__strbuf csv; /* not yet written */
	int64_t bytes;		/* of CSV, written */
};

static flo_status write_parquet(void *arg, struct flo__strbuf *sb,
				flo_error *err)
{
	return flo__outfile_write(arg, sb, err);
}

/* CSV */

static flo_status flush(struct flo__sheet *sheet, size_t least, flo_error *err)
{
	size_t len = sheet->csv.len;
	flo_status st;

	if (len < least && !sheet->csv.failed)
		return FLO_OK;
	st = flo__outfile_write(sheet->file, &sheet->csv, err);
	if (st == FLO_OK)
		sheet->bytes += (int64_t)len;
	return st;
}

static bool needs_quotes(const char *text, size_t len)
{
	if (len == 0)
		return true;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '"' || text[i] == ',' || text[i] == '\n' ||
		    text[i] == '\r')
			return true;
	return false;
}

static void add_text(struct flo__strbuf *sb, const char *text, size_t len)
{
	if (!needs_quotes(text, len)) {
		flo__strbuf_add(sb, text, len);
		return;
	}
	flo__strbuf_addc(sb, '"');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '"')
			flo__strbuf_addc(sb, '"');
		flo__strbuf_addc(sb, text[i]);
	}
	flo__strbuf_addc(sb, '"');
}

static void add_cell(struct flo__strbuf *sb, enum flo__parquet_type type,
		     const struct flo__parquet_cell *cell)
{
	char time[FLO__RFC3339_SIZE];

	switch (type) {
	case FLO__PARQUET_BOOL:
		flo__strbuf_adds(sb, cell->n != 0 ? "true" : "false");
		break;
	case FLO__PARQUET_INT:
		flo__strbuf_add_int(sb, cell->n);
		break;
	case FLO__PARQUET_DOUBLE:
		flo__strbuf_add_double(sb, cell->d);
		break;
	case FLO__PARQUET_TIME:
		flo__time_rfc3339(cell->n, time);
		flo__strbuf_adds(sb, time);
		break;
	case FLO__PARQUET_STRING:
	case FLO__PARQUET_JSON:
		add_text(sb, cell->text, cell->len);
		break;
	}
}

static void add_row(const struct flo__sheet *sheet, struct flo__block *block,
		    size_t row)
{
	struct flo__strbuf *sb = &block->csv;

	for (size_t i = 0; i < sheet->len; i++) {
		const struct flo__parquet_cell *cell =
			&block->cells[i * block->cap + row];

		if (i > 0)
			flo__strbuf_addc(sb, ',');
		if (cell->set)
			add_cell(sb, sheet->types[i], cell);
	}
	flo__strbuf_adds(sb, "\r\n");
}

flo_status flo__sheet_format(const struct flo__sheet *sheet,
			     struct flo__block *block, flo_error *err)
{
	if (sheet->parquet != NULL)
		return FLO_OK;
	for (size_t i = 0; i < block->rows; i++)
		add_row(sheet, block, i);
	if (block->csv.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/* Parquet */

static flo_status fill_lane(struct flo__sheet *sheet, size_t lane,
			    const struct flo__block *block, flo_error *err)
{
	flo_status st = FLO_OK;

	for (size_t i = lane; i < sheet->len && st == FLO_OK; i += LANES)
		st = flo__parquet_fill(sheet->parquet, i,
				       &block->cells[i * block->cap],
				       block->rows, err);
	return st;
}

flo_status flo__sheet_take(struct flo__sheet *sheet, size_t lane,
			   const struct flo__block *block, flo_error *err)
{
	struct flo__parquet_packer **packer = &sheet->lane[lane].packer;
	flo_status st;

	TRY(fill_lane(sheet, lane, block, err));
	if (!block->ends)
		return FLO_OK;
	if (*packer == NULL)
		TRY(flo__parquet_packer_new(sheet->parquet, err, packer));
	for (size_t i = lane; i < sheet->len; i += LANES)
		TRY(flo__parquet_pack(sheet->parquet, i, *packer, block->group,
				      err));
out:
	return st;
}

/*
 * Note: when a group is full.
 *
 * Of rows, when it has rows_max: that is known when they are counted. Of
 * memory, when its columns hold bytes_max: but they are filled behind the
 * owner's back, and what they hold depends on what was the same. So all lanes
 * have to come to a halt before they are asked, which is done seldom: when as
 * much has come as is a quarter of what there was still room for. What has come
 * depends on the rows alone, so the file is the same whoever was how fast.
 */

size_t flo__sheet_room(const struct flo__sheet *sheet)
{
	if (sheet->parquet == NULL)
		return SIZE_MAX;
	return flo__parquet_limits_of(sheet->parquet)->rows_max - sheet->rows;
}

bool flo__sheet_count(struct flo__sheet *sheet, size_t rows, size_t bytes)
{
	if (sheet->parquet == NULL)
		return false;
	INSIST(rows <= flo__sheet_room(sheet));
	sheet->rows += rows;
	sheet->unseen += bytes + rows * sheet->len * sizeof(int64_t);
	return flo__sheet_room(sheet) == 0 && flo__sheet_end_group(sheet);
}

bool flo__sheet_asks(const struct flo__sheet *sheet)
{
	return sheet->rows > 0 && sheet->unseen >= sheet->patience;
}

bool flo__sheet_is_full(struct flo__sheet *sheet)
{
	size_t max = flo__parquet_limits_of(sheet->parquet)->bytes_max;
	size_t bytes = 0, room;

	for (size_t i = 0; i < sheet->len; i++)
		bytes += flo__parquet_column_bytes(sheet->parquet, i);
	room = bytes < max ? max - bytes : 0;
	sheet->unseen = 0;
	sheet->patience = room / 4 > max / 64 ? room / 4 : max / 64;
	return room == 0;
}

bool flo__sheet_end_group(struct flo__sheet *sheet)
{
	bool any = sheet->rows > 0;

	sheet->rows = 0;
	sheet->unseen = 0;
	if (sheet->parquet != NULL)
		sheet->patience =
			flo__parquet_limits_of(sheet->parquet)->bytes_max / 4;
	return any;
}

/* Both */

static flo_status begin(struct flo__sheet *sheet, bool parquet,
			const struct flo__parquet_column *columns,
			const char *const (*meta)[2],
			const struct flo__parquet_limits *limits,
			flo_error *err)
{
	flo_status st;

	if (!parquet) {
		for (size_t i = 0; i < sheet->len; i++) {
			if (i > 0)
				flo__strbuf_addc(&sheet->csv, ',');
			add_text(&sheet->csv, columns[i].name,
				 strlen(columns[i].name));
		}
		flo__strbuf_adds(&sheet->csv, "\r\n");
		return flush(sheet, WRITE_BYTES, err);
	}
	st = flo__parquet_open(columns, sheet->len, limits, write_parquet,
			       sheet->file, err, &sheet->parquet);
	for (; st == FLO_OK && (*meta)[0] != NULL; meta++)
		flo__parquet_add_meta(sheet->parquet, (*meta)[0], (*meta)[1]);
	return st;
}

flo_status flo__sheet_open(struct flo__outfile *file, bool parquet,
			   const struct flo__parquet_column *columns,
			   size_t len, const char *const (*meta)[2],
			   const struct flo__parquet_limits *limits,
			   flo_error *err, struct flo__sheet **ret_sheet)
{
	struct flo__sheet *sheet = flo__calloc(1, sizeof(*sheet));
	flo_status st = FLO_NOMEM;

	if (sheet == NULL)
		return flo_error_set(err, st, "out of memory");
	sheet->file = file;
	sheet->len = len;
	flo__strbuf_init(&sheet->csv);
	sheet->types = flo__calloc(len, sizeof(*sheet->types));
	if (sheet->types == NULL) {
		flo_error_set(err, st, "out of memory");
		goto out;
	}
	for (size_t i = 0; i < len; i++)
		sheet->types[i] = columns[i].type;
	st = begin(sheet, parquet, columns, meta, limits, err);
	if (parquet)
		sheet->lanes = len < LANES ? len : LANES;
	if (st == FLO_OK)
		(void)flo__sheet_end_group(sheet);
out:
	if (st == FLO_OK)
		*ret_sheet = sheet;
	else
		flo__sheet_close(sheet);
	return st;
}

size_t flo__sheet_columns(const struct flo__sheet *sheet)
{
	return sheet->len;
}

size_t flo__sheet_lanes(const struct flo__sheet *sheet)
{
	return sheet->lanes;
}

flo_status flo__sheet_put(struct flo__sheet *sheet, struct flo__block *block,
			  flo_error *err)
{
	flo_status st = FLO_OK;

	if (sheet->parquet == NULL) {
		flo__strbuf_add(&sheet->csv, block->csv.data, block->csv.len);
		return flush(sheet, WRITE_BYTES, err);
	}
	if (block->ends) {
		st = flo__parquet_put_group(sheet->parquet, block->group, err);
		flo__parquet_group_free(block->group);
		block->group = NULL;
		block->ends = false;
	}
	return st;
}

/* Blocks */

flo_status flo__block_init(struct flo__block *block,
			   const struct flo__sheet *sheet, size_t cap)
{
	memset(block, 0, sizeof(*block));
	flo__strbuf_init(&block->csv);
	block->cap = cap;
	block->cells = flo__calloc(cap * sheet->len, sizeof(*block->cells));
	return block->cells != NULL ? FLO_OK : FLO_NOMEM;
}

void flo__block_reset(struct flo__block *block, const struct flo__sheet *sheet)
{
	INSIST(!block->ends);
	for (size_t i = 0; i < sheet->len; i++)
		memset(&block->cells[i * block->cap], 0,
		       block->rows * sizeof(*block->cells));
	block->rows = 0;
	flo__strbuf_reset(&block->csv);
}

void flo__block_fini(struct flo__block *block)
{
	flo__free(block->cells);
	if (block->cap != 0)
		flo__strbuf_fini(&block->csv);
	flo__parquet_group_free(block->group);
}

flo_status flo__block_end(struct flo__block *block,
			  const struct flo__sheet *sheet, flo_error *err)
{
	flo_status st =
		flo__parquet_group_new(sheet->parquet, err, &block->group);

	block->ends = st == FLO_OK;
	return st;
}

flo_status flo__sheet_finish(struct flo__sheet *sheet, flo_error *err,
			     int64_t *ret_bytes)
{
	flo_status st;

	if (sheet->parquet != NULL) {
		st = flo__parquet_finish(sheet->parquet, err);
		*ret_bytes = flo__parquet_bytes(sheet->parquet);
	} else {
		st = flush(sheet, 0, err);
		*ret_bytes = sheet->bytes;
	}
	return st;
}

void flo__sheet_close(struct flo__sheet *sheet)
{
	if (sheet == NULL)
		return;
	for (size_t i = 0; i < LANES; i++)
		flo__parquet_packer_free(sheet->lane[i].packer);
	flo__parquet_free(sheet->parquet);
	flo__strbuf_fini(&sheet->csv);
	flo__free(sheet->types);
	flo__free(sheet);
}
