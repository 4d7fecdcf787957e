/* SPDX-License-Identifier: MIT */
/* RDMSR, WRMSR, and the time-stamp counter's instructions.
 * Intel SDM vol. 4, AMD APM vol. 2 app. A. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/apic-access.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/tsc.h"
#include "util/log.h"

/*
 * Most MSRs are rows: storage in X86Cpu with the bits that may be set, or a constant that ignores
 * writes (what firmware and kernels probe and do not depend on). Those that do something are cases
 * of msr_read_special() and msr_write_special().
 */

typedef enum MsrRule {
    MSR_BITS,      /* other bits than .mask: #GP */
    MSR_CANONICAL, /* an address */
    MSR_CONSTANT,  /* reads .mask, writes are dropped */
    MSR_READ_ONLY  /* reads .mask, writes are #GP */
} MsrRule;

typedef struct MsrRow {
    uint32_t first, last;
    MsrRule rule;
    uint32_t offset; /* of the first in X86Cpu; consecutive ones follow */
    uint64_t mask;
} MsrRow;

#define STORED(msr, member, bits)                                                                  \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_BITS, .offset = offsetof(X86Cpu, member),           \
        .mask = bits                                                                               \
    }
#define STORED_ADDRESS(msr, member)                                                                \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_CANONICAL, .offset = offsetof(X86Cpu, member)       \
    }
#define CONSTANT(low, high, value)                                                                 \
    {                                                                                              \
        .first = low, .last = high, .rule = MSR_CONSTANT, .mask = value                            \
    }
#define READ_ONLY(msr, value)                                                                      \
    {                                                                                              \
        .first = msr, .last = msr, .rule = MSR_READ_ONLY, .mask = value                            \
    }

#define MTRR_COUNT 8
#define MTRR_CAP (MTRR_COUNT | 1u << 8 | 1u << 10) /* fixed ranges, write combining */
#define MTRR_DEF_TYPE_BITS 0xcffull
#define FEATURE_CONTROL_LOCKED 1u
#define SPEC_CTRL_IBRS 1u
#define SPEC_CTRL_STIBP 2u
#define SPEC_CTRL_SSBD 4u
#define PRED_CMD_IBPB 1u
#define PERF_COUNTERS 4

static const MsrRow msr_rows[] = {
    STORED_ADDRESS(MSR_LSTAR, lstar),
    STORED_ADDRESS(MSR_CSTAR, cstar),
    STORED_ADDRESS(MSR_KERNEL_GS_BASE, kernel_gs_base),
    STORED(MSR_STAR, star, UINT64_MAX),
    STORED(MSR_FMASK, fmask, UINT32_MAX),
    STORED(MSR_SYSENTER_CS, sysenter_cs, UINT32_MAX),
    STORED_ADDRESS(MSR_SYSENTER_ESP, sysenter_esp),
    STORED_ADDRESS(MSR_SYSENTER_EIP, sysenter_eip),
    STORED(MSR_MISC_ENABLE, misc_enable, UINT64_MAX),
    STORED(MSR_MTRR_FIX64K, mtrr_fixed[0], UINT64_MAX),
    {.first = MSR_MTRR_FIX16K_0,
     .last = MSR_MTRR_FIX16K_1,
     .offset = offsetof(X86Cpu, mtrr_fixed[1]),
     .mask = UINT64_MAX},
    {.first = MSR_MTRR_FIX4K_0,
     .last = MSR_MTRR_FIX4K_0 + 7,
     .offset = offsetof(X86Cpu, mtrr_fixed[3]),
     .mask = UINT64_MAX},
    STORED(MSR_MTRR_DEF_TYPE, mtrr_def_type, MTRR_DEF_TYPE_BITS),
    STORED(MSR_MCG_STATUS, mcg_status, 7),
    STORED(MSR_MCG_CTL, mcg_ctl, UINT64_MAX),
    STORED(MSR_XSS, xss, 0),
    READ_ONLY(MSR_MTRRCAP, MTRR_CAP),
    READ_ONLY(MSR_PLATFORM_ID, 0),
    CONSTANT(0x2a, 0x2a, 0), /* EBL_CR_POWERON */
    CONSTANT(0x34, 0x34, 0), /* SMI_COUNT */
    CONSTANT(MSR_FEATURE_CONTROL, MSR_FEATURE_CONTROL, FEATURE_CONTROL_LOCKED),
    CONSTANT(0x79, 0x79, 0), /* BIOS_UPDT_TRIG: a microcode update */
    CONSTANT(MSR_BIOS_SIGN, MSR_BIOS_SIGN, 0x01000065ull),
    CONSTANT(0xc1, 0xc8, 0),                    /* PMC0-7 */
    READ_ONLY(0xce, 0),                         /* PLATFORM_INFO */
    CONSTANT(0x140, 0x140, 0),                  /* MISC_FEATURES_ENABLES */
    CONSTANT(0x186, 0x18d, 0),                  /* PERFEVTSEL0-7 */
    READ_ONLY(0x198, 0x1000ull << 32 | 4 << 8), /* PERF_STATUS: as boot firmware divides by it */
    CONSTANT(0x199, 0x19c, 0), /* PERF_CTL, CLOCK_MODULATION, THERM_INTERRUPT, THERM_STATUS */
    CONSTANT(0x1db, 0x1de, 0), /* last branch and interrupt: from, to */
    CONSTANT(0x345, 0x345, 0), /* PERF_CAPABILITIES */
    CONSTANT(0x38d, 0x390, 0), /* fixed counter control, global status */
    CONSTANT(0x400, 0x427, 0), /* machine check banks: nothing is ever wrong */
    CONSTANT(0x606, 0x606, 0), /* RAPL_POWER_UNIT */
    CONSTANT(0x611, 0x611, 0), /* PKG_ENERGY_STATUS */
    CONSTANT(0x639, 0x641, 0), /* PP0, PP1 energy */
    CONSTANT(0xc0010000u, 0xc0010007u, 0),     /* AMD event selects and counters */
    CONSTANT(0xc0010010u, 0xc0010010u, 0),     /* SYSCFG */
    CONSTANT(0xc0010015u, 0xc0010015u, 0x100), /* HWCR: locked */
    CONSTANT(0xc001001au, 0xc001001au, 0),     /* TOP_MEM */
    CONSTANT(0xc001001du, 0xc001001du, 0),     /* TOP_MEM2 */
    CONSTANT(0xc001001fu, 0xc001001fu, 0),     /* NB_CFG */
    CONSTANT(0xc0010055u, 0xc0010055u, 0),     /* interrupt pending and C1E */
    CONSTANT(0xc0010058u, 0xc0010058u, 0),     /* MMIO configuration base */
    CONSTANT(0xc0010063u, 0xc0010063u, 0),     /* P-state status */
    CONSTANT(0xc0010112u, 0xc0010113u, 0),     /* TSEG */
    CONSTANT(0xc0010114u, 0xc0010114u, 0x18),  /* VM_CR: SVM disabled and locked */
    CONSTANT(0xc0010140u, 0xc0010141u, 0),     /* OSVW */
    CONSTANT(0xc0011020u, 0xc0011020u, 0),     /* LS_CFG */
    CONSTANT(0xc0011022u, 0xc0011023u, 0),     /* DC_CFG, BU_CFG */
    CONSTANT(0xc0011029u, 0xc001102au, 2),     /* DE_CFG: LFENCE serialises; BU_CFG2 */
};

#define ROW_COUNT (sizeof(msr_rows) / sizeof(msr_rows[0]))

static uint64_t *row_storage(X86Cpu *cpu, const MsrRow *row, uint32_t msr)
{
    return (uint64_t *)((uint8_t *)cpu + row->offset) + (msr - row->first);
}

static const MsrRow *find_row(uint32_t msr)
{
    for (unsigned i = 0; i < ROW_COUNT; i++) {
        if (msr >= msr_rows[i].first && msr <= msr_rows[i].last) {
            return &msr_rows[i];
        }
    }
    return NULL;
}

/* Canonical whatever the mode is: what is stored now is used in 64-bit mode later. */
static bool is_address(const X86Cpu *cpu, uint64_t value)
{
    unsigned shift = cpu->cr4 & CR4_LA57 ? 64 - 57 : 64 - 48;

    return (uint64_t)((int64_t)(value << shift) >> shift) == value;
}

/* Says it once for each MSR, as far as a small table goes. Under the machine lock. */
static void tell_unknown(const X86Cpu *cpu, uint32_t msr, const char *verb)
{
    static uint32_t told[64];
    static unsigned told_count;

    for (unsigned i = 0; i < told_count; i++) {
        if (told[i] == msr) {
            return;
        }
    }
    if (told_count < sizeof(told) / sizeof(told[0])) {
        told[told_count++] = msr;
        log_printf("%s of unknown MSR 0x%x at 0x%llx: #GP\n", verb, (unsigned)msr,
                   (unsigned long long)cpu->rip);
    }
}

static bool unknown_msr(X86Cpu *cpu, uint32_t msr, const char *verb)
{
    if (log_enabled(LOG_UNIMP)) {
        apic_enter(cpu);
        tell_unknown(cpu, msr, verb);
        apic_leave();
    }
    return fault_gp(cpu, 0);
}

/* Memory types UC, WC, WT, WP, WB, UC-, one a byte; `allow_weak`: UC- too. */
static bool memory_types_valid(uint64_t value, bool allow_weak)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> (i * 8) & 0xff;

        if (type > 7 || type == 2 || type == 3 || (type == 7 && !allow_weak)) {
            return false;
        }
    }
    return true;
}

static bool has_spec_ctrl(const X86Cpu *cpu)
{
    return cpu_has(cpu, FEATURE_SPEC_CTRL) || cpu_has(cpu, FEATURE_AMD_IBRS) ||
           cpu_has(cpu, FEATURE_AMD_STIBP) || cpu_has(cpu, FEATURE_AMD_SSBD) ||
           cpu_has(cpu, FEATURE_STIBP) || cpu_has(cpu, FEATURE_SSBD);
}

static bool is_apic_msr(const X86Cpu *cpu, uint32_t msr)
{
    if (msr == MSR_TSC_DEADLINE) {
        return cpu_has(cpu, FEATURE_TSC_DEADLINE);
    }
    return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST && cpu_has(cpu, FEATURE_X2APIC);
}

static bool apic_read(X86Cpu *cpu, uint32_t msr, uint64_t *ret_value)
{
    bool ok;

    apic_enter(cpu);
    ok = cpu->apic_ops && cpu->apic_ops->msr_read(cpu->apic, msr, ret_value);
    apic_leave();
    return ok || fault_gp(cpu, 0);
}

static bool apic_write(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    bool ok;

    apic_enter(cpu);
    ok = cpu->apic_ops && cpu->apic_ops->msr_write(cpu->apic, msr, value);
    apic_leave();
    return ok || fault_gp(cpu, 0);
}

static bool read_apic_base(X86Cpu *cpu, uint64_t *ret_value)
{
    apic_enter(cpu);
    *ret_value = cpu->apic_ops ? cpu->apic_ops->get_base(cpu->apic) : 0;
    apic_leave();
    return true;
}

static bool write_apic_base(X86Cpu *cpu, uint64_t value)
{
    bool ok;

    if (value & ~cpu->model->phys_mask) {
        return fault_gp(cpu, 0);
    }
    apic_enter(cpu);
    ok = cpu->apic_ops && cpu->apic_ops->set_base(cpu->apic, value);
    apic_leave();
    return ok || fault_gp(cpu, 0);
}

static bool write_efer(X86Cpu *cpu, uint64_t value)
{
    uint64_t old = cpu->efer;

    if (value & ~cpu->model->efer_mask) {
        return fault_gp(cpu, 0);
    }
    if (((value ^ old) & EFER_LME) && (cpu->cr0 & CR0_PG)) {
        return fault_gp(cpu, 0);
    }
    cpu->efer = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    if ((cpu->efer ^ old) & EFER_NXE) {
        tcg_flush_tlb(cpu);
    }
    cpu_update_mode(cpu);
    return true;
}

static bool write_segment_base(X86Cpu *cpu, unsigned segment, uint64_t value)
{
    cpu->seg[segment].base = value;
    cpu_update_segment(cpu, segment);
    return true;
}

static bool write_spec_ctrl(X86Cpu *cpu, uint64_t value)
{
    uint64_t allowed = SPEC_CTRL_IBRS | SPEC_CTRL_STIBP;

    if (cpu_has(cpu, FEATURE_SSBD) || cpu_has(cpu, FEATURE_AMD_SSBD)) {
        allowed |= SPEC_CTRL_SSBD;
    }
    if (!has_spec_ctrl(cpu) || (value & ~allowed)) {
        return fault_gp(cpu, 0);
    }
    cpu->spec_ctrl = value;
    return true;
}

static bool write_pred_cmd(X86Cpu *cpu, uint64_t value)
{
    bool offered = cpu_has(cpu, FEATURE_SPEC_CTRL) || cpu_has(cpu, FEATURE_AMD_IBPB);

    return (offered && !(value & ~(uint64_t)PRED_CMD_IBPB)) || fault_gp(cpu, 0);
}

static bool write_pkrs(X86Cpu *cpu, uint64_t value)
{
    if (value >> 32 || !cpu_has(cpu, FEATURE_PKS)) {
        return fault_gp(cpu, 0);
    }
    if (cpu->pkrs != value) {
        cpu->pkrs = (uint32_t)value;
        tcg_flush_tlb(cpu);
    }
    return true;
}

/* Moves this CPU's counter; TSC_ADJUST remembers by how much. */
static bool adjust_tsc(X86Cpu *cpu, uint64_t delta)
{
    cpu->tsc_offset += delta;
    cpu->tsc_adjust += delta;
    return true;
}

static bool write_variable_mtrr(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    unsigned index = (msr - MSR_MTRR_PHYSBASE0) / 2;

    if (msr & 1) {
        cpu->mtrr_mask[index] = value & (cpu->model->phys_mask & ~0x7ffull);
        return true;
    }
    if (!memory_types_valid(value & 0xff, false)) {
        return fault_gp(cpu, 0);
    }
    cpu->mtrr_base[index] = value & (cpu->model->phys_mask & ~0xf00ull);
    return true;
}

static bool is_variable_mtrr(uint32_t msr)
{
    return msr >= MSR_MTRR_PHYSBASE0 && msr < MSR_MTRR_PHYSBASE0 + 2 * MTRR_COUNT;
}

/* MSRs that are neither rows nor the APIC's. */
static bool msr_read_special(X86Cpu *cpu, uint32_t msr, uint64_t *ret_value)
{
    const CpuModel *model = cpu->model;

    switch (msr) {
    case MSR_FS_BASE:
        *ret_value = cpu->seg[SEG_FS].base;
        return true;
    case MSR_GS_BASE:
        *ret_value = cpu->seg[SEG_GS].base;
        return true;
    case MSR_EFER:
        *ret_value = cpu->efer;
        return true;
    case MSR_TSC_AUX:
        *ret_value = cpu->tsc_aux;
        return cpu_has(cpu, FEATURE_RDTSCP) || cpu_has(cpu, FEATURE_RDPID) || fault_gp(cpu, 0);
    case MSR_TSC:
        *ret_value = tsc_read(cpu);
        return true;
    case MSR_TSC_ADJUST:
        *ret_value = cpu->tsc_adjust;
        return cpu_has(cpu, FEATURE_TSC_ADJUST) || fault_gp(cpu, 0);
    case MSR_APIC_BASE:
        return read_apic_base(cpu, ret_value);
    case MSR_SPEC_CTRL:
        *ret_value = cpu->spec_ctrl;
        return has_spec_ctrl(cpu) || fault_gp(cpu, 0);
    case MSR_ARCH_CAPABILITIES:
        *ret_value =
            (uint64_t)model->features[FEATURE_ARCH_HIGH] << 32 | model->features[FEATURE_ARCH_LOW];
        return cpu_has(cpu, FEATURE_ARCH_CAPABILITIES) || fault_gp(cpu, 0);
    case MSR_DEBUGCTL:
        *ret_value = cpu->debugctl;
        return true;
    case MSR_PAT:
        *ret_value = cpu->pat;
        return true;
    case MSR_PKRS:
        *ret_value = cpu->pkrs;
        return cpu_has(cpu, FEATURE_PKS) || fault_gp(cpu, 0);
    case MSR_MCG_CAP:
        *ret_value = cpu->mcg_cap;
        return true;
    default:
        break;
    }
    if (is_variable_mtrr(msr)) {
        unsigned index = (msr - MSR_MTRR_PHYSBASE0) / 2;

        *ret_value = msr & 1 ? cpu->mtrr_mask[index] : cpu->mtrr_base[index];
        return true;
    }
    return unknown_msr(cpu, msr, "read");
}

static bool msr_write_special(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
        return is_address(cpu, value)
                   ? write_segment_base(cpu, msr == MSR_FS_BASE ? SEG_FS : SEG_GS, value)
                   : fault_gp(cpu, 0);
    case MSR_EFER:
        return write_efer(cpu, value);
    case MSR_TSC_AUX:
        if (value >> 32 || !(cpu_has(cpu, FEATURE_RDTSCP) || cpu_has(cpu, FEATURE_RDPID))) {
            return fault_gp(cpu, 0);
        }
        cpu->tsc_aux = value;
        return true;
    case MSR_TSC:
        return adjust_tsc(cpu, value - tsc_read(cpu));
    case MSR_TSC_ADJUST:
        return cpu_has(cpu, FEATURE_TSC_ADJUST) ? adjust_tsc(cpu, value - cpu->tsc_adjust)
                                                : fault_gp(cpu, 0);
    case MSR_APIC_BASE:
        return write_apic_base(cpu, value);
    case MSR_SPEC_CTRL:
        return write_spec_ctrl(cpu, value);
    case MSR_PRED_CMD:
        return write_pred_cmd(cpu, value);
    case MSR_DEBUGCTL: /* last branches are not kept; what else there is is dropped */
        cpu->debugctl = value & (DEBUGCTL_LBR | DEBUGCTL_BTF);
        return true;
    case MSR_PAT:
        if (!memory_types_valid(value, true)) {
            return fault_gp(cpu, 0);
        }
        cpu->pat = value;
        return true;
    case MSR_PKRS:
        return write_pkrs(cpu, value);
    case MSR_MCG_CAP:
    case MSR_ARCH_CAPABILITIES:
        return fault_gp(cpu, 0);
    default:
        break;
    }
    return is_variable_mtrr(msr) ? write_variable_mtrr(cpu, msr, value)
                                 : unknown_msr(cpu, msr, "write");
}

static bool msr_read(X86Cpu *cpu, uint32_t msr, uint64_t *ret_value)
{
    const MsrRow *row = find_row(msr);

    if (is_apic_msr(cpu, msr)) {
        return apic_read(cpu, msr, ret_value);
    }
    if (!row) {
        return msr_read_special(cpu, msr, ret_value);
    }
    if (row->rule == MSR_CONSTANT || row->rule == MSR_READ_ONLY) {
        *ret_value = row->mask;
    } else {
        *ret_value = *row_storage(cpu, row, msr);
    }
    return true;
}

/* Fixed MTRRs: a memory type in each byte. */
static bool stored_value_valid(uint32_t msr, uint64_t value)
{
    if (msr == MSR_MTRR_DEF_TYPE) {
        return memory_types_valid(value & 0xff, false);
    }
    if (msr >= MSR_MTRR_FIX64K && msr < MSR_PAT) {
        return memory_types_valid(value, false);
    }
    return true;
}

static bool msr_write(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    const MsrRow *row = find_row(msr);

    if (is_apic_msr(cpu, msr)) {
        return apic_write(cpu, msr, value);
    }
    if (!row) {
        return msr_write_special(cpu, msr, value);
    }
    switch (row->rule) {
    case MSR_CONSTANT:
        return true;
    case MSR_READ_ONLY:
        return fault_gp(cpu, 0);
    case MSR_CANONICAL:
        if (!is_address(cpu, value)) {
            return fault_gp(cpu, 0);
        }
        break;
    case MSR_BITS:
        if ((value & ~row->mask) || !stored_value_valid(msr, value)) {
            return fault_gp(cpu, 0);
        }
        break;
    }
    *row_storage(cpu, row, msr) = value;
    return true;
}

InsnResult helper_rdmsr(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value = 0;

    if (cpu->cpl != 0) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (!msr_read(cpu, (uint32_t)cpu->gpr[R_RCX], &value)) {
        return INSN_FAULT;
    }
    cpu->gpr[R_RAX] = (uint32_t)value;
    cpu->gpr[R_RDX] = value >> 32;
    return INSN_NEXT;
}

InsnResult helper_wrmsr(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value = (uint32_t)cpu->gpr[R_RAX] | cpu->gpr[R_RDX] << 32;

    if (cpu->cpl != 0) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    return msr_write(cpu, (uint32_t)cpu->gpr[R_RCX], value) ? INSN_NEXT : INSN_FAULT;
}

static bool tsc_allowed(X86Cpu *cpu)
{
    return !(cpu->cr4 & CR4_TSD) || cpu->cpl == 0 || fault_gp(cpu, 0);
}

static void set_tsc(X86Cpu *cpu)
{
    uint64_t tsc = tsc_read(cpu);

    cpu->gpr[R_RAX] = (uint32_t)tsc;
    cpu->gpr[R_RDX] = tsc >> 32;
}

InsnResult helper_rdtsc(X86Cpu *cpu, const Insn *insn)
{
    if (!tsc_allowed(cpu)) {
        return INSN_FAULT;
    }
    set_tsc(cpu);
    return INSN_NEXT;
}

InsnResult helper_rdtscp(X86Cpu *cpu, const Insn *insn)
{
    if (!cpu_has(cpu, FEATURE_RDTSCP)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!tsc_allowed(cpu)) {
        return INSN_FAULT;
    }
    set_tsc(cpu);
    cpu->gpr[R_RCX] = (uint32_t)cpu->tsc_aux;
    return INSN_NEXT;
}

InsnResult helper_rdpid(X86Cpu *cpu, const Insn *insn)
{
    if (!cpu_has(cpu, FEATURE_RDPID)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    return insn_write_operand(cpu, insn, 0, (uint32_t)cpu->tsc_aux) ? INSN_NEXT : INSN_FAULT;
}

/* The counters exist and stand at zero. */
InsnResult helper_rdpmc(X86Cpu *cpu, const Insn *insn)
{
    bool allowed = (cpu->cr4 & CR4_PCE) || cpu->cpl == 0;

    if (!allowed || (uint32_t)cpu->gpr[R_RCX] >= PERF_COUNTERS) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    cpu->gpr[R_RAX] = 0;
    cpu->gpr[R_RDX] = 0;
    return INSN_NEXT;
}
