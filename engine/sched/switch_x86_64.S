/*
 * struct flo__m *flo__switch(void **save, void *to, struct flo__m *m)
 *                            rdi          rsi       rdx           -> rax
 *
 * A suspended stack, from its saved pointer up:
 *
 *	 0  mxcsr (4 bytes), x87 control word (2)
 *	 8  r15   16  r14   24  r13   32  r12   40  rbx   48  rbp
 *	56  where to go on
 *
 * It ends with a ret, and flo__g_leave() is the one place from which one
 * coroutine switches to another: so the address that the processor's return
 * stack predicts is the right one, and that stack stays as deep as the calls.
 * A jump, or calls from several places, cost a mispredicted return each at
 * this and every later level. The frame description stays true at every
 * instruction, on both stacks, because both have the same layout at the moment
 * of the change.
 *
 * A hardware shadow stack would need one of its own for each coroutine.
 */
	.text
	.globl	flo__switch
	.hidden	flo__switch
	.type	flo__switch, @function
	.p2align 4
flo__switch:
	.cfi_startproc
	endbr64
	pushq	%rbp
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbp, 0
	pushq	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	pushq	%r12
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r12, 0
	pushq	%r13
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r13, 0
	pushq	%r14
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r14, 0
	pushq	%r15
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %r15, 0
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, (%rdi)
	movq	%rsi, %rsp
	movq	%rdx, %rax
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%r15
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r15
	popq	%r14
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r14
	popq	%r13
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r13
	popq	%r12
	.cfi_adjust_cfa_offset -8
	.cfi_restore %r12
	popq	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	popq	%rbp
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbp
	ret
	.cfi_endproc
	.size	flo__switch, .-flo__switch

/*
 * Where a new stack begins: rbx holds the entry, rax the M. The undefined
 * return address tells unwinders that this is the outermost frame.
 */
	.globl	flo__switch_start
	.hidden	flo__switch_start
	.type	flo__switch_start, @function
	.p2align 4
flo__switch_start:
	.cfi_startproc
	.cfi_undefined %rip
	endbr64
	movq	%rax, %rdi
	call	*%rbx
	ud2
	.cfi_endproc
	.size	flo__switch_start, .-flo__switch_start

	.section .note.GNU-stack, "", @progbits
