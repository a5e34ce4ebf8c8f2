/* What two versions of a record differ in, as pointers to leaves. */
#include "steps/cmdb/record.h"

#include "base/contract.h"

#include <string.h>

struct compare {
	struct flo__strbuf *out;
	struct flo__strbuf path;    /* where the walk is, as a pointer */
	struct flo__strbuf scratch; /* canonical forms that are compared */
	size_t leaves;
};

static void add_leaf(struct compare *cmp)
{
	if (cmp->leaves++ != 0)
		flo__strbuf_addc(cmp->out, ',');
	flo__strbuf_add_json(cmp->out, cmp->path.data, cmp->path.len);
}

/* Whether two values have one canonical form; NULL is no value. */
static bool same(struct compare *cmp, const json_t *a, const json_t *b,
		 const struct flo__pointer *at)
{
	struct flo__strbuf *sb = &cmp->scratch;
	size_t len;

	if (a == NULL || b == NULL)
		return a == b;
	flo__strbuf_reset(sb);
	flo__record_canonical(a, at, sb);
	len = sb->len;
	flo__record_canonical(b, at, sb);
	cmp->out->failed |= sb->failed;
	return !sb->failed && sb->len == 2 * len &&
	       memcmp(sb->data, sb->data + len, len) == 0;
}

static void walk(struct compare *cmp, const json_t *a, const json_t *b,
		 const struct flo__pointer *at);

static void walk_member(struct compare *cmp, const char *key, size_t len,
			const json_t *a, const json_t *b,
			const struct flo__pointer *at)
{
	size_t back = cmp->path.len;

	at = flo__pointer_member(at, key, len);
	if (flo__spec_ignores(at) || same(cmp, a, b, at))
		return;
	flo__pointer_append(&cmp->path, key, len);
	walk(cmp, a, b, at);
	flo__strbuf_cut(&cmp->path, back);
}

/* Members of both; either may be NULL, as if it were empty. */
static void walk_objects(struct compare *cmp, const json_t *a, const json_t *b,
			 const struct flo__pointer *at)
{
	json_t *x = (json_t *)a;
	json_t *y = (json_t *)b;

	for (void *it = json_object_iter(x); it != NULL;
	     it = json_object_iter_next(x, it)) {
		const char *key = json_object_iter_key(it);
		size_t len = json_object_iter_key_len(it);

		walk_member(cmp, key, len, json_object_iter_value(it),
			    json_object_getn(y, key, len), at);
	}
	for (void *it = json_object_iter(y); it != NULL;
	     it = json_object_iter_next(y, it)) {
		const char *key = json_object_iter_key(it);
		size_t len = json_object_iter_key_len(it);

		if (json_object_getn(x, key, len) == NULL)
			walk_member(cmp, key, len, NULL,
				    json_object_iter_value(it), at);
	}
}

static void walk_arrays(struct compare *cmp, const json_t *a, const json_t *b,
			const struct flo__pointer *at)
{
	size_t a_len = json_array_size(a);
	size_t b_len = json_array_size(b);
	size_t back = cmp->path.len;

	for (size_t i = 0; i < a_len || i < b_len; i++) {
		const struct flo__pointer *to = flo__pointer_item(at, i);
		const json_t *x = json_array_get(a, i);
		const json_t *y = json_array_get(b, i);

		if (flo__spec_ignores(to) || same(cmp, x, y, to))
			continue;
		flo__strbuf_addf(&cmp->path, "/%zu", i);
		walk(cmp, x, y, to);
		flo__strbuf_cut(&cmp->path, back);
	}
}

static bool all_objects(const json_t *a, const json_t *b)
{
	return (a == NULL || json_is_object(a)) &&
	       (b == NULL || json_is_object(b)) &&
	       json_object_size(a) + json_object_size(b) != 0;
}

static bool all_arrays(const json_t *a, const json_t *b)
{
	return (a == NULL || json_is_array(a)) &&
	       (b == NULL || json_is_array(b)) &&
	       json_array_size(a) + json_array_size(b) != 0;
}

/*
 * @a and @b differ; one may be NULL, and then every leaf of the other is new
 * or gone. A set is a leaf, as its items have no place; so is what is a
 * container on one side only.
 */
static void walk(struct compare *cmp, const json_t *a, const json_t *b,
		 const struct flo__pointer *at)
{
	bool set = flo__spec_is_set(at);
	size_t before = cmp->leaves;

	if (before > FLO__RECORD_LEAVES_MAX)
		return;
	if (all_objects(a, b))
		walk_objects(cmp, a, b, at);
	else if (all_arrays(a, b) && !set)
		walk_arrays(cmp, a, b, at);
	/* A container that differs only in being there is a leaf itself. */
	if (cmp->leaves == before)
		add_leaf(cmp);
}

struct top {
	void (*field)(void *arg, const char *name);
	void *arg;
	bool list; /* write the fields out, as the leaves are too many */
};

/* Members of @a that are others in @b, or not there; none that @told has. */
static void top_level(struct compare *cmp, const json_t *a, const json_t *b,
		      const json_t *told, const struct flo__spec *spec,
		      const struct top *top)
{
	json_t *x = (json_t *)a;
	const char *key;
	json_t *value;

	json_object_foreach(x, key, value)
	{
		size_t len = strlen(key);
		const struct flo__pointer *at =
			flo__pointer_member(&spec->root, key, len);
		const json_t *other = json_object_getn(b, key, len);

		if (json_object_getn(told, key, len) != NULL ||
		    flo__spec_ignores(at) || same(cmp, value, other, at))
			continue;
		if (top->list) {
			cmp->out->failed |= cmp->path.failed;
			flo__strbuf_reset(&cmp->path);
			flo__pointer_append(&cmp->path, key, len);
			add_leaf(cmp);
		} else {
			top->field(top->arg, key);
		}
	}
}

flo_status flo__record_compare(const json_t *before, const json_t *after,
			       const struct flo__spec *spec,
			       void (*field)(void *arg, const char *name),
			       void *arg, struct flo__strbuf *sb)
{
	struct compare cmp = {.out = sb};
	struct top top = {field, arg, false};
	size_t start = sb->len;
	flo_status st;

	flo__strbuf_init(&cmp.path);
	flo__strbuf_init(&cmp.scratch);
	top_level(&cmp, before, after, NULL, spec, &top);
	top_level(&cmp, after, NULL, before, spec, &top);
	flo__strbuf_addc(sb, '[');
	walk_objects(&cmp, before, after, &spec->root);
	if (cmp.leaves > FLO__RECORD_LEAVES_MAX) {
		flo__strbuf_cut(sb, start);
		flo__strbuf_addc(sb, '[');
		cmp.leaves = 0;
		top.list = true;
		top_level(&cmp, before, after, NULL, spec, &top);
		top_level(&cmp, after, NULL, before, spec, &top);
	}
	flo__strbuf_addc(sb, ']');
	st = cmp.scratch.failed || cmp.path.failed ? FLO_NOMEM
						   : flo__strbuf_status(sb);
	flo__strbuf_fini(&cmp.path);
	flo__strbuf_fini(&cmp.scratch);
	return st;
}
