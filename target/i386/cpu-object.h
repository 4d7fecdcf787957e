/* SPDX-License-Identifier: MIT */
/* The side of a CPU that QOM shows. */
#ifndef TARGET_I386_CPU_OBJECT_H
#define TARGET_I386_CPU_OBJECT_H

#include "target/i386/cpu.h"

/* Makes /machine/unattached/device[N] for the CPU, "MODEL-x86_64-cpu"; nothing without a machine,
 * or when it is there. The machine owns it. Under the machine lock. */
void cpu_object_show(X86Cpu *cpu);

#endif
