/* SPDX-License-Identifier: MIT */
/* Traps, descriptors and the tables they need: cpu-test.h. */
#include "cpu-test.h"

#define STACK_SIZE 0x4000
#define EFLAGS_VM 0x20000

Trap caught;
volatile uint32_t caught_vector;
word catch_start, catch_end, catch_sp;

Gate idt[256] __attribute__((aligned(16)));
Tss tss[16] __attribute__((aligned(16)));

/* For each CPU: ring 0's stack, and in 64-bit mode those of IST1 and IST2. */
static uint8_t stacks[16][3][STACK_SIZE] __attribute__((aligned(16)));
static uint8_t user_stack[STACK_SIZE] __attribute__((aligned(16)));

static TrapHandler *handlers[256];
static bool is_running;
static Trap run_result;
static word run_start;

extern const uint8_t trap_stubs[256][16];
void run_enter(const Regs *in);
_Noreturn void run_leave(void);
Regs *trap_enter(Regs *frame);
void runtime_init(void);
void runtime_init_cpu(unsigned index);

static word stack_top(uint8_t stack[STACK_SIZE])
{
    return (word)(stack + STACK_SIZE);
}

word user_stack_top(void)
{
    return stack_top(user_stack);
}

void trap_set_handler(unsigned vector, TrapHandler *handler)
{
    handlers[vector] = handler;
}

/* The two words of the stack pointer as the interrupted code had it. */
static void fill_stack_pointer(Regs *regs, const Regs *frame)
{
#ifndef __x86_64__
    if (!(frame->cs & 3) && !(frame->flags & EFLAGS_VM)) {
        regs->sp = (word)&frame->sp;
        __asm__("mov %%ss, %0" : "=r"(regs->ss));
        return;
    }
    if (frame->flags & EFLAGS_VM) { /* these lie behind the frame */
        const word *segments = &frame->ss + 1;
        regs->es = segments[0];
        regs->ds = segments[1];
        regs->fs = segments[2];
        regs->gs = segments[3];
    }
#endif
    regs->sp = frame->sp;
    regs->ss = frame->ss;
}

static void record(Trap *trap, const Regs *frame, word start)
{
    __builtin_memcpy(&trap->regs, frame, offsetof(Regs, sp));
    fill_stack_pointer(&trap->regs, frame);
    trap->vector = (uint32_t)frame->vector;
    trap->error = (uint32_t)frame->error;
    trap->offset = frame->ip - start;
    trap->cr2 = read_cr2();
    trap->dr6 = read_dr6();
}

/* Where to return to: `frame`, or a copy of it at the stack pointer that CATCH() began with. */
static Regs *end_catch(Regs *frame)
{
    record(&caught, frame, catch_start);
    caught_vector = (uint32_t)frame->vector;
    frame->ip = catch_end;
    frame->cs = SEL_CODE;
    frame->flags = 2;
    catch_end = 0;
#ifdef __x86_64__
    frame->sp = catch_sp;
    frame->ss = SEL_DATA;
    return frame;
#else
    return __builtin_memmove((void *)(catch_sp - offsetof(Regs, sp)), frame, offsetof(Regs, sp));
#endif
}

Regs *trap_enter(Regs *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return frame;
    }
#ifdef __x86_64__
    bool is_first = cpu_index() == 0;
#else
    bool is_first = true;
#endif
    if (is_first && is_running) {
        record(&run_result, frame, run_start);
        is_running = false;
        run_leave();
    }
    if (is_first && catch_end) {
        return end_catch(frame);
    }
    give_up("vector %u error 0x%lx at %lx:%lx flags 0x%lx cr2 0x%lx", (unsigned)frame->vector,
            frame->error, frame->cs, frame->ip, frame->flags, read_cr2());
}

Trap run(const Regs *in)
{
    Regs regs = *in;
    word flat = in->cs & 3 ? SEL_USER_DATA : SEL_DATA;
    regs.gs = in->gs ? in->gs : flat;
    regs.fs = in->fs ? in->fs : flat;
    regs.es = in->es ? in->es : flat;
    regs.ds = in->ds ? in->ds : flat;
    if (in->flags & EFLAGS_VM) {
        regs.gs = in->gs, regs.fs = in->fs, regs.es = in->es, regs.ds = in->ds;
    }
    run_start = in->ip;
    is_running = true;
    run_enter(&regs);
    return run_result;
}

Trap run_user(const void *ip)
{
    return run(&(Regs){
        .ip = (word)ip, .cs = SEL_USER, .ss = SEL_USER_DATA, .sp = user_stack_top(), .flags = 2});
}

uint32_t try_read_msr(uint32_t msr, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    if (CATCH("rdmsr", "+a"(low), "+d"(high) : "c"(msr)) == NO_TRAP) {
        *value = low | (uint64_t)high << 32;
    }
    return caught.vector;
}

uint32_t try_write_msr(uint32_t msr, uint64_t value)
{
    return CATCH("wrmsr", : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* -- Tables ------------------------------------------------------------------------------------ */

uint64_t descriptor(uint32_t base, uint32_t limit, uint8_t access, uint8_t size)
{
    return (limit & 0xffff) | (uint64_t)(base & 0xffffff) << 16 | (uint64_t)access << 40 |
           (uint64_t)(limit >> 16 & 0xf) << 48 | (uint64_t)(size & 0xf) << 52 |
           (uint64_t)(base >> 24) << 56;
}

void idt_set(unsigned vector, const void *handler, unsigned type, unsigned dpl, unsigned ist)
{
    uint64_t at = (word)handler;
    idt[vector].low = (at & 0xffff) | SEL_CODE << 16 | (uint64_t)ist << 32 |
                      (uint64_t)(0x80 | dpl << 5 | type) << 40 | (at >> 16 & 0xffff) << 48;
#ifdef __x86_64__
    idt[vector].high = at >> 32;
#endif
}

/* Exceptions on a stack of their own, so that code with a broken stack pointer can be run; INT3,
 * INTO and the vectors from 30h to 3fh may be called from ring 3. */
void idt_restore(unsigned vector)
{
    bool is_callable = vector == 3 || vector == 4 || (vector >= 0x30 && vector < 0x40);
    unsigned ist = vector == 2 || vector == 18 ? 2 : vector < 32 ? 1 : 0;
    idt_set(vector, trap_stubs[vector], 0xe, is_callable ? 3 : 0, sizeof(word) == 8 ? ist : 0);
}

void runtime_init_cpu(unsigned index)
{
    Tss *own = &tss[index];
    unsigned selector = SEL_TSS + 0x10 * index;
    own->io_map = sizeof(Tss);
#ifdef __x86_64__
    own->rsp[0] = stack_top(stacks[index][0]);
    own->ist[0] = stack_top(stacks[index][1]);
    own->ist[1] = stack_top(stacks[index][2]);
#else
    own->esp0 = stack_top(stacks[index][0]);
    own->ss0 = SEL_DATA;
#endif
    gdt[selector / 8] = descriptor((uint32_t)(word)own, sizeof(Tss) - 1, 0x89, 0);
    gdt[selector / 8 + 1] = 0;
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) pointer = {sizeof(idt) - 1, (word)idt};
    __asm__ volatile("lidt %0; ltr %w1" : : "m"(pointer), "r"(selector));
}

void runtime_init(void)
{
    for (unsigned i = 0; i < 256; i++) {
        idt_restore(i);
    }
    runtime_init_cpu(0);
    outb(0x21, 0xff); /* the boot firmware's interrupt controllers: all lines masked */
    outb(0xa1, 0xff);
}
