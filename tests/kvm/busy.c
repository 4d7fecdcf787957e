/* SPDX-License-Identifier: MIT */
/* Works until a byte has come on COM1, a timer's interrupt and a round of the second CPU, checking
 * each answer: ports, strings, memory of devices. What stops of the machine lose or double shows.
 */
#include "kvm-guest.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA 0xcfc
#define HPET 0xfed00000u
#define APIC 0xfee00000u
#define COM1 0x3f8
#define VECTOR 0x40

typedef struct Gate {
    uint16_t low, selector, kind, high;
} Gate;

extern void apic_entry(void);
extern const uint8_t start_cpus_code[];
extern const uint32_t start_cpus_size;

static Gate idt[256];
static volatile uint32_t ticks, done, wrong, ap_rounds, ap_done;

void on_apic(void)
{
    ticks++;
    MMIO(uint32_t, APIC + 0xb0) = 0;
}

static void check(bool is_right)
{
    wrong += !is_right;
}

void ap_main(void)
{
    while (!done) {
        check(MMIO(uint32_t, HPET) == 0x8086a201);
        check(inb(0x5550) == 0xff);
        ap_rounds++;
    }
    ap_done = 1;
}

static void start_second_cpu(void)
{
    for (uint32_t i = 0; i < start_cpus_size; i++) {
        MMIO(uint8_t, 0x8000 + i) = start_cpus_code[i];
    }
    MMIO(uint32_t, APIC + 0x310) = 1u << 24;
    MMIO(uint32_t, APIC + 0x300) = 0x4500;
    MMIO(uint32_t, APIC + 0x300) = 0x4608;
}

static void start_timer(void)
{
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)(uintptr_t)idt};
    uint32_t entry = (uint32_t)(uintptr_t)apic_entry;

    idt[VECTOR] = (Gate){(uint16_t)entry, 8, 0x8e00, (uint16_t)(entry >> 16)};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    MMIO(uint32_t, APIC + 0xf0) = 0x1ff;
    MMIO(uint32_t, APIC + 0x3e0) = 0xb;
    MMIO(uint32_t, APIC + 0x320) = 0x20000 | VECTOR;
    MMIO(uint32_t, APIC + 0x380) = 2000000;
}

__attribute__((noinline)) static void work(void)
{
    uint8_t signature[4], *to = signature;
    uint32_t count = 4;

    outl(PCI_ADDRESS, 0x80000000);
    check(inl(PCI_DATA) == 0x12378086);
    outw(0x510, 0);
    __asm__ volatile("rep insb" : "+D"(to), "+c"(count) : "d"(0x511) : "memory");
    check(*(uint32_t *)signature == 0x554d4551);
    MMIO(uint32_t, HPET + 0x108) = 0x12345678;
    check(MMIO(uint32_t, HPET + 0x108) == 0x12345678);
}

void main(void)
{
    uint32_t rounds = 0;
    bool has_second;

    outb(0x21, 0xff);
    outw(0x510, 5);
    has_second = inb(0x511) > 1;
    if (has_second) {
        start_second_cpu();
    }
    start_timer();
    print("working\n");
    while (!(inb(COM1 + 5) & 1) || ticks == 0 || (has_second && ap_rounds == 0)) {
        work();
        rounds++;
        if ((rounds & 63) == 0) {
            __asm__ volatile("sti; hlt; cli" : : : "memory");
        }
    }
    done = 1;
    while (has_second && !ap_done) {
        __asm__ volatile("pause");
    }
    result("wrong", wrong);
    finish();
}
