/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts: recording faults, delivery through IVT, IDT and gates, double and
 * triple faults. */
#ifndef TARGET_I386_HELPERS_EXCEPTIONS_H
#define TARGET_I386_HELPERS_EXCEPTIONS_H

#include "target/i386/helpers/access.h"

/* Record an exception in cpu->fault. They return false, for `return fault_gp(cpu, 0);`. */
bool fault_raise(X86Cpu *cpu, unsigned vector);
bool fault_raise_error(X86Cpu *cpu, unsigned vector, uint32_t error_code);
static inline bool fault_gp(X86Cpu *cpu, uint32_t error_code)
{
    return fault_raise_error(cpu, VECTOR_GP, error_code);
}
static inline bool fault_ud(X86Cpu *cpu)
{
    return fault_raise(cpu, VECTOR_UD);
}
bool fault_page(X86Cpu *cpu, uint64_t linear, uint32_t error_code);

/*
 * Delivers cpu->fault; RIP points at the faulting instruction (behind it for traps and software
 * interrupts). A fault while delivering makes a double fault, then a triple fault (shutdown: posts
 * a reset request and halts the CPU).
 */
void exception_deliver(X86Cpu *cpu);

/* Delivers an external interrupt or NMI between instructions. */
void interrupt_deliver(X86Cpu *cpu, unsigned vector);

/* INT n, INT3, INTO, INT1: InsnHelpers are in helpers.h. */

#endif
