#include "dsl/doc_p.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "dsl/report_p.h"

#include <string.h>

/* Whether the decoded keys @a and @b are the same. */
static bool same_key(struct flo__doc *doc, uint32_t a, uint32_t b)
{
	size_t a_len;
	size_t b_len;
	const char *a_text = flo__doc_string(doc, a, &a_len);
	const char *b_text = flo__doc_string(doc, b, &b_len);

	return a_len == b_len && memcmp(a_text, b_text, a_len) == 0;
}

static uint64_t hash_key(struct flo__doc *doc, uint32_t key)
{
	size_t len;
	const char *text = flo__doc_string(doc, key, &len);

	return flo__hash_bytes(text, len);
}

static void report_duplicate(struct flo__doc *doc, uint32_t first,
			     uint32_t again, struct flo__report *report)
{
	size_t len;
	const char *text = flo__doc_string(doc, again, &len);

	flo__report_error(report, FLO__CODE_DUPLICATE_KEY,
			  flo__doc_span(doc, again), again, NULL,
			  "key \"%.*s\" appears twice; first on line %u",
			  (int)(len < 64 ? len : 64), text,
			  flo__doc_line(doc, doc->nodes[first].begin));
}

/* Look for duplicates among many keys with a table of their own. */
static flo_status check_many(struct flo__doc *doc, uint32_t object,
			     struct flo__report *report)
{
	size_t mask = 64;
	uint32_t *table;

	while (mask < (size_t)doc->nodes[object].len * 2)
		mask *= 2;
	table = flo__calloc(mask, sizeof(*table));
	if (table == NULL)
		return FLO_NOMEM;
	mask--;
	for (uint32_t key = flo__doc_first(doc, object); key != FLO__DOC_NONE;
	     key = doc->nodes[key].next) {
		size_t i = hash_key(doc, key) & mask;

		while (table[i] != 0 && !same_key(doc, table[i], key))
			i = (i + 1) & mask;
		if (table[i] != 0)
			report_duplicate(doc, table[i], key, report);
		else
			table[i] = key;
	}
	flo__free(table);
	return doc->nomem ? FLO_NOMEM : FLO_OK;
}

flo_status flo__doc_check_keys(struct flo__doc *doc, uint32_t object,
			       struct flo__report *report)
{
	uint32_t first = flo__doc_first(doc, object);

	if (doc->nodes[object].len > 16)
		return check_many(doc, object, report);
	for (uint32_t key = first; key != FLO__DOC_NONE;
	     key = doc->nodes[key].next) {
		for (uint32_t seen = first; seen != key;
		     seen = doc->nodes[seen].next) {
			if (same_key(doc, seen, key)) {
				report_duplicate(doc, seen, key, report);
				break;
			}
		}
	}
	return doc->nomem ? FLO_NOMEM : FLO_OK;
}
