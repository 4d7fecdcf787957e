/* SPDX-License-Identifier: MIT */
/*
 * Re-encoding. The opcode byte and the immediates of the guest's instruction stay as they are;
 * prefixes, ModRM, SIB and displacement are written anew, so that the same operation reads other
 * registers and [memory_base]. Two things differ between the guest's mode and the host's 64-bit
 * mode: the default operand size of 16-bit code (a 66h prefix appears or goes) and the one-byte
 * forms 40h-4Fh and A0h-A3h, which have become prefixes or take 64-bit addresses.
 */
#include "target/i386/translate/rehost.h"
#include "accel/tcg/mutant.h"

#include <Zydis/Zydis.h>

typedef struct Fields {
    const Insn *insn;
    bool rex_w, need_rex, no_rex, has_modrm, has_gpr;
    uint8_t reg, rm, vvvv; /* full numbers: 4 bits (5 for EVEX reg) */
    bool rm_is_memory;
    uint8_t memory_base, memory_index, memory_scale;
    int32_t memory_displacement;
    bool has_index;
    bool drop_lock;
    uint8_t opcode;
} Fields;

/* True for integer instructions, where the operand size comes from 66h or REX.W rather than
 * selecting the operation. */
static bool size_is_by_prefix(const Insn *insn)
{
    if (insn->gate != GATE_NONE || insn->mandatory_prefix == 0x66) {
        return false;
    }
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_LFENCE: /* 66h makes them invalid */
    case ZYDIS_MNEMONIC_MFENCE:
    case ZYDIS_MNEMONIC_SFENCE:
    case ZYDIS_MNEMONIC_MOVNTI:
        return false;
    default:
        break;
    }
    return MUTANT(49, insn->operand_bits == 16, false);
}

/* Register fields as the guest wrote them, before GPRs are exchanged. */
static void read_raw_fields(Fields *f)
{
    const Insn *insn = f->insn;
    uint8_t rex = insn->rex;
    uint8_t reg_high = rex & 4 ? 8 : 0, rm_high = rex & 1 ? 8 : 0;
    const uint8_t *vector = &insn->bytes[insn->vector_offset];

    if (insn->vector_size == 2) {
        reg_high = vector[1] & 0x80 ? 0 : 8;
        f->vvvv = ~(vector[1] >> 3) & 15;
    } else if (insn->vector_size == 3) {
        reg_high = vector[1] & 0x80 ? 0 : 8;
        rm_high = vector[1] & 0x20 ? 0 : 8;
        f->vvvv = ~(vector[2] >> 3) & 15;
    } else if (insn->vector_size == 4) {
        reg_high = (vector[1] & 0x80 ? 0 : 8) | (vector[1] & 0x10 ? 0 : 16);
        rm_high = (vector[1] & 0x20 ? 0 : 8) | (vector[1] & 0x40 ? 0 : 16);
        f->vvvv = (~(vector[2] >> 3) & 15) | (vector[3] & 0x08 ? 0 : 16);
    }
    if (insn->stack_bits != 64) { /* the bits that would name registers above 7 are ignored */
        reg_high = rm_high = 0;
        f->vvvv &= 7;
    }
    f->rex_w = MUTANT(54, rex & 8, false);
    f->has_modrm = insn->modrm_offset != 0;
    f->reg = reg_high | (insn->modrm >> 3 & 7);
    f->rm = rm_high | (insn->modrm & 7);
    f->opcode = insn->opcode;
    if (insn->stack_bits != 64) { /* the upper half of the registers is out of reach */
        f->reg &= 7;
        f->rm &= 7;
        f->vvvv &= 7;
    }
}

static void map_gpr(Fields *f, const InsnOperand *operand, const RehostMap *map)
{
    uint8_t host;

    f->has_gpr = true;
    if (operand->reg_class == REG_GPR8_HIGH) {
        f->no_rex = true;
        host = operand->reg + 4;
    } else {
        host = map->gpr[operand->reg];
        f->need_rex |= operand->size == 1 && MUTANT(50, host >= 4, false);
    }
    switch (operand->encoding) {
    case ZYDIS_OPERAND_ENCODING_MODRM_REG:
        f->reg = host;
        break;
    case ZYDIS_OPERAND_ENCODING_MODRM_RM:
        f->rm = MUTANT(51, host, operand->reg);
        break;
    case ZYDIS_OPERAND_ENCODING_NDSNDD:
        f->vvvv = MUTANT(52, host, operand->reg);
        break;
    case ZYDIS_OPERAND_ENCODING_OPCODE:
        f->rm = host;
        f->opcode = (uint8_t)((f->opcode & ~7) | (host & 7));
        break;
    default:
        break;
    }
}

/* Forms whose bytes mean something else in 64-bit mode. */
static void replace_short_forms(Fields *f)
{
    const Insn *insn = f->insn;

    if (insn->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        insn->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT) {
        return;
    }
    if (insn->opcode >= 0x40 && insn->opcode <= 0x4f) { /* INC, DEC r */
        f->has_modrm = true;
        f->reg = insn->opcode >= 0x48;
        f->opcode = 0xff;
    } else if (insn->opcode >= 0xa0 && insn->opcode <= 0xa3) { /* MOV moffs */
        static const uint8_t modrm_form[] = {0x8a, 0x8b, 0x88, 0x89};
        f->has_modrm = true;
        f->reg = 0;
        f->opcode = modrm_form[insn->opcode - 0xa0];
    } else if (insn->opcode == 0x82) { /* alias of 80h, gone in 64-bit mode */
        f->opcode = 0x80;
    }
}

static uint8_t *put_modrm(uint8_t *p, const Fields *f)
{
    uint8_t reg = (uint8_t)((f->reg & 7) << 3);

    if (!f->has_modrm) {
        return p;
    }
    if (!f->rm_is_memory) {
        *p++ = 0xc0 | reg | (f->rm & 7);
        return p;
    }
    bool is_evex = f->insn->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX; /* scales a byte */
    bool is_far = f->memory_displacement != (int8_t)f->memory_displacement ||
                  (is_evex && f->memory_displacement);
    bool has_sib = f->has_index || (f->memory_base & 7) == 4;
    *p++ = (is_far ? 0x80 : 0x40) | reg | (has_sib ? 4 : f->memory_base & 7);
    if (has_sib) {
        unsigned index = f->has_index ? (f->memory_index & 7) << 3 : 4 << 3;
        *p++ = (uint8_t)(f->memory_scale << 6 | index | (f->memory_base & 7));
    }
    *p++ = (uint8_t)f->memory_displacement;
    for (unsigned i = 1; i < 4 && is_far; i++) {
        *p++ = (uint8_t)(f->memory_displacement >> 8 * i);
    }
    return p;
}

/* VBLENDV and alike have a register in the upper half of the immediate. */
static bool names_register_by_immediate(const Insn *insn)
{
    for (unsigned i = 0; i < insn->operand_count; i++) {
        if (insn->operands[i].encoding == ZYDIS_OPERAND_ENCODING_IS4) {
            return true;
        }
    }
    return false;
}

static uint8_t *put_immediates(uint8_t *p, const Insn *insn)
{
    bool is_moffs = insn->encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
                    insn->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && insn->opcode >= 0xa0 &&
                    insn->opcode <= 0xa3;

    for (unsigned i = 0; i < insn->immediate_size && !is_moffs; i++) {
        *p++ = insn->bytes[MUTANT(58, insn->immediate_offset + i, insn->immediate_offset)];
    }
    if (names_register_by_immediate(insn) && insn->stack_bits != 64) {
        p[-1] &= 0x7f;
    }
    return p;
}

/* The index register's high bit, REX.X */
static bool index_is_high(const Fields *f)
{
    return f->rm_is_memory && f->has_index && MUTANT(102, f->memory_index & 8, 0);
}

static uint8_t *put_legacy(uint8_t *p, const Fields *f)
{
    const Insn *insn = f->insn;
    uint8_t rm = f->rm_is_memory ? f->memory_base : f->rm;
    uint8_t rex = (uint8_t)((f->rex_w ? 8 : 0) | (f->has_modrm && f->reg & 8 ? 4 : 0) |
                            (index_is_high(f) ? 2 : 0) | (rm & 8 ? 1 : 0));

    if ((rex || f->need_rex) && MUTANT(53, f->no_rex, false)) {
        return NULL;
    }
    if (insn->lock && !f->drop_lock) {
        *p++ = 0xf0;
    }
    if (size_is_by_prefix(insn)) {
        *p++ = 0x66;
    }
    if (MUTANT(57, insn->mandatory_prefix, insn->mandatory_prefix == 0x66)) {
        *p++ = insn->mandatory_prefix;
    }
    if (rex || f->need_rex) {
        *p++ = 0x40 | rex;
    }
    switch (insn->opcode_map) {
    case ZYDIS_OPCODE_MAP_0F:
        *p++ = 0x0f;
        break;
    case ZYDIS_OPCODE_MAP_0F38:
        *p++ = 0x0f;
        *p++ = 0x38;
        break;
    case ZYDIS_OPCODE_MAP_0F3A:
        *p++ = 0x0f;
        *p++ = 0x3a;
        break;
    default:
        break;
    }
    *p++ = f->opcode;
    return p;
}

/* W as the size of a general register, where there are none of 64 bits. */
static bool w_means_nothing(const Fields *f)
{
    return f->insn->stack_bits != 64 && f->has_gpr;
}

static uint8_t *put_vex(uint8_t *p, const Fields *f)
{
    const uint8_t *vector = &f->insn->bytes[f->insn->vector_offset];
    uint8_t rm = f->rm_is_memory ? f->memory_base : f->rm;
    uint8_t map = 1, tail = vector[1];

    if (f->insn->vector_size == 3) {
        map = MUTANT(56, vector[1] & 0x1f, 1);
        tail = vector[2];
    } else {
        tail &= 0x7f; /* the two-byte form keeps R where W stands */
    }
    *p++ = 0xc4;
    *p++ = (uint8_t)((f->reg & 8 ? 0 : 0x80) | (index_is_high(f) ? 0 : 0x40) |
                     (MUTANT(55, rm & 8 ? 0 : 0x20, 0x20)) | map);
    if (w_means_nothing(f)) {
        tail &= 0x7f;
    }
    *p++ = (uint8_t)((tail & 0x87) | (~f->vvvv & 15) << 3);
    *p++ = f->opcode;
    return p;
}

static uint8_t *put_evex(uint8_t *p, const Fields *f)
{
    const uint8_t *vector = &f->insn->bytes[f->insn->vector_offset];
    uint8_t rm = f->rm_is_memory ? f->memory_base : f->rm;

    *p++ = 0x62;
    *p++ = (uint8_t)((f->reg & 8 ? 0 : 0x80) | (rm & 16 || index_is_high(f) ? 0 : 0x40) |
                     (rm & 8 ? 0 : 0x20) | MUTANT(85, f->reg & 16 ? 0 : 0x10, 0x10) |
                     (vector[1] & 0x0f));
    *p++ = (uint8_t)((vector[2] & (w_means_nothing(f) ? 0x07 : 0x87)) | (~f->vvvv & 15) << 3);
    *p++ = (uint8_t)((vector[3] & 0xf7) | MUTANT(86, f->vvvv & 16 ? 0 : 0x08, 0x08));
    *p++ = f->opcode;
    return p;
}

/* Where VEX.W is the size of a general register, even if that is implied or in memory. */
static bool size_is_by_vector_w(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_VCVTSI2SD:
    case ZYDIS_MNEMONIC_VCVTSI2SS:
    case ZYDIS_MNEMONIC_VCVTUSI2SD:
    case ZYDIS_MNEMONIC_VCVTUSI2SS:
    case ZYDIS_MNEMONIC_VMOVD:
    case ZYDIS_MNEMONIC_VPCMPESTRI:
    case ZYDIS_MNEMONIC_VPCMPESTRM:
    case ZYDIS_MNEMONIC_VPEXTRD:
    case ZYDIS_MNEMONIC_VPINSRD:
        return true;
    default:
        return false;
    }
}

unsigned rehost_encode(const Insn *insn, const RehostMap *map, uint8_t out[REHOST_MAX_BYTES])
{
    Fields f = {.insn = insn,
                .memory_base = map->memory_base,
                .memory_displacement = map->memory_displacement,
                .has_index = map->has_index,
                .memory_index = map->memory_index,
                .memory_scale = map->memory_scale,
                .drop_lock = map->drop_lock};
    uint8_t *p = out;

    read_raw_fields(&f);
    f.rm_is_memory = insn->memory_operand != INSN_NO_REG;
    for (unsigned i = 0; i < insn->operand_count; i++) {
        const InsnOperand *operand = &insn->operands[i];
        if (operand->kind == OPERAND_REG &&
            (operand->reg_class == REG_GPR || operand->reg_class == REG_GPR8_HIGH)) {
            map_gpr(&f, operand, map);
        }
    }
    f.has_gpr |= size_is_by_vector_w(insn);
    replace_short_forms(&f);
    switch (insn->encoding) {
    case ZYDIS_INSTRUCTION_ENCODING_LEGACY:
        p = put_legacy(p, &f);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_VEX:
        p = put_vex(p, &f);
        break;
    case ZYDIS_INSTRUCTION_ENCODING_EVEX:
        p = put_evex(p, &f);
        break;
    default:
        return 0;
    }
    if (!p) {
        return 0;
    }
    p = put_modrm(p, &f);
    p = put_immediates(p, insn);
    return (unsigned)(p - out);
}

bool rehost_waits_for_x87(const Insn *insn)
{
    switch (insn->mnemonic) {
    case ZYDIS_MNEMONIC_FNSTCW:
    case ZYDIS_MNEMONIC_FNSTSW:
    case ZYDIS_MNEMONIC_FENI8087_NOP:
    case ZYDIS_MNEMONIC_FDISI8087_NOP:
    case ZYDIS_MNEMONIC_FSETPM287_NOP:
        return false;
    default:
        return insn->gate == GATE_X87 || insn->gate == GATE_MMX;
    }
}

bool rehost_is_atomic(const Insn *insn)
{
    return insn->memory_operand != INSN_NO_REG &&
           (insn->lock || insn->mnemonic == ZYDIS_MNEMONIC_XCHG);
}

bool rehost_sets_x87_pointers(const Insn *insn)
{
    return insn->gate == GATE_X87 && insn->mnemonic != ZYDIS_MNEMONIC_FLDCW &&
           rehost_waits_for_x87(insn);
}

uint16_t rehost_x87_opcode(const Insn *insn)
{
    return (uint16_t)((insn->opcode & 7) << 8 | insn->modrm);
}
