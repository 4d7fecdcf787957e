/* SPDX-License-Identifier: MIT */
/* What the makers of 64-bit cases and of 16- and 32-bit ones share: numbers drawn for trouble, and
 * the steps behind the drawing of single instructions. */
#ifndef TESTS_FUZZ_INSN_DRAW_H
#define TESTS_FUZZ_INSN_DRAW_H

#include "tests/fuzz/fuzz-insn-case.h"
#include "tests/fuzz/fuzz-random.h"

#define FUZZ_ATTEMPTS 400

typedef struct Maker {
    Random random;
    FuzzCase *c;
    uint16_t pointers; /* mask of registers that hold addresses */
} Maker;

/* An r/m operand as drawn: ModRM and what follows it, the immediate excepted. */
typedef struct DrawnOperand {
    bool is_memory;
    uint8_t modrm; /* reg still 0 */
    uint8_t rex_x, rex_b;
    uint8_t sib;
    bool has_sib;
    int32_t displacement;
    uint8_t displacement_size;
} DrawnOperand;

/* -- fuzz-insn-values.c ------------------------------------------------------------------------ */

/* Linear addresses: mostly mapped data near the ends of pages; anything. */
uint64_t fuzz_data_address(Random *r);
uint64_t fuzz_wild_address(Random *r);
uint64_t fuzz_integer(Random *r);
/* Eight bytes of floating-point numbers. */
uint64_t fuzz_float64(Random *r);
void fuzz_draw_fpu(Maker *m);

/* -- fuzz-insn-segments.c ---------------------------------------------------------------------- */

/* Fills case_ldt. */
void fuzz_draw_ldt(uint64_t seed);
/* Selectors that the kernel and MOV take without a fault, or are null. */
uint16_t fuzz_draw_code_selector(Random *r, bool is_32bit);
uint16_t fuzz_draw_stack_selector(Random *r);
uint16_t fuzz_draw_data_selector(Random *r);
/* Any: null, absent, of other types and rings, beyond the limit. */
uint16_t fuzz_draw_selector(Random *r);
/* Base of a segment register at the start. */
uint64_t fuzz_segment_base(const FuzzCase *c, unsigned segment);

/* -- fuzz-insn-legacy.c ------------------------------------------------------------------------ */

/* What lies between the random seed and the shared rest of a 16- or 32-bit case. */
void fuzz_make_legacy(Maker *m);
/* Where it starts, as draw_start() for 64-bit code. */
uint64_t fuzz_draw_start(Random *r);

/* -- fuzz-insn-case.c -------------------------------------------------------------------------- */

/* A register among the first `count`, mostly one of those that hold addresses, or of the others. */
unsigned fuzz_pick_register(Maker *m, unsigned count, bool pointer);
/* What follows the opcode, with a random ModRM.reg and eight bytes that are the immediate. */
void fuzz_put_tail(Maker *m, uint8_t *p, const DrawnOperand *o);
/* Keeps the instruction at `bytes` if it may run. */
bool fuzz_keep(const FuzzCase *c, const uint8_t *bytes, unsigned size, FuzzInsn *to,
               Insn *ret_insn);

#endif
