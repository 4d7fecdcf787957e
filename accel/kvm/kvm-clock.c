/* SPDX-License-Identifier: MIT */
/* The clock that guests know as kvmclock stands still with the machine: read when it stops, set by
 * the first vCPU that runs again. */
#include "accel/kvm/kvm-internal.h"

static struct kvm_clock_data stopped_at; /* under the machine lock; 0: it goes */

static void on_run_change(void *opaque)
{
    int result;

    if (run_state_is_running()) {
        return;
    }
    result = kvm_ioctl(kvm.fd, KVM_GET_CLOCK, &stopped_at);
    if (result < 0) {
        kvm_complain("reading kvmclock", result);
    }
    for (unsigned i = 0; i < vcpu_count(); i++) {
        KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv) {
            kv->was_stopped = true;
        }
    }
}

/* Guests are told, lest their watchdogs take the pause for a hang; the kernel refuses where the
 * guest has no such clock. */
void kvm_clock_resume(KvmVcpu *kv)
{
    if (!kv->was_stopped) {
        return;
    }
    kv->was_stopped = false;
    machine_lock();
    if (stopped_at.clock) {
        struct kvm_clock_data data = {.clock = stopped_at.clock};
        int result = kvm_ioctl(kvm.fd, KVM_SET_CLOCK, &data);

        if (result < 0) {
            kvm_complain("setting kvmclock", result);
        }
        stopped_at.clock = 0;
    }
    machine_unlock();
    if (kvm.has_kvmclock_control) {
        kvm_vcpu_ioctl(kv, KVM_KVMCLOCK_CTRL, NULL);
    }
}

void kvm_clock_init(void)
{
    if (kvm_check(KVM_CAP_ADJUST_CLOCK)) {
        run_state_listen(on_run_change, &stopped_at);
    }
}
