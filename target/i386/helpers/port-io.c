/* SPDX-License-Identifier: MIT */
/* IN, OUT, INS and OUTS: permission by IOPL and the TSS's bitmap, then the I/O address space. Intel
 * SDM vol. 1 ch. 19. */
#include "softmmu/memory.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define TSS_IO_MAP_BASE 102u
#define CHUNK_BYTES 512u
#define PAGE_MASK 0xfffu

/* -- Permission -------------------------------------------------------------------------------- */

static bool bitmap_allows(X86Cpu *cpu, uint16_t port, unsigned size)
{
    uint16_t map, bits;
    uint32_t offset;

    if ((cpu->tr.attributes & SEG_TYPE_MASK & ~SYSTEM_BUSY) != SYSTEM_TSS32 ||
        cpu->tr.limit < TSS_IO_MAP_BASE + 1) {
        return fault_gp(cpu, 0);
    }
    if (!access_read_u16(cpu, cpu->tr.base + TSS_IO_MAP_BASE, &map, ACCESS_SYSTEM)) {
        return false;
    }
    offset = map + port / 8u;
    if (offset + 1 > cpu->tr.limit) {
        return fault_gp(cpu, 0);
    }
    if (!access_read_u16(cpu, cpu->tr.base + offset, &bits, ACCESS_SYSTEM)) {
        return false;
    }
    return !(bits >> (port & 7) & ((1u << size) - 1)) || fault_gp(cpu, 0);
}

static bool port_check(X86Cpu *cpu, uint16_t port, unsigned size)
{
    bool is_free = mode_is_real(cpu) || (!mode_is_v8086(cpu) && cpu->cpl <= mode_iopl(cpu));

    if (!is_free && !bitmap_allows(cpu, port, size)) {
        return false;
    }
    if (cpu->mode & CPU_MODE_BREAKPOINTS) {
        debug_regs_note_port(cpu, port, size);
    }
    return true;
}

/* -- IN and OUT -------------------------------------------------------------------------------- */

/* Byte forms have even opcodes. */
static unsigned port_size(const Insn *insn)
{
    if (!(insn->opcode & 1)) {
        return 1;
    }
    return insn->operand_bits == 16 ? 2 : 4;
}

/* E4-E7 name the port in the code, EC-EF and the string forms in DX. */
static uint16_t port_number(const X86Cpu *cpu, const Insn *insn)
{
    bool is_immediate = (insn->opcode & 0xfc) == 0xe4;

    return is_immediate ? insn->immediate & 0xff : (uint16_t)cpu->gpr[R_RDX];
}

InsnResult helper_in(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = port_size(insn);
    uint16_t port = port_number(cpu, insn);
    uint64_t value;

    if (!port_check(cpu, port, size)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    machine_lock();
    value = address_space_load(&address_space_io, port, size, NULL);
    machine_unlock();
    gpr_write(cpu, R_RAX, value, size);
    return INSN_NEXT;
}

InsnResult helper_out(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = port_size(insn);
    uint16_t port = port_number(cpu, insn);
    uint64_t value = cpu->gpr[R_RAX] & (size == 4 ? 0xffffffffu : (1u << size * 8) - 1);

    if (!port_check(cpu, port, size)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    machine_lock();
    address_space_store(&address_space_io, port, value, size);
    machine_unlock();
    return INSN_NEXT;
}

/* -- INS and OUTS ------------------------------------------------------------------------------ */

/* One call's worth of a string instruction. */
typedef struct StringRun {
    uint64_t mask; /* of the address size */
    unsigned address_size;
    uint64_t count; /* elements left, at least 1 */
    unsigned size;  /* bytes of an element */
    unsigned segment, index;
    uint16_t port;
    bool is_repeated, is_backward;
} StringRun;

/* Segment override of OUTS: the last prefix wins; 64-bit code has only FS and GS. */
static unsigned source_segment(const X86Cpu *cpu, const Insn *insn)
{
    unsigned segment = SEG_DS;

    for (unsigned i = 0; i < insn->length && insn->bytes[i] != insn->opcode; i++) {
        switch (insn->bytes[i]) {
        case 0x26:
            segment = mode_is_64bit(cpu) ? segment : SEG_ES;
            break;
        case 0x2e:
            segment = mode_is_64bit(cpu) ? segment : SEG_CS;
            break;
        case 0x36:
            segment = mode_is_64bit(cpu) ? segment : SEG_SS;
            break;
        case 0x3e:
            segment = mode_is_64bit(cpu) ? segment : SEG_DS;
            break;
        case 0x64:
            segment = SEG_FS;
            break;
        case 0x65:
            segment = SEG_GS;
            break;
        default:
            break;
        }
    }
    return segment;
}

static StringRun string_run(const X86Cpu *cpu, const Insn *insn, bool is_output)
{
    StringRun run = {
        .mask = insn->address_bits == 64 ? UINT64_MAX : (UINT64_C(1) << insn->address_bits) - 1,
        .address_size = insn->address_bits / 8,
        .count = 1,
        .size = port_size(insn),
        .segment = is_output ? source_segment(cpu, insn) : SEG_ES,
        .index = is_output ? R_RSI : R_RDI,
        .port = (uint16_t)cpu->gpr[R_RDX],
        .is_repeated = insn->rep || insn->repne,
        .is_backward = (cpu->eflags & EFLAGS_DF) != 0,
    };

    if (run.is_repeated) {
        run.count = cpu->gpr[R_RCX] & run.mask;
    }
    return run;
}

/* How many elements to do now: forward ones up to the end of the page, otherwise one at a time. */
static unsigned string_chunk(const X86Cpu *cpu, const StringRun *run)
{
    uint64_t offset = cpu->gpr[run->index] & run->mask;
    uint64_t linear = cpu->seg[run->segment].base + offset;
    uint64_t room = (PAGE_MASK + 1 - (linear & PAGE_MASK)) / run->size;
    uint64_t until_wrap = (run->mask - offset) / run->size;
    uint64_t n = run->count;

    if (run->is_backward || cpu->mode & (CPU_MODE_TF | CPU_MODE_BREAKPOINTS | CPU_MODE_AC)) {
        return 1;
    }
    n = n < CHUNK_BYTES / run->size ? n : CHUNK_BYTES / run->size;
    n = n < room ? n : room;
    n = n < until_wrap ? n : until_wrap;
    return n ? (unsigned)n : 1;
}

static InsnResult string_advance(X86Cpu *cpu, const StringRun *run, unsigned done)
{
    int64_t step = run->is_backward ? -(int64_t)run->size : run->size;

    gpr_write(cpu, run->index, cpu->gpr[run->index] + (uint64_t)(step * done), run->address_size);
    if (!run->is_repeated) {
        return INSN_NEXT;
    }
    gpr_write(cpu, R_RCX, run->count - done, run->address_size);
    return run->count == done ? INSN_NEXT : INSN_REPEAT;
}

/* Address of the chunk, which shrinks to one element when the segment ends inside of it. */
static bool string_linear(X86Cpu *cpu, const StringRun *run, unsigned access, unsigned *chunk,
                          uint64_t *ret_linear)
{
    uint64_t offset = cpu->gpr[run->index] & run->mask;

    if (*chunk > 1 && !mode_is_64bit(cpu) &&
        !segment_holds(cpu, &cpu->seg[run->segment], offset, *chunk * run->size)) {
        *chunk = 1;
    }
    return access_linear(cpu, run->segment, offset, *chunk * run->size, access, ret_linear) &&
           access_probe(cpu, *ret_linear, *chunk * run->size, access);
}

static uint64_t element_get(const uint64_t *buffer, unsigned i, unsigned size)
{
    switch (size) {
    case 1:
        return ((const uint8_t *)buffer)[i];
    case 2:
        return ((const uint16_t *)buffer)[i];
    default:
        return ((const uint32_t *)buffer)[i];
    }
}

static void element_set(uint64_t *buffer, unsigned i, unsigned size, uint64_t value)
{
    switch (size) {
    case 1:
        ((uint8_t *)buffer)[i] = (uint8_t)value;
        break;
    case 2:
        ((uint16_t *)buffer)[i] = (uint16_t)value;
        break;
    default:
        ((uint32_t *)buffer)[i] = (uint32_t)value;
        break;
    }
}

InsnResult helper_ins(X86Cpu *cpu, const Insn *insn)
{
    StringRun run = string_run(cpu, insn, false);
    uint64_t buffer[CHUNK_BYTES / 8], linear;
    unsigned chunk;

    if (!port_check(cpu, run.port, run.size)) {
        return INSN_FAULT;
    }
    if (run.count == 0) {
        return INSN_NEXT;
    }
    chunk = string_chunk(cpu, &run);
    if (!string_linear(cpu, &run, ACCESS_WRITE, &chunk, &linear)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    machine_lock();
    for (unsigned i = 0; i < chunk; i++) {
        element_set(buffer, i, run.size,
                    address_space_load(&address_space_io, run.port, run.size, NULL));
    }
    machine_unlock();
    if (!access_write(cpu, linear, buffer, chunk * run.size, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    return string_advance(cpu, &run, chunk);
}

InsnResult helper_outs(X86Cpu *cpu, const Insn *insn)
{
    StringRun run = string_run(cpu, insn, true);
    uint64_t buffer[CHUNK_BYTES / 8], linear;
    unsigned chunk;

    if (!port_check(cpu, run.port, run.size)) {
        return INSN_FAULT;
    }
    if (run.count == 0) {
        return INSN_NEXT;
    }
    chunk = string_chunk(cpu, &run);
    if (!string_linear(cpu, &run, ACCESS_READ, &chunk, &linear) ||
        !access_read(cpu, linear, buffer, chunk * run.size, ACCESS_READ)) {
        return INSN_FAULT;
    }
    fpu_park(cpu);
    machine_lock();
    for (unsigned i = 0; i < chunk; i++) {
        address_space_store(&address_space_io, run.port, element_get(buffer, i, run.size),
                            run.size);
    }
    machine_unlock();
    return string_advance(cpu, &run, chunk);
}
