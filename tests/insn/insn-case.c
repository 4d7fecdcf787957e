/* SPDX-License-Identifier: MIT */
/* Comparing and printing what a case left behind. */
#include "tests/insn/insn-case.h"

#include "tests/insn/case-segments.h"

#include <cpuid.h>
#include <inttypes.h>
#include <string.h>

#define XSAVE_HEADER 512
#define XSAVE_YMM 576
#define FCW_INITIAL 0x37f
#define USER_END 0x7ffffffff000ull

const CasePage case_pages[CASE_PAGES] = {
    {CASE_CODE, true, true, "code 0"},
    {CASE_CODE + CASE_PAGE, true, true, "code 1"},
    {CASE_DATA, true, false, "data 0"},
    {CASE_DATA + CASE_PAGE, true, false, "data 1"},
    {CASE_DATA + 2 * CASE_PAGE, false, false, "data 2"},
    {CASE_DATA + 4 * CASE_PAGE, true, false, "data 4"},
    {CASE_DATA + 5 * CASE_PAGE, true, false, "data 5"},
    {CASE_STACK, true, false, "stack 0"},
    {CASE_STACK + CASE_PAGE, true, false, "stack 1"},
    {CASE_FAR, true, true, "far code"},
};

uint8_t *case_memory_at(CaseMemory *memory, uint64_t linear)
{
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (linear - case_pages[i].linear < CASE_PAGE) {
            return &memory->page[i][linear - case_pages[i].linear];
        }
    }
    return NULL;
}

bool case_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f");
}

CaseComponent case_component(unsigned n)
{
    static CaseComponent known[8]; /* CPUID takes long in a virtual machine */
    unsigned flags, unused;

    if (!known[n].size) {
        __cpuid_count(0xd, n, known[n].size, known[n].offset, flags, unused);
    }
    return known[n];
}

static void avx512_to_image(const CaseFpu *fpu, uint8_t *image)
{
    if (case_has_avx512()) {
        memcpy(image + case_component(5).offset, fpu->k, sizeof(fpu->k));
        memcpy(image + case_component(6).offset, fpu->zmm_high, sizeof(fpu->zmm_high));
        memcpy(image + case_component(7).offset, fpu->zmm16, sizeof(fpu->zmm16));
    }
}

static void avx512_from_image(CaseFpu *fpu, const uint8_t *image, uint64_t components)
{
    if (components & 1u << 5) {
        memcpy(fpu->k, image + case_component(5).offset, sizeof(fpu->k));
    }
    if (components & 1u << 6) {
        memcpy(fpu->zmm_high, image + case_component(6).offset, sizeof(fpu->zmm_high));
    }
    if (components & 1u << 7) {
        memcpy(fpu->zmm16, image + case_component(7).offset, sizeof(fpu->zmm16));
    }
}

void case_fpu_to_image(const CaseFpu *fpu, uint8_t *image)
{
    const uint64_t components = case_has_avx512() ? 0xe7 : 7;

    memset(image, 0, CASE_XSAVE_SIZE);
    memcpy(image, &fpu->fcw, 2);
    memcpy(image + 2, &fpu->fsw, 2);
    image[4] = fpu->ftw;
    memcpy(image + 24, &fpu->mxcsr, 4);
    for (unsigned i = 0; i < 8; i++) {
        memcpy(image + 32 + 16 * i, fpu->st[i], 10);
    }
    memcpy(image + 160, fpu->xmm, sizeof(fpu->xmm));
    memcpy(image + XSAVE_HEADER, &components, sizeof(components));
    memcpy(image + XSAVE_YMM, fpu->ymm_high, sizeof(fpu->ymm_high));
    avx512_to_image(fpu, image);
}

void case_fpu_from_image(CaseFpu *fpu, const uint8_t *image)
{
    uint64_t components;

    memset(fpu, 0, sizeof(*fpu));
    memcpy(&components, image + XSAVE_HEADER, sizeof(components));
    fpu->fcw = FCW_INITIAL;
    memcpy(&fpu->mxcsr, image + 24, 4);
    if (components & 1) {
        memcpy(&fpu->fcw, image, 2);
        memcpy(&fpu->fsw, image + 2, 2);
        fpu->ftw = image[4];
        for (unsigned i = 0; i < 8; i++) {
            memcpy(fpu->st[i], image + 32 + 16 * i, 10);
        }
    }
    if (components & 2) {
        memcpy(fpu->xmm, image + 160, sizeof(fpu->xmm));
    }
    if (components & 4) {
        memcpy(fpu->ymm_high, image + XSAVE_YMM, sizeof(fpu->ymm_high));
    }
    avx512_from_image(fpu, image, components);
}

/* -- Comparing -------------------------------------------------------------------------------- */

typedef struct Comparison {
    FILE *out;
    const char *left, *right;
    bool is_equal;
} Comparison;

static void compare(Comparison *c, const char *name, uint64_t a, uint64_t b)
{
    if (a == b) {
        return;
    }
    c->is_equal = false;
    if (c->out) {
        fprintf(c->out, "  %-10s %s %016" PRIx64 "  %s %016" PRIx64 "\n", name, c->left, a,
                c->right, b);
    }
}

static void print_bytes(FILE *out, const uint8_t *bytes, size_t size)
{
    for (size_t i = size; i-- > 0;) {
        fprintf(out, "%02x", bytes[i]);
    }
}

static void compare_bytes(Comparison *c, const char *name, unsigned index, const uint8_t *a,
                          const uint8_t *b, size_t size)
{
    if (!memcmp(a, b, size)) {
        return;
    }
    c->is_equal = false;
    if (c->out) {
        fprintf(c->out, "  %s%u\n    %s ", name, index, c->left);
        print_bytes(c->out, a, size);
        fprintf(c->out, "\n    %s ", c->right);
        print_bytes(c->out, b, size);
        fputc('\n', c->out);
    }
}

static void compare_fpu(Comparison *c, const CaseFpu *a, const CaseFpu *b)
{
    compare(c, "FCW", a->fcw, b->fcw);
    compare(c, "FSW", a->fsw, b->fsw);
    compare(c, "FTW", a->ftw, b->ftw);
    compare(c, "MXCSR", a->mxcsr, b->mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        compare_bytes(c, "ST", i, a->st[i], b->st[i], 10);
    }
    for (unsigned i = 0; i < 16; i++) {
        compare_bytes(c, "XMM", i, a->xmm[i], b->xmm[i], 16);
        compare_bytes(c, "YMM high ", i, a->ymm_high[i], b->ymm_high[i], 16);
        compare_bytes(c, "ZMM high ", i, a->zmm_high[i], b->zmm_high[i], 32);
        compare_bytes(c, "ZMM", 16 + i, a->zmm16[i], b->zmm16[i], 64);
    }
    for (unsigned i = 0; i < 8; i++) {
        compare_bytes(c, "K", i, (const uint8_t *)&a->k[i], (const uint8_t *)&b->k[i], 8);
    }
}

static const char *const gpr_names[16] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                          "R8",  "R9",  "R10", "R11", "R12", "R13", "R14", "R15"};

/* The host's kernel reports every fault outside of its user space as one on a present page.
 */
static uint32_t comparable_error(const CaseOutcome *outcome)
{
    return outcome->vector == 14 && outcome->cr2 >= USER_END ? outcome->error_code & ~1u
                                                             : outcome->error_code;
}

/* Null selectors with an RPL lose it whenever the kernel returns to user mode. */
static uint16_t comparable_selector(uint16_t selector)
{
    return selector < 4 ? 0 : selector;
}

static void compare_segments(Comparison *c, const CaseState *a, const CaseState *b)
{
    static const char *const names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};

    for (unsigned i = 0; i < SEG_COUNT; i++) {
        compare(c, names[i], comparable_selector(a->selector[i]),
                comparable_selector(b->selector[i]));
    }
    compare(c, "FS base", a->fs_base, b->fs_base);
    compare(c, "GS base", a->gs_base, b->gs_base);
}

/* Bits of general registers that mean something: outside of 64-bit code the upper halves are
 * undefined. */
static uint64_t gpr_mask(const CaseState *state)
{
    return state->selector[SEG_CS] == CASE_CODE_64 ? UINT64_MAX : UINT32_MAX;
}

bool case_outcomes_equal(const CaseOutcome *a, const CaseOutcome *b, FILE *out, const char *left,
                         const char *right)
{
    Comparison c = {out, left, right, true};

    compare(&c, "end", a->end, b->end);
    compare(&c, "vector", a->vector, b->vector);
    compare(&c, "error code", comparable_error(a), comparable_error(b));
    compare(&c, "CR2", a->cr2, b->cr2);
    compare(&c, "RIP", a->state.rip, b->state.rip);
    for (unsigned i = 0; i < 16; i++) {
        uint64_t mask = i < 8 ? gpr_mask(&a->state) : UINT64_MAX;
        compare(&c, gpr_names[i], a->state.gpr[i] & mask, b->state.gpr[i] & mask);
    }
    compare_segments(&c, &a->state, &b->state);
    compare(&c, "EFLAGS", a->state.eflags, b->state.eflags);
    if (!out && !c.is_equal) {
        return false;
    }
    compare_fpu(&c, &a->state.fpu, &b->state.fpu);
    return c.is_equal;
}

bool case_memory_equal(const CaseMemory *a, const CaseMemory *b, FILE *out, const char *left,
                       const char *right)
{
    unsigned shown = 0;

    if (!memcmp(a, b, sizeof(*a))) {
        return true;
    }
    for (unsigned page = 0; page < CASE_PAGES; page++) {
        for (unsigned i = 0; i < CASE_PAGE && out && shown < 24; i++) {
            if (a->page[page][i] != b->page[page][i]) {
                fprintf(out, "  [%s + %03x] %s %02x  %s %02x\n", case_pages[page].name, i, left,
                        a->page[page][i], right, b->page[page][i]);
                shown++;
            }
        }
    }
    return false;
}

void case_state_print(const CaseState *state, FILE *out)
{
    for (unsigned i = 0; i < 16; i++) {
        fprintf(out, "  %-3s %016" PRIx64 "%s", gpr_names[i], state->gpr[i],
                i % 4 == 3 ? "\n" : "");
    }
    fprintf(out,
            "  RIP %016" PRIx64 "  EFLAGS %03" PRIx64 "  FCW %04x FSW %04x FTW %02x MXCSR %04x\n",
            state->rip, state->eflags, state->fpu.fcw, state->fpu.fsw, state->fpu.ftw,
            state->fpu.mxcsr);
    fprintf(out,
            "  ES %04x CS %04x SS %04x DS %04x FS %04x GS %04x  FS base %" PRIx64
            " GS base %" PRIx64 "\n",
            state->selector[SEG_ES], state->selector[SEG_CS], state->selector[SEG_SS],
            state->selector[SEG_DS], state->selector[SEG_FS], state->selector[SEG_GS],
            state->fs_base, state->gs_base);
}
