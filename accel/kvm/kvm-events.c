/* SPDX-License-Identifier: MIT */
/* What is pending or being delivered, NMI and SMM masks, the interrupt shadow, and the state of a
 * CPU that does not run (MP state). What X86Cpu has no place for is kept as the kernel gave it. */
#include "accel/kvm/kvm-internal.h"

static void save_mp_state(KvmVcpu *kv)
{
    struct kvm_mp_state state = {0};
    int result;

    if (!kvm_has_kernel_apic()) {
        return;
    }
    result = kvm_vcpu_ioctl(kv, KVM_GET_MP_STATE, &state);
    if (result < 0) {
        kvm_complain("reading the MP state", result);
        return;
    }
    kv->mp_state = state.mp_state;
    kv->cpu->halted = state.mp_state == KVM_MP_STATE_HALTED;
    kv->cpu->wait_for_sipi = state.mp_state == KVM_MP_STATE_UNINITIALIZED ||
                             state.mp_state == KVM_MP_STATE_INIT_RECEIVED;
}

/* A CPU that waits keeps its reason for it, but not across a reset. */
static uint32_t wanted_mp_state(const KvmVcpu *kv)
{
    if (!kv->cpu->wait_for_sipi) {
        return kv->cpu->halted ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
    }
    return kv->mp_state == KVM_MP_STATE_INIT_RECEIVED && !kv->after_reset
               ? KVM_MP_STATE_INIT_RECEIVED
               : KVM_MP_STATE_UNINITIALIZED;
}

static void load_mp_state(KvmVcpu *kv)
{
    struct kvm_mp_state state = {.mp_state = wanted_mp_state(kv)};
    int result;

    if (!kvm_has_kernel_apic()) {
        return;
    }
    result = kvm_vcpu_ioctl(kv, KVM_SET_MP_STATE, &state);
    if (result < 0) {
        kvm_complain("loading the MP state", result);
    }
}

void kvm_events_save(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    struct kvm_vcpu_events *events = &kv->events;
    int result = kvm_vcpu_ioctl(kv, KVM_GET_VCPU_EVENTS, events);

    if (result < 0) {
        kvm_complain("reading pending events", result);
        return;
    }
    cpu->interrupt_shadow = events->interrupt.shadow;
    cpu->shadow_is_mov_ss = events->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
    cpu->nmi_masked = events->nmi.masked;
    cpu->smm = kvm.has_smm && events->smi.smm;
    save_mp_state(kv);
}

/* #MC goes before an exception that was to be delivered: that instruction meets it again. */
static void add_machine_check(KvmVcpu *kv, struct kvm_vcpu_events *events)
{
    if (__atomic_load_n(&kv->cpu->events, __ATOMIC_SEQ_CST) & CPU_EVENT_MCE) {
        cpu_clear_event(kv->cpu, CPU_EVENT_MCE);
        kv->cpu->halted = false;
        events->exception.injected = 1;
        events->exception.pending = 0;
        events->exception.nr = VECTOR_MC;
        events->exception.has_error_code = 0;
        events->exception_has_payload = 0;
    }
}

void kvm_events_load(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    struct kvm_vcpu_events events = kv->events;
    int result;

    events.interrupt.shadow = !cpu->interrupt_shadow  ? 0
                              : cpu->shadow_is_mov_ss ? KVM_X86_SHADOW_INT_MOV_SS
                                                      : KVM_X86_SHADOW_INT_STI;
    events.nmi.masked = cpu->nmi_masked;
    events.flags = KVM_VCPUEVENT_VALID_SHADOW;
    if (kv->after_reset) { /* else one may have come from another CPU since it was saved */
        events.flags |= KVM_VCPUEVENT_VALID_NMI_PENDING;
    }
    if (kvm.has_smm) {
        events.smi.smm = cpu->smm;
        events.smi.smm_inside_nmi = cpu->smm && kv->events.smi.smm_inside_nmi;
        events.flags |= KVM_VCPUEVENT_VALID_SMM;
    }
    if (kvm.has_exception_payload) {
        events.flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
    }
    if (kvm.has_triple_fault_event) {
        events.flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
    }
    add_machine_check(kv, &events);
    result = kvm_vcpu_ioctl(kv, KVM_SET_VCPU_EVENTS, &events);
    if (result < 0) {
        kvm_complain("loading pending events", result);
    }
    load_mp_state(kv);
}
