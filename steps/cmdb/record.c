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

/* Whether a string's token has an escaped NUL in it. */
static bool has_nul(const char *token, size_t len)
{
	for (size_t i = 1; i + 1 < len; i++) {
		if (token[i] != '\\')
			continue;
		i++;
		if (len - i > 5 && memcmp(token + i, "u0000", 5) == 0)
			return true;
	}
	return false;
}

/* Whether a colon is next: what comes before it is told as a key. */
static bool is_key(const char *text, size_t len, size_t at)
{
	size_t begin;

	return flo__json_next_token(text, len, &at, &begin) &&
	       text[begin] == ':';
}

static flo_status quote_huge(const char *text, size_t len,
			     struct flo__strbuf *sb, flo_error *err)
{
	size_t begin;
	size_t at = 0;

	while (flo__json_next_token(text, len, &at, &begin)) {
		const char *token = text + begin;

		if (token[0] == '"' && has_nul(token, at - begin))
			return flo_error_set(err, FLO_SYNTAX,
					     "\\u0000 is not allowed");
		if (!is_huge(token, at - begin) || is_key(text, len, at)) {
			flo__strbuf_add(sb, token, at - begin);
			continue;
		}
		flo__strbuf_adds(sb, "\"\\u0000");
		flo__strbuf_adds(sb, &FLO__RECORD_HUGE[1]);
		flo__strbuf_add(sb, token, at - begin);
		flo__strbuf_addc(sb, '"');
	}
	return flo__strbuf_status(sb);
}

/*
 * @text as jansson may read it: *@sb is its copy, if it must be changed, and
 * then *@flags lets NUL in.
 */
static flo_status prepare(const char **text, size_t *len, size_t *flags,
			  struct flo__strbuf *sb, flo_error *err)
{
	flo_status st;

	*flags = 0;
	if (!may_be_huge(*text, *len))
		return FLO_OK;
	st = quote_huge(*text, *len, sb, err);
	*flags = JSON_ALLOW_NUL;
	*text = sb->data;
	*len = sb->len;
	return st;
}

flo_status flo__record_read(struct flo__json_reader *reader, const char *text,
			    size_t len, size_t depth, flo_error *err,
			    const json_t **ret_json)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const json_t *json = NULL;
	size_t flags;
	flo_status st;

	if (depth > FLO__RECORD_DEPTH_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "it nests deeper than %d levels",
				     FLO__RECORD_DEPTH_MAX);
	TRY(prepare(&text, &len, &flags, &sb, err));
	TRY(flo__json_read(reader, text, len, flags, depth, err, &json));
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
	size_t flags;
	flo_status st;

	st = prepare(&text, &len, &flags, &sb, err);
	if (st == FLO_OK)
		st = flo__json_load(text, len, flags, err, &json);
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

/* Values of more tokens have memory of their own for a while. */
#define TREE_FEW 64

/* Room for @len more bytes, and the NUL; NULL without memory. */
static char *room(struct flo__strbuf *sb, size_t len)
{
	if (len >= sb->cap - sb->len && !flo__strbuf_reserve(sb, len))
		return NULL;
	return sb->data + sb->len;
}

/* Say that so many bytes of the room have been written. */
static void took(struct flo__strbuf *sb, size_t len)
{
	sb->len += len;
	sb->data[sb->len] = '\0';
}

static void put_u64(char *to, uint64_t n)
{
	for (size_t i = 0; i < 8; i++)
		to[i] = (char)(n >> (8 * i));
}

/* A tag and what comes behind it: a length, a count or an integer. */
static void add_tag(struct flo__strbuf *sb, char tag, uint64_t n)
{
	char *to = room(sb, 9);

	if (to == NULL)
		return;
	to[0] = tag;
	put_u64(to + 1, n);
	took(sb, 9);
}

static void add_bytes(struct flo__strbuf *sb, const char *bytes, size_t len)
{
	char *to = room(sb, 8 + len);

	if (to == NULL)
		return;
	put_u64(to, len);
	memcpy(to + 8, bytes, len);
	took(sb, 8 + len);
}

static void add_tagged(struct flo__strbuf *sb, char tag, const char *bytes,
		       size_t len)
{
	char *to = room(sb, 9 + len);

	if (to == NULL)
		return;
	to[0] = tag;
	put_u64(to + 1, len);
	memcpy(to + 9, bytes, len);
	took(sb, 9 + len);
}

/* Write the number behind the tag at @at, once it is known. */
static void mend_tag(struct flo__strbuf *sb, size_t at, uint64_t n)
{
	if (!sb->failed)
		put_u64(sb->data + at + 1, n);
}

/* Whether a real equals an integer. */
static bool is_whole(double d)
{
	/* Both bounds are exact as doubles; the upper is not an int64. */
	return d == floor(d) && d >= -0x1p63 && d < 0x1p63;
}

static void add_real(struct flo__strbuf *sb, double d)
{
	size_t at = sb->len;

	if (is_whole(d)) {
		add_tag(sb, 'i', (uint64_t)(int64_t)d);
		return;
	}
	add_tag(sb, 'r', 0);
	flo__strbuf_add_double(sb, d);
	mend_tag(sb, at, sb->len - at - 9);
}

static bool is_huge_text(const char *text, size_t len)
{
	return len > HUGE_LEN && memcmp(text, FLO__RECORD_HUGE, HUGE_LEN) == 0;
}

static void add_string(struct flo__strbuf *sb, const char *text, size_t len)
{
	if (is_huge_text(text, len))
		add_tagged(sb, 'I', text + HUGE_LEN, len - HUGE_LEN);
	else
		add_tagged(sb, 's', text, len);
}

/* Append the value at @i of the tape. */
static void add_value(struct flo__strbuf *sb, const struct flo__tape *tape,
		      size_t i, const struct flo__pointer *at);

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct flo__digest));
}

static void add_set(struct flo__strbuf *sb, const struct flo__tape *tape,
		    size_t array)
{
	size_t len = tape->token[array].len;
	struct flo__digest *digest =
		flo__reallocarray(NULL, len, sizeof(*digest));
	size_t item = array + 1;
	size_t kept = 0;

	if (digest == NULL) {
		sb->failed = true;
		return;
	}
	for (size_t i = 0; i < len; i++, item = tape->token[item].next) {
		size_t at = sb->len;

		add_value(sb, tape, item, NULL);
		digest[i] = flo__digest_of(sb->data + at, sb->len - at);
		flo__strbuf_cut(sb, at);
	}
	qsort(digest, len, sizeof(*digest), compare_digests);
	for (size_t i = 0; i < len; i++)
		if (i == 0 || compare_digests(&digest[i], &digest[i - 1]) != 0)
			digest[kept++] = digest[i];
	add_tagged(sb, 'u', (char *)digest, kept * sizeof(*digest));
	flo__free(digest);
}

static void add_array(struct flo__strbuf *sb, const struct flo__tape *tape,
		      size_t array, const struct flo__pointer *at)
{
	size_t len = tape->token[array].len;
	size_t item = array + 1;
	size_t start = sb->len;
	uint64_t kept = 0;

	add_tag(sb, 'a', 0);
	for (size_t i = 0; i < len; i++, item = tape->token[item].next) {
		const struct flo__pointer *to = flo__pointer_item(at, i);

		if (flo__spec_ignores(to))
			continue;
		add_value(sb, tape, item, to);
		kept++;
	}
	mend_tag(sb, start, kept);
}

static void add_object(struct flo__strbuf *sb, const struct flo__tape *tape,
		       size_t object, const struct flo__pointer *at)
{
	size_t key = tape->token[object].first;
	size_t start = sb->len;
	uint64_t kept = 0;

	add_tag(sb, 'o', 0);
	for (; key != 0; key = tape->token[key].next) {
		const struct flo__token *token = &tape->token[key];
		const struct flo__pointer *to =
			flo__pointer_member(at, token->text, token->len);

		if (flo__spec_ignores(to))
			continue;
		add_bytes(sb, token->text, token->len);
		add_value(sb, tape, key + 1, to);
		kept++;
	}
	mend_tag(sb, start, kept);
}

static void add_value(struct flo__strbuf *sb, const struct flo__tape *tape,
		      size_t i, const struct flo__pointer *at)
{
	const struct flo__token *token = &tape->token[i];

	switch (token->kind) {
	case FLO__TOKEN_NULL:
		flo__strbuf_addc(sb, 'n');
		break;
	case FLO__TOKEN_TRUE:
		flo__strbuf_addc(sb, 't');
		break;
	case FLO__TOKEN_FALSE:
		flo__strbuf_addc(sb, 'f');
		break;
	case FLO__TOKEN_INTEGER:
		add_tag(sb, 'i', (uint64_t)token->integer);
		break;
	case FLO__TOKEN_REAL:
		add_real(sb, token->real);
		break;
	case FLO__TOKEN_STRING:
		add_string(sb, token->text, token->len);
		break;
	case FLO__TOKEN_ARRAY:
		if (flo__spec_is_set(at))
			add_set(sb, tape, i);
		else
			add_array(sb, tape, i, at);
		break;
	case FLO__TOKEN_OBJECT:
		add_object(sb, tape, i, at);
		break;
	}
}

void flo__record_canonical(const json_t *json, const struct flo__pointer *at,
			   struct flo__strbuf *sb)
{
	struct flo__token few[TREE_FEW];
	struct flo__tape tape;

	if (flo__tape_of_tree(json, few, TREE_FEW, &tape) != FLO_OK) {
		sb->failed = true;
		return;
	}
	add_value(sb, &tape, 0, at);
	flo__tape_fini(&tape, few);
}

void flo__tape_canonical(const struct flo__tape *tape, size_t i,
			 const struct flo__pointer *at, struct flo__strbuf *sb)
{
	add_value(sb, tape, i, at);
}

/* Identity */

flo_status flo__tape_identify(const struct flo__tape *tape,
			      const struct flo__spec *spec,
			      struct flo__strbuf *scratch,
			      struct flo__identity *ret_identity)
{
	struct flo__identity id = {.present = 0};

	flo__strbuf_reset(scratch);
	for (size_t i = 0; i < spec->key_len; i++) {
		const struct flo__token *part =
			flo__tape_get(tape, spec->key[i]);

		if (part == NULL || part->kind == FLO__TOKEN_NULL) {
			flo__strbuf_addc(scratch, 'n');
			continue;
		}
		id.present |= 1u << i;
		add_value(scratch, tape, (size_t)(part - tape->token), NULL);
	}
	id.key = flo__digest_of(scratch->data, scratch->len);
	if (scratch->failed)
		return FLO_NOMEM;
	flo__strbuf_reset(scratch);
	add_value(scratch, tape, 0, &spec->root);
	id.body = flo__digest_of(scratch->data, scratch->len);
	if (scratch->failed)
		return FLO_NOMEM;
	*ret_identity = id;
	return FLO_OK;
}

/* Keys as people see them */

static void add_string_text(struct flo__strbuf *sb, const char *text,
			    size_t len)
{
	if (is_huge_text(text, len))
		flo__strbuf_add(sb, text + HUGE_LEN, len - HUGE_LEN);
	else
		flo__strbuf_add_json(sb, text, len);
}

void flo__record_part_text(const json_t *part, struct flo__strbuf *sb)
{
	char *json;

	if (part == NULL) {
		flo__strbuf_adds(sb, "null");
		return;
	}
	if (json_is_string(part)) {
		add_string_text(sb, json_string_value(part),
				json_string_length(part));
		return;
	}
	/* 1 and 1.0 are one key, and so have one text. */
	if (json_is_real(part) && is_whole(json_real_value(part))) {
		flo__strbuf_add_int(sb, (int64_t)json_real_value(part));
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

/* As flo__record_part_text(), where it needs no jansson. */
static bool add_part_text(struct flo__strbuf *sb, const struct flo__token *part)
{
	switch (part != NULL ? part->kind : FLO__TOKEN_NULL) {
	case FLO__TOKEN_NULL:
		flo__strbuf_adds(sb, "null");
		return true;
	case FLO__TOKEN_TRUE:
		flo__strbuf_adds(sb, "true");
		return true;
	case FLO__TOKEN_FALSE:
		flo__strbuf_adds(sb, "false");
		return true;
	case FLO__TOKEN_INTEGER:
		flo__strbuf_add_int(sb, part->integer);
		return true;
	case FLO__TOKEN_REAL:
		if (!is_whole(part->real))
			return false;
		flo__strbuf_add_int(sb, (int64_t)part->real);
		return true;
	case FLO__TOKEN_STRING:
		add_string_text(sb, part->text, part->len);
		return true;
	default:
		return false;
	}
}

bool flo__tape_key_text(const struct flo__tape *tape,
			const struct flo__spec *spec, struct flo__strbuf *sb)
{
	for (size_t i = 0; i < spec->key_len; i++) {
		flo__strbuf_addc(sb, i == 0 ? '[' : ',');
		if (!add_part_text(sb, flo__tape_get(tape, spec->key[i])))
			return false;
	}
	flo__strbuf_addc(sb, ']');
	return true;
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
