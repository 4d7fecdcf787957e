/* SPDX-License-Identifier: MIT */
/* The NMI button: LINT1 of the local APIC as it is after a reset, set to NMI, masked, and set to
 * something else. Each time the guest waits for a byte on COM1, then says how many NMIs came. */
#include "kvm-guest.h"

#define APIC 0xfee00000u
#define LINT1 0x360
#define COM1 0x3f8
#define LVT_NMI 0x400u
#define LVT_MASKED 0x10000u
#define LVT_FIXED 0x50u
#define VECTOR_NMI 2

extern void nmi_entry(void);

static struct Gate {
    uint16_t low, selector, kind, high;
} idt[VECTOR_NMI + 1];
static volatile uint32_t nmis;

void on_nmi(void)
{
    nmis++;
}

static void wait_for_byte(const char *name)
{
    print(name);
    print("\n");
    while (!(inb(COM1 + 5) & 1)) {
        __asm__ volatile("pause");
    }
    inb(COM1);
    result("nmis", nmis);
}

void main(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)(uintptr_t)idt};
    uint32_t address = (uint32_t)(uintptr_t)nmi_entry;

    idt[VECTOR_NMI] = (struct Gate){(uint16_t)address, 8, 0x8e00, (uint16_t)(address >> 16)};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    MMIO(uint32_t, APIC + 0xf0) = 0x1ff;
    wait_for_byte("after reset");
    MMIO(uint32_t, APIC + LINT1) = LVT_NMI;
    wait_for_byte("nmi");
    MMIO(uint32_t, APIC + LINT1) = LVT_NMI | LVT_MASKED;
    wait_for_byte("masked");
    MMIO(uint32_t, APIC + LINT1) = LVT_FIXED;
    wait_for_byte("fixed");
    finish();
}
