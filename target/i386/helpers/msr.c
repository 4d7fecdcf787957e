/* SPDX-License-Identifier: MIT */
/* RDMSR, WRMSR. Intel SDM vol. 4, AMD APM vol. 2 app. A. */
#include "target/i386/helpers/apic-access.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/msr-rows.h"
#include "target/i386/tsc.h"
#include "util/log.h"

/*
 * Most MSRs are rows (msr-rows.c). Those that do something are cases of msr_read_special() and
 * msr_write_special(). An MSR that the model's vendor or features do not have is #GP.
 */

#define SPEC_CTRL_IBRS 1u
#define SPEC_CTRL_STIBP 2u
#define SPEC_CTRL_SSBD 4u
#define PRED_CMD_IBPB 1u
#define FEATURE_APIC FEATURE(FEATURE_1_EDX, 9)
#define MTRR_DEF_TYPE_BITS 0xcffull
#define MTRR_RD_WR_DRAM 0x1818181818181818ull
#define SYSCFG_MTRR_FIX_DRAM_MOD (1ull << 19)
#define DEBUGCTL_INTEL_BITS                                                                        \
    0xffc3ull                     /* what follows BTF traces and freezes, which nothing does       \
                                   */
#define DEBUGCTL_AMD_BITS 0x3full /* ...or drives performance pins */
#define HWCR_SMM_LOCK 1ull
#define HWCR_BITS 0x4f36ffdbull
#define MISC_ENABLE_READ_ONLY (1ull << 7 | 1ull << 11 | 1ull << 12)
#define MISC_ENABLE_BITS 0xe400dd2609ull

static uint64_t *row_storage(X86Cpu *cpu, const MsrRow *row, uint32_t msr)
{
    return (uint64_t *)((uint8_t *)cpu + row->offset) + (msr - row->first);
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
    if (log_enabled(LOG_UNIMP) || log_enabled(LOG_GUEST_ERROR)) {
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

static bool has_pred_cmd(const X86Cpu *cpu)
{
    return cpu_has(cpu, FEATURE_SPEC_CTRL) || cpu_has(cpu, FEATURE_AMD_IBPB);
}

static bool has_tsc_aux(const X86Cpu *cpu)
{
    return cpu_has(cpu, FEATURE_RDTSCP) || cpu_has(cpu, FEATURE_RDPID);
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

    if (value & ~cpu->model->phys_mask ||
        (value & APIC_BASE_X2APIC && !cpu_has(cpu, FEATURE_X2APIC))) {
        return fault_gp(cpu, 0);
    }
    apic_enter(cpu);
    ok = cpu->apic_ops && cpu->apic_ops->set_base(cpu->apic, value);
    apic_leave();
    return ok || fault_gp(cpu, 0);
}

static bool write_efer(X86Cpu *cpu, uint64_t value)
{
    uint64_t old = cpu->efer, mask = cpu->model->efer_mask;

    if (cpu->misc_enable & MISC_ENABLE_XD_DISABLE) {
        mask &= ~(uint64_t)EFER_NXE;
    }
    if (value & ~mask || (((value ^ old) & EFER_LME) && (cpu->cr0 & CR0_PG))) {
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
    if (value & ~allowed) {
        return fault_gp(cpu, 0);
    }
    cpu->spec_ctrl = value;
    return true;
}

static bool write_pkrs(X86Cpu *cpu, uint64_t value)
{
    if (value >> 32) {
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

/* Bits 63:32 are reserved with Intel; AMD does not look at them. */
static bool write_tsc_aux(X86Cpu *cpu, uint64_t value)
{
    if (value >> 32 && !cpu->model->is_amd) {
        return fault_gp(cpu, 0);
    }
    cpu->tsc_aux = (uint32_t)value;
    return true;
}

/* Some bits say what there is and cannot be changed, some belong to features. */
static bool write_misc_enable(X86Cpu *cpu, uint64_t value)
{
    uint64_t kept = MISC_ENABLE_READ_ONLY | MISC_ENABLE_EIST;

    if (value & ~(MISC_ENABLE_BITS | MISC_ENABLE_READ_ONLY)) {
        return fault_gp(cpu, 0);
    }
    kept |= cpu_has(cpu, FEATURE_MONITOR) ? 0 : MISC_ENABLE_MONITOR;
    kept |= cpu_has(cpu, FEATURE_NX) ? 0 : MISC_ENABLE_XD_DISABLE;
    cpu->misc_enable = (value & ~kept) | (cpu->misc_enable & kept);
    return true;
}

static bool write_debugctl(X86Cpu *cpu, uint64_t value)
{
    if (value & ~(cpu->model->is_amd ? DEBUGCTL_AMD_BITS : DEBUGCTL_INTEL_BITS)) {
        return fault_gp(cpu, 0);
    }
    cpu->debugctl = value & (DEBUGCTL_LBR | DEBUGCTL_BTF); /* last branches are not kept */
    return true;
}

static bool write_hwcr(X86Cpu *cpu, uint64_t value)
{
    if (value & ~HWCR_BITS) {
        return fault_gp(cpu, 0);
    }
    cpu->hwcr = value | (cpu->hwcr & HWCR_SMM_LOCK);
    return true;
}

static bool write_smm_base(X86Cpu *cpu, uint64_t value)
{
    if (value >> 32 || cpu->hwcr & HWCR_SMM_LOCK) {
        return fault_gp(cpu, 0);
    }
    cpu->smbase = (uint32_t)value;
    return true;
}

static bool write_bios_sign(X86Cpu *cpu, uint64_t value)
{
    if (!cpu->model->is_amd) { /* software writes zero, CPUID brings the revision back */
        cpu->bios_sign = value;
    }
    return true;
}

/* -- Memory types and machine checks ----------------------------------------------------------- */

static bool write_mtrr_default(X86Cpu *cpu, uint64_t value)
{
    if (value & ~MTRR_DEF_TYPE_BITS || !memory_types_valid(value & 0xff, false)) {
        return fault_gp(cpu, 0);
    }
    cpu->mtrr_def_type = value;
    return true;
}

static bool write_variable_mtrr(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    unsigned index = (msr - MSR_MTRR_PHYSBASE0) / 2;
    uint64_t reserved = ~cpu->model->phys_mask | (msr & 1 ? 0x7ff : 0xf00);

    if (value & reserved || (!(msr & 1) && !memory_types_valid(value & 0xff, false))) {
        return fault_gp(cpu, 0);
    }
    *(msr & 1 ? &cpu->mtrr_mask[index] : &cpu->mtrr_base[index]) = value;
    return true;
}

static bool write_pat(X86Cpu *cpu, uint64_t value)
{
    if (!memory_types_valid(value, true)) {
        return fault_gp(cpu, 0);
    }
    cpu->pat = value;
    return true;
}

static bool is_variable_mtrr(const X86Cpu *cpu, uint32_t msr)
{
    return msr >= MSR_MTRR_PHYSBASE0 && msr < MSR_MTRR_PHYSBASE0 + 2 * MTRR_COUNT &&
           cpu_has(cpu, FEATURE_MTRR);
}

static bool is_mce_bank(const X86Cpu *cpu, uint32_t msr)
{
    return msr >= MSR_MC0_CTL && msr < MSR_MC0_CTL + 4 * MCE_BANK_COUNT &&
           cpu_has(cpu, FEATURE_MCA);
}

/* A bank: control, status, address, miscellaneous. All but control can only be cleared, unless
 * AMD's HWCR lets software write errors for a test. */
static bool write_mce_bank(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    unsigned n = msr - MSR_MC0_CTL;

    if (value && n % 4 != 0 && !(cpu->hwcr & HWCR_MC_STATUS_WRITE)) {
        return fault_gp(cpu, 0);
    }
    cpu->mce_bank[n / 4][n % 4] = value;
    return true;
}

/* -- Which one --------------------------------------------------------------------------------- */

/* Has this CPU the MSR that is no row? */
static bool is_special(const X86Cpu *cpu, uint32_t msr)
{
    bool is_amd = cpu->model->is_amd;

    switch (msr) {
    case MSR_TSC:
        return cpu_has(cpu, FEATURE_TSC);
    case MSR_BIOS_SIGN:
    case MSR_DEBUGCTL:
        return true;
    case MSR_FS_BASE:
    case MSR_GS_BASE:
        return cpu_has(cpu, FEATURE_LM);
    case MSR_EFER:
        return cpu->model->efer_mask != 0;
    case MSR_TSC_AUX:
        return has_tsc_aux(cpu);
    case MSR_TSC_ADJUST:
        return cpu_has(cpu, FEATURE_TSC_ADJUST);
    case MSR_APIC_BASE:
        return cpu_has(cpu, FEATURE_APIC);
    case MSR_SPEC_CTRL:
        return has_spec_ctrl(cpu);
    case MSR_PRED_CMD:
        return has_pred_cmd(cpu);
    case MSR_ARCH_CAPABILITIES:
        return cpu_has(cpu, FEATURE_ARCH_CAPABILITIES);
    case MSR_PKRS:
        return cpu_has(cpu, FEATURE_PKS);
    case MSR_PAT:
        return cpu_has(cpu, FEATURE(FEATURE_1_EDX, 16));
    case MSR_MTRR_DEF_TYPE:
        return cpu_has(cpu, FEATURE_MTRR);
    case MSR_MCG_CAP:
        return cpu_has(cpu, FEATURE_MCA);
    case MSR_MISC_ENABLE:
        return !is_amd;
    case MSR_HWCR:
    case MSR_SMM_BASE:
        return is_amd;
    default:
        return is_variable_mtrr(cpu, msr) || is_mce_bank(cpu, msr);
    }
}

/* Those that are storage; NULL: the others. */
static const uint64_t *special_storage(const X86Cpu *cpu, uint32_t msr)
{
    unsigned mtrr = (msr - MSR_MTRR_PHYSBASE0) / 2, bank = msr - MSR_MC0_CTL;

    switch (msr) {
    case MSR_FS_BASE:
        return &cpu->seg[SEG_FS].base;
    case MSR_GS_BASE:
        return &cpu->seg[SEG_GS].base;
    case MSR_EFER:
        return &cpu->efer;
    case MSR_TSC_AUX:
        return &cpu->tsc_aux;
    case MSR_TSC_ADJUST:
        return &cpu->tsc_adjust;
    case MSR_SPEC_CTRL:
        return &cpu->spec_ctrl;
    case MSR_DEBUGCTL:
        return &cpu->debugctl;
    case MSR_PAT:
        return &cpu->pat;
    case MSR_MTRR_DEF_TYPE:
        return &cpu->mtrr_def_type;
    case MSR_MCG_CAP:
        return &cpu->mcg_cap;
    case MSR_MISC_ENABLE:
        return &cpu->misc_enable;
    case MSR_HWCR:
        return &cpu->hwcr;
    case MSR_BIOS_SIGN:
        return &cpu->bios_sign;
    default:
        break;
    }
    if (is_variable_mtrr(cpu, msr)) {
        return msr & 1 ? &cpu->mtrr_mask[mtrr] : &cpu->mtrr_base[mtrr];
    }
    return is_mce_bank(cpu, msr) ? &cpu->mce_bank[bank / 4][bank % 4] : NULL;
}

static bool msr_read_special(X86Cpu *cpu, uint32_t msr, uint64_t *ret_value)
{
    const CpuModel *model = cpu->model;
    const uint64_t *storage;

    if (!is_special(cpu, msr)) {
        return unknown_msr(cpu, msr, "read");
    }
    storage = special_storage(cpu, msr);
    if (storage) {
        *ret_value = *storage;
        return true;
    }
    switch (msr) {
    case MSR_TSC:
        *ret_value = tsc_read(cpu);
        return true;
    case MSR_APIC_BASE:
        return read_apic_base(cpu, ret_value);
    case MSR_ARCH_CAPABILITIES:
        *ret_value =
            (uint64_t)model->features[FEATURE_ARCH_HIGH] << 32 | model->features[FEATURE_ARCH_LOW];
        return true;
    case MSR_SMM_BASE:
        *ret_value = cpu->smbase;
        return true;
    case MSR_PKRS:
        *ret_value = cpu->pkrs;
        return true;
    default: /* PRED_CMD is a command */
        return fault_gp(cpu, 0);
    }
}

static bool msr_write_special(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    if (!is_special(cpu, msr)) {
        return unknown_msr(cpu, msr, "write");
    }
    switch (msr) {
    case MSR_FS_BASE:
    case MSR_GS_BASE:
        return cpu_base_is_canonical(cpu, value)
                   ? write_segment_base(cpu, msr == MSR_FS_BASE ? SEG_FS : SEG_GS, value)
                   : fault_gp(cpu, 0);
    case MSR_EFER:
        return write_efer(cpu, value);
    case MSR_TSC_AUX:
        return write_tsc_aux(cpu, value);
    case MSR_TSC:
        return adjust_tsc(cpu, value - tsc_read(cpu));
    case MSR_TSC_ADJUST:
        return adjust_tsc(cpu, value - cpu->tsc_adjust);
    case MSR_APIC_BASE:
        return write_apic_base(cpu, value);
    case MSR_SPEC_CTRL:
        return write_spec_ctrl(cpu, value);
    case MSR_PKRS:
        return write_pkrs(cpu, value);
    case MSR_PRED_CMD: /* nothing is predicted across a barrier */
        return !(value & ~(uint64_t)PRED_CMD_IBPB) || fault_gp(cpu, 0);
    case MSR_DEBUGCTL:
        return write_debugctl(cpu, value);
    case MSR_PAT:
        return write_pat(cpu, value);
    case MSR_MTRR_DEF_TYPE:
        return write_mtrr_default(cpu, value);
    case MSR_MISC_ENABLE:
        return write_misc_enable(cpu, value);
    case MSR_HWCR:
        return write_hwcr(cpu, value);
    case MSR_SMM_BASE:
        return write_smm_base(cpu, value);
    case MSR_BIOS_SIGN:
        return write_bios_sign(cpu, value);
    case MSR_MCG_CAP:
    case MSR_ARCH_CAPABILITIES:
        return fault_gp(cpu, 0);
    default:
        return is_mce_bank(cpu, msr) ? write_mce_bank(cpu, msr, value)
                                     : write_variable_mtrr(cpu, msr, value);
    }
}

static bool msr_read(X86Cpu *cpu, uint32_t msr, uint64_t *ret_value)
{
    const MsrRow *row = msr_row_find(cpu, msr);

    if (is_apic_msr(cpu, msr)) {
        return apic_read(cpu, msr, ret_value);
    }
    if (!row) {
        return msr_read_special(cpu, msr, ret_value);
    }
    switch (row->rule) {
    case MSR_CONSTANT:
    case MSR_READ_ONLY:
        *ret_value = row->mask;
        return true;
    case MSR_WRITE_ONLY:
        return fault_gp(cpu, 0);
    default:
        *ret_value = *row_storage(cpu, row, msr);
        return true;
    }
}

/* AMD's two more bits of each type, while SYSCFG shows them, say where the range leads to. */
static bool fixed_range_valid(const X86Cpu *cpu, uint64_t value)
{
    bool has_routes = cpu->syscfg & SYSCFG_MTRR_FIX_DRAM_MOD;

    return memory_types_valid(has_routes ? value & ~MTRR_RD_WR_DRAM : value, false);
}

/* Checks a value against its row's rule; what is to be stored, perhaps less. */
static bool row_value(const X86Cpu *cpu, const MsrRow *row, uint64_t value, uint64_t *ret_stored)
{
    *ret_stored = value;
    switch (row->rule) {
    case MSR_DROPPED:
        *ret_stored = value & row->mask;
        return true;
    case MSR_ENTRY:
        *ret_stored = cpu->model->is_amd ? (uint32_t)value : value;
        return cpu->model->is_amd || cpu_base_is_canonical(cpu, value);
    case MSR_CANONICAL:
        return cpu_base_is_canonical(cpu, value);
    case MSR_FIXED_RANGE:
        return fixed_range_valid(cpu, value);
    default:
        return !(value & ~row->mask);
    }
}

static bool msr_write(X86Cpu *cpu, uint32_t msr, uint64_t value)
{
    const MsrRow *row = msr_row_find(cpu, msr);

    if (is_apic_msr(cpu, msr)) {
        return apic_write(cpu, msr, value);
    }
    if (!row) {
        return msr_write_special(cpu, msr, value);
    }
    if (row->rule == MSR_CONSTANT || row->rule == MSR_WRITE_ONLY) {
        return true;
    }
    if (row->rule == MSR_READ_ONLY || !row_value(cpu, row, value, &value)) {
        return fault_gp(cpu, 0);
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
