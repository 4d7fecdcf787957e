/* SPDX-License-Identifier: MIT */
/* Takes machine checks: has bank 2 reported, sleeps, and prints MCG_STATUS and the bank for each
 * #MC. It clears both then, but for the error code DEADh. */
#include "kvm-guest.h"

#define MCG_CAP 0x179
#define MCG_CTL_P 0x100
#define MCG_STATUS 0x17a
#define MCG_CTL 0x17b
#define BANK 0x408 /* CTL, STATUS, ADDR, MISC */
#define VECTOR_MC 18

extern void mce_entry(void);

static struct Gate {
    uint16_t low, selector, kind, high;
} idt[VECTOR_MC + 1];

static void write_msr(uint32_t msr, uint32_t low, uint32_t high)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"(low), "d"(high));
}

static uint32_t read_msr(uint32_t msr, uint32_t *ret_high)
{
    uint32_t low;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(*ret_high) : "c"(msr));
    return low;
}

void on_mce(void)
{
    uint32_t high, global = read_msr(MCG_STATUS, &high), status = 0;

    print("mce ");
    print_hex(global);
    for (uint32_t msr = BANK + 1; msr <= BANK + 3; msr++) {
        uint32_t low = read_msr(msr, &high);

        status = msr == BANK + 1 ? low : status;
        print(" ");
        print_hex(high);
        print_hex(low);
    }
    if ((status & 0xffff) != 0xdead) {
        write_msr(BANK + 1, 0, 0);
        write_msr(MCG_STATUS, 0, 0);
    }
    print("\n"); /* last: who has read the line may send the next */
}

void main(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)(uintptr_t)idt};
    uint32_t address = (uint32_t)(uintptr_t)mce_entry, cr4, high;

    idt[VECTOR_MC] = (struct Gate){(uint16_t)address, 8, 0x8e00, (uint16_t)(address >> 16)};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    if (read_msr(MCG_CAP, &high) & MCG_CTL_P) {
        write_msr(MCG_CTL, 0xffffffff, 0xffffffff);
    }
    write_msr(BANK, 0xffffffff, 0xffffffff);
    __asm__ volatile("mov %%cr4, %0; or $0x40, %0; mov %0, %%cr4" : "=&r"(cr4));
    print("ready\n");
    for (;;) {
        __asm__ volatile("hlt");
    }
}
