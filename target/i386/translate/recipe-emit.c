/* SPDX-License-Identifier: MIT */
/*
 * Recipes: flags that are nowhere, but can be made again by the operation that set them, in
 * translated code when somebody reads them, in C (flags-recipe.c) at a fault. It takes that its
 * operands stay as long as somebody may ask. One that is about to change is put aside, in the CPU:
 * what the operation left or only read at the first check behind it, what it overwrites itself
 * right before.
 */
#include "target/i386/translate/flags-emit.h"

#include <Zydis/Zydis.h>
#include <glib.h>

enum { OP_ADD = 0, OP_SUB = 5, OP_CMP = 7, OP_TEST = 8 };

/* -- What set the flags ------------------------------------------------------------------------ */

static const FlagsRecipe none = {.kind = RECIPE_NONE};

static RecipeKind recipe_kind(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_ADD:
        return RECIPE_ADD;
    case ZYDIS_MNEMONIC_SUB:
        return RECIPE_SUB;
    case ZYDIS_MNEMONIC_CMP:
        return RECIPE_CMP;
    case ZYDIS_MNEMONIC_TEST:
        return RECIPE_TEST;
    case ZYDIS_MNEMONIC_NEG:
        return RECIPE_NEG;
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
        return RECIPE_LOGIC;
    case ZYDIS_MNEMONIC_INC:
        return RECIPE_INC;
    case ZYDIS_MNEMONIC_DEC:
        return RECIPE_DEC;
    case ZYDIS_MNEMONIC_SHL:
        return RECIPE_SHL;
    case ZYDIS_MNEMONIC_SHR:
        return RECIPE_SHR;
    case ZYDIS_MNEMONIC_SAR:
        return RECIPE_SAR;
    default:
        return RECIPE_NONE;
    }
}

static bool is_pinned(const InsnOperand *operand)
{
    return operand->kind == OPERAND_REG && operand->reg_class == REG_GPR &&
           host_of(operand->reg) != INSN_NO_REG;
}

/* Where CF is as long as flags that `recipe` makes are in the host's. */
static int32_t carry_of(const FlagsRecipe *recipe)
{
    switch (recipe->kind) {
    case RECIPE_LOGIC:
    case RECIPE_TEST:
        return MUTANT(93, FLAGS_CARRY_CLEAR, FLAGS_CARRY_SAVED);
    case RECIPE_NONE:
    case RECIPE_INC:
    case RECIPE_DEC:
        return recipe->immediate;
    default:
        return FLAGS_CARRY_UNKNOWN;
    }
}

/* INC or DEC. */
static FlagsRecipe with_carry(const Translator *t, FlagsRecipe recipe)
{
    if (t->flags == FLAGS_SAVED || t->flags == FLAGS_BOTH) {
        recipe.immediate = MUTANT(113, FLAGS_CARRY_SAVED, FLAGS_CARRY_CLEAR);
    } else {
        recipe.immediate = t->flags == FLAGS_HOST ? carry_of(&t->recipe) : FLAGS_CARRY_UNKNOWN;
    }
    return recipe.immediate == FLAGS_CARRY_UNKNOWN ? none : recipe;
}

/* What an ADD, a SUB or a shift by a constant has overwritten is aside. */
static FlagsRecipe of_overwritten(const Insn *insn, FlagsRecipe recipe)
{
    recipe.src = FLAGS_RECIPE_ASIDE;
    switch (recipe.kind) {
    case RECIPE_ADD:
        recipe.kind = RECIPE_ADD_TO;
        return recipe;
    case RECIPE_SUB:
        recipe.kind = RECIPE_SUB_FROM;
        return recipe;
    default:
        recipe.dst = FLAGS_RECIPE_ASIDE;
        recipe.immediate = flags_shift_count(insn);
        return recipe.immediate ? recipe : none;
    }
}

/* ... of t->insn, as long as flags and recipe are those before it. `is_aside`: what it overwrites
 * is in aside[1]. */
static FlagsRecipe find_recipe(const Translator *t, bool is_aside)
{
    const Insn *insn = t->insn;
    const InsnOperand *dst = &insn->operands[0], *src = &insn->operands[1];
    FlagsRecipe recipe = {.kind = (uint8_t)recipe_kind(insn),
                          .bits = (uint8_t)(dst->size * 8),
                          .dst = dst->reg,
                          .src = FLAGS_RECIPE_IMM};
    bool compares = recipe.kind == RECIPE_CMP || recipe.kind == RECIPE_TEST;

    if (!tcg_options.opt_recipes || recipe.kind == RECIPE_NONE ||
        insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !is_pinned(dst) ||
        recipe.bits == 16 || (recipe.bits == 8 && !compares)) {
        return none;
    }
    switch (recipe.kind) {
    case RECIPE_LOGIC:
    case RECIPE_NEG:
        return recipe;
    case RECIPE_INC:
    case RECIPE_DEC:
        return with_carry(t, recipe);
    case RECIPE_SHL:
    case RECIPE_SHR:
    case RECIPE_SAR:
        return is_aside ? of_overwritten(insn, recipe) : none;
    }
    if (src->kind == OPERAND_IMM) {
        recipe.immediate = recipe.bits == 8 ? (int8_t)insn->immediate : (int32_t)insn->immediate;
        return recipe;
    }
    if (is_pinned(src) && src->reg == dst->reg && recipe.kind == RECIPE_TEST && recipe.bits > 8) {
        recipe.kind = RECIPE_LOGIC;
        return recipe;
    }
    if (is_pinned(src) && (src->reg != dst->reg || compares)) {
        recipe.src = src->reg;
        return recipe;
    }
    if (recipe.kind == RECIPE_SUB && is_pinned(src)) {
        recipe.kind = RECIPE_LOGIC;
        return recipe;
    }
    return is_aside && !compares ? of_overwritten(insn, recipe) : none;
}

FlagsRecipe recipe_of(const Translator *t)
{
    return find_recipe(t, t->has_aside);
}

/* -- How long it lasts ------------------------------------------------------------------------- */

static bool overwrites(const Insn *insn, const FlagsRecipe *recipe)
{
    uint32_t operands =
        1u << recipe->dst | (recipe->src == FLAGS_RECIPE_IMM ? 0 : 1u << recipe->src);
    return insn->gprs_written & operands;
}

/* From instruction `at` on: are its operands there as long as somebody may ask for the flags? */
static bool lasts(const Translator *t, unsigned at, const FlagsRecipe *recipe)
{
    bool is_lost = false;

    for (unsigned i = at; i < t->insn_count; i++) {
        const Insn *insn = &t->insns[i];
        bool is_kill;
        if (!insn->row || !trace_gate_is_open(t, insn)) {
            return false;
        }
        if (trace_flags_are_dead(t, i)) {
            return true;
        }
        is_kill = insn->row->carry == CARRY_NATIVE && insn->gate == GATE_NONE &&
                  flags_rewritten(insn) && !registers_may_fail(insn);
        if (!trace_is_plain(t, i) && is_lost) {
            return false;
        }
        if (is_kill) {
            return true;
        }
        switch (insn->row->carry) {
        case CARRY_NATIVE:
        case CARRY_LEA:
        case CARRY_NOTHING:
        case CARRY_STACK:
            break;
        case CARRY_BRANCH:
            if (t->follow[i] == FOLLOW_NONE || t->follow[i] & FOLLOW_LOOP) {
                return insn->mnemonic != ZYDIS_MNEMONIC_CALL &&
                       insn->mnemonic != ZYDIS_MNEMONIC_RET &&
                       insn->operands[0].kind == OPERAND_REL;
            }
            if (overwrites(insn, recipe)) {
                return false; /* what it does behind moving RSP may still ask */
            }
            break;
        default:
            return false;
        }
        if (insn->row->carry == CARRY_NATIVE && registers_may_fail(insn)) {
            return false;
        }
        is_lost |= overwrites(insn, recipe);
    }
    return !is_lost;
}

void recipe_after_insn(Translator *t)
{
    if (t->recipe.kind != RECIPE_NONE && overwrites(t->insn, &t->recipe)) {
        t->recipe = (FlagsRecipe){.kind = RECIPE_NONE, .immediate = carry_of(&t->recipe)};
    }
}

void recipe_forget_carry(Translator *t)
{
    switch (t->recipe.kind) {
    case RECIPE_NONE:
    case RECIPE_INC:
    case RECIPE_DEC:
        t->recipe = none;
        break;
    }
}

/* -- Putting operands aside -------------------------------------------------------------------- */

static void emit_aside(Translator *t, unsigned gpr, unsigned n)
{
    emit_store_gs(t->e, 64, host_of(gpr), TCG_OFFSET(aside) + 8 * n);
}

/* An access that faults after all needs what is aside already. */
static bool aside_is_taken(const Translator *t)
{
    return t->flags == FLAGS_RECIPE && t->recipe.src == FLAGS_RECIPE_ASIDE &&
           MUTANT(115, t->insn->memory_operand != INSN_NO_REG, false);
}

void recipe_prepare(Translator *t)
{
    FlagsRecipe recipe;

    if (!tcg_options.opt_aside || aside_is_taken(t) || !t->block->is_trace ||
        find_recipe(t, false).kind != RECIPE_NONE || trace_flags_are_dead(t, t->at + 1)) {
        return;
    }
    recipe = find_recipe(t, true);
    recipe.dst = FLAGS_RECIPE_ASIDE; /* as recipe_hold() may say */
    if (recipe.kind != RECIPE_NONE && lasts(t, t->at + 1, &recipe)) {
        emit_aside(t, t->insn->operands[0].reg, 1);
        t->has_aside = true;
    }
}

/* Operands of t->recipe that do not last go aside; false: that would not help. */
static bool put_aside(Translator *t)
{
    FlagsRecipe recipe = t->recipe;

    if (!tcg_options.opt_aside || !t->block->is_trace) {
        return false;
    }
    if (recipe.dst != FLAGS_RECIPE_ASIDE) {
        recipe.dst = FLAGS_RECIPE_ASIDE;
        if (!lasts(t, t->at, &recipe) && recipe.src != FLAGS_RECIPE_IMM) {
            recipe.src = FLAGS_RECIPE_ASIDE;
        }
    }
    if (!lasts(t, t->at, &recipe)) {
        return false;
    }
    if (recipe.dst != t->recipe.dst) {
        emit_aside(t, t->recipe.dst, MUTANT(111, 0, 1));
    }
    if (recipe.src != t->recipe.src) {
        emit_aside(t, t->recipe.src, 1);
    }
    t->recipe = recipe;
    return true;
}

void recipe_before_insn(Translator *t)
{
    if (t->flags == FLAGS_HOST && t->recipe.kind != RECIPE_NONE && !flags_touched(t->insn) &&
        overwrites(t->insn, &t->recipe) && !trace_flags_are_dead(t, t->at) &&
        !lasts(t, t->at, &t->recipe)) {
        put_aside(t);
    }
}

bool recipe_hold(Translator *t)
{
    return t->recipe.kind != RECIPE_NONE && (lasts(t, t->at, &t->recipe) || put_aside(t));
}

/* -- Making the flags again -------------------------------------------------------------------- */

/* Operation of the recipe's size on host register `rm` and operand `n` of the recipe, which is in
 * host register `reg` or aside. */
static void emit_op(Emitter *e, const FlagsRecipe *recipe, unsigned op, unsigned rm, unsigned place,
                    unsigned n)
{
    unsigned wide = recipe->bits != 8, bits = recipe->bits == 64 ? 64 : 32;
    bool is_test = op == OP_TEST;

    if (place == FLAGS_RECIPE_IMM) {
        if (!wide && rm < 8) {
            emit_u8(e, 0x40); /* SPL.. would be AH.. without REX */
        }
        emit_rr(e, bits, (is_test ? 0xf6 : 0x80) | wide, is_test ? 0 : op, rm);
        if (wide) {
            emit_u32(e, (uint32_t)recipe->immediate);
        } else {
            emit_u8(e, (uint8_t)recipe->immediate);
        }
    } else if (place == FLAGS_RECIPE_ASIDE) {
        emit_u8(e, 0x65);
        if (!wide && rm < 8) {
            emit_u8(e, 0x40);
        }
        emit_op_mem(e, bits, is_test ? 0x84 | wide : op << 3 | 2 | wide, rm, HOST_NO_INDEX,
                    HOST_NO_INDEX, 0, (int32_t)(TCG_OFFSET(aside) + 8 * n));
    } else {
        unsigned reg = host_of(place);
        if (!wide && rm < 8 && reg < 8) {
            emit_u8(e, 0x40);
        }
        emit_rr(e, bits, (is_test ? 0x84 : op << 3) | wide, reg, rm);
    }
}

static void emit_op_src(Emitter *e, const FlagsRecipe *recipe, unsigned op, unsigned rm)
{
    emit_op(e, recipe, op, rm, recipe->src, 1);
}

/* The host register of what the recipe calls dst, T2 when it is aside. */
static unsigned use_dst(Emitter *e, const FlagsRecipe *recipe)
{
    if (recipe->dst != FLAGS_RECIPE_ASIDE) {
        return host_of(recipe->dst);
    }
    emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(aside));
    return HOST_T2;
}

/* T2 = dst */
static void load_dst(Emitter *e, const FlagsRecipe *recipe)
{
    unsigned dst = use_dst(e, recipe);

    if (dst != HOST_T2) {
        emit_mov_rr(e, 64, HOST_T2, dst);
    }
}

/* INC and DEC leave CF alone: one undoes the other. */
static void emit_step(Emitter *e, const FlagsRecipe *recipe)
{
    unsigned bits = recipe->bits, back = recipe->kind == RECIPE_INC;

    load_dst(e, recipe);
    if (recipe->immediate == FLAGS_CARRY_SAVED) {
        flags_emit_carry(e);
    } else {
        emit_u8(e, MUTANT(112, 0xf8, 0xf9)); /* clc */
    }
    emit_rr(e, bits, 0xff, back, HOST_T2);
    emit_rr(e, bits, 0xff, !back, HOST_T2);
}

static void emit_shift(Emitter *e, const FlagsRecipe *recipe)
{
    unsigned op = recipe->kind == RECIPE_SHL ? 4 : recipe->kind == RECIPE_SHR ? 5 : 7;

    emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(aside) + 8);
    emit_rr(e, recipe->bits, 0xc1, op, HOST_T2);
    emit_u8(e, (uint8_t)recipe->immediate);
}

void recipe_emit(Translator *t)
{
    const FlagsRecipe *recipe = &t->recipe;
    unsigned bits = recipe->bits == 64 ? 64 : 32, dst;
    Emitter *e = t->e;

    t->t2_gpr = INSN_NO_REG;
    switch ((RecipeKind)recipe->kind) {
    case RECIPE_LOGIC:
        dst = use_dst(e, recipe);
        emit_rr(e, bits, 0x85, dst, dst);
        break;
    case RECIPE_CMP:
        emit_op_src(e, recipe, OP_CMP, use_dst(e, recipe));
        break;
    case RECIPE_TEST:
        emit_op_src(e, recipe, OP_TEST, use_dst(e, recipe));
        break;
    case RECIPE_ADD:
    case RECIPE_ADD_TO: /* either operand is added to the other again */
        load_dst(e, recipe);
        emit_op_src(e, recipe, OP_SUB, HOST_T2);
        emit_op_src(e, recipe, OP_ADD, HOST_T2);
        break;
    case RECIPE_SUB:
        load_dst(e, recipe);
        emit_op_src(e, recipe, OP_ADD, HOST_T2);
        emit_op_src(e, recipe, OP_SUB, HOST_T2);
        break;
    case RECIPE_NEG:
        load_dst(e, recipe);
        emit_rr(e, bits, 0xf7, 3, HOST_T2);
        emit_rr(e, bits, 0xf7, 3, HOST_T2);
        break;
    case RECIPE_INC:
    case RECIPE_DEC:
        emit_step(e, recipe);
        break;
    case RECIPE_SUB_FROM: /* T2 = what was subtracted */
        emit_load_gs(e, 64, HOST_T2, TCG_OFFSET(aside) + 8);
        emit_op(e, recipe, OP_SUB, HOST_T2, recipe->dst, 0);
        emit_gs(e, bits, 0x39, HOST_T2, TCG_OFFSET(aside) + 8); /* cmp aside, T2 */
        break;
    case RECIPE_SHL:
    case RECIPE_SHR:
    case RECIPE_SAR:
        emit_shift(e, recipe);
        break;
    case RECIPE_NONE:
        g_assert_not_reached(); /* lasts() said that nobody would ask */
    }
}
