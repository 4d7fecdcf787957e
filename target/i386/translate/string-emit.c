/* SPDX-License-Identifier: MIT */
/*
 * REP MOVS and REP STOS in translated 64-bit code: one host string instruction when both sides lie
 * in one page of RAM each, which small copies do. DF is part of the block's mode. Everything else
 * is C's (string-ops.c): other strings, other modes, longer runs, devices, faults.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"

static bool is_inline(const Translator *t)
{
    const Insn *insn = t->insn;
    unsigned opcode = insn->opcode & ~1u;

    return tcg_options.opt_strings && !t->block->checked && t->mode & CPU_MODE_CS_L &&
           MUTANT(48, !(t->mode & CPU_MODE_DF), true) && insn->address_bits == 64 &&
           (insn->rep || insn->repne) && (opcode == 0xa4 || opcode == 0xaa) &&
           insn->segment != SEG_FS && insn->segment != SEG_GS;
}

static unsigned shift_of(const Insn *insn)
{
    return insn->operand_bits == 64 ? 3 : insn->operand_bits == 32 ? 2 : insn->operand_bits == 16;
}

static void add_exit(Translator *t, uint8_t *place, const Insn *kept)
{
    Cold *cold = address_add_cold(t, place);

    cold->kind = COLD_EXIT;
    cold->exit = kept;
}

/* T1 = host address of the run at `host`, which must not leave its page. */
static void emit_side(Translator *t, unsigned host, unsigned access, const Insn *kept)
{
    Emitter *e = t->e;

    emit_mov_rr(e, 64, HOST_T1, host);
    address_lookup_page(t, access, (unsigned)TARGET_PAGE_SIZE - 1);
    emit_store_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[6]));
    emit_lea(e, 64, HOST_T2, HOST_T1, HOST_RCX, shift_of(t->insn), 0);
    emit_alu_imm(e, 64, 7, HOST_T2,
                 MUTANT(45, (int32_t)TARGET_PAGE_SIZE, (int32_t)TARGET_PAGE_SIZE + 16));
    add_exit(t, emit_jcc(e, CC_A), kept);
    emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(scratch[6]));
    address_add_host(t);
}

static void emit_rep(Emitter *e, const Insn *insn)
{
    emit_u8(e, 0xf3);
    if (insn->operand_bits == 16) {
        emit_u8(e, 0x66);
    } else if (insn->operand_bits == 64) {
        emit_u8(e, 0x48);
    }
    emit_u8(e, insn->opcode);
}

static void emit_run(Translator *t, bool has_source)
{
    Emitter *e = t->e;

    emit_store_gs(e, 64, HOST_RDI, TCG_OFFSET(scratch[6]));
    emit_mov_rr(e, 64, HOST_RDI, HOST_T1);
    if (has_source) {
        emit_store_gs(e, 64, HOST_RSI, TCG_OFFSET(scratch[7]));
        emit_load_gs(e, 64, HOST_RSI, TCG_OFFSET(scratch[5]));
    }
    emit_lea(e, 64, HOST_T2, HOST_NO_INDEX, HOST_RCX, shift_of(t->insn), 0);
    emit_rep(e, t->insn);
    emit_load_gs(e, 64, HOST_RDI, TCG_OFFSET(scratch[6]));
    emit_rr(e, 64, 0x03, HOST_RDI, MUTANT(46, HOST_T2, HOST_RCX));
    if (has_source) {
        emit_load_gs(e, 64, HOST_RSI, TCG_OFFSET(scratch[7]));
        emit_rr(e, 64, 0x03, HOST_RSI, HOST_T2);
    }
}

void string_emit(Translator *t)
{
    Emitter *e = t->e;
    bool has_source = (t->insn->opcode & ~1u) == 0xa4;
    uint8_t *none, *some, *end;
    const Insn *kept;

    if (!is_inline(t)) {
        control_exit_insn(t);
        return;
    }
    kept = control_keep_insn(t);
    flags_save(t);
    none = emit_short(e, 0xe3); /* jrcxz */
    some = emit_short(e, 0xeb);
    emit_patch8(none, e->p);
    end = emit_jmp(e);
    emit_patch8(some, e->p);
    t->flags = FLAGS_SAVED;
    emit_alu_imm(e, 64, 7, HOST_RCX, (int32_t)TARGET_PAGE_SIZE >> shift_of(t->insn));
    add_exit(t, emit_jcc(e, CC_A), kept);
    if (has_source) {
        emit_side(t, HOST_RSI, 1, kept);
        emit_store_gs(e, 64, HOST_T1, TCG_OFFSET(scratch[5]));
    }
    emit_side(t, HOST_RDI, MUTANT(47, 2, 1u), kept);
    emit_run(t, has_source);
    emit_patch(end, e->p);
}
