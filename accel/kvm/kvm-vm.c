/* SPDX-License-Identifier: MIT */
/* The accelerator "kvm": its options, the VM, and which capabilities the kernel has. */
#include "accel/kvm/kvm-internal.h"
#include "softmmu/memory.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Three pages for the TSS of real mode and one for the page table of a guest without paging, which
 * VT-x needs where firmware has reserved them: just below the BIOS. */
#define IDENTITY_MAP_ADDRESS 0xfeffc000ull
#define TSS_ADDRESS (IDENTITY_MAP_ADDRESS + 0x1000)

#define DIRTY_RING_MAX 65536
#define DEFAULT_SLOTS 32

KvmVm kvm = {.device = -1, .fd = -1};
KvmOptions kvm_options = {.irqchip = KVM_IRQCHIP_ON};

int kvm_ioctl(int fd, unsigned long request, const void *argument)
{
    int result;

    do {
        result = ioctl(fd, request, argument);
    } while (result < 0 && errno == EINTR && request != KVM_RUN);
    return result < 0 ? -errno : result;
}

int kvm_ioctl_value(int fd, unsigned long request, unsigned long argument)
{
    return kvm_ioctl(fd, request, (const void *)argument);
}

int kvm_check(unsigned capability)
{
    int result =
        kvm_ioctl_value(kvm.fd >= 0 ? kvm.fd : kvm.device, KVM_CHECK_EXTENSION, capability);

    return result > 0 ? result : 0;
}

int kvm_enable(unsigned capability, uint64_t argument0, uint64_t argument1)
{
    struct kvm_enable_cap cap = {.cap = capability, .args = {argument0, argument1}};

    return kvm_ioctl(kvm.fd, KVM_ENABLE_CAP, &cap);
}

void kvm_complain(const char *what, int result)
{
    static GHashTable *told;

    if (!told) {
        told = g_hash_table_new(g_str_hash, g_str_equal);
    }
    if (g_hash_table_add(told, (char *)what)) {
        warn_report("KVM: %s failed: %s", what, g_strerror(-result));
    }
}

KvmIrqchip kvm_irqchip(void)
{
    return kvm.fd >= 0 ? kvm.irqchip : KVM_IRQCHIP_NONE;
}

bool kvm_has_smm(void)
{
    return kvm.fd < 0 || kvm.has_smm;
}

/* -- Start ------------------------------------------------------------------------------------- */

/* What there is no other way to do, each with the Linux it came with. */
static bool check_required(Error **err)
{
    static const struct {
        unsigned capability;
        const char *name, *since;
    } rows[] = {
        {KVM_CAP_USER_MEMORY, "user memory slots", "2.6.25"},
        {KVM_CAP_EXT_CPUID, "a table of CPUID leaves", "2.6.26"},
        {KVM_CAP_DESTROY_MEMORY_REGION_WORKS, "removable memory slots", "2.6.30"},
        {KVM_CAP_VCPU_EVENTS, "transfer of pending events", "2.6.33"},
        {KVM_CAP_XSAVE, "transfer of XSAVE state", "2.6.36"},
        {KVM_CAP_READONLY_MEM, "read-only memory slots", "3.8"},
        {KVM_CAP_IMMEDIATE_EXIT, "immediate exit", "4.12"},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!kvm_check(rows[i].capability)) {
            return error_set(err, "the kernel's KVM has no %s (Linux %s has)", rows[i].name,
                             rows[i].since);
        }
    }
    return true;
}

static void read_capabilities(void)
{
    int xsave_size = kvm_check(KVM_CAP_XSAVE2), slots = kvm_check(KVM_CAP_NR_MEMSLOTS);
    int spaces = kvm_check(KVM_CAP_MULTI_ADDRESS_SPACE);

    kvm.slot_count = slots ? (unsigned)slots : DEFAULT_SLOTS;
    kvm.space_count = spaces ? (unsigned)spaces : 1;
    kvm.xsave_size = xsave_size ? (size_t)xsave_size : sizeof(struct kvm_xsave);
    kvm.nested_size = (size_t)kvm_check(KVM_CAP_NESTED_STATE);
    kvm.has_smm = kvm_check(KVM_CAP_X86_SMM) && spaces > 1;
    kvm.mce_banks = (unsigned)MAX(kvm_check(KVM_CAP_MCE), 0);
    if (!kvm.mce_banks ||
        kvm_ioctl(kvm.device, KVM_X86_GET_MCE_CAP_SUPPORTED, &kvm.mce_capability) < 0) {
        kvm.mce_capability = 0;
    }
    kvm.has_sregs2 = kvm_check(KVM_CAP_SREGS2);
    kvm.has_debugregs = kvm_check(KVM_CAP_DEBUGREGS);
    kvm.has_xcrs = kvm_check(KVM_CAP_XCRS);
    kvm.has_kvmclock_control = kvm_check(KVM_CAP_KVMCLOCK_CTRL);
    kvm.has_tsc_deadline = kvm_check(KVM_CAP_TSC_DEADLINE_TIMER);
    kvm.has_ioeventfd_any_length = kvm_check(KVM_CAP_IOEVENTFD_ANY_LENGTH);
    kvm.has_exception_payload =
        kvm_check(KVM_CAP_EXCEPTION_PAYLOAD) && kvm_enable(KVM_CAP_EXCEPTION_PAYLOAD, 1, 0) == 0;
    kvm.has_triple_fault_event = kvm_check(KVM_CAP_X86_TRIPLE_FAULT_EVENT) &&
                                 kvm_enable(KVM_CAP_X86_TRIPLE_FAULT_EVENT, 1, 0) == 0;
}

/* A guest that halts, waits or spins keeps its host CPU: before there are vCPUs. */
static void let_guest_sleep(void)
{
    uint64_t wanted = KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |
                      KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE;
    uint64_t possible = (uint64_t)kvm_check(KVM_CAP_X86_DISABLE_EXITS) & wanted;
    int result = possible ? kvm_enable(KVM_CAP_X86_DISABLE_EXITS, possible, 0) : -ENOSYS;

    if (result < 0) {
        kvm_complain("letting the guest sleep by itself (-overcommit cpu-pm=on)", result);
    }
    kvm.lets_guest_mwait = result >= 0 && possible & KVM_X86_DISABLE_EXITS_MWAIT;
}

/* Exits of a guest that keeps the CPU from ever being interrupted. */
static bool enable_notify(Error **err)
{
    uint64_t flags = KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER;
    int result;

    if (kvm_options.notify_vmexit == KVM_NOTIFY_DISABLE || !kvm_check(KVM_CAP_X86_NOTIFY_VMEXIT)) {
        return true;
    }
    result = kvm_enable(KVM_CAP_X86_NOTIFY_VMEXIT, kvm_options.notify_window << 32 | flags, 0);
    return result >= 0 || error_set_errno(err, -result, "cannot enable exits of notify-vmexit");
}

static bool set_up_vm(Error **err)
{
    uint64_t identity_map = IDENTITY_MAP_ADDRESS;
    int result;

    if (kvm_check(KVM_CAP_SET_IDENTITY_MAP_ADDR)) {
        result = kvm_ioctl(kvm.fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map);
        if (result < 0) {
            return error_set_errno(err, -result, "cannot place the identity map");
        }
    }
    result = kvm_ioctl_value(kvm.fd, KVM_SET_TSS_ADDR, TSS_ADDRESS);
    if (result < 0) {
        return error_set_errno(err, -result, "cannot place the TSS of real mode");
    }
    if (kvm_options.shadow_mem) {
        result =
            kvm_ioctl_value(kvm.fd, KVM_SET_NR_MMU_PAGES,
                            (kvm_options.shadow_mem + TARGET_PAGE_SIZE - 1) >> TARGET_PAGE_BITS);
        if (result < 0) {
            return error_set_errno(err, -result, "kvm-shadow-mem");
        }
    }
    if (run_cpu_pm) {
        let_guest_sleep();
    }
    return enable_notify(err);
}

static bool create_vm(Error **err)
{
    int size = kvm_ioctl(kvm.device, KVM_GET_VCPU_MMAP_SIZE, NULL);

    if (size < (int)sizeof(struct kvm_run)) {
        return error_set(err, "/dev/kvm shares %d bytes of a CPU's state, too few", size);
    }
    kvm.run_size = (size_t)size;
    if (!check_required(err)) {
        return false;
    }
    int fd = kvm_ioctl_value(kvm.device, KVM_CREATE_VM, 0);
    if (fd < 0) {
        return error_set_errno(err, -fd, "cannot create a virtual machine");
    }
    kvm.fd = fd;
    return true;
}

static void forget_vm(void)
{
    if (kvm.fd >= 0) {
        close(kvm.fd);
    }
    if (kvm.device >= 0) {
        close(kvm.device);
    }
    g_free(kvm.cpuid);
    g_free(kvm.msrs);
    kvm = (KvmVm){.device = -1, .fd = -1};
    cpu_provider = NULL; /* another accelerator may follow */
}

static bool kvm_init(Error **err)
{
    forget_vm(); /* of a machine that was taken down */
    kvm.device = kvm_open_device(err);
    if (kvm.device < 0) {
        return false;
    }
    if (!create_vm(err)) {
        forget_vm();
        return false;
    }
    kvm.irqchip = (KvmIrqchip)kvm_options.irqchip;
    read_capabilities();
    if (!kvm_cpuid_read(err) || !set_up_vm(err) || !kvm_irqchip_init(err) || !kvm_dirty_init(err)) {
        forget_vm();
        return false;
    }
    if (!kvm_memory_errors_init(err)) {
        forget_vm();
        return false;
    }
    kvm_slots_init();
    kvm_clock_init();
    return true;
}

static const AccelOption option_rows[] = {
    {"kernel-irqchip", ACCEL_OPTION_CHOICE, "on|off|split",
     "interrupt controllers of the kernel; split: only the local APICs", &kvm_options.irqchip},
    {"dirty-ring-size", ACCEL_OPTION_NUMBER, "PAGES",
     "written pages are told by rings of so many entries, a power of two; 0: by bitmaps",
     &kvm_options.dirty_ring_size, .max = DIRTY_RING_MAX},
    {"kvm-shadow-mem", ACCEL_OPTION_NUMBER, "BYTES",
     "memory for shadow page tables; 0: the kernel's choice", &kvm_options.shadow_mem,
     .max = 1ull << 40},
    {"notify-vmexit", ACCEL_OPTION_CHOICE, "run|internal-error|disable",
     "what a guest gets that lets no interrupt through", &kvm_options.notify_vmexit},
    {"notify-window", ACCEL_OPTION_NUMBER, "CYCLES", "for how long it may",
     &kvm_options.notify_window, .max = UINT32_MAX},
    {.name = NULL}};

static const Accel kvm_accel = {
    .name = "kvm",
    .desc = "the host's hardware virtualisation",
    .options = option_rows,
    .init = kvm_init,
    .suits = kvm_probe,
    .vcpu_ops = &kvm_vcpu_ops,
    .info_kvm = kvm_info_text,
    .count = kvm_count,
};

ACCEL(kvm_accel);
