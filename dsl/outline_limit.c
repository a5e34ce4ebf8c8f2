#include "dsl/outline_p.h"

#include <string.h>

/* As flo__outline_duration(), of what may be written in another file. */
static flo_value *duration_at(struct flo__outline *o, uint64_t ns,
			      struct flo__place written)
{
	struct flo__doc *doc = o->doc;
	flo_value *value;

	if (written.doc != NULL)
		o->doc = written.doc;
	value = flo__outline_duration(o, ns, written.at);
	o->doc = doc;
	return value;
}

static void put_doc_at(struct flo__outline *o, flo_value *map, const char *key,
		       struct flo__place written)
{
	struct flo__doc *doc = o->doc;

	o->doc = written.doc;
	flo__outline_put_doc(o, map, key, written.at);
	o->doc = doc;
}

/* ---- leaves at once ---- */

static void put_limit(struct flo__outline *o, flo_value *map, uint64_t n,
		      struct flo__place written, const struct flo__around *up)
{
	flo_value *entry = flo_value_map(3);
	bool own = n != 0 && (n <= up->limit || n == FLO__OUTLINE_MANY);

	if (!own) {
		n = up->limit;
		written = up->limit_written;
	}
	if (n == FLO__OUTLINE_MANY)
		put_doc_at(o, entry, "expr", written);
	else
		flo__outline_put(o, entry, "value", flo_value_int((int64_t)n));
	if (own && n == FLO__OUTLINE_MANY)
		flo__outline_put_why(o, entry, "error");
	flo__outline_put(o, entry, "origin",
			 flo_value_string(own ? "own" : up->limit_origin));
	if (!own && up->limit_of_len != 0)
		flo__outline_put_path(o, entry, "of", up->limit_of_len);
	flo__outline_put(o, map, "limit", entry);
}

void flo__outline_put_limit(struct flo__outline *o, flo_value *map,
			    const struct flo__node *node, uint32_t object,
			    const struct flo__around *up)
{
	struct flo__place written = {.doc = o->doc,
				     .at = flo__outline_get(o, object,
							    "limit")};
	uint64_t n;

	if (node->kind != FLO__NODE_GROUP && node->kind != FLO__NODE_FOREACH)
		return;
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known,
					  &o->plan->blocks[node->spec].limit,
					  FLO__NUMBER_LIMIT, &n);
	if (o->st == FLO_OK)
		put_limit(o, map, n, written, up);
}

/* ---- time limits ---- */

static flo_value *enclosing_timeout(struct flo__outline *o,
				    const struct flo__around *up)
{
	flo_value *entry = duration_at(o, up->timeout_ns, up->written);

	flo__outline_put(o, entry, "origin", flo_value_string(up->origin));
	if (up->of_len != 0)
		flo__outline_put_path(o, entry, "of", up->of_len);
	return entry;
}

/* Whether the limit around is that of the very file that the step is. */
static bool is_of_file(const struct flo__outline *o,
		       const struct flo__around *up)
{
	return strcmp(up->origin, "file") == 0 && up->of_len == o->path.len;
}

void flo__outline_put_timeout(struct flo__outline *o, flo_value *map,
			      const struct flo__node *node, uint32_t object,
			      const struct flo__around *up, uint64_t *ret_ns)
{
	uint32_t written = flo__outline_get(o, object, "timeout");
	bool leaf = !flo__node_is_block(node);
	const char *origin = written != FLO__DOC_NONE ? "own" : "defaults";
	flo_value *entry;
	uint64_t ns;

	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known,
					  &o->plan->attrs[node->attrs].timeout,
					  FLO__NUMBER_TIMEOUT, &ns);
	if (o->st != FLO_OK)
		return;
	*ret_ns = ns;
	if (written == FLO__DOC_NONE)
		written =
			flo__outline_get(o, flo__outline_get(o, 0, "defaults"),
					 "timeout");
	if (ns == 0 || (up->timeout_ns != 0 && up->timeout_ns < ns &&
			ns != FLO__OUTLINE_MANY)) {
		if (up->timeout_ns != 0 &&
		    (leaf || ns != 0 || is_of_file(o, up)))
			flo__outline_put(o, map, "timeout",
					 enclosing_timeout(o, up));
		return;
	}
	entry = flo__outline_duration(o, ns, written);
	flo__outline_put(o, entry, "origin", flo_value_string(origin));
	flo__outline_put_why(o, entry, "error");
	if (ns == FLO__OUTLINE_MANY && up->timeout_ns != 0)
		flo__outline_put(o, entry, "at_most", enclosing_timeout(o, up));
	flo__outline_put(o, map, "timeout", entry);
}

void flo__around_bind(struct flo__around *around, uint64_t ns,
		      const char *origin, size_t of_len,
		      struct flo__place written)
{
	if (ns == 0 || ns == FLO__OUTLINE_MANY ||
	    (around->timeout_ns != 0 && ns > around->timeout_ns))
		return;
	around->timeout_ns = ns;
	around->origin = origin;
	around->of_len = of_len;
	around->written = written;
}

/* ---- of files ---- */

void flo__around_unlimit(struct flo__around *around,
			 const struct flo__around *up)
{
	around->limit = up->limit;
	around->limit_origin = up->limit_origin;
	around->limit_of_len = up->limit_of_len;
	around->limit_written = up->limit_written;
}

void flo__outline_around_call(struct flo__outline *o, uint32_t id,
			      struct flo__outline_file *file,
			      struct flo__around *around)
{
	const struct flo__call *call = flo__outline_call(o->plan, id);
	struct flo__place timeout = {.doc = &file->doc};
	uint64_t limit = 0, ns = 0;

	flo__known_enter_call(&o->known, id);
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, &call->limit,
					  FLO__NUMBER_LIMIT, &limit);
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known, &call->timeout,
					  FLO__NUMBER_TIMEOUT, &ns);
	flo__known_enter(&o->known, id);
	if (o->st != FLO_OK)
		return;
	timeout.at = flo__doc_get(&file->doc, 0, "timeout");
	flo__around_bind(around, ns, "file", o->path.len, timeout);
	if (limit == 0 || limit > around->limit)
		return;
	around->limit = limit;
	around->limit_origin = "file";
	around->limit_of_len = o->path.len;
	around->limit_written =
		(struct flo__place){.doc = &file->doc,
				    .at = flo__doc_get(&file->doc, 0, "limit")};
}
