/* SPDX-License-Identifier: MIT */
/* HPET: registers, the counter against the PM timer, one-shot and periodic timers, status, routes,
 * legacy replacement of IRQ 0 and 8. Intel, "IA-PC HPET Specification" 1.0a. */
#include "interrupts.h"

enum {
    CAPABILITIES = 0x000,
    CONFIG = 0x010,
    STATUS = 0x020,
    COUNTER = 0x0f0,
    TIMER0 = 0x100,
    TIMER1 = 0x120,
    TIMER2 = 0x140,
    COMPARATOR = 8,
    ROUTE = 16
};
enum {
    LEVEL = 2,
    ENABLE = 4,
    PERIODIC = 8,
    SET_VALUE = 0x40,
    NARROW = 0x100,
    FSB = 0x4000,
    FSB_CAPABLE = 0x8000
};
enum { RUN = 1, LEGACY = 2 };

#define SPEC "HPET "

static uint32_t get(unsigned reg)
{
    return *(volatile uint32_t *)(0xfed00000ul + reg);
}

static void set(unsigned reg, uint32_t value)
{
    *(volatile uint32_t *)(0xfed00000ul + reg) = value;
}

static uint64_t get64(unsigned reg)
{
    return *(volatile uint64_t *)(0xfed00000ul + reg);
}

static void set64(unsigned reg, uint64_t value)
{
    *(volatile uint64_t *)(0xfed00000ul + reg) = value;
}

static uint32_t ticks_per_ms;

static void halt_at(uint64_t value)
{
    set(CONFIG, 0);
    set64(COUNTER, value);
    for (unsigned timer = TIMER0; timer <= TIMER2; timer += 0x20) {
        set(timer, 0);
        set64(timer + COMPARATOR, UINT64_MAX);
    }
    set(STATUS, 7);
}

static void test_registers(void)
{
    uint32_t period = get(CAPABILITIES + 4);

    check("period", period > 0 && period <= 0x05f5e100, 1, SPEC "2.3.4");
    ticks_per_ms = (uint32_t)(1000000000000ull / period);
    check("revision", (get(CAPABILITIES) & 0xff) != 0, 1, SPEC "2.3.4");
    check("three-timers", (get(CAPABILITIES) >> 8 & 31) >= 2, 1, SPEC "2.3.4");
    check("64-bit", get(CAPABILITIES) >> 13 & 1, 1, SPEC "2.3.4");
    check("legacy-capable", get(CAPABILITIES) >> 15 & 1, 1, SPEC "2.3.4");
    check("64-bit-access", get64(CAPABILITIES), (uint64_t)period << 32 | get(CAPABILITIES),
          SPEC "2.3.3");
    set(CAPABILITIES, 0);
    check("capabilities-read-only", get(CAPABILITIES + 4), period, SPEC "2.3.4");
    halt_at(0);
    check("timer-capable-of-64", get(TIMER2) >> 5 & 1, 1, SPEC "2.3.8");
    check("timer-0-periodic", get(TIMER0) >> 4 & 1, 1, SPEC "2.3.8");
    set(TIMER2, 0);
    uint32_t routes = get(TIMER2 + 4), fixed = get(TIMER2), absent = 0;
    while (routes >> absent & 1) {
        absent++;
    }
    set(TIMER2, absent << 9);
    check("absent-route", (get(TIMER2) >> 9 & 31) != absent || !absent, 1, SPEC "2.3.8");
    set(TIMER2, LEVEL | ENABLE);
    check("timer-bits", get(TIMER2), fixed | LEVEL | ENABLE, SPEC "2.3.8");
    set(TIMER0, PERIODIC | SET_VALUE);
    check("set-value-reads-0", get(TIMER0) & SET_VALUE, 0, SPEC "2.3.8");
    set64(TIMER1 + COMPARATOR, 0x123456789abcdef0);
    check("comparator-64", get64(TIMER1 + COMPARATOR), 0x123456789abcdef0, SPEC "2.3.9");
    set(TIMER1, NARROW);
    check("comparator-32", get64(TIMER1 + COMPARATOR), 0x9abcdef0, SPEC "2.3.9");
}

static void test_counter(void)
{
    halt_at(0xfffffff0);
    pm_delay(100);
    check("halted", get64(COUNTER), 0xfffffff0, SPEC "2.3.5");
    set(CONFIG, RUN);
    check("carries", WAIT_FOR(get(COUNTER + 4) == 1), 1, SPEC "2.3.7");
    set(CONFIG, 0);
    uint64_t value = get64(COUNTER);
    pm_delay(100);
    check("halted-again", get64(COUNTER), value, SPEC "2.3.5");
    set(COUNTER + 4, 0x55);
    check("upper-half", get64(COUNTER), (uint32_t)value | 0x55ull << 32, SPEC "2.3.7");
    halt_at(0);
    set(CONFIG, RUN);
    uint64_t passed = 0;
    uint32_t pm_ticks = 0;
    QUICKLY(PM_TIMER_HZ / 20, {
        uint32_t begin = pm_timer();
        uint64_t first = get64(COUNTER);
        pm_delay(PM_TIMER_HZ / 100);
        pm_ticks = pm_elapsed(begin);
        passed = get64(COUNTER) - first;
    })
    uint64_t expected = (uint64_t)pm_ticks * ticks_per_ms / (PM_TIMER_HZ / 1000);
    check("rate", passed > expected / 2 && passed < expected * 2, 1, SPEC "2.3.4");
}

static void test_status(void)
{
    halt_at(0);
    set(TIMER2, LEVEL); /* no interrupt, but status */
    set(TIMER2 + COMPARATOR, 1000);
    set(TIMER2 + COMPARATOR + 4, 0);
    set(CONFIG, RUN);
    check("level-status", WAIT_FOR(get(STATUS) & 4), 1, SPEC "2.3.6");
    check("one-shot-comparator", get64(TIMER2 + COMPARATOR), 1000, SPEC "2.3.9.2.1");
    set(STATUS, 3);
    check("status-of-others", get(STATUS), 4, SPEC "2.3.6");
    set(CONFIG, 0);
    check("status-while-halted", get(STATUS), 4, SPEC "2.3.5");
    set(STATUS, 4);
    check("status-cleared", get(STATUS), 0, SPEC "2.3.6");
    halt_at(0);
    set64(TIMER2 + COMPARATOR, 1000);
    set(CONFIG, RUN);
    WAIT_FOR(get(COUNTER) > 2000);
    check("edge-no-status", get(STATUS), 0, SPEC "2.3.6");
    halt_at(2000);
    set(TIMER2, LEVEL);
    set64(TIMER2 + COMPARATOR, 1000);
    set(CONFIG, RUN);
    WAIT_FOR(get(COUNTER) > 100000);
    check("passed-is-past", get(STATUS), 0, SPEC "2.3.9.2.1");
    halt_at(0xffffff00);
    set(TIMER2, LEVEL | NARROW);
    set64(TIMER2 + COMPARATOR, 0x80000000);
    set(CONFIG, RUN);
    check("32-bit-wrap", WAIT_FOR(get(STATUS) & 4), 1, SPEC "2.3.9.2.1");
    check("32-bit-wrapped", get(COUNTER + 4), 1, SPEC "2.3.9.2.1");
}

static void test_legacy(void)
{
    pic_start(3);
    apic_write(APIC_LVT_LINT0, 0x700);
    outb(PIC1_DATA, 0xfa);
    outb(PIC2_DATA, 0xfe);
    irq8_lower();
    halt_at(0);
    irq0_lower();
    set(TIMER0, ENABLE | PERIODIC | SET_VALUE | NARROW);
    set(TIMER0 + COMPARATOR, ticks_per_ms);
    set(TIMER0 + COMPARATOR, 2 * ticks_per_ms);
    set(CONFIG, RUN | LEGACY);
    check("periodic", wait_for_vectors(5), 1, SPEC "2.3.9.2.2");
    check("periodic-irq-0", vectors() & 0xffffffffff, 0x2020202020, SPEC "2.2.4");
    check("comparator-goes-on", get(TIMER0 + COMPARATOR) % (2 * ticks_per_ms), ticks_per_ms,
          SPEC "2.3.9.2.2");
    set(TIMER0, 0);
    window();
    vectors();
    irq0_raise(); /* the older timer is cut off */
    window();
    check("no-pit", vectors(), 0, SPEC "2.2.4");
    set(TIMER1, ENABLE | NARROW);
    set(TIMER1 + COMPARATOR, get(COUNTER) + 20 * ticks_per_ms);
    check("one-shot", wait_for_vectors(1), 1, SPEC "2.3.9.2.1");
    check("one-shot-irq-8", vectors(), 0x28, SPEC "2.2.4");
    irq8_ask();
    pm_delay(PM_TIMER_HZ / 100);
    window();
    check("no-rtc", vectors(), 0, SPEC "2.2.4");
    irq8_lower();
    irq0_lower();
    halt_at(0);
    irq0_raise();
    window();
    check("pit-is-back", vectors(), 0x20, SPEC "2.2.4");
    irq0_lower();
    apic_write(APIC_LVT_LINT0, LVT_MASK);
    outb(PIC1_DATA, 0xff);
    outb(PIC2_DATA, 0xff);
}

static uint32_t ioapic_entry(unsigned pin)
{
    *(volatile uint32_t *)0xfec00000ul = 0x10 + 2 * pin;
    return *(volatile uint32_t *)0xfec00010ul;
}

static void ioapic_set_entry(unsigned pin, uint32_t value)
{
    *(volatile uint32_t *)0xfec00000ul = 0x11 + 2 * pin;
    *(volatile uint32_t *)0xfec00010ul = 0;
    *(volatile uint32_t *)0xfec00000ul = 0x10 + 2 * pin;
    *(volatile uint32_t *)0xfec00010ul = value;
}

static void test_route(void)
{
    unsigned pin = 0;

    while (pin < 24 && !(get(TIMER2 + 4) >> pin & 1)) {
        pin++;
    }
    if (pin == 24) {
        check_skip("route", "no line for timer 2");
        return;
    }
    halt_at(0);
    set(TIMER2, LEVEL | ENABLE | pin << 9);
    set64(TIMER2 + COMPARATOR, 1000);
    ioapic_set_entry(pin, 0x8041);
    set(CONFIG, RUN);
    check("routed", WAIT_FOR(apic_bit(APIC_IRR, 0x41)), 1, SPEC "2.3.8");
    check("routed-level", ioapic_entry(pin), 0xc041, SPEC "2.3.8");
    window();
    check("routed-vector", vectors(), 0x41, SPEC "2.3.8");
    eoi();
    window();
    check("routed-until-cleared", vectors(), 0x41, SPEC "2.3.6");
    set(STATUS, 4);
    eoi();
    window();
    check("routed-cleared", vectors(), 0, SPEC "2.3.6");
    ioapic_set_entry(pin, 0x42);
    set(TIMER2, ENABLE | pin << 9);
    set64(TIMER2 + COMPARATOR, get64(COUNTER) + 20 * ticks_per_ms);
    check("routed-edge", wait_for_vectors(1), 1, SPEC "2.3.8");
    check("routed-edge-vector", vectors(), 0x42, SPEC "2.3.8");
    eoi();
    ioapic_set_entry(pin, LVT_MASK);
    halt_at(0);
}

/* Messages: present only where the machine was asked for them. */
static void test_message(void)
{
    if (!(get(TIMER2) & FSB_CAPABLE)) {
        set(TIMER2, FSB);
        check("no-messages", get(TIMER2) & FSB, 0, SPEC "2.3.8");
        set64(TIMER2 + ROUTE, 0xfee0000000000061);
        check("no-message-route", get64(TIMER2 + ROUTE), 0, SPEC "2.3.10");
        return;
    }
    halt_at(0);
    set64(TIMER2 + ROUTE, 0xfee0000000000061);
    check("message-route", get64(TIMER2 + ROUTE), 0xfee0000000000061, SPEC "2.3.10");
    set(TIMER2, FSB | ENABLE | NARROW);
    set64(TIMER2 + COMPARATOR, 1000);
    set(CONFIG, RUN);
    check("message", wait_for_vectors(1), 1, SPEC "2.3.10");
    check("message-vector", vectors(), 0x61, SPEC "2.3.10");
    check("message-edge", apic_bit(APIC_TMR, 0x61), 0, "SDM 3A 11.11.2");
    check("message-no-status", get(STATUS), 0, SPEC "2.3.6");
    eoi();
    set64(TIMER2 + ROUTE, 0xfee0000000000400); /* NMI */
    set(TIMER2 + COMPARATOR, get(COUNTER) + 20 * ticks_per_ms);
    check("message-nmi", wait_for_vectors(1), 1, SPEC "2.3.10");
    check("message-nmi-vector", vectors(), 2, "SDM 3A 11.11.2");
    set64(TIMER0 + ROUTE, 0xfee0000000000062);
    set(TIMER0, FSB | ENABLE | PERIODIC | SET_VALUE | NARROW);
    set(TIMER0 + COMPARATOR, get(COUNTER) + ticks_per_ms);
    set(TIMER0 + COMPARATOR, ticks_per_ms);
    unsigned count = 0;
    while (count < 5 && wait_for_vectors(1) && vectors() == 0x62) {
        eoi();
        count++;
    }
    check("message-periodic", count, 5, SPEC "2.3.10");
    halt_at(0);
    window();
    vectors();
    eoi();
    unsigned timers = (get(CAPABILITIES) >> 8 & 31) + 1;
    check("last-timer-writes",
          (set64(TIMER0 + 0x20 * (timers - 1) + COMPARATOR, 0x1234),
           get64(TIMER0 + 0x20 * (timers - 1) + COMPARATOR)),
          0x1234, SPEC "2.3.4");
    check("no-timer-behind", get64(TIMER0 + 0x20 * timers), 0, SPEC "2.3.4");
}

int main(void);
int main(void)
{
    log_interrupts();
    apic_start();
    if (get(CAPABILITIES) >> 16 != 0x8086) {
        give_up("no HPET at FED00000h");
    }
    test_registers();
    test_counter();
    test_status();
    test_legacy();
    test_route();
    test_message();
    return 0;
}
