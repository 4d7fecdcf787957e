/* SPDX-License-Identifier: MIT */
/*
 * The LDT of a run, and selectors to draw from it. Bases lie so that offsets of data, stack and
 * code are small enough for 16-bit addresses in many segments; limits end between and inside of
 * pages that cases use, so that some operand is always cut in two.
 */
#include "tests/fuzz/fuzz-insn-draw.h"

#include "tests/insn/case-segments.h"

#define TYPE_DATA 0xf3u
#define TYPE_READ_ONLY 0xf1u
#define TYPE_DOWN 0xf7u
#define TYPE_CODE 0xfbu
#define TYPE_EXECUTE_ONLY 0xf9u
#define TYPE_CONFORMING 0xffu
#define PRESENT 0x80u
#define REACH_16 0x10000u

/* Entries of the LDT by what they are; what is behind the last is empty. */
enum {
    CODE_32 = 0,
    CODE_16 = 16,
    DATA = 32,
    READ_ONLY = 56,
    DOWN = 64,
    STACK = 80,
    EXECUTE_ONLY = 100,
    ABSENT = 104,
    EMPTY = 110
};

/* An end inside of the area, or far behind it. */
static uint32_t draw_limit(Random *r, uint32_t base, uint64_t area, unsigned pages)
{
    uint64_t end = area + CASE_PAGE * (1 + random_below(r, pages)) - 1;

    if (random_chance(r, 50)) {
        end += random_below(r, 40) - 20;
    } else if (random_chance(r, 40)) {
        end -= random_below(r, CASE_PAGE);
    }
    return (uint32_t)(end - base);
}

/* One expand-up segment around `area`; `reach_16`: offsets of the area fit in 16 bits. */
static uint64_t draw_around(Random *r, uint64_t area, unsigned pages, unsigned type, bool reach_16,
                            unsigned flags)
{
    uint64_t before = random_below(r, reach_16 ? REACH_16 - pages * CASE_PAGE : 0x80000);
    uint32_t base = (uint32_t)(area - before), limit;

    if (!reach_16 && random_chance(r, 30)) {
        base = random_chance(r, 60) ? 0 : (uint32_t)random_next(r) & ~0xfffu;
    }
    if (random_chance(r, 50)) {
        base &= ~(uint32_t)0xf;
    }
    limit = draw_limit(r, base, area, pages);
    if (random_chance(r, 40)) {
        limit = reach_16 ? 0xffff : UINT32_MAX;
    }
    if (limit > 0xfffff || random_chance(r, 15)) {
        flags |= SEG_G;
        limit |= 0xfff;
    }
    return case_descriptor_make(base, limit, type, flags);
}

/* Expand-down: what lies above the limit is inside, up to 64 KiB or 4 GiB by B. */
static uint64_t draw_down(Random *r, uint64_t area, unsigned pages)
{
    bool big = random_chance(r, 60);
    uint64_t before = random_below(r, REACH_16 - pages * CASE_PAGE);
    uint32_t base = (uint32_t)(area - before);
    uint32_t limit = (uint32_t)(before + random_below(r, CASE_PAGE * pages));
    unsigned flags = big ? SEG_DB : 0;

    if (random_chance(r, 30)) {
        limit = (uint32_t)(before + CASE_PAGE - 1);
        flags |= SEG_G;
    }
    return case_descriptor_make(base, limit, TYPE_DOWN - (random_chance(r, 20) ? 2 : 0), flags);
}

static uint64_t draw_entry(Random *r, unsigned n)
{
    bool chance = random_chance(r, 50);

    if (n < CODE_16) {
        return draw_around(r, CASE_CODE, 2, TYPE_CODE, chance, SEG_DB);
    }
    if (n < DATA) {
        return draw_around(r, CASE_CODE, 2, TYPE_CODE, true, 0);
    }
    if (n < READ_ONLY) {
        return draw_around(r, CASE_DATA, 6, TYPE_DATA, chance, SEG_DB);
    }
    if (n < DOWN) {
        return draw_around(r, CASE_DATA, 6, TYPE_READ_ONLY, chance, SEG_DB | SEG_AVL);
    }
    if (n < STACK) {
        return draw_down(r, chance ? CASE_DATA : CASE_STACK, chance ? 6 : 2);
    }
    if (n < EXECUTE_ONLY) {
        bool is_16bit = random_chance(r, 60);
        return draw_around(r, CASE_STACK, 2, TYPE_DATA, chance || is_16bit, is_16bit ? 0 : SEG_DB);
    }
    if (n < ABSENT) {
        return draw_around(r, CASE_CODE, 2, TYPE_EXECUTE_ONLY, chance, SEG_DB);
    }
    return draw_around(r, CASE_DATA, 2,
                       (n & 1       ? TYPE_DATA
                        : n % 4 > 1 ? TYPE_CODE
                                    : TYPE_CONFORMING) &
                           ~PRESENT,
                       chance, SEG_DB);
}

void fuzz_draw_ldt(uint64_t seed)
{
    Random r;

    random_seed(&r, seed ^ 0x1d7);
    for (unsigned i = 0; i < EMPTY; i++) {
        case_ldt[i] = draw_entry(&r, i);
    }
    /* the last one exists, so the LDT is as long natively */
    case_ldt[CASE_LDT_ENTRIES - 1] = draw_entry(&r, DATA);
    case_ldt[CODE_16] = case_descriptor_make(CASE_CODE - 0x100, 0xffff, TYPE_CODE, 0);
}

static uint16_t entry_between(Random *r, unsigned first, unsigned end)
{
    return (uint16_t)((first + random_below(r, end - first)) << 3 | 7);
}

/* Is the first page of code in it, with something to spare? */
static bool holds_code(uint16_t selector)
{
    Segment segment = case_segment(selector);
    uint32_t offset = (uint32_t)(CASE_CODE - segment.base);

    return offset <= segment.limit && segment.limit - offset >= 0x200;
}

uint16_t fuzz_draw_code_selector(Random *r, bool is_32bit)
{
    uint16_t selector;

    if (is_32bit) {
        selector = random_chance(r, 65) ? CASE_CODE_32 : entry_between(r, CODE_32, CODE_16);
        return holds_code(selector) ? selector : CASE_CODE_32;
    }
    do {
        selector = entry_between(r, CODE_16, DATA);
    } while (!holds_code(selector));
    return selector;
}

uint16_t fuzz_draw_stack_selector(Random *r)
{
    uint16_t selector = random_chance(r, 20) ? entry_between(r, DOWN, STACK)
                                             : entry_between(r, STACK, EXECUTE_ONLY);

    return case_segment(selector).attributes & SEG_WRITABLE ? selector : CASE_DATA_3;
}

uint16_t fuzz_draw_data_selector(Random *r)
{
    switch (random_below(r, 10)) {
    case 0:
        return 0;
    case 1:
        return entry_between(r, READ_ONLY, DOWN);
    case 2:
    case 3:
        return entry_between(r, DOWN, STACK);
    case 4:
        return random_chance(r, 50) ? entry_between(r, STACK, EXECUTE_ONLY)
                                    : entry_between(r, CODE_32, DATA);
    case 5:
        return random_chance(r, 70) ? CASE_DATA_3 : CASE_CODE_32;
    default:
        return entry_between(r, DATA, READ_ONLY);
    }
}

uint16_t fuzz_draw_selector(Random *r)
{
    switch (random_below(r, 10)) {
    case 0:
        return (uint16_t)random_below(r, 4);
    case 1:
        return (uint16_t)random_below(r, CASE_CPU_NUMBER);
    case 2:
        return (uint16_t)(entry_between(r, 0, CASE_LDT_ENTRIES) - random_below(r, 4));
    case 3:
        return entry_between(r, CASE_LDT_ENTRIES - 2, CASE_LDT_ENTRIES + 4);
    case 4:
        return random_chance(r, 50) ? CASE_CODE_64 : CASE_DATA_3;
    case 5:
        return fuzz_draw_stack_selector(r);
    case 6:
    case 7:
        return fuzz_draw_code_selector(r, random_chance(r, 60));
    default:
        return fuzz_draw_data_selector(r);
    }
}

uint64_t fuzz_segment_base(const FuzzCase *c, unsigned segment)
{
    return segment == SEG_FS   ? c->state.fs_base
           : segment == SEG_GS ? c->state.gs_base
                               : case_segment(c->state.selector[segment]).base;
}
