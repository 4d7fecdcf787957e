/* SPDX-License-Identifier: MIT */
/*
 * Random cases. Bytes are drawn and kept when the decoder and the re-hosting table take them, so a
 * new row is fuzzed without anything said here. Operands are drawn for trouble: most memory
 * operands reach the data pages, near their ends, unaligned, in the read-only page or the hole.
 */
#include "tests/fuzz/fuzz-insn-draw.h"
#include "tests/fuzz/fuzz-insn-evex.h"

#include "target/i386/translate/decode.h"
#include "target/i386/translate/rehost.h"
#include "tests/insn/case-segments.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define MODE_64 (CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA)
/* -- One instruction -------------------------------------------------------------------------- */

unsigned fuzz_pick_register(Maker *m, unsigned count, bool pointer)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned reg = (unsigned)random_below(&m->random, count);
        if (!!(m->pointers >> reg & 1) == pointer) {
            return reg;
        }
    }
    return (unsigned)random_below(&m->random, count);
}

static void draw_displacement(Maker *m, DrawnOperand *o, unsigned base)
{
    unsigned kind = (unsigned)random_below(&m->random, 10);

    if (kind < 4 && (base & 7) != 5) {
        return;
    }
    if (kind < 8) {
        o->modrm = 0x40;
        o->displacement_size = 1;
        o->displacement = (int8_t)random_next(&m->random);
    } else {
        o->modrm = 0x80;
        o->displacement_size = 4;
        o->displacement = (int32_t)random_below(&m->random, 0x1000) - 0x800;
    }
}

static DrawnOperand draw_operand(Maker *m)
{
    Random *r = &m->random;
    DrawnOperand o = {0};
    unsigned base = fuzz_pick_register(m, 16, random_chance(r, 88));

    if (random_chance(r, 35)) {
        o.modrm = (uint8_t)(0xc0 | random_below(r, 8));
        o.rex_b = (uint8_t)random_below(r, 2);
        return o;
    }
    o.is_memory = true;
    if (random_chance(r, 10)) { /* RIP-relative; the displacement is fixed later */
        o.modrm = 5;
        o.displacement_size = 4;
        return o;
    }
    o.rex_b = base >> 3;
    draw_displacement(m, &o, base);
    o.modrm |= base & 7;
    if ((base & 7) != 4 && random_chance(r, 60)) {
        return o;
    }
    unsigned index = random_chance(r, 30) ? 4 : fuzz_pick_register(m, 16, false);
    o.modrm = (o.modrm & 0xc0) | 4;
    o.has_sib = true;
    o.rex_x = index >> 3;
    o.sib = (uint8_t)(random_below(r, 4) << 6 | (index & 7) << 3 | (base & 7));
    if (random_chance(r, 8)) { /* no base */
        o.sib = (uint8_t)((o.sib & ~7) | 5);
        o.modrm = 4;
        o.displacement_size = 4;
        o.displacement = (int32_t)fuzz_data_address(r);
    }
    return o;
}

void fuzz_put_tail(Maker *m, uint8_t *p, const DrawnOperand *o)
{
    uint64_t immediate = fuzz_integer(&m->random);

    *p++ = (uint8_t)(o->modrm | random_below(&m->random, 8) << 3);
    if (o->has_sib) {
        *p++ = o->sib;
    }
    memcpy(p, &o->displacement, 4);
    p += o->displacement_size;
    memcpy(p, &immediate, 8);
}

static uint8_t *put_vex(Maker *m, uint8_t *p, const DrawnOperand *o)
{
    Random *r = &m->random;
    uint8_t vvvv = random_chance(r, 40) ? 15 : (uint8_t)random_below(r, 16);
    uint8_t tail = (uint8_t)(vvvv << 3 | random_below(r, 2) << 2 | random_below(r, 4));
    unsigned map = 1 + (unsigned)random_below(r, 3);

    if (random_chance(r, 2)) {
        *p++ = 0x67;
    }
    if (map == 1 && !o->rex_b && !o->rex_x && random_chance(r, 60)) {
        *p++ = 0xc5;
        *p++ = tail | (uint8_t)(random_below(r, 2) << 7);
    } else {
        *p++ = 0xc4;
        *p++ = (uint8_t)(random_below(r, 2) << 7 | (o->rex_x ? 0 : 0x40) | (o->rex_b ? 0 : 0x20) |
                         map);
        *p++ = tail | (uint8_t)(random_below(r, 2) << 7);
    }
    *p++ = (uint8_t)random_next(r);
    return p;
}

static uint8_t draw_opcode(Maker *m)
{
    static const uint8_t strings[] = {0xa4, 0xa5, 0xa6, 0xa7, 0xaa, 0xab, 0xac, 0xad, 0xae, 0xaf};
    Random *r = &m->random;

    if (random_chance(r, 14)) { /* x87 */
        return (uint8_t)(0xd8 + random_below(r, 8));
    }
    if (random_chance(r, 6)) {
        return strings[random_below(r, sizeof(strings))];
    }
    return (uint8_t)random_next(r);
}

static uint8_t *put_legacy(Maker *m, uint8_t *p, const DrawnOperand *o)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65};
    Random *r = &m->random;
    unsigned map = (unsigned)random_below(r, 100);

    if (o->is_memory && random_chance(r, 6)) {
        *p++ = 0xf0;
    }
    if (random_chance(r, map >= 75 ? 50 : 22)) {
        *p++ = 0x66;
    }
    if (random_chance(r, 22)) {
        *p++ = (uint8_t)(0xf2 + random_below(r, 2));
    }
    if (random_chance(r, 3)) {
        *p++ = 0x67;
    }
    if (random_chance(r, 5)) {
        *p++ = segments[random_below(r, sizeof(segments))];
    }
    uint8_t rex = (uint8_t)(random_below(r, 2) << 3 | (random_chance(r, 35) ? 4 : 0) |
                            o->rex_x << 1 | o->rex_b);
    if (rex & 7 || random_chance(r, 45)) {
        *p++ = 0x40 | rex;
    }
    if (map < 45) {
        *p++ = draw_opcode(m);
        return p;
    }
    *p++ = 0x0f;
    if (map >= 75) {
        *p++ = map < 88 ? 0x38 : 0x3a;
    }
    *p++ = (uint8_t)random_next(r);
    return p;
}

/* Notes what depends on places, and gives absolute addresses a value that hits something. */
static void note_fixes(Maker *m, const Insn *insn, FuzzInsn *to)
{
    Random *r = &m->random;
    uint64_t address = fuzz_data_address(r);

    if (insn->operand_count && insn->operands[0].kind == OPERAND_REL) {
        to->fix = FIX_BRANCH;
        to->fix_offset = insn->immediate_offset;
        to->fix_size = insn->immediate_size;
    } else if (insn->base == INSN_RIP) {
        to->fix = FIX_ADDRESS;
        to->fix_offset = insn->displacement_offset;
        to->fix_size = 4;
        to->address = address;
    } else if (!insn->modrm_offset && insn->displacement_size >= 4) { /* MOV moffs */
        memcpy(to->bytes + insn->displacement_offset, &address, insn->displacement_size);
    }
}

bool fuzz_keep(const FuzzCase *c, const uint8_t *bytes, unsigned size, FuzzInsn *to, Insn *ret_insn)
{
    if (!fuzz_decode(c->mode, CASE_CODE, bytes, size, ret_insn) ||
        !fuzz_insn_is_allowed(ret_insn)) {
        return false;
    }
    memset(to, 0, sizeof(*to));
    memcpy(to->bytes, bytes, ret_insn->length);
    to->length = ret_insn->length;
    to->isa_set = ret_insn->isa_set;
    to->mnemonic = ret_insn->mnemonic;
    to->may_go = true;
    return true;
}

static void draw_insn(Maker *m, FuzzInsn *to)
{
    uint8_t bytes[48];
    Insn insn;

    for (unsigned i = 0; i < FUZZ_ATTEMPTS; i++) {
        DrawnOperand operand = draw_operand(m);
        uint8_t *p = bytes;
        unsigned encoding = (unsigned)random_below(&m->random, 100);

        if (case_has_avx512() && encoding >= 70) {
            p = fuzz_put_evex(&m->random, p, operand.rex_x, operand.rex_b, operand.is_memory);
        } else {
            p = encoding < 24 ? put_vex(m, p, &operand) : put_legacy(m, p, &operand);
        }
        fuzz_put_tail(m, p, &operand);
        if (fuzz_keep(m->c, bytes, 15, to, &insn)) {
            note_fixes(m, &insn, to);
            return;
        }
    }
    fuzz_keep(m->c, (const uint8_t[]){0x90}, 1, to, &insn);
}

/* Branch targets, once it is known how many instructions there are. Backward ones are rare, since
 * most of them never end. */
static void draw_targets(Maker *m)
{
    FuzzCase *c = m->c;

    for (unsigned i = 0; i < c->count; i++) {
        if (c->insns[i].fix == FIX_BRANCH || c->insns[i].fix == FIX_FAR) {
            unsigned first = random_chance(&m->random, 6) ? 0 : i + 1;
            c->insns[i].target = (uint8_t)(first + random_below(&m->random, c->count + 1 - first));
        }
    }
}

/* -- Code that changes itself ----------------------------------------------------------------- */

/* Another value for one byte of an instruction that leaves it one of the same length. */
static bool draw_patch(Maker *m, const FuzzInsn *insn, unsigned *ret_byte, uint8_t *ret_value)
{
    uint8_t bytes[16];
    Insn decoded;

    for (unsigned i = 0; i < 60; i++) {
        memcpy(bytes, insn->bytes, sizeof(bytes));
        *ret_byte = (unsigned)random_below(&m->random, insn->length);
        *ret_value = (uint8_t)random_next(&m->random);
        bytes[*ret_byte] = *ret_value;
        if (fuzz_decode(m->c->mode, CASE_CODE, bytes, insn->length, &decoded) &&
            decoded.length == insn->length && fuzz_insn_is_allowed(&decoded) &&
            decoded.base != INSN_RIP && decoded.row->carry != CARRY_BRANCH) {
            return true;
        }
    }
    return false;
}

/* Puts a store before instruction n that changes one of its bytes. */
static void add_patch(Maker *m)
{
    static const uint8_t mov[] = {0xc6, 0x05, 0, 0, 0, 0, 0}, mov_16[] = {0xc6, 0x06, 0, 0, 0};
    FuzzCase *c = m->c;
    unsigned n = (unsigned)random_below(&m->random, c->count), byte;
    unsigned at = (unsigned)random_below(&m->random, n + 1);
    FuzzInsn store;
    uint8_t value;
    Insn insn;

    if (c->count == FUZZ_MAX_INSNS || c->insns[n].fix != FIX_NONE ||
        !draw_patch(m, &c->insns[n], &byte, &value)) {
        return;
    }
    bool is_16bit = !(c->mode & (CPU_MODE_CS_L | CPU_MODE_CS_D));
    fuzz_keep(c, is_16bit ? mov_16 : mov, is_16bit ? sizeof(mov_16) : sizeof(mov), &store, &insn);
    store.bytes[store.length - 1] = value;
    store.fix = c->mode & CPU_MODE_CS_L ? FIX_CODE : FIX_CODE_IN_DATA;
    store.fix_offset = 2;
    store.fix_size = is_16bit ? 2 : 4;
    store.target = (uint8_t)(n + 1);
    store.target_byte = (uint8_t)byte;
    memmove(&c->insns[at + 1], &c->insns[at], (c->count - at) * sizeof(FuzzInsn));
    c->insns[at] = store;
    c->count++;
}

static void draw_variant(Maker *m)
{
    FuzzCase *c = m->c;
    unsigned n = (unsigned)random_below(&m->random, c->count), byte;

    c->has_variant = random_chance(&m->random, 25) && c->insns[n].fix == FIX_NONE &&
                     draw_patch(m, &c->insns[n], &byte, &c->variant_value);
    c->variant_insn = (uint8_t)n;
    c->variant_byte = c->has_variant ? (uint8_t)byte : 0;
}

/* -- State ------------------------------------------------------------------------------------ */

static void draw_gprs(Maker *m)
{
    Random *r = &m->random;
    CaseState *s = &m->c->state;

    for (unsigned i = 0; i < 16; i++) {
        bool is_pointer = m->pointers >> i & 1;
        s->gpr[i] = !is_pointer           ? fuzz_integer(r)
                    : random_chance(r, 7) ? fuzz_wild_address(r)
                                          : fuzz_data_address(r);
        if (is_pointer && random_chance(r, 2)) { /* into the code */
            s->gpr[i] = m->c->start + random_below(r, 64);
        }
        m->c->gpr_target[i] = FUZZ_NO_TARGET;
        if (!is_pointer && random_chance(r, 6)) {
            s->gpr[i] = fuzz_draw_selector(r);
        }
        if (random_chance(r, 8)) {
            m->c->gpr_target[i] = (uint8_t)random_below(r, m->c->count + 1);
        }
    }
    if (random_chance(r, 70)) {
        s->gpr[R_RCX] = random_below(r, random_chance(r, 75) ? 24 : 6000);
    }
    if (random_chance(r, 85)) {
        m->c->gpr_target[R_RSP] = FUZZ_NO_TARGET;
        s->gpr[R_RSP] = CASE_STACK + CASE_PAGE + 8 * random_below(r, 64) - 256;
        if (random_chance(r, 25)) {
            s->gpr[R_RSP] = CASE_STACK + CASE_PAGE * random_below(r, 3) + random_below(r, 32) - 16;
        }
    }
}

uint64_t fuzz_draw_start(Random *r)
{
    switch (random_below(r, 8)) {
    case 0: /* across the pages */
    case 1:
        return CASE_CODE + CASE_PAGE - random_below(r, 40);
    case 2: /* towards the end of the mapping */
        return CASE_CODE + 2 * CASE_PAGE - 1 - random_below(r, 60);
    default:
        return CASE_CODE + random_below(r, 0xf80);
    }
}

/* Anything canonical, but not where Linux puts what this process has mapped itself. */
static uint64_t draw_base(Random *r)
{
    uint64_t base = (uint64_t)((int64_t)(fuzz_wild_address(r) << 16) >> 16);
    unsigned top = (unsigned)(base >> 40);

    if (top == 0x55 || top == 0x56) { /* the program and its heap */
        return base - (0x10ull << 40);
    }
    return (top == 0x7e || top == 0x7f) && base < 0x7fffffff0000 ? base - (0x10ull << 40) : base;
}

/* Segments mean nothing to 64-bit code but FS and GS, whose selectors are mostly null there. */
static void draw_segments(Maker *m)
{
    Random *r = &m->random;
    CaseState *s = &m->c->state;

    s->selector[SEG_CS] = CASE_CODE_64;
    s->selector[SEG_SS] = random_chance(r, 90) ? CASE_DATA_3 : fuzz_draw_stack_selector(r);
    if (random_chance(r, 15)) {
        s->selector[SEG_DS] = fuzz_draw_data_selector(r);
        s->selector[SEG_ES] = fuzz_draw_data_selector(r);
    }
    for (unsigned segment = SEG_FS; segment <= SEG_GS; segment++) {
        uint64_t *base = segment == SEG_FS ? &s->fs_base : &s->gs_base;
        if (random_chance(r, 12)) {
            s->selector[segment] = fuzz_draw_data_selector(r);
            *base = case_segment(s->selector[segment]).base;
        } else {
            *base = random_chance(r, 60) ? random_below(r, 0x2000) - 0x1000 : draw_base(r);
        }
    }
}

static void make_64_bit(Maker *m)
{
    Random *r = &m->random;
    FuzzCase *c = m->c;

    c->mode = MODE_64;
    c->start = fuzz_draw_start(r);
    m->pointers = (uint16_t)(random_next(r) | 1u << R_RSP);
    if (random_chance(r, 50)) {
        m->pointers |= 1u << R_RSI | 1u << R_RDI;
    }
    c->count = 1 + (unsigned)random_below(r, 8);
    draw_segments(m);
    for (unsigned i = 0; i < c->count; i++) {
        draw_insn(m, &c->insns[i]);
    }
    draw_gprs(m);
}

void fuzz_case_make(FuzzCase *c, uint64_t seed, FuzzModes modes)
{
    Maker m = {.c = c};
    Random *r = &m.random;

    memset(c, 0, sizeof(*c));
    random_seed(r, seed);
    c->seed = seed;
    if (modes == FUZZ_LEGACY || (modes == FUZZ_ALL_MODES && random_chance(r, 45))) {
        fuzz_make_legacy(&m);
    } else {
        make_64_bit(&m);
    }
    if (random_chance(r, 12)) {
        add_patch(&m);
    }
    draw_targets(&m);
    draw_variant(&m);
    fuzz_draw_fpu(&m);
    c->state.eflags =
        random_next(r) & (random_chance(r, 80) ? CASE_EFLAGS & ~EFLAGS_DF : CASE_EFLAGS);
    c->gpr_is_far = (uint16_t)(random_next(r) & random_next(r));
    c->flush_before = random_chance(r, 25);
    c->forget_use = random_chance(r, 40);
    c->flush_between = random_chance(r, 8);
    c->second_opinion = random_chance(r, 20);
    c->in_device = random_chance(r, 6) && c->paging == GUEST_LONG;
    c->watch_dirty = c->flush_before && random_chance(r, 10);
    if (random_chance(r, 5)) {
        c->state.eflags |= EFLAGS_AC;
    }
}
