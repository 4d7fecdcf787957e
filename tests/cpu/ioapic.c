/* SPDX-License-Identifier: MIT */
/* I/O APIC: registers, edges and levels, masks, remote IRR, delivery. Timer 0 makes edges at pin 2,
 * the clock's interrupt is a level at pin 8. Intel 290566, "82093AA"; the EOI register of version
 * 20h: Intel 82801 (ICH), "EOIR". */
#include "interrupts.h"

enum { INDEX_ID, INDEX_VERSION, INDEX_ARBITRATION, INDEX_ENTRIES = 0x10 };
enum { TIMER_PIN = 2, CLOCK_PIN = 8 };
enum {
    LOGICAL = 0x800,
    ACTIVE_LOW = 0x2000,
    REMOTE_IRR = 0x4000,
    LEVEL = 0x8000,
    MASKED = 0x10000
};

static volatile uint32_t *const window_select = (volatile uint32_t *)0xfec00000;
static volatile uint32_t *const window_data = (volatile uint32_t *)0xfec00010;
static volatile uint32_t *const window_eoi = (volatile uint32_t *)0xfec00040;

static uint32_t get(unsigned index)
{
    *window_select = index;
    return *window_data;
}

static void set(unsigned index, uint32_t value)
{
    *window_select = index;
    *window_data = value;
}

static uint32_t entry(unsigned pin)
{
    return get(INDEX_ENTRIES + 2 * pin);
}

static void set_entry(unsigned pin, uint32_t value)
{
    set(INDEX_ENTRIES + 2 * pin + 1, 0);
    set(INDEX_ENTRIES + 2 * pin, value);
}

static uint64_t taken_in_window(void)
{
    window();
    return vectors();
}

static void test_registers(void)
{
    uint32_t version = get(INDEX_VERSION);

    check("version-pins", version >> 16, 23, "82093AA 3.2.2");
    check("version", (version & 0xff) == 0x11 || (version & 0xff) == 0x20, 1, "82093AA 3.2.2");
    set(INDEX_VERSION, 0);
    check("version-read-only", get(INDEX_VERSION), version, "82093AA 3.2.2");
    uint32_t id = get(INDEX_ID);
    set(INDEX_ID, 0xffffffff);
    check("id-bits", get(INDEX_ID), 0x0f000000, "82093AA 3.2.1");
    check("arbitration-follows", get(INDEX_ARBITRATION) & 0x0f000000, 0x0f000000, "82093AA 3.2.3");
    set(INDEX_ID, id);
    set(INDEX_ENTRIES + 2 * 20, 0xffffffff);
    check("entry-read-only-bits", entry(20), 0x1afff, "82093AA 3.2.4");
    set(INDEX_ENTRIES + 2 * 20, MASKED);
    set(INDEX_ENTRIES + 2 * 20 + 1, 0x5affffff);
    check("entry-destination", get(INDEX_ENTRIES + 2 * 20 + 1), 0x5a000000, "82093AA 3.2.4");
    *window_select = 0xab;
    check("select", *window_select & 0xff, 0xab, "82093AA 3.1.1");
}

static void test_edges(void)
{
    irq0_lower();
    set_entry(TIMER_PIN, 0x41);
    irq0_raise();
    check("edge-irr", apic_bit(APIC_IRR, 0x41), 1, "82093AA 3.2.4");
    check("edge-tmr", apic_bit(APIC_TMR, 0x41), 0, "SDM 3A 11.8.4");
    check("edge", taken_in_window(), 0x41, "82093AA 3.2.4");
    check("edge-no-remote-irr", entry(TIMER_PIN), 0x41, "82093AA 3.2.4");
    eoi();
    check("edge-once", taken_in_window(), 0, "82093AA 3.2.4");
    irq0_raise();
    irq0_raise();
    taken_in_window();
    eoi();
    check("edges-merge", taken_in_window(), 0, "SDM 3A 11.8.4");
    irq0_lower();
    set_entry(TIMER_PIN, MASKED | 0x42);
    irq0_raise();
    set_entry(TIMER_PIN, 0x42);
    check("masked-edge-is-lost", taken_in_window(), 0, "82093AA 3.2.4");
    irq0_lower();
    set_entry(TIMER_PIN, 0x43);
    irq0_raise();
    set_entry(TIMER_PIN, MASKED | 0x43); /* too late: it has been delivered */
    check("mask-after-delivery", taken_in_window(), 0x43, "82093AA 3.2.4");
    eoi();
    irq0_lower();
}

static void test_levels(void)
{
    irq8_lower();
    set_entry(CLOCK_PIN, MASKED | LEVEL | 0x51);
    irq8_raise();
    check("level-masked", taken_in_window(), 0, "82093AA 3.2.4");
    set_entry(CLOCK_PIN, LEVEL | 0x51);
    check("level-unmasked", apic_bit(APIC_IRR, 0x51), 1, "82093AA 3.2.4");
    check("remote-irr", entry(CLOCK_PIN), LEVEL | REMOTE_IRR | 0x51, "82093AA 3.2.4");
    check("level-tmr", apic_bit(APIC_TMR, 0x51), 1, "SDM 3A 11.8.4");
    check("level", taken_in_window(), 0x51, "82093AA 3.2.4");
    check("remote-irr-in-service", entry(CLOCK_PIN) & REMOTE_IRR, REMOTE_IRR, "82093AA 3.2.4");
    eoi();
    check("level-again", taken_in_window(), 0x51, "82093AA 3.2.4");
    set_entry(CLOCK_PIN, MASKED | LEVEL | 0x51);
    check("remote-irr-read-only", entry(CLOCK_PIN) & REMOTE_IRR, REMOTE_IRR, "82093AA 3.2.4");
    eoi();
    check("remote-irr-cleared", entry(CLOCK_PIN), MASKED | LEVEL | 0x51, "82093AA 3.2.4");
    check("level-masked-again", taken_in_window(), 0, "82093AA 3.2.4");
    irq8_lower();
    set_entry(CLOCK_PIN, LEVEL | 0x51);
    check("level-low", taken_in_window(), 0, "82093AA 3.2.4");
    irq8_raise();
    taken_in_window();
    irq8_lower(); /* withdrawn while it is served */
    eoi();
    check("level-withdrawn", taken_in_window(), 0, "82093AA 3.2.4");
    check("level-at-rest", entry(CLOCK_PIN), LEVEL | 0x51, "82093AA 3.2.4");
}

/* Boards tell systems how their lines are wired; both ways work, for whoever was told either. */
static void test_polarity(void)
{
    irq8_lower();
    set_entry(CLOCK_PIN, LEVEL | ACTIVE_LOW | 0x54);
    check("active-low-kept", entry(CLOCK_PIN), LEVEL | ACTIVE_LOW | 0x54, "82093AA 3.2.4");
    check("active-low-at-rest", taken_in_window(), 0, "82093AA 3.2.4");
    irq8_raise();
    check("active-low-level", taken_in_window(), 0x54, "82093AA 3.2.4");
    irq8_lower();
    eoi();
    check("active-low-withdrawn", taken_in_window(), 0, "82093AA 3.2.4");
    check("active-low-no-remote-irr", entry(CLOCK_PIN), LEVEL | ACTIVE_LOW | 0x54, "82093AA 3.2.4");
    set_entry(CLOCK_PIN, MASKED);
    irq0_lower();
    set_entry(TIMER_PIN, ACTIVE_LOW | 0x44);
    irq0_raise();
    check("active-low-edge", taken_in_window(), 0x44, "82093AA 3.2.4");
    eoi();
    irq0_lower();
    check("active-low-one-edge", taken_in_window(), 0, "82093AA 3.2.4");
    set_entry(TIMER_PIN, 0x45); /* changing the bit is no edge */
    set_entry(TIMER_PIN, ACTIVE_LOW | 0x45);
    check("polarity-change", taken_in_window(), 0, "82093AA 3.2.4");
    set_entry(TIMER_PIN, MASKED);
}

static void test_directed_eoi(void)
{
    if ((get(INDEX_VERSION) & 0xff) < 0x20 || !(apic_read(APIC_VERSION) >> 24 & 1)) {
        check_skip("directed-eoi", "no EOI register, or broadcasts cannot be suppressed");
        return;
    }
    apic_write(APIC_SVR, 0x11ff);
    irq8_raise();
    taken_in_window();
    irq8_lower();
    eoi();
    check("no-broadcast", entry(CLOCK_PIN) & REMOTE_IRR, REMOTE_IRR, "SDM 3A 11.8.5");
    *window_eoi = 0x52;
    check("eoi-of-another", entry(CLOCK_PIN) & REMOTE_IRR, REMOTE_IRR, "82801 EOIR");
    *window_eoi = 0x51;
    check("eoi-register", entry(CLOCK_PIN) & REMOTE_IRR, 0, "82801 EOIR");
    apic_write(APIC_SVR, 0x1ff);
    irq8_raise();
    check("eoi-ready-again", taken_in_window(), 0x51, "82801 EOIR");
    irq8_lower();
    eoi();
}

static void test_delivery(void)
{
    set_entry(CLOCK_PIN, MASKED);
    set_entry(TIMER_PIN, 0x400);
    irq0_raise();
    check("nmi", taken_in_window(), 2, "82093AA 3.2.4");
    irq0_lower();
    set_entry(TIMER_PIN, LEVEL | 0x400);
    irq0_raise();
    check("nmi-is-an-edge", taken_in_window(), 2, "82093AA 3.2.4");
    check("nmi-no-remote-irr", entry(TIMER_PIN) & REMOTE_IRR, 0, "82093AA 3.2.4");
    irq0_lower();
    apic_write(APIC_LDR, 0x04000000);
    set_entry(TIMER_PIN, MASKED);
    set(INDEX_ENTRIES + 2 * TIMER_PIN + 1, 0x06000000);
    set(INDEX_ENTRIES + 2 * TIMER_PIN, LOGICAL | 0x61);
    irq0_raise();
    check("logical", taken_in_window(), 0x61, "82093AA 3.2.4");
    eoi();
    irq0_lower();
    set(INDEX_ENTRIES + 2 * TIMER_PIN, LOGICAL | 0x162);
    irq0_raise();
    check("lowest-priority", taken_in_window(), 0x62, "82093AA 3.2.4");
    eoi();
    irq0_lower();
    set(INDEX_ENTRIES + 2 * TIMER_PIN + 1, 0x0b000000);
    irq0_raise();
    check("logical-nobody", taken_in_window(), 0, "82093AA 3.2.4");
    irq0_lower();
    apic_write(APIC_ESR, 0);
    apic_write(APIC_ESR, 0);
    set_entry(TIMER_PIN, 0x07);
    irq0_raise();
    apic_write(APIC_ESR, 0);
    check("illegal-vector-received", apic_read(APIC_ESR), 0x40, "SDM 3A 11.5.3");
    check("illegal-vector-dropped", apic_bit(APIC_IRR, 7), 0, "SDM 3A 11.5.2");
    irq0_lower();
    set_entry(TIMER_PIN, MASKED);
}

/* A message written by the CPU itself is one like any other: SDM 3A 11.11. */
static void test_msi(void)
{
    volatile uint32_t *const to_nobody = (volatile uint32_t *)0xfee07000;
    volatile uint32_t *const to_all = (volatile uint32_t *)0xfeeff000;
    volatile uint32_t *const logical = (volatile uint32_t *)0xfee04004;

    *to_all = 0x71;
    check("msi-broadcast", taken_in_window(), 0x71, "SDM 3A 11.11.1");
    eoi();
    *to_nobody = 0x72;
    check("msi-nobody", taken_in_window(), 0, "SDM 3A 11.11.1");
    *logical = 0x73;
    check("msi-logical", taken_in_window(), 0x73, "SDM 3A 11.11.1");
    eoi();
    *to_all = 0x400;
    check("msi-nmi", taken_in_window(), 2, "SDM 3A 11.11.2");
    *to_all = 0xc074;
    check("msi-level-tmr", apic_bit(APIC_TMR, 0x74), 1, "SDM 3A 11.11.2");
    check("msi-level", taken_in_window(), 0x74, "SDM 3A 11.11.2");
    eoi();
}

int main(void);
int main(void)
{
    log_interrupts();
    apic_start();
    for (unsigned pin = 0; pin < 24; pin++) {
        set_entry(pin, MASKED);
    }
    test_registers();
    test_edges();
    test_levels();
    test_polarity();
    set_entry(CLOCK_PIN, LEVEL | 0x51);
    test_directed_eoi();
    test_delivery();
    test_msi();
    return 0;
}
