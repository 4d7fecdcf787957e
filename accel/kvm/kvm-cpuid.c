/* SPDX-License-Identifier: MIT */
/* CPUID: what the host offers through KVM bounds what a model may have; the leaves of the model,
 * and those by which a guest knows KVM, become the kernel's table. */
#include "accel/kvm/kvm-internal.h"
#include "target/i386/cpu-model-rows.h"

#include <errno.h>

#define MAX_LEAVES 256
#define MAX_SUBLEAVES 32
#define SIGNATURE_LEAF 0x40000000u
#define FEATURES_LEAF 0x40000001u
#define FREQUENCY_LEAF 0x40000010u
#define PV_UNHALT (1u << 7)
#define PV_DEDICATED 1u
#define MSR_CORE_CAPABILITY 0xcf
#define APIC_BUS_KHZ 1000000u

enum { EAX, EBX, ECX, EDX };

/* -- What the host offers ---------------------------------------------------------------------- */

static bool read_table(Error **err)
{
    int result = -E2BIG;

    for (uint32_t count = 64; result == -E2BIG && count <= 4096; count *= 2) {
        g_free(kvm.cpuid);
        kvm.cpuid = g_malloc0(sizeof(*kvm.cpuid) + count * sizeof(kvm.cpuid->entries[0]));
        kvm.cpuid->nent = count;
        result = kvm_ioctl(kvm.device, KVM_GET_SUPPORTED_CPUID, kvm.cpuid);
    }
    return result >= 0 || error_set_errno(err, -result, "cannot ask which CPUID is supported");
}

static bool read_msrs(Error **err)
{
    struct kvm_msr_list none = {0};
    int result = kvm_ioctl(kvm.device, KVM_GET_MSR_INDEX_LIST, &none);

    if (result < 0 && result != -E2BIG) {
        return error_set_errno(err, -result, "cannot ask which MSRs there are");
    }
    kvm.msrs = g_malloc0(sizeof(*kvm.msrs) + none.nmsrs * sizeof(kvm.msrs->indices[0]));
    kvm.msrs->nmsrs = none.nmsrs;
    result = kvm_ioctl(kvm.device, KVM_GET_MSR_INDEX_LIST, kvm.msrs);
    return result >= 0 || error_set_errno(err, -result, "cannot list the MSRs");
}

static const struct kvm_cpuid_entry2 *find(uint32_t leaf, uint32_t subleaf)
{
    for (uint32_t i = 0; i < kvm.cpuid->nent; i++) {
        const struct kvm_cpuid_entry2 *entry = &kvm.cpuid->entries[i];

        if (entry->function == leaf &&
            (!(entry->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) || entry->index == subleaf)) {
            return entry;
        }
    }
    return NULL;
}

static uint32_t offered(uint32_t leaf, uint32_t subleaf, unsigned reg)
{
    const struct kvm_cpuid_entry2 *entry = find(leaf, subleaf);
    const uint32_t regs[] = {[EAX] = entry ? entry->eax : 0,
                             [EBX] = entry ? entry->ebx : 0,
                             [ECX] = entry ? entry->ecx : 0,
                             [EDX] = entry ? entry->edx : 0};

    return regs[reg];
}

/* An MSR that says what the CPU has; 0 where KVM does not know it. */
static uint64_t feature_msr(uint32_t index)
{
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entry;
    } request = {.head.nmsrs = 1, .entry.index = index};

    if (!kvm_check(KVM_CAP_GET_MSR_FEATURES) ||
        kvm_ioctl(kvm.device, KVM_GET_MSRS, &request) != 1) {
        return 0;
    }
    return request.entry.data;
}

static void set_word_bit(uint32_t *words, unsigned feature, bool on)
{
    uint32_t bit = 1u << feature % 32;

    words[feature / 32] = on ? words[feature / 32] | bit : words[feature / 32] & ~bit;
}

/* What depends on who plays the local APIC: CPUID does not know that. */
static void adjust_for_apic(uint32_t *words)
{
    bool kernel_apic = kvm_has_kernel_apic();

    set_word_bit(words, FEATURE_X2APIC, kernel_apic && offered(1, 0, ECX) >> 21 & 1);
    set_word_bit(words, FEATURE_TSC_DEADLINE, kernel_apic && kvm.has_tsc_deadline);
}

static void read_features(uint32_t words[FEATURE_WORD_COUNT])
{
    static const struct {
        uint32_t leaf;
        uint8_t subleaf, reg;
    } places[FEATURE_WORD_COUNT] = {
        [FEATURE_1_EDX] = {1, 0, EDX},
        [FEATURE_1_ECX] = {1, 0, ECX},
        [FEATURE_7_EBX] = {7, 0, EBX},
        [FEATURE_7_ECX] = {7, 0, ECX},
        [FEATURE_7_EDX] = {7, 0, EDX},
        [FEATURE_7_1_EAX] = {7, 1, EAX},
        [FEATURE_D_1_EAX] = {0xd, 1, EAX},
        [FEATURE_80000001_EDX] = {0x80000001, 0, EDX},
        [FEATURE_80000001_ECX] = {0x80000001, 0, ECX},
        [FEATURE_80000007_EDX] = {0x80000007, 0, EDX},
        [FEATURE_80000008_EBX] = {0x80000008, 0, EBX},
        [FEATURE_8000000A_EDX] = {0x8000000a, 0, EDX},
        [FEATURE_6_EAX] = {6, 0, EAX},
    };
    uint64_t capabilities = feature_msr(MSR_ARCH_CAPABILITIES);

    for (unsigned i = 0; i < FEATURE_WORD_COUNT; i++) {
        words[i] = places[i].leaf ? offered(places[i].leaf, places[i].subleaf, places[i].reg) : 0;
    }
    words[FEATURE_ARCH_LOW] = (uint32_t)capabilities;
    words[FEATURE_ARCH_HIGH] = (uint32_t)(capabilities >> 32);
    words[FEATURE_CORE_CAPABILITY] = (uint32_t)feature_msr(MSR_CORE_CAPABILITY);
    words[FEATURE_1_ECX] |= 1u << 31; /* a hypervisor is there: KVM leaves it to us */
    set_word_bit(words, FEATURE_MONITOR, kvm.lets_guest_mwait);
    adjust_for_apic(words);
}

/* Waking another CPU by a hypercall is the kernel's local APICs' business. */
static void read_kvm_features(uint32_t *ret_features, uint32_t *ret_hints)
{
    *ret_features = offered(FEATURES_LEAF, 0, EAX);
    *ret_features &= kvm_has_kernel_apic() ? UINT32_MAX : ~PV_UNHALT;
    *ret_hints = PV_DEDICATED;
}

static const CpuProvider provider = {
    .name = "host",
    .default_model = "qemu64",
    .read_features = read_features,
    .read_kvm_features = read_kvm_features,
    .adds = "x2apic",
    .drops = "monitor svm",
};

bool kvm_cpuid_read(Error **err)
{
    if (!read_table(err) || !read_msrs(err)) {
        return false;
    }
    cpu_provider = &provider;
    return true;
}

bool kvm_model_suits(int device, Error **err)
{
    g_autoptr(GPtrArray) missing = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(Error) failure = NULL;
    const CpuProvider *in_use = cpu_provider;
    KvmVm vm = kvm; /* of a machine that is there already */
    CpuModel model;
    bool ok;

    kvm = (KvmVm){.device = device, .fd = -1};
    ok = kvm_cpuid_read(err);
    if (ok && !cpu_model_parse(accel_cpu_text, &model, missing, &failure)) {
        ok = missing->len == 0; /* what else is wrong with it is so for any accelerator */
    }
    if (!ok && failure) {
        error_set(err, "%s", error_message(failure));
    }
    g_free(kvm.cpuid);
    g_free(kvm.msrs);
    kvm = vm;
    cpu_provider = in_use;
    return ok;
}

/* -- What the guest gets ----------------------------------------------------------------------- */

typedef struct Table {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[MAX_LEAVES];
} Table;

static void add(Table *table, uint32_t leaf, uint32_t subleaf, bool has_subleaves,
                const uint32_t regs[4])
{
    if (table->head.nent == MAX_LEAVES) {
        return;
    }
    table->entries[table->head.nent++] = (struct kvm_cpuid_entry2){
        .function = leaf,
        .index = subleaf,
        .flags = has_subleaves ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
        .eax = regs[EAX],
        .ebx = regs[EBX],
        .ecx = regs[ECX],
        .edx = regs[EDX],
    };
}

static unsigned subleaf_count(uint32_t leaf, const uint32_t first[4])
{
    switch (leaf) {
    case 4:
    case 0x8000001d:
        return MAX_SUBLEAVES; /* up to the first without a cache */
    case 7:
        return first[EAX] < MAX_SUBLEAVES ? first[EAX] + 1 : 1;
    case 0xb:
    case 0x1f:
        return 4;
    case 0xd:
        return XSAVE_COMPONENT_COUNT;
    default:
        return 0;
    }
}

static void add_leaf(Table *table, const X86Cpu *cpu, uint32_t leaf)
{
    uint32_t regs[4];
    unsigned count;

    cpu_cpuid(cpu, leaf, 0, regs);
    count = subleaf_count(leaf, regs);
    if (!count) {
        add(table, leaf, 0, false, regs);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        bool counts_caches = leaf == 4 || leaf == 0x8000001d;

        cpu_cpuid(cpu, leaf, i, regs);
        add(table, leaf, i, true, regs);
        if (counts_caches && !(regs[EAX] & 31)) {
            break;
        }
    }
}

/* By these a guest finds KVM's clock and its other help. */
static void add_signature(Table *table, const CpuModel *model)
{
    const uint32_t *name = (const uint32_t *)"KVMKVMKVM\0\0";
    bool has_frequency = model->has_frequency && !model->no_frequency;
    uint32_t regs[4] = {has_frequency ? FREQUENCY_LEAF : FEATURES_LEAF, name[0], name[1], name[2]};

    if (model->no_signature || model->no_kvm || !cpu_model_has(model, FEATURE(FEATURE_1_ECX, 31))) {
        return;
    }
    add(table, SIGNATURE_LEAF, 0, false, regs);
    memset(regs, 0, sizeof(regs));
    regs[EAX] = model->kvm_features;
    regs[EDX] = model->kvm_hints;
    add(table, FEATURES_LEAF, 0, false, regs);
    regs[EDX] = 0;
    if (has_frequency) {
        regs[EAX] = (uint32_t)((model->known_hz + 500) / 1000);
        regs[EBX] = APIC_BUS_KHZ;
        add(table, FREQUENCY_LEAF, 0, false, regs);
    }
}

/* The rate the model asks for, or the host's; the guest's leaves name it if it is fixed. */
static bool set_frequency(KvmVcpu *kv, Error **err)
{
    CpuModel *model = kv->cpu->model;
    int khz = kvm_vcpu_ioctl(kv, KVM_GET_TSC_KHZ, NULL);
    uint64_t wanted = model->tsc_hz / 1000;
    int result;

    if (wanted && (khz <= 0 || wanted != (uint64_t)khz)) {
        result = kvm_vcpu_ioctl(kv, KVM_SET_TSC_KHZ, (const void *)(uintptr_t)wanted);
        if (result < 0) {
            return error_set(err,
                             "kvm: tsc-frequency=%llu: this host's counter runs at %d kHz "
                             "and cannot be scaled",
                             (unsigned long long)model->tsc_hz, khz);
        }
        khz = (int)wanted;
    }
    if (cpu_model_needs_frequency(model, FREQUENCY_LEAF)) {
        model->known_hz = khz > 0 ? (uint64_t)khz * 1000 : cpu_tsc_frequency_hz();
    }
    return true;
}

bool kvm_cpuid_load(KvmVcpu *kv, Error **err)
{
    g_autofree Table *table = g_new0(Table, 1);
    const CpuModel *model = kv->cpu->model;
    int result;

    if (!set_frequency(kv, err)) {
        return false;
    }
    for (uint32_t leaf = 0; leaf <= model->level; leaf++) {
        add_leaf(table, kv->cpu, leaf);
    }
    add_signature(table, model);
    for (uint32_t leaf = 0x80000000; leaf <= model->xlevel; leaf++) {
        add_leaf(table, kv->cpu, leaf);
    }
    result = kvm_vcpu_ioctl(kv, KVM_SET_CPUID2, &table->head);
    return result >= 0 ||
           error_set_errno(err, -result, "kvm: the kernel refuses the CPUID of -cpu %s",
                           model->name);
}
