/* SPDX-License-Identifier: MIT */
/*
 * R13-R15, which have no host register: they live in cpu->gpr and are brought into a scratch
 * register for the instruction that names them. T2 then often still holds the one that is wanted
 * next.
 */
#include "target/i386/translate/translator.h"

#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>

unsigned translate_use_gpr(Translator *t, unsigned gpr, unsigned scratch)
{
    unsigned host = host_of(gpr);

    if (host != INSN_NO_REG) {
        return host;
    }
    if (t->t2_gpr == gpr) {
        if (scratch != HOST_T2) {
            emit_mov_rr(t->e, 64, scratch, HOST_T2);
        }
        return scratch;
    }
    if (scratch == HOST_T2) {
        t->t2_gpr = INSN_NO_REG; /* who asks for it there may change it */
    }
    emit_load_gs(t->e, 64, scratch, GPR_OFFSET(gpr));
    return scratch;
}

static bool is_unpinned(const InsnOperand *operand)
{
    return operand->kind == OPERAND_REG && operand->reg_class == REG_GPR &&
           host_of(operand->reg) == INSN_NO_REG;
}

/* A register that is written whole, whatever was in it. BSF and BSR of zero leave it alone. */
static bool is_replaced(const Insn *insn, const InsnOperand *operand)
{
    return operand->actions == ZYDIS_OPERAND_ACTION_WRITE && operand->size >= 4 &&
           insn->mnemonic != ZYDIS_MNEMONIC_BSF && insn->mnemonic != ZYDIS_MNEMONIC_BSR;
}

bool registers_assign(const Insn *insn, unsigned scratch_count, RehostMap *ret_map,
                      Spills *ret_spills)
{
    static const uint8_t scratch[] = {HOST_T2, HOST_T1};
    Spills *spills = ret_spills;

    for (unsigned i = 0; i < 16; i++) {
        ret_map->gpr[i] = host_of(i);
    }
    ret_map->memory_base = HOST_T1;
    ret_map->memory_displacement = 0;
    ret_map->has_index = false;
    ret_map->drop_lock = false;
    spills->count = 0;
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const InsnOperand *operand = &insn->operands[i];
        unsigned n = 0;
        if (!is_unpinned(operand)) {
            continue;
        }
        while (n < spills->count && spills->of[n].gpr != operand->reg) {
            n++;
        }
        if (n == spills->count) {
            if (spills->count == scratch_count) {
                return false;
            }
            spills->of[spills->count++] = (Spill){operand->reg, scratch[n], false, true};
            ret_map->gpr[operand->reg] = scratch[n];
        }
        spills->of[n].is_written |= operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE;
        spills->of[n].is_replaced &= is_replaced(insn, operand);
    }
    return true;
}

bool registers_may_fail(const Insn *insn)
{
    RehostMap map;
    Spills spills;

    for (unsigned i = 0; i < insn->operand_count; i++) {
        if (insn->operands[i].reg_class == REG_GPR8_HIGH) {
            return true;
        }
    }
    return !registers_assign(insn, insn->memory_operand == INSN_NO_REG ? 2 : 1, &map, &spills);
}

bool registers_leave_t1(const Insn *insn)
{
    RehostMap map;
    Spills spills;

    if (!tcg_options.opt_scratch || !insn->row) {
        return false;
    }
    switch (insn->row->carry) {
    case CARRY_NATIVE:
        return MUTANT(101, insn->memory_operand == INSN_NO_REG, true) &&
               registers_assign(insn, 1, &map, &spills);
    case CARRY_LEA:
        return insn->address_bits == 64 && insn->operands[0].size >= 4 &&
               (insn->base == INSN_NO_REG || insn->base == INSN_RIP ||
                host_of(insn->base) != INSN_NO_REG);
    default:
        return insn->row->carry == CARRY_NOTHING;
    }
}

void registers_bring(Translator *t, const Spills *spills)
{
    for (unsigned i = spills->count; i-- > 0;) { /* T1 before T2, which may hold either */
        const Spill *spill = &spills->of[i];
        if (!MUTANT(96, spill->is_replaced, true)) {
            unsigned gpr = MUTANT(4, spill->gpr, spills->of[0].gpr);
            translate_use_gpr(t, gpr, spill->host);
        }
    }
    if (spills->count) {
        t->t2_gpr = spills->of[0].gpr;
    }
}

void registers_take(Translator *t, const Spills *spills)
{
    for (unsigned i = 0; i < spills->count; i++) {
        const Spill *spill = &spills->of[i];
        if (MUTANT(3, spill->is_written, false)) {
            emit_store_gs(t->e, 64, spill->host, GPR_OFFSET(spill->gpr));
        }
    }
}

void registers_store_t2(Translator *t, unsigned gpr)
{
    emit_store_gs(t->e, 64, HOST_T2, GPR_OFFSET(gpr));
    t->t2_gpr = (uint8_t)gpr;
}

bool registers_move(Translator *t)
{
    const InsnOperand *to = &t->insn->operands[0], *from = &t->insn->operands[1];
    unsigned bits = to->size * 8, host;

    if (t->insn->mnemonic != ZYDIS_MNEMONIC_MOV || bits < 32 || to->kind != OPERAND_REG ||
        from->kind != OPERAND_REG || from->reg_class != REG_GPR || to->reg_class != REG_GPR ||
        (!is_unpinned(to) && !is_unpinned(from))) {
        return false;
    }
    if (is_unpinned(to)) {
        host = translate_use_gpr(t, from->reg, HOST_T2);
        if (host != HOST_T2 || bits == 32) {
            emit_mov_rr(t->e, MUTANT(8, bits, 64u), HOST_T2, host);
        }
        registers_store_t2(t, to->reg);
    } else if (t->t2_gpr == from->reg) {
        emit_mov_rr(t->e, bits, host_of(to->reg), HOST_T2);
    } else {
        emit_load_gs(t->e, bits, host_of(to->reg), GPR_OFFSET(from->reg));
    }
    recipe_after_insn(t);
    return true;
}
