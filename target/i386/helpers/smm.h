/* SPDX-License-Identifier: MIT */
/* System management mode: entry by SMI; RSM is in helpers.h. AMD APM vol. 2 ch. 10. */
#ifndef TARGET_I386_HELPERS_SMM_H
#define TARGET_I386_HELPERS_SMM_H

#include "target/i386/cpu.h"

/* Saves the state at SMBASE and enters the handler, between instructions; not while cpu->smm. Ends
 * a halt. */
void smm_enter(X86Cpu *cpu);

#endif
