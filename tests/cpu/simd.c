/* SPDX-License-Identifier: MIT */
/* SSE and AVX: enable bits, unmasked exceptions, alignment, encodings that are #UD, masked and
 * gathered accesses. Intel SDM vol. 1 ch. 11, 14; vol. 2 2.3, 2.8. */
#include "cpu-test.h"

#define BIT(n) (1ull << (n))
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_AM BIT(18)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_OSXSAVE BIT(18)
#define FLAGS_AC 0x40000u
#define MXCSR_RESET 0x1f80u

static uint8_t memory[256] __attribute__((aligned(64)));
static bool has_avx, has_avx2;

static void set_xcr0(uint64_t value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)value), "d"(0));
}

/* Runs code with RAX, RCX, RDI at `memory` + `offset`, in the given segment; INT3 follows. */
static Trap run_bytes(const uint8_t *code, unsigned size, uint16_t cs, unsigned offset, word flags)
{
    static uint8_t buffer[32];
    memcpy(buffer, code, size);
    buffer[size] = 0xcc;
    word place = (word)memory + offset;
    return run(&(Regs){.ip = (word)buffer,
                       .cs = cs,
                       .ss = cs & 3 ? SEL_USER_DATA : SEL_DATA,
                       .sp = user_stack_top(),
                       .flags = 2 | flags,
                       .ax = place,
                       .cx = place,
                       .di = place});
}

/* -- Enable bits ------------------------------------------------------------------------------- */

typedef enum GateKind { NONE, X87, WAIT, MMX, SSE, FX, AVX } GateKind;
typedef struct Gated {
    const char *name;
    uint8_t size, code[8];
    GateKind gate;
} Gated;

static const Gated gated[] = {
    {"fld1", 2, {0xd9, 0xe8}, X87},
    {"fld-memory", 2, {0xd9, 0x00}, X87},
    {"fnstsw", 2, {0xdf, 0xe0}, X87},
    {"fnstcw", 2, {0xd9, 0x38}, X87},
    {"fninit", 2, {0xdb, 0xe3}, X87},
    {"fnclex", 2, {0xdb, 0xe2}, X87},
    {"fisttp", 2, {0xdf, 0x08}, X87},
    {"fcomi", 2, {0xdb, 0xf0}, X87},
    {"fnstenv", 2, {0xd9, 0x30}, X87},
    {"fnop", 2, {0xd9, 0xd0}, X87},
    {"fwait", 1, {0x9b}, WAIT},
    {"emms", 2, {0x0f, 0x77}, MMX},
    {"paddb", 3, {0x0f, 0xfc, 0xc0}, MMX},
    {"movq-memory", 3, {0x0f, 0x6f, 0x00}, MMX},
    {"pmovmskb-mmx", 3, {0x0f, 0xd7, 0xd0}, MMX},
    {"pshufw", 4, {0x0f, 0x70, 0xc0, 0}, MMX},
    {"maskmovq", 3, {0x0f, 0xf7, 0xc0}, MMX},
    {"movntq", 3, {0x0f, 0xe7, 0x00}, MMX},
    {"pabsb-mmx", 4, {0x0f, 0x38, 0x1c, 0xc0}, MMX},
    {"addps", 3, {0x0f, 0x58, 0xc0}, SSE},
    {"movaps-memory", 3, {0x0f, 0x28, 0x00}, SSE},
    {"paddb-sse", 4, {0x66, 0x0f, 0xfc, 0xc0}, SSE},
    {"movd", 4, {0x66, 0x0f, 0x6e, 0xc0}, SSE},
    {"cvtsi2sd", 4, {0xf2, 0x0f, 0x2a, 0xc0}, SSE},
    {"ldmxcsr", 4, {0x0f, 0xae, 0x50, 0x80}, SSE},
    {"stmxcsr", 3, {0x0f, 0xae, 0x18}, SSE},
    {"maskmovdqu", 4, {0x66, 0x0f, 0xf7, 0xc0}, SSE},
    {"pshufb", 5, {0x66, 0x0f, 0x38, 0x00, 0xc0}, SSE},
    {"roundps", 6, {0x66, 0x0f, 0x3a, 0x08, 0xc0, 0}, SSE},
    {"aesenc", 5, {0x66, 0x0f, 0x38, 0xdc, 0xc0}, SSE},
    {"fxsave", 3, {0x0f, 0xae, 0x00}, FX},
    {"movnti", 3, {0x0f, 0xc3, 0x00}, NONE},
    {"prefetch", 3, {0x0f, 0x18, 0x08}, NONE},
    {"sfence", 3, {0x0f, 0xae, 0xf8}, NONE},
    {"lfence", 3, {0x0f, 0xae, 0xe8}, NONE},
    {"pause", 2, {0xf3, 0x90}, NONE},
    {"clflush", 3, {0x0f, 0xae, 0x38}, NONE},
    {"popcnt", 4, {0xf3, 0x0f, 0xb8, 0xd2}, NONE},
    {"crc32", 5, {0xf2, 0x0f, 0x38, 0xf1, 0xd2}, NONE},
    {"vaddps", 4, {0xc5, 0xf8, 0x58, 0xc0}, AVX},
    {"vmovups-memory", 4, {0xc5, 0xfc, 0x10, 0x00}, AVX},
    {"vzeroupper", 3, {0xc5, 0xf8, 0x77}, AVX},
    {"vstmxcsr", 4, {0xc5, 0xf8, 0xae, 0x18}, AVX},
};

static unsigned expected(GateKind gate, word cr0, word cr4)
{
    bool ts = cr0 & CR0_TS, em = cr0 & CR0_EM;

    switch (gate) {
    case NONE:
        return 3;
    case WAIT:
        return ts && cr0 & CR0_MP ? 7 : 3;
    case X87:
    case FX:
        return ts || em ? 7 : 3;
    case MMX:
        return em ? 6 : ts ? 7 : 3;
    case SSE:
        return em || !(cr4 & CR4_OSFXSR) ? 6 : ts ? 7 : 3;
    default:
        return !(cr4 & CR4_OSXSAVE) ? 6 : ts ? 7 : 3;
    }
}

static void check_gates(void)
{
    word cr0 = read_cr0() & ~(CR0_MP | CR0_EM | CR0_TS), cr4 = read_cr4();
    char name[48];

    for (unsigned i = 0; i < sizeof(gated) / sizeof(*gated); i++) {
        if (gated[i].gate == AVX && !has_avx) {
            check_skip(gated[i].name, "no AVX");
            continue;
        }
        uint32_t wrong = 0; /* a bit for each setting of MP EM TS, OSFXSR, OSXSAVE */
        for (unsigned bits = 0; bits < 32; bits++) {
            bool is_load = gated[i].gate == SSE && gated[i].code[1] == 0xae && gated[i].size == 4;
            word control = cr0 | (bits & 7) << 1;
            word control4 = (cr4 & ~(CR4_OSFXSR | (has_avx ? CR4_OSXSAVE : 0))) |
                            (bits & 8 ? CR4_OSFXSR : 0) | (bits & 16 && has_avx ? CR4_OSXSAVE : 0);
            memset(memory, 0, sizeof(memory));
            *(uint32_t *)memory = MXCSR_RESET;
            __asm__ volatile("fninit");
            write_cr4(control4);
            write_cr0(control);
            Trap trap = run_bytes(gated[i].code, gated[i].size, SEL_CODE, is_load ? 128 : 0, 0);
            write_cr0(cr0);
            write_cr4(cr4);
            wrong |= (uint32_t)(trap.vector != expected(gated[i].gate, control, control4)) << bits;
        }
        format(name, sizeof(name), "gates-of-%s", gated[i].name);
        check(name, wrong, 0, "SDM 3A 2.5, table 13-1");
    }
    __asm__ volatile("fninit");
    if (has_avx) {
        static const uint8_t avx[] = {0xc5, 0xf8, 0x58, 0xc0};
        for (uint64_t xcr0 = 1; xcr0 < 4; xcr0 += 2) {
            set_xcr0(xcr0);
            Trap trap = run_bytes(avx, sizeof(avx), SEL_CODE, 0, 0);
            format(name, sizeof(name), "gate-avx-xcr0-%llu", (unsigned long long)xcr0);
            check(name, trap.vector, 6, "SDM 1 14.3");
        }
        set_xcr0(7);
    }
}

/* -- MXCSR ------------------------------------------------------------------------------------- */

static void check_exceptions(void)
{
    static const struct {
        const char *name;
        uint32_t a, b;  /* XMM0 = a op b */
        uint8_t opcode; /* 0F xx, scalar single */
        uint32_t flags;
    } cases[] = {
        {"invalid", 0x7f800001, 0x3f800000, 0x58, 1},
        {"invalid-subtract", 0x7f800000, 0x7f800000, 0x5c, 1},
        {"denormal", 1, 0x3f800000, 0x59, 2},
        {"zero-divide", 0x3f800000, 0, 0x5e, 4},
        {"overflow", 0x7f7fffff, 0x7f7fffff, 0x59, 8},
        {"underflow", 0x00800000, 0x00800000, 0x59, 16},
        {"precision", 0x3f800000, 0x40400000, 0x5e, 32},
        {"compare", 0x7fc00000, 0x3f800000, 0x2f, 1},
        {"unordered", 0x7fc00000, 0x3f800000, 0x2e, 0},
        {"minimum", 0x7fc00000, 0x3f800000, 0x5d, 1},
    };
    word cr4 = read_cr4();
    char name[48];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool compares = cases[i].opcode == 0x2e || cases[i].opcode == 0x2f;
        uint8_t code[4] = {0xf3, 0x0f, cases[i].opcode, 0xc1};
        const uint8_t *start = code + compares;
        for (unsigned form = 0; form < 3; form++) { /* masked, unmasked, without OSXMMEXCPT */
            uint32_t all = MXCSR_RESET, value;
            __asm__ volatile("movd %0, %%xmm0; movd %1, %%xmm1"
                             :
                             : "r"(cases[i].a), "r"(cases[i].b));
            write_cr4(form == 2 ? cr4 & ~CR4_OSXMMEXCPT : cr4);
            load_mxcsr(form ? all & ~(cases[i].flags << 7) : all);
            Trap trap = run_bytes(start, 4 - compares, SEL_USER, 0, 0);
            uint32_t flags = store_mxcsr() & 0x3f;
            __asm__ volatile("movd %%xmm0, %0" : "=r"(value));
            load_mxcsr(MXCSR_RESET);
            write_cr4(cr4);
            bool faults = form && cases[i].flags;
            format(name, sizeof(name), "mxcsr-%s-%u", cases[i].name, form);
            check(name, trap.vector, !faults ? 3 : form == 1 ? 19 : 6, "SDM 1 11.5.1");
            format(name, sizeof(name), "mxcsr-%s-%u-flags", cases[i].name, form);
            check(name, flags & cases[i].flags, cases[i].flags, "SDM 1 11.5.2");
            if (faults) {
                format(name, sizeof(name), "mxcsr-%s-%u-kept", cases[i].name, form);
                check(name, value, cases[i].a, "SDM 1 11.5.3");
            }
        }
    }
}

/* -- Alignment --------------------------------------------------------------------------------- */

static void check_alignment(void)
{
    static const struct {
        const char *name;
        uint8_t size, code[8];
        uint8_t aligned; /* needs 16 or 32, 0: none */
        bool needs_avx;
    } cases[] = {
        {"movaps", 3, {0x0f, 0x28, 0x00}, 16, false},
        {"movaps-store", 3, {0x0f, 0x29, 0x00}, 16, false},
        {"movdqa", 4, {0x66, 0x0f, 0x6f, 0x00}, 16, false},
        {"movups", 3, {0x0f, 0x10, 0x00}, 0, false},
        {"movdqu-store", 4, {0xf3, 0x0f, 0x7f, 0x00}, 0, false},
        {"lddqu", 4, {0xf2, 0x0f, 0xf0, 0x00}, 0, false},
        {"addps", 3, {0x0f, 0x58, 0x00}, 16, false},
        {"addss", 4, {0xf3, 0x0f, 0x58, 0x00}, 0, false},
        {"pxor", 4, {0x66, 0x0f, 0xef, 0x00}, 16, false},
        {"movntps", 3, {0x0f, 0x2b, 0x00}, 16, false},
        {"movntdqa", 5, {0x66, 0x0f, 0x38, 0x2a, 0x00}, 16, false},
        {"pcmpistri", 6, {0x66, 0x0f, 0x3a, 0x63, 0x00, 0}, 0, false},
        {"aesenc", 5, {0x66, 0x0f, 0x38, 0xdc, 0x00}, 16, false},
        {"fxsave", 3, {0x0f, 0xae, 0x00}, 16, false},
        {"vmovaps", 4, {0xc5, 0xf8, 0x28, 0x00}, 16, true},
        {"vmovaps-256", 4, {0xc5, 0xfc, 0x28, 0x00}, 32, true},
        {"vmovntps-256", 4, {0xc5, 0xfc, 0x2b, 0x00}, 32, true},
        {"vmovups", 4, {0xc5, 0xfc, 0x10, 0x00}, 0, true},
        {"vaddps", 4, {0xc5, 0xfc, 0x58, 0x00}, 0, true},
        {"vpxor", 4, {0xc5, 0xf9, 0xef, 0x00}, 0, true},
    };
    static const uint8_t offsets[] = {1, 8, 16, 32};
    char name[48];

    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].needs_avx && !has_avx) {
            check_skip(cases[i].name, "no AVX");
            continue;
        }
        for (unsigned n = 0; n < sizeof(offsets); n++) {
            Trap trap = run_bytes(cases[i].code, cases[i].size, SEL_USER, offsets[n], 0);
            format(name, sizeof(name), "align-%s-%u", cases[i].name, offsets[n]);
            check_trap(name, &trap,
                       offsets[n] & (cases[i].aligned ? cases[i].aligned - 1u : 0) ? 13 : 3, 0,
                       offsets[n] & (cases[i].aligned ? cases[i].aligned - 1u : 0)
                           ? 0
                           : cases[i].size + 1u,
                       "SDM 2A 2.4");
        }
    }
}

/* -- Encodings --------------------------------------------------------------------------------- */

static void check_encodings(void)
{
    static const struct {
        const char *name;
        uint8_t size, code[10];
        unsigned vector;
        bool needs_avx2;
    } cases[] = {
        {"vvvv-of-vmovups", 4, {0xc5, 0xf0, 0x10, 0x00}, 6, false},
        {"vvvv-of-vsqrtps", 4, {0xc5, 0xf0, 0x51, 0xc0}, 6, false},
        {"l-of-vmovd", 4, {0xc5, 0xfd, 0x6e, 0xc0}, 6, false},
        {"l-of-vldmxcsr", 4, {0xc5, 0xfc, 0xae, 0x18}, 6, false},
        {"w-of-vbroadcastss", 5, {0xc4, 0xe2, 0xf9, 0x18, 0x00}, 6, false},
        {"w-of-vpermd", 5, {0xc4, 0xe2, 0xfd, 0x36, 0xc0}, 6, true},
        {"l0-of-vpermd", 5, {0xc4, 0xe2, 0x79, 0x36, 0xc0}, 6, true},
        {"66-before-vex", 5, {0x66, 0xc5, 0xf8, 0x58, 0xc0}, 6, false},
        {"f2-before-vex", 5, {0xf2, 0xc5, 0xf8, 0x58, 0xc0}, 6, false},
        {"f3-before-vex", 5, {0xf3, 0xc5, 0xf8, 0x58, 0xc0}, 6, false},
        {"rex-before-vex", 5, {0x48, 0xc5, 0xf8, 0x58, 0xc0}, 6, false},
        {"lock-before-vex", 5, {0xf0, 0xc5, 0xf8, 0x58, 0x00}, 6, false},
        {"segment-before-vex", 5, {0x65, 0xc5, 0xf8, 0x58, 0xc0}, 3, false},
        {"67-before-vex", 5, {0x67, 0xc5, 0xf8, 0x58, 0xc0}, 3, false},
        {"map-0", 5, {0xc4, 0xe0, 0x78, 0x58, 0xc0}, 6, false},
        {"map-31", 5, {0xc4, 0xff, 0x78, 0x58, 0xc0}, 6, false},
        {"lock-addps", 4, {0xf0, 0x0f, 0x58, 0x00}, 6, false},
        {"movmskps-of-memory", 3, {0x0f, 0x50, 0x00}, 6, false},
        {"gather-same-registers", 6, {0xc4, 0xe2, 0x79, 0x90, 0x04, 0x00}, 6, true},
    };
    char name[48];

    if (!has_avx) {
        check_skip("encodings", "no AVX");
        return;
    }
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (cases[i].needs_avx2 && !has_avx2) {
            continue;
        }
        Trap trap = run_bytes(cases[i].code, cases[i].size, SEL_USER, 0, 0);
        format(name, sizeof(name), "encoding-%s", cases[i].name);
        check(name, trap.vector, cases[i].vector, "SDM 2A 2.3");
        if (i == 16) { /* the same in 32-bit code, where C5 may be LDS */
            trap = run_bytes(cases[i].code, cases[i].size, SEL_USER32, 0, 0);
            check("encoding-lock-32", trap.vector, 6, "SDM 2A LOCK");
        }
    }
    static const uint8_t vaddps[] = {0xc5, 0xf8, 0x58, 0xc0};
    check("vex-32-bit", run_bytes(vaddps, 4, SEL_USER32, 0, 0).vector, 3, "SDM 2A 2.3");
    static const uint8_t lds[] = {0xc5, 0x00}; /* lds (%eax), %eax */
    memset(memory, 0, sizeof(memory));
    *(uint16_t *)(memory + 4) = SEL_USER_DATA;
    check("lds-32-bit", run_bytes(lds, 2, SEL_USER32, 0, 0).vector, 3, "SDM 2A 2.3.5");
}

/* -- Masked and gathered ----------------------------------------------------------------------- */

#define WINDOW BIT(39)

static void map_window(void)
{
    extern uint64_t page_map[512];
    static uint64_t pointers[512] __attribute__((aligned(4096)));
    static uint64_t directory[512] __attribute__((aligned(4096)));
    static uint64_t table[512] __attribute__((aligned(4096)));
    static uint8_t page[4096] __attribute__((aligned(4096)));

    page_map[1] = (word)pointers | 7;
    pointers[0] = (word)directory | 7;
    directory[0] = (word)table | 7;
    table[0] = (word)page | 7;
    for (unsigned i = 0; i < 4096; i += 4) {
        *(uint32_t *)(page + i) = i;
    }
}

static void check_masked(void)
{
    static const uint32_t low_half[8] = {~0u, ~0u, ~0u, ~0u}, high[8] = {0, 0, 0, 0, ~0u},
                          none[8] = {0};
    uint8_t *end = (uint8_t *)WINDOW + 4096;
    uint32_t value[8];

    map_window();
    __asm__ volatile("vmovdqu (%0), %%ymm1" : : "r"(low_half));
    CATCH("vmaskmovps (%0), %%ymm1, %%ymm0", : "r"(end - 16));
    check("masked-load-beyond", caught.vector, NO_TRAP, "SDM 2C VMASKMOV");
    __asm__ volatile("vmovdqu %%ymm0, (%0)" : : "r"(value) : "memory");
    check("masked-load-values", value[0] | (uint64_t)value[4] << 32, 0xff0, "SDM 2C VMASKMOV");
    CATCH("vmaskmovps %%ymm0, %%ymm1, (%0)", : "r"(end - 16) : "memory");
    check("masked-store-beyond", caught.vector, NO_TRAP, "SDM 2C VMASKMOV");
    __asm__ volatile("vmovdqu (%0), %%ymm1" : : "r"(high));
    CATCH("vmaskmovps (%0), %%ymm1, %%ymm0", : "r"(end - 16));
    check_trap("masked-load-fault", &caught, 14, 0, 0, "SDM 2C VMASKMOV");
    check("masked-load-fault-address", caught.cr2, (word)end, "SDM 2C VMASKMOV");
    CATCH("vmaskmovps %%ymm0, %%ymm1, (%0)", : "r"(end - 16) : "memory");
    check_trap("masked-store-fault", &caught, 14, 2, 0, "SDM 2C VMASKMOV");
    __asm__ volatile("vmovdqu (%0), %%ymm1" : : "r"(none));
    CATCH("vmaskmovps (%0), %%ymm1, %%ymm0", : "r"(end + 64));
    check("masked-load-none", caught.vector, NO_TRAP, "SDM 2C VMASKMOV");
    CATCH("vmaskmovpd %%ymm0, %%ymm1, (%0)", : "r"(end + 64) : "memory");
    check("masked-store-none", caught.vector, NO_TRAP, "SDM 2C VMASKMOV");

    __asm__ volatile("pcmpeqb %%xmm1, %%xmm1; psrldq $8, %%xmm1; pxor %%xmm0, %%xmm0" : :);
    CATCH("maskmovdqu %%xmm1, %%xmm0", : "D"(WINDOW) : "memory");
    check("maskmovdqu", caught.vector, NO_TRAP, "SDM 2B MASKMOVDQU");
    __asm__ volatile("pcmpeqb %%xmm1, %%xmm1" : :);
    CATCH("maskmovdqu %%xmm1, %%xmm0", : "D"(end - 8) : "memory");
    check_trap("maskmovdqu-fault", &caught, 14, 2, 0, "SDM 2B MASKMOVDQU");
    CATCH("maskmovdqu %%xmm1, %%xmm0", : "D"(0x7ffffffffff6) : "memory");
    check_trap("maskmovdqu-canonical-end", &caught, 14, 2, 0, "silicon");
    check("maskmovdqu-nothing-done", *(uint32_t *)(end - 8), 0xff8, "SDM 2B MASKMOVDQU");
}

static void check_gather(void)
{
    static const uint32_t all[8] = {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u};
    uint32_t index[8] = {0, 4, 8, 1024, 12, 16, 20, 24}, value[8], mask[8];

    if (!has_avx2) {
        check_skip("gather", "no AVX2");
        return;
    }
    __asm__ volatile("vmovdqu (%0), %%ymm2; vmovdqu (%1), %%ymm1; vpcmpeqd %%ymm0, %%ymm0, %%ymm0"
                     :
                     : "r"(all), "r"(index));
    CATCH("vpgatherdd %%ymm2, (%0,%%ymm1,4), %%ymm0", : "r"(WINDOW + 16));
    check_trap("gather-fault", &caught, 14, 0, 0, "SDM 2C VPGATHERDD");
    check("gather-fault-address", caught.cr2, WINDOW + 16 + 4096, "SDM 2C VPGATHERDD");
    __asm__ volatile("vmovdqu %%ymm0, (%0); vmovdqu %%ymm2, (%1)"
                     :
                     : "r"(value), "r"(mask)
                     : "memory");
    check("gather-done-so-far", value[0] | (uint64_t)value[2] << 32, 16 | 48ull << 32,
          "SDM 2C VPGATHERDD");
    check("gather-mask-so-far", mask[0] | mask[1] | mask[2], 0, "SDM 2C VPGATHERDD");
    check("gather-mask-of-fault", mask[3] >> 31, 1, "SDM 2C VPGATHERDD");
    index[3] = 2;
    __asm__ volatile("vmovdqu (%0), %%ymm1" : : "r"(index));
    CATCH("vpgatherdd %%ymm2, (%0,%%ymm1,4), %%ymm0", : "r"(WINDOW + 16));
    __asm__ volatile("vmovdqu %%ymm0, (%0); vmovdqu %%ymm2, (%1)"
                     :
                     : "r"(value), "r"(mask)
                     : "memory");
    check("gather-restarted", caught.vector << 16 | value[3] | value[7] << 8,
          NO_TRAP << 16 | 24 | 112 << 8, "SDM 2C VPGATHERDD");
    check("gather-mask-cleared", mask[3] | mask[7], 0, "SDM 2C VPGATHERDD");
}

int main(void);
int main(void)
{
    has_avx = (cpuid(1, 0).ecx >> 26 & 5) == 5;
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT | (has_avx ? CR4_OSXSAVE : 0));
    has_avx2 = has_avx && cpuid(7, 0).ebx >> 5 & 1;
    if (has_avx) {
        set_xcr0(7);
    }
    check_gates();
    check_exceptions();
    check_alignment();
    check_encodings();
    if (has_avx) {
        check_masked();
        check_gather();
    } else {
        check_skip("masked", "no AVX");
    }
    return 0;
}
