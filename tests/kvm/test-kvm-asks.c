/* SPDX-License-Identifier: MIT */
/* What the kernel is asked for, and what becomes of answers that a KVM at hand may not give: by
 * options, for memory, CPUID, the interval timer, clocks that stand still, a reset of a guest that
 * is a hypervisor itself, transfers that fail. Skipped without /dev/kvm. */
#include "accel/kvm/kvm-internal.h"
#include "hw/device.h"
#include "tests/kvm/ioctl-spy.h"
#include "tests/kvm/kvm-machine.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define HUGE_PAGE_MASK ((2ull << 20) - 1)

static void finish(void)
{
    ioctl_spy_set(NULL);
    end();
}

/* -- Options ----------------------------------------------------------------------------------- */

#define NOTIFY_WINDOW 0x1234u

static struct kvm_enable_cap enabled; /* the last of those that are looked for */
static unsigned long mmu_pages, tsc_khz;
static bool refuses;

/* Has what is asked of it, or refuses all of it. */
static bool note_options(int fd, unsigned long request, void *argument, int *ret_result)
{
    const struct kvm_enable_cap *cap = argument;
    unsigned long number = (unsigned long)(uintptr_t)argument;

    *ret_result = 0;
    switch (request) {
    case KVM_CHECK_EXTENSION:
        *ret_result = number == KVM_CAP_X86_DISABLE_EXITS ? 0xf : 1;
        return number == KVM_CAP_X86_DISABLE_EXITS || number == KVM_CAP_X86_NOTIFY_VMEXIT;
    case KVM_ENABLE_CAP:
        if (cap->cap != KVM_CAP_X86_DISABLE_EXITS && cap->cap != KVM_CAP_X86_NOTIFY_VMEXIT) {
            return false;
        }
        enabled = *cap;
        break;
    case KVM_SET_NR_MMU_PAGES:
        mmu_pages = number;
        break;
    case KVM_SET_TSC_KHZ:
        tsc_khz = number;
        break;
    default:
        return false;
    }
    *ret_result = refuses ? -EINVAL : 0;
    return true;
}

static void check_runs(void)
{
    load_code(0, count_code, count_end);
    vm_start();
    wait_for_count(1);
    vm_stop(RUN_STATE_PAUSED);
}

static void test_cpu_pm(void)
{
    if (skipped()) {
        return;
    }
    run_cpu_pm = true;
    ioctl_spy_set(note_options);
    begin("kvm,kernel-irqchip=off,notify-vmexit=disable");
    g_assert_cmpuint(enabled.cap, ==, KVM_CAP_X86_DISABLE_EXITS);
    g_assert_cmphex(enabled.args[0], ==,
                    KVM_X86_DISABLE_EXITS_MWAIT | KVM_X86_DISABLE_EXITS_HLT |
                        KVM_X86_DISABLE_EXITS_PAUSE | KVM_X86_DISABLE_EXITS_CSTATE);
    g_assert_true(kvm.lets_guest_mwait);
    finish();
    run_cpu_pm = false;
}

/* A wish: where the kernel refuses it, the machine runs without. */
static void test_cpu_pm_refused(void)
{
    if (skipped()) {
        return;
    }
    run_cpu_pm = refuses = true;
    ioctl_spy_set(note_options);
    begin("kvm,kernel-irqchip=off,notify-vmexit=disable");
    g_assert_false(kvm.lets_guest_mwait);
    check_runs();
    finish();
    run_cpu_pm = refuses = false;
}

static void test_notify_window(void)
{
    g_autofree char *accel =
        g_strdup_printf("kvm,kernel-irqchip=off,notify-vmexit=run,notify-window=%u", NOTIFY_WINDOW);

    if (skipped()) {
        return;
    }
    ioctl_spy_set(note_options);
    begin(accel);
    g_assert_cmpuint(enabled.cap, ==, KVM_CAP_X86_NOTIFY_VMEXIT);
    g_assert_cmphex(enabled.args[0] >> 32, ==, NOTIFY_WINDOW);
    g_assert_cmphex(enabled.args[0] & UINT32_MAX, ==,
                    KVM_X86_NOTIFY_VMEXIT_ENABLED | KVM_X86_NOTIFY_VMEXIT_USER);
    finish();
    kvm_options.notify_window = 0;
}

static void test_shadow_memory(void)
{
    if (skipped()) {
        return;
    }
    ioctl_spy_set(note_options);
    begin("kvm,kernel-irqchip=off,kvm-shadow-mem=1000000");
    g_assert_cmpuint(mmu_pages, ==, 245); /* whole pages, as many as it takes */
    finish();
    kvm_options.shadow_mem = 0;
}

static void test_tsc_rate(void)
{
    if (skipped()) {
        return;
    }
    ioctl_spy_set(note_options);
    begin_model("kvm,kernel-irqchip=off", "qemu64,tsc-frequency=123456000");
    g_assert_cmpuint(tsc_khz, ==, 123456);
    finish();
}

/* -- The interval timer ------------------------------------------------------------------------ */

static int pit_reinjects; /* as the kernel was told; -1: not at all */
static bool has_no_control;

static bool note_pit(int fd, unsigned long request, void *argument, int *ret_result)
{
    const struct kvm_reinject_control *control = argument;

    if (has_no_control && request == KVM_CHECK_EXTENSION &&
        (unsigned long)(uintptr_t)argument == KVM_CAP_REINJECT_CONTROL) {
        *ret_result = 0;
        return true;
    }
    if (request != KVM_REINJECT_CONTROL) {
        return false;
    }
    pit_reinjects = control->pit_reinject;
    *ret_result = -ENOTTY;
    return has_no_control;
}

/* What the kernel is told for the policy; NULL: for the default. */
static bool make_pit(const char *policy, Error **err)
{
    Object *pit;
    bool ok;

    begin("kvm,kernel-irqchip=on");
    ioctl_spy_set(note_pit);
    pit_reinjects = -1;
    pit = object_new(type_find("kvm-pit"));
    ok = (!policy || object_set(pit, "lost_tick_policy", policy, err)) && object_realize(pit, err);
    object_free(pit);
    finish();
    return ok;
}

static void test_pit(void)
{
    g_autoptr(Error) err = NULL;

    if (skipped()) {
        return;
    }
    g_assert_true(make_pit(NULL, &err));
    g_assert_cmpint(pit_reinjects, ==, 1);
    g_assert_true(make_pit("discard", &err));
    g_assert_cmpint(pit_reinjects, ==, 0);
    g_assert_true(make_pit("delay", &err));
    g_assert_cmpint(pit_reinjects, ==, 1);
    g_assert_false(make_pit("slew", &err));
    g_assert_nonnull(strstr(error_message(err), "delay, discard"));
    g_clear_pointer(&err, error_free);
    g_assert_true(object_add_global("kvm-pit", "lost_tick_policy", "discard", &err));
    g_assert_true(make_pit(NULL, &err));
    g_assert_cmpint(pit_reinjects, ==, 0);
    g_assert_true(object_add_global("kvm-pit", "lost_tick_policy", "delay", &err));
}

/* Such a kernel always delays. */
static void test_pit_without_choice(void)
{
    g_autoptr(Error) err = NULL;

    if (skipped()) {
        return;
    }
    has_no_control = true;
    g_assert_true(make_pit("delay", &err));
    g_assert_cmpint(pit_reinjects, ==, -1);
    g_assert_false(make_pit("discard", &err));
    g_assert_nonnull(strstr(error_message(err), "lost_tick_policy cannot be chosen"));
    has_no_control = false;
}

/* -- Memory ------------------------------------------------------------------------------------ */

static unsigned slots_seen, slots_misplaced;

/* Where a page of 2 MiB can lie in guest and host alike the kernel maps it as one. */
static bool note_slot(int fd, unsigned long request, void *argument, int *ret_result)
{
    const struct kvm_userspace_memory_region *slot = argument;

    if (request == KVM_SET_USER_MEMORY_REGION && slot->memory_size > HUGE_PAGE_MASK) {
        slots_seen++;
        slots_misplaced += ((slot->guest_phys_addr ^ slot->userspace_addr) & HUGE_PAGE_MASK) != 0;
    }
    return false;
}

static void test_huge_pages(void)
{
    if (skipped()) {
        return;
    }
    ioctl_spy_set(note_slot);
    begin("kvm,kernel-irqchip=off");
    region_set_enabled(&hole, true);
    check_runs();
    region_set_enabled(&hole, false);
    finish();
    g_assert_cmpuint(slots_seen, >=, 3); /* all, below the hole, all again */
    g_assert_cmpuint(slots_misplaced, ==, 0);
}

/* -- CPUID ------------------------------------------------------------------------------------- */

static unsigned tables;
static char *too_much; /* what a table had that this KVM does not offer */
static char maker[13]; /* in leaf 0 */

typedef struct FeatureLeaf {
    uint32_t leaf, subleaf;
    uint32_t ours[4]; /* of EAX to EDX: bits that KVM leaves to us */
    uint32_t looked_at;
} FeatureLeaf;

enum { IN_EAX = 1, IN_EBX = 2, IN_ECX = 4, IN_EDX = 8 };

/* 1: X2APIC and the APIC's deadline are emulated, OSXSAVE follows CR4, "a hypervisor". */
static const FeatureLeaf feature_leaves[] = {
    {1, 0, {[2] = 1u << 31 | 1u << 27 | 1u << 24 | 1u << 21}, IN_ECX | IN_EDX},
    {7, 0, {0}, IN_EBX | IN_ECX | IN_EDX},
    {7, 1, {0}, IN_EAX},
    {0xd, 1, {0}, IN_EAX},
    {0x80000001, 0, {0}, IN_ECX | IN_EDX},
};

static const struct kvm_cpuid_entry2 *find_leaf(const struct kvm_cpuid2 *table, uint32_t leaf,
                                                uint32_t subleaf)
{
    for (uint32_t i = 0; i < table->nent; i++) {
        const struct kvm_cpuid_entry2 *entry = &table->entries[i];

        if (entry->function == leaf && entry->index == subleaf) {
            return entry;
        }
    }
    return NULL;
}

static void compare_leaf(const struct kvm_cpuid2 *table, const FeatureLeaf *row)
{
    static const struct kvm_cpuid_entry2 nothing;
    const struct kvm_cpuid_entry2 *given = find_leaf(table, row->leaf, row->subleaf);
    const struct kvm_cpuid_entry2 *offered = find_leaf(kvm.cpuid, row->leaf, row->subleaf);

    given = given ? given : &nothing;
    offered = offered ? offered : &nothing;
    const uint32_t more[4] = {
        given->eax & ~offered->eax & ~row->ours[0], given->ebx & ~offered->ebx & ~row->ours[1],
        given->ecx & ~offered->ecx & ~row->ours[2], given->edx & ~offered->edx & ~row->ours[3]};
    for (unsigned i = 0; i < 4; i++) {
        if (row->looked_at >> i & 1 && more[i] && !too_much) {
            too_much = g_strdup_printf("leaf %x.%x, register %u: %08x", row->leaf, row->subleaf, i,
                                       more[i]);
        }
    }
}

static void take_maker(const struct kvm_cpuid_entry2 *leaf)
{
    memcpy(maker, &leaf->ebx, 4);
    memcpy(maker + 4, &leaf->edx, 4);
    memcpy(maker + 8, &leaf->ecx, 4);
}

static bool note_cpuid(int fd, unsigned long request, void *argument, int *ret_result)
{
    if (request == KVM_SET_CPUID2) {
        tables++;
        take_maker(find_leaf(argument, 0, 0));
        for (size_t i = 0; i < G_N_ELEMENTS(feature_leaves); i++) {
            compare_leaf(argument, &feature_leaves[i]);
        }
    }
    return false;
}

static const char *host_maker(void)
{
    return __builtin_cpu_is("intel") ? "GenuineIntel" : "AuthenticAMD";
}

/* No model has what this KVM does not offer, and all have the host's maker. */
static void test_models(void)
{
    static const char *const models[] = {"qemu64",      "host",           "max",       "kvm64",
                                         "Nehalem",     "Haswell",        "EPYC",      "base",
                                         "max,-sse4.2", "Icelake-Server", "Opteron_G3"};

    if (skipped()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(models); i++) {
        g_autofree char *quiet = g_strdup_printf("%s,check=off", models[i]);

        g_test_message("%s", models[i]);
        ioctl_spy_set(note_cpuid);
        begin_model("kvm,kernel-irqchip=on", quiet);
        g_assert_cmpstr(too_much, ==, NULL);
        g_assert_cmpstr(maker, ==, strcmp(models[i], "base") ? host_maker() : "");
        finish();
    }
    g_assert_cmpuint(tables, ==, G_N_ELEMENTS(models) * CPUS);
    ioctl_spy_set(note_cpuid);
    begin_model("kvm,kernel-irqchip=on", "EPYC,vendor=HygonGenuine,check=off");
    g_assert_cmpstr(maker, ==, "HygonGenuine");
    finish();
}

#define PV_CLOCKS (1u << 0 | 1u << 3)
#define PV_UNHALT (1u << 7)
#define PV_USUAL (PV_CLOCKS | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 24)

static struct kvm_cpuid_entry2 kvm_leaf; /* what the first CPU gets for leaf 40000001h */
static bool has_signature;

static bool note_kvm_leaf(int fd, unsigned long request, void *argument, int *ret_result)
{
    const struct kvm_cpuid2 *table = argument;

    for (uint32_t i = 0; request == KVM_SET_CPUID2 && i < table->nent; i++) {
        has_signature |= table->entries[i].function == 0x40000000;
        if (table->entries[i].function == 0x40000001) {
            kvm_leaf = table->entries[i];
        }
    }
    return false;
}

static void give_model(const char *accel, const char *model)
{
    has_signature = false;
    kvm_leaf = (struct kvm_cpuid_entry2){0};
    ioctl_spy_set(note_kvm_leaf);
    begin_model(accel, model);
    finish();
}

/* What KVM does for its guests, as the model says, within what is offered. */
static void test_kvm_features(void)
{
    const char *on = "kvm,kernel-irqchip=on", *off = "kvm,kernel-irqchip=off";
    uint32_t offered;

    if (skipped()) {
        return;
    }
    give_model(on, "host");
    offered = find_leaf(kvm.cpuid, 0x40000001, 0)->eax;
    g_assert_cmphex(offered & PV_CLOCKS, !=, 0);
    g_assert_cmphex(kvm_leaf.eax, ==, offered);
    give_model(off, "host");
    g_assert_cmphex(kvm_leaf.eax, ==, offered & ~PV_UNHALT);
    give_model(on, "qemu64");
    g_assert_true(has_signature);
    g_assert_cmphex(kvm_leaf.eax, ==, offered & PV_USUAL);
    g_assert_cmphex(kvm_leaf.edx, ==, 0);
    give_model(on, "qemu64,-kvmclock,kvm-pv-eoi=off,+kvm-pv-unhalt,+kvm-hint-dedicated");
    g_assert_cmphex(kvm_leaf.eax, ==, offered & ((PV_USUAL & ~(PV_CLOCKS | 1u << 6)) | PV_UNHALT));
    g_assert_cmphex(kvm_leaf.edx, ==, 1);
    give_model(on, "host,kvm=off");
    g_assert_false(has_signature);
    give_model(on, "base,check=off");
    g_assert_cmphex(kvm_leaf.eax, ==, 0);
}

/* What is not offered is said, or an error. */
static void test_kvm_features_missing(void)
{
    g_autoptr(Error) err = NULL;

    if (skipped()) {
        return;
    }
    begin("kvm,kernel-irqchip=off");
    g_assert_false(cpu_model_select("qemu64,+kvm-pv-unhalt,enforce", &err));
    g_assert_nonnull(strstr(error_message(err), "CPUID.40000001H:EAX.kvm-pv-unhalt [bit 7]"));
    g_clear_pointer(&err, error_free);
    g_assert_false(cpu_model_select("qemu64,hv-relaxed=on", &err));
    g_assert_nonnull(strstr(error_message(err), "enlightenments are not offered"));
    finish();
}

static bool refuse_chips(int fd, unsigned long request, void *argument, int *ret_result)
{
    *ret_result = -ENOMEM;
    return request == KVM_CREATE_IRQCHIP;
}

/* A KVM that fails half-way leaves nothing to the next accelerator. */
static void test_failed_start(void)
{
    g_autoptr(Error) err = NULL;
    CpuModel *model;

    if (skipped()) {
        return;
    }
    kvm_options.irqchip = KVM_IRQCHIP_ON;
    ioctl_spy_set(refuse_chips);
    g_assert_false(accel_find("kvm")->init(&err));
    ioctl_spy_set(NULL);
    g_assert_nonnull(strstr(error_message(err), "kernel-irqchip=on"));
    g_assert_cmpint(kvm_irqchip(), ==, KVM_IRQCHIP_NONE);
    g_clear_pointer(&err, error_free);
    g_assert_true(cpu_model_select("max", &err));
    model = cpu_model_current();
    g_assert_true(cpu_model_has(model, FEATURE(FEATURE_7_EBX, 13))); /* the translator's own */
}

/* -- Clocks ------------------------------------------------------------------------------------ */

/* A KVM whose time stamp counters can be set: the host's as the test says, an offset a CPU. */
static uint64_t host_tsc, offsets[CPUS], deadlines[CPUS];
static uint64_t shown[CPUS], shown_before[CPUS]; /* the last two times it was asked */
static bool went_back;

static int index_of(int fd)
{
    for (unsigned i = 0; i < vcpu_count(); i++) {
        const KvmVcpu *kv = kvm_of(vcpu_get(i));

        if (kv && kv->fd == fd) {
            return (int)i;
        }
    }
    return -1;
}

static void show_tsc(int cpu, uint64_t *ret_value)
{
    *ret_value = __atomic_add_fetch(&host_tsc, 10, __ATOMIC_SEQ_CST) + offsets[cpu];
    shown_before[cpu] = shown[cpu];
    shown[cpu] = *ret_value;
}

/* It has been asked when the machine stopped, and when it went on, before it is set. */
static void set_offset(int cpu, uint64_t offset)
{
    offsets[cpu] = offset;
    went_back |= __atomic_load_n(&host_tsc, __ATOMIC_SEQ_CST) + offset < shown_before[cpu];
}

static bool play_tsc(int fd, unsigned long request, void *argument, int *ret_result)
{
    struct kvm_device_attr *attribute = argument;
    struct kvm_msrs *msrs = argument;
    int cpu = index_of(fd);
    bool is_get = request == KVM_GET_MSRS || request == KVM_GET_DEVICE_ATTR;

    *ret_result = 0;
    if (cpu >= 0 && (request == KVM_GET_DEVICE_ATTR || request == KVM_SET_DEVICE_ATTR)) {
        uint64_t *value = (uint64_t *)(uintptr_t)attribute->addr;

        if (is_get) {
            *value = offsets[cpu];
        } else {
            set_offset(cpu, *value);
        }
        return true;
    }
    if (cpu < 0 || (request != KVM_GET_MSRS && request != KVM_SET_MSRS) || msrs->nmsrs != 1) {
        return false;
    }
    *ret_result = 1;
    if (msrs->entries[0].index == MSR_TSC && is_get) {
        show_tsc(cpu, (uint64_t *)&msrs->entries[0].data);
    } else if (msrs->entries[0].index == MSR_TSC_DEADLINE && is_get) {
        msrs->entries[0].data = 777;
    } else if (msrs->entries[0].index == MSR_TSC_DEADLINE) {
        deadlines[cpu] = msrs->entries[0].data;
    } else {
        return false;
    }
    return true;
}

/* They stand while the machine does, stay in step, and never go back. */
static void check_tsc(const char *accel)
{
    memset(offsets, 0, sizeof(offsets));
    memset(shown, 0, sizeof(shown));
    memset(deadlines, 0, sizeof(deadlines));
    host_tsc = 1000000;
    begin(accel);
    ioctl_spy_set(play_tsc);
    for (unsigned i = 0; i < CPUS; i++) {
        load_code(i, count_code, count_end);
    }
    for (unsigned round = 1; round <= 20; round++) {
        uint32_t counts[CPUS];

        vm_start();
        for (unsigned i = 0; i < CPUS; i++) {
            counts[i] = *counter_of(i);
        }
        for (unsigned i = 0; i < CPUS; i++) {
            while (__atomic_load_n(counter_of(i), __ATOMIC_SEQ_CST) == counts[i]) {
                let_run(100);
            }
        }
        vm_stop(RUN_STATE_PAUSED);
        __atomic_fetch_add(&host_tsc, 1000000, __ATOMIC_SEQ_CST); /* how long it stands */
        g_assert_false(went_back);
        g_assert_cmphex(offsets[0], ==, offsets[1]);
        /* all but the last stop are taken off again */
        g_assert_cmpuint(host_tsc + offsets[0], <, 1000000 + 1000000 + round * 1000);
    }
    g_assert_cmpuint(-offsets[0], >, 18 * 1000000);
    finish();
}

static void test_tsc(void)
{
    if (!skipped()) {
        check_tsc("kvm,kernel-irqchip=off");
        g_assert_cmpuint(deadlines[0], ==, 0);
    }
}

/* The local APIC's timer that waits for a value of the counter waits for it anew. */
static void test_tsc_deadline(void)
{
    if (skipped()) {
        return;
    }
    check_tsc("kvm,kernel-irqchip=split");
    g_assert_cmpuint(deadlines[0], ==, kvm.has_tsc_deadline ? 777 : 0);
}

/* -- XSAVE state ------------------------------------------------------------------------------- */

#define XSAVE_SIZE 12288
#define YMM_AT 576
#define YMM_SIZE 256

/* A KVM with more state than the plain ioctl has room for. */
static uint8_t xsave[XSAVE_SIZE];
static unsigned xsave_gets;

static bool play_xsave(int fd, unsigned long request, void *argument, int *ret_result)
{
    *ret_result = 0;
    if (request == KVM_CHECK_EXTENSION && (uintptr_t)argument == KVM_CAP_XSAVE2) {
        *ret_result = XSAVE_SIZE;
        return true;
    }
    if (index_of(fd) != 0) {
        return request == KVM_SET_XSAVE || request == KVM_GET_XSAVE2;
    }
    if (request == KVM_GET_XSAVE2) {
        memcpy(argument, xsave, sizeof(xsave));
        xsave_gets++;
        return true;
    }
    if (request == KVM_SET_XSAVE) {
        memcpy(xsave, argument, sizeof(xsave));
        return true;
    }
    return false;
}

/* All of it goes there and comes back, what X86Cpu has no place for too. */
static void test_xsave(void)
{
    X86Cpu *cpu;

    if (skipped()) {
        return;
    }
    ioctl_spy_set(play_xsave);
    begin("kvm,kernel-irqchip=off");
    cpu = cpu_get(0);
    check_runs();
    g_assert_cmpuint(xsave_gets, ==, 1);
    g_assert_cmpuint(sizeof(cpu->fpu), >=, YMM_AT + YMM_SIZE);
    for (unsigned i = 0; i < YMM_SIZE; i++) {
        cpu->fpu[YMM_AT + i] = (uint8_t)(i * 7);
    }
    memset((uint8_t *)kvm_of(vcpu_get(0))->xsave + sizeof(cpu->fpu), 0x5a,
           XSAVE_SIZE - sizeof(cpu->fpu));
    check_runs();
    g_assert_cmpuint(xsave_gets, ==, 2);
    g_assert_cmpmem(xsave + YMM_AT, YMM_SIZE, cpu->fpu + YMM_AT, YMM_SIZE);
    for (unsigned i = 0; i < YMM_SIZE; i++) {
        g_assert_cmphex(cpu->fpu[YMM_AT + i], ==, (uint8_t)(i * 7));
    }
    g_assert_cmphex(xsave[XSAVE_SIZE - 1], ==, 0x5a);
    finish();
}

/* -- Nested guests ----------------------------------------------------------------------------- */

#define NO_VMXON UINT64_MAX
#define NESTED_SIZE (sizeof(struct kvm_nested_state) + 8192)

static unsigned calls, ended_at, loaded_at; /* of CPU 0: when what was asked */
static bool ends_wrongly;

static bool play_nested(int fd, unsigned long request, void *argument, int *ret_result)
{
    struct kvm_nested_state *state = argument;
    bool is_first = index_of(fd) == 0;

    calls += is_first;
    *ret_result = 0;
    if (request == KVM_CHECK_EXTENSION && (uintptr_t)argument == KVM_CAP_NESTED_STATE) {
        *ret_result = NESTED_SIZE;
        return true;
    }
    if (request == KVM_GET_NESTED_STATE) {
        ends_wrongly |= state->size < NESTED_SIZE;
        state->hdr.vmx.vmxon_pa = NO_VMXON;
        state->size = sizeof(*state);
        return true;
    }
    if (request == KVM_SET_NESTED_STATE) {
        ends_wrongly |= state->hdr.vmx.vmxon_pa != NO_VMXON || state->size != sizeof(*state);
        ended_at = is_first ? calls : ended_at;
        return true;
    }
    if ((request == KVM_SET_SREGS || request == KVM_SET_SREGS2) && is_first) {
        loaded_at = calls;
    }
    return false;
}

/* A reset ends them before it loads what they would forbid; a stop leaves them alone. */
static void test_nested(void)
{
    int status;

    if (skipped()) {
        return;
    }
    ioctl_spy_set(play_nested);
    begin("kvm,kernel-irqchip=off");
    check_runs();
    g_assert_cmpuint(ended_at, >, 0); /* power-on */
    ended_at = loaded_at = 0;
    vm_start();
    wait_for_count(*counter_of(0) + 1);
    vm_stop(RUN_STATE_PAUSED);
    g_assert_cmpuint(loaded_at, >, 0);
    g_assert_cmpuint(ended_at, ==, 0);
    loaded_at = 0;
    system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
    g_assert_false(run_handle_requests(&status));
    check_runs();
    g_assert_cmpuint(ended_at, >, 0);
    g_assert_cmpuint(ended_at, <, loaded_at);
    g_assert_false(ends_wrongly);
    finish();
}

/* -- Transfers that fail ----------------------------------------------------------------------- */

static unsigned long failing;

static bool fail(int fd, unsigned long request, void *argument, int *ret_result)
{
    *ret_result = -EINVAL;
    return request == failing && index_of(fd) >= 0;
}

/* Said, no more: the machine answers, and another start of it is as good as the first. */
static void test_failures(void)
{
    static const unsigned long requests[] = {
        KVM_GET_REGS,     KVM_SET_REGS,     KVM_GET_SREGS,       KVM_SET_SREGS,
        KVM_GET_SREGS2,   KVM_SET_SREGS2,   KVM_GET_XSAVE,       KVM_SET_XSAVE,
        KVM_GET_XSAVE2,   KVM_GET_XCRS,     KVM_SET_XCRS,        KVM_GET_MSRS,
        KVM_SET_MSRS,     KVM_GET_LAPIC,    KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS,
        KVM_GET_MP_STATE, KVM_SET_MP_STATE, KVM_GET_DEBUGREGS,   KVM_SET_DEBUGREGS,
        KVM_KVMCLOCK_CTRL};

    if (skipped()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        int status;

        begin("kvm,kernel-irqchip=on");
        load_code(0, count_code, count_end);
        failing = requests[i];
        ioctl_spy_set(fail);
        for (unsigned round = 0; round < 2; round++) {
            vm_start();
            let_run(1000);
            run_handle_requests(&status);
            vm_stop(RUN_STATE_PAUSED);
        }
        ioctl_spy_set(NULL);
        system_reset_request(SHUTDOWN_CAUSE_HOST_RESET);
        g_assert_false(run_handle_requests(&status));
        cpu_reset(cpu_get(0), false);
        check_runs();
        finish();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_init(true);
    g_test_add_func("/kvm-asks/cpu-pm", test_cpu_pm);
    g_test_add_func("/kvm-asks/cpu-pm-refused", test_cpu_pm_refused);
    g_test_add_func("/kvm-asks/notify-window", test_notify_window);
    g_test_add_func("/kvm-asks/shadow-memory", test_shadow_memory);
    g_test_add_func("/kvm-asks/tsc-rate", test_tsc_rate);
    g_test_add_func("/kvm-asks/pit", test_pit);
    g_test_add_func("/kvm-asks/pit-without-choice", test_pit_without_choice);
    g_test_add_func("/kvm-asks/huge-pages", test_huge_pages);
    g_test_add_func("/kvm-asks/models", test_models);
    g_test_add_func("/kvm-asks/kvm-features", test_kvm_features);
    g_test_add_func("/kvm-asks/kvm-features-missing", test_kvm_features_missing);
    g_test_add_func("/kvm-asks/failed-start", test_failed_start);
    g_test_add_func("/kvm-asks/tsc", test_tsc);
    g_test_add_func("/kvm-asks/tsc-deadline", test_tsc_deadline);
    g_test_add_func("/kvm-asks/xsave", test_xsave);
    g_test_add_func("/kvm-asks/nested", test_nested);
    g_test_add_func("/kvm-asks/failures", test_failures);
    return g_test_run();
}
