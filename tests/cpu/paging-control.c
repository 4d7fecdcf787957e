/* SPDX-License-Identifier: MIT */
/* What may be written to CR0, CR3, CR4, EFER, the PAT and the MTRRs, and canonical addresses. Intel
 * SDM vol. 3 ch. 2, 4, 12. */
#include "cpu-test.h"

#define BIT(n) (1ull << (n))
#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)
#define CR4_PAE BIT(5)
#define CR4_LA57 BIT(12)
#define CR4_PCIDE BIT(17)
#define MSR_EFER 0xc0000080u
#define MSR_PAT 0x277u
#define MSR_MTRRCAP 0xfeu
#define MSR_MTRR_DEF_TYPE 0x2ffu

static uint64_t width_mask; /* of physical addresses */

/* -- Control registers ------------------------------------------------------------------------- */

typedef struct Row {
    const char *name;
    uint64_t clear, set; /* of the present value */
    unsigned vector;
    uint64_t changed; /* bits of the register that differ afterwards */
} Row;

static void check_cr0(void)
{
    static const Row rows[] = {
        {"same", 0, 0, NO_TRAP, 0},
        {"nw-without-cd", 0, CR0_NW, 13, 0},
        {"nw-and-cd", 0, CR0_NW | CR0_CD, NO_TRAP, CR0_NW | CR0_CD},
        {"cd", 0, CR0_CD, NO_TRAP, CR0_CD},
        {"bit-32", 0, BIT(32), 13, 0},
        {"bit-63", 0, BIT(63), 13, 0},
        {"reserved-low-ignored", 0, BIT(6) | BIT(15) | BIT(17) | BIT(28), NO_TRAP, 0},
        {"et-stays", CR0_ET, 0, NO_TRAP, 0},
        {"ne-mp", CR0_NE | CR0_MP, 0, NO_TRAP, CR0_NE | CR0_MP},
        {"wp-am", 0, CR0_WP | CR0_AM, NO_TRAP, CR0_WP | CR0_AM},
    };
    word before = read_cr0();
    char name[48];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CATCH("mov %0, %%cr0", : "r"((before & ~rows[i].clear) | rows[i].set) : "memory");
        format(name, sizeof(name), "cr0-%s", rows[i].name);
        check(name, caught.vector << 8 | caught.error * (caught.vector == 13), rows[i].vector << 8,
              "SDM 2B MOV CR");
        format(name, sizeof(name), "cr0-%s-value", rows[i].name);
        check(name, read_cr0() ^ before, rows[i].changed, "SDM 3A 2.5");
        write_cr0(before);
    }
    word status = 0;
    __asm__ volatile("smsw %0" : "=r"(status));
    check("smsw-64", status, before, "SDM 2B SMSW");
    CATCH("lmsw %w0", : "r"(0) : "memory");
    check("lmsw-keeps-pe", read_cr0() ^ before, before & (CR0_MP | 4 | 8), "SDM 2A LMSW");
    write_cr0(before);
}

static void check_cr4(void)
{
    static const Row rows[] = {
        {"same", 0, 0, NO_TRAP, 0},
        {"bit-15", 0, BIT(15), 13, 0},
        {"bit-31", 0, BIT(31), 13, 0},
        {"bit-32", 0, BIT(32), 13, 0},
        {"bit-63", 0, BIT(63), 13, 0},
        {"la57-in-long-mode", 0, BIT(12), 13, 0},
        {"pse", 0, BIT(4), NO_TRAP, BIT(4)},
        {"tsd-de", 0, BIT(2) | BIT(3), NO_TRAP, BIT(2) | BIT(3)},
        {"pge", 0, BIT(7), NO_TRAP, BIT(7)},
    };
    static const struct {
        const char *name;
        unsigned bit;
        uint32_t leaf;
        uint8_t reg, feature; /* of CPUID: 0 EAX to 3 EDX */
    } gates[] = {
        {"vmxe", 13, 1, 2, 5},     {"smxe", 14, 1, 2, 6},       {"fsgsbase", 16, 7, 1, 0},
        {"osxsave", 18, 1, 2, 26}, {"pke", 22, 7, 2, 3},        {"cet", 23, 7, 2, 7},
        {"pks", 24, 7, 2, 31},     {"umip", 11, 7, 2, 2},       {"pcide", 17, 1, 2, 17},
        {"vme", 0, 1, 3, 1},       {"keylocker", 19, 7, 2, 23}, {"uintr", 25, 7, 3, 5},
    };
    word before = read_cr4();
    char name[48];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        CATCH("mov %0, %%cr4", : "r"((before & ~rows[i].clear) | rows[i].set) : "memory");
        format(name, sizeof(name), "cr4-%s", rows[i].name);
        check(name, caught.vector, rows[i].vector, "SDM 2B MOV CR");
        format(name, sizeof(name), "cr4-%s-value", rows[i].name);
        check(name, read_cr4() ^ before, rows[i].changed, "SDM 3A 2.5");
        write_cr4(before);
    }
    for (unsigned i = 0; i < sizeof(gates) / sizeof(*gates); i++) { /* only what CPUID offers */
        Cpuid leaf = cpuid(gates[i].leaf, 0);
        uint32_t reg = (&leaf.eax)[gates[i].reg];
        if (gates[i].bit == 23) { /* shadow stacks or branch tracking */
            reg |= leaf.edx >> 20 << 7;
        }
        bool offered = reg >> gates[i].feature & 1;
        CATCH("mov %0, %%cr4", : "r"(before | BIT(gates[i].bit)) : "memory");
        format(name, sizeof(name), "cr4-%s-as-cpuid-says", gates[i].name);
        check(name, caught.vector, offered ? NO_TRAP : 13, "SDM 3A 2.5");
        write_cr4(before);
    }
    static const uint8_t numbers[] = {1, 5, 6, 7, 9, 15};
    for (unsigned i = 0; i < sizeof(numbers); i++) {
        static uint8_t code[] = {0x44, 0x0f, 0x20, 0xc0, 0xcc}; /* mov %crN, %rax */
        code[0] = numbers[i] >= 8 ? 0x44 : 0x40;
        code[3] = (uint8_t)(0xc0 | (numbers[i] & 7) << 3);
        Trap trap = run(&(Regs){
            .ip = (word)code, .cs = SEL_CODE, .ss = SEL_DATA, .sp = user_stack_top(), .flags = 2});
        format(name, sizeof(name), "no-cr%u", numbers[i]);
        check_trap(name, &trap, 6, 0, 0, "SDM 2B MOV CR");
    }
    CATCH("mov %0, %%cr8", : "r"(16ull));
    check("cr8-16", caught.vector, 13, "SDM 3A 11.8.6");
    CATCH("mov %0, %%cr8", : "r"(15ull));
    CATCH("mov %%cr8, %0", "=r"(before));
    check("cr8-15", before, 15, "SDM 3A 11.8.6");
    CATCH("mov %0, %%cr8", : "r"(0ull));
}

static void check_cr3(void)
{
    word before = read_cr3();

    CATCH("mov %0, %%cr3", : "r"(before | BIT(63)) : "memory");
    check("cr3-bit-63-without-pcide", caught.vector, 13, "SDM 2B MOV CR");
    if (width_mask >> 51 == 0) {
        CATCH("mov %0, %%cr3", : "r"(before | (width_mask + 1)) : "memory");
        check("cr3-first-reserved", caught.vector, 13, "SDM 2B MOV CR");
    }
    CATCH("mov %0, %%cr3", : "r"(before | BIT(62)) : "memory");
    check("cr3-bit-62", caught.vector, 13, "SDM 2B MOV CR");
    CATCH("mov %0, %%cr3", : "r"(before | 0x18) : "memory");
    check("cr3-pwt-pcd", caught.vector << 8 | (read_cr3() ^ before), NO_TRAP << 8 | 0x18,
          "SDM 3A table 4-12");
    write_cr3(before);
}

/* PG can be cleared in compatibility mode, but not with PCIDs. */
static void check_paging_off(void)
{
    static const uint8_t code[] = {0x0f, 0x22, 0xc0, 0xcc}; /* mov %eax, %cr0; int3 */
    Regs regs = {.ip = (word)code,
                 .cs = SEL_CODE32,
                 .ss = SEL_DATA,
                 .sp = user_stack_top(),
                 .flags = 2,
                 .ax = read_cr0() & ~CR0_PG};
    if (!(cpuid(1, 0).ecx & BIT(17))) {
        check_skip("pg-off-with-pcide", "no PCID");
        return;
    }
    word cr3 = read_cr3();
    write_cr3(cr3 & ~0xfffull);
    write_cr4(read_cr4() | CR4_PCIDE);
    Trap trap = run(&regs);
    check_trap("pg-off-with-pcide", &trap, 13, 0, 0, "SDM 3A 4.10.1");
    write_cr4(read_cr4() & ~CR4_PCIDE);
    write_cr3(cr3);
}

static void check_efer(void)
{
    static const Row rows[] = {
        {"same", 0, 0, NO_TRAP, 0},
        {"lme-off", BIT(8), 0, 13, 0},
        {"lma-ignored", BIT(10), 0, NO_TRAP, 0},
        {"sce", 0, BIT(0), NO_TRAP, BIT(0)},
        {"nxe", 0, BIT(11), NO_TRAP, BIT(11)},
        {"bit-1", 0, BIT(1), 13, 0},
        {"bit-9", 0, BIT(9), 13, 0},
        {"bit-16", 0, BIT(16), 13, 0},
        {"bit-63", 0, BIT(63), 13, 0},
    };
    uint64_t before = read_msr(MSR_EFER);
    char name[40];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        format(name, sizeof(name), "efer-%s", rows[i].name);
        check(name, try_write_msr(MSR_EFER, (before & ~rows[i].clear) | rows[i].set),
              rows[i].vector, "SDM 3A 2.2.1");
        format(name, sizeof(name), "efer-%s-value", rows[i].name);
        check(name, read_msr(MSR_EFER) ^ before, rows[i].changed, "SDM 3A 2.2.1");
        write_msr(MSR_EFER, before);
    }
}

/* -- Memory types ------------------------------------------------------------------------------ */

static void check_pat(void)
{
    uint64_t before = read_msr(MSR_PAT);

    for (unsigned type = 0; type < 16; type++) {
        char name[40];
        bool valid = type < 8 && type != 2 && type != 3;
        uint64_t value = before & ~(0xffull << 40);
        format(name, sizeof(name), "pat-type-%u", type);
        check(name, try_write_msr(MSR_PAT, value | (uint64_t)type << 40), valid ? NO_TRAP : 13,
              "SDM 3A 12.12.4");
    }
    check("pat-high-bits", try_write_msr(MSR_PAT, before | BIT(3)), 13, "SDM 3A 12.12.4");
    write_msr(MSR_PAT, 0x0706050401000706);
    check("pat-kept", read_msr(MSR_PAT), 0x0706050401000706, "SDM 3A 12.12.2");
    write_msr(MSR_PAT, before);
}

static void check_mtrrs(void)
{
    static const uint16_t fixed[] = {0x250, 0x258, 0x259, 0x268, 0x26f};
    uint64_t cap = read_msr(MSR_MTRRCAP), def = read_msr(MSR_MTRR_DEF_TYPE);
    char name[40];

    check("mtrrcap-read-only", try_write_msr(MSR_MTRRCAP, cap), 13, "SDM 4 table 2-2");
    check("mtrrcap-fixed", cap >> 8 & 1, 1, "SDM 3A 12.11.1");
    for (unsigned type = 0; type < 9; type++) {
        unsigned vector = type == 2 || type == 3 || type > 6 ? 13 : NO_TRAP;
        format(name, sizeof(name), "mtrr-default-%u", type);
        check(name, try_write_msr(MSR_MTRR_DEF_TYPE, (def & ~0xffull) | type), vector,
              "SDM 3A 12.11.2.1");
        for (unsigned i = 0; i < sizeof(fixed) / sizeof(*fixed); i++) {
            uint64_t old = read_msr(fixed[i]);
            format(name, sizeof(name), "mtrr-fixed-%x-%u", fixed[i], type);
            check(name, try_write_msr(fixed[i], (old & ~0xff0000ull) | type << 16), vector,
                  "SDM 3A 12.11.2.2");
            write_msr(fixed[i], old);
        }
        uint64_t base = read_msr(0x202);
        format(name, sizeof(name), "mtrr-base-%u", type);
        check(name, try_write_msr(0x202, type), vector, "SDM 3A 12.11.2.3");
        write_msr(0x202, base);
    }
    check("mtrr-default-reserved", try_write_msr(MSR_MTRR_DEF_TYPE, def | BIT(12)), 13,
          "SDM 3A 12.11.2.1");
    check("mtrr-default-flags", try_write_msr(MSR_MTRR_DEF_TYPE, 0xc06), NO_TRAP,
          "SDM 3A 12.11.2.1");
    check("mtrr-default-kept", read_msr(MSR_MTRR_DEF_TYPE), 0xc06, "SDM 3A 12.11.2.1");
    write_msr(MSR_MTRR_DEF_TYPE, def);
    uint64_t mask = read_msr(0x203);
    check("mtrr-base-reserved", try_write_msr(0x202, BIT(8)), 13, "SDM 3A 12.11.2.3");
    check("mtrr-mask-reserved", try_write_msr(0x203, BIT(10)), 13, "SDM 3A 12.11.2.3");
    if (width_mask >> 51 == 0) {
        check("mtrr-base-width", try_write_msr(0x202, width_mask + 1), 13, "SDM 3A 12.11.2.3");
        check("mtrr-mask-width", try_write_msr(0x203, width_mask + 1), 13, "SDM 3A 12.11.2.3");
    }
    write_msr(0x203, (width_mask & ~0xfffull) | BIT(11));
    check("mtrr-mask-kept", read_msr(0x203), (width_mask & ~0xfffull) | BIT(11),
          "SDM 3A 12.11.2.3");
    write_msr(0x203, mask);
    check("mtrr-none-behind-the-last", try_write_msr(0x200 + 2 * (uint32_t)(cap & 0xff), 0), 13,
          "SDM 3A 12.11.2.3");
}

/* -- Canonical addresses ----------------------------------------------------------------------- */

#define LAST 0x7fffffffffffull /* of the lower half */

static void check_canonical(void)
{
    static const struct {
        const char *name;
        uint8_t code[8];
        uint64_t ax, sp; /* sp 0: a good stack */
        unsigned vector, offset;
    } cases[] = {
        {"read", {0x48, 0x8b, 0x08}, LAST + 1, 0, 13, 0},
        {"read-high", {0x48, 0x8b, 0x08}, 0xffff7fffffffffff, 0, 13, 0},
        {"read-over-the-end", {0x48, 0x8b, 0x08}, LAST - 3, 0, 13, 0},
        {"write-over-the-end", {0x48, 0x89, 0x08}, LAST - 6, 0, 13, 0},
        {"read-last", {0x48, 0x8b, 0x08}, LAST - 7, 0, 14, 0},
        {"read-stack-segment", {0x48, 0x8b, 0x4c, 0x24, 0x10}, 0, LAST, 12, 0},
        {"read-by-bp", {0x48, 0x89, 0xc5, 0x48, 0x8b, 0x4d, 0x00}, LAST + 1, 0, 12, 3},
        {"read-ds-of-sp", {0x3e, 0x48, 0x8b, 0x0c, 0x24}, 0, LAST + 1, 12, 0},
        {"read-ss-of-ax", {0x36, 0x48, 0x8b, 0x08}, LAST + 1, 0, 13, 0},
        {"push", {0x50}, 0, LAST + 9, 12, 0},
        {"push-to-last", {0x50}, 0, LAST + 1, 14, 0},
        {"push-over-the-end", {0x50}, 0, LAST + 3, 12, 0},
        {"pop", {0x58}, 0, LAST + 1, 12, 0},
        {"push-memory", {0xff, 0x30}, LAST + 1, 0, 13, 0},
        {"call", {0xe8, 0, 0, 0, 0}, 0, LAST + 9, 12, 0},
        {"ret", {0xc3}, 0, LAST + 1, 12, 0},
        {"sse", {0x0f, 0x10, 0x00}, LAST + 1, 0, 13, 0},
        {"x87", {0xdd, 0x00}, LAST + 1, 0, 13, 0},
        {"string", {0x48, 0x89, 0xc6, 0x48, 0xa5}, LAST + 1, 0, 13, 3},
        {"enter", {0xc8, 8, 0, 0}, 0, LAST + 9, 12, 0},
        {"fs", {0x64, 0x8a, 0x08}, LAST + 1, 0, 13, 0},
        {"address-size", {0x67, 0x8a, 0x08, 0xcc}, BIT(63), 0, 3, 4},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        Regs regs = {.ip = (word)cases[i].code,
                     .cs = SEL_CODE,
                     .ss = SEL_DATA,
                     .sp = cases[i].sp ? cases[i].sp : user_stack_top(),
                     .di = (word)user_stack_top() - 64,
                     .flags = 2,
                     .ax = cases[i].ax};
        char name[40];
        Trap trap = run(&regs);
        format(name, sizeof(name), "canonical-%s", cases[i].name);
        check_trap(name, &trap, cases[i].vector,
                   cases[i].vector == 14 ? (cases[i].code[0] == 0x50 ? 2 : 0) : 0, cases[i].offset,
                   "SDM 1 3.3.7.1");
    }
}

/* Last, because a machine that lets it pass is lost. */
static void check_paging_stays(void)
{
    static const struct {
        const char *name;
        uint64_t clear;
    } cases[] = {
        {"cr0-pg-without-pe", CR0_PE},
        {"cr0-pg-off-in-64-bit-code", CR0_PG},
        {"cr0-pg-and-pe-off", CR0_PG | CR0_PE},
    };
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        CATCH("mov %0, %%cr0", : "r"(read_cr0() & ~cases[i].clear) : "memory");
        check_trap(cases[i].name, &caught, 13, 0, 0, "SDM 2B MOV CR");
    }
    CATCH("mov %0, %%cr4", : "r"(read_cr4() & ~CR4_PAE) : "memory");
    check_trap("cr4-pae-off", &caught, 13, 0, 0, "SDM 2B MOV CR");
}

int main(void);
int main(void)
{
    width_mask = BIT(cpuid(0x80000008, 0).eax & 0xff) - 1;
    check_cr0();
    check_cr4();
    check_cr3();
    check_paging_off();
    check_efer();
    check_pat();
    check_mtrrs();
    check_canonical();
    check_paging_stays();
    return 0;
}
