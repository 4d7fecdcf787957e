/* SPDX-License-Identifier: MIT */
/* Runs a case of random code with registers of its own, and a tick of the timer: paths-guest.c. */
    .section .note.GNU-stack, "", @progbits

    /* each register and its place in state[] */
    .macro each_register operation
    .set    place, 0
    .irp    register, rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    \operation %\register
    .set    place, place + 8
    .endr
    .endm
    .macro load register
    movq    state + place, \register
    .endm
    .macro store register
    movq    \register, state + place
    .endm

    .text
    .globl  run_case                            /* void run_case(void (*code)(void)) */
run_case:
    .irp    register, rbx, rbp, r12, r13, r14, r15
    pushq   %\register
    .endr
    movq    %rdi, code
    each_register load
    xorl    %eax, %eax
    call    *code
    each_register store
    .irp    register, r15, r14, r13, r12, rbp, rbx
    popq    %\register
    .endr
    ret

    .globl  on_tick
on_tick:
    pushq   %rax
    incl    ticks
    movl    $0xfee000b0, %eax                   /* end of interrupt */
    movl    $0, (%rax)
    popq    %rax
    iretq

    .bss
    .balign 8
code:
    .quad   0
