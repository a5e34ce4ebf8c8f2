/* flo-worker: runs one native step of the built-in types for an engine. */
#include <flo/worker.h>

int main(void)
{
	flo_worker_main(NULL, 0);
}
