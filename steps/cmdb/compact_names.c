/* The small files that a day's file takes the place of. */
#include "steps/cmdb/compact_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdlib.h>

flo_status flo__compact_names_add(struct flo__compact_names *names,
				  const char *name, flo_error *err)
{
	REQUIRE(names->at == NULL);
	flo__strbuf_add(&names->text, name, strlen(name) + 1);
	if (names->text.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	names->len++;
	return FLO_OK;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

flo_status flo__compact_names_sort(struct flo__compact_names *names,
				   flo_error *err)
{
	const char *name = names->text.data;

	if (names->len == 0)
		return FLO_OK;
	names->at = flo__calloc(names->len, sizeof(*names->at));
	if (names->at == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (size_t i = 0; i < names->len; i++) {
		names->at[i] = name;
		name = flo__compact_next(name);
	}
	qsort(names->at, names->len, sizeof(*names->at), compare);
	return FLO_OK;
}

bool flo__compact_names_has(const struct flo__compact_names *names,
			    const char *name)
{
	REQUIRE(names->len == 0 || names->at != NULL);
	return names->len != 0 && bsearch(&name, names->at, names->len,
					  sizeof(*names->at), compare) != NULL;
}

void flo__compact_names_fini(struct flo__compact_names *names)
{
	flo__free(names->at);
	flo__strbuf_fini(&names->text);
}
