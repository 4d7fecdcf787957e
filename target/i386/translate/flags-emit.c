/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic flags in translated code. They live in the host's flags. A TLB check destroys them,
 * and the instruction it belongs to may fault, so before the first check after each change they
 * must be recoverable: by a recipe, if what set them and its operands are known and stay there as
 * long as somebody may ask, else saved (lahf, seto: the image in saved_flags). They come back when
 * somebody reads them or when only a part of them is about to be rewritten. DF never leaves the
 * host's flags.
 */
#include "target/i386/translate/translator.h"

#include <Zydis/Zydis.h>
#include <glib.h>

/* -- Recipes ----------------------------------------------------------------------------------- */

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
    default:
        return RECIPE_NONE;
    }
}

static bool is_pinned(const InsnOperand *operand)
{
    return operand->kind == OPERAND_REG && operand->reg_class == REG_GPR &&
           host_of(operand->reg) != INSN_NO_REG;
}

/* How the flags that `insn` has just set could be made again. */
static FlagsRecipe recipe_of(const Insn *insn)
{
    const InsnOperand *dst = &insn->operands[0], *src = &insn->operands[1];
    FlagsRecipe recipe = {.kind = (uint8_t)recipe_kind(insn),
                          .bits = (uint8_t)(dst->size * 8),
                          .dst = dst->reg,
                          .src = FLAGS_RECIPE_IMM};
    bool compares = recipe.kind == RECIPE_CMP || recipe.kind == RECIPE_TEST;

    if (!tcg_options.opt_recipes || recipe.kind == RECIPE_NONE ||
        insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !is_pinned(dst) ||
        recipe.bits == 16 || (recipe.bits == 8 && !compares)) {
        return (FlagsRecipe){.kind = RECIPE_NONE};
    }
    if (recipe.kind == RECIPE_LOGIC || recipe.kind == RECIPE_NEG) {
        return recipe;
    }
    if (src->kind == OPERAND_IMM) {
        recipe.immediate = recipe.bits == 8 ? (int8_t)insn->immediate : (int32_t)insn->immediate;
        return recipe;
    }
    if (!is_pinned(src)) {
        return (FlagsRecipe){.kind = RECIPE_NONE};
    }
    recipe.src = src->reg;
    if (src->reg == dst->reg && !compares) {
        recipe.kind = recipe.kind == RECIPE_SUB ? RECIPE_LOGIC : RECIPE_NONE;
        recipe.src = FLAGS_RECIPE_IMM;
    }
    return recipe;
}

/* Group 1 operation `op` (TEST: 8) of the recipe's size on `rm` and the recipe's source. */
static void emit_recipe_op(Emitter *e, const FlagsRecipe *recipe, unsigned op, unsigned rm)
{
    unsigned wide = recipe->bits != 8, bits = recipe->bits == 64 ? 64 : 32;
    unsigned reg = recipe->src == FLAGS_RECIPE_IMM ? 0 : host_of(recipe->src);
    bool is_test = op == 8;

    if (!wide && rm < 8 && reg < 8) {
        emit_u8(e, 0x40); /* SPL.. would be AH.. without REX */
    }
    if (recipe->src != FLAGS_RECIPE_IMM) {
        emit_rr(e, bits, (is_test ? 0x84 : op << 3) | wide, reg, rm);
        return;
    }
    emit_rr(e, bits, (is_test ? 0xf6 : 0x80) | wide, is_test ? 0 : op, rm);
    if (wide) {
        emit_u32(e, (uint32_t)recipe->immediate);
    } else {
        emit_u8(e, (uint8_t)recipe->immediate);
    }
}

enum { OP_ADD = 0, OP_SUB = 5, OP_CMP = 7, OP_TEST = 8 };

/* Makes the flags again in the host's. Destroys T2. */
static void emit_recipe(Emitter *e, const FlagsRecipe *recipe)
{
    unsigned dst = host_of(recipe->dst), bits = recipe->bits == 64 ? 64 : 32;

    switch ((RecipeKind)recipe->kind) {
    case RECIPE_LOGIC:
        emit_rr(e, bits, 0x85, dst, dst);
        break;
    case RECIPE_CMP:
        emit_recipe_op(e, recipe, OP_CMP, dst);
        break;
    case RECIPE_TEST:
        emit_recipe_op(e, recipe, OP_TEST, dst);
        break;
    case RECIPE_ADD:
        emit_mov_rr(e, 64, HOST_T2, dst);
        emit_recipe_op(e, recipe, OP_SUB, HOST_T2);
        emit_recipe_op(e, recipe, OP_ADD, HOST_T2);
        break;
    case RECIPE_SUB:
        emit_mov_rr(e, 64, HOST_T2, dst);
        emit_recipe_op(e, recipe, OP_ADD, HOST_T2);
        emit_recipe_op(e, recipe, OP_SUB, HOST_T2);
        break;
    case RECIPE_NEG:
        emit_mov_rr(e, 64, HOST_T2, dst);
        emit_rr(e, bits, 0xf7, 3, HOST_T2);
        emit_rr(e, bits, 0xf7, 3, HOST_T2);
        break;
    default:
        g_assert_not_reached(); /* trace_recipe_lasts() said that nobody would ask */
    }
}

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
    if (t->recipe.kind != RECIPE_NONE && trace_recipe_lasts(t)) {
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
        t->t2_gpr = INSN_NO_REG;
        emit_recipe(e, &t->recipe);
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

/* A shift by a constant other than 0. */
static bool is_constant_shift(const Insn *insn)
{
    uint64_t mask = insn->operand_bits == 64 ? 63 : 31;

    return insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT &&
           insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           (insn->opcode == 0xd0 || insn->opcode == 0xd1 ||
            ((insn->opcode == 0xc0 || insn->opcode == 0xc1) &&
             MUTANT(109, (uint64_t)insn->immediate & mask, true)));
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
        return is_constant_shift(insn) && host_shifts_rewrite_flags();
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

void flags_before(Translator *t)
{
    bool is_lost = t->flags == FLAGS_RECIPE && t->recipe.kind == RECIPE_NONE; /* for good: dead */

    if ((!tcg_options.opt_flags && !is_lost) ||
        (flags_touched(t->insn) && !flags_rewritten(t->insn) && !trace_flags_are_dead(t, t->at))) {
        flags_restore(t);
    }
}

void flags_after(Translator *t)
{
    if ((t->insn->flags_written | t->insn->flags_undefined) & EFLAGS_ARITHMETIC) {
        t->flags = MUTANT(20, FLAGS_HOST, t->flags);
        t->recipe = recipe_of(t->insn);
    } else {
        trace_after_insn(t);
    }
}
