/* SPDX-License-Identifier: MIT */
/* A boot sector that says hello on the serial port and the debug console, then reads the next
 * sector by the BIOS, by its own PIO and by the address the BIOS gave it, and prints what is there. */
    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %es
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movb    %dl, drive
    sti
    movw    $hello, %si
    call    print

    movw    $0x0201, %ax            /* BIOS: read one sector, cylinder 0, head 0, sector 2 */
    movw    $0x0002, %cx
    movb    drive, %dl
    xorb    %dh, %dh
    movw    $0x8000, %bx
    int     $0x13
    movw    $bad, %si
    jc      1f
    movw    $0x8000, %si
1:  call    print

    movb    $0x42, %ah              /* BIOS: extended read of the sector after that */
    movb    drive, %dl
    movw    $packet, %si
    int     $0x13
    movw    $bad, %si
    jc      2f
    movw    $0x8200, %si
2:  call    print
    movw    $end, %si
    call    print
3:  hlt
    jmp     3b

/* Prints the text at SI, which ends with a zero byte. */
print:
    lodsb
    testb   %al, %al
    jz      5f

    movw    $0x402, %dx
    outb    %al, %dx
    movb    %al, %ah
    movw    $0x3fd, %dx
4:  inb     %dx, %al
    testb   $0x20, %al
    jz      4b
    movb    %ah, %al
    movw    $0x3f8, %dx
    outb    %al, %dx
    jmp     print
5:  ret

hello:
    .asciz  "boot sector here\r\n"
bad:
    .asciz  "read failed\r\n"
end:
    .asciz  "boot sector done\r\n"
drive:
    .byte   0
    .balign 4
packet:
    .byte   16, 0
    .word   1
    .word   0x8200, 0
    .quad   2
    .org    510
    .word   0xaa55
