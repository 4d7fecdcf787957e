/* SPDX-License-Identifier: MIT */
/* Instructions that 64-bit mode has dropped: decimal adjustment and SALC. Intel SDM vol. 2. */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"

static void set_al(X86Cpu *cpu, uint8_t value)
{
    cpu->gpr[R_RAX] = (cpu->gpr[R_RAX] & ~UINT64_C(0xff)) | value;
}

static void set_ax(X86Cpu *cpu, uint16_t value)
{
    cpu->gpr[R_RAX] = (cpu->gpr[R_RAX] & ~UINT64_C(0xffff)) | value;
}

/* All arithmetic flags: those given, and SF ZF PF of a byte. */
static void set_flags(X86Cpu *cpu, uint32_t given, uint8_t result)
{
    uint32_t flags = given;

    flags |= result == 0 ? EFLAGS_ZF : 0;
    flags |= result & 0x80 ? EFLAGS_SF : 0;
    flags |= __builtin_parity(result) ? 0 : EFLAGS_PF;
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags;
}

static InsnResult undefined_in_64bit(X86Cpu *cpu)
{
    fault_ud(cpu);
    return INSN_FAULT;
}

/* DAA and DAS differ in the sign of the adjustment only. OF is undefined; silicon clears it. */
static InsnResult decimal_adjust(X86Cpu *cpu, int sign)
{
    uint8_t old = (uint8_t)cpu->gpr[R_RAX], al = old;
    bool old_cf = cpu->eflags & EFLAGS_CF;
    uint32_t flags = 0;

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    if ((al & 0xf) > 9 || (cpu->eflags & EFLAGS_AF)) {
        if (sign > 0 ? al > 0xf9 : al < 6) {
            flags |= EFLAGS_CF;
        }
        al = (uint8_t)(al + sign * 6);
        flags |= EFLAGS_AF;
    }
    flags |= old_cf ? EFLAGS_CF : 0;
    if (old > 0x99 || old_cf) {
        al = (uint8_t)(al + sign * 0x60);
        flags |= EFLAGS_CF;
    } else if (sign > 0) {
        flags &= ~EFLAGS_CF;
    }
    set_al(cpu, al);
    set_flags(cpu, flags, al);
    return INSN_NEXT;
}

InsnResult helper_daa(X86Cpu *cpu, const Insn *insn)
{
    return decimal_adjust(cpu, 1);
}

InsnResult helper_das(X86Cpu *cpu, const Insn *insn)
{
    return decimal_adjust(cpu, -1);
}

/* AAA and AAS; the undefined flags come out as on silicon: SF ZF PF of AL, OF clear. */
static InsnResult ascii_adjust(X86Cpu *cpu, int sign)
{
    uint16_t ax = (uint16_t)cpu->gpr[R_RAX];
    uint32_t flags = 0;

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    if ((ax & 0xf) > 9 || (cpu->eflags & EFLAGS_AF)) {
        ax = (uint16_t)(ax + sign * 0x106);
        flags = EFLAGS_AF | EFLAGS_CF;
    }
    ax &= 0xff0f;
    set_ax(cpu, ax);
    set_flags(cpu, flags, (uint8_t)ax);
    return INSN_NEXT;
}

InsnResult helper_aaa(X86Cpu *cpu, const Insn *insn)
{
    return ascii_adjust(cpu, 1);
}

InsnResult helper_aas(X86Cpu *cpu, const Insn *insn)
{
    return ascii_adjust(cpu, -1);
}

InsnResult helper_aam(X86Cpu *cpu, const Insn *insn)
{
    uint8_t al = (uint8_t)cpu->gpr[R_RAX], base = (uint8_t)insn->immediate;

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    if (base == 0) {
        fault_raise(cpu, VECTOR_DE);
        return INSN_FAULT;
    }
    set_ax(cpu, (uint16_t)((al / base) << 8 | al % base));
    set_flags(cpu, 0, al % base);
    return INSN_NEXT;
}

InsnResult helper_aad(X86Cpu *cpu, const Insn *insn)
{
    uint16_t ax = (uint16_t)cpu->gpr[R_RAX];
    uint8_t al = (uint8_t)(ax + (ax >> 8) * (uint8_t)insn->immediate);

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    set_ax(cpu, al);
    set_flags(cpu, 0, al);
    return INSN_NEXT;
}

InsnResult helper_salc(X86Cpu *cpu, const Insn *insn)
{
    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    set_al(cpu, cpu->eflags & EFLAGS_CF ? 0xff : 0);
    return INSN_NEXT;
}
