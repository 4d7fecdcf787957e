/* SPDX-License-Identifier: MIT */
/* Jit dump: translated code itself, for `perf inject --jit`, by -accel tcg,jitdump=on. */
#ifndef ACCEL_TCG_JIT_DUMP_H
#define ACCEL_TCG_JIT_DUMP_H

#include "accel/tcg/block.h"

/* Makes jit-PID.dump in the current folder, and the mapping by which perf finds it. */
bool jit_dump_enable(Error **err);
/* Adds a finished block; no-op unless enabled. Under the code lock. */
void jit_dump_add(const X86Cpu *cpu, const Block *block);
/* What a profiler shall call the block; the caller frees it. */
char *jit_block_name(const X86Cpu *cpu, const Block *block);

#endif
