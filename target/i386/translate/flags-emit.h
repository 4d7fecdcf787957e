/* SPDX-License-Identifier: MIT */
/* Arithmetic flags in translated code: where they are and how they come back. */
#ifndef TARGET_I386_TRANSLATE_FLAGS_EMIT_H
#define TARGET_I386_TRANSLATE_FLAGS_EMIT_H

#include "target/i386/translate/translator.h"

/* -- Moving them: flags-emit.c ----------------------------------------------------------------- */

/* Before code that destroys the host's flags and may fault: they are saved or can be made again.
 * Destroys T2. */
void flags_protect(Translator *t);
/* ... and when it has destroyed them. */
void flags_destroyed(Translator *t);
/* They are in saved_flags afterwards. Destroys T2. */
void flags_save(Translator *t);
/* Makes the host's flags the guest's. Destroys T2, keeps T1. */
void flags_restore(Translator *t);
/* To be called right before t->insn itself runs, and after it. */
void flags_before(Translator *t);
void flags_after(Translator *t);
/* The host's CF = that in saved_flags; the others are lost there. Keeps T1 and T2. */
void flags_emit_carry(Emitter *e);
/* By how much the instruction shifts if that is a constant and the host rewrites all flags then,
 * else 0. */
unsigned flags_shift_count(const Insn *insn);
/* Does the instruction read or write arithmetic flags; does it write all six whatever they were? */
bool flags_touched(const Insn *insn);
bool flags_rewritten(const Insn *insn);

/* -- Making them again: recipe-emit.c ---------------------------------------------------------- */

/* When t->insn, which has nothing to do with flags, is about to be emitted: puts aside what it
 * overwrites and somebody may need. Flags and scratch registers stay. */
void recipe_before_insn(Translator *t);
/* Right before t->insn runs: puts aside what it overwrites, if its flags can be made again by that
 * only. Flags and scratch registers stay. */
void recipe_prepare(Translator *t);
/* When it has run, and t->flags still says what was before: how its flags could be made again. */
FlagsRecipe recipe_of(const Translator *t);
/* After an instruction that leaves flags alone. */
void recipe_after_insn(Translator *t);
/* What is known of the flags no longer depends on where CF was before. */
void recipe_forget_carry(Translator *t);
/* From t->insn on: can the flags be made again whenever somebody may ask? Puts operands aside that
 * do not stay. Flags and scratch registers stay. */
bool recipe_hold(Translator *t);
/* Makes them again in the host's. Destroys T2. */
void recipe_emit(Translator *t);

#endif
