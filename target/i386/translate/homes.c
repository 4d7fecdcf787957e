/* SPDX-License-Identifier: MIT */
/*
 * Homes: host registers for R13-R15 in traces that are loops, or name them often.
 *
 * A guest register that no instruction of such a trace names or implies lends its host register.
 * At the beginning the two are exchanged, the lender's value waits in cpu->gpr[] where R13's was,
 * and all instructions are translated under exchanged names; every way out exchanges them back.
 * Where C finds the CPU inside, the mark says so and the exchange is made there (exec.c). Within
 * the trace nothing knows of it: the state is that of a CPU whose registers have other names.
 */
#include "target/i386/translate/homes.h"

#include "target/i386/translate/flags-emit.h"

#include <string.h>

#define FIRST_HOMELESS R_R13
#define HOMELESS 3
/* As often a register must be named in a path that is no loop. */
#define WORTH_USES 6
/* Never lent: RSP, whose moves are known (windows.c). */
#define LENDERS (0x1fffu & ~(1u << R_RSP))

static bool has_homes(const Block *block)
{
    for (unsigned i = 0; i < HOMELESS; i++) {
        if (block->homes[i] != BLOCK_NO_HOME) {
            return true;
        }
    }
    return false;
}

/* The name of a register in the trace, and the other way round. */
static uint8_t exchanged(const Block *block, uint8_t gpr)
{
    for (unsigned i = 0; i < HOMELESS; i++) {
        if (block->homes[i] == BLOCK_NO_HOME) {
            continue;
        }
        if (gpr == FIRST_HOMELESS + i) {
            return block->homes[i];
        }
        if (gpr == block->homes[i]) {
            return (uint8_t)(FIRST_HOMELESS + i);
        }
    }
    return gpr;
}

static uint32_t exchanged_mask(const Block *block, uint32_t mask)
{
    uint32_t result = 0;

    for (uint8_t gpr = 0; gpr < 16; gpr++) {
        result |= (mask >> gpr & 1) << exchanged(block, gpr);
    }
    return result;
}

void homes_rename(const Block *block, Insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++) {
        InsnOperand *operand = &insn->operands[i];
        if (operand->kind == OPERAND_REG && operand->reg_class == REG_GPR) {
            operand->reg = exchanged(block, operand->reg);
        }
    }
    insn->base = exchanged(block, insn->base);
    insn->index = exchanged(block, insn->index);
    insn->gprs_used = exchanged_mask(block, insn->gprs_used);
    insn->gprs_written = exchanged_mask(block, insn->gprs_written);
}

/* Does the path consist of instructions that stay in translated code? */
static bool is_plain(const Translator *t)
{
    for (unsigned i = 0; i < t->insn_count; i++) {
        const Insn *insn = &t->insns[i];
        if (!insn->row || !trace_gate_is_open(t, insn)) {
            return false;
        }
        switch (insn->row->carry) {
        case CARRY_NATIVE:
        case CARRY_NOTHING:
        case CARRY_LEA:
        case CARRY_STACK:
        case CARRY_BRANCH:
            break;
        default:
            return false;
        }
    }
    return true;
}

void homes_plan(Translator *t)
{
    Block *block = t->block;
    bool is_loop = t->follow[t->insn_count - 1] & FOLLOW_LOOP;
    unsigned uses[HOMELESS] = {0};
    uint32_t used = 0, free;

    memset(block->homes, BLOCK_NO_HOME, sizeof(block->homes));
    if (!tcg_options.opt_homes || !block->is_trace || !(t->mode & CPU_MODE_CS_L) || !is_plain(t)) {
        return;
    }
    for (unsigned i = 0; i < t->insn_count; i++) {
        used |= t->insns[i].gprs_used;
        for (unsigned n = 0; n < HOMELESS; n++) {
            uses[n] += t->insns[i].gprs_used >> (FIRST_HOMELESS + n) & 1;
        }
    }
    free = LENDERS & ~used;
    for (unsigned i = 0; i < HOMELESS && free; i++) {
        if (uses[i] >= (is_loop ? 1 : WORTH_USES)) {
            block->homes[i] = (uint8_t)__builtin_ctz(free);
            free &= free - 1;
        }
    }
    for (unsigned i = 0; i < t->insn_count && has_homes(block); i++) {
        homes_rename(block, &t->insns[i]);
    }
}

/* Exchanges lenders and borrowers. Destroys T2; flags stay. */
static void emit_exchange(Translator *t)
{
    Emitter *e = t->e;

    for (unsigned i = 0; i < HOMELESS; i++) {
        unsigned home = t->block->homes[i];
        if (home != BLOCK_NO_HOME) {
            emit_load_gs(e, 64, HOST_T2, GPR_OFFSET(FIRST_HOMELESS + i));
            emit_store_gs(e, 64, host_of(home), GPR_OFFSET(FIRST_HOMELESS + i));
            emit_mov_rr(e, 64, host_of(home), HOST_T2);
        }
    }
    t->t2_gpr = INSN_NO_REG;
}

void homes_enter(Translator *t)
{
    if (has_homes(t->block)) {
        emit_exchange(t);
        t->at_home = true;
    }
}

void homes_leave(Translator *t)
{
    if (t->at_home) {
        if (t->flags == FLAGS_RECIPE) { /* whose operands are about to move */
            flags_restore(t);
        }
        if (MUTANT(107, true, false)) {
            emit_exchange(t);
        }
        t->at_home = false;
    }
}
