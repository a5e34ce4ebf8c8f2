/* Any bytes as a pipeline. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct flo__plan *plan = NULL;

	fuzz_compile((const char *)data, len, &plan);
	if (plan != NULL)
		plan->free(plan);
	return 0;
}
