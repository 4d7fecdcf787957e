/* SPDX-License-Identifier: MIT */
/* A boot sector that locks operands in two cache lines ROUNDS times each: a sum, an exchange, a bit;
 * then operands that lie in one, misaligned. It says on the serial port whether the sums are right. */
    .code16
    .globl _start
    .set    ROUNDS, 1000
    .set    split, 0x903e           /* two of four bytes in each line */
    .set    whole, 0x9081           /* misaligned in one */
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movw    $0x7c00, %sp
    xorl    %eax, %eax
    movl    %eax, split
    movl    %eax, whole
    movl    %eax, 0x917e
    movw    $ROUNDS, %cx
1:  lock incl split
    lock incl whole
    movzwl  %cx, %eax
    xchgl   %eax, 0x917e
    xchgl   %eax, whole + 8
    lock xorw $1, 0x91bf
    loop    1b

    movw    $bad, %si
    cmpl    $ROUNDS, split
    jne     2f
    cmpl    $ROUNDS, whole
    jne     2f
    cmpl    $1, 0x917e
    jne     2f
    movw    $good, %si
2:  lodsb
    testb   %al, %al
    jz      4f
    movb    %al, %ah
    movw    $0x3fd, %dx
3:  inb     %dx, %al
    testb   $0x20, %al
    jz      3b
    movb    %ah, %al
    movw    $0x3f8, %dx
    outb    %al, %dx
    jmp     2b
4:  hlt
    jmp     4b

good:
    .asciz  "sums are right"
bad:
    .asciz  "sums are wrong"
    .org    510
    .word   0xaa55
