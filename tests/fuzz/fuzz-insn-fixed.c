/* SPDX-License-Identifier: MIT */
/* Cases that are written down: from lines of text to a case and back. */
#include "tests/fuzz/fuzz-insn-fixed.h"

#include <cpuid.h>
#include <glib.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#define LINE_BYTES 32u /* of memory kept or not when a case is written down */

/* -- Fields ------------------------------------------------------------------------------------ */

typedef struct Register {
    const char *name;
    size_t offset;
    unsigned size;
} Register;

#define STATE(name, member)                                                                        \
    {                                                                                              \
        name, offsetof(CaseState, member), sizeof(((CaseState *)0)->member)                        \
    }

static const Register registers[] = {
    STATE("rax", gpr[R_RAX]),      STATE("rcx", gpr[R_RCX]),      STATE("rdx", gpr[R_RDX]),
    STATE("rbx", gpr[R_RBX]),      STATE("rsp", gpr[R_RSP]),      STATE("rbp", gpr[R_RBP]),
    STATE("rsi", gpr[R_RSI]),      STATE("rdi", gpr[R_RDI]),      STATE("r8", gpr[8]),
    STATE("r9", gpr[9]),           STATE("r10", gpr[10]),         STATE("r11", gpr[11]),
    STATE("r12", gpr[12]),         STATE("r13", gpr[13]),         STATE("r14", gpr[14]),
    STATE("r15", gpr[15]),         STATE("eflags", eflags),       STATE("es", selector[SEG_ES]),
    STATE("cs", selector[SEG_CS]), STATE("ss", selector[SEG_SS]), STATE("ds", selector[SEG_DS]),
    STATE("fs", selector[SEG_FS]), STATE("gs", selector[SEG_GS]), STATE("fs_base", fs_base),
    STATE("gs_base", gs_base),     STATE("fcw", fpu.fcw),         STATE("fsw", fpu.fsw),
    STATE("ftw", fpu.ftw),         STATE("mxcsr", fpu.mxcsr),
};

static const Register arrays[] = {
    STATE("st", fpu.st[0]),
    STATE("xmm", fpu.xmm[0]),
    STATE("k", fpu.k[0]),
};

static const char *const paging_names[] = {
    [GUEST_LONG] = "long", [GUEST_PAE] = "pae", [GUEST_32BIT] = "legacy"};

/* -- Memory ------------------------------------------------------------------------------------ */

/* Written down here and nowhere else, since kept cases depend on it. */
void fuzz_fixed_fill_page(CaseMemory *memory, unsigned page)
{
    for (unsigned i = 0; i < CASE_PAGE; i++) {
        uint32_t mixed = (page * (uint32_t)CASE_PAGE + i + 1) * 0x9e3779b1u;
        memory->page[page][i] = case_pages[page].may_execute ? 0xcc : (uint8_t)(mixed >> 23);
    }
}

void fuzz_fixed_fill(CaseMemory *memory)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        fuzz_fixed_fill_page(memory, i);
    }
}

static unsigned registers_in(const Register *array)
{
    return array->size == 16 ? 16 : 8;
}

/* Bytes in hex from `text` on to `at`, or to memory from `linear` on. False: not understood. */
static bool parse_bytes(const char *text, uint8_t *at, unsigned room, CaseMemory *memory,
                        uint64_t *linear)
{
    unsigned count = 0;

    for (; *text && *text != '#'; text += 2) {
        while (*text == ' ') {
            text++;
        }
        if (!*text || *text == '#') {
            break;
        }
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1])) {
            return false;
        }
        uint8_t value =
            (uint8_t)(g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]));
        uint8_t *to = at ? at + count : case_memory_at(memory, *linear);
        if (at && count == room) {
            return false;
        }
        if (to) { /* else it leaves the mapping: a fault while fetching */
            *to = value;
        }
        count++;
        *linear += !at;
    }
    return count > 0;
}

/* -- Reading ----------------------------------------------------------------------------------- */

/* What a case may need of the host: bits of CPUID. */
static const struct {
    const char *name;
    unsigned leaf, bit_of_ecx;
} needs[] = {
    {"misalignsse", 0x80000001, 7}, /* MXCSR.MM */
};

static bool parse_needs(FixedCase *f, const char *text)
{
    unsigned eax, ebx, ecx, edx;

    for (unsigned i = 0; i < G_N_ELEMENTS(needs); i++) {
        if (!strcmp(text, needs[i].name)) {
            if (!__get_cpuid(needs[i].leaf, &eax, &ebx, &ecx, &edx) ||
                !(ecx >> needs[i].bit_of_ecx & 1)) {
                f->missing = needs[i].name;
            }
            return true;
        }
    }
    return false;
}

static bool parse_mode(FixedCase *f, uint64_t bits)
{
    CaseState *s = &f->c.state;

    f->c.mode = bits == 64   ? CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA
                : bits == 32 ? CPU_MODE_CS_D | CPU_MODE_SS_B
                             : 0;
    s->selector[SEG_CS] = bits == 64 ? CASE_CODE_64 : CASE_CODE_32;
    s->selector[SEG_SS] = CASE_DATA_3;
    if (bits != 64) {
        s->selector[SEG_DS] = s->selector[SEG_ES] = CASE_DATA_3;
    }
    return bits == 64 || bits == 32 || bits == 16;
}

static bool parse_paging(FixedCase *f, const char *text)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(paging_names); i++) {
        if (!strcmp(text, paging_names[i])) {
            f->c.paging = (GuestPaging)i;
            return true;
        }
    }
    return false;
}

static bool parse_register(FixedCase *f, const char *key, const char *text)
{
    uint64_t n = g_ascii_strtoull(text, NULL, 10), unused = 0;
    const char *bytes = strchr(text, ' ');

    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        if (!strcmp(key, registers[i].name)) {
            uint64_t value = g_ascii_strtoull(text, NULL, 16);
            memcpy((uint8_t *)&f->c.state + registers[i].offset, &value, registers[i].size);
            return true;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        if (!strcmp(key, arrays[i].name)) {
            uint8_t *at = (uint8_t *)&f->c.state + arrays[i].offset + n * arrays[i].size;
            return bytes && n < registers_in(&arrays[i]) &&
                   parse_bytes(bytes, at, arrays[i].size, NULL, &unused);
        }
    }
    return false;
}

/* The number that begins `text`, and what follows it. */
static const char *skip_number(const char *text, unsigned base, uint64_t *ret_value)
{
    char *end;

    *ret_value = g_ascii_strtoull(text, &end, base);
    return end;
}

static bool parse_line(FixedCase *f, const char *key, const char *text, uint64_t *cursor)
{
    uint64_t number;
    const char *rest;

    if (!strcmp(key, "needs")) {
        return parse_needs(f, text);
    }
    if (!strcmp(key, "bits")) {
        return parse_mode(f, g_ascii_strtoull(text, NULL, 10));
    }
    if (!strcmp(key, "paging")) {
        return parse_paging(f, text);
    }
    if (!strcmp(key, "code")) {
        return parse_bytes(text, NULL, 0, &f->memory, cursor);
    }
    if (!strcmp(key, "start")) {
        *cursor = f->c.start = g_ascii_strtoull(text, NULL, 16);
        return true;
    }
    if (!strcmp(key, "ldt")) {
        rest = skip_number(text, 10, &number);
        f->ldt[number % CASE_LDT_ENTRIES] = g_ascii_strtoull(rest, NULL, 16);
        return number < CASE_LDT_ENTRIES;
    }
    rest = skip_number(text, 16, &number);
    if (!strcmp(key, "mem")) {
        return parse_bytes(rest, NULL, 0, &f->memory, &number);
    }
    if (!strcmp(key, "then")) {
        if (!f->c.has_variant) {
            f->replaced = f->memory;
        }
        f->c.has_variant = true;
        return parse_bytes(rest, NULL, 0, &f->replaced, &number);
    }
    return parse_register(f, key, text);
}

static FixedCase *begin_case(const char *name)
{
    FixedCase *f = g_new0(FixedCase, 1);

    f->name = g_strdup(name);
    f->c.fixed_memory = &f->memory;
    f->c.fixed_variant = &f->replaced;
    f->c.flush_before = f->c.forget_use = f->c.second_opinion = true;
    f->c.state.fpu.fcw = 0x37f;
    f->c.state.fpu.mxcsr = 0x1f80;
    memset(f->c.gpr_target, FUZZ_NO_TARGET, sizeof(f->c.gpr_target));
    fuzz_fixed_fill(&f->memory);
    parse_mode(f, 64);
    return f;
}

FixedCase *fuzz_fixed_read(char **lines, unsigned *line, char **ret_error)
{
    FixedCase *f = NULL;
    uint64_t cursor = 0;

    for (; lines[*line]; (*line)++) {
        g_autofree char *text = g_strstrip(g_strdup(lines[*line]));
        char *value = strchr(text, ' ');
        if (!*text || *text == '#') {
            continue;
        }
        if (value) {
            *value++ = '\0';
        }
        if (!strcmp(text, "case")) {
            if (f) {
                break;
            }
            f = begin_case(value ? value : "");
        } else if (!f || !value || !parse_line(f, text, g_strstrip(value), &cursor)) {
            *ret_error = g_strdup_printf("line %u is not understood: %s", *line + 1, lines[*line]);
            fuzz_fixed_free(f);
            return NULL;
        }
    }
    if (f) { /* CASE_READ_ONLY_PAGE has a twin, see fuzz_case_lay_out() */
        memcpy(f->memory.page[CASE_PAGES - 1], f->memory.page[0], CASE_PAGE);
        memcpy(f->replaced.page[CASE_PAGES - 1], f->replaced.page[0], CASE_PAGE);
    }
    return f;
}

void fuzz_fixed_free(FixedCase *fixed)
{
    if (fixed) {
        g_free(fixed->name);
        g_free(fixed);
    }
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* Puts the pattern wherever the case still fails with it: all of it, or half by half. */
static void forget_bytes(FuzzCase *c, uint8_t *bytes, const uint8_t *plain, unsigned size,
                         bool (*fails)(const FuzzCase *c))
{
    uint8_t kept[CASE_PAGE];

    if (!memcmp(bytes, plain, size)) {
        return;
    }
    memcpy(kept, bytes, size);
    memcpy(bytes, plain, size);
    if (fails(c)) {
        return;
    }
    memcpy(bytes, kept, size);
    if (size > LINE_BYTES) {
        forget_bytes(c, bytes, plain, size / 2, fails);
        forget_bytes(c, bytes + size / 2, plain + size / 2, size / 2, fails);
    }
}

static void forget_memory(FuzzCase *c, CaseMemory *memory, bool (*fails)(const FuzzCase *c))
{
    g_autofree CaseMemory *plain = g_new(CaseMemory, 1);

    fuzz_fixed_fill(plain);
    for (unsigned page = 0; page < CASE_PAGES - 1; page++) {
        if (page != CASE_READ_ONLY_PAGE) {
            forget_bytes(c, memory->page[page], plain->page[page], CASE_PAGE, fails);
        }
    }
}

static bool is_part_of_mode(const Register *r)
{
    return !strcmp(r->name, "cs") || !strcmp(r->name, "ss") || !strcmp(r->name, "fcw");
}

/* Zero for every register that the case fails without. */
static void forget_registers(FuzzCase *c, bool (*fails)(const FuzzCase *c))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(registers) + G_N_ELEMENTS(arrays); i++) {
        bool is_array = i >= G_N_ELEMENTS(registers);
        const Register *r = is_array ? &arrays[i - G_N_ELEMENTS(registers)] : &registers[i];
        unsigned count = !is_array ? 1 : registers_in(r);
        for (unsigned n = 0; n < count && !is_part_of_mode(r); n++) {
            CaseState kept = c->state;
            memset((uint8_t *)&c->state + r->offset + n * r->size, 0, r->size);
            if (!fails(c)) {
                c->state = kept;
            }
        }
    }
}

static void print_bytes(const uint8_t *bytes, unsigned size, FILE *out)
{
    for (unsigned i = 0; i < size; i++) {
        fprintf(out, "%02x", bytes[i]);
    }
    putc('\n', out);
}

static void print_memory(const CaseMemory *memory, const CaseMemory *plain, const char *key,
                         FILE *out)
{
    for (unsigned page = 0; page < CASE_PAGES - 1; page++) {
        for (unsigned at = 0; at < CASE_PAGE; at += LINE_BYTES) {
            if (memcmp(memory->page[page] + at, plain->page[page] + at, LINE_BYTES)) {
                fprintf(out, "%s %" PRIx64 " ", key, case_pages[page].linear + at);
                print_bytes(memory->page[page] + at, LINE_BYTES, out);
            }
        }
    }
}

static void print_registers(const CaseState *s, FILE *out)
{
    static const uint8_t zeros[16];

    for (unsigned i = 0; i < G_N_ELEMENTS(registers); i++) {
        uint64_t value = 0;
        memcpy(&value, (const uint8_t *)s + registers[i].offset, registers[i].size);
        if (value || registers[i].offset >= offsetof(CaseState, selector)) {
            fprintf(out, "%s %" PRIx64 "\n", registers[i].name, value);
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(arrays); i++) {
        for (unsigned n = 0; n < registers_in(&arrays[i]); n++) {
            const uint8_t *at = (const uint8_t *)s + arrays[i].offset + n * arrays[i].size;
            if (memcmp(at, zeros, arrays[i].size)) {
                fprintf(out, "%s %u ", arrays[i].name, n);
                print_bytes(at, arrays[i].size, out);
            }
        }
    }
}

void fuzz_fixed_print(const FuzzCase *c, bool (*fails)(const FuzzCase *c), FILE *out)
{
    g_autofree CaseMemory *memory = g_new(CaseMemory, 1), *variant = g_new(CaseMemory, 1),
                          *plain = g_new(CaseMemory, 1);
    FuzzCase fixed = fuzz_case_variant(c);
    CaseState state;

    fuzz_case_lay_out(&fixed, variant, &state);
    fixed = *c;
    fuzz_case_lay_out(c, memory, &state);
    fixed.state = state;
    memset(fixed.gpr_target, FUZZ_NO_TARGET, sizeof(fixed.gpr_target));
    fixed.fixed_memory = memory;
    fixed.fixed_variant = variant;
    fixed.count = 0;
    if (!fails(&fixed)) {
        return; /* what ran before matters */
    }
    if (!c->has_variant) {
        forget_memory(&fixed, memory, fails);
    }
    forget_registers(&fixed, fails);
    fuzz_fixed_fill(plain);
    fprintf(out, "case\nbits %u\npaging %s\nstart %" PRIx64 "\n",
            c->mode & CPU_MODE_CS_L   ? 64
            : c->mode & CPU_MODE_CS_D ? 32
                                      : 16,
            paging_names[c->paging], c->start);
    print_registers(&fixed.state, out);
    for (unsigned i = 0; i < 6; i++) {
        unsigned n = state.selector[i] >> 3;
        if (state.selector[i] & 4 && n < CASE_LDT_ENTRIES) {
            fprintf(out, "ldt %u %016" PRIx64 "\n", n, case_ldt[n]);
        }
    }
    print_memory(memory, plain, "mem", out);
    if (c->has_variant) {
        print_memory(variant, memory, "then", out);
    }
}
