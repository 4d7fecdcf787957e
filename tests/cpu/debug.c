/* SPDX-License-Identifier: MIT */
/* Debug exceptions: breakpoints of DR0-DR3 on code, data and ports, TF, RF, BTF, INT1, general
 * detect, the registers themselves. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")
#ifdef __x86_64__
#define R "r"
#else
#define R "e"
#endif

enum {
    INT3 = 3,
    TF = 0x100,
    RF = 0x10000,
    DE = 8,
    BS = 0x4000,
    BD = 0x2000,
    MSR_DEBUGCTL = 0x1d9,
    MAX_EVENTS = 8
};

static uint8_t data[64] __attribute__((aligned(64)));

/* -- What the handler of #DB saw
 * ----------------------------------------------------------------------- */

static struct {
    word ip, dr6, flags;
} events[64];
static unsigned event_count, steps; /* TF goes off after so many */
static bool stops_btf;

static void on_debug(Regs *regs)
{
    if (event_count < COUNT(events)) {
        events[event_count].ip = regs->ip;
        events[event_count].dr6 = read_dr6();
        events[event_count].flags = regs->flags;
    }
    write_dr6(0xffff0ff0);
    if (++event_count >= steps) {
        regs->flags &= ~(word)TF;
    } else if (stops_btf) {
        write_msr(MSR_DEBUGCTL, 2);
    }
}

static void on_interrupt(Regs *regs)
{
}

/* An expected event: where, what of DR6, and the RF bit pushed. */
typedef struct Event {
    uint8_t offset;
    uint16_t dr6;
    bool rf;
} Event;

static void check_events(const char *name, const void *code, const Event *want, unsigned count,
                         const char *source)
{
    char text[64];
    format(text, sizeof(text), "%s-count", name);
    check(text, event_count, count, source);
    for (unsigned i = 0; i < count; i++) {
        uint64_t got = 0;
        if (i < event_count) {
            got = ((events[i].ip - (word)code) & 0xff) << 24 | (events[i].dr6 & 0xe00f) << 4 |
                  (events[i].flags & RF ? 1 : 0);
        }
        format(text, sizeof(text), "%s-%u", name, i);
        check(text, got, (uint64_t)want[i].offset << 24 | (unsigned)want[i].dr6 << 4 | want[i].rf,
              source);
    }
}

static Trap run_traced(const void *code, unsigned ring, word flags, unsigned step_count)
{
    event_count = 0;
    steps = step_count;
    Regs in = {.ip = (word)code,
               .cs = ring ? SEL_USER : SEL_CODE,
               .ss = ring ? SEL_USER_DATA : SEL_DATA,
               .sp = user_stack_top() - 64,
               .bx = (word)data,
               .si = (word)data + 32,
               .di = (word)data,
               .cx = 3,
               .dx = 0x80,
               .flags = 2 | flags};
    return run(&in);
}

static void set_breakpoint(word address, unsigned kind, unsigned length)
{
    static const uint8_t lengths[] = {[1] = 0, [2] = 1, [4] = 3, [8] = 2};
    __asm__ volatile("mov %0, %%dr0" : : "r"(address));
    write_dr7(0x401 | kind << 16 | (unsigned)lengths[length] << 18);
}

enum { EXECUTE, WRITE, PORT, ACCESS };

/* -- Data
 * ------------------------------------------------------------------------------------------------
 */

SNIPPET(store_1, "movb %al, (%" R "bx)");
SNIPPET(store_4, "movl %eax, (%" R "bx)");
SNIPPET(load_4, "movl (%" R "bx), %eax");
SNIPPET(store_4_at_2, "movl %eax, 2(%" R "bx)");
SNIPPET(load_16, "movups (%" R "bx), %xmm0");
SNIPPET(store_16, "movups %xmm0, (%" R "bx)");
SNIPPET(add_4, "addl $1, (%" R "bx)");
SNIPPET(xchg_4, "xchgl %eax, (%" R "bx)");
SNIPPET(cmpxchg_4, "movl $1, %eax; lock cmpxchgl %ecx, (%" R "bx)");
SNIPPET(cmp_4, "cmpl $0, (%" R "bx)");
SNIPPET(movs_1, "movsb");
SNIPPET(rep_stosb, "rep stosb");
SNIPPET(push_word, "lea 8(%" R "bx), %" R "sp; push %" R "ax");
SNIPPET(call_word, "lea 8(%" R "bx), %" R "sp; call 1f; 1:");
SNIPPET(ret_word, "mov %" R "bx, %" R "sp; ret");
SNIPPET(fstp_10, "fldz; fstpt (%" R "bx)");
SNIPPET(bts_far, "btsl $33, (%" R "bx)");
SNIPPET(lea_only, "lea (%" R "bx), %" R "ax");
SNIPPET(prefetch, "prefetcht0 (%" R "bx)");
SNIPPET(two_stores, "movb %al, (%" R "bx); movb %al, 1(%" R "bx)");
SNIPPET(fault_store, "movb %al, (%" R "bx); ud2");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t kind, length, at; /* the breakpoint: bytes from data on */
    uint8_t count;
    uint8_t offsets[3];
} datas[] = {
    {"write", store_1, WRITE, 1, 0, 1, {2}},
    {"write-access", store_1, ACCESS, 1, 0, 1, {2}},
    {"write-next", store_1, WRITE, 1, 1, 0, {0}},
    {"write-4", store_4, WRITE, 4, 0, 1, {2}},
    {"write-4-byte", store_4, WRITE, 1, 3, 1, {2}},
    {"write-4-beyond", store_4, WRITE, 1, 4, 0, {0}},
    {"write-4-word", store_4, WRITE, 2, 2, 1, {2}},
    {"write-overlap-low", store_4_at_2, WRITE, 4, 0, 1, {3}},
    {"write-overlap-high", store_4_at_2, WRITE, 4, 4, 1, {3}},
    {"write-unaligned-register", store_1, WRITE, 4, 3, 1, {2}},
    {"read", load_4, ACCESS, 4, 0, 1, {2}},
    {"read-no-write", load_4, WRITE, 4, 0, 0, {0}},
    {"read-16", load_16, ACCESS, 1, 15, 1, {3}},
    {"write-16", store_16, WRITE, 2, 14, 1, {3}},
    {"add", add_4, WRITE, 4, 0, 1, {3}},
    {"add-access", add_4, ACCESS, 4, 0, 1, {3}},
    {"xchg", xchg_4, WRITE, 4, 0, 1, {2}},
    {"compare", cmp_4, WRITE, 4, 0, 0, {0}},
    {"compare-access", cmp_4, ACCESS, 4, 0, 1, {3}},
    {"movs-to", movs_1, WRITE, 1, 0, 1, {1}},
    {"movs-from", movs_1, ACCESS, 1, 32, 1, {1}},
    {"movs-from-write", movs_1, WRITE, 1, 32, 0, {0}},
    {"rep-stos", rep_stosb, WRITE, 1, 1, 1, {0}},
    {"rep-stos-last", rep_stosb, WRITE, 1, 2, 1, {2}},
    {"rep-stos-all", rep_stosb, WRITE, 4, 0, 3, {0, 0, 2}},
    {"fstp", fstp_10, WRITE, 2, 8, 1, {4}},
    {"bts", bts_far, WRITE, 4, 0, 1, {4}},
    {"lea", lea_only, ACCESS, 4, 0, 0, {0}},
    {"prefetch", prefetch, ACCESS, 4, 0, 0, {0}},
    {"two", two_stores, WRITE, 2, 0, 2, {2, 5}},
    {"before-fault", fault_store, WRITE, 1, 0, 1, {2}},
#ifdef __x86_64__
    {"write-8", store_1, WRITE, 8, 0, 1, {2}},
    {"write-8-high", store_4_at_2, WRITE, 8, 0, 1, {3}},
    {"write-8-beyond", store_4, WRITE, 8, 8, 0, {0}},
    {"push", push_word, WRITE, 4, 0, 1, {5}},
    {"call", call_word, WRITE, 4, 4, 1, {9}},
#else
    {"push", push_word, WRITE, 4, 4, 1, {4}},
    {"call", call_word, WRITE, 4, 4, 1, {8}},
#endif
};

static void data_breakpoints(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(datas); i++) {
        for (unsigned ring = 0; ring < 4; ring += 3) {
            Event want[3];
            memset(data, 0, sizeof(data));
            set_breakpoint((word)data + datas[i].at, datas[i].kind, datas[i].length);
            run_traced(datas[i].code, ring, 0, 1);
            write_dr7(0x400);
            for (unsigned n = 0; n < datas[i].count; n++) {
                bool in_repeat = datas[i].code == rep_stosb && datas[i].offsets[n] == 0;
                want[n] = (Event){datas[i].offsets[n], 1, in_repeat};
            }
            format(name, sizeof(name), "data-%s-ring-%u", datas[i].name, ring);
            check_events(name, datas[i].code, want, datas[i].count, "SDM 3B 17.2.5");
        }
    }
    /* all four at once, of which two are touched */
    __asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %0, %%dr2; mov %1, %%dr3"
                     :
                     : "r"(data), "r"(data + 8));
    write_dr7(0x11110455);
    run_traced(store_1, 3, 0, 1);
    write_dr7(0x400);
    check_events("data-four", store_1, (Event[]){{2, 5, false}}, 1, "SDM 3B 17.2.3");
    __asm__ volatile("mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3" : : "r"((word)0));
}

/* -- Code
 * ------------------------------------------------------------------------------------------------
 */

SNIPPET(nops, "nop; nop; nop");
SNIPPET(long_insn, "movl $0x12345678, %eax; nop");
SNIPPET(undefined, "nop; ud2");
SNIPPET(rep_movsb, "rep movsb; nop");
SNIPPET(out_80, "outb %al, %dx; nop");
SNIPPET(in_80, "inb $0x80, %al; nop");
SNIPPET(out_2, "outw %ax, %dx; nop");
SNIPPET(rep_outsb, "rep outsb; nop");

static void code_breakpoints(void)
{
    set_breakpoint((word)nops + 1, EXECUTE, 1);
    Trap trap = run_traced(nops, 0, 0, 1);
    check_events("code", nops, (Event[]){{1, 1, true}}, 1, "SDM 3B 17.3.1.1");
    check_trap("code-goes-on", &trap, INT3, 0, 4, "SDM 3B 17.3.1.1");
    run_traced(nops, 3, 0, 1);
    check_events("code-ring-3", nops, (Event[]){{1, 1, true}}, 1, "SDM 3B 17.3.1.1");
    set_breakpoint((word)nops, EXECUTE, 1);
    run_traced(nops, 3, RF, 1);
    check_events("code-rf", nops, NULL, 0, "SDM 3B 17.3.1.1");
    run_traced(nops, 3, 0, 1);
    check_events("code-first", nops, (Event[]){{0, 1, true}}, 1, "SDM 3B 17.3.1.1");
    set_breakpoint((word)long_insn + 1, EXECUTE, 1);
    run_traced(long_insn, 3, 0, 1);
    check_events("code-inside", long_insn, NULL, 0, "SDM 3B 17.2.5");
    set_breakpoint((word)undefined + 1, EXECUTE, 1);
    trap = run_traced(undefined, 3, 0, 1);
    check_events("code-before-ud", undefined, (Event[]){{1, 1, true}}, 1, "SDM 3A 6.9");
    check("code-then-ud", trap.vector, 6, "SDM 3A 6.9");
    set_breakpoint((word)rep_movsb, EXECUTE, 1);
    trap = run_traced(rep_movsb, 3, 0, 1);
    check_events("code-rep", rep_movsb, (Event[]){{0, 1, true}}, 1, "SDM 3B 17.3.1.1");
    write_dr7(0x400);
    run_traced(nops, 3, 0, 1);
    check_events("code-disabled", nops, NULL, 0, "SDM 3B 17.2.4");

    write_cr4(read_cr4() | DE);
    static const struct {
        const char *name;
        const uint8_t *code;
        uint8_t port, length, count, offsets[3];
    } ports[] = {
        {"out", out_80, 0x80, 1, 1, {1}},
        {"out-next", out_80, 0x81, 1, 0, {0}},
        {"in", in_80, 0x80, 1, 1, {2}},
        {"out-2", out_2, 0x81, 1, 1, {2}},
        {"out-length-4", out_80, 0x83, 4, 1, {1}},
        {"rep-outs", rep_outsb, 0x80, 1, 3, {0, 0, 2}},
    };
    for (unsigned i = 0; i < COUNT(ports); i++) {
        char name[40];
        Event want[3];
        set_breakpoint(ports[i].port, PORT, ports[i].length);
        run_traced(ports[i].code, 0, 0, 1);
        for (unsigned n = 0; n < ports[i].count; n++) {
            want[n] = (Event){ports[i].offsets[n], 1,
                              ports[i].code == rep_outsb && ports[i].offsets[n] == 0};
        }
        format(name, sizeof(name), "port-%s", ports[i].name);
        check_events(name, ports[i].code, want, ports[i].count, "SDM 3B 17.2.4");
    }
    write_cr4(read_cr4() & ~(word)DE);
    write_dr7(0x400);
}

/* -- Single steps
 * ------------------------------------------------------------------------------------------ */

SNIPPET(rep_stosb_nop, "rep stosb; nop");
SNIPPET(interrupt, "int $0x40; nop; nop");
SNIPPET(pushf_popf, "pushf; popf; nop");
SNIPPET(clear_tf, "pushf; andl $~0x100, (%" R "sp); popf; nop; nop");
SNIPPET(set_tf, "pushf; orl $0x100, (%" R "sp); popf; nop; nop");
SNIPPET(load_ss, "movl %ss, %eax; movl %eax, %ss; nop; nop");
SNIPPET(pop_ss_like, "movl %ss, %eax; movl %eax, %ss; movl %eax, %ss; nop; nop");
SNIPPET(jumps, "jmp 1f; nop; 1: nop; testl %ebx, %ebx; jz 2f; nop; 2: nop");
SNIPPET(faults, "nop; ud2");
SNIPPET(sti_like, "cli; nop");
SNIPPET(store_step, "movb %al, (%" R "bx); nop");
SNIPPET(int1, ".byte 0xf1; nop");
SNIPPET(watched_ss, "movw (%" R "bx), %ss; nop; nop");
SNIPPET(cpuid_rdtsc, "rdtsc; nop");

static void single_steps(void)
{
    static const struct {
        const char *name;
        const uint8_t *code;
        word flags;
        uint8_t steps, count, offsets[MAX_EVENTS];
    } cases[] = {
        {"nops", nops, TF, 3, 3, {1, 2, 3}},
        {"rep", rep_stosb_nop, TF, 4, 4, {0, 0, 2, 3}},
        {"int", interrupt, TF, 2, 2, {3, 4}},
        {"popf", pushf_popf, TF, 3, 3, {1, 2, 3}},
        {"clear", clear_tf, TF, 9, 3, {1, sizeof(word) == 8 ? 8 : 8, 9}},
        {"set", set_tf, 0, 2, 2, {10, 11}},
        {"mov-ss", load_ss, TF, 3, 3, {2, 5, 6}},
        {"jump", jumps, TF, 6, 6, {3, 4, 6, 8, 9, 10}},
        {"fault", faults, TF, 1, 1, {1}},
        {"rdtsc", cpuid_rdtsc, TF, 2, 2, {2, 3}},
    };
    char name[40];
    trap_set_handler(0x40, on_interrupt);
    for (unsigned i = 0; i < COUNT(cases); i++) {
        Event want[MAX_EVENTS];
        for (unsigned n = 0; n < cases[i].count; n++) {
            bool in_repeat = cases[i].code == rep_stosb_nop && cases[i].offsets[n] == 0;
            want[n] = (Event){cases[i].offsets[n], BS, in_repeat};
        }
        run_traced(cases[i].code, 0, cases[i].flags, cases[i].steps);
        format(name, sizeof(name), "step-%s", cases[i].name);
        check_events(name, cases[i].code, want, cases[i].count, "SDM 3B 17.3.1.4");
    }
    Trap trap = run_traced(nops, 3, TF, 3);
    check_events("step-ring-3", nops, (Event[]){{1, BS, 0}, {2, BS, 0}, {3, BS, 0}}, 3,
                 "SDM 3B 17.3.1.4");
    check_trap("step-end", &trap, INT3, 0, 4, "SDM 3B 17.3.1.4");
    set_breakpoint((word)data, WRITE, 1);
    run_traced(store_step, 0, TF, 2);
    check_events("step-and-data", store_step, (Event[]){{2, BS | 1, 0}, {3, BS, 0}}, 2,
                 "SDM 3B 17.2.3");
    set_breakpoint((word)nops + 1, EXECUTE, 1);
    run_traced(nops, 0, TF, 1);
    check_events("step-then-code", nops, (Event[]){{1, BS, 0}, {1, 1, 1}}, 2, "SDM 3A 6.9");
    write_dr7(0x400);
    run_traced(int1, 0, 0, 1);
    check_events("int1", int1, (Event[]){{1, 0, 0}}, 1, "SDM 2A INT n");
    /* the trap of a load of SS waits for the end of the next instruction */
    *(uint16_t *)data = SEL_DATA;
    set_breakpoint((word)data, ACCESS, 2);
    run_traced(watched_ss, 0, 0, 1);
    check_events("mov-ss-data", watched_ss, (Event[]){{3, 1, 0}}, 1, "SDM 3A 6.8.3");
    write_dr7(0x400);

    if (try_write_msr(MSR_DEBUGCTL, 2) != NO_TRAP || read_msr(MSR_DEBUGCTL) != 2) {
        check_skip("btf", "no BTF in DEBUGCTL");
        return;
    }
    stops_btf = true;
    run_traced(jumps, 0, TF, 2);
    check_events("btf", jumps, (Event[]){{3, BS, 0}}, 1, "SDM 3B 17.4.3");
    check("btf-cleared", read_msr(MSR_DEBUGCTL) & 2, 2, "SDM 3B 17.4.3"); /* set by the handler */
    stops_btf = false;
    write_msr(MSR_DEBUGCTL, 2);
    run_traced(jumps, 0, TF, 2);
    check_events("btf-once", jumps, (Event[]){{3, BS, 0}, {4, BS, 0}}, 2, "SDM 3B 17.4.3");
    check("btf-cleared-by-trap", read_msr(MSR_DEBUGCTL) & 2, 0, "SDM 3B 17.4.3");
    write_msr(MSR_DEBUGCTL, 0);
}

/* -- The registers
 * ------------------------------------------------------------------------------------------ */

SNIPPET(detected, "mov %dr0, %" R "ax; nop");

static word read_dr4(void)
{
    word value = 0;
    CATCH(".byte 0x0f, 0x21, 0xe0", "+a"(value)); /* mov %dr4, %eax */
    return value;
}

static void registers(void)
{
    write_dr6(0);
    check("dr6-fixed", read_dr6(), 0xffff0ff0, "SDM 3B 17.2.3");
    write_dr6(0xffffffff);
    check("dr6-ones", read_dr6() & 0xffff1fff, 0xffff0fff, "SDM 3B 17.2.3");
    write_dr7(0);
    check("dr7-fixed", read_dr7(), 0x400, "SDM 3B 17.2.4");
    write_dr7(0xffff0000);
    check("dr7-upper", read_dr7(), 0xffff0400, "SDM 3B 17.2.4");
    write_dr7(0xd400);
    check("dr7-reserved", read_dr7() & 0xd400, 0x400, "SDM 3B 17.2.4");
    write_dr7(0x400);
    write_dr6(0xffff0ff0);
    write_cr4(read_cr4() & ~(word)DE);
    check("dr4-alias", read_dr4(), 0xffff0ff0, "SDM 3B 17.2.2");
    write_cr4(read_cr4() | DE);
    read_dr4();
    check_trap("dr4-de", &caught, 6, 0, 0, "SDM 3B 17.2.2");
    CATCH(".byte 0x0f, 0x23, 0xe8", : "a"(0)); /* mov %eax, %dr5 */
    check_trap("dr5-de", &caught, 6, 0, 0, "SDM 3B 17.2.2");
    write_cr4(read_cr4() & ~(word)DE);
#ifdef __x86_64__
    CATCH("mov %0, %%dr6", : "r"(1ull << 32));
    check_trap("dr6-64", &caught, 13, 0, 0, "SDM 3B 17.2.6");
    CATCH("mov %0, %%dr7", : "r"(1ull << 63));
    check_trap("dr7-64", &caught, 13, 0, 0, "SDM 3B 17.2.6");
    word value = 0x123456789abcdef0;
    __asm__ volatile("mov %1, %%dr3; mov %%dr3, %0" : "=r"(value) : "r"(value));
    check("dr3-64", value, 0x123456789abcdef0, "SDM 3B 17.2.6");
#endif
    /* general detect */
    write_dr7(0x2400);
    run_traced(detected, 0, 0, 1);
    check_events("detect", detected, (Event[]){{0, BD, true}}, 1, "SDM 3B 17.3.1.3");
    check("detect-cleared", read_dr7() & 0x2000, 0, "SDM 3B 17.2.4");
    static const uint8_t ring3[] = {0x0f, 0x21, 0xc0};
    write_dr7(0x2400);
    Trap trap = run_user(ring3);
    check_trap("detect-ring-3", &trap, 13, 0, 0, "SDM 2B MOV");
    write_dr7(0x2400);
    event_count = 0;
    write_dr7(0x400); /* detected itself, and goes on */
    check("detect-write", event_count, 1, "SDM 3B 17.3.1.3");
}

#ifdef __x86_64__
SNIPPET(syscall_code, "syscall");
SNIPPET(syscall_target, "nop; nop");
SNIPPET(sysret_code, "sysretq");

static void system_calls(void)
{
    write_msr(0xc0000080, read_msr(0xc0000080) | 1);
    write_msr(0xc0000081, (uint64_t)(SEL_USER - 19) << 48 | (uint64_t)SEL_CODE << 32);
    write_msr(0xc0000082, (word)syscall_target);
    write_msr(0xc0000084, 0);
    run_traced(syscall_code, 3, TF, 2);
    check_events("syscall-tf", syscall_target, (Event[]){{0, BS, 0}, {1, BS, 0}}, 2,
                 "SDM 2B SYSCALL");
    write_msr(0xc0000084, TF);
    run_traced(syscall_code, 3, TF, 2);
    check_events("syscall-fmask", syscall_target, NULL, 0, "SDM 2B SYSCALL");
    event_count = 0, steps = 2;
    Regs in = {.ip = (word)sysret_code,
               .cs = SEL_CODE,
               .ss = SEL_DATA,
               .sp = user_stack_top(),
               .cx = (word)nops,
               .r11 = TF | 2,
               .flags = 2};
    run(&in);
    check_events("sysret-tf", nops, (Event[]){{0, BS, 0}, {1, BS, 0}}, 2, "SDM 2B SYSRET");
}
#endif

int main(void);
int main(void)
{
    __asm__ volatile("fninit");
    write_cr4(read_cr4() | 0x600);
    trap_set_handler(1, on_debug);
    write_dr6(0xffff0ff0);
    data_breakpoints();
    code_breakpoints();
    single_steps();
    registers();
#ifdef __x86_64__
    system_calls();
#endif
    return 0;
}
