/* SPDX-License-Identifier: MIT */
/*
 * Stores that Intel's silicon computes before it looks where they go, on models of that maker:
 *
 * - x87: where an unmasked exception leaves memory alone the operand is not checked at all. The ten
 *   bytes of an extended or BCD value are two stores, of which the first may have happened when the
 *   second one faults.
 * - VCVTPS2PH: MXCSR has the exceptions of the conversion when the store faults, and #XM goes
 *   first.
 * - MMX: TOP is 0 when the store faults, with the tags as they were.
 *
 * Asked of the silicon; the manuals say nothing of it, and AMD's checks the operand first.
 */
#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/fpu-state.h"
#include "target/i386/translate/exact.h"

#include <Zydis/Mnemonic.h>

#define X87_IMAGE_SIZE 108 /* of FNSAVE */
#define MANTISSA_SIZE 8u
#define X87_INEXACT 0x20u

bool exact_computes_first(const X86Cpu *cpu, const Insn *insn)
{
    if (cpu->model->is_amd) {
        return false;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FST:
    case ZYDIS_MNEMONIC_FSTP:
    case ZYDIS_MNEMONIC_FIST:
    case ZYDIS_MNEMONIC_FISTP:
    case ZYDIS_MNEMONIC_FISTTP:
    case ZYDIS_MNEMONIC_FBSTP:
    case ZYDIS_MNEMONIC_VCVTPS2PH:
        return !insn->masked;
    default:
        return false;
    }
}

static bool store_part(X86Cpu *cpu, const Insn *insn, uint64_t address, const uint8_t *bytes,
                       unsigned size)
{
    /* half floats need no alignment, as vectors do not */
    unsigned aligned = insn->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH ? ACCESS_UNALIGNED : 0;
    uint64_t linear;

    return access_linear(cpu, insn->segment, address, size, ACCESS_WRITE | aligned, &linear) &&
           access_write(cpu, linear, bytes, size, ACCESS_WRITE);
}

static bool store(X86Cpu *cpu, const Insn *insn, uint64_t address, const uint8_t *bytes,
                  unsigned size)
{
    unsigned first = size == 10 ? MANTISSA_SIZE : size;

    return store_part(cpu, insn, address, bytes, first) &&
           (first == size || store_part(cpu, insn, address + first, bytes + first, size - first));
}

/* Of the exceptions only an inexact result is stored all the same. No other one waited before. */
static bool is_left_undone(void)
{
    uint16_t fsw, fcw;

    __asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(fsw), "=m"(fcw));
    return fsw & ~fcw & X87_EXCEPTIONS & ~X87_INEXACT;
}

InsnResult exact_compute_and_store(X86Cpu *cpu, const Insn *insn, uint64_t address)
{
    unsigned size = insn->operands[insn->memory_operand].size;
    bool is_x87 = insn->gate == GATE_X87;
    uint8_t before[X87_IMAGE_SIZE];
    InsnResult result;

    if (is_x87) {
        fpu_unpark(cpu);
        __asm__ volatile("fnsave %0; frstor %0" : "+m"(before));
    }
    result = exact_run_thunk(cpu, insn, cpu->tcg.bounce);
    if (result != INSN_NEXT || (is_x87 && is_left_undone())) {
        return result;
    }
    if (store(cpu, insn, address, cpu->tcg.bounce, size)) {
        return INSN_NEXT;
    }
    if (is_x87) {
        fpu_unpark(cpu);
        __asm__ volatile("fnclex; frstor %0" : : "m"(before)); /* FRSTOR waits for errors */
    }
    return INSN_FAULT;
}

void exact_note_store_fault(X86Cpu *cpu, const Insn *insn)
{
    if (insn->gate == GATE_MMX && cpu->fault.vector != VECTOR_MF) {
        fpu_park(cpu);
        fpu_change_top(cpu, 0);
        fpu_put16(cpu, FX_FSW, fpu_get16(cpu, FX_FSW) & (uint16_t) ~(7u << FSW_TOP_SHIFT));
        fpu_mark_valid(cpu, XCR0_X87);
    } else if (insn->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH && insn->masked) {
        exact_run_thunk(cpu, insn, cpu->tcg.bounce);
    }
}
