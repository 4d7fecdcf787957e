/* SPDX-License-Identifier: MIT */
/* Memory operands named by implicit registers. Intel SDM vol. 2, MASKMOVDQU, XLAT, CLFLUSH. */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/vector-registers.h"

#include <Zydis/Mnemonic.h>

#define MASKED_PIECE 8u

static uint64_t truncate_address(const Insn *insn, uint64_t offset)
{
    return insn->address_bits == 16   ? (uint16_t)offset
           : insn->address_bits == 32 ? (uint32_t)offset
                                      : offset;
}

InsnResult helper_xlat(X86Cpu *cpu, const Insn *insn)
{
    uint64_t offset = cpu->gpr[R_RBX] + (cpu->gpr[R_RAX] & 0xff), linear;
    uint8_t value;

    if (!access_linear(cpu, insn->segment, truncate_address(insn, offset), 1, ACCESS_READ,
                       &linear) ||
        !access_read_u8(cpu, linear, &value, ACCESS_READ)) {
        return INSN_FAULT;
    }
    gpr_write(cpu, R_RAX, value, 1);
    return INSN_NEXT;
}

/* MMX registers are found in the image once TOP is 0, which every MMX instruction makes it, even
 * one that faults afterwards. */
static bool enter_mmx(X86Cpu *cpu)
{
    if (fpu_get16(cpu, FX_FSW) & FSW_ERROR_SUMMARY) {
        return fault_raise(cpu, VECTOR_MF);
    }
    fpu_change_top(cpu, 0);
    fpu_put16(cpu, FX_FSW, fpu_get16(cpu, FX_FSW) & (uint16_t) ~(7u << FSW_TOP_SHIFT));
    cpu->fpu[FX_FTW] = 0xff;
    fpu_mark_valid(cpu, XCR0_X87);
    return true;
}

/* All of it is checked before the first byte is stored; the low eight bytes of sixteen are looked
 * up before the others are even asked to be canonical and in their segment. An address that is a
 * multiple of eight is aligned enough. */
static bool probe_masked(X86Cpu *cpu, const Insn *insn, uint64_t offset, unsigned size,
                         uint64_t *ret_linear)
{
    unsigned rest = size > MASKED_PIECE ? ACCESS_UNALIGNED : 0;
    uint64_t linear;

    if (size > MASKED_PIECE &&
        (!access_linear(cpu, insn->segment, offset, MASKED_PIECE, ACCESS_WRITE, &linear) ||
         !access_probe(cpu, linear, MASKED_PIECE, ACCESS_WRITE))) {
        return false;
    }
    return access_linear(cpu, insn->segment, offset, size, ACCESS_WRITE | rest, ret_linear) &&
           access_probe(cpu, *ret_linear, size, ACCESS_WRITE);
}

/* Intel's silicon: the high eight bytes of sixteen with all their checks, #AC included, then the
 * low ones the same way; whatever the mask says. */
static bool probe_masked_on_intel(X86Cpu *cpu, const Insn *insn, uint64_t offset, unsigned size,
                                  uint64_t *ret_linear)
{
    uint64_t linear;

    if (size > MASKED_PIECE &&
        (!access_linear(cpu, insn->segment, truncate_address(insn, offset + MASKED_PIECE),
                        MASKED_PIECE, ACCESS_WRITE, &linear) ||
         !access_probe(cpu, linear, MASKED_PIECE, ACCESS_WRITE))) {
        return false;
    }
    return access_linear(cpu, insn->segment, offset, MASKED_PIECE, ACCESS_WRITE, ret_linear) &&
           access_probe(cpu, *ret_linear, MASKED_PIECE, ACCESS_WRITE);
}

InsnResult helper_maskmov(X86Cpu *cpu, const Insn *insn)
{
    bool is_mmx = insn->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    unsigned data = insn->operands[0].reg, mask = insn->operands[1].reg, size = is_mmx ? 8 : 16;
    uint64_t offset = truncate_address(insn, cpu->gpr[R_RDI]), linear;
    unsigned base = is_mmx ? FX_ST0 : FX_XMM0;

    fpu_park(cpu);
    if (is_mmx && !enter_mmx(cpu)) {
        return INSN_FAULT;
    }
    if (cpu->model->is_amd ? !probe_masked(cpu, insn, offset, size, &linear)
                           : !probe_masked_on_intel(cpu, insn, offset, size, &linear)) {
        return INSN_FAULT;
    }
    for (unsigned i = 0; i < size; i++) {
        if (cpu->fpu[base + 16 * mask + i] & 0x80 &&
            !access_write(cpu, linear + i, &cpu->fpu[base + 16 * data + i], 1, ACCESS_WRITE)) {
            return INSN_FAULT;
        }
    }
    return INSN_NEXT;
}

/* Outside of 64-bit code: registers 8 to 31 stay as they are, which the host's instruction, run in
 * its 64-bit mode, would clear too. */
InsnResult helper_vzero(X86Cpu *cpu, const Insn *insn)
{
    bool is_all = insn->bytes[insn->vector_offset + insn->vector_size - 1] & 4; /* VEX.L */

    fpu_park(cpu);
    vector_mark_in_use(cpu);
    for (unsigned reg = 0; reg < 8; reg++) {
        vector_clear_from(cpu, reg, is_all ? 0 : 16);
    }
    return INSN_NEXT;
}

/* Caches are not modelled: the address is checked like a load. */
InsnResult helper_cache_line(X86Cpu *cpu, const Insn *insn)
{
    uint64_t linear;

    return insn_linear_address(cpu, insn, 1, ACCESS_READ, &linear) &&
                   access_probe(cpu, linear, 1, ACCESS_READ)
               ? INSN_NEXT
               : INSN_FAULT;
}
