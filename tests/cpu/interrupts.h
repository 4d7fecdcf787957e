/* SPDX-License-Identifier: MIT */
/* What the guests about interrupt controllers and timers share: a log of the vectors taken, windows
 * in which they may come, and the ports of the controllers. Include once, in the guest's file. */
#ifndef TESTS_CPU_INTERRUPTS_H
#define TESTS_CPU_INTERRUPTS_H

#include "cpu-test.h"

/* -- Vectors taken ----------------------------------------------------------------------------- */

enum { LOG_CPUS = 2, PATIENCE_TURNS = 2000000000 };

static volatile uint64_t taken[LOG_CPUS]; /* a byte each, the latest lowest */
static volatile unsigned taken_count[LOG_CPUS];
static void (*volatile on_vector)(unsigned vector); /* called by the handler, may be NULL */

static inline unsigned self(void)
{
#ifdef __x86_64__
    return cpu_index();
#else
    return 0;
#endif
}

static void log_vector(Regs *regs)
{
    taken[self()] = taken[self()] << 8 | regs->vector;
    taken_count[self()]++;
    if (on_vector) {
        on_vector((unsigned)regs->vector);
    }
}

/* Vectors 32 to 255 and NMI are logged from now on. */
static inline void log_interrupts(void)
{
    trap_set_handler(2, log_vector);
    for (unsigned i = 32; i < 256; i++) {
        trap_set_handler(i, log_vector);
    }
}

/* What this CPU has taken since the last call, in order: 0x4152 is 41h, then 52h. */
static inline uint64_t vectors(void)
{
    uint64_t value = taken[self()];
    taken[self()] = 0;
    taken_count[self()] = 0;
    return value;
}

/* Lets in what is pending. */
static inline void window(void)
{
    __asm__ volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
}

/* Waits with interrupts on until this CPU has taken `count`; false: they do not come. */
static inline bool wait_for_vectors(unsigned count)
{
    for (unsigned i = 0; i < PATIENCE_TURNS && taken_count[self()] < count; i++) {
        window();
    }
    return taken_count[self()] >= count;
}

/* Waits for a condition with interrupts off; false: it does not come. */
#define WAIT_FOR(condition)                                                                        \
    ({                                                                                             \
        unsigned turns_left = PATIENCE_TURNS;                                                      \
        while (!(condition) && --turns_left) {                                                     \
            __builtin_ia32_pause();                                                                \
        }                                                                                          \
        turns_left != 0;                                                                           \
    })

/* -- A clock that nothing here reprograms: the PM timer, where the firmware puts it ------------ */

enum { PM_EVENT = 0x600, PM_ENABLE = 0x602, PM_CONTROL = 0x604, PM_TIMER = 0x608 };
#define PM_TIMER_HZ 3579545

static inline uint32_t pm_timer(void)
{
    return inl(PM_TIMER) & 0xffffff;
}

/* Ticks since `start`, up to 4 seconds later. */
static inline uint32_t pm_elapsed(uint32_t start)
{
    return (pm_timer() - start) & 0xffffff;
}

static inline void pm_delay(uint32_t ticks)
{
    for (uint32_t start = pm_timer(); pm_elapsed(start) < ticks;) {
        __builtin_ia32_pause();
    }
}

/* Does the steps again until they took less time than that: the host may run others meanwhile. */
#define QUICKLY(ticks, ...)                                                                        \
    for (unsigned tries = 0; tries < 1000; tries++) {                                              \
        uint32_t quickly_begin = pm_timer();                                                       \
        __VA_ARGS__                                                                                \
        if (pm_elapsed(quickly_begin) < (ticks)) {                                                 \
            break;                                                                                 \
        }                                                                                          \
    }

/* After an order for an interrupt that both CPUs log: waits for so many on either, then a little
 * for those that should not come. This CPU's vectors, the other one's in the upper half; ~0: some
 * are missing there. */
static inline uint64_t vectors_of_both(unsigned expected_here, unsigned expected_there)
{
    wait_for_vectors(expected_here);
    if (!WAIT_FOR(taken_count[1] >= expected_there)) {
        return UINT64_MAX;
    }
    pm_delay(200);
    window();
    return taken[1] << 32 | taken[0];
}

static inline void forget_vectors_of_both(void)
{
    taken[0] = taken[1] = 0;
    taken_count[0] = taken_count[1] = 0;
}

/* -- 8259 pair: IRQ 0-7 at vector 20h, 8-15 at 28h --------------------------------------------- */

enum { PIC1 = 0x20, PIC1_DATA = 0x21, PIC2 = 0xa0, PIC2_DATA = 0xa1 };

static inline void pic_start(uint8_t icw4)
{
    outb(PIC1, 0x11);
    outb(PIC1_DATA, 0x20);
    outb(PIC1_DATA, 0x04);
    outb(PIC1_DATA, icw4);
    outb(PIC2, 0x11);
    outb(PIC2_DATA, 0x28);
    outb(PIC2_DATA, 0x02);
    outb(PIC2_DATA, icw4 & ~0x10);
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
}

/* IRR of both, the first in bits 0-7. */
static inline uint16_t pic_requests(void)
{
    outb(PIC1, 0x0a);
    outb(PIC2, 0x0a);
    return inb(PIC1) | inb(PIC2) << 8;
}

static inline uint16_t pic_in_service(void)
{
    outb(PIC1, 0x0b);
    outb(PIC2, 0x0b);
    return inb(PIC1) | inb(PIC2) << 8;
}

/* -- Lines a guest can raise at will ----------------------------------------------------------- */

/* OUT of timer 0, IRQ 0: mode 0 holds it low until the count is over. */
static inline void irq0_lower(void)
{
    outb(0x43, 0x30);
}

static inline void irq0_raise(void)
{
    irq0_lower();
    outb(0x40, 1);
    outb(0x40, 0);
    do {
        outb(0x43, 0xe2); /* read back the status of channel 0 */
    } while (!(inb(0x40) & 0x80));
}

static inline uint8_t rtc_read(uint8_t index)
{
    outb(0x70, index);
    return inb(0x71);
}

static inline void rtc_write(uint8_t index, uint8_t value)
{
    outb(0x70, index);
    outb(0x71, value);
}

/* The clock's interrupt, IRQ 8: high from an event until register C is read. */
static inline void irq8_lower(void)
{
    rtc_write(0x0b, 0x02);
    rtc_read(0x0c);
}

static inline void irq8_ask(void)
{
    irq8_lower();
    rtc_write(0x0a, 0x23); /* every 122 us */
    rtc_write(0x0b, 0x42);
    pm_delay(PM_TIMER_HZ / 1000);
}

/* Until the 8259 sees it. */
static inline void irq8_raise(void)
{
    irq8_ask();
    if (!WAIT_FOR(pic_requests() & 0x100)) {
        give_up("the clock raises no interrupt");
    }
}

/* -- Local APIC -------------------------------------------------------------------------------- */

enum {
    APIC_ID = 0x20,
    APIC_VERSION = 0x30,
    APIC_TPR = 0x80,
    APIC_PPR = 0xa0,
    APIC_EOI = 0xb0,
    APIC_LDR = 0xd0,
    APIC_DFR = 0xe0,
    APIC_SVR = 0xf0,
    APIC_ISR = 0x100,
    APIC_TMR = 0x180,
    APIC_IRR = 0x200,
    APIC_ESR = 0x280,
    APIC_ICR = 0x300,
    APIC_ICR_HIGH = 0x310,
    APIC_LVT_TIMER = 0x320,
    APIC_LVT_THERMAL = 0x330,
    APIC_LVT_PERFORMANCE = 0x340,
    APIC_LVT_LINT0 = 0x350,
    APIC_LVT_LINT1 = 0x360,
    APIC_LVT_ERROR = 0x370,
    APIC_INITIAL_COUNT = 0x380,
    APIC_CURRENT_COUNT = 0x390,
    APIC_DIVIDE = 0x3e0
};
enum { MSR_APIC_BASE = 0x1b, MSR_TSC_DEADLINE = 0x6e0 };
enum { LVT_MASK = 0x10000, ICR_SELF = 0x44000, ICR_ALL = 0x84000, ICR_OTHERS = 0xc4000 };

#ifndef __x86_64__
static inline uint32_t apic_read_32(unsigned offset)
{
    return *(volatile uint32_t *)(0xfee00000 + offset);
}
static inline void apic_write_32(unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(0xfee00000 + offset) = value;
}
#define apic_read apic_read_32
#define apic_write apic_write_32
#endif

/* Is the bit of `vector` set in the register that begins at `offset`? */
static inline bool apic_bit(unsigned offset, unsigned vector)
{
    return apic_read(offset + vector / 32 * 16) >> vector % 32 & 1;
}

/* The highest bit set, -1: none. */
static inline int apic_highest(unsigned offset)
{
    for (int vector = 255; vector >= 0; vector--) {
        if (apic_bit(offset, (unsigned)vector)) {
            return vector;
        }
    }
    return -1;
}

/* Enabled, nothing let through, nothing pending. */
static inline void apic_start(void)
{
    apic_write(APIC_SVR, 0x1ff);
    for (unsigned offset = APIC_LVT_TIMER; offset <= APIC_LVT_ERROR; offset += 0x10) {
        apic_write(offset, LVT_MASK);
    }
    apic_write(APIC_TPR, 0);
    for (unsigned i = 0; i < 256 && apic_highest(APIC_ISR) >= 0; i++) {
        apic_write(APIC_EOI, 0);
    }
}

static inline void eoi(void)
{
    apic_write(APIC_EOI, 0);
}

#endif
