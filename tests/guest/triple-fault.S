/* SPDX-License-Identifier: MIT */
/* A boot sector that says hello and makes the CPU shut down: no interrupt table, then an exception. */
    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    $hello, %si
1:  lodsb
    testb   %al, %al
    jz      3f
    movb    %al, %ah
    movw    $0x3fd, %dx
2:  inb     %dx, %al
    testb   $0x20, %al
    jz      2b
    movb    %ah, %al
    movw    $0x3f8, %dx
    outb    %al, %dx
    jmp     1b
3:  movw    $0x3fd, %dx             /* let the last character out */
4:  inb     %dx, %al
    testb   $0x40, %al
    jz      4b
    lidtw   empty
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ud2
5:  hlt
    jmp     5b

hello:
    .asciz  "about to fault\r\n"
empty:
    .word   0
    .long   0
    .org    510
    .word   0xaa55
