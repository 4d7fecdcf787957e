/* SPDX-License-Identifier: MIT */
/* Which ISA sets a fuzz run has reached. */
#ifndef TESTS_FUZZ_INSN_COVERAGE_H
#define TESTS_FUZZ_INSN_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>

void fuzz_coverage_add(unsigned isa_set);

/* False, with a line for each: a set that the table carries and this host's `-cpu max` offers was
 * never reached, or a set has a row and nothing is known of it here. Runs of few cases are not
 * judged; `bits` 32: without 64-bit code. */
bool fuzz_coverage_report(uint64_t cases, uint64_t bits, bool verbose);

#endif
