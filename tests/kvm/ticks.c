/* SPDX-License-Identifier: MIT */
/* Keeps interrupts off for a hundred ticks of the interval timer, then says whether they came after
 * all. The HPET tells how many are due. */
#include "kvm-guest.h"

#define PIC_MASTER 0x20
#define PIT 0x40
#define HPET 0xfed00000u
#define VECTOR 0x30
#define PIT_COUNT 2386u     /* of 1193182 a second */
#define HPET_COUNTS 199970u /* in that time, of 10 ns */
#define OFF_TICKS 100u
#define MOST_SERVED 600u /* a guest that is slow needs some to catch up */
#define FEW 3u           /* those that are due but on their way */

typedef struct Gate {
    uint16_t low, selector, kind, high;
} Gate;

extern void timer_entry(void);

static Gate idt[VECTOR + 1];
static volatile uint32_t ticks;

void on_timer(void)
{
    ticks++;
    outb(PIC_MASTER, 0x20);
}

static void take_interrupts(void)
{
    static const uint8_t words[] = {0x11, VECTOR, 4, 1};
    uint32_t address = (uint32_t)(uintptr_t)timer_entry;
    struct __attribute__((packed)) {
        uint16_t limit;
        uint32_t base;
    } pointer = {sizeof(idt) - 1, (uint32_t)(uintptr_t)idt};

    idt[VECTOR] = (Gate){(uint16_t)address, 8, 0x8e00, (uint16_t)(address >> 16)};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    for (unsigned i = 0; i < 4; i++) {
        outb(PIC_MASTER + !!i, words[i]);
    }
    outb(PIC_MASTER + 1, 0xfe);
}

static uint32_t now(void)
{
    return MMIO(uint32_t, HPET + 0xf0);
}

static void wait_for_tick(void)
{
    uint32_t before = ticks;

    while (ticks == before) {
        __asm__ volatile("sti; hlt; cli" : : : "memory");
    }
}

void main(void)
{
    uint32_t start, off, missing, served = 0;

    take_interrupts();
    MMIO(uint32_t, HPET + 0x10) = 1;
    outb(PIT + 3, 0x34);
    outb(PIT, PIT_COUNT & 0xff);
    outb(PIT, PIT_COUNT >> 8);
    start = now();
    wait_for_tick();
    off = now();
    while (now() - off < OFF_TICKS * HPET_COUNTS) {
        __asm__ volatile("pause");
    }
    do {
        wait_for_tick();
        missing = (now() - start) / HPET_COUNTS - ticks;
        served++;
    } while (served < MOST_SERVED && (int32_t)missing > (int32_t)FEW);
    print((int32_t)missing <= (int32_t)FEW ? "all ticks came\n"
          : missing + FEW >= OFF_TICKS     ? "ticks were lost\n"
                                           : "some ticks were lost\n");
    finish();
}
