/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the VM, its vCPUs, the ioctls. Facts about the interface:
 * Linux, Documentation/virt/kvm/api.rst. Design: docs/design/kvm.md. */
#ifndef ACCEL_KVM_INTERNAL_H
#define ACCEL_KVM_INTERNAL_H

#include "accel/accel.h"
#include "accel/kvm.h"
#include "target/i386/cpu-model.h"
#include "target/i386/debug.h"

#include <linux/kvm.h>

#define KVM_EXIT_REASONS 40 /* counted; higher ones share the last */
#define KVM_PV_MSR_COUNT 8

/* The machine as the kernel knows it. `device` is -1 until KVM is in use. */
typedef struct KvmVm {
    int device, fd;
    size_t run_size; /* bytes of a vCPU's shared page */
    KvmIrqchip irqchip;
    unsigned slot_count, space_count; /* memory slots there may be, address spaces */
    size_t xsave_size, nested_size;   /* of the images; nested_size 0: there are no nested guests */
    unsigned mce_banks;               /* 0: no machine checks */
    uint64_t mce_capability;          /* bits of MCG_CAP that a CPU may have */
    unsigned dirty_ring_bytes;        /* of each vCPU; 0: a log per slot */
    bool has_smm, has_sregs2, has_debugregs, has_xcrs, has_kvmclock_control;
    bool has_exception_payload, has_triple_fault_event, has_ioeventfd_any_length;
    bool has_tsc_deadline, lets_guest_mwait;
    struct kvm_cpuid2 *cpuid; /* what the host offers */
    struct kvm_msr_list *msrs;
} KvmVm;

extern KvmVm kvm;

typedef struct KvmVcpu {
    Vcpu *vcpu;
    X86Cpu *cpu;
    int fd;
    struct kvm_run *run; /* shared with the kernel */
    bool ours;           /* the state is in X86Cpu; else it is the kernel's */
    bool after_reset;    /* ...and all of it is to be loaded, with what goes on by itself */
    bool in_access;      /* in the middle of an access that the guest makes */
    bool was_stopped;    /* the machine was, since it ran last */
    bool has_tsc;        /* tsc_base: the time stamp counter when it parked, less its offset */
    uint64_t tsc_base;
    bool access_open; /* an access the guest made completes in the next KVM_RUN */
    int in_run;       /* atomic: in KVM_RUN, or about to: a kick takes a signal */
    bool in_kernel;   /* in KVM_RUN; for a signal handler on its thread */
    void *lost_page;  /* the host's memory that the guest touched and that has failed; likewise */
    bool (*target_has_work)(Vcpu *vcpu);
    /* Of the state: what X86Cpu has no place for, as it was saved. */
    struct kvm_vcpu_events events;
    uint32_t mp_state;
    bool is_debugged; /* the kernel was told of breakpoints or steps */
    uint64_t pv_msrs[KVM_PV_MSR_COUNT], smbase;
    void *xsave;                        /* when the kernel's image is larger than X86Cpu's */
    struct kvm_nested_state *no_nested; /* how it looks when there is none */
    struct kvm_dirty_gfn *dirty_ring;
    uint32_t dirty_next;
    bool dirty_overrun; /* the kernel is ahead of dirty_next by entries that are lost */
    bool dirty_stuck;   /* ...and had no room for another, with nothing to take since */
    uint64_t exits[KVM_EXIT_REASONS], runs, interrupts, kicks; /* statistics */
} KvmVcpu;

static inline KvmVcpu *kvm_of(const Vcpu *vcpu)
{
    return vcpu->accel_data;
}

typedef struct KvmOptions {
    unsigned irqchip; /* KvmIrqchip */
    uint64_t dirty_ring_size, shadow_mem, notify_window;
    unsigned notify_vmexit; /* KvmNotify */
} KvmOptions;

typedef enum KvmNotify { KVM_NOTIFY_RUN, KVM_NOTIFY_INTERNAL_ERROR, KVM_NOTIFY_DISABLE } KvmNotify;

extern KvmOptions kvm_options;

/* -- kvm-vm.c ---------------------------------------------------------------------------------- */

/* What ioctl() returns, -errno for a failure. */
int kvm_ioctl(int fd, unsigned long request, const void *argument);
/* Those that take a number. */
int kvm_ioctl_value(int fd, unsigned long request, unsigned long argument);
/* Value of a capability of the VM (of /dev/kvm before there is one); 0: absent. */
int kvm_check(unsigned capability);
/* Turns a capability of the VM on. */
int kvm_enable(unsigned capability, uint64_t argument0, uint64_t argument1);
/* An ioctl that cannot fail with what we know failed: said once for each request. */
void kvm_complain(const char *what, int result);

/* -- kvm-probe.c ------------------------------------------------------------------------------- */

/* Opens /dev/kvm; the failure says why not, and what would help. */
int kvm_open_device(Error **err);
/* Is this KVM worth using: does it run what machines need, at hardware's speed? */
bool kvm_probe(Error **err);

/* -- kvm-slots.c, kvm-dirty.c ------------------------------------------------------------------ */

/* The guest's memory, from the flat views. */
void kvm_slots_init(void);
/* The board has its address spaces, until unfollow. Under the lock. */
void kvm_slots_follow(void);
void kvm_slots_unfollow(void);
/* The slots that show [start, end) of `block` to the guest are asked which pages were written. */
bool kvm_dirty_init(Error **err);
bool kvm_dirty_ring_init(KvmVcpu *kv, Error **err);
/* Pages that the rings name become dirty ones of ours. Under the lock, behind a closed gate. */
void kvm_dirty_ring_collect(void);
/* The kernel says that this vCPU cannot go on before its ring is emptied. Under the lock. */
void kvm_dirty_ring_full(KvmVcpu *kv);

/* -- kvm-posted.c ------------------------------------------------------------------------------ */

/* The kernel's ring is in what `kv` shares with it. Under the lock, until unfollow. */
void kvm_posted_follow(const KvmVcpu *kv);
void kvm_posted_unfollow(void);
/* Makes the writes that wait. Under the lock. */
void kvm_posted_flush(void);

/* -- kvm-vcpu.c -------------------------------------------------------------------------------- */

extern const VcpuOps kvm_vcpu_ops;

/* As kvm_ioctl(). On the vCPU's own thread, as the kernel wants it. */
int kvm_vcpu_ioctl(const KvmVcpu *kv, unsigned long request, const void *argument);

/* While closed no vCPU but the caller's is in KVM_RUN. Under the machine lock. */
void kvm_gate_close(void);
void kvm_gate_open(void);

/* -- kvm-memory-error.c ------------------------------------------------------------------------ */

bool kvm_memory_errors_init(Error **err);
/* Acts on kv->lost_page, under the lock: the guest is told, or the machine stops. The vCPU's state
 * is ours then. */
void kvm_memory_lost(KvmVcpu *kv);
/* Is this address of the guest's one that nobody may look at? Under the lock. */
bool kvm_memory_is_lost(uint64_t physical);
/* The machine starts anew: with other memory for what has failed. Under the lock. */
void kvm_memory_renew(void);

/* -- kvm-exits.c ------------------------------------------------------------------------------- */

/* Acts on the exit that run->exit_reason names, under the lock.
 * False: the vCPU has to leave run(). */
bool kvm_handle_exit(KvmVcpu *kv);
/* KVM_RUN itself failed. Under the lock. */
void kvm_run_failed(KvmVcpu *kv, int result);
/* Says what is wrong on this CPU, with where the guest is, and has the machine stop as
 * internal-error; `meaning` is a hint. Under the lock. Returns false. */
bool kvm_report(KvmVcpu *kv, const char *what, const char *meaning);
const char *kvm_exit_name(unsigned reason);

/* -- kvm-state.c, kvm-msr.c, kvm-xsave.c, kvm-events.c, kvm-nested.c, kvm-cpuid.c ------------ */

/* On the vCPU's own thread. */
void kvm_state_save(KvmVcpu *kv);
void kvm_state_load(KvmVcpu *kv);
void kvm_msrs_save(KvmVcpu *kv);
void kvm_msrs_load(KvmVcpu *kv);
void kvm_msrs_reset(KvmVcpu *kv);
void kvm_xsave_save(KvmVcpu *kv);
void kvm_xsave_load(KvmVcpu *kv);
void kvm_events_save(KvmVcpu *kv);
void kvm_events_load(KvmVcpu *kv);
/* When the vCPU is made; before it is given the state that it has after a reset. */
void kvm_nested_init(KvmVcpu *kv);
void kvm_nested_reset(KvmVcpu *kv);
bool kvm_cpuid_read(Error **err);
/* Before there is a VM: can it run the CPU model that is wanted? */
bool kvm_model_suits(int device, Error **err);
bool kvm_cpuid_load(KvmVcpu *kv, Error **err);

/* -- kvm-irqchip.c ----------------------------------------------------------------------------- */

bool kvm_irqchip_init(Error **err);

/* -- kvm-clock.c ------------------------------------------------------------------------------- */

void kvm_clock_init(void);
/* On the vCPU's thread: when it may be about to park; before it runs. */
void kvm_clock_save(KvmVcpu *kv);
void kvm_clock_resume(KvmVcpu *kv);

/* -- kvm-debug.c ------------------------------------------------------------------------------- */

void kvm_debug_load(KvmVcpu *kv);
/* KVM_EXIT_DEBUG; false: the vCPU stops. */
bool kvm_debug_exit(KvmVcpu *kv);

char *kvm_info_text(void);
/* The same numbers one by one, over all CPUs. */
void kvm_count(AccelCountFn *fn, void *opaque);

#endif
