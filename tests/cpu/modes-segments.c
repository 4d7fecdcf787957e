/* SPDX-License-Identifier: MIT */
/* Segments: loads, limits, types, and the instructions that ask about descriptors. */
#include "cpu-test.h"

#define SEL_TEST SEL_FREE
#define TI 4
#define PASS 3 /* each snippet ends in INT3 */

enum { BASE = 0x400000, G = 8, DB = 4 };

static void set(unsigned selector, uint64_t value)
{
    gdt[selector / 8] = value;
}

#define SNIPPET(name, code)                                                                        \
    extern const uint8_t name[];                                                                   \
    __asm__(".text\n" #name ": " code "\n int3\n")

static Regs regs_of_ring(const void *code, unsigned ring)
{
    return (Regs){.ip = (word)code,
                  .cs = ring ? SEL_USER : SEL_CODE,
                  .ss = ring ? SEL_USER_DATA : SEL_DATA,
                  .sp = user_stack_top(),
                  .flags = 2};
}

/* -- Loads and queries of every descriptor type ------------------------------------------------ */

/*
 * One result for each instruction, CPL, type (with S as bit 4) and P: a nibble for each DPL and RPL
 * (nibble number 4 * DPL + RPL): 0 done, 1 #GP(selector), 2 #NP(selector), 3 #SS(selector), f
 * anything else; of queries: 0 ZF clear, 1 ZF set.
 */
SNIPPET(load_ds, "mov %ax, %ds");
SNIPPET(load_es_far, "les (%ebx), %ecx");
SNIPPET(load_ss, "mov %ax, %ss");
SNIPPET(pop_fs, "push %eax; pop %fs");
SNIPPET(lss, "lss (%ebx), %esp");
SNIPPET(lar, "lar %ax, %ecx");
SNIPPET(lsl, "lsl %ax, %ecx");
SNIPPET(verr, "verr %ax");
SNIPPET(verw, "verw %ax");

enum { DATA_LOAD, STACK_LOAD, LAR, LSL, VERR, VERW };

typedef struct Row {
    const char *name;
    const uint8_t *code;
    unsigned kind;
    const char *source;
} Row;

static const Row rows[] = {
    {"mov-ds", load_ds, DATA_LOAD, "SDM 2B MOV"},
    {"les", load_es_far, DATA_LOAD, "SDM 2A LES"},
    {"pop-fs", pop_fs, DATA_LOAD, "SDM 2B POP"},
    {"mov-ss", load_ss, STACK_LOAD, "SDM 2B MOV"},
    {"lss", lss, STACK_LOAD, "SDM 2A LSS"},
    {"lar", lar, LAR, "SDM 2A LAR"},
    {"lsl", lsl, LSL, "SDM 2A LSL"},
    {"verr", verr, VERR, "SDM 2B VERR"},
    {"verw", verw, VERW, "SDM 2B VERW"},
};

static bool system_type_is_known(unsigned type, bool is_lsl)
{
    unsigned lar_types = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 9 | 1 << 11 | 1 << 12;
    unsigned lsl_types = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 11;
    return (is_lsl ? lsl_types : lar_types) >> type & 1;
}

static unsigned expected(unsigned kind, unsigned type, unsigned dpl, unsigned rpl, unsigned cpl,
                         bool present)
{
    bool is_system = !(type & 16), is_code = !is_system && type & 8;
    bool conforming = is_code && type & 4;
    bool readable = !is_system && (!is_code || type & 2);
    bool writable = !is_system && !is_code && type & 2;
    bool privileged = conforming || (cpl <= dpl && rpl <= dpl);
    switch (kind) {
    case DATA_LOAD:
        return !readable || !privileged ? 1 : present ? 0 : 2;
    case STACK_LOAD:
        return rpl != cpl || dpl != cpl || !writable ? 1 : present ? 0 : 3;
    case LAR:
    case LSL:
        return privileged && (!is_system || system_type_is_known(type, kind == LSL));
    case VERR:
        return readable && privileged;
    default:
        return writable && privileged;
    }
}

static unsigned outcome(const Trap *trap, unsigned kind, unsigned selector)
{
    if (trap->vector == PASS) {
        return kind >= LAR ? trap->regs.flags >> 6 & 1 : 0;
    }
    unsigned known = trap->vector == 13 ? 1 : trap->vector == 11 ? 2 : trap->vector == 12 ? 3 : 0xf;
    return trap->error == (selector & ~3u) ? known : 0xf;
}

static void sweep(const Row *row, unsigned cpl, unsigned type, bool present)
{
    uint64_t got = 0, want = 0;
    for (unsigned i = 0; i < 16; i++) {
        unsigned dpl = i >> 2, rpl = i & 3, selector = SEL_TEST + rpl;
        /* flat; expand-down ones from 1000h on */
        uint32_t limit = (type & 0x1c) == 0x14 ? 0 : 0xfffff;
        set(SEL_TEST, descriptor(0, limit, (uint8_t)(present << 7 | dpl << 5 | type), G | DB));
        struct {
            uint32_t offset;
            uint16_t selector;
        } pointer = {user_stack_top(), (uint16_t)selector};
        Regs in = regs_of_ring(row->code, cpl);
        in.ax = selector;
        in.bx = (word)&pointer;
        Trap trap = run(&in);
        got |= (uint64_t)outcome(&trap, row->kind, selector) << 4 * i;
        want |= (uint64_t)expected(row->kind, type, dpl, rpl, cpl, present) << 4 * i;
    }
    char name[48];
    format(name, sizeof(name), "%s-cpl%u-type%02x%s", row->name, cpl, type,
           present ? "" : "-absent");
    check(name, got, want, row->source);
}

static void sweep_all(void)
{
    for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        for (unsigned n = 0; n < 128; n++) {
            sweep(&rows[i], n & 64 ? 3 : 0, n >> 1 & 31, n & 1);
        }
    }
}

/* -- What the queries return, and the accessed bit --------------------------------------------- */

static void query_values(void)
{
    word value = 0x55555555;
    set(SEL_TEST, descriptor(0x12345678, 0x54321, 0xf2, 0xf));
    __asm__ volatile("lar %1, %0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lar-value", value, 0xf5f200, "silicon");
    __asm__ volatile("lsl %1, %0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lsl-granular", value, 0x54321fff, "SDM 2A LSL");
    set(SEL_TEST, descriptor(0x12345678, 0x54321, 0x82, 5));
    __asm__ volatile("lar %1, %0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lar-ldt-value", value, 0x558200, "silicon");
    __asm__ volatile("lsl %1, %0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lsl-bytes", value, 0x54321, "SDM 2A LSL");
    value = 0x55555555;
    __asm__ volatile("lsl %w1, %w0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lsl-16", value, 0x55554321, "SDM 2A LSL");
    value = 0x55555555;
    __asm__ volatile("lar %w1, %w0" : "+r"(value) : "r"(SEL_TEST) : "cc");
    check("lar-16", value, 0x55558200, "SDM 2A LAR");
    value = 0x55555555;
    __asm__ volatile("lar %1, %0" : "+r"(value) : "r"(0) : "cc");
    check("lar-null-leaves", value, 0x55555555, "SDM 2A LAR");
    __asm__ volatile("lar %1, %0" : "+r"(value) : "r"(0xfff8) : "cc");
    check("lar-outside-leaves", value, 0x55555555, "SDM 2A LAR");

    static const struct {
        const char *name;
        uint8_t type;
        bool sets;
    } loads[] = {{"accessed-data", 0xf2, true},
                 {"accessed-code", 0xfa, true},
                 {"accessed-already", 0xf3, true}};
    for (unsigned i = 0; i < 3; i++) {
        set(SEL_TEST, descriptor(0, 0xfffff, loads[i].type, G | DB));
        __asm__ volatile("mov %0, %%fs; mov %1, %%fs" : : "r"(SEL_TEST), "r"(SEL_DATA) : "memory");
        check(loads[i].name, gdt[SEL_TEST / 8] >> 40 & 0xff, loads[i].type | loads[i].sets,
              "SDM 3A 3.4.5.1");
    }
    set(SEL_TEST, descriptor(0, 0xfffff, 0xf2, G | DB));
    __asm__ volatile("lar %0, %%ecx; lsl %0, %%ecx; verr %w0; verw %w0"
                     :
                     : "r"(SEL_TEST)
                     : "ecx", "memory");
    check("accessed-not-by-queries", gdt[SEL_TEST / 8] >> 40 & 0xff, 0xf2, "SDM 3A 3.4.5.1");
    set(SEL_TEST, descriptor(0, 0xfffff, 0x72, G | DB));
    CATCH("mov %0, %%fs", : "r"(SEL_TEST));
    check("accessed-not-at-fault", gdt[SEL_TEST / 8] >> 40 & 0xff, 0x72, "SDM 3A 3.4.5.1");
}

static void arpl(void)
{
    for (unsigned i = 0; i < 16; i++) {
        uint32_t target = 0xabcd0100 | (i >> 2), flags;
        __asm__ volatile("arpl %w2, %w0; pushf; pop %1"
                         : "+r"(target), "=r"(flags)
                         : "r"(0x40 | (i & 3))
                         : "cc");
        bool raises = i >> 2 < (i & 3);
        char name[24];
        format(name, sizeof(name), "arpl-%u-%u", i >> 2, i & 3);
        check(name, (uint64_t)target << 1 | (flags >> 6 & 1),
              (uint64_t)(0xabcd0100 | (raises ? i & 3 : i >> 2)) << 1 | raises, "SDM 2A ARPL");
    }
}

/* -- Null selectors, tables' ends, LDT --------------------------------------------------------- */

SNIPPET(read_fs, "movl %fs:(%ebx), %eax");
SNIPPET(write_fs, "movl %eax, %fs:(%ebx)");
SNIPPET(load_fs, "mov %ax, %fs");

static uint64_t ldt[4];

static void selectors(void)
{
    for (unsigned rpl = 0; rpl < 4; rpl++) {
        char name[32];
        Regs in = regs_of_ring(read_fs, 3);
        in.fs = rpl;
        in.bx = 0x100;
        Trap trap;
        if (rpl) { /* 0 stands for the flat one */
            trap = run(&in);
            format(name, sizeof(name), "null-%u-read", rpl);
            check_trap(name, &trap, 13, 0, 0, "SDM 3A 5.4.1");
        }
        in = regs_of_ring(load_ds, 0);
        in.ax = rpl;
        trap = run(&in);
        format(name, sizeof(name), "null-%u-load", rpl);
        check(name, trap.vector, PASS, "SDM 2B MOV");
        in = regs_of_ring(load_ss, 0);
        in.ax = rpl;
        trap = run(&in);
        format(name, sizeof(name), "null-%u-ss", rpl);
        check_trap(name, &trap, 13, 0, 0, "SDM 2B MOV");
    }
    static const uint8_t mov_cs[] = {0x8e, 0xc8}, mov_seg6[] = {0x8e, 0xf0}, from7[] = {0x8c, 0xf8};
    Trap trap = run_user(mov_cs);
    check_trap("mov-to-cs", &trap, 6, 0, 0, "SDM 2B MOV");
    trap = run_user(mov_seg6);
    check_trap("mov-to-segment-6", &trap, 6, 0, 0, "SDM 2B MOV");
    trap = run_user(from7);
    check_trap("mov-from-segment-7", &trap, 6, 0, 0, "SDM 2B MOV");
    CATCH("mov %0, %%fs", : "r"(GDT_ENTRIES * 8 + 3));
    check_trap("gdt-end", &caught, 13, GDT_ENTRIES * 8, 0, "SDM 3A 6.13");
    CATCH("mov %0, %%fs", : "r"(TI | 1));
    check_trap("ldt-null", &caught, 13, TI, 0, "SDM 3A 2.4.2");

    ldt[1] = descriptor(BASE, 0xfff, 0xf2, DB);
    set(SEL_TEST, descriptor((word)ldt, 15, 0x82, 0));
    CATCH("lldt %w0", : "r"(SEL_TEST));
    check("lldt", caught.vector, NO_TRAP, "SDM 2A LLDT");
    *(uint32_t *)(BASE + 4) = 0x1234567;
    uint32_t value = 0;
    CATCH("mov %1, %%fs; movl %%fs:4, %0; mov %2, %%fs", "=r"(value)
          : "r"(8 | TI | 3), "r"(SEL_DATA));
    check("ldt-read", value, 0x1234567, "SDM 3A 3.5.1");
    CATCH("mov %0, %%fs", : "r"(16 | TI));
    check_trap("ldt-end", &caught, 13, 16 | TI, 0, "SDM 3A 6.13");
    /* the first entry of an LDT is usable: only GDT selectors 0-3 are null */
    ldt[0] = descriptor(0, 0xfffff, 0xf2, G | DB);
    CATCH("mov %0, %%fs; mov %1, %%fs", : "r"(TI), "r"(SEL_DATA));
    check("ldt-first", caught.vector, NO_TRAP, "SDM 3A 3.4.2");
    word selector = 0;
    __asm__ volatile("sldt %0" : "=r"(selector));
    check("sldt", selector & 0xffff, SEL_TEST, "SDM 2B SLDT");

    static const struct {
        const char *name;
        uint16_t selector;
        uint64_t value;
        uint8_t vector;
        uint16_t error;
    } loads[] = {
        {"lldt-data", SEL_TEST, 0xcf93000000ffff, 13, SEL_TEST},
        {"lldt-tss", SEL_TEST, 0x890000000068, 13, SEL_TEST},
        {"lldt-absent", SEL_TEST, 0x020000000068, 11, SEL_TEST},
        {"lldt-in-ldt", SEL_TEST | TI, 0x820000000068, 13, SEL_TEST | TI},
        {"lldt-outside", 0x7ff8, 0, 13, 0x7ff8},
        {"lldt-null", 0, 0, NO_TRAP, 0},
        {"lldt-null-3", 3, 0, NO_TRAP, 0},
    };
    for (unsigned i = 0; i < sizeof(loads) / sizeof(*loads); i++) {
        set(SEL_TEST, loads[i].value);
        CATCH("lldt %w0", : "r"(loads[i].selector));
        check_trap(loads[i].name, &caught, loads[i].vector, loads[i].error, 0, "SDM 2A LLDT");
    }
    static const struct {
        const char *name;
        uint16_t selector;
        uint64_t value;
        uint8_t vector;
        uint16_t error;
    } tasks[] = {
        {"ltr-data", SEL_TEST, 0xcf93000000ffff, 13, SEL_TEST},
        {"ltr-busy", SEL_TEST, 0x8b0000000068, 13, SEL_TEST},
        {"ltr-busy-16", SEL_TEST, 0x830000000068, 13, SEL_TEST},
        {"ltr-absent", SEL_TEST, 0x090000000068, 11, SEL_TEST},
        {"ltr-in-ldt", SEL_TEST | TI, 0, 13, SEL_TEST | TI},
        {"ltr-null", 0, 0, 13, 0},
        {"ltr-null-2", 2, 0, 13, 0},
    };
    for (unsigned i = 0; i < sizeof(tasks) / sizeof(*tasks); i++) {
        set(SEL_TEST, tasks[i].value);
        CATCH("ltr %w0", : "r"(tasks[i].selector));
        check_trap(tasks[i].name, &caught, tasks[i].vector, tasks[i].error, 0, "SDM 2A LTR");
    }
    check("ltr-fault-not-busy", gdt[SEL_TEST / 8] >> 40 & 0xff, 0, "SDM 2A LTR");
    gdt[SEL_TSS / 8] &= ~(UINT64_C(2) << 40);
    CATCH("ltr %w0", : "r"(SEL_TSS));
    check("ltr-makes-busy", gdt[SEL_TSS / 8] >> 40 & 0xff, 0x8b, "SDM 2A LTR");
}

/* -- Limits ------------------------------------------------------------------------------------ */

SNIPPET(read_1, "movb %fs:(%ebx), %al");
SNIPPET(read_2, "movw %fs:(%ebx), %ax");
SNIPPET(read_4, "movl %fs:(%ebx), %eax");
SNIPPET(read_8, "fs fildll (%ebx)");
SNIPPET(read_10, "fs fldt (%ebx)");
SNIPPET(read_16, "movups %fs:(%ebx), %xmm0");
SNIPPET(write_1, "movb %al, %fs:(%ebx)");
SNIPPET(write_2, "movw %ax, %fs:(%ebx)");
SNIPPET(write_4, "movl %eax, %fs:(%ebx)");
SNIPPET(write_8, "movq %mm0, %fs:(%ebx)");
SNIPPET(write_16, "movups %xmm0, %fs:(%ebx)");
SNIPPET(write_28, "fs fnstenv (%ebx)");
SNIPPET(write_108, "fs fnsave (%ebx)");
SNIPPET(write_512, "andl $-16, %ebx; fs fxsave (%ebx)");
SNIPPET(rmw_4, "addl $0, %fs:(%ebx)");
SNIPPET(rmw_8, "lock cmpxchg8b %fs:(%ebx)");
SNIPPET(xchg_2, "xchgw %fs:(%ebx), %ax");
SNIPPET(bt_4, "btl $3, %fs:(%ebx)");
SNIPPET(movs_from, "movl %ebx, %esi; movl $0x400000, %edi; fs movsl");
SNIPPET(far_pointer, "fs lgs (%ebx), %edx");
SNIPPET(call_through, "fs call *(%ebx)");

typedef struct Access {
    const char *name;
    const uint8_t *code;
    uint16_t size;
    bool writes;
    uint8_t at; /* offset of the instruction that accesses */
} Access;

static const Access accesses[] = {
    {"read-1", read_1, 1, false, 0},     {"read-2", read_2, 2, false, 0},
    {"read-4", read_4, 4, false, 0},     {"read-8", read_8, 8, false, 0},
    {"read-10", read_10, 10, false, 0},  {"read-16", read_16, 16, false, 0},
    {"write-1", write_1, 1, true, 0},    {"write-2", write_2, 2, true, 0},
    {"write-4", write_4, 4, true, 0},    {"write-8", write_8, 8, true, 0},
    {"write-16", write_16, 16, true, 0}, {"fnstenv", write_28, 28, true, 0},
    {"fnsave", write_108, 108, true, 0}, {"fxsave", write_512, 512, true, 3},
    {"add-4", rmw_4, 4, true, 0},        {"cmpxchg8b", rmw_8, 8, true, 0},
    {"xchg-2", xchg_2, 2, true, 0},      {"bt-4", bt_4, 4, false, 0},
    {"movs", movs_from, 4, false, 7},    {"lgs", far_pointer, 6, false, 0},
};

typedef struct Kind {
    const char *name;
    uint64_t descriptor;
    uint32_t first, last; /* valid offsets */
    bool readable, writable;
} Kind;

#define SEGMENT(limit, access, size)                                                               \
    (((limit)&0xffffull) | (uint64_t)(BASE & 0xffffff) << 16 | (uint64_t)(access) << 40 |          \
     (uint64_t)((limit) >> 16 & 0xf) << 48 | (uint64_t)(size) << 52 |                              \
     (uint64_t)(BASE >> 24) << 56)

static const Kind kinds[] = {
    {"up", SEGMENT(0x1fff, 0xf3, DB), 0, 0x1fff, true, true},
    {"up-odd", SEGMENT(0x2345, 0xf3, DB), 0, 0x2345, true, true},
    {"up-pages", SEGMENT(3, 0xf3, G | DB), 0, 0x3fff, true, true},
    {"up-16", SEGMENT(0xffff, 0xf3, 0), 0, 0xffff, true, true},
    {"read-only", SEGMENT(0x1fff, 0xf1, DB), 0, 0x1fff, true, false},
    {"code", SEGMENT(0x1fff, 0xfb, DB), 0, 0x1fff, true, false},
    {"conforming", SEGMENT(0x1fff, 0x9f, DB), 0, 0x1fff, true, false},
    {"down-16", SEGMENT(0x1fff, 0xf7, 0), 0x2000, 0xffff, true, true},
    {"down-pages", SEGMENT(3, 0xf7, G), 0x4000, 0xffff, true, true},
    {"down-read", SEGMENT(0x1fff, 0xf5, 0), 0x2000, 0xffff, true, false},
    {"down-32", SEGMENT(0x1fff, 0xf7, DB), 0x2000, 0, true, true},
};

static void limit_case(const Kind *kind, const Access *access, const char *where, uint32_t offset,
                       bool passes)
{
    char name[64];
    Regs in = regs_of_ring(access->code, 3);
    in.fs = SEL_TEST | 3;
    in.bx = offset;
    in.es = SEL_USER_DATA;
    memset((void *)(BASE + offset), 0, access->size);
    __asm__ volatile("fninit");
    Trap trap = run(&in);
    format(name, sizeof(name), "%s-%s-%s", kind->name, access->name, where);
    if (passes && (access->writes ? kind->writable : kind->readable)) {
        check(name, trap.vector, PASS, "SDM 3A 5.3");
    } else {
        check_trap(name, &trap, 13, 0, access->at, access->writes ? "SDM 3A 5.5" : "SDM 3A 5.3");
    }
}

static void limits(void)
{
    write_cr4(read_cr4() | 0x600);
    set(SEL_TEST, descriptor(0, 0xfffff, 0xf3, G | DB));
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
        const Kind *kind = &kinds[i];
        set(SEL_TEST, kind->descriptor);
        for (unsigned j = 0; j < sizeof(accesses) / sizeof(*accesses); j++) {
            const Access *access = &accesses[j];
            if (access->size == 512 && kind->last % 16 != 15 && kind->last) {
                continue; /* fxsave wants 16-byte alignment */
            }
            if (kind->last) {
                uint32_t last = kind->last + 1 - access->size;
                uint32_t step = access->size == 512 ? 16 : 1;
                limit_case(kind, access, "end", last, true);
                limit_case(kind, access, "over", last + step, false);
                limit_case(kind, access, "beyond", kind->last + step, false);
            }
            if (kind->first) {
                limit_case(kind, access, "start", kind->first, true);
                limit_case(kind, access, "under", kind->first - (access->size == 512 ? 16 : 1),
                           false);
            }
        }
    }
    set(SEL_TEST, kinds[0].descriptor);
    Regs in = regs_of_ring(call_through, 3);
    in.fs = SEL_TEST | 3;
    in.bx = 0x1ffd;
    Trap trap = run(&in);
    check_trap("call-through-over", &trap, 13, 0, 0, "SDM 2A CALL");
    check("call-through-over-sp", trap.regs.sp, user_stack_top(), "SDM 3A 6.6");
}

/* -- Stack segments
 * -------------------------------------------------------------------------------- */

SNIPPET(push_4, "push %eax");
SNIPPET(push_2, "push %ax");
SNIPPET(pop_4, "pop %eax");
SNIPPET(pop_2, "pop %ax");
SNIPPET(pusha_4, "pushal");
SNIPPET(pusha_2, "pushaw");
SNIPPET(popa_4, "popal");
SNIPPET(pushf_4, "pushfl");
SNIPPET(call_4, "call 1f; 1:");
SNIPPET(ret_4, "ret");
SNIPPET(enter_0, "enter $0x10, $0");
SNIPPET(enter_3, "enter $0, $3");
SNIPPET(leave_4, "leave");
SNIPPET(ss_read, "movl %ss:(%ebp), %eax");
SNIPPET(bp_read, "movl (%ebp), %eax");
SNIPPET(sp_read, "movl (%esp), %eax");
SNIPPET(lret_4, "lret");

static const struct {
    const char *name;
    const uint8_t *code;
    uint8_t down, up; /* bytes touched below and from the stack pointer on */
} stack_ops[] = {
    {"push-4", push_4, 4, 0},   {"push-2", push_2, 2, 0},    {"pop-4", pop_4, 0, 4},
    {"pop-2", pop_2, 0, 2},     {"pusha-4", pusha_4, 32, 0}, {"pusha-2", pusha_2, 16, 0},
    {"popa-4", popa_4, 0, 32},  {"pushf", pushf_4, 4, 0},    {"call", call_4, 4, 0},
    {"enter", enter_0, 20, 0},  {"leave", leave_4, 0, 4},    {"ss-read", ss_read, 0, 4},
    {"bp-read", bp_read, 0, 4}, {"sp-read", sp_read, 0, 4},
};

static void stack_case(unsigned i, const char *kind, const char *where, uint32_t sp, bool passes)
{
    char name[48];
    Regs in = regs_of_ring(stack_ops[i].code, 3);
    in.ss = SEL_TEST | 3;
    in.sp = in.bp = sp;
    in.bx = 0x1234;
    Trap trap = run(&in);
    format(name, sizeof(name), "ss-%s-%s-%s", kind, stack_ops[i].name, where);
    if (passes) {
        check(name, trap.vector, PASS, "SDM 3A 6.15 #SS");
        return;
    }
    check_trap(name, &trap, 12, 0, 0, "SDM 3A 6.15 #SS");
    format(name, sizeof(name), "ss-%s-%s-%s-registers", kind, stack_ops[i].name, where);
    /* POPA keeps what it has read, as the silicon does */
    bool same = stack_ops[i].code == popa_4 || (trap.regs.bp == sp && trap.regs.bx == 0x1234);
    check(name, trap.regs.sp == sp && same, true, "SDM 3A 6.6");
}

static void stacks(void)
{
    for (unsigned i = 0; i < sizeof(stack_ops) / sizeof(*stack_ops); i++) {
        unsigned down = stack_ops[i].down, up = stack_ops[i].up;
        set(SEL_TEST, descriptor(BASE, 0xfff, 0xf3, DB));
        stack_case(i, "up", "end", down ? 0x1000 : 0x1000 - up, true);
        stack_case(i, "up", "over", down ? 0x1001 : 0x1001 - up, false);
        if (down) {
            stack_case(i, "up", "bottom", down, true);
            stack_case(i, "up", "under", down - 1, false);
        }
        set(SEL_TEST, descriptor(BASE, 0xfff, 0xf7, DB));
        stack_case(i, "down", "start", 0x1000 + down, true);
        stack_case(i, "down", "under", 0xfff + down, false);
    }
    /* a 16-bit stack pointer wraps and leaves the upper half of ESP alone */
    set(SEL_TEST, descriptor(BASE, 0xffff, 0xf3, 0));
    Regs in = regs_of_ring(push_4, 3);
    in.ss = SEL_TEST | 3;
    in.sp = 0x12340000;
    in.ax = 0x89abcdef;
    Trap trap = run(&in);
    check_trap("ss-16-wrap", &trap, 3, 0, 2, "SDM 1 6.2.3");
    check("ss-16-wrap-value", *(uint32_t *)(BASE + 0xfffc), 0x89abcdef, "SDM 1 6.2.3");
    check("ss-16-wrap-sp", trap.regs.sp & 0xffff, 0xfffc, "SDM 1 6.2.3");
    in.sp = 2;
    trap = run(&in);
    check_trap("ss-16-split", &trap, 12, 0, 0, "SDM 3A 6.15 #SS");
    in.ip = (word)enter_3; /* reads display at BP - 4, BP - 8 */
    set(SEL_TEST, descriptor(BASE, 0xfff, 0xf3, DB));
    in.sp = 0x800, in.bp = 4;
    trap = run(&in);
    check_trap("ss-enter-display", &trap, 12, 0, 0, "SDM 2A ENTER");
    check("ss-enter-display-registers", trap.regs.sp == 0x800 && trap.regs.bp == 4, true,
          "SDM 3A 6.6");
    in.ip = (word)lret_4;
    in.sp = 0xffc;
    trap = run(&in);
    check_trap("ss-lret-over", &trap, 12, 0, 0, "SDM 2B RET");
    /* read-only data seen through DS is not through SS: only writable segments get there */
    in = regs_of_ring(read_fs, 3);
    set(SEL_TEST, descriptor(BASE, 0xfff, 0xf9, DB)); /* execute-only */
    in.ip = (word)load_fs;
    in.ax = SEL_TEST | 3;
    trap = run(&in);
    check_trap("execute-only-load", &trap, 13, SEL_TEST, 0, "SDM 3A 5.5");
    static const uint8_t read_cs[] = {0x2e, 0xa1, 0, 0, 0, 0, 0xcc};
    static const uint8_t write_cs[] = {0x2e, 0xa3, 0, 0, 0, 0, 0xcc};
    memcpy((void *)BASE, read_cs, sizeof(read_cs));
    in = (Regs){.cs = SEL_TEST | 3, .ss = SEL_USER_DATA, .sp = user_stack_top(), .flags = 2};
    trap = run(&in);
    check_trap("execute-only-read", &trap, 13, 0, 0, "SDM 3A 5.5");
    set(SEL_TEST, descriptor(BASE, 0xfff, 0xfb, DB));
    trap = run(&in);
    check_trap("code-read", &trap, 3, 0, 7, "SDM 3A 5.5");
    memcpy((void *)BASE, write_cs, sizeof(write_cs));
    trap = run(&in);
    check_trap("code-write", &trap, 13, 0, 0, "SDM 3A 5.5");
}

/* -- The code segment
 * ------------------------------------------------------------------------------- */

/* Code at the segment's start, what goes before it at an offset, and where the trap should be. */
static const struct {
    const char *name;
    uint8_t at; /* where it starts: the limit is 0fh */
    uint8_t code[8];
    uint8_t vector, offset;
    bool is_16bit;
} code_cases[] = {
    {"cs-runs-off", 0x0e, {0x90, 0x90}, 13, 0x10, false},
    {"cs-last-byte", 0x0f, {0xcc}, 3, 0x10, false},
    {"cs-straddles", 0x0d, {0xb8, 1, 2, 3, 4}, 13, 0x0d, false},
    {"cs-fits", 0x0a, {0xb8, 1, 2, 3, 4, 0xcc}, 3, 0x10, false},
    {"cs-jump-short", 0, {0xeb, 0x0e}, 13, 0, false},
    {"cs-jump-last", 0, {0xeb, 0x0d, 0xcc}, 3, 0x10, false},
    {"cs-jump-near", 0, {0xe9, 0x0b, 0, 0, 0}, 13, 0, false},
    {"cs-jump-back", 0, {0xeb, 0xf0}, 13, 0, false},
    {"cs-jcc", 0, {0x75, 0x0e}, 13, 0, false},
    {"cs-jcc-not-taken", 0, {0x74, 0x0e, 0xcc}, 3, 3, false},
    {"cs-loop", 0, {0xe2, 0x0e}, 13, 0, false},
    {"cs-call", 0, {0xe8, 0x0b, 0, 0, 0}, 13, 0, false},
    {"cs-jump-register", 0, {0xff, 0xe0}, 13, 0, false},
    {"cs-call-register", 0, {0xff, 0xd0}, 13, 0, false},
    {"cs-ret", 0, {0x50, 0xc3}, 13, 1, false},
    {"cs-jump-16", 0, {0x66, 0xe9, 0x0c, 0}, 13, 0, false},
    {"cs-jump-16-wraps", 0, {0x66, 0xe9, 0xfb, 0xff}, 13, 0, false},
    {"cs16-runs-off", 0x0f, {0x90}, 13, 0x10, true},
    {"cs16-jump-back", 0, {0xeb, 0xf0}, 13, 0, true},
    {"cs16-jump", 0, {0xe9, 0x0d, 0}, 13, 0, true},
};

static void code_limit(void)
{
    for (unsigned i = 0; i < sizeof(code_cases) / sizeof(*code_cases); i++) {
        memset((void *)BASE, 0xcc, 64);
        memcpy((void *)(BASE + code_cases[i].at), code_cases[i].code, 8);
        if (code_cases[i].offset == 0x10) {
            *(uint8_t *)(BASE + 0x10) = 0x90; /* must not be reached */
        }
        set(SEL_TEST, descriptor(BASE, 0xf, 0xfb, code_cases[i].is_16bit ? 0 : DB));
        Regs in = {.ip = code_cases[i].at,
                   .cs = SEL_TEST | 3,
                   .ss = SEL_USER_DATA,
                   .sp = user_stack_top(),
                   .ax = 0x10,
                   .cx = 5,
                   .flags = 2};
        Trap trap = run(&in);
        check_trap(code_cases[i].name, &trap, code_cases[i].vector, 0,
                   code_cases[i].offset - (word)code_cases[i].at, "SDM 3A 5.3");
        if (code_cases[i].vector == 13) {
            char name[48];
            format(name, sizeof(name), "%s-registers", code_cases[i].name);
            word moved = code_cases[i].code[0] == 0x50 ? 4 : 0;
            check(name, trap.regs.cx == 5 && trap.regs.sp == user_stack_top() - moved, true,
                  "SDM 3A 6.6");
        }
    }
    /* an IRET to an offset outside faults while still in the outer ring's caller */
    static const uint8_t ud2[] = {0x0f, 0x0b};
    memcpy((void *)(BASE + 0x10), ud2, 2);
    Regs in = {
        .ip = 0x11, .cs = SEL_TEST | 3, .ss = SEL_USER_DATA, .sp = user_stack_top(), .flags = 2};
    Trap trap = run(&in);
    check("iret-outside", trap.vector << 16 | trap.error, 13 << 16, "SDM 2A IRET");
    check("iret-outside-cs", trap.regs.cs, SEL_CODE, "SDM 2A IRET");
    /* 64 KiB of 16-bit code: IP does not wrap by itself within the limit */
    set(SEL_TEST, descriptor(BASE, 0xffff, 0xfb, 0));
    *(uint8_t *)(BASE + 0xffff) = 0x90;
    in.ip = 0xffff;
    trap = run(&in);
    check_trap("cs16-64k-runs-off", &trap, 13, 0, 1, "silicon");
}

int main(void);
int main(void)
{
    __asm__ volatile("lldt %w0" : : "r"(0));
    sweep_all();
    query_values();
    arpl();
    selectors();
    limits();
    stacks();
    code_limit();
    return 0;
}
