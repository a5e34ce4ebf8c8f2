#include "dsl/outline_p.h"

#include "base/time.h"

#include <stdio.h>
#include <string.h>

void flo__outline_put(struct flo__outline *o, flo_value *map, const char *key,
		      flo_value *value)
{
	flo_status st;

	if (map == NULL || value == NULL || o->st != FLO_OK) {
		flo_value_unref(value);
		if (o->st == FLO_OK)
			o->st = FLO_NOMEM;
		return;
	}
	st = flo_value_map_set(map, key, value);
	if (o->st == FLO_OK)
		o->st = st;
}

void flo__outline_add(struct flo__outline *o, flo_value *list, flo_value *item)
{
	if (list == NULL || o->st != FLO_OK) {
		flo_value_unref(item);
		if (o->st == FLO_OK)
			o->st = FLO_NOMEM;
		return;
	}
	o->st = flo_value_list_add(list, item);
}

void flo__outline_put_path(struct flo__outline *o, flo_value *map,
			   const char *key, size_t len)
{
	flo__outline_put(o, map, key, flo_value_stringn(o->path.data, len));
}

uint32_t flo__outline_get(struct flo__outline *o, uint32_t object,
			  const char *name)
{
	if (object == FLO__DOC_NONE ||
	    o->doc->nodes[object].type != FLO__DOC_OBJECT)
		return FLO__DOC_NONE;
	return flo__doc_get(o->doc, object, name);
}

/* A value as it stands in the document. Compiled ones nest 128 deep at most. */
static flo_value *as_written(struct flo__outline *o, uint32_t node)
{
	const struct flo__doc_node *n = &o->doc->nodes[node];
	bool list = n->type == FLO__DOC_ARRAY;
	flo_value *value;

	if (!list && n->type != FLO__DOC_OBJECT)
		return flo__doc_scalar(o->doc, node);
	value = list ? flo_value_list(n->len) : flo_value_map(n->len);
	for (uint32_t item = flo__doc_first(o->doc, node);
	     item != FLO__DOC_NONE && o->st == FLO_OK;
	     item = o->doc->nodes[item].next) {
		if (list)
			flo__outline_add(o, value, as_written(o, item));
		else if (value == NULL)
			o->st = FLO_NOMEM;
		else
			o->st = flo_value_map_add(value,
						  flo__doc_scalar(o->doc, item),
						  as_written(o, flo__doc_value(
									item)));
	}
	if (o->st == FLO_OK)
		return value;
	flo_value_unref(value);
	return NULL;
}

void flo__outline_put_doc(struct flo__outline *o, flo_value *map,
			  const char *key, uint32_t node)
{
	if (node != FLO__DOC_NONE)
		flo__outline_put(o, map, key, as_written(o, node));
}

void flo__outline_put_names(struct flo__outline *o, flo_value *map,
			    const char *key, uint32_t object)
{
	flo_value *list;

	if (object == FLO__DOC_NONE || o->doc->nodes[object].len == 0)
		return;
	list = flo_value_list(o->doc->nodes[object].len);
	for (uint32_t at = flo__doc_first(o->doc, object); at != FLO__DOC_NONE;
	     at = o->doc->nodes[at].next)
		flo__outline_add(o, list, flo__doc_scalar(o->doc, at));
	flo__outline_put(o, map, key, list);
}

/* As pipelines write it, exact down to milliseconds: "1h30m", "250ms". */
void flo__outline_duration_text(uint64_t ns, char *ret, size_t size)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{"d", 86400 * FLO__NS_PER_S}, {"h", 3600 * FLO__NS_PER_S},
		{"m", 60 * FLO__NS_PER_S},    {"s", FLO__NS_PER_S},
		{"ms", FLO__NS_PER_MS},
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ns / units[i].ns == 0)
			continue;
		len += (size_t)snprintf(ret + len, size - len, "%llu%s",
					(unsigned long long)(ns / units[i].ns),
					units[i].unit);
		ns %= units[i].ns;
	}
	if (len == 0)
		snprintf(ret, size, "0s");
}

/* A text that is written without a template, which is how people know it. */
bool flo__outline_is_plain(struct flo__outline *o, uint32_t node)
{
	const char *text;
	size_t len;

	if (node == FLO__DOC_NONE ||
	    o->doc->nodes[node].type != FLO__DOC_STRING)
		return false;
	text = flo__doc_string(o->doc, node, &len);
	return memmem(text, len, "${{", 3) == NULL;
}

flo_value *flo__outline_duration(struct flo__outline *o, uint64_t ns,
				 uint32_t written)
{
	flo_value *map = flo_value_map(4);
	char text[64];

	flo__outline_duration_text(ns, text, sizeof(text));
	if (written != FLO__DOC_NONE &&
	    (ns == FLO__OUTLINE_MANY || flo__outline_is_plain(o, written)))
		flo__outline_put_doc(o, map, "text", written);
	else
		flo__outline_put(o, map, "text", flo_value_string(text));
	if (ns != FLO__OUTLINE_MANY)
		flo__outline_put(o, map, "seconds",
				 flo_value_double((double)ns / 1e9));
	return map;
}

void flo__outline_put_why(struct flo__outline *o, flo_value *map,
			  const char *key)
{
	if (*o->known.why.text)
		flo__outline_put(o, map, key,
				 flo_value_string(o->known.why.text));
}

void flo__outline_put_errors(struct flo__outline *o, flo_value *map,
			     uint32_t object)
{
	flo__outline_put_doc(o, map, "on_error",
			     flo__outline_get(o, object, "on_error"));
	flo__outline_put_doc(o, map, "max_failures",
			     flo__outline_get(o, object, "max_failures"));
}
