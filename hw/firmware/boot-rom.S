/* SPDX-License-Identifier: MIT */
/*
 * Option ROM of a direct boot: copies the pieces of a kernel into memory by fw_cfg DMA and enters it,
 * in real mode (Linux) or in flat 32-bit protected mode (multiboot, PVH).
 *
 * The host fills in what differs: the size byte, the plan at boot_rom_plan (struct BootPlan of
 * direct-boot.c) and the checksums. The ROM may be read-only when it runs, so that all it writes is on
 * its stack below 7000h.
 */
#define STACK_TOP 0x7000

#define FW_CFG_DMA_HIGH 0x514
#define FW_CFG_DMA_LOW 0x518
#define DMA_BUSY 0xfeffffff /* all bits of a big-endian control word but "error" */

/* struct BootPlan */
#define PLAN_PIECES 0   /* eight DMA requests of 16 bytes; control 0 ends the list */
#define PLAN_ENTRY 128  /* 32-bit: linear address; real mode: unused */
#define PLAN_EAX 132
#define PLAN_EBX 136
#define PLAN_MAP 140    /* linear address below 64 KiB for the memory map, 0: none is wanted */
#define PLAN_MAP_COUNT 144 /* linear address below 64 KiB of the doubleword for its length */
#define PLAN_MAP_UNIT 148  /* what that doubleword grows by for each entry */
#define PLAN_MAP_SKIP 150  /* bytes before each entry, which get the entry's size: 0 or 4 */
#define PLAN_SEGMENT 152   /* real mode: of the kernel's setup; 0: protected mode */
#define PLAN_STACK 154     /* real mode: SP */
#define PLAN_SIZE 160

#define MAP_ENTRY_SIZE 20
#define MAP_STRIDE 24
#define MAP_ENTRIES_MAX 64

#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10

    .section .rodata.boot_rom, "a"
    .globl boot_rom_image, boot_rom_plan, boot_rom_pnp, boot_rom_end
    .hidden boot_rom_image, boot_rom_plan, boot_rom_pnp, boot_rom_end
    .balign 16
    .code16
boot_rom_image:
    .byte 0x55, 0xaa
    .byte 0 /* size in units of 512 bytes */
    jmp init
    .org boot_rom_image + 0x18
    .word 0 /* no PCI data structure */
    .word boot_rom_pnp - boot_rom_image

    .balign 16
boot_rom_pnp:
    .ascii "$PnP"
    .byte 0x01 /* revision */
    .byte 2    /* length in units of 16 bytes */
    .word 0    /* no other header */
    .byte 0
    .byte 0 /* checksum */
    .long 0 /* device id */
    .word vendor - boot_rom_image
    .word product - boot_rom_image
    .byte 0x00, 0x80, 0x02 /* type: other boot device */
    .byte 0x04             /* indicators: initial program load device */
    .word 0                /* boot connection vector */
    .word 0                /* disconnect vector */
    .word boot - boot_rom_image
    .word 0
    .word 0

vendor:
    .asciz "Mimus"
product:
    .asciz "Linux or another kernel given to the emulator"
failure:
    .asciz "The kernel could not be loaded into memory.\r\n"

init:
    xorw %ax, %ax
    lretw

/* Boot entry vector. */
boot:
    cli
    cld
    xorw %ax, %ax
    movw %ax, %ss
    movl $STACK_TOP, %esp

    movw $boot_rom_plan - boot_rom_image, %si
1:  cmpl $0, %cs:(%si)
    je loaded
    pushl %cs:12(%si)
    pushl %cs:8(%si)
    pushl %cs:4(%si)
    pushl %cs:(%si)
    xorl %eax, %eax
    movw $FW_CFG_DMA_HIGH, %dx
    outl %eax, %dx
    movzwl %sp, %eax
    movw %sp, %bp
    bswapl %eax
    movw $FW_CFG_DMA_LOW, %dx
    outl %eax, %dx
2:  movl (%bp), %eax
    testl $DMA_BUSY, %eax
    jnz 2b
    testl %eax, %eax
    jnz failed
    addw $16, %sp
    addw $16, %si
    jmp 1b

/* Says so and lets the BIOS try the next boot device. */
failed:
    movw $failure - boot_rom_image, %si
1:  movb %cs:(%si), %al
    incw %si
    testb %al, %al
    jz 2f
    movb $0x0e, %ah
    movw $0x0007, %bx
    int $0x10
    jmp 1b
2:  int $0x18

loaded:
    movw $boot_rom_plan - boot_rom_image, %bp
    movw %cs:PLAN_SEGMENT(%bp), %ax
    testw %ax, %ax
    jz protected

/* Linux, real mode entry: 20h paragraphs into its setup code. */
    movzwl %cs:PLAN_STACK(%bp), %esp
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    addw $0x20, %ax
    pushw %ax
    pushw $0
    lretw

protected:
    call memory_map
    cli
/* The linear address of this ROM makes those of the descriptor table and of the 32-bit code. */
    xorl %ebx, %ebx
    movw %cs, %bx
    shll $4, %ebx
    leal gdt - boot_rom_image(%ebx), %eax
    pushl %eax
    pushw $gdt_end - gdt - 1
    movw %sp, %bp
    lgdtl (%bp)
    leal boot_rom_plan - boot_rom_image(%ebx), %esi
    leal flat - boot_rom_image(%ebx), %eax
    pushl $SELECTOR_CODE
    pushl %eax
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    lretl

/* Asks the BIOS for its memory map (INT 15h, E820h) and stores it as the plan says. */
memory_map:
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    movw $boot_rom_plan - boot_rom_image, %si
    movl %cs:PLAN_MAP(%si), %edi
    testl %edi, %edi
    jz 3f
    movw $MAP_ENTRIES_MAX, %bp
    xorl %ebx, %ebx
1:  movl $0, MAP_ENTRY_SIZE(%di)
    cmpw $0, %cs:PLAN_MAP_SKIP(%si)
    je 2f
    movl $MAP_ENTRY_SIZE, (%di)
2:  pushw %di
    addw %cs:PLAN_MAP_SKIP(%si), %di
    movl $0xe820, %eax
    movl $0x534d4150, %edx
    movl $MAP_ENTRY_SIZE, %ecx
    pushw %si
    pushw %bp
    int $0x15
    popw %bp
    popw %si
    popw %di
    jc 3f
    movw %cs:PLAN_MAP_COUNT(%si), %cx
    xchgw %cx, %di
    movzwl %cs:PLAN_MAP_UNIT(%si), %eax
    addl %eax, (%di)
    movw %cx, %di
    addw $MAP_STRIDE, %di
    testl %ebx, %ebx
    jz 3f
    decw %bp
    jnz 1b
3:  ret

    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff /* code: flat, marked as accessed because the table is read-only */
    .quad 0x00cf93000000ffff /* data: flat */
gdt_end:

    .code32
flat:
    movw $SELECTOR_DATA, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movl PLAN_EAX(%esi), %eax
    movl PLAN_EBX(%esi), %ebx
    jmp *PLAN_ENTRY(%esi)

    .balign 16
boot_rom_plan:
    .fill PLAN_SIZE, 1, 0
boot_rom_end:

    .section .note.GNU-stack, "", @progbits
