/* SPDX-License-Identifier: MIT */
/* XSAVE, XRSTOR and their kin: gates, checks of area and header, what is written and restored, both
 * forms. Intel SDM vol. 1 ch. 13. */
#include "cpu-test.h"

#define BIT(n) (1ull << (n))
#define X87 1u
#define SSE 2u
#define AVX 4u
#define PKRU BIT(9)
#define COMPACTED BIT(63)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_NE BIT(5)
#define X87_BYTES 10u
#define CR4_OSXSAVE BIT(18)
#define CR4_PKE BIT(22)
#define MSR_XSS 0xda0u
#define MXCSR_RESET 0x1f80u

enum { AT_MXCSR = 24, AT_ST = 32, AT_XMM = 160, AT_BV = 512, AT_COMP = 520, AT_AVX = 576 };

static uint8_t area[4096] __attribute__((aligned(4096)));
static uint8_t other[4096] __attribute__((aligned(4096)));
static bool has_opt, has_compact, has_supervisor, has_pku;
static uint64_t xcr0_max;

static uint64_t *word_at(uint8_t *base, unsigned offset)
{
    return (uint64_t *)(base + offset);
}

/* XSAVE and so on of `components` at `place`: the vector. */
#define DO(insn, place, components)                                                                \
    CATCH(insn " (%0)",                                                                            \
          : "D"(place), "a"((uint32_t)(components)), "d"((uint32_t)((uint64_t)(components) >> 32)) \
          : "memory")

static uint32_t set_xcr(uint32_t index, uint64_t value)
{
    return CATCH("xsetbv", : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint64_t get_xcr(uint32_t index)
{
    uint32_t low = 0, high = 0;
    CATCH("xgetbv", "+a"(low), "+d"(high) : "c"(index));
    return low | (uint64_t)high << 32;
}

/* Known values in ST0, XMM1 and both halves of YMM1 and YMM9. */
static const uint64_t pattern[4] = {0x1111111111111111, 0x2222222222222222, 0x3333333333333333,
                                    0x4444444444444444};
static void set_registers(void)
{
    __asm__ volatile("fninit; fld1; vmovdqu %0, %%ymm1; vmovdqu %0, %%ymm9" : : "m"(pattern));
    load_mxcsr(0x9fc0);
}

static void clear_registers(void)
{
    __asm__ volatile("fninit; vzeroall" : :);
    load_mxcsr(MXCSR_RESET);
}

static void get_ymm1(uint64_t value[4])
{
    __asm__ volatile("vmovdqu %%ymm1, (%0)" : : "r"(value) : "memory");
}

/* -- Gates ------------------------------------------------------------------------------------- */

static void check_gates(void)
{
    static const struct {
        const char *name;
        uint8_t code[4];
        uint8_t needs; /* 1 OPT, 2 C, 4 S */
        uint8_t by_ts; /* under CR0.TS */
    } insns[] = {
        {"xsave", {0x0f, 0xae, 0x27, 0xcc}, 0, 7},    {"xrstor", {0x0f, 0xae, 0x2f, 0xcc}, 0, 7},
        {"xsaveopt", {0x0f, 0xae, 0x37, 0xcc}, 1, 7}, {"xsavec", {0x0f, 0xc7, 0x27, 0xcc}, 2, 7},
        {"xsaves", {0x0f, 0xc7, 0x2f, 0xcc}, 4, 7},   {"xrstors", {0x0f, 0xc7, 0x1f, 0xcc}, 4, 7},
        {"xgetbv", {0x0f, 0x01, 0xd0, 0xcc}, 0, 3},   {"xsetbv", {0x0f, 0x01, 0xd1, 0xcc}, 0, 3},
    };
    unsigned offered = (has_opt ? 1 : 0) | (has_compact ? 2 : 0) | (has_supervisor ? 4 : 0);
    word cr0 = read_cr0(), cr4 = read_cr4();
    char name[40];

    for (unsigned i = 0; i < sizeof(insns) / sizeof(*insns); i++) {
        bool is_there = !(insns[i].needs & ~offered);
        memset(area, 0, sizeof(area));
        if (insns[i].needs == 4) {
            *word_at(area, AT_COMP) = COMPACTED;
        }
        Regs regs = {.ip = (word)insns[i].code,
                     .cs = SEL_CODE,
                     .ss = SEL_DATA,
                     .sp = user_stack_top(),
                     .flags = 2,
                     .ax = i == 7 ? get_xcr(0) : 0,
                     .di = (word)area};
        format(name, sizeof(name), "%s-offered", insns[i].name);
        check(name, run(&regs).vector, is_there ? 3 : 6, "SDM 1 13.2");
        write_cr4(cr4 & ~CR4_OSXSAVE);
        format(name, sizeof(name), "%s-osxsave", insns[i].name);
        check(name, run(&regs).vector, 6, "SDM 1 13.3");
        write_cr0(cr0 | CR0_TS);
        format(name, sizeof(name), "%s-osxsave-ts", insns[i].name);
        check(name, run(&regs).vector, 6, "SDM 1 13.3");
        write_cr4(cr4);
        format(name, sizeof(name), "%s-ts", insns[i].name);
        check(name, run(&regs).vector, is_there ? insns[i].by_ts : 6, "SDM 1 13.5");
        write_cr0(cr0 | CR0_EM);
        format(name, sizeof(name), "%s-em", insns[i].name);
        check(name, run(&regs).vector, is_there ? 3 : 6, "SDM 1 13.5");
        write_cr0(cr0);
        regs.cs = SEL_USER;
        regs.ss = SEL_USER_DATA;
        bool privileged = insns[i].needs == 4 || i == 7;
        format(name, sizeof(name), "%s-ring-3", insns[i].name);
        check(name, run(&regs).vector, !is_there ? 6 : privileged ? 13 : 3, "SDM 1 13.11");
    }
    check("osxsave-in-cpuid", cpuid(1, 0).ecx >> 27 & 1, 1, "SDM 2A CPUID");
}

static void check_xcr0(void)
{
    static const struct {
        const char *name;
        uint32_t index;
        uint64_t value;
        unsigned vector;
    } cases[] = {
        {"x87", 0, X87, NO_TRAP},
        {"x87-sse", 0, X87 | SSE, NO_TRAP},
        {"x87-sse-avx", 0, X87 | SSE | AVX, NO_TRAP},
        {"none", 0, 0, 13},
        {"without-x87", 0, SSE | AVX, 13},
        {"avx-without-sse", 0, X87 | AVX, 13},
        {"bit-63", 0, BIT(63) | X87, 13},
        {"bit-62", 0, BIT(62) | X87, 13},
        {"bit-8", 0, BIT(8) | X87 | SSE | AVX, 13},
        {"opmask-alone", 0, BIT(5) | X87 | SSE | AVX, 13},
        {"avx-512-without-opmask", 0, BIT(6) | BIT(7) | X87 | SSE | AVX, 13},
        {"avx-512-without-avx", 0, BIT(5) | BIT(6) | BIT(7) | X87 | SSE, 13},
        {"bounds-one-of-two", 0, BIT(3) | X87, 13},
        {"tile-one-of-two", 0, BIT(17) | X87, 13},
        {"xcr1", 1, X87, 13},
        {"xcr-high", 0x80000000, X87, 13},
    };
    char name[48];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint64_t before = get_xcr(0);
        format(name, sizeof(name), "xsetbv-%s", cases[i].name);
        check(name, set_xcr(cases[i].index, cases[i].value), cases[i].vector, "SDM 2C XSETBV");
        format(name, sizeof(name), "xsetbv-%s-value", cases[i].name);
        check(name, get_xcr(0), cases[i].vector == NO_TRAP ? cases[i].value : before,
              "SDM 2C XSETBV");
    }
    check("xsetbv-all-offered", set_xcr(0, xcr0_max), NO_TRAP, "SDM 1 13.3");
    for (unsigned bit = 0; bit < 63; bit++) {
        if (!(xcr0_max >> bit & 1)) {
            format(name, sizeof(name), "xsetbv-not-offered-%u", bit);
            check(name, set_xcr(0, BIT(bit) | X87 | SSE | AVX), 13, "SDM 1 13.3");
        }
    }
    set_xcr(0, X87 | SSE | AVX);
    CATCH("xgetbv", : "c"(2) : "eax", "edx");
    check("xgetbv-2", caught.vector, 13, "SDM 2C XGETBV");
    if (cpuid(0xd, 1).eax & 4) {
        clear_registers();
        uint64_t clean = get_xcr(1);
        set_registers();
        check("xinuse-clean", clean & (SSE | AVX), 0, "SDM 1 13.6");
        check("xinuse-used", get_xcr(1), X87 | SSE | AVX, "SDM 1 13.6");
        clear_registers();
        set_xcr(0, X87);
        __asm__ volatile("fld1");
        check("xinuse-of-xcr0-alone", get_xcr(1), X87, "SDM 2C XGETBV");
        set_xcr(0, X87 | SSE | AVX);
    }
}

static void check_cpuid(void)
{
    Cpuid top = cpuid(0xd, 0), one = cpuid(0xd, 1), avx = cpuid(0xd, 2);
    uint32_t end = 576;
    char name[40];

    check("cpuid-avx-size", avx.eax, 256, "SDM 1 13.5.3");
    check("cpuid-avx-offset", avx.ebx, AT_AVX, "SDM 1 13.5.3");
    check("cpuid-avx-aligned-supervisor", avx.ecx & 1, 0, "SDM 2A CPUID");
    check("cpuid-size-now", top.ebx, 832, "SDM 2A CPUID");
    set_xcr(0, X87 | SSE);
    check("cpuid-size-sse", cpuid(0xd, 0).ebx, 576, "SDM 2A CPUID");
    check("cpuid-largest-stays", cpuid(0xd, 0).ecx, top.ecx, "SDM 2A CPUID");
    if (one.eax & 10) {
        check("cpuid-compacted-size-sse", cpuid(0xd, 1).ebx, 576, "SDM 2A CPUID");
    }
    set_xcr(0, xcr0_max);
    check("cpuid-size-all", cpuid(0xd, 0).ebx, top.ecx, "SDM 2A CPUID");
    uint32_t compacted = 576;
    for (unsigned i = 2; i < 63; i++) {
        Cpuid leaf = cpuid(0xd, i);
        bool user = xcr0_max >> i & 1;
        if (user) {
            end = leaf.ebx + leaf.eax > end ? leaf.ebx + leaf.eax : end;
            compacted = (leaf.ecx & 2 ? (compacted + 63) & ~63u : compacted) + leaf.eax;
            format(name, sizeof(name), "cpuid-component-%u", i);
            check(name, leaf.eax && leaf.ebx >= 576 && !(leaf.ecx & 1) && !leaf.edx, true,
                  "SDM 2A CPUID");
        } else if (!((one.ecx | (uint64_t)one.edx << 32) >> i & 1)) {
            format(name, sizeof(name), "cpuid-no-component-%u", i);
            check(name, leaf.eax | leaf.ebx | leaf.ecx | leaf.edx, 0, "SDM 2A CPUID");
        }
    }
    check("cpuid-largest", top.ecx, end, "SDM 2A CPUID");
    if (one.eax & 10) {
        check("cpuid-compacted-size", cpuid(0xd, 1).ebx, compacted, "SDM 2A CPUID");
    }
    set_xcr(0, X87 | SSE | AVX);
}

/* -- Faults ------------------------------------------------------------------------------------ */

static void check_alignment(void)
{
    static const uint8_t offsets[] = {1, 8, 16, 32};
    char name[40];

    memset(area, 0, sizeof(area));
    for (unsigned i = 0; i < sizeof(offsets); i++) {
        uint8_t *place = area + offsets[i];
        format(name, sizeof(name), "alignment-%u", offsets[i]);
        unsigned vectors = DO("xsave64", place, 7) << 8;
        vectors |= DO("xrstor64", place, 7);
        check(name, vectors, 13 << 8 | 13, "SDM 1 13.4");
        if (has_compact) {
            format(name, sizeof(name), "alignment-%u-compacted", offsets[i]);
            check(name, DO("xsavec64", place, 7), 13, "SDM 1 13.4");
        }
    }
    check("alignment-before-page-fault", DO("xsave64", (uint8_t *)BIT(40) + 16, 7), 13,
          "SDM 1 13.8");
}

static void check_headers(void)
{
    static const struct {
        const char *name;
        uint64_t bv, comp;
        uint8_t offset; /* of a nonzero byte in the header, 0: none */
        unsigned vector;
    } cases[] = {
        {"empty", 0, 0, 0, NO_TRAP},
        {"all", 7, 0, 0, NO_TRAP},
        {"bv-outside-xcr0", BIT(9), 0, 0, 13},
        {"bv-bit-63", BIT(63), 0, 0, 13},
        {"comp-without-bit-63", 7, 7, 0, 13},
        {"byte-16", 7, 0, 16, 13},
        {"byte-23", 7, 0, 23, 13},
        {"byte-24-ignored", 7, 0, 24, NO_TRAP},
        {"byte-63-ignored", 7, 0, 63, NO_TRAP},
        {"compacted", 7, COMPACTED | 7, 0, NO_TRAP},
        {"compacted-part", 4, COMPACTED | 4, 0, NO_TRAP},
        {"compacted-empty", 0, COMPACTED, 0, NO_TRAP},
        {"compacted-bv-outside-comp", 7, COMPACTED | 3, 0, 13},
        {"compacted-comp-outside-xcr0", 7, COMPACTED | 7 | BIT(9), 0, 13},
        {"compacted-comp-bit-62", 7, COMPACTED | 7 | BIT(62), 0, 13},
        {"compacted-byte-16", 7, COMPACTED | 7, 16, 13},
        {"compacted-byte-24", 7, COMPACTED | 7, 24, 13},
        {"compacted-byte-63", 7, COMPACTED | 7, 63, 13},
    };
    char name[56];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool compacted = cases[i].comp & COMPACTED;
        if (compacted && !has_compact) {
            check_skip(cases[i].name, "no XSAVEC");
            continue;
        }
        memset(area, 0, sizeof(area));
        *(uint32_t *)(area + AT_MXCSR) = MXCSR_RESET;
        *(uint16_t *)area = 0x37f;
        *word_at(area, AT_BV) = cases[i].bv;
        *word_at(area, AT_COMP) = cases[i].comp;
        if (cases[i].offset) {
            area[AT_BV + cases[i].offset] = 1;
        }
        format(name, sizeof(name), "xrstor-%s", cases[i].name);
        check(name, DO("xrstor64", area, 7), cases[i].vector, "SDM 1 13.8");
        format(name, sizeof(name), "xrstor-nothing-asked-%s", cases[i].name);
        check(name, DO("xrstor64", area, 0), cases[i].vector, "SDM 1 13.8");
        if (has_supervisor) {
            format(name, sizeof(name), "xrstors-%s", cases[i].name);
            check(name, DO("xrstors64", area, 7), compacted ? cases[i].vector : 13, "SDM 1 13.12");
        }
    }
}

static void check_page_faults(void)
{
    extern uint64_t page_map[512];
    static uint64_t pointers[512] __attribute__((aligned(4096)));
    static uint64_t directory[512] __attribute__((aligned(4096)));
    static uint64_t table[512] __attribute__((aligned(4096)));
    uint8_t *window = (uint8_t *)BIT(39);
    uint64_t ymm[4];

    page_map[1] = (word)pointers | 7;
    pointers[0] = (word)directory | 7;
    directory[0] = (word)table | 7;
    table[0] = (word)area | 7;
    uint8_t *place = window + 4096 - 576;
    set_registers();
    check("page-sse-fits", DO("xsave64", place, 3), NO_TRAP, "SDM 1 13.7");
    DO("xsave64", place, 7);
    check_trap("page-xsave", &caught, 14, 2, 0, "SDM 1 13.7");
    check("page-xsave-address", caught.cr2, (word)window + 4096, "SDM 3A 4.7");
    *word_at(area, 4096 - 576 + AT_BV) = 7;
    clear_registers();
    DO("xrstor64", place, 7);
    check_trap("page-xrstor", &caught, 14, 0, 0, "SDM 1 13.8");
    check("page-xrstor-address", caught.cr2, (word)window + 4096, "SDM 3A 4.7");
    get_ymm1(ymm);
    check("page-xrstor-nothing-done", ymm[0] | ymm[2], 0, "SDM 1 13.8");
    DO("fxsave64", window + 4096 - 256, 0);
    check_trap("page-fxsave", &caught, 14, 2, 0, "SDM 2A FXSAVE");
    table[0] = (word)area | 5;
    __asm__ volatile("invlpg (%0)" : : "r"(window) : "memory");
    write_cr0(read_cr0() | BIT(16));
    DO("xsave64", window, 7);
    check_trap("page-xsave-read-only", &caught, 14, 3, 0, "SDM 1 13.7");
    check("page-xrstor-read-only", DO("xrstor64", window + 4096 - 576, 3), NO_TRAP, "SDM 1 13.8");
    write_cr0(read_cr0() & ~BIT(16));
}

/* -- What is saved
 * --------------------------------------------------------------------------------- */

typedef struct Form {
    const char *name;
    unsigned kind; /* 0 XSAVE, 1 XSAVEOPT, 2 XSAVEC, 3 XSAVES */
} Form;
static const Form forms[] = {{"xsave", 0}, {"xsaveopt", 1}, {"xsavec", 2}, {"xsaves", 3}};

static bool form_is_there(const Form *form)
{
    return form->kind == 0 || (form->kind == 1 && has_opt) || (form->kind == 2 && has_compact) ||
           (form->kind == 3 && has_supervisor);
}

static void save(const Form *form, uint8_t *place, uint64_t components)
{
    switch (form->kind) {
    case 0:
        DO("xsave64", place, components);
        break;
    case 1:
        DO("xsaveopt64", place, components);
        break;
    case 2:
        DO("xsavec64", place, components);
        break;
    default:
        DO("xsaves64", place, components);
        break;
    }
}

#define OLD 0x55

static bool is_old(const uint8_t *bytes, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        if (bytes[i] != OLD) {
            return false;
        }
    }
    return true;
}

static void check_saved(const Form *form, unsigned components)
{
    bool compacted = form->kind >= 2;
    unsigned avx = compacted ? 576 : AT_AVX;
    char name[48];

    memset(area, OLD, sizeof(area));
    *word_at(area, AT_BV) = 0;
    *word_at(area, AT_COMP) = 0;
    set_registers();
    save(form, area, components);
#define NAME(what) (format(name, sizeof(name), "%s-%x-" what, form->name, components), name)
    check(NAME("bv"), *word_at(area, AT_BV), components, "SDM 1 13.7");
    check(NAME("comp"), *word_at(area, AT_COMP), compacted ? COMPACTED | components : 0,
          "SDM 1 13.10");
    check(NAME("x87"), *word_at(area, AT_ST) == 0x8000000000000000, !!(components & X87),
          "SDM 1 13.7");
    check(NAME("x87-untouched"), is_old(area + AT_ST, 16), !(components & X87), "SDM 1 13.7");
    check(NAME("xmm"), !memcmp(area + AT_XMM + 16, pattern, 16), !!(components & SSE),
          "SDM 1 13.7");
    check(NAME("xmm-untouched"), is_old(area + AT_XMM, 256), !(components & SSE), "SDM 1 13.7");
    check(NAME("ymm"), !memcmp(area + avx + 16, pattern + 2, 16), !!(components & AVX),
          "SDM 1 13.7");
    check(NAME("ymm-9"), !memcmp(area + avx + 144, pattern + 2, 16), !!(components & AVX),
          "SDM 1 13.7");
    check(NAME("mxcsr"), *(uint32_t *)(area + AT_MXCSR),
          components & (compacted ? SSE : SSE | AVX) ? 0x9fc0 : 0x55555555, "SDM 1 13.7");
    check(NAME("header-untouched"), is_old(area + AT_BV + 16, 48), true, "SDM 1 13.7");
    check(NAME("reserved-untouched"), is_old(area + 464, 48), true, "SDM 1 13.4.1");
}

/* Registers in their initial state: XSAVE writes them, the others leave the area alone. */
static void check_initial(const Form *form)
{
    char name[48];
    unsigned components = 7;

    memset(area, OLD, sizeof(area));
    *word_at(area, AT_BV) = BIT(1) | BIT(9); /* bits not asked for are kept in the standard form */
    *word_at(area, AT_COMP) = 0;
    clear_registers();
    save(form, area, components);
    check(NAME("initial-bv"), *word_at(area, AT_BV) & ~(uint64_t)X87, form->kind >= 2 ? 0 : BIT(9),
          "SDM 1 13.7");
    check(NAME("initial-xmm"), is_old(area + AT_XMM, 256), form->kind != 0, "SDM 1 13.9");
    check(NAME("initial-ymm"), is_old(area + AT_AVX, 256), form->kind != 0, "SDM 1 13.9");
    if (form->kind >= 2) { /* an MXCSR of its own makes SSE in use */
        load_mxcsr(0x1f81);
        save(form, area, components);
        load_mxcsr(MXCSR_RESET);
        check(NAME("mxcsr-in-use"), *word_at(area, AT_BV) & SSE, SSE, "SDM 1 13.10");
        check(NAME("mxcsr-saved"), *(uint32_t *)(area + AT_MXCSR), 0x1f81, "SDM 1 13.10");
    }
#undef NAME
}

static void check_legacy_pointers(void)
{
    memset(area, 0, sizeof(area));
    *(uint16_t *)area = 0x37f;
    *(uint32_t *)(area + AT_MXCSR) = MXCSR_RESET;
    *(uint16_t *)(area + 6) = 0x123;
    *word_at(area, 8) = 0x123456789abc;
    *word_at(area, 16) = 0xfedcba98765;
    __asm__ volatile("fxrstor64 %0" : : "m"(area));
    memset(other, 0, sizeof(other));
    DO("xsave64", other, 1);
    check("pointers-64-ip", *word_at(other, 8), 0x123456789abc, "SDM 1 13.5.1");
    check("pointers-64-data", *word_at(other, 16), 0xfedcba98765, "SDM 1 13.5.1");
    check("pointers-opcode", *(uint16_t *)(other + 6), 0x123, "SDM 1 13.5.1");
    DO("xsave", other, 1);
    check("pointers-32-ip", *word_at(other, 8), 0x56789abc, "SDM 1 13.5.1");
    check("pointers-32-data", *word_at(other, 16), 0xcba98765, "SDM 1 13.5.1");
    __asm__ volatile("fxsave64 %0" : "=m"(other));
    check("pointers-fxsave", *word_at(other, 8), 0x123456789abc, "SDM 2A FXSAVE");
    __asm__ volatile("fninit");
}

/* -- What is restored
 * ------------------------------------------------------------------------------ */

static void make_area(uint64_t bv, uint64_t comp)
{
    memset(area, 0, sizeof(area));
    *(uint16_t *)area = 0x27f;
    area[4] = 1;
    *(uint32_t *)(area + AT_MXCSR) = 0x3f80;
    *word_at(area, AT_ST) = 0xc000000000000000;
    *(uint16_t *)(area + AT_ST + 8) = 0x4000;
    memset(area + AT_XMM, 0x66, 256);
    memset(area + AT_AVX, 0x77, 256);
    *word_at(area, AT_BV) = bv;
    *word_at(area, AT_COMP) = comp;
}

/* What the registers hold: a digit each for FCW, XMM1, the upper half of YMM1, MXCSR: 0 initial, 1
 * as set_registers() made it, 2 from the area. */
static uint32_t look(void)
{
    uint64_t ymm[4];
    uint16_t fcw, fsw;
    uint32_t mxcsr = store_mxcsr();

    get_ymm1(ymm);
    __asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(fcw), "=m"(fsw));
    return (fcw == 0x27f ? 2u
            : fsw        ? 1u
                         : 0u) |
           (ymm[0] == pattern[0]           ? 1u
            : ymm[0] == 0x6666666666666666 ? 2u
            : ymm[0]                       ? 9u
                                           : 0u)
               << 4 |
           (ymm[2] == pattern[2]           ? 1u
            : ymm[2] == 0x7777777777777777 ? 2u
            : ymm[2]                       ? 9u
                                           : 0u)
               << 8 |
           (mxcsr == 0x9fc0        ? 1u
            : mxcsr == 0x3f80      ? 2u
            : mxcsr == MXCSR_RESET ? 0u
                                   : 9u)
               << 12;
}

static void check_restored(void)
{
    static const struct {
        const char *name;
        uint64_t bv, comp;
        uint32_t asked, want;
    } cases[] = {
        {"all", 7, 0, 7, 0x2222},
        {"nothing-asked", 7, 0, 0, 0x1111},
        {"x87", 7, 0, 1, 0x1112},
        {"sse", 7, 0, 2, 0x2121},
        {"avx-loads-mxcsr", 7, 0, 4, 0x2211},
        {"initial", 0, 0, 7, 0x2000},
        {"initial-x87", 0, 0, 1, 0x1110},
        {"initial-sse-loads-mxcsr", 0, 0, 2, 0x2101},
        {"initial-avx-loads-mxcsr", 0, 0, 4, 0x2011},
        {"mixed", 4, 0, 7, 0x2200},
        {"compacted-all", 7, COMPACTED | 7, 7, 0x2222},
        {"compacted-avx", 7, COMPACTED | 7, 4, 0x1211},
        {"compacted-avx-alone", 4, COMPACTED | 4, 7, 0x0200},
        {"compacted-initial", 0, COMPACTED | 7, 7, 0},
        {"compacted-initial-avx", 0, COMPACTED, 4, 0x1011},
        {"compacted-initial-sse-resets-mxcsr", 5, COMPACTED | 7, 2, 0x0101},
    };
    char name[56];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].comp && !has_compact) {
            check_skip(cases[i].name, "no XSAVEC");
            continue;
        }
        make_area(cases[i].bv, cases[i].comp);
        set_registers();
        DO("xrstor64", area, cases[i].asked);
        uint32_t seen = look();
        format(name, sizeof(name), "restore-%s", cases[i].name);
        check(name, caught.vector << 16 | seen, NO_TRAP << 16 | cases[i].want, "SDM 1 13.8");
        if (has_supervisor && cases[i].comp) {
            set_registers();
            DO("xrstors64", area, cases[i].asked);
            seen = look();
            format(name, sizeof(name), "restore-s-%s", cases[i].name);
            check(name, caught.vector << 16 | seen, NO_TRAP << 16 | cases[i].want, "SDM 1 13.12");
        }
    }
    clear_registers();
}

static void check_mxcsr(void)
{
    static const struct {
        const char *name;
        uint64_t bv, comp;
        uint32_t asked;
        unsigned vector;
    } cases[] = {
        {"sse", 7, 0, 2, 13},
        {"avx", 7, 0, 4, 13},
        {"x87", 7, 0, 1, NO_TRAP},
        {"initial-sse", 0, 0, 2, 13},
        {"compacted-sse", 7, COMPACTED | 7, 2, 13},
        {"compacted-avx", 7, COMPACTED | 7, 4, NO_TRAP},
        {"compacted-initial-sse", 0, COMPACTED | 7, 2, NO_TRAP},
    };
    char name[48];
    uint32_t bad = 0x10000;

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].comp && !has_compact) {
            continue;
        }
        make_area(cases[i].bv, cases[i].comp);
        *(uint32_t *)(area + AT_MXCSR) = bad;
        format(name, sizeof(name), "mxcsr-reserved-%s", cases[i].name);
        check(name, DO("xrstor64", area, cases[i].asked), cases[i].vector, "SDM 1 13.8");
    }
    check("mxcsr-reserved-fxrstor", CATCH("fxrstor64 %0", : "m"(area)), 13, "SDM 2A FXRSTOR");
    CATCH("ldmxcsr %0", : "m"(bad));
    check("mxcsr-reserved-ldmxcsr", caught.vector, 13, "SDM 2A LDMXCSR");
    CATCH("vldmxcsr %0", : "m"(bad));
    check("mxcsr-reserved-vldmxcsr", caught.vector, 13, "SDM 2A LDMXCSR");
    __asm__ volatile("fxsave64 %0" : "=m"(area));
    check("mxcsr-mask", *(uint32_t *)(area + 28) & 0xffbf, 0xffbf, "SDM 1 11.6.6");
    check("mxcsr-misaligned", *(uint32_t *)(area + 28) >> 17 & 1, cpuid(0x80000001, 0).ecx >> 7 & 1,
          "APM 1 4.2.2");
    clear_registers();
}

/* An x87 register has ten bytes; those up to the next one are lost. An enabled breakpoint that is
 * never hit has an emulator go instruction by instruction. */
static void check_reserved(void)
{
    memset(area, 0, 1024);
    memset(area + 32, 0x5a, 8 * 16);
    *(uint16_t *)area = 0x37f;
    *(uint32_t *)(area + AT_MXCSR) = MXCSR_RESET;
    *word_at(area, 512) = X87 | SSE;
    write_dr7(0x402);
    CATCH("fxrstor64 %1; fxsave64 %0", "=m"(other) : "m"(area));
    check("reserved-fxrstor", *word_at(other, 40), 0x5a5a, "silicon");
    CATCH("xrstor64 %1; fxsave64 %0", "=m"(other) : "m"(area), "a"(X87 | SSE), "d"(0));
    check("reserved-xrstor", *word_at(other, 40), 0x5a5a, "silicon");
    write_dr7(0x400);
    clear_registers();
}

/* What is saved stays as it is, an x87 error that waits too; what is not restored does. */
static void check_unmoved(void)
{
    uint16_t control = 0x37b; /* #Z is not masked */
    uint64_t high[4];

    write_cr0(read_cr0() | CR0_NE);
    __asm__ volatile("fninit; fldcw %0; fld1" : : "m"(control));
    DO("xsave64", area, 7);
    control = 0;
    __asm__ volatile("fnstcw %0" : "=m"(control));
    check("saved-control-stays", control, 0x37b, "SDM 1 13.7");
    __asm__ volatile("fldz; fxch; fdiv %%st(1), %%st" : :);
    DO("xsave64", area, 7);
    check("saved-error", *(uint16_t *)(area + 2) & 0x8084, 0x8084, "SDM 1 13.5.1");
    check("saved-error-waits", CATCH("fwait", ), 16, "SDM 1 8.7");
    make_area(7, 0);
    set_registers();
    DO("xrstor64", area, X87);
    __asm__ volatile("vmovdqu %%ymm9, (%0)" : : "r"(high) : "memory");
    check("not-restored-stays", !memcmp(high, pattern, 32), true, "SDM 1 13.8");
    DO("xsave64", other, X87);
    check("restored-x87", !memcmp(other + AT_ST, area + AT_ST, X87_BYTES), true, "SDM 1 13.8");
    clear_registers();
}

/* Loads YMM9 with the pattern, restores, and looks at it: nothing else comes between. */
#define RESTORE_BEHIND_YMM9(insn, components)                                                      \
    __asm__ volatile("vmovdqu %1, %%ymm9; " insn " (%2); vmovdqu %%ymm9, %0"                       \
                     : "=m"(ymm9)                                                                  \
                     : "m"(pattern), "r"(area), "a"(components), "d"(0)                            \
                     : "memory")

/* The same again and again: from the second round on a translator has the code, and the state may
 * stay in registers all the while. */
static void check_in_place(void)
{
    bool stays = true, restored = true, upper_stays = true;
    uint64_t ymm9[4];

    make_area(7, 0);
    for (unsigned round = 0; round < 4; round++) {
        clear_registers();
        DO("xsave64", other, 7);
        RESTORE_BEHIND_YMM9("xrstor64", X87);
        stays &= !memcmp(ymm9, pattern, sizeof(ymm9));
        DO("xsave64", other, 7);
        restored &= !memcmp(other + AT_ST, area + AT_ST, X87_BYTES);
        clear_registers();
        DO("xsave64", other, 7);
        RESTORE_BEHIND_YMM9("fxrstor64", 0);
        upper_stays &= !memcmp(ymm9 + 2, pattern + 2, 16);
    }
    check("in-place-stays", stays, true, "SDM 1 13.8");
    check("in-place-restored", restored, true, "SDM 1 13.8");
    check("in-place-upper-stays", upper_stays, true, "SDM 1 10.5.1");
    clear_registers();
}

/* Outside of 64-bit code there are eight vector registers. */
static void check_32_bit(void)
{
    static const uint8_t xsave[] = {0x0f, 0xae, 0x27, 0xcc}, xrstor[] = {0x0f, 0xae, 0x2f, 0xcc};
    Regs regs = {.ip = (word)xsave,
                 .cs = SEL_CODE32,
                 .ss = SEL_DATA,
                 .sp = user_stack_top(),
                 .flags = 2,
                 .ax = 7,
                 .di = (word)area};
    uint64_t high[4];

    memset(area, OLD, sizeof(area));
    *word_at(area, AT_BV) = 0;
    set_registers();
    Trap trap = run(&regs);
    check_trap("32-bit-xsave", &trap, 3, 0, 4, "SDM 1 13.5");
    check("32-bit-xmm-1", !memcmp(area + AT_XMM + 16, pattern, 16), true, "SDM 1 13.5.2");
    check("32-bit-xmm-8-untouched", is_old(area + AT_XMM + 128, 128), true, "SDM 1 13.5.2");
    check("32-bit-ymm-8-untouched", is_old(area + AT_AVX + 128, 128), true, "SDM 1 13.5.3");
    make_area(7, 0);
    regs.ip = (word)xrstor;
    trap = run(&regs);
    check_trap("32-bit-xrstor", &trap, 3, 0, 4, "SDM 1 13.5");
    check("32-bit-ymm-1-restored", look() & 0xff0, 0x220, "SDM 1 13.5.3");
    __asm__ volatile("vmovdqu %%ymm9, (%0)" : : "r"(high) : "memory");
    check("32-bit-ymm-9-kept", !memcmp(high, pattern, 32), true, "SDM 1 13.5.3");
    clear_registers();
}

static void check_supervisor_state(void)
{
    if (!has_supervisor) {
        check_skip("xss", "no XSAVES");
        return;
    }
    Cpuid one = cpuid(0xd, 1);
    uint64_t offered = one.ecx | (uint64_t)one.edx << 32, value = ~0ull;
    check("xss-all-offered", try_write_msr(MSR_XSS, offered), NO_TRAP, "SDM 1 13.3");
    try_read_msr(MSR_XSS, &value);
    check("xss-value", value, offered, "SDM 1 13.3");
    check("xss-user-component", try_write_msr(MSR_XSS, AVX), 13, "SDM 1 13.3");
    check("xss-not-offered", try_write_msr(MSR_XSS, BIT(62)), 13, "SDM 1 13.3");
    write_msr(MSR_XSS, 0);
}

static void check_pkru(void)
{
    uint32_t pkru;

    if (!has_pku) {
        check_skip("pkru", "no PKU");
        return;
    }
    unsigned offset = cpuid(0xd, 9).ebx;
    write_cr4(read_cr4() | CR4_PKE);
    set_xcr(0, X87 | SSE | AVX | PKRU);
    __asm__ volatile("wrpkru" : : "a"(0x12345670), "c"(0), "d"(0));
    memset(area, 0, sizeof(area));
    DO("xsave64", area, PKRU);
    check("pkru-saved", *(uint32_t *)(area + offset), 0x12345670, "SDM 1 13.5.7");
    check("pkru-bv", *word_at(area, AT_BV), PKRU, "SDM 1 13.5.7");
    *(uint32_t *)(area + offset) = 0x8888;
    DO("xrstor64", area, PKRU);
    __asm__ volatile("rdpkru" : "=a"(pkru) : "c"(0) : "edx");
    check("pkru-restored", pkru, 0x8888, "SDM 1 13.5.7");
    *word_at(area, AT_BV) = 0;
    DO("xrstor64", area, PKRU);
    __asm__ volatile("rdpkru" : "=a"(pkru) : "c"(0) : "edx");
    check("pkru-initial", pkru, 0, "SDM 1 13.5.7");
    set_xcr(0, X87 | SSE | AVX);
    write_cr4(read_cr4() & ~CR4_PKE);
}

int main(void);
int main(void)
{
    if ((cpuid(1, 0).ecx >> 26 & 5) != 5) {
        check_skip("xsave", "no XSAVE or AVX");
        return 0;
    }
    Cpuid one = cpuid(0xd, 1), top = cpuid(0xd, 0);
    has_opt = one.eax & 1;
    has_compact = one.eax & 2;
    has_supervisor = one.eax & 8;
    has_pku = cpuid(7, 0).ecx >> 3 & 1;
    xcr0_max = top.eax | (uint64_t)top.edx << 32;
    check("xcr0-at-reset-size", top.ebx, 576, "SDM 1 13.3");
    write_cr4(read_cr4() | CR4_OSXSAVE);
    check("xcr0-at-reset", get_xcr(0), X87, "SDM 1 13.3");
    set_xcr(0, X87 | SSE | AVX);
    check_gates();
    check_xcr0();
    check_cpuid();
    check_alignment();
    check_headers();
    check_page_faults();
    for (unsigned i = 0; i < 4; i++) {
        if (!form_is_there(&forms[i])) {
            check_skip(forms[i].name, "not offered");
            continue;
        }
        for (unsigned components = 1; components < 8; components++) {
            check_saved(&forms[i], components);
        }
        check_initial(&forms[i]);
    }
    check_legacy_pointers();
    check_restored();
    check_mxcsr();
    check_reserved();
    check_32_bit();
    check_supervisor_state();
    check_unmoved();
    check_in_place();
    check_pkru();
    return 0;
}
