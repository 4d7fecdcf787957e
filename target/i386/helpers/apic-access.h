/* SPDX-License-Identifier: MIT */
/* Calls from light helpers into devices, mostly the local APIC: park the FPU state, take the
 * machine lock. */
#ifndef TARGET_I386_HELPERS_APIC_ACCESS_H
#define TARGET_I386_HELPERS_APIC_ACCESS_H

#include "target/i386/helpers/access.h"

static inline void apic_enter(X86Cpu *cpu)
{
    fpu_park(cpu);
    machine_lock();
}

static inline void apic_leave(void)
{
    machine_unlock();
}

#endif
