/* SPDX-License-Identifier: MIT */
/*
 * Random cases of 16- and 32-bit code: their own operand formats, instructions that 64-bit code
 * lost, and segments that begin and end anywhere. Registers hold offsets in the segments that are
 * loaded at the start.
 */
#include "tests/fuzz/fuzz-insn-draw.h"
#include "tests/fuzz/fuzz-insn-evex.h"

#include "target/i386/translate/rehost.h"
#include "tests/insn/case-segments.h"

#include <Zydis/Zydis.h>
#include <string.h>

/* -- Addresses -------------------------------------------------------------------------------- */

static unsigned draw_segment(Random *r)
{
    static const uint8_t segments[] = {SEG_DS, SEG_DS, SEG_DS, SEG_DS, SEG_DS,
                                       SEG_DS, SEG_ES, SEG_SS, SEG_FS, SEG_GS};
    return segments[random_below(r, sizeof(segments))];
}

/* Offset in some segment of data that are mapped. */
static uint32_t draw_offset(Maker *m, unsigned segment)
{
    uint64_t linear = fuzz_data_address(&m->random);

    if (random_chance(&m->random, 5)) {
        linear = fuzz_wild_address(&m->random);
    }
    return (uint32_t)(linear - fuzz_segment_base(m->c, segment));
}

static void draw_displacement(Maker *m, DrawnOperand *o, unsigned wide_size)
{
    unsigned kind = (unsigned)random_below(&m->random, 10);
    unsigned mod = kind < 4 ? 0 : kind < 8 ? 1 : 2;

    o->modrm |= (uint8_t)(mod << 6);
    o->displacement_size = (uint8_t)(mod == 1 ? 1 : mod == 2 ? wide_size : 0);
    o->displacement = mod == 1 ? (int8_t)random_next(&m->random)
                               : (int32_t)random_below(&m->random, 0x1000) - 0x800;
}

static void draw_address_32(Maker *m, DrawnOperand *o)
{
    Random *r = &m->random;
    unsigned base = fuzz_pick_register(m, 8, random_chance(r, 88));

    if (random_chance(r, 10)) { /* [disp32] */
        o->modrm = 5;
        o->displacement_size = 4;
        o->displacement = (int32_t)draw_offset(m, SEG_DS);
        return;
    }
    draw_displacement(m, o, 4);
    if (base == R_RBP && o->modrm >> 6 == 0) {
        base = R_RBX;
    }
    if (base != R_RSP && random_chance(r, 60)) {
        o->modrm |= (uint8_t)base;
        return;
    }
    o->modrm |= 4;
    o->has_sib = true;
    o->sib = (uint8_t)(random_below(r, 4) << 6 |
                       (random_chance(r, 30) ? 4 : fuzz_pick_register(m, 8, false)) << 3 | base);
    if (random_chance(r, 8)) { /* no base */
        o->modrm = 4;
        o->sib = (uint8_t)((o->sib & ~7) | 5);
        o->displacement_size = 4;
        o->displacement = (int32_t)draw_offset(m, SEG_DS);
    }
}

static void draw_address_16(Maker *m, DrawnOperand *o)
{
    draw_displacement(m, o, 2);
    o->modrm |= (uint8_t)random_below(&m->random, 8);
    if ((o->modrm & 0xc7) == 6 || random_chance(&m->random, 15)) { /* [disp16] */
        o->modrm = 6;
        o->displacement_size = 2;
        o->displacement = (int16_t)draw_offset(m, SEG_DS);
    }
}

static DrawnOperand draw_operand(Maker *m, unsigned address_bits)
{
    DrawnOperand o = {0};

    if (random_chance(&m->random, 35)) {
        o.modrm = (uint8_t)(0xc0 | random_below(&m->random, 8));
        return o;
    }
    o.is_memory = true;
    if (address_bits == 16) {
        draw_address_16(m, &o);
    } else {
        draw_address_32(m, &o);
    }
    return o;
}

/* -- One instruction -------------------------------------------------------------------------- */

/* Bits 7 and 6 behind C4h and C5h are set, else it is LES or LDS. */
static uint8_t *put_vex(Maker *m, uint8_t *p)
{
    Random *r = &m->random;
    uint8_t tail = (uint8_t)(random_below(r, 2) << 2 | random_below(r, 4));
    uint8_t vvvv = random_chance(r, 40) ? 15 : (uint8_t)(8 | random_below(r, 8));
    unsigned map = 1 + (unsigned)random_below(r, 3);

    if (map == 1 && random_chance(r, 60)) {
        *p++ = 0xc5;
        *p++ = (uint8_t)(0x80 | vvvv << 3 | tail);
    } else {
        *p++ = 0xc4;
        *p++ = (uint8_t)(0xc0 | random_below(r, 2) << 5 | map);
        *p++ = (uint8_t)(random_below(r, 2) << 7 | vvvv << 3 | tail);
    }
    *p++ = (uint8_t)random_next(r);
    return p;
}

/* One-byte opcodes of which a random byte would make too few. */
static uint8_t draw_opcode(Maker *m)
{
    static const uint8_t special[] = {
        0x06, 0x07, 0x0e, 0x16, 0x17, 0x1e, 0x1f, 0x27, 0x2f, 0x37, 0x3f, 0x60, 0x61, 0x62, 0x63,
        0x8c, 0x8c, 0x8e, 0x8e, 0x8e, 0x9a, 0x9c, 0x9d, 0x9d, 0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab,
        0xac, 0xad, 0xae, 0xaf, 0xc2, 0xc3, 0xc4, 0xc5, 0xc8, 0xc9, 0xca, 0xcb, 0xcb, 0xcd, 0xce,
        0xcf, 0xd4, 0xd5, 0xd6, 0xd7, 0xe0, 0xe1, 0xe2, 0xe3, 0xe8, 0xea, 0xff, 0xff};
    Random *r = &m->random;

    if (random_chance(r, 10)) { /* x87 */
        return (uint8_t)(0xd8 + random_below(r, 8));
    }
    if (random_chance(r, 30)) {
        return special[random_below(r, sizeof(special))];
    }
    return (uint8_t)random_next(r);
}

/* The opcode and what is behind it; `map` decides which table. */
static uint8_t *put_opcode(Maker *m, uint8_t *p, unsigned map)
{
    static const uint8_t special[] = {0x00, 0x02, 0x03, 0xa0, 0xa1, 0xa8, 0xa9,
                                      0xb2, 0xb4, 0xb5, 0xa3, 0xab, 0xb3, 0xbb};
    Random *r = &m->random;

    if (map < 55) {
        *p++ = draw_opcode(m);
        return p;
    }
    *p++ = 0x0f;
    if (map >= 80) {
        *p++ = map < 90 ? 0x38 : 0x3a;
        *p++ = (uint8_t)random_next(r);
        return p;
    }
    *p++ =
        random_chance(r, 20) ? special[random_below(r, sizeof(special))] : (uint8_t)random_next(r);
    return p;
}

static uint8_t *put_prefixes(Maker *m, uint8_t *p, const DrawnOperand *o, bool operand_prefix,
                             bool address_prefix)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    Random *r = &m->random;

    if (o->is_memory && random_chance(r, 6)) {
        *p++ = 0xf0;
    }
    if (operand_prefix) {
        *p++ = 0x66;
    }
    if (random_chance(r, 18)) {
        *p++ = (uint8_t)(0xf2 + random_below(r, 2));
    }
    if (address_prefix) {
        *p++ = 0x67;
    }
    if (random_chance(r, 14)) {
        *p++ = segments[random_below(r, sizeof(segments))];
    }
    return p;
}

static void note_fixes(Maker *m, const Insn *insn, FuzzInsn *to)
{
    Random *r = &m->random;
    uint32_t offset = draw_offset(m, SEG_DS);

    if (!insn->operand_count) {
        return;
    }
    if (insn->operands[0].kind == OPERAND_REL) {
        to->fix = FIX_BRANCH;
        to->fix_offset = insn->immediate_offset;
        to->fix_size = insn->immediate_size;
    } else if (insn->operands[0].kind == OPERAND_FAR) {
        to->fix = FIX_FAR;
        to->fix_offset = insn->immediate_offset ? insn->immediate_offset : insn->opcode_offset + 1;
        to->fix_size = (uint8_t)(insn->length - to->fix_offset - 2);
        to->selector = random_chance(r, 60) ? fuzz_draw_code_selector(r, random_chance(r, 60))
                                            : fuzz_draw_selector(r);
    } else if (!insn->modrm_offset && insn->displacement_size >= 2) { /* MOV moffs */
        memcpy(to->bytes + insn->displacement_offset, &offset, insn->displacement_size);
    }
}

/* The byte behind C4h or 62h: without its upper bits it is LES or BOUND. */
static uint8_t *find_vector_bits(uint8_t *bytes)
{
    return bytes + (bytes[0] == 0x67) + 1;
}

static void draw_insn(Maker *m, FuzzInsn *to)
{
    Random *r = &m->random;
    unsigned native = m->c->mode & CPU_MODE_CS_D ? 32 : 16;
    uint8_t bytes[48];
    Insn insn;

    for (unsigned i = 0; i < FUZZ_ATTEMPTS; i++) {
        bool operand_prefix = random_chance(r, native == 32 ? 24 : 35);
        bool address_prefix = random_chance(r, native == 32 ? 12 : 30);
        DrawnOperand operand = draw_operand(m, address_prefix ? 48 - native : native);
        unsigned map = (unsigned)random_below(r, 100);
        unsigned encoding = (unsigned)random_below(r, 100);
        uint8_t *p = bytes;

        if (case_has_avx512() && encoding >= 90) {
            p = fuzz_put_evex(r, p, false, false, operand.is_memory);
            *find_vector_bits(bytes) |= 0xc0;
        } else if (encoding < 15) {
            if (address_prefix) {
                *p++ = 0x67;
            }
            p = put_vex(m, p);
        } else {
            p = put_prefixes(m, p, &operand, operand_prefix || (map >= 80 && random_chance(r, 50)),
                             address_prefix);
            p = put_opcode(m, p, map);
        }
        fuzz_put_tail(m, p, &operand);
        if (fuzz_keep(m->c, bytes, 15, to, &insn)) {
            note_fixes(m, &insn, to);
            return;
        }
    }
    fuzz_keep(m->c, (const uint8_t[]){0x90}, 1, to, &insn);
}

/* -- The state -------------------------------------------------------------------------------- */

static void draw_segments(Maker *m)
{
    Random *r = &m->random;
    CaseState *s = &m->c->state;
    bool is_flat = random_chance(r, 35);

    s->selector[SEG_CS] = fuzz_draw_code_selector(r, m->c->mode & CPU_MODE_CS_D);
    s->selector[SEG_SS] =
        is_flat || random_chance(r, 30) ? CASE_DATA_3 : fuzz_draw_stack_selector(r);
    for (unsigned i = 0; i < SEG_COUNT; i++) {
        if (i != SEG_CS && i != SEG_SS) {
            s->selector[i] =
                is_flat || random_chance(r, 20) ? CASE_DATA_3 : fuzz_draw_data_selector(r);
        }
    }
    s->fs_base = case_segment(s->selector[SEG_FS]).base;
    s->gs_base = case_segment(s->selector[SEG_GS]).base;
    m->c->mode |= case_segment(s->selector[SEG_SS]).attributes & SEG_DB ? CPU_MODE_SS_B : 0;
}

/* The kernel checks RIP against the limit when it starts a case. */
static uint64_t draw_start_inside(Maker *m)
{
    Segment cs = case_segment(m->c->state.selector[SEG_CS]);
    uint64_t last = cs.base + cs.limit, start = fuzz_draw_start(&m->random);

    if (last < CASE_CODE + CASE_CODE_SIZE && random_chance(&m->random, 40)) {
        start = last - random_below(&m->random, 50); /* runs into the limit */
    }
    if (start < CASE_CODE || (uint32_t)(start - cs.base) > cs.limit) {
        start = CASE_CODE + random_below(&m->random, 0x100);
    }
    return start;
}

static void draw_stack_pointer(Maker *m)
{
    Random *r = &m->random;
    CaseState *s = &m->c->state;
    uint64_t linear = CASE_STACK + CASE_PAGE + 4 * random_below(r, 128) - 256;

    if (random_chance(r, 30)) {
        linear = CASE_STACK + CASE_PAGE * random_below(r, 3) + random_below(r, 32) - 16;
    }
    s->gpr[R_RSP] = (uint32_t)(linear - fuzz_segment_base(m->c, SEG_SS));
    if (!(m->c->mode & CPU_MODE_SS_B)) { /* only the low half counts */
        s->gpr[R_RSP] = (s->gpr[R_RSP] & 0xffff) | (random_next(r) & 0xffff0000);
    }
}

static void draw_gprs(Maker *m)
{
    Random *r = &m->random;
    CaseState *s = &m->c->state;

    for (unsigned i = 0; i < 16; i++) {
        bool is_pointer = m->pointers >> i & 1;
        s->gpr[i] = is_pointer ? draw_offset(m, i == R_RDI   ? SEG_ES
                                                : i == R_RSI ? SEG_DS
                                                             : draw_segment(r))
                               : (uint32_t)fuzz_integer(r);
        if (!is_pointer && random_chance(r, 20)) {
            s->gpr[i] = fuzz_draw_selector(r);
        }
        m->c->gpr_target[i] = FUZZ_NO_TARGET;
        if (i != R_RSP && random_chance(r, 8)) {
            m->c->gpr_target[i] = (uint8_t)random_below(r, m->c->count + 1);
        }
        if (i >= 8) {
            s->gpr[i] = random_next(r);
        }
    }
    if (random_chance(r, 70)) {
        s->gpr[R_RCX] = random_below(r, random_chance(r, 75) ? 24 : 6000);
    }
    if (random_chance(r, 90)) {
        draw_stack_pointer(m);
    }
}

void fuzz_make_legacy(Maker *m)
{
    Random *r = &m->random;
    FuzzCase *c = m->c;

    c->mode = random_chance(r, 72) ? CPU_MODE_CS_D : 0;
    c->paging = random_chance(r, 60) ? GUEST_LONG : random_chance(r, 50) ? GUEST_PAE : GUEST_32BIT;
    draw_segments(m);
    c->start = draw_start_inside(m);
    m->pointers = (uint16_t)(random_next(r) | 1u << R_RSP);
    if (random_chance(r, 50)) {
        m->pointers |= 1u << R_RSI | 1u << R_RDI;
    }
    c->count = 1 + (unsigned)random_below(r, 8);
    for (unsigned i = 0; i < c->count; i++) {
        draw_insn(m, &c->insns[i]);
    }
    draw_gprs(m);
}
