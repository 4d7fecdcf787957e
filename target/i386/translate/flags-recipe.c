/* SPDX-License-Identifier: MIT */
/* Flags by recipe, for a fault in translated code: the arithmetic of those few instructions that
 * recipe-emit.c knows. Intel SDM vol. 1, 3.4.3.1. */
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

/* The host's flags behind its own shift. */
static uint64_t flags_of_shift(const FlagsRecipe *recipe, uint64_t value)
{
    uint64_t flags = 0;
    uint8_t count = (uint8_t)recipe->immediate;

/* C may keep something below the stack pointer. */
#define SHIFT(operation)                                                                           \
    __asm__ volatile("lea -128(%%rsp), %%rsp; " operation "; pushfq; pop %0; "                     \
                     "lea 128(%%rsp), %%rsp"                                                       \
                     : "=&r"(flags), "+&r"(value)                                                  \
                     : "c"(count)                                                                  \
                     : "cc", "memory")
    switch (recipe->kind << 1 | (recipe->bits == 64)) {
    case RECIPE_SHL << 1:
        SHIFT("shll %%cl, %k1");
        break;
    case RECIPE_SHL << 1 | 1:
        SHIFT("shlq %%cl, %1");
        break;
    case RECIPE_SHR << 1:
        SHIFT("shrl %%cl, %k1");
        break;
    case RECIPE_SHR << 1 | 1:
        SHIFT("shrq %%cl, %1");
        break;
    case RECIPE_SAR << 1:
        SHIFT("sarl %%cl, %k1");
        break;
    case RECIPE_SAR << 1 | 1:
        SHIFT("sarq %%cl, %1");
        break;
    }
#undef SHIFT
    return flags & EFLAGS_ARITHMETIC;
}

static uint64_t carry_before(const X86Cpu *cpu, const FlagsRecipe *recipe)
{
    bool is_saved = recipe->immediate == FLAGS_CARRY_SAVED;

    return is_saved && cpu->tcg.saved_flags >> FLAGS_SAVED_CARRY_BIT & 1 ? EFLAGS_CF : 0;
}

static uint64_t operand(const X86Cpu *cpu, unsigned place, unsigned aside)
{
    return place == FLAGS_RECIPE_ASIDE ? cpu->tcg.aside[aside] : cpu->gpr[place & 15];
}

void target_make_flags(X86Cpu *cpu, const FlagsRecipe *recipe)
{
    uint64_t mask = recipe->bits == 64 ? UINT64_MAX : (1ull << recipe->bits) - 1;
    uint64_t dst = operand(cpu, recipe->dst, 0) & mask;
    uint64_t src = (recipe->src == FLAGS_RECIPE_IMM ? (uint64_t)(int64_t)recipe->immediate
                                                    : operand(cpu, recipe->src, 1)) &
                   mask;
    Operands o = {.result = dst, .sign = (mask >> 1) + 1};
    uint64_t flags = 0;

    switch ((RecipeKind)recipe->kind) {
    case RECIPE_NONE:
        return; /* nobody asks at such a place */
    case RECIPE_LOGIC:
        break;
    case RECIPE_TEST:
        o.result = dst & src;
        break;
    case RECIPE_ADD:
        o.a = (dst - src) & mask, o.b = src;
        flags = flags_of_add(&o);
        break;
    case RECIPE_SUB:
        o.a = (dst + src) & mask, o.b = src;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_CMP:
        o.a = dst, o.b = src, o.result = (dst - src) & mask;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_NEG:
        o.b = (0 - dst) & mask;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_INC:
        o.a = (dst - 1) & mask, o.b = 1;
        flags = (flags_of_add(&o) & ~(uint64_t)EFLAGS_CF) | carry_before(cpu, recipe);
        break;
    case RECIPE_DEC:
        o.a = (dst + 1) & mask, o.b = 1;
        flags = (flags_of_sub(&o) & ~(uint64_t)EFLAGS_CF) | carry_before(cpu, recipe);
        break;
    case RECIPE_ADD_TO:
        o.a = src, o.b = (dst - src) & mask;
        flags = flags_of_add(&o);
        break;
    case RECIPE_SUB_FROM:
        o.a = src, o.b = (src - dst) & mask;
        flags = flags_of_sub(&o);
        break;
    case RECIPE_SHL:
    case RECIPE_SHR:
    case RECIPE_SAR:
        cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags_of_shift(recipe, src);
        return;
    }
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags | flags_of_result(&o);
}
