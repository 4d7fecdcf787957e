/* SPDX-License-Identifier: MIT */
/* ISA sets a run must reach: those with a row whose CPUID feature the model offers. */
#include "tests/fuzz/fuzz-insn-coverage.h"

#include "target/i386/cpu-model.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <stdio.h>

#define ENOUGH_CASES 200000u
#define ALWAYS 0xffffu /* part of every x86-64 processor */
#define NEVER 0xfffeu  /* not reached on purpose */

static uint64_t reached[ZYDIS_ISA_SET_MAX_VALUE + 1];

/* The forms of an AVX-512 extension: those with vectors of less than 512 bits need VL besides. */
#define SETS_512(set, feature)                                                                     \
    {ZYDIS_ISA_SET_##set##_512, feature}, {ZYDIS_ISA_SET_##set##_256, feature, AVX512VL},          \
    {                                                                                              \
        ZYDIS_ISA_SET_##set##_128, feature, AVX512VL                                               \
    }
#define AVX512VL FEATURE(FEATURE_7_EBX, 31)
#define AVX512DQ FEATURE(FEATURE_7_EBX, 17)
#define AVX512BW FEATURE(FEATURE_7_EBX, 30)

typedef struct SetFeature {
    uint16_t isa_set, feature, second; /* second 0: none */
} SetFeature;

static const SetFeature sets[] = {
    {ZYDIS_ISA_SET_ADOX_ADCX, FEATURE(FEATURE_7_EBX, 19)},
    {ZYDIS_ISA_SET_AES, FEATURE(FEATURE_1_ECX, 25)},
    {ZYDIS_ISA_SET_AVX, FEATURE_AVX},
    {ZYDIS_ISA_SET_AVX2, FEATURE(FEATURE_7_EBX, 5)},
    {ZYDIS_ISA_SET_AVX2GATHER, FEATURE(FEATURE_7_EBX, 5)},
    SETS_512(AVX512BW, AVX512BW),
    {ZYDIS_ISA_SET_AVX512BW_128N, AVX512BW},
    {ZYDIS_ISA_SET_AVX512BW_KOP, AVX512BW},
    SETS_512(AVX512CD, FEATURE(FEATURE_7_EBX, 28)),
    SETS_512(AVX512DQ, AVX512DQ),
    {ZYDIS_ISA_SET_AVX512DQ_128N, AVX512DQ},
    {ZYDIS_ISA_SET_AVX512DQ_KOP, AVX512DQ},
    {ZYDIS_ISA_SET_AVX512DQ_SCALAR, AVX512DQ},
    SETS_512(AVX512F, FEATURE_AVX512F),
    {ZYDIS_ISA_SET_AVX512F_128N, FEATURE_AVX512F},
    {ZYDIS_ISA_SET_AVX512F_KOP, FEATURE_AVX512F},
    {ZYDIS_ISA_SET_AVX512F_SCALAR, FEATURE_AVX512F},
    SETS_512(AVX512_BF16, FEATURE(FEATURE_7_1_EAX, 5)),
    SETS_512(AVX512_BITALG, FEATURE(FEATURE_7_ECX, 12)),
    SETS_512(AVX512_GFNI, FEATURE(FEATURE_7_ECX, 8)),
    SETS_512(AVX512_IFMA, FEATURE(FEATURE_7_EBX, 21)),
    SETS_512(AVX512_VAES, FEATURE(FEATURE_7_ECX, 9)),
    SETS_512(AVX512_VBMI, FEATURE(FEATURE_7_ECX, 1)),
    SETS_512(AVX512_VBMI2, FEATURE(FEATURE_7_ECX, 6)),
    SETS_512(AVX512_VNNI, FEATURE(FEATURE_7_ECX, 11)),
    SETS_512(AVX512_VP2INTERSECT, FEATURE(FEATURE_7_EDX, 8)),
    SETS_512(AVX512_VPCLMULQDQ, FEATURE(FEATURE_7_ECX, 10)),
    SETS_512(AVX512_VPOPCNTDQ, FEATURE(FEATURE_7_ECX, 14)),
    {ZYDIS_ISA_SET_AVXAES, FEATURE(FEATURE_1_ECX, 25)},
    {ZYDIS_ISA_SET_AVX_GFNI, FEATURE(FEATURE_7_ECX, 8)},
    {ZYDIS_ISA_SET_AVX_VNNI, FEATURE(FEATURE_7_1_EAX, 4)},
    {ZYDIS_ISA_SET_BMI1, FEATURE(FEATURE_7_EBX, 3)},
    {ZYDIS_ISA_SET_BMI2, FEATURE(FEATURE_7_EBX, 8)},
    {ZYDIS_ISA_SET_CET, ALWAYS}, /* NOPs */
    {ZYDIS_ISA_SET_CLDEMOTE, ALWAYS},
    {ZYDIS_ISA_SET_CLFLUSHOPT, FEATURE(FEATURE_7_EBX, 23)},
    {ZYDIS_ISA_SET_CLFSH, FEATURE_CLFLUSH},
    {ZYDIS_ISA_SET_CLWB, FEATURE(FEATURE_7_EBX, 24)},
    {ZYDIS_ISA_SET_CMOV, FEATURE(FEATURE_1_EDX, 15)},
    {ZYDIS_ISA_SET_CMPXCHG16B, FEATURE(FEATURE_1_ECX, 13)},
    {ZYDIS_ISA_SET_F16C, FEATURE(FEATURE_1_ECX, 29)},
    {ZYDIS_ISA_SET_FAT_NOP, ALWAYS},
    {ZYDIS_ISA_SET_FCMOV, FEATURE(FEATURE_1_EDX, 15)},
    {ZYDIS_ISA_SET_FMA, FEATURE(FEATURE_1_ECX, 12)},
    {ZYDIS_ISA_SET_GFNI, FEATURE(FEATURE_7_ECX, 8)},
    {ZYDIS_ISA_SET_I186, ALWAYS},
    {ZYDIS_ISA_SET_I286PROTECTED, ALWAYS},
    {ZYDIS_ISA_SET_I286REAL, ALWAYS},
    {ZYDIS_ISA_SET_I386, ALWAYS},
    {ZYDIS_ISA_SET_I486REAL, ALWAYS},
    {ZYDIS_ISA_SET_I86, ALWAYS},
    {ZYDIS_ISA_SET_LAHF, ALWAYS},
    {ZYDIS_ISA_SET_LONGMODE, ALWAYS},
    {ZYDIS_ISA_SET_LZCNT, FEATURE(FEATURE_80000001_ECX, 5)},
    {ZYDIS_ISA_SET_MOVBE, FEATURE(FEATURE_1_ECX, 22)},
    {ZYDIS_ISA_SET_PCLMULQDQ, FEATURE(FEATURE_1_ECX, 1)},
    {ZYDIS_ISA_SET_PENTIUMMMX, FEATURE(FEATURE_1_EDX, 23)},
    {ZYDIS_ISA_SET_PENTIUMREAL, ALWAYS},
    {ZYDIS_ISA_SET_POPCNT, FEATURE(FEATURE_1_ECX, 23)},
    {ZYDIS_ISA_SET_PPRO, ALWAYS},
    {ZYDIS_ISA_SET_PREFETCHWT1, NEVER}, /* of Xeon Phi */
    {ZYDIS_ISA_SET_PREFETCH_NOP, ALWAYS},
    {ZYDIS_ISA_SET_RDRAND, NEVER}, /* another number each time */
    {ZYDIS_ISA_SET_RDSEED, NEVER},
    {ZYDIS_ISA_SET_RDWRFSGS, FEATURE(FEATURE_7_EBX, 0)},
    {ZYDIS_ISA_SET_SHA, FEATURE(FEATURE_7_EBX, 29)},
    {ZYDIS_ISA_SET_SSE, ALWAYS},
    {ZYDIS_ISA_SET_SSE2, ALWAYS},
    {ZYDIS_ISA_SET_SSE2MMX, ALWAYS},
    {ZYDIS_ISA_SET_SSE3, FEATURE(FEATURE_1_ECX, 0)},
    {ZYDIS_ISA_SET_SSE3X87, FEATURE(FEATURE_1_ECX, 0)},
    {ZYDIS_ISA_SET_SSE4, FEATURE(FEATURE_1_ECX, 19)},
    {ZYDIS_ISA_SET_SSE42, FEATURE(FEATURE_1_ECX, 20)},
    {ZYDIS_ISA_SET_SSE4A, FEATURE(FEATURE_80000001_ECX, 6)},
    {ZYDIS_ISA_SET_SSEMXCSR, ALWAYS},
    {ZYDIS_ISA_SET_SSE_PREFETCH, ALWAYS},
    {ZYDIS_ISA_SET_SSSE3, FEATURE(FEATURE_1_ECX, 9)},
    {ZYDIS_ISA_SET_SSSE3MMX, FEATURE(FEATURE_1_ECX, 9)},
    {ZYDIS_ISA_SET_VAES, FEATURE(FEATURE_7_ECX, 9)},
    {ZYDIS_ISA_SET_VPCLMULQDQ, FEATURE(FEATURE_7_ECX, 10)},
    {ZYDIS_ISA_SET_X87, ALWAYS},
};

void fuzz_coverage_add(unsigned isa_set)
{
    reached[isa_set]++;
}

static const SetFeature *find_set(unsigned isa_set)
{
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        if (sets[i].isa_set == isa_set) {
            return &sets[i];
        }
    }
    return NULL;
}

static bool is_offered(const SetFeature *set)
{
    return set->feature != NEVER &&
           (set->feature == ALWAYS || cpu_model_has(cpu_model_current(), set->feature)) &&
           (!set->second || cpu_model_has(cpu_model_current(), set->second));
}

/* Sets of which there is nothing outside of 64-bit code. */
static bool is_64bit_only(unsigned isa_set)
{
    return isa_set == ZYDIS_ISA_SET_LONGMODE || isa_set == ZYDIS_ISA_SET_RDWRFSGS ||
           isa_set == ZYDIS_ISA_SET_CMPXCHG16B;
}

static bool check_set(unsigned isa_set, bool judge)
{
    const SetFeature *set = find_set(isa_set);
    Insn whole_set = {.mnemonic = ZYDIS_MNEMONIC_INVALID, .isa_set = (uint16_t)isa_set};
    bool has_row = rehost_find_row(&whole_set) != NULL;

    if (!set && (has_row || reached[isa_set])) {
        printf("# %s has a row: name its feature in fuzz-insn-coverage.c\n",
               ZydisISASetGetString((ZydisISASet)isa_set));
        return false;
    }
    if (set && judge && is_offered(set) && !reached[isa_set]) {
        printf("# %s was never reached\n", ZydisISASetGetString((ZydisISASet)isa_set));
        return false;
    }
    return true;
}

bool fuzz_coverage_report(uint64_t cases, uint64_t bits, bool verbose)
{
    bool ok = true;

    for (unsigned i = 1; i <= ZYDIS_ISA_SET_MAX_VALUE; i++) {
        if (verbose && reached[i]) {
            printf("# %-14s %10" PRIu64 "\n", ZydisISASetGetString((ZydisISASet)i), reached[i]);
        }
        ok = check_set(i, cases >= ENOUGH_CASES && !(bits == 32 && is_64bit_only(i))) && ok;
    }
    return ok;
}
