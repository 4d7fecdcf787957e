/* SPDX-License-Identifier: MIT */
/* A firmware of 64 KiB whose CPUs never rest: each counts in a word of its own, from 9000h on, and
 * asks a device in every round. Nothing else is in the machine's way. */
        .code16
        .section .text, "ax"
rom:
protect:
        cli
        lgdtl   %cs:(gdt_pointer - rom)
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $8, $(0xffff0000 + flat - rom)

        .code32
flat:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movl    $(0xffff0000 + others - rom), %esi
        movl    $0x8000, %edi
        movl    $(others_end - others), %ecx
        rep movsb
        movl    $0, 0x9000
        movl    $1, 0x8ffc              /* number of the next CPU */
        movl    $0x1ff, 0xfee000f0      /* local APIC on */
        movl    $0xc4500, 0xfee00300    /* INIT to all others */
        movl    $0x100000, %ecx
1:      loop    1b
        movl    $0xc4608, 0xfee00300    /* start at 8000h */
        movl    $0x10000, %ecx
1:      loop    1b
        movl    $0xc4608, 0xfee00300
1:      incl    0x9000
        inb     $0x40, %al
        jmp     1b

        .code16
others:
        xorw    %ax, %ax
        movw    %ax, %ds
        movl    $1, %ebx
        lock xaddl %ebx, 0x8ffc
        movl    $0, 0x9000(, %ebx, 4)
1:      incl    0x9000(, %ebx, 4)
        inb     $0x71, %al
        jmp     1b
others_end:

        .balign 8
gdt:    .quad   0
        .quad   0x00cf9b000000ffff
        .quad   0x00cf93000000ffff
gdt_pointer:
        .word   . - gdt - 1
        .long   0xffff0000 + gdt - rom

        .org    0xfff0
        jmp     protect
        .org    0x10000
