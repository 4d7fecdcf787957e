/* SPDX-License-Identifier: MIT */
/*
 * Strings: MOVS STOS LODS SCAS CMPS. Forward runs whose bytes lie in one page of RAM on each side
 * are one host string instruction of the same element size; everything else goes element by
 * element. Registers are consistent after each run, so a REP can be interrupted or fault anywhere.
 */
#include "accel/tcg/tcg-internal.h"
#include "accel/tcg/mutant.h"
#include "target/i386/cpu-model.h"
#include "target/i386/helpers/exceptions.h"
#include "target/i386/translate/exact.h"

#include <Zydis/Mnemonic.h>

/* Elements done between two looks at pending interrupts on the slow path. */
#define SLOW_RUN 256

typedef enum StringOp { STRING_MOVS, STRING_STOS, STRING_LODS, STRING_SCAS, STRING_CMPS } StringOp;

typedef struct String {
    StringOp op;
    unsigned size;             /* bytes of an element */
    unsigned segment;          /* of the source */
    unsigned reg_size;         /* bytes of the index registers */
    bool is_repeated, stop_on; /* stop_on: ZF value that ends a REPE/REPNE */
    bool compares;
    uint64_t flags; /* of the last comparison */
} String;

static uint64_t index_register(const X86Cpu *cpu, const String *s, unsigned reg)
{
    uint64_t value = cpu->gpr[reg];
    return s->reg_size == 2 ? (uint16_t)value : s->reg_size == 4 ? (uint32_t)value : value;
}

static void advance(X86Cpu *cpu, const String *s, unsigned reg, uint64_t elements)
{
    uint64_t step = elements * s->size;
    uint64_t from = index_register(cpu, s, reg);

    gpr_write(cpu, reg, cpu->eflags & EFLAGS_DF ? from - step : from + step, s->reg_size);
}

static String string_of(const Insn *insn)
{
    String s = {.size = insn->operand_bits / 8,
                .segment = insn->segment,
                .reg_size = insn->address_bits / 8,
                .is_repeated = insn->rep || insn->repne,
                .stop_on = insn->repne};

    switch (insn->opcode & ~1u) {
    case 0xa4:
        s.op = STRING_MOVS;
        break;
    case 0xaa:
        s.op = STRING_STOS;
        break;
    case 0xac:
        s.op = STRING_LODS;
        break;
    case 0xae:
        s.op = STRING_SCAS;
        break;
    default:
        s.op = STRING_CMPS;
        break;
    }
    s.compares = s.op == STRING_SCAS || s.op == STRING_CMPS;
    return s;
}

static void set_arithmetic_flags(X86Cpu *cpu, uint64_t flags)
{
    cpu->eflags = (cpu->eflags & ~(uint64_t)EFLAGS_ARITHMETIC) | (flags & EFLAGS_ARITHMETIC);
}

/* With Intel a REP that faults, or traps between two iterations, has the flags it began with: they
 * are written when it is done (SDM vol. 2, REP; the silicon with TF, too). AMD writes them each
 * time. */
static void note_flags(X86Cpu *cpu, String *s, uint64_t flags)
{
    s->flags = flags;
    if (cpu->model->is_amd) {
        set_arithmetic_flags(cpu, flags);
    }
}

static uint64_t compare(uint64_t left, uint64_t right, unsigned size)
{
    uint64_t flags;

    switch (size) {
    case 1:
        __asm__("cmpb %b2, %b1; pushfq; popq %0" : "=r"(flags) : "q"(left), "q"(right) : "cc");
        break;
    case 2:
        __asm__("cmpw %w2, %w1; pushfq; popq %0" : "=r"(flags) : "r"(left), "r"(right) : "cc");
        break;
    case 4:
        __asm__("cmpl %k2, %k1; pushfq; popq %0" : "=r"(flags) : "r"(left), "r"(right) : "cc");
        break;
    default:
        __asm__("cmpq %2, %1; pushfq; popq %0" : "=r"(flags) : "r"(left), "r"(right) : "cc");
        break;
    }
    return flags;
}

/* -- One element ------------------------------------------------------------------------------- */

static bool load_source(X86Cpu *cpu, const String *s, uint64_t *ret_value)
{
    uint64_t linear;

    *ret_value = 0;
    return access_linear(cpu, s->segment, index_register(cpu, s, R_RSI), s->size, ACCESS_READ,
                         &linear) &&
           access_read(cpu, linear, ret_value, s->size, ACCESS_READ);
}

static bool load_destination(X86Cpu *cpu, const String *s, uint64_t *ret_value)
{
    uint64_t linear;

    *ret_value = 0;
    return access_linear(cpu, SEG_ES, index_register(cpu, s, R_RDI), s->size, ACCESS_READ,
                         &linear) &&
           access_read(cpu, linear, ret_value, s->size, ACCESS_READ);
}

static bool store_destination(X86Cpu *cpu, const String *s, uint64_t value)
{
    uint64_t linear;

    return access_linear(cpu, SEG_ES, index_register(cpu, s, R_RDI), s->size, ACCESS_WRITE,
                         &linear) &&
           access_write(cpu, linear, &value, s->size, ACCESS_WRITE);
}

/* Which side of CMPS faults first is the maker's: ES:rDI with Intel, DS:rSI with AMD (silicon). */
static bool load_both(X86Cpu *cpu, const String *s, uint64_t *ret_source, uint64_t *ret_destination)
{
    if (cpu->model->is_amd) {
        return load_source(cpu, s, ret_source) && load_destination(cpu, s, ret_destination);
    }
    return load_destination(cpu, s, ret_destination) && load_source(cpu, s, ret_source);
}

static bool one_element(X86Cpu *cpu, String *s)
{
    uint64_t source = cpu->gpr[R_RAX], destination = 0;

    if ((s->op == STRING_MOVS || s->op == STRING_LODS) && !load_source(cpu, s, &source)) {
        return false;
    }
    if ((s->op == STRING_MOVS || s->op == STRING_STOS) && !store_destination(cpu, s, source)) {
        return false;
    }
    if (s->op == STRING_CMPS && !load_both(cpu, s, &source, &destination)) {
        return false;
    }
    if (s->op == STRING_SCAS && !load_destination(cpu, s, &destination)) {
        return false;
    }
    if (s->compares) {
        note_flags(cpu, s, compare(source, destination, s->size));
    }
    if (s->op == STRING_LODS) {
        gpr_write(cpu, R_RAX, source, s->size);
    }
    if (s->op != STRING_STOS && s->op != STRING_SCAS) {
        advance(cpu, s, R_RSI, 1);
    }
    if (s->op != STRING_LODS) {
        advance(cpu, s, R_RDI, 1);
    }
    return true;
}

/* -- A run inside of one page on each side ----------------------------------------------------- */

#define HOST_STRING(name, prefix, op)                                                              \
    static void name(unsigned size, void **di, const void **si, uint64_t *count, uint64_t rax,     \
                     uint64_t *ret_flags)                                                          \
    {                                                                                              \
        void *d = *di;                                                                             \
        const void *s = *si;                                                                       \
        uint64_t c = *count, f;                                                                    \
        switch (size) {                                                                            \
        case 1:                                                                                    \
            __asm__ volatile(prefix " " op "b; pushfq; popq %3"                                    \
                             : "+D"(d), "+S"(s), "+c"(c), "=r"(f)                                  \
                             : "a"(rax)                                                            \
                             : "memory", "cc");                                                    \
            break;                                                                                 \
        case 2:                                                                                    \
            __asm__ volatile(prefix " " op "w; pushfq; popq %3"                                    \
                             : "+D"(d), "+S"(s), "+c"(c), "=r"(f)                                  \
                             : "a"(rax)                                                            \
                             : "memory", "cc");                                                    \
            break;                                                                                 \
        case 4:                                                                                    \
            __asm__ volatile(prefix " " op "l; pushfq; popq %3"                                    \
                             : "+D"(d), "+S"(s), "+c"(c), "=r"(f)                                  \
                             : "a"(rax)                                                            \
                             : "memory", "cc");                                                    \
            break;                                                                                 \
        default:                                                                                   \
            __asm__ volatile(prefix " " op "q; pushfq; popq %3"                                    \
                             : "+D"(d), "+S"(s), "+c"(c), "=r"(f)                                  \
                             : "a"(rax)                                                            \
                             : "memory", "cc");                                                    \
            break;                                                                                 \
        }                                                                                          \
        *di = d;                                                                                   \
        *si = s;                                                                                   \
        *count = c;                                                                                \
        *ret_flags = f;                                                                            \
    }

HOST_STRING(host_movs, "rep", "movs")
HOST_STRING(host_stos, "rep", "stos")
HOST_STRING(host_repe_scas, "repe", "scas")
HOST_STRING(host_repne_scas, "repne", "scas")
HOST_STRING(host_repe_cmps, "repe", "cmps")
HOST_STRING(host_repne_cmps, "repne", "cmps")

typedef void HostString(unsigned, void **, const void **, uint64_t *, uint64_t, uint64_t *);

/* Host address of a forward run at `offset`; clips *count to its page. NULL: element by element. */
static void *run_side(X86Cpu *cpu, const String *s, unsigned segment, uint64_t offset,
                      unsigned access, uint64_t *count)
{
    uint64_t linear, room;

    if (!access_linear(cpu, segment, offset, s->size, access, &linear)) {
        return NULL;
    }
    room = (TARGET_PAGE_SIZE - (linear & (TARGET_PAGE_SIZE - 1))) / s->size;
    if (room < *count) {
        *count = room;
    }
    if (!*count ||
        !access_linear(cpu, segment, offset, (unsigned)(*count * s->size), access, &linear)) {
        return NULL;
    }
    return access_host_pointer(cpu, linear, (unsigned)(*count * s->size), access);
}

/* Does as many elements as one page allows; false: none, go element by element. */
static bool run_in_page(X86Cpu *cpu, String *s, uint64_t *count)
{
    uint64_t elements = *count, left, flags, rsi = index_register(cpu, s, R_RSI);
    uint64_t rdi = index_register(cpu, s, R_RDI), reach = UINT64_MAX;
    void *di = NULL;
    const void *si = NULL;
    HostString *host;

    if (s->reg_size < 8) { /* an index register must not wrap inside of the run */
        uint64_t last = (1ull << (8 * s->reg_size)) - 1;
        reach = (last - (rsi > rdi ? rsi : rdi)) / s->size;
    }
    elements = elements < reach ? elements : reach;
    if (MUTANT(66, cpu->eflags & EFLAGS_DF, false) || s->op == STRING_LODS || elements < 2) {
        return false;
    }
    if ((s->op == STRING_MOVS || s->op == STRING_CMPS) &&
        !(si = run_side(cpu, s, s->segment, rsi, ACCESS_READ, &elements))) {
        return false;
    }
    if (!(di =
              run_side(cpu, s, SEG_ES, rdi, s->compares ? ACCESS_READ : ACCESS_WRITE, &elements))) {
        return false;
    }
    host = s->op == STRING_MOVS   ? host_movs
           : s->op == STRING_STOS ? host_stos
           : s->op == STRING_SCAS ? (s->stop_on ? host_repne_scas : host_repe_scas)
                                  : (s->stop_on ? host_repne_cmps : host_repe_cmps);
    left = elements;
    host(s->size, &di, &si, &left, cpu->gpr[R_RAX], &flags);
    if (s->compares) {
        note_flags(cpu, s, flags);
    }
    if (si) {
        advance(cpu, s, R_RSI, elements - left);
    }
    advance(cpu, s, R_RDI, MUTANT(64, elements - left, elements));
    *count -= elements - left;
    return true;
}

/* MOVS and STOS over bytes of a page that holds code: as one write, which drops it. False: it is
 * something else. */
static bool run_over_code(X86Cpu *cpu, const String *s, uint64_t *count)
{
    uint8_t bytes[SLOW_RUN * 8];
    uint64_t elements = *count < SLOW_RUN ? *count : SLOW_RUN, linear, flags, left;
    uint64_t rsi = index_register(cpu, s, R_RSI), rdi = index_register(cpu, s, R_RDI), room;
    const void *from = NULL;
    void *to = bytes;
    uint8_t *code;

    if (cpu->eflags & EFLAGS_DF || s->reg_size < 8 ||
        (s->op != STRING_MOVS && s->op != STRING_STOS) ||
        !access_linear(cpu, SEG_ES, rdi, s->size, ACCESS_WRITE, &linear)) {
        return false;
    }
    room = (TARGET_PAGE_SIZE - (linear & (TARGET_PAGE_SIZE - 1))) / s->size;
    elements = elements < room ? elements : room;
    if (elements < 2 ||
        (s->op == STRING_MOVS &&
         !(from = run_side(cpu, s, s->segment, rsi, ACCESS_READ, &elements))) ||
        !access_linear(cpu, SEG_ES, rdi, (unsigned)(elements * s->size), ACCESS_WRITE, &linear) ||
        !(code = access_code_pointer(cpu, linear, (unsigned)(elements * s->size)))) {
        return false;
    }
    if (from &&
        (uint64_t)(code - (const uint8_t *)from) + elements * s->size < 2 * elements * s->size) {
        return false; /* what is written may be read again */
    }
    left = elements;
    (s->op == STRING_MOVS ? host_movs : host_stos)(s->size, &to, &from, &left, cpu->gpr[R_RAX],
                                                   &flags);
    if (!access_write(cpu, linear, bytes, (unsigned)(elements * s->size), ACCESS_WRITE)) {
        return false;
    }
    if (s->op == STRING_MOVS) {
        advance(cpu, s, R_RSI, elements);
    }
    advance(cpu, s, R_RDI, elements);
    *count -= elements;
    return true;
}

static bool is_ended(const String *s)
{
    return MUTANT(65, s->compares, false) && s->stop_on == !!(s->flags & EFLAGS_ZF);
}

static InsnResult end_string(X86Cpu *cpu, const String *s)
{
    if (s->compares) {
        set_arithmetic_flags(cpu, s->flags);
    }
    return INSN_NEXT;
}

/* REP with 32-bit addresses in 64-bit code: Intel's silicon clears the upper halves of RCX, and of
 * the pointers of MOVS and STOS, before anything else, also when it then does nothing or faults. */
static void clear_upper_halves(X86Cpu *cpu, const String *s)
{
    gpr_write(cpu, R_RCX, cpu->gpr[R_RCX], 4);
    if (s->op == STRING_MOVS) {
        gpr_write(cpu, R_RSI, cpu->gpr[R_RSI], 4);
    }
    if (s->op == STRING_MOVS || s->op == STRING_STOS) {
        gpr_write(cpu, R_RDI, cpu->gpr[R_RDI], 4);
    }
}

bool string_overwrites_itself(const X86Cpu *cpu, const Insn *insn)
{
    String s = string_of(insn);
    uint64_t base = cpu->mode & CPU_MODE_CS_L ? 0 : cpu->seg[SEG_ES].base;
    uint64_t code = cpu_code_linear(cpu, cpu->rip), size = index_register(cpu, &s, R_RCX) * s.size;
    uint64_t first = base + index_register(cpu, &s, R_RDI);

    if (cpu->eflags & EFLAGS_DF) {
        first += s.size - size;
    }
    return (s.op == STRING_MOVS || s.op == STRING_STOS) &&
           code + insn->length - first - 1 < size + insn->length - 1;
}

InsnResult exact_string(X86Cpu *cpu, const Insn *insn)
{
    String s = string_of(insn);
    unsigned limit = SLOW_RUN;
    uint64_t count;

    if (!s.is_repeated) {
        return one_element(cpu, &s) ? end_string(cpu, &s) : INSN_FAULT;
    }
    if (s.reg_size == 4 && cpu->mode & CPU_MODE_CS_L && !cpu->model->is_amd) {
        clear_upper_halves(cpu, &s);
    }
    count = index_register(cpu, &s, R_RCX);
    if (!count) {
        return INSN_NEXT;
    }
    if (cpu->mode & (CPU_MODE_TF | CPU_MODE_BREAKPOINTS) || /* traps come between iterations */
        (!cpu->model->is_amd && string_overwrites_itself(cpu, insn))) {
        limit = 1;
    } else if (!(cpu->mode & CPU_MODE_AC) &&
               (run_in_page(cpu, &s, &count) || run_over_code(cpu, &s, &count))) {
        gpr_write(cpu, R_RCX, count, s.reg_size);
        return !count || is_ended(&s) ? end_string(cpu, &s) : INSN_REPEAT;
    }
    for (unsigned i = 0; i < limit && count; i++) {
        if (!one_element(cpu, &s)) {
            return INSN_FAULT;
        }
        gpr_write(cpu, R_RCX, --count, s.reg_size);
        if (is_ended(&s)) {
            return end_string(cpu, &s);
        }
    }
    return count ? INSN_REPEAT : end_string(cpu, &s);
}
