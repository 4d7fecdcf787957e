/* SPDX-License-Identifier: MIT */
/* Local APIC in xAPIC and x2APIC mode with timer and TSC deadline. Intel SDM vol. 3, chapter 11.
 * The interrupt line to the CPU and the timer's deadline follow from the registers by apic_sync().
 */
#include "hw/intc/lapic-internal.h"

#include "hw/ioapic.h"
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
    LVT_PENDING = 1 << 12, /* read-only, always 0: delivery takes no time here */
    LVT_REMOTE_IRR = 1 << 14,
    LVT_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16,
    LVT_MODE_SHIFT = 17,
    TIMER_PERIODIC = 1,
    TIMER_TSC_DEADLINE = 2,
    VERSION = 0x14 | (LVT_COUNT - 1) << 16,
    SVR_WRITABLE = 0x1ff,
    ICR_WRITABLE = 0xccfff
};

/* The counter runs at 1 GHz: a tick is a nanosecond of guest time. Periodic interrupts closer than
 * this are merged, so that a guest cannot keep the main loop busy with them. */
#define MIN_PERIOD_NS 20000

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERFORMANCE] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff};

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

/* The 8259's INT reaches the CPU: by LINT0 as ExtINT, or past an APIC that is off. */
static bool pending_extint(const Apic *apic)
{
    uint32_t lint0 = apic->lvt[LVT_LINT0];

    if (!apic->pic || !apic->lint_levels[0]) {
        return false;
    }
    return !apic_is_enabled(apic) ||
           (!(lint0 & LVT_MASKED) && (ApicDelivery)(lint0 >> 8 & 7) == APIC_EXTINT);
}

static bool has_interrupt(void *opaque)
{
    const Apic *apic = opaque;

    return pending_vector(apic) >= 0 || pending_extint(apic);
}

static bool is_deadline_mode(const Apic *apic)
{
    return (apic->lvt[LVT_TIMER] >> LVT_MODE_SHIFT & 3) == TIMER_TSC_DEADLINE;
}

static bool is_periodic(const Apic *apic)
{
    return (apic->lvt[LVT_TIMER] >> LVT_MODE_SHIFT & 3) == TIMER_PERIODIC;
}

static unsigned divide_shift(const Apic *apic)
{
    return ((apic->divide >> 1 & 4) + (apic->divide & 3) + 1) & 7;
}

static int64_t period_ns(const Apic *apic)
{
    return (int64_t)apic->initial_count << divide_shift(apic);
}

static void accept_vector(Apic *apic, uint8_t vector, bool level)
{
    if (vector < APIC_FIRST_LEGAL_VECTOR) {
        apic_set_error(apic, ESR_RECEIVE_ILLEGAL);
        return;
    }
    set_vector(apic->irr, vector, true);
    set_vector(apic->tmr, vector, level);
}

/* The counter has reached zero once or more often since the last look. */
static void run_timer(Apic *apic, int64_t now)
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
        accept_vector(apic, (uint8_t)lvt, false);
    }
}

static void arm_timer(Apic *apic, int64_t now)
{
    if (apic->due_ns == TIMER_OFF || apic->lvt[LVT_TIMER] & LVT_MASKED) {
        timer_del(&apic->timer);
    } else if (is_periodic(apic)) {
        timer_mod_ns(&apic->timer, MAX(apic->due_ns, now + MIN(MIN_PERIOD_NS, period_ns(apic))));
    } else {
        timer_mod_ns(&apic->timer, apic->due_ns);
    }
}

static void apic_sync(Object *obj)
{
    Apic *apic = (Apic *)obj;
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);

    if (is_deadline_mode(apic)) {
        apic->due_ns =
            apic->tsc_deadline ? cpu_tsc_to_virtual_ns(apic->cpu, apic->tsc_deadline) : TIMER_OFF;
    }
    run_timer(apic, now);
    arm_timer(apic, now);
    if (has_interrupt(apic)) {
        cpu_raise_event(apic->cpu, CPU_EVENT_INTR);
    } else {
        cpu_clear_event(apic->cpu, CPU_EVENT_INTR);
    }
}

static void sync_now(Apic *apic)
{
    apic_sync(&apic->dev.obj);
}

/* Power-up and INIT state of the registers; base, pins and identity stay. */
static void reset_registers(Apic *apic)
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
            accept_vector(apic, vector, level);
        }
        break;
    case APIC_SMI:
        cpu_raise_event(cpu, CPU_EVENT_SMI);
        break;
    case APIC_NMI:
        cpu_raise_event(cpu, CPU_EVENT_NMI);
        break;
    case APIC_INIT:
        reset_registers(apic);
        cpu_raise_event(cpu, CPU_EVENT_INIT);
        break;
    case APIC_SIPI:
        cpu->sipi_vector = vector;
        cpu_raise_event(cpu, CPU_EVENT_SIPI);
        break;
    default: /* ExtINT: the 8259's line says it all */
        break;
    }
    sync_now(apic);
}

void apic_set_error(Apic *apic, uint32_t bit)
{
    uint32_t lvt = apic->lvt[LVT_ERROR];
    bool is_new = !(apic->esr_next & bit);

    apic->esr_next |= bit;
    if (is_new && !(lvt & LVT_MASKED) && (uint8_t)lvt >= APIC_FIRST_LEGAL_VECTOR) {
        accept_vector(apic, (uint8_t)lvt, false);
        sync_now(apic);
    }
}

/* A local pin with a level-triggered entry asks again until its vector's EOI finds the pin low. */
static void request_level_pin(Apic *apic, unsigned pin)
{
    uint32_t *lvt = &apic->lvt[LVT_LINT0 + pin];

    if (apic->lint_levels[pin] && !(*lvt & (LVT_MASKED | LVT_REMOTE_IRR)) && *lvt & LVT_LEVEL &&
        (ApicDelivery)(*lvt >> 8 & 7) == APIC_FIXED && apic->svr & SVR_ENABLE) {
        *lvt |= LVT_REMOTE_IRR;
        accept_vector(apic, (uint8_t)*lvt, true);
    }
}

static void set_lint(void *owner, unsigned n, bool level)
{
    Apic *apic = owner;
    uint32_t lvt = apic->lvt[LVT_LINT0 + n];
    ApicDelivery mode = (ApicDelivery)(lvt >> 8 & 7);
    bool rises = level && !apic->lint_levels[n];

    apic->lint_levels[n] = level;
    if (apic_is_enabled(apic) && !(lvt & LVT_MASKED) && mode != APIC_EXTINT && rises) {
        if (mode == APIC_FIXED && lvt & LVT_LEVEL) {
            request_level_pin(apic, n);
        } else {
            apic_receive(apic, mode, (uint8_t)lvt, false);
        }
    }
    sync_now(apic);
}

Irq apic_lint_pin(Apic *apic, unsigned pin)
{
    g_assert(pin < APIC_LINT_COUNT);
    return (Irq){.set = set_lint, .owner = apic, .n = pin};
}

static void end_of_interrupt(Apic *apic)
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
            request_level_pin(apic, pin);
        }
    }
    ioapic_end_of_interrupt((uint8_t)vector);
}

static uint32_t current_count(Apic *apic)
{
    int64_t now = clock_now_ns(CLOCK_TYPE_VIRTUAL);
    int64_t left;

    if (is_deadline_mode(apic)) {
        return 0;
    }
    run_timer(apic, now);
    if (apic->due_ns == TIMER_OFF) {
        return 0;
    }
    left = apic->due_ns - now + (1ll << divide_shift(apic)) - 1;
    return (uint32_t)MIN(left >> divide_shift(apic), apic->initial_count);
}

static void start_counter(Apic *apic)
{
    apic->due_ns =
        apic->initial_count ? clock_now_ns(CLOCK_TYPE_VIRTUAL) + period_ns(apic) : TIMER_OFF;
}

bool apic_read_register(Apic *apic, unsigned index, uint32_t *ret_value)
{
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
        *ret_value = current_count(apic);
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
    bool was_deadline = is_deadline_mode(apic);
    uint32_t kept = apic->lvt[entry] & LVT_REMOTE_IRR;

    apic->lvt[entry] = (value & lvt_writable[entry]) | kept;
    if (!(apic->svr & SVR_ENABLE)) {
        apic->lvt[entry] |= LVT_MASKED;
    }
    if (entry == LVT_TIMER && was_deadline != is_deadline_mode(apic)) {
        apic->due_ns = TIMER_OFF;
        apic->tsc_deadline = 0;
        apic->initial_count = 0;
    } else if (entry == LVT_LINT0 || entry == LVT_LINT1) {
        request_level_pin(apic, entry - LVT_LINT0);
    }
}

static void write_divide(Apic *apic, uint32_t value)
{
    uint32_t left = current_count(apic);

    apic->divide = value & 0xb;
    if (left && !is_deadline_mode(apic)) {
        apic->due_ns = clock_now_ns(CLOCK_TYPE_VIRTUAL) + ((int64_t)left << divide_shift(apic));
    }
}

bool apic_write_register(Apic *apic, unsigned index, uint32_t value)
{
    TRACE(apic_write, "cpu %u register 0x%02x value 0x%08x", apic_id(apic), index, value);
    run_timer(apic, clock_now_ns(CLOCK_TYPE_VIRTUAL));
    if (index >= REG_LVT && index < REG_LVT + LVT_COUNT) {
        write_lvt(apic, index - REG_LVT, value);
        sync_now(apic);
        return true;
    }
    switch (index) {
    case REG_TPR:
        apic->tpr = (uint8_t)value;
        break;
    case REG_EOI:
        end_of_interrupt(apic);
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
        if (!is_deadline_mode(apic)) {
            apic->initial_count = value;
            start_counter(apic);
        }
        break;
    case REG_DIVIDE:
        write_divide(apic, value);
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
    sync_now(apic);
    return true;
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
        vector = i8259_acknowledge(apic->pic);
    }
    TRACE(apic_acknowledge, "cpu %u vector %d", apic_id(apic), vector);
    sync_now(apic);
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
    sync_now(apic);
}

static uint64_t get_base(void *opaque)
{
    const Apic *apic = opaque;

    return apic->base;
}

static bool set_base(void *opaque, uint64_t value)
{
    Apic *apic = opaque;
    uint64_t mode_bits = APIC_BASE_ENABLE | APIC_BASE_X2APIC;
    uint64_t from = apic->base & mode_bits, to = value & mode_bits;

    if (value & ~(0xfffffffff000ull | mode_bits | APIC_BASE_BSP) || to == APIC_BASE_X2APIC) {
        return false;
    }
    if ((from == mode_bits && to == APIC_BASE_ENABLE) || (!from && to == mode_bits)) {
        return false; /* x2APIC is left by switching off and entered from xAPIC */
    }
    if ((value ^ apic->base) >> TARGET_PAGE_BITS) {
        guest_unimplemented(apic, "local APIC registers at another address");
    }
    apic->base = value;
    if (from && !to) {
        reset_registers(apic);
    }
    sync_now(apic);
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
    default:
        return index >= REG_LVT && index < REG_LVT + LVT_COUNT ? lvt_writable[index - REG_LVT] : 0;
    }
}

static bool is_x2apic_writable(unsigned index)
{
    return index == REG_EOI || index == REG_ESR || x2apic_writable(index);
}

static bool msr_read(void *opaque, uint32_t msr, uint64_t *ret_value)
{
    Apic *apic = opaque;
    uint32_t value;

    if (msr == MSR_TSC_DEADLINE) {
        run_timer(apic, clock_now_ns(CLOCK_TYPE_VIRTUAL));
        *ret_value = apic->tsc_deadline;
        return true;
    }
    if (!apic_is_x2apic(apic) || !apic_read_register(apic, msr - MSR_X2APIC_FIRST, &value)) {
        return false;
    }
    *ret_value = msr - MSR_X2APIC_FIRST == REG_ICR_LOW ? apic->icr : value;
    return true;
}

static bool msr_write(void *opaque, uint32_t msr, uint64_t value)
{
    Apic *apic = opaque;
    unsigned index = msr - MSR_X2APIC_FIRST;

    if (msr == MSR_TSC_DEADLINE) {
        apic->tsc_deadline = is_deadline_mode(apic) ? value : 0;
        sync_now(apic);
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

static const CpuApicOps cpu_ops = {.has_interrupt = has_interrupt,
                                   .acknowledge = acknowledge,
                                   .get_tpr = get_tpr,
                                   .set_tpr = set_tpr,
                                   .get_base = get_base,
                                   .set_base = set_base,
                                   .msr_read = msr_read,
                                   .msr_write = msr_write};

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
    apic_bus_add(apic);
    return true;
}

static void apic_unrealize(Object *obj)
{
    Apic *apic = (Apic *)obj;

    timer_del(&apic->timer);
    apic_bus_remove(apic);
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
    reset_registers(apic);
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
                                    STATE(Apic, divide),
                                    STATE(Apic, initial_count),
                                    STATE(Apic, due_ns, .init = TIMER_OFF),
                                    STATE(Apic, tsc_deadline),
                                    STATE_TIMER(Apic, timer),
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
