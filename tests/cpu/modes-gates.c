/* SPDX-License-Identifier: MIT */
/* Far transfers between rings: JMP, CALL, RET and IRET to every code segment, call, interrupt and
 * trap gates, stack switches, and every error code of theirs. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n")

enum {
    SEL_GATE = SEL_FREE,
    SEL_TARGET = SEL_FREE + 0x08, /* what the case is about */
    SEL_CODE1 = SEL_FREE + 0x10,  /* flat code and data of rings 1 and 2 */
    SEL_DATA1 = SEL_FREE + 0x18,
    SEL_CODE2 = SEL_FREE + 0x20,
    SEL_DATA2 = SEL_FREE + 0x28,
    SEL_STACK = SEL_FREE + 0x30, /* the inner ring's, when it is the case */
    G = 8,
    DB = 4,
    P = 0x80,
    INT3 = 3,
    VECTOR = 0x30 /* INT n's */
};
#define FLAT(access) (0x00cf00000000ffff | (uint64_t)(access) << 40)
#define FLAT16(access) (0x000f00000000ffff | (uint64_t)(access) << 40)

static uint8_t stack1[0x1000] __attribute__((aligned(16)));

static word ring_stack_top(void)
{
    return (word)stack1 + sizeof(stack1);
}

static void set(unsigned selector, uint64_t value)
{
    gdt[selector / 8] = value;
}

static uint64_t gate(unsigned selector, const void *code, uint8_t access, unsigned parameters)
{
    uint64_t at = (word)code;
    return (at & 0xffff) | (uint64_t)selector << 16 | (uint64_t)parameters << 32 |
           (uint64_t)access << 40 | (at >> 16) << 48;
}

static Regs regs_of_ring(const void *code, unsigned ring)
{
    static const uint16_t cs[] = {SEL_CODE, SEL_CODE1 | 1, SEL_CODE2 | 2, SEL_USER};
    static const uint16_t ss[] = {SEL_DATA, SEL_DATA1 | 1, SEL_DATA2 | 2, SEL_USER_DATA};
    return (Regs){.ip = (word)code,
                  .cs = cs[ring],
                  .ss = ss[ring],
                  .ds = ss[ring],
                  .es = ss[ring],
                  .fs = ss[ring],
                  .gs = ss[ring],
                  .sp = user_stack_top() - 64,
                  .flags = 2};
}

/* A frame to return through, at the stack pointer that run() begins with. */
static uint32_t *frame(void)
{
    return (uint32_t *)(user_stack_top() - 64);
}

SNIPPET(arrival, "int3");
SNIPPET(far_jump, "ljmp *(%ebx)");
SNIPPET(far_call, "lcall *(%ebx)");
SNIPPET(far_call_16, "lcallw *(%ebx)");
SNIPPET(far_return, "lret");
SNIPPET(far_return_8, "lret $8");
SNIPPET(interrupt_return, "iret");

/* -- Every code segment as a target ------------------------------------------------------------ */

/* As in modes-segments: a nibble for each DPL and RPL: 0 arrived, 1 #GP(selector), 2 #NP(selector),
 * e arrived with another CPL, f anything else. */
enum { JUMP, CALL, RETURN, IRET };

static unsigned expected(unsigned kind, unsigned type, unsigned dpl, unsigned rpl, unsigned cpl,
                         bool present)
{
    bool conforming = type & 4, allowed;
    if ((type & 0x18) != 0x18) {
        return 1;
    }
    if (kind == JUMP || kind == CALL) {
        allowed = conforming ? dpl <= cpl : rpl <= cpl && dpl == cpl;
    } else {
        allowed = rpl >= cpl && (conforming ? dpl <= rpl : dpl == rpl);
    }
    return !allowed ? 1 : present ? 0 : 2;
}

static void sweep(const char *what, const uint8_t *code, unsigned kind, unsigned cpl, unsigned type,
                  bool present)
{
    static const uint16_t ss[] = {SEL_DATA, SEL_DATA1 | 1, SEL_DATA2 | 2, SEL_USER_DATA};
    uint64_t got = 0, want = 0;
    for (unsigned i = 0; i < 16; i++) {
        unsigned dpl = i >> 2, rpl = i & 3, selector = SEL_TARGET | rpl;
        set(SEL_TARGET, FLAT(present << 7 | dpl << 5 | type));
        struct {
            const void *offset;
            uint16_t selector;
        } pointer = {arrival, (uint16_t)selector};
        Regs in = regs_of_ring(code, cpl);
        in.bx = (word)&pointer;
        uint32_t *f = frame();
        unsigned n = 0;
        f[n++] = (word)arrival;
        f[n++] = selector;
        if (kind == IRET) {
            f[n++] = 2;
        }
        f[n++] = user_stack_top() - 128;
        f[n] = ss[rpl];
        Trap trap = run(&in);
        unsigned ring = kind >= RETURN ? rpl : cpl;
        unsigned nibble = trap.vector == 13 ? 1 : trap.vector == 11 ? 2 : 0xf;
        if (trap.vector == INT3) {
            nibble = trap.regs.cs == ((selector & ~3u) | ring) ? 0 : 0xe;
        } else if (trap.error != SEL_TARGET) {
            nibble = 0xf;
        }
        got |= (uint64_t)nibble << 4 * i;
        want |= (uint64_t)expected(kind, type, dpl, rpl, cpl, present) << 4 * i;
    }
    char name[48];
    format(name, sizeof(name), "%s-cpl%u-type%02x%s", what, cpl, type, present ? "" : "-absent");
    check(name, got, want,
          kind == JUMP   ? "SDM 2A JMP"
          : kind == CALL ? "SDM 2A CALL"
          : kind == IRET ? "SDM 2A IRET"
                         : "SDM 2B RET");
}

static void sweep_all(void)
{
    for (unsigned n = 0; n < 32; n++) {
        unsigned cpl = n & 16 ? 3 : 0, type = 0x10 | (n & 0xf);
        sweep("jmp", far_jump, JUMP, cpl, type, true);
        sweep("jmp", far_jump, JUMP, cpl, type, false);
        sweep("call", far_call, CALL, cpl, type, true);
        sweep("ret", far_return, RETURN, cpl, type, true);
        sweep("ret", far_return, RETURN, cpl, type, false);
        sweep("iret", interrupt_return, IRET, cpl, type, true);
    }
    sweep("jmp", far_jump, JUMP, 0, 0, true); /* types that are no gates and no TSS */
    sweep("jmp", far_jump, JUMP, 0, 2, true);
    sweep("jmp", far_jump, JUMP, 0, 6, true);
    sweep("jmp", far_jump, JUMP, 0, 0xe, true);
    sweep("ret", far_return, RETURN, 0, 0xc, true);
    sweep("iret", interrupt_return, IRET, 0, 9, true);
}

/* -- Returns to outer rings: the stack segment, nulled segments -------------------------------- */

static const struct {
    const char *name;
    uint64_t descriptor;
    uint16_t selector; /* of SS */
    uint8_t vector;
    uint16_t error;
} outer_stacks[] = {
    {"null", 0, 0, 13, 0},
    {"null-3", 0, 3, 13, 0},
    {"outside", 0, 0x7ffb, 13, 0x7ff8},
    {"rpl", FLAT(0xf3), SEL_STACK | 2, 13, SEL_STACK},
    {"dpl", FLAT(0xd3), SEL_STACK | 3, 13, SEL_STACK},
    {"read-only", FLAT(0xf1), SEL_STACK | 3, 13, SEL_STACK},
    {"code", FLAT(0xfb), SEL_STACK | 3, 13, SEL_STACK},
    {"system", FLAT(0xe2), SEL_STACK | 3, 13, SEL_STACK},
    {"absent", FLAT(0x73), SEL_STACK | 3, 12, SEL_STACK},
    {"absent-read-only", FLAT(0x71), SEL_STACK | 3, 13, SEL_STACK},
    {"good", FLAT(0xf3), SEL_STACK | 3, INT3, 0},
};

static void outer_returns(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(outer_stacks); i++) {
        for (unsigned is_iret = 0; is_iret < 2; is_iret++) {
            set(SEL_STACK, outer_stacks[i].descriptor);
            Regs in = regs_of_ring(is_iret ? interrupt_return : far_return, 0);
            uint32_t *f = frame();
            f[0] = (word)arrival, f[1] = SEL_USER, f[2] = 2;
            f[2 + is_iret] = user_stack_top();
            f[3 + is_iret] = outer_stacks[i].selector;
            Trap trap = run(&in);
            format(name, sizeof(name), "%s-ss-%s", is_iret ? "iret" : "ret", outer_stacks[i].name);
            check(name, trap.vector << 16 | trap.error,
                  outer_stacks[i].vector << 16 | outer_stacks[i].error,
                  is_iret ? "SDM 2A IRET" : "SDM 2B RET");
        }
    }
    /* inner data segments become null, conforming code and outer ones stay */
    set(SEL_TARGET, FLAT(0x9f));
    Regs in = regs_of_ring(far_return_8, 0);
    in.es = SEL_TARGET;
    in.fs = SEL_DATA1 | 1;
    in.gs = SEL_USER_DATA;
    uint32_t *f = frame();
    f[0] = (word)arrival, f[1] = SEL_USER, f[4] = 0x5000, f[5] = SEL_USER_DATA;
    Trap trap = run(&in);
    check_trap("ret-outer", &trap, INT3, 0, (word)arrival + 1 - (word)far_return_8, "SDM 2B RET");
    check("ret-outer-ds", trap.regs.ds, 0, "SDM 2B RET");
    check("ret-outer-es", trap.regs.es, SEL_TARGET, "SDM 2B RET");
    check("ret-outer-fs", trap.regs.fs, 0, "SDM 2B RET");
    check("ret-outer-gs", trap.regs.gs, SEL_USER_DATA, "SDM 2B RET");
    check("ret-outer-sp", trap.regs.sp, 0x5008, "SDM 2B RET");
    check("ret-outer-accessed", gdt[SEL_TARGET / 8] >> 40 & 1, 1, "SDM 3A 3.4.5.1");
    /* an outer 16-bit stack: only SP is replaced */
    set(SEL_STACK, FLAT16(0xf3));
    f[4] = 0x12345678, f[5] = SEL_STACK | 3;
    trap = run(&in);
    check("ret-outer-16-sp", trap.regs.sp & 0xffff, 0x5680, "SDM 2B RET");
    f[0] = 0x10000000, f[1] = SEL_USER, f[5] = SEL_USER_DATA;
    set(SEL_TARGET, FLAT16(0xfb));
    f[1] = SEL_TARGET | 3;
    trap = run(&in);
    check("ret-outer-limit", trap.vector << 16 | trap.error, 13 << 16, "SDM 2B RET");
    check("ret-outer-limit-state", trap.regs.cs << 16 | trap.regs.ds, SEL_CODE << 16 | SEL_DATA,
          "SDM 3A 6.6");
    /* toward an inner ring */
    in = regs_of_ring(far_return, 3);
    f[0] = (word)arrival, f[1] = SEL_CODE;
    trap = run(&in);
    check_trap("ret-inward", &trap, 13, SEL_CODE, 0, "SDM 2B RET");
    f[1] = 0;
    trap = run(&in);
    check_trap("ret-null", &trap, 13, 0, 0, "SDM 2B RET");
    f[1] = 0x7ffb;
    trap = run(&in);
    check_trap("ret-outside", &trap, 13, 0x7ff8, 0, "SDM 2B RET");
}

/* Which flags IRET and POPF change: name, ring, IOPL, image, result. */
SNIPPET(pop_flags, "popf; int3");
SNIPPET(pop_flags_16, "popfw; int3");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t ring, iopl;
    uint32_t image, result; /* without IOPL of `iopl` */
} flag_cases[] = {
    {"popf-0", pop_flags, 0, 0, 0x247ed7, 0x247ed7},
    {"popf-0-fixed", pop_flags, 0, 0, 0xffc08028, 0x000002}, /* what is reserved stays */
    {"popf-3", pop_flags, 3, 0, 0x247ed7, 0x244cd7},
    {"popf-3-iopl", pop_flags, 3, 3, 0x244ed7, 0x247ed7},
    {"popf-1", pop_flags, 1, 1, 0x243ed7, 0x241ed7},
    {"popf-2", pop_flags, 2, 1, 0x247ed7, 0x245cd7},
    {"popfw-3", pop_flags_16, 3, 0, 0x7ed7, 0x4cd7},
    {"iret-3", interrupt_return, 3, 0, 0x247ed7, 0x244cd7},
    {"iret-3-iopl", interrupt_return, 3, 3, 0x244ed7, 0x247ed7},
    {"iret-3-virtual", interrupt_return, 3, 0, 0x1a0002, 0x2},
};

/* The last result: some emulators never get rid of these two flags again. */
static void virtual_flags(void)
{
    Regs in = regs_of_ring(interrupt_return, 0);
    uint32_t *f = frame();
    f[0] = (word)arrival, f[1] = SEL_CODE, f[2] = 0x180002;
    Trap trap = run(&in);
    check("iret-0-virtual", trap.regs.flags, 0x180002, "SDM 2A IRET");
}

static void flags(void)
{
    for (unsigned i = 0; i < COUNT(flag_cases); i++) {
        Regs in = regs_of_ring(flag_cases[i].code, flag_cases[i].ring);
        uint32_t *f = frame();
        in.flags = 2 | (word)flag_cases[i].iopl << 12;
        f[0] = flag_cases[i].image;
        if (flag_cases[i].code == interrupt_return) {
            f[0] = (word)arrival, f[1] = in.cs, f[2] = flag_cases[i].image;
        }
        Trap trap = run(&in);
        check(flag_cases[i].name, trap.regs.flags, flag_cases[i].result, "SDM 2B POPF");
    }
    static const uint8_t pushf[] = {0x9c, 0x58, 0xcc};
    Regs in = regs_of_ring(pushf, 3);
    in.flags = 0x254ad7; /* with RF */
    Trap trap = run(&in);
    check("pushf-rf", trap.regs.ax, 0x244ad7, "SDM 2B PUSHF");
}

/* -- Call gates
 * -------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t ring, is_jump;
    uint16_t selector;
    uint8_t gate_access, parameters;
    uint16_t target;
    uint64_t descriptor; /* of SEL_TARGET */
    uint8_t vector;
    uint16_t error;
    uint16_t cs; /* on arrival */
} gate_cases[] = {
    {"same", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xfb), INT3, 0, SEL_TARGET | 3},
    {"same-jump", 3, 1, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xfb), INT3, 0, SEL_TARGET | 3},
    {"rpl-of-target-ignored", 0, 0, SEL_GATE, 0xec, 0, SEL_TARGET | 3, FLAT(0x9b), INT3, 0,
     SEL_TARGET},
    {"inner", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xbb), INT3, 0, SEL_TARGET | 1},
    {"inner-jump", 3, 1, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xbb), 13, SEL_TARGET, 0},
    {"inner-0", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0x9b), INT3, 0, SEL_TARGET},
    {"conforming", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0x9f), INT3, 0, SEL_TARGET | 3},
    {"conforming-jump", 3, 1, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0x9f), INT3, 0,
     SEL_TARGET | 3},
    {"outer", 0, 0, SEL_GATE, 0xec, 0, SEL_TARGET, FLAT(0xfb), 13, SEL_TARGET, 0},
    {"gate-dpl", 3, 0, SEL_GATE | 3, 0xcc, 0, SEL_TARGET, FLAT(0xfb), 13, SEL_GATE, 0},
    {"gate-rpl", 1, 0, SEL_GATE | 3, 0xac, 0, SEL_TARGET, FLAT(0xbb), 13, SEL_GATE, 0},
    {"gate-rpl-0", 1, 0, SEL_GATE, 0xac, 0, SEL_TARGET, FLAT(0xbb), INT3, 0, SEL_TARGET | 1},
    {"gate-absent", 3, 0, SEL_GATE | 3, 0x6c, 0, SEL_TARGET, FLAT(0xfb), 11, SEL_GATE, 0},
    {"gate-absent-dpl", 3, 0, SEL_GATE | 3, 0x4c, 0, SEL_TARGET, FLAT(0xfb), 13, SEL_GATE, 0},
    {"gate-interrupt", 3, 0, SEL_GATE | 3, 0xee, 0, SEL_TARGET, FLAT(0xfb), 13, SEL_GATE, 0},
    {"gate-trap", 3, 0, SEL_GATE | 3, 0xef, 0, SEL_TARGET, FLAT(0xfb), 13, SEL_GATE, 0},
    {"target-null", 3, 0, SEL_GATE | 3, 0xec, 0, 0, 0, 13, 0, 0},
    {"target-null-3", 3, 0, SEL_GATE | 3, 0xec, 0, 3, 0, 13, 0, 0},
    {"target-outside", 3, 0, SEL_GATE | 3, 0xec, 0, 0x7ff9, 0, 13, 0x7ff8, 0},
    {"target-in-ldt", 3, 0, SEL_GATE | 3, 0xec, 0, 0xc, 0, 13, 0xc, 0},
    {"target-data", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xf3), 13, SEL_TARGET, 0},
    {"target-system", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0xec), 13, SEL_TARGET, 0},
    {"target-absent", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, FLAT(0x7b), 11, SEL_TARGET, 0},
    {"target-limit", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, 0x40fb0000000fff, 13, 0, 0},
    {"inner-limit", 3, 0, SEL_GATE | 3, 0xec, 0, SEL_TARGET, 0x40bb0000000fff, 13, 0, 0},
};

static Trap through_gate(unsigned ring, bool is_jump, unsigned selector)
{
    static struct {
        uint32_t offset;
        uint16_t selector;
    } pointer;
    pointer.offset = 0xdeadbeef; /* not used */
    pointer.selector = (uint16_t)selector;
    Regs in = regs_of_ring(is_jump ? far_jump : far_call, ring);
    in.bx = (word)&pointer;
    return run(&in);
}

static void call_gates(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(gate_cases); i++) {
        set(SEL_GATE, gate(gate_cases[i].target, arrival, gate_cases[i].gate_access, 0));
        set(SEL_TARGET, gate_cases[i].descriptor);
        Trap trap = through_gate(gate_cases[i].ring, gate_cases[i].is_jump, gate_cases[i].selector);
        format(name, sizeof(name), "gate-%s", gate_cases[i].name);
        check(name, trap.vector << 16 | trap.error,
              gate_cases[i].vector << 16 | gate_cases[i].error, "SDM 2A CALL");
        if (gate_cases[i].cs) {
            format(name, sizeof(name), "gate-%s-cs", gate_cases[i].name);
            check(name, trap.regs.cs, gate_cases[i].cs, "SDM 3A 5.8.4");
        }
    }
}

/* What lies on the new stack. */
static void gate_frames(void)
{
    uint32_t *top = (uint32_t *)ring_stack_top();
    for (unsigned n = 0; n < 32; n += n == 4 ? 27 : 1) {
        set(SEL_TARGET, FLAT(0xbb));
        set(SEL_GATE, gate(SEL_TARGET, arrival, 0xec, n));
        memset(stack1, 0xee, sizeof(stack1));
        uint32_t want[40], size = 0;
        want[size++] = SEL_USER_DATA;
        want[size++] = user_stack_top() - 64;
        for (unsigned i = 0; i < 16; i++) {
            frame()[i] = 0x11110000 + i;
        }
        for (unsigned i = n; i-- > 0;) {
            want[size++] = frame()[i];
        }
        want[size++] = SEL_USER;
        want[size++] = (word)far_call + 2;
        Trap trap = through_gate(3, false, SEL_GATE | 3);
        char name[32];
        format(name, sizeof(name), "gate-frame-%u", n);
        bool same = trap.vector == INT3;
        for (unsigned i = 0; i < size; i++) {
            same = same && top[-1 - (int)i] == want[i];
        }
        check(name, same, true, "SDM 3A 5.8.5");
        format(name, sizeof(name), "gate-frame-%u-sp", n);
        check(name, trap.regs.sp, (word)(top - size), "SDM 3A 5.8.5");
    }
    /* 16 bits wide: words, and SP of the caller */
    set(SEL_GATE, gate(SEL_TARGET, (void *)((word)arrival & 0xffff), 0xe4, 2));
    set(SEL_TARGET, descriptor((word)arrival & ~0xffffu, 0xffff, 0xbb, DB));
    frame()[0] = 0x22221111;
    Trap trap = through_gate(3, false, SEL_GATE | 3);
    uint16_t *words = (uint16_t *)top;
    check("gate-16", trap.vector, INT3, "SDM 3A 5.8.3");
    check("gate-16-sp", trap.regs.sp, (word)(words - 6), "SDM 3A 5.8.5");
    check("gate-16-stack", words[-1] << 16 | words[-2],
          SEL_USER_DATA << 16 | ((user_stack_top() - 64) & 0xffff), "SDM 3A 5.8.5");
    check("gate-16-parameters", words[-3] << 16 | words[-4], 0x22221111, "SDM 3A 5.8.5");
    check("gate-16-return", words[-5] << 16 | words[-6],
          SEL_USER << 16 | (((word)far_call + 2) & 0xffff), "SDM 3A 5.8.5");
    /* same ring */
    set(SEL_GATE, gate(SEL_TARGET, arrival, 0xec, 5));
    set(SEL_TARGET, FLAT(0xfb));
    trap = through_gate(3, false, SEL_GATE | 3);
    check("gate-same-sp", trap.regs.sp, user_stack_top() - 72, "SDM 3A 5.8.5");
    check("gate-same-return", frame()[-1] == SEL_USER && frame()[-2] == (word)far_call + 2, true,
          "SDM 3A 5.8.5");
}

/* -- Stack switches
 * ------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint16_t selector; /* SS1 of the TSS */
    uint64_t descriptor;
    uint32_t sp; /* 0: a good one */
    uint8_t vector;
    uint16_t error;
} switch_cases[] = {
    {"null", 0, 0, 0, 10, 0},
    {"null-1", 1, 0, 0, 10, 0},
    {"outside", 0x7ff9, 0, 0, 10, 0x7ff8},
    {"ldt", 0xd, 0, 0, 10, 0xc},
    {"rpl", SEL_STACK, FLAT(0xb3), 0, 10, SEL_STACK},
    {"rpl-3", SEL_STACK | 3, FLAT(0xb3), 0, 10, SEL_STACK},
    {"dpl", SEL_STACK | 1, FLAT(0x93), 0, 10, SEL_STACK},
    {"read-only", SEL_STACK | 1, FLAT(0xb1), 0, 10, SEL_STACK},
    {"code", SEL_STACK | 1, FLAT(0xbb), 0, 10, SEL_STACK},
    {"system", SEL_STACK | 1, FLAT(0xa2), 0, 10, SEL_STACK},
    {"absent", SEL_STACK | 1, FLAT(0x33), 0, 12, SEL_STACK},
    {"absent-code", SEL_STACK | 1, FLAT(0x3b), 0, 10, SEL_STACK},
    {"room", SEL_STACK | 1, 0x40b30000000fff, 0x1004, 12, SEL_STACK},
    {"expand-down", SEL_STACK | 1, 0x40b70000000fff, 0x1008, 12, SEL_STACK},
    {"good", SEL_STACK | 1, FLAT(0xb3), 0, INT3, 0},
};

SNIPPET(software, "int $0x30");
SNIPPET(undefined, "ud2");

static void stack_switches(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(switch_cases); i++) {
        unsigned vector = switch_cases[i].vector, error = switch_cases[i].error;
        set(SEL_STACK, switch_cases[i].descriptor);
        set(SEL_GATE, gate(SEL_CODE1, arrival, 0xec, 0));
        idt[VECTOR].low = gate(SEL_CODE1, arrival, 0xee, 0);
        idt[6].low = gate(SEL_CODE1, arrival, 0x8e, 0);
        tss[0].ss1 = switch_cases[i].selector;
        tss[0].esp1 = switch_cases[i].sp ? switch_cases[i].sp : ring_stack_top();
        Trap trap = through_gate(3, false, SEL_GATE | 3);
        format(name, sizeof(name), "switch-call-%s", switch_cases[i].name);
        check(name, trap.vector << 16 | trap.error, vector << 16 | error, "SDM 2A CALL");
        trap = run_user(software);
        format(name, sizeof(name), "switch-int-%s", switch_cases[i].name);
        check(name, trap.vector << 16 | trap.error, vector << 16 | error, "SDM 2A INT n");
        trap = run_user(undefined);
        format(name, sizeof(name), "switch-exception-%s", switch_cases[i].name);
        check(name, trap.vector << 16 | trap.error, vector << 16 | error | (vector != INT3),
              "SDM 3A 6.13");
    }
    /* a TSS that ends before the stack of the ring */
    tss[0].ss1 = SEL_DATA1 | 1, tss[0].esp1 = ring_stack_top();
    gdt[SEL_TSS / 8] = descriptor((word)&tss[0], 16, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
    Trap trap = through_gate(3, false, SEL_GATE | 3);
    check_trap("switch-short-tss", &trap, 10, SEL_TSS, 0, "SDM 2A CALL");
    trap = run_user(undefined);
    check_trap("switch-short-tss-exception", &trap, 10, SEL_TSS | 1, 0, "SDM 3A 6.13");
    gdt[SEL_TSS / 8] = descriptor((word)&tss[0], sizeof(Tss) - 1, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
    idt_restore(VECTOR);
    idt_restore(6);
}

/* -- Interrupt and trap gates
 * ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t access;
    uint16_t target;
    uint64_t descriptor; /* of SEL_TARGET */
    uint8_t vector;      /* by INT 30h in ring 3 */
    uint16_t error;
    uint8_t by_exception; /* by #UD in ring 3, error code with EXT; 0: the same vector */
} interrupt_cases[] = {
    {"dpl", 0x8e, SEL_CODE, 0, 13, VECTOR * 8 + 2, INT3},
    {"dpl-2", 0xce, SEL_CODE, 0, 13, VECTOR * 8 + 2, INT3},
    {"absent", 0x6e, SEL_CODE, 0, 11, VECTOR * 8 + 2, 0},
    {"absent-dpl", 0x0e, SEL_CODE, 0, 13, VECTOR * 8 + 2, 11},
    {"type-0", 0xe0, SEL_CODE, 0, 13, VECTOR * 8 + 2, 0},
    {"type-call", 0xec, SEL_CODE, 0, 13, VECTOR * 8 + 2, 0},
    {"type-tss", 0xe9, SEL_CODE, 0, 13, VECTOR * 8 + 2, 0},
    {"type-segment", 0xfe, SEL_CODE, 0, 13, VECTOR * 8 + 2, 0},
    {"null", 0xee, 0, 0, 13, 0, 0},
    {"null-3", 0xee, 3, 0, 13, 0, 0},
    {"outside", 0xee, 0x7ff8, 0, 13, 0x7ff8, 0},
    {"data", 0xee, SEL_TARGET, FLAT(0x93), 13, SEL_TARGET, 0},
    {"target-absent", 0xee, SEL_TARGET, FLAT(0x1b), 11, SEL_TARGET, 0},
    {"target-limit", 0xee, SEL_TARGET, 0x409b0000000fff, 13, 0, 0},
};

static void interrupt_gates(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(interrupt_cases); i++) {
        unsigned error = interrupt_cases[i].error;
        set(SEL_TARGET, interrupt_cases[i].descriptor);
        uint64_t value = gate(interrupt_cases[i].target, arrival, interrupt_cases[i].access, 0);
        idt[VECTOR].low = value;
        idt[6].low = value;
        Trap trap = run_user(software);
        format(name, sizeof(name), "int-%s", interrupt_cases[i].name);
        check_trap(name, &trap, interrupt_cases[i].vector, error, 0, "SDM 2A INT n");
        trap = run_user(undefined);
        if (error == VECTOR * 8 + 2) {
            error = 6 * 8 + 2;
        }
        unsigned vector = interrupt_cases[i].by_exception ? interrupt_cases[i].by_exception
                                                          : interrupt_cases[i].vector;
        format(name, sizeof(name), "exception-%s", interrupt_cases[i].name);
        check(name, trap.vector << 16 | trap.error, vector << 16 | (vector == INT3 ? 0 : error | 1),
              "SDM 3A 6.13");
    }
    idt_restore(6);
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) pointer = {VECTOR * 8 + 6, (word)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
    Trap trap = run_user(software);
    check_trap("int-limit", &trap, 13, VECTOR * 8 + 2, 0, "SDM 2A INT n");
    pointer.limit = sizeof(idt) - 1;
    __asm__ volatile("lidt %0" : : "m"(pointer));
    static const uint8_t int1[] = {0xf1};
    idt[1].low = gate(SEL_CODE, arrival, 0x0e, 0);
    trap = run_user(int1);
    check_trap("int1-absent", &trap, 11, 1 * 8 + 3, 0, "SDM 3A 6.13");
    idt_restore(1);
}

static void interrupt_frames(void)
{
    static const struct {
        const char *name;
        uint8_t access;
        uint16_t target;
        uint32_t flags, cleared;
        uint16_t cs;
    } cases[] = {
        {"interrupt", 0xee, SEL_CODE, 0x3602, 0x200, SEL_CODE},
        {"trap", 0xef, SEL_CODE, 0x3602, 0, SEL_CODE},
        {"conforming", 0xef, SEL_TARGET, 0x3202, 0, SEL_TARGET | 3},
        {"ring-1", 0xee, SEL_CODE1, 0x3202, 0x200, SEL_CODE1 | 1},
        {"nested", 0xef, SEL_CODE, 0x7002, 0x4000, SEL_CODE},
        {"ac", 0xef, SEL_CODE, 0x43002, 0, SEL_CODE},
    };
    char name[48];
    set(SEL_TARGET, FLAT(0x9f));
    tss[0].ss1 = SEL_DATA1 | 1, tss[0].esp1 = ring_stack_top();
    for (unsigned i = 0; i < COUNT(cases); i++) {
        idt[VECTOR].low = gate(cases[i].target, arrival, cases[i].access, 0);
        Regs in = regs_of_ring(software, 3);
        in.flags = cases[i].flags;
        Trap trap = run(&in);
        format(name, sizeof(name), "frame-%s-cs", cases[i].name);
        check(name, trap.regs.cs, cases[i].cs, "SDM 3A 6.12.1");
        format(name, sizeof(name), "frame-%s-flags", cases[i].name);
        check(name, trap.regs.flags, cases[i].flags & ~cases[i].cleared, "SDM 3A 6.12.1.3");
        bool is_inner = (cases[i].cs & 3) != 3;
        uint32_t *sp = (uint32_t *)trap.regs.sp;
        format(name, sizeof(name), "frame-%s", cases[i].name);
        check(name,
              sp[0] == (word)software + 2 && sp[1] == SEL_USER && sp[2] == cases[i].flags &&
                  (!is_inner || (sp[3] == in.sp && sp[4] == SEL_USER_DATA)),
              true, "SDM 3A 6.12.1");
    }
    /* 16-bit gates push words */
    idt[VECTOR].low = gate(SEL_TARGET, (void *)((word)arrival & 0xffff), 0xe6, 0);
    set(SEL_TARGET, descriptor((word)arrival & ~0xffffu, 0xffff, 0xbb, DB));
    Regs in = regs_of_ring(software, 3);
    in.flags = 0x43202;
    Trap trap = run(&in);
    uint16_t *words = (uint16_t *)trap.regs.sp;
    check("frame-16-sp", trap.regs.sp, ring_stack_top() - 10, "SDM 3A 6.12.1");
    check("frame-16",
          words[0] == (((word)software + 2) & 0xffff) && words[1] == SEL_USER &&
              words[2] == 0x3202 && words[3] == (in.sp & 0xffff) && words[4] == SEL_USER_DATA,
          true, "SDM 3A 6.12.1");
    idt_restore(VECTOR);
}

int main(void);
int main(void)
{
    set(SEL_CODE1, FLAT(0xbb));
    set(SEL_DATA1, FLAT(0xb3));
    set(SEL_CODE2, FLAT(0xdb));
    set(SEL_DATA2, FLAT(0xd3));
    tss[0].ss1 = SEL_DATA1 | 1;
    tss[0].esp1 = ring_stack_top();
    __asm__ volatile("lldt %w0" : : "r"(0));
    sweep_all();
    outer_returns();
    flags();
    call_gates();
    gate_frames();
    stack_switches();
    interrupt_gates();
    interrupt_frames();
    virtual_flags();
    return 0;
}
