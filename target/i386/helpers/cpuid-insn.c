/* SPDX-License-Identifier: MIT */
/* CPUID as an instruction: what it asks of the CPU beyond the model's leaves, and does to it. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/apic-access.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"

#define APIC_BIT (1u << 9)

enum { EAX, EBX, ECX, EDX };

/* The APIC's bit is there while the APIC is. */
static bool apic_is_off(X86Cpu *cpu)
{
    bool is_off;

    apic_enter(cpu);
    is_off = cpu->apic_ops && !(cpu->apic_ops->get_base(cpu->apic) & APIC_BASE_ENABLE);
    apic_leave();
    return is_off;
}

InsnResult helper_cpuid(X86Cpu *cpu, const Insn *insn)
{
    uint32_t leaf = (uint32_t)cpu->gpr[R_RAX], regs[4];

    if (cpu->misc_features & MISC_FEATURES_CPUID_FAULT && cpu->cpl != 0 && !cpu->smm) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (cpu_model_needs_frequency(cpu->model, leaf)) {
        fpu_park(cpu);
        cpu->model->known_hz = cpu_tsc_frequency_hz();
    }
    cpu_cpuid(cpu, leaf, (uint32_t)cpu->gpr[R_RCX], regs);
    if (leaf == 1) {
        regs[EDX] &= apic_is_off(cpu) ? ~APIC_BIT : UINT32_MAX;
        cpu->bios_sign = cpu->model->ucode_rev;
    }
    cpu->gpr[R_RAX] = regs[EAX];
    cpu->gpr[R_RBX] = regs[EBX];
    cpu->gpr[R_RCX] = regs[ECX];
    cpu->gpr[R_RDX] = regs[EDX];
    return INSN_NEXT;
}
