/* SPDX-License-Identifier: MIT */
/* What boards and devices ask of KVM: who plays which interrupt controller, and the kernel's short
 * ways. Everything under the machine lock; without KVM in use kvm_irqchip() is KVM_IRQCHIP_NONE. */
#ifndef ACCEL_KVM_H
#define ACCEL_KVM_H

#include <stdbool.h>
#include <stdint.h>

typedef enum KvmIrqchip {
    KVM_IRQCHIP_ON,    /* 8259, I/O APIC and local APICs are the kernel's */
    KVM_IRQCHIP_OFF,   /* all are ours */
    KVM_IRQCHIP_SPLIT, /* local APICs are the kernel's, the others ours */
    KVM_IRQCHIP_NONE   /* KVM is not in use */
} KvmIrqchip;

KvmIrqchip kvm_irqchip(void);

/* Are the local APICs the kernel's? */
static inline bool kvm_has_kernel_apic(void)
{
    return kvm_irqchip() == KVM_IRQCHIP_ON || kvm_irqchip() == KVM_IRQCHIP_SPLIT;
}

/* The board's I/O APIC hears of the end of a level-triggered interrupt that a local APIC of the
 * kernel has served. */
extern void (*kvm_end_of_interrupt)(uint8_t vector);

/* System management mode is there; true when KVM is not in use. */
bool kvm_has_smm(void);

#endif
