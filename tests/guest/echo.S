/* SPDX-License-Identifier: MIT */
/* A boot sector that says "ready" on the first serial port and then sends back what comes in; after
 * 'F' it prints without end. */
    .code16
    .globl _start

#define COM1 0x3f8
#define LSR  0x3fd

_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movw    $ready, %si
1:  lodsb
    testb   %al, %al
    jz      echo
    call    send
    jmp     1b

echo:
    movw    $LSR, %dx
    inb     %dx, %al
    testb   $1, %al                 /* data ready */
    jz      echo
    movw    $COM1, %dx
    inb     %dx, %al
    call    send
    cmpb    $'F', %al
    jne     echo
flood:
    movb    $'.', %al
    call    send
    jmp     flood

send:
    movb    %al, %ah
2:  movw    $LSR, %dx
    inb     %dx, %al
    testb   $0x20, %al              /* transmitter empty */
    jz      2b
    movb    %ah, %al
    movw    $COM1, %dx
    outb    %al, %dx
    ret

ready:
    .asciz "ready\r\n"
    .org 510
    .word 0xaa55
