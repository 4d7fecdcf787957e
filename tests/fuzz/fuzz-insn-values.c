/* SPDX-License-Identifier: MIT */
/* Addresses, integers and FPU state that lie near where something changes. */
#include "tests/fuzz/fuzz-insn-draw.h"
#include "tests/fuzz/fuzz-insn-evex.h"

#include <cpuid.h>
#include <string.h>

/* -- Addresses -------------------------------------------------------------------------------- */

uint64_t fuzz_data_address(Random *r)
{
    uint64_t page = CASE_DATA + CASE_PAGE * random_below(r, 6);
    uint64_t offset = random_below(r, CASE_PAGE);

    if (random_chance(r, 30)) { /* around the end of a page */
        page += CASE_PAGE;
        offset = (uint64_t)0 - random_below(r, 80) + random_below(r, 20);
    } else if (random_chance(r, 70)) {
        page = CASE_DATA +
               CASE_PAGE * (random_chance(r, 60) ? random_below(r, 2) : 4 + random_below(r, 2));
    }
    switch (random_below(r, 8)) {
    case 0:
    case 1:
    case 2:
        offset &= ~31ull;
        break;
    case 3:
        offset &= ~7ull;
        break;
    default:
        break;
    }
    return page + offset;
}

uint64_t fuzz_wild_address(Random *r)
{
    switch (random_below(r, 6)) {
    case 0:
        return random_below(r, 0x2000);
    case 1:
        return 0x00007ffffffff000ull + random_below(r, 0x1010);
    case 2:
        return 0xffff800000000000ull + random_below(r, 0x7000);
    case 3:
        return 0x0100000000000000ull + (random_next(r) >> 9);
    case 4:
        return (uint64_t)0 - random_below(r, 0x100);
    default:
        return CASE_DATA + random_below(r, 0x100000);
    }
}

uint64_t fuzz_integer(Random *r)
{
    uint64_t value = random_next(r);

    switch (random_below(r, 8)) {
    case 0:
        return random_below(r, 33);
    case 1:
        return (uint64_t)(int64_t)(int8_t)value;
    case 2:
        return (uint64_t)(int64_t)(int32_t)value;
    case 3:
        return (uint32_t)value;
    case 4:
        return 1ull << (value & 63);
    case 5:
        return (1ull << (value & 63)) - 1;
    case 6:
        return value & 0xff;
    default:
        return value;
    }
}

uint64_t fuzz_float64(Random *r)
{
    static const uint64_t special[] = {0,
                                       0x8000000000000000ull,
                                       0x3ff0000000000000ull,
                                       0xbff0000000000000ull,
                                       0x7ff0000000000000ull,
                                       0xfff0000000000000ull,
                                       0x7ff8000000000001ull,
                                       0x7ff0000000000001ull,
                                       0x0000000000000001ull,
                                       0x000fffffffffffffull,
                                       0x7fefffffffffffffull,
                                       0x4330000000000000ull,
                                       0x43e0000000000000ull,
                                       0x41dfffffffc00000ull};
    uint64_t value = random_next(r);

    switch (random_below(r, 4)) {
    case 0:
        return special[random_below(r, sizeof(special) / sizeof(special[0]))];
    case 1: /* of a moderate size */
        return (value & 0x800fffffffffffffull) | (0x3c0 + (value >> 52 & 0x7f)) << 52;
    case 2: /* two single ones */
        return (value & 0x807fffff807fffffull) | 0x3f0000003f000000ull;
    default:
        return value;
    }
}

static void draw_vector(Random *r, uint8_t bytes[16])
{
    uint64_t halves[2] = {fuzz_float64(r), fuzz_float64(r)};

    if (random_chance(r, 25)) { /* small integers: indices, masks, counts */
        halves[0] = fuzz_integer(r);
        halves[1] = fuzz_integer(r);
    }
    memcpy(bytes, halves, 16);
}

/* AMD's mask for misaligned operands. */
static uint32_t mxcsr_mm(void)
{
    const uint32_t misalignsse = 1u << 7;
    uint32_t a, b, c = 0, d;

    return __get_cpuid(0x80000001, &a, &b, &c, &d) && c & misalignsse ? 1u << 17 : 0;
}

void fuzz_draw_fpu(Maker *m)
{
    Random *r = &m->random;
    CaseFpu *fpu = &m->c->state.fpu;
    bool is_plain = random_chance(r, 65);

    memset(fpu, 0, sizeof(*fpu));
    fpu->mxcsr = random_chance(r, 75) ? 0x1f80 : (uint32_t)random_below(r, 0x10000);
    if ((fpu->mxcsr & 7) == 7) {
        fpu->mxcsr |= mxcsr_mm();
    }
    if (random_chance(r, 60)) {
        fpu->mxcsr |= 0x1f80;
    }
    fpu->fcw = is_plain ? 0x37f : (uint16_t)(0x40 | (random_next(r) & 0xf3f));
    if (random_chance(r, 60)) {
        fpu->fcw |= 0x3f;
    }
    fpu->fsw = (uint16_t)(random_below(r, 8) << 11);
    fpu->ftw = random_chance(r, 50) ? 0xff : (uint8_t)random_next(r);
    if (!is_plain) {
        fpu->fsw |= (uint16_t)random_below(r, 0x40) | (uint16_t)(random_next(r) & 0x4700);
    }
    if (fpu->fsw & ~fpu->fcw & 0x3f) { /* pending */
        fpu->fsw |= 0x8080;
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t mantissa = fuzz_integer(r) | (random_chance(r, 80) ? 1ull << 63 : 0);
        uint16_t exponent = random_chance(r, 70) ? (uint16_t)(0x3fff + random_below(r, 70) - 35)
                                                 : (uint16_t)random_next(r);
        memcpy(fpu->st[i], &mantissa, 8);
        memcpy(fpu->st[i] + 8, &exponent, 2);
    }
    for (unsigned i = 0; i < 16; i++) {
        draw_vector(r, fpu->xmm[i]);
        draw_vector(r, fpu->ymm_high[i]);
    }
    if (case_has_avx512()) {
        fuzz_draw_avx512(r, fpu);
    }
}
