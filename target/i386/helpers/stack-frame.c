/* SPDX-License-Identifier: MIT */
/* PUSHA, POPA, ENTER, LEAVE: stack instructions of several accesses. Intel SDM vol. 2. */
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define ENTER_MAX_LEVEL 31

/* One register after the other: when one faults, those before it are already in memory. */
InsnResult helper_pusha(X86Cpu *cpu, const Insn *insn)
{
    Stack stack;

    stack_current(cpu, &stack);
    for (unsigned i = 0; i < 8; i++) {
        if (!stack_push(cpu, &stack, &cpu->gpr[i], 1, insn->operand_bits / 8)) {
            return INSN_FAULT;
        }
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

/* Registers read before a fault keep what they got; the stack pointer is as before. */
InsnResult helper_popa(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn->operand_bits / 8;
    uint64_t value;
    Stack stack;

    stack_current(cpu, &stack);
    for (unsigned i = 8; i-- > 0;) {
        if (!stack_pop(cpu, &stack, &value, 1, size)) {
            return INSN_FAULT;
        }
        if (i != R_RSP) {
            gpr_write(cpu, i, value, size);
        }
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

/* The display of ENTER: copies the frame pointers of the enclosing levels, found through the old
 * one. Each is pushed before the next is read, which page faults in between let show. */
static bool copy_display(X86Cpu *cpu, Stack *stack, unsigned count, unsigned size)
{
    Stack display = *stack;
    uint64_t value;

    display.sp = cpu->gpr[R_RBP];
    for (unsigned i = 0; i < count; i++) {
        Stack slot = display;

        stack_skip(&slot, -(int64_t)size);
        display.sp = slot.sp;
        if (!stack_pop(cpu, &slot, &value, 1, size) || !stack_push(cpu, stack, &value, 1, size)) {
            return false;
        }
    }
    return true;
}

InsnResult helper_enter(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn_stack_size(cpu, insn);
    unsigned level = insn->immediate2 & ENTER_MAX_LEVEL;
    uint64_t frame_pointer;
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_push(cpu, &stack, &cpu->gpr[R_RBP], 1, size)) {
        return INSN_FAULT;
    }
    frame_pointer = stack.sp;
    if (level > 0 && (!copy_display(cpu, &stack, level - 1, size) ||
                      !stack_push(cpu, &stack, &frame_pointer, 1, size))) {
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
