/*
 * struct flo__m *flo__switch(void **save, void *to, struct flo__m *m)
 *                            x0           x1        x2            -> x0
 *
 * A suspended stack, from its saved pointer up:
 *
 *	  0  x19 x20   16  x21 x22   32  x23 x24   48  x25 x26
 *	 64  x27 x28   80  x29 x30   96  d8  d9   112  d10 d11
 *	128  d12 d13  144  d14 d15  160  fpcr
 *
 * x18 belongs to the platform and is left alone. The return address is stored
 * unsigned: a pointer authentication code is bound to the stack pointer, and
 * the frames of C code on either side sign and check their own. The last step
 * is a jump, kinder to the return predictor than ret; where pages are guarded
 * by BTI it has to be ret, which alone may land behind a call.
 */
	.text
	.globl	flo__switch
	.hidden	flo__switch
	.type	flo__switch, %function
	.p2align 4
flo__switch:
	.cfi_startproc
	hint	#34				/* bti c */
	sub	sp, sp, #176
	.cfi_adjust_cfa_offset 176
	stp	x19, x20, [sp, #0]
	.cfi_rel_offset x19, 0
	.cfi_rel_offset x20, 8
	stp	x21, x22, [sp, #16]
	.cfi_rel_offset x21, 16
	.cfi_rel_offset x22, 24
	stp	x23, x24, [sp, #32]
	.cfi_rel_offset x23, 32
	.cfi_rel_offset x24, 40
	stp	x25, x26, [sp, #48]
	.cfi_rel_offset x25, 48
	.cfi_rel_offset x26, 56
	stp	x27, x28, [sp, #64]
	.cfi_rel_offset x27, 64
	.cfi_rel_offset x28, 72
	stp	x29, x30, [sp, #80]
	.cfi_rel_offset x29, 80
	.cfi_rel_offset x30, 88
	stp	d8, d9, [sp, #96]
	stp	d10, d11, [sp, #112]
	stp	d12, d13, [sp, #128]
	stp	d14, d15, [sp, #144]
	mrs	x9, fpcr
	str	x9, [sp, #160]
	mov	x10, sp
	stlr	x10, [x0]
	mov	sp, x1
	mov	x0, x2
	ldr	x9, [sp, #160]
	msr	fpcr, x9
	ldp	d14, d15, [sp, #144]
	ldp	d12, d13, [sp, #128]
	ldp	d10, d11, [sp, #112]
	ldp	d8, d9, [sp, #96]
	ldp	x29, x30, [sp, #80]
	.cfi_restore x29
	.cfi_restore x30
	ldp	x27, x28, [sp, #64]
	.cfi_restore x27
	.cfi_restore x28
	ldp	x25, x26, [sp, #48]
	.cfi_restore x25
	.cfi_restore x26
	ldp	x23, x24, [sp, #32]
	.cfi_restore x23
	.cfi_restore x24
	ldp	x21, x22, [sp, #16]
	.cfi_restore x21
	.cfi_restore x22
	ldp	x19, x20, [sp, #0]
	.cfi_restore x19
	.cfi_restore x20
	add	sp, sp, #176
	.cfi_adjust_cfa_offset -176
#ifdef __ARM_FEATURE_BTI_DEFAULT
	ret
#else
	mov	x16, x30
	br	x16
#endif
	.cfi_endproc
	.size	flo__switch, .-flo__switch

/* Where a new stack begins: x19 holds the entry, x0 the M. */
	.globl	flo__switch_start
	.hidden	flo__switch_start
	.type	flo__switch_start, %function
	.p2align 4
flo__switch_start:
	.cfi_startproc
	.cfi_undefined x30
	hint	#38				/* bti jc */
	blr	x19
	brk	#1
	.cfi_endproc
	.size	flo__switch_start, .-flo__switch_start

	.section .note.GNU-stack, "", %progbits
