/* SPDX-License-Identifier: MIT */
/* Registers of the local APIC, by memory and, in x2APIC mode, by MSR; IA32_APIC_BASE and the modes.
 * Intel SDM vol. 3, 11.4.1, 11.4.3 and 11.12. */
#include "hw/intc/lapic-internal.h"

#include "util/trace.h"

enum { /* register offset / 16, and MSR - 800h */
       REG_ID = 0x02,
       REG_VERSION = 0x03,
       REG_TPR = 0x08,
       REG_APR = 0x09,
       REG_PPR = 0x0a,
       REG_EOI = 0x0b,
       REG_RRD = 0x0c,
       REG_LDR = 0x0d,
       REG_DFR = 0x0e,
       REG_SVR = 0x0f,
       REG_ISR = 0x10,
       REG_TMR = 0x18,
       REG_IRR = 0x20,
       REG_ESR = 0x28,
       REG_ICR_LOW = 0x30,
       REG_ICR_HIGH = 0x31,
       REG_LVT = 0x32,
       REG_INITIAL_COUNT = 0x38,
       REG_CURRENT_COUNT = 0x39,
       REG_DIVIDE = 0x3e,
       REG_SELF_IPI = 0x3f
};

enum {
    VERSION = 0x14 | (LVT_COUNT - 1) << 16 | 1 << 24, /* EOI broadcasts can be suppressed */
    SVR_WRITABLE = 0x1ff | SVR_NO_EOI_BROADCAST,
    ICR_WRITABLE = 0xccfff
};

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff};

bool apic_read_register(Apic *apic, unsigned index, uint32_t *ret_value)
{
    apic_sync_now(apic); /* what can be seen of the timer has been told to the CPU */
    if (index >= REG_ISR && index < REG_ISR + APIC_VECTOR_WORDS) {
        *ret_value = apic->isr[index - REG_ISR];
        return true;
    }
    if (index >= REG_TMR && index < REG_TMR + APIC_VECTOR_WORDS) {
        *ret_value = apic->tmr[index - REG_TMR];
        return true;
    }
    if (index >= REG_IRR && index < REG_IRR + APIC_VECTOR_WORDS) {
        *ret_value = apic->irr[index - REG_IRR];
        return true;
    }
    if (index >= REG_LVT && index < REG_LVT + LVT_COUNT) {
        *ret_value = apic->lvt[index - REG_LVT];
        return true;
    }
    switch (index) {
    case REG_ID:
        *ret_value = apic_is_x2apic(apic) ? apic_id(apic) : apic_id(apic) << 24;
        return true;
    case REG_VERSION:
        *ret_value = VERSION;
        return true;
    case REG_TPR:
        *ret_value = apic->tpr;
        return true;
    case REG_APR:
    case REG_RRD:
    case REG_EOI:
        *ret_value = 0;
        return !apic_is_x2apic(apic);
    case REG_PPR:
        *ret_value = apic_processor_priority(apic);
        return true;
    case REG_LDR:
        *ret_value = apic_logical_id(apic);
        return true;
    case REG_DFR:
        *ret_value = apic->dfr;
        return !apic_is_x2apic(apic);
    case REG_SVR:
        *ret_value = apic->svr;
        return true;
    case REG_ESR:
        *ret_value = apic->esr;
        return true;
    case REG_ICR_LOW:
        *ret_value = (uint32_t)apic->icr;
        return true;
    case REG_ICR_HIGH:
        *ret_value = (uint32_t)(apic->icr >> 32);
        return !apic_is_x2apic(apic);
    case REG_INITIAL_COUNT:
        *ret_value = apic->initial_count;
        return true;
    case REG_CURRENT_COUNT:
        *ret_value = apic_timer_current_count(apic);
        return true;
    case REG_DIVIDE:
        *ret_value = apic->divide;
        return true;
    default:
        return false;
    }
}

static void write_svr(Apic *apic, uint32_t value)
{
    apic->svr = value & SVR_WRITABLE;
    if (apic->svr & SVR_ENABLE) {
        return;
    }
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        apic->lvt[i] |= LVT_MASKED;
    }
}

static void write_lvt(Apic *apic, unsigned entry, uint32_t value)
{
    uint32_t kept = value & LVT_LEVEL ? apic->lvt[entry] & LVT_REMOTE_IRR : 0;

    if (!(apic->svr & SVR_ENABLE)) {
        value |= LVT_MASKED;
    }
    if (entry == LVT_TIMER) {
        apic_timer_write_lvt(apic, value);
        return;
    }
    apic->lvt[entry] = (value & lvt_writable[entry]) | kept;
    if (entry == LVT_LINT0 || entry == LVT_LINT1) {
        apic_request_level_pin(apic, entry - LVT_LINT0);
    }
}

bool apic_write_register(Apic *apic, unsigned index, uint32_t value)
{
    TRACE(apic_write, "cpu %u register 0x%02x value 0x%08x", apic_id(apic), index, value);
    apic_timer_run(apic, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    if (index >= REG_LVT && index < REG_LVT + LVT_COUNT) {
        write_lvt(apic, index - REG_LVT, value);
        apic_sync_now(apic);
        return true;
    }
    switch (index) {
    case REG_TPR:
        apic->tpr = (uint8_t)value;
        break;
    case REG_EOI:
        apic_end_of_interrupt(apic);
        break;
    case REG_LDR:
        apic->ldr = value & 0xff000000u;
        break;
    case REG_DFR:
        apic->dfr = value | 0x0fffffffu;
        break;
    case REG_SVR:
        write_svr(apic, value);
        break;
    case REG_ESR:
        apic->esr = apic->esr_next;
        apic->esr_next = 0;
        break;
    case REG_ICR_LOW:
        apic->icr = (apic->icr & ~0xffffffffull) | (value & ICR_WRITABLE);
        apic_send_ipi(apic, apic->icr);
        break;
    case REG_ICR_HIGH:
        apic->icr = (uint32_t)apic->icr | (uint64_t)(value & 0xff000000u) << 32;
        break;
    case REG_INITIAL_COUNT:
        apic_timer_write_initial_count(apic, value);
        break;
    case REG_DIVIDE:
        apic_timer_write_divide(apic, value);
        break;
    case REG_ID: /* fixed on every CPU since the Pentium 4 */
    case REG_VERSION:
    case REG_APR:
    case REG_PPR:
    case REG_RRD:
    case REG_CURRENT_COUNT:
        break;
    default:
        return false;
    }
    apic_sync_now(apic);
    return true;
}

/* -- Modes ------------------------------------------------------------------------------------- */

bool apic_set_base(void *opaque, uint64_t value)
{
    Apic *apic = opaque;
    uint64_t mode_bits = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
    uint64_t from = apic->base & mode_bits, to = value & mode_bits;

    if (value & ~(0xffffffffff000ull | mode_bits | APIC_BASE_BSP) || to == APIC_BASE_X2APIC) {
        return false;
    }
    if ((from == mode_bits && to == APIC_BASE_ENABLE) || (!from && to == mode_bits)) {
        return false; /* x2APIC is left by switching off and entered from xAPIC */
    }
    apic->base = value;
    if (from && !to) {
        apic_reset_registers(apic);
    }
    apic_sync_now(apic);
    return true;
}

/* Bits an x2APIC register write may set; elsewhere the core of the register says. */
static uint64_t x2apic_writable(unsigned index)
{
    switch (index) {
    case REG_TPR:
    case REG_SELF_IPI:
        return 0xff;
    case REG_EOI:
    case REG_ESR:
        return 0;
    case REG_ICR_LOW:
        return 0xffffffff00000000ull | ICR_WRITABLE;
    case REG_SVR:
        return SVR_WRITABLE;
    case REG_DIVIDE:
        return 0xb;
    case REG_INITIAL_COUNT:
        return 0xffffffff;
    default: /* what is read as status may be written back */
        return index >= REG_LVT && index < REG_LVT + LVT_COUNT
                   ? lvt_writable[index - REG_LVT] | LVT_PENDING | LVT_REMOTE_IRR
                   : 0;
    }
}

static bool is_x2apic_writable(unsigned index)
{
    return index == REG_EOI || index == REG_ESR || x2apic_writable(index);
}

bool apic_msr_read(void *opaque, uint32_t msr, uint64_t *ret_value)
{
    Apic *apic = opaque;
    uint32_t value;

    if (msr == MSR_TSC_DEADLINE) {
        apic_sync_now(apic);
        *ret_value = apic->tsc_deadline;
        return true;
    }
    if (!apic_is_x2apic(apic) || !apic_read_register(apic, msr - MSR_X2APIC_FIRST, &value)) {
        return false;
    }
    *ret_value = msr - MSR_X2APIC_FIRST == REG_ICR_LOW ? apic->icr : value;
    return true;
}

bool apic_msr_write(void *opaque, uint32_t msr, uint64_t value)
{
    Apic *apic = opaque;
    unsigned index = msr - MSR_X2APIC_FIRST;

    if (msr == MSR_TSC_DEADLINE) {
        apic_timer_write_deadline(apic, value);
        apic_sync_now(apic);
        return true;
    }
    if (!apic_is_x2apic(apic) || !is_x2apic_writable(index) || value & ~x2apic_writable(index)) {
        return false;
    }
    if (index == REG_SELF_IPI) {
        apic_receive(apic, APIC_FIXED, (uint8_t)value, false);
        return true;
    }
    if (index == REG_ICR_LOW) {
        apic->icr = value;
    }
    return apic_write_register(apic, index, (uint32_t)value);
}
