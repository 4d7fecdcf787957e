/* SPDX-License-Identifier: MIT */
/* Which CPUID bits promise an ISA set (Intel SDM vol. 2 CPUID, AMD APM vol. 3 appendix E), and how
 * instructions end that cannot be compared with the host. */
#include "target/i386/cpu-model.h"
#include "tests/insn/isa-walk.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define ALWAYS 0xfffe
#define NEVER 0xffff /* of other processors, or promised by no word that a model has */
#define VL FEATURE(FEATURE_7_EBX, 31)

/* Names as Zydis has them, AVX-512 without the length. */
static const struct {
    const char *set;
    uint16_t feature;
    bool is_nop_without;
} promises[] = {
    {"ADOX_ADCX", FEATURE(FEATURE_7_EBX, 19)},
    {"AES", FEATURE(FEATURE_1_ECX, 25)},
    {"AMD", FEATURE(FEATURE_80000001_EDX, 11)},
    {"AMD3DNOW", FEATURE(FEATURE_80000001_EDX, 31)},
    {"AMD_INVLPGB", FEATURE(FEATURE_80000008_EBX, 3)},
    {"AMX_BF16", FEATURE(FEATURE_7_EDX, 22)},
    {"AMX_INT8", FEATURE(FEATURE_7_EDX, 25)},
    {"AMX_TILE", FEATURE(FEATURE_7_EDX, 24)},
    {"AVX", FEATURE(FEATURE_1_ECX, 28)},
    {"AVX2", FEATURE(FEATURE_7_EBX, 5)},
    {"AVX2GATHER", FEATURE(FEATURE_7_EBX, 5)},
    {"AVX512BW", FEATURE(FEATURE_7_EBX, 30)},
    {"AVX512CD", FEATURE(FEATURE_7_EBX, 28)},
    {"AVX512DQ", FEATURE(FEATURE_7_EBX, 17)},
    {"AVX512ER", FEATURE(FEATURE_7_EBX, 27)},
    {"AVX512F", FEATURE(FEATURE_7_EBX, 16)},
    {"AVX512PF", FEATURE(FEATURE_7_EBX, 26)},
    {"AVX512_4FMAPS", FEATURE(FEATURE_7_EDX, 3)},
    {"AVX512_4VNNIW", FEATURE(FEATURE_7_EDX, 2)},
    {"AVX512_BF16", FEATURE(FEATURE_7_1_EAX, 5)},
    {"AVX512_BITALG", FEATURE(FEATURE_7_ECX, 12)},
    {"AVX512_FP16", FEATURE(FEATURE_7_EDX, 23)},
    {"AVX512_GFNI", FEATURE(FEATURE_7_ECX, 8)},
    {"AVX512_IFMA", FEATURE(FEATURE_7_EBX, 21)},
    {"AVX512_VAES", FEATURE(FEATURE_7_ECX, 9)},
    {"AVX512_VBMI", FEATURE(FEATURE_7_ECX, 1)},
    {"AVX512_VBMI2", FEATURE(FEATURE_7_ECX, 6)},
    {"AVX512_VNNI", FEATURE(FEATURE_7_ECX, 11)},
    {"AVX512_VP2INTERSECT", FEATURE(FEATURE_7_EDX, 8)},
    {"AVX512_VPCLMULQDQ", FEATURE(FEATURE_7_ECX, 10)},
    {"AVX512_VPOPCNTDQ", FEATURE(FEATURE_7_ECX, 14)},
    {"AVXAES", FEATURE(FEATURE_1_ECX, 25)},
    {"AVX_GFNI", FEATURE(FEATURE_7_ECX, 8)},
    {"AVX_VNNI", FEATURE(FEATURE_7_1_EAX, 4)},
    {"BMI1", FEATURE(FEATURE_7_EBX, 3)},
    {"BMI2", FEATURE(FEATURE_7_EBX, 8)},
    {"CET", FEATURE(FEATURE_7_ECX, 7), true},
    {"CLDEMOTE", FEATURE(FEATURE_7_ECX, 25), true},
    {"CLFLUSHOPT", FEATURE(FEATURE_7_EBX, 23)},
    {"CLFSH", FEATURE(FEATURE_1_EDX, 19)},
    {"CLWB", FEATURE(FEATURE_7_EBX, 24)},
    {"CLZERO", FEATURE(FEATURE_80000008_EBX, 0)},
    {"CMOV", FEATURE(FEATURE_1_EDX, 15)},
    {"CMPXCHG16B", FEATURE(FEATURE_1_ECX, 13)},
    {"ENQCMD", FEATURE(FEATURE_7_ECX, 29)},
    {"F16C", FEATURE(FEATURE_1_ECX, 29)},
    {"FAT_NOP", ALWAYS},
    {"FCMOV", FEATURE(FEATURE_1_EDX, 15)},
    {"FMA", FEATURE(FEATURE_1_ECX, 12)},
    {"FMA4", FEATURE(FEATURE_80000001_ECX, 16)},
    {"FXSAVE", FEATURE(FEATURE_1_EDX, 24)},
    {"FXSAVE64", FEATURE(FEATURE_1_EDX, 24)},
    {"GFNI", FEATURE(FEATURE_7_ECX, 8)},
    {"HRESET", FEATURE(FEATURE_7_1_EAX, 22)},
    {"I186", ALWAYS},
    {"I286PROTECTED", ALWAYS},
    {"I286REAL", ALWAYS},
    {"I386", ALWAYS},
    {"I486", ALWAYS},
    {"I486REAL", ALWAYS},
    {"I86", ALWAYS},
    {"INVPCID", FEATURE(FEATURE_7_EBX, 10)},
    {"KEYLOCKER", FEATURE(FEATURE_7_ECX, 23)},
    {"KEYLOCKER_WIDE", FEATURE(FEATURE_7_ECX, 23)},
    {"LAHF", ALWAYS},
    {"LONGMODE", ALWAYS},
    {"LWP", FEATURE(FEATURE_80000001_ECX, 15)},
    {"LZCNT", FEATURE(FEATURE_80000001_ECX, 5)},
    {"MCOMMIT", FEATURE(FEATURE_80000008_EBX, 8)},
    {"MONITOR", FEATURE(FEATURE_1_ECX, 3)},
    {"MONITORX", FEATURE(FEATURE_80000001_ECX, 29)},
    {"MOVBE", FEATURE(FEATURE_1_ECX, 22)},
    {"MOVDIR", FEATURE(FEATURE_7_ECX, 27)},
    {"MPX", FEATURE(FEATURE_7_EBX, 14)},
    {"PAUSE", ALWAYS},
    {"PCLMULQDQ", FEATURE(FEATURE_1_ECX, 1)},
    {"PCONFIG", FEATURE(FEATURE_7_EDX, 18)},
    {"PENTIUMMMX", FEATURE(FEATURE_1_EDX, 23)},
    {"PENTIUMREAL", ALWAYS},
    {"PKU", FEATURE(FEATURE_7_ECX, 3)},
    {"POPCNT", FEATURE(FEATURE_1_ECX, 23)},
    {"PPRO", ALWAYS},
    {"PREFETCHWT1", FEATURE(FEATURE_7_ECX, 0), true},
    {"PREFETCH_NOP", ALWAYS},
    {"PT", FEATURE(FEATURE_7_EBX, 25)},
    {"RDPID", FEATURE(FEATURE_7_ECX, 22)},
    {"RDPMC", ALWAYS},
    {"RDPRU", FEATURE(FEATURE_80000008_EBX, 4)},
    {"RDRAND", FEATURE(FEATURE_1_ECX, 30)},
    {"RDSEED", FEATURE(FEATURE_7_EBX, 18)},
    {"RDTSCP", FEATURE(FEATURE_80000001_EDX, 27)},
    {"RDWRFSGS", FEATURE(FEATURE_7_EBX, 0)},
    {"RTM", FEATURE(FEATURE_7_EBX, 11)},
    {"SERIALIZE", FEATURE(FEATURE_7_EDX, 14)},
    {"SGX", FEATURE(FEATURE_7_EBX, 2)},
    {"SHA", FEATURE(FEATURE_7_EBX, 29)},
    {"SMAP", FEATURE(FEATURE_7_EBX, 20)},
    {"SMX", FEATURE(FEATURE_1_ECX, 6)},
    {"SSE", FEATURE(FEATURE_1_EDX, 25)},
    {"SSE2", FEATURE(FEATURE_1_EDX, 26)},
    {"SSE2MMX", FEATURE(FEATURE_1_EDX, 26)},
    {"SSE3", FEATURE(FEATURE_1_ECX, 0)},
    {"SSE3X87", FEATURE(FEATURE_1_ECX, 0)},
    {"SSE4", FEATURE(FEATURE_1_ECX, 19)},
    {"SSE42", FEATURE(FEATURE_1_ECX, 20)},
    {"SSE4A", FEATURE(FEATURE_80000001_ECX, 6)},
    {"SSEMXCSR", FEATURE(FEATURE_1_EDX, 25)},
    {"SSE_PREFETCH", FEATURE(FEATURE_1_EDX, 25)},
    {"SSSE3", FEATURE(FEATURE_1_ECX, 9)},
    {"SSSE3MMX", FEATURE(FEATURE_1_ECX, 9)},
    {"SVM", FEATURE(FEATURE_80000001_ECX, 2)},
    {"TBM", FEATURE(FEATURE_80000001_ECX, 21)},
    {"TSX_LDTRK", FEATURE(FEATURE_7_EDX, 16)},
    {"UINTR", FEATURE(FEATURE_7_EDX, 5)},
    {"VAES", FEATURE(FEATURE_7_ECX, 9)},
    {"VMFUNC", FEATURE(FEATURE_1_ECX, 5)},
    {"VPCLMULQDQ", FEATURE(FEATURE_7_ECX, 10)},
    {"VTX", FEATURE(FEATURE_1_ECX, 5)},
    {"WAITPKG", FEATURE(FEATURE_7_ECX, 5)},
    {"X87", FEATURE(FEATURE_1_EDX, 0)},
    {"XOP", FEATURE(FEATURE_80000001_ECX, 11)},
    {"XSAVE", FEATURE(FEATURE_1_ECX, 26)},
    {"XSAVEC", FEATURE(FEATURE_D_1_EAX, 1)},
    {"XSAVEOPT", FEATURE(FEATURE_D_1_EAX, 0)},
    {"XSAVES", FEATURE(FEATURE_D_1_EAX, 3)},
};

static bool has(unsigned feature)
{
    return feature == ALWAYS || (feature != NEVER && cpu_model_has(cpu_model_current(), feature));
}

/* Length of the name without what only says how long the vectors are. */
static size_t family_length(const char *name, bool *ret_needs_vl)
{
    static const char *const ends[] = {"_128N", "_SCALAR", "_KOP", "_512", "_128", "_256"};
    size_t length = strlen(name);

    *ret_needs_vl = false;
    for (size_t i = 0; i < G_N_ELEMENTS(ends) && g_str_has_prefix(name, "AVX512"); i++) {
        if (g_str_has_suffix(name, ends[i])) {
            *ret_needs_vl = i >= 4;
            return length - strlen(ends[i]);
        }
    }
    return length;
}

IsaPromise isa_walk_promise(unsigned isa_set)
{
    const char *name = ZydisISASetGetString((ZydisISASet)isa_set);
    bool needs_vl;
    size_t length = family_length(name, &needs_vl);

    for (size_t i = 0; i < G_N_ELEMENTS(promises); i++) {
        if (strlen(promises[i].set) == length && !memcmp(promises[i].set, name, length)) {
            bool has_base = !g_str_has_prefix(name, "AVX512") || has(FEATURE_AVX512F);
            return has(promises[i].feature) && has_base && (!needs_vl || has(VL)) ? ISA_PROMISED
                   : promises[i].is_nop_without                                   ? ISA_NOP
                                                : ISA_NOT_PROMISED;
        }
    }
    return ISA_NOT_PROMISED; /* other makers' and those without a CPUID bit in a model */
}

bool isa_walk_is_in_mode(unsigned isa_set, uint32_t mode)
{
    const bool is_64bit = mode & CPU_MODE_CS_L;

    switch (isa_set) {
    case ZYDIS_ISA_SET_AMD: /* SYSCALL and SYSRET of 32-bit code */
        return !is_64bit;
    case ZYDIS_ISA_SET_CMPXCHG16B:
    case ZYDIS_ISA_SET_FXSAVE64:
    case ZYDIS_ISA_SET_LONGMODE:
    case ZYDIS_ISA_SET_RDWRFSGS:
        return is_64bit;
    default:
        return true;
    }
}

#define BIT(vector) (1u << (vector))

IsaEnd isa_walk_end(const Insn *insn)
{
    const bool has_umip = cpu_model_has(cpu_model_current(), FEATURE_UMIP);
    const bool is_amd = cpu_model_current()->is_amd;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSENTER:
        return (IsaEnd){.reason = "enters ring 0"};
    case ZYDIS_MNEMONIC_RSM:
    case ZYDIS_MNEMONIC_STAC:
    case ZYDIS_MNEMONIC_CLAC:
    case ZYDIS_MNEMONIC_MONITOR:
    case ZYDIS_MNEMONIC_MWAIT:
    case ZYDIS_MNEMONIC_RDPKRU: /* CR4.PKE is clear */
    case ZYDIS_MNEMONIC_WRPKRU:
        return (IsaEnd){"of ring 0, #UD elsewhere", true, BIT(VECTOR_UD)};
    case ZYDIS_MNEMONIC_SYSEXIT: /* AMD has none in long mode */
        return (IsaEnd){"of ring 0", true, BIT(is_amd ? VECTOR_UD : VECTOR_GP)};
    case ZYDIS_MNEMONIC_SYSRET: /* Intel has none outside of 64-bit code */
        return (IsaEnd){"of ring 0", true,
                        BIT(is_amd || insn->stack_bits == 64 ? VECTOR_GP : VECTOR_UD)};
    case ZYDIS_MNEMONIC_SWAPGS:
    case ZYDIS_MNEMONIC_INVPCID:
    case ZYDIS_MNEMONIC_XSETBV:
    case ZYDIS_MNEMONIC_XSAVES:
    case ZYDIS_MNEMONIC_XSAVES64:
    case ZYDIS_MNEMONIC_XRSTORS:
    case ZYDIS_MNEMONIC_XRSTORS64:
    case ZYDIS_MNEMONIC_RDPMC:
        return (IsaEnd){"of ring 0", true, BIT(VECTOR_GP)};
    case ZYDIS_MNEMONIC_SMSW:
    case ZYDIS_MNEMONIC_SGDT:
    case ZYDIS_MNEMONIC_SIDT:
    case ZYDIS_MNEMONIC_SLDT:
    case ZYDIS_MNEMONIC_STR:
        return (IsaEnd){"shows the host's tables", true, BIT(has_umip ? VECTOR_GP : VECTOR_BP)};
    case ZYDIS_MNEMONIC_FXRSTOR: /* from what data happens to lie there */
    case ZYDIS_MNEMONIC_FXRSTOR64:
    case ZYDIS_MNEMONIC_XRSTOR:
    case ZYDIS_MNEMONIC_XRSTOR64:
    case ZYDIS_MNEMONIC_XGETBV:
        return (IsaEnd){"state the case does not know", true, BIT(VECTOR_BP) | BIT(VECTOR_GP)};
    case ZYDIS_MNEMONIC_FXSAVE:
    case ZYDIS_MNEMONIC_FXSAVE64:
    case ZYDIS_MNEMONIC_XSAVE:
    case ZYDIS_MNEMONIC_XSAVE64:
    case ZYDIS_MNEMONIC_XSAVEOPT:
    case ZYDIS_MNEMONIC_XSAVEOPT64:
    case ZYDIS_MNEMONIC_XSAVEC:
    case ZYDIS_MNEMONIC_XSAVEC64:
    case ZYDIS_MNEMONIC_FNSTENV:
    case ZYDIS_MNEMONIC_FNSAVE:
    case ZYDIS_MNEMONIC_FNCLEX:
        return (IsaEnd){"state the case does not know", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_CPUID:
    case ZYDIS_MNEMONIC_RDTSC:
    case ZYDIS_MNEMONIC_RDTSCP:
    case ZYDIS_MNEMONIC_RDPID:
        return (IsaEnd){"the machine's own answer", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_RDRAND:
    case ZYDIS_MNEMONIC_RDSEED:
        return (IsaEnd){"another number each time", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_CLZERO: /* RAX points at nothing, and so does a register of MOVDIR64B */
    case ZYDIS_MNEMONIC_MOVDIRI:
    case ZYDIS_MNEMONIC_MOVDIR64B:
        return (IsaEnd){"not every host has it", true,
                        BIT(VECTOR_BP) | BIT(VECTOR_PF) | BIT(VECTOR_GP)};
    case ZYDIS_MNEMONIC_PAUSE:
        return (IsaEnd){"shows nothing", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_NOP: /* codes of prefetches with a register */
        return (IsaEnd){"NOP or #UD by maker", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
        return (IsaEnd){"TZCNT and LZCNT on the host", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_AAA:
    case ZYDIS_MNEMONIC_AAS:
    case ZYDIS_MNEMONIC_DAA:
    case ZYDIS_MNEMONIC_DAS:
        return (IsaEnd){"flags differ by maker", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_PUSH:
        return (IsaEnd){"of a segment register: width differs by maker", true, BIT(VECTOR_BP)};
    case ZYDIS_MNEMONIC_CALL:
        return (IsaEnd){"width of far pointers, order of checks: by maker", true, BIT(VECTOR_GP)};
    case ZYDIS_MNEMONIC_JMP:
    case ZYDIS_MNEMONIC_LSS:
    case ZYDIS_MNEMONIC_LFS:
    case ZYDIS_MNEMONIC_LGS:
        return (IsaEnd){"far pointers of 64 bits: of Intel only", true, BIT(VECTOR_GP)};
    case ZYDIS_MNEMONIC_INT1:
        return (IsaEnd){"a debug trap", true, BIT(VECTOR_DB)};
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
        return (IsaEnd){"length differs by maker", true, BIT(VECTOR_UD)};
    default:
        return (IsaEnd){0};
    }
}
