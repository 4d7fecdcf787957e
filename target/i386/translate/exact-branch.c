/* SPDX-License-Identifier: MIT */
/* Near transfers and the stack in exact mode. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/transfer.h"
#include "target/i386/translate/exact.h"

#include <Zydis/Mnemonic.h>

static bool condition_holds(uint64_t flags, unsigned code)
{
    bool cf = flags & EFLAGS_CF, zf = flags & EFLAGS_ZF, sf = flags & EFLAGS_SF;
    bool of = flags & EFLAGS_OF, pf = flags & EFLAGS_PF, result;

    switch (code >> 1 & 7) {
    case 0:
        result = of;
        break;
    case 1:
        result = cf;
        break;
    case 2:
        result = zf;
        break;
    case 3:
        result = cf || zf;
        break;
    case 4:
        result = sf;
        break;
    case 5:
        result = pf;
        break;
    case 6:
        result = sf != of;
        break;
    default:
        result = zf || sf != of;
        break;
    }
    return result != (code & 1);
}

/* Checks a near target against CS and goes there. */
static bool jump_near(X86Cpu *cpu, const Insn *insn, uint64_t target)
{
    const Segment *cs = &cpu->seg[SEG_CS];

    if (insn->operand_bits == 16) {
        target = (uint16_t)target;
    } else if (insn->operand_bits == 32) {
        target = (uint32_t)target;
    }
    if (!code_check_offset(cpu, cs, target)) {
        return false;
    }
    cpu->rip = target;
    return true;
}

static InsnResult jump_relative(X86Cpu *cpu, const Insn *insn, bool taken)
{
    if (!taken) {
        return INSN_NEXT;
    }
    return jump_near(cpu, insn, cpu->rip + insn->length + (uint64_t)insn->immediate) ? INSN_JUMP
                                                                                     : INSN_FAULT;
}

static bool push(X86Cpu *cpu, uint64_t value, unsigned size)
{
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_push(cpu, &stack, &value, 1, size)) {
        return false;
    }
    stack_commit_pointer(cpu, &stack);
    return true;
}

static InsnResult call_near(X86Cpu *cpu, const Insn *insn)
{
    uint64_t target, next = insn_next_rip(cpu, insn), here = cpu->rip;
    unsigned size = insn_stack_size(cpu, insn);
    Stack stack, pushed;

    if (insn->operands[0].kind == OPERAND_REL) {
        target = cpu->rip + insn->length + (uint64_t)insn->immediate;
    } else if (!insn_read_operand(cpu, insn, 0, &target)) {
        return INSN_FAULT;
    }
    /* faults of the stack go before those of the target */
    stack_current(cpu, &stack);
    if (!cpu->model->is_amd) { /* Intel's silicon has written by then */
        if (!stack_push(cpu, &stack, &next, 1, size) || !jump_near(cpu, insn, target)) {
            return INSN_FAULT;
        }
        stack_commit_pointer(cpu, &stack);
        return INSN_JUMP;
    }
    pushed = stack;
    stack_skip(&pushed, -(int64_t)size);
    if (!stack_probe_write(cpu, &pushed, size) || !jump_near(cpu, insn, target)) {
        return INSN_FAULT;
    }
    if (!stack_push(cpu, &stack, &next, 1, size)) { /* #AC */
        cpu->rip = here;
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_JUMP;
}

static InsnResult ret_near(X86Cpu *cpu, const Insn *insn)
{
    uint64_t target;
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, &target, 1, insn_stack_size(cpu, insn)) ||
        !jump_near(cpu, insn, target)) {
        return INSN_FAULT;
    }
    if (insn->has_immediate) {
        stack_skip(&stack, (uint16_t)insn->immediate);
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_JUMP;
}

/* RCX, ECX or CX by address size. */
static uint64_t counter(const X86Cpu *cpu, const Insn *insn)
{
    uint64_t rcx = cpu->gpr[R_RCX];
    return insn->address_bits == 16   ? (uint16_t)rcx
           : insn->address_bits == 32 ? (uint32_t)rcx
                                      : rcx;
}

static InsnResult loop(X86Cpu *cpu, const Insn *insn)
{
    uint64_t count = counter(cpu, insn) - 1, old_rcx = cpu->gpr[R_RCX];
    bool zf = cpu->eflags & EFLAGS_ZF, taken;
    InsnResult result;

    gpr_write(cpu, R_RCX, count, insn->address_bits / 8);
    taken = counter(cpu, insn) != 0;
    if (insn->mnemonic == ZYDIS_MNEMONIC_LOOPE) {
        taken = taken && zf;
    } else if (insn->mnemonic == ZYDIS_MNEMONIC_LOOPNE) {
        taken = taken && !zf;
    }
    result = jump_relative(cpu, insn, taken);
    if (result == INSN_FAULT) {
        cpu->gpr[R_RCX] = old_rcx;
    }
    return result;
}

InsnResult exact_branch(X86Cpu *cpu, const Insn *insn)
{
    uint64_t target;

    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_CALL:
        return call_near(cpu, insn);
    case ZYDIS_MNEMONIC_RET:
        return ret_near(cpu, insn);
    case ZYDIS_MNEMONIC_JMP:
        if (insn->operands[0].kind == OPERAND_REL) {
            return jump_relative(cpu, insn, true);
        }
        return insn_read_operand(cpu, insn, 0, &target) && jump_near(cpu, insn, target)
                   ? INSN_JUMP
                   : INSN_FAULT;
    case ZYDIS_MNEMONIC_LOOP:
    case ZYDIS_MNEMONIC_LOOPE:
    case ZYDIS_MNEMONIC_LOOPNE:
        return loop(cpu, insn);
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ:
        return jump_relative(cpu, insn, counter(cpu, insn) == 0);
    default:
        return jump_relative(cpu, insn, condition_holds(cpu->eflags, insn->opcode & 15));
    }
}

/* POP to memory computes the address with the stack pointer already raised. */
static InsnResult pop(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    uint64_t value, old_rsp = cpu->gpr[R_RSP];
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, &value, 1, size)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    if (!insn_write_operand(cpu, insn, 0, value)) {
        cpu->gpr[R_RSP] = old_rsp;
        return INSN_FAULT;
    }
    return INSN_NEXT;
}

InsnResult exact_stack(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value;

    if (insn->mnemonic == ZYDIS_MNEMONIC_POP) {
        return pop(cpu, insn);
    }
    return insn_read_operand(cpu, insn, 0, &value) && push(cpu, value, insn_stack_size(cpu, insn))
               ? INSN_NEXT
               : INSN_FAULT;
}
