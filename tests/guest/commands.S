/* SPDX-License-Identifier: MIT */
/* A boot sector that does what it is told on the serial port, a letter a command, after echoing the
 * letter: the ways in which a guest's run can end. */
    .code16
    .globl _start
_start:
    cli
    xorw    %ax, %ax
    movw    %ax, %ds
    movw    %ax, %ss
    movw    $0x7c00, %sp
    movw    $hello, %si
    call    print
next:
    movw    $0x3fd, %dx
1:  inb     %dx, %al
    testb   $1, %al
    jz      1b
    movw    $0x3f8, %dx
    inb     %dx, %al
    call    put
    movw    $table, %si
2:  cmpb    $0, (%si)
    je      next
    cmpb    %al, (%si)
    je      3f
    addw    $3, %si
    jmp     2b
3:  jmp     *1(%si)

table:
    .byte   'd'
    .word   debug_exit
    .byte   'h'
    .word   halt
    .byte   'i'
    .word   nmi_handler
    .byte   'n'
    .word   newline
    .byte   'o'
    .word   power_off
    .byte   'p'
    .word   panic
    .byte   'r'
    .word   reset
    .byte   's'
    .word   sleep
    .byte   't'
    .word   triple_fault
    .byte   'v'
    .word   pvpanic
    .byte   'w'
    .word   watchdog
    .byte   0

debug_exit:                         /* isa-debug-exit */
    movb    $0x10, %al
    movw    $0x501, %dx
    outb    %al, %dx
    jmp     next
halt:                               /* for good */
    cli
    hlt
    jmp     halt
nmi_handler:                        /* prints when an NMI comes */
    movw    $nmi, 2 * 4
    movw    %cs, 2 * 4 + 2
    jmp     next
nmi:
    pushaw
    movw    $nmi_text, %si
    call    print
    popaw
    iretw
newline:
    movw    $end_of_line, %si
    call    print
    jmp     next
power_off:                          /* PM1 control: SLP_EN, type 0 */
    movw    $0x2000, %ax
    movw    $0x604, %dx
    outw    %ax, %dx
    jmp     next
panic:                              /* as Linux says it */
    movw    $panic_text, %si
    call    print
    jmp     next
reset:                              /* port 92h */
    inb     $0x92, %al
    andb    $0xfe, %al
    outb    %al, $0x92
    orb     $1, %al
    outb    %al, $0x92
    jmp     next
sleep:                              /* idle: the timer wakes it */
    sti
1:  hlt
    jmp     1b
triple_fault:
    movl    %cr0, %eax
    orb     $1, %al
    lidtw   nothing
    movl    %eax, %cr0
    .globl  fault
fault:
    ud2
pvpanic:
    movb    $1, %al
    movw    $0x505, %dx
    outb    %al, %dx
    jmp     next
watchdog:                           /* ib700, the shortest time */
    movb    $15, %al
    movw    $0x443, %dx
    outb    %al, %dx
    jmp     next

/* Prints the text at SI, which ends with a zero byte. */
print:
    lodsb
    testb   %al, %al
    jz      2f
    call    put
    jmp     print
2:  ret
/* Prints AL and waits until it is out. */
put:
    movb    %al, %ah
    movw    $0x3f8, %dx
    outb    %al, %dx
    movw    $0x3fd, %dx
1:  inb     %dx, %al
    testb   $0x40, %al
    jz      1b
    movb    %ah, %al
    ret

hello:
    .asciz  "tell me\r\n"
end_of_line:
    .asciz  "\r\n"
panic_text:
    .asciz  "\r\n[    1.0] Kernel panic - not syncing: told so\r\n"
nmi_text:
    .asciz  "NMI\r\n"
nothing:
    .word   0
    .long   0
    .org    510
    .word   0xaa55
