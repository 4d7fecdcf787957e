/* SPDX-License-Identifier: MIT */
/*
 * Random cases. Bytes are drawn and kept when the decoder and the re-hosting table take them, so a
 * new row is fuzzed without anything said here. Operands are drawn for trouble: most memory
 * operands reach the data pages, near their ends, unaligned, in the read-only page or the hole.
 */
#include "tests/fuzz/fuzz-insn-case.h"
#include "tests/fuzz/fuzz-insn-evex.h"

#include "target/i386/translate/decode.h"
#include "target/i386/translate/rehost.h"
#include "tests/fuzz/fuzz-random.h"

#include <Zydis/Zydis.h>
#include <string.h>

#define MODE_64 (CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA)
#define ATTEMPTS 400

typedef struct Maker {
    Random random;
    FuzzCase *c;
    uint16_t pointers; /* mask of registers that hold addresses */
} Maker;

/* -- What may run ----------------------------------------------------------------------------- */

bool fuzz_decode(uint64_t rip, const uint8_t *bytes, unsigned size, Insn *ret_insn)
{
    bool too_long;

    return size && decode_insn(MODE_64, rip, bytes, size, ret_insn, &too_long) == DECODE_OK;
}

/* Helpers that do in user mode what the processor does, without naming what only this machine has:
 * descriptors, time, random numbers, its features, addresses of x87 instructions. */
static bool is_user_helper(unsigned mnemonic)
{
    switch (mnemonic) {
    case ZYDIS_MNEMONIC_XLAT:
    case ZYDIS_MNEMONIC_ENTER:
    case ZYDIS_MNEMONIC_LEAVE:
    case ZYDIS_MNEMONIC_CLD:
    case ZYDIS_MNEMONIC_STD:
    case ZYDIS_MNEMONIC_MASKMOVQ:
    case ZYDIS_MNEMONIC_MASKMOVDQU:
    case ZYDIS_MNEMONIC_VMASKMOVDQU:
    case ZYDIS_MNEMONIC_VGATHERDPD:
    case ZYDIS_MNEMONIC_VGATHERDPS:
    case ZYDIS_MNEMONIC_VGATHERQPD:
    case ZYDIS_MNEMONIC_VGATHERQPS:
    case ZYDIS_MNEMONIC_VPGATHERDD:
    case ZYDIS_MNEMONIC_VPGATHERDQ:
    case ZYDIS_MNEMONIC_VPGATHERQD:
    case ZYDIS_MNEMONIC_VPGATHERQQ:
    case ZYDIS_MNEMONIC_VSCATTERDPD:
    case ZYDIS_MNEMONIC_VSCATTERDPS:
    case ZYDIS_MNEMONIC_VSCATTERQPD:
    case ZYDIS_MNEMONIC_VSCATTERQPS:
    case ZYDIS_MNEMONIC_VPSCATTERDD:
    case ZYDIS_MNEMONIC_VPSCATTERDQ:
    case ZYDIS_MNEMONIC_VPSCATTERQD:
    case ZYDIS_MNEMONIC_VPSCATTERQQ:
    case ZYDIS_MNEMONIC_LDMXCSR:
    case ZYDIS_MNEMONIC_VLDMXCSR:
    case ZYDIS_MNEMONIC_STMXCSR:
    case ZYDIS_MNEMONIC_VSTMXCSR:
    case ZYDIS_MNEMONIC_FNINIT:
    case ZYDIS_MNEMONIC_FWAIT:
    case ZYDIS_MNEMONIC_FLDENV:
    case ZYDIS_MNEMONIC_FRSTOR:
    case ZYDIS_MNEMONIC_CLFLUSH:
    case ZYDIS_MNEMONIC_CLFLUSHOPT:
    case ZYDIS_MNEMONIC_CLWB:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD2:
    case ZYDIS_MNEMONIC_CLI:
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INVLPG:
    case ZYDIS_MNEMONIC_WBINVD:
        return true;
    default:
        return false;
    }
}

static bool has_repeat_prefix(const Insn *insn)
{
    for (unsigned i = 0; i < insn->length; i++) {
        if (insn->bytes[i] == 0xf2 || insn->bytes[i] == 0xf3) {
            return true;
        }
        if (insn->bytes[i] == insn->opcode) {
            break;
        }
    }
    return false;
}

bool fuzz_insn_is_allowed(const Insn *insn)
{
    if (!insn->row || insn->segment == SEG_FS || insn->segment == SEG_GS) {
        return false;
    }
    if (insn->mnemonic == ZYDIS_MNEMONIC_RDRAND || insn->mnemonic == ZYDIS_MNEMONIC_RDSEED) {
        return false;
    }
    if (insn->isa_set == ZYDIS_ISA_SET_PREFETCH_NOP && insn->memory_operand == INSN_NO_REG) {
        return false; /* a NOP for Intel, #UD for AMD */
    }
    switch (insn->row->carry) {
    case CARRY_HELPER:
        return is_user_helper(insn->mnemonic);
    case CARRY_BRANCH: /* AMD truncates RIP for a 66h prefix, Intel ignores it; AMD reverses LOOPE
                          and LOOPNE for F2h and F3h */
        return !insn->operand_prefix &&
               !(insn->mnemonic >= ZYDIS_MNEMONIC_LOOP && insn->mnemonic <= ZYDIS_MNEMONIC_LOOPNE &&
                 has_repeat_prefix(insn));
    default:
        return true;
    }
}

/* -- Addresses -------------------------------------------------------------------------------- */

static uint64_t data_address(Random *r)
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

static uint64_t wild_address(Random *r)
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

static uint64_t integer(Random *r)
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

/* -- One instruction -------------------------------------------------------------------------- */

/* ModRM's memory operand as drawn: registers and the bytes behind the opcode but for ModRM.reg. */
typedef struct Operand {
    bool is_memory;
    uint8_t rm, rex_x, rex_b;
    uint8_t mod, sib;
    bool has_sib;
    int32_t displacement;
    uint8_t displacement_size;
} Operand;

static unsigned pick_register(Maker *m, bool pointer)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned reg = (unsigned)random_below(&m->random, 16);
        if (!!(m->pointers >> reg & 1) == pointer) {
            return reg;
        }
    }
    return (unsigned)random_below(&m->random, 16);
}

static void draw_displacement(Maker *m, Operand *o, unsigned base)
{
    unsigned kind = (unsigned)random_below(&m->random, 10);

    if (kind < 4 && (base & 7) != 5) {
        o->mod = 0;
    } else if (kind < 8) {
        o->mod = 1;
        o->displacement_size = 1;
        o->displacement = (int8_t)random_next(&m->random);
    } else {
        o->mod = 2;
        o->displacement_size = 4;
        o->displacement = (int32_t)random_below(&m->random, 0x1000) - 0x800;
    }
}

static Operand draw_operand(Maker *m)
{
    Random *r = &m->random;
    Operand o = {0};
    unsigned base = pick_register(m, random_chance(r, 88));

    if (random_chance(r, 35)) {
        o.rm = (uint8_t)random_below(r, 8);
        o.rex_b = (uint8_t)random_below(r, 2);
        o.mod = 3;
        return o;
    }
    o.is_memory = true;
    if (random_chance(r, 10)) { /* RIP-relative; the displacement is fixed later */
        o.rm = 5;
        o.displacement_size = 4;
        return o;
    }
    o.rex_b = base >> 3;
    draw_displacement(m, &o, base);
    o.rm = base & 7;
    if (o.rm != 4 && random_chance(r, 60)) {
        return o;
    }
    unsigned index = random_chance(r, 30) ? 4 : pick_register(m, false);
    o.rm = 4;
    o.has_sib = true;
    o.rex_x = index >> 3;
    o.sib = (uint8_t)(random_below(r, 4) << 6 | (index & 7) << 3 | (base & 7));
    if (random_chance(r, 8)) { /* no base */
        o.sib = (uint8_t)((o.sib & ~7) | 5);
        o.mod = 0;
        o.displacement_size = 4;
        o.displacement = (int32_t)data_address(r);
    }
    return o;
}

static uint8_t *put_tail(Maker *m, uint8_t *p, const Operand *o)
{
    uint64_t immediate = integer(&m->random);

    *p++ = (uint8_t)(o->mod << 6 | random_below(&m->random, 8) << 3 | o->rm);
    if (o->has_sib) {
        *p++ = o->sib;
    }
    memcpy(p, &o->displacement, 4);
    p += o->displacement_size;
    memcpy(p, &immediate, 8);
    return p + 8;
}

static uint8_t *put_vex(Maker *m, uint8_t *p, const Operand *o)
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

static uint8_t *put_legacy(Maker *m, uint8_t *p, const Operand *o)
{
    static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e};
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
    if (random_chance(r, 2)) {
        *p++ = segments[random_below(r, 4)];
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
    uint64_t address = data_address(r);

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

static bool keep(const uint8_t *bytes, unsigned size, FuzzInsn *to, Insn *ret_insn)
{
    if (!fuzz_decode(CASE_CODE, bytes, size, ret_insn) || !fuzz_insn_is_allowed(ret_insn)) {
        return false;
    }
    memset(to, 0, sizeof(*to));
    memcpy(to->bytes, bytes, ret_insn->length);
    to->length = ret_insn->length;
    to->isa_set = ret_insn->isa_set;
    to->may_go = true;
    return true;
}

static void draw_insn(Maker *m, FuzzInsn *to)
{
    uint8_t bytes[48];
    Insn insn;

    for (unsigned i = 0; i < ATTEMPTS; i++) {
        Operand operand = draw_operand(m);
        uint8_t *p = bytes;
        unsigned encoding = (unsigned)random_below(&m->random, 100);

        if (case_has_avx512() && encoding >= 70) {
            p = fuzz_put_evex(&m->random, p, operand.rex_x, operand.rex_b, operand.is_memory);
        } else {
            p = encoding < 24 ? put_vex(m, p, &operand) : put_legacy(m, p, &operand);
        }
        put_tail(m, p, &operand);
        if (keep(bytes, 15, to, &insn)) {
            note_fixes(m, &insn, to);
            return;
        }
    }
    keep((const uint8_t[]){0x90}, 1, to, &insn);
}

/* Branch targets, once it is known how many instructions there are. Backward ones are rare, since
 * most of them never end. */
static void draw_targets(Maker *m)
{
    FuzzCase *c = m->c;

    for (unsigned i = 0; i < c->count; i++) {
        if (c->insns[i].fix == FIX_BRANCH) {
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
        if (fuzz_decode(CASE_CODE, bytes, insn->length, &decoded) &&
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
    static const uint8_t mov[] = {0xc6, 0x05, 0, 0, 0, 0, 0};
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
    keep(mov, sizeof(mov), &store, &insn);
    store.bytes[6] = value;
    store.fix = FIX_CODE;
    store.fix_offset = 2;
    store.fix_size = 4;
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
        s->gpr[i] = !is_pointer           ? integer(r)
                    : random_chance(r, 7) ? wild_address(r)
                                          : data_address(r);
        if (is_pointer && random_chance(r, 2)) { /* into the code */
            s->gpr[i] = m->c->start + random_below(r, 64);
        }
        m->c->gpr_target[i] = FUZZ_NO_TARGET;
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

static uint64_t float64(Random *r)
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
    uint64_t halves[2] = {float64(r), float64(r)};

    if (random_chance(r, 25)) { /* small integers: indices, masks, counts */
        halves[0] = integer(r);
        halves[1] = integer(r);
    }
    memcpy(bytes, halves, 16);
}

static void draw_fpu(Maker *m)
{
    Random *r = &m->random;
    CaseFpu *fpu = &m->c->state.fpu;
    bool is_plain = random_chance(r, 65);

    memset(fpu, 0, sizeof(*fpu));
    fpu->mxcsr = random_chance(r, 75) ? 0x1f80 : (uint32_t)random_below(r, 0x10000);
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
        uint64_t mantissa = integer(r) | (random_chance(r, 80) ? 1ull << 63 : 0);
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

static uint64_t draw_start(Random *r)
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

void fuzz_case_make(FuzzCase *c, uint64_t seed)
{
    Maker m = {.c = c};
    Random *r = &m.random;

    memset(c, 0, sizeof(*c));
    random_seed(r, seed);
    c->seed = seed;
    c->start = draw_start(r);
    m.pointers = (uint16_t)(random_next(r) | 1u << R_RSP);
    if (random_chance(r, 50)) {
        m.pointers |= 1u << R_RSI | 1u << R_RDI;
    }
    c->count = 1 + (unsigned)random_below(r, 8);
    for (unsigned i = 0; i < c->count; i++) {
        draw_insn(&m, &c->insns[i]);
    }
    if (random_chance(r, 12)) {
        add_patch(&m);
    }
    draw_targets(&m);
    draw_variant(&m);
    draw_gprs(&m);
    draw_fpu(&m);
    c->state.eflags =
        random_next(r) & (random_chance(r, 80) ? CASE_EFLAGS & ~EFLAGS_DF : CASE_EFLAGS);
    c->gpr_is_far = (uint16_t)(random_next(r) & random_next(r));
    c->flush_before = random_chance(r, 25);
    c->forget_use = random_chance(r, 40);
    c->flush_between = random_chance(r, 8);
    c->second_opinion = random_chance(r, 20);
    c->in_device = random_chance(r, 6);
    c->watch_dirty = c->flush_before && random_chance(r, 10);
}

/* -- Layout ----------------------------------------------------------------------------------- */

uint64_t fuzz_case_address(const FuzzCase *c, unsigned n)
{
    uint64_t address = c->start;

    for (unsigned i = 0; i < n && i < c->count; i++) {
        address += c->insns[i].length;
    }
    return address;
}

static void apply_fix(const FuzzCase *c, unsigned n, uint8_t *bytes)
{
    const FuzzInsn *insn = &c->insns[n];
    uint64_t next = fuzz_case_address(c, n + 1), target = insn->address;
    int64_t displacement;

    if (insn->fix == FIX_NONE) {
        return;
    }
    if (insn->fix != FIX_ADDRESS) {
        target = fuzz_case_address(c, insn->target) + insn->target_byte;
    }
    displacement = (int64_t)(target - next);
    memcpy(bytes + insn->fix_offset, &displacement, insn->fix_size);
}

static void fill_data(Random *r, uint8_t *page)
{
    for (unsigned i = 0; i < CASE_PAGE; i += 64) {
        uint64_t *words = (uint64_t *)(page + i);
        words[0] = float64(r);
        words[1] = random_next(r);
        words[2] = integer(r);
        words[3] = float64(r);
        words[4] = words[1] ^ words[0] << 7;
        words[5] = words[2] & 0xff;
        words[6] = words[3] + 1;
        words[7] = ~words[1];
    }
}

static void fill_memory(const FuzzCase *c, CaseMemory *memory)
{
    Random r;

    random_seed(&r, 1);
    fill_data(&r, memory->page[CASE_READ_ONLY_PAGE]);
    random_seed(&r, c->seed ^ 0x5eed);
    for (unsigned i = 0; i < CASE_PAGES; i++) {
        if (case_pages[i].may_execute) {
            memset(memory->page[i], 0xcc, CASE_PAGE);
        } else if (i != CASE_READ_ONLY_PAGE) {
            fill_data(&r, memory->page[i]);
        }
    }
    for (unsigned i = 0; i < 400; i++) { /* for RET and indirect jumps */
        uint64_t target = fuzz_case_address(c, (unsigned)random_below(&r, c->count + 1));
        unsigned page = random_chance(&r, 70) ? 7 + (i & 1) : 2 + (i & 1);
        target += random_chance(&r, 20) ? CASE_FAR - CASE_CODE : 0;
        memcpy(memory->page[page] + random_below(&r, CASE_PAGE / 8) * 8, &target, 8);
    }
}

void fuzz_case_lay_out(const FuzzCase *c, CaseMemory *ret_memory, CaseState *ret_state)
{
    uint8_t bytes[16];

    fill_memory(c, ret_memory);
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
    ret_state->rip = c->start;
    for (unsigned i = 0; i < 16; i++) {
        if (c->gpr_target[i] != FUZZ_NO_TARGET) {
            ret_state->gpr[i] = fuzz_case_address(c, c->gpr_target[i]);
            ret_state->gpr[i] += c->gpr_is_far >> i & 1 ? CASE_FAR - CASE_CODE : 0;
        }
    }
}

FuzzCase fuzz_case_variant(const FuzzCase *c)
{
    FuzzCase variant = *c;

    if (c->has_variant) {
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

/* -- What processors do not agree about ------------------------------------------------------- */

static const struct {
    uint16_t mnemonic;
    const char *reason;
} free_cr2[] = {
    {ZYDIS_MNEMONIC_FLDENV, "the last byte is looked at first"},
    {ZYDIS_MNEMONIC_FRSTOR, "the last byte is looked at first"},
};

bool fuzz_insn_may_fault_anywhere(const Insn *insn)
{
    for (size_t i = 0; i < sizeof(free_cr2) / sizeof(free_cr2[0]); i++) {
        if (free_cr2[i].mnemonic == insn->mnemonic) {
            return true;
        }
    }
    return false;
}
