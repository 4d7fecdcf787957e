/* SPDX-License-Identifier: MIT */
/* A boot sector that greets on the first serial port, then echoes what is typed there. 'q' writes
 * to isa-debug-exit. */
    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    $greeting, %si
1:  lodsb
    testb   %al, %al
    jz      next
    call    put
    jmp     1b
next:
    movw    $0x3fd, %dx
2:  inb     %dx, %al
    testb   $1, %al
    jz      2b
    movw    $0x3f8, %dx
    inb     %dx, %al
    call    put
    cmpb    $'q', %al
    jne     next
    movb    $21, %al
    movw    $0x501, %dx
    outb    %al, %dx
    jmp     next

put:
    movb    %al, %ah
    movw    $0x3fd, %dx
3:  inb     %dx, %al
    testb   $0x20, %al
    jz      3b
    movb    %ah, %al
    movw    $0x3f8, %dx
    outb    %al, %dx
    ret

greeting:
    .asciz  "Hello from sector 1\r\n"
    .org    510
    .word   0xaa55
