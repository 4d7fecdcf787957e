/* SPDX-License-Identifier: MIT */
/* AVX-512 for fuzz-insn: instructions with an EVEX prefix, opmask instructions, registers. */
#ifndef TESTS_FUZZ_INSN_EVEX_H
#define TESTS_FUZZ_INSN_EVEX_H

#include "tests/fuzz/fuzz-random.h"
#include "tests/insn/insn-case.h"

/* Writes a prefix and an opcode, all up to ModRM: EVEX, or VEX for an opmask instruction. `rex_x`
 * and `rex_b` go with the operand that follows. Returns the end. */
uint8_t *fuzz_put_evex(Random *r, uint8_t *p, bool rex_x, bool rex_b, bool is_memory);

/* Opmasks and the parts of vector registers that only AVX-512 has; with some luck also indices of
 * gathers that lie near each other, in the parts that others have too. */
void fuzz_draw_avx512(Random *r, CaseFpu *fpu);

#endif
