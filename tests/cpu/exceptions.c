/* SPDX-License-Identifier: MIT */
/* Exceptions: priorities, double faults, what a fault leaves unchanged, illegal LOCK, instruction
 * length and fetch, alignment checks, interrupt shadows and NMI. */
#include "cpu-test.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")
#ifdef __x86_64__
#define IF64(a, b) a
#else
#define IF64(a, b) b
#endif

enum { SEL_TEST = SEL_FREE, INT3 = 3, TS = 8, EM = 4, CR0_AM = 0x40000, AC = 0x40000 };

/* -- Pages: 400000h writable, 401000h absent, 402000h read-only, 403000h supervisor, from 404000h
 * on writable again ---------------------------------------------------------------------------- */

enum { PAGES = 0x400000, ABSENT = 0x401000, READ_ONLY = 0x402000, SUPERVISOR = 0x403000 };

static word table[4096 / sizeof(word)] __attribute__((aligned(4096)));

static void page_set(word address, unsigned flags)
{
    table[address >> 12 & (COUNT(table) - 1)] = (address & ~(word)0xfff) | flags;
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static void paging_on(void)
{
    for (unsigned i = 0; i < COUNT(table); i++) {
        table[i] = (PAGES + i * 0x1000) | 7;
    }
#ifdef __x86_64__
    extern uint64_t page_map[];
    uint64_t *pointers = (uint64_t *)(page_map[0] & ~0xfffull);
    uint64_t *directory = (uint64_t *)(pointers[0] & ~0xfffull);
    directory[PAGES >> 21] = (word)table | 7;
    write_cr3(read_cr3());
#else
    static word directory[1024] __attribute__((aligned(4096)));
    for (word i = 0; i < 1024; i++) {
        directory[i] = i << 22 | 0x87;
    }
    directory[PAGES >> 22] = (word)table | 7;
    write_cr4(read_cr4() | 0x10);
    write_cr3((word)directory);
    write_cr0(read_cr0() | 0x80000000);
#endif
    page_set(ABSENT, 0);
    page_set(READ_ONLY, 5);
    page_set(SUPERVISOR, 3);
}

static Regs user(const void *code)
{
    return (Regs){.ip = (word)code,
                  .cs = SEL_USER,
                  .ss = SEL_USER_DATA,
                  .sp = user_stack_top() - 128,
                  .flags = 2};
}

/* -- What a fault leaves as it was ------------------------------------------------------------- */

SNIPPET(push_mem, IF64("pushq", "pushl") " (%" IF64("r", "e") "bx)");
SNIPPET(pop_mem, IF64("popq", "popl") " (%" IF64("r", "e") "bx)");
SNIPPET(push_reg, "push %" IF64("r", "e") "ax");
SNIPPET(pop_reg, "pop %" IF64("r", "e") "ax");
SNIPPET(call_mem, "call *(%" IF64("r", "e") "bx)");
SNIPPET(call_rel, "call 1f; 1:");
SNIPPET(ret_near, "ret");
SNIPPET(lret_near, IF64("lretq", "lretl"));
SNIPPET(iret_near, IF64("iretq", "iretl"));
SNIPPET(xadd, "lock xaddl %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(cmpxchg, "lock cmpxchgl %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(cmpxchg8b, "lock cmpxchg8b (%" IF64("r", "e") "bx)");
SNIPPET(xchg, "xchgl %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(add_mem, "addl %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(store_4, "movl %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(store_16, "movups %xmm0, (%" IF64("r", "e") "bx)");
SNIPPET(load_4, "movl (%" IF64("r", "e") "bx), %ecx");
SNIPPET(movs, "movsl");
SNIPPET(cmps, "cmpsl");
SNIPPET(scas, "scasl");
SNIPPET(lods, "lodsl");
SNIPPET(stos, "stosl");
SNIPPET(enter_0, "enter $0x100, $0");
SNIPPET(enter_2, "enter $0, $2");
SNIPPET(leave_frame, "leave");
SNIPPET(div_mem, "divl (%" IF64("r", "e") "bx)");
SNIPPET(bts, "lock btsl $3, (%" IF64("r", "e") "bx)");
SNIPPET(sgdt, "sgdt (%" IF64("r", "e") "bx)");
SNIPPET(fxsave, "fxsave (%" IF64("r", "e") "bx)");
SNIPPET(fstp, "fstpt (%" IF64("r", "e") "bx)");
SNIPPET(fnsave, "fnsave (%" IF64("r", "e") "bx)");
SNIPPET(shld, "shldl $5, %ecx, (%" IF64("r", "e") "bx)");
SNIPPET(setc, "setc (%" IF64("r", "e") "bx)");
SNIPPET(cmov, "cmovcl (%" IF64("r", "e") "bx), %ecx");
#ifndef __x86_64__
SNIPPET(pusha, "pushal");
SNIPPET(popa, "popal");
SNIPPET(bound, "boundl %ecx, (%ebx)");
SNIPPET(les, "les (%ebx), %ecx");
#endif

/* `where` lets one register point at `at`: b BX, s SP, p BP, S SI, D DI. error 0: not present. */
static const struct {
    const char *name;
    const uint8_t *code;
    char where;
    word at, cr2;
    uint8_t error; /* without U */
} faults[] = {
    {"push-mem", push_mem, 'b', ABSENT, ABSENT, 0},
    {"push-mem-stack", push_mem, 's', ABSENT + 0x100, ABSENT + 0x100 - sizeof(word), 2},
    {"push-split", push_reg, 's', ABSENT + 1, ABSENT, 2},
    {"push-read-only", push_reg, 's', READ_ONLY + 0x100, READ_ONLY + 0x100 - sizeof(word), 3},
    {"push-supervisor", push_reg, 's', SUPERVISOR + 0x100, SUPERVISOR + 0x100 - sizeof(word), 3},
    {"pop-mem", pop_mem, 'b', ABSENT, ABSENT, 2},
    {"pop-mem-read-only", pop_mem, 'b', READ_ONLY, READ_ONLY, 3},
    {"pop-mem-stack", pop_mem, 's', ABSENT, ABSENT, 0},
    {"pop-split", pop_reg, 's', ABSENT - 1, ABSENT, 0},
    {"pop-supervisor", pop_reg, 's', SUPERVISOR, SUPERVISOR, 1},
    {"call-mem", call_mem, 'b', ABSENT, ABSENT, 0},
    {"call-mem-stack", call_mem, 's', ABSENT + 0x80, ABSENT + 0x80 - sizeof(word), 2},
    {"call-stack", call_rel, 's', READ_ONLY + 0x80, READ_ONLY + 0x80 - sizeof(word), 3},
    {"ret-stack", ret_near, 's', ABSENT, ABSENT, 0},
    {"lret-stack", lret_near, 's', ABSENT - sizeof(word), ABSENT, 0},
    {"iret-stack", iret_near, 's', ABSENT - 2 * sizeof(word), ABSENT, 0},
    {"xadd", xadd, 'b', READ_ONLY, READ_ONLY, 3},
    {"xadd-absent", xadd, 'b', ABSENT, ABSENT, 2},
    {"xadd-split", xadd, 'b', ABSENT - 2, ABSENT, 2},
    {"cmpxchg", cmpxchg, 'b', READ_ONLY, READ_ONLY, 3},
    {"cmpxchg-split", cmpxchg, 'b', ABSENT - 2, ABSENT, 2},
    {"cmpxchg8b", cmpxchg8b, 'b', READ_ONLY, READ_ONLY, 3},
    {"xchg", xchg, 'b', READ_ONLY + 8, READ_ONLY + 8, 3},
    {"add", add_mem, 'b', READ_ONLY, READ_ONLY, 3},
    {"add-split", add_mem, 'b', ABSENT - 3, ABSENT, 2},
    {"store-split", store_4, 'b', ABSENT - 1, ABSENT, 2},
    {"store-16-split", store_16, 'b', ABSENT - 8, ABSENT, 2},
    {"store-split-first", store_4, 'b', ABSENT + 0xffe, ABSENT + 0xffe, 2},
    {"store-both", store_4, 'b', READ_ONLY - 2, READ_ONLY - 2, 2},
    {"load-split", load_4, 'b', ABSENT - 3, ABSENT, 0},
    {"load-supervisor", load_4, 'b', SUPERVISOR - 2, SUPERVISOR, 1},
    {"movs-source", movs, 'S', ABSENT, ABSENT, 0},
    {"movs-destination", movs, 'D', READ_ONLY, READ_ONLY, 3},
    {"movs-split", movs, 'D', ABSENT - 1, ABSENT, 2},
    {"cmps-source", cmps, 'S', ABSENT, ABSENT, 0},
    {"cmps-destination", cmps, 'D', ABSENT, ABSENT, 0},
    {"scas", scas, 'D', ABSENT, ABSENT, 0},
    {"lods", lods, 'S', ABSENT - 2, ABSENT, 0},
    {"stos", stos, 'D', READ_ONLY, READ_ONLY, 3},
    {"enter", enter_0, 's', ABSENT + 0x80, ABSENT + 0x80 - sizeof(word), 2},
    {"enter-end", enter_0, 's', SUPERVISOR + 0x1080, SUPERVISOR + 0xf80 - sizeof(word), 3},
    {"enter-display", enter_2, 'p', ABSENT + 0x80, ABSENT + 0x80 - sizeof(word), 0},
    {"leave", leave_frame, 'p', ABSENT, ABSENT, 0},
    {"div", div_mem, 'b', ABSENT, ABSENT, 0},
    {"bts", bts, 'b', READ_ONLY, READ_ONLY, 3},
    {"sgdt", sgdt, 'b', READ_ONLY, READ_ONLY, 3},
    {"fxsave", fxsave, 'b', READ_ONLY + 0x100, READ_ONLY + 0x100, 3},
    {"fxsave-split", fxsave, 'b', ABSENT - 0x100, ABSENT, 2},
    {"fstp", fstp, 'b', READ_ONLY, READ_ONLY, 3},
    {"fstp-split", fstp, 'b', ABSENT - 5, ABSENT, 2},
    {"fnsave-split", fnsave, 'b', ABSENT - 0x40, ABSENT, 2},
    {"shld", shld, 'b', READ_ONLY, READ_ONLY, 3},
    {"setc", setc, 'b', READ_ONLY, READ_ONLY, 3},
    {"cmov-false", cmov, 'b', ABSENT, ABSENT, 0},
#ifndef __x86_64__
    {"pusha", pusha, 's', ABSENT + 0x10, ABSENT + 0xc, 2}, /* the first push, at the top */
    {"pusha-end", pusha, 's', ABSENT + 0x1010, ABSENT + 0x100c, 3},
    {"popa", popa, 's', ABSENT - 0x10, ABSENT, 0},
    {"bound", bound, 'b', ABSENT - 4, ABSENT, 0},
    {"les", les, 'b', ABSENT - 4, ABSENT, 0},
#endif
};

static bool is_same(const Regs *a, const Regs *b)
{
    return a->ax == b->ax && a->cx == b->cx && a->dx == b->dx && a->bx == b->bx && a->sp == b->sp &&
           a->bp == b->bp && a->si == b->si && a->di == b->di &&
           (a->flags & ~0x10000u) == b->flags && a->cs == b->cs && a->ss == b->ss;
}

#ifdef __x86_64__
static const uint8_t *const may_change = NULL;
#else
static const uint8_t *const may_change = popa;
#endif

static void restartable(void)
{
    static uint8_t before[64];
    char name[48];
    for (unsigned i = 0; i < COUNT(faults); i++) {
        Regs in = user(faults[i].code);
        uint8_t *good = (uint8_t *)PAGES + 0x800;
        in.ax = 0x11111111, in.cx = 0x22222222, in.dx = 1, in.bx = (word)good;
        in.si = in.di = (word)good, in.bp = in.sp;
        in.flags = 0x8d6; /* all but CF */
        memset((void *)PAGES, 0x5a, 0x1000);
        *(faults[i].where == 'b'   ? &in.bx
          : faults[i].where == 's' ? &in.sp
          : faults[i].where == 'p' ? &in.bp
          : faults[i].where == 'S' ? &in.si
                                   : &in.di) = faults[i].at;
        memcpy(before, (void *)(ABSENT - 64), 64);
        Trap trap = run(&in);
        format(name, sizeof(name), "fault-%s", faults[i].name);
        check_trap(name, &trap, 14, faults[i].error | 4, 0, "SDM 3A 6.15 #PF");
        format(name, sizeof(name), "fault-%s-cr2", faults[i].name);
        check(name, trap.cr2, faults[i].cr2, "SDM 3A 6.15 #PF");
        format(name, sizeof(name), "fault-%s-registers", faults[i].name);
        /* POPA keeps what it has read, as the silicon does */
        bool same = is_same(&trap.regs, &in) || faults[i].code == may_change;
        check(name, same && (trap.regs.flags & 0x10000), true, "SDM 3A 6.6");
        format(name, sizeof(name), "fault-%s-memory", faults[i].name);
        check(name, (unsigned)memcmp(before, (void *)(ABSENT - 64), 64), 0, "SDM 3A 6.6");
    }
}

/* -- Repeated strings stop with exact registers ------------------------------------------------ */

SNIPPET(rep_movsb, "rep movsb");
SNIPPET(rep_movsl, "rep movsl");
SNIPPET(rep_stosl, "rep stosl");
SNIPPET(rep_stosb_down, "std; rep stosb");
SNIPPET(rep_movsw_down, "std; rep movsw");
SNIPPET(repe_cmpsb, "repe cmpsb");
SNIPPET(repne_scasb, "repne scasb");
SNIPPET(rep_lodsl, "rep lodsl");

static const struct {
    const char *name;
    const uint8_t *code;
    word si, di;
    unsigned done; /* elements before the fault */
    int step;
    word cr2;
    uint8_t error, offset;
    bool moves_si, moves_di;
} repeats[] = {
    {"movsb-to", rep_movsb, PAGES, ABSENT - 5, 5, 1, ABSENT, 6, 0, true, true},
    {"movsb-from", rep_movsb, ABSENT - 7, PAGES, 7, 1, ABSENT, 4, 0, true, true},
    {"movsl-to-split", rep_movsl, PAGES, ABSENT - 10, 2, 4, ABSENT, 6, 0, true, true},
    {"movsl-both", rep_movsl, ABSENT - 8, ABSENT - 8, 2, 4, ABSENT, 4, 0, true, true},
    {"stosl", rep_stosl, PAGES, ABSENT - 0x100, 64, 4, ABSENT, 6, 0, false, true},
    {"stosb-down", rep_stosb_down, PAGES, READ_ONLY + 0x1002 + 0x1000, 3, -1, READ_ONLY + 0x1fff, 7,
     1, false, true},
    {"movsw-down", rep_movsw_down, PAGES + 0x5010, PAGES + 0x4002, 2, -2, SUPERVISOR + 0xffe, 7, 1,
     true, true},
    {"cmpsb", repe_cmpsb, ABSENT - 4, PAGES, 4, 1, ABSENT, 4, 0, true, true},
    {"scasb", repne_scasb, PAGES, ABSENT - 9, 9, 1, ABSENT, 4, 0, false, true},
    {"lodsl", rep_lodsl, ABSENT - 12, PAGES, 3, 4, ABSENT, 4, 0, true, false},
};

static void repeated(void)
{
    char name[48];
    for (unsigned i = 0; i < COUNT(repeats); i++) {
        Regs in = user(repeats[i].code);
        memset((void *)PAGES, 0x5a, 0x1000);
        in.cx = 1000, in.ax = 0x11, in.si = repeats[i].si, in.di = repeats[i].di;
        Trap trap = run(&in);
        int moved = (int)repeats[i].done * repeats[i].step;
        format(name, sizeof(name), "rep-%s", repeats[i].name);
        check_trap(name, &trap, 14, repeats[i].error, repeats[i].offset, "SDM 2B REP");
        format(name, sizeof(name), "rep-%s-registers", repeats[i].name);
        check(name,
              trap.regs.cx == 1000 - repeats[i].done &&
                  trap.regs.si == in.si + (word)(repeats[i].moves_si ? moved : 0) &&
                  trap.regs.di == in.di + (word)(repeats[i].moves_di ? moved : 0),
              true, "SDM 2B REP");
        format(name, sizeof(name), "rep-%s-cr2", repeats[i].name);
        check(name, trap.cr2, repeats[i].cr2, "SDM 2B REP");
    }
}

/* -- LOCK -------------------------------------------------------------------------------------- */

/* Bit n of a result: opcode with ModRM.reg = n and a memory operand runs; bit 8 + n: with a
 * register; bit 16: something other than #UD. */
static bool is_lockable(bool is_0f, unsigned opcode, unsigned reg)
{
    if (is_0f) {
        switch (opcode) {
        case 0xab: /* BTS BTR BTC CMPXCHG XADD */
        case 0xb0:
        case 0xb1:
        case 0xb3:
        case 0xbb:
        case 0xc0:
        case 0xc1:
            return true;
        case 0xba:
            return reg >= 5;
        case 0xc7:
            return reg == 1;
        default:
            return false;
        }
    }
    switch (opcode) {
    case 0x80:
    case 0x81:
    case 0x83:
        return reg != 7;
    case 0x82:
        return sizeof(word) == 4 && reg != 7;
    case 0x86:
    case 0x87:
        return true;
    case 0xf6:
    case 0xf7:
        return reg == 2 || reg == 3;
    case 0xfe:
    case 0xff:
        return reg < 2;
    default: /* ADD OR ADC SBB AND SUB XOR to memory */
        return opcode < 0x38 && !(opcode & 6);
    }
}

static bool is_prefix(unsigned opcode)
{
    static const uint8_t prefixes[] = {0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x64,
                                       0x65, 0x66, 0x67, 0xf0, 0xf2, 0xf3};
    for (unsigned i = 0; i < sizeof(prefixes); i++) {
        if (opcode == prefixes[i]) {
            return true;
        }
    }
    return sizeof(word) == 8 && (opcode & 0xf0) == 0x40;
}

static void lock_row(bool is_0f, unsigned opcode)
{
    uint8_t *code = (uint8_t *)PAGES + 0x5000;
    unsigned got = 0, want = 0;
    for (unsigned n = 0; n < 16; n++) {
        unsigned reg = n & 7, size = 0;
        memset(code, 0xcc, 32);
        code[size++] = 0xf0;
        if (is_0f) {
            code[size++] = 0x0f;
        }
        code[size++] = (uint8_t)opcode;
        code[size++] = (uint8_t)(reg << 3 | 3 | (n & 8 ? 0xc0 : 0));
        Regs in = user(code);
        in.bx = PAGES + 0x6000;
        Trap trap = run(&in);
        got |= trap.vector == INT3 ? 1u << n : trap.vector == 6 && trap.offset == 0 ? 0 : 0x10000;
        want |= n < 8 && is_lockable(is_0f, opcode, reg) ? 1u << n : 0;
    }
    char name[24];
    format(name, sizeof(name), "lock-%s%02x", is_0f ? "0f-" : "", opcode);
    check(name, got, want, "SDM 2A LOCK");
}

static void locks(void)
{
    for (unsigned opcode = 0; opcode < 512; opcode++) {
        bool is_0f = opcode > 255;
        bool is_mov_cr = is_0f && (opcode & 0xfc) == 0x20; /* AMD: LOCK MOV CR0 is MOV CR8 */
        if ((is_0f || !is_prefix(opcode)) && !is_mov_cr) {
            lock_row(is_0f, opcode & 0xff);
        }
    }
}

/* -- Length and fetch
 * ------------------------------------------------------------------------------ */

static void lengths(void)
{
    uint8_t *code = (uint8_t *)PAGES + 0x5000;
    static const struct {
        const char *name;
        uint8_t prefix, count, insn[4], vector;
    } cases[] = {
        {"15-nop", 0x66, 14, {0x90, 0xcc}, INT3}, {"16-nop", 0x66, 15, {0x90, 0xcc}, 13},
        {"16-ud2", 0x66, 14, {0x0f, 0x0b}, 13},   {"15-ud2", 0x66, 13, {0x0f, 0x0b}, 6},
        {"16-lock", 0xf0, 15, {0x90}, 13},        {"15-add", 0x2e, 13, {0x01, 0xc0, 0xcc}, INT3},
        {"16-add", 0x2e, 14, {0x01, 0xc0}, 13},
    };
    for (unsigned i = 0; i < COUNT(cases); i++) {
        char name[24];
        memset(code, cases[i].prefix, cases[i].count);
        memcpy(code + cases[i].count, cases[i].insn, 4);
        Trap trap = run_user(code);
        format(name, sizeof(name), "length-%s", cases[i].name);
        check_trap(name, &trap, cases[i].vector, 0,
                   cases[i].vector == INT3 ? cases[i].count + (cases[i].insn[0] == 0x90 ? 2 : 3)
                                           : 0,
                   "silicon");
    }
    static const struct {
        const char *name;
        uint8_t insn[8], before; /* bytes of it before ABSENT */
        uint8_t vector, offset;
        word cr2;
    } fetches[] = {
        {"fetch-next-page", {0x90, 0x90}, 2, 14, 2, ABSENT},
        {"fetch-split", {0xb8, 1, 2, 3, 4}, 2, 14, 0, ABSENT},
        {"fetch-split-prefix", {0x66, 0x90}, 1, 14, 0, ABSENT},
        {"fetch-last-byte", {0xcc}, 1, INT3, 1, 0},
        {"fetch-ud", {0x0f, 0x0b}, 2, 6, 0, 0},
        {"fetch-jump", {0xeb, 0x10}, 2, 14, 18, ABSENT + 0x10},
        {"fetch-call", {0xe8, 0, 0, 0, 0}, 5, 14, 5, ABSENT},
    };
    for (unsigned i = 0; i < COUNT(fetches); i++) {
        uint8_t *at = (uint8_t *)ABSENT - fetches[i].before;
        memcpy(at, fetches[i].insn, fetches[i].before);
        Trap trap = run_user(at);
        check_trap(fetches[i].name, &trap, fetches[i].vector, fetches[i].vector == 14 ? 4 : 0,
                   fetches[i].offset, "SDM 3A 6.15 #PF");
        if (fetches[i].cr2) {
            char name[32];
            format(name, sizeof(name), "%s-cr2", fetches[i].name);
            check(name, trap.cr2, fetches[i].cr2, "SDM 3A 6.15 #PF");
        }
    }
}

/* -- Which of two exceptions
 * ------------------------------------------------------------------------ */

SNIPPET(sse_absent, "movups (%" IF64("r", "e") "bx), %xmm0");
SNIPPET(mmx_absent, "movq (%" IF64("r", "e") "bx), %mm0");
SNIPPET(x87_absent, "fldl (%" IF64("r", "e") "bx)");
SNIPPET(sse_unaligned, "movaps 1(%" IF64("r", "e") "bx), %xmm0");
SNIPPET(lgdt_absent, "lgdt (%" IF64("r", "e") "bx)");
SNIPPET(div_zero_absent, "divl (%" IF64("r", "e") "bx)");
SNIPPET(wait, "fwait");
SNIPPET(mov_cr1, ".byte 0x0f, 0x20, 0xc8");
SNIPPET(lock_x87, ".byte 0xf0, 0xd8, 0x03");
SNIPPET(lock_hlt, ".byte 0xf0, 0xf4");
SNIPPET(load_absent_segment, "mov (%" IF64("r", "e") "bx), %fs");
SNIPPET(ltr_mem, "ltr (%" IF64("r", "e") "bx)");
SNIPPET(invlpg_ring3, "invlpg (%" IF64("r", "e") "bx)");
SNIPPET(ud2_code, "ud2");

static const struct {
    const char *name;
    const uint8_t *code;
    word cr0, cr4_clear; /* CR0 bits set, CR4 bits cleared */
    uint8_t vector;
    const char *source;
} priorities[] = {
    {"sse-page", sse_absent, 0, 0, 14, "SDM 3A 6.9"},
    {"sse-ts", sse_absent, TS, 0, 7, "SDM 3A 6.9"},
    {"sse-em", sse_absent, EM, 0, 6, "SDM 3A 13.1"},
    {"sse-em-ts", sse_absent, EM | TS, 0, 6, "SDM 3A 13.1"},
    {"sse-osfxsr-ts", sse_absent, TS, 0x200, 6, "SDM 3A 13.1"},
    {"mmx-em-ts", mmx_absent, EM | TS, 0, 6, "SDM 3A 12.1"},
    {"mmx-ts", mmx_absent, TS, 0, 7, "SDM 3A 12.1"},
    {"x87-ts", x87_absent, TS, 0, 7, "SDM 3A 2.5"},
    {"x87-em", x87_absent, EM, 0, 7, "SDM 3A 2.5"},
    {"x87-page", x87_absent, 0, 0, 14, "SDM 3A 6.9"},
    {"wait-ts-no-mp", wait, TS, 0, 7, "SDM 3A 2.5"},
    {"sse-unaligned-page", sse_unaligned, 0, 0, 13, "silicon"},
    {"lgdt-ring-3-page", lgdt_absent, 0, 0, 13, "SDM 2A LGDT"},
    {"ltr-ring-3-page", ltr_mem, 0, 0, 13, "SDM 2A LTR"},
    {"invlpg-ring-3", invlpg_ring3, 0, 0, 13, "SDM 2A INVLPG"},
    {"div-zero-page", div_zero_absent, 0, 0, 14, "SDM 3A 6.9"},
    {"mov-cr1-ring-3", mov_cr1, 0, 0, 6, "SDM 2B MOV"},
    {"lock-x87-ts", lock_x87, TS, 0, 6, "SDM 3A 6.9"},
    {"lock-hlt-ring-3", lock_hlt, 0, 0, 6, "SDM 2A LOCK"},
    {"segment-page", load_absent_segment, 0, 0, 14, "SDM 3A 6.9"},
    {"ud2-ts-em", ud2_code, TS | EM, 0, 6, "SDM 2B UD"},
};

static void priority(void)
{
    for (unsigned i = 0; i < COUNT(priorities); i++) {
        word cr0 = read_cr0(), cr4 = read_cr4();
        char name[48];
        write_cr4((cr4 | 0x600) & ~priorities[i].cr4_clear);
        write_cr0(cr0 | priorities[i].cr0);
        Regs in = user(priorities[i].code);
        in.bx = ABSENT;
        Trap trap = run(&in);
        write_cr0(cr0);
        write_cr4(cr4 | 0x600);
        format(name, sizeof(name), "priority-%s", priorities[i].name);
        check(name, trap.vector << 8 | trap.offset, (unsigned)priorities[i].vector << 8,
              priorities[i].source);
    }
}

/* -- Double faults
 * ------------------------------------------------------------------------------------ */

SNIPPET(cause_de, "xorl %ecx, %ecx; divl %ecx");
SNIPPET(cause_ud, "ud2");
SNIPPET(cause_gp, "hlt");
SNIPPET(cause_np, "movw $0x153, %ax; movw %ax, %fs");
SNIPPET(cause_ss, "movw $0x153, %ax; movw %ax, %ss");
SNIPPET(cause_pf, "movl 0x401000, %eax");
SNIPPET(cause_bp, "int3");
SNIPPET(cause_db, ".byte 0xf1");
SNIPPET(cause_int, "int $0x30");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t vector;
    uint8_t doubles; /* bit 0: with #NP and #GP, bit 1: with #PF */
} causes[] = {
    {"de", cause_de, 0, 1},  {"ud", cause_ud, 6, 0},  {"gp", cause_gp, 13, 1},
    {"np", cause_np, 11, 1}, {"ss", cause_ss, 12, 1}, {"pf", cause_pf, 14, 3},
    {"bp", cause_bp, 3, 0},  {"db", cause_db, 1, 0},  {"int", cause_int, 0x30, 0},
};

static void double_faults(void)
{
    static const char *const seconds[] = {"np", "gp", "pf"};
    char name[32];
    gdt[SEL_TEST / 8] = 0x00cf73000000ffff;
    for (unsigned i = 0; i < COUNT(causes) * 3; i++) {
        unsigned second = i % 3, vector = causes[i / 3].vector;
        Gate saved = idt[vector];
        if (second == 0) {
            idt[vector].low &= ~(UINT64_C(0x80) << 40);
        } else if (second == 1) {
            idt[vector].low &= ~(UINT64_C(0x1f) << 40);
        } else { /* its stack or its table */
            memcpy((void *)(PAGES + 0x7000), idt, sizeof(idt));
        }
        struct {
            uint16_t limit;
            word base;
        } __attribute__((packed)) pointer = {sizeof(idt) - 1, (word)idt};
        if (second == 2) {
            /* the entry of `vector` in an absent page, those of #DF and #PF not: only where the
             * vectors allow it */
            unsigned size = sizeof(Gate);
            if (vector == 14 || vector == 0x30 || vector < 9) {
                uint8_t *base = (uint8_t *)PAGES + 0x8000;
                if (vector == 0x30) { /* absent from 20h on */
                    base = (uint8_t *)PAGES + 0x9000 - 0x20 * size;
                    memcpy(base, idt, 0x20 * size);
                    page_set(PAGES + 0x9000, 0);
                } else if (vector < 8) { /* absent up to 7 */
                    base = (uint8_t *)PAGES + 0xa000 - 8 * size;
                    memcpy((void *)(PAGES + 0xa000), &idt[8], sizeof(idt) - 8 * size);
                    page_set(PAGES + 0x9000, 0);
                } else { /* #PF's own: absent from 9 on */
                    base = (uint8_t *)PAGES + 0x9000 - 9 * size;
                    memcpy(base, idt, 9 * size);
                    page_set(PAGES + 0x9000, 0);
                }
                pointer.base = (word)base;
                __asm__ volatile("lidt %0" : : "m"(pointer));
            } else {
                idt[vector] = saved;
                continue;
            }
        }
        Trap trap = run_user(causes[i / 3].code);
        pointer.base = (word)idt;
        __asm__ volatile("lidt %0" : : "m"(pointer));
        page_set(PAGES + 0x9000, 7);
        idt[vector] = saved;
        bool doubles = causes[i / 3].doubles & (second == 2 ? 2 : 1);
        static const uint8_t vectors[] = {11, 13, 14};
        unsigned error = vector * 8 + 2 + (vector != 0x30 && vector != 3);
        format(name, sizeof(name), "double-%s-%s", causes[i / 3].name, seconds[second]);
        check(name, trap.vector << 16 | trap.error,
              doubles       ? 8 << 16
              : second == 2 ? 14 << 16
                            : (unsigned)vectors[second] << 16 | error,
              "SDM 3A 6.15 #DF");
    }
}

int main(void);
int main(void)
{
    paging_on();
    write_cr4(read_cr4() | 0x600);
    __asm__ volatile("fninit");
    restartable();
    repeated();
    lengths();
    priority();
    double_faults();
    locks();
    return 0;
}
