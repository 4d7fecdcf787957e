/* SPDX-License-Identifier: MIT */
/* CpuModel: what CPUID says and which bits of control registers and MSRs follow from it. */
#ifndef TARGET_I386_CPU_MODEL_H
#define TARGET_I386_CPU_MODEL_H

#include "target/i386/cpu.h"

/* The registers that hold feature bits. */
typedef enum FeatureWord {
    FEATURE_1_EDX,
    FEATURE_1_ECX,
    FEATURE_7_EBX,
    FEATURE_7_ECX,
    FEATURE_7_EDX,
    FEATURE_7_1_EAX,
    FEATURE_D_1_EAX,
    FEATURE_80000001_EDX,
    FEATURE_80000001_ECX,
    FEATURE_80000007_EDX,
    FEATURE_80000008_EBX,
    FEATURE_8000000A_EDX, /* SVM */
    FEATURE_6_EAX,
    FEATURE_ARCH_LOW, /* IA32_ARCH_CAPABILITIES */
    FEATURE_ARCH_HIGH,
    FEATURE_CORE_CAPABILITY, /* IA32_CORE_CAPABILITIES */
    FEATURE_WORD_COUNT
} FeatureWord;

#define FEATURE(word, bit) ((word)*32 + (bit))
#define FEATURE_TSC FEATURE(FEATURE_1_EDX, 4)
#define FEATURE_MCE FEATURE(FEATURE_1_EDX, 7)
#define FEATURE_MTRR FEATURE(FEATURE_1_EDX, 12)
#define FEATURE_MCA FEATURE(FEATURE_1_EDX, 14)
#define FEATURE_PSE36 FEATURE(FEATURE_1_EDX, 17)
#define FEATURE_CLFLUSH FEATURE(FEATURE_1_EDX, 19)
#define FEATURE_MONITOR FEATURE(FEATURE_1_ECX, 3)
#define FEATURE_PCID FEATURE(FEATURE_1_ECX, 17)
#define FEATURE_X2APIC FEATURE(FEATURE_1_ECX, 21)
#define FEATURE_TSC_DEADLINE FEATURE(FEATURE_1_ECX, 24)
#define FEATURE_XSAVE FEATURE(FEATURE_1_ECX, 26)
#define FEATURE_AVX FEATURE(FEATURE_1_ECX, 28)
#define FEATURE_TSC_ADJUST FEATURE(FEATURE_7_EBX, 1)
#define FEATURE_BMI1 FEATURE(FEATURE_7_EBX, 3)
#define FEATURE_INVPCID FEATURE(FEATURE_7_EBX, 10)
#define FEATURE_AVX512F FEATURE(FEATURE_7_EBX, 16)
#define FEATURE_UMIP FEATURE(FEATURE_7_ECX, 2)
#define FEATURE_PKU FEATURE(FEATURE_7_ECX, 3)
#define FEATURE_PKS FEATURE(FEATURE_7_ECX, 31)
#define FEATURE_LA57 FEATURE(FEATURE_7_ECX, 16)
#define FEATURE_RDPID FEATURE(FEATURE_7_ECX, 22)
#define FEATURE_MOVDIR64B FEATURE(FEATURE_7_ECX, 28)
#define FEATURE_SPEC_CTRL FEATURE(FEATURE_7_EDX, 26)
#define FEATURE_STIBP FEATURE(FEATURE_7_EDX, 27)
#define FEATURE_ARCH_CAPABILITIES FEATURE(FEATURE_7_EDX, 29)
#define FEATURE_SSBD FEATURE(FEATURE_7_EDX, 31)
#define FEATURE_XSAVEC FEATURE(FEATURE_D_1_EAX, 1)
#define FEATURE_XGETBV1 FEATURE(FEATURE_D_1_EAX, 2)
#define FEATURE_XSAVES FEATURE(FEATURE_D_1_EAX, 3)
#define FEATURE_SYSCALL FEATURE(FEATURE_80000001_EDX, 11)
#define FEATURE_NX FEATURE(FEATURE_80000001_EDX, 20)
#define FEATURE_FXSR_OPT FEATURE(FEATURE_80000001_EDX, 25)
#define FEATURE_PDPE1GB FEATURE(FEATURE_80000001_EDX, 26)
#define FEATURE_RDTSCP FEATURE(FEATURE_80000001_EDX, 27)
#define FEATURE_LM FEATURE(FEATURE_80000001_EDX, 29)
#define FEATURE_ABM FEATURE(FEATURE_80000001_ECX, 5)
#define FEATURE_MISALIGNSSE FEATURE(FEATURE_80000001_ECX, 7)
#define FEATURE_TOPOEXT FEATURE(FEATURE_80000001_ECX, 22)
#define FEATURE_INVTSC FEATURE(FEATURE_80000007_EDX, 8)
#define FEATURE_AMD_IBPB FEATURE(FEATURE_80000008_EBX, 12)
#define FEATURE_AMD_IBRS FEATURE(FEATURE_80000008_EBX, 14)
#define FEATURE_AMD_STIBP FEATURE(FEATURE_80000008_EBX, 15)
#define FEATURE_AMD_SSBD FEATURE(FEATURE_80000008_EBX, 24)

#define MXCSR_MM (1u << 17) /* AMD: misaligned SSE operands are no #GP */

/* One row of the feature table: a name of -cpu NAME,+feat and what it takes to offer it. */
typedef struct FeatureRow {
    const char *name;
    uint8_t word, bit;
    bool carried;    /* the translator or a helper does what the bit promises */
    bool needs_host; /* the host's own instructions do it */
} FeatureRow;

extern const FeatureRow feature_rows[];
extern const unsigned feature_row_count;

/* Components of XSAVE; layout equals the host's. */
enum {
    XSAVE_X87,
    XSAVE_SSE,
    XSAVE_AVX,
    XSAVE_OPMASK = 5,
    XSAVE_ZMM_HI256,
    XSAVE_HI16_ZMM,
    XSAVE_PKRU = 9,
    XSAVE_COMPONENT_COUNT
};
#define XCR0_X87 (1u << XSAVE_X87)
#define XCR0_SSE (1u << XSAVE_SSE)
#define XCR0_AVX (1u << XSAVE_AVX)
#define XCR0_AVX512 (7u << XSAVE_OPMASK)
#define XCR0_PKRU (1u << XSAVE_PKRU)

#define XSAVE_LEGACY_SIZE 512u
#define XSAVE_HEADER_SIZE 64u

typedef struct XsaveComponent {
    uint32_t size, offset; /* standard form */
    bool aligned;          /* to 64 bytes in the compacted form */
} XsaveComponent;

/* Sizes and ways of the caches that CPUID names. */
typedef enum CacheSet { CACHES_LEGACY, CACHES_EPYC, CACHES_EPYC_ROME, CACHES_EPYC_MILAN } CacheSet;

typedef struct CpuModel {
    const char *name;
    char vendor[13];
    char model_id[49];
    unsigned family, model, stepping;
    uint32_t level, xlevel;
    unsigned phys_bits;
    uint32_t level_func7; /* last subleaf of leaf 7; 0: what the features need */
    uint64_t tsc_hz;      /* 0: the host's */
    uint64_t ucode_rev;   /* what MSR 8Bh shows */
    CacheSet caches;
    bool legacy_cache; /* asked for: the legacy set whatever the model has */
    bool no_l3_cache, no_leaf_b;
    bool host_caches;                 /* asked for: sizes and ways are the host's */
    bool no_frequency;                /* leaf 40000010h says nothing */
    bool level_given;                 /* asked for: not raised for what needs a higher one */
    bool no_signature;                /* leaf 40000000h names no hypervisor */
    bool no_kvm;                      /* nor KVM, and nothing of it */
    uint32_t kvm_features, kvm_hints; /* leaf 40000001h: EAX, EDX */
    uint32_t features[FEATURE_WORD_COUNT];
    uint32_t dropped[FEATURE_WORD_COUNT]; /* asked for, and not offered */
    /* DERIVED of the above by cpu_model_finish(). */
    bool is_amd;        /* AMD or Hygon, not Intel or alike: tcg.md, Makers */
    bool has_frequency; /* leaves name that of the TSC: it is fixed */
    uint64_t known_hz;  /* what they say; 0: see cpu_model_needs_frequency() */
    uint64_t phys_mask; /* address bits below phys_bits */
    uint64_t cr4_mask, xcr0_mask, efer_mask;
    uint32_t mxcsr_mask;
    XsaveComponent xsave[XSAVE_COMPONENT_COUNT];
    CpuTopology topology; /* not of -cpu: cpu_topology_set() */
} CpuModel;

/* Who carries instructions out where it is not the translator, and what it offers. */
typedef struct CpuProvider {
    const char *name; /* in messages */
    const char *default_model;
    void (*read_features)(uint32_t ret_words[FEATURE_WORD_COUNT]);
    void (*read_kvm_features)(uint32_t *ret_features, uint32_t *ret_hints); /* may be NULL */
    /* Of models that are no host's: features that are there or not whatever the model says. */
    const char *adds, *drops;
} CpuProvider;

extern const CpuProvider *cpu_provider; /* NULL: the translator; before a model is selected */

static inline bool cpu_model_has(const CpuModel *model, unsigned feature)
{
    return model->features[feature / 32] >> (feature % 32) & 1;
}

static inline bool cpu_has(const X86Cpu *cpu, unsigned feature)
{
    return cpu_model_has(cpu->model, feature);
}

/* May this be the base of a segment or table, or stand in an MSR? The width of the CPU counts,
 * whatever CR4.LA57 says. Intel SDM vol. 3 ch. 4.5.2; the silicon. */
static inline bool cpu_base_is_canonical(const X86Cpu *cpu, uint64_t base)
{
    unsigned shift = cpu_has(cpu, FEATURE_LA57) ? 64 - 57 : 64 - 48;

    return (uint64_t)((int64_t)(base << shift) >> shift) == base;
}

/* The model of cpu_model_select(); the default one when that was never called. */
CpuModel *cpu_model_current(void);

/* Feature bits that can be offered on this host: carried, and in the host where needed. */
void cpu_features_available(uint32_t ret_words[FEATURE_WORD_COUNT]);

/* Computes the DERIVED part; drops features whose prerequisites are missing (AVX without XSAVE). */
void cpu_model_finish(CpuModel *model);

/* Answers CPUID leaf/subleaf for a CPU in its present state: EAX EBX ECX EDX. Built without SSE. */
void cpu_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4]);

/* Must known_hz be set before such a leaf is asked for? Finding it out takes what CPUID must not.
 */
static inline bool cpu_model_needs_frequency(const CpuModel *model, uint32_t leaf)
{
    return model->has_frequency && !model->known_hz && leaf >= 0x15 && leaf <= 0x40000010;
}

/* Bytes of an XSAVE area with these components. Built without SSE. */
uint32_t xsave_area_size(const CpuModel *model, uint64_t components, bool compacted);

#endif
