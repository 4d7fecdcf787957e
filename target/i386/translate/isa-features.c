/* SPDX-License-Identifier: MIT */
/* Which CPUID bit each Zydis ISA set needs. An instruction whose bit the model does not offer is
 * #UD. */
#include "target/i386/cpu-model.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Zydis.h>

#define NEEDS(set, word, bit)                                                                      \
    {                                                                                              \
        ZYDIS_ISA_SET_##set, FEATURE(FEATURE_##word, bit), FEATURE(FEATURE_##word, bit)            \
    }

/* The forms of an AVX-512 extension: 512-bit vectors, and shorter ones, which need VL besides. */
#define NEEDS_512(set, word, bit)                                                                  \
    {ZYDIS_ISA_SET_##set##_512, FEATURE(FEATURE_##word, bit), FEATURE_AVX512F},                    \
        {ZYDIS_ISA_SET_##set##_256, FEATURE(FEATURE_##word, bit), AVX512VL},                       \
    {                                                                                              \
        ZYDIS_ISA_SET_##set##_128, FEATURE(FEATURE_##word, bit), AVX512VL                          \
    }

#define AVX512VL FEATURE(FEATURE_7_EBX, 31)

/* Sets that every x86-64 processor has, and those whose codes are NOPs for older processors (CET,
 * CLDEMOTE, prefetches), are not listed. Without LZCNT and BMI1, LZCNT and TZCNT are
 * decoded as BSR and BSF. */
static const struct {
    uint16_t isa_set, feature, second;
} needs[] = {
    NEEDS(CMOV, 1_EDX, 15),
    NEEDS(FCMOV, 1_EDX, 15),
    NEEDS(CLFSH, 1_EDX, 19),
    NEEDS(PENTIUMMMX, 1_EDX, 23),
    NEEDS(FXSAVE, 1_EDX, 24),
    NEEDS(FXSAVE64, 1_EDX, 24),
    NEEDS(SSE, 1_EDX, 25),
    NEEDS(SSEMXCSR, 1_EDX, 25),
    NEEDS(SSE2, 1_EDX, 26),
    NEEDS(SSE2MMX, 1_EDX, 26),
    NEEDS(SSE3, 1_ECX, 0),
    NEEDS(SSE3X87, 1_ECX, 0),
    NEEDS(PCLMULQDQ, 1_ECX, 1),
    NEEDS(MONITOR, 1_ECX, 3),
    NEEDS(SSSE3, 1_ECX, 9),
    NEEDS(SSSE3MMX, 1_ECX, 9),
    NEEDS(FMA, 1_ECX, 12),
    NEEDS(CMPXCHG16B, 1_ECX, 13),
    NEEDS(SSE4, 1_ECX, 19),
    NEEDS(SSE42, 1_ECX, 20),
    NEEDS(MOVBE, 1_ECX, 22),
    NEEDS(POPCNT, 1_ECX, 23),
    NEEDS(AES, 1_ECX, 25),
    NEEDS(AVXAES, 1_ECX, 25),
    NEEDS(XSAVE, 1_ECX, 26),
    NEEDS(AVX, 1_ECX, 28),
    NEEDS(F16C, 1_ECX, 29),
    NEEDS(RDRAND, 1_ECX, 30),
    NEEDS(LAHF, 80000001_ECX, 0),
    NEEDS(RDWRFSGS, 7_EBX, 0),
    NEEDS(AVX2, 7_EBX, 5),
    NEEDS(AVX2GATHER, 7_EBX, 5),
    NEEDS(BMI1, 7_EBX, 3),
    NEEDS(BMI2, 7_EBX, 8),
    NEEDS(LZCNT, 80000001_ECX, 5),
    NEEDS(INVPCID, 7_EBX, 10),
    NEEDS(RDSEED, 7_EBX, 18),
    NEEDS(ADOX_ADCX, 7_EBX, 19),
    NEEDS(SMAP, 7_EBX, 20),
    NEEDS(CLFLUSHOPT, 7_EBX, 23),
    NEEDS(CLWB, 7_EBX, 24),
    NEEDS(CLZERO, 80000008_EBX, 0),
    NEEDS(SHA, 7_EBX, 29),
    NEEDS(PKU, 7_ECX, 3),
    NEEDS(GFNI, 7_ECX, 8),
    NEEDS(AVX_GFNI, 7_ECX, 8),
    NEEDS(VAES, 7_ECX, 9),
    NEEDS(VPCLMULQDQ, 7_ECX, 10),
    NEEDS(RDPID, 7_ECX, 22),
    NEEDS(MOVDIR, 7_ECX, 27), /* MOVDIR64B looks at its own bit besides */
    NEEDS(AVX_VNNI, 7_1_EAX, 4),
    NEEDS(XSAVEOPT, D_1_EAX, 0),
    NEEDS(XSAVEC, D_1_EAX, 1),
    NEEDS(XSAVES, D_1_EAX, 3),
    NEEDS(RDTSCP, 80000001_EDX, 27),
    NEEDS(SSE4A, 80000001_ECX, 6),
    NEEDS_512(AVX512F, 7_EBX, 16),
    NEEDS(AVX512F_128N, 7_EBX, 16),
    NEEDS(AVX512F_SCALAR, 7_EBX, 16),
    NEEDS(AVX512F_KOP, 7_EBX, 16),
    NEEDS_512(AVX512DQ, 7_EBX, 17),
    NEEDS(AVX512DQ_128N, 7_EBX, 17),
    NEEDS(AVX512DQ_SCALAR, 7_EBX, 17),
    NEEDS(AVX512DQ_KOP, 7_EBX, 17),
    NEEDS_512(AVX512_IFMA, 7_EBX, 21),
    NEEDS_512(AVX512CD, 7_EBX, 28),
    NEEDS_512(AVX512BW, 7_EBX, 30),
    NEEDS(AVX512BW_128N, 7_EBX, 30),
    NEEDS(AVX512BW_KOP, 7_EBX, 30),
    NEEDS_512(AVX512_VBMI, 7_ECX, 1),
    NEEDS_512(AVX512_VBMI2, 7_ECX, 6),
    NEEDS_512(AVX512_GFNI, 7_ECX, 8),
    NEEDS_512(AVX512_VAES, 7_ECX, 9),
    NEEDS_512(AVX512_VPCLMULQDQ, 7_ECX, 10),
    NEEDS_512(AVX512_VNNI, 7_ECX, 11),
    NEEDS_512(AVX512_BITALG, 7_ECX, 12),
    NEEDS_512(AVX512_VPOPCNTDQ, 7_ECX, 14),
    NEEDS_512(AVX512_VP2INTERSECT, 7_EDX, 8),
    NEEDS_512(AVX512_BF16, 7_1_EAX, 5),
};

bool rehost_set_is_offered(unsigned isa_set)
{
    for (size_t i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (needs[i].isa_set == isa_set) {
            return cpu_model_has(cpu_model_current(), needs[i].feature) &&
                   cpu_model_has(cpu_model_current(), needs[i].second);
        }
    }
    return true;
}
