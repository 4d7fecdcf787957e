/* SPDX-License-Identifier: MIT */
/* Control and debug registers, descriptor-table registers, TLB and cache instructions, HLT. Intel
 * SDM vol. 3 ch. 2, 4. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/apic-access.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/segments.h"

#define CR0_DEFINED                                                                                \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)
/* A change of these drops the TLB: those that the context key does not hold. */
#define CR4_FLUSHES                                                                                \
    (CR4_PSE | CR4_PAE | CR4_PGE | CR4_LA57 | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_PKS)
/* In PAE paging, a change of these loads the page directory pointers anew. */
#define CR4_LOADS_PDPTES (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP)
#define CR3_NO_FLUSH (1ull << 63)
#define CR3_PCID 0xfffull

#define DR6_FIXED 0xffff0ff0ull
#define DR6_WRITABLE 0xe00full
#define DR7_FIXED 0x400ull
#define DR7_GD 0x2000u
#define DR7_WRITABLE 0xffff2bffull
#define DR6_BD 0x2000u

#define TYPE_LDT 2u
#define TYPE_TSS16 1u
#define TYPE_TSS32 9u
#define TYPE_BUSY 2u

static InsnResult result_of(bool ok)
{
    return ok ? INSN_NEXT : INSN_FAULT;
}

/* For the privileged: #GP(0) above ring 0. */
static bool require_ring0(X86Cpu *cpu)
{
    return cpu->cpl == 0 || fault_gp(cpu, 0);
}

/* PAE paging proper, where CR3 loads four pointers. */
static bool uses_pdptes(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

/* -- CR0 --------------------------------------------------------------------------------------- */

/* Rules that need no memory; `pg` rules hold for a change of PG. */
static bool cr0_is_valid(const X86Cpu *cpu, uint64_t value)
{
    bool pg = value & CR0_PG;
    bool pg_changes = (value ^ cpu->cr0) & CR0_PG;

    if (value >> 32 || (pg && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD))) {
        return false;
    }
    if (!pg_changes) {
        return true;
    }
    if (!pg) {
        return !mode_is_64bit(cpu) && !(cpu->cr4 & CR4_PCIDE);
    }
    if (cpu->efer & EFER_LME) { /* activating IA-32e mode */
        bool tss16 = (cpu->tr.attributes & 0xd) == TYPE_TSS16;

        return (cpu->cr4 & CR4_PAE) && !(cpu->seg[SEG_CS].attributes & SEG_L) && !tss16;
    }
    return true;
}

static bool write_cr0(X86Cpu *cpu, uint64_t value)
{
    uint64_t old = cpu->cr0;
    uint64_t efer = cpu->efer;
    uint64_t changed;

    if (!cr0_is_valid(cpu, value)) {
        return fault_gp(cpu, 0);
    }
    value = (value & CR0_DEFINED) | CR0_ET;
    changed = value ^ old;
    if (changed & CR0_PG) {
        bool long_mode = (value & CR0_PG) && (efer & EFER_LME);

        efer = long_mode ? efer | EFER_LMA : efer & ~(uint64_t)EFER_LMA;
    }
    if ((changed & (CR0_PG | CR0_CD | CR0_NW)) && uses_pdptes(value, cpu->cr4, efer) &&
        !paging_load_pdptes(cpu, cpu->cr3)) {
        return fault_gp(cpu, 0);
    }
    cpu->cr0 = value;
    cpu->efer = efer;
    if (changed & (CR0_PG | CR0_WP | CR0_PE)) {
        tcg_flush_tlb(cpu);
    }
    cpu_update_mode(cpu);
    return true;
}

/* -- CR3, CR4, CR8 ----------------------------------------------------------------------------- */

static bool write_cr3(X86Cpu *cpu, uint64_t value)
{
    bool no_flush = (cpu->cr4 & CR4_PCIDE) && (value & CR3_NO_FLUSH);
    uint64_t valid = cpu->model->phys_mask | (cpu->cr4 & CR4_PCIDE ? CR3_NO_FLUSH : 0);

    if (mode_is_long(cpu) && (value & ~valid)) {
        return fault_gp(cpu, 0);
    }
    value &= ~CR3_NO_FLUSH;
    if (uses_pdptes(cpu->cr0, cpu->cr4, cpu->efer) && !paging_load_pdptes(cpu, value)) {
        return fault_gp(cpu, 0);
    }
    cpu->cr3 = value;
    tcg_context_changed(cpu);
    if (!no_flush) {
        tcg_flush_tlb_non_global(cpu);
    }
    return true;
}

static bool cr4_is_valid(const X86Cpu *cpu, uint64_t value)
{
    uint64_t changed = value ^ cpu->cr4;
    bool is_long = mode_is_long(cpu);

    if (value & ~cpu->model->cr4_mask) {
        return false;
    }
    if (is_long && (!(value & CR4_PAE) || (changed & CR4_LA57))) {
        return false;
    }
    if ((changed & value & CR4_PCIDE) && (!is_long || (cpu->cr3 & CR3_PCID))) {
        return false;
    }
    return true;
}

static bool write_cr4(X86Cpu *cpu, uint64_t value)
{
    uint64_t changed = value ^ cpu->cr4;

    if (!cr4_is_valid(cpu, value)) {
        return fault_gp(cpu, 0);
    }
    if ((changed & CR4_LOADS_PDPTES) && uses_pdptes(cpu->cr0, value, cpu->efer) &&
        !paging_load_pdptes(cpu, cpu->cr3)) {
        return fault_gp(cpu, 0);
    }
    cpu->cr4 = value;
    if (changed & CR4_FLUSHES) {
        tcg_flush_tlb(cpu);
    }
    cpu_update_mode(cpu);
    return true;
}

static uint64_t read_cr8(X86Cpu *cpu)
{
    uint64_t value;

    apic_enter(cpu);
    value = cpu->apic_ops ? cpu->apic_ops->get_tpr(cpu->apic) : 0;
    apic_leave();
    return value;
}

static bool write_cr8(X86Cpu *cpu, uint64_t value)
{
    if (value > 15) {
        return fault_gp(cpu, 0);
    }
    apic_enter(cpu);
    if (cpu->apic_ops) {
        cpu->apic_ops->set_tpr(cpu->apic, (uint8_t)value);
    }
    apic_leave();
    return true;
}

/* -- MOV CR, MOV DR ---------------------------------------------------------------------------- */

static bool write_control(X86Cpu *cpu, unsigned reg, uint64_t value)
{
    switch (reg) {
    case 0:
        return write_cr0(cpu, value);
    case 2:
        cpu->cr2 = value;
        return true;
    case 3:
        return write_cr3(cpu, value);
    case 4:
        return write_cr4(cpu, value);
    case 8:
        return write_cr8(cpu, value);
    default:
        return fault_ud(cpu);
    }
}

static bool read_control(X86Cpu *cpu, unsigned reg, uint64_t *ret_value)
{
    switch (reg) {
    case 0:
        *ret_value = cpu->cr0;
        return true;
    case 2:
        *ret_value = cpu->cr2;
        return true;
    case 3:
        *ret_value = cpu->cr3;
        return true;
    case 4:
        *ret_value = cpu->cr4;
        return true;
    case 8:
        *ret_value = read_cr8(cpu);
        return true;
    default:
        return fault_ud(cpu);
    }
}

/* Both directions; operands: destination, source. A general register is 64 bits wide in 64-bit
 * code whatever the prefixes, else 32. */
InsnResult helper_mov_control(X86Cpu *cpu, const Insn *insn)
{
    bool is_write = insn->operands[0].reg_class == REG_CONTROL;
    unsigned control = insn->operands[is_write ? 0 : 1].reg;
    unsigned general = insn->operands[is_write ? 1 : 0].reg & 15;
    bool wide = mode_is_64bit(cpu);
    uint64_t value = 0;

    if (!require_ring0(cpu)) {
        return INSN_FAULT;
    }
    if (is_write) {
        value = cpu->gpr[general];
        return result_of(write_control(cpu, control, wide ? value : (uint32_t)value));
    }
    if (!read_control(cpu, control, &value)) {
        return INSN_FAULT;
    }
    cpu->gpr[general] = wide ? value : (uint32_t)value;
    return INSN_NEXT;
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE makes them #UD. */
static bool debug_number(X86Cpu *cpu, unsigned *reg)
{
    if (*reg > 7 || ((*reg == 4 || *reg == 5) && (cpu->cr4 & CR4_DE))) {
        return fault_ud(cpu);
    }
    if (*reg == 4 || *reg == 5) {
        *reg += 2;
    }
    return true;
}

/* General detect: any access to a debug register is #DB while DR7.GD is set. */
static bool general_detect(X86Cpu *cpu)
{
    if (!(cpu->dr[7] & DR7_GD)) {
        return true;
    }
    cpu->dr[7] &= ~(uint64_t)DR7_GD;
    fault_raise(cpu, VECTOR_DB);
    cpu->fault.dr6 = DR6_BD;
    return false;
}

static bool write_debug(X86Cpu *cpu, unsigned reg, uint64_t value)
{
    if (reg >= 6 && value >> 32) {
        return fault_gp(cpu, 0);
    }
    if (reg == 6) {
        value = (value & DR6_WRITABLE) | DR6_FIXED;
    } else if (reg == 7) {
        value = (value & DR7_WRITABLE) | DR7_FIXED;
    }
    cpu->dr[reg] = value;
    cpu->eflags &= ~(uint64_t)EFLAGS_RF; /* may be old: it is not kept up without breakpoints */
    cpu_update_mode(cpu);
    return true;
}

InsnResult helper_mov_debug(X86Cpu *cpu, const Insn *insn)
{
    bool is_write = insn->operands[0].reg_class == REG_DEBUG;
    unsigned debug = insn->operands[is_write ? 0 : 1].reg;
    unsigned general = insn->operands[is_write ? 1 : 0].reg & 15;
    bool wide = mode_is_64bit(cpu);
    uint64_t value = cpu->gpr[general];

    if (!require_ring0(cpu) || !debug_number(cpu, &debug) || !general_detect(cpu)) {
        return INSN_FAULT;
    }
    if (is_write) {
        return result_of(write_debug(cpu, debug, wide ? value : (uint32_t)value));
    }
    cpu->gpr[general] = wide ? cpu->dr[debug] : (uint32_t)cpu->dr[debug];
    return INSN_NEXT;
}

/* -- LMSW, SMSW, CLTS -------------------------------------------------------------------------- */

/* Ring 3 may not read system registers under UMIP. */
static bool umip_allows(X86Cpu *cpu)
{
    return !(cpu->cr4 & CR4_UMIP) || cpu->cpl == 0 || fault_gp(cpu, 0);
}

/* PE can be set, not cleared. */
InsnResult helper_lmsw(X86Cpu *cpu, const Insn *insn)
{
    const uint64_t bits = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
    uint64_t value;

    if (!require_ring0(cpu) || !insn_read_operand(cpu, insn, 0, &value)) {
        return INSN_FAULT;
    }
    return result_of(write_cr0(cpu, (cpu->cr0 & ~(bits & ~(uint64_t)CR0_PE)) | (value & bits)));
}

InsnResult helper_smsw(X86Cpu *cpu, const Insn *insn)
{
    if (!umip_allows(cpu)) {
        return INSN_FAULT;
    }
    return result_of(insn_write_operand(cpu, insn, 0, cpu->cr0));
}

InsnResult helper_clts(X86Cpu *cpu, const Insn *insn)
{
    if (!require_ring0(cpu)) {
        return INSN_FAULT;
    }
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    cpu_update_mode(cpu);
    return INSN_NEXT;
}

/* -- Descriptor tables ------------------------------------------------------------------------- */

static bool load_table(X86Cpu *cpu, const Insn *insn, DescriptorTable *table)
{
    bool wide = mode_is_64bit(cpu);
    uint8_t bytes[10];
    uint64_t linear, base = 0;

    if (!require_ring0(cpu) ||
        !insn_linear_address(cpu, insn, wide ? 10 : 6, ACCESS_READ, &linear) ||
        !access_read(cpu, linear, bytes, wide ? 10 : 6, ACCESS_READ)) {
        return false;
    }
    for (unsigned i = 0; i < (wide ? 8u : 4u); i++) {
        base |= (uint64_t)bytes[2 + i] << (i * 8);
    }
    if (!wide && insn->operand_bits == 16) {
        base &= 0xffffff;
    }
    if (wide && !cpu_base_is_canonical(cpu, base)) {
        return fault_gp(cpu, 0);
    }
    table->limit = bytes[0] | (uint32_t)bytes[1] << 8;
    table->base = base;
    return true;
}

static bool store_table(X86Cpu *cpu, const Insn *insn, const DescriptorTable *table)
{
    bool wide = mode_is_64bit(cpu);
    uint8_t bytes[10];
    uint64_t linear;

    if (!umip_allows(cpu) ||
        !insn_linear_address(cpu, insn, wide ? 10 : 6, ACCESS_WRITE, &linear)) {
        return false;
    }
    bytes[0] = (uint8_t)table->limit;
    bytes[1] = (uint8_t)(table->limit >> 8);
    for (unsigned i = 0; i < 8; i++) {
        bytes[2 + i] = (uint8_t)(table->base >> (i * 8));
    }
    return access_write(cpu, linear, bytes, wide ? 10 : 6, ACCESS_WRITE);
}

InsnResult helper_lgdt(X86Cpu *cpu, const Insn *insn)
{
    return result_of(load_table(cpu, insn, &cpu->gdtr));
}

InsnResult helper_lidt(X86Cpu *cpu, const Insn *insn)
{
    return result_of(load_table(cpu, insn, &cpu->idtr));
}

InsnResult helper_sgdt(X86Cpu *cpu, const Insn *insn)
{
    return result_of(store_table(cpu, insn, &cpu->gdtr));
}

InsnResult helper_sidt(X86Cpu *cpu, const Insn *insn)
{
    return result_of(store_table(cpu, insn, &cpu->idtr));
}

/* The descriptor of a system segment, 16 bytes in long mode, from the GDT. */
static bool read_system_descriptor(X86Cpu *cpu, uint16_t selector, Segment *ret_segment)
{
    uint32_t words[4] = {0, 0, 0, 0};
    uint32_t error_code = selector & 0xfffcu;

    if (selector & 4) { /* TI: not from an LDT */
        return fault_raise_error(cpu, VECTOR_GP, error_code);
    }
    if (mode_is_long(cpu)) {
        if (!segment_read_wide_descriptor(cpu, selector, VECTOR_GP, words)) {
            return false;
        }
        if (words[3] & 0x1f00) { /* the type of the upper half must be zero */
            return fault_raise_error(cpu, VECTOR_GP, error_code);
        }
    } else if (!segment_read_descriptor(cpu, selector, VECTOR_GP, &words[0], &words[1])) {
        return false;
    }
    *ret_segment = segment_from_descriptor(selector, words[0], words[1]);
    ret_segment->base |= (uint64_t)words[2] << 32;
    return !mode_is_long(cpu) || cpu_base_is_canonical(cpu, ret_segment->base) ||
           fault_raise_error(cpu, VECTOR_GP, error_code);
}

InsnResult helper_lldt(X86Cpu *cpu, const Insn *insn)
{
    Segment segment;
    uint64_t selector;

    if (!mode_is_protected(cpu)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!require_ring0(cpu) || !insn_read_operand(cpu, insn, 0, &selector)) {
        return INSN_FAULT;
    }
    if (!(selector & 0xfffc)) {
        cpu->ldtr = (Segment){.selector = (uint16_t)selector};
        return INSN_NEXT;
    }
    if (!read_system_descriptor(cpu, (uint16_t)selector, &segment)) {
        return INSN_FAULT;
    }
    if ((segment.attributes & (SEG_S | SEG_TYPE_MASK)) != TYPE_LDT) {
        fault_gp(cpu, selector & 0xfffc);
        return INSN_FAULT;
    }
    if (!(segment.attributes & SEG_P)) {
        fault_raise_error(cpu, VECTOR_NP, selector & 0xfffc);
        return INSN_FAULT;
    }
    cpu->ldtr = segment;
    return INSN_NEXT;
}

/* Loads an available TSS and marks it busy. */
static bool load_task_register(X86Cpu *cpu, uint16_t selector)
{
    Segment segment;
    unsigned type;
    uint8_t busy;

    if (!(selector & 0xfffc)) {
        return fault_gp(cpu, 0);
    }
    if (!read_system_descriptor(cpu, selector, &segment)) {
        return false;
    }
    type = segment.attributes & (SEG_S | SEG_TYPE_MASK);
    if (type != TYPE_TSS32 && (type != TYPE_TSS16 || mode_is_long(cpu))) {
        return fault_gp(cpu, selector & 0xfffc);
    }
    if (!(segment.attributes & SEG_P)) {
        return fault_raise_error(cpu, VECTOR_NP, selector & 0xfffc);
    }
    segment.attributes |= TYPE_BUSY;
    busy = (uint8_t)segment.attributes;
    if (!access_write(cpu, cpu->gdtr.base + (selector & 0xfff8) + 5, &busy, 1,
                      ACCESS_WRITE | ACCESS_SYSTEM)) {
        return false;
    }
    cpu->tr = segment;
    return true;
}

InsnResult helper_ltr(X86Cpu *cpu, const Insn *insn)
{
    uint64_t selector;

    if (!mode_is_protected(cpu)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!require_ring0(cpu) || !insn_read_operand(cpu, insn, 0, &selector)) {
        return INSN_FAULT;
    }
    return result_of(load_task_register(cpu, (uint16_t)selector));
}

static InsnResult store_selector(X86Cpu *cpu, const Insn *insn, uint16_t selector)
{
    if (!mode_is_protected(cpu)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!umip_allows(cpu)) {
        return INSN_FAULT;
    }
    return result_of(insn_write_operand(cpu, insn, 0, selector));
}

InsnResult helper_sldt(X86Cpu *cpu, const Insn *insn)
{
    return store_selector(cpu, insn, cpu->ldtr.selector);
}

InsnResult helper_str(X86Cpu *cpu, const Insn *insn)
{
    return store_selector(cpu, insn, cpu->tr.selector);
}

/* -- TLB and caches ---------------------------------------------------------------------------- */

InsnResult helper_invlpg(X86Cpu *cpu, const Insn *insn)
{
    uint64_t linear;

    if (!require_ring0(cpu)) {
        return INSN_FAULT;
    }
    linear = insn_effective_address(cpu, insn);
    if (!mode_is_64bit(cpu)) {
        linear = (uint32_t)(linear + cpu->seg[insn->segment].base);
    } else if (insn->segment == SEG_FS || insn->segment == SEG_GS) {
        linear += cpu->seg[insn->segment].base;
    }
    if (paging_is_canonical(cpu, linear)) { /* else a no-op */
        tcg_flush_tlb_page(cpu, linear);
    }
    return INSN_NEXT;
}

enum { INVPCID_ADDRESS, INVPCID_CONTEXT, INVPCID_ALL_GLOBAL, INVPCID_ALL };

static uint64_t bytes_to_u64(const uint8_t *bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < 8; i++) {
        value |= (uint64_t)bytes[i] << (i * 8);
    }
    return value;
}

/* The translator flushes a page in every context, and one context only when it is the current one:
 * more than asked for is allowed. */
static bool invalidate_pcid(X86Cpu *cpu, uint64_t type, uint64_t pcid, uint64_t linear)
{
    bool pcid_enabled = cpu->cr4 & CR4_PCIDE;
    uint64_t current = pcid_enabled ? cpu->cr3 & CR3_PCID : 0;

    if (type > INVPCID_ALL || pcid >> 12 || (type <= INVPCID_CONTEXT && !pcid_enabled && pcid)) {
        return fault_gp(cpu, 0);
    }
    switch (type) {
    case INVPCID_ADDRESS:
        if (mode_is_64bit(cpu) && !cpu_base_is_canonical(cpu, linear)) {
            return fault_gp(cpu, 0);
        }
        tcg_flush_tlb_page(cpu, linear);
        return true;
    case INVPCID_CONTEXT:
        if (pcid == current) {
            tcg_flush_tlb_non_global(cpu);
            return true;
        }
        break;
    default:
        break;
    }
    tcg_flush_tlb(cpu);
    return true;
}

InsnResult helper_invpcid(X86Cpu *cpu, const Insn *insn)
{
    uint64_t linear, type;
    uint8_t descriptor[16];

    if (!cpu_has(cpu, FEATURE_INVPCID)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!require_ring0(cpu) || !insn_read_operand(cpu, insn, 0, &type) ||
        !insn_linear_address(cpu, insn, sizeof(descriptor), ACCESS_READ, &linear) ||
        !access_read(cpu, linear, descriptor, sizeof(descriptor), ACCESS_READ)) {
        return INSN_FAULT;
    }
    return result_of(
        invalidate_pcid(cpu, type, bytes_to_u64(descriptor), bytes_to_u64(descriptor + 8)));
}

/* Caches are not modelled. */
InsnResult helper_wbinvd(X86Cpu *cpu, const Insn *insn)
{
    return result_of(require_ring0(cpu));
}

/* -- HLT --------------------------------------------------------------------------------------- */

InsnResult helper_hlt(X86Cpu *cpu, const Insn *insn)
{
    if (!require_ring0(cpu)) {
        return INSN_FAULT;
    }
    cpu->halted = true;
    return INSN_HALT;
}

/* -- XCR0, PKRU -------------------------------------------------------------------------------- */

static bool xcr0_is_valid(const X86Cpu *cpu, uint64_t value)
{
    uint64_t avx512 = value & XCR0_AVX512;

    if ((value & ~cpu->model->xcr0_mask) || !(value & XCR0_X87)) {
        return false;
    }
    if ((value & XCR0_AVX) && !(value & XCR0_SSE)) {
        return false;
    }
    return !avx512 || (avx512 == XCR0_AVX512 && (value & XCR0_AVX));
}

InsnResult helper_xsetbv(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value = (uint32_t)cpu->gpr[R_RAX] | cpu->gpr[R_RDX] << 32;

    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!require_ring0(cpu)) {
        return INSN_FAULT;
    }
    if ((uint32_t)cpu->gpr[R_RCX] != 0 || !xcr0_is_valid(cpu, value)) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    cpu->xcr0 = value;
    cpu_update_mode(cpu);
    return INSN_NEXT;
}

/* XCR1 reads as XINUSE. */
static uint64_t read_xcr1(X86Cpu *cpu)
{
    fpu_park(cpu);
    return fpu_components_in_use(cpu) & cpu->xcr0;
}

InsnResult helper_xgetbv(X86Cpu *cpu, const Insn *insn)
{
    uint32_t index = (uint32_t)cpu->gpr[R_RCX];
    uint64_t value;

    if (!(cpu->cr4 & CR4_OSXSAVE)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (index > 1 || (index == 1 && !cpu_has(cpu, FEATURE_XGETBV1))) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    value = index ? read_xcr1(cpu) : cpu->xcr0;
    cpu->gpr[R_RAX] = (uint32_t)value;
    cpu->gpr[R_RDX] = value >> 32;
    return INSN_NEXT;
}

InsnResult helper_rdpkru(X86Cpu *cpu, const Insn *insn)
{
    if (!(cpu->cr4 & CR4_PKE)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if ((uint32_t)cpu->gpr[R_RCX]) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    cpu->gpr[R_RAX] = cpu->pkru;
    cpu->gpr[R_RDX] = 0;
    return INSN_NEXT;
}

InsnResult helper_wrpkru(X86Cpu *cpu, const Insn *insn)
{
    if (!(cpu->cr4 & CR4_PKE)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if ((uint32_t)cpu->gpr[R_RCX] || (uint32_t)cpu->gpr[R_RDX]) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (cpu->pkru != (uint32_t)cpu->gpr[R_RAX]) {
        cpu->pkru = (uint32_t)cpu->gpr[R_RAX];
        tcg_flush_tlb(cpu);
    }
    return INSN_NEXT;
}
