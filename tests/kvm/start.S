/* SPDX-License-Identifier: MIT */
/* A firmware of 64 KiB that is a test: from the reset vector to main() in flat 32-bit code without
 * paging, and other CPUs to ap_main(). Runs in place; variables are in RAM. */

    .section .text.start, "ax"
    .code32
    .globl  main32, start_cpus_code, start_cpus_size
    .weak   ap_main, on_timer, on_apic, on_nmi, on_serial, on_mce   /* a guest has those it needs */
main32:
    movl    $stack_top, %esp
    cld
    call    main
1:  hlt
    jmp     1b

ap32:
    movl    $ap_stack_top, %esp
    cld
    call    ap_main
1:  hlt
    jmp     1b

    .balign 16
gdt:
    .quad   0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word   . - gdt - 1
    .long   gdt

/* Position-independent but for the far jump: copied below 1 MiB. */
    .code16
start_cpus_code:
    cli
    lgdtl   %cs:(ap_gdt_pointer - start_cpus_code)
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ljmpl   $8, $1f
ap_gdt_pointer:
    .word   23
    .long   gdt
start_cpus_end:
    .code32
1:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    jmp     ap32
    .balign 4
start_cpus_size:
    .long   start_cpus_end - start_cpus_code

    .code16
boot:
    cli
    lgdtl   %cs:(gdt_pointer - main32)     /* the segment begins there */
    movl    %cr0, %eax
    orb     $1, %al
    movl    %eax, %cr0
    ljmpl   $8, $1f
    .code32
1:  movl    $16, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    jmp     main32

/* Interrupts: a software KVM may lack IRET in 32-bit code. Same ring: EIP, CS and EFLAGS are on the
 * stack. */
    .macro  entry name, handler
    .globl  \name
\name:
    pushal
    call    \handler
    popal
    pushl   8(%esp)
    popfl
    ret     $8
    .endm

    entry   timer_entry, on_timer
    entry   apic_entry, on_apic
    entry   nmi_entry, on_nmi
    entry   serial_entry, on_serial
    entry   mce_entry, on_mce

    .section .reset, "ax"
    .code16
    .byte   0xe9                                /* jmp boot */
    .word   boot - . - 2
    .org    16
