/* SPDX-License-Identifier: MIT */
/*
 * What a guest that is a hypervisor itself has begun: VMXON, its current VMCS, whether its own
 * guest runs. The kernel keeps it while the machine stands. A reset has to end it first: while
 * VMXON holds, the kernel refuses the control registers that a CPU has after a reset.
 */
#include "accel/kvm/kvm-internal.h"

#include <errno.h>

/* At power-on the kernel says best, in the form of this host's hardware, how nothing looks. */
void kvm_nested_init(KvmVcpu *kv)
{
    struct kvm_nested_state *none;
    int result;

    if (!kvm.nested_size) {
        return;
    }
    none = g_malloc0(kvm.nested_size);
    none->size = (uint32_t)kvm.nested_size;
    result = kvm_vcpu_ioctl(kv, KVM_GET_NESTED_STATE, none);
    if (result < 0) {
        kvm_complain("reading the state of nested guests", result);
        g_free(none);
        return;
    }
    kv->no_nested = none;
}

void kvm_nested_reset(KvmVcpu *kv)
{
    int result = kv->no_nested ? kvm_vcpu_ioctl(kv, KVM_SET_NESTED_STATE, kv->no_nested) : 0;

    if (result < 0) {
        kvm_complain("ending nested guests", result);
    }
}
