/* SPDX-License-Identifier: MIT */
/* From a case to bytes in memory and registers, and cases with an instruction less. */
#include "tests/fuzz/fuzz-insn-draw.h"
#include "tests/fuzz/fuzz-insn-fixed.h"

#include "tests/insn/case-segments.h"

#include <string.h>

/* -- Layout ----------------------------------------------------------------------------------- */

uint64_t fuzz_case_address(const FuzzCase *c, unsigned n)
{
    uint64_t address = c->start;

    for (unsigned i = 0; i < n && i < c->count; i++) {
        address += c->insns[i].length;
    }
    return address;
}

/* The same as an offset in a code segment. */
static uint64_t offset_in(uint16_t selector, uint64_t linear)
{
    return selector == CASE_CODE_64 ? linear : (uint32_t)(linear - case_segment(selector).base);
}

static void apply_fix(const FuzzCase *c, unsigned n, uint8_t *bytes)
{
    const FuzzInsn *insn = &c->insns[n];
    uint64_t next = fuzz_case_address(c, n + 1), value;
    uint64_t target = fuzz_case_address(c, insn->target) + insn->target_byte;

    switch (insn->fix) {
    case FIX_NONE:
        return;
    case FIX_ADDRESS:
        value = insn->address - next;
        break;
    case FIX_CODE_IN_DATA:
        value = target - fuzz_segment_base(c, SEG_DS);
        break;
    case FIX_FAR:
        value = offset_in(insn->selector, target);
        memcpy(bytes + insn->fix_offset + insn->fix_size, &insn->selector, 2);
        break;
    default:
        value = target - next;
        break;
    }
    memcpy(bytes + insn->fix_offset, &value, insn->fix_size);
}

static void fill_data(Random *r, uint8_t *page)
{
    for (unsigned i = 0; i < CASE_PAGE; i += 64) {
        uint64_t *words = (uint64_t *)(page + i);
        words[0] = fuzz_float64(r);
        words[1] = random_next(r);
        words[2] = fuzz_integer(r);
        words[3] = fuzz_float64(r);
        words[4] = words[1] ^ words[0] << 7;
        words[5] = words[2] & 0xff;
        words[6] = words[3] + 1;
        words[7] = ~words[1];
    }
}

/* What RET, indirect and far jumps find: an address, often with a selector behind it. */
static void plant_target(const FuzzCase *c, CaseMemory *memory, Random *r, unsigned page)
{
    uint64_t target = fuzz_case_address(c, (unsigned)random_below(r, c->count + 1)), words[3];
    uint16_t selector = random_chance(r, 50) ? c->state.selector[SEG_CS] : fuzz_draw_selector(r);
    bool is_64bit = c->mode & CPU_MODE_CS_L;
    unsigned size = is_64bit && random_chance(r, 80) ? 8 : random_chance(r, 75) ? 4 : 2;

    target += random_chance(r, 20) ? CASE_FAR - CASE_CODE : 0;
    words[0] = offset_in(is_64bit && size == 8 ? CASE_CODE_64 : selector, target);
    words[1] = selector;
    words[2] = random_next(r) & (random_chance(r, 50) ? CASE_EFLAGS : CASE_EFLAGS_SEEN);
    unsigned offset = (unsigned)random_below(r, (CASE_PAGE - 3 * size) / size) * size;
    for (unsigned i = 0; i < (is_64bit && random_chance(r, 70) ? 1 : 3); i++) {
        memcpy(memory->page[page] + offset + i * size, &words[i], size);
    }
}

static void fill_memory(const FuzzCase *c, CaseMemory *memory)
{
    Random r;

    fuzz_fixed_fill_page(memory, CASE_READ_ONLY_PAGE);
    random_seed(&r, c->seed ^ 0x5eed);
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            memset(memory->page[i], 0xcc, CASE_PAGE);
        } else if (i != CASE_READ_ONLY_PAGE) {
            fill_data(&r, memory->page[i]);
        }
    }
    for (unsigned i = 0; i < 400; i++) {
        plant_target(c, memory, &r, random_chance(&r, 70) ? 7 + (i & 1) : 2 + (i & 1));
    }
}

void fuzz_case_lay_out(const FuzzCase *c, CaseMemory *ret_memory, CaseState *ret_state)
{
    uint8_t bytes[16];

    if (c->fixed_memory) {
        *ret_memory = *c->fixed_memory;
    } else {
        fill_memory(c, ret_memory);
    }
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t address = fuzz_case_address(c, i);
        memcpy(bytes, c->insns[i].bytes, sizeof(bytes));
        apply_fix(c, i, bytes);
        for (unsigned k = 0; k < c->insns[i].length; k++) {
            uint8_t *at = case_memory_at(ret_memory, address + k);
            if (at) { /* else it leaves the mapping: a fault while fetching */
                *at = bytes[k];
            }
        }
    }
    memcpy(ret_memory->page[CASE_PAGES - 1], ret_memory->page[0], CASE_PAGE);
    *ret_state = c->state;
    ret_state->rip = offset_in(c->state.selector[SEG_CS], c->start);
    for (unsigned i = 0; i < 16; i++) {
        if (c->gpr_target[i] != FUZZ_NO_TARGET) {
            uint64_t target = fuzz_case_address(c, c->gpr_target[i]);
            target += c->gpr_is_far >> i & 1 ? CASE_FAR - CASE_CODE : 0;
            ret_state->gpr[i] = offset_in(c->state.selector[SEG_CS], target);
        }
    }
}

FuzzCase fuzz_case_variant(const FuzzCase *c)
{
    FuzzCase variant = *c;

    if (c->fixed_memory) {
        variant.fixed_memory = c->fixed_variant;
        variant.has_variant = false;
    } else if (c->has_variant) {
        variant.insns[c->variant_insn].bytes[c->variant_byte] = c->variant_value;
        variant.has_variant = false;
    }
    return variant;
}

void fuzz_case_drop(FuzzCase *c, unsigned n)
{
    memmove(&c->insns[n], &c->insns[n + 1], (c->count - n - 1) * sizeof(FuzzInsn));
    c->count--;
    c->has_variant = c->has_variant && c->variant_insn != n;
    c->variant_insn -= c->variant_insn > n;
    for (unsigned i = 0; i < c->count; i++) {
        c->insns[i].target -= c->insns[i].target > n;
    }
    for (unsigned i = 0; i < 16; i++) {
        c->gpr_target[i] -= c->gpr_target[i] != FUZZ_NO_TARGET && c->gpr_target[i] > n;
    }
}
