/*
 * Which code may hold a lock of ours: known by its addresses.
 *
 * A coroutine that faults while it holds a lock of the scheduler or of sync/
 * must not be taken out of it: the lock would stay held for ever. Counting the
 * locks held would cost every one of them two writes. Instead each file that
 * includes the header of a lock puts the bounds of its machine code into a
 * table, and who handles a fault looks whether any function between the fault
 * and the coroutine's flo_try() lies in one of them (engine/fault_walk.c).
 *
 * ".text" as a symbol is where this file's code begins; subsection 8192, the
 * last there can be, is where it ends. Nothing of this runs.
 */
#ifndef FLO_ENGINE_SCHED_TEXT_P_H
#define FLO_ENGINE_SCHED_TEXT_P_H

#include <stdint.h>

__asm__(".pushsection flo_own_text,\"aw\",%progbits\n"
	"	.balign 8\n"
	"	.quad .text\n"
	"	.quad .Lflo_own_text_end\n"
	"	.popsection\n"
	"	.pushsection .text,8192\n"
	".Lflo_own_text_end:\n"
	"	.popsection\n");

/* The table; the linker makes these. */
struct flo__text {
	uintptr_t begin, end;
};
extern const struct flo__text __start_flo_own_text[]
	__attribute__((visibility("hidden")));
extern const struct flo__text __stop_flo_own_text[]
	__attribute__((visibility("hidden")));

#endif
