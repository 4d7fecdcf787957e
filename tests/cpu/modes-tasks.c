/* SPDX-License-Identifier: MIT */
/* Hardware task switches by JMP, CALL, INT and IRET, 16- and 32-bit, and what goes wrong at each of
 * their steps. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n")

enum {
    SEL_TASK = SEL_FREE, /* the task of the case */
    SEL_GATE = SEL_FREE + 0x08,
    SEL_TEST = SEL_FREE + 0x10,
    SEL_FAULTS = SEL_FREE + 0x18, /* a task for exceptions whose stack is broken */
    SEL_TI = 4,
    INT3 = 3,
    VECTOR = 0x30,
    NT = 0x4000,
    BUSY = 2,
    TS = 8
};
#define FLAT(access) (0x00cf00000000ffff | (uint64_t)(access) << 40)
#define MAIN (&tss[0]) /* the task that main() is */

typedef struct Tss16 {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs,
        ss, ds, ldt;
} Tss16;

static Tss task, fault_task;
static Tss16 task16;
static uint8_t task_stack[0x1000] __attribute__((aligned(16)));
static uint8_t fault_stack[0x1000] __attribute__((aligned(16)));

SNIPPET(arrival, "int3");
SNIPPET(jump, "ljmp *(%ebx)\n int3");
SNIPPET(call, "lcall *(%ebx)\n int3");
SNIPPET(interrupt, "int $0x30\n int3");
SNIPPET(iret_here, "iret\n int3");
SNIPPET(task_iret, "movl $0x5678, %ecx\n iret\n movl $0x9abc, %ecx\n iret");
SNIPPET(undefined, "ud2");

static void set(unsigned selector, uint64_t value)
{
    gdt[selector / 8] = value;
}

static unsigned type_of(unsigned selector)
{
    return gdt[selector / 8] >> 40 & 0xff;
}

/* A fresh task that will run `code` in ring `ring`. */
static void make_task(const void *code, unsigned ring)
{
    task = (Tss){.esp0 = (word)task_stack + 0x400,
                 .ss0 = SEL_DATA,
                 .eip = (word)code,
                 .eflags = 2,
                 .eax = 0xa0a0a0a0,
                 .ecx = 0xc1c1c1c1,
                 .edx = 0xd2d2d2d2,
                 .ebx = 0xb3b3b3b3,
                 .esp = (word)task_stack + sizeof(task_stack),
                 .ebp = 0x55555555,
                 .esi = 0x66666666,
                 .edi = 0x77777777,
                 .es = ring ? SEL_USER_DATA : SEL_DATA,
                 .cs = ring ? SEL_USER : SEL_CODE,
                 .ss = ring ? SEL_USER_DATA : SEL_DATA,
                 .ds = ring ? SEL_USER_DATA : SEL_DATA,
                 .fs = ring ? SEL_USER_DATA : SEL_DATA,
                 .gs = ring ? SEL_USER_DATA : SEL_DATA,
                 .io_map = sizeof(Tss)};
    set(SEL_TASK, descriptor((word)&task, sizeof(task) - 1, 0xe9, 0));
    set(SEL_GATE, (uint64_t)SEL_TASK << 16 | UINT64_C(0xe5) << 40);
    idt[VECTOR].low = (uint64_t)SEL_TASK << 16 | UINT64_C(0xe5) << 40;
}

/* Back in the framework, whatever task the CPU is in: main()'s, nothing nested. */
static void main_again(void)
{
    set(SEL_TSS, descriptor((word)MAIN, sizeof(Tss) - 1, 0x89, 0));
    __asm__ volatile("ltr %w0; clts" : : "r"(SEL_TSS) : "memory");
}

static Regs regs_of_ring(const void *code, unsigned ring, unsigned selector)
{
    static struct {
        uint32_t offset;
        uint16_t selector;
    } pointer;
    pointer.offset = 0xdeadbeef;
    pointer.selector = (uint16_t)selector;
    return (Regs){.ip = (word)code,
                  .cs = ring ? SEL_USER : SEL_CODE,
                  .ss = ring ? SEL_USER_DATA : SEL_DATA,
                  .sp = user_stack_top(),
                  .ax = 0x1111,
                  .bx = (word)&pointer,
                  .flags = 2};
}

/* -- The three ways in
 * ------------------------------------------------------------------------------ */

/* Without RPL: the manuals do not say whether a switch keeps it. */
static uint16_t task_register(void)
{
    uint16_t selector;
    __asm__ volatile("str %0" : "=m"(selector));
    return selector & 0xfff8;
}

static void check_state(const char *how, const Trap *trap)
{
    char name[40];
    bool same = trap->regs.ax == 0xa0a0a0a0 && trap->regs.cx == 0xc1c1c1c1 &&
                trap->regs.dx == 0xd2d2d2d2 && trap->regs.bx == 0xb3b3b3b3 &&
                trap->regs.bp == 0x55555555 && trap->regs.si == 0x66666666 &&
                trap->regs.di == 0x77777777;
    format(name, sizeof(name), "%s-arrives", how);
    check(name, trap->vector << 16 | trap->regs.cs, INT3 << 16 | SEL_USER, "SDM 3A 7.3");
    format(name, sizeof(name), "%s-registers", how);
    check(name, same, true, "SDM 3A 7.3");
    format(name, sizeof(name), "%s-sp", how);
    check(name, trap->regs.sp, (word)task_stack + sizeof(task_stack), "SDM 3A 7.3");
    format(name, sizeof(name), "%s-segments", how);
    check(name,
          trap->regs.ds == SEL_USER_DATA && trap->regs.es == SEL_USER_DATA &&
              trap->regs.fs == SEL_USER_DATA && trap->regs.gs == SEL_USER_DATA,
          true, "SDM 3A 7.3");
}

static void ways_in(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        uint16_t selector;
        bool nests;
        uint8_t saved_offset; /* of EIP from the code */
    } ways[] = {
        {"jmp-tss", jump, SEL_TASK, false, 2}, {"jmp-gate", jump, SEL_GATE, false, 2},
        {"call-tss", call, SEL_TASK, true, 2}, {"call-gate", call, SEL_GATE, true, 2},
        {"int-gate", interrupt, 0, true, 2},   {"exception-gate", undefined, 0, true, 0},
    };
    char name[40];
    for (unsigned i = 0; i < COUNT(ways); i++) {
        make_task(arrival, 3);
        idt[6].low = idt[VECTOR].low;
        Regs in = regs_of_ring(ways[i].code, 3, ways[i].selector | 3);
        in.cx = 0x2222;
        in.flags = 0x0a97;
        Trap trap = run(&in);
        check_state(ways[i].name, &trap);
        format(name, sizeof(name), "%s-tr", ways[i].name);
        check(name, task_register(), SEL_TASK, "SDM 3A 7.3");
        format(name, sizeof(name), "%s-busy", ways[i].name);
        check(name, type_of(SEL_TASK) << 8 | type_of(SEL_TSS), ways[i].nests ? 0xeb8b : 0xeb89,
              "SDM 3A 7.3");
        format(name, sizeof(name), "%s-link", ways[i].name);
        check(name, task.link, ways[i].nests ? SEL_TSS : 0, "SDM 3A 7.4");
        format(name, sizeof(name), "%s-flags", ways[i].name);
        check(name, trap.regs.flags, ways[i].nests ? 2 | NT : 2, "SDM 3A 7.4");
        format(name, sizeof(name), "%s-ts", ways[i].name);
        check(name, read_cr0() & TS, TS, "SDM 3A 7.3");
        format(name, sizeof(name), "%s-saved", ways[i].name);
        word flags = 0x0a97 | (ways[i].code == undefined ? 0x10000 : 0);
        check(name,
              MAIN->eip == (word)ways[i].code + ways[i].saved_offset && MAIN->eax == 0x1111 &&
                  MAIN->ecx == 0x2222 && MAIN->esp == user_stack_top() && MAIN->cs == SEL_USER &&
                  MAIN->ss == SEL_USER_DATA && (MAIN->eflags & ~0x10000u) == (flags & ~0x10000u),
              true, "SDM 3A 7.3");
        main_again();
    }
    idt_restore(6);
}

/* -- Nested tasks come back
 * ---------------------------------------------------------------------------- */

static void returns(void)
{
    make_task(task_iret, 0);
    Regs in = regs_of_ring(call, 3, SEL_TASK | 3);
    in.cx = 0x2222;
    Trap trap = run(&in);
    check_trap("nested-returns", &trap, INT3, 0, 3, "SDM 3A 7.4");
    check("nested-registers", trap.regs.cx << 16 | trap.regs.ax, 0x22221111, "SDM 3A 7.4");
    check("nested-tr", task_register(), SEL_TSS, "SDM 3A 7.4");
    check("nested-busy", type_of(SEL_TASK) << 8 | type_of(SEL_TSS), 0xe98b, "SDM 3A 7.4");
    check("nested-saved", task.ecx << 16 | (task.eip - (word)task_iret), 0x56780006, "SDM 3A 7.4");
    check("nested-saved-nt", task.eflags, 2, "SDM 3A 7.4");
    trap = run(&in); /* goes on behind its IRET */
    check("nested-again", task.ecx << 16 | (task.eip - (word)task_iret), 0x9abc000c, "SDM 3A 7.4");
    make_task(task_iret, 0);
    in = regs_of_ring(interrupt, 3, 0);
    trap = run(&in);
    check_trap("interrupt-returns", &trap, INT3, 0, 3, "SDM 3A 6.12.2");
    main_again();
    idt_restore(VECTOR);

    static const struct {
        const char *name;
        uint16_t link;
        uint64_t descriptor;
        uint8_t vector;
        uint16_t error;
    } links[] = {
        {"null", 0, 0, 10, 0},
        {"ldt", SEL_TASK | SEL_TI, 0, 10, SEL_TASK | SEL_TI},
        {"outside", 0x7ff8, 0, 10, 0x7ff8},
        {"available", SEL_TASK, 0x890000000067, 10, SEL_TASK},
        {"data", SEL_TASK, 0x930000000067, 10, SEL_TASK},
        {"absent", SEL_TASK, 0x0b0000000067, 11, SEL_TASK},
        {"short", SEL_TASK, 0x8b0000000066, 10, SEL_TASK},
        {"short-16", SEL_TASK, 0x83000000002a, 10, SEL_TASK},
    };
    char name[40];
    for (unsigned i = 0; i < COUNT(links); i++) {
        set(SEL_TASK, links[i].descriptor);
        MAIN->link = links[i].link;
        in = regs_of_ring(iret_here, 3, 0);
        in.flags = 2 | NT;
        trap = run(&in);
        format(name, sizeof(name), "iret-link-%s", links[i].name);
        check_trap(name, &trap, links[i].vector, links[i].error, 0, "SDM 2A IRET");
    }
    MAIN->link = 0;
}

/* -- What stops a switch before it begins
 * ---------------------------------------------------------------- */

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t ring;
    uint16_t selector;
    uint64_t task, gate; /* descriptors; 0: as made */
    uint8_t vector;
    uint16_t error;
} starts[] = {
    {"tss-dpl", jump, 3, SEL_TASK | 3, 0x890000000067, 0, 13, SEL_TASK},
    {"tss-rpl", jump, 0, SEL_TASK | 3, 0x890000000067, 0, 13, SEL_TASK},
    {"tss-busy", jump, 3, SEL_TASK | 3, 0xeb0000000067, 0, 13, SEL_TASK},
    {"tss-busy-call", call, 3, SEL_TASK | 3, 0xeb0000000067, 0, 13, SEL_TASK},
    {"tss-absent", jump, 3, SEL_TASK | 3, 0x690000000067, 0, 11, SEL_TASK},
    {"tss-short", jump, 3, SEL_TASK | 3, 0xe90000000066, 0, 10, SEL_TASK},
    {"tss-short-16", jump, 3, SEL_TASK | 3, 0xe1000000002a, 0, 10, SEL_TASK},
    {"tss-ldt", jump, 3, SEL_TASK | SEL_TI | 3, 0, 0, 13, SEL_TASK | SEL_TI},
    {"gate-dpl", jump, 3, SEL_GATE | 3, 0, 0x850001500000, 13, SEL_GATE},
    {"gate-rpl", jump, 0, SEL_GATE | 3, 0, 0x850001500000, 13, SEL_GATE},
    {"gate-absent", jump, 3, SEL_GATE | 3, 0, 0x650001500000, 11, SEL_GATE},
    {"gate-null", jump, 3, SEL_GATE | 3, 0, 0xe50000000000, 13, 0},
    {"gate-ldt", call, 3, SEL_GATE | 3, 0, 0xe50001540000, 13, SEL_TASK | SEL_TI},
    {"gate-outside", jump, 3, SEL_GATE | 3, 0, 0xe5007ff80000, 13, 0x7ff8},
    {"gate-busy", jump, 3, SEL_GATE | 3, 0xeb0000000067, 0, 13, SEL_TASK},
    {"gate-data", jump, 3, SEL_GATE | 3, 0xf30000000067, 0, 13, SEL_TASK},
    {"gate-tss-absent", jump, 3, SEL_GATE | 3, 0x690000000067, 0, 11, SEL_TASK},
    {"gate-tss-short", call, 3, SEL_GATE | 3, 0xe90000000066, 0, 10, SEL_TASK},
    {"int-busy", interrupt, 3, 0, 0xeb0000000067, 0, 13, SEL_TASK},
    {"int-tss-absent", interrupt, 3, 0, 0x690000000067, 0, 11, SEL_TASK},
    {"int-tss-short", interrupt, 3, 0, 0xe90000000066, 0, 10, SEL_TASK},
    {"exception-busy", undefined, 3, 0, 0xeb0000000067, 0, 13, SEL_TASK | 1},
    {"exception-absent", undefined, 3, 0, 0x690000000067, 0, 11, SEL_TASK | 1},
    {"exception-short", undefined, 3, 0, 0xe90000000066, 0, 10, SEL_TASK | 1},
};

static void bad_starts(void)
{
    for (unsigned i = 0; i < COUNT(starts); i++) {
        make_task(arrival, 3);
        if (starts[i].task) {
            set(SEL_TASK, starts[i].task);
        }
        if (starts[i].gate) {
            set(SEL_GATE, starts[i].gate);
        }
        idt[6].low = idt[VECTOR].low;
        Regs in = regs_of_ring(starts[i].code, starts[i].ring, starts[i].selector);
        Trap trap = run(&in);
        check_trap(starts[i].name, &trap, starts[i].vector, starts[i].error, 0, "SDM 3A 7.3");
    }
    check("start-keeps-tr", task_register(), SEL_TSS, "SDM 3A 7.3");
    check("start-keeps-busy", type_of(SEL_TSS), 0x8b, "SDM 3A 7.3");
    main_again();
    idt_restore(6);
    idt_restore(VECTOR);
}

/* -- Faults of the new task
 * ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t field; /* offset in Tss */
    uint16_t value;
    uint64_t descriptor; /* of SEL_TEST */
    uint8_t vector;
    uint16_t error;
} loads[] = {
    {"cs-null", offsetof(Tss, cs), 0, 0, 10, 0},
    {"cs-outside", offsetof(Tss, cs), 0x7ffb, 0, 10, 0x7ff8},
    {"cs-data", offsetof(Tss, cs), SEL_TEST | 3, FLAT(0xf3), 10, SEL_TEST},
    {"cs-dpl", offsetof(Tss, cs), SEL_TEST | 3, FLAT(0x9b), 10, SEL_TEST},
    {"cs-absent", offsetof(Tss, cs), SEL_TEST | 3, FLAT(0x7b), 11, SEL_TEST},
    {"ss-null", offsetof(Tss, ss), 0, 0, 10, 0},
    {"ss-outside", offsetof(Tss, ss), 0x7ffb, 0, 10, 0x7ff8},
    {"ss-code", offsetof(Tss, ss), SEL_TEST | 3, FLAT(0xfb), 10, SEL_TEST},
    {"ss-read-only", offsetof(Tss, ss), SEL_TEST | 3, FLAT(0xf1), 10, SEL_TEST},
    {"ss-dpl", offsetof(Tss, ss), SEL_TEST | 3, FLAT(0x93), 10, SEL_TEST},
    {"ss-rpl", offsetof(Tss, ss), SEL_TEST, FLAT(0xf3), 10, SEL_TEST},
    {"ss-absent", offsetof(Tss, ss), SEL_TEST | 3, FLAT(0x73), 12, SEL_TEST},
    {"ds-outside", offsetof(Tss, ds), 0x7ffb, 0, 10, 0x7ff8},
    {"ds-dpl", offsetof(Tss, ds), SEL_TEST | 3, FLAT(0x93), 10, SEL_TEST},
    {"ds-execute-only", offsetof(Tss, ds), SEL_TEST | 3, FLAT(0xf9), 10, SEL_TEST},
    {"ds-system", offsetof(Tss, ds), SEL_TEST | 3, FLAT(0xe2), 10, SEL_TEST},
    {"ds-absent", offsetof(Tss, ds), SEL_TEST | 3, FLAT(0x73), 11, SEL_TEST},
    {"es-dpl", offsetof(Tss, es), SEL_TEST | 3, FLAT(0x93), 10, SEL_TEST},
    {"fs-dpl", offsetof(Tss, fs), SEL_TEST | 3, FLAT(0x93), 10, SEL_TEST},
    {"gs-absent", offsetof(Tss, gs), SEL_TEST | 3, FLAT(0x73), 11, SEL_TEST},
    {"gs-null", offsetof(Tss, gs), 3, 0, INT3, 0},
    {"ldt-outside", offsetof(Tss, ldt), 0x7ff8, 0, 10, 0x7ff8},
    {"ldt-local", offsetof(Tss, ldt), SEL_TEST | SEL_TI, 0, 10, SEL_TEST | SEL_TI},
    {"ldt-data", offsetof(Tss, ldt), SEL_TEST, FLAT(0x93), 10, SEL_TEST},
    {"ldt-absent", offsetof(Tss, ldt), SEL_TEST, 0x020000000067, 10, SEL_TEST},
    {"ldt-good", offsetof(Tss, ldt), SEL_TEST, 0x820000000067, INT3, 0},
};

/* The fault is the new task's: its handler runs on that task's ring-0 stack, or when CS or SS are
 * no good by a task gate. Here all of #TS #NP #SS go through one. */
static void bad_loads(void)
{
    char name[40];
    for (unsigned i = 0; i < COUNT(loads); i++) {
        make_task(arrival, 3);
        *(uint16_t *)((word)&task + loads[i].field) = loads[i].value;
        if (i == 0) {
            task.ss = SEL_DATA; /* in order with RPL 0 of the null selector */
        }
        set(SEL_TEST, loads[i].descriptor);
        fault_task = (Tss){.eip = (word)arrival,
                           .eflags = 2,
                           .esp = (word)fault_stack + sizeof(fault_stack),
                           .es = SEL_DATA,
                           .cs = SEL_CODE,
                           .ss = SEL_DATA,
                           .ds = SEL_DATA,
                           .fs = SEL_DATA,
                           .gs = SEL_DATA,
                           .io_map = sizeof(Tss)};
        set(SEL_FAULTS, descriptor((word)&fault_task, sizeof(Tss) - 1, 0x89, 0));
        for (unsigned vector = 10; vector < 13; vector++) {
            idt[vector].low = (uint64_t)SEL_FAULTS << 16 | UINT64_C(0x85) << 40;
        }
        Regs in = regs_of_ring(jump, 3, SEL_TASK | 3);
        Trap trap = run(&in);
        format(name, sizeof(name), "load-%s", loads[i].name);
        if (loads[i].vector == INT3) {
            check(name, trap.vector << 16 | trap.regs.cs, INT3 << 16 | SEL_USER, "SDM 3A 7.3");
        } else {
            /* the fault's task has the error code on its stack, and is linked to the new one */
            uint32_t error = *(uint32_t *)(fault_stack + sizeof(fault_stack) - 4);
            check(name, (uint64_t)task_register() << 32 | (fault_task.link & 0xfff8u) << 16 | error,
                  (uint64_t)SEL_FAULTS << 32 | SEL_TASK << 16 | loads[i].error, "SDM 3A 7.3");
            format(name, sizeof(name), "load-%s-saved", loads[i].name);
            check(name, task.eip, (word)arrival, "SDM 3A 7.3");
        }
        main_again();
    }
    for (unsigned vector = 10; vector < 13; vector++) {
        idt_restore(vector);
    }
    /* with SS and CS in order, a handler in the new task serves as well */
    make_task(arrival, 3);
    task.ds = SEL_TEST | 3;
    set(SEL_TEST, FLAT(0x93));
    Regs in = regs_of_ring(jump, 3, SEL_TASK | 3);
    Trap trap = run(&in);
    check("load-ds-in-task", trap.vector << 16 | trap.error, 10 << 16 | SEL_TEST, "SDM 3A 7.3");
    check("load-ds-in-task-ip", trap.regs.ip, (word)arrival, "SDM 3A 7.3");
    main_again();
    /* an entry point outside of CS */
    make_task((void *)0x10000, 3);
    task.cs = SEL_TEST | 3;
    set(SEL_TEST, 0x40fb0000000fff);
    trap = run(&in);
    check("load-eip-limit", trap.vector << 16 | trap.error, 13 << 16, "SDM 3A 7.3");
    check("load-eip-limit-ip", trap.regs.ip, 0x10000, "SDM 3A 7.3");
    main_again();
}

/* -- The debug trap, the error code, local breakpoints, 16-bit tasks, v8086 tasks
 * -------------------------- */

static void others(void)
{
    make_task(arrival, 3);
    task.trap = 1;
    Regs in = regs_of_ring(jump, 3, SEL_TASK | 3);
    write_dr7(0x4ff);
    Trap trap = run(&in);
    check("trap-bit", trap.vector, 1, "SDM 3B 17.3.1.5");
    check("trap-bit-ip", trap.regs.ip, (word)arrival, "SDM 3B 17.3.1.5");
    check("trap-bit-dr6", trap.dr6 & 0xe00f, 0x8000, "SDM 3B 17.2.3");
    check("local-breakpoints", read_dr7() & 0xff, 0xaa, "SDM 3B 17.2.4");
    write_dr7(0);
    write_dr6(0xffff0ff0);
    main_again();

    task16 = (Tss16){.ip = 0,
                     .flags = 2,
                     .ax = 0xa0a0,
                     .cx = 0xc1c1,
                     .dx = 0xd2d2,
                     .bx = 0xb3b3,
                     .sp = 0x800,
                     .bp = 0x5555,
                     .si = 0x6666,
                     .di = 0x7777,
                     .es = SEL_USER_DATA,
                     .cs = SEL_TEST | 3,
                     .ss = SEL_USER_DATA,
                     .ds = SEL_USER_DATA};
    task16.ss0 = SEL_TEST + 8; /* a stack that 16 bits of SP reach */
    task16.sp0 = 0x1000;
    set(SEL_TEST + 8, descriptor((word)task_stack, 0xfff, 0x93, 0));
    set(SEL_TASK, descriptor((word)&task16, sizeof(task16) - 1, 0xe1, 0));
    MAIN->link = 0x1234;
    in = regs_of_ring(call, 3, SEL_TASK | 3);
    in.flags = 2;
    /* the framework cannot run handlers on a stack with a base: through a task */
    fault_task.esp = (word)fault_stack + sizeof(fault_stack);
    fault_task.eip = (word)arrival;
    fault_task.eflags = 2;
    set(SEL_FAULTS, descriptor((word)&fault_task, sizeof(Tss) - 1, 0x89, 0));
    set(SEL_TEST, descriptor((word)undefined, 0xff, 0xfb, 0));
    idt[6].low = (uint64_t)SEL_FAULTS << 16 | UINT64_C(0x85) << 40;
    trap = run(&in);
    check("tss16-arrives", trap.vector << 16 | task_register(), INT3 << 16 | SEL_FAULTS,
          "SDM 3A 7.6");
    check("tss16-link", task16.link, SEL_TSS, "SDM 3A 7.6");
    check("tss16-busy", type_of(SEL_TASK) << 8 | type_of(SEL_TSS), 0xe38b, "SDM 3A 7.6");
    check("tss16-saved",
          task16.ax == 0xa0a0 && task16.cx == 0xc1c1 && task16.dx == 0xd2d2 &&
              task16.bx == 0xb3b3 && task16.sp == 0x800 && task16.bp == 0x5555 &&
              task16.si == 0x6666 && task16.di == 0x7777 && task16.ip == 0,
          true, "SDM 3A 7.6");
    check("tss16-flags", task16.flags, 2 | NT, "SDM 3A 7.6");
    check("tss16-caller", MAIN->eip - (word)call, 2, "SDM 3A 7.6");
    main_again();
    idt_restore(6);

    make_task((void *)0x10, 3); /* v8086 mode: segments are paragraphs */
    task.eflags = 0x20002;
    task.cs = 0x700, task.ss = 0x600, task.ds = 0x111, task.es = 0x222, task.fs = 0x333;
    task.gs = 0x444, task.esp = 0x100;
    memset((void *)0x7010, 0xcc, 1);
    in = regs_of_ring(jump, 3, SEL_TASK | 3);
    trap = run(&in);
    check("v8086-arrives", trap.vector << 24 | trap.regs.cs << 8 | trap.regs.ip, 0x03070011,
          "SDM 3B 20.2.3");
    check("v8086-segments", (uint64_t)trap.regs.ds << 32 | trap.regs.es << 16 | trap.regs.gs,
          UINT64_C(0x11102220444), "SDM 3B 20.2.3");
    main_again();

    /* a page fault's error code on a 32-bit task's stack: #GP by a task gate */
    fault_task.esp = (word)fault_stack + sizeof(fault_stack);
    fault_task.eip = (word)arrival;
    fault_task.eflags = 2;
    set(SEL_FAULTS, descriptor((word)&fault_task, sizeof(Tss) - 1, 0x89, 0));
    idt[13].low = (uint64_t)SEL_FAULTS << 16 | UINT64_C(0x85) << 40;
    in = regs_of_ring(jump, 3, 0x7ffb);
    trap = run(&in);
    check("error-code", *(uint32_t *)(fault_stack + sizeof(fault_stack) - 4), 0x7ff8,
          "SDM 3A 6.13");
    check("error-code-link", fault_task.link << 16 | type_of(SEL_TSS), SEL_TSS << 16 | 0x8b,
          "SDM 3A 6.12.2");
    main_again();
    idt_restore(13);
}

int main(void);
int main(void)
{
    __asm__ volatile("lldt %w0" : : "r"(0));
    ways_in();
    returns();
    bad_starts();
    bad_loads();
    others();
    return 0;
}
