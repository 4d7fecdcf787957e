/* SPDX-License-Identifier: MIT */
/* Stores of a whole cache line, and MOVDIRI. Intel SDM vol. 2 MOVDIRI, MOVDIR64B; AMD APM vol. 3
 * CLZERO. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"

#define LINE 64u

static uint64_t address_mask(const Insn *insn)
{
    return insn->address_bits == 64 ? UINT64_MAX : (1ull << insn->address_bits) - 1;
}

/* The store goes straight to memory on silicon; what can be seen of that is what any store does. */
InsnResult helper_movdiri(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value;

    return insn_read_operand(cpu, insn, 1, &value) && insn_write_operand(cpu, insn, 0, value)
               ? INSN_NEXT
               : INSN_FAULT;
}

/* Other CPUs and devices see the line change at once. MOVDIR64B (%rsi), %rdi for an assembler that
 * may not know it. */
static void store_line(void *to, const void *from)
{
    __asm__ volatile(".byte 0x66, 0x0f, 0x38, 0xf8, 0x3e" : : "D"(to), "S"(from) : "memory");
}

/* The destination is in ES whatever the prefixes say; only it must be aligned. A device gets the
 * line in pieces: its registers are not that wide. */
InsnResult helper_movdir64b(X86Cpu *cpu, const Insn *insn)
{
    uint64_t to = cpu->gpr[insn->operands[0].reg & 15] & address_mask(insn), from;
    uint8_t bytes[LINE];
    void *host;

    if (!cpu_has(cpu, FEATURE_MOVDIR64B)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!access_linear(cpu, SEG_ES, to, LINE, ACCESS_WRITE, &to)) {
        return INSN_FAULT;
    }
    if (to % LINE) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (!insn_linear_address(cpu, insn, LINE, ACCESS_READ, &from) ||
        !access_read(cpu, from, bytes, LINE, ACCESS_READ) ||
        !access_probe(cpu, to, LINE, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    host = access_host_pointer(cpu, to, LINE, ACCESS_WRITE);
    if (host) {
        store_line(host, bytes);
        return INSN_NEXT;
    }
    return access_write(cpu, to, bytes, LINE, ACCESS_WRITE) ? INSN_NEXT : INSN_FAULT;
}

/* The line that rAX lies in: it is the linear address that is rounded down (asked of the silicon,
 * with a segment that does not begin at a line). */
InsnResult helper_clzero(X86Cpu *cpu, const Insn *insn)
{
    static const uint8_t zeros[LINE];
    uint64_t linear;

    if (!access_linear(cpu, insn->segment, cpu->gpr[R_RAX] & address_mask(insn), 1, ACCESS_WRITE,
                       &linear) ||
        !access_write(cpu, linear & ~(uint64_t)(LINE - 1), zeros, LINE, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    return INSN_NEXT;
}
