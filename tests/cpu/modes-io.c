/* SPDX-License-Identifier: MIT */
/* Who may use ports and the interrupt flag: IOPL, the TSS's bitmap, PVI, and privileged
 * instructions. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")

enum { INT3 = 3, PORT = 0x80, CR4_PVI = 2, CR4_TSD = 4, CR4_PCE = 0x100, VIF = 1 << 19 };
#define VIP (1u << 20)

SNIPPET(in_1, "inb %dx, %al");
SNIPPET(in_2, "inw %dx, %ax");
SNIPPET(in_4, "inl %dx, %eax");
SNIPPET(out_1, "outb %al, %dx");
SNIPPET(out_2, "outw %ax, %dx");
SNIPPET(out_4, "outl %eax, %dx");
SNIPPET(in_immediate, "inb $0x80, %al");
SNIPPET(out_immediate, "outb %al, $0x80");
SNIPPET(ins_1, "insb");
SNIPPET(outs_2, "outsw");
SNIPPET(rep_ins, "rep insb");

static uint8_t buffer[16];

static Trap in_ring(const void *code, unsigned ring, unsigned iopl, unsigned port)
{
    Regs in = {.ip = (word)code,
               .cs = ring ? SEL_USER : SEL_CODE,
               .ss = ring ? SEL_USER_DATA : SEL_DATA,
               .sp = user_stack_top(),
               .dx = port,
               .di = (word)buffer,
               .si = (word)buffer,
               .flags = 2 | iopl << 12};
    return run(&in);
}

static void set_tss_limit(unsigned limit)
{
    gdt[SEL_TSS / 8] = descriptor((uint32_t)(word)&tss[0], limit, 0x89, 0);
    __asm__ volatile("ltr %w0" : : "r"(SEL_TSS) : "memory");
}

/* -- The bitmap
 * ---------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t size;
} forms[] = {{"in-1", in_1, 1},   {"in-2", in_2, 2},   {"in-4", in_4, 4},  {"out-1", out_1, 1},
             {"out-2", out_2, 2}, {"out-4", out_4, 4}, {"insb", ins_1, 1}, {"outsw", outs_2, 2}};

/* For each form: bit n of the result is set when a set bit in the bitmap for port n stops an access
 * to PORT + 4. */
static void bitmap_bits(void)
{
    uint8_t *map = (uint8_t *)&tss[1]; /* one CPU: the others' TSSs are room for it */
    tss[0].io_map = sizeof(Tss);
    set_tss_limit(sizeof(Tss) + 0x2000 / 8);
    for (unsigned i = 0; i < COUNT(forms); i++) {
        unsigned stopped = 0;
        for (unsigned n = 0; n < 16; n++) {
            memset(map, 0, 0x400);
            map[(PORT + n) / 8] = 1 << (n & 7);
            Trap trap = in_ring(forms[i].code, 3, 0, PORT + 4);
            bool is_fault = trap.vector == 13 && trap.error == 0 && trap.offset == 0;
            stopped |= (is_fault ? 1u : trap.vector == INT3 ? 0u : 0x10000u) << n;
        }
        char name[32];
        format(name, sizeof(name), "bitmap-%s", forms[i].name);
        check(name, stopped, ((1u << forms[i].size) - 1) << 4, "SDM 1 19.5.2");
    }
    memset(map, 0, 0x400);
    map[PORT / 8] = 1;
    Trap trap = in_ring(in_immediate, 3, 0, 0);
    check_trap("bitmap-in-immediate", &trap, 13, 0, 0, "SDM 1 19.5.2");
    trap = in_ring(out_immediate, 3, 0, 0);
    check_trap("bitmap-out-immediate", &trap, 13, 0, 0, "SDM 1 19.5.2");
    for (unsigned iopl = 0; iopl < 4; iopl++) {
        char name[32];
        trap = in_ring(in_1, 3, iopl, PORT);
        format(name, sizeof(name), "iopl-%u-ring-3", iopl);
        check(name, trap.vector, iopl == 3 ? INT3 : 13, "SDM 1 19.5.1");
        trap = in_ring(in_1, 0, iopl, PORT);
        format(name, sizeof(name), "iopl-%u-ring-0", iopl);
        check(name, trap.vector, INT3, "SDM 1 19.5.1");
    }
    /* nothing is transferred before the check */
    Regs in = {.ip = (word)rep_ins,
               .cs = SEL_USER,
               .ss = SEL_USER_DATA,
               .sp = user_stack_top(),
               .dx = PORT,
               .di = (word)buffer,
               .cx = 2,
               .flags = 2};
    trap = run(&in);
    check_trap("rep-ins", &trap, 13, 0, 0, "SDM 1 19.5.2");
    check("rep-ins-registers", trap.regs.cx == 2 && trap.regs.di == (word)buffer, true,
          "SDM 3A 6.6");
}

/* The bitmap against the end of the TSS: two bytes are read. */
static void bitmap_end(void)
{
    uint8_t *map = (uint8_t *)&tss[1];
    static const struct {
        const char *name;
        unsigned limit, base, port; /* from the TSS's start */
        uint8_t vector;
    } cases[] = {
        {"end-inside", sizeof(Tss) + 1, sizeof(Tss), 7, INT3},
        {"end-second-byte", sizeof(Tss), sizeof(Tss), 7, 13},
        {"end-next-port", sizeof(Tss) + 1, sizeof(Tss), 8, 13},
        {"end-far-port", sizeof(Tss) + 1, sizeof(Tss), 0xffff, 13},
        {"end-base-outside", sizeof(Tss) - 1, sizeof(Tss), 0, 13},
        {"end-base-ffff", sizeof(Tss) + 0x100, 0xffff, 0, 13},
        {"end-base-inside", sizeof(Tss) + 0x101, sizeof(Tss) + 0x100, 0, INT3},
        {"end-no-field", 0x64, sizeof(Tss), 0, 13},
    };
    memset(map, 0, 0x400);
    for (unsigned i = 0; i < COUNT(cases); i++) {
        if (sizeof(word) == 4 && cases[i].limit == 0x64) {
            set_tss_limit(0x64);
        } else if (cases[i].limit != 0x64) {
            set_tss_limit(cases[i].limit);
        } else {
            continue; /* a 64-bit TSS that short cannot hold the stacks */
        }
        tss[0].io_map = (uint16_t)cases[i].base;
        Trap trap = in_ring(in_1, 3, 0, cases[i].port);
        check(cases[i].name, trap.vector << 16 | (trap.vector == 13 ? trap.error : 0),
              cases[i].vector << 16, "SDM 1 19.5.2");
    }
    tss[0].io_map = sizeof(Tss);
    set_tss_limit(sizeof(Tss) - 1);
}

/* -- The interrupt flag
 * --------------------------------------------------------------------------------- */

SNIPPET(cli, "cli");
SNIPPET(sti, "sti; nop");

static void interrupt_flag(void)
{
    char name[40];
    for (unsigned n = 0; n < 16; n++) {
        unsigned ring = n & 1 ? 3 : 0, iopl = n >> 1 & 3, is_sti = n >> 3;
        Regs in = {.ip = (word)(is_sti ? sti : cli),
                   .cs = ring ? SEL_USER : SEL_CODE,
                   .ss = ring ? SEL_USER_DATA : SEL_DATA,
                   .sp = user_stack_top(),
                   .flags = 2 | iopl << 12 | (is_sti ? 0 : 0x200)};
        Trap trap = run(&in);
        bool allowed = ring <= iopl;
        format(name, sizeof(name), "%s-ring-%u-iopl-%u", is_sti ? "sti" : "cli", ring, iopl);
        check(name, trap.vector << 16 | (trap.regs.flags & 0x3202),
              (allowed ? INT3 : 13) << 16 |
                  ((in.flags & ~0x200u) | (allowed == (bool)is_sti ? 0x200 : 0)),
              is_sti ? "SDM 2B STI" : "SDM 2A CLI");
    }
    if (!(cpuid(1, 0).edx & 2)) {
        check_skip("pvi", "CPUID says no VME");
        return;
    }
    write_cr4(read_cr4() | CR4_PVI);
    static const struct {
        const char *name;
        const uint8_t *code;
        uint32_t flags;
        uint8_t vector;
        uint32_t result;
    } cases[] = {
        {"pvi-cli", cli, VIF | 2, INT3, 2},
        {"pvi-sti", sti, 2, INT3, VIF | 2},
        {"pvi-sti-vip", sti, VIP | 2, 13, VIP | 2},
        {"pvi-cli-vip", cli, VIP | VIF | 2, INT3, VIP | 2},
        {"pvi-cli-iopl-3", cli, VIF | 0x3202, INT3, VIF | 0x3002},
        {"pvi-sti-iopl-3", sti, VIP | 0x3002, INT3, VIP | 0x3202},
    };
    for (unsigned i = 0; i < COUNT(cases); i++) {
        Regs in = {.ip = (word)cases[i].code,
                   .cs = SEL_USER,
                   .ss = SEL_USER_DATA,
                   .sp = user_stack_top(),
                   .flags = cases[i].flags};
        Trap trap = run(&in);
        check(cases[i].name, (uint64_t)trap.vector << 32 | (trap.regs.flags & ~0x10000u),
              (uint64_t)cases[i].vector << 32 | cases[i].result, "SDM 3B 20.4");
    }
    write_cr4(read_cr4() & ~(word)CR4_PVI);
}

/* -- Privileged instructions
 * ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    uint8_t code[8];
    uint8_t vector;
} privileged[] = {
    {"hlt", {0xf4}, 13},
    {"clts", {0x0f, 0x06}, 13},
    {"invd", {0x0f, 0x08}, 13},
    {"wbinvd", {0x0f, 0x09}, 13},
    {"rdmsr", {0x0f, 0x32}, 13},
    {"wrmsr", {0x0f, 0x30}, 13},
    {"mov-from-cr0", {0x0f, 0x20, 0xc0}, 13},
    {"mov-to-cr0", {0x0f, 0x22, 0xc0}, 13},
    {"mov-from-cr3", {0x0f, 0x20, 0xd8}, 13},
    {"mov-from-dr0", {0x0f, 0x21, 0xc0}, 13},
    {"mov-to-dr7", {0x0f, 0x23, 0xf8}, 13},
    {"lgdt", {0x0f, 0x01, 0x13}, 13},
    {"lidt", {0x0f, 0x01, 0x1b}, 13},
    {"lmsw", {0x0f, 0x01, 0xf0}, 13},
    {"invlpg", {0x0f, 0x01, 0x3b}, 13},
    {"lldt", {0x0f, 0x00, 0xd0}, 13},
    {"ltr", {0x0f, 0x00, 0xd8}, 13},
    {"clac", {0x0f, 0x01, 0xca}, 6},
    {"stac", {0x0f, 0x01, 0xcb}, 6},
    {"smsw", {0x0f, 0x01, 0xe0}, INT3},
    {"sgdt", {0x0f, 0x01, 0x03}, INT3},
    {"sldt", {0x0f, 0x00, 0xc0}, INT3},
    {"str", {0x0f, 0x00, 0xc8}, INT3},
    {"rdtsc", {0x0f, 0x31}, INT3},
    {"rdpmc", {0x0f, 0x33}, 13},
    {"cpuid", {0x0f, 0xa2}, INT3},
};

static void privileged_instructions(void)
{
    static uint8_t code[16];
    char name[40];
    for (unsigned i = 0; i < COUNT(privileged); i++) {
        memset(code, 0xcc, sizeof(code));
        memcpy(code, privileged[i].code, 8);
        for (unsigned n = 0; n < 8; n++) {
            code[n] = n && !code[n] && privileged[i].code[n - 1] != 0x0f ? 0xcc : code[n];
        }
        Regs in = {.ip = (word)code,
                   .cs = SEL_USER,
                   .ss = SEL_USER_DATA,
                   .sp = user_stack_top(),
                   .bx = (word)buffer,
                   .flags = 2};
        Trap trap = run(&in);
        format(name, sizeof(name), "ring-3-%s", privileged[i].name);
        check(name, trap.vector << 16 | (trap.vector == 13 ? trap.error << 8 | trap.offset : 0),
              privileged[i].vector << 16, "SDM 3A 5.9");
    }
    write_cr4(read_cr4() | CR4_TSD);
    static const uint8_t rdtsc[] = {0x0f, 0x31, 0xcc}, rdtscp[] = {0x0f, 0x01, 0xf9, 0xcc};
    Trap trap = run_user(rdtsc);
    check_trap("tsd-rdtsc", &trap, 13, 0, 0, "SDM 2B RDTSC");
    if (cpuid(0x80000001, 0).edx >> 27 & 1) {
        trap = run_user(rdtscp);
        check_trap("tsd-rdtscp", &trap, 13, 0, 0, "SDM 2B RDTSCP");
    }
    write_cr4(read_cr4() & ~(word)CR4_TSD);
    if (cpuid(7, 0).ecx >> 2 & 1) {
        write_cr4(read_cr4() | 0x800);
        static const char *const names[] = {"sgdt", "sidt", "sldt", "str", "smsw"};
        static const uint8_t umip[][4] = {{0x0f, 0x01, 0x03, 0xcc},
                                          {0x0f, 0x01, 0x0b, 0xcc},
                                          {0x0f, 0x00, 0xc0, 0xcc},
                                          {0x0f, 0x00, 0xc8, 0xcc},
                                          {0x0f, 0x01, 0xe0, 0xcc}};
        for (unsigned i = 0; i < COUNT(umip); i++) {
            trap = run_user(umip[i]);
            format(name, sizeof(name), "umip-%s", names[i]);
            check_trap(name, &trap, 13, 0, 0, "SDM 3A 2.5");
        }
        write_cr4(read_cr4() & ~(word)0x800);
    } else {
        check_skip("umip", "CPUID says no UMIP");
    }
}

int main(void);
int main(void)
{
    bitmap_bits();
    bitmap_end();
    interrupt_flag();
    privileged_instructions();
    return 0;
}
