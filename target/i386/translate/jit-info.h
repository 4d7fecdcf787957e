/* SPDX-License-Identifier: MIT */
/* Counts of instructions that plain C runs, and of those that raised #UD because no row carries
 * them. */
#ifndef TARGET_I386_TRANSLATE_JIT_INFO_H
#define TARGET_I386_TRANSLATE_JIT_INFO_H

#include "accel/tcg/statistics.h"
#include "target/i386/cpu.h"
#include "target/i386/translate/insn.h"

/* FPU parked. */
void jit_info_not_carried(const Insn *insn);

/* A block was left for it. Light. */
static inline void jit_info_run_by_c(X86Cpu *cpu, const Insn *insn)
{
    COUNT_UP(((uint64_t *)cpu->tcg.insn_counts)[insn->mnemonic]);
}

#endif
