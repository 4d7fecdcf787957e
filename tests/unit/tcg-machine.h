/* SPDX-License-Identifier: MIT */
/* A machine for tests of the translator: RAM, CPUs that wait for code, no devices. */
#ifndef TESTS_TCG_MACHINE_H
#define TESTS_TCG_MACHINE_H

#include "accel/accel.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"

#define RAM_SIZE (4u << 20)

extern RamBlock *ram;
extern Region root;

/* `accel`: "tcg,...", to be written to. From then on under the machine lock. */
void tcg_machine_begin(int *argc, char ***argv, char *accel, unsigned cpus);
/* A parked CPU starts at `rip` in flat code of ring 0, interrupts off: 64-bit code with these page
 * tables, or 32-bit code without paging if they are 0. */
void tcg_machine_enter(X86Cpu *cpu, uint64_t tables, uint64_t rip);
/* Runs the tests; the exit status. */
int tcg_machine_end(void);

#endif
