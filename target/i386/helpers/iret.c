/* SPDX-License-Identifier: MIT */
/* IRET in every mode and to every ring. Intel SDM vol. 2 IRET. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/transfer.h"

#define FLAGS_ANY_RING                                                                             \
    (EFLAGS_ARITHMETIC | EFLAGS_TF | EFLAGS_DF | EFLAGS_NT | EFLAGS_RF | EFLAGS_AC | EFLAGS_ID)
#define FLAGS_REAL_MODE (FLAGS_ANY_RING | EFLAGS_IF | EFLAGS_IOPL)
#define FLAGS_TO_V8086 (FLAGS_REAL_MODE | EFLAGS_VM | EFLAGS_VIF | EFLAGS_VIP)

/* EFLAGS with the bits of `mask` from `image`; a 16-bit image has only the lower half. */
static uint64_t merge_flags(const X86Cpu *cpu, uint64_t image, uint32_t mask, unsigned size)
{
    if (size == 2) {
        mask &= 0xffff;
    }
    return (cpu->eflags & ~(uint64_t)mask) | (image & mask);
}

/* The bits a protected mode IRET at the current CPL may change. */
static uint32_t writable_flags(const X86Cpu *cpu)
{
    uint32_t mask = FLAGS_ANY_RING;

    if (cpu->cpl <= mode_iopl(cpu)) {
        mask |= EFLAGS_IF;
    }
    if (cpu->cpl == 0) {
        mask |= EFLAGS_IOPL | EFLAGS_VIF | EFLAGS_VIP;
    }
    return mask;
}

/* -- Real and v8086 mode ----------------------------------------------------------------------- */

/* v8086 mode below IOPL 3 under VME: IF of the 16-bit image goes to VIF. */
static bool virtual_flags(X86Cpu *cpu, uint64_t image, uint64_t *ret_flags)
{
    uint64_t flags = merge_flags(cpu, image, FLAGS_REAL_MODE & ~(EFLAGS_IF | EFLAGS_IOPL), 2);

    if ((image & EFLAGS_TF) || ((image & EFLAGS_IF) && (cpu->eflags & EFLAGS_VIP))) {
        return fault_gp(cpu, 0);
    }
    *ret_flags = (flags & ~(uint64_t)EFLAGS_VIF) | (image & EFLAGS_IF ? EFLAGS_VIF : 0);
    return true;
}

static bool iret_real(X86Cpu *cpu, unsigned size)
{
    bool is_virtual = mode_is_v8086(cpu) && mode_iopl(cpu) < 3;
    uint32_t mask = mode_is_v8086(cpu) ? FLAGS_REAL_MODE & ~EFLAGS_IOPL : FLAGS_REAL_MODE;
    uint64_t frame[3], flags;
    Stack stack;

    if (is_virtual && (size != 2 || !(cpu->cr4 & CR4_VME))) {
        return fault_gp(cpu, 0);
    }
    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, frame, 3, size) ||
        !code_check_offset(cpu, &cpu->seg[SEG_CS], frame[0])) {
        return false;
    }
    if (!is_virtual) {
        flags = merge_flags(cpu, frame[2], mask, size);
    } else if (!virtual_flags(cpu, frame[2], &flags)) {
        return false;
    }
    stack_commit_pointer(cpu, &stack);
    segment_set_real(cpu, SEG_CS, (uint16_t)frame[1]);
    cpu->rip = frame[0];
    flags_set(cpu, flags);
    cpu_update_mode(cpu);
    return true;
}

/* -- Protected and long mode ------------------------------------------------------------------- */

/* EIP CS EFLAGS are popped; ESP SS ES DS FS GS follow. */
static bool iret_to_v8086(X86Cpu *cpu, Stack *stack, const uint64_t frame[3])
{
    static const uint8_t order[] = {SEG_SS, SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t rest[6];

    if (!stack_pop(cpu, stack, rest, 6, 4)) {
        return false;
    }
    if ((uint32_t)frame[0] > 0xffff) {
        return fault_gp(cpu, 0);
    }
    flags_set(cpu, merge_flags(cpu, frame[2], FLAGS_TO_V8086, 4));
    segment_set_real(cpu, SEG_CS, (uint16_t)frame[1]);
    for (unsigned i = 0; i < sizeof(order); i++) {
        segment_set_real(cpu, order[i], (uint16_t)rest[1 + i]);
    }
    cpu->gpr[R_RSP] = (uint32_t)rest[0];
    cpu->cpl = 3;
    cpu->rip = frame[0];
    cpu_update_mode(cpu);
    return true;
}

/* CS and where the frame says SS and RSP are. AMD reads those first, and looks at RIP before it
 * looks at SS; Intel checks CS first and RIP last (silicon). */
static bool fetch_code_and_pointer(X86Cpu *cpu, Stack *stack, unsigned size,
                                   const uint64_t frame[3], Segment *ret_cs,
                                   uint64_t ret_pointer[2])
{
    if (cpu->model->is_amd) {
        return stack_pop_far_pointer(cpu, stack, size, ret_pointer) &&
               code_fetch_for_return(cpu, (uint16_t)frame[1], ret_cs) &&
               code_check_offset(cpu, ret_cs, frame[0]);
    }
    return code_fetch_for_return(cpu, (uint16_t)frame[1], ret_cs) &&
           stack_pop_far_pointer(cpu, stack, size, ret_pointer);
}

/* To an outer ring, or from 64-bit code to any: SS and RSP are on the stack too. */
static bool iret_with_stack(X86Cpu *cpu, Stack *stack, unsigned size, const uint64_t frame[3])
{
    unsigned ring = frame[1] & 3;
    bool is_outer = ring > cpu->cpl;
    uint64_t flags, pointer[2], rip;
    Segment cs, ss;
    bool to_64bit;

    if (!fetch_code_and_pointer(cpu, stack, size, frame, &cs, pointer)) {
        return false;
    }
    to_64bit = mode_is_long(cpu) && (cs.attributes & SEG_L);
    rip = code_offset_in(cpu, &cs, frame[0]);
    if (!stack_fetch_for_return(cpu, (uint16_t)pointer[1], ring, to_64bit, &ss) ||
        !code_check_offset(cpu, &cs, rip) || !segment_set_accessed(cpu, &cs) ||
        !segment_set_accessed(cpu, &ss)) {
        return false;
    }
    flags = merge_flags(cpu, frame[2], writable_flags(cpu), size);
    if (!to_64bit && !(ss.attributes & SEG_DB)) {
        pointer[0] = (cpu->gpr[R_RSP] & ~UINT64_C(0xffff)) | (pointer[0] & 0xffff);
    }
    cpu->gpr[R_RSP] = to_64bit ? pointer[0] : (uint32_t)pointer[0];
    flags_set(cpu, flags);
    if (is_outer) {
        segments_drop_inner(cpu, ring);
    }
    code_commit_with_stack(cpu, &cs, &ss, ring, rip);
    return true;
}

/* Out of 16- or 32-bit code, so RIP has no upper half. */
static bool iret_to_same(X86Cpu *cpu, Stack *stack, unsigned size, const uint64_t frame[3])
{
    Segment cs;

    if (!code_fetch_for_return(cpu, (uint16_t)frame[1], &cs) ||
        !code_check_offset(cpu, &cs, frame[0]) || !segment_set_accessed(cpu, &cs)) {
        return false;
    }
    stack_commit_pointer(cpu, stack);
    flags_set(cpu, merge_flags(cpu, frame[2], writable_flags(cpu), size));
    code_commit(cpu, &cs, cpu->cpl, frame[0]);
    return true;
}

/* NT: back to the task named by the link field of this one's TSS. */
static bool iret_to_task(X86Cpu *cpu, const Insn *insn)
{
    uint16_t link;

    if (!access_read_u16(cpu, (uint32_t)cpu->tr.base, &link, ACCESS_SYSTEM)) {
        return false;
    }
    if (selector_is_null(link)) {
        return fault_raise_error(cpu, VECTOR_TS, 0);
    }
    return task_switch(cpu, link, TASK_SWITCH_IRET, insn_next_rip(cpu, insn), NULL);
}

static bool iret_protected(X86Cpu *cpu, const Insn *insn, unsigned size)
{
    uint64_t frame[3];
    Stack stack;

    if (cpu->eflags & EFLAGS_NT) {
        return mode_is_long(cpu) ? fault_gp(cpu, 0) : iret_to_task(cpu, insn);
    }
    stack_current(cpu, &stack);
    /* the flags are looked at first, then CS */
    if (!stack_probe_read(cpu, &stack, 2 * size, size) ||
        !stack_pop_far_pointer(cpu, &stack, size, frame) ||
        !stack_pop(cpu, &stack, &frame[2], 1, size)) {
        return false;
    }
    if (size == 4 && (frame[2] & EFLAGS_VM) && cpu->cpl == 0 && !mode_is_long(cpu)) {
        return iret_to_v8086(cpu, &stack, frame);
    }
    if (mode_is_64bit(cpu) || return_reads_stack(cpu, (uint16_t)frame[1])) {
        return iret_with_stack(cpu, &stack, size, frame);
    }
    return iret_to_same(cpu, &stack, size, frame);
}

InsnResult helper_iret(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = insn->operand_bits / 8;
    bool done = mode_is_protected(cpu) ? iret_protected(cpu, insn, size) : iret_real(cpu, size);

    if (!done) {
        return INSN_FAULT;
    }
    cpu->nmi_masked = false;
    return INSN_JUMP;
}
