#include "steps/cmdb/spec.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <xxhash.h>

#include <stdlib.h>
#include <string.h>

/* Names digest, canonical form and their version: see record.c. */
#define ALGORITHM "xxh3-128/1"

struct flo__digest flo__digest_of(const void *bytes, size_t len)
{
	XXH128_canonical_t canonical;
	struct flo__digest digest;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, len));
	memcpy(digest.byte, canonical.digest, sizeof(digest.byte));
	return digest;
}

void flo__digest_text(const struct flo__digest *digest,
		      char ret_text[FLO__DIGEST_TEXT_SIZE])
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < sizeof(digest->byte); i++) {
		*ret_text++ = hex[digest->byte[i] >> 4];
		*ret_text++ = hex[digest->byte[i] & 15];
	}
	*ret_text = '\0';
}

static flo_status add_pointer(struct flo__spec *spec, const char *name,
			      const flo_value *item, flo_error *err,
			      struct flo__pointer **ret_node)
{
	const char *text;
	flo_status st;
	size_t len;

	if (flo_value_typeof(item) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" must be a list of JSON pointers, "
				     "which are strings",
				     name);
	text = flo_value_get_string(item, &len);
	st = flo__pointer_add(&spec->root, text, len, err, ret_node);
	if (st == FLO_OK && len == 0)
		st = flo_error_set(err, FLO_INVALID,
				   "the pointer \"\" in \"%s\" means the whole "
				   "record; name a field of it",
				   name);
	if (st != FLO_OK)
		flo_error_prefix(err, "%s", name);
	return st;
}

static flo_status check_list(const char *name, const flo_value *list,
			     size_t max, flo_error *err)
{
	if (flo_value_typeof(list) != FLO_VALUE_LIST)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" must be a list of JSON pointers",
				     name);
	if (flo_value_len(list) > max)
		return flo_error_set(err, FLO_LIMIT,
				     "\"%s\" has %zu pointers; %zu are allowed",
				     name, flo_value_len(list), max);
	return FLO_OK;
}

static flo_status add_keys(struct flo__spec *spec, const flo_value *key,
			   flo_error *err)
{
	struct flo__pointer *node = NULL;
	flo_status st;

	TRY(check_list("key", key, FLO__SPEC_KEYS_MAX, err));
	if (flo_value_len(key) == 0)
		return flo_error_set(err, FLO_INVALID,
				     "\"key\" is empty; name the fields that "
				     "tell records apart, like [\"/id\"]");
	for (size_t i = 0; i < flo_value_len(key); i++) {
		TRY(add_pointer(spec, "key", flo_value_list_at(key, i), err,
				&node));
		for (size_t j = 0; j < spec->key_len; j++)
			if (spec->key[j] == node)
				return flo_error_set(
					err, FLO_INVALID,
					"\"key\" names \"%s\" twice",
					flo_value_get_string(
						flo_value_list_at(key, i),
						NULL));
		spec->key[spec->key_len++] = node;
	}
out:
	return st;
}

static flo_status add_marks(struct flo__spec *spec, const char *name,
			    const flo_value *list, unsigned mark,
			    flo_error *err)
{
	struct flo__pointer *node = NULL;
	flo_status st = FLO_OK;

	if (list == NULL)
		return FLO_OK;
	TRY(check_list(name, list, FLO__SPEC_POINTERS_MAX, err));
	for (size_t i = 0; i < flo_value_len(list); i++) {
		TRY(add_pointer(spec, name, flo_value_list_at(list, i), err,
				&node));
		node->marks |= mark;
	}
out:
	return st;
}

/* A list as JSON; @sorted where the order of the pointers means nothing. */
static int compare_text(const void *a, const void *b)
{
	const flo_value *const *x = a;
	const flo_value *const *y = b;

	return strcmp(flo_value_get_string(*x, NULL),
		      flo_value_get_string(*y, NULL));
}

static void add_list(struct flo__strbuf *sb, const char *name,
		     const flo_value *list, bool sorted)
{
	const flo_value *item[FLO__SPEC_POINTERS_MAX];
	size_t len = list != NULL ? flo_value_len(list) : 0;
	const char *before = "";

	for (size_t i = 0; i < len; i++)
		item[i] = flo_value_list_at(list, i);
	if (sorted && len != 0)
		qsort(item, len, sizeof(item[0]), compare_text);
	flo__strbuf_addf(sb, ",\"%s\":[", name);
	for (size_t i = 0; i < len; i++) {
		size_t text_len;
		const char *text = flo_value_get_string(item[i], &text_len);

		if (sorted && i != 0 &&
		    compare_text(&item[i - 1], &item[i]) == 0)
			continue;
		flo__strbuf_adds(sb, before);
		flo__strbuf_add_json(sb, text, text_len);
		before = ",";
	}
	flo__strbuf_addc(sb, ']');
}

static flo_status make_text(struct flo__spec *spec, const flo_value *key,
			    const flo_value *ignore, const flo_value *unordered,
			    flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, "{\"algorithm\":\"" ALGORITHM "\"");
	add_list(&sb, "key", key, false);
	add_list(&sb, "ignore", ignore, true);
	add_list(&sb, "unordered", unordered, true);
	flo__strbuf_addc(&sb, '}');
	spec->text = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	if (spec->text == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

flo_status flo__spec_new(const flo_value *key, const flo_value *ignore,
			 const flo_value *unordered, flo_error *err,
			 struct flo__spec **ret_spec)
{
	struct flo__spec *spec = flo__calloc(1, sizeof(*spec));
	flo_status st;

	if (spec == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	TRY(add_keys(spec, key, err));
	TRY(add_marks(spec, "ignore", ignore, FLO__SPEC_IGNORED, err));
	TRY(add_marks(spec, "unordered", unordered, FLO__SPEC_UNORDERED, err));
	TRY(make_text(spec, key, ignore, unordered, err));
	*ret_spec = spec;
	return FLO_OK;
out:
	flo__spec_free(spec);
	return st;
}

flo_status flo__spec_read(const char *text, flo_error *err,
			  struct flo__spec **ret_spec)
{
	const flo_value *algorithm;
	flo_value *value = NULL;
	flo_status st;

	TRY(flo_value_from_json(text, strlen(text), 0, err, &value));
	algorithm = flo_value_map_get(value, "algorithm");
	if (algorithm == NULL ||
	    flo_value_typeof(algorithm) != FLO_VALUE_STRING ||
	    strcmp(flo_value_get_string(algorithm, NULL), ALGORITHM) != 0 ||
	    flo_value_map_get(value, "key") == NULL) {
		st = flo_error_set(err, FLO_VERSION,
				   "the stored digests were made by another "
				   "algorithm than " ALGORITHM);
		goto out;
	}
	st = flo__spec_new(flo_value_map_get(value, "key"),
			   flo_value_map_get(value, "ignore"),
			   flo_value_map_get(value, "unordered"), err,
			   ret_spec);
out:
	flo_value_unref(value);
	return st;
}

void flo__spec_free(struct flo__spec *spec)
{
	if (spec == NULL)
		return;
	flo__pointer_fini(&spec->root);
	flo__free(spec->text);
	flo__free(spec);
}
