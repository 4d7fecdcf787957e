/* SPDX-License-Identifier: MIT */
/* What far transfers, interrupts and task switches share: stacks of any ring, gates, code targets,
 * events. */
#ifndef TARGET_I386_HELPERS_TRANSFER_H
#define TARGET_I386_HELPERS_TRANSFER_H

#include "target/i386/helpers/exceptions.h"
#include "target/i386/helpers/modes.h"
#include "target/i386/helpers/segments.h"

/* -- stack.c: a stack in use, current or about to be ------------------------------------------- */

/* A working copy of SS:RSP. Nothing reaches the CPU before stack_commit(). */
typedef struct Stack {
    Segment ss;
    uint64_t sp;         /* all bits; those outside of `mask` stay as they are */
    uint64_t mask;       /* of the stack address size */
    uint32_t error_code; /* of #SS when outside of the segment */
    uint8_t access;      /* ACCESS_SYSTEM when it belongs to another ring than the current one */
    bool is_64bit;       /* base and limit are ignored, addresses must be canonical */
} Stack;

/* The current one. */
void stack_current(const X86Cpu *cpu, Stack *ret_stack);

/* The one that the TSS names for a more privileged ring, checked (#TS, #SS). Long mode: `ist` 1-7
 * instead of the ring's pointer, 0: none; SS is null then. */
bool stack_of_ring(X86Cpu *cpu, unsigned ring, unsigned ist, Stack *ret_stack);

/* The stack pointer in IST slot 1-7 of the 64-bit TSS. */
bool stack_read_ist(X86Cpu *cpu, unsigned ist, uint64_t *ret_sp);

/* Pushes values[0], then values[1]...; `size` 2, 4 or 8 bytes each, up to 40 of them. The
 * first to fault decides; *stack is unchanged then. */
bool stack_push(X86Cpu *cpu, Stack *stack, const uint64_t *values, unsigned count, unsigned size);
/* Pops in the same manner, values[0] first. */
bool stack_pop(X86Cpu *cpu, Stack *stack, uint64_t *ret_values, unsigned count, unsigned size);

/* As that of 64-bit code, or as its segment says. */
static inline void stack_set_64bit(Stack *stack, bool is_64bit)
{
    stack->is_64bit = is_64bit;
    stack->mask = is_64bit ? UINT64_MAX : stack->ss.attributes & SEG_DB ? 0xffffffffu : 0xffffu;
}

/* Could `size` bytes `skip` above the top be read? */
bool stack_probe_read(X86Cpu *cpu, const Stack *stack, unsigned skip, unsigned size);
/* Could `size` bytes at the top be written? */
bool stack_probe_write(X86Cpu *cpu, const Stack *stack, unsigned size);

static inline void stack_skip(Stack *stack, int64_t bytes)
{
    stack->sp = (stack->sp & ~stack->mask) | ((stack->sp + bytes) & stack->mask);
}

/* Writes RSP alone. */
void stack_commit_pointer(X86Cpu *cpu, const Stack *stack);

/* -- segments.c: pieces of descriptor checks --------------------------------------------------- */

static inline bool fault_selector(X86Cpu *cpu, unsigned vector, uint16_t selector)
{
    return fault_raise_error(cpu, vector, selector & 0xfffcu);
}

static inline bool selector_is_null(uint16_t selector)
{
    return (selector & 0xfffc) == 0;
}

static inline unsigned segment_dpl(const Segment *segment)
{
    return (segment->attributes >> SEG_DPL_SHIFT) & 3;
}

static inline bool segment_is_code(const Segment *segment)
{
    return (segment->attributes & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
}

static inline bool segment_is_conforming(const Segment *segment)
{
    return segment_is_code(segment) && (segment->attributes & SEG_CONFORMING);
}

static inline bool segment_is_writable(const Segment *segment)
{
    return (segment->attributes & (SEG_S | SEG_CODE | SEG_WRITABLE)) == (SEG_S | SEG_WRITABLE);
}

/* Types of system descriptors (S clear). */
enum {
    SYSTEM_TSS16 = 1,
    SYSTEM_LDT = 2,
    SYSTEM_TSS16_BUSY = 3,
    SYSTEM_CALL_GATE16 = 4,
    SYSTEM_TASK_GATE = 5,
    SYSTEM_INTERRUPT_GATE16 = 6,
    SYSTEM_TRAP_GATE16 = 7,
    SYSTEM_TSS32 = 9, /* 64-bit in long mode; the same for those below */
    SYSTEM_TSS32_BUSY = 11,
    SYSTEM_CALL_GATE32 = 12,
    SYSTEM_INTERRUPT_GATE32 = 14,
    SYSTEM_TRAP_GATE32 = 15
};
#define SYSTEM_BUSY 2u

/* True when all bytes lie inside of the limit (expand-down too). */
bool segment_holds(const X86Cpu *cpu, const Segment *segment, uint64_t offset, unsigned size);
/* Reads a descriptor and unpacks it; `vector`(selector) when out of limits. */
bool segment_fetch(X86Cpu *cpu, uint16_t selector, unsigned vector, Segment *ret_segment);
/* Sets the accessed bit in memory (and in *segment) unless it is set. Null selectors: no-op. */
bool segment_set_accessed(X86Cpu *cpu, Segment *segment);
/* Replaces a segment register; DERIVED parts of the segment follow, the mode does not. */
void segment_commit(X86Cpu *cpu, unsigned n, const Segment *segment);
/* A null SS of 64-bit code: the ring stays in its DPL. */
Segment segment_null_stack(unsigned ring);
/* After a return to an outer ring: data segments it may not see become null. */
void segments_drop_inner(X86Cpu *cpu, unsigned ring);

/* An offset and a selector; the selector, which lies higher, is read first. Intel's silicon reads
 * 16 bits of its slot, AMD's the whole. */
bool stack_pop_far_pointer(X86Cpu *cpu, Stack *stack, unsigned size, uint64_t ret_pair[2]);
/* Does a far return with this code selector read SS and SP too, before any check of it? AMD does
 * when the rings differ, whichever way. */
bool return_reads_stack(const X86Cpu *cpu, uint16_t selector);
/* The far pointer at a memory operand: an offset of `size` bytes, then a selector, two accesses. */
bool insn_read_far_pointer(X86Cpu *cpu, const Insn *insn, unsigned size, uint64_t *ret_offset,
                           uint16_t *ret_selector);
/* Bytes of the offset in a far pointer in memory: AMD knows none of 64 bits. */
unsigned far_offset_size(const X86Cpu *cpu, const Insn *insn);

/* -- far-transfer.c ---------------------------------------------------------------------------- */

/* Is `rip` inside of this code segment (canonical when it is a 64-bit one)? #GP(0). */
bool code_check_offset(X86Cpu *cpu, const Segment *cs, uint64_t rip);
/* What of an offset of 64 bits a far transfer or a return takes. Where it leads out of 64-bit code,
 * Intel's silicon drops the upper half, AMD's raises #GP for it. */
uint64_t code_offset_in(const X86Cpu *cpu, const Segment *cs, uint64_t rip);
/* The code segment of a call, interrupt or trap gate: type, DPL <= CPL, L, P. */
bool code_fetch_for_gate(X86Cpu *cpu, uint16_t selector, Segment *ret_cs);
/* The code segment of a return: RPL >= CPL and what follows. */
bool code_fetch_for_return(X86Cpu *cpu, uint16_t selector, Segment *ret_cs);
/* The stack segment of a return to `ring`. */
bool stack_fetch_for_return(X86Cpu *cpu, uint16_t selector, unsigned ring, bool to_64bit,
                            Segment *ret_ss);
/* Enters checked code: CS with RPL `ring`, RIP, the mode. */
void code_commit(X86Cpu *cpu, const Segment *cs, unsigned ring, uint64_t rip);
/* The same with a stack segment, all derived state computed once. */
void code_commit_with_stack(X86Cpu *cpu, const Segment *cs, const Segment *ss, unsigned ring,
                            uint64_t rip);

/* call-gate.c: JMP or CALL to a system descriptor. */
InsnResult transfer_through_system(X86Cpu *cpu, const Insn *insn, uint16_t selector, bool is_call);

/* -- task-switch.c ----------------------------------------------------------------------------- */

typedef enum TaskSwitchCause {
    TASK_SWITCH_JMP,
    TASK_SWITCH_CALL,  /* nests */
    TASK_SWITCH_EVENT, /* an interrupt: nests; RF of EFLAGS is that of the frame there is not */
    TASK_SWITCH_IRET
} TaskSwitchCause;

/*
 * Switches to the task of TSS `selector` (not null). `next_rip` is where the old task goes on. For
 * an exception with an error code, that is pushed on the new task's stack. False: a fault; behind
 * the point of no return it belongs to the new task, whose RIP is set then.
 */
bool task_switch(X86Cpu *cpu, uint16_t selector, TaskSwitchCause cause, uint64_t next_rip,
                 const uint32_t *error_code);
/* The same through a task gate's selector:
 * #GP(selector) unless it is an available TSS in the GDT. */
bool task_check_target(X86Cpu *cpu, uint16_t selector);

/* -- interrupts.c ------------------------------------------------------------------------------ */

/* One attempt to enter a handler. */
typedef struct Event {
    uint8_t vector;
    bool is_software;    /* INT n, INT3, INTO: the gate's DPL is checked, EXT is clear */
    bool has_error_code; /* pushed, except in real mode */
    uint32_t error_code;
    uint64_t return_rip;
    uint32_t flags; /* image to push */
} Event;

/* False: cpu->fault holds what went wrong, EXT bit included; state is unchanged. */
bool event_deliver(X86Cpu *cpu, const Event *event);
/* The real-mode way through a 16-bit vector table at linear `table`; also INT n of v8086 mode under
 * VME. */
bool event_deliver_real(X86Cpu *cpu, const Event *event, uint64_t table, uint32_t clear_flags);

#endif
