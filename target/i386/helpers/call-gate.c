/* SPDX-License-Identifier: MIT */
/* JMP and CALL through call gates, task gates and TSS descriptors. Intel SDM vol. 3, 5.8.2-5.8.5
 * and 7.3. */
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

#define GATE_MAX_PARAMETERS 31

typedef struct CallGate {
    uint16_t selector;
    uint8_t parameters; /* words or doublewords copied to the inner stack; 0 in long mode */
    uint8_t size;       /* bytes of each pushed value: 2, 4 or 8 */
    uint64_t offset;
} CallGate;

static bool read_call_gate(X86Cpu *cpu, uint16_t selector, unsigned type, CallGate *ret_gate)
{
    uint32_t words[4] = {0, 0, 0, 0};

    if (mode_is_long(cpu)) {
        if (!segment_read_wide_descriptor(cpu, selector, VECTOR_GP, words)) {
            return false;
        }
        if (words[3] & 0x1f00) {
            return fault_selector(cpu, VECTOR_GP, selector);
        }
        ret_gate->parameters = 0;
        ret_gate->size = 8;
    } else {
        if (!segment_read_descriptor(cpu, selector, VECTOR_GP, &words[0], &words[1])) {
            return false;
        }
        ret_gate->parameters = words[1] & 0x1f;
        ret_gate->size = type == SYSTEM_CALL_GATE32 ? 4 : 2;
    }
    ret_gate->selector = (uint16_t)(words[0] >> 16);
    ret_gate->offset = words[0] & 0xffff;
    if (ret_gate->size > 2) {
        ret_gate->offset |= words[1] & 0xffff0000u;
        ret_gate->offset |= (uint64_t)words[2] << 32;
    }
    return true;
}

/* The common call: the return address goes onto the current stack. */
static bool enter_same_ring(X86Cpu *cpu, const CallGate *gate, Segment *cs, uint64_t next_rip,
                            bool is_call)
{
    uint64_t frame[2] = {cpu->seg[SEG_CS].selector, next_rip};
    Stack stack;

    if (is_call) {
        stack_current(cpu, &stack);
        if (mode_is_long(cpu)) {
            stack.is_64bit = true;
            stack.mask = UINT64_MAX;
        }
        if (!stack_push(cpu, &stack, frame, 2, gate->size)) {
            return false;
        }
    }
    if (!code_check_offset(cpu, cs, gate->offset) || !segment_set_accessed(cpu, cs)) {
        return false;
    }
    if (is_call) {
        stack_commit_pointer(cpu, &stack);
    }
    code_commit(cpu, cs, cpu->cpl, gate->offset);
    return true;
}

/* Fills SS SP, the parameters in their order on the stack, CS IP; returns how many, 0: a fault. */
static unsigned build_inner_frame(X86Cpu *cpu, const CallGate *gate, uint64_t next_rip,
                                  uint64_t frame[GATE_MAX_PARAMETERS + 4])
{
    uint64_t parameters[GATE_MAX_PARAMETERS];
    unsigned n = 0;
    Stack old;

    frame[n++] = cpu->seg[SEG_SS].selector;
    frame[n++] = cpu->gpr[R_RSP];
    if (gate->parameters) {
        stack_current(cpu, &old);
        if (!stack_pop(cpu, &old, parameters, gate->parameters, gate->size)) {
            return 0;
        }
        for (unsigned i = gate->parameters; i-- > 0;) {
            frame[n++] = parameters[i];
        }
    }
    frame[n++] = cpu->seg[SEG_CS].selector;
    frame[n++] = next_rip;
    return n;
}

static bool enter_inner_ring(X86Cpu *cpu, const CallGate *gate, Segment *cs, uint64_t next_rip)
{
    unsigned ring = segment_dpl(cs), count;
    uint64_t frame[GATE_MAX_PARAMETERS + 4];
    Stack stack;

    if (!stack_of_ring(cpu, ring, 0, &stack)) {
        return false;
    }
    count = build_inner_frame(cpu, gate, next_rip, frame);
    if (!count || !stack_push(cpu, &stack, frame, count, gate->size) ||
        !code_check_offset(cpu, cs, gate->offset) || !segment_set_accessed(cpu, cs)) {
        return false;
    }
    segment_commit(cpu, SEG_SS, &stack.ss);
    stack_commit_pointer(cpu, &stack);
    code_commit(cpu, cs, ring, gate->offset);
    return true;
}

static bool through_call_gate(X86Cpu *cpu, uint16_t selector, unsigned type, uint64_t next_rip,
                              bool is_call)
{
    CallGate gate;
    Segment cs;

    if (!read_call_gate(cpu, selector, type, &gate) ||
        !code_fetch_for_gate(cpu, gate.selector, &cs)) {
        return false;
    }
    if (segment_is_conforming(&cs) || segment_dpl(&cs) == cpu->cpl) {
        return enter_same_ring(cpu, &gate, &cs, next_rip, is_call);
    }
    return is_call ? enter_inner_ring(cpu, &gate, &cs, next_rip)
                   : fault_selector(cpu, VECTOR_GP, gate.selector);
}

static bool through_task_gate(X86Cpu *cpu, uint32_t low, uint64_t next_rip, TaskSwitchCause cause)
{
    uint16_t tss = (uint16_t)(low >> 16);

    return task_check_target(cpu, tss) && task_switch(cpu, tss, cause, next_rip, NULL);
}

/* Which system descriptors may be the target of a far transfer. */
static bool type_is_target(const X86Cpu *cpu, unsigned type)
{
    switch (type) {
    case SYSTEM_CALL_GATE32:
        return true;
    case SYSTEM_CALL_GATE16:
    case SYSTEM_TASK_GATE:
    case SYSTEM_TSS16:
    case SYSTEM_TSS32:
        return !mode_is_long(cpu);
    default:
        return false;
    }
}

InsnResult transfer_through_system(X86Cpu *cpu, const Insn *insn, uint16_t selector, bool is_call)
{
    TaskSwitchCause cause = is_call ? TASK_SWITCH_CALL : TASK_SWITCH_JMP;
    uint64_t next_rip = insn_next_rip(cpu, insn);
    unsigned rpl = selector & 3, dpl, type;
    uint32_t low, high;
    bool done;

    if (!segment_read_descriptor(cpu, selector, VECTOR_GP, &low, &high)) {
        return INSN_FAULT;
    }
    type = high >> 8 & SEG_TYPE_MASK;
    dpl = high >> 13 & 3;
    if (!type_is_target(cpu, type) || dpl < cpu->cpl || rpl > dpl) {
        fault_selector(cpu, VECTOR_GP, selector);
        return INSN_FAULT;
    }
    if (!(high & 1u << 15)) {
        fault_selector(cpu, VECTOR_NP, selector);
        return INSN_FAULT;
    }
    switch (type) {
    case SYSTEM_CALL_GATE16:
    case SYSTEM_CALL_GATE32:
        done = through_call_gate(cpu, selector, type, next_rip, is_call);
        break;
    case SYSTEM_TASK_GATE:
        done = through_task_gate(cpu, low, next_rip, cause);
        break;
    default:
        done =
            task_check_target(cpu, selector) && task_switch(cpu, selector, cause, next_rip, NULL);
        break;
    }
    return done ? INSN_JUMP : INSN_FAULT;
}
