/* SPDX-License-Identifier: MIT */
/* One attempt to enter an interrupt or exception handler, in every mode, and the INT instructions.
 * Intel SDM vol. 2 INT n, vol. 3 ch. 6. */
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/helpers.h"
#include "target/i386/helpers/paging.h"
#include "target/i386/helpers/transfer.h"

#define ERROR_EXT 1u
#define ERROR_IDT 2u

/* An interrupt or trap gate, or a task gate with its TSS selector. */
typedef struct Gate {
    uint16_t selector;
    uint8_t type, dpl, ist;
    bool present;
    uint64_t offset;
} Gate;

/* -- Real mode and INT n of v8086 mode under VME ----------------------------------------------- */

bool event_deliver_real(X86Cpu *cpu, const Event *event, uint64_t table, uint32_t clear_flags)
{
    uint64_t frame[3] = {event->flags, cpu->seg[SEG_CS].selector, event->return_rip};
    uint32_t vector;
    Stack stack;

    stack_current(cpu, &stack);
    if (!access_read_u32(cpu, (uint32_t)(table + event->vector * 4u), &vector, ACCESS_SYSTEM) ||
        !stack_push(cpu, &stack, frame, 3, 2)) {
        return false;
    }
    stack_commit_pointer(cpu, &stack);
    segment_set_real(cpu, SEG_CS, (uint16_t)(vector >> 16));
    cpu->rip = vector & 0xffff;
    flags_set(cpu, cpu->eflags & ~(uint64_t)clear_flags);
    cpu_update_mode(cpu);
    return true;
}

/* -- Gates ------------------------------------------------------------------------------------- */

static bool read_gate(X86Cpu *cpu, unsigned vector, Gate *ret_gate)
{
    unsigned size = mode_is_long(cpu) ? 16 : 8;
    uint64_t linear = cpu->idtr.base + vector * size;
    uint32_t words[4] = {0, 0, 0, 0};

    if (vector * size + size - 1 > (cpu->idtr.limit & 0xffff)) {
        return fault_gp(cpu, vector * 8 + ERROR_IDT);
    }
    if (!access_read(cpu, size == 16 ? linear : (uint32_t)linear, words, size, ACCESS_SYSTEM)) {
        return false;
    }
    ret_gate->selector = (uint16_t)(words[0] >> 16);
    ret_gate->offset = (uint64_t)words[2] << 32 | (words[1] & 0xffff0000u) | (words[0] & 0xffffu);
    ret_gate->type = words[1] >> 8 & 0x1f;
    ret_gate->dpl = words[1] >> 13 & 3;
    ret_gate->present = words[1] >> 15 & 1;
    ret_gate->ist = words[1] & 7;
    return true;
}

static bool gate_type_is_valid(const X86Cpu *cpu, unsigned type)
{
    switch (type) {
    case SYSTEM_INTERRUPT_GATE32:
    case SYSTEM_TRAP_GATE32:
        return true;
    case SYSTEM_TASK_GATE:
    case SYSTEM_INTERRUPT_GATE16:
    case SYSTEM_TRAP_GATE16:
        return !mode_is_long(cpu);
    default:
        return false;
    }
}

static bool check_gate(X86Cpu *cpu, const Event *event, const Gate *gate)
{
    uint32_t error_code = event->vector * 8u + ERROR_IDT;

    if (!gate_type_is_valid(cpu, gate->type) || (event->is_software && gate->dpl < cpu->cpl)) {
        return fault_gp(cpu, error_code);
    }
    return gate->present || fault_raise_error(cpu, VECTOR_NP, error_code);
}

static bool gate_is_interrupt(const Gate *gate)
{
    return gate->type == SYSTEM_INTERRUPT_GATE16 || gate->type == SYSTEM_INTERRUPT_GATE32;
}

static void clear_flags_for_gate(X86Cpu *cpu, const Gate *gate)
{
    uint32_t clear = EFLAGS_TF | EFLAGS_NT | EFLAGS_VM | EFLAGS_RF;

    if (gate_is_interrupt(gate)) {
        clear |= EFLAGS_IF;
    }
    flags_set(cpu, cpu->eflags & ~(uint64_t)clear);
}

/* -- Long mode --------------------------------------------------------------------------------- */

static bool deliver_long(X86Cpu *cpu, const Event *event, const Gate *gate, const Segment *cs,
                         unsigned ring)
{
    uint64_t frame[6] = {cpu->seg[SEG_SS].selector, cpu->gpr[R_RSP],   event->flags,
                         cpu->seg[SEG_CS].selector, event->return_rip, event->error_code};
    Stack stack;

    if (ring < cpu->cpl) {
        if (!stack_of_ring(cpu, ring, gate->ist, &stack)) {
            return false;
        }
    } else {
        stack_current(cpu, &stack);
        stack.is_64bit = true;
        stack.mask = UINT64_MAX;
        if (gate->ist && !stack_read_ist(cpu, gate->ist, &stack.sp)) {
            return false;
        }
    }
    stack.sp &= ~(uint64_t)15;
    if (!stack_push(cpu, &stack, frame, event->has_error_code ? 6 : 5, 8) ||
        !code_check_offset(cpu, cs, gate->offset)) {
        return false;
    }
    cpu->gpr[R_RSP] = stack.sp;
    clear_flags_for_gate(cpu, gate);
    if (ring < cpu->cpl) {
        code_commit_with_stack(cpu, cs, &stack.ss, ring, gate->offset);
    } else {
        code_commit(cpu, cs, ring, gate->offset);
    }
    return true;
}

/* -- Protected mode ---------------------------------------------------------------------------- */

/* The frame, from the first pushed value on. Returns how many values there are. */
static unsigned build_frame(const X86Cpu *cpu, const Event *event, bool is_inner,
                            uint64_t frame[10])
{
    unsigned n = 0;

    if (mode_is_v8086(cpu)) {
        frame[n++] = cpu->seg[SEG_GS].selector;
        frame[n++] = cpu->seg[SEG_FS].selector;
        frame[n++] = cpu->seg[SEG_DS].selector;
        frame[n++] = cpu->seg[SEG_ES].selector;
    }
    if (is_inner) {
        frame[n++] = cpu->seg[SEG_SS].selector;
        frame[n++] = cpu->gpr[R_RSP];
    }
    frame[n++] = event->flags;
    frame[n++] = cpu->seg[SEG_CS].selector;
    frame[n++] = event->return_rip;
    if (event->has_error_code) {
        frame[n++] = event->error_code;
    }
    return n;
}

static void drop_v8086_segments(X86Cpu *cpu)
{
    static const uint8_t dropped[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
    Segment null = {.selector = 0};

    for (unsigned i = 0; i < sizeof(dropped); i++) {
        segment_commit(cpu, dropped[i], &null);
    }
}

static bool deliver_protected(X86Cpu *cpu, const Event *event, const Gate *gate, Segment *cs,
                              unsigned ring)
{
    unsigned size = gate->type & 8 ? 4 : 2;
    uint64_t offset = size == 4 ? (uint32_t)gate->offset : (uint16_t)gate->offset;
    bool from_v8086 = mode_is_v8086(cpu);
    bool is_inner = ring < cpu->cpl;
    uint64_t frame[10];
    Stack stack;

    if (from_v8086 && ring != 0) {
        return fault_selector(cpu, VECTOR_GP, gate->selector);
    }
    if (is_inner) {
        if (!stack_of_ring(cpu, ring, 0, &stack)) {
            return false;
        }
    } else {
        stack_current(cpu, &stack);
    }
    if (!stack_push(cpu, &stack, frame, build_frame(cpu, event, is_inner, frame), size) ||
        !code_check_offset(cpu, cs, offset) || !segment_set_accessed(cpu, cs)) {
        return false;
    }
    clear_flags_for_gate(cpu, gate);
    if (from_v8086) {
        drop_v8086_segments(cpu);
    }
    if (is_inner) {
        segment_commit(cpu, SEG_SS, &stack.ss);
    }
    stack_commit_pointer(cpu, &stack);
    code_commit(cpu, cs, ring, offset);
    return true;
}

static bool deliver_task_gate(X86Cpu *cpu, const Event *event, const Gate *gate)
{
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_RF) | (event->flags & EFLAGS_RF);
    return task_check_target(cpu, gate->selector) &&
           task_switch(cpu, gate->selector, TASK_SWITCH_EVENT, event->return_rip,
                       event->has_error_code ? &event->error_code : NULL);
}

static bool deliver_through_gate(X86Cpu *cpu, const Event *event)
{
    unsigned ring;
    Segment cs;
    Gate gate;

    if (!read_gate(cpu, event->vector, &gate) || !check_gate(cpu, event, &gate)) {
        return false;
    }
    if (gate.type == SYSTEM_TASK_GATE) {
        return deliver_task_gate(cpu, event, &gate);
    }
    if (!code_fetch_for_gate(cpu, gate.selector, &cs)) {
        return false;
    }
    ring = segment_is_conforming(&cs) ? cpu->cpl : segment_dpl(&cs);
    if (!mode_is_long(cpu)) {
        return deliver_protected(cpu, event, &gate, &cs, ring);
    }
    return segment_set_accessed(cpu, &cs) && deliver_long(cpu, event, &gate, &cs, ring);
}

/* EXT goes into the selector error codes of faults met while delivering what no INT instruction
 * asked for. */
static void mark_external(X86Cpu *cpu)
{
    if (cpu->fault.vector >= VECTOR_TS && cpu->fault.vector <= VECTOR_GP) {
        cpu->fault.error_code |= ERROR_EXT;
    }
}

bool event_deliver(X86Cpu *cpu, const Event *event)
{
    bool done;

    if (mode_is_real(cpu)) {
        if (event->vector * 4u + 3 > (cpu->idtr.limit & 0xffff)) {
            return fault_gp(cpu, event->vector * 8u + ERROR_IDT);
        }
        done = event_deliver_real(cpu, event, cpu->idtr.base,
                                  EFLAGS_IF | EFLAGS_TF | EFLAGS_AC | EFLAGS_RF);
    } else {
        done = deliver_through_gate(cpu, event);
    }
    if (!done && !event->is_software) {
        mark_external(cpu);
    }
    return done;
}

/* -- INT n, INT3, INTO, INT1, BOUND, UD -------------------------------------------------------- */

/* Under VME a clear bit of the TSS's map sends INT n of v8086 mode to the task's own handler. */
static bool read_redirection_bit(X86Cpu *cpu, unsigned vector, bool *ret_is_set)
{
    uint16_t io_map;
    uint32_t offset;
    uint8_t bits;

    if (cpu->tr.limit < 103) {
        return fault_gp(cpu, 0);
    }
    if (!access_read_u16(cpu, (uint32_t)(cpu->tr.base + 102), &io_map, ACCESS_SYSTEM)) {
        return false;
    }
    offset = io_map - 32u + vector / 8;
    if (io_map < 32 || offset > cpu->tr.limit) {
        return fault_gp(cpu, 0);
    }
    if (!access_read_u8(cpu, (uint32_t)(cpu->tr.base + offset), &bits, ACCESS_SYSTEM)) {
        return false;
    }
    *ret_is_set = bits >> (vector & 7) & 1;
    return true;
}

/* The redirected way: with IOPL below 3, IF in the image and the flag cleared are VIF's. */
static bool deliver_redirected(X86Cpu *cpu, Event *event)
{
    uint32_t clear = EFLAGS_TF | EFLAGS_RF | EFLAGS_IF;

    if (mode_iopl(cpu) < 3) {
        clear = EFLAGS_TF | EFLAGS_RF | EFLAGS_VIF;
        event->flags = (event->flags & ~EFLAGS_IF) | EFLAGS_IOPL;
        event->flags |= cpu->eflags & EFLAGS_VIF ? EFLAGS_IF : 0;
    }
    return event_deliver_real(cpu, event, 0, clear);
}

static bool software_interrupt(X86Cpu *cpu, Event *event, bool is_int_n)
{
    bool is_set = true;

    if (is_int_n && mode_is_v8086(cpu)) {
        if (cpu->cr4 & CR4_VME && !read_redirection_bit(cpu, event->vector, &is_set)) {
            return false;
        }
        if (!is_set) {
            return deliver_redirected(cpu, event);
        }
        if (mode_iopl(cpu) < 3) {
            return fault_gp(cpu, 0);
        }
    }
    return event_deliver(cpu, event);
}

static InsnResult enter_software(X86Cpu *cpu, const Insn *insn, unsigned vector, bool is_int_n)
{
    Event event = {
        .vector = (uint8_t)vector,
        .is_software = true,
        .return_rip = insn_next_rip(cpu, insn),
        .flags = (uint32_t)cpu->eflags & ~EFLAGS_RF,
    };

    return software_interrupt(cpu, &event, is_int_n) ? INSN_JUMP : INSN_FAULT;
}

InsnResult helper_int(X86Cpu *cpu, const Insn *insn)
{
    return enter_software(cpu, insn, insn->immediate & 0xff, true);
}

InsnResult helper_int3(X86Cpu *cpu, const Insn *insn)
{
    return enter_software(cpu, insn, VECTOR_BP, false);
}

InsnResult helper_into(X86Cpu *cpu, const Insn *insn)
{
    if (mode_is_64bit(cpu)) {
        fault_ud(cpu);
        return INSN_FAULT;
    }
    if (!(cpu->eflags & EFLAGS_OF)) {
        return INSN_NEXT;
    }
    return enter_software(cpu, insn, VECTOR_OF, false);
}

/* INT1 is a hardware-like #DB: no DPL check, EXT set, DR6 untouched. */
InsnResult helper_int1(X86Cpu *cpu, const Insn *insn)
{
    Event event = {
        .vector = VECTOR_DB,
        .return_rip = insn_next_rip(cpu, insn),
        .flags = (uint32_t)cpu->eflags & ~EFLAGS_RF,
    };

    return event_deliver(cpu, &event) ? INSN_JUMP : INSN_FAULT;
}

/* One of BOUND's two numbers: each is an access of its own. */
static bool read_bound(X86Cpu *cpu, const Insn *insn, unsigned n, int32_t *ret_bound)
{
    unsigned size = insn->operand_bits / 8;
    uint64_t mask = insn->address_bits == 16 ? 0xffff : 0xffffffff, linear;
    uint64_t offset = (insn_effective_address(cpu, insn) + (uint64_t)n * size) & mask;
    uint32_t value = 0;

    if (!access_linear(cpu, insn->segment, offset, size, ACCESS_READ, &linear) ||
        !access_read(cpu, linear, &value, size, ACCESS_READ)) {
        return false;
    }
    *ret_bound = size == 2 ? (int16_t)value : (int32_t)value;
    return true;
}

InsnResult helper_bound(X86Cpu *cpu, const Insn *insn)
{
    int32_t lower, upper, index = (int32_t)cpu->gpr[insn->operands[0].reg & 7];

    if (insn->operand_bits == 16) {
        index = (int16_t)index;
    }
    if (!read_bound(cpu, insn, 0, &lower)) {
        return INSN_FAULT;
    }
    if (index < lower && !cpu->model->is_amd) { /* Intel's silicon reads no more */
        fault_raise(cpu, VECTOR_BR);
        return INSN_FAULT;
    }
    if (!read_bound(cpu, insn, 1, &upper)) {
        return INSN_FAULT;
    }
    if (index < lower || index > upper) {
        fault_raise(cpu, VECTOR_BR);
        return INSN_FAULT;
    }
    return INSN_NEXT;
}

InsnResult helper_ud(X86Cpu *cpu, const Insn *insn)
{
    fault_ud(cpu);
    return INSN_FAULT;
}
