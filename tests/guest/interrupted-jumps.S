/* SPDX-License-Identifier: MIT */
/* A boot sector that runs jumps which are new each time while the timer interrupts them, with the
 * timer's handler in the same page. A jump that leads to the handler by itself finds no frame. */
    .set    STACK, 0x7000
    .set    JUMPS, 0x7e00           /* the rest of this page */
    .set    JUMP_COUNT, 0x80
    .set    PERIOD, 119             /* 10,000 interrupts a second */
    .set    ROUNDS, 4000            /* interrupts to survive */
    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $STACK, %sp
    movw    $timer, 8 * 4
    movw    %ax, 8 * 4 + 2
    movb    $0x34, %al              /* channel 0, mode 2 */
    outb    %al, $0x43
    movb    $PERIOD, %al
    outb    %al, $0x40
    xorb    %al, %al
    outb    %al, $0x40
    movb    $0xfe, %al              /* no other interrupt */
    outb    %al, $0x21
    sti
round:
    movw    $JUMPS, %di
    movw    $0x00eb, %ax            /* jmp to the next instruction */
    movw    $JUMP_COUNT, %cx
    cld
    rep stosw
    movb    $0xc3, (%di)            /* ret */
    movw    $JUMPS, %bx
    callw   *%bx
    callw   *%bx
    cmpw    $ROUNDS, ticks
    jb      round
    movw    $passed, %si
    jmp     say

timer:
    cmpw    $STACK - 6, %sp
    ja      1f
    pushw   %ax
    incw    ticks
    movb    $0x20, %al
    outb    %al, $0x20
    popw    %ax
    iretw
1:  movw    $failed, %si

say:
    cli
1:  lodsb
    movb    %al, %ah
    movw    $0x3fd, %dx
2:  inb     %dx, %al
    testb   $0x20, %al
    jz      2b
    movb    %ah, %al
    movw    $0x3f8, %dx
    outb    %al, %dx
    testb   %al, %al
    jnz     1b
3:  hlt
    jmp     3b

ticks:
    .word   0
passed:
    .asciz  "all jumps went right\r\n"
failed:
    .asciz  "a jump went to the handler\r\n"
    .org    510
    .word   0xaa55
