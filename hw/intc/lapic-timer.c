/* SPDX-License-Identifier: MIT */
/* Timer of the local APIC: one-shot, periodic, TSC deadline. Intel SDM vol. 3, 11.5.4. It is not
 * counted: the count follows from the guest clock and the time at which it reaches zero. */
#include "hw/intc/lapic-internal.h"

enum { TIMER_MODE_SHIFT = 17, TIMER_PERIODIC = 1, TIMER_TSC_DEADLINE = 2 };
enum { LVT_TIMER_WRITABLE = 0x700ff, DIVIDE_WRITABLE = 0xb };

/* The counter runs at 1 GHz: a tick is a nanosecond of guest time. Periodic interrupts closer than
 * this are merged, so that a guest cannot keep the main loop busy with them. */
#define MIN_PERIOD_NS 20000

static unsigned timer_mode(const Apic *apic)
{
    return apic->lvt[LVT_TIMER] >> TIMER_MODE_SHIFT & 3;
}

static bool is_deadline_mode(const Apic *apic)
{
    return timer_mode(apic) == TIMER_TSC_DEADLINE;
}

static bool is_periodic(const Apic *apic)
{
    return timer_mode(apic) == TIMER_PERIODIC;
}

static unsigned divide_shift(const Apic *apic)
{
    return ((apic->divide >> 1 & 4) + (apic->divide & 3) + 1) & 7;
}

static int64_t period_ns(const Apic *apic)
{
    return (int64_t)apic->initial_count << divide_shift(apic);
}

void apic_timer_run(Apic *apic, int64_t now)
{
    uint32_t lvt = apic->lvt[LVT_TIMER];

    if (apic->due_ns > now) {
        return;
    }
    if (is_periodic(apic) && apic->initial_count) {
        apic->due_ns += ((now - apic->due_ns) / period_ns(apic) + 1) * period_ns(apic);
    } else {
        apic->due_ns = TIMER_OFF;
        apic->tsc_deadline = 0;
    }
    if (!(lvt & LVT_MASKED)) {
        apic_accept_vector(apic, (uint8_t)lvt, false);
    }
}

static void arm(Apic *apic, int64_t now)
{
    if (apic->due_ns == TIMER_OFF || apic->lvt[LVT_TIMER] & LVT_MASKED) {
        timer_del(&apic->timer);
    } else if (is_periodic(apic) && period_ns(apic) < MIN_PERIOD_NS) {
        timer_mod_ns(&apic->timer, MAX(apic->due_ns, now + MIN_PERIOD_NS));
    } else {
        timer_mod_ns(&apic->timer, apic->due_ns);
    }
}

void apic_timer_sync(Apic *apic, int64_t now)
{
    if (is_deadline_mode(apic)) {
        apic->due_ns =
            apic->tsc_deadline ? cpu_tsc_to_virtual_ns(apic->cpu, apic->tsc_deadline) : TIMER_OFF;
    }
    apic_timer_run(apic, now);
    arm(apic, now);
}

uint32_t apic_timer_current_count(Apic *apic)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    int64_t left;

    if (is_deadline_mode(apic)) {
        return 0;
    }
    apic_timer_run(apic, now);
    if (apic->due_ns == TIMER_OFF) {
        return 0;
    }
    left = apic->due_ns - now + (1ll << divide_shift(apic)) - 1;
    return (uint32_t)MIN(left >> divide_shift(apic), apic->initial_count);
}

void apic_timer_write_initial_count(Apic *apic, uint32_t value)
{
    if (is_deadline_mode(apic)) {
        return;
    }
    apic->initial_count = value;
    apic->due_ns = value ? clock_now_ns(CLOCK_TYPE_VIRTUAL) + period_ns(apic) : TIMER_OFF;
}

/* What is left is counted on at the new rate. */
void apic_timer_write_divide(Apic *apic, uint32_t value)
{
    uint32_t left = apic_timer_current_count(apic);

    apic->divide = value & DIVIDE_WRITABLE;
    if (left && !is_deadline_mode(apic)) {
        apic->due_ns = clock_now_ns(CLOCK_TYPE_VIRTUAL) + ((int64_t)left << divide_shift(apic));
    }
}

/* Into TSC-deadline mode and out of it the timer is disarmed: 11.5.4.1. */
void apic_timer_write_lvt(Apic *apic, uint32_t value)
{
    bool was_deadline = is_deadline_mode(apic);

    apic->lvt[LVT_TIMER] = value & LVT_TIMER_WRITABLE;
    if (was_deadline != is_deadline_mode(apic)) {
        apic->due_ns = TIMER_OFF;
        apic->tsc_deadline = 0;
        apic->initial_count = 0;
    }
}

void apic_timer_write_deadline(Apic *apic, uint64_t tsc)
{
    apic->tsc_deadline = is_deadline_mode(apic) ? tsc : 0;
}
