/* SPDX-License-Identifier: MIT */
/* Host registers for R13-R15 in loops: homes.c. */
#ifndef TARGET_I386_TRANSLATE_HOMES_H
#define TARGET_I386_TRANSLATE_HOMES_H

#include "target/i386/translate/translator.h"

/* Finds homes for R13-R15 in the path, which goes by other names of registers from then on. */
void homes_plan(Translator *t);
/* An instruction under those names, or back under its own. */
void homes_rename(const Block *block, Insn *insn);
/* Registers move to their homes; back, before a way out. Both destroy T2, flags stay (those of a
 * recipe become the host's). */
void homes_enter(Translator *t);
void homes_leave(Translator *t);

#endif
