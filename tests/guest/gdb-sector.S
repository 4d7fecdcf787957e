/* SPDX-License-Identifier: MIT */
/* A boot sector for the debugger: two lines to break at, a variable, a string store, a halt. */
    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    sti
again:
    movl $0x12345678, %ebx
    incw 0x500
    call count
    movw $0x600, %di
    movw $8, %cx
    movb $0x5a, %al
    rep stosb
    jmp again

count:
    incl 0x504
    movw 0x506, %dx
    ret

    .org 510
    .word 0xaa55
