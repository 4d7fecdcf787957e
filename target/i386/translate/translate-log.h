/* SPDX-License-Identifier: MIT */
/* What -d in_asm, op, out_asm, exec and cpu write. FPU parked. */
#ifndef TARGET_I386_TRANSLATE_TRANSLATE_LOG_H
#define TARGET_I386_TRANSLATE_TRANSLATE_LOG_H

#include "target/i386/translate/translator.h"

/* One guest instruction that is about to be emitted: text, and how it is carried. */
void translate_log_insn(const Translator *t);

/* The host code of a finished block. */
void translate_log_block(const Block *block);

#endif
