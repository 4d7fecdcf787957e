/* SPDX-License-Identifier: MIT */
/* Instructions on segment registers, selectors and the FS and GS bases. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

static InsnResult undefined(X86Cpu *cpu)
{
    fault_ud(cpu);
    return INSN_FAULT;
}

static bool is_segment_register(const InsnOperand *operand)
{
    return operand->kind == OPERAND_REG && operand->reg_class == REG_SEGMENT;
}

/* A load of SS by MOV or POP holds interrupts off for one instruction, so that SP can follow. */
static void shadow_after(X86Cpu *cpu, unsigned segment)
{
    if (segment == SEG_SS) {
        cpu->interrupt_shadow = true;
        cpu->shadow_is_mov_ss = true;
    }
}

InsnResult helper_mov_segment(X86Cpu *cpu, const Insn *insn)
{
    unsigned segment;
    uint64_t value;

    if (!is_segment_register(&insn->operands[0])) {
        segment = insn->operands[1].reg;
        return insn_write_operand(cpu, insn, 0, cpu->seg[segment].selector) ? INSN_NEXT
                                                                            : INSN_FAULT;
    }
    segment = insn->operands[0].reg;
    if (segment == SEG_CS) {
        return undefined(cpu);
    }
    if (!insn_read_operand(cpu, insn, 1, &value) || !segment_load(cpu, segment, (uint16_t)value)) {
        return INSN_FAULT;
    }
    shadow_after(cpu, segment);
    return INSN_NEXT;
}

/* Bytes a PUSH accesses of the `size` it moves the stack pointer by. Where that is 4, Intel moves
 * 16 bits alone and leaves the upper half of the slot as it was (SDM vol. 2 PUSH). */
static unsigned pushed_size(const X86Cpu *cpu, unsigned size)
{
    return size == 4 && !cpu->model->is_amd ? 2 : size;
}

/* The same of a POP: Intel's silicon reads 16 bits, in 64-bit code too. */
static unsigned popped_size(const X86Cpu *cpu, unsigned size)
{
    return cpu->model->is_amd ? size : 2;
}

InsnResult helper_push_segment(X86Cpu *cpu, const Insn *insn)
{
    uint64_t value = cpu->seg[insn->operands[0].reg].selector;
    unsigned size = insn_stack_size(cpu, insn), accessed = pushed_size(cpu, size);
    Stack stack;

    stack_current(cpu, &stack);
    stack_skip(&stack, -(int64_t)(size - accessed));
    if (!stack_push(cpu, &stack, &value, 1, accessed)) {
        return INSN_FAULT;
    }
    stack_commit_pointer(cpu, &stack);
    return INSN_NEXT;
}

InsnResult helper_pop_segment(X86Cpu *cpu, const Insn *insn)
{
    unsigned segment = insn->operands[0].reg;
    unsigned size = insn_stack_size(cpu, insn), accessed = popped_size(cpu, size);
    uint64_t value;
    Stack stack;

    stack_current(cpu, &stack);
    if (!stack_pop(cpu, &stack, &value, 1, accessed) ||
        !segment_load(cpu, segment, (uint16_t)value)) {
        return INSN_FAULT;
    }
    stack_skip(&stack, size - accessed);
    stack_commit_pointer(cpu, &stack);
    shadow_after(cpu, segment);
    return INSN_NEXT;
}

static unsigned far_pointer_segment(const Insn *insn)
{
    switch (insn->opcode) {
    case 0xc4:
        return SEG_ES;
    case 0xc5:
        return SEG_DS;
    case 0xb2:
        return SEG_SS;
    case 0xb4:
        return SEG_FS;
    default:
        return SEG_GS;
    }
}

InsnResult helper_load_far_pointer(X86Cpu *cpu, const Insn *insn)
{
    unsigned size = far_offset_size(cpu, insn);
    uint64_t offset;
    uint16_t selector;

    if (!insn_read_far_pointer(cpu, insn, size, &offset, &selector) ||
        !segment_load(cpu, far_pointer_segment(insn), selector)) {
        return INSN_FAULT;
    }
    insn_write_operand(cpu, insn, 0, offset); /* a register: cannot fault */
    return INSN_NEXT;
}

/* -- LAR LSL VERR VERW ARPL -------------------------------------------------------------------- */

static void set_zf(X86Cpu *cpu, bool value)
{
    cpu->eflags = value ? cpu->eflags | EFLAGS_ZF : cpu->eflags & ~(uint64_t)EFLAGS_ZF;
}

/* System types LAR (and all but gates: LSL) tell about. */
static bool system_type_is_visible(const X86Cpu *cpu, unsigned type, bool is_lsl)
{
    switch (type) {
    case SYSTEM_LDT:
    case SYSTEM_TSS32:
    case SYSTEM_TSS32_BUSY:
        return true;
    case SYSTEM_TSS16:
    case SYSTEM_TSS16_BUSY:
        return !mode_is_long(cpu);
    case SYSTEM_CALL_GATE32:
        return !is_lsl;
    case SYSTEM_CALL_GATE16:
    case SYSTEM_TASK_GATE:
        return !is_lsl && !mode_is_long(cpu);
    default:
        return false;
    }
}

static bool is_accessible(const X86Cpu *cpu, const Segment *segment)
{
    unsigned dpl = segment_dpl(segment);

    return segment_is_conforming(segment) ||
           (cpu->cpl <= dpl && (unsigned)(segment->selector & 3) <= dpl);
}

/* The segment operand n names, if there is one. False: a fault. */
static bool read_named_segment(X86Cpu *cpu, const Insn *insn, unsigned n, bool *ret_exists,
                               Segment *ret_segment, uint32_t *ret_high)
{
    uint64_t selector;
    uint32_t low = 0, high = 0;

    if (!mode_is_protected(cpu)) {
        return fault_ud(cpu);
    }
    if (!insn_read_operand(cpu, insn, n, &selector) ||
        !segment_try_descriptor(cpu, (uint16_t)selector, ret_exists, &low, &high)) {
        return false;
    }
    *ret_segment = segment_from_descriptor((uint16_t)selector, low, high);
    *ret_high = high;
    return true;
}

static InsnResult query_segment(X86Cpu *cpu, const Insn *insn, bool is_lsl)
{
    Segment segment;
    uint32_t high;
    bool exists;

    if (!read_named_segment(cpu, insn, 1, &exists, &segment, &high)) {
        return INSN_FAULT;
    }
    if (exists && !(segment.attributes & SEG_S)) {
        exists = system_type_is_visible(cpu, segment.attributes & SEG_TYPE_MASK, is_lsl);
    }
    if (exists && is_accessible(cpu, &segment)) {
        insn_write_operand(cpu, insn, 0, is_lsl ? segment.limit : high & 0xffff00u);
        set_zf(cpu, true);
    } else {
        set_zf(cpu, false);
    }
    return INSN_NEXT;
}

InsnResult helper_lar(X86Cpu *cpu, const Insn *insn)
{
    return query_segment(cpu, insn, false);
}

InsnResult helper_lsl(X86Cpu *cpu, const Insn *insn)
{
    return query_segment(cpu, insn, true);
}

static InsnResult verify_segment(X86Cpu *cpu, const Insn *insn, bool for_write)
{
    Segment segment;
    uint32_t high;
    bool exists;

    if (!read_named_segment(cpu, insn, 0, &exists, &segment, &high)) {
        return INSN_FAULT;
    }
    if (exists && for_write) {
        exists = segment_is_writable(&segment);
    } else if (exists) {
        exists = (segment.attributes & SEG_S) &&
                 (!segment_is_code(&segment) || (segment.attributes & SEG_READABLE));
    }
    set_zf(cpu, exists && is_accessible(cpu, &segment));
    return INSN_NEXT;
}

InsnResult helper_verr(X86Cpu *cpu, const Insn *insn)
{
    return verify_segment(cpu, insn, false);
}

InsnResult helper_verw(X86Cpu *cpu, const Insn *insn)
{
    return verify_segment(cpu, insn, true);
}

InsnResult helper_arpl(X86Cpu *cpu, const Insn *insn)
{
    uint64_t selector, wanted;

    if (!mode_is_protected(cpu)) {
        return undefined(cpu);
    }
    if (!insn_read_operand(cpu, insn, 0, &selector) || !insn_read_operand(cpu, insn, 1, &wanted)) {
        return INSN_FAULT;
    }
    if ((selector & 3) >= (wanted & 3)) {
        set_zf(cpu, false);
        return INSN_NEXT;
    }
    if (!insn_write_operand(cpu, insn, 0, (selector & ~UINT64_C(3)) | (wanted & 3))) {
        return INSN_FAULT;
    }
    set_zf(cpu, true);
    return INSN_NEXT;
}

/* -- FS and GS bases --------------------------------------------------------------------------- */

InsnResult helper_swapgs(X86Cpu *cpu, const Insn *insn)
{
    uint64_t base = cpu->seg[SEG_GS].base;

    if (!mode_is_64bit(cpu)) {
        return undefined(cpu);
    }
    if (cpu->cpl != 0) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    cpu->seg[SEG_GS].base = cpu->kernel_gs_base;
    cpu->kernel_gs_base = base;
    cpu_update_segment(cpu, SEG_GS);
    return INSN_NEXT;
}

static InsnResult read_base(X86Cpu *cpu, const Insn *insn, unsigned segment)
{
    if (!mode_is_64bit(cpu) || !(cpu->cr4 & CR4_FSGSBASE)) {
        return undefined(cpu);
    }
    insn_write_operand(cpu, insn, 0, cpu->seg[segment].base);
    return INSN_NEXT;
}

static InsnResult write_base(X86Cpu *cpu, const Insn *insn, unsigned segment)
{
    uint64_t base;

    if (!mode_is_64bit(cpu) || !(cpu->cr4 & CR4_FSGSBASE)) {
        return undefined(cpu);
    }
    insn_read_operand(cpu, insn, 0, &base); /* a register: cannot fault */
    if (!cpu_base_is_canonical(cpu, base)) {
        fault_gp(cpu, 0);
        return INSN_FAULT;
    }
    cpu->seg[segment].base = base;
    cpu_update_segment(cpu, segment);
    return INSN_NEXT;
}

InsnResult helper_rdfsbase(X86Cpu *cpu, const Insn *insn)
{
    return read_base(cpu, insn, SEG_FS);
}

InsnResult helper_rdgsbase(X86Cpu *cpu, const Insn *insn)
{
    return read_base(cpu, insn, SEG_GS);
}

InsnResult helper_wrfsbase(X86Cpu *cpu, const Insn *insn)
{
    return write_base(cpu, insn, SEG_FS);
}

InsnResult helper_wrgsbase(X86Cpu *cpu, const Insn *insn)
{
    return write_base(cpu, insn, SEG_GS);
}
