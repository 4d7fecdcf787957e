/* SPDX-License-Identifier: MIT */
/* The guest's own debugging: breakpoints of DR0-DR3, single steps, branch steps.
 * Intel SDM vol. 3 ch. 18. Light. */
#ifndef TARGET_I386_HELPERS_DEBUG_REGS_H
#define TARGET_I386_HELPERS_DEBUG_REGS_H

#include "target/i386/cpu.h"
#include "target/i386/translate/insn.h"

#define DEBUGCTL_LBR 1u
#define DEBUGCTL_BTF 2u /* TF stops behind branches only */

/*
 * All is done in exact mode, which an enabled breakpoint puts the CPU into (CPU_MODE_BREAKPOINTS).
 * Data and port accesses are noted in cpu->debug_pending as they happen and trap behind the
 * instruction; an instruction breakpoint is a fault before it.
 */

/* Before an instruction is fetched. True: an instruction breakpoint is hit, #DB is recorded. */
bool debug_regs_stops_before(X86Cpu *cpu);

/* An access of `size` bytes was made. */
void debug_regs_note_access(X86Cpu *cpu, uint64_t linear, uint64_t size, bool is_write);
void debug_regs_note_port(X86Cpu *cpu, uint16_t port, unsigned size);
/* Does a data breakpoint touch these bytes? */
bool debug_regs_watch(const X86Cpu *cpu, uint64_t linear, uint64_t size);

/* What one instruction began with. */
typedef struct DebugStart {
    bool tf, rf;
    uint16_t task; /* TR */
} DebugStart;

static inline DebugStart debug_regs_start(const X86Cpu *cpu)
{
    return (DebugStart){
        .tf = cpu->eflags & EFLAGS_TF, .rf = cpu->eflags & EFLAGS_RF, .task = cpu->tr.selector};
}

/* Behind an instruction that did not fault, RIP and interrupt shadow already being those of the
 * next one: clears RF, delivers the #DB trap of single step and noted accesses. */
void debug_regs_after(X86Cpu *cpu, const Insn *insn, InsnResult result, const DebugStart *start);

#endif
