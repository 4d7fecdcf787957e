/* SPDX-License-Identifier: MIT */
/* The 256 entries of the IDT, and run()'s way in and out: cpu-test.h. */
    .set    SEL_DATA, 0x10
    .set    HAS_ERROR_CODE, 0x60227d00          /* vectors 8 10-14 17 21 29 30 */

#ifdef __x86_64__
    .macro  push_all
    push    %rax
    push    %rcx
    push    %rdx
    push    %rbx
    push    %rbp
    push    %rsi
    push    %rdi
    .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
    push    %r\n
    .endr
    .endm
    .macro  pop_all
    .irp    n, 15, 14, 13, 12, 11, 10, 9, 8
    pop     %r\n
    .endr
    pop     %rdi
    pop     %rsi
    pop     %rbp
    pop     %rbx
    pop     %rdx
    pop     %rcx
    pop     %rax
    .endm
    .set    WORD, 8
#else
    .macro  push_all
    push    %eax
    push    %ecx
    push    %edx
    push    %ebx
    push    %ebp
    push    %esi
    push    %edi
    .endm
    .macro  pop_all
    pop     %edi
    pop     %esi
    pop     %ebp
    pop     %ebx
    pop     %edx
    pop     %ecx
    pop     %eax
    .endm
    .set    WORD, 4
#endif
    .set    GPR_WORDS, (WORD / 4 - 1) * 8 + 7
    .set    REGS_IP, (4 + GPR_WORDS + 2) * WORD /* offsets in Regs */

    .text
    .balign 16
    .globl  trap_stubs                          /* 16 bytes each */
trap_stubs:
    .set    vector, 0
    .rept   256
    .if     vector < 32 && (HAS_ERROR_CODE >> (vector & 31)) & 1
    .else
    push    $0
    .endif
    push    $vector
    jmp     trap_common
    .balign 16
    .set    vector, vector + 1
    .endr

#ifdef __x86_64__
trap_common:
    push_all
    movl    %ds, %eax
    push    %rax
    movl    %es, %eax
    push    %rax
    movl    %fs, %eax
    push    %rax
    movl    %gs, %eax
    push    %rax
    cld
    movq    %rsp, %rdi
    movq    %rsp, %rbx
    andq    $-16, %rsp
    call    trap_enter
    movq    %rax, %rsp
    addq    $4 * WORD, %rsp
    pop_all
    addq    $2 * WORD, %rsp
    iretq

    .globl  run_enter, run_leave
run_enter:
    push    %rbx
    push    %rbp
    .irp    n, 12, 13, 14, 15
    push    %r\n
    .endr
    pushfq
    movq    %rsp, run_sp
    movw    0(%rdi), %gs
    movw    8(%rdi), %fs
    movw    16(%rdi), %es
    movw    24(%rdi), %ds
    pushq   REGS_IP + 32(%rdi)
    pushq   REGS_IP + 24(%rdi)
    pushq   REGS_IP + 16(%rdi)
    pushq   REGS_IP + 8(%rdi)
    pushq   REGS_IP(%rdi)
    .set    offset, GPR_WORDS + 4
    .irp    n, ax, cx, dx, bx, bp, si
    .set    offset, offset - 1
    push    offset * WORD(%rdi)
    .endr
    .set    offset, offset - 1
    push    offset * WORD(%rdi)
    .irp    n, 8, 9, 10, 11, 12, 13, 14, 15
    .set    offset, offset - 1
    push    offset * WORD(%rdi)
    .endr
    pop_all
    .globl  run_iret
run_iret:
    iretq

run_leave:
    movq    run_sp, %rsp
    movl    $SEL_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
    popfq
    .irp    n, 15, 14, 13, 12
    pop     %r\n
    .endr
    pop     %rbp
    pop     %rbx
    ret
#else
trap_common:
    push_all
    push    %ds
    push    %es
    push    %fs
    push    %gs
    movl    $SEL_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    cld
    movl    %esp, %eax
    push    %eax
    call    trap_enter
    movl    %eax, %esp
    pop     %gs
    pop     %fs
    pop     %es
    pop     %ds
    pop_all
    addl    $2 * WORD, %esp
    iret

    .globl  run_enter, run_leave
run_enter:
    movl    4(%esp), %eax
    push    %ebx
    push    %ebp
    push    %esi
    push    %edi
    pushfl
    movl    %esp, run_sp
    testl   $0x20000, REGS_IP + 8(%eax)         /* VM: IRET loads the segments as well */
    jz      1f
    pushl   0(%eax)
    pushl   4(%eax)
    pushl   12(%eax)
    pushl   8(%eax)
    jmp     2f
1:  testl   $3, REGS_IP + 4(%eax)
    jnz     2f
    movl    REGS_IP + 12(%eax), %esp            /* same ring: ESP is not popped */
    jmp     3f
2:  pushl   REGS_IP + 16(%eax)
    pushl   REGS_IP + 12(%eax)
3:  pushl   REGS_IP + 8(%eax)
    pushl   REGS_IP + 4(%eax)
    pushl   REGS_IP(%eax)
    testl   $0x20000, REGS_IP + 8(%eax)
    jnz     4f
    movw    0(%eax), %gs
    movw    4(%eax), %fs
    movw    8(%eax), %es
    pushl   12(%eax)                            /* DS last: it is needed to get here */
    jmp     5f
4:  push    %ds
5:  .set    offset, GPR_WORDS + 4
    .irp    n, ax, cx, dx, bx, bp, si, di
    .set    offset, offset - 1
    pushl   offset * WORD(%eax)
    .endr
    pop_all
    pop     %ds
    .globl  run_iret
run_iret:
    iret

run_leave:
    movl    $SEL_DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %fs
    movl    %eax, %gs
    movl    %eax, %ss
    movl    run_sp, %esp
    popfl
    pop     %edi
    pop     %esi
    pop     %ebp
    pop     %ebx
    ret
#endif

    .bss
    .balign 8
run_sp:
    .skip   8
    .section .note.GNU-stack, "", @progbits
