/* SPDX-License-Identifier: MIT */
/* Far JMP, CALL and RET: checks of code segments and transfers to them. Intel SDM vol. 2 JMP, CALL,
 * RET. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

#define SELECTOR_SIZE 2

/* -- Code segments ----------------------------------------------------------------------------- */

bool code_check_offset(X86Cpu *cpu, const Segment *cs, uint64_t rip)
{
    if (mode_is_long(cpu) && (cs->attributes & SEG_L)) {
        return paging_is_canonical(cpu, rip) || fault_gp(cpu, 0);
    }
    return rip <= cs->limit || fault_gp(cpu, 0);
}

uint64_t code_offset_in(const X86Cpu *cpu, const Segment *cs, uint64_t rip)
{
    return cpu->model->is_amd || cs->attributes & SEG_L ? rip : (uint32_t)rip;
}

/* L together with D is reserved in long mode. */
static bool code_size_is_reserved(const X86Cpu *cpu, const Segment *cs)
{
    return mode_is_long(cpu) && (cs->attributes & SEG_L) && (cs->attributes & SEG_DB);
}

static bool code_check_present(X86Cpu *cpu, const Segment *cs)
{
    return (cs->attributes & SEG_P) || fault_selector(cpu, VECTOR_NP, cs->selector);
}

bool code_fetch_for_gate(X86Cpu *cpu, uint16_t selector, Segment *ret_cs)
{
    if (selector_is_null(selector)) {
        return fault_gp(cpu, 0);
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, ret_cs)) {
        return false;
    }
    if (!segment_is_code(ret_cs) || segment_dpl(ret_cs) > cpu->cpl ||
        (mode_is_long(cpu) && (ret_cs->attributes & (SEG_L | SEG_DB)) != SEG_L)) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    return code_check_present(cpu, ret_cs);
}

bool code_fetch_for_return(X86Cpu *cpu, uint16_t selector, Segment *ret_cs)
{
    unsigned rpl = selector & 3, dpl;

    if (selector_is_null(selector)) {
        return fault_gp(cpu, 0);
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, ret_cs)) {
        return false;
    }
    dpl = segment_dpl(ret_cs);
    if (!segment_is_code(ret_cs) || rpl < cpu->cpl ||
        (segment_is_conforming(ret_cs) ? dpl > rpl : dpl != rpl) ||
        code_size_is_reserved(cpu, ret_cs)) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    return code_check_present(cpu, ret_cs);
}

bool stack_fetch_for_return(X86Cpu *cpu, uint16_t selector, unsigned ring, bool to_64bit,
                            Segment *ret_ss)
{
    if (selector_is_null(selector)) {
        *ret_ss = segment_null_stack(ring);
        ret_ss->selector = selector;
        return (to_64bit && ring != 3 && (selector & 3u) == ring) || fault_gp(cpu, 0);
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, ret_ss)) {
        return false;
    }
    if ((selector & 3u) != ring || !segment_is_writable(ret_ss) || segment_dpl(ret_ss) != ring) {
        return fault_selector(cpu, VECTOR_GP, selector);
    }
    return (ret_ss->attributes & SEG_P) || fault_selector(cpu, VECTOR_SS, selector);
}

void code_commit(X86Cpu *cpu, const Segment *cs, unsigned ring, uint64_t rip)
{
    cpu->cpl = (uint8_t)ring;
    cpu->rip = rip;
    cpu->seg[SEG_CS] = *cs;
    cpu->seg[SEG_CS].selector = (uint16_t)((cs->selector & 0xfffc) | ring);
    cpu_update_mode(cpu);
    cpu_update_limits(cpu, SEG_CS);
}

void code_commit_with_stack(X86Cpu *cpu, const Segment *cs, const Segment *ss, unsigned ring,
                            uint64_t rip)
{
    cpu->seg[SEG_SS] = *ss;
    code_commit(cpu, cs, ring, rip);
    cpu_update_limits(cpu, SEG_SS);
}

/* -- JMP and CALL ------------------------------------------------------------------------------ */

bool insn_read_far_pointer(X86Cpu *cpu, const Insn *insn, unsigned size, uint64_t *ret_offset,
                           uint16_t *ret_selector)
{
    uint64_t address = insn_effective_address(cpu, insn), linear, offset = 0;
    uint64_t mask = insn->address_bits == 16   ? UINT16_MAX
                    : insn->address_bits == 32 ? UINT32_MAX
                                               : UINT64_MAX;

    if (!access_linear(cpu, insn->segment, address, size, ACCESS_READ, &linear) ||
        !access_read(cpu, linear, &offset, size, ACCESS_READ) ||
        !access_linear(cpu, insn->segment, (address + size) & mask, 2, ACCESS_READ, &linear) ||
        !access_read_u16(cpu, linear, ret_selector, ACCESS_READ)) {
        return false;
    }
    *ret_offset = offset;
    return true;
}

unsigned far_offset_size(const X86Cpu *cpu, const Insn *insn)
{
    return insn->operand_bits == 64 && cpu->model->is_amd ? 4 : insn->operand_bits / 8;
}

/* Where the instruction points: ptr16:16/32 in the code, or m16:16/32/64. */
static bool read_far_pointer(X86Cpu *cpu, const Insn *insn, uint64_t *ret_offset,
                             uint16_t *ret_selector)
{
    unsigned size = far_offset_size(cpu, insn);

    if (insn->memory_operand == INSN_NO_REG) {
        *ret_offset = size == 2 ? (uint16_t)insn->immediate : (uint32_t)insn->immediate;
        *ret_selector = insn->immediate2;
        return true;
    }
    return insn_read_far_pointer(cpu, insn, size, ret_offset, ret_selector);
}

static InsnResult transfer_real(X86Cpu *cpu, const Insn *insn, uint16_t selector, uint64_t offset,
                                bool is_call)
{
    uint64_t frame[2] = {cpu->seg[SEG_CS].selector, insn_next_rip(cpu, insn)};
    Stack stack;

    if (is_call) {
        stack_current(cpu, &stack);
        if (!stack_push(cpu, &stack, frame, 2, insn->operand_bits / 8)) {
            return INSN_FAULT;
        }
    }
    if (!code_check_offset(cpu, &cpu->seg[SEG_CS], offset)) {
        return INSN_FAULT;
    }
    if (is_call) {
        stack_commit_pointer(cpu, &stack);
    }
    segment_set_real(cpu, SEG_CS, selector);
    cpu->rip = offset;
    cpu_update_mode(cpu);
    return INSN_JUMP;
}

static bool check_direct_target(X86Cpu *cpu, const Segment *cs)
{
    unsigned rpl = cs->selector & 3, dpl = segment_dpl(cs);
    bool allowed = segment_is_conforming(cs) ? dpl <= cpu->cpl : rpl <= cpu->cpl && dpl == cpu->cpl;

    if (!allowed || code_size_is_reserved(cpu, cs)) {
        return fault_selector(cpu, VECTOR_GP, cs->selector);
    }
    return code_check_present(cpu, cs);
}

static bool transfer_direct(X86Cpu *cpu, const Insn *insn, Segment *cs, uint64_t offset,
                            bool is_call)
{
    uint64_t frame[2] = {cpu->seg[SEG_CS].selector, insn_next_rip(cpu, insn)};
    Stack stack;

    if (!check_direct_target(cpu, cs)) {
        return false;
    }
    offset = code_offset_in(cpu, cs, offset);
    if (is_call) {
        stack_current(cpu, &stack);
        if (mode_is_long(cpu)) { /* it is the new mode's already */
            stack_set_64bit(&stack, cs->attributes & SEG_L);
        }
        if (!stack_push(cpu, &stack, frame, 2, insn->operand_bits / 8)) {
            return false;
        }
    }
    if (!code_check_offset(cpu, cs, offset) || !segment_set_accessed(cpu, cs)) {
        return false;
    }
    if (is_call) {
        stack_commit_pointer(cpu, &stack);
    }
    code_commit(cpu, cs, cpu->cpl, offset);
    return true;
}

static InsnResult transfer_far(X86Cpu *cpu, const Insn *insn, bool is_call)
{
    uint16_t selector;
    uint64_t offset;
    Segment cs;

    if (!read_far_pointer(cpu, insn, &offset, &selector)) {
        return INSN_FAULT;
    }
    if (!mode_is_protected(cpu)) {
        return transfer_real(cpu, insn, selector, offset, is_call);
    }
    if (selector_is_null(selector)) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    if (!segment_fetch(cpu, selector, VECTOR_GP, &cs)) {
        return INSN_FAULT;
    }
    if (!(cs.attributes & SEG_S)) {
        return transfer_through_system(cpu, insn, selector, is_call);
    }
    if (!segment_is_code(&cs)) {
        fault_selector(cpu, VECTOR_GP, selector);
        return INSN_FAULT;
    }
    return transfer_direct(cpu, insn, &cs, offset, is_call) ? INSN_JUMP : INSN_FAULT;
}

InsnResult helper_jmp_far(X86Cpu *cpu, const Insn *insn)
{
    return transfer_far(cpu, insn, false);
}

InsnResult helper_call_far(X86Cpu *cpu, const Insn *insn)
{
    return transfer_far(cpu, insn, true);
}

/* -- RET --------------------------------------------------------------------------------------- */

static InsnResult return_real(X86Cpu *cpu, Stack *stack, unsigned size, unsigned release)
{
    uint64_t frame[2];

    if (!stack_pop(cpu, stack, frame, 2, size) ||
        !code_check_offset(cpu, &cpu->seg[SEG_CS], frame[0])) {
        return INSN_FAULT;
    }
    stack_skip(stack, release);
    stack_commit_pointer(cpu, stack);
    segment_set_real(cpu, SEG_CS, (uint16_t)frame[1]);
    cpu->rip = frame[0];
    cpu_update_mode(cpu);
    return INSN_JUMP;
}

/* The new stack pointer of a return to an outer ring, in the width of that stack. */
static Stack outer_stack(const X86Cpu *cpu, const Segment *ss, uint64_t sp, bool to_64bit)
{
    Stack stack = {.ss = *ss, .sp = sp, .is_64bit = to_64bit, .mask = UINT64_MAX};

    if (!to_64bit) {
        stack.mask = ss->attributes & SEG_DB ? 0xffffffffu : 0xffffu;
        stack.sp = (cpu->gpr[R_RSP] & ~stack.mask) | (sp & stack.mask);
    }
    return stack;
}

bool stack_pop_far_pointer(X86Cpu *cpu, Stack *stack, unsigned size, uint64_t ret_pair[2])
{
    Stack slot = *stack;

    if (cpu->model->is_amd) {
        return stack_probe_read(cpu, stack, size, size) && stack_pop(cpu, stack, ret_pair, 2, size);
    }
    stack_skip(&slot, size);
    if (!stack_pop(cpu, &slot, &ret_pair[1], 1, SELECTOR_SIZE) ||
        !stack_pop(cpu, stack, &ret_pair[0], 1, size)) {
        return false;
    }
    stack_skip(stack, size);
    return true;
}

bool return_reads_stack(const X86Cpu *cpu, uint16_t selector)
{
    unsigned rpl = selector & 3;

    return rpl > cpu->cpl || (rpl < cpu->cpl && cpu->model->is_amd);
}

/* The outer stack pointer is read before anything is said about the code segment. */
static bool return_to_outer(X86Cpu *cpu, Stack *stack, unsigned size, unsigned release,
                            const uint64_t frame[2])
{
    unsigned ring = frame[1] & 3;
    Segment cs, ss;
    uint64_t pointer[2], rip;
    bool to_64bit;
    Stack outer;

    stack_skip(stack, release);
    if (!stack_pop_far_pointer(cpu, stack, size, pointer) ||
        !code_fetch_for_return(cpu, (uint16_t)frame[1], &cs)) {
        return false;
    }
    to_64bit = mode_is_long(cpu) && (cs.attributes & SEG_L);
    rip = code_offset_in(cpu, &cs, frame[0]);
    if (!stack_fetch_for_return(cpu, (uint16_t)pointer[1], ring, to_64bit, &ss) ||
        !code_check_offset(cpu, &cs, rip) || !segment_set_accessed(cpu, &cs) ||
        !segment_set_accessed(cpu, &ss)) {
        return false;
    }
    outer = outer_stack(cpu, &ss, pointer[0], to_64bit);
    stack_skip(&outer, release);
    segment_commit(cpu, SEG_SS, &ss);
    stack_commit_pointer(cpu, &outer);
    segments_drop_inner(cpu, ring);
    code_commit(cpu, &cs, ring, rip);
    return true;
}

/* The silicon, AMD's as Intel's, moves the stack pointer in the width of the mode that it has come
 * to. */
static bool return_to_same(X86Cpu *cpu, unsigned size, unsigned release, const uint64_t frame[2])
{
    uint64_t rip;
    Stack stack;
    Segment cs;

    if (!code_fetch_for_return(cpu, (uint16_t)frame[1], &cs)) {
        return false;
    }
    rip = code_offset_in(cpu, &cs, frame[0]);
    if (!code_check_offset(cpu, &cs, rip) || !segment_set_accessed(cpu, &cs)) {
        return false;
    }
    stack_current(cpu, &stack);
    if (mode_is_long(cpu)) {
        stack_set_64bit(&stack, cs.attributes & SEG_L);
    }
    stack_skip(&stack, 2 * size + release);
    stack_commit_pointer(cpu, &stack);
    code_commit(cpu, &cs, cpu->cpl, rip);
    return true;
}

InsnResult helper_ret_far(X86Cpu *cpu, const Insn *insn)
{
    unsigned release = insn->opcode == 0xca ? insn->immediate & 0xffff : 0;
    unsigned size = insn->operand_bits / 8;
    uint64_t frame[2];
    Stack stack;
    bool done;

    stack_current(cpu, &stack);
    if (!mode_is_protected(cpu)) {
        return return_real(cpu, &stack, size, release);
    }
    if (!stack_pop_far_pointer(cpu, &stack, size, frame)) {
        return INSN_FAULT;
    }
    if (return_reads_stack(cpu, (uint16_t)frame[1])) {
        done = return_to_outer(cpu, &stack, size, release, frame);
    } else {
        done = return_to_same(cpu, size, release, frame);
    }
    return done ? INSN_JUMP : INSN_FAULT;
}
