/* SPDX-License-Identifier: MIT */
/* What mode the CPU is in, as the system helpers ask it: from the registers themselves, not from
 * derived bits. */
#ifndef TARGET_I386_HELPERS_MODES_H
#define TARGET_I386_HELPERS_MODES_H

#include "target/i386/cpu.h"
#include "target/i386/translate/insn.h"

static inline bool mode_is_real(const X86Cpu *cpu)
{
    return !(cpu->cr0 & CR0_PE);
}

static inline bool mode_is_v8086(const X86Cpu *cpu)
{
    return (cpu->eflags & EFLAGS_VM) != 0;
}

/* Protected mode proper: descriptors are used. */
static inline bool mode_is_protected(const X86Cpu *cpu)
{
    return !mode_is_real(cpu) && !mode_is_v8086(cpu);
}

/* 64-bit or compatibility mode. */
static inline bool mode_is_long(const X86Cpu *cpu)
{
    return (cpu->efer & EFER_LMA) != 0;
}

static inline bool mode_is_64bit(const X86Cpu *cpu)
{
    return mode_is_long(cpu) && (cpu->seg[SEG_CS].attributes & SEG_L);
}

static inline unsigned mode_iopl(const X86Cpu *cpu)
{
    return (cpu->eflags & EFLAGS_IOPL) >> EFLAGS_IOPL_SHIFT;
}

/* RIP behind the instruction. Only branches cut it to 16 bits: code that runs past the end of a
 * 64 KiB segment is outside of it. */
static inline uint64_t insn_next_rip(const X86Cpu *cpu, const Insn *insn)
{
    uint64_t next = cpu->rip + insn->length;

    if (mode_is_64bit(cpu)) {
        return next;
    }
    return (uint32_t)next;
}

/* Bytes of a stack operand: in 64-bit code PUSH, POP and alike are 64 bits wide unless 16. */
static inline unsigned insn_stack_size(const X86Cpu *cpu, const Insn *insn)
{
    if (insn->operand_bits == 16) {
        return 2;
    }
    return mode_is_64bit(cpu) ? 8 : 4;
}

/* EFLAGS all at once; what the translator derives from them follows. */
static inline void flags_set(X86Cpu *cpu, uint64_t eflags)
{
    uint64_t changed = cpu->eflags ^ eflags;

    cpu->eflags = eflags | EFLAGS_FIXED;
    if (changed & (EFLAGS_TF | EFLAGS_VM | EFLAGS_DF | EFLAGS_AC)) {
        cpu_update_mode(cpu); /* and the context, which AC is part of under SMAP */
    }
}

#endif
