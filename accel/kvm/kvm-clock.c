/* SPDX-License-Identifier: MIT */
/*
 * Clocks of the guest that the kernel keeps stand still with the machine: kvmclock, and the time
 * stamp counters.
 *
 * kvmclock is read when the machine stops and set by the first vCPU that runs again. A counter is
 * the host's plus an offset; each vCPU's is noted when it parks, on its thread. The one that parked
 * last stands; all go back by what it has counted since, so that they stay in step, and none shows
 * a value below one that the guest has seen.
 */
#include "accel/kvm/kvm-internal.h"

static struct kvm_clock_data stopped_at;  /* under the machine lock; 0: it goes */
static uint64_t tsc_stopped_at, tsc_back; /* likewise; both without the offsets */
static bool knows_tsc_back;

/* -- Time stamp counters ----------------------------------------------------------------------- */

static struct kvm_device_attr offset_attribute(uint64_t *value)
{
    return (struct kvm_device_attr){.group = KVM_VCPU_TSC_CTRL,
                                    .attr = KVM_VCPU_TSC_OFFSET,
                                    .addr = (uint64_t)(uintptr_t)value};
}

/* What it shows; 0: the kernel does not say. */
static uint64_t read_msr(const KvmVcpu *kv, uint32_t msr)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } one = {.head.nmsrs = 1, .entry.index = msr};

    return kvm_vcpu_ioctl(kv, KVM_GET_MSRS, &one) == 1 ? one.entry.data : 0;
}

static void write_msr(const KvmVcpu *kv, uint32_t msr, uint64_t value)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } one = {.head.nmsrs = 1, .entry = {.index = msr, .data = value}};
    int result = kvm_vcpu_ioctl(kv, KVM_SET_MSRS, &one);

    if (result != 1) {
        kvm_complain("setting a timer by the time stamp counter", result);
    }
}

/* The counter without its offset, which all vCPUs share. */
static bool read_base(const KvmVcpu *kv, uint64_t *ret_offset, uint64_t *ret_base)
{
    struct kvm_device_attr get = offset_attribute(ret_offset);
    uint64_t tsc = read_msr(kv, MSR_TSC);

    if (tsc == 0 || kvm_vcpu_ioctl(kv, KVM_GET_DEVICE_ATTR, &get) < 0) {
        return false;
    }
    *ret_base = tsc - *ret_offset;
    return true;
}

void kvm_clock_save(KvmVcpu *kv)
{
    uint64_t offset;

    kv->has_tsc = !kv->was_stopped && !kv->after_reset && read_base(kv, &offset, &kv->tsc_base);
}

/* Counts on where it stood; a local APIC's timer that waits for a value waits for it anew. */
static void resume_tsc(KvmVcpu *kv)
{
    uint64_t offset, base, deadline;
    struct kvm_device_attr set = offset_attribute(&offset);
    int result;

    if (!kv->has_tsc || !read_base(kv, &offset, &base)) {
        return;
    }
    if (!knows_tsc_back) {
        tsc_back = base - tsc_stopped_at;
        knows_tsc_back = true;
    }
    offset -= tsc_back;
    result = kvm_vcpu_ioctl(kv, KVM_SET_DEVICE_ATTR, &set);
    if (result < 0) {
        kvm_complain("setting the time stamp counter back", result);
    }
    deadline = kvm_has_kernel_apic() && kvm.has_tsc_deadline ? read_msr(kv, MSR_TSC_DEADLINE) : 0;
    if (deadline) {
        write_msr(kv, MSR_TSC_DEADLINE, deadline);
    }
}

/* -- Stops ------------------------------------------------------------------------------------- */

/* Every vCPU is parked. */
static void on_run_change(void *opaque)
{
    int result;

    if (run_state_is_running()) {
        return;
    }
    result = kvm_check(KVM_CAP_ADJUST_CLOCK) ? kvm_ioctl(kvm.fd, KVM_GET_CLOCK, &stopped_at) : 0;
    if (result < 0) {
        kvm_complain("reading kvmclock", result);
    }
    tsc_stopped_at = 0;
    knows_tsc_back = false;
    for (unsigned i = 0; i < vcpu_count(); i++) {
        KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv) {
            kv->was_stopped = true;
            tsc_stopped_at = kv->has_tsc ? MAX(tsc_stopped_at, kv->tsc_base) : tsc_stopped_at;
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
    resume_tsc(kv);
    machine_unlock();
    if (kvm.has_kvmclock_control) {
        kvm_vcpu_ioctl(kv, KVM_KVMCLOCK_CTRL, NULL);
    }
}

void kvm_clock_init(void)
{
    run_state_unlisten(&stopped_at); /* of the last machine */
    run_state_listen(on_run_change, &stopped_at);
}
