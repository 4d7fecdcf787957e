/* SPDX-License-Identifier: MIT */
/* A boot sector that looks at the TSC without end and counts how long it was away: 7E00h has 32
 * counters, the n-th of gaps of 2^n ticks and more; 7F00h counts the looks, 7F08h is the last TSC. */
    .code16
    .globl _start
_start:
    cli
    cld
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movw    $0x7e00, %di
    movw    $0x100, %cx
    rep stosw
    rdtsc
    movl    %eax, %ebx
1:  rdtsc
    movl    %eax, 0x7f08
    movl    %edx, 0x7f0c
    movl    %eax, %ecx
    subl    %ebx, %ecx
    movl    %eax, %ebx
    incl    0x7f00
    bsrl    %ecx, %esi
    jz      1b
    incl    0x7e00(, %esi, 4)
    jmp     1b

    .org    510
    .word   0xaa55
