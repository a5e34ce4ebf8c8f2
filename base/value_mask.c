#include "base/mask.h"
#include "base/value_p.h"
#include "base/value_repr.h"

#include "base/contract.h"

/* What is in a value of text, hidden; NULL without memory. */
static flo_value *mask_text(const flo_value *value,
			    const struct flo__mask *mask)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *masked = NULL;
	size_t len;
	const char *text = flo_value_get_string(value, &len);

	if (flo__mask_find(mask, text, len) == 0)
		return flo_value_ref(value);
	flo__mask_text(mask, text, len, &sb);
	if (flo__strbuf_status(&sb) == FLO_OK)
		masked = value->type == FLO_VALUE_BYTES
				 ? flo_value_bytes(sb.data, sb.len)
				 : flo_value_stringn(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	return masked;
}

/* Whether something that is worth it is to be hidden in the JSON of @value;
 * -1 without memory. */
static int in_json(const flo_value *value, const struct flo__mask *mask)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int found = -1;

	flo__value_json(value, &sb);
	if (flo__strbuf_status(&sb) == FLO_OK)
		found = flo__mask_find(mask, sb.data, sb.len) >=
			FLO__MASK_PART_MIN;
	flo__strbuf_fini(&sb);
	return found;
}

/* A value whose JSON has a secret in it becomes "***" as a whole. */
static flo_value *mask_whole(const flo_value *value,
			     const struct flo__mask *mask)
{
	int found = in_json(value, mask);

	if (found < 0)
		return NULL;
	return found > 0 ? flo_value_string(FLO__MASK_TEXT)
			 : flo_value_ref(value);
}

/* The masked twin of @value; of a container an empty one, to be filled. */
static flo_value *mask_one(const flo_value *value, const struct flo__mask *mask)
{
	switch ((flo_value_type)value->type) {
	case FLO_VALUE_STRING:
	case FLO_VALUE_BYTES:
		return mask_text(value, mask);
	case FLO_VALUE_INT:
	case FLO_VALUE_UINT:
	case FLO_VALUE_DOUBLE:
		return mask_whole(value, mask);
	case FLO_VALUE_LIST:
		return flo_value_list(value->of.list.len);
	case FLO_VALUE_MAP:
		return flo_value_map(value->of.map.len);
	default:
		return flo_value_ref(value);
	}
}

static bool is_container(const flo_value *value)
{
	return value->type == FLO_VALUE_LIST || value->type == FLO_VALUE_MAP;
}

/* Add the next item of what the topmost frame copies. */
static flo_status mask_next(struct walk *walk, const struct flo__mask *mask)
{
	struct walk_frame *top = &walk->frames[walk->len - 1];
	flo_value *to = (flo_value *)(uintptr_t)top->b; /* made by us */
	const flo_value *from = top->a, *key = NULL, *item;
	flo_value *twin;
	flo_status st;

	item = from->type == FLO_VALUE_LIST
		       ? flo_value_list_at(from, top->i)
		       : flo_value_map_at(from, top->i, &key);
	top->i++;
	twin = mask_one(item, mask);
	st = key == NULL ? flo_value_list_add(to, twin)
			 : flo_value_map_add(to, mask_one(key, mask), twin);
	/* Two keys that look the same now: the first one stays. */
	if (st == FLO_EXISTS)
		return FLO_OK;
	if (st != FLO_OK || !is_container(item))
		return st;
	return flo__walk_push(walk, item, twin) ? FLO_OK : FLO_NOMEM;
}

static flo_value *mask_parts(const flo_value *value,
			     const struct flo__mask *mask)
{
	flo_value *twin = mask_one(value, mask);
	flo_status st = FLO_OK;
	struct walk walk;

	if (twin == NULL || !is_container(value))
		return twin;
	flo__walk_init(&walk);
	if (!flo__walk_push(&walk, value, twin))
		st = FLO_NOMEM;
	while (st == FLO_OK && walk.len != 0) {
		struct walk_frame *top = &walk.frames[walk.len - 1];

		if (top->i == flo_value_len(top->a))
			walk.len--;
		else
			st = mask_next(&walk, mask);
	}
	flo__walk_fini(&walk);
	if (st == FLO_OK)
		return twin;
	flo_value_unref(twin);
	return NULL;
}

flo_value *flo__value_mask(const flo_value *value, const struct flo__mask *mask)
{
	flo_value *parts = mask_parts(value, mask), *whole;

	if (parts == NULL)
		return NULL;
	whole = mask_whole(parts, mask);
	flo_value_unref(parts);
	return whole;
}
