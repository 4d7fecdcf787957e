/* SPDX-License-Identifier: MIT */
/* CLI, STI, PUSHF, POPF, CLAC, STAC: EFLAGS under IOPL, v8086 mode and the virtual interrupt flag.
 * Intel SDM vol. 2, vol. 3 ch. 20.3. */
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define POPF_ANY_RING                                                                              \
    (EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_AC | EFLAGS_ID)

/* Who owns the interrupt flag for CLI, STI, PUSHF, POPF. */
typedef enum FlagOwner {
    OWNER_IF,    /* the real one */
    OWNER_VIF,   /* VME or PVI stands in */
    OWNER_NOBODY /* #GP(0) */
} FlagOwner;

static FlagOwner interrupt_flag_owner(const X86Cpu *cpu)
{
    if (mode_is_real(cpu) || mode_iopl(cpu) == 3) {
        return OWNER_IF;
    }
    if (mode_is_v8086(cpu)) {
        return cpu->cr4 & CR4_VME ? OWNER_VIF : OWNER_NOBODY;
    }
    if (cpu->cpl <= mode_iopl(cpu)) {
        return OWNER_IF;
    }
    return cpu->cpl == 3 && (cpu->cr4 & CR4_PVI) ? OWNER_VIF : OWNER_NOBODY;
}

static InsnResult protection(X86Cpu *cpu)
{
    fault_gp(cpu, 0);
    return INSN_FAULT;
}

InsnResult helper_cld(X86Cpu *cpu, const Insn *insn)
{
    flags_set(cpu, cpu->eflags & ~(uint64_t)EFLAGS_DF);
    return INSN_NEXT;
}

InsnResult helper_std(X86Cpu *cpu, const Insn *insn)
{
    flags_set(cpu, cpu->eflags | EFLAGS_DF);
    return INSN_NEXT;
}

InsnResult helper_cli(X86Cpu *cpu, const Insn *insn)
{
    switch (interrupt_flag_owner(cpu)) {
    case OWNER_IF:
        cpu->eflags &= ~(uint64_t)EFLAGS_IF;
        return INSN_NEXT;
    case OWNER_VIF:
        cpu->eflags &= ~(uint64_t)EFLAGS_VIF;
        return INSN_NEXT;
    default:
        return protection(cpu);
    }
}

InsnResult helper_sti(X86Cpu *cpu, const Insn *insn)
{
    switch (interrupt_flag_owner(cpu)) {
    case OWNER_IF:
        if (!(cpu->eflags & EFLAGS_IF)) {
            cpu->eflags |= EFLAGS_IF;
            cpu->interrupt_shadow = true;
            cpu->shadow_is_mov_ss = false;
        }
        return INSN_NEXT;
    case OWNER_VIF:
        if (cpu->eflags & EFLAGS_VIP) {
            return protection(cpu);
        }
        cpu->eflags |= EFLAGS_VIF;
        return INSN_NEXT;
    default:
        return protection(cpu);
    }
}

InsnResult helper_pushf(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    uint64_t image = cpu->eflags & ~(uint64_t)(EFLAGS_VM | EFLAGS_RF);
    Stack stack;

    if (mode_is_v8086(cpu) && mode_iopl(cpu) < 3) {
        if (size != 2 || !(cpu->cr4 & CR4_VME)) {
            return protection(cpu);
        }
        image = (image & ~(uint64_t)EFLAGS_IF) | EFLAGS_IOPL;
        image |= cpu->eflags & EFLAGS_VIF ? EFLAGS_IF : 0;
    }
    stack_current(cpu, &stack);
    if (!stack_push(cpu, &stack, &image, 1, size)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

/* v8086 mode below IOPL 3 under VME: IF of the 16-bit image is VIF's. */
static bool popf_virtual(X86Cpu *cpu, uint64_t image, uint64_t *ret_flags)
{
    uint64_t mask = POPF_ANY_RING & 0xffff;

    if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP))) {
        return fault_gp(cpu, 0);
    }
    *ret_flags = (cpu->eflags & ~(mask | EFLAGS_VIF)) | (image & mask) |
                 (image & EFLAGS_IF ? EFLAGS_VIF : 0);
    return true;
}

static uint64_t popf_mask(const X86Cpu *cpu, unsigned size)
{
    uint64_t mask = POPF_ANY_RING;

    if (mode_is_real(cpu) || cpu->cpl <= mode_iopl(cpu)) {
        mask |= EFLAGS_IF;
    }
    if (cpu->cpl == 0) {
        mask |= EFLAGS_IOPL;
    }
    return size == 2 ? mask & 0xffff : mask;
}

InsnResult helper_popf(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    bool is_virtual = mode_is_v8086(cpu) && mode_iopl(cpu) < 3;
    uint64_t image, flags, mask = popf_mask(cpu, size);
    Stack stack;

    if (is_virtual && (size != 2 || !(cpu->cr4 & CR4_VME))) {
        return protection(cpu);
    }
    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, &image, 1, size)) {
        return INSN_FAULT;
    }
    if (!is_virtual) {
        flags = (cpu->eflags & ~mask) | (image & mask);
        flags &= size > 2 ? ~(uint64_t)EFLAGS_RF : UINT64_MAX;
    } else if (!popf_virtual(cpu, image, &flags)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    flags_set(cpu, flags);
    return INSN_NEXT;
}

static InsnResult set_alignment_flag(X86Cpu *cpu, bool value)
{
    if (cpu->cpl != 0) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    flags_set(cpu, value ? cpu->eflags | EFLAGS_AC : cpu->eflags & ~(uint64_t)EFLAGS_AC);
    return INSN_NEXT;
}

InsnResult helper_clac(X86Cpu *cpu, const Insn *insn)
{
    return set_alignment_flag(cpu, false);
}

InsnResult helper_stac(X86Cpu *cpu, const Insn *insn)
{
    return set_alignment_flag(cpu, true);
}
