/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic flags in translated code. They live in the host's flags. A TLB check destroys them,
 * and the instruction it belongs to may fault, so they are saved before the first check after each
 * change (lahf, seto: the image in saved_flags), and brought back when somebody reads them or when
 * only a part of them is about to be rewritten. DF never leaves the host's flags.
 */
#include "target/i386/translate/translator.h"

#include <Zydis/Mnemonic.h>

void flags_save(Translator *t)
{
    Emitter *e = t->e;

    if (MUTANT(13, t->flags == FLAGS_HOST, false)) {
        emit_mov_rr(e, 64, HOST_T2, HOST_RAX);
        emit_u8(e, 0x9f); /* lahf */
        emit_u8(e, 0x0f); /* seto al */
        emit_u8(e, MUTANT(14, 0x90, 0x91));
        emit_u8(e, 0xc0);
        emit_store_gs(e, 32, HOST_RAX, TCG_OFFSET(saved_flags));
        emit_mov_rr(e, MUTANT(15, 64, 32u), HOST_RAX, HOST_T2);
        t->flags = FLAGS_BOTH;
    }
}

void flags_restore(Translator *t)
{
    Emitter *e = t->e;

    if (MUTANT(17, t->flags == FLAGS_SAVED, false)) {
        emit_mov_rr(e, 64, HOST_T2, HOST_RAX);
        emit_load_gs(e, 32, HOST_RAX, TCG_OFFSET(saved_flags));
        emit_u8(e, 0x04); /* add al, 7fh: OF */
        emit_u8(e, MUTANT(16, 0x7f, 0x7e));
        emit_u8(e, 0x9e); /* sahf */
        emit_mov_rr(e, 64, HOST_RAX, HOST_T2);
        t->flags = FLAGS_BOTH;
    }
}

/* All six are written whatever they were before. Logical operations leave AF undefined in the
 * manual; every x86-64 processor clears it. */
static bool rewrites_all(const Insn *insn)
{
    uint32_t written = insn->flags_written;

    switch (insn->mnemonic) {
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

static bool touches_flags(const Insn *insn)
{
    return (MUTANT(19, insn->flags_read, 0u) | insn->flags_written | insn->flags_undefined) &
           EFLAGS_ARITHMETIC;
}

void flags_before(Translator *t)
{
    if (!tcg_options.opt_flags || (touches_flags(t->insn) && !rewrites_all(t->insn))) {
        flags_restore(t);
    }
}

void flags_after(Translator *t)
{
    if ((t->insn->flags_written | t->insn->flags_undefined) & EFLAGS_ARITHMETIC) {
        t->flags = MUTANT(20, FLAGS_HOST, t->flags);
    }
}
