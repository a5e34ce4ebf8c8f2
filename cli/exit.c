/*
 * exit(), before the C library's: a native step that calls it fails, and the
 * process goes on. Nothing has been shut down yet when it comes here.
 */
#include <flo/fault.h>

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

void exit(int status)
{
	void (*next)(int);

	flo_fault_exit(status);
	/* POSIX: what dlsym() returns may be a function. */
	*(void **)&next = dlsym(RTLD_NEXT, "exit");
	if (next != NULL)
		next(status);
	_exit(status);
}
