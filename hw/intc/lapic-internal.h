/* SPDX-License-Identifier: MIT */
/* State of a local APIC and what its parts ask of each other: the core (lapic.c), its timer
 * (lapic-timer.c), registers and modes (lapic-registers.c), messages between APICs (apic-bus.c) and
 * the memory all that is seen in (apic-region.c). */
#ifndef HW_INTC_LAPIC_INTERNAL_H
#define HW_INTC_LAPIC_INTERNAL_H

#include "hw/apic.h"
#include "target/i386/cpu.h"

enum { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR, LVT_COUNT };

enum {
    LVT_PENDING = 1 << 12, /* read-only, always 0: delivery takes no time here */
    LVT_REMOTE_IRR = 1 << 14,
    LVT_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16
};

enum {
    APIC_LINT_COUNT = 2,
    APIC_VECTOR_WORDS = 8,
    APIC_FIRST_LEGAL_VECTOR = 16,
    SVR_ENABLE = 1 << 8,
    SVR_NO_EOI_BROADCAST = 1 << 12,
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
    bool extint; /* an ExtINT message came: the 8259 has the vector */
    uint32_t divide, initial_count;
    int64_t due_ns; /* of the counter reaching zero, TIMER_OFF: stopped */
    uint64_t tsc_deadline;
    Timer timer;

    Region moved_page; /* the registers, where the base is not the usual one */
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

/* Address of the page the registers are in. */
static inline uint64_t apic_page(const Apic *apic)
{
    return apic->base >> TARGET_PAGE_BITS << TARGET_PAGE_BITS;
}

/* -- lapic.c ----------------------------------------------------------------------------------- */

/* LDR, computed in x2APIC mode. */
uint32_t apic_logical_id(const Apic *apic);
uint8_t apic_processor_priority(const Apic *apic);
/* One message arrives: the APIC accepts it, or not, and tells its CPU. */
void apic_receive(Apic *apic, ApicDelivery mode, uint8_t vector, bool level);
/* A fixed interrupt is put into IRR, or is illegal. */
void apic_accept_vector(Apic *apic, uint8_t vector, bool level);
void apic_set_error(Apic *apic, uint32_t bit);
void apic_end_of_interrupt(Apic *apic);
/* A LINT pin with a level-triggered entry may have something to ask for. */
void apic_request_level_pin(Apic *apic, unsigned pin);
/* Power-up and INIT state of the registers; base, pins and identity stay. */
void apic_reset_registers(Apic *apic);
void apic_sync_now(Apic *apic);

/* -- lapic-timer.c ----------------------------------------------------------------------------- */

/* Accounts for what has happened since the last look. */
void apic_timer_run(Apic *apic, int64_t now);
/* Derives the deadline in TSC-deadline mode and arms the host side. */
void apic_timer_sync(Apic *apic, int64_t now);
uint32_t apic_timer_current_count(Apic *apic);
void apic_timer_write_initial_count(Apic *apic, uint32_t value);
void apic_timer_write_divide(Apic *apic, uint32_t value);
void apic_timer_write_lvt(Apic *apic, uint32_t value);
void apic_timer_write_deadline(Apic *apic, uint64_t tsc);

/* -- lapic-registers.c ------------------------------------------------------------------------- */

/* `index`: register offset / 16. False: reserved, or not accessible that way. */
bool apic_read_register(Apic *apic, unsigned index, uint32_t *ret_value);
bool apic_write_register(Apic *apic, unsigned index, uint32_t value);
/* As CpuApicOps has them. */
bool apic_msr_read(void *opaque, uint32_t msr, uint64_t *ret_value);
bool apic_msr_write(void *opaque, uint32_t msr, uint64_t value);
bool apic_set_base(void *opaque, uint64_t value);

/* lapic-text.c: what `info lapic` shows; caller frees. */
char *apic_text(void *apic);
char *apic_registers_text(const Apic *apic, uint32_t current_count);

/* -- apic-bus.c -------------------------------------------------------------------------------- */

void apic_bus_add(Apic *apic);
void apic_bus_remove(Apic *apic);
/* The first one there is, or NULL. */
Apic *apic_bus_first(void);
/* Sends what the ICR value says from `apic`. */
void apic_send_ipi(Apic *apic, uint64_t icr);

/* -- apic-region.c ----------------------------------------------------------------------------- */

void apic_page_init(Apic *apic);
void apic_page_fini(Apic *apic);
/* Puts the page of registers where the base says. */
void apic_page_sync(Apic *apic);

#endif
