/* SPDX-License-Identifier: MIT */
/* MSRs that are storage with the bits that may be set, or a constant: what firmware and kernels
 * probe and do not depend on. Intel SDM vol. 4; AMD APM vol. 2 app. A and the BKDGs. */
#include "target/i386/helpers/msr-rows.h"

#define FEATURE_SEP FEATURE(FEATURE_1_EDX, 11)
#define FEATURE_ACPI FEATURE(FEATURE_1_EDX, 22)

#define STORED(msr, member, bits, ...)                                                             \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_BITS, .offset = offsetof(X86Cpu, member),           \
        .mask = bits, __VA_ARGS__                                                                  \
    }
#define ADDRESS(msr, member, ...)                                                                  \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_CANONICAL, .offset = offsetof(X86Cpu, member),      \
        __VA_ARGS__                                                                                \
    }
#define ENTRY(msr, member)                                                                         \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_ENTRY, .feature = FEATURE_SEP,                      \
        .offset = offsetof(X86Cpu, member)                                                         \
    }
#define FIXED_RANGES(low, high, index)                                                             \
    {                                                                                              \
        .first = low, .last = high, .rule = MSR_FIXED_RANGE, .feature = FEATURE_MTRR,              \
        .offset = offsetof(X86Cpu, mtrr_fixed[index])                                              \
    }
#define CONSTANT(low, high, value, ...)                                                            \
    {                                                                                              \
        .first = low, .last = high, .rule = MSR_CONSTANT, .mask = value, __VA_ARGS__               \
    }
#define READ_ONLY(msr, value, ...)                                                                 \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_READ_ONLY, .mask = value, __VA_ARGS__               \
    }
#define WRITE_ONLY(msr, owner)                                                                     \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_WRITE_ONLY, .vendor = owner                         \
    }
#define INTEL .vendor = MSR_OF_INTEL
#define AMD .vendor = MSR_OF_AMD
#define WITH(which) .feature = which

#define MTRR_CAP (MTRR_COUNT | 1u << 8 | 1u << 10) /* fixed ranges, write combining */
#define FEATURE_CONTROL_LOCKED 1u
#define CPUID_FAULTING (1ull << 31)
#define CLOCK_MODULATION_BITS 0x1full
#define THERM_INTERRUPT_BITS 0x1ffff1full
#define SYSCFG_BITS 0x7c0000ull /* MtrrFixDramEn to Tom2ForceMemTypeWB */
#define TOP_MEM_BITS 0xfffffff800000ull
#define VM_CR_NO_SVM 0x18ull     /* disabled and locked */
#define L2_CONTROL 0xbe702111ull /* enabled, 256 KiB */

static const MsrRow rows[] = {
    CONSTANT(0x0, 0x1, 0, WITH(FEATURE_MCE)), /* P5_MC_ADDR, P5_MC_TYPE */
    READ_ONLY(MSR_PLATFORM_ID, 0, INTEL),
    CONSTANT(0x2a, 0x2a, 0),               /* EBL_CR_POWERON */
    CONSTANT(0x2c, 0x2c, 1u << 24, INTEL), /* EBC_FREQUENCY_ID */
    READ_ONLY(0x34, 0, INTEL),             /* SMI_COUNT */
    READ_ONLY(MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCKED, INTEL),
    WRITE_ONLY(0x79, MSR_OF_INTEL),         /* BIOS_UPDT_TRIG: a microcode update */
    CONSTANT(0xc1, 0xc2, 0, INTEL),         /* P6's counters, which stand still */
    CONSTANT(0xcd, 0xcd, 0, INTEL),         /* FSB_FREQ */
    READ_ONLY(0xce, CPUID_FAULTING, INTEL), /* PLATFORM_INFO */
    READ_ONLY(MSR_MTRRCAP, MTRR_CAP, WITH(FEATURE_MTRR)),
    CONSTANT(0x11e, 0x11e, L2_CONTROL, INTEL), /* BBL_CR_CTL3 */
    STORED(MSR_MISC_FEATURES, misc_features, MISC_FEATURES_CPUID_FAULT, INTEL),
    {.first = MSR_SYSENTER_CS,
     .last = MSR_SYSENTER_CS,
     .rule = MSR_DROPPED,
     .feature = FEATURE_SEP,
     .offset = offsetof(X86Cpu, sysenter_cs),
     .mask = UINT32_MAX},
    ENTRY(MSR_SYSENTER_ESP, sysenter_esp),
    ENTRY(MSR_SYSENTER_EIP, sysenter_eip),
    STORED(MSR_MCG_STATUS, mcg_status, 7, WITH(FEATURE_MCA)),
    STORED(MSR_MCG_CTL, mcg_ctl, UINT64_MAX, WITH(FEATURE_MCA)),
    CONSTANT(0x186, 0x187, 0, INTEL),                  /* P6's event selects */
    READ_ONLY(0x198, 0x1000ull << 32 | 4 << 8, INTEL), /* PERF_STATUS: firmware divides by it */
    CONSTANT(0x199, 0x199, 0, INTEL),                  /* PERF_CTL */
    STORED(0x19a, clock_modulation, CLOCK_MODULATION_BITS, INTEL, WITH(FEATURE_ACPI)),
    STORED(0x19b, therm_interrupt, THERM_INTERRUPT_BITS, INTEL, WITH(FEATURE_ACPI)),
    CONSTANT(0x19c, 0x19c, 0, INTEL, WITH(FEATURE_ACPI)), /* THERM_STATUS: cool */
    CONSTANT(0x1db, 0x1de, 0),                            /* last branch and interrupt: from, to */
    FIXED_RANGES(MSR_MTRR_FIX64K, MSR_MTRR_FIX64K, 0),
    FIXED_RANGES(MSR_MTRR_FIX16K_0, MSR_MTRR_FIX16K_1, 1),
    FIXED_RANGES(MSR_MTRR_FIX4K_0, MSR_MTRR_FIX4K_0 + 7, 3),
    CONSTANT(0x606, 0x606, 0, INTEL), /* RAPL_POWER_UNIT */
    CONSTANT(0x611, 0x611, 0, INTEL), /* energy of package, DRAM, cores, graphics: none used */
    CONSTANT(0x619, 0x619, 0, INTEL),
    CONSTANT(0x639, 0x639, 0, INTEL),
    CONSTANT(0x641, 0x641, 0, INTEL),
    STORED(MSR_XSS, xss, 0, WITH(FEATURE_XSAVES)),
    STORED(MSR_STAR, star, UINT64_MAX, WITH(FEATURE_SYSCALL)),
    ADDRESS(MSR_LSTAR, lstar, WITH(FEATURE_LM)),
    ADDRESS(MSR_CSTAR, cstar, WITH(FEATURE_LM)),
    STORED(MSR_FMASK, fmask, UINT32_MAX, WITH(FEATURE_LM)),
    ADDRESS(MSR_KERNEL_GS_BASE, kernel_gs_base, WITH(FEATURE_LM)),
    CONSTANT(0xc0010000u, 0xc0010007u, 0, AMD), /* event selects and counters, standing still */
    STORED(MSR_SYSCFG, syscfg, SYSCFG_BITS, AMD),
    STORED(0xc001001au, top_mem[0], TOP_MEM_BITS, AMD),
    STORED(0xc001001du, top_mem[1], TOP_MEM_BITS, AMD),
    CONSTANT(0xc001001fu, 0xc001001fu, 0, AMD), /* NB_CFG */
    WRITE_ONLY(0xc0010020u, MSR_OF_AMD),        /* PATCH_LOADER: a microcode update */
    CONSTANT(0xc0010044u, 0xc0010044u + MCE_BANK_COUNT - 1, 0, AMD,
             WITH(FEATURE_MCA)),                /* masks of machine checks */
    CONSTANT(0xc0010055u, 0xc0010055u, 0, AMD), /* interrupt pending and C1E */
    CONSTANT(0xc0010058u, 0xc0010058u, 0, AMD), /* MMIO configuration base */
    CONSTANT(0xc0010061u, 0xc0010063u, 0, AMD), /* P-state: limit, control, status */
    CONSTANT(0xc0010112u, 0xc0010113u, 0, AMD), /* TSEG */
    CONSTANT(0xc0010114u, 0xc0010114u, VM_CR_NO_SVM, AMD),
    CONSTANT(0xc0010140u, 0xc0010141u, 0, AMD), /* OSVW */
    CONSTANT(0xc0011020u, 0xc0011023u, 0, AMD), /* LS_CFG, IC_CFG, DC_CFG, BU_CFG */
    CONSTANT(0xc0011029u, 0xc0011029u, 2, AMD), /* DE_CFG: LFENCE serialises */
    CONSTANT(0xc001102au, 0xc001102au, 0, AMD), /* BU_CFG2 */
};

#define ROW_COUNT (sizeof(rows) / sizeof(rows[0]))

static bool is_offered(const X86Cpu *cpu, const MsrRow *row)
{
    if (row->vendor != MSR_OF_ANY && (row->vendor == MSR_OF_AMD) != cpu->model->is_amd) {
        return false;
    }
    return row->feature == 0 || cpu_has(cpu, row->feature);
}

const MsrRow *msr_row_find(const X86Cpu *cpu, uint32_t msr)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if (msr >= rows[i].first && msr <= rows[i].last) {
            return is_offered(cpu, &rows[i]) ? &rows[i] : NULL;
        }
    }
    return NULL;
}
