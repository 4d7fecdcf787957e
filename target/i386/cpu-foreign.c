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
    {"kvm-", FOREIGN_KVM},
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

static const char *const kvm_names[] = {
    "asyncpf",         "asyncpf-int",      "asyncpf-vmexit", "hint-dedicated", "mmu",
    "msi-ext-dest-id", "no-smi-migration", "nopiodelay",     "poll-control",   "pv-enforce-cpuid",
    "pv-eoi",          "pv-ipi",           "pv-sched-yield", "pv-tlb-flush",   "pv-unhalt",
    "steal-time",
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
    if (cpu_name_equal("kvmclock", name) || cpu_name_equal("kvmclock-stable-bit", name)) {
        return FOREIGN_KVM;
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
        if (families[i].kind == FOREIGN_KVM &&
            !is_listed(kvm_names, G_N_ELEMENTS(kvm_names), name + length)) {
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
    for (size_t i = 0; i < G_N_ELEMENTS(kvm_names); i++) {
        g_autofree char *name = g_strconcat("kvm-", kvm_names[i], NULL);
        fn(name, opaque);
    }
}
