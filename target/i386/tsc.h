/* SPDX-License-Identifier: MIT */
/* The time-stamp counter every CPU of the machine counts from. */
#ifndef TARGET_I386_TSC_H
#define TARGET_I386_TSC_H

#include "target/i386/cpu.h"

#include <x86intrin.h>

/* Guest TSC = (host TSC + offset) * ratio + cpu->tsc_offset (what the guest wrote). Both change
 * only while no CPU runs guest code. */
extern int64_t tsc_machine_offset;
extern uint64_t tsc_ratio; /* with TSC_RATIO_BITS behind the point; 0: 1 */
#define TSC_RATIO_BITS 48

/* cpu_read_tsc() for code that must not call out of the light sources. */
static inline uint64_t tsc_read(const X86Cpu *cpu)
{
    uint64_t ratio = __atomic_load_n(&tsc_ratio, __ATOMIC_RELAXED);
    uint64_t ticks = __rdtsc() + (uint64_t)__atomic_load_n(&tsc_machine_offset, __ATOMIC_RELAXED);

    if (ratio) {
        ticks = (uint64_t)((unsigned __int128)ticks * ratio >> TSC_RATIO_BITS);
    }
    return ticks + cpu->tsc_offset;
}

/* The guest's counter runs at this rate; 0: at the host's. */
void tsc_set_frequency(uint64_t hz);

/* Of the host's counter; at first it may take 10 ms to find out. */
uint64_t tsc_host_frequency_hz(void);

/* Power-on: the machine's counter starts at zero. */
void tsc_machine_reset(void);

/* Notes the time, so that the frequency is known without waiting later. */
void tsc_calibration_begin(void);

#endif
