/* SPDX-License-Identifier: MIT */
/* Controllers that the kernel plays (KVM), as objects: their state while the machine stands still.
 * Under the machine lock. */
#ifndef HW_KVM_CHIPS_H
#define HW_KVM_CHIPS_H

#include "hw/apic.h"

typedef struct KvmApic KvmApic; /* "kvm-apic", one per CPU */

/* LINK: the CPU, which gets its apic_ops at realize, and the 8259 of ours whose vectors the first
 * one takes (NULL: none). Before realize. */
void kvm_apic_attach(KvmApic *apic, X86Cpu *cpu, I8259 *pic);

/* The NMI button, LINT1 of this CPU's: the guest gets an NMI if it has set that up so. */
void kvm_apic_pulse_nmi(X86Cpu *cpu);

/* The line that INT of a master 8259 of ours is wired to. */
Irq kvm_apic_pic_line(void);

typedef struct KvmPit KvmPit; /* "kvm-pit": the 8254 and port 61h */

/* False while the HPET has taken over the timer's line. */
void kvm_pit_set_heard(KvmPit *pit, bool is_heard);

#endif
