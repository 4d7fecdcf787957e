/* SPDX-License-Identifier: MIT */
/* Blocks that compare their bytes: check-emit.c. */
#ifndef TARGET_I386_TRANSLATE_CHECK_EMIT_H
#define TARGET_I386_TRANSLATE_CHECK_EMIT_H

#include "target/i386/translate/translator.h"

/* Ends the path behind its first write and finds what is loose; the comparison, flags saved. */
void check_plan(Translator *t);
void check_emit(Translator *t);
/* As address_into(), if the displacement is loose. Destroys T1. */
bool check_load_displacement(Translator *t, unsigned host, unsigned bits);
/* t->insn, if its immediate is loose. */
bool check_emit_immediate(Translator *t);

#endif
