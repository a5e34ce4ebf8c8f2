/* How a new stack looks to the assembly switches: switch_*.S say why. */
#include "engine/sched/switch_p.h"

#include "base/contract.h"

#include <stdint.h>
#include <string.h>

extern const char flo__switch_start[];

#if defined(__x86_64__)

const char flo__switch_name[] = "x86_64";

enum {
	FRAME_WORDS = 8,
	FRAME_FP = 0,
	FRAME_ENTRY = 5,
	FRAME_PC = 7
};

static uint64_t fp_control(void)
{
	uint32_t mxcsr;
	uint16_t x87;

	__asm__ volatile("stmxcsr %0\n\tfnstcw %1" : "=m"(mxcsr), "=m"(x87));
	return (uint64_t)x87 << 32 | (mxcsr & ~0x3fu);
}

#elif defined(__aarch64__)

const char flo__switch_name[] = "aarch64";

enum {
	FRAME_WORDS = 22,
	FRAME_FP = 20,
	FRAME_ENTRY = 0,
	FRAME_PC = 11
};

static uint64_t fp_control(void)
{
	uint64_t fpcr;

	__asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
	return fpcr;
}

#endif

void *flo__switch_prepare(void *top, void (*entry)(struct flo__m *m))
{
	uint64_t *frame = (uint64_t *)top - FRAME_WORDS;

	REQUIRE(((uintptr_t)top & 15) == 0);
	memset(frame, 0, FRAME_WORDS * sizeof(*frame));
	frame[FRAME_FP] = fp_control();
	frame[FRAME_ENTRY] = (uint64_t)(uintptr_t)entry;
	frame[FRAME_PC] = (uint64_t)(uintptr_t)flo__switch_start;
	return frame;
}
