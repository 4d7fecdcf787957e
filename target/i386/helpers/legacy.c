/* SPDX-License-Identifier: MIT */
/* Instructions that 64-bit mode has dropped: decimal adjustment and SALC. Intel SDM vol. 2. */
#include "target/i386/cpu-model.h"
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

static uint32_t result_flags(uint8_t result)
{
    return (result == 0 ? EFLAGS_ZF : 0) | (result & 0x80 ? EFLAGS_SF : 0) |
           (__builtin_parity(result) ? 0 : EFLAGS_PF);
}

static void set_flags(X86Cpu *cpu, uint32_t flags)
{
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags;
}

/* OF of the byte sum a + b. */
static uint32_t overflow_of_sum(uint8_t a, uint8_t b)
{
    uint8_t sum = (uint8_t)(a + b);

    return ~(a ^ b) & (a ^ sum) & 0x80 ? EFLAGS_OF : 0;
}

static InsnResult undefined_in_64bit(X86Cpu *cpu)
{
    fault_ud(cpu);
    return INSN_FAULT;
}

/* DAA and DAS differ in the sign of the adjustment only. OF is undefined: AMD's silicon has that of
 * the whole adjustment, Intel's clears it. */
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
    if (cpu->model->is_amd) { /* a - b overflows when the sum of its result and b does */
        flags |= sign > 0 ? overflow_of_sum(old, (uint8_t)(al - old))
                          : overflow_of_sum(al, (uint8_t)(old - al));
    }
    set_flags(cpu, flags | result_flags(al));
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

/* What AAA and AAS leave undefined. AMD's silicon has the flags of adding to all of AX, but PF of
 * the low byte; Intel's those of what AL is in the end, and OF clear. */
static uint32_t ascii_undefined_flags(const X86Cpu *cpu, int sign, uint16_t ax, uint16_t sum)
{
    uint32_t flags;

    if (!cpu->model->is_amd) {
        return result_flags(sum & 0xf);
    }
    flags = result_flags((uint8_t)sum) & EFLAGS_PF;
    flags |= sum == 0 ? EFLAGS_ZF : 0;
    flags |= sum & 0x8000 ? EFLAGS_SF : 0;
    if ((sign > 0 ? ~ax & sum : ax & ~sum) & 0x8000) {
        flags |= EFLAGS_OF;
    }
    return flags;
}

static InsnResult ascii_adjust(X86Cpu *cpu, int sign)
{
    uint16_t ax = (uint16_t)cpu->gpr[R_RAX], sum = ax;
    uint32_t flags = 0;

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    if ((ax & 0xf) > 9 || (cpu->eflags & EFLAGS_AF)) {
        sum = (uint16_t)(ax + sign * 0x106);
        flags = EFLAGS_AF | EFLAGS_CF;
    }
    set_ax(cpu, sum & 0xff0f);
    set_flags(cpu, flags | ascii_undefined_flags(cpu, sign, ax, sum));
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
    set_flags(cpu, result_flags(al % base));
    return INSN_NEXT;
}

/* The undefined flags are those of the addition. */
InsnResult helper_aad(X86Cpu *cpu, const Insn *insn)
{
    uint8_t al = (uint8_t)cpu->gpr[R_RAX], ah = (uint8_t)(cpu->gpr[R_RAX] >> 8);
    uint8_t tens = (uint8_t)(ah * (uint8_t)insn->immediate), sum = (uint8_t)(al + tens);

    if (mode_is_64bit(cpu)) {
        return undefined_in_64bit(cpu);
    }
    set_ax(cpu, sum);
    set_flags(cpu, result_flags(sum) | overflow_of_sum(al, tens) | (sum < al ? EFLAGS_CF : 0) |
                       ((al ^ tens ^ sum) & EFLAGS_AF));
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
