/*
 * Thrift's compact protocol, as far as Parquet's headers and footer need it:
 * structs, lists, strings, booleans, i16, i32 and i64; writing only.
 *
 * A field is a byte with the distance from the field before it in the upper
 * half (or 0, and then its number follows) and its type in the lower; a
 * boolean's value is its type. Integers are zigzag varints. A list is a byte
 * with its length and its items' type (or 15, and then its length follows). A
 * struct ends with a byte 0.
 *
 * Source: thrift-compact-protocol.md of Apache Thrift.
 *
 * Threads: one at a time.
 */
#ifndef FLO_PARQUET_THRIFT_H
#define FLO_PARQUET_THRIFT_H

#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>

/* Types as they stand in lists and in the heads of fields. */
enum flo__thrift_type {
	FLO__THRIFT_I32 = 5,
	FLO__THRIFT_BINARY = 8,
	FLO__THRIFT_STRUCT = 12,
};

#define FLO__THRIFT_DEPTH_MAX 8

/* Where in which structs the writer is. Appends to @out, which is borrowed. */
struct flo__thrift {
	struct flo__strbuf *out;
	int depth;
	int last[FLO__THRIFT_DEPTH_MAX]; /* field, of each open struct */
};

/* Append @n as a varint: seven bits a byte, the lowest first. */
void flo__varint_add(struct flo__strbuf *out, uint64_t n);

/* Begin a struct that is no field: the whole, or an item of a list. */
void flo__thrift_begin(struct flo__thrift *t);
void flo__thrift_end(struct flo__thrift *t);

/* Fields, in the order of their numbers @id > 0 where that saves bytes. */
void flo__thrift_bool(struct flo__thrift *t, int id, bool b);
void flo__thrift_i16(struct flo__thrift *t, int id, int16_t n);
void flo__thrift_i32(struct flo__thrift *t, int id, int32_t n);
void flo__thrift_i64(struct flo__thrift *t, int id, int64_t n);
void flo__thrift_bytes(struct flo__thrift *t, int id, const void *bytes,
		       size_t len);
/* Its fields follow, then flo__thrift_end(). */
void flo__thrift_struct(struct flo__thrift *t, int id);
/* A struct without fields, as unions have it for a choice. */
void flo__thrift_choice(struct flo__thrift *t, int id);
/* @len items of @type follow. */
void flo__thrift_list(struct flo__thrift *t, int id, enum flo__thrift_type type,
		      size_t len);

/* Items of a list. */
void flo__thrift_item_i32(struct flo__thrift *t, int32_t n);
void flo__thrift_item_bytes(struct flo__thrift *t, const void *bytes,
			    size_t len);

#endif
