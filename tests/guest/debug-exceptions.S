/* SPDX-License-Identifier: MIT */
/*
 * A multiboot program that sets breakpoints and steps, and writes a line to port E9h for each #DB:
 * the test's letter, DR6 (low half), EIP less the test's start, RF of the pushed EFLAGS.
 */
    .set    CODE, 0x08
    .set    DATA, 0x10
    .set    FLAG_TF, 0x100
    .set    DR7_EXECUTE, 0x00000001             /* breakpoint 0, L0 */
    .set    DR7_WRITE_4, 0x00d00004             /* breakpoint 1: four bytes, writes */
    .set    DR7_ACCESS_2, 0x07000010            /* breakpoint 2: two bytes, reads and writes */
    .set    DR7_PORT_1, 0x20000040              /* breakpoint 3: a port */
    .set    DR7_DETECT, 0x00002000
    .set    MSR_DEBUGCTL, 0x1d9

    .text
    .globl  _start
    .balign 4
    .long   0x1badb002, 0, -0x1badb002

/* Begins a test: its letter, and where its EIPs count from. */
    .macro  begin letter
    movl    $\letter, name
    movl    $9f, origin
    .endm
    .macro  origin_here
9:
    .endm
    .macro  set_dr7 value
    movl    $\value, %eax
    movl    %eax, %dr7
    .endm
/* TF on behind the next instruction; the handler turns it off after so many traps. */
    .macro  step count
    movl    $\count, steps
    pushfl
    orl     $FLAG_TF, (%esp)
    popfl
    .endm

_start:
    cli
    movl    $stack_top, %esp
    lgdt    gdt_pointer
    ljmp    $CODE, $1f
1:  movl    $DATA, %eax
    movl    %eax, %ds
    movl    %eax, %es
    movl    %eax, %ss
    movl    $idt, %edi
    movl    $1, %ecx
    movl    $on_debug, %eax
    call    set_gate
    movl    $0x40, %ecx
    movl    $on_interrupt, %eax
    call    set_gate
    lidt    idt_pointer
    movl    %cr4, %eax
    orl     $8, %eax                            /* DE */
    movl    %eax, %cr4

    begin   'X'                                 /* an instruction, once */
    movl    $9f, %eax
    movl    %eax, %dr0
    set_dr7 DR7_EXECUTE
    nop
    origin_here
    nop
    nop

    begin   'W'                                 /* writes; reads do not count */
    movl    $watched, %eax
    movl    %eax, %dr1
    set_dr7 DR7_WRITE_4
    movl    $watched - 2, %ebx
    origin_here
    movl    watched, %ecx                       /* 6 bytes: not hit */
    movb    %cl, watched + 3                    /* 6: hit */
    movl    %ecx, (%ebx)                        /* 2: hit, half of it */
    movl    %ecx, watched + 4                   /* 6: not hit */
    incl    watched                             /* 6: hit */

    begin   'R'                                 /* reads and writes */
    movl    $watched + 2, %eax
    movl    %eax, %dr2
    set_dr7 DR7_ACCESS_2
    origin_here
    movl    watched, %ecx                       /* 6: hit */
    pushl   watched                             /* 6: hit */
    popl    %ecx                                /* 1 */
    movw    watched, %cx                        /* 7: not hit */

    begin   'S'                                 /* the third iteration of a string */
    movl    $watched - 2, %edi
    movl    $source, %esi
    movl    $6, %ecx
    set_dr7 DR7_ACCESS_2
    origin_here
    rep movsb
    nop

    begin   'P'                                 /* a port */
    movl    $0x81, %eax
    movl    %eax, %dr3
    set_dr7 DR7_PORT_1
    origin_here
    outb    %al, $0x80                          /* 2: not hit */
    inb     $0x81, %al                          /* 2: hit */
    outw    %ax, $0x80                          /* 3: hit, its second byte */

    begin   'G'                                 /* a debug register is touched */
    set_dr7 DR7_DETECT
    origin_here
    movl    %dr0, %eax
    set_dr7 0

    begin   'T'                                 /* steps */
    step    3
    origin_here
    nop
    incl    %eax
    nop

    begin   'O'                                 /* POPF that ends stepping is the last step */
    step    9
    origin_here
    pushfl
    andl    $~FLAG_TF, (%esp)
    popfl
    nop

    begin   'M'                                 /* nothing behind MOV SS, all behind the next */
    movl    $watched, %eax
    movl    %eax, %dr2
    movl    $DATA, watched
    set_dr7 DR7_ACCESS_2
    step    2
    origin_here
    movw    watched, %ss                        /* 7 */
    nop
    nop
    set_dr7 0

    begin   'Y'                                 /* nor an instruction breakpoint */
    movl    $9f + 2, %eax
    movl    %eax, %dr0
    movl    $DATA, %ebx
    set_dr7 DR7_EXECUTE
    origin_here
    movl    %ebx, %ss                           /* 2 */
    nop
    set_dr7 0

    begin   'N'                                 /* INT does not step, nor does its handler */
    step    2
    origin_here
    int     $0x40                               /* 2 */
    nop
    nop

    begin   'B'                                 /* branches only, once */
    movl    $MSR_DEBUGCTL, %ecx
    movl    $2, %eax
    xorl    %edx, %edx
    wrmsr
    step    1
    origin_here
    nop
    testl   %esp, %esp                          /* 2 */
    jz      2f                                  /* 2: not taken */
    jmp     2f                                  /* 2: taken */
    nop
2:  nop

    begin   'I'                                 /* leaves DR6 alone */
    origin_here
    .byte   0xf1
    nop

    movl    $0xf4, %edx
    movl    $0, %eax
    outl    %eax, %dx
3:  hlt
    jmp     3b

on_interrupt:
    nop
    iretl

on_debug:
    pushal
    movl    name, %eax
    call    put_character
    movl    %dr6, %eax
    movl    $4, %ecx
    call    put_hex
    xorl    %eax, %eax
    movl    %eax, %dr6
    movl    32(%esp), %eax
    subl    origin, %eax
    movl    $2, %ecx
    call    put_hex
    movl    40(%esp), %eax
    shrl    $16, %eax
    movl    $1, %ecx
    call    put_hex
    movl    $'\n', %eax
    call    put_character
    orl     $0x10000, 40(%esp)                  /* RF, if it is not there */
    decl    steps
    jnz     4f
    andl    $~FLAG_TF, 40(%esp)
4:  popal
    iretl

put_character:
    outb    %al, $0xe9
    ret

/* A space and the lowest ECX digits of EAX. */
put_hex:
    movl    %eax, %ebx
    movl    $' ', %eax
    call    put_character
    movl    %ecx, %edx
    shll    $2, %ecx
    rorl    %cl, %ebx
5:  roll    $4, %ebx
    movl    %ebx, %eax
    andl    $15, %eax
    movb    digits(%eax), %al
    call    put_character
    decl    %edx
    jnz     5b
    ret

/* Interrupt gate ECX to EAX. */
set_gate:
    movw    %ax, (%edi,%ecx,8)
    movw    $CODE, 2(%edi,%ecx,8)
    movw    $0x8e00, 4(%edi,%ecx,8)
    shrl    $16, %eax
    movw    %ax, 6(%edi,%ecx,8)
    ret

    .data
    .balign 8
gdt:
    .quad   0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
    .word   23
    .long   gdt
idt_pointer:
    .word   0x41 * 8 - 1
    .long   idt
digits:
    .ascii  "0123456789abcdef"
source:
    .ascii  "abcdefgh"
    .balign 8
    .long   0
watched:
    .long   0, 0

    .bss
name:
    .long   0
origin:
    .long   0
steps:
    .long   0
    .balign 8
idt:
    .space  0x41 * 8
    .balign 16
    .space  4096
stack_top:
