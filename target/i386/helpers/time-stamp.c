/* SPDX-License-Identifier: MIT */
/* RDTSC, RDTSCP, RDPID, RDPMC. Intel SDM vol. 2. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/tsc.h"

static bool tsc_allowed(X86Cpu *cpu)
{
    return !(cpu->cr4 & CR4_TSD) || cpu->cpl == 0 || fault_gp(cpu, 0);
}

static void set_tsc(X86Cpu *cpu)
{
    uint64_t tsc = tsc_read(cpu);

    cpu->gpr[R_RAX] = (uint32_t)tsc;
    cpu->gpr[R_RDX] = tsc >> 32;
}

InsnResult helper_rdtsc(X86Cpu *cpu, const Insn *insn)
{
    if (!tsc_allowed(cpu)) {
        return INSN_FAULT;
    }
    set_tsc(cpu);
    return INSN_NEXT;
}

InsnResult helper_rdtscp(X86Cpu *cpu, const Insn *insn)
{
    if (!cpu_has(cpu, FEATURE_RDTSCP)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!tsc_allowed(cpu)) {
        return INSN_FAULT;
    }
    set_tsc(cpu);
    cpu->gpr[R_RCX] = (uint32_t)cpu->tsc_aux;
    return INSN_NEXT;
}

InsnResult helper_rdpid(X86Cpu *cpu, const Insn *insn)
{
    if (!cpu_has(cpu, FEATURE_RDPID)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    return insn_write_operand(cpu, insn, 0, (uint32_t)cpu->tsc_aux) ? INSN_NEXT : INSN_FAULT;
}

/* CPUID names no performance counters, and an index without a counter is #GP. */
InsnResult helper_rdpmc(X86Cpu *cpu, const Insn *insn)
{
    fault_gp(cpu, 0);
    return INSN_FAULT;
}
