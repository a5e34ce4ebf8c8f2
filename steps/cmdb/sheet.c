#include "steps/cmdb/sheet.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

#include <string.h>

#define WRITE_BYTES (256u << 10)

struct flo__sheet {
	struct flo__outfile *file;     /* borrowed */
	struct flo__parquet *parquet;  /* owned; NULL: CSV */
	enum flo__parquet_type *types; /* owned */
	size_t len;
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
		     const struct flo__cell *cell)
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

static flo_status csv_row(struct flo__sheet *sheet,
			  const struct flo__cell *cells, flo_error *err)
{
	for (size_t i = 0; i < sheet->len; i++) {
		if (i > 0)
			flo__strbuf_addc(&sheet->csv, ',');
		if (cells[i].set)
			add_cell(&sheet->csv, sheet->types[i], &cells[i]);
	}
	flo__strbuf_adds(&sheet->csv, "\r\n");
	return flush(sheet, WRITE_BYTES, err);
}

/* Parquet */

static flo_status parquet_row(struct flo__sheet *sheet,
			      const struct flo__cell *cells, flo_error *err)
{
	struct flo__parquet *to = sheet->parquet;

	for (size_t i = 0; i < sheet->len; i++) {
		const struct flo__cell *cell = &cells[i];

		if (!cell->set || (cell->same && flo__parquet_put_again(to, i)))
			continue;
		switch (sheet->types[i]) {
		case FLO__PARQUET_BOOL:
			flo__parquet_put_bool(to, i, cell->n != 0);
			break;
		case FLO__PARQUET_INT:
			flo__parquet_put_int(to, i, cell->n);
			break;
		case FLO__PARQUET_DOUBLE:
			flo__parquet_put_double(to, i, cell->d);
			break;
		case FLO__PARQUET_TIME:
			flo__parquet_put_time(to, i, cell->n);
			break;
		case FLO__PARQUET_STRING:
		case FLO__PARQUET_JSON:
			flo__parquet_put_text(to, i, cell->text, cell->len);
			break;
		}
	}
	return flo__parquet_end_row(to, err);
}

/* Both */

static flo_status begin(struct flo__sheet *sheet, bool parquet,
			const struct flo__parquet_column *columns,
			const char *const (*meta)[2], flo_error *err)
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
	st = flo__parquet_open(columns, sheet->len, NULL, write_parquet,
			       sheet->file, err, &sheet->parquet);
	for (; st == FLO_OK && (*meta)[0] != NULL; meta++)
		flo__parquet_add_meta(sheet->parquet, (*meta)[0], (*meta)[1]);
	return st;
}

flo_status flo__sheet_open(struct flo__outfile *file, bool parquet,
			   const struct flo__parquet_column *columns,
			   size_t len, const char *const (*meta)[2],
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
	st = begin(sheet, parquet, columns, meta, err);
out:
	if (st == FLO_OK)
		*ret_sheet = sheet;
	else
		flo__sheet_close(sheet);
	return st;
}

flo_status flo__sheet_row(struct flo__sheet *sheet,
			  const struct flo__cell *cells, flo_error *err)
{
	return sheet->parquet != NULL ? parquet_row(sheet, cells, err)
				      : csv_row(sheet, cells, err);
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
	flo__parquet_free(sheet->parquet);
	flo__strbuf_fini(&sheet->csv);
	flo__free(sheet->types);
	flo__free(sheet);
}
