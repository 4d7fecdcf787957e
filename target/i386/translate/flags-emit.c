/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic flags in translated code. They live in the host's flags. A TLB check destroys them,
 * and the instruction it belongs to may fault, so before the first check after each change they
 * must be recoverable: by a recipe (recipe-emit.c), else saved (lahf, seto: the image in
 * saved_flags). They come back when somebody reads them or when only a part of them is about to be
 * rewritten. DF never leaves the host's flags.
 */
#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>
#include <glib.h>

/* -- Moving them ------------------------------------------------------------------------------- */

static void emit_save(Emitter *e)
{
    emit_mov_rr(e, 64, HOST_T2, HOST_RAX);
    emit_u8(e, 0x9f); /* lahf */
    emit_u8(e, 0x0f); /* seto al */
    emit_u8(e, MUTANT(14, 0x90, 0x91));
    emit_u8(e, 0xc0);
    emit_store_gs(e, 32, HOST_RAX, TCG_OFFSET(saved_flags));
    emit_mov_rr(e, MUTANT(15, 64, 32u), HOST_RAX, HOST_T2);
}

void flags_save(Translator *t)
{
    if (t->flags == FLAGS_RECIPE) {
        flags_restore(t);
    }
    if (MUTANT(13, t->flags == FLAGS_HOST, false)) {
        t->t2_gpr = INSN_NO_REG;
        emit_save(t->e);
        t->flags = FLAGS_BOTH;
    }
}

void flags_protect(Translator *t)
{
    if (t->flags != FLAGS_HOST) {
        return;
    }
    if (recipe_hold(t)) {
        t->flags = FLAGS_RECIPE;
    } else {
        flags_save(t);
    }
}

void flags_destroyed(Translator *t)
{
    if (t->flags != FLAGS_RECIPE) {
        t->flags = MUTANT(29, FLAGS_SAVED, t->flags);
    }
}

void flags_restore(Translator *t)
{
    Emitter *e = t->e;

    if (t->flags == FLAGS_RECIPE) {
        recipe_emit(t);
        t->flags = FLAGS_HOST;
    } else if (MUTANT(17, t->flags == FLAGS_SAVED, false)) {
        t->t2_gpr = INSN_NO_REG;
        emit_mov_rr(e, 64, HOST_T2, HOST_RAX);
        emit_load_gs(e, 32, HOST_RAX, TCG_OFFSET(saved_flags));
        emit_u8(e, 0x04); /* add al, 7fh: OF */
        emit_u8(e, MUTANT(16, 0x7f, 0x7e));
        emit_u8(e, 0x9e); /* sahf */
        emit_mov_rr(e, 64, HOST_RAX, HOST_T2);
        t->flags = FLAGS_BOTH;
    }
}

/* Flags behind a shift, as they were before it `flags`. C may keep something below the stack
 * pointer. */
#define FLAGS_BEHIND(shift, flags)                                                                 \
    ({                                                                                             \
        uint64_t behind, value = 0x8421f5a5u;                                                      \
        __asm__ volatile("lea -128(%%rsp), %%rsp; push %2; popfq; " shift "; pushfq; pop %0; "     \
                         "lea 128(%%rsp), %%rsp"                                                   \
                         : "=&r"(behind), "+&r"(value)                                             \
                         : "r"((uint64_t)(flags))                                                  \
                         : "cc", "memory");                                                        \
        behind &EFLAGS_ARITHMETIC;                                                                 \
    })
#define REWRITES_FLAGS(shift) (FLAGS_BEHIND(shift, 0x202) == FLAGS_BEHIND(shift, 0xad7))

/* Does the host write all six when it shifts by a constant? The manual leaves AF and mostly OF
 * undefined. */
static bool host_shifts_rewrite_flags(void)
{
    static int answer = -1; /* under the code lock */

    if (answer < 0) {
        answer = REWRITES_FLAGS("shl $1, %k1") && REWRITES_FLAGS("shl $5, %k1") &&
                 REWRITES_FLAGS("shr $1, %k1") && REWRITES_FLAGS("shr $5, %1") &&
                 REWRITES_FLAGS("sar $1, %k1") && REWRITES_FLAGS("sar $5, %1") &&
                 REWRITES_FLAGS("shl $17, %w1") && REWRITES_FLAGS("shr $13, %b1");
    }
    return answer;
}

unsigned flags_shift_count(const Insn *insn)
{
    uint64_t mask = insn->operand_bits == 64 ? 63 : 31;

    if (insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT ||
        insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !host_shifts_rewrite_flags()) {
        return 0;
    }
    switch (insn->opcode) {
    case 0xd0:
    case 0xd1:
        return 1;
    case 0xc0:
    case 0xc1:
        return MUTANT(109, (unsigned)((uint64_t)insn->immediate & mask), 1);
    default:
        return 0;
    }
}

/* All six are written whatever they were before. Logical operations leave AF undefined in the
 * manual; every x86-64 processor clears it. */
bool flags_rewritten(const Insn *insn)
{
    uint32_t written = insn->flags_written;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
        return flags_shift_count(insn);
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_TEST:
        return true;
    default:
        return MUTANT(18, (written & EFLAGS_ARITHMETIC) == EFLAGS_ARITHMETIC, written != 0) &&
               !(insn->flags_read & EFLAGS_ARITHMETIC) && !insn->flags_undefined;
    }
}

bool flags_touched(const Insn *insn)
{
    return (MUTANT(19, insn->flags_read, 0u) | insn->flags_written | insn->flags_undefined) &
           EFLAGS_ARITHMETIC;
}

/* Of what was there before, the instruction needs or leaves nothing but CF: ADC, INC, SETB. */
static bool wants_carry_only(const Insn *insn)
{
    uint32_t written = insn->flags_written & EFLAGS_ARITHMETIC;
    uint32_t left = written ? EFLAGS_ARITHMETIC & ~written : 0;

    return ((insn->flags_read | left) & EFLAGS_ARITHMETIC) == EFLAGS_CF && !insn->flags_undefined;
}

void flags_emit_carry(Emitter *e)
{
    emit_u8(e, 0x65); /* bt dword gs:saved_flags, FLAGS_SAVED_CARRY_BIT */
    emit_u8(e, 0x0f);
    emit_u8(e, 0xba);
    emit_mem(e, 4, HOST_NO_INDEX, HOST_NO_INDEX, 0, (int32_t)TCG_OFFSET(saved_flags));
    emit_u8(e, MUTANT(110, FLAGS_SAVED_CARRY_BIT, FLAGS_SAVED_CARRY_BIT + 2));
}

void flags_before(Translator *t)
{
    bool is_lost = t->flags == FLAGS_RECIPE && t->recipe.kind == RECIPE_NONE; /* for good: dead */

    if (!tcg_options.opt_flags && !is_lost) {
        flags_restore(t);
    } else if (!flags_touched(t->insn) || flags_rewritten(t->insn) ||
               trace_flags_are_dead(t, t->at)) {
        return;
    } else if (t->flags == FLAGS_SAVED && tcg_options.opt_carry && wants_carry_only(t->insn)) {
        flags_emit_carry(t->e);
    } else {
        flags_restore(t);
    }
}

void flags_after(Translator *t)
{
    if ((t->insn->flags_written | t->insn->flags_undefined) & EFLAGS_ARITHMETIC) {
        t->recipe = recipe_of(t);
        t->flags = MUTANT(20, FLAGS_HOST, t->flags);
    } else {
        recipe_after_insn(t);
    }
    t->has_aside = false;
}
