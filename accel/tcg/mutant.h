/* SPDX-License-Identifier: MIT */
/* MUTANT(id, good, bad): `good` in the product. The fuzzer's own build can switch any one of them
 * to `bad`, to show that it would notice. */
#ifndef ACCEL_TCG_MUTANT_H
#define ACCEL_TCG_MUTANT_H

#include <stdint.h>

extern uint64_t tcg_mutant; /* the id in force, 0: none; defined by test programs only */
#define TCG_MUTANT_COUNT 120

#ifdef TCG_MUTANTS
#define TCG_HAS_MUTANTS 1
#define MUTANT(id, good, bad) (tcg_mutant == (id) ? (bad) : (good))
#else
#define TCG_HAS_MUTANTS 0
#define MUTANT(id, good, bad) (good)
#endif

#endif
