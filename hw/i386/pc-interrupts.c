/* SPDX-License-Identifier: MIT */
/*
 * Interrupts and CPUs of the PC board.
 *
 *     ISA line or PIRQ -> GSI n -+-> 8259 pair ------> LINT0 of the local APICs
 *                                +-> I/O APIC pin n -> local APICs
 *
 * The 8259 pair also reaches pin 0 of the I/O APIC, which may pass it on as ExtINT.
 * GSI 0, the timer, arrives at pin 2 of the I/O APIC: what "IRQ 0 override" in firmware tables
 * says. GSI 2 has that pin too; of the 8259 pair it has none, the cascade is there.
 *
 * Under KVM the kernel may play the local APICs (split), or all of it: then lines end in KVM's
 * GSIs, which are wired the same.
 */
#include "hw/i386/pc-internal.h"

#include "accel/kvm.h"
#include "hw/ioapic.h"
#include "hw/kvm-chips.h"
#include "target/i386/cpu.h"

#include <assert.h>

enum { TIMER_GSI = 0, PIC_IOAPIC_PIN = 0, TIMER_IOAPIC_PIN = 2 };

static void set_gsi(void *owner, unsigned n, bool level)
{
    PcMachine *pc = owner;

    if (kvm_irqchip() == KVM_IRQCHIP_ON) {
        kvm_set_gsi(n, level);
        return;
    }
    if (n < PC_ISA_IRQ_COUNT) {
        irq_set(pc->pic[n], level);
    }
    if (n != TIMER_GSI && n != TIMER_IOAPIC_PIN) {
        irq_set(pc->ioapic[n], level);
        return;
    }
    if (level && !pc->timer_levels[n]) { /* each of the two makes edges while the other is high */
        irq_lower(pc->ioapic[TIMER_IOAPIC_PIN]);
    }
    pc->timer_levels[n] = level;
    level = pc->timer_levels[TIMER_GSI] || pc->timer_levels[TIMER_IOAPIC_PIN];
    irq_set(pc->ioapic[TIMER_IOAPIC_PIN], level);
}

/* Of the ways that are not masked an edge takes all. */
static IrqState gsi_state(void *owner, unsigned n)
{
    const PcMachine *pc = owner;
    IrqState pic, ioapic;

    if (kvm_has_kernel_apic()) {
        return IRQ_FREE;
    }
    pic = n < PC_ISA_IRQ_COUNT ? irq_state(pc->pic[n]) : IRQ_DEAF;
    if (pic == IRQ_STARVED && !vcpu_is_starved(&cpu_get(0)->vcpu)) {
        pic = IRQ_FREE; /* the chip does not know whom it serves */
    }
    ioapic = irq_state(pc->ioapic[n == TIMER_GSI ? TIMER_IOAPIC_PIN : n]);
    return pic == IRQ_DEAF ? ioapic : ioapic == IRQ_DEAF ? pic : MIN(pic, ioapic);
}

Irq pc_gsi(PcMachine *pc, unsigned gsi)
{
    assert(gsi < PC_GSI_COUNT);
    return (Irq){.set = set_gsi, .state = gsi_state, .owner = pc, .n = gsi};
}

static void set_pic_output(void *owner, unsigned n, bool level)
{
    PcMachine *pc = owner;

    irq_set(kvm_has_kernel_apic() ? kvm_apic_pic_line() : apic_pic_line(), level);
    irq_set(pc->ioapic[PIC_IOAPIC_PIN], level);
}

static bool create_pics(PcMachine *pc, I8259 **ret_master, Error **err)
{
    I8259 *master =
        (I8259 *)pc_device_new("isa-i8259", &pc->isa->bus, (const char *[]){"master=on", NULL});
    I8259 *slave = (I8259 *)pc_device_new(
        "isa-i8259", &pc->isa->bus,
        (const char *[]){"iobase=0xa0", "elcr-addr=0x4d1", "elcr-mask=0xde", NULL});

    i8259_set_slave(master, slave);
    i8259_set_output(master, (Irq){.set = set_pic_output, .owner = pc});
    i8259_set_output(slave, i8259_pin(master, I8259_CASCADE_PIN));
    for (unsigned pin = 0; pin < PC_ISA_IRQ_COUNT / 2; pin++) {
        if (pin != I8259_CASCADE_PIN) {
            pc->pic[pin] = i8259_pin(master, pin);
        }
        pc->pic[PC_ISA_IRQ_COUNT / 2 + pin] = i8259_pin(slave, pin);
    }
    *ret_master = master;
    return object_realize((Object *)master, err) && object_realize((Object *)slave, err);
}

static bool create_kernel_chips(Error **err)
{
    Device *master = pc_device_new("kvm-i8259", NULL, (const char *[]){"master=on", NULL});
    Device *slave = pc_device_new("kvm-i8259", NULL, NULL);
    Device *ioapic = pc_device_new("kvm-ioapic", NULL, NULL);

    return object_realize(&master->obj, err) && object_realize(&slave->obj, err) &&
           object_realize(&ioapic->obj, err);
}

static bool create_own_chips(PcMachine *pc, Error **err)
{
    IoApic *ioapic = (IoApic *)pc_device_new("ioapic", NULL, NULL);

    for (unsigned pin = 0; pin < PC_GSI_COUNT; pin++) {
        pc->ioapic[pin] = ioapic_pin(ioapic, pin);
    }
    ioapic_set_memory(ioapic, &pc->memory);
    kvm_end_of_interrupt = ioapic_end_of_interrupt;
    return object_realize((Object *)ioapic, err) && create_pics(pc, &pc->pic_master, err);
}

bool pc_interrupts_create(PcMachine *pc, Error **err)
{
    for (unsigned irq = 0; irq < ISA_IRQ_COUNT; irq++) {
        pc->isa->irqs[irq] = pc_gsi(pc, irq);
    }
    apic_region_init(&pc->apic_region, NULL);
    region_add(&pc->memory, APIC_DEFAULT_BASE, &pc->apic_region, 1);
    return kvm_irqchip() == KVM_IRQCHIP_ON ? create_kernel_chips(err) : create_own_chips(pc, err);
}

static bool create_apic(PcMachine *pc, X86Cpu *cpu, Error **err)
{
    Device *apic = pc_device_new(kvm_has_kernel_apic() ? "kvm-apic" : "apic", NULL, NULL);

    if (kvm_has_kernel_apic()) {
        kvm_apic_attach((KvmApic *)apic, cpu, pc->pic_master);
    } else {
        apic_attach((Apic *)apic, cpu, pc->pic_master);
    }
    return object_realize(&apic->obj, err);
}

/* Before all devices: clients know CPU 0 as /machine/unattached/device[0]. */
bool pc_cpus_create(PcMachine *pc, Error **err)
{
    const MachineCpus *shape = &pc->machine.cpus;
    const CpuTopology topology = {
        .dies = shape->dies, .cores = shape->cores, .threads = shape->threads};

    if (!cpu_topology_set(&topology, shape->count, err)) {
        return false;
    }
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        /* CPUs outlive the board: of one that was taken apart they are used again. */
        X86Cpu *cpu = cpu_get(i) ? cpu_get(i) : cpu_new(i, err);
        if (!cpu) {
            return false;
        }
    }
    return true;
}

bool pc_apics_create(PcMachine *pc, Error **err)
{
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        if (!create_apic(pc, cpu_get(i), err)) {
            return false;
        }
    }
    return true;
}

/* A board without an accelerator is one whose devices are under test. */
bool pc_cpus_start(PcMachine *pc, Error **err)
{
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        Vcpu *vcpu = &cpu_get(i)->vcpu;
        if (vcpu->ops && !vcpu_start(vcpu, err)) {
            return false;
        }
    }
    return true;
}

void pc_cpus_reset(PcMachine *pc)
{
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        cpu_reset(cpu_get(i), false);
    }
}

void pc_nmi(void *opaque)
{
    const PcMachine *pc = opaque;

    if (!kvm_has_kernel_apic()) {
        irq_pulse(apic_nmi_line());
        return;
    }
    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        kvm_apic_pulse_nmi(cpu_get(i));
    }
}

static void set_a20(void *owner, unsigned n, bool level)
{
    PcMachine *pc = owner;

    for (unsigned i = 0; i < pc->machine.cpus.count; i++) {
        cpu_set_a20(cpu_get(i), level);
    }
}

Irq pc_a20(PcMachine *pc)
{
    return (Irq){.set = set_a20, .owner = pc};
}

/* SMI# is wired to the first CPU alone: firmware gives no other one a place for its state. */
static void set_smi(void *owner, unsigned n, bool level)
{
    if (level) {
        cpu_raise_event(cpu_get(0), CPU_EVENT_SMI);
    }
}

Irq pc_smi(PcMachine *pc)
{
    return (Irq){.set = set_smi, .owner = pc};
}
