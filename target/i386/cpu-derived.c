/* SPDX-License-Identifier: MIT */
/* What follows from a model's features: which bits of control registers may be set, what XSAVE
 * saves, features without what they build on. */
#include "target/i386/cpu-model-rows.h"

#include <cpuid.h>
#include <glib.h>
#include <string.h>

/* Microcode, as QEMU has it: a patch level, and a revision in the upper half. */
#define DEFAULT_AMD_PATCH 0x01000065ull
#define DEFAULT_INTEL_UPDATE (1ull << 32)

static void clear_feature(CpuModel *model, const char *name)
{
    cpu_features_set(model->features, cpu_feature_find(name), false);
}

static void drop_unmet(CpuModel *model)
{
    static const char *const need_avx[] = {"fma",  "f16c",       "avx2",    "avx-vnni",
                                           "vaes", "vpclmulqdq", "avx512f", NULL};
    static const char *const need_avx512f[] = {"avx512dq",    "avx512ifma",   "avx512pf",
                                               "avx512er",    "avx512cd",     "avx512bw",
                                               "avx512vl",    "avx512vbmi",   "avx512vbmi2",
                                               "avx512vnni",  "avx512bitalg", "avx512-vpopcntdq",
                                               "avx512-bf16", "avx512-fp16",  "avx512-vp2intersect",
                                               NULL};

    if (!cpu_model_has(model, FEATURE_XSAVE)) {
        clear_feature(model, "avx");
        clear_feature(model, "pku");
        model->features[FEATURE_D_1_EAX] = 0;
    }
    for (const char *const *name = need_avx; *name && !cpu_model_has(model, FEATURE_AVX); name++) {
        clear_feature(model, *name);
    }
    for (const char *const *name = need_avx512f; *name && !cpu_model_has(model, FEATURE_AVX512F);
         name++) {
        clear_feature(model, *name);
    }
    if (!cpu_model_has(model, FEATURE_ARCH_CAPABILITIES)) {
        model->features[FEATURE_ARCH_LOW] = 0;
        model->features[FEATURE_ARCH_HIGH] = 0;
    }
}

static uint64_t compute_cr4_mask(const CpuModel *model)
{
    static const struct {
        unsigned feature;
        uint32_t bits;
    } rows[] = {
        {FEATURE(FEATURE_1_EDX, 1), CR4_VME | CR4_PVI},
        {FEATURE_TSC, CR4_TSD},
        {FEATURE(FEATURE_1_EDX, 2), CR4_DE},
        {FEATURE(FEATURE_1_EDX, 3), CR4_PSE},
        {FEATURE(FEATURE_1_EDX, 6), CR4_PAE},
        {FEATURE(FEATURE_1_EDX, 7), CR4_MCE},
        {FEATURE(FEATURE_1_EDX, 13), CR4_PGE},
        {FEATURE(FEATURE_1_EDX, 24), CR4_OSFXSR},
        {FEATURE(FEATURE_1_EDX, 25), CR4_OSXMMEXCPT},
        {FEATURE_UMIP, CR4_UMIP},
        {FEATURE_LA57, CR4_LA57},
        {FEATURE(FEATURE_7_EBX, 0), CR4_FSGSBASE},
        {FEATURE_PCID, CR4_PCIDE},
        {FEATURE_XSAVE, CR4_OSXSAVE},
        {FEATURE(FEATURE_7_EBX, 7), CR4_SMEP},
        {FEATURE(FEATURE_7_EBX, 20), CR4_SMAP},
        {FEATURE_PKU, CR4_PKE},
        {FEATURE_PKS, CR4_PKS},
    };
    uint64_t mask = CR4_PCE;

    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        mask |= cpu_model_has(model, rows[i].feature) ? rows[i].bits : 0;
    }
    return mask;
}

/* PKRU is not kept in the host's registers. Where the host has none, its place is behind all that
 * the host has. */
static XsaveComponent own_pkru_place(void)
{
    uint32_t size, offset, unused, end = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;

    for (unsigned i = XSAVE_AVX; i < XSAVE_PKRU; i++) {
        __cpuid_count(0xd, i, size, offset, unused, unused);
        end = MAX(end, offset + size);
    }
    return (XsaveComponent){.size = 8, .offset = end};
}

static void read_xsave_layout(CpuModel *model)
{
    uint32_t size, offset, flags, unused;

    for (unsigned i = XSAVE_AVX; i < XSAVE_COMPONENT_COUNT; i++) {
        if (model->xcr0_mask >> i & 1) {
            __cpuid_count(0xd, i, size, offset, flags, unused);
            model->xsave[i] =
                (XsaveComponent){.size = size, .offset = offset, .aligned = flags & 2};
        }
    }
    if (model->xcr0_mask & XCR0_PKRU && !model->xsave[XSAVE_PKRU].size) {
        model->xsave[XSAVE_PKRU] = own_pkru_place();
    }
}

/* Which MXCSR bits may be set is the host's matter: its instructions take the value. But what the
 * model does not promise stays reserved. */
static uint32_t mxcsr_mask(const CpuModel *model)
{
    uint8_t area[512] __attribute__((aligned(16))) = {0};
    uint32_t mask;

    __asm__ volatile("fxsave64 %0" : "+m"(area));
    memcpy(&mask, area + 28, sizeof(mask));
    mask = mask ? mask : 0xffbf;
    return cpu_model_has(model, FEATURE_MISALIGNSSE) ? mask : mask & ~MXCSR_MM;
}

/*
 * A TSC whose rate is fixed, by tsc-frequency= or because it is invariant, can be named. Intel has
 * a leaf for it, AMD none: models that end before it are given it, unless they were told where to
 * end.
 */
static void set_frequency_leaves(CpuModel *model)
{
    bool is_fixed = model->tsc_hz || cpu_model_has(model, FEATURE_INVTSC);

    model->has_frequency = is_fixed && cpu_model_has(model, FEATURE_TSC);
    model->known_hz = model->has_frequency ? model->tsc_hz : 0;
    if (model->has_frequency && !model->is_amd && !model->level_given) {
        model->level = MAX(model->level, 0x16);
    }
}

void cpu_model_finish(CpuModel *model)
{
    const uint32_t amd_aliases = 0x0183f3ff; /* bits of 1.EDX repeated in 80000001.EDX */
    const uint32_t zero_fcs_fds = 1u << 13, fdp_excptn_only = 1u << 6;

    drop_unmet(model);
    model->is_amd =
        strcmp(model->vendor, "AuthenticAMD") == 0 || strcmp(model->vendor, "HygonGenuine") == 0;
    if (!model->ucode_rev) {
        model->ucode_rev = model->is_amd ? DEFAULT_AMD_PATCH : DEFAULT_INTEL_UPDATE;
    }
    if (model->is_amd) {
        model->features[FEATURE_80000001_EDX] |= model->features[FEATURE_1_EDX] & amd_aliases;
    }
    /* the translator's x87: no selectors are kept, FDP follows every memory operand */
    if (model->level >= 7 && !cpu_provider) {
        model->features[FEATURE_7_EBX] |= zero_fcs_fds;
        model->features[FEATURE_7_EBX] &= ~fdp_excptn_only;
    }
    if (cpu_model_has(model, FEATURE_TOPOEXT)) {
        model->xlevel = MAX(model->xlevel, 0x8000001e);
    }
    set_frequency_leaves(model);
    model->phys_mask = (1ull << model->phys_bits) - 1;
    model->cr4_mask = compute_cr4_mask(model);
    model->efer_mask = 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_SYSCALL) ? EFER_SCE : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_LM) ? EFER_LME | EFER_LMA : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_NX) ? EFER_NXE : 0;
    model->efer_mask |= cpu_model_has(model, FEATURE_FXSR_OPT) ? EFER_FFXSR : 0;
    model->xcr0_mask = 0;
    if (cpu_model_has(model, FEATURE_XSAVE)) {
        model->xcr0_mask = XCR0_X87 | XCR0_SSE;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_AVX) ? XCR0_AVX : 0;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_AVX512F) ? XCR0_AVX512 : 0;
        model->xcr0_mask |= cpu_model_has(model, FEATURE_PKU) ? XCR0_PKRU : 0;
    }
    read_xsave_layout(model);
    model->mxcsr_mask = mxcsr_mask(model);
}
