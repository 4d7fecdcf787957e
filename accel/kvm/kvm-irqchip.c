/* SPDX-License-Identifier: MIT */
/* Interrupt controllers of the kernel: making them, and the routes from lines and messages to
 * them. */
#include "accel/kvm/kvm-internal.h"

#include <errno.h>

#define IOAPIC_PINS 24

void (*kvm_end_of_interrupt)(uint8_t vector);

static bool create_all(Error **err)
{
    int result = kvm_ioctl(kvm.fd, KVM_CREATE_IRQCHIP, NULL);

    return result >= 0 ||
           error_set_errno(err, -result, "kernel-irqchip=on: the kernel has no such controllers");
}

static bool create_apics(Error **err)
{
    int result = kvm_check(KVM_CAP_SPLIT_IRQCHIP)
                     ? kvm_enable(KVM_CAP_SPLIT_IRQCHIP, IOAPIC_PINS, 0)
                     : -ENOSYS;

    return result >= 0 ||
           error_set_errno(err, -result,
                           "kernel-irqchip=split: the kernel has no local APICs without the rest");
}

bool kvm_irqchip_init(Error **err)
{
    switch (kvm.irqchip) {
    case KVM_IRQCHIP_ON:
        return create_all(err);
    case KVM_IRQCHIP_SPLIT:
        return create_apics(err);
    default:
        return true;
    }
}
