/* SPDX-License-Identifier: MIT */
/* The time-stamp counter every CPU of the machine counts from. */
#ifndef TARGET_I386_TSC_H
#define TARGET_I386_TSC_H

#include "target/i386/cpu.h"

#include <x86intrin.h>

/* Guest TSC = host TSC + this + cpu->tsc_offset (what the guest wrote). Changes only while no CPU
 * runs guest code. */
extern int64_t tsc_machine_offset;

/* cpu_read_tsc() for code that must not call out of the light sources. */
static inline uint64_t tsc_read(const X86Cpu *cpu)
{
    return __rdtsc() + (uint64_t)__atomic_load_n(&tsc_machine_offset, __ATOMIC_RELAXED) +
           cpu->tsc_offset;
}

/* Power-on: the machine's counter starts at zero. */
void tsc_machine_reset(void);

/* Notes the time, so that the frequency is known without waiting later. */
void tsc_calibration_begin(void);

#endif
