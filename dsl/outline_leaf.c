#include "dsl/outline_p.h"

/* Delays of a retry that are told one by one. */
#define DELAYS_MAX 8

static void put_exec(struct flo__outline *o, flo_value *map,
		     const struct flo__leaf *leaf, uint32_t exec)
{
	flo_value *list = flo_value_list(leaf->argv_len);
	uint32_t at = exec != FLO__DOC_NONE ? flo__doc_first(o->doc, exec)
					    : FLO__DOC_NONE;

	for (uint32_t i = 0; i < leaf->argv_len; i++) {
		const flo_value *known = leaf->argv[i]->constant;

		if (known != NULL)
			flo__outline_add(o, list, flo_value_ref(known));
		else if (at != FLO__DOC_NONE)
			flo__outline_add(o, list, flo__doc_scalar(o->doc, at));
		if (at != FLO__DOC_NONE)
			at = o->doc->nodes[at].next;
	}
	flo__outline_put(o, map, "exec", list);
}

static void put_sh(struct flo__outline *o, flo_value *map,
		   const struct flo__leaf *leaf, uint32_t object)
{
	const flo_value *script = leaf->argv[leaf->argv_len - 1]->constant;

	flo__outline_put(o, map, "sh", flo_value_ref(script));
	flo__outline_put_doc(o, map, "shell",
			     flo__outline_get(o, object, "shell"));
}

static void put_use(struct flo__outline *o, flo_value *map,
		    const struct flo__leaf *leaf, uint32_t object)
{
	flo__outline_put_doc(o, map, "use", flo__outline_get(o, object, "use"));
	if (leaf->with != NULL && leaf->with->constant != NULL)
		flo__outline_put(o, map, "with",
				 flo_value_ref(leaf->with->constant));
	else
		flo__outline_put_doc(o, map, "with",
				     flo__outline_get(o, object, "with"));
}

/* The waits before the second attempt, the third, and so on, without jitter. */
static flo_value *delays(struct flo__outline *o, const struct flo__retry *retry,
			 uint64_t limit)
{
	flo_value *list = flo_value_list(DELAYS_MAX);
	double ns = (double)retry->backoff_ns;
	char text[64];

	for (uint64_t i = 0; i < limit && i < DELAYS_MAX; i++) {
		if (retry->max_ns != 0 && ns > (double)retry->max_ns)
			ns = (double)retry->max_ns;
		if (ns > 1e18)
			ns = 1e18;
		flo__outline_duration_text((uint64_t)ns, text, sizeof(text));
		flo__outline_add(o, list, flo_value_string(text));
		ns *= retry->factor;
	}
	return list;
}

void flo__outline_put_retry(struct flo__outline *o, flo_value *map,
			    const struct flo__retry *retry, uint32_t object)
{
	uint32_t written = flo__outline_get(o, object, "retry");
	flo_value *entry;
	uint64_t limit;

	if (retry == NULL || o->st != FLO_OK)
		return;
	if (written == FLO__DOC_NONE)
		written =
			flo__outline_get(o, flo__outline_get(o, 0, "defaults"),
					 "retry");
	o->st = flo__known_number(&o->known, &retry->limit, FLO__NUMBER_COUNT,
				  &limit);
	entry = flo_value_map(5);
	if (limit == FLO__OUTLINE_MANY)
		flo__outline_put_doc(o, entry, "limit",
				     flo__outline_get(o, written, "limit"));
	else
		flo__outline_put(o, entry, "limit",
				 flo_value_int((int64_t)limit));
	flo__outline_put_why(o, entry, "error");
	if (retry->backoff_ns != 0)
		flo__outline_put(o, entry, "delays", delays(o, retry, limit));
	if (retry->jitter > 0)
		flo__outline_put(o, entry, "jitter",
				 flo_value_double(retry->jitter));
	flo__outline_put_doc(o, entry, "when",
			     flo__outline_get(o, written, "when"));
	flo__outline_put(o, map, "retry", entry);
}

void flo__outline_put_leaf(struct flo__outline *o, flo_value *map,
			   const struct flo__node *node, uint32_t object)
{
	static const char *const keys[] = {"stdin", "output", "output_limit",
					   "exit_ok", "stop_signal"};
	const struct flo__leaf *leaf = &o->plan->leaves[node->spec];

	if (node->kind == FLO__NODE_EXEC)
		put_exec(o, map, leaf, flo__outline_get(o, object, "exec"));
	else if (node->kind == FLO__NODE_SH)
		put_sh(o, map, leaf, object);
	else
		put_use(o, map, leaf, object);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		flo__outline_put_doc(o, map, keys[i],
				     flo__outline_get(o, object, keys[i]));
	flo__outline_put_retry(o, map, leaf->retry, object);
	o->native |= node->kind == FLO__NODE_USE;
}
