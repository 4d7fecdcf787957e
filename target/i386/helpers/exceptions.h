/* SPDX-License-Identifier: MIT */
/* Exceptions and interrupts: recording faults, delivery through IVT, IDT and gates, double and
 * triple faults. */
#ifndef TARGET_I386_HELPERS_EXCEPTIONS_H
#define TARGET_I386_HELPERS_EXCEPTIONS_H

#include "target/i386/helpers/access.h"

/* Record an exception in cpu->fault. They return false, for `return fault_gp(cpu, 0);`; inline, so
 * that the compiler knows. */
static inline bool fault_raise(X86Cpu *cpu, unsigned vector)
{
    cpu->fault.vector = (uint8_t)vector;
    cpu->fault.has_error_code = false;
    cpu->fault.is_software = false;
    cpu->fault.error_code = 0;
    cpu->fault.dr6 = 0;
    cpu->fault.resumes = false;
    return false;
}
static inline bool fault_raise_error(X86Cpu *cpu, unsigned vector, uint32_t error_code)
{
    fault_raise(cpu, vector);
    cpu->fault.has_error_code = true;
    cpu->fault.error_code = error_code;
    return false;
}
static inline bool fault_gp(X86Cpu *cpu, uint32_t error_code)
{
    return fault_raise_error(cpu, VECTOR_GP, error_code);
}
static inline bool fault_ud(X86Cpu *cpu)
{
    return fault_raise(cpu, VECTOR_UD);
}
static inline bool fault_page(X86Cpu *cpu, uint64_t linear, uint32_t error_code)
{
    cpu->fault.cr2 = linear;
    return fault_raise_error(cpu, VECTOR_PF, error_code);
}

/*
 * Delivers cpu->fault; RIP points at the faulting instruction (behind it for traps and software
 * interrupts). A fault while delivering makes a double fault, then a triple fault (shutdown: posts
 * a reset request and halts the CPU).
 */
void exception_deliver(X86Cpu *cpu);

/* Delivers an external interrupt or NMI between instructions. */
void interrupt_deliver(X86Cpu *cpu, unsigned vector);

/* Shutdown state, as after a triple fault. */
void exception_shutdown(X86Cpu *cpu);

/* INT n, INT3, INTO, INT1: InsnHelpers are in helpers.h. */

#endif
