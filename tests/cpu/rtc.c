/* SPDX-License-Identifier: MIT */
/* The clock chip with its three interrupts, and the PM timer with its own. Motorola "MC146818A";
 * "ACPI Specification 1.0b" 4.7.3. Takes some seconds of guest time. */
#include "interrupts.h"

enum { SECONDS, SECONDS_ALARM, MINUTES, MINUTES_ALARM, HOURS, HOURS_ALARM, WEEKDAY, DAY, MONTH };
enum { YEAR = 9, REG_A, REG_B, REG_C, REG_D, CENTURY = 0x32 };
enum { SET = 0x80, PIE = 0x40, AIE = 0x20, UIE = 0x10, BINARY = 0x04, HOURS_24 = 0x02 };
enum { TRIES = 5 };
enum { IRQF = 0x80, PF = 0x40, AF = 0x20, UF = 0x10 };

/* Sets the clock, in the format that register B says, and lets it run. */
static void set_time(uint8_t format, const uint8_t time[6])
{
    static const uint8_t index[6] = {YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS};

    rtc_write(REG_A, 0x26);
    rtc_write(REG_B, SET | format);
    for (unsigned i = 0; i < 6; i++) {
        rtc_write(index[i], time[i]);
    }
    rtc_write(CENTURY, format & BINARY ? 20 : 0x20);
    rtc_write(REG_B, format);
}

/* Year, month, day, hours, minutes and seconds, a byte each, not torn by an update. */
static uint64_t get_time(void)
{
    static const uint8_t index[6] = {YEAR, MONTH, DAY, HOURS, MINUTES, SECONDS};
    uint64_t time = 0, again = 1;

    while (time != again) {
        again = time;
        time = 0;
        for (unsigned i = 0; i < 6; i++) {
            time = time << 8 | rtc_read(index[i]);
        }
    }
    return time;
}

/* Waits for the next second. */
static bool next_second(void)
{
    rtc_read(REG_C);
    return WAIT_FOR(rtc_read(REG_C) & UF);
}

/* Sets the clock to the last second of a minute and reads it behind the next update: the first
 * second of one, unless a busy host took the processor away for longer than that. */
static uint64_t time_after(uint8_t format, const uint8_t time[6])
{
    uint64_t seen = 0;

    for (unsigned i = 0; i < TRIES && (!i || seen & 0xff); i++) {
        set_time(format, time);
        next_second();
        seen = get_time();
    }
    return seen;
}

/* From the reset of the divider to the update; a busy host may make it long. */
static bool updates_half_a_second_later(void)
{
    uint32_t ticks = 0;

    for (unsigned i = 0; i < TRIES && (!i || ticks >= PM_TIMER_HZ * 9 / 10); i++) {
        rtc_write(REG_A, 0x76); /* the divider is held */
        rtc_write(REG_A, 0x26);
        rtc_read(REG_C);
        uint32_t begin = pm_timer();
        WAIT_FOR(rtc_read(REG_C) & UF);
        ticks = pm_elapsed(begin);
    }
    return ticks > PM_TIMER_HZ * 4 / 10 && ticks < PM_TIMER_HZ * 9 / 10;
}

static void test_time(void)
{
    static const uint8_t new_year[6] = {0x99, 0x12, 0x31, 0x23, 0x59, 0x59};
    static const uint8_t leap_day[6] = {24, 2, 28, 23, 59, 59};
    static const uint8_t noon[6] = {0x24, 0x05, 0x06, 0x11, 0x59, 0x59};

    check("valid", rtc_read(REG_D) & 0x80, 0x80, "MC146818 register D");
    rtc_write(REG_B, SET | HOURS_24);
    rtc_write(SECONDS, 0x33);
    check("set-holds", (pm_delay(PM_TIMER_HZ * 5 / 4), rtc_read(SECONDS)), 0x33,
          "MC146818 register B");
    check("set-no-update", rtc_read(REG_A) & 0x80, 0, "MC146818 register A");
    rtc_write(REG_B, SET | UIE | HOURS_24);
    check("set-clears-uie", rtc_read(REG_B), SET | HOURS_24, "MC146818 register B");
    check("new-year", time_after(HOURS_24, new_year) & 0xffffffffff, 0x0101000000,
          "MC146818 time, calendar and alarm");
    check("new-year-year", rtc_read(YEAR), 0, "MC146818 time, calendar and alarm");
    check("leap-day", time_after(HOURS_24 | BINARY, leap_day), 0x18021d000000,
          "MC146818 time, calendar and alarm");
    check("noon", time_after(0, noon), 0x240506920000, "MC146818 time, calendar and alarm");
    check("half-a-second-after-divider-reset", updates_half_a_second_later(), 1,
          "MC146818 register A");
}

static uint64_t taken_after(unsigned count)
{
    wait_for_vectors(count);
    return vectors();
}

static void test_interrupts(void)
{
    rtc_write(REG_B, HOURS_24);
    rtc_write(REG_A, 0x26);
    rtc_read(REG_C);
    check("periodic-flag", WAIT_FOR(rtc_read(REG_C) == PF), 1, "MC146818 register C");
    window();
    check("periodic-off", vectors(), 0, "MC146818 register B");
    rtc_write(REG_B, HOURS_24 | PIE);
    check("periodic", taken_after(1), 0x28, "MC146818 register B");
    check("periodic-irqf", rtc_read(REG_C) & (IRQF | PF), IRQF | PF, "MC146818 register C");
    taken_after(1); /* and is left alone */
    pm_delay(PM_TIMER_HZ / 100);
    window();
    check("periodic-one-edge", vectors(), 0, "MC146818 register C");
    rtc_write(REG_B, HOURS_24);
    rtc_read(REG_C);
    check("c-is-cleared", rtc_read(REG_C) & (IRQF | UF | AF), 0, "MC146818 register C");
    rtc_write(REG_B, HOURS_24 | UIE);
    check("update", taken_after(1), 0x28, "MC146818 register B");
    check("update-flags", rtc_read(REG_C) & (IRQF | UF), IRQF | UF, "MC146818 register C");
    rtc_write(REG_B, HOURS_24);
    rtc_write(SECONDS_ALARM, 0xff); /* any */
    rtc_write(MINUTES_ALARM, 0xc0);
    rtc_write(HOURS_ALARM, 0xff);
    rtc_read(REG_C);
    rtc_write(REG_B, HOURS_24 | AIE);
    check("alarm-any", taken_after(1), 0x28, "MC146818 time, calendar and alarm");
    check("alarm-flags", rtc_read(REG_C) & (IRQF | AF), IRQF | AF, "MC146818 register C");
    rtc_write(REG_B, HOURS_24);
    rtc_write(HOURS_ALARM, (uint8_t)(rtc_read(HOURS) ^ 1)); /* not this hour */
    rtc_read(REG_C);
    check("alarm-other", (next_second(), rtc_read(REG_C) & AF), 0,
          "MC146818 time, calendar and alarm");
}

/* Each change of the uppermost bit sets the status. */
static void test_pm_timer(void)
{
    check("pm-24-bits", inl(PM_TIMER) >> 24, 0, "ACPI 1.0b 4.7.3.3");
    uint32_t first = pm_timer();
    check("pm-counts", WAIT_FOR(pm_timer() != first), 1, "ACPI 1.0b 4.7.3.3");
    WAIT_FOR((pm_timer() & 0x7fffff) < 0x400000); /* far from the next change */
    outw(PM_ENABLE, 0);
    outw(PM_EVENT, 1);
    check("pm-status-cleared", inw(PM_EVENT) & 1, 0, "ACPI 1.0b 4.7.3.1.1");
    uint32_t half = pm_timer() & 0x800000;
    check("pm-status", WAIT_FOR(inw(PM_EVENT) & 1), 1, "ACPI 1.0b 4.7.3.1.1");
    check("pm-status-at-change", pm_timer() & 0x800000, half ^ 0x800000, "ACPI 1.0b 4.7.3.3");
    outw(PM_CONTROL, inw(PM_CONTROL) | 1); /* SCI, on IRQ 9 */
    window();
    check("pm-not-enabled", vectors(), 0, "ACPI 1.0b 4.7.3.1.2");
    outw(PM_ENABLE, 1);
    window();
    check("pm-sci", vectors(), 0x29, "ACPI 1.0b 4.7.3.1.2");
    outw(PM_EVENT, 1);
    check("pm-sci-again", taken_after(1), 0x29, "ACPI 1.0b 4.7.3.1.2");
    outw(PM_ENABLE, 0);
    outw(PM_EVENT, 1);
}

int main(void);
int main(void)
{
    log_interrupts();
    apic_start();
    pic_start(3);
    apic_write(APIC_LVT_LINT0, 0x700);
    outb(PIC1_DATA, 0xfb);
    outb(PIC2_DATA, 0xfc);
    test_time();
    test_interrupts();
    test_pm_timer();
    return 0;
}
