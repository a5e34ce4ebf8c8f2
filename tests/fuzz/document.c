/* Any bytes as a pipeline. What is one is JSON, by jansson's own verdict. */
#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>

static void check_json(const char *text, size_t len)
{
	json_t *doc = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (doc == NULL)
		abort();
	json_decref(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct flo__plan *plan = NULL;

	fuzz_compile((const char *)data, len, &plan);
	if (plan == NULL)
		return 0;
	check_json((const char *)data, len);
	plan->free(plan);
	return 0;
}
