/* SPDX-License-Identifier: MIT */
/* State of a local APIC and what its two halves, registers and message bus, ask of each other. */
#ifndef HW_INTC_LAPIC_INTERNAL_H
#define HW_INTC_LAPIC_INTERNAL_H

#include "hw/apic.h"
#include "target/i386/cpu.h"

enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

enum {
    APIC_LINT_COUNT = 2,
    APIC_VECTOR_WORDS = 8,
    APIC_FIRST_LEGAL_VECTOR = 16,
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_X2APIC = 1 << 10,
    APIC_BASE_ENABLE = 1 << 11,
    SVR_ENABLE = 1 << 8,
    ESR_SEND_ILLEGAL = 1 << 5,
    ESR_RECEIVE_ILLEGAL = 1 << 6,
    ESR_ILLEGAL_REGISTER = 1 << 7
};

struct Apic {
    Device dev;
    X86Cpu *cpu;
    I8259 *pic;

    uint64_t base; /* IA32_APIC_BASE */
    uint8_t tpr;
    uint32_t ldr, dfr, svr;
    uint32_t esr, esr_next; /* what is read, what the next write latches */
    uint64_t icr;
    uint32_t lvt[LVT_COUNT];
    uint32_t isr[APIC_VECTOR_WORDS], tmr[APIC_VECTOR_WORDS], irr[APIC_VECTOR_WORDS];
    bool lint_levels[APIC_LINT_COUNT];
    uint32_t divide, initial_count;
    int64_t due_ns; /* of the counter reaching zero, TIMER_OFF: stopped */
    uint64_t tsc_deadline;
    Timer timer;
};

static inline bool apic_is_enabled(const Apic *apic)
{
    return apic->base & APIC_BASE_ENABLE;
}

static inline bool apic_is_x2apic(const Apic *apic)
{
    return apic->base & APIC_BASE_X2APIC;
}

static inline uint32_t apic_id(const Apic *apic)
{
    return apic->cpu->apic_id;
}

/* -- lapic.c ----------------------------------------------------------------------------------- */

/* LDR, computed in x2APIC mode. */
uint32_t apic_logical_id(const Apic *apic);
uint8_t apic_processor_priority(const Apic *apic);
/* One message arrives: the APIC accepts it, or not, and tells its CPU. */
void apic_receive(Apic *apic, ApicDelivery mode, uint8_t vector, bool level);
void apic_set_error(Apic *apic, uint32_t bit);
/* `index`: register offset / 16. False: reserved, or not accessible that way. */
bool apic_read_register(Apic *apic, unsigned index, uint32_t *ret_value);
bool apic_write_register(Apic *apic, unsigned index, uint32_t value);

/* -- apic-bus.c -------------------------------------------------------------------------------- */

void apic_bus_add(Apic *apic);
void apic_bus_remove(Apic *apic);
/* Sends what the ICR value says from `apic`. */
void apic_send_ipi(Apic *apic, uint64_t icr);

#endif
