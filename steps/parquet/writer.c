#include "steps/parquet/parquet_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

#define FLUSH_BYTES (256u << 10)

/* Failures: the first one stays. */

static bool failed(const struct flo__parquet *file)
{
	return file->error.status != FLO_OK;
}

/* Tell the caller what has failed, if anything has. */
static flo_status tell(const struct flo__parquet *file, flo_error *err)
{
	if (failed(file) && err != NULL && err->status == FLO_OK)
		*err = file->error;
	return file->error.status;
}

static void note(struct flo__parquet *file, flo_status st)
{
	if (st != FLO_OK)
		flo_error_set(&file->error, st, "%s", flo_status_text(st));
}

/* Life */

static void set_limits(struct flo__parquet_limits *to,
		       const struct flo__parquet_limits *from)
{
	if (from != NULL)
		*to = *from;
	if (to->rows_max == 0)
		to->rows_max = 122880;
	if (to->bytes_max == 0)
		to->bytes_max = 64u << 20;
	if (to->page_bytes == 0)
		to->page_bytes = 1u << 20;
	if (to->dict_bytes == 0)
		to->dict_bytes = 1u << 20;
	to->uncompressed |= !flo__parquet_has_zstd();
}

static flo_status init_columns(struct flo__parquet *file,
			       const struct flo__parquet_column *columns,
			       size_t len)
{
	file->columns = flo__calloc(len, sizeof(*file->columns));
	if (file->columns == NULL)
		return FLO_NOMEM;
	for (; file->len < len; file->len++) {
		flo_status st = flo__pcolumn_init(&file->columns[file->len],
						  &columns[file->len],
						  file->limits.dict_bytes);

		if (st != FLO_OK)
			return st;
	}
	return FLO_OK;
}

flo_status flo__parquet_open(const struct flo__parquet_column *columns,
			     size_t len,
			     const struct flo__parquet_limits *limits,
			     flo__parquet_write_fn write, void *arg,
			     flo_error *err, struct flo__parquet **ret_file)
{
	struct flo__parquet *file = flo__calloc(1, sizeof(*file));
	flo_status st = FLO_NOMEM;

	REQUIRE(len > 0);
	if (file == NULL)
		goto out;
	file->write = write;
	file->arg = arg;
	set_limits(&file->limits, limits);
	flo__strbuf_init(&file->out);
	flo__strbuf_init(&file->groups);
	flo__strbuf_init(&file->meta);
	flo__strbuf_adds(&file->out, "PAR1");
	TRY(flo__strbuf_status(&file->out));
	st = init_columns(file, columns, len);
out:
	if (st == FLO_OK) {
		*ret_file = file;
		return st;
	}
	flo__parquet_free(file);
	return flo_error_set(err, st, "%s", flo_status_text(st));
}

void flo__parquet_free(struct flo__parquet *file)
{
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->len; i++)
		flo__pcolumn_fini(&file->columns[i]);
	flo__free(file->columns);
	flo__strbuf_fini(&file->out);
	flo__strbuf_fini(&file->groups);
	flo__strbuf_fini(&file->meta);
	flo__parquet_packer_free(file->packer);
	flo__parquet_group_free(file->group);
	flo__free(file);
}

int64_t flo__parquet_bytes(const struct flo__parquet *file)
{
	return file->at;
}

/* Row groups */

flo_status flo__parquet_flush(struct flo__parquet *file, size_t least,
			      flo_error *err)
{
	size_t len = file->out.len;
	flo_status st = flo__strbuf_status(&file->out);

	if (st != FLO_OK)
		return st;
	if (len == 0 || len < least)
		return FLO_OK;
	st = file->write(file->arg, &file->out, err);
	if (st == FLO_OK) {
		INSIST(file->out.len == 0);
		file->at += (int64_t)len;
	}
	return st;
}

/* What is written of each column of @group, one after the other. */
static flo_status put_chunks(struct flo__parquet *file,
			     struct flo__parquet_group *group,
			     struct flo__thrift *t, int64_t *raw,
			     int64_t *stored, flo_error *err)
{
	flo_status st = FLO_OK;

	flo__thrift_list(t, 1, FLO__THRIFT_STRUCT, file->len);
	for (size_t i = 0; i < file->len; i++) {
		struct flo__pchunk *chunk = &group->chunk[i];

		REQUIRE(chunk->rows == group->chunk[0].rows);
		flo__parquet_describe(file, &file->columns[i], chunk,
				      flo__parquet_at(file), t);
		*raw += chunk->raw;
		*stored += chunk->stored;
		flo__strbuf_add(&file->out, chunk->out.data, chunk->out.len);
		flo__strbuf_fini(&chunk->out);
		TRY(flo__parquet_flush(file, FLUSH_BYTES, err));
	}
out:
	return st;
}

static flo_status put_group(struct flo__parquet *file,
			    struct flo__parquet_group *group, flo_error *err)
{
	struct flo__thrift t = {.out = &file->groups};
	int64_t begin = flo__parquet_at(file);
	int64_t raw = 0, stored = 0;
	flo_status st;

	flo__thrift_begin(&t);
	TRY(put_chunks(file, group, &t, &raw, &stored, err));
	flo__thrift_i64(&t, 2, raw);
	flo__thrift_i64(&t, 3, (int64_t)group->chunk[0].rows);
	flo__thrift_i64(&t, 5, begin);
	flo__thrift_i64(&t, 6, stored);
	if (file->group_len <= INT16_MAX)
		flo__thrift_i16(&t, 7, (int16_t)file->group_len);
	flo__thrift_end(&t);
	TRY(flo__strbuf_status(&file->groups));
	file->group_len++;
	file->rows_all += (int64_t)group->chunk[0].rows;
out:
	return st;
}

flo_status flo__parquet_put_group(struct flo__parquet *file,
				  struct flo__parquet_group *group,
				  flo_error *err)
{
	REQUIRE(!file->finished && group->len == file->len);
	if (!failed(file))
		note(file, put_group(file, group, &file->error));
	return tell(file, err);
}

/* Pack the rows that came one at a time, and write them. */
static flo_status write_group(struct flo__parquet *file, flo_error *err)
{
	flo_status st = FLO_OK;

	if (file->packer == NULL)
		TRY(flo__parquet_packer_new(file, err, &file->packer));
	if (file->group == NULL)
		TRY(flo__parquet_group_new(file, err, &file->group));
	for (size_t i = 0; i < file->len; i++)
		TRY(flo__parquet_pack(file, i, file->packer, file->group, err));
	TRY(put_group(file, file->group, err));
	file->rows = 0;
out:
	return st;
}

/* To add all up costs: only after so much that it may make a difference. */
static bool group_is_full(struct flo__parquet *file)
{
	size_t bytes = 0;

	if (file->rows >= file->limits.rows_max)
		return true;
	if (file->unseen < file->limits.bytes_max / 64)
		return false;
	file->unseen = 0;
	for (size_t i = 0; i < file->len; i++)
		bytes += flo__pcolumn_bytes(&file->columns[i]);
	return bytes >= file->limits.bytes_max;
}

/* Rows */

/* The column that a value is for; NULL after a failure. */
static struct flo__pcolumn *target(struct flo__parquet *file, size_t i)
{
	REQUIRE(i < file->len && !file->finished);
	if (failed(file))
		return NULL;
	REQUIRE(flo__pcolumn_rows(&file->columns[i]) == file->rows);
	return &file->columns[i];
}

static void put(struct flo__parquet *file, size_t column,
		const struct flo__parquet_cell *cell)
{
	struct flo__pcolumn *to = target(file, column);

	if (to != NULL)
		note(file, flo__parquet_put(to, cell, &file->error));
}

static enum flo__parquet_type type_of(const struct flo__parquet *file,
				      size_t column)
{
	REQUIRE(column < file->len);
	return file->columns[column].type;
}

void flo__parquet_put_bool(struct flo__parquet *file, size_t column, bool b)
{
	REQUIRE(type_of(file, column) == FLO__PARQUET_BOOL);
	put(file, column, &(struct flo__parquet_cell){.n = b});
}

void flo__parquet_put_int(struct flo__parquet *file, size_t column, int64_t n)
{
	REQUIRE(type_of(file, column) == FLO__PARQUET_INT);
	put(file, column, &(struct flo__parquet_cell){.n = n});
}

void flo__parquet_put_time(struct flo__parquet *file, size_t column, int64_t us)
{
	REQUIRE(type_of(file, column) == FLO__PARQUET_TIME);
	put(file, column, &(struct flo__parquet_cell){.n = us});
}

void flo__parquet_put_double(struct flo__parquet *file, size_t column, double d)
{
	REQUIRE(type_of(file, column) == FLO__PARQUET_DOUBLE);
	put(file, column, &(struct flo__parquet_cell){.d = d});
}

void flo__parquet_put_text(struct flo__parquet *file, size_t column,
			   const char *text, size_t len)
{
	struct flo__parquet_cell cell = {
		.text = text,
		/* What is cut here is refused as well. */
		.len = len < UINT32_MAX ? (uint32_t)len : UINT32_MAX,
	};

	REQUIRE(type_of(file, column) == FLO__PARQUET_STRING ||
		type_of(file, column) == FLO__PARQUET_JSON);
	put(file, column, &cell);
	file->unseen += len;
}

bool flo__parquet_put_again(struct flo__parquet *file, size_t column)
{
	struct flo__pcolumn *to = target(file, column);
	flo_status st;

	if (to == NULL)
		return true;
	st = flo__pcolumn_add_again(to);
	if (st == FLO_NOTFOUND)
		return false;
	note(file, st);
	return true;
}

/* What was not put is null. */
static flo_status end_columns(struct flo__parquet *file)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; i < file->len; i++)
		if (flo__pcolumn_rows(&file->columns[i]) == file->rows)
			TRY(flo__pcolumn_add_null(&file->columns[i]));
	file->rows++;
	file->unseen += file->len * sizeof(int64_t);
out:
	return st;
}

flo_status flo__parquet_end_row(struct flo__parquet *file, flo_error *err)
{
	REQUIRE(!file->finished);
	if (!failed(file))
		note(file, end_columns(file));
	if (!failed(file) && group_is_full(file))
		note(file, write_group(file, &file->error));
	return tell(file, err);
}

/* The end */

void flo__parquet_add_meta(struct flo__parquet *file, const char *key,
			   const char *value)
{
	struct flo__thrift t = {.out = &file->meta};

	REQUIRE(!file->finished);
	flo__thrift_begin(&t);
	flo__thrift_bytes(&t, 1, key, strlen(key));
	flo__thrift_bytes(&t, 2, value, strlen(value));
	flo__thrift_end(&t);
	file->meta_len++;
}

static flo_status finish(struct flo__parquet *file, flo_error *err)
{
	flo_status st;

	TRY(flo__strbuf_status(&file->meta));
	if (file->rows > 0)
		TRY(write_group(file, err));
	flo__parquet_footer(file);
	st = flo__parquet_flush(file, 0, err);
out:
	return st;
}

flo_status flo__parquet_finish(struct flo__parquet *file, flo_error *err)
{
	REQUIRE(!file->finished);
	for (size_t i = 0; i < file->len && !failed(file); i++)
		REQUIRE(flo__pcolumn_rows(&file->columns[i]) == file->rows);
	if (!failed(file))
		note(file, finish(file, &file->error));
	file->finished = true;
	return tell(file, err);
}
