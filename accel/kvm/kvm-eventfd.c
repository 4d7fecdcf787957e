/* SPDX-License-Identifier: MIT */
/* Event descriptors: writes of the guest that count in one instead of making an exit, and counts
 * that become interrupts without anybody of ours. */
#include "accel/kvm/kvm-internal.h"

#include <errno.h>

bool kvm_ioevent(const KvmIoEvent *event, bool add, Error **err)
{
    struct kvm_ioeventfd request = {
        .datamatch = event->value,
        .addr = event->address,
        .len = event->size,
        .fd = event->fd,
        .flags = (event->is_port ? KVM_IOEVENTFD_FLAG_PIO : 0) |
                 (event->must_match ? KVM_IOEVENTFD_FLAG_DATAMATCH : 0) |
                 (add ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN),
    };
    int result;

    if (kvm.fd < 0 || !kvm_check(KVM_CAP_IOEVENTFD) ||
        (event->size == 0 && !kvm.has_ioeventfd_any_length)) {
        return error_set(err, "writes cannot be told to an event descriptor here");
    }
    result = kvm_ioctl(kvm.fd, KVM_IOEVENTFD, &request);
    return result >= 0 || error_set_errno(err, -result, "writes to 0x%llx cannot be told",
                                          (unsigned long long)event->address);
}

bool kvm_irqfd(int gsi, int fd, int resample_fd, bool add, Error **err)
{
    struct kvm_irqfd request = {
        .fd = (uint32_t)fd,
        .gsi = (uint32_t)gsi,
        .flags = add ? 0 : KVM_IRQFD_FLAG_DEASSIGN,
    };
    int result;

    if (!kvm_has_kernel_apic() || !kvm_check(KVM_CAP_IRQFD) ||
        (resample_fd >= 0 && !kvm_check(KVM_CAP_IRQFD_RESAMPLE))) {
        return error_set(err, "an event descriptor cannot make interrupts here");
    }
    if (add && resample_fd >= 0) {
        request.flags |= KVM_IRQFD_FLAG_RESAMPLE;
        request.resamplefd = (uint32_t)resample_fd;
    }
    result = kvm_ioctl(kvm.fd, KVM_IRQFD, &request);
    return result >= 0 || error_set_errno(err, -result, "interrupt %d by an event descriptor", gsi);
}
