/* SPDX-License-Identifier: MIT */
/* PUSHA, POPA, ENTER, LEAVE: stack instructions of several accesses. Intel SDM vol. 2. */
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define ENTER_MAX_LEVEL 31

InsnResult helper_pusha(X86Cpu *cpu, const Insn *insn)
{
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_push(cpu, &stack, cpu->gpr, 8, insn->operand_bits / 8)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

InsnResult helper_popa(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn->operand_bits / 8;
    uint64_t values[8];
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, values, 8, size)) {
        return INSN_FAULT;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (7 - i != R_RSP) {
            gpr_write(cpu, 7 - i, values[i], size);
        }
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

/* The display of ENTER: the frame pointers of the enclosing levels, read through the old one. */
static bool read_display(X86Cpu *cpu, const Stack *stack, unsigned count, unsigned size,
                         uint64_t *ret_values)
{
    Stack display = *stack;

    display.sp = cpu->gpr[R_RBP];
    for (unsigned i = 0; i < count; i++) {
        Stack slot = display;

        stack_skip(&slot, -(int64_t)size);
        display.sp = slot.sp;
        if (!stack_pop(cpu, &slot, &ret_values[i], 1, size)) {
            return false;
        }
    }
    return true;
}

InsnResult helper_enter(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    unsigned level = insn->immediate2 & ENTER_MAX_LEVEL, n = 0;
    uint64_t values[ENTER_MAX_LEVEL + 1], frame_pointer;
    Stack stack, after_push;

    stack_current(cpu, &stack);
    values[n++] = cpu->gpr[R_RBP];
    after_push = stack;
    stack_skip(&after_push, -(int64_t)size);
    frame_pointer = after_push.sp;
    if (level > 1) {
        if (!read_display(cpu, &stack, level - 1, size, &values[n])) {
            return INSN_FAULT;
        }
        n += level - 1;
    }
    if (level > 0) {
        values[n++] = frame_pointer;
    }
    if (!stack_push(cpu, &stack, values, n, size)) {
        return INSN_FAULT;
    }
    stack_skip(&stack, -(int64_t)(insn->immediate & 0xffff));
    /* The new top must be writable, so that a page fault comes here and not later. */
    if (!stack_probe_write(cpu, &stack, size)) {
        return INSN_FAULT;
    }
    gpr_write(cpu, R_RBP, frame_pointer, size);
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

InsnResult helper_leave(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    uint64_t value;
    Stack stack;

    stack_current(cpu, &stack);
    stack.sp = (stack.sp & ~stack.mask) | (cpu->gpr[R_RBP] & stack.mask);
    if (!stack_pop(cpu, &stack, &value, 1, size)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    gpr_write(cpu, R_RBP, value, size);
    return INSN_NEXT;
}
