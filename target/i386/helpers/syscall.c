/* SPDX-License-Identifier: MIT */
/* SYSCALL, SYSRET, SYSENTER and SYSEXIT, by the rules of the model's vendor. Intel SDM vol. 2, AMD
 * APM vol. 3. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

#include <Zydis/Mnemonic.h>

#define CODE_ATTRIBUTES (SEG_P | SEG_S | SEG_CODE | SEG_READABLE | SEG_ACCESSED | SEG_G)
#define DATA_ATTRIBUTES (SEG_P | SEG_S | SEG_WRITABLE | SEG_ACCESSED | SEG_G | SEG_DB)
#define SYSRET_FLAGS 0x3c7fd7u

/* The fixed segments that these instructions load; RPL and DPL are `ring`. */
static void set_flat(Segment *segment, uint16_t selector, uint16_t attributes, unsigned ring)
{
    segment->selector = (uint16_t)((selector & 0xfffc) | ring);
    segment->attributes = (uint16_t)(attributes | ring << SEG_DPL_SHIFT);
    segment->limit = 0xffffffffu;
    segment->base = 0;
}

static void enter_flat(X86Cpu *cpu, uint16_t cs, uint16_t ss, unsigned ring, bool is_64bit,
                       uint64_t rip)
{
    Segment code = {0}, stack = {0};

    set_flat(&code, cs, CODE_ATTRIBUTES | (is_64bit ? SEG_L : SEG_DB), ring);
    set_flat(&stack, ss, DATA_ATTRIBUTES, ring);
    code_commit_with_stack(cpu, &code, &stack, ring, rip);
}

/* Flags that would mean more than a new ring. */
#define SELDOM_FLAGS (EFLAGS_TF | EFLAGS_DF | EFLAGS_AC | EFLAGS_RF | EFLAGS_VM)
#define SELDOM_MODES                                                                               \
    (CPU_MODE_VM | CPU_MODE_SMM | CPU_MODE_TF | CPU_MODE_DF | CPU_MODE_AC | CPU_MODE_BREAKPOINTS)

/* From 64-bit code to 64-bit code: of the mode only the ring changes, and base and limits that code
 * checks against are the same in all of it. */
static void change_ring(X86Cpu *cpu, uint16_t cs, uint16_t ss, unsigned ring, uint64_t rip)
{
    set_flat(&cpu->seg[SEG_CS], cs, CODE_ATTRIBUTES | SEG_L, ring);
    set_flat(&cpu->seg[SEG_SS], ss, DATA_ATTRIBUTES, ring);
    cpu->cpl = (uint8_t)ring;
    cpu->mode = (cpu->mode & ~CPU_MODE_CPL_MASK) | ring << CPU_MODE_CPL_SHIFT;
    cpu->rip = rip;
    tcg_context_changed(cpu);
}

bool syscall_run_plain(X86Cpu *cpu, const Insn *insn)
{
    bool is_call = insn->mnemonic == ZYDIS_MNEMONIC_SYSCALL;
    uint32_t mode = CPU_MODE_CS_L | (is_call ? CPU_MODE_CPL_MASK : 0);
    uint64_t flags = cpu->eflags, rip = cpu->gpr[R_RCX];

    if ((cpu->mode & (CPU_MODE_CS_L | CPU_MODE_CPL_MASK | SELDOM_MODES)) != mode ||
        flags & SELDOM_FLAGS || !(cpu->efer & EFER_SCE) || cpu->interrupt_shadow ||
        cpu->debug_pending) {
        return false;
    }
    if (is_call) {
        cpu->gpr[R_RCX] = insn_next_rip(cpu, insn);
        cpu->gpr[R_R11] = flags;
        cpu->eflags = (flags & ~cpu->fmask) | EFLAGS_FIXED;
        change_ring(cpu, (uint16_t)(cpu->star >> 32), (uint16_t)((cpu->star >> 32) + 8), 0,
                    cpu->lstar);
        return true;
    }
    flags = (cpu->gpr[R_R11] & SYSRET_FLAGS) | EFLAGS_FIXED;
    if (insn->operand_bits != 64 || flags & SELDOM_FLAGS || !paging_is_canonical(cpu, rip)) {
        return false;
    }
    cpu->eflags = flags;
    change_ring(cpu, (uint16_t)((cpu->star >> 48) + 16), (uint16_t)((cpu->star >> 48) + 8), 3, rip);
    return true;
}

static InsnResult undefined(X86Cpu *cpu)
{
    fault_ud(cpu);
    return INSN_FAULT;
}

static InsnResult protection(X86Cpu *cpu)
{
    fault_gp(cpu, 0);
    return INSN_FAULT;
}

InsnResult helper_syscall(X86Cpu *cpu, const Insn *insn)
{
    uint16_t cs = (uint16_t)(cpu->star >> 32);
    bool from_64bit = mode_is_64bit(cpu);
    uint64_t next = insn_next_rip(cpu, insn);

    if (!(cpu->efer & EFER_SCE) || !mode_is_protected(cpu) ||
        (!cpu->model->is_amd && !from_64bit)) {
        return undefined(cpu);
    }
    if (!mode_is_long(cpu)) {
        cpu->gpr[R_RCX] = (uint32_t)next;
        flags_set(cpu, cpu->eflags & ~(uint64_t)(EFLAGS_IF | EFLAGS_VM | EFLAGS_RF));
        enter_flat(cpu, cs & 0xfffc, (uint16_t)(cs + 8), 0, false, (uint32_t)cpu->star);
        return INSN_JUMP;
    }
    cpu->gpr[R_RCX] = next;
    cpu->gpr[R_R11] = cpu->eflags & ~(uint64_t)EFLAGS_RF;
    flags_set(cpu, cpu->eflags & ~(cpu->fmask | EFLAGS_RF));
    enter_flat(cpu, cs & 0xfffc, (uint16_t)(cs + 8), 0, true, from_64bit ? cpu->lstar : cpu->cstar);
    return INSN_JUMP;
}

InsnResult helper_sysret(X86Cpu *cpu, const Insn *insn)
{
    uint16_t base = (uint16_t)(cpu->star >> 48);
    bool to_64bit = insn->operand_bits == 64;
    uint64_t rip = to_64bit ? cpu->gpr[R_RCX] : (uint32_t)cpu->gpr[R_RCX];

    if (!(cpu->efer & EFER_SCE) || !mode_is_protected(cpu) ||
        (!cpu->model->is_amd && !mode_is_64bit(cpu))) {
        return undefined(cpu);
    }
    if (cpu->cpl != 0) {
        return protection(cpu);
    }
    /* Intel faults while still in ring 0; with AMD the fetch faults in ring 3. */
    if (to_64bit && !cpu->model->is_amd && !paging_is_canonical(cpu, rip)) {
        return protection(cpu);
    }
    if (mode_is_long(cpu)) {
        flags_set(cpu, (cpu->gpr[R_R11] & SYSRET_FLAGS) | EFLAGS_FIXED);
    } else {
        flags_set(cpu, cpu->eflags | EFLAGS_IF);
    }
    enter_flat(cpu, (uint16_t)(to_64bit ? base + 16 : base), (uint16_t)(base + 8), 3, to_64bit,
               rip);
    return INSN_JUMP;
}

InsnResult helper_sysenter(X86Cpu *cpu, const Insn *insn)
{
    uint16_t cs = (uint16_t)(cpu->sysenter_cs & 0xfffc);
    bool is_long = mode_is_long(cpu);

    if (is_long && cpu->model->is_amd) {
        return undefined(cpu);
    }
    if (mode_is_real(cpu) || cs == 0) {
        return protection(cpu);
    }
    flags_set(cpu, cpu->eflags & ~(uint64_t)(EFLAGS_VM | EFLAGS_IF | EFLAGS_RF));
    cpu->gpr[R_RSP] = is_long ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
    enter_flat(cpu, cs, (uint16_t)(cs + 8), 0, is_long,
               is_long ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip);
    return INSN_JUMP;
}

InsnResult helper_sysexit(X86Cpu *cpu, const Insn *insn)
{
    uint16_t base = (uint16_t)(cpu->sysenter_cs & 0xfffc);
    bool to_64bit = insn->operand_bits == 64;
    uint64_t rip = cpu->gpr[R_RDX], rsp = cpu->gpr[R_RCX];

    if (mode_is_long(cpu) && cpu->model->is_amd) {
        return undefined(cpu);
    }
    if (!mode_is_protected(cpu) || cpu->cpl != 0 || base == 0) {
        return protection(cpu);
    }
    if (to_64bit && !(paging_is_canonical(cpu, rip) && paging_is_canonical(cpu, rsp))) {
        return protection(cpu);
    }
    cpu->gpr[R_RSP] = to_64bit ? rsp : (uint32_t)rsp;
    enter_flat(cpu, (uint16_t)(base + (to_64bit ? 32 : 16)),
               (uint16_t)(base + (to_64bit ? 40 : 24)), 3, to_64bit,
               to_64bit ? rip : (uint32_t)rip);
    return INSN_JUMP;
}
