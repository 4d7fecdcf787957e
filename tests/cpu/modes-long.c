/* SPDX-License-Identifier: MIT */
/* Long mode: canonical checks, what segmentation is left, far transfers to 64-bit, 32-bit and
 * 16-bit code, gates, IRET's forms, interrupt stacks, SYSCALL and SYSENTER, instructions that are
 * gone. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")

enum {
    SEL_TEST = SEL_FREE,         /* 16 bytes */
    SEL_GATE = SEL_FREE + 0x10,  /* 16 bytes */
    SEL_CODE1 = SEL_FREE + 0x20, /* 64-bit code and data of ring 1 */
    SEL_DATA1 = SEL_FREE + 0x28,
    SEL_BASED = SEL_FREE + 0x30, /* data with a base and a small limit */
    SEL_COMPAT16 = SEL_FREE + 0x38,
    INT3 = 3,
    VECTOR = 0x30
};
#define FLAT64(access) (0x00af00000000ffff | (uint64_t)(access) << 40)
#define FLAT32(access) (0x00cf00000000ffff | (uint64_t)(access) << 40)
#define ARITHMETIC_FLAGS 0x8d5u
#define HOLE 0x800000000000 /* the first address that is not canonical */

static uint8_t stack1[0x1000] __attribute__((aligned(16)));
static uint64_t data[64] __attribute__((aligned(64)));

static void set(unsigned selector, uint64_t value)
{
    gdt[selector / 8] = value;
}

static Regs user(const void *code)
{
    return (Regs){.ip = (word)code,
                  .cs = SEL_USER,
                  .ss = SEL_USER_DATA,
                  .sp = user_stack_top() - 64,
                  .flags = 2};
}

static uint64_t *frame(void)
{
    return (uint64_t *)(user_stack_top() - 64);
}

/* -- Canonical addresses: #SS(0) for the stack segment, #GP(0) for all others
 * ---------------------- */

SNIPPET(at_rax, "movl (%rax), %r15d");
SNIPPET(at_rbx, "movl (%rbx), %r15d");
SNIPPET(at_rsp, "movl (%rsp), %r15d");
SNIPPET(at_rbp, "movl (%rbp), %r15d");
SNIPPET(at_r12, "movl (%r12), %r15d");
SNIPPET(at_r13, "movl (%r13), %r15d");
SNIPPET(ss_rax, "movl %ss:(%rax), %r15d");
SNIPPET(ds_rbp, ".byte 0x3e; movl (%rbp), %r15d");
SNIPPET(fs_rbp, "movl %fs:(%rbp), %r15d");
SNIPPET(rbp_index, "movl (%rcx,%rbp), %r15d");
SNIPPET(rbp_base, "movl (%rbp,%rcx), %r15d");
SNIPPET(rsp_base, "movl (%rsp,%rcx), %r15d");
SNIPPET(push_rax, "push %rax");
SNIPPET(push_16, "pushw %ax");
SNIPPET(pop_rax, "pop %rax");
SNIPPET(pushfq, "pushfq");
SNIPPET(call_near, "call 1f; 1:");
SNIPPET(ret_near, "ret");
SNIPPET(enter_0, "enter $0, $0");
SNIPPET(leave_64, "leave");
SNIPPET(lretq, "lretq");
SNIPPET(iretq, "iretq");
SNIPPET(lret_32, "lretl");
SNIPPET(push_mem, "pushq (%rax)");
SNIPPET(pop_mem, "popq (%rax)");
SNIPPET(jump_rax, "jmp *%rax");
SNIPPET(set_and_jump, "stc; jmp *%rax");
SNIPPET(call_rax, "call *%rax");
SNIPPET(jump_mem, "jmp *(%rax)");
SNIPPET(push_ret, "push %rax; ret");
SNIPPET(lods, "lodsb");
SNIPPET(stos, "stosq");
SNIPPET(movaps, "movaps (%rax), %xmm0");
SNIPPET(clflush, "clflush (%rax)");
SNIPPET(prefetch, "prefetcht0 (%rax)");
SNIPPET(long_nop, "nopl (%rax)");
SNIPPET(fxsave, "fxsave (%rax)");
SNIPPET(bt, "btq %rbx, (%r12)");

static const struct {
    const char *name;
    const uint8_t *code;
    uint64_t bad; /* in RAX RBX RBP RSP RSI RDI R12 R13, as `where` says */
    const char *where;
    uint8_t vector, offset;
} canonical[] = {
    {"rax", at_rax, HOLE, "a", 13, 0},
    {"rbx", at_rbx, HOLE, "b", 13, 0},
    {"rsp", at_rsp, HOLE, "s", 12, 0},
    {"rbp", at_rbp, HOLE, "p", 12, 0},
    {"r12", at_r12, HOLE, "c", 13, 0},
    {"r13", at_r13, HOLE, "d", 13, 0},
    {"ss-rax", ss_rax, HOLE, "a", 13, 0},
    {"ds-rbp", ds_rbp, HOLE, "p", 12, 0},
    {"fs-rbp", fs_rbp, HOLE, "p", 13, 0},
    {"rbp-index", rbp_index, HOLE, "p", 13, 0},
    {"rbp-base", rbp_base, HOLE, "p", 12, 0},
    {"rsp-base", rsp_base, HOLE, "s", 12, 0},
    {"upper", at_rax, 0xffff7fffffffffff, "a", 13, 0},
    {"straddle", at_rax, HOLE - 1, "a", 13, 0},
    {"push", push_rax, HOLE + 0x100, "s", 12, 0},
    {"push-straddle", push_rax, HOLE + 4, "s", 12, 0},
    {"push-16", push_16, HOLE + 2, "s", 12, 0},
    {"pop", pop_rax, HOLE, "s", 12, 0},
    {"pushf", pushfq, HOLE + 8, "s", 12, 0},
    {"call", call_near, HOLE + 8, "s", 12, 0},
    {"ret", ret_near, HOLE, "s", 12, 0},
    {"enter", enter_0, HOLE + 8, "s", 12, 0},
    {"leave", leave_64, HOLE, "p", 12, 0},
    {"lret", lretq, HOLE, "s", 12, 0},
    {"iret", iretq, HOLE, "s", 12, 0},
    {"push-mem", push_mem, HOLE, "a", 13, 0},
    {"pop-mem", pop_mem, HOLE, "a", 13, 0},
    {"jump", jump_rax, HOLE, "a", 13, 0},
    {"jump-behind-flags", set_and_jump, HOLE, "a", 13, 1},
    {"call-register", call_rax, HOLE, "a", 13, 0},
    {"jump-memory", jump_mem, HOLE, "a", 13, 0},
    {"ret-target", push_ret, HOLE, "a", 13, 1},
    {"lods", lods, HOLE, "i", 13, 0},
    {"stos", stos, HOLE, "o", 13, 0},
    {"movaps-aligned", movaps, HOLE, "a", 13, 0},
    {"clflush", clflush, HOLE, "a", 13, 0},
    {"prefetch", prefetch, HOLE, "a", INT3, 4},
    {"nop", long_nop, HOLE, "a", INT3, 4},
    {"fxsave", fxsave, HOLE, "a", 13, 0},
    {"fxsave-unaligned", fxsave, HOLE + 1, "a", 13, 0},
    {"bt", bt, 0x7fffffffffffffff, "b", 13, 0},
};

static void canonical_checks(void)
{
    char name[40];
    for (unsigned i = 0; i < COUNT(canonical); i++) {
        Regs in = user(canonical[i].code);
        word good = (word)data;
        in.ax = in.bx = in.bp = in.si = in.di = in.r12 = in.r13 = good;
        in.bp = in.sp;
        in.flags |= ARITHMETIC_FLAGS;
        *(canonical[i].where[0] == 'a'   ? &in.ax
          : canonical[i].where[0] == 'b' ? &in.bx
          : canonical[i].where[0] == 's' ? &in.sp
          : canonical[i].where[0] == 'p' ? &in.bp
          : canonical[i].where[0] == 'i' ? &in.si
          : canonical[i].where[0] == 'o' ? &in.di
          : canonical[i].where[0] == 'c' ? &in.r12
                                         : &in.r13) = canonical[i].bad;
        Trap trap = run(&in);
        format(name, sizeof(name), "canonical-%s", canonical[i].name);
        check_trap(name, &trap, canonical[i].vector, 0, canonical[i].offset, "silicon");
        if (canonical[i].vector != INT3) {
            format(name, sizeof(name), "canonical-%s-registers", canonical[i].name);
            word moved = canonical[i].code == push_ret ? 8 : 0;
            check(name,
                  trap.regs.sp == in.sp - moved && trap.regs.bp == in.bp && trap.regs.ax == in.ax &&
                      trap.regs.si == in.si && trap.regs.di == in.di &&
                      !((trap.regs.flags ^ in.flags) & ARITHMETIC_FLAGS),
                  true, "SDM 3A 6.6");
        }
    }
    /* registers that hold linear addresses */
    static const struct {
        const char *name;
        uint32_t msr;
    } msrs[] = {{"fs", 0xc0000100},     {"gs", 0xc0000101},    {"kernel-gs", 0xc0000102},
                {"lstar", 0xc0000082},  {"cstar", 0xc0000083}, {"sysenter-eip", 0x176},
                {"sysenter-esp", 0x175}};
    for (unsigned i = 0; i < COUNT(msrs); i++) {
        uint64_t old = 0;
        try_read_msr(msrs[i].msr, &old);
        format(name, sizeof(name), "msr-%s", msrs[i].name);
        bool is_ignored = msrs[i].msr < 0x180 && cpuid(0, 0).ebx == 0x68747541; /* AMD: 32 bits */
        check(name, try_write_msr(msrs[i].msr, HOLE), is_ignored ? NO_TRAP : 13, "SDM 2B WRMSR");
        format(name, sizeof(name), "msr-%s-canonical", msrs[i].name);
        check(name, try_write_msr(msrs[i].msr, HOLE - 1), NO_TRAP, "SDM 2B WRMSR");
        write_msr(msrs[i].msr, old);
    }
}

/* -- Segments in 64-bit code, address sizes
 * --------------------------------------------------------- */

SNIPPET(fs_read, "movq %fs:8, %rcx");
SNIPPET(gs_read, "movq %gs:(%rax), %rcx");
SNIPPET(ds_read, "movq (%rax), %rcx");
SNIPPET(addr32_read, "movq (%eax), %rcx");
SNIPPET(addr32_wrap, "movq 16(%eax), %rcx");
SNIPPET(fs_addr32, "movq %fs:16(%eax), %rcx");
SNIPPET(addr32_lea, "leaq 16(%eax), %rcx");
SNIPPET(addr32_rip, ".byte 0x67; leaq 0(%rip), %rcx");
SNIPPET(addr32_loop, "1: incl %edx; addr32 loop 1b");
SNIPPET(addr32_jecxz, "jecxz 1f; incl %edx; 1:");
SNIPPET(addr32_stos, "addr32 rep stosb");

static uint64_t segment_read(const uint8_t *code, unsigned ds, unsigned fs, unsigned gs, word ax)
{
    Regs in = user(code);
    in.ds = ds, in.fs = fs, in.gs = gs, in.ax = ax;
    Trap trap = run(&in);
    return trap.vector == INT3 ? trap.regs.cx : (uint64_t)trap.vector << 32 | trap.error;
}

static void segments(void)
{
    for (unsigned i = 0; i < 16; i++) {
        data[i] = 0x1000 + i;
    }
    set(SEL_BASED, descriptor((uint32_t)(word)&data[4], 3, 0xf3, 0));
    check("fs-base-no-limit", segment_read(fs_read, 0, SEL_BASED | 3, 0, 0), 0x1005,
          "SDM 3A 3.2.4");
    check("gs-base", segment_read(gs_read, 0, 0, SEL_BASED | 3, 16), 0x1006, "SDM 3A 3.2.4");
    check("ds-base-ignored", segment_read(ds_read, SEL_BASED | 3, 0, 0, (word)&data[1]), 0x1001,
          "SDM 3A 3.2.4");
    check("ds-null", segment_read(ds_read, 3, 0, 0, (word)&data[1]), 0x1001, "SDM 3A 3.4.2");
    check("fs-null", segment_read(fs_read, 0, 3, 0, 0) != UINT64_C(13) << 32, true, "SDM 3A 3.4.2");
    check("addr32", segment_read(addr32_read, 0, 0, 0, (word)&data[2] | 1ull << 40), 0x1002,
          "SDM 1 3.6.1");
    *(volatile uint64_t *)0x1008 = 0x89abcdef;
    check("addr32-wrap", segment_read(addr32_wrap, 0, 0, 0, 0xfffffff8 + 0x1000), 0x89abcdef,
          "SDM 1 3.3.7");
    /* truncated before the base is added */
    set(SEL_BASED, descriptor((uint32_t)(word)data - 8, 3, 0xf3, 0));
    check("addr32-fs", segment_read(fs_addr32, 0, SEL_BASED | 3, 0, 0xfffffff8), 0x1000,
          "SDM 1 3.3.7");
    check("addr32-lea", segment_read(addr32_lea, 0, 0, 0, 0xdeadfffffff8), 8, "SDM 2A LEA");
    check("addr32-rip", segment_read(addr32_rip, 0, 0, 0, 0), (word)addr32_rip + 8,
          "SDM 2A 2.2.1.6");
    set(SEL_BASED, FLAT32(0xfb) & ~(UINT64_C(2) << 40)); /* execute-only */
    check("execute-only-load", CATCH("mov %0, %%ds", : "r"(SEL_BASED | 3)), 13, "SDM 2B MOV");

    Regs in = user(addr32_loop);
    in.cx = 0x500000003;
    Trap trap = run(&in);
    check("addr32-loop", trap.regs.dx << 32 | trap.regs.cx, 3ull << 32, "SDM 2A LOOP");
    in = user(addr32_jecxz);
    in.cx = 0x500000000;
    trap = run(&in);
    check("addr32-jecxz", trap.regs.dx << 32 | (trap.regs.cx >> 32), 5, "SDM 2A Jcc");
    in = user(addr32_stos);
    in.cx = 0x500000002;
    in.di = (word)data | 1ull << 44;
    trap = run(&in);
    check("addr32-stos", trap.vector << 16 | trap.regs.cx, INT3 << 16, "SDM 2B REP");
    check("addr32-stos-rdi", trap.regs.di, (word)data + 2, "SDM 2B REP");
}

static void swapgs(void)
{
    write_msr(0xc0000101, 0x1111);
    write_msr(0xc0000102, (word)data);
    __asm__ volatile("swapgs" : : : "memory");
    check("swapgs-gs", read_msr(0xc0000101), (word)data, "SDM 2B SWAPGS");
    check("swapgs-kernel", read_msr(0xc0000102), 0x1111, "SDM 2B SWAPGS");
    static const uint8_t code[] = {0x0f, 0x01, 0xf8};
    Trap trap = run_user(code);
    check_trap("swapgs-ring-3", &trap, 13, 0, 0, "SDM 2B SWAPGS");
    write_msr(0xc0000101, 0);
    write_cr4(read_cr4() & ~(word)0x10000);
    check("wrfsbase-off", CATCH("wrfsbase %0", : "r"(0ul)), 6, "SDM 2B WRFSBASE");
    if (!(cpuid(7, 0).ebx & 1)) {
        check_skip("wrfsbase", "no FSGSBASE");
        return;
    }
    write_cr4(read_cr4() | 0x10000);
    uint64_t value = 0;
    CATCH("wrgsbase %1; rdgsbase %0", "=r"(value) : "r"((word)data));
    check("wrgsbase", value, (word)data, "SDM 2B WRGSBASE");
    CATCH("wrfsbase %0", : "r"(HOLE));
    check_trap("wrfsbase-hole", &caught, 13, 0, 0, "SDM 2B WRFSBASE");
    CATCH("movl $-1, %k0; wrfsbase %k0; rdfsbase %0", "=&r"(value));
    check("wrfsbase-32", value, 0xffffffff, "SDM 2B WRFSBASE");
    write_msr(0xc0000100, 0);
}

/* -- System descriptors of 16 bytes
 * --------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool is_task;
    uint16_t selector;
    uint64_t low, high;
    uint8_t vector;
    uint16_t error;
} system_loads[] = {
    {"lldt", false, SEL_TEST, 0x820000000fff, 0, NO_TRAP, 0},
    {"lldt-hole", false, SEL_TEST, 0x820000000fff, 0x8000, 13, SEL_TEST},
    {"lldt-type", false, SEL_TEST, 0x890000000fff, 0, 13, SEL_TEST},
    {"lldt-absent", false, SEL_TEST, 0x020000000fff, 0, 11, SEL_TEST},
    {"lldt-end", false, GDT_ENTRIES * 8 - 8, 0x820000000fff, 0, 13, GDT_ENTRIES * 8 - 8},
    {"lldt-upper-type", false, SEL_TEST, 0x820000000fff, 0x20000000000, 13, SEL_TEST},
    {"ltr-upper-type", true, SEL_TEST, 0x890000000067, 0x90000000000, 13, SEL_TEST},
    {"ltr-hole", true, SEL_TEST, 0x890000000067, 0xffff7fff, 13, SEL_TEST},
    {"ltr-busy", true, SEL_TEST, 0x8b0000000067, 0, 13, SEL_TEST},
    {"ltr-16", true, SEL_TEST, 0x810000000067, 0, 13, SEL_TEST},
    {"ltr-absent", true, SEL_TEST, 0x090000000067, 0, 11, SEL_TEST},
    {"ltr-null", true, 0, 0, 0, 13, 0},
    {"ltr-end", true, GDT_ENTRIES * 8 - 8, 0x890000000067, 0, 13, GDT_ENTRIES * 8 - 8},
};

static void system_descriptors(void)
{
    for (unsigned i = 0; i < COUNT(system_loads); i++) {
        unsigned at = system_loads[i].selector / 8;
        if (at) {
            gdt[at] = system_loads[i].low;
        }
        if (at == SEL_TEST / 8) {
            gdt[at + 1] = system_loads[i].high;
        }
        if (system_loads[i].is_task) {
            CATCH("ltr %w0", : "r"(system_loads[i].selector));
            gdt[SEL_TSS / 8] &= ~(UINT64_C(2) << 40);
            __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
        } else {
            CATCH("lldt %w0", : "r"(system_loads[i].selector));
        }
        check_trap(system_loads[i].name, &caught, system_loads[i].vector, system_loads[i].error, 0,
                   system_loads[i].is_task ? "APM 3 LTR" : "APM 3 LLDT");
    }
    __asm__ volatile("lldt %w0" : : "r"(0));
    static const uint8_t visible[16] = {[2] = 1, [9] = 1, [11] = 1, [12] = 2};
    for (unsigned type = 0; type < 16; type++) {
        uint64_t flags_lar, flags_lsl;
        set(SEL_TEST, 0x800000000fff | (uint64_t)type << 40);
        set(SEL_TEST + 8, 0);
        __asm__ volatile("lar %2, %%eax; pushfq; pop %0; lsl %2, %%eax; pushfq; pop %1"
                         : "=r"(flags_lar), "=r"(flags_lsl)
                         : "r"(SEL_TEST)
                         : "rax", "cc", "memory");
        char name[32];
        format(name, sizeof(name), "lar-lsl-type%x", type);
        check(name, (flags_lar >> 6 & 1) << 1 | (flags_lsl >> 6 & 1),
              visible[type] == 1   ? 3
              : visible[type] == 2 ? 2
                                   : 0,
              "SDM 2A LAR");
    }
}

/* -- Far transfers
 * ------------------------------------------------------------------------------------------ */

SNIPPET(far_jump_64, "rex.w ljmp *(%rbx)");
SNIPPET(far_jump_32, "ljmpl *(%rbx)");
SNIPPET(far_call_64, "rex.w lcall *(%rbx)");
SNIPPET(far_call_32, "lcall *(%rbx)");
SNIPPET(arrival, "int3");

static const struct {
    const char *name;
    uint64_t descriptor;
    uint16_t rpl;
    uint8_t vector;
} targets[] = {
    {"64", FLAT64(0xfb), 3, INT3},        {"32", FLAT32(0xfb), 3, INT3},
    {"16", 0x0000fb000000ffff, 3, 13},    {"l-and-d", 0x00effb000000ffff, 3, 13},
    {"inner", FLAT64(0x9b), 3, 13},       {"conforming", FLAT64(0x9f), 3, INT3},
    {"data", FLAT32(0xf3), 3, 13},        {"tss", 0xe90000000067, 3, 13},
    {"task-gate", 0xe50000000000, 3, 13}, {"gate-16", 0xe40000000000, 3, 13},
};

/* There is no 64-bit offset: the selector is at 4. */
static bool is_amd(void)
{
    return cpuid(0, 0).ebx == 0x68747541;
}

static void far_transfers(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
    } forms[] = {{"jmp-64", far_jump_64}, {"jmp-32", far_jump_32}, {"call-64", far_call_64}};
    const char *source = is_amd() ? "APM 3 JMP" : "SDM 2A JMP"; /* 64-bit offsets: Intel alone */
    char name[40];
    struct {
        uint64_t offset;
        uint16_t selector;
    } pointer64;
    struct {
        uint32_t offset;
        uint16_t selector;
    } pointer32;
    for (unsigned i = 0; i < COUNT(targets) * COUNT(forms); i++) {
        unsigned t = i % COUNT(targets), f = i / COUNT(targets);
        set(SEL_TEST, targets[t].descriptor);
        set(SEL_TEST + 8, 0);
        pointer64.offset = pointer32.offset = (uint32_t)(word)arrival;
        pointer64.selector = pointer32.selector = SEL_TEST | targets[t].rpl;
        Regs in = user(forms[f].code);
        in.bx = forms[f].code == far_jump_32 || is_amd() ? (word)&pointer32 : (word)&pointer64;
        Trap trap = run(&in);
        format(name, sizeof(name), "far-%s-%s", forms[f].name, targets[t].name);
        unsigned error = 0; /* the 16-bit segment is fine, but shorter than the offset */
        if (targets[t].vector == 13 && targets[t].descriptor != 0x0000fb000000ffff) {
            error = SEL_TEST;
        }
        check(name, trap.vector << 16 | trap.error, targets[t].vector << 16 | error, source);
        if (trap.vector == INT3) {
            format(name, sizeof(name), "far-%s-%s-cs", forms[f].name, targets[t].name);
            check(name, trap.regs.cs, SEL_TEST | 3, source);
        }
    }
    pointer64.offset = HOLE;
    pointer64.selector = SEL_USER;
    Regs in = user(far_jump_64);
    in.bx = (word)&pointer64;
    Trap trap = run(&in);
    if (is_amd()) {
        check("far-jmp-amd", trap.vector, 13, "APM 3 JMP");
        in.bx = (word)&pointer32;
    } else {
        check_trap("far-jmp-hole", &trap, 13, 0, 0, "SDM 2A JMP");
    }
    pointer32.selector = pointer64.selector = 0;
    trap = run(&in);
    check_trap("far-jmp-null", &trap, 13, 0, 0, "SDM 2A JMP");
}

typedef struct GateCase {
    const char *name;
    uint64_t offset;
    uint16_t target;
    uint8_t access;
    uint32_t top; /* of the gate's 16 bytes */
    uint8_t vector;
    uint16_t error, cs;
} GateCase;

static const GateCase gates[] = {
    {"inner", 0, SEL_CODE, 0xec, 0, INT3, 0, SEL_CODE},
    {"inner-1", 0, SEL_CODE1, 0xec, 0, INT3, 0, SEL_CODE1 | 1},
    {"same", 0, SEL_USER, 0xec, 0, INT3, 0, SEL_USER},
    {"to-32", 0, SEL_CODE32, 0xec, 0, 13, SEL_CODE32, 0},
    {"to-user-32", 0, SEL_USER32, 0xec, 0, 13, SEL_USER32 & ~3, 0},
    {"null", 0, 0, 0xec, 0, 13, 0, 0},
    {"hole", HOLE, SEL_CODE, 0xec, 0, 13, 0, 0},
    {"hole-same", HOLE, SEL_USER, 0xec, 0, 13, 0, 0},
    {"upper-type", 0, SEL_CODE, 0xec, 0x100, 13, SEL_GATE, 0},
    {"dpl", 0, SEL_CODE, 0x8c, 0, 13, SEL_GATE, 0},
    {"absent", 0, SEL_CODE, 0x6c, 0, 11, SEL_GATE, 0},
    {"data", 0, SEL_DATA, 0xec, 0, 13, SEL_DATA, 0},
};

static void call_gates(void)
{
    struct {
        uint32_t offset;
        uint16_t selector;
    } pointer = {0, SEL_GATE | 3};
    char name[40];
    tss[0].rsp[1] = (word)stack1 + sizeof(stack1);
    for (unsigned i = 0; i < COUNT(gates); i++) {
        uint64_t at = gates[i].offset ? gates[i].offset : (word)arrival;
        set(SEL_GATE, (at & 0xffff) | (uint64_t)gates[i].target << 16 |
                          (uint64_t)gates[i].access << 40 | (at >> 16 & 0xffff) << 48);
        set(SEL_GATE + 8, at >> 32 | (uint64_t)gates[i].top << 32);
        Regs in = user(far_call_32);
        in.bx = (word)&pointer;
        Trap trap = run(&in);
        format(name, sizeof(name), "gate-%s", gates[i].name);
        check(name, trap.vector << 16 | trap.error, gates[i].vector << 16 | gates[i].error,
              "SDM 2A CALL");
        if (!gates[i].cs) {
            continue;
        }
        const uint64_t *sp = (const uint64_t *)trap.regs.sp;
        bool is_inner = (gates[i].cs & 3) != 3;
        format(name, sizeof(name), "gate-%s-cs", gates[i].name);
        check(name, trap.regs.cs, gates[i].cs, "SDM 3A 5.8.3.1");
        format(name, sizeof(name), "gate-%s-ss", gates[i].name);
        check(name, trap.regs.ss, is_inner ? gates[i].cs & 3 : SEL_USER_DATA, "SDM 3A 5.8.5.1");
        format(name, sizeof(name), "gate-%s-frame", gates[i].name);
        check(name,
              sp[0] == (word)far_call_32 + 2 && sp[1] == SEL_USER &&
                  (!is_inner || (sp[2] == in.sp && sp[3] == SEL_USER_DATA)),
              true, "SDM 3A 5.8.5.1");
    }
    /* the stack in the TSS */
    set(SEL_GATE, ((word)arrival & 0xffff) | SEL_CODE1 << 16 | 0xecull << 40 |
                      ((word)arrival >> 16 & 0xffff) << 48);
    tss[0].rsp[1] = HOLE + 0x100;
    Regs in = user(far_call_32);
    in.bx = (word)&pointer;
    Trap trap = run(&in);
    check("gate-stack-hole", trap.vector << 16 | trap.error, 12 << 16, "SDM 2A CALL");
    tss[0].rsp[1] = (word)stack1 + sizeof(stack1);
}

/* -- IRET and far RET
 * ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint16_t cs, ss;
    uint8_t ring; /* executed in */
    uint8_t vector;
    uint16_t error;
} returns[] = {
    {"0-to-0", SEL_CODE, SEL_DATA, 0, INT3, 0},
    {"0-to-0-null", SEL_CODE, 0, 0, INT3, 0},
    {"0-to-0-null-rpl", SEL_CODE, 3, 0, 13, 0},
    {"0-to-0-32", SEL_CODE32, SEL_DATA, 0, INT3, 0},
    {"0-to-0-32-null", SEL_CODE32, 0, 0, 13, 0},
    {"0-to-1", SEL_CODE1 | 1, SEL_DATA1 | 1, 0, INT3, 0},
    {"0-to-1-null", SEL_CODE1 | 1, 1, 0, INT3, 0},
    {"0-to-1-null-rpl", SEL_CODE1 | 1, 0, 0, 13, 0},
    {"0-to-3", SEL_USER, SEL_USER_DATA, 0, INT3, 0},
    {"0-to-3-null", SEL_USER, 3, 0, 13, 0},
    {"0-to-3-null-0", SEL_USER, 0, 0, 13, 0},
    {"0-to-3-32", SEL_USER32, SEL_USER_DATA, 0, INT3, 0},
    {"0-to-3-32-null", SEL_USER32, 3, 0, 13, 0},
    {"0-to-3-ss-0", SEL_USER, SEL_DATA, 0, 13, SEL_DATA},
    {"3-to-3", SEL_USER, SEL_USER_DATA, 3, INT3, 0},
    {"3-to-3-32", SEL_USER32, SEL_USER_DATA, 3, INT3, 0},
    {"3-to-0", SEL_CODE, SEL_DATA, 3, 13, SEL_CODE},
    {"cs-null", 0, SEL_DATA, 0, 13, 0},
    {"cs-data", SEL_DATA, SEL_DATA, 0, 13, SEL_DATA},
};

static void returning(void)
{
    char name[40];
    for (unsigned i = 0; i < COUNT(returns); i++) {
        Regs in = user(iretq);
        if (!returns[i].ring) {
            in.cs = SEL_CODE, in.ss = SEL_DATA;
        }
        uint64_t *f = frame();
        f[0] = (word)arrival, f[1] = returns[i].cs, f[2] = 2, f[3] = (word)stack1 + 0x800;
        f[4] = returns[i].ss;
        Trap trap = run(&in);
        format(name, sizeof(name), "iret-%s", returns[i].name);
        check(name, trap.vector << 16 | trap.error, returns[i].vector << 16 | returns[i].error,
              "SDM 2A IRET");
        if (returns[i].vector != INT3) {
            continue;
        }
        format(name, sizeof(name), "iret-%s-state", returns[i].name);
        check(name, trap.regs.cs << 16 | trap.regs.ss,
              (uint64_t)returns[i].cs << 16 | returns[i].ss, "SDM 2A IRET");
        format(name, sizeof(name), "iret-%s-sp", returns[i].name);
        check(name, trap.regs.sp, (word)stack1 + 0x800, "SDM 2A IRET");
    }
    uint64_t *f = frame();
    Regs in = user(iretq);
    in.cs = SEL_CODE, in.ss = SEL_DATA;
    f[0] = HOLE, f[1] = SEL_USER, f[2] = 2, f[3] = 0, f[4] = SEL_USER_DATA;
    Trap trap = run(&in);
    check_trap("iret-hole", &trap, 13, 0, 0, "silicon");
    f[0] = (word)arrival;
    in.flags = 0x4002;
    trap = run(&in);
    check_trap("iret-nt", &trap, 13, 0, 0, "SDM 2A IRET");
    f[3] = HOLE; /* the stack pointer may be anything */
    in.flags = 2;
    trap = run(&in);
    check("iret-sp-hole", trap.regs.sp, HOLE, "SDM 2A IRET");
    f[2] = 0x20002; /* VM is ignored */
    f[3] = (word)stack1 + 0x800;
    trap = run(&in);
    check("iret-vm", trap.regs.flags, 2, "SDM 2A IRET");
    /* 32-bit forms in 64-bit code */
    static const uint8_t iretl[] = {0xcf};
    uint32_t *f32 = (uint32_t *)frame();
    in.ip = (word)iretl;
    f32[0] = (uint32_t)(word)arrival, f32[1] = SEL_USER, f32[2] = 2;
    f32[3] = 0x12345678, f32[4] = SEL_USER_DATA;
    trap = run(&in);
    check("iret-l", trap.vector << 8 | trap.regs.cs, INT3 << 8 | SEL_USER, "SDM 2A IRET");
    check("iret-l-sp", trap.regs.sp, 0x12345678, "SDM 2A IRET");
    in = user(lretq);
    in.cs = SEL_CODE, in.ss = SEL_DATA;
    f[0] = (word)arrival, f[1] = SEL_CODE1 | 1, f[2] = (word)stack1 + 0x800, f[3] = 1;
    trap = run(&in);
    check("ret-null-ss-1", trap.vector << 16 | trap.regs.ss, INT3 << 16 | 1, "SDM 2B RET");
    f[1] = SEL_USER, f[3] = 3;
    trap = run(&in);
    check("ret-null-ss-3", trap.vector << 16 | trap.error, 13 << 16, "SDM 2B RET");
    f[0] = HOLE, f[1] = SEL_CODE;
    trap = run(&in);
    check_trap("ret-hole", &trap, 13, 0, 0, "silicon");
    in = user(lret_32);
    f32[0] = (uint32_t)(word)arrival, f32[1] = SEL_USER32;
    trap = run(&in);
    check("ret-l-to-32", trap.vector << 8 | trap.regs.cs, INT3 << 8 | SEL_USER32, "SDM 2B RET");
}

/* -- Interrupts
 * -------------------------------------------------------------------------------------------------
 */

SNIPPET(software, "int $0x30");
SNIPPET(undefined, "ud2");

static void set_gate(unsigned vector, uint64_t at, unsigned selector, unsigned access, unsigned ist)
{
    idt[vector].low = (at & 0xffff) | (uint64_t)selector << 16 | (uint64_t)ist << 32 |
                      (uint64_t)access << 40 | (at >> 16 & 0xffff) << 48;
    idt[vector].high = at >> 32;
}

static const struct {
    const char *name;
    uint64_t at;
    uint16_t selector;
    uint8_t access, ist;
    uint8_t vector;
    uint16_t error; /* of INT 30h; exceptions: vector 6 and EXT */
} interrupts[] = {
    {"task-gate", 0, SEL_CODE, 0xe5, 0, 13, VECTOR * 8 + 2},
    {"gate-16", 0, SEL_CODE, 0xe6, 0, 13, VECTOR * 8 + 2},
    {"call-gate", 0, SEL_CODE, 0xec, 0, 13, VECTOR * 8 + 2},
    {"absent", 0, SEL_CODE, 0x6e, 0, 11, VECTOR * 8 + 2},
    {"to-32", 0, SEL_CODE32, 0xee, 0, 13, SEL_CODE32},
    {"null", 0, 0, 0xee, 0, 13, 0},
    {"data", 0, SEL_DATA, 0xee, 0, 13, SEL_DATA},
    {"hole", HOLE, SEL_CODE, 0xee, 0, 13, 0},
    {"ist-hole", 0, SEL_CODE, 0xee, 3, 12, 0},
    {"rsp-hole", 0, SEL_CODE1, 0xee, 0, 12, 0},
};

static void interrupt_gates(void)
{
    char name[40];
    tss[0].ist[2] = HOLE + 0x100;
    tss[0].rsp[1] = HOLE + 0x100;
    for (unsigned i = 0; i < COUNT(interrupts); i++) {
        uint64_t at = interrupts[i].at ? interrupts[i].at : (word)arrival;
        unsigned error = interrupts[i].error;
        set_gate(VECTOR, at, interrupts[i].selector, interrupts[i].access, interrupts[i].ist);
        set_gate(6, at, interrupts[i].selector, interrupts[i].access, interrupts[i].ist);
        Trap trap = run_user(software);
        format(name, sizeof(name), "int-%s", interrupts[i].name);
        check_trap(name, &trap, interrupts[i].vector, error, 0, "SDM 2A INT n");
        trap = run_user(undefined);
        format(name, sizeof(name), "exception-%s", interrupts[i].name);
        error = error == VECTOR * 8 + 2 ? 6 * 8 + 2 : error;
        check_trap(name, &trap, interrupts[i].vector, error | 1, 0, "SDM 3A 6.13");
    }
    idt_restore(6);
    tss[0].rsp[1] = (word)stack1 + sizeof(stack1);
    tss[0].ist[2] = (word)stack1 + 0x805; /* aligned by the delivery */
    uint64_t *top = (uint64_t *)(stack1 + 0x800);
    set_gate(VECTOR, (word)arrival, SEL_CODE, 0xee, 3);
    Regs in = user(software);
    in.flags = 0x43203;
    in.sp = user_stack_top() - 61;
    Trap trap = run(&in);
    check("ist-sp", trap.regs.sp, (word)(top - 5), "SDM 3A 6.14.2");
    check("ist-ss", trap.regs.ss, 0, "SDM 3A 6.14.2");
    check("ist-frame",
          top[-1] == SEL_USER_DATA && top[-2] == in.sp && top[-3] == 0x43203 &&
              top[-4] == SEL_USER && top[-5] == (word)software + 2,
          true, "SDM 3A 6.14.2");
    check("ist-flags", trap.regs.flags, 0x43003, "SDM 3A 6.12.1.3");
    /* the same ring: SS and RSP are pushed all the same, aligned */
    set_gate(VECTOR, (word)arrival, SEL_CODE, 0xef, 0);
    in.cs = SEL_CODE, in.ss = SEL_DATA;
    in.sp = (word)stack1 + 0x80b;
    trap = run(&in);
    check("same-ring-sp", trap.regs.sp, (word)(top - 5), "SDM 3A 6.14.2");
    check("same-ring-ss", trap.regs.ss, SEL_DATA, "SDM 3A 6.14.2");
    check("same-ring-frame", top[-1] == SEL_DATA && top[-2] == in.sp && top[-4] == SEL_CODE, true,
          "SDM 3A 6.14.2");
    /* out of compatibility mode */
    in = user(software);
    in.cs = SEL_USER32;
    trap = run(&in);
    const uint64_t *sp = (const uint64_t *)trap.regs.sp;
    check("from-32", sp[0] == (word)software + 2 && sp[1] == SEL_USER32 && sp[3] == in.sp, true,
          "SDM 3A 6.14.3");
    check("from-32-cs", trap.regs.cs, SEL_CODE, "SDM 3A 6.14.3");
    idt_restore(VECTOR);
}

/* 64-bit code has LAHF and SAHF only where CPUID says so, the other modes always. */
static void check_lahf(void)
{
    static const uint8_t code[] = {0x9f, 0x9e, 0xcc}; /* lahf; sahf; int3 */
    bool has_lahf = cpuid(0x80000001, 0).ecx & 1;
    Regs regs = {.cs = SEL_CODE, .ss = SEL_DATA, .sp = user_stack_top(), .flags = 2};

    regs.ip = (word)code;
    Trap trap = run(&regs);
    check_trap("lahf-64", &trap, has_lahf ? 3 : 6, 0, has_lahf ? 3 : 0, "SDM 2A LAHF");
    regs.ip = (word)code + 1;
    trap = run(&regs);
    check_trap("sahf-64", &trap, has_lahf ? 3 : 6, 0, has_lahf ? 2 : 0, "SDM 2B SAHF");
    regs.cs = SEL_CODE32;
    regs.ip = (word)code;
    trap = run(&regs);
    check_trap("lahf-compatibility", &trap, 3, 0, 3, "SDM 2A LAHF");
}

int main(void);
int main(void)
{
    set(SEL_CODE1, FLAT64(0xbb));
    set(SEL_DATA1, FLAT32(0xb3));
    __asm__ volatile("lldt %w0" : : "r"(0));
    canonical_checks();
    segments();
    swapgs();
    system_descriptors();
    far_transfers();
    call_gates();
    returning();
    interrupt_gates();
    check_lahf();
    return 0;
}
