/* SPDX-License-Identifier: MIT */
/*
 * Exact mode: executes one guest instruction, the whole of it, as the manual orders its steps. It
 * serves what translated code leaves to it: faults, operands that cross pages or touch devices,
 * writes to code, single steps and interrupt shadows. It is also the fuzzer's second opinion.
 */
#include "target/i386/translate/exact.h"
#include "accel/tcg/mutant.h"
#include "accel/tcg/options.h"

#include "accel/tcg/tcg-internal.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/debug-regs.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/translate/decode.h"
#include "target/i386/translate/jit-info.h"
#include "target/i386/translate/rehost.h"

#include <Zydis/Mnemonic.h>

bool exact_gate_open(X86Cpu *cpu, unsigned gate)
{
    bool task_switched = cpu->cr0 & CR0_TS, emulate = cpu->cr0 & CR0_EM;

    switch (gate) {
    case GATE_NONE:
        return true;
    case GATE_X87:
        return !(task_switched || emulate) || fault_raise(cpu, VECTOR_NM);
    case GATE_WAIT:
        return !(task_switched && cpu->cr0 & CR0_MP) || fault_raise(cpu, VECTOR_NM);
    case GATE_MMX:
        if (emulate) {
            return fault_ud(cpu);
        }
        break;
    case GATE_SSE:
        if (emulate || !(cpu->cr4 & CR4_OSFXSR)) {
            return fault_ud(cpu);
        }
        break;
    default:
        if (!mode_is_protected(cpu) || !(cpu->cr4 & CR4_OSXSAVE) ||
            (cpu->xcr0 & (gate == GATE_AVX512 ? 0xe6 : 6)) != (gate == GATE_AVX512 ? 0xe6u : 6u)) {
            return fault_ud(cpu);
        }
        break;
    }
    return !task_switched || fault_raise(cpu, VECTOR_NM);
}

InsnResult exact_run(X86Cpu *cpu, const Insn *insn)
{
    if (!insn->row || !exact_gate_open(cpu, insn->gate)) {
        if (!insn->row) {
            fpu_park(cpu);
            jit_info_not_carried(insn);
            fault_ud(cpu);
        }
        return INSN_FAULT;
    }
    switch (insn->row->carry) {
    case CARRY_NATIVE:
    case CARRY_BIT_STRING:
        return exact_native(cpu, insn);
    case CARRY_NOTHING:
        return INSN_NEXT;
    case CARRY_LEA:
        gpr_write(cpu, insn->operands[0].reg, insn_effective_address(cpu, insn),
                  insn->operands[0].size);
        return INSN_NEXT;
    case CARRY_BRANCH:
        return exact_branch(cpu, insn);
    case CARRY_STACK:
        return exact_stack(cpu, insn);
    case CARRY_STRING:
        return exact_string(cpu, insn);
    default:
        return insn->row->helper(cpu, insn);
    }
}

void exact_native_fault(X86Cpu *cpu, unsigned trap, uint64_t address)
{
    switch (trap) {
    case 0:
        fault_raise(cpu, VECTOR_DE);
        break;
    case 6:
        fault_ud(cpu);
        break;
    case 16:
        fault_raise(cpu, VECTOR_MF);
        break;
    case 19:
        if (cpu->cr4 & CR4_OSXMMEXCPT) {
            fault_raise(cpu, VECTOR_XM);
        } else {
            fault_ud(cpu);
        }
        break;
    case 17:
        fault_raise_error(cpu, VECTOR_AC, 0);
        break;
    default: /* 13: a misaligned SSE operand */
        fault_gp(cpu, 0);
        break;
    }
}

/* -- Fetch ------------------------------------------------------------------------------------- */

typedef enum Fetch { FETCH_OK, FETCH_FAULT, FETCH_END_OF_SEGMENT } Fetch;

/* Reads up to `want` bytes from RIP on, but not into the next page unless `cross`. */
static Fetch fetch_bytes(X86Cpu *cpu, uint8_t *bytes, unsigned *size, bool cross)
{
    const Segment *cs = &cpu->seg[SEG_CS];
    bool is_64bit = mode_is_64bit(cpu);
    uint64_t linear = cpu_code_linear(cpu, cpu->rip);
    unsigned room = (unsigned)(TARGET_PAGE_SIZE - (linear & (TARGET_PAGE_SIZE - 1)));
    unsigned want = cross || room > INSN_MAX_LENGTH ? INSN_MAX_LENGTH : room;

    if (is_64bit && !paging_is_canonical(cpu, linear)) {
        return FETCH_END_OF_SEGMENT;
    }
    if (!is_64bit) {
        uint64_t left = cpu->rip > cs->limit ? 0 : (uint64_t)cs->limit - cpu->rip + 1;
        if (!left) {
            return FETCH_END_OF_SEGMENT;
        }
        want = left < want ? (unsigned)left : want;
    }
    if (want > room && cross) {
        /* the second page is read by itself, so that its fault has its own address */
        if (!access_read(cpu, linear, bytes, room, ACCESS_EXEC) ||
            !access_read(cpu, is_64bit ? linear + room : (uint32_t)(linear + room), bytes + room,
                         want - room, ACCESS_EXEC)) {
            return FETCH_FAULT;
        }
    } else if (!access_read(cpu, linear, bytes, want, ACCESS_EXEC)) {
        return FETCH_FAULT;
    }
    *size = want;
    return FETCH_OK;
}

/* Instructions that come here come again (device registers, first touches of pages), and decoding
 * would cost more than the rest: the last ones are kept, found by place, mode and bytes. */
#define KEPT_INSNS 256

typedef struct KeptInsn {
    uint32_t mode;
    Insn insn;
} KeptInsn;

static KeptInsn *kept_slot(const X86Cpu *cpu)
{
    return &((KeptInsn *)cpu->tcg.kept_insns)[(cpu->rip ^ cpu->rip >> 8) % KEPT_INSNS];
}

static const Insn *find_kept(const X86Cpu *cpu, const uint8_t *bytes, unsigned size)
{
    const KeptInsn *kept = kept_slot(cpu);
    const Insn *insn = &kept->insn;

    if (!tcg_options.opt_keep || !insn->length || insn->length > size || insn->rip != cpu->rip ||
        kept->mode != cpu->mode) {
        return NULL;
    }
    for (unsigned i = 0; i < insn->length; i++) {
        if (insn->bytes[i] != bytes[i]) {
            return NULL;
        }
    }
    return insn;
}

size_t target_kept_insns_size(void)
{
    return KEPT_INSNS * sizeof(KeptInsn);
}

/* NULL: a fault was recorded. */
static const Insn *fetch_insn(X86Cpu *cpu)
{
    Insn *insn = &kept_slot(cpu)->insn;
    const Insn *found;
    uint8_t bytes[INSN_MAX_LENGTH];
    unsigned size = 0;
    bool too_long;
    DecodeResult decoded = DECODE_SHORT;

    for (int cross = 0; cross < 2 && decoded == DECODE_SHORT; cross++) {
        Fetch fetched = fetch_bytes(cpu, bytes, &size, cross);
        if (fetched != FETCH_OK) {
            if (fetched == FETCH_END_OF_SEGMENT) {
                fault_gp(cpu, 0);
            }
            return NULL;
        }
        if ((found = find_kept(cpu, bytes, size))) {
            return found;
        }
        fpu_park(cpu);
        decoded = decode_insn(cpu->mode, cpu->rip, bytes, size, insn, &too_long);
    }
    if (decoded == DECODE_OK) {
        kept_slot(cpu)->mode = cpu->mode;
        return insn;
    }
    insn->length = 0;
    if (decoded == DECODE_SHORT || too_long) { /* bytes end where the segment ends */
        fault_gp(cpu, 0);
    } else {
        fault_ud(cpu);
    }
    return NULL;
}

/* -- One instruction --------------------------------------------------------------------------- */

/* Completes an instruction: RIP, shadow, single-step trap, exception. */
static void finish(X86Cpu *cpu, const Insn *insn, InsnResult result, bool had_shadow,
                   const DebugStart *start)
{
    if (result == INSN_NEXT || result == INSN_HALT) {
        cpu->rip = insn_next_rip(cpu, insn);
    }
    if (result == INSN_FAULT) {
        exception_deliver(cpu);
        cpu->interrupt_shadow = false;
        cpu->debug_pending = 0;
        return;
    }
    if (had_shadow) {
        cpu->interrupt_shadow = false;
    }
    if (start->tf || start->rf || cpu->debug_pending || cpu->eflags & EFLAGS_TF) {
        debug_regs_after(cpu, insn, result, start);
    }
}

static bool somebody_waits(const X86Cpu *cpu)
{
    return __atomic_load_n(&cpu->events, __ATOMIC_RELAXED) ||
           __atomic_load_n(&cpu->vcpu.exit_request, __ATOMIC_RELAXED) || exclusive_is_wanted();
}

/* One that overwrites itself is fetched anew behind each iteration with Intel, never with AMD
 * (silicon). */
static bool is_fetched_anew(const X86Cpu *cpu, const Insn *insn)
{
    return !cpu->model->is_amd && insn->row->carry == CARRY_STRING &&
           string_overwrites_itself(cpu, insn);
}

/* Runs a REP to its end unless something waits. */
static InsnResult run_repeats(X86Cpu *cpu, const Insn *insn)
{
    bool is_stepped = cpu->mode & (CPU_MODE_TF | CPU_MODE_BREAKPOINTS);
    InsnResult result;

    do {
        result = exact_run(cpu, insn);
    } while (result == INSN_REPEAT && !is_stepped && !somebody_waits(cpu) &&
             !is_fetched_anew(cpu, insn));
    return result;
}

void target_exact_step(X86Cpu *cpu)
{
    bool had_shadow = cpu->interrupt_shadow;
    DebugStart start = debug_regs_start(cpu);
    const Insn *insn;

    COUNT_UP(cpu->tcg.own->statistics.exact_steps);
    if (cpu->mode & CPU_MODE_BREAKPOINTS && debug_regs_stops_before(cpu)) {
        exception_deliver(cpu);
        cpu->debug_pending = 0;
        return;
    }
    insn = fetch_insn(cpu);
    finish(cpu, insn, insn ? run_repeats(cpu, insn) : INSN_FAULT, had_shadow, &start);
}

static bool changes_ring(const Insn *insn)
{
    return insn->mnemonic == ZYDIS_MNEMONIC_SYSCALL || insn->mnemonic == ZYDIS_MNEMONIC_SYSRET;
}

void target_run_insn(X86Cpu *cpu, const void *insn)
{
    bool had_shadow = cpu->interrupt_shadow; /* STI begins one */
    DebugStart start = debug_regs_start(cpu);

    jit_info_run_by_c(cpu, insn);
    if (changes_ring(insn) && tcg_options.opt_rings && syscall_run_plain(cpu, insn)) {
        return;
    }
    finish(cpu, insn, run_repeats(cpu, insn), had_shadow, &start);
}

void target_native_fault(X86Cpu *cpu, unsigned trap, uint64_t address)
{
    /* an address that is none comes through an empty TlbSlot; without NE the board hears of #MF */
    if (trap == VECTOR_GP || trap == VECTOR_SS || (trap == VECTOR_MF && !(cpu->cr0 & CR0_NE))) {
        target_exact_step(cpu);
        return;
    }
    exact_native_fault(cpu, trap, address);
    exception_deliver(cpu);
}

/* Bytes a near branch of 64-bit code adds to RSP. */
static int64_t branch_moves_stack(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        return -8;
    case ZYDIS_MNEMONIC_RET:
        return 8 + (insn->has_immediate ? (uint16_t)insn->immediate : 0);
    default:
        return 0;
    }
}

void target_branch_fault(X86Cpu *cpu)
{
    const Insn *insn = fetch_insn(cpu);

    if (insn) {
        cpu->gpr[R_RSP] -= (uint64_t)branch_moves_stack(insn);
        fault_gp(cpu, 0);
    }
    exception_deliver(cpu);
}

void target_save_flags(X86Cpu *cpu)
{
    uint32_t ah =
        (uint32_t)cpu->eflags & (EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF);

    cpu->tcg.saved_flags = ah << 8 | (cpu->eflags & EFLAGS_OF ? 1 : 0);
}

void target_restore_saved_flags(X86Cpu *cpu)
{
    uint32_t image = cpu->tcg.saved_flags; /* AH: SF ZF AF PF CF; AL: OF */
    uint32_t flags =
        MUTANT(67, image >> 8, image) & (EFLAGS_SF | EFLAGS_ZF | EFLAGS_AF | EFLAGS_PF | EFLAGS_CF);

    if (image & 0xff) {
        flags |= EFLAGS_OF;
    }
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | flags;
}
