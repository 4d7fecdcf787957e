/* SPDX-License-Identifier: MIT */
/* A local APIC that the kernel plays (KVM): its state while the CPU does not run, and the 8259's
 * line to the first CPU where that one is ours. Register layout: Intel SDM vol. 3, table 11-1. */
#include "accel/kvm.h"
#include "hw/intc/lapic-internal.h"
#include "hw/kvm-chips.h"

#include <string.h>

enum {
    PAGE_BYTES = 1024,
    REGISTER_ID = 0x20,
    REGISTER_TPR = 0x80,
    REGISTER_LDR = 0xd0,
    REGISTER_DFR = 0xe0,
    REGISTER_SVR = 0xf0,
    REGISTER_ISR = 0x100,
    REGISTER_TMR = 0x180,
    REGISTER_IRR = 0x200,
    REGISTER_ESR = 0x280,
    REGISTER_LVT_CMCI = 0x2f0,
    REGISTER_ICR = 0x300,
    REGISTER_LVT_FIRST = 0x320,
    REGISTER_LVT_LINT0 = 0x350,
    REGISTER_LVT_LINT1 = 0x360,
    REGISTER_LVT_LAST = 0x370,
    REGISTER_COUNT = 0x380, /* initial; 16 bytes on, the current one */
    REGISTER_DIVIDE = 0x3e0
};

enum { LVT_EXTINT = 7 << 8, LVT_NMI = 4 << 8, LVT_MODE = 7 << 8, SVR_RESET = 0xff };

struct KvmApic {
    Device dev;
    X86Cpu *cpu;
    I8259 *pic;
    uint64_t base;
    uint8_t tpr;
    uint8_t page[PAGE_BYTES]; /* of the kernel, when it was last asked */
    bool pic_asks;            /* level of the 8259's INT, at the first CPU */
};

static KvmApic *first; /* the one whose LINT0 the 8259 is wired to */

static bool has_interrupt(void *opaque)
{
    const KvmApic *apic = opaque;

    return apic->pic_asks;
}

static int acknowledge(void *opaque)
{
    const KvmApic *apic = opaque;

    return apic->pic ? i8259_acknowledge(apic->pic) : -1;
}

static uint8_t get_tpr(void *opaque)
{
    const KvmApic *apic = opaque;

    return apic->tpr;
}

static void set_tpr(void *opaque, uint8_t cr8)
{
    KvmApic *apic = opaque;

    apic->tpr = cr8;
}

static uint64_t get_base(void *opaque)
{
    const KvmApic *apic = opaque;

    return apic->base;
}

static bool set_base(void *opaque, uint64_t value)
{
    KvmApic *apic = opaque;

    apic->base = value;
    return true;
}

static uint8_t *kernel_page(void *opaque)
{
    KvmApic *apic = opaque;

    return apic->page;
}

static uint32_t get(const KvmApic *apic, unsigned offset)
{
    uint32_t value;

    memcpy(&value, apic->page + offset, sizeof(value));
    return value;
}

static void nothing(Vcpu *vcpu, void *opaque)
{
}

/* Work on the CPU has its state saved, and with it the page. */
static char *text(void *opaque)
{
    KvmApic *apic = opaque;
    Apic view = {.cpu = apic->cpu, .base = apic->base};

    vcpu_run_on(&apic->cpu->vcpu, nothing, NULL);
    view.tpr = (uint8_t)get(apic, REGISTER_TPR);
    view.ldr = get(apic, REGISTER_LDR);
    view.dfr = get(apic, REGISTER_DFR);
    view.svr = get(apic, REGISTER_SVR);
    view.esr = get(apic, REGISTER_ESR);
    view.icr = get(apic, REGISTER_ICR) | (uint64_t)get(apic, REGISTER_ICR + 16) << 32;
    view.divide = get(apic, REGISTER_DIVIDE);
    view.initial_count = get(apic, REGISTER_COUNT);
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        view.lvt[i] = get(apic, REGISTER_LVT_FIRST + 16 * i);
    }
    for (unsigned i = 0; i < APIC_VECTOR_WORDS; i++) {
        view.isr[i] = get(apic, REGISTER_ISR + 16 * i);
        view.tmr[i] = get(apic, REGISTER_TMR + 16 * i);
        view.irr[i] = get(apic, REGISTER_IRR + 16 * i);
    }
    return apic_registers_text(&view, get(apic, REGISTER_COUNT + 16));
}

static const CpuApicOps cpu_ops = {.has_interrupt = has_interrupt,
                                   .acknowledge = acknowledge,
                                   .get_tpr = get_tpr,
                                   .set_tpr = set_tpr,
                                   .get_base = get_base,
                                   .set_base = set_base,
                                   .text = text,
                                   .kernel_page = kernel_page};

static void set_pic_line(void *owner, unsigned n, bool level)
{
    if (!first) {
        return;
    }
    first->pic_asks = level;
    if (level) {
        cpu_raise_event(first->cpu, CPU_EVENT_INTR);
    } else {
        cpu_clear_event(first->cpu, CPU_EVENT_INTR);
    }
}

Irq kvm_apic_pic_line(void)
{
    return (Irq){.set = set_pic_line};
}

/* As work on the CPU, so that the page is what the kernel has now. */
static void pulse_lint1(Vcpu *vcpu, void *opaque)
{
    const KvmApic *apic = opaque;
    uint32_t lint1 = get(apic, REGISTER_LVT_LINT1);

    if (!(lint1 & LVT_MASKED) && (lint1 & LVT_MODE) == LVT_NMI) {
        cpu_raise_event(apic->cpu, CPU_EVENT_NMI);
    }
}

void kvm_apic_pulse_nmi(X86Cpu *cpu)
{
    vcpu_post(&cpu->vcpu, pulse_lint1, cpu->apic);
}

void kvm_apic_attach(KvmApic *apic, X86Cpu *cpu, I8259 *pic)
{
    apic->cpu = cpu;
    apic->pic = pic;
}

static void put(KvmApic *apic, unsigned offset, uint32_t value)
{
    memcpy(apic->page + offset, &value, sizeof(value));
}

static bool kvm_apic_realize(Object *obj, Error **err)
{
    KvmApic *apic = (KvmApic *)obj;

    if (!apic->cpu) {
        return error_set(err, "a local APIC belongs to a CPU and cannot stand alone");
    }
    apic->cpu->apic = apic;
    apic->cpu->apic_ops = &cpu_ops;
    if (cpu_is_bsp(apic->cpu)) {
        first = apic;
    }
    return true;
}

static void kvm_apic_unrealize(Object *obj)
{
    KvmApic *apic = (KvmApic *)obj;

    apic->cpu->apic = NULL;
    apic->cpu->apic_ops = NULL;
    if (first == apic) {
        first = NULL;
    }
}

static void kvm_apic_reset_hold(Object *obj)
{
    KvmApic *apic = (KvmApic *)obj;
    bool is_bsp = cpu_is_bsp(apic->cpu);

    apic->base = APIC_DEFAULT_BASE | APIC_BASE_ENABLE | (is_bsp ? APIC_BASE_BSP : 0);
    put(apic, REGISTER_ID, apic->cpu->apic_id << 24);
    put(apic, REGISTER_DFR, UINT32_MAX);
    put(apic, REGISTER_SVR, SVR_RESET);
    put(apic, REGISTER_LVT_CMCI, LVT_MASKED);
    for (unsigned offset = REGISTER_LVT_FIRST; offset <= REGISTER_LVT_LAST; offset += 16) {
        put(apic, offset, LVT_MASKED);
    }
    if (is_bsp) { /* firmware finds the 8259 connected to the first CPU */
        put(apic, REGISTER_LVT_LINT0, LVT_EXTINT);
    }
}

static const Field kvm_apic_fields[] = {
    LINK(KvmApic, cpu),  LINK(KvmApic, pic),         STATE(KvmApic, base),
    STATE(KvmApic, tpr), STATE_ARRAY(KvmApic, page), STATE(KvmApic, pic_asks),
    FIELDS_END};

static const Type kvm_apic_type = {
    .name = "kvm-apic",
    .parent = &device_type,
    .size = sizeof(KvmApic),
    .desc = "local APIC of the kernel",
    .fields = kvm_apic_fields,
    .realize = kvm_apic_realize,
    .unrealize = kvm_apic_unrealize,
    .reset_hold = kvm_apic_reset_hold,
};
DEVICE(kvm_apic_type);
