/* SPDX-License-Identifier: MIT */
/* EVEX and opmask instructions for fuzz-insn, drawn so that most of them decode. */
#include "tests/fuzz/fuzz-insn-evex.h"

#include <string.h>

static uint8_t *put_opmask(Random *r, uint8_t *p, bool rex_x, bool rex_b)
{
    static const uint8_t opcodes[] = {0x41, 0x42, 0x44, 0x45, 0x46, 0x47, 0x4a, 0x4b, 0x90,
                                      0x91, 0x92, 0x93, 0x98, 0x99, 0x30, 0x31, 0x32, 0x33};
    uint8_t opcode = opcodes[random_below(r, sizeof(opcodes))];
    bool is_shift = opcode < 0x40;
    uint8_t vvvv = is_shift || opcode >= 0x90 ? 15 : 15 - (uint8_t)random_below(r, 8);

    *p++ = 0xc4;
    *p++ = (uint8_t)(0x80 | (rex_x ? 0 : 0x40) | (rex_b ? 0 : 0x20) | (is_shift ? 3 : 1));
    *p++ = (uint8_t)(random_below(r, 2) << 7 | vvvv << 3 | random_below(r, 2) << 2 |
                     random_below(r, 4));
    *p++ = opcode;
    return p;
}

/* Opcodes whose operand is more than a vector in its place come more often: map << 12 | pp << 8. */
static unsigned draw_opcode(Random *r)
{
    /* gathers, scatters, expand and compress, plain moves, half precision, VP2INTERSECT, and the
     * only ones of small extensions */
    static const uint16_t special[] = {
        0x2190, 0x2191, 0x2192, 0x2193, 0x21a0, 0x21a1, 0x21a2, 0x21a3, 0x2188, 0x2189, 0x218a,
        0x218b, 0x2162, 0x2163, 0x116f, 0x117f, 0x126f, 0x127f, 0x136f, 0x137f, 0x1010, 0x1110,
        0x1028, 0x1029, 0x1128, 0x1129, 0x1210, 0x1211, 0x1310, 0x1311, 0x311d, 0x2113, 0x2368,
        0x2252, 0x2272, 0x2372, 0x2154, 0x2155, 0x218f, 0x3144, 0x21c4, 0x2144};

    if (random_chance(r, 22)) {
        return special[random_below(r, sizeof(special) / sizeof(special[0]))];
    }
    if (random_chance(r, 10)) { /* stores of narrowed elements */
        return 0x2210 + (unsigned)random_below(r, 0x26);
    }
    return (unsigned)(1 + random_below(r, 3)) << 12 |
           (unsigned)(random_chance(r, 60) ? 1 : random_below(r, 4)) << 8 |
           (unsigned)random_below(r, 256);
}

uint8_t *fuzz_put_evex(Random *r, uint8_t *p, bool rex_x, bool rex_b, bool is_memory)
{
    unsigned opcode, high = (unsigned)random_next(r), tail;
    uint8_t vvvv = random_chance(r, 40) ? 31 : (uint8_t)random_below(r, 32);

    if (random_chance(r, 12)) {
        return put_opmask(r, p, rex_x, rex_b);
    }
    opcode = draw_opcode(r);
    tail = random_chance(r, 40) ? 0 : (unsigned)random_below(r, 8);
    tail |= tail && random_chance(r, 40) ? 0x80 : 0;
    tail |= random_chance(r, is_memory ? 20 : 12) ? 0x10 : 0;
    tail |= (unsigned)random_below(r, tail & 0x10 && !is_memory ? 4 : 3) << 5;
    if (random_chance(r, 2)) {
        *p++ = 0x67;
    }
    *p++ = 0x62;
    *p++ = (uint8_t)((high & 0x90) | (rex_x ? 0 : 0x40) | (rex_b ? 0 : 0x20) | opcode >> 12);
    *p++ = (uint8_t)((high >> 1 & 0x80) | (vvvv & 15) << 3 | 4 | (opcode >> 8 & 3));
    *p++ = (uint8_t)(tail | (vvvv >> 4) << 3);
    *p++ = (uint8_t)opcode;
    return p;
}

static uint64_t draw_mask(Random *r)
{
    uint64_t value = random_next(r);

    switch (random_below(r, 6)) {
    case 0:
        return UINT64_MAX;
    case 1:
        return 0;
    case 2: /* the first ones, as for the rest of an array */
        return (1ull << (value & 63)) - 1;
    case 3: /* the last ones */
        return (uint64_t)-1 << (value & 63);
    case 4:
        return value & value >> 32 & 0xffff;
    default:
        return value;
    }
}

/* Words of a register as `bytes` bytes: numbers, or indices that stay within a few pages. */
static void draw_words(Random *r, uint8_t *to, unsigned bytes, bool is_index)
{
    for (unsigned i = 0; i < bytes; i += 8) {
        uint64_t value = random_next(r);
        if (is_index) {
            value &= value & 0x100000000000ull ? 0x00000fff00000fffull : 0xfffull;
        } else if (random_chance(r, 30)) {
            value = (value & 0x807fffff807fffffull) | 0x3f0000003f000000ull;
        }
        memcpy(to + i, &value, 8);
    }
}

void fuzz_draw_avx512(Random *r, CaseFpu *fpu)
{
    for (unsigned i = 0; i < 8; i++) {
        fpu->k[i] = draw_mask(r);
    }
    for (unsigned i = 0; i < 16; i++) {
        bool is_index = random_chance(r, 25);
        if (is_index && random_chance(r, 50)) {
            draw_words(r, fpu->xmm[i], 16, true);
            draw_words(r, fpu->ymm_high[i], 16, true);
        }
        draw_words(r, fpu->zmm_high[i], 32, is_index);
        draw_words(r, fpu->zmm16[i], 64, random_chance(r, 25));
    }
}
