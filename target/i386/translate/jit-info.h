/* SPDX-License-Identifier: MIT */
/* Counts of instructions that raised #UD because no row carries them. */
#ifndef TARGET_I386_TRANSLATE_JIT_INFO_H
#define TARGET_I386_TRANSLATE_JIT_INFO_H

#include "target/i386/translate/insn.h"

/* FPU parked. */
void jit_info_not_carried(const Insn *insn);

#endif
