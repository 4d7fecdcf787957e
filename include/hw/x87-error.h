/* SPDX-License-Identifier: MIT */
/* Port F0h and IRQ 13: x87 errors while CR0.NE is clear. */
#ifndef HW_X87_ERROR_H
#define HW_X87_ERROR_H

#include "hw/isa.h"

typedef struct X87ErrorLatch X87ErrorLatch; /* "x87-error" */
typedef struct X86Cpu X86Cpu;

/* Wires the CPU's FERR# and IGNNE#. */
void x87_error_attach(X87ErrorLatch *latch, X86Cpu *cpu);

#endif
