/* SPDX-License-Identifier: MIT */
/* Names that -cpu takes in QEMU and that say nothing about CPUID here: those of other accelerators,
 * and features of which a processor's whole family is missing. */
#include "target/i386/cpu-model-rows.h"

#include <glib.h>
#include <string.h>

static const struct {
    const char *prefix;
    ForeignKind kind;
} families[] = {
    {"hv-", FOREIGN_HYPERV},
    {"vmx-", FOREIGN_ABSENT},
};

static const char *const hyperv_names[] = {
    "apicv",
    "avic",
    "crash",
    "emsr-bitmap",
    "enforce-cpuid",
    "evmcs",
    "frequencies",
    "ipi",
    "passthrough",
    "reenlightenment",
    "relaxed",
    "reset",
    "runtime",
    "spinlocks",
    "stimer",
    "stimer-direct",
    "syndbg",
    "synic",
    "time",
    "tlbflush",
    "tlbflush-direct",
    "tlbflush-ext",
    "vapic",
    "vendor-id",
    "version-id-build",
    "version-id-major",
    "version-id-minor",
    "version-id-sbranch",
    "version-id-snumber",
    "version-id-spack",
    "vpindex",
    "xmm-input",
    "no-nonarch-coresharing",
};

/* Leaf 40000001h, what KVM does for its guests: EAX, or hints in EDX. Of those named models have
 * the usual ones. */
static const struct {
    const char *name;
    uint32_t features, hints;
    bool is_usual;
} kvm_rows[] = {
    {"kvmclock", 1u << 0 | 1u << 3, .is_usual = true},
    {"kvmclock-stable-bit", 1u << 24, .is_usual = true},
    {"kvm-asyncpf", 1u << 4, .is_usual = true},
    {"kvm-asyncpf-int", 1u << 14},
    {"kvm-asyncpf-vmexit", 1u << 10},
    {"kvm-hint-dedicated", .hints = 1u << 0},
    {"kvm-mmu", 1u << 2},
    {"kvm-msi-ext-dest-id", 1u << 15},
    {"kvm-nopiodelay", 1u << 1, .is_usual = true},
    {"kvm-poll-control", 1u << 12},
    {"kvm-pv-eoi", 1u << 6, .is_usual = true},
    {"kvm-pv-ipi", 1u << 11},
    {"kvm-pv-sched-yield", 1u << 13},
    {"kvm-pv-tlb-flush", 1u << 9},
    {"kvm-pv-unhalt", 1u << 7},
    {"kvm-steal-time", 1u << 5, .is_usual = true},
    {"kvm-no-smi-migration"}, /* nothing that a guest sees */
    {"kvm-pv-enforce-cpuid"},
};

static const char *const absent_names[] = {
    "ace2",
    "ace2-en",
    "full-width-write",
    "intel-pt-lip",
    "lmce",
    "phe",
    "phe-en",
    "pmm",
    "pmm-en",
    "sgx-debug",
    "sgx-exinfo",
    "sgx-kss",
    "sgx-mode64",
    "sgx-provisionkey",
    "sgx-tokenkey",
    "sgx1",
    "sgx2",
    "tsx-ctrl",
    "xcrypt",
    "xcrypt-en",
    "xstore",
    "xstore-en",
};

static bool is_listed(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (cpu_name_equal(names[i], name)) {
            return true;
        }
    }
    return false;
}

ForeignKind cpu_foreign_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_rows); i++) {
        if (cpu_name_equal(kvm_rows[i].name, name)) {
            return FOREIGN_KVM;
        }
    }
    if (is_listed(absent_names, G_N_ELEMENTS(absent_names), name)) {
        return FOREIGN_ABSENT;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        size_t length = strlen(families[i].prefix);
        g_autofree char *start = g_strndup(name, length);

        if (!cpu_name_equal(families[i].prefix, start)) {
            continue;
        }
        if (families[i].kind == FOREIGN_HYPERV &&
            !is_listed(hyperv_names, G_N_ELEMENTS(hyperv_names), name + length)) {
            return FOREIGN_NOT;
        }
        return families[i].kind;
    }
    return FOREIGN_NOT;
}

void cpu_foreign_foreach(void (*fn)(const char *name, void *opaque), void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(hyperv_names); i++) {
        g_autofree char *name = g_strconcat("hv-", hyperv_names[i], NULL);
        fn(name, opaque);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_rows); i++) {
        fn(kvm_rows[i].name, opaque);
    }
}

/* -- KVM's ------------------------------------------------------------------------------------- */

static void offered(uint32_t *ret_features, uint32_t *ret_hints)
{
    *ret_features = *ret_hints = 0;
    if (cpu_provider && cpu_provider->read_kvm_features) {
        cpu_provider->read_kvm_features(ret_features, ret_hints);
    }
}

void cpu_kvm_features_load(CpuModel *model, const ModelRow *row)
{
    uint32_t features, hints;

    offered(&features, &hints);
    model->kvm_features = row->features ? 0 : features;
    model->kvm_hints = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_rows) && row->features && *row->features; i++) {
        model->kvm_features |= kvm_rows[i].is_usual ? kvm_rows[i].features & features : 0;
    }
}

void cpu_kvm_feature_set(CpuModel *model, const char *name, bool on)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_rows); i++) {
        if (cpu_name_equal(kvm_rows[i].name, name)) {
            model->kvm_features &= ~kvm_rows[i].features;
            model->kvm_features |= on ? kvm_rows[i].features : 0;
            model->kvm_hints &= ~kvm_rows[i].hints;
            model->kvm_hints |= on ? kvm_rows[i].hints : 0;
        }
    }
}

void cpu_kvm_features_drop(CpuModel *model, GPtrArray *missing)
{
    uint32_t features, hints;

    offered(&features, &hints);
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_rows); i++) {
        uint32_t lost = model->kvm_features & kvm_rows[i].features & ~features;

        if (lost) {
            g_ptr_array_add(missing, g_strdup_printf("CPUID.40000001H:EAX.%s [bit %d]",
                                                     kvm_rows[i].name, __builtin_ctz(lost)));
        }
    }
    model->kvm_features &= features;
    model->kvm_hints &= hints;
}
