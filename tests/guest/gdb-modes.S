/* SPDX-License-Identifier: MIT */
/* A boot sector for the debugger: 32-bit code with paging on that runs at 2 GiB and nowhere else,
 * AVX-512 turned on where the CPU has it (then ESI is not 0). */
#define HIGH 0x80000000
#define DIRECTORY 0x10000

    .code16
    .globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw $DIRECTORY >> 4, %ax
    movw %ax, %es
    xorl %eax, %eax
    xorw %di, %di
    movw $1024, %cx
    cld
    rep stosl
    movl $0x83, %es:0             /* 4 MiB pages of linear 0 and 2 GiB: physical 0 */
    movl $0x83, %es:(HIGH >> 20)
    movl $DIRECTORY, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x210, %eax              /* OSFXSR PSE */
    movl %eax, %cr4
    lgdtl descriptors_place
    movl %cr0, %eax
    orl $0x80000001, %eax
    movl %eax, %cr0
    ljmpl $8, $HIGH + protected

    .code32
protected:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl $HIGH + 0x7000, %esp
    movl $0, HIGH + DIRECTORY
    movl %cr3, %eax
    movl %eax, %cr3
    xorl %esi, %esi
    movl $1, %eax
    cpuid
    btl $26, %ecx                 /* XSAVE */
    jnc again
    movl %cr4, %eax
    btsl $18, %eax
    movl %eax, %cr4
    movl $13, %eax
    xorl %ecx, %ecx
    cpuid
    xorl %ecx, %ecx
    xorl %edx, %edx
    andl $0xe7, %eax
    movl %eax, %esi
    xsetbv
    andl $0xe0, %esi
    jz again
    movl $0x1234, %eax
    kmovw %eax, %k1
    vpternlogd $0xff, %zmm7, %zmm7, %zmm7
again:
    incl HIGH + 0x500
    call count
    testl %esi, %esi
    jz again
    kmovw %k1, %ebx
    jmp again

count:
    movl HIGH + 0x504, %edx
    addl $2, HIGH + 0x508
    ret

    .balign 8
descriptors:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
descriptors_place:
    .word 23
    .long descriptors

    .org 510
    .word 0xaa55
