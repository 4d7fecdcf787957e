/* SPDX-License-Identifier: MIT */
/* x87: exceptions masked and unmasked, how they are reported, environments, tags, MMX aliasing.
 * Intel SDM vol. 1 ch. 8, 9. */
#include "cpu-test.h"

#define IE 0x01u
#define DE 0x02u
#define ZE 0x04u
#define OE 0x08u
#define UE 0x10u
#define PE 0x20u
#define SF 0x40u
#define ES 0x80u
#define C1 0x200u
#define CR0_NE 0x20u

/* -- Values ------------------------------------------------------------------------------------ */

typedef struct Value {
    uint64_t mantissa;
    uint16_t exponent; /* with sign */
} __attribute__((packed)) Value;

typedef enum Kind {
    EMPTY,
    ONE,
    THREE,
    MINUS_ONE,
    ZERO,
    INFINITY,
    QNAN,
    SNAN,
    DENORMAL,
    PSEUDO_DENORMAL,
    PSEUDO_NAN,
    PSEUDO_INFINITY,
    UNNORMAL,
    BIG,
    TINY,
    INDEFINITE,
} Kind;

static const Value values[] = {
    [ONE] = {0x8000000000000000, 0x3fff},
    [THREE] = {0xcull << 60, 0x4000},
    [MINUS_ONE] = {0x8000000000000000, 0xbfff},
    [ZERO] = {0, 0},
    [INFINITY] = {0x8000000000000000, 0x7fff},
    [QNAN] = {0xc000000000000123, 0x7fff},
    [SNAN] = {0x8000000000000123, 0x7fff},
    [DENORMAL] = {1, 0},
    [PSEUDO_DENORMAL] = {0x8000000000000000, 0},
    [PSEUDO_NAN] = {0x4000000000000123, 0x7fff},
    [PSEUDO_INFINITY] = {0, 0x7fff},
    [UNNORMAL] = {1, 0x3fff},
    [BIG] = {0x8000000000000000, 0x7ffe},
    [TINY] = {0x8000000000000000, 1},
    [INDEFINITE] = {0xcull << 60, 0xffff},
};

typedef struct Env {
    uint32_t fcw, fsw, ftw, fip, fcs, fdp, fds;
} Env;
typedef struct State {
    Env env;
    Value st[8];
} __attribute__((packed)) State;

State state;

static void load_state(unsigned fcw, Kind st0, Kind st1)
{
    memset(&state, 0, sizeof(state));
    state.env.fcw = fcw;
    state.env.ftw = 0xffff;
    state.st[0] = values[st0];
    state.st[1] = values[st1];
    if (st0 != EMPTY) {
        state.env.ftw &= ~3u;
    }
    if (st1 != EMPTY) {
        state.env.ftw &= ~0xcu;
    }
    __asm__ volatile("fnclex; frstor %0" : : "m"(state));
}

static uint16_t status(void)
{
    uint16_t fsw;
    __asm__ volatile("fnstsw %0" : "=m"(fsw));
    return fsw;
}

static void save_state(void)
{
    __asm__ volatile("fnsave %0; fninit" : "=m"(state));
}

/* -- Operations -------------------------------------------------------------------------------- */

uint64_t memory_zero, memory_denormal = 1, memory_snan = 0x7ff0000000000001, sink;

#define OPERATION(name, insn)                                                                      \
    static void op_##name(void)                                                                    \
    {                                                                                              \
        __asm__ volatile(insn);                                                                    \
    }
OPERATION(add, "fadd %st(1), %st")
OPERATION(mul, "fmul %st(1), %st")
OPERATION(div, "fdiv %st(1), %st")
OPERATION(sqrt, "fsqrt")
OPERATION(com, "fcom %st(1)")
OPERATION(ucom, "fucom %st(1)")
OPERATION(rndint, "frndint")
OPERATION(decstp_fld1, "fdecstp; ffree %st(7); fld %st(0)")
OPERATION(fist, "fistpl sink")
OPERATION(fstl, "fstpl sink")
OPERATION(add_denormal, "faddl memory_denormal")
OPERATION(load_snan, "fldl memory_snan")
OPERATION(load_denormal, "fldl memory_denormal")
OPERATION(div_zero, "fdivl memory_zero")
OPERATION(chs, "fchs")
OPERATION(scale, "fscale")
OPERATION(prem, "fprem")
OPERATION(xtract, "fxtract")
OPERATION(yl2x, "fyl2x")
OPERATION(comi, "fcomi %st(1), %st")
OPERATION(bstp, "fbstp state")

typedef struct Row {
    const char *name;
    void (*operation)(void);
    uint8_t st0, st1;
    uint16_t flags;   /* masked: exceptions, SF, C1 where it is defined */
    uint8_t result;   /* masked: ST(0) afterwards, EMPTY: not looked at */
    uint8_t unmasked; /* the exceptions left when all are unmasked */
    bool pops;
} Row;

static const Row rows[] = {
    {"add", op_add, ONE, ONE, 0, EMPTY, 0, false},
    {"add-qnan", op_add, QNAN, ONE, 0, QNAN, 0, false},
    {"add-snan", op_add, SNAN, ONE, IE, QNAN, IE, false},
    {"add-pseudo-nan", op_add, PSEUDO_NAN, ONE, IE, INDEFINITE, IE, false},
    {"add-pseudo-infinity", op_add, PSEUDO_INFINITY, ONE, IE, INDEFINITE, IE, false},
    {"add-unnormal", op_add, ONE, UNNORMAL, IE, INDEFINITE, IE, false},
    {"mul-denormal", op_mul, DENORMAL, ONE, DE, DENORMAL, DE, false},
    {"mul-pseudo-denormal", op_mul, PSEUDO_DENORMAL, ONE, DE, TINY, DE, false},
    {"add-memory-denormal", op_add_denormal, ONE, EMPTY, DE | PE, ONE, DE, false},
    {"load-denormal", op_load_denormal, ONE, EMPTY, DE, EMPTY, DE, false},
    {"load-snan", op_load_snan, ONE, EMPTY, IE, EMPTY, IE, false},
    {"div-zero", op_div, ONE, ZERO, ZE, INFINITY, ZE, false},
    {"div-memory-zero", op_div_zero, ONE, EMPTY, ZE, INFINITY, ZE, false},
    {"div-zero-zero", op_div, ZERO, ZERO, IE, INDEFINITE, IE, false},
    {"div-inexact", op_div, ONE, THREE, PE | C1, EMPTY, PE, false},
    {"mul-infinity-zero", op_mul, INFINITY, ZERO, IE, INDEFINITE, IE, false},
    {"mul-overflow", op_mul, BIG, BIG, OE | PE | C1, INFINITY, OE, false},
    {"mul-underflow", op_mul, TINY, TINY, UE | PE, ZERO, UE, false},
    {"sqrt-negative", op_sqrt, MINUS_ONE, EMPTY, IE, INDEFINITE, IE, false},
    {"compare-qnan", op_com, QNAN, ONE, IE, QNAN, IE, false},
    {"unordered-qnan", op_ucom, QNAN, ONE, 0, QNAN, 0, false},
    {"unordered-snan", op_ucom, SNAN, ONE, IE, SNAN, IE, false},
    {"comi-qnan", op_comi, QNAN, ONE, IE, QNAN, IE, false},
    {"comi-unnormal", op_comi, UNNORMAL, ONE, IE, UNNORMAL, IE, false},
    {"round-inexact", op_rndint, TINY, EMPTY, PE, ZERO, PE, false},
    {"stack-underflow", op_add, EMPTY, ONE, IE | SF, INDEFINITE, IE | SF, false},
    {"stack-overflow", op_decstp_fld1, ONE, ONE, IE | SF, EMPTY, IE | SF, false},
    {"store-integer-nan", op_fist, QNAN, EMPTY, IE, EMPTY, IE, true},
    {"store-integer-big", op_fist, BIG, EMPTY, IE, EMPTY, IE, true},
    {"store-double-overflow", op_fstl, BIG, EMPTY, OE | PE | C1, EMPTY, OE, true},
    {"store-double-underflow", op_fstl, TINY, EMPTY, UE | PE, EMPTY, UE, true},
    {"store-double-snan", op_fstl, SNAN, EMPTY, IE, EMPTY, IE, true},
    {"store-bcd-nan", op_bstp, QNAN, EMPTY, IE, EMPTY, IE, true},
    {"change-sign-snan", op_chs, SNAN, EMPTY, 0, EMPTY, 0, false},
    {"scale-overflow", op_scale, BIG, THREE, OE | PE | C1, INFINITY, OE, false},
    {"remainder-zero", op_prem, ONE, ZERO, IE, INDEFINITE, IE, false},
    {"extract-zero", op_xtract, ZERO, EMPTY, ZE, ZERO, ZE, false},
    {"log-zero", op_yl2x, ZERO, ONE, ZE, EMPTY, ZE, false},
    {"log-negative", op_yl2x, MINUS_ONE, ONE, IE, INDEFINITE, IE, false},
};

static bool same_value(const Value *a, const Value *b)
{
    return a->mantissa == b->mantissa && a->exponent == b->exponent;
}

static void check_rows(void)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const Row *row = &rows[i];
        char name[64];

        load_state(0x37f, row->st0, row->st1);
        row->operation();
        uint16_t fsw = status();
        CATCH("fwait", );
        format(name, sizeof(name), "%s-masked", row->name);
        /* C1 tells overflow from underflow and how an inexact result was rounded */
        unsigned mask = 0xff | (row->flags & (SF | PE) ? C1 : 0);
        check(name, (fsw & mask) << 8 | caught.vector, row->flags << 8 | NO_TRAP, "SDM 1 8.5");
        save_state();
        if (row->result != EMPTY) {
            Value want = values[row->result];
            if (row->st0 == SNAN && row->result == QNAN) {
                want.mantissa = values[SNAN].mantissa | 1ull << 62;
            }
            format(name, sizeof(name), "%s-result", row->name);
            check(name, same_value(&state.st[0], &want), true, "SDM 1 8.5");
        }

        load_state(0x340, row->st0, row->st1);
        row->operation();
        fsw = status();
        CATCH("fwait", );
        format(name, sizeof(name), "%s-unmasked", row->name);
        check(name,
              (fsw & (IE | DE | ZE | OE | UE | SF | ES | (row->unmasked & PE))) << 8 |
                  caught.vector,
              row->unmasked ? (row->unmasked | ES) << 8 | 16 : NO_TRAP, "SDM 1 8.5");
        save_state();
        /* before the operation: invalid, denormal, zero divide, and all of a store to memory; the
         * load of a denormal is done nevertheless, and the overflow's setup has moved TOP */
        bool moved = row->operation == op_decstp_fld1 || row->operation == op_load_denormal;
        if (row->unmasked & (IE | DE | ZE) || (row->unmasked && row->pops)) {
            format(name, sizeof(name), "%s-operand-kept", row->name);
            check(name,
                  (state.env.fsw >> 11 & 7) << 8 | same_value(&state.st[0], &values[row->st0]),
                  moved ? 7 << 8 : 1, moved ? "silicon" : "SDM 1 8.5");
        }
    }
}

/* -- When an exception is reported ------------------------------------------------------------- */

/* Leaves an unmasked zero divide behind. */
static void leave_pending(void)
{
    load_state(0x37b, ONE, EMPTY);
    op_div_zero();
}

#define PENDING(name, insn, vector)                                                                \
    do {                                                                                           \
        leave_pending();                                                                           \
        CATCH(insn, : "a"(&area) : "memory");                                                      \
        check_trap(name, &caught, vector, 0, 0, "SDM 1 8.6");                                      \
        __asm__ volatile("fnclex");                                                                \
    } while (0)

static uint8_t area[512] __attribute__((aligned(64)));

static void check_waiting(void)
{
    PENDING("pending-fwait", "fwait", 16);
    PENDING("pending-add", "fadd %%st(0), %%st", 16);
    PENDING("pending-add-memory", "fadds (%0)", 16);
    PENDING("pending-load", "fldl (%0)", 16);
    PENDING("pending-store", "fstl (%0)", 16);
    PENDING("pending-store-missing-page", "fstl 0x7000000(%0)", 16);
    PENDING("pending-load-control", "fldcw (%0)", 16);
    PENDING("pending-load-environment", "fldenv (%0)", 16);
    PENDING("pending-restore", "frstor (%0)", 16);
    PENDING("pending-nop", "fnop", 16);
    PENDING("pending-free", "ffree %%st(0)", 16);
    PENDING("pending-increment", "fincstp", 16);
    PENDING("pending-emms", "emms", 16);
    PENDING("pending-mmx", "paddb %%mm0, %%mm0", 16);
    PENDING("pending-mmx-memory", "movq (%0), %%mm0", 16);
    PENDING("pending-mmx-conversion", "cvtpi2ps %%mm0, %%xmm0", 16);
    PENDING("pending-mmx-to-sse", "movq2dq %%mm0, %%xmm0", 16);
    PENDING("pending-sse-to-mmx", "movdq2q %%xmm0, %%mm0", 16);
    PENDING("pending-mmx-mask", "pmovmskb %%mm0, %%ecx", 16);
    PENDING("pending-clear", "fnclex", NO_TRAP);
    PENDING("pending-init", "fninit", NO_TRAP);
    PENDING("pending-save", "fnsave (%0)", NO_TRAP);
    PENDING("pending-store-environment", "fnstenv (%0)", NO_TRAP);
    PENDING("pending-store-control", "fnstcw (%0)", NO_TRAP);
    PENDING("pending-store-status", "fnstsw (%0)", NO_TRAP);
    PENDING("pending-fxsave", "fxsave (%0)", NO_TRAP);
    PENDING("pending-fxrstor", "fxrstor (%0)", NO_TRAP);
    PENDING("pending-sse", "addps %%xmm0, %%xmm0", NO_TRAP);
    PENDING("pending-ldmxcsr", "stmxcsr (%0)", NO_TRAP);
    PENDING("pending-integer", "addl $1, (%0)", NO_TRAP);
    PENDING("pending-store-environment-masks", "fnstenv (%0); fwait", NO_TRAP);
    PENDING("pending-clear-then-wait", "fnclex; fwait", NO_TRAP);
    leave_pending();
    write_dr7(0x402); /* a breakpoint somewhere: some emulators then run one by one */
    __asm__ volatile("fnstenv (%0); fxsave (%0); fnclex" : : "a"(&area) : "memory");
    write_dr7(0x400);
    check("pending-store-environment-summary", *(uint16_t *)(area + 2) & ES, 0, "silicon");

    /* a control word that unmasks what is in the status word makes it pending */
    uint16_t open = 0x340, closed = 0x37f;
    load_state(0x37f, ONE, EMPTY);
    op_div_zero();
    __asm__ volatile("fldcw %0" : : "m"(open));
    check("unmask-makes-pending", status() & ES, ES, "SDM 2A FLDCW");
    CATCH("fwait", );
    check_trap("unmask-then-wait", &caught, 16, 0, 0, "SDM 2A FLDCW");
    __asm__ volatile("fnclex; fldcw %0" : : "m"(closed));
    Env env = {.fcw = 0x37b, .fsw = ZE, .ftw = 0xffff};
    __asm__ volatile("fldenv %0" : : "m"(env));
    check("environment-makes-pending", status() & (ES | ZE), ES | ZE, "SDM 2A FLDENV");
    CATCH("fwait", );
    check_trap("environment-then-wait", &caught, 16, 0, 0, "SDM 2A FLDENV");
    __asm__ volatile("fnclex");
    env = (Env){.fcw = 0x37f, .fsw = ZE | ES | 0x8000, .ftw = 0xffff};
    __asm__ volatile("fldenv %0" : : "m"(env));
    check("environment-es-is-derived", status() & (ES | ZE), ZE, "SDM 1 8.1.3.3");
    __asm__ volatile("fxsave %0" : "=m"(area));
    *(uint16_t *)area = 0x37b;
    *(uint16_t *)(area + 2) = ZE;
    __asm__ volatile("fxrstor %0" : : "m"(area));
    CATCH("fwait", );
    check_trap("fxrstor-then-wait", &caught, 16, 0, 0, "SDM 2A FXRSTOR");
    __asm__ volatile("fninit");
}

/* -- Pointers and environments ----------------------------------------------------------------- */

extern const uint8_t faulting_division[], faulting_addition[];

static void check_pointers(void)
{
    Env env;

    load_state(0x37b, ONE, EMPTY);
    __asm__ volatile("faulting_division: fdivl memory_zero\n\t"
                     "fnstenv %0\n\t"
                     : "=m"(env));
    check("pointers-ip", env.fip, (uint32_t)(word)faulting_division, "SDM 1 8.1.8");
    check("pointers-opcode", env.fcs >> 16 & 0x7ff, sizeof(word) == 8 ? 0x434 : 0x435,
          "SDM 1 8.1.9");
    check("pointers-data", env.fdp, (uint32_t)(word)&memory_zero, "SDM 1 8.1.8");
    __asm__ volatile("fnclex");
    load_state(0x37e, UNNORMAL, ONE);
    __asm__ volatile("faulting_addition: fadd %%st(1), %%st\n\t"
                     "nop; nop\n\t"
                     "fnstsw %%ax; fxsave %0\n\t"
                     : "=m"(area)
                     :
                     : "eax");
    check("fxsave-ip", *(uint32_t *)(area + 8), (uint32_t)(word)faulting_addition, "SDM 2A FXSAVE");
    check("fxsave-opcode", *(uint16_t *)(area + 6), 0x0c1, "SDM 2A FXSAVE");
    __asm__ volatile("fnclex");

    /* from another page, a computed address */
    static const uint8_t code[] = {0xd8, 0x74, 0x59, 0x40, 0x9b, 0xcc}; /* fdivs 64(%rcx,%rbx,2) */
    memset(area, 0, sizeof(area));
    load_state(0x37b, ONE, EMPTY);
    Trap trap = run(&(Regs){.ip = (word)code,
                            .cs = SEL_USER,
                            .ss = SEL_USER_DATA,
                            .sp = user_stack_top(),
                            .flags = 2,
                            .bx = 16,
                            .cx = (word)area});
    check_trap("user-wait", &trap, 16, 0, 4, "SDM 1 8.6");
    __asm__ volatile("fnstenv %0; fnclex" : "=m"(env));
    check("user-pointers-ip", env.fip, (uint32_t)(word)code, "SDM 1 8.1.8");
    check("user-pointers-opcode", env.fcs >> 16 & 0x7ff, 0x074, "SDM 1 8.1.9");
    check("user-pointers-data", env.fdp, (uint32_t)(word)area + 96, "SDM 1 8.1.8");
    check("pointers-selectors", (env.fcs & 0xffff) | (env.fds & 0xffff) << 16, 0,
          "SDM 2A CPUID 7.EBX[13]");
    __asm__ volatile("fninit; fnstenv %0" : "=m"(env));
    check("init-clears-pointers", env.fip | env.fdp | (env.fcs >> 16), 0, "SDM 2A FINIT");

    env = (Env){0x37f, 0, 0xffff, 0x12345678, 0x1230000, 0x9abcdef0, 0};
    __asm__ volatile("fldenv %0" : : "m"(env));
    memset(&env, 0, sizeof(env));
    __asm__ volatile("fnstenv %0" : "=m"(env));
    check("loaded-ip", env.fip, 0x12345678, "SDM 2A FLDENV");
    check("loaded-opcode", env.fcs >> 16, 0x123, "SDM 2A FLDENV");
    check("loaded-data", env.fdp, 0x9abcdef0, "SDM 2A FLDENV");
    check("environment-reserved-ones",
          env.fcw >> 16 == 0xffff && env.fsw >> 16 == 0xffff && env.ftw >> 16 == 0xffff &&
              env.fds >> 16 == 0xffff,
          true, "silicon");
    check("environment-masks", (__extension__({
              uint16_t cw = 0x340, after;
              __asm__ volatile("fninit; fldcw %1; fnstenv %2; fnstcw %0"
                               : "=m"(after)
                               : "m"(cw), "m"(env)
                               : "memory");
              after;
          })),
          0x37f, "SDM 2A FSTENV");
    uint16_t small[7] = {0x37f, 0, 0xffff, 0x5678, 0, 0xdef0, 0};
    __asm__ volatile(".byte 0x66; fldenv %0" : : "m"(small));
    memset(small, 0x55, sizeof(small));
    __asm__ volatile(".byte 0x66; fnstenv %0" : "=m"(small));
    check("small-environment-ip", small[3] | (uint32_t)small[5] << 16, 0xdef05678,
          "SDM 1 figure 8-11");
    check("small-environment-words", small[0] | (uint32_t)small[2] << 16, 0xffff037f,
          "SDM 1 figure 8-11");
    __asm__ volatile("fninit");
}

#ifndef __x86_64__
/* Real-address formats, in v8086 mode: linear pointers. */
static void check_real_formats(void)
{
    static const uint8_t code[] = {
        0x66, 0xd9, 0x26, 0x00, 0x00, /* fldenvd (0) */
        0xd9, 0x36, 0x40, 0x00,       /* fnstenv (40h) */
        0xd9, 0x26, 0x40, 0x00,       /* fldenv (40h) */
        0x66, 0xd9, 0x36, 0x80, 0x00, /* fnstenvd (80h) */
        0xcc,
    };
    uint32_t *from = (uint32_t *)0x8000, *back = (uint32_t *)0x8080;
    uint16_t *small = (uint16_t *)0x8040;

    memset(from, 0, 0x100);
    from[0] = 0x37f, from[2] = 0xffff;
    from[3] = 0x5678, from[4] = 0xa << 12 | 0x123;
    from[5] = 0xdef0, from[6] = 0x9 << 12;
    memcpy((void *)0x7000, code, sizeof(code));
    Trap trap = run(&(Regs){
        .ip = 0, .cs = 0x700, .ss = 0x600, .sp = 0x100, .ds = 0x800, .flags = 0x20002 | 3 << 12});
    check_trap("v8086-environments", &trap, 3, 0, sizeof(code), "SDM 1 8.1.10");
    check("v8086-16-ip", small[3] | (uint32_t)small[5] << 16, 0xdef05678, "SDM 1 figure 8-12");
    check("v8086-16-high", small[4] | (uint32_t)small[6] << 16, 0x9000a123, "SDM 1 figure 8-12");
    check("v8086-32-ip", back[3] & 0xffff, 0x5678, "SDM 1 figure 8-10");
    check("v8086-32-high", back[4] & 0x0fffffff, 0xa123, "SDM 1 figure 8-10");
    check("v8086-32-data", (back[5] & 0xffff) | (back[6] & 0x0fffffff) << 16, 0x9000def0,
          "SDM 1 figure 8-10");
}
#endif

/* -- Tags, MMX --------------------------------------------------------------------------------- */

static void check_tags(void)
{
    static const struct {
        Kind kind;
        uint8_t tag;
    } tags[] = {{EMPTY, 3},    {ONE, 0},  {ZERO, 1},     {INFINITY, 2},        {QNAN, 2},
                {DENORMAL, 2}, {SNAN, 2}, {UNNORMAL, 2}, {PSEUDO_DENORMAL, 2}, {TINY, 0}};
    char name[40];
    Env env;

    for (unsigned i = 0; i < sizeof(tags) / sizeof(*tags); i++) {
        load_state(0x37f, tags[i].kind, EMPTY);
        __asm__ volatile("fnstenv %0; fxsave %1" : "=m"(env), "=m"(area));
        format(name, sizeof(name), "tag-of-value-%u", tags[i].kind);
        check(name, env.ftw & 0xffff, 0xfffc | tags[i].tag, "SDM 1 8.1.7");
        format(name, sizeof(name), "short-tag-of-value-%u", tags[i].kind);
        check(name, area[4], tags[i].kind != EMPTY, "SDM 1 10.5.1.1");
        __asm__ volatile("fninit; fxrstor %1; fnstenv %0" : "=m"(env) : "m"(area));
        format(name, sizeof(name), "tag-after-fxrstor-%u", tags[i].kind);
        check(name, env.ftw & 0xffff, 0xfffc | tags[i].tag, "SDM 1 10.5.1.1");
    }
    env.ftw = 0x0000; /* tags that lie about what the registers hold */
    load_state(0x37f, ZERO, ONE);
    __asm__ volatile("fldenv %1; fnstenv %0" : "=m"(env) : "m"(env));
    check("tags-are-derived", env.ftw & 0xf, 1, "SDM 1 8.1.7");
    load_state(0x37f, ONE, THREE);
    __asm__ volatile("ffree %%st(1); fnstenv %0" : "=m"(env) :);
    check("tag-after-free", env.ftw & 0xffff, 0xfffc, "SDM 2A FFREE");
    env.fsw = 3 << 11;
    env.ftw = 0xff3f; /* physical 3 in use */
    load_state(0x37f, ONE, ONE);
    __asm__ volatile("fldenv %1; fxsave %0" : "=m"(area) : "m"(env));
    check("short-tag-is-physical", area[4], 1 << 3, "SDM 1 10.5.1.1");
    __asm__ volatile("fninit");
}

static void check_mmx(void)
{
    uint64_t pattern = 0x1122334455667788;
    Env env;

    load_state(0x37f, ONE, THREE);
    __asm__ volatile("fincstp; fincstp; movq %0, %%mm3" : : "m"(pattern));
    save_state();
    check("mmx-top", state.env.fsw >> 11 & 7, 0, "SDM 1 9.5.1");
    check("mmx-tags", state.env.ftw & 0xc0, 2 << 6, "SDM 1 9.5.1");
    check("mmx-mantissa", state.st[3].mantissa, pattern, "SDM 1 9.5.1");
    check("mmx-exponent", state.st[3].exponent, 0xffff, "SDM 1 9.5.1");
    check("mmx-others-stay", same_value(&state.st[0], &values[ONE]), true, "SDM 1 9.5.1");
    load_state(0x37f, ONE, THREE);
    __asm__ volatile("movq %%mm0, %0; fxsave %1" : "=m"(pattern), "=m"(area));
    check("mmx-reads-mantissa", pattern, values[ONE].mantissa, "SDM 1 9.5.1");
    check("mmx-read-marks-all", area[4], 0xff, "SDM 1 9.5.1");
    check("mmx-read-keeps-exponent", *(uint16_t *)(area + 40), 0x3fff, "SDM 1 9.5.1");
    __asm__ volatile("emms; fnstenv %0" : "=m"(env));
    check("emms-tags", env.ftw & 0xffff, 0xffff, "SDM 2A EMMS");
    load_state(0x37f, ONE, EMPTY);
    __asm__ volatile("fld1; fincstp; fincstp; emms; fnstenv %0" : "=m"(env));
    check("emms-top", env.fsw >> 11 & 7, 0, "SDM 1 9.5.1");
    __asm__ volatile("fninit");
}

/* -- Without CR0.NE: IRQ 13
 * ------------------------------------------------------------------------ */

static unsigned irqs;
static word irq_ip;
static uint16_t irq_status;
static bool irq_clears;

static void on_irq_13(Regs *regs)
{
    irqs++;
    irq_ip = regs->ip;
    irq_status = status();
    outb(0xf0, 0);
    if (irq_clears) {
        __asm__ volatile("fnclex");
    }
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
}

static void check_irq_13(void)
{
    static const uint8_t wait[] = {0xfb, 0x90, 0x9b, 0x90, 0xcc}; /* sti nop fwait nop int3 */
    static const uint8_t add[] = {0xfb, 0x90, 0xd8, 0xc0, 0xcc};  /* ... fadd %st, %st */
    static const uint8_t no_wait[] = {0xfb, 0x90, 0xdb, 0xe2, 0x9b, 0xcc}; /* ... fnclex fwait */
    static const struct {
        const char *name;
        const uint8_t *code;
        unsigned irqs, end;
        bool keeps; /* the handler leaves the error: IGNNE# makes the CPU go on all the same */
    } cases[] = {
        {"irq-13-wait", wait, 1, 5, false},        {"irq-13-add", add, 1, 5, false},
        {"irq-13-cleared", no_wait, 0, 6, false},  {"irq-13-ignored", add, 1, 5, true},
        {"irq-13-ignored-wait", wait, 1, 5, true},
    };
    char name[48];

    outb(0x20, 0x11), outb(0x21, 0x60), outb(0x21, 4), outb(0x21, 1); /* vectors 60h to 6fh */
    outb(0xa0, 0x11), outb(0xa1, 0x68), outb(0xa1, 2), outb(0xa1, 1);
    outb(0x21, 0xfb);
    outb(0xa1, 0xdf);
    trap_set_handler(0x6d, on_irq_13);
    write_cr0(read_cr0() & ~(word)CR0_NE);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        irqs = 0;
        irq_clears = !cases[i].keeps;
        leave_pending();
        Trap trap = run(&(Regs){.ip = (word)cases[i].code,
                                .cs = SEL_CODE,
                                .ss = SEL_DATA,
                                .sp = user_stack_top(),
                                .flags = 2});
        check_trap(cases[i].name, &trap, 3, 0, cases[i].end, "SDM 3A 9.7.2.2");
        format(name, sizeof(name), "%s-count", cases[i].name);
        check(name, irqs, cases[i].irqs, "SDM 1 D.2");
        if (cases[i].irqs) { /* the instruction is run when the handler is done */
            format(name, sizeof(name), "%s-ip", cases[i].name);
            check(name, irq_ip - (word)cases[i].code, 2, "SDM 1 D.2.1.1");
            format(name, sizeof(name), "%s-status", cases[i].name);
            check(name, irq_status & (ES | ZE), ES | ZE, "SDM 1 D.2");
        }
        __asm__ volatile("fninit");
    }
    write_cr0(read_cr0() | CR0_NE);
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
}

int main(void);
int main(void)
{
    write_cr4(read_cr4() | 0x600); /* OSFXSR OSXMMEXCPT */
    check_rows();
    check_waiting();
    check_pointers();
#ifndef __x86_64__
    check_real_formats();
#endif
    check_tags();
    check_mmx();
    check_irq_13();
    return 0;
}
