/* SPDX-License-Identifier: MIT */
/* Stacks of far transfers and interrupts:
 * frames on the current stack or on one named by the TSS. */
#include "softmmu/memory.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/transfer.h"

#include "target/i386/helpers/paging.h"

#define MAX_FRAME 40u

/* A frame as it lies in memory, lowest address first. */
typedef union Frame {
    uint16_t words[MAX_FRAME];
    uint32_t doublewords[MAX_FRAME];
    uint64_t quadwords[MAX_FRAME];
} Frame;

void stack_current(const X86Cpu *cpu, Stack *ret_stack)
{
    ret_stack->ss = cpu->seg[SEG_SS];
    ret_stack->sp = cpu->gpr[R_RSP];
    ret_stack->error_code = 0;
    ret_stack->access = 0;
    stack_set_64bit(ret_stack, mode_is_64bit(cpu));
}

/* One value that begins where addresses are canonical and ends where they are not: Intel's silicon
 * looks at its alignment first. */
static bool is_misaligned_first(X86Cpu *cpu, const Stack *stack, uint64_t offset, unsigned size)
{
    return !cpu->model->is_amd && size <= 8 && paging_is_canonical(cpu, offset) &&
           !access_check_alignment(cpu, offset, size, stack->access);
}

/* Linear address of `size` bytes at `offset` (already masked), or #SS. */
static bool stack_linear(X86Cpu *cpu, const Stack *stack, uint64_t offset, unsigned size,
                         uint64_t *ret_linear)
{
    if (stack->is_64bit) {
        *ret_linear = offset;
        if (paging_is_canonical(cpu, offset) && paging_is_canonical(cpu, offset + size - 1)) {
            return true;
        }
        return !is_misaligned_first(cpu, stack, offset, size) &&
               fault_raise_error(cpu, VECTOR_SS, stack->error_code);
    }
    if (!segment_holds(cpu, &stack->ss, offset, size)) {
        return fault_raise_error(cpu, VECTOR_SS, stack->error_code);
    }
    *ret_linear = (uint32_t)(stack->ss.base + offset);
    return true;
}

static uint64_t frame_get(const Frame *frame, unsigned i, unsigned size)
{
    switch (size) {
    case 2:
        return frame->words[i];
    case 4:
        return frame->doublewords[i];
    default:
        return frame->quadwords[i];
    }
}

static void frame_set(Frame *frame, unsigned i, unsigned size, uint64_t value)
{
    switch (size) {
    case 2:
        frame->words[i] = (uint16_t)value;
        break;
    case 4:
        frame->doublewords[i] = (uint32_t)value;
        break;
    default:
        frame->quadwords[i] = value;
        break;
    }
}

/* Does a run of bytes from `offset` stay below the wrap of the stack pointer? */
static bool stack_is_contiguous(const Stack *stack, uint64_t offset, unsigned bytes)
{
    uint64_t last = offset + bytes - 1;

    return last >= offset && last <= stack->mask;
}

static bool is_one_page(uint64_t linear, unsigned bytes)
{
    return ((linear ^ (linear + bytes - 1)) & ~(uint64_t)(TARGET_PAGE_SIZE - 1)) == 0;
}

/* One value after the other, so that a fault has the address of the first that does not fit; those
 * before it are in memory by then. */
static bool push_singly(X86Cpu *cpu, Stack *stack, const uint64_t *values, unsigned count,
                        unsigned size)
{
    Stack copy = *stack;

    for (unsigned i = 0; i < count; i++) {
        if (!stack_push(cpu, &copy, &values[i], 1, size)) {
            return false;
        }
    }
    stack->sp = copy.sp;
    return true;
}

bool stack_push(X86Cpu *cpu, Stack *stack, const uint64_t *values, unsigned count, unsigned size)
{
    unsigned bytes = count * size;
    uint64_t bottom = (stack->sp - bytes) & stack->mask;
    uint64_t linear;
    Frame frame;

    if (count > 1 && (!stack_is_contiguous(stack, bottom, bytes) ||
                      !is_one_page(stack->ss.base + bottom, bytes) ||
                      (!stack->is_64bit && !segment_holds(cpu, &stack->ss, bottom, bytes)))) {
        return push_singly(cpu, stack, values, count, size);
    }
    for (unsigned i = 0; i < count; i++) {
        frame_set(&frame, count - 1 - i, size, values[i]);
    }
    if (!stack_linear(cpu, stack, bottom, bytes, &linear) ||
        !access_check_alignment(cpu, linear, size, ACCESS_WRITE | stack->access) ||
        !access_probe(cpu, linear + bytes - size, size, ACCESS_WRITE | stack->access) ||
        !access_write(cpu, linear, &frame, bytes, ACCESS_WRITE | stack->access)) {
        return false;
    }
    stack_skip(stack, -(int64_t)bytes);
    return true;
}

bool stack_probe_read(X86Cpu *cpu, const Stack *stack, unsigned skip, unsigned size)
{
    uint64_t linear;

    return stack_linear(cpu, stack, (stack->sp + skip) & stack->mask, size, &linear) &&
           access_check_alignment(cpu, linear, size, ACCESS_READ | stack->access) &&
           access_probe(cpu, linear, size, ACCESS_READ | stack->access);
}

bool stack_pop(X86Cpu *cpu, Stack *stack, uint64_t *ret_values, unsigned count, unsigned size)
{
    unsigned bytes = count * size;
    uint64_t bottom = stack->sp & stack->mask;
    uint64_t linear;
    Frame frame;

    if (!stack_is_contiguous(stack, bottom, bytes) && count > 1) {
        Stack copy = *stack;

        for (unsigned i = 0; i < count; i++) {
            if (!stack_pop(cpu, &copy, &ret_values[i], 1, size)) {
                return false;
            }
        }
        stack->sp = copy.sp;
        return true;
    }
    if (!stack_linear(cpu, stack, bottom, bytes, &linear) ||
        !access_check_alignment(cpu, linear, size, ACCESS_READ | stack->access) ||
        !access_read(cpu, linear, &frame, bytes, ACCESS_READ | stack->access)) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        ret_values[i] = frame_get(&frame, i, size);
    }
    stack_skip(stack, bytes);
    return true;
}

bool stack_probe_write(X86Cpu *cpu, const Stack *stack, unsigned size)
{
    uint64_t linear;

    return stack_linear(cpu, stack, stack->sp & stack->mask, size, &linear) &&
           access_check_alignment(cpu, linear, size, ACCESS_WRITE | stack->access) &&
           access_probe(cpu, linear, size, ACCESS_WRITE | stack->access);
}

void stack_commit_pointer(X86Cpu *cpu, const Stack *stack)
{
    cpu->gpr[R_RSP] = stack->mask == 0xffffffffu ? (uint32_t)stack->sp : stack->sp;
}

/* `size` bytes at `offset` of the TSS; #TS(TR) when outside. */
static bool tss_read(X86Cpu *cpu, unsigned offset, void *buffer, unsigned size)
{
    uint64_t linear = cpu->tr.base + offset;

    if (offset + size - 1 > cpu->tr.limit) {
        return fault_selector(cpu, VECTOR_TS, cpu->tr.selector);
    }
    return access_read(cpu, mode_is_long(cpu) ? linear : (uint32_t)linear, buffer, size,
                       ACCESS_SYSTEM);
}

bool stack_read_ist(X86Cpu *cpu, unsigned ist, uint64_t *ret_sp)
{
    return tss_read(cpu, 36 + (ist - 1) * 8, ret_sp, 8);
}

static bool stack_of_ring_long(X86Cpu *cpu, unsigned ring, unsigned ist, Stack *ret_stack)
{
    ret_stack->ss = segment_null_stack(ring);
    ret_stack->error_code = 0;
    stack_set_64bit(ret_stack, true);
    if (ist) {
        return stack_read_ist(cpu, ist, &ret_stack->sp);
    }
    return tss_read(cpu, 4 + ring * 8, &ret_stack->sp, 8);
}

/* SS and SP of a ring from a 16- or 32-bit TSS. */
static bool tss_read_stack(X86Cpu *cpu, unsigned ring, uint64_t *ret_sp, uint16_t *ret_selector)
{
    struct {
        uint32_t esp;
        uint32_t ss;
    } slot32;
    uint16_t slot16[2];

    if ((cpu->tr.attributes & SEG_TYPE_MASK & ~SYSTEM_BUSY) == SYSTEM_TSS32) {
        slot32.ss = 0;
        if (!tss_read(cpu, 4 + ring * 8, &slot32, 6)) {
            return false;
        }
        *ret_sp = slot32.esp;
        *ret_selector = (uint16_t)slot32.ss;
        return true;
    }
    if (!tss_read(cpu, 2 + ring * 4, slot16, 4)) {
        return false;
    }
    *ret_sp = slot16[0];
    *ret_selector = slot16[1];
    return true;
}

bool stack_of_ring(X86Cpu *cpu, unsigned ring, unsigned ist, Stack *ret_stack)
{
    uint16_t selector;

    ret_stack->access = ring == cpu->cpl ? 0 : ACCESS_SYSTEM;
    if (mode_is_long(cpu)) {
        return stack_of_ring_long(cpu, ring, ist, ret_stack);
    }
    if (!tss_read_stack(cpu, ring, &ret_stack->sp, &selector)) {
        return false;
    }
    if (selector_is_null(selector)) {
        return fault_raise_error(cpu, VECTOR_TS, 0);
    }
    if (!segment_fetch(cpu, selector, VECTOR_TS, &ret_stack->ss)) {
        return false;
    }
    if ((selector & 3u) != ring || segment_dpl(&ret_stack->ss) != ring ||
        !segment_is_writable(&ret_stack->ss)) {
        return fault_selector(cpu, VECTOR_TS, selector);
    }
    if (!(ret_stack->ss.attributes & SEG_P)) {
        return fault_selector(cpu, VECTOR_SS, selector);
    }
    ret_stack->error_code = selector & 0xfffcu;
    stack_set_64bit(ret_stack, false);
    return segment_set_accessed(cpu, &ret_stack->ss);
}
