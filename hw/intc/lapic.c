/* SPDX-License-Identifier: MIT */
/* Local APIC: vectors and priorities, what it accepts, LINT pins, errors. Intel SDM vol. 3, chapter
 * 11. The interrupt line to the CPU follows from the registers by apic_sync(). */
#include "hw/intc/lapic-internal.h"

#include "hw/ioapic.h"
#include "util/trace.h"

static bool test_vector(const uint32_t *words, unsigned vector)
{
    return words[vector / 32] >> vector % 32 & 1;
}

static void set_vector(uint32_t *words, unsigned vector, bool value)
{
    uint32_t bit = 1u << vector % 32;

    words[vector / 32] = value ? words[vector / 32] | bit : words[vector / 32] & ~bit;
}

/* Highest vector set, -1: none. */
static int highest_vector(const uint32_t *words)
{
    for (int i = APIC_VECTOR_WORDS - 1; i >= 0; i--) {
        if (words[i]) {
            return i * 32 + 31 - __builtin_clz(words[i]);
        }
    }
    return -1;
}

uint32_t apic_logical_id(const Apic *apic)
{
    uint32_t id = apic_id(apic);

    return apic_is_x2apic(apic) ? id >> 4 << 16 | 1u << (id & 15) : apic->ldr;
}

uint8_t apic_processor_priority(const Apic *apic)
{
    int in_service = highest_vector(apic->isr);

    if (in_service < 0 || apic->tpr >> 4 >= in_service >> 4) {
        return apic->tpr;
    }
    return (uint8_t)(in_service & 0xf0);
}

/* The vector the CPU would get from this APIC itself, -1: none. */
static int pending_vector(const Apic *apic)
{
    int vector = apic_is_enabled(apic) ? highest_vector(apic->irr) : -1;

    return vector >> 4 > apic_processor_priority(apic) >> 4 ? vector : -1;
}

/* The 8259's INT reaches the CPU: by message, by LINT0 as ExtINT, or past an APIC that is off. */
static bool pending_extint(const Apic *apic)
{
    uint32_t lint0 = apic->lvt[LVT_LINT0];

    if (!apic->pic || !(apic->lint_levels[0] || apic->extint)) {
        return false;
    }
    if (apic->extint) {
        return true;
    }
    return !apic_is_enabled(apic) ||
           (!(lint0 & LVT_MASKED) && (ApicDelivery)(lint0 >> 8 & 7) == APIC_EXTINT);
}

static bool has_interrupt(void *opaque)
{
    const Apic *apic = opaque;

    return pending_vector(apic) >= 0 || pending_extint(apic);
}

void apic_accept_vector(Apic *apic, uint8_t vector, bool level)
{
    if (vector < APIC_FIRST_LEGAL_VECTOR) {
        apic_set_error(apic, ESR_RECEIVE_ILLEGAL);
        return;
    }
    set_vector(apic->irr, vector, true);
    set_vector(apic->tmr, vector, level);
}

static void apic_sync(Object *obj)
{
    Apic *apic = (Apic *)obj;

    apic_page_sync(apic);
    apic_timer_sync(apic, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    if (has_interrupt(apic)) {
        cpu_raise_event(apic->cpu, CPU_EVENT_INTR);
    } else {
        cpu_clear_event(apic->cpu, CPU_EVENT_INTR);
    }
}

void apic_sync_now(Apic *apic)
{
    apic_sync(&apic->dev.obj);
}

void apic_reset_registers(Apic *apic)
{
    apic->tpr = 0;
    apic->ldr = 0;
    apic->dfr = UINT32_MAX;
    apic->svr = 0xff;
    apic->esr = 0;
    apic->esr_next = 0;
    apic->icr = 0;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        apic->lvt[i] = LVT_MASKED;
    }
    for (unsigned i = 0; i < APIC_VECTOR_WORDS; i++) {
        apic->isr[i] = 0;
        apic->tmr[i] = 0;
        apic->irr[i] = 0;
    }
    apic->extint = false;
    apic->divide = 0;
    apic->initial_count = 0;
    apic->due_ns = TIMER_OFF;
    apic->tsc_deadline = 0;
    if (apic->base & APIC_BASE_BSP) {
        /* Firmware finds the 8259 connected to the first CPU. */
        apic->lvt[LVT_LINT0] = APIC_EXTINT << 8;
    }
}

void apic_receive(Apic *apic, ApicDelivery mode, uint8_t vector, bool level)
{
    X86Cpu *cpu = apic->cpu;

    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST_PRIORITY:
        if (apic->svr & SVR_ENABLE) {
            apic_accept_vector(apic, vector, level);
        }
        break;
    case APIC_SMI:
        cpu_raise_event(cpu, CPU_EVENT_SMI);
        break;
    case APIC_NMI:
        cpu_raise_event(cpu, CPU_EVENT_NMI);
        break;
    case APIC_INIT:
        apic_reset_registers(apic);
        cpu_raise_event(cpu, CPU_EVENT_INIT);
        break;
    case APIC_SIPI:
        cpu->sipi_vector = vector;
        cpu_raise_event(cpu, CPU_EVENT_SIPI);
        break;
    case APIC_EXTINT:
        apic->extint |= apic->svr & SVR_ENABLE;
        break;
    default: /* reserved */
        break;
    }
    apic_sync_now(apic);
}

void apic_set_error(Apic *apic, uint32_t bit)
{
    uint32_t lvt = apic->lvt[LVT_ERROR];
    bool is_new = !(apic->esr_next & bit);

    apic->esr_next |= bit;
    if (is_new && !(lvt & LVT_MASKED) && (uint8_t)lvt >= APIC_FIRST_LEGAL_VECTOR) {
        apic_accept_vector(apic, (uint8_t)lvt, false);
        apic_sync_now(apic);
    }
}

/* A local pin with a level-triggered entry asks again until its vector's EOI finds the pin low. */
void apic_request_level_pin(Apic *apic, unsigned pin)
{
    uint32_t *lvt = &apic->lvt[LVT_LINT0 + pin];

    if (apic->lint_levels[pin] && !(*lvt & (LVT_MASKED | LVT_REMOTE_IRR)) && *lvt & LVT_LEVEL &&
        (ApicDelivery)(*lvt >> 8 & 7) == APIC_FIXED && apic->svr & SVR_ENABLE) {
        *lvt |= LVT_REMOTE_IRR;
        apic_accept_vector(apic, (uint8_t)*lvt, true);
    }
}

static void set_lint(void *owner, unsigned n, bool level)
{
    Apic *apic = owner;
    uint32_t lvt = apic->lvt[LVT_LINT0 + n];
    ApicDelivery mode = (ApicDelivery)(lvt >> 8 & 7);
    bool rises = level && !apic->lint_levels[n];

    apic->lint_levels[n] = level;
    if (rises && apic_is_enabled(apic) && !(lvt & LVT_MASKED)) {
        if (mode == APIC_FIXED && lvt & LVT_LEVEL) {
            apic_request_level_pin(apic, n);
        } else if (mode == APIC_FIXED || mode == APIC_SMI || mode == APIC_NMI ||
                   mode == APIC_INIT) { /* the others make no sense here, or are a level: ExtINT */
            apic_receive(apic, mode, (uint8_t)lvt, false);
        }
    }
    apic_sync_now(apic);
}

Irq apic_lint_pin(Apic *apic, unsigned pin)
{
    g_assert(pin < APIC_LINT_COUNT);
    return (Irq){.set = set_lint, .owner = apic, .n = pin};
}

void apic_end_of_interrupt(Apic *apic)
{
    int vector = highest_vector(apic->isr);

    if (vector < 0) {
        return;
    }
    set_vector(apic->isr, (unsigned)vector, false);
    if (!test_vector(apic->tmr, (unsigned)vector)) {
        return;
    }
    for (unsigned pin = 0; pin < APIC_LINT_COUNT; pin++) {
        if ((uint8_t)apic->lvt[LVT_LINT0 + pin] == vector) {
            apic->lvt[LVT_LINT0 + pin] &= ~(uint32_t)LVT_REMOTE_IRR;
            apic_request_level_pin(apic, pin);
        }
    }
    if (!(apic->svr & SVR_NO_EOI_BROADCAST)) {
        ioapic_end_of_interrupt((uint8_t)vector);
    }
}

/* -- What the CPU asks ------------------------------------------------------------------------- */

static int acknowledge(void *opaque)
{
    Apic *apic = opaque;
    int vector = pending_vector(apic);

    if (vector >= 0) {
        set_vector(apic->irr, (unsigned)vector, false);
        set_vector(apic->isr, (unsigned)vector, true);
    } else if (pending_extint(apic)) {
        apic->extint = false;
        vector = i8259_acknowledge(apic->pic);
    }
    TRACE(apic_acknowledge, "cpu %u vector %d", apic_id(apic), vector);
    apic_sync_now(apic);
    return vector;
}

static uint8_t get_tpr(void *opaque)
{
    const Apic *apic = opaque;

    return apic->tpr >> 4;
}

static void set_tpr(void *opaque, uint8_t cr8)
{
    Apic *apic = opaque;

    apic->tpr = (uint8_t)(cr8 << 4);
    apic_sync_now(apic);
}

static uint64_t get_base(void *opaque)
{
    const Apic *apic = opaque;

    return apic->base;
}

static const CpuApicOps cpu_ops = {.has_interrupt = has_interrupt,
                                   .acknowledge = acknowledge,
                                   .get_tpr = get_tpr,
                                   .set_tpr = set_tpr,
                                   .get_base = get_base,
                                   .set_base = apic_set_base,
                                   .msr_read = apic_msr_read,
                                   .msr_write = apic_msr_write,
                                   .text = apic_text};

/* -- Life -------------------------------------------------------------------------------------- */

static void timer_expired(void *opaque)
{
    apic_sync(opaque);
}

void apic_attach(Apic *apic, X86Cpu *cpu, I8259 *pic)
{
    apic->cpu = cpu;
    apic->pic = pic;
}

static void apic_init(Object *obj)
{
    Apic *apic = (Apic *)obj;

    timer_init(&apic->timer, main_loop(), CLOCK_TYPE_VIRTUAL, timer_expired, apic);
    apic->due_ns = TIMER_OFF;
}

static bool apic_realize(Object *obj, Error **err)
{
    Apic *apic = (Apic *)obj;

    if (!apic->cpu) {
        return error_set(err, "a local APIC belongs to a CPU and cannot stand alone");
    }
    apic->cpu->apic = apic;
    apic->cpu->apic_ops = &cpu_ops;
    apic_page_init(apic);
    apic_bus_add(apic);
    return true;
}

static void apic_unrealize(Object *obj)
{
    Apic *apic = (Apic *)obj;

    timer_del(&apic->timer);
    apic_bus_remove(apic);
    apic_page_fini(apic);
    apic->cpu->apic = NULL;
    apic->cpu->apic_ops = NULL;
}

static void apic_reset_hold(Object *obj)
{
    Apic *apic = (Apic *)obj;

    apic->base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE;
    if (cpu_is_bsp(apic->cpu)) {
        apic->base |= APIC_BASE_BSP;
    }
    apic_reset_registers(apic);
}

static const Field apic_fields[] = {LINK(Apic, cpu),
                                    LINK(Apic, pic),
                                    STATE(Apic, base),
                                    STATE(Apic, tpr),
                                    STATE(Apic, ldr),
                                    STATE(Apic, dfr),
                                    STATE(Apic, svr),
                                    STATE(Apic, esr),
                                    STATE(Apic, esr_next),
                                    STATE(Apic, icr),
                                    STATE_ARRAY(Apic, lvt),
                                    STATE_ARRAY(Apic, isr),
                                    STATE_ARRAY(Apic, tmr),
                                    STATE_ARRAY(Apic, irr),
                                    STATE_ARRAY(Apic, lint_levels),
                                    STATE(Apic, extint),
                                    STATE(Apic, divide),
                                    STATE(Apic, initial_count),
                                    STATE(Apic, due_ns, .init = TIMER_OFF),
                                    STATE(Apic, tsc_deadline),
                                    STATE_TIMER(Apic, timer),
                                    DERIVED(Apic, moved_page),
                                    FIELDS_END};

static const Type apic_type = {
    .name = "apic",
    .parent = &device_type,
    .size = sizeof(Apic),
    .desc = "local APIC",
    .fields = apic_fields,
    .init = apic_init,
    .realize = apic_realize,
    .unrealize = apic_unrealize,
    .reset_hold = apic_reset_hold,
    .sync = apic_sync,
};
DEVICE(apic_type);
