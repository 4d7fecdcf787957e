/* SPDX-License-Identifier: MIT */
/* Memory operands named by implicit registers, masks or index vectors: element by element, as the
 * manual orders their faults. Intel SDM vol. 2, VGATHER, VMASKMOV, MASKMOVDQU, XLAT, CLFLUSH. */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/helpers.h"

#include <Zydis/Mnemonic.h>

/* cpu->fpu after fpu_park(): standard XSAVE layout. */
enum { FPU_XMM = 160, FPU_XSTATE_BV = 512, FPU_YMM_HIGH = 576 };

static uint8_t *vector_byte(X86Cpu *cpu, unsigned reg, unsigned byte)
{
    return byte < 16 ? &cpu->fpu[FPU_XMM + 16 * reg + byte]
                     : &cpu->fpu[FPU_YMM_HIGH + 16 * reg + byte - 16];
}

static uint64_t element_get(X86Cpu *cpu, unsigned reg, unsigned n, unsigned size)
{
    const uint8_t *from = vector_byte(cpu, reg, n * size);

    return size == 4 ? *(const uint32_t *)from : *(const uint64_t *)from;
}

static void element_set(X86Cpu *cpu, unsigned reg, unsigned n, unsigned size, uint64_t value)
{
    uint8_t *to = vector_byte(cpu, reg, n * size);

    if (size == 4) {
        *(uint32_t *)to = (uint32_t)value;
    } else {
        *(uint64_t *)to = value;
    }
}

/* A changed register is no longer in its initial state. */
static void mark_in_use(X86Cpu *cpu)
{
    *(uint64_t *)&cpu->fpu[FPU_XSTATE_BV] |= 6;
}

static void clear_from(X86Cpu *cpu, unsigned reg, unsigned byte)
{
    for (; byte < 32; byte++) {
        *vector_byte(cpu, reg, byte) = 0;
    }
}

static bool is_selected(uint64_t mask, unsigned size)
{
    return mask >> (8 * size - 1) & 1;
}

InsnResult helper_xlat(X86Cpu *cpu, const Insn *insn)
{
    uint64_t offset = cpu->gpr[R_RBX] + (cpu->gpr[R_RAX] & 0xff), linear;
    uint8_t value;

    offset = insn->address_bits == 16   ? (uint16_t)offset
             : insn->address_bits == 32 ? (uint32_t)offset
                                        : offset;
    if (!access_linear(cpu, insn->segment, offset, 1, ACCESS_READ, &linear) ||
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

InsnResult helper_maskmov(X86Cpu *cpu, const Insn *insn)
{
    bool is_mmx = insn->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ;
    unsigned data = insn->operands[0].reg, mask = insn->operands[1].reg, size = is_mmx ? 8 : 16;
    uint64_t rdi = cpu->gpr[R_RDI], offset = insn->address_bits == 64 ? rdi : (uint32_t)rdi, linear;
    unsigned base = is_mmx ? FX_ST0 : FX_XMM0;

    fpu_park(cpu);
    if (is_mmx && !enter_mmx(cpu)) {
        return INSN_FAULT;
    }
    /* all of it is checked before the first byte is stored */
    if (!access_linear(cpu, insn->segment, offset, size, ACCESS_WRITE, &linear) ||
        !access_probe(cpu, linear, size, ACCESS_WRITE)) {
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

static uint64_t gather_address(X86Cpu *cpu, const Insn *insn, unsigned n, unsigned index_size)
{
    uint64_t index = element_get(cpu, insn->vector_index, n, index_size);
    uint64_t address = (uint64_t)insn->displacement;

    if (index_size == 4) {
        index = (uint64_t)(int32_t)index;
    }
    if (insn->base != INSN_NO_REG) {
        address += cpu->gpr[insn->base];
    }
    address += index << insn->scale;
    return insn->address_bits == 32 ? (uint32_t)address : address;
}

InsnResult helper_gather(X86Cpu *cpu, const Insn *insn)
{
    unsigned dest = insn->operands[0].reg, mask = insn->operands[2].reg;
    bool is_wide = insn->bytes[insn->vector_offset + 2] & 4;             /* VEX.L */
    unsigned size = insn->bytes[insn->vector_offset + 2] & 0x80 ? 8 : 4; /* VEX.W */
    unsigned index_size = insn->opcode & 1 ? 8 : 4;
    unsigned count = (is_wide ? 32u : 16u) / (size > index_size ? size : index_size);
    uint64_t linear, value;

    if (dest == mask || dest == insn->vector_index || mask == insn->vector_index) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    fpu_park(cpu);
    mark_in_use(cpu);
    for (unsigned i = 0; i < count; i++) {
        if (!is_selected(element_get(cpu, mask, i, size), size)) {
            element_set(cpu, mask, i, size, 0);
            continue;
        }
        value = 0;
        if (!access_linear(cpu, insn->segment, gather_address(cpu, insn, i, index_size), size,
                           ACCESS_READ, &linear) ||
            !access_read(cpu, linear, &value, size, ACCESS_READ)) {
            return INSN_FAULT; /* elements done so far stay done */
        }
        fpu_park(cpu);
        element_set(cpu, dest, i, size, value);
        element_set(cpu, mask, i, size, 0);
    }
    clear_from(cpu, dest, count * size);
    clear_from(cpu, mask, 0);
    return INSN_NEXT;
}

static InsnResult masked_store(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned count)
{
    unsigned mask = insn->operands[1].reg, data = insn->operands[2].reg;
    uint64_t address = insn_effective_address(cpu, insn), linear, value;

    for (int write = 0; write < 2; write++) {
        for (unsigned i = 0; i < count; i++) {
            if (!is_selected(element_get(cpu, mask, i, size), size)) {
                continue;
            }
            value = element_get(cpu, data, i, size);
            if (!access_linear(cpu, insn->segment, address + i * size, size, ACCESS_WRITE,
                               &linear) ||
                !(write ? access_write(cpu, linear, &value, size, ACCESS_WRITE)
                        : access_probe(cpu, linear, size, ACCESS_WRITE))) {
                return INSN_FAULT;
            }
        }
    }
    return INSN_NEXT;
}

InsnResult helper_masked_load(X86Cpu *cpu, const Insn *insn)
{
    bool is_store = insn->operands[0].kind == OPERAND_MEM;
    bool is_double =
        insn->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD || insn->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
    unsigned size = is_double ? 8 : 4, dest = insn->operands[0].reg;
    unsigned bytes = insn->operands[1].size, count = bytes / size;
    uint64_t values[8], address = insn_effective_address(cpu, insn), linear;

    fpu_park(cpu);
    if (is_store) {
        return masked_store(cpu, insn, size, count);
    }
    for (unsigned i = 0; i < count; i++) {
        values[i] = 0;
        if (is_selected(element_get(cpu, insn->operands[1].reg, i, size), size) &&
            (!access_linear(cpu, insn->segment, address + i * size, size, ACCESS_READ, &linear) ||
             !access_read(cpu, linear, &values[i], size, ACCESS_READ))) {
            return INSN_FAULT;
        }
    }
    mark_in_use(cpu);
    for (unsigned i = 0; i < count; i++) {
        element_set(cpu, dest, i, size, values[i]);
    }
    clear_from(cpu, dest, bytes);
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
