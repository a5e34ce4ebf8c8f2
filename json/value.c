#include "json/json_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"

/* A container that is being copied: from where, to where, how far. */
struct frame {
	const json_t *from;
	flo_value *to;
	size_t i;   /* the next item of an array */
	void *iter; /* the next entry of an object */
};

/* The containers that are open, innermost last; the outermost owns them. */
struct stack {
	struct frame *frames;
	size_t len;
	size_t cap;
};

static bool is_container(const json_t *json)
{
	return json_is_array(json) || json_is_object(json);
}

static flo_value *new_value(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return flo_value_map(json_object_size(json));
	case JSON_ARRAY:
		return flo_value_list(json_array_size(json));
	case JSON_STRING:
		return flo_value_stringn(json_string_value(json),
					 json_string_length(json));
	case JSON_INTEGER:
		return flo_value_int(json_integer_value(json));
	case JSON_REAL:
		return flo_value_double(json_real_value(json));
	case JSON_TRUE:
		return flo_value_bool(true);
	case JSON_FALSE:
		return flo_value_bool(false);
	default:
		return flo_value_null();
	}
}

static flo_status push(struct stack *stack, const json_t *from, flo_value *to)
{
	if (stack->len == stack->cap) {
		size_t cap = stack->cap < 16 ? 16 : stack->cap * 2;
		struct frame *frames =
			flo__reallocarray(stack->frames, cap, sizeof(*frames));

		if (frames == NULL)
			return FLO_NOMEM;
		stack->frames = frames;
		stack->cap = cap;
	}
	stack->frames[stack->len++] =
		(struct frame){from, to, 0, json_object_iter((json_t *)from)};
	return FLO_OK;
}

/* Copy the next item of @frame into its value; NULL when there is none. */
static flo_status copy_next(struct frame *frame, const json_t **ret_item,
			    flo_value **ret_value)
{
	void *iter = frame->iter;

	if (json_is_array(frame->from)) {
		*ret_item = json_array_get(frame->from, frame->i++);
		if (*ret_item == NULL)
			return FLO_OK;
		*ret_value = new_value(*ret_item);
		return flo_value_list_add(frame->to, *ret_value);
	}
	*ret_item = NULL;
	if (iter == NULL)
		return FLO_OK;
	frame->iter = json_object_iter_next((json_t *)frame->from, iter);
	*ret_item = json_object_iter_value(iter);
	*ret_value = new_value(*ret_item);
	return flo__value_map_setn(frame->to, json_object_iter_key(iter),
				   json_object_iter_key_len(iter), *ret_value);
}

static flo_status copy_deep(const json_t *json, flo_value *root)
{
	struct stack stack = {NULL, 0, 0};
	flo_status st;

	TRY(push(&stack, json, root));
	while (stack.len != 0) {
		const json_t *item;
		flo_value *value;

		TRY(copy_next(&stack.frames[stack.len - 1], &item, &value));
		if (item == NULL)
			stack.len--;
		else if (is_container(item))
			TRY(push(&stack, item, value));
	}
out:
	flo__free(stack.frames);
	return st;
}

flo_status flo__json_to_value(const json_t *json, flo_value **ret_value)
{
	flo_value *root = new_value(json);
	flo_status st = FLO_OK;

	if (root == NULL)
		return FLO_NOMEM;
	if (is_container(json))
		st = copy_deep(json, root);
	if (st == FLO_OK)
		*ret_value = root;
	else
		flo_value_unref(root);
	return st;
}

flo_status flo_value_from_json(const char *text, size_t len, unsigned flags,
			       flo_error *err, flo_value **ret_value)
{
	size_t load_flags = JSON_ALLOW_NUL;
	json_t *json = NULL;
	flo_status st;

	if ((flags & FLO_JSON_ANY) != 0)
		load_flags |= JSON_DECODE_ANY;
	st = flo__json_load(text, len, load_flags, err, &json);
	if (st != FLO_OK)
		return st;
	st = flo__json_to_value(json, ret_value);
	flo__json_free(json);
	if (st != FLO_OK)
		flo_error_set(err, st, "read JSON: %s", flo_status_text(st));
	return st;
}
