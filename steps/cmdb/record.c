/*
 * Note: the canonical form.
 *
 * What is digested is not JSON but a form in which equal records have equal
 * bytes and unequal ones do not. A tag byte comes first, a length before all
 * that has one (8 bytes, little-endian), so that no two values run together:
 *
 *	n		null
 *	t f		true, false
 *	i 8 bytes	an integer of 64 bits; also a real that equals one
 *	I len digits	an integer beyond 64 bits
 *	r len text	a real: the shortest decimal that reads back as it
 *	s len bytes	a string
 *	a len items	an array
 *	u len digests	an array that compares as a set: its items' digests,
 *			sorted, each once
 *	o len (len key value)...   an object, keys sorted by their bytes
 *
 * A change of this form changes ALGORITHM in spec.c, and every source is
 * re-baselined at its next diff.
 *
 * Recursion goes as deep as a record nests, which split.c has bounded.
 */
#include "steps/cmdb/record.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/scan.h"
#include "steps/cmdb/split.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_LEN (sizeof(FLO__RECORD_HUGE) - 1)

/* Text */

static size_t pass_string(const char *text, size_t len, size_t i)
{
	for (;;) {
		i = flo__scan_string(text, i, len);
		if (i >= len || text[i] == '"')
			return i + 1;
		i += text[i] == '\\' ? 2 : 1;
	}
}

struct flo__shape flo__record_look(const char *text, size_t len)
{
	struct flo__shape shape = {.depth = 0};
	size_t depth = 0;
	size_t i = 0;

	while (i < len) {
		char c = text[i++];

		if (c == '"') {
			i = pass_string(text, len, i);
		} else if (c == '{' || c == '[') {
			depth++;
			shape.depth = depth > shape.depth ? depth : shape.depth;
		} else if (c == '}' || c == ']') {
			depth--;
		} else if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
			shape.spaced = true;
		}
	}
	return shape;
}

void flo__record_compact(const char *text, size_t len, struct flo__strbuf *sb)
{
	size_t begin;
	size_t at = 0;

	while (flo__json_next_token(text, len, &at, &begin))
		flo__strbuf_add(sb, text + begin, at - begin);
}

/* Whether a token is an integer that 64 bits do not hold. */
static bool is_huge(const char *token, size_t len)
{
	size_t sign = token[0] == '-';
	char digits[24];

	if (len - sign < 19 || token[sign] < '1' || token[sign] > '9')
		return false;
	for (size_t i = sign; i < len; i++)
		if (token[i] < '0' || token[i] > '9')
			return false;
	if (len >= sizeof(digits))
		return true;
	memcpy(digits, token, len);
	digits[len] = '\0';
	errno = 0;
	strtoll(digits, NULL, 10);
	return errno == ERANGE;
}

/* Nineteen digits in a row: without them nothing is huge. */
static bool may_be_huge(const char *text, size_t len)
{
	size_t run = 0;

	for (size_t i = 18; i < len; i = run == 0 ? i + 19 : i + 1) {
		size_t from = i;

		if (text[i] < '0' || text[i] > '9') {
			run = 0;
			continue;
		}
		while (from > 0 && text[from - 1] >= '0' &&
		       text[from - 1] <= '9')
			from--;
		run = i - from + 1;
		if (run >= 19)
			return true;
	}
	return false;
}

static void quote_huge(const char *text, size_t len, struct flo__strbuf *sb)
{
	size_t begin;
	size_t at = 0;

	while (flo__json_next_token(text, len, &at, &begin)) {
		if (!is_huge(text + begin, at - begin)) {
			flo__strbuf_add(sb, text + begin, at - begin);
			continue;
		}
		flo__strbuf_adds(sb, "\"\\u0001");
		flo__strbuf_adds(sb, &FLO__RECORD_HUGE[1]);
		flo__strbuf_add(sb, text + begin, at - begin);
		flo__strbuf_addc(sb, '"');
	}
}

/* @text as jansson may read it: *@sb is its copy, if it must be changed. */
static flo_status prepare(const char **text, size_t *len,
			  struct flo__strbuf *sb)
{
	if (!may_be_huge(*text, *len))
		return FLO_OK;
	quote_huge(*text, *len, sb);
	*text = sb->data;
	*len = sb->len;
	return flo__strbuf_status(sb);
}

flo_status flo__record_read(struct flo__json_reader *reader, const char *text,
			    size_t len, size_t depth, flo_error *err,
			    const json_t **ret_json)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const json_t *json = NULL;
	flo_status st;

	if (depth > FLO__RECORD_DEPTH_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "it nests deeper than %d levels",
				     FLO__RECORD_DEPTH_MAX);
	TRY(prepare(&text, &len, &sb));
	TRY(flo__json_read(reader, text, len, 0, depth, err, &json));
	if (!json_is_object(json))
		st = flo_error_set(err, FLO_SYNTAX, "not an object");
	else
		*ret_json = json;
out:
	flo__strbuf_fini(&sb);
	return st;
}

flo_status flo__record_load(const char *text, size_t len, flo_error *err,
			    json_t **ret_json)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	json_t *json = NULL;
	flo_status st;

	st = prepare(&text, &len, &sb);
	if (st == FLO_OK)
		st = flo__json_load(text, len, 0, err, &json);
	if (st == FLO_OK && !json_is_object(json)) {
		st = flo_error_set(err, FLO_SYNTAX, "not an object");
		json_decref(json);
	}
	flo__strbuf_fini(&sb);
	if (st == FLO_OK)
		*ret_json = json;
	return st;
}

/* Canonical form */

static void add_u64(struct flo__strbuf *sb, uint64_t n)
{
	unsigned char bytes[8];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(n >> (8 * i));
	flo__strbuf_add(sb, bytes, sizeof(bytes));
}

static void add_bytes(struct flo__strbuf *sb, const char *bytes, size_t len)
{
	add_u64(sb, len);
	flo__strbuf_add(sb, bytes, len);
}

static void add_real(struct flo__strbuf *sb, double d)
{
	size_t at;

	/* Both bounds are exact as doubles; the upper is not an int64. */
	if (d == floor(d) && d >= -0x1p63 && d < 0x1p63) {
		flo__strbuf_addc(sb, 'i');
		add_u64(sb, (uint64_t)(int64_t)d);
		return;
	}
	flo__strbuf_addc(sb, 'r');
	add_u64(sb, 0);
	at = sb->len;
	flo__strbuf_add_double(sb, d);
	if (!sb->failed)
		sb->data[at - 8] = (char)(sb->len - at);
}

static void add_string(struct flo__strbuf *sb, const char *text, size_t len)
{
	if (len > HUGE_LEN && memcmp(text, FLO__RECORD_HUGE, HUGE_LEN) == 0) {
		flo__strbuf_addc(sb, 'I');
		add_bytes(sb, text + HUGE_LEN, len - HUGE_LEN);
		return;
	}
	flo__strbuf_addc(sb, 's');
	add_bytes(sb, text, len);
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct flo__digest));
}

static void add_set(struct flo__strbuf *sb, const json_t *array)
{
	size_t len = json_array_size(array);
	struct flo__digest *digest =
		flo__reallocarray(NULL, len, sizeof(*digest));
	size_t kept = 0;

	if (digest == NULL) {
		sb->failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++) {
		size_t at = sb->len;

		flo__record_canonical(json_array_get(array, i), NULL, sb);
		digest[i] = flo__digest_of(sb->data + at, sb->len - at);
		flo__strbuf_cut(sb, at);
	}
	qsort(digest, len, sizeof(*digest), compare_digests);
	for (size_t i = 0; i < len; i++)
		if (i == 0 || compare_digests(&digest[i], &digest[i - 1]) != 0)
			digest[kept++] = digest[i];
	flo__strbuf_addc(sb, 'u');
	add_bytes(sb, (char *)digest, kept * sizeof(*digest));
	flo__free(digest);
}

static void add_array(struct flo__strbuf *sb, const json_t *array,
		      const struct flo__pointer *at)
{
	size_t len = json_array_size(array);
	size_t start;
	uint64_t kept = 0;

	flo__strbuf_addc(sb, 'a');
	add_u64(sb, 0);
	start = sb->len;
	for (size_t i = 0; i < len; i++) {
		const struct flo__pointer *item = flo__pointer_item(at, i);

		if (flo__spec_ignores(item))
			continue;
		flo__record_canonical(json_array_get(array, i), item, sb);
		kept++;
	}
	for (size_t i = 0; !sb->failed && i < 8; i++)
		sb->data[start - 8 + i] = (char)(kept >> (8 * i));
}

struct member {
	const char *key;
	size_t key_len;
	const json_t *value;
	const struct flo__pointer *at;
};

static int compare_members(const void *a, const void *b)
{
	const struct member *x = a;
	const struct member *y = b;
	size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int order = memcmp(x->key, y->key, len);

	if (order != 0)
		return order;
	return (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

static size_t members_of(const json_t *object, const struct flo__pointer *at,
			 struct member *member)
{
	size_t len = 0;
	/* jansson's iterators take a pointer to what they do not change. */
	json_t *all = (json_t *)object;

	for (void *it = json_object_iter(all); it != NULL;
	     it = json_object_iter_next(all, it)) {
		const char *key = json_object_iter_key(it);
		size_t key_len = json_object_iter_key_len(it);
		const struct flo__pointer *to =
			flo__pointer_member(at, key, key_len);

		if (flo__spec_ignores(to))
			continue;
		member[len++] = (struct member){key, key_len,
						json_object_iter_value(it), to};
	}
	return len;
}

static void add_object(struct flo__strbuf *sb, const json_t *object,
		       const struct flo__pointer *at)
{
	struct member few[16];
	struct member *member = few;
	size_t len = json_object_size(object);

	if (len > sizeof(few) / sizeof(few[0]))
		member = flo__reallocarray(NULL, len, sizeof(*member));
	if (member == NULL) {
		sb->failed = true;
		return;
	}
	len = members_of(object, at, member);
	qsort(member, len, sizeof(*member), compare_members);
	flo__strbuf_addc(sb, 'o');
	add_u64(sb, len);
	for (size_t i = 0; i < len; i++) {
		add_bytes(sb, member[i].key, member[i].key_len);
		flo__record_canonical(member[i].value, member[i].at, sb);
	}
	if (member != few)
		flo__free(member);
}

void flo__record_canonical(const json_t *json, const struct flo__pointer *at,
			   struct flo__strbuf *sb)
{
	switch (json_typeof(json)) {
	case JSON_NULL:
		flo__strbuf_addc(sb, 'n');
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		flo__strbuf_addc(sb, json_is_true(json) ? 't' : 'f');
		break;
	case JSON_INTEGER:
		flo__strbuf_addc(sb, 'i');
		add_u64(sb, (uint64_t)json_integer_value(json));
		break;
	case JSON_REAL:
		add_real(sb, json_real_value(json));
		break;
	case JSON_STRING:
		add_string(sb, json_string_value(json),
			   json_string_length(json));
		break;
	case JSON_ARRAY:
		if (flo__spec_is_set(at))
			add_set(sb, json);
		else
			add_array(sb, json, at);
		break;
	case JSON_OBJECT:
		add_object(sb, json, at);
		break;
	}
}

/* Identity */

flo_status flo__record_identify(const json_t *record,
				const struct flo__spec *spec,
				struct flo__strbuf *scratch,
				struct flo__identity *ret_identity)
{
	struct flo__identity id = {.present = 0};

	flo__strbuf_reset(scratch);
	for (size_t i = 0; i < spec->key_len; i++) {
		const json_t *part = flo__pointer_get(spec->key[i], record);

		if (part == NULL || json_is_null(part)) {
			flo__strbuf_addc(scratch, 'n');
			continue;
		}
		id.present |= 1u << i;
		flo__record_canonical(part, NULL, scratch);
	}
	id.key = flo__digest_of(scratch->data, scratch->len);
	if (scratch->failed)
		return FLO_NOMEM;
	flo__strbuf_reset(scratch);
	flo__record_canonical(record, &spec->root, scratch);
	id.body = flo__digest_of(scratch->data, scratch->len);
	if (scratch->failed)
		return FLO_NOMEM;
	*ret_identity = id;
	return FLO_OK;
}

/* Whether a part is a real number that equals an integer: see add_real(). */
static bool is_whole(const json_t *part, int64_t *ret_n)
{
	double d = json_real_value(part);

	if (!json_is_real(part) || d != floor(d) || d < -0x1p63 || d >= 0x1p63)
		return false;
	*ret_n = (int64_t)d;
	return true;
}

void flo__record_part_text(const json_t *part, struct flo__strbuf *sb)
{
	const char *text = json_string_value(part);
	int64_t n;
	char *json;

	if (part == NULL) {
		flo__strbuf_adds(sb, "null");
		return;
	}
	if (text != NULL && strncmp(text, FLO__RECORD_HUGE, HUGE_LEN) == 0) {
		flo__strbuf_adds(sb, text + HUGE_LEN);
		return;
	}
	if (text != NULL) {
		flo__strbuf_add_json(sb, text, json_string_length(part));
		return;
	}
	/* 1 and 1.0 are one key, and so have one text. */
	if (is_whole(part, &n)) {
		flo__strbuf_add_int(sb, n);
		return;
	}
	json = json_dumps(part,
			  JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
	if (json == NULL)
		sb->failed = true;
	else
		flo__strbuf_adds(sb, json);
	flo_free(json);
}

void flo__record_key_text(const json_t *record, const struct flo__spec *spec,
			  struct flo__strbuf *sb)
{
	for (size_t i = 0; i < spec->key_len; i++) {
		flo__strbuf_addc(sb, i == 0 ? '[' : ',');
		flo__record_part_text(flo__pointer_get(spec->key[i], record),
				      sb);
	}
	flo__strbuf_addc(sb, ']');
}
