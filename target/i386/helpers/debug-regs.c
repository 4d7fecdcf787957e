/* SPDX-License-Identifier: MIT */
/* Breakpoints of DR0-DR3, single steps and branch steps.
 * Intel SDM vol. 3 ch. 18.2 and 18.3, priorities 6.9. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/debug-regs.h"

#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/modes.h"

#include <Zydis/Mnemonic.h>

#define BREAKPOINTS 4u
#define DR6_BS (1u << 14)

/* DR7: what a breakpoint is on. */
enum { ON_EXECUTE, ON_WRITE, ON_PORT, ON_ACCESS };

static bool is_enabled(uint64_t dr7, unsigned n)
{
    return dr7 >> (2 * n) & 3;
}

static unsigned what_on(uint64_t dr7, unsigned n)
{
    return dr7 >> (16 + 4 * n) & 3;
}

static unsigned length(uint64_t dr7, unsigned n)
{
    static const uint8_t lengths[] = {1, 2, 8, 4};

    return lengths[dr7 >> (18 + 4 * n) & 3];
}

/* The breakpoint's own bytes are aligned to their number. */
static bool touches(const X86Cpu *cpu, unsigned n, uint64_t address, uint64_t size)
{
    uint64_t own_size = length(cpu->dr[7], n), own = cpu->dr[n] & ~(own_size - 1);

    return address - own < own_size || own - address < size;
}

/* DR6 bits of the enabled breakpoints of these kinds (a mask) that touch the bytes. */
static unsigned hits(const X86Cpu *cpu, unsigned kinds, uint64_t address, uint64_t size)
{
    unsigned bits = 0;

    for (unsigned n = 0; n < BREAKPOINTS; n++) {
        if (is_enabled(cpu->dr[7], n) && kinds >> what_on(cpu->dr[7], n) & 1 &&
            touches(cpu, n, address, size)) {
            bits |= 1u << n;
        }
    }
    return bits;
}

/* MOV SS and POP SS hold all debug exceptions off until the next instruction has ended. */
static bool is_behind_mov_ss(const X86Cpu *cpu)
{
    return cpu->interrupt_shadow && cpu->shadow_is_mov_ss;
}

bool debug_regs_stops_before(X86Cpu *cpu)
{
    uint64_t linear = cpu->rip;
    unsigned bits;

    if (is_behind_mov_ss(cpu)) {
        return false;
    }
    cpu->debug_pending = 0; /* noted while an interrupt was delivered: no instruction's access */
    if (cpu->eflags & EFLAGS_RF) {
        return false;
    }
    if (!mode_is_64bit(cpu)) {
        linear = (uint32_t)(cpu->seg[SEG_CS].base + linear);
    }
    bits = hits(cpu, 1u << ON_EXECUTE, linear, 1);
    if (!bits) {
        return false;
    }
    fault_raise(cpu, VECTOR_DB);
    cpu->fault.dr6 = bits;
    cpu->fault.resumes = true;
    return true;
}

void debug_regs_note_access(X86Cpu *cpu, uint64_t linear, uint64_t size, bool is_write)
{
    unsigned kinds = is_write ? 1u << ON_WRITE | 1u << ON_ACCESS : 1u << ON_ACCESS;

    cpu->debug_pending |= (uint8_t)hits(cpu, kinds, linear, size);
}

void debug_regs_note_port(X86Cpu *cpu, uint16_t port, unsigned size)
{
    if (cpu->cr4 & CR4_DE) {
        cpu->debug_pending |= (uint8_t)hits(cpu, 1u << ON_PORT, port, size);
    }
}

bool debug_regs_watch(const X86Cpu *cpu, uint64_t linear, uint64_t size)
{
    return hits(cpu, 1u << ON_WRITE | 1u << ON_ACCESS, linear, size);
}

/* TF counts as it was before the instruction. A software interrupt that was taken has cleared it
 * for good; SYSCALL and SYSRET are looked at with the flags they leave. */
static bool is_single_step(const X86Cpu *cpu, const Insn *insn, InsnResult result,
                           const DebugStart *start)
{
    bool tf = start->tf;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_INT:
    case ZYDIS_MNEMONIC_INT1:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_INTO:
        tf = tf && result != INSN_JUMP;
        break;
    case ZYDIS_MNEMONIC_SYSCALL:
    case ZYDIS_MNEMONIC_SYSRET:
        tf = cpu->eflags & EFLAGS_TF;
        break;
    default:
        break;
    }
    return tf && (!(cpu->debugctl & DEBUGCTL_BTF) || result == INSN_JUMP);
}

/* RF serves one instruction; IRET and a task switch have just loaded it for the next, and a trap
 * between the two pushes it (SDM vol. 3, 17.3.1.1). A 16-bit IRET loads none: behind it RF is
 * clear. */
static bool has_loaded_rf(const X86Cpu *cpu, const Insn *insn, const DebugStart *start)
{
    return insn->mnemonic == ZYDIS_MNEMONIC_IRETD || insn->mnemonic == ZYDIS_MNEMONIC_IRETQ ||
           (cpu->tr.selector != start->task && insn->mnemonic != ZYDIS_MNEMONIC_LTR);
}

void debug_regs_after(X86Cpu *cpu, const Insn *insn, InsnResult result, const DebugStart *start)
{
    bool loads_rf = has_loaded_rf(cpu, insn, start);
    unsigned bits;

    if (start->rf && result != INSN_REPEAT && !loads_rf) {
        cpu->eflags &= ~(uint64_t)EFLAGS_RF;
    }
    if (is_behind_mov_ss(cpu)) {
        return;
    }
    bits = cpu->debug_pending;
    if (is_single_step(cpu, insn, result, start)) {
        bits |= DR6_BS;
    }
    if (!bits) {
        return;
    }
    cpu->halted = false;
    fault_raise(cpu, VECTOR_DB);
    cpu->fault.dr6 = bits;
    /* in the middle of a gather AMD's silicon sets RF for data breakpoints only; SDM vol. 2,
     * VPGATHERDD, has it set for a single step too, as Intel's does */
    cpu->fault.resumes = (result == INSN_REPEAT && (insn->vector_index == INSN_NO_REG ||
                                                    cpu->debug_pending || !cpu->model->is_amd)) ||
                         (loads_rf && cpu->eflags & EFLAGS_RF);
    exception_deliver(cpu);
    cpu->debug_pending = 0;
}
