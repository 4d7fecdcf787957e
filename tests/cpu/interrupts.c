/* SPDX-License-Identifier: MIT */
/* Alignment checks, interrupt shadows, NMI until IRET, software interrupts; at last a triple fault,
 * which has to end the machine. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")
#ifdef __x86_64__
#define R "r"
#define WORD_SUFFIX "q"
#else
#define R "e"
#define WORD_SUFFIX "l"
#endif

enum { INT3 = 3, CR0_AM = 0x40000, AC = 0x40000, IF = 0x200, VECTOR = 0x51 };

static uint8_t data[256] __attribute__((aligned(64)));

/* -- #AC --------------------------------------------------------------------------------------- */

SNIPPET(load_1, "movb (%" R "bx), %al");
SNIPPET(load_2, "movw (%" R "bx), %ax");
SNIPPET(load_4, "movl (%" R "bx), %eax");
SNIPPET(store_4, "movl %eax, (%" R "bx)");
SNIPPET(rmw_4, "lock addl %eax, (%" R "bx)");
SNIPPET(cmpxchg8b, "lock cmpxchg8b (%" R "bx)");
SNIPPET(load_ss, "movss (%" R "bx), %xmm0");
SNIPPET(load_sd, "movsd (%" R "bx), %xmm0");
SNIPPET(load_ups, "movups (%" R "bx), %xmm0");
SNIPPET(store_ups, "movups %xmm0, (%" R "bx)");
SNIPPET(load_mmx, "movq (%" R "bx), %mm0; emms");
SNIPPET(load_f32, "flds (%" R "bx); fstp %st");
SNIPPET(load_f64, "fldl (%" R "bx); fstp %st");
SNIPPET(load_f80, "fldt (%" R "bx); fstp %st");
SNIPPET(store_f80, "fldz; fstpt (%" R "bx)");
SNIPPET(load_i16, "filds (%" R "bx); fstp %st");
SNIPPET(store_env, "fnstenv (%" R "bx)");
SNIPPET(store_cw, "fnstcw (%" R "bx)");
SNIPPET(bt_4, "btl $1, (%" R "bx)");
SNIPPET(movs_4, "movsl");
SNIPPET(rep_movs_4, "rep movsl");
SNIPPET(rep_movs_1, "rep movsb");
SNIPPET(push_word, "mov %" R "bx, %" R "sp; push %" R "ax");
SNIPPET(push_2, "mov %" R "bx, %" R "sp; pushw %ax");
SNIPPET(pop_word, "mov %" R "bx, %" R "sp; pop %" R "ax");
SNIPPET(call_word, "mov %" R "bx, %" R "sp; call 1f; 1:");
SNIPPET(lea_only, "lea (%" R "bx), %" R "ax");
SNIPPET(prefetch, "prefetcht0 (%" R "bx)");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t alignment, offset;
} accesses[] = {
    {"byte", load_1, 1, 0},
    {"word", load_2, 2, 0},
    {"load", load_4, 4, 0},
    {"store", store_4, 4, 0},
    {"lock", rmw_4, 4, 0},
    {"cmpxchg8b", cmpxchg8b, 8, 0},
    {"movss", load_ss, 4, 0},
    {"movsd", load_sd, 8, 0},
    {"movups", load_ups, 16, 0},
    {"movups-store", store_ups, 16, 0},
    {"mmx", load_mmx, 8, 0},
    {"fld-32", load_f32, 4, 0},
    {"fld-64", load_f64, 8, 0},
    {"fld-80", load_f80, 8, 0},
    {"fstp-80", store_f80, 8, 2},
    {"fild-16", load_i16, 2, 0},
    {"fnstenv", store_env, 4, 0},
    {"fnstcw", store_cw, 2, 0},
    {"bt", bt_4, 4, 0},
    {"movs", movs_4, 4, 0},
    {"rep-movsl", rep_movs_4, 4, 0},
    {"rep-movsb", rep_movs_1, 1, 0},
    {"push", push_word, sizeof(word), sizeof(word) == 8 ? 3 : 2},
    {"push-16", push_2, 2, sizeof(word) == 8 ? 3 : 2},
    {"pop", pop_word, sizeof(word), sizeof(word) == 8 ? 3 : 2},
    {"call", call_word, sizeof(word), sizeof(word) == 8 ? 3 : 2},
    {"lea", lea_only, 1, 0},
    {"prefetch", prefetch, 1, 0},
};

static Trap access(const uint8_t *code, unsigned ring, word at, word flags)
{
    __asm__ volatile("fninit");
    Regs in = {.ip = (word)code,
               .cs = ring ? SEL_USER : SEL_CODE,
               .ss = ring ? SEL_USER_DATA : SEL_DATA,
               .sp = user_stack_top(),
               .bx = at,
               .si = at,
               .di = at,
               .cx = 2,
               .flags = 2 | flags};
    return run(&in);
}

static void alignment(void)
{
    char name[40];
    write_cr0(read_cr0() | CR0_AM);
    for (unsigned i = 0; i < COUNT(accesses); i++) {
        unsigned got = 0, want = 0;
        for (unsigned at = 0; at < 32; at++) {
            Trap trap = access(accesses[i].code, 3, (word)data + 64 + at, AC);
            bool is_ac = trap.vector == 17 && !trap.error && trap.offset == accesses[i].offset;
            got |= (is_ac || trap.vector != INT3 ? 1u : 0u) << at;
            want |= (at % accesses[i].alignment ? 1u : 0u) << at;
        }
        format(name, sizeof(name), "ac-%s", accesses[i].name);
        check(name, got, want, "silicon");
    }
    Trap trap = access(load_4, 3, (word)data + 1, AC);
    check_trap("ac-on", &trap, 17, 0, 0, "SDM 3A 6.15 #AC");
    trap = access(load_4, 3, (word)data + 1, 0);
    check("ac-flag-clear", trap.vector, INT3, "SDM 3A 6.15 #AC");
    trap = access(load_4, 0, (word)data + 1, AC);
    check("ac-ring-0", trap.vector, INT3, "SDM 3A 6.15 #AC");
    write_cr0(read_cr0() & ~(word)CR0_AM);
    trap = access(load_4, 3, (word)data + 1, AC);
    check("ac-mask-clear", trap.vector, INT3, "SDM 3A 6.15 #AC");
    write_cr0(read_cr0() | CR0_AM);
    static const uint8_t popf[] = {0x9d, 0x8b, 0x03, 0xcc}; /* takes effect at once */
    Regs in = {.ip = (word)popf,
               .cs = SEL_USER,
               .ss = SEL_USER_DATA,
               .sp = user_stack_top() - 8,
               .bx = (word)data + 2,
               .flags = 2};
    *(word *)(user_stack_top() - 8) = AC | 2;
    trap = run(&in);
    check_trap("ac-popf", &trap, 17, 0, 1, "SDM 3A 6.15 #AC");
    write_cr0(read_cr0() & ~(word)CR0_AM);
}

/* -- Interrupt shadows: an interrupt of our own waits while IF is clear
 * ----------------------------- */

static word interrupted_at;
static unsigned interrupts, depth, deepest;

static void end_of_interrupt(void)
{
    *(volatile uint32_t *)0xfee000b0 = 0;
}

static void on_interrupt(Regs *regs)
{
    interrupts++;
    interrupted_at = regs->ip;
    end_of_interrupt();
    regs->flags &= ~(word)IF;
}

static void apic_command(uint32_t value)
{
    *(volatile uint32_t *)0xfee00310 = 0;
    *(volatile uint32_t *)0xfee00300 = value;
}

SNIPPET(sti_nop, "sti; nop; nop; cli");
SNIPPET(sti_cli, "sti; cli; nop");
SNIPPET(sti_sti, "sti; sti; nop; cli");
SNIPPET(popf_nop, "popf; nop; nop; cli");
SNIPPET(sti_hlt, "sti; hlt; cli");
SNIPPET(sti_jump, "sti; jmp 1f; nop; 1: nop; cli");
SNIPPET(sti_popf, "sti; popf; nop");
SNIPPET(sti_two_byte, "sti; xchg %ax, %ax; nop; cli");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t count, at; /* where the interrupt comes, if it does */
} shadows[] = {
    {"sti", sti_nop, 1, 2},       {"sti-cli", sti_cli, 0, 0},         {"sti-sti", sti_sti, 1, 2},
    {"popf", popf_nop, 1, 1},     {"sti-hlt", sti_hlt, 1, 2},         {"sti-jump", sti_jump, 1, 4},
    {"sti-popf", sti_popf, 0, 0}, {"sti-nop-66", sti_two_byte, 1, 3},
};

static void shadow(void)
{
    char name[40];
    write_msr(0x1b, read_msr(0x1b) | 0x800);
    *(volatile uint32_t *)0xfee000f0 = 0x1ff;
    trap_set_handler(VECTOR, on_interrupt);
    for (unsigned i = 0; i < COUNT(shadows); i++) {
        interrupts = 0, interrupted_at = 0;
        apic_command(0x40000 | VECTOR); /* to itself */
        Regs in = {.ip = (word)shadows[i].code,
                   .cs = SEL_CODE,
                   .ss = SEL_DATA,
                   .sp = user_stack_top() - 16,
                   .flags = 2};
        *(word *)in.sp = shadows[i].count ? 2 | IF : 2;
        run(&in);
        format(name, sizeof(name), "shadow-%s", shadows[i].name);
        check(name, interrupts, shadows[i].count, "SDM 2B STI");
        if (shadows[i].count) {
            format(name, sizeof(name), "shadow-%s-ip", shadows[i].name);
            check(name, interrupted_at - (word)shadows[i].code, shadows[i].at, "SDM 2B STI");
        } else { /* take it now */
            __asm__ volatile("sti; nop; nop; cli");
        }
    }
    /* an IRET that sets IF has no shadow */
    interrupts = 0;
    apic_command(0x40000 | VECTOR);
    Regs in = {.ip = (word)sti_nop,
               .cs = SEL_USER,
               .ss = SEL_USER_DATA,
               .sp = user_stack_top(),
               .flags = 2 | IF};
    run(&in);
    check("shadow-iret", interrupts << 8 | (interrupted_at - (word)sti_nop), 1 << 8,
          "SDM 3A 6.8.1");
}

/* -- NMI
 * --------------------------------------------------------------------------------------------- */

static bool nested_iret;

static void wait_a_little(void)
{
    for (unsigned i = 0; i < 1000; i++) {
        __asm__ volatile("pause");
    }
}

static void on_nothing(Regs *regs)
{
}

static void on_nmi(Regs *regs)
{
    interrupts++;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (interrupts < 3) {
        apic_command(0x400); /* another one: must wait for IRET */
        if (nested_iret && interrupts == 1) {
            __asm__ volatile("int $0x52"); /* whose IRET lets it in */
        }
    }
    depth--;
}

static void nmi(void)
{
    extern const uint8_t trap_stubs[256][16];
    idt_set(2, trap_stubs[2], 0xe, 0, 0); /* nested ones: not on a stack of its own */
    trap_set_handler(2, on_nmi);
    trap_set_handler(0x52, on_nothing);
    interrupts = 0;
    apic_command(0x400);
    wait_a_little();
    check("nmi-count", interrupts, 3, "SDM 3A 6.7.1");
    check("nmi-depth", deepest, 1, "SDM 3A 6.7.1");
    nested_iret = true;
    interrupts = 0, deepest = 0;
    apic_command(0x400);
    wait_a_little();
    check("nmi-iret-count", interrupts, 3, "SDM 3A 6.7.1");
    check("nmi-iret-depth", deepest, 2, "SDM 3A 6.7.1");
    trap_set_handler(2, NULL);
    idt_restore(2);
}

/* -- Software interrupts
 * ----------------------------------------------------------------------------- */

SNIPPET(int3_code, "int3");
SNIPPET(int_3, ".byte 0xcd, 3");
SNIPPET(int_1, ".byte 0xf1");
SNIPPET(int_gp, "int $13");
SNIPPET(int_30, "int $0x30");
SNIPPET(int_80, "int $0x80");
#ifndef __x86_64__
SNIPPET(into_set, "movb $0x7f, %al; incb %al; into");
SNIPPET(into_clear, "xorl %eax, %eax; into");
SNIPPET(bound_inside, "movl $5, %ecx; boundl %ecx, (%ebx)");
SNIPPET(bound_below, "movl $-3, %ecx; boundl %ecx, (%ebx)");
SNIPPET(bound_above, "movl $8, %ecx; boundl %ecx, (%ebx)");
SNIPPET(bound_16, "movl $0x10000, %ecx; boundw %cx, (%ebx)");
SNIPPET(bound_register, ".byte 0x62, 0xc8");
SNIPPET(aam_0, ".byte 0xd4, 0");
#endif
SNIPPET(idiv_overflow, "movl $0x80000000, %eax; cltd; movl $-1, %ecx; idivl %ecx");
SNIPPET(div_overflow, "movl $1, %edx; movl $1, %ecx; divl %ecx");
SNIPPET(div_8, "movw $0x200, %ax; movb $2, %cl; divb %cl");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t vector, offset;
    uint16_t error;
} softwares[] = {
    {"int3", int3_code, 3, 1, 0},
    {"int-3", int_3, 3, 2, 0},
    {"int1", int_1, 1, 1, 0},
    {"int-13-dpl", int_gp, 13, 0, 13 * 8 + 2},
    {"int-30", int_30, 0x30, 2, 0},
    {"int-80-dpl", int_80, 13, 0, 0x80 * 8 + 2},
#ifndef __x86_64__
    {"into", into_set, 4, 5, 0},
    {"into-not", into_clear, 3, 4, 0},
    {"bound", bound_inside, 3, 8, 0},
    {"bound-below", bound_below, 5, 5, 0},
    {"bound-above", bound_above, 5, 5, 0},
    {"bound-16", bound_16, 5, 5, 0},
    {"bound-register", bound_register, 6, 0, 0},
    {"aam-0", aam_0, 0, 0, 0},
#endif
    {"idiv-overflow", idiv_overflow, 0, 11, 0},
    {"div-overflow", div_overflow, 0, 10, 0},
    {"div-8-overflow", div_8, 0, 6, 0},
};

static void software(void)
{
    static const int32_t bounds[2] = {-2, 7};
    for (unsigned i = 0; i < COUNT(softwares); i++) {
        Regs in = {.ip = (word)softwares[i].code,
                   .cs = SEL_USER,
                   .ss = SEL_USER_DATA,
                   .sp = user_stack_top(),
                   .bx = (word)bounds,
                   .flags = 2};
        Trap trap = run(&in);
        check_trap(softwares[i].name, &trap, softwares[i].vector, softwares[i].error,
                   softwares[i].offset, "SDM 2A INT n");
        if (softwares[i].vector != 13) {
            char name[40];
            bool is_fault =
                softwares[i].vector == 0 || softwares[i].vector == 5 || softwares[i].vector == 6;
            format(name, sizeof(name), "%s-rf", softwares[i].name);
            check(name, trap.regs.flags >> 16 & 1, is_fault, "SDM 3B 17.3.1.1");
        }
    }
}

/* Had the machine gone on, the end line would not be the last one. */
static void triple_fault(void)
{
    struct {
        uint16_t limit;
        word base;
    } __attribute__((packed)) pointer = {0, 0};
    report_last_line();
    __asm__ volatile("lidt %0; int3" : : "m"(pointer));
    print("the triple fault has not ended the machine\n");
}

int main(void);
int main(void)
{
    __asm__ volatile("fninit");
    write_cr4(read_cr4() | 0x600);
    alignment();
    shadow();
    nmi();
    software();
    triple_fault();
    return 0;
}
