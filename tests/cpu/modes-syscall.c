/* SPDX-License-Identifier: MIT */
/* SYSCALL, SYSRET, SYSENTER, SYSEXIT by either vendor's rules, compatibility mode, and the
 * instructions that 64-bit mode has dropped. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")
#define SNIPPET32(name, code)                                                                      \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n .code32\n" #name ": " code "\n int3\n .code64\n")

enum {
    SEL_TEST = SEL_FREE,
    INT3 = 3,
    EFER_SCE = 1,
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_CSTAR = 0xc0000083,
    MSR_FMASK = 0xc0000084,
    MSR_SYSENTER_CS = 0x174,
    MSR_SYSENTER_ESP = 0x175,
    MSR_SYSENTER_EIP = 0x176
};
#define HOLE 0x800000000000
/* Nine selectors in the order that STAR and SYSENTER_CS want: code, data, code32, data, code. */
enum { STAR_KERNEL = SEL_FREE + 0x10, STAR_USER = SEL_FREE + 0x30, ENTER_CS = SEL_FREE + 0x60 };

static bool is_amd;

static Regs at(const void *code, unsigned cs)
{
    bool is_kernel = !(cs & 3);
    return (Regs){.ip = (word)code,
                  .cs = cs,
                  .ss = is_kernel ? SEL_DATA : SEL_USER_DATA,
                  .sp = user_stack_top() - 64,
                  .flags = 2};
}

SNIPPET(syscall_64, "syscall");
SNIPPET(arrival, "int3");
SNIPPET32(syscall_32, "syscall");
SNIPPET(sysret_64, "sysretq");
SNIPPET(sysret_32, "sysretl");
SNIPPET(sysenter, "sysenter");
SNIPPET(sysexit_64, "rex.w sysexit");
SNIPPET(sysexit_32, ".byte 0x0f, 0x35");
SNIPPET32(arrival_32, "int3");

static void check_arrival(const char *name, const Trap *trap, unsigned cs, unsigned ss, word ip,
                          const char *source)
{
    char text[48];
    check(name, trap->vector << 16 | trap->error, INT3 << 16, source);
    format(text, sizeof(text), "%s-segments", name);
    check(text, trap->regs.cs << 16 | trap->regs.ss, (uint64_t)cs << 16 | ss, source);
    format(text, sizeof(text), "%s-ip", name);
    check(text, trap->regs.ip, ip + 1, source);
}

static void syscalls(void)
{
    Regs in = at(syscall_64, SEL_USER);
    Trap trap = run(&in);
    check_trap("syscall-off", &trap, 6, 0, 0, "SDM 2B SYSCALL");
    in = at(sysret_64, SEL_CODE);
    trap = run(&in);
    check_trap("sysret-off", &trap, 6, 0, 0, "SDM 2B SYSRET");
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE);
    write_msr(MSR_STAR, (uint64_t)STAR_USER << 48 | (uint64_t)(STAR_KERNEL | 3) << 32);
    write_msr(MSR_LSTAR, (word)arrival);
    write_msr(MSR_CSTAR, (word)arrival);
    write_msr(MSR_FMASK, 0x40601);

    in = at(syscall_64, SEL_USER);
    in.flags = 0x240ed7;
    trap = run(&in);
    check_arrival("syscall", &trap, STAR_KERNEL, STAR_KERNEL + 8, (word)arrival, "SDM 2B SYSCALL");
    check("syscall-rcx", trap.regs.cx, (word)syscall_64 + 2, "SDM 2B SYSCALL");
    check("syscall-r11", trap.regs.r11, 0x240ed7, "SDM 2B SYSCALL");
    check("syscall-flags", trap.regs.flags, 0x2008d6, "SDM 2B SYSCALL");
    check("syscall-rsp", trap.regs.sp, in.sp, "SDM 2B SYSCALL");
    in.cs = SEL_CODE, in.ss = SEL_DATA;
    trap = run(&in);
    check_arrival("syscall-ring-0", &trap, STAR_KERNEL, STAR_KERNEL + 8, (word)arrival,
                  "SDM 2B SYSCALL");
    in = at(syscall_32, SEL_USER32);
    trap = run(&in);
    if (is_amd) {
        check_arrival("syscall-32", &trap, STAR_KERNEL, STAR_KERNEL + 8, (word)arrival,
                      "APM 3 SYSCALL");
        check("syscall-32-rcx", trap.regs.cx, (word)syscall_32 + 2, "APM 3 SYSCALL");
    } else {
        check_trap("syscall-32", &trap, 6, 0, 0, "SDM 2B SYSCALL");
    }

    in = at(sysret_64, SEL_CODE);
    in.cx = (word)arrival;
    in.r11 = 0xffffffff000de8d7 & ~0x100ul; /* with VM, RF, VIF, and bits that do not exist */
    trap = run(&in);
    check_arrival("sysret", &trap, STAR_USER + 19, STAR_USER + 11, (word)arrival, "SDM 2B SYSRET");
    check("sysret-flags", trap.regs.flags & ~0x10000u, 0xc68d7 & 0x3c7fd7, "SDM 2B SYSRET");
    in = at(sysret_32, SEL_CODE);
    in.cx = (word)arrival_32 | 1ull << 40;
    in.r11 = 2;
    trap = run(&in);
    check_arrival("sysret-32", &trap, STAR_USER + 3, STAR_USER + 11, (word)arrival_32,
                  "SDM 2B SYSRET");
    in = at(sysret_64, SEL_USER);
    trap = run(&in);
    check_trap("sysret-ring-3", &trap, 13, 0, 0, "SDM 2B SYSRET");
    in = at(sysret_64, SEL_CODE);
    in.cx = HOLE;
    in.r11 = 2;
    trap = run(&in);
    if (is_amd) {
        check("sysret-hole", trap.vector << 16 | trap.regs.cs, 13 << 16 | (STAR_USER + 19),
              "APM 3 SYSRET");
        check("sysret-hole-rip", trap.regs.ip, HOLE, "APM 3 SYSRET");
    } else {
        check_trap("sysret-hole", &trap, 13, 0, 0, "SDM 2B SYSRET");
        check("sysret-hole-cs", trap.regs.cs, SEL_CODE, "SDM 2B SYSRET");
    }
    check("fmask-upper", try_write_msr(MSR_FMASK, 0), NO_TRAP, "SDM 4 2");
    check("star-selectors", read_msr(MSR_STAR) >> 32, (uint64_t)STAR_USER << 16 | STAR_KERNEL | 3,
          "SDM 4 2");
}

/* Flags that only the ring goes with: no AC, no DF. */
static void plain_syscalls(void)
{
    Regs in = at(syscall_64, SEL_USER);
    Trap trap;

    write_msr(MSR_FMASK, 0x40601);
    in.flags = 0x204ad7;
    trap = run(&in);
    check_arrival("plain-syscall", &trap, STAR_KERNEL, STAR_KERNEL + 8, (word)arrival,
                  "SDM 2B SYSCALL");
    check("plain-syscall-rcx", trap.regs.cx, (word)syscall_64 + 2, "SDM 2B SYSCALL");
    check("plain-syscall-r11", trap.regs.r11, 0x204ad7, "SDM 2B SYSCALL");
    check("plain-syscall-flags", trap.regs.flags, 0x2048d6, "SDM 2B SYSCALL");
    check("plain-syscall-rsp", trap.regs.sp, in.sp, "SDM 2B SYSCALL");
    in = at(sysret_64, SEL_CODE);
    in.cx = (word)arrival;
    in.r11 = 0xffffffff0028e8d7; /* with VIF, and bits that do not exist */
    trap = run(&in);
    check_arrival("plain-sysret", &trap, STAR_USER + 19, STAR_USER + 11, (word)arrival,
                  "SDM 2B SYSRET");
    check("plain-sysret-flags", trap.regs.flags & ~0x10000u, 0x2868d7, "SDM 2B SYSRET");
    in.r11 = 0x102;
    trap = run(&in);
    check("sysret-tf", trap.vector << 16 | trap.regs.cs, 1 << 16 | (STAR_USER + 19),
          "SDM 3B 17.3.1.4");
    check("sysret-tf-ip", trap.regs.ip, (word)arrival, "SDM 3B 17.3.1.4");
    in = at(syscall_64, SEL_USER);
    in.flags = 0x102;
    trap = run(&in);
    check("syscall-tf", trap.vector << 16 | trap.regs.cs, 1 << 16 | STAR_KERNEL, "SDM 3B 17.3.1.4");
    check("syscall-tf-r11", trap.regs.r11, 0x102, "SDM 2B SYSCALL");
}

static void sysenters(void)
{
    write_msr(MSR_SYSENTER_CS, 0);
    write_msr(MSR_SYSENTER_ESP, 0x123450);
    write_msr(MSR_SYSENTER_EIP, (word)arrival);
    Regs in = at(sysenter, SEL_USER);
    Trap trap = run(&in);
    if (is_amd) {
        check_trap("sysenter-long", &trap, 6, 0, 0, "APM 3 SYSENTER");
        in = at(sysexit_64, SEL_CODE);
        trap = run(&in);
        check_trap("sysexit-long", &trap, 6, 0, 0, "APM 3 SYSEXIT");
        return;
    }
    check_trap("sysenter-null", &trap, 13, 0, 0, "SDM 2B SYSENTER");
    in = at(sysexit_64, SEL_CODE);
    trap = run(&in);
    check_trap("sysexit-null", &trap, 13, 0, 0, "SDM 2B SYSEXIT");
    write_msr(MSR_SYSENTER_CS, ENTER_CS | 3);
    in = at(sysenter, SEL_USER);
    in.flags = 0x243fd7 & ~0x100;
    trap = run(&in);
    check_arrival("sysenter", &trap, ENTER_CS, ENTER_CS + 8, (word)arrival, "SDM 2B SYSENTER");
    check("sysenter-rsp", trap.regs.sp, 0x123450, "SDM 2B SYSENTER");
    check("sysenter-flags", trap.regs.flags, 0x243cd7, "SDM 2B SYSENTER");
    in = at(sysenter, SEL_USER32);
    trap = run(&in);
    check_arrival("sysenter-32", &trap, ENTER_CS, ENTER_CS + 8, (word)arrival, "SDM 2B SYSENTER");
    in = at(sysexit_64, SEL_CODE);
    in.dx = (word)arrival;
    in.cx = 0x7fffffff8000;
    trap = run(&in);
    check_arrival("sysexit", &trap, ENTER_CS + 35, ENTER_CS + 43, (word)arrival, "SDM 2B SYSEXIT");
    check("sysexit-rsp", trap.regs.sp, 0x7fffffff8000, "SDM 2B SYSEXIT");
    in.cx = HOLE;
    trap = run(&in);
    check_trap("sysexit-sp-hole", &trap, 13, 0, 0, "SDM 2B SYSEXIT");
    in.cx = 0, in.dx = HOLE;
    trap = run(&in);
    check_trap("sysexit-ip-hole", &trap, 13, 0, 0, "SDM 2B SYSEXIT");
    in = at(sysexit_32, SEL_CODE);
    in.dx = (word)arrival_32 | 1ull << 40;
    in.cx = 0x1200001000;
    trap = run(&in);
    check_arrival("sysexit-32", &trap, ENTER_CS + 19, ENTER_CS + 27, (word)arrival_32,
                  "SDM 2B SYSEXIT");
    check("sysexit-32-sp", trap.regs.sp, 0x1000, "SDM 2B SYSEXIT");
    in = at(sysexit_64, SEL_USER);
    trap = run(&in);
    check_trap("sysexit-ring-3", &trap, 13, 0, 0, "SDM 2B SYSEXIT");
}

/* -- What 64-bit mode has dropped
 * --------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t code[8];
} dropped[] = {
    {"push-es", {0x06}},
    {"pop-es", {0x07}},
    {"push-cs", {0x0e}},
    {"push-ss", {0x16}},
    {"pop-ss", {0x17}},
    {"push-ds", {0x1e}},
    {"pop-ds", {0x1f}},
    {"daa", {0x27}},
    {"das", {0x2f}},
    {"aaa", {0x37}},
    {"aas", {0x3f}},
    {"pusha", {0x60}},
    {"popa", {0x61}},
    {"alias-82", {0x82, 0xc0, 0x01}},
    {"call-far", {0x9a, 0, 0, 0, 0, 8, 0}},
    {"into", {0xce}},
    {"aam", {0xd4, 10}},
    {"aad", {0xd5, 10}},
    {"salc", {0xd6}},
    {"jmp-far", {0xea, 0, 0, 0, 0, 8, 0}},
    {"mov-cr1", {0x0f, 0x20, 0xc8}},
    {"mov-cr5", {0x0f, 0x22, 0xe8}},
    {"mov-cr9", {0x44, 0x0f, 0x20, 0xc8}},
    {"mov-dr8", {0x44, 0x0f, 0x21, 0xc0}},
    {"group-fe-2", {0xfe, 0xd0}},
    {"group-ff-7", {0xff, 0xf8}},
    {"group-8f-1", {0x8f, 0x48 | 0x80, 0}},
    {"far-register", {0xff, 0xd8}},
    {"lea-register", {0x8d, 0xc0}},
    {"lgdt-register", {0x0f, 0x01, 0xd6}},
    {"cmpxchg8b-register", {0x0f, 0xc7, 0xc8}},
    {"rsm", {0x0f, 0xaa}},
    {"ud2", {0x0f, 0x0b}},
    {"ud1", {0x0f, 0xb9, 0xc0}},
    {"ud0", {0x0f, 0xff, 0xc0}},
};

static void dropped_instructions(void)
{
    static uint8_t code[32];
    for (unsigned i = 0; i < COUNT(dropped); i++) {
        memset(code, 0xcc, sizeof(code));
        memcpy(code, dropped[i].code, 8);
        Regs in = at(code, SEL_CODE);
        Trap trap = run(&in);
        char name[40];
        format(name, sizeof(name), "undefined-%s", dropped[i].name);
        check_trap(name, &trap, 6, 0, 0, "SDM 2A 2.2.1");
    }
}

/* -- Compatibility mode
 * -------------------------------------------------------------------------------- */

SNIPPET32(inc_dec, "incl %eax; decl %ecx");
SNIPPET32(push_pop, "push %eax; pop %edx; push %ds; pop %es");
SNIPPET32(to_64, "ljmp $0x43, $arrival");
SNIPPET32(old_insns, "pushal; popal; aam; daa; bound %ecx, (%ebx); lds (%ebx), %edx");
SNIPPET32(arpl, "arpl %cx, %ax");
SNIPPET32(read_ds, "movl (%ebx), %edx");
SNIPPET32(rex_is_inc, ".byte 0x48; addl %eax, %ecx");
SNIPPET32(task_jump, "ljmp *(%ebx)");
SNIPPET32(sp_wrap, "movl $4, %esp; push %eax; movl %esp, %edx");
SNIPPET32(call_gate, "lcall *(%ebx)");

static struct {
    uint32_t offset;
    uint16_t selector;
} pointer;

static Trap compatible(const uint8_t *code, unsigned ds)
{
    Regs in = at(code, SEL_USER32);
    in.ax = 0x1111, in.cx = 0x2222;
    in.bx = (word)&pointer;
    in.r8 = 0x8888, in.r15 = 0xffff;
    in.ds = in.es = ds;
    return run(&in);
}

static void compatibility(void)
{
    static uint32_t bounds[2] = {0, 0xffff};
    Trap trap = compatible(inc_dec, 0);
    check("compat-inc", trap.regs.ax << 16 | trap.regs.cx, 0x11122221, "SDM 2A 2.2.1");
    check("compat-r8", trap.regs.r8 << 16 | trap.regs.r15, 0x8888ffff, "SDM 1 3.4.1.1");
    trap = compatible(push_pop, 0);
    check("compat-push", trap.regs.dx << 16 | trap.regs.es, 0x11110000 | SEL_USER_DATA,
          "SDM 2B PUSH");
    trap = compatible(to_64, 0);
    check("compat-to-64", trap.vector << 16 | trap.regs.cs, INT3 << 16 | SEL_USER, "SDM 2A JMP");
    Regs in = at(old_insns, SEL_USER32);
    in.bx = (word)bounds;
    in.cx = 1;
    bounds[1] = SEL_USER_DATA;
    trap = run(&in);
    check("compat-old", trap.vector, INT3, "SDM 2A PUSHA");
    trap = compatible(arpl, 0);
    check("compat-arpl", trap.regs.ax << 8 | (trap.regs.flags >> 6 & 1), 0x111201, "SDM 2A ARPL");
    gdt[SEL_TEST / 8] = descriptor((uint32_t)(word)&pointer, 3, 0xf3, 4);
    pointer.offset = 0x89abcdef;
    in = at(read_ds, SEL_USER32);
    in.ds = SEL_TEST | 3;
    trap = run(&in);
    check("compat-base", trap.regs.dx, 0x89abcdef, "SDM 3A 3.2.4");
    in.bx = 1;
    trap = run(&in);
    check_trap("compat-limit", &trap, 13, 0, 0, "SDM 3A 5.3.1");
    in.ds = 3;
    trap = run(&in);
    check_trap("compat-null", &trap, 13, 0, 0, "SDM 3A 5.4.1.1");
    in.ip = (word)rex_is_inc;
    in.ax = 0x11, in.cx = 0x22;
    trap = run(&in);
    check("compat-rex", trap.regs.ax << 16 | trap.regs.cx, 0x100032, "SDM 2A 2.2.1");
    static const struct {
        const char *name;
        uint64_t low;
    } systems[] = {{"compat-tss", 0xe90000000067},
                   {"compat-task-gate", 0xe50000000000},
                   {"compat-gate-16", 0xe40000000000}};
    for (unsigned i = 0; i < COUNT(systems); i++) {
        gdt[SEL_TEST / 8] = systems[i].low;
        pointer.selector = SEL_TEST | 3;
        trap = compatible(task_jump, 0);
        check_trap(systems[i].name, &trap, 13, SEL_TEST, 0, "SDM 2A JMP");
    }
    word to = (word)arrival;
    gdt[SEL_TEST / 8] = (to & 0xffff) | SEL_CODE << 16 | 0xecull << 40 | (to >> 16 & 0xffff) << 48;
    gdt[SEL_TEST / 8 + 1] = to >> 32;
    trap = compatible(call_gate, 0);
    const uint64_t *sp = (const uint64_t *)trap.regs.sp;
    check("compat-call-gate", trap.vector << 16 | trap.regs.cs, INT3 << 16 | SEL_CODE,
          "SDM 3A 5.8.3.1");
    check("compat-call-gate-frame", sp[0] == (word)call_gate + 2 && sp[1] == SEL_USER32, true,
          "SDM 3A 5.8.5.1");
    trap = compatible(sp_wrap, 0);
    check("compat-sp", trap.regs.dx, 0, "SDM 2B PUSH");
}

int main(void);
int main(void)
{
    static const uint64_t kernel64 = 0xaf9b000000ffff, data0 = 0xcf93000000ffff;
    static const uint64_t user32 = 0xcffb000000ffff, user64 = 0xaffb000000ffff;
    static const uint64_t data3 = 0xcff3000000ffff;
    uint64_t *star = &gdt[STAR_KERNEL / 8], *ret = &gdt[STAR_USER / 8], *enter = &gdt[ENTER_CS / 8];
    is_amd = cpuid(0, 0).ebx == 0x68747541;
    star[0] = kernel64, star[1] = data0;
    ret[0] = user32, ret[1] = data3, ret[2] = user64;
    enter[0] = kernel64, enter[1] = data0, enter[2] = user32, enter[3] = data3;
    enter[4] = user64, enter[5] = data3;
    syscalls();
    plain_syscalls();
    sysenters();
    dropped_instructions();
    compatibility();
    return 0;
}
