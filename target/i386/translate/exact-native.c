/* SPDX-License-Identifier: MIT */
/*
 * Computational instructions in exact mode. The instruction itself runs on the host from a thunk:
 * all guest registers in the host registers of the same number, but for two the instruction does
 * not name. One of these holds the host address of the memory operand, the other stands in for
 * guest RSP. An operand in one page of RAM is used in place, so that LOCK keeps its meaning; any
 * other is gathered in a bounce slot of the same alignment and scattered afterwards. So is one that
 * is locked in two cache lines, but its slot lies in one.
 */
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/helpers/modes.h"
#include "accel/tcg/mutant.h"
#include "target/i386/translate/exact.h"
#include "target/i386/translate/rehost.h"

#include "accel/tcg/tcg-internal.h"

#include <Zydis/MetaInfo.h>
#include <Zydis/Mnemonic.h>
#include <Zydis/SharedTypes.h>

#define GPR(n) (offsetof(X86Cpu, gpr) + 8 * (size_t)(n))
#define THUNK_HASH 4096u
#define MAX_THUNK 96

typedef struct ThunkSlot {
    uint8_t key[REHOST_MAX_BYTES + 2]; /* code bytes, base, stand-in */
    const void *code;
} ThunkSlot;

/* A CPU's own: nobody else runs its thunks, so its slice of the cache can be emptied at any time.
 */
typedef struct ThunkCache {
    ThunkSlot slots[THUNK_HASH];
    size_t used; /* of the slice */
} ThunkCache;

size_t target_thunk_cache_size(void)
{
    return sizeof(ThunkCache);
}

/* Two registers that the instruction does not name; those without REX first. */
static void choose_registers(const Insn *insn, uint8_t *ret_base, uint8_t *ret_stand_in)
{
    static const uint8_t order[] = {HOST_RSI, HOST_RDI, HOST_RBX, HOST_RBP, HOST_RCX,
                                    HOST_RDX, HOST_R8,  HOST_R9,  HOST_R10, HOST_R11};
    unsigned found = 0;

    for (unsigned i = 0; i < sizeof(order) && found < 2; i++) {
        if (MUTANT(63, !(insn->gprs_used & 1u << order[i]), true)) {
            *(found++ ? ret_stand_in : ret_base) = order[i];
        }
    }
}

static const void *thunk_make(X86Cpu *cpu, const uint8_t *code, unsigned size, unsigned base,
                              unsigned stand_in)
{
    ThunkCache *cache = cpu->tcg.thunks;
    uint8_t *slice = code_cache_thunks(cpu->vcpu.index);
    const uint8_t *entry;
    Emitter e;

    if (cache->used + MAX_THUNK > THUNK_SLICE) {
        for (unsigned i = 0; i < THUNK_HASH; i++) {
            cache->slots[i].code = NULL;
        }
        cache->used = 0;
    }
    entry = slice + cache->used;
    e.p = code_cache_writable(entry);
    e.end = e.p + MAX_THUNK;
    e.execute_offset = code_cache.execute - code_cache.write;
    emit_load_gs(&e, 64, stand_in, GPR(R_RSP));
    emit_load_gs(&e, 64, base, offsetof(X86Cpu, tcg.scratch[4]));
    for (unsigned i = 0; i < size; i++) {
        emit_u8(&e, code[i]);
    }
    emit_store_gs(&e, 64, stand_in, GPR(R_RSP));
    emit_load_gs(&e, 64, stand_in, GPR(stand_in));
    emit_load_gs(&e, 64, base, GPR(base));
    emit_branch_to(&e, 0xe9, stubs.thunk_done);
    cache->used = ((size_t)(emit_address(&e) - slice) + 15) & ~(size_t)15;
    return entry;
}

static const void *thunk_find(X86Cpu *cpu, const uint8_t *code, unsigned size, unsigned base,
                              unsigned stand_in)
{
    uint8_t key[REHOST_MAX_BYTES + 2] = {0};
    uint64_t hash = 14695981039346656037ull;
    ThunkSlot *slot;
    unsigned i;

    for (i = 0; i < size; i++) {
        key[i] = code[i];
    }
    key[REHOST_MAX_BYTES] = (uint8_t)base;
    key[REHOST_MAX_BYTES + 1] = (uint8_t)stand_in;
    for (i = 0; i < sizeof(key); i++) {
        hash = (hash ^ key[i]) * 1099511628211ull;
    }
    slot = &((ThunkCache *)cpu->tcg.thunks)->slots[hash >> 32 & (THUNK_HASH - 1)];
    for (i = 0; slot->code && i < sizeof(key) && slot->key[i] == key[i]; i++) {
    }
    if (!slot->code || i < sizeof(key)) {
        fpu_park(cpu); /* what makes a thunk may use SSE */
        for (i = 0; i < sizeof(key); i++) {
            slot->key[i] = key[i];
        }
        slot->code = thunk_make(cpu, code, size, base, stand_in);
    }
    return slot->code;
}

InsnResult exact_run_thunk(X86Cpu *cpu, const Insn *insn, void *memory)
{
    uint8_t code[REHOST_MAX_BYTES];
    uint8_t base = HOST_RSI, stand_in = HOST_RDI;
    const void *thunk;
    RehostMap map = {.memory_displacement = 0};
    unsigned size;

    choose_registers(insn, &base, &stand_in);
    for (unsigned i = 0; i < 16; i++) {
        map.gpr[i] = (uint8_t)i;
    }
    map.gpr[R_RSP] = stand_in;
    map.memory_base = base;
    size = rehost_encode(insn, &map, code);
    if (!size) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    cpu->tcg.scratch[4] = (uint64_t)memory;
    thunk = thunk_find(cpu, code, size, base, stand_in);
    if (insn->gate != GATE_NONE) {
        fpu_unpark(cpu);
    }
    cpu->tcg.fault_trap = 0;
    if (stubs.thunk(cpu, thunk)) {
        if (cpu->tcg.fault_trap == HOST_TRAP_PAGE_FAULT) {
            return INSN_FAULT;
        }
        exact_native_fault(cpu, cpu->tcg.fault_trap, cpu->tcg.fault_address);
        return INSN_FAULT;
    }
    cpu->eflags =
        (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | (cpu->tcg.host_flags & EFLAGS_ARITHMETIC);
    return INSN_NEXT;
}

/* With a register index, BT and its kin reach beyond their operand: moves the address there and
 * leaves the low bits of the index for the instruction. */
static uint64_t bit_string_address(X86Cpu *cpu, const Insn *insn, uint64_t address,
                                   uint64_t *ret_index)
{
    unsigned bits = insn->operand_bits;
    uint64_t raw = cpu->gpr[insn->operands[1].reg];
    int64_t index = bits == 16 ? (int16_t)raw : bits == 32 ? (int32_t)raw : (int64_t)raw;

    *ret_index = raw & (bits - 1);
    address += (uint64_t)((index >> (MUTANT(61,
                                            bits == 16   ? 4
                                            : bits == 32 ? 5
                                                         : 6,
                                            5))) *
                          (int64_t)(bits / 8));
    return insn->address_bits == 16   ? (uint16_t)address
           : insn->address_bits == 32 ? (uint32_t)address
                                      : address;
}

/* AMD's mask for misaligned operands of legacy SSE instructions, other than moves that are named
 * aligned (APM vol. 1, 4.2.2). Without CPUID's bit MXCSR cannot have it. */
static bool misalignment_is_masked(X86Cpu *cpu)
{
    fpu_park(cpu);
    return fpu_get32(cpu, FX_MXCSR) & MXCSR_MM;
}

/* Operands whose misalignment is #GP. */
static bool must_be_aligned(X86Cpu *cpu, const Insn *insn, unsigned size)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_CMPXCHG16B:
    case ZYDIS_MNEMONIC_MOVAPS:
    case ZYDIS_MNEMONIC_MOVAPD:
    case ZYDIS_MNEMONIC_MOVDQA:
    case ZYDIS_MNEMONIC_MOVNTPS:
    case ZYDIS_MNEMONIC_MOVNTPD:
    case ZYDIS_MNEMONIC_MOVNTDQ:
    case ZYDIS_MNEMONIC_MOVNTDQA:
    case ZYDIS_MNEMONIC_VMOVAPS:
    case ZYDIS_MNEMONIC_VMOVAPD:
    case ZYDIS_MNEMONIC_VMOVDQA:
    case ZYDIS_MNEMONIC_VMOVDQA32:
    case ZYDIS_MNEMONIC_VMOVDQA64:
    case ZYDIS_MNEMONIC_VMOVNTPS:
    case ZYDIS_MNEMONIC_VMOVNTPD:
    case ZYDIS_MNEMONIC_VMOVNTDQ:
    case ZYDIS_MNEMONIC_VMOVNTDQA:
        return true;
    case ZYDIS_MNEMONIC_MOVUPS:
    case ZYDIS_MNEMONIC_MOVUPD:
    case ZYDIS_MNEMONIC_MOVDQU:
    case ZYDIS_MNEMONIC_LDDQU:
    case ZYDIS_MNEMONIC_PCMPESTRI:
    case ZYDIS_MNEMONIC_PCMPESTRM:
    case ZYDIS_MNEMONIC_PCMPISTRI:
    case ZYDIS_MNEMONIC_PCMPISTRM:
        return false;
    default:
        return (insn->gate == GATE_SSE || insn->gate == GATE_MMX) && size == 16 &&
               (insn->isa_set != ZYDIS_ISA_SET_SHA || !cpu->model->is_amd) &&
               !misalignment_is_masked(cpu);
    }
}

/* Intel's silicon: the eight bytes of half floats need no alignment, as vectors do not. */
static unsigned alignment_rule(const X86Cpu *cpu, const Insn *insn)
{
    bool is_half_float =
        insn->mnemonic == ZYDIS_MNEMONIC_VCVTPH2PS || insn->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH;

    return is_half_float && !cpu->model->is_amd ? ACCESS_UNALIGNED : 0;
}

/* A fault was found, but the processor looks at the alignment first. */
static InsnResult fault_or_misaligned(X86Cpu *cpu, const Insn *insn, uint64_t linear, unsigned size)
{
    if (linear & (size - 1) && must_be_aligned(cpu, insn, size)) {
        fault_gp(cpu, 0);
    }
    return INSN_FAULT;
}

/* Of these AMD's silicon reads the lower half only, which shows where MXCSR.MM lets the operand
 * reach into a page that is missing; the manuals leave that open. Not so of their VEX and EVEX
 * forms. */
static unsigned bytes_read(const Insn *insn, unsigned size)
{
    if (size != 16 || insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY) {
        return size;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_UNPCKLPS:
    case ZYDIS_MNEMONIC_UNPCKLPD:
    case ZYDIS_MNEMONIC_PUNPCKLBW:
    case ZYDIS_MNEMONIC_PUNPCKLWD:
    case ZYDIS_MNEMONIC_PUNPCKLDQ:
    case ZYDIS_MNEMONIC_PUNPCKLQDQ:
    case ZYDIS_MNEMONIC_PSRLW:
    case ZYDIS_MNEMONIC_PSRLD:
    case ZYDIS_MNEMONIC_PSRLQ:
    case ZYDIS_MNEMONIC_PSRAW:
    case ZYDIS_MNEMONIC_PSRAD:
    case ZYDIS_MNEMONIC_PSLLW:
    case ZYDIS_MNEMONIC_PSLLD:
    case ZYDIS_MNEMONIC_PSLLQ:
        return 8;
    default:
        return size;
    }
}

/* See translate_locks_line(). One of 16 bytes (CMPXCHG16B) is misaligned, which is a fault. */
static bool locks_two_lines(const Insn *insn, uint64_t linear, unsigned size)
{
    return (linear & (HOST_CACHE_LINE - 1)) + size > HOST_CACHE_LINE && size <= 8 &&
           rehost_is_atomic(insn);
}

/* Read, run, write back by a bounce slot. */
static InsnResult run_bounced(X86Cpu *cpu, const Insn *insn, uint64_t linear, unsigned size,
                              bool is_write)
{
    const InsnOperand *operand = &insn->operands[insn->memory_operand];
    bool is_read = operand->actions & ZYDIS_OPERAND_ACTION_MASK_READ;
    /* a conditional write leaves the old bytes when it does not happen, an x87 store those it does
     * not write because of an unmasked exception */
    bool is_partial =
        operand->actions & ZYDIS_OPERAND_ACTION_CONDWRITE || (is_write && insn->gate == GATE_X87);
    unsigned offset = (unsigned)linear & (HOST_CACHE_LINE - 1);
    uint8_t *slot = cpu->tcg.bounce;
    InsnResult result;

    if (MUTANT(59, !locks_two_lines(insn, linear, size), false)) {
        slot += offset;
    }
    if ((is_read || is_partial) &&
        !access_read(cpu, linear, slot, bytes_read(insn, size), ACCESS_READ)) {
        return fault_or_misaligned(cpu, insn, linear, size);
    }
    result = exact_run_thunk(cpu, insn, slot);
    if (result == INSN_NEXT && is_write && !access_write(cpu, linear, slot, size, ACCESS_WRITE)) {
        return INSN_FAULT;
    }
    return result;
}

/* FSW.ES: an unmasked x87 exception is pending, which goes before faults of a memory operand. */
static bool x87_is_pending(X86Cpu *cpu)
{
    uint16_t fsw;

    fpu_unpark(cpu);
    __asm__("fnstsw %0" : "=m"(fsw));
    return MUTANT(62, fsw & 0x80, false);
}

static InsnResult run_on_memory(X86Cpu *cpu, const Insn *insn, uint64_t linear, unsigned size,
                                unsigned access)
{
    bool is_write = access == ACCESS_WRITE;
    bool is_atomic = is_write && rehost_is_atomic(insn);
    void *host = NULL;
    InsnResult result;

    if (is_write && !MUTANT(60, access_probe(cpu, linear, size, ACCESS_WRITE), true)) {
        return fault_or_misaligned(cpu, insn, linear, size);
    }
    if (locks_two_lines(insn, linear, size)) {
        COUNT_UP(cpu->tcg.own->statistics.locked_lines);
    } else {
        host = access_host_pointer(cpu, linear, size, access);
    }
    if (host) {
        return exact_run_thunk(cpu, insn, host);
    }
    if (is_atomic && tcg_parallel) { /* in two lines, or beside code: nobody else may run */
        fpu_park(cpu);
        exclusive_operand_begin(cpu);
    }
    result = run_bounced(cpu, insn, linear, size, is_write);
    if (is_atomic && tcg_parallel) {
        fpu_park(cpu);
        exclusive_operand_end(cpu);
    }
    return result;
}

#define EXTENDED_SIZE 10 /* of an x87 register */

static uint64_t segment_base(const X86Cpu *cpu, unsigned segment)
{
    return mode_is_64bit(cpu) && segment != SEG_FS && segment != SEG_GS ? 0
                                                                        : cpu->seg[segment].base;
}

static uint16_t noted_opcode(X86Cpu *cpu, const Insn *insn)
{
    return fpu_host_notes_opcodes(cpu) || x87_is_pending(cpu) ? rehost_x87_opcode(insn)
                                                              : cpu->guest_fop;
}

static void note_x87_pointers(X86Cpu *cpu, const Insn *insn, InsnResult result, uint64_t address)
{
    if (result == INSN_NEXT && rehost_sets_x87_pointers(insn)) {
        fpu_set_pointers(cpu, cpu->rip, address, noted_opcode(cpu, insn));
    }
}

/* The board has asserted IGNNE#: as if the exceptions were masked; what they leave is kept. */
static InsnResult run_ignoring_error(X86Cpu *cpu, const Insn *insn)
{
    const uint16_t summary = FSW_ERROR_SUMMARY | FSW_BUSY;
    uint16_t fcw = fpu_get16(cpu, FX_FCW);
    InsnResult result;

    fpu_put16(cpu, FX_FCW, fcw | X87_EXCEPTIONS);
    fpu_put16(cpu, FX_FSW, fpu_get16(cpu, FX_FSW) & (uint16_t)~summary);
    result = exact_native(cpu, insn);
    fpu_park(cpu);
    fpu_put16(cpu, FX_FCW, fcw);
    if (fpu_get16(cpu, FX_FSW) & ~fcw & X87_EXCEPTIONS) {
        fpu_put16(cpu, FX_FSW, fpu_get16(cpu, FX_FSW) | summary);
    }
    return result;
}

static InsnResult run_native(X86Cpu *cpu, const Insn *insn)
{
    const InsnOperand *operand;
    uint64_t linear, address, saved = 0, index = 0;
    bool is_bit_string = insn->row->carry == CARRY_BIT_STRING;
    unsigned access;
    InsnResult result;

    if (rehost_waits_for_x87(insn) && x87_is_pending(cpu)) {
        fpu_park(cpu);
        return cpu->ignores_x87_error ? run_ignoring_error(cpu, insn) : x87_report_error(cpu);
    }
    if (insn->memory_operand == INSN_NO_REG) {
        result = exact_run_thunk(cpu, insn, cpu->tcg.bounce);
        note_x87_pointers(cpu, insn, result, cpu->guest_fdp);
        return result;
    }
    if (insn->masked) {
        return exact_masked(cpu, insn);
    }
    operand = &insn->operands[insn->memory_operand];
    access = operand->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? ACCESS_WRITE : ACCESS_READ;
    address = insn_effective_address(cpu, insn);
    if (is_bit_string) {
        address = bit_string_address(cpu, insn, address, &index);
    }
    if (access == ACCESS_WRITE && exact_computes_first(cpu, insn)) {
        result = exact_compute_and_store(cpu, insn, address);
        note_x87_pointers(cpu, insn, result, address);
        return result;
    }
    if (operand->size == EXTENDED_SIZE && /* the mantissa comes first */
        (!access_linear(cpu, insn->segment, address, 8, access, &linear) ||
         !access_probe(cpu, linear, 8, access))) {
        return INSN_FAULT;
    }
    if (!access_linear(cpu, insn->segment, address, operand->size,
                       access | alignment_rule(cpu, insn), &linear)) {
        return fault_or_misaligned(cpu, insn, address + segment_base(cpu, insn->segment),
                                   operand->size);
    }
    if (is_bit_string) {
        saved = cpu->gpr[insn->operands[1].reg];
        cpu->gpr[insn->operands[1].reg] = index;
    }
    result = run_on_memory(cpu, insn, linear, operand->size, access);
    if (is_bit_string) {
        cpu->gpr[insn->operands[1].reg] = saved;
    }
    note_x87_pointers(cpu, insn, result, address);
    return result;
}

InsnResult exact_native(X86Cpu *cpu, const Insn *insn)
{
    InsnResult result = run_native(cpu, insn);

    if (result == INSN_FAULT && !cpu->model->is_amd && insn->memory_operand != INSN_NO_REG &&
        insn->operands[insn->memory_operand].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
        exact_note_store_fault(cpu, insn);
    }
    return result;
}
