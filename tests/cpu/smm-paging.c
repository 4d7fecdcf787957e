/* SPDX-License-Identifier: MIT */
/* Paging in system management mode while SMRAM is closed to data: code that lies apart from them,
 * of which no TLB of a translator has an entry, is where page tables say after MOV CR3 and INVLPG.
 */
#include "smm.h"

#define SOURCE "SDM 3A 4.10.4.1"

uint32_t apart_directory[1024] __attribute__((aligned(4096)));
uint32_t apart_table[1024] __attribute__((aligned(4096)));
uint8_t apart_stack[4096] __attribute__((aligned(16)));
volatile uint32_t apart_begin, apart_cr3, apart_invlpg, apart_cr4;
static const uint64_t apart_gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
struct {
    uint16_t limit;
    uint32_t base;
} __attribute__((packed)) apart_gdtr = {sizeof(apart_gdt) - 1, 0};
extern const uint8_t apart_handler[], apart_handler_end[];

/* In SMM: to 32-bit code outside of SMRAM, with paging; closes SMRAM to data, and calls 800000h,
 * which the page table leads first to one page of SMRAM, then to another, and back. */
__asm__("    .code16\n"
        "apart_handler:\n"
        "    addr32 lgdtl apart_gdtr\n"
        "    movl %cr0, %eax\n"
        "    orl $1, %eax\n"
        "    movl %eax, %cr0\n"
        "    ljmpl $8, $apart_paging\n"
        "apart_handler_end:\n"
        "    .code32\n"
        "apart_paging:\n"
        "    movw $16, %ax\n"
        "    movw %ax, %ds\n"
        "    movw %ax, %ss\n"
        "    movl $apart_stack + 4096, %esp\n"
        "    movl $0x10, %eax\n"
        "    movl %eax, %cr4\n" /* PSE */
        "    movl $apart_directory, %eax\n"
        "    movl %eax, %cr3\n"
        "    movl %cr0, %eax\n"
        "    orl $0x80000000, %eax\n"
        "    movl %eax, %cr0\n"
        "    movl $0x80000070, %eax\n"
        "    movw $0xcf8, %dx\n"
        "    outl %eax, %dx\n"
        "    movw $0xcfe, %dx\n"
        "    movb $0x2a, %al\n" /* D_CLS */
        "    outb %al, %dx\n"
        "    movl $0x800000, %ebx\n"
        "    movl $20, %ecx\n"
        "1:  call *%ebx\n"
        "    decl %ecx\n"
        "    jnz 1b\n"
        "    movl %eax, apart_begin\n"
        "    movl $0xa2003, apart_table\n"
        "    movl %cr3, %eax\n"
        "    movl %eax, %cr3\n"
        "    call *%ebx\n"
        "    movl %eax, apart_cr3\n"
        "    movl $0xa1003, apart_table\n"
        "    invlpg (%ebx)\n"
        "    call *%ebx\n"
        "    movl %eax, apart_invlpg\n"
        "    movl $0xa2003, apart_table\n"
        "    movl $0x90, %eax\n" /* and PGE */
        "    movl %eax, %cr4\n"
        "    call *%ebx\n"
        "    movl %eax, apart_cr4\n"
        "    movl $0x80000070, %eax\n"
        "    movw $0xcf8, %dx\n"
        "    outl %eax, %dx\n"
        "    movw $0xcfe, %dx\n"
        "    movb $0x0a, %al\n"
        "    outb %al, %dx\n"
        "    rsm\n");

/* movl $value, %eax; ret */
static void write_code(word to, uint8_t value)
{
    uint8_t code[6] = {0xb8, value, 0, 0, 0, 0xc3};

    memcpy((void *)to, code, sizeof(code));
}

int main(void);
int main(void)
{
    if (!find_power_management()) {
        check_skip("smm", "no power management of the PIIX4");
        return 0;
    }
    apart_gdtr.base = (word)apart_gdt;
    apart_directory[0] = 0x83;
    apart_directory[2] = (word)apart_table | 3;
    apart_table[0] = 0xa1003;
    set_host_smram(SMRAM_USUAL | SMRAM_OPEN);
    memcpy((void *)(SMRAM + SMM_ENTRY), apart_handler, (size_t)(apart_handler_end - apart_handler));
    write_code(SMRAM + 0x1000, 1);
    write_code(SMRAM + 0x2000, 2);
    set_host_smram(SMRAM_USUAL);
    outb(0xb2, 0);
    check("apart", apart_begin, 1, "290549 3.2.19");
    check("apart-cr3", apart_cr3, 2, SOURCE);
    check("apart-invlpg", apart_invlpg, 1, SOURCE);
    check("apart-cr4", apart_cr4, 2, SOURCE);
    return 0;
}
