#include "steps/parquet/thrift.h"

#include "base/contract.h"

/* Types that stand only in the heads of fields. */
enum {
	TYPE_TRUE = 1,
	TYPE_FALSE = 2,
	TYPE_I16 = 4,
	TYPE_I64 = 6,
	TYPE_LIST = 9
};

void flo__varint_add(struct flo__strbuf *out, uint64_t n)
{
	char bytes[10];
	size_t len = 0;

	for (; n >= 0x80; n >>= 7)
		bytes[len++] = (char)(n | 0x80);
	bytes[len++] = (char)n;
	flo__strbuf_add(out, bytes, len);
}

/* Small negative numbers are small too: 0, -1, 1, -2 are 0, 1, 2, 3. */
static void add_zigzag(struct flo__strbuf *out, int64_t n)
{
	flo__varint_add(out, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

static void add_head(struct flo__thrift *t, int id, int type)
{
	int *last = &t->last[t->depth - 1];
	int step = id - *last;

	INSIST(t->depth > 0 && id > 0);
	if (step > 0 && step <= 15) {
		flo__strbuf_addc(t->out, (char)(step << 4 | type));
	} else {
		flo__strbuf_addc(t->out, (char)type);
		add_zigzag(t->out, id);
	}
	*last = id;
}

void flo__thrift_begin(struct flo__thrift *t)
{
	INSIST(t->depth < FLO__THRIFT_DEPTH_MAX);
	t->last[t->depth++] = 0;
}

void flo__thrift_end(struct flo__thrift *t)
{
	INSIST(t->depth > 0);
	t->depth--;
	flo__strbuf_addc(t->out, '\0');
}

void flo__thrift_bool(struct flo__thrift *t, int id, bool b)
{
	add_head(t, id, b ? TYPE_TRUE : TYPE_FALSE);
}

void flo__thrift_i16(struct flo__thrift *t, int id, int16_t n)
{
	add_head(t, id, TYPE_I16);
	add_zigzag(t->out, n);
}

void flo__thrift_i32(struct flo__thrift *t, int id, int32_t n)
{
	add_head(t, id, FLO__THRIFT_I32);
	add_zigzag(t->out, n);
}

void flo__thrift_i64(struct flo__thrift *t, int id, int64_t n)
{
	add_head(t, id, TYPE_I64);
	add_zigzag(t->out, n);
}

void flo__thrift_bytes(struct flo__thrift *t, int id, const void *bytes,
		       size_t len)
{
	add_head(t, id, FLO__THRIFT_BINARY);
	flo__thrift_item_bytes(t, bytes, len);
}

void flo__thrift_struct(struct flo__thrift *t, int id)
{
	add_head(t, id, FLO__THRIFT_STRUCT);
	flo__thrift_begin(t);
}

void flo__thrift_choice(struct flo__thrift *t, int id)
{
	flo__thrift_struct(t, id);
	flo__thrift_end(t);
}

void flo__thrift_list(struct flo__thrift *t, int id, enum flo__thrift_type type,
		      size_t len)
{
	add_head(t, id, TYPE_LIST);
	if (len < 15) {
		flo__strbuf_addc(t->out, (char)(len << 4 | type));
		return;
	}
	flo__strbuf_addc(t->out, (char)(0xf0 | type));
	flo__varint_add(t->out, len);
}

void flo__thrift_item_i32(struct flo__thrift *t, int32_t n)
{
	add_zigzag(t->out, n);
}

void flo__thrift_item_bytes(struct flo__thrift *t, const void *bytes,
			    size_t len)
{
	flo__varint_add(t->out, len);
	flo__strbuf_add(t->out, bytes, len);
}
