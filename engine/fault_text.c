/* The words for a fault: after the handler, on the coroutine's own stack. */
#include "engine/fault_p.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = path != NULL ? strrchr(path, '/') : NULL;

	return slash != NULL ? slash + 1 : path;
}

void flo_panic_frame_text(const void *frame, char *buf, size_t size)
{
	Dl_info info;
	size_t offset;

	/* dladdr() names exported functions only, and never a wrong one. It
	 * allocates nothing. */
	if (dladdr(frame, &info) == 0 || info.dli_fname == NULL) {
		snprintf(buf, size, "0x%" PRIxPTR, (uintptr_t)frame);
		return;
	}
	offset = (size_t)((uintptr_t)frame - (uintptr_t)info.dli_fbase);
	if (info.dli_sname != NULL)
		snprintf(buf, size, "%s (%s+0x%zx)", info.dli_sname,
			 base_name(info.dli_fname), offset);
	else
		snprintf(buf, size, "%s+0x%zx", base_name(info.dli_fname),
			 offset);
}

static const char *object_of(const void *frame)
{
	Dl_info info;

	return dladdr(frame, &info) != 0 ? info.dli_fname : NULL;
}

/*
 * Who called abort(): the first frame outside the C library, of which there
 * are several above it (raise(), for a damaged heap also malloc's).
 */
static const void *place(const struct flo__fault *fault)
{
	const char *first, *object;

	if (fault->frames_len == 0)
		return NULL;
	first = object_of(fault->frames[0]);
	for (size_t i = 0; fault->signal == SIGABRT && i < fault->frames_len;
	     i++) {
		object = object_of(fault->frames[i]);
		if (object != first)
			return fault->frames[i];
	}
	return fault->frames[0];
}

static const char *cause(const struct flo__fault *fault)
{
	if (fault->signal == SIGFPE)
		return fault->code == FPE_INTDIV ? "SIGFPE (division by zero)"
						 : "SIGFPE";
	if (fault->signal == SIGILL)
		return "SIGILL (illegal instruction)";
	if (fault->signal == SIGABRT)
		return "SIGABRT (abort)";
	return fault->signal == SIGBUS ? "SIGBUS" : "SIGSEGV";
}

void flo__fault_text(const struct flo__fault *fault, char *text, size_t size)
{
	char where[256] = "", address[32] = "", stack[64] = "";
	const void *frame = place(fault);

	if (frame != NULL)
		flo_panic_frame_text(frame, where, sizeof(where));
	if (fault->has_address && fault->signal != SIGFPE &&
	    fault->signal != SIGILL)
		snprintf(address, sizeof(address), " at address 0x%" PRIxPTR,
			 fault->address);
	if (fault->overflow)
		snprintf(stack, sizeof(stack), "stack overflow (%zu KiB): ",
			 fault->stack_size / 1024);
	snprintf(text, size, "%s%s%s%s%s", stack, cause(fault), address,
		 where[0] != '\0' ? " in " : "", where);
}
