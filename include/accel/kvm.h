/* SPDX-License-Identifier: MIT */
/* What boards and devices ask of KVM: who plays which interrupt controller, and the kernel's short
 * ways. Everything under the machine lock; without KVM in use kvm_irqchip() is KVM_IRQCHIP_NONE. */
#ifndef ACCEL_KVM_H
#define ACCEL_KVM_H

#include "util/error.h"

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

/* -- Lines and messages to controllers of the kernel ------------------------------------------- */

/* Level of an input of the kernel's 8259 pair and I/O APIC. */
void kvm_set_gsi(unsigned gsi, bool level);
/* A message to the kernel's local APICs, as a write of `data` to fee0_0000h + x. */
void kvm_send_msi(uint64_t address, uint32_t data);
/* The message that pin `pin` of an I/O APIC of ours sends: the kernel reports the end of interrupts
 * that came by one. */
void kvm_route_pin(unsigned pin, uint64_t address, uint32_t data);
/* A number by which an event descriptor can send this message; -1: there is none left. */
int kvm_route_new(uint64_t address, uint32_t data);
void kvm_route_change(int route, uint64_t address, uint32_t data);
void kvm_route_free(int route);
/* Each count of `fd` becomes an interrupt of the line or message `gsi`; `resample_fd`, -1: none,
 * is counted when a level-triggered one has ended. Until the same with `add` false. */
bool kvm_irqfd(int gsi, int fd, int resample_fd, bool add, Error **err);

/* What a guest's write counts in an event descriptor instead of making an exit. */
typedef struct KvmIoEvent {
    uint64_t address;
    unsigned size; /* 1, 2, 4, 8; 0: any */
    bool is_port, must_match;
    uint64_t value; /* that is written, with must_match */
    int fd;
} KvmIoEvent;

bool kvm_ioevent(const KvmIoEvent *event, bool add, Error **err);

/* -- State of controllers of the kernel -------------------------------------------------------- */

enum { KVM_CHIP_STATE_SIZE = 512 };
/* `state`: KVM_CHIP_STATE_SIZE bytes, as struct kvm_irqchip has them. */
void kvm_chip_read(unsigned chip, void *state);
void kvm_chip_write(unsigned chip, const void *state);
/* The interval timer with port 61h. `reinject`: ticks that the guest was not ready for follow. */
bool kvm_pit_create(bool reinject, Error **err);
/* `state`: a struct kvm_pit_state2. */
void kvm_pit_read(void *state);
void kvm_pit_write(const void *state);

/* The board's I/O APIC hears of the end of a level-triggered interrupt that a local APIC of the
 * kernel has served. */
extern void (*kvm_end_of_interrupt)(uint8_t vector);

/* System management mode is there; true when KVM is not in use. */
bool kvm_has_smm(void);

#endif
