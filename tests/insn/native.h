/* SPDX-License-Identifier: MIT */
/* Runs a case on the host's processor itself, in this process. */
#ifndef TESTS_INSN_NATIVE_H
#define TESTS_INSN_NATIVE_H

#include "tests/insn/insn-case.h"

typedef struct Error Error;

/* Maps the pages. Once, on the thread that will run cases, behind whatever else installs handlers
 * of SIGSEGV and alike: those go on to see faults that are not a case's. */
bool native_init(const CaseMemory *image, Error **err);

/* Fills the writable pages. */
void native_set_memory(const CaseMemory *image);
void native_get_memory(CaseMemory *ret_memory);

/* Runs until an exception ends it. */
void native_run(const CaseState *state, CaseOutcome *ret_outcome);

/* The GDT entry in which the kernel says which CPU this is. */
uint64_t native_cpu_number_descriptor(void);

/* Called every 10 ms on the thread of native_init() while no native code runs; NULL: nobody. Async
 * signal context. */
extern void (*native_tick)(void);
/* After how many of these native code is stopped; 3 unless changed before it runs. */
extern unsigned native_tick_limit;

#endif
