/*
 * Note: the file.
 *
 *	"PAR1"
 *	the column chunks of each row group (chunk.c), one after the other
 *	the footer: FileMetaData in thrift
 *	4 bytes, its length
 *	"PAR1"
 *
 * A reader begins at the end. Logical types are told twice, as the older
 * converted type and the newer union, as readers know the one or the other.
 */
#include "steps/parquet/parquet_p.h"

#include <string.h>

#define OPTIONAL 1

static void add_type(struct flo__thrift *t, int converted, int logical)
{
	flo__thrift_i32(t, 6, converted);
	flo__thrift_struct(t, 10);
	if (logical != 8) {
		flo__thrift_choice(t, logical);
	} else {
		flo__thrift_struct(t, logical);
		flo__thrift_bool(t, 1, true); /* adjusted to UTC */
		flo__thrift_struct(t, 2);
		flo__thrift_choice(t, 2); /* microseconds */
		flo__thrift_end(t);
		flo__thrift_end(t);
	}
	flo__thrift_end(t);
}

static void add_column(struct flo__thrift *t, const struct flo__pcolumn *column)
{
	flo__thrift_begin(t);
	flo__thrift_i32(t, 1, flo__parquet_physical(column->type));
	flo__thrift_i32(t, 3, OPTIONAL);
	flo__thrift_bytes(t, 4, column->name, strlen(column->name));
	switch (column->type) {
	case FLO__PARQUET_STRING:
		add_type(t, 0, 1);
		break;
	case FLO__PARQUET_JSON:
		add_type(t, 19, 12);
		break;
	case FLO__PARQUET_TIME:
		add_type(t, 10, 8);
		break;
	case FLO__PARQUET_BOOL:
	case FLO__PARQUET_INT:
	case FLO__PARQUET_DOUBLE:
		break;
	}
	flo__thrift_end(t);
}

/* The schema is a tree in a list, the root first. */
static void add_schema(struct flo__thrift *t, const struct flo__parquet *file)
{
	flo__thrift_list(t, 2, FLO__THRIFT_STRUCT, file->len + 1);
	flo__thrift_begin(t);
	flo__thrift_bytes(t, 4, "schema", 6);
	flo__thrift_i32(t, 5, (int32_t)file->len);
	flo__thrift_end(t);
	for (size_t i = 0; i < file->len; i++)
		add_column(t, &file->columns[i]);
}

/* How bounds are to be read: as the type has it. */
static void add_orders(struct flo__thrift *t, size_t len)
{
	flo__thrift_list(t, 7, FLO__THRIFT_STRUCT, len);
	for (size_t i = 0; i < len; i++) {
		flo__thrift_begin(t);
		flo__thrift_choice(t, 1);
		flo__thrift_end(t);
	}
}

void flo__parquet_footer(struct flo__parquet *file)
{
	static const char by[] = "flowctl version " FLO__VERSION_TEXT;
	struct flo__thrift t = {.out = &file->out};
	size_t begin = file->out.len;
	uint32_t len;

	flo__thrift_begin(&t);
	flo__thrift_i32(&t, 1, 2);
	add_schema(&t, file);
	flo__thrift_i64(&t, 3, file->rows_all);
	flo__thrift_list(&t, 4, FLO__THRIFT_STRUCT, file->group_len);
	flo__strbuf_add(&file->out, file->groups.data, file->groups.len);
	if (file->meta_len > 0) {
		flo__thrift_list(&t, 5, FLO__THRIFT_STRUCT, file->meta_len);
		flo__strbuf_add(&file->out, file->meta.data, file->meta.len);
	}
	flo__thrift_bytes(&t, 6, by, sizeof(by) - 1);
	add_orders(&t, file->len);
	flo__thrift_end(&t);
	len = (uint32_t)(file->out.len - begin);
	flo__strbuf_add(&file->out, &len, sizeof(len));
	flo__strbuf_adds(&file->out, "PAR1");
}
