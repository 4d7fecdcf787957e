/* SPDX-License-Identifier: MIT */
/* Flags by recipe, for a fault in translated code: the arithmetic of those few instructions that
 * flags-emit.c keeps no image of. Intel SDM vol. 1, 3.4.3.1. */
#include "accel/tcg/tcg-internal.h"

typedef struct Operands {
    uint64_t a, b, result; /* a op b; of `bits` bits */
    uint64_t sign;
} Operands;

static uint64_t flags_of_result(const Operands *o)
{
    return (o->result & o->sign ? EFLAGS_SF : 0) | (o->result ? 0 : EFLAGS_ZF) |
           (__builtin_parity((uint8_t)o->result) ? 0 : EFLAGS_PF);
}

static uint64_t flags_of_add(const Operands *o)
{
    return (o->result < o->a ? EFLAGS_CF : 0) | ((o->a ^ o->b ^ o->result) & EFLAGS_AF) |
           (~(o->a ^ o->b) & (o->a ^ o->result) & o->sign ? EFLAGS_OF : 0);
}

static uint64_t flags_of_sub(const Operands *o)
{
    return (o->a < o->b ? EFLAGS_CF : 0) | ((o->a ^ o->b ^ o->result) & EFLAGS_AF) |
           ((o->a ^ o->b) & (o->a ^ o->result) & o->sign ? EFLAGS_OF : 0);
}

void target_make_flags(X86Cpu *cpu, const FlagsRecipe *recipe)
{
    uint64_t mask = recipe->bits == 64 ? UINT64_MAX : (1ull << recipe->bits) - 1;
    uint64_t dst = cpu->gpr[recipe->dst] & mask;
    uint64_t src = (recipe->src == FLAGS_RECIPE_IMM ? (uint64_t)(int64_t)recipe->immediate
                                                    : cpu->gpr[recipe->src & 15]) &
                   mask;
    Operands o = {.sign = (mask >> 1) + 1};
    uint64_t flags = 0;

    switch ((RecipeKind)recipe->kind) {
    case RECIPE_NONE:
        return; /* nobody asks at such a place */
    case RECIPE_LOGIC:
        o.result = dst;
        break;
    case RECIPE_TEST:
        o.result = dst & src;
        break;
    case RECIPE_ADD:
        o.a = (dst - src) & mask, o.b = src, o.result = dst;
        flags = flags_of_add(&o);
        break;
    case RECIPE_SUB:
        o.a = (dst + src) & mask, o.b = src, o.result = dst;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_CMP:
        o.a = dst, o.b = src, o.result = (dst - src) & mask;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_NEG:
        o.b = (0 - dst) & mask, o.result = dst;
        flags = flags_of_sub(&o);
        break;
    }
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags | flags_of_result(&o);
}
