/* SPDX-License-Identifier: MIT */
/* Exact mode: one guest instruction at a time with every check in architectural order. Light. */
#ifndef TARGET_I386_TRANSLATE_EXACT_H
#define TARGET_I386_TRANSLATE_EXACT_H

#include "target/i386/helpers/access.h"

/* Runs a decoded instruction; RIP is its own and stays unless the result is INSN_JUMP. */
InsnResult exact_run(X86Cpu *cpu, const Insn *insn);

/* Enable bits: false with #UD or #NM recorded when `gate` is closed. */
bool exact_gate_open(X86Cpu *cpu, unsigned gate);

/* Computational instructions on the silicon, memory operands bounced (exact-native.c). */
InsnResult exact_native(X86Cpu *cpu, const Insn *insn);

/* ... those whose result counts before their operand does, at an effective address (exact-store.c).
 */
bool exact_computes_first(const X86Cpu *cpu, const Insn *insn);
InsnResult exact_compute_and_store(X86Cpu *cpu, const Insn *insn, uint64_t address);
/* What is left of a store to memory that has faulted otherwise, on models of Intel's. */
void exact_note_store_fault(X86Cpu *cpu, const Insn *insn);

/* ... those whose memory operand is under a mask (exact-masked.c). */
InsnResult exact_masked(X86Cpu *cpu, const Insn *insn);
/* Runs one with its memory operand at `memory`; INSN_FAULT: cpu->fault is set, but for a host page
 * fault, which cpu->tcg.fault_trap and fault_address tell. */
InsnResult exact_run_thunk(X86Cpu *cpu, const Insn *insn, void *memory);
#define HOST_TRAP_PAGE_FAULT 14

/* Near transfers, PUSH, POP (exact-branch.c). */
InsnResult exact_branch(X86Cpu *cpu, const Insn *insn);
InsnResult exact_stack(X86Cpu *cpu, const Insn *insn);

/* MOVS STOS LODS SCAS CMPS, with or without REP, a page at a time (string-ops.c). */
InsnResult exact_string(X86Cpu *cpu, const Insn *insn);
/* Does what is left of the REP write to the bytes of its own instruction? */
bool string_overwrites_itself(const X86Cpu *cpu, const Insn *insn);

/* Records the guest's exception for a host fault of a native instruction: trap number, address. */
void exact_native_fault(X86Cpu *cpu, unsigned trap, uint64_t address);

#endif
