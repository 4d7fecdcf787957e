/* SPDX-License-Identifier: MIT */
/* The 8254, mostly channel 2, whose gate and output are in port 61h: the six modes, BCD, access,
 * latches, read-back. Times are compared with the PM timer, generously. Intel 231164, "82C54". */
#include "interrupts.h"

enum { CHANNEL2 = 0x42, CONTROL = 0x43, PORT_B = 0x61, PORT_B_OUT2 = 0x20 };
enum { STATUS_OUT = 0x80, STATUS_NULL = 0x40 };

#define PIT_HZ 1193182u

static void gate(bool level)
{
    outb(PORT_B, (inb(PORT_B) & 0x0c) | level);
}

static bool out(void)
{
    return inb(PORT_B) & PORT_B_OUT2;
}

static void set_mode(unsigned mode)
{
    outb(CONTROL, 0xb0 | mode << 1);
}

static void write_count(unsigned count)
{
    outb(CHANNEL2, count & 0xff);
    outb(CHANNEL2, count >> 8);
}

static unsigned read_count(void)
{
    unsigned low = inb(CHANNEL2);
    return low | inb(CHANNEL2) << 8;
}

static unsigned latched_count(void)
{
    outb(CONTROL, 0x80);
    return read_count();
}

static uint8_t status(void)
{
    outb(CONTROL, 0xe8);
    return inb(CHANNEL2);
}

static void delay_pit_ticks(uint32_t ticks)
{
    pm_delay(ticks * 3); /* the PM timer runs at three times the rate */
}

static void test_mode_0(void)
{
    gate(false);
    set_mode(0);
    check("mode-0-low", out(), 0, "82C54 mode 0");
    check("status-null-count", status(), STATUS_NULL | 0x30, "82C54 read-back command");
    write_count(10000);
    delay_pit_ticks(100);
    check("mode-0-gated", latched_count(), 10000, "82C54 mode 0");
    check("mode-0-loaded", status(), 0x30, "82C54 read-back command");
    gate(true);
    check("mode-0-counts", WAIT_FOR(latched_count() < 9990), 1, "82C54 mode 0");
    gate(false);
    unsigned held = latched_count();
    delay_pit_ticks(100);
    check("mode-0-held", latched_count(), held, "82C54 mode 0");
    gate(true);
    uint32_t begin = pm_timer();
    check("mode-0-ends", WAIT_FOR(out()), 1, "82C54 mode 0");
    uint32_t ticks = pm_elapsed(begin);
    check("mode-0-time", ticks > held * 2 && ticks < 2 * PM_TIMER_HZ, 1, "82C54 mode 0");
    check("mode-0-stays-high", (delay_pit_ticks(100), out()), 1, "82C54 mode 0");
    check("mode-0-wraps", WAIT_FOR(latched_count() > 0x8000), 1, "82C54 mode 0");
    gate(false);
    outb(CHANNEL2, 0xff); /* the first byte stops it and lowers OUT */
    check("mode-0-first-byte", out(), 0, "82C54 mode 0");
    outb(CHANNEL2, 0xff);
    check("mode-0-new-count", latched_count(), 0xffff, "82C54 mode 0");
}

static void test_mode_1(void)
{
    bool at_first = false, pulse = true, goes_on = true, later = true;

    QUICKLY(3 * 15000, {
        gate(false);
        set_mode(1);
        write_count(20000);
        delay_pit_ticks(100);
        at_first = out();
        gate(true);
        delay_pit_ticks(10);
        pulse = out();
        gate(false);
        delay_pit_ticks(100);
        goes_on = out();
        write_count(50);
        delay_pit_ticks(100);
        later = out();
    })
    check("mode-1-waits", at_first, 1, "82C54 mode 1");
    check("mode-1-pulse", pulse, 0, "82C54 mode 1");
    check("mode-1-pulse-goes-on", goes_on, 0, "82C54 mode 1"); /* whatever the gate's level */
    check("mode-1-count-later", later, 0, "82C54 mode 1");
    check("mode-1-ends", WAIT_FOR(out()), 1, "82C54 mode 1");
    bool ends = false;
    QUICKLY(3 * 15000, {
        gate(true); /* the new count is a short one */
        ends = WAIT_FOR(out());
        gate(false);
    })
    check("mode-1-new-count", ends, 1, "82C54 mode 1");
}

static void test_mode_2(void)
{
    bool in_range = true, went_up = false;
    unsigned last = 0;

    gate(true);
    set_mode(2);
    check("mode-2-high", out(), 1, "82C54 mode 2");
    write_count(1000);
    for (unsigned i = 0; i < 2000; i++) {
        unsigned count = latched_count();
        in_range &= count >= 1 && count <= 1000;
        went_up |= count > last && i;
        last = count;
    }
    check("mode-2-range", in_range, 1, "82C54 mode 2");
    check("mode-2-repeats", went_up || WAIT_FOR(latched_count() > last), 1, "82C54 mode 2");
    gate(false);
    check("mode-2-gate-high", out(), 1, "82C54 mode 2");
    unsigned held = latched_count();
    delay_pit_ticks(100);
    check("mode-2-held", latched_count(), held, "82C54 mode 2");
    unsigned reloaded = 0, waits = 0, old = 0;
    QUICKLY(3 * 8000, {
        gate(false);
        set_mode(2);
        write_count(60000);
        delay_pit_ticks(10);
        gate(true);
        delay_pit_ticks(10);
        reloaded = latched_count();
        write_count(500);
        waits = status();
        old = latched_count();
    })
    check("mode-2-gate-reloads", reloaded > 50000, 1, "82C54 mode 2");
    check("mode-2-waits", waits & STATUS_NULL, STATUS_NULL, "82C54 mode 2");
    check("mode-2-old-count", old > 50000, 1, "82C54 mode 2");
    check("mode-2-takes-over", WAIT_FOR(!(status() & STATUS_NULL)), 1, "82C54 mode 2");
    check("mode-2-new-range", latched_count() <= 500, 1, "82C54 mode 2");
}

static void test_mode_3(void)
{
    bool is_even = true;

    gate(true);
    set_mode(3);
    write_count(40000);
    for (unsigned i = 0; i < 1000; i++) {
        is_even &= !(latched_count() & 1);
    }
    check("mode-3-by-two", is_even, 1, "82C54 mode 3");
    bool half_is_good = false, period_is_good = false;
    for (unsigned i = 0; i < 100 && !(half_is_good && period_is_good); i++) {
        WAIT_FOR(!out());
        WAIT_FOR(out());
        uint32_t begin = pm_timer();
        WAIT_FOR(!out());
        uint32_t high = pm_elapsed(begin);
        WAIT_FOR(out());
        uint32_t both = pm_elapsed(begin);
        half_is_good |= high > 50000 && high < 70000; /* 60,000 */
        period_is_good |= both > 110000 && both < 130000;
    }
    check("mode-3-high-half", half_is_good, 1, "82C54 mode 3");
    check("mode-3-period", period_is_good, 1, "82C54 mode 3");
    WAIT_FOR(!out());
    gate(false);
    check("mode-3-gate-high", out(), 1, "82C54 mode 3");
}

static void test_modes_4_and_5(void)
{
    gate(false);
    set_mode(4);
    write_count(30000);
    check("mode-4-high", out(), 1, "82C54 mode 4");
    delay_pit_ticks(100);
    check("mode-4-gated", latched_count(), 30000, "82C54 mode 4");
    gate(true);
    check("mode-4-counts", WAIT_FOR(latched_count() < 29000), 1, "82C54 mode 4");
    check("mode-4-wraps", WAIT_FOR(latched_count() > 31000), 1, "82C54 mode 4");
    check("mode-4-high-after", out(), 1, "82C54 mode 4");
    unsigned first = 0, second = 0, third = 0;
    QUICKLY(3 * 10000, {
        gate(false);
        set_mode(5);
        write_count(30000);
        gate(true);
        delay_pit_ticks(10);
        first = latched_count();
        gate(false);
        delay_pit_ticks(4000);
        second = latched_count();
        gate(true);
        delay_pit_ticks(10);
        third = latched_count();
    })
    check("mode-5-triggered", first <= 30000 && first > 20000, 1, "82C54 mode 5");
    check("mode-5-goes-on", second <= first - 3900, 1, "82C54 mode 5"); /* whatever the gate */
    check("mode-5-retriggered", third > second, 1, "82C54 mode 5");
}

static bool is_bcd(unsigned value)
{
    return (value & 15) < 10 && (value >> 4 & 15) < 10 && (value >> 8 & 15) < 10 &&
           value >> 12 < 10;
}

static void test_reading(void)
{
    bool all_bcd = true;

    gate(true);
    outb(CONTROL, 0xb5); /* mode 2, BCD */
    write_count(0x9999);
    for (unsigned i = 0; i < 1000; i++) {
        all_bcd &= is_bcd(latched_count());
    }
    check("bcd", all_bcd, 1, "82C54 control word");
    check("status-bcd", status() & 0x3f, 0x35, "82C54 read-back command");
    gate(false);
    set_mode(0);
    gate(true);
    unsigned latched = 0, later = 0;
    QUICKLY(3 * 10000, {
        write_count(0xffff);
        delay_pit_ticks(100);
        outb(CONTROL, 0x80);
        delay_pit_ticks(4000);
        outb(CONTROL, 0x80); /* the second latch command is ignored */
        latched = read_count();
        later = latched_count();
    })
    check("latch-holds", latched > 0xffff - 10000 && later <= latched - 3900, 1,
          "82C54 counter latch command");
    gate(false);
    unsigned held = latched_count();
    outb(CONTROL, 0xc8); /* status and count: status first */
    check("read-back-status", inb(CHANNEL2) & 0x3f, 0x30, "82C54 read-back command");
    check("read-back-count", read_count(), held, "82C54 read-back command");
    outb(CONTROL, 0x90); /* low byte alone */
    outb(CHANNEL2, 0x55);
    delay_pit_ticks(10);
    check("low-byte", inb(CHANNEL2) << 8 | inb(CHANNEL2), 0x5555, "82C54 control word");
    outb(CONTROL, 0xa0); /* high byte alone */
    outb(CHANNEL2, 0x66);
    delay_pit_ticks(10);
    check("high-byte", inb(CHANNEL2) << 8 | inb(CHANNEL2), 0x6666, "82C54 control word");
    check("status-access", status() & 0x3f, 0x20, "82C54 read-back command");
    set_mode(6); /* the upper bit is don't care: mode 2 */
    check("mode-6-is-2", status() & 0x0e, 6 << 1 & 0x06, "82C54 control word");
}

/* Channel 0 and its interrupt, against the PM timer. */
static void test_interrupts(void)
{
    pic_start(3);
    apic_start();
    apic_write(APIC_LVT_LINT0, 0x700);
    outb(PIC1_DATA, 0xfe);
    outb(CONTROL, 0x34);
    outb(0x40, 0x00);
    outb(0x40, 0x10); /* 4096 ticks: 3.4 ms */
    check("mode-2-interrupts", wait_for_vectors(2), 1, "82C54 mode 2");
    vectors();
    uint32_t begin = pm_timer();
    wait_for_vectors(20);
    uint32_t ticks = pm_elapsed(begin);
    check("mode-2-rate", ticks > 4096 * 3 * 15 && ticks < 4 * PM_TIMER_HZ, 1, "82C54 mode 2");
    outb(CONTROL, 0x30);
    window();
    vectors();
    outb(0x40, 0x00);
    outb(0x40, 0x10);
    check("mode-0-interrupt", wait_for_vectors(1), 1, "82C54 mode 0");
    delay_pit_ticks(10000);
    window();
    check("mode-0-once", vectors(), 0x20, "82C54 mode 0");
}

int main(void);
int main(void)
{
    log_interrupts();
    test_mode_0();
    test_mode_1();
    test_mode_2();
    test_mode_3();
    test_modes_4_and_5();
    test_reading();
    test_interrupts();
    return 0;
}
