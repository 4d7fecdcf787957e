/* SPDX-License-Identifier: MIT */
/*
 * The life of a vCPU: its thread's loop around KVM_RUN, kicks, and what has to be done between
 * two runs.
 *
 * A kick must end a KVM_RUN that is under way and one that is about to begin. The kicker publishes
 * what it wants, sets run->immediate_exit, then looks at `in_run`. The vCPU clears immediate_exit,
 * looks at what is wanted, sets in_run and enters the kernel, which looks at immediate_exit. So a
 * request is found by the vCPU, or immediate_exit is set again behind its back and the kernel finds
 * that; or the kernel has looked already, then the kicker finds in_run and sends a signal.
 */
#include "accel/kvm/kvm-internal.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

int kvm_vcpu_ioctl(const KvmVcpu *kv, unsigned long request, const void *argument)
{
    g_assert(vcpu_self() == kv->vcpu);
    return kvm_ioctl(kv->fd, request, argument);
}

static int enter_guest(KvmVcpu *kv)
{
    int result;

    __atomic_fetch_add(&kv->runs, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&kv->in_kernel, true, __ATOMIC_RELAXED);
    result = kvm_vcpu_ioctl(kv, KVM_RUN, NULL);
    __atomic_store_n(&kv->in_kernel, false, __ATOMIC_RELAXED);
    return result;
}

static bool has_lost_page(const KvmVcpu *kv)
{
    return __atomic_load_n(&kv->lost_page, __ATOMIC_RELAXED);
}

/* -- The gate ---------------------------------------------------------------------------------- */

/* A leaf: held for a few instructions, and while waiting for threads to come out of KVM_RUN, which
 * need no other lock for that. */
static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_changed = PTHREAD_COND_INITIALIZER;
static int gate_closed; /* atomic */

static void kick_out(KvmVcpu *kv)
{
    __atomic_store_n(&kv->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&kv->in_run, __ATOMIC_SEQ_CST)) {
        __atomic_fetch_add(&kv->kicks, 1, __ATOMIC_RELAXED);
        vcpu_interrupt_thread(kv->vcpu);
    }
}

static bool others_in_run(void)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv && __atomic_load_n(&kv->in_run, __ATOMIC_SEQ_CST)) {
            return true;
        }
    }
    return false;
}

void kvm_gate_close(void)
{
    pthread_mutex_lock(&gate_lock);
    __atomic_store_n(&gate_closed, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < vcpu_count(); i++) {
        KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv) {
            kick_out(kv);
        }
    }
    while (others_in_run()) {
        pthread_cond_wait(&gate_changed, &gate_lock);
    }
    pthread_mutex_unlock(&gate_lock);
}

static void gate_tell(void)
{
    pthread_mutex_lock(&gate_lock);
    pthread_cond_broadcast(&gate_changed);
    pthread_mutex_unlock(&gate_lock);
}

void kvm_gate_open(void)
{
    __atomic_store_n(&gate_closed, 0, __ATOMIC_SEQ_CST);
    gate_tell();
}

static void leave_gate(KvmVcpu *kv)
{
    __atomic_store_n(&kv->in_run, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&gate_closed, __ATOMIC_SEQ_CST)) {
        gate_tell();
    }
}

/* From here on kicks are signals. */
static void enter_gate(KvmVcpu *kv)
{
    for (;;) {
        __atomic_store_n(&kv->in_run, 1, __ATOMIC_SEQ_CST);
        if (!__atomic_load_n(&gate_closed, __ATOMIC_SEQ_CST)) {
            return;
        }
        leave_gate(kv);
        pthread_mutex_lock(&gate_lock);
        while (__atomic_load_n(&gate_closed, __ATOMIC_SEQ_CST)) {
            pthread_cond_wait(&gate_changed, &gate_lock);
        }
        pthread_mutex_unlock(&gate_lock);
    }
}

/* -- State ------------------------------------------------------------------------------------- */

/* What the guest has begun is done only when KVM_RUN is entered again: reads are written to their
 * registers then. It may come to another access, of a string or across pages. */
static void complete_access(KvmVcpu *kv)
{
    while (kv->access_open) {
        int result;

        kv->access_open = false;
        __atomic_store_n(&kv->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
        result = enter_guest(kv);
        if (result >= 0) {
            kvm_handle_exit(kv);
        } else if (result != -EINTR && result != -EAGAIN && !has_lost_page(kv)) {
            kvm_run_failed(kv, result);
        }
    }
}

/* Inside an access of the guest's the state is there to be looked at, no more: the kernel goes on
 * with its own when the access is complete. */
static void save(Vcpu *vcpu)
{
    KvmVcpu *kv = kvm_of(vcpu);

    kvm_clock_save(kv);
    if (kv->ours) {
        return;
    }
    if (kv->in_access) {
        kvm_state_save(kv);
        return;
    }
    complete_access(kv);
    kvm_posted_flush();
    kvm_state_save(kv);
    kv->ours = true;
}

static void load(KvmVcpu *kv)
{
    kvm_state_load(kv);
    kv->ours = false;
    kv->after_reset = false;
    kv->run->ready_for_interrupt_injection = 0; /* not known before the next exit */
}

/* -- Between two runs -------------------------------------------------------------------------- */

static void inject_interrupt(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    struct kvm_run *run = kv->run;

    if (run->ready_for_interrupt_injection && run->if_flag) {
        int vector = -1;

        machine_lock();
        if (cpu->apic_ops->has_interrupt(cpu->apic)) {
            vector = cpu->apic_ops->acknowledge(cpu->apic);
        }
        if (!cpu->apic_ops->has_interrupt(cpu->apic)) {
            cpu_clear_event(cpu, CPU_EVENT_INTR);
        }
        machine_unlock();
        if (vector >= 0) {
            struct kvm_interrupt interrupt = {.irq = (uint32_t)vector};
            int result = kvm_vcpu_ioctl(kv, KVM_INTERRUPT, &interrupt);

            __atomic_fetch_add(&kv->interrupts, 1, __ATOMIC_RELAXED);
            run->ready_for_interrupt_injection = 0;
            if (result < 0) {
                kvm_complain("injecting an interrupt", result);
            }
        }
    }
}

static void take_event(KvmVcpu *kv, int event, unsigned long request, const char *what)
{
    int result;

    cpu_clear_event(kv->cpu, event);
    result = kvm_vcpu_ioctl(kv, request, NULL);
    if (result < 0) {
        kvm_complain(what, result);
    }
}

/* What wants to interrupt the guest. With the kernel's local APICs only NMI and SMI come this way,
 * and the 8259's interrupts when that is ours. */
static void inject_events(KvmVcpu *kv)
{
    X86Cpu *cpu = kv->cpu;
    int events = __atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST);

    kv->run->request_interrupt_window = 0;
    if (!events || cpu->debugger & DEBUGGER_NO_INTERRUPTS) {
        return;
    }
    if (events & CPU_EVENT_SMI && kvm.has_smm) {
        take_event(kv, CPU_EVENT_SMI, KVM_SMI, "injecting an SMI");
    }
    if (events & CPU_EVENT_NMI) {
        take_event(kv, CPU_EVENT_NMI, KVM_NMI, "injecting an NMI");
    }
    if (events & CPU_EVENT_INTR) {
        inject_interrupt(kv);
        events = __atomic_load_n(&cpu->events, __ATOMIC_SEQ_CST);
        kv->run->request_interrupt_window = !!(events & CPU_EVENT_INTR);
    }
}

/* INIT and SIPI of local APICs that are ours. */
static void take_reset_events(KvmVcpu *kv)
{
    int wanted = CPU_EVENT_INIT | CPU_EVENT_SIPI;
    int events = __atomic_load_n(&kv->cpu->events, __ATOMIC_SEQ_CST) & wanted;

    if (kv->ours ? kv->cpu->smm : kv->run->flags & KVM_RUN_X86_SMM) {
        events &= ~CPU_EVENT_INIT; /* waits for the end of it */
    }
    if (!events) {
        return;
    }
    machine_lock();
    save(kv->vcpu);
    machine_unlock();
    if (events & CPU_EVENT_INIT) {
        kv->events = (struct kvm_vcpu_events){0};
    }
    cpu_take_reset_events(kv->cpu, events);
}

/* CR8 and the base of the local APIC are shared with one that is ours. */
static void give_apic_registers(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;

    if (!kvm_has_kernel_apic() && cpu->apic_ops) {
        kv->run->cr8 = cpu->apic_ops->get_tpr(cpu->apic);
    }
}

static void take_apic_registers(KvmVcpu *kv)
{
    const X86Cpu *cpu = kv->cpu;
    const struct kvm_run *run = kv->run;

    if (kvm_has_kernel_apic() || !cpu->apic_ops) {
        return;
    }
    if (run->cr8 != cpu->apic_ops->get_tpr(cpu->apic) ||
        run->apic_base != cpu->apic_ops->get_base(cpu->apic)) {
        machine_lock();
        cpu->apic_ops->set_base(cpu->apic, run->apic_base);
        cpu->apic_ops->set_tpr(cpu->apic, (uint8_t)run->cr8);
        machine_unlock();
    }
}

/* False: the vCPU leaves run(). */
static bool run_once(KvmVcpu *kv)
{
    int result;
    bool goes_on;

    __atomic_store_n(&kv->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&kv->vcpu->exit_request, __ATOMIC_SEQ_CST)) {
        return false;
    }
    if (has_lost_page(kv)) {
        machine_lock();
        kvm_memory_lost(kv);
        machine_unlock();
        return false;
    }
    inject_events(kv);
    give_apic_registers(kv);
    vcpu_quiescent(kv->vcpu);
    enter_gate(kv);
    result = enter_guest(kv);
    kv->access_open = false;
    leave_gate(kv);
    take_apic_registers(kv);
    if (result == -EINTR || result == -EAGAIN || (result < 0 && has_lost_page(kv))) {
        return true;
    }
    machine_lock();
    if (result < 0) {
        kvm_run_failed(kv, result);
        goes_on = false;
    } else {
        goes_on = kvm_handle_exit(kv);
    }
    machine_unlock();
    return goes_on;
}

/* -- What the thread asks ---------------------------------------------------------------------- */

/* With the kernel's local APICs a vCPU that halts, or waits for its SIPI, does so in KVM_RUN. */
static bool has_work(Vcpu *vcpu)
{
    KvmVcpu *kv = kvm_of(vcpu);

    if (kvm_has_kernel_apic()) {
        return true;
    }
    if (__atomic_load_n(&kv->cpu->events, __ATOMIC_SEQ_CST) & CPU_EVENT_NMI && !kv->ours) {
        kvm_events_save(kv); /* is it masked? */
    }
    return kv->target_has_work(vcpu);
}

/* Others look at it under the lock. */
static void set_halted(Vcpu *vcpu, bool halted)
{
    if (vcpu->halted != halted) {
        machine_lock();
        vcpu->halted = halted;
        machine_unlock();
    }
}

static void run(Vcpu *vcpu)
{
    KvmVcpu *kv = kvm_of(vcpu);

    if (!kvm_has_kernel_apic()) {
        take_reset_events(kv);
        if (kv->cpu->wait_for_sipi) {
            set_halted(vcpu, true);
            return;
        }
        kv->cpu->halted = false;
    }
    set_halted(vcpu, false);
    if (kv->ours) {
        load(kv);
    }
    kvm_clock_resume(kv);
    while (run_once(kv)) {
        int events = __atomic_load_n(&kv->cpu->events, __ATOMIC_SEQ_CST);

        if (events & (CPU_EVENT_INIT | CPU_EVENT_SIPI) && !kvm_has_kernel_apic()) {
            break; /* and comes back at once */
        }
    }
}

static void kick(Vcpu *vcpu)
{
    KvmVcpu *kv = kvm_of(vcpu);

    if (kv) {
        kick_out(kv);
    }
}

static void machine_reset(void)
{
    kvm_memory_renew();
    for (unsigned i = 0; i < vcpu_count(); i++) {
        KvmVcpu *kv = kvm_of(vcpu_get(i));

        kv->after_reset = true;
        kv->events = (struct kvm_vcpu_events){0};
        kvm_msrs_reset(kv);
    }
}

/* -- Making ------------------------------------------------------------------------------------ */

static bool create(KvmVcpu *kv, Error **err)
{
    kv->fd = kvm_ioctl_value(kvm.fd, KVM_CREATE_VCPU, kv->cpu->apic_id);
    if (kv->fd < 0) {
        return error_set_errno(err, -kv->fd, "kvm: cannot create CPU %u", kv->vcpu->index);
    }
    kv->run = mmap(NULL, kvm.run_size, PROT_READ | PROT_WRITE, MAP_SHARED, kv->fd, 0);
    if (kv->run == MAP_FAILED) {
        kv->run = NULL;
        return error_set_errno(err, errno, "kvm: cannot map the state of CPU %u", kv->vcpu->index);
    }
    return kvm_cpuid_load(kv, err) && kvm_dirty_ring_init(kv, err);
}

static void destroy(KvmVcpu *kv)
{
    if (kv->run) {
        munmap(kv->run, kvm.run_size);
    }
    if (kv->dirty_ring) {
        munmap(kv->dirty_ring, kvm.dirty_ring_bytes);
    }
    if (kv->fd >= 0) {
        close(kv->fd);
    }
    g_free(kv->xsave);
    g_free(kv->no_nested);
    g_free(kv);
}

static void set_up_mce(KvmVcpu *kv)
{
    uint64_t banks = MIN(kv->cpu->mcg_cap & MCG_CAP_BANKS, kvm.mce_banks);
    uint64_t wanted = kv->cpu->mcg_cap | (kv->cpu->model->is_amd ? 0 : MCG_CAP_SER_P);
    uint64_t capability = banks | (wanted & kvm.mce_capability & ~MCG_CAP_BANKS);

    if (kvm.mce_banks && cpu_has(kv->cpu, FEATURE_MCA)) {
        int result = kvm_vcpu_ioctl(kv, KVM_X86_SETUP_MCE, &capability);

        if (result < 0) {
            kvm_complain("setting up machine checks", result);
        }
    }
}

static bool init(Vcpu *vcpu, Error **err)
{
    KvmVcpu *kv = g_new0(KvmVcpu, 1);

    *kv = (KvmVcpu){.vcpu = vcpu, .cpu = vcpu->cpu, .fd = -1, .ours = true, .after_reset = true};
    if (!create(kv, err)) {
        destroy(kv);
        return false;
    }
    if (kvm.xsave_size > sizeof(kv->cpu->fpu)) {
        kv->xsave = g_malloc0(kvm.xsave_size);
    }
    set_up_mce(kv);
    kvm_nested_init(kv);
    kvm_msrs_reset(kv);
    machine_lock();
    if (vcpu->index == 0) {
        kvm_slots_follow();
        kvm_posted_follow(kv);
    }
    kv->target_has_work = vcpu->has_work;
    vcpu->has_work = has_work;
    vcpu->accel_data = kv;
    machine_unlock();
    return true;
}

static void fini(Vcpu *vcpu)
{
    KvmVcpu *kv = kvm_of(vcpu);

    machine_lock();
    vcpu->accel_data = NULL;
    vcpu->has_work = kv->target_has_work;
    if (vcpu->index == 0) {
        kvm_posted_unfollow();
        kvm_slots_unfollow();
    }
    machine_unlock();
    destroy(kv);
}

const VcpuOps kvm_vcpu_ops = {
    .name = "kvm",
    .init = init,
    .fini = fini,
    .run = run,
    .kick = kick,
    .save = save,
    .machine_reset = machine_reset,
};
