/* SPDX-License-Identifier: MIT */
/* Emitter: host instructions as bytes into the code cache; every form used by the translator, none
 * more. */
#ifndef ACCEL_TCG_EMIT_X86_H
#define ACCEL_TCG_EMIT_X86_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Host registers by number. The plan of who lives where is in docs/design/tcg.md. */
enum {
    HOST_RAX,
    HOST_RCX,
    HOST_RDX,
    HOST_RBX,
    HOST_RSP,
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15
};

#define HOST_T1 HOST_RBP /* scratch that needs no REX: memory operands are [T1] */
#define HOST_T2 HOST_R13
#define HOST_NO_INDEX 0xff

/* `p` writes through the writable view; host addresses are `p + execute_offset`. */
typedef struct Emitter {
    uint8_t *p, *end;
    ptrdiff_t execute_offset;
} Emitter;

static inline uint8_t *emit_address(const Emitter *e)
{
    return e->p + e->execute_offset;
}

static inline void emit_u8(Emitter *e, unsigned value)
{
    *e->p++ = (uint8_t)value;
}

static inline void emit_u32(Emitter *e, uint32_t value)
{
    memcpy(e->p, &value, 4);
    e->p += 4;
}

static inline void emit_u64(Emitter *e, uint64_t value)
{
    memcpy(e->p, &value, 8);
    e->p += 8;
}

static inline void emit_rex(Emitter *e, unsigned bits, unsigned reg, unsigned index, unsigned base)
{
    unsigned rex =
        (bits == 64 ? 8 : 0) | (reg & 8 ? 4 : 0) | (index & 8 ? 2 : 0) | (base & 8 ? 1 : 0);
    if (rex) {
        emit_u8(e, 0x40 | rex);
    }
}

/* One instruction of up to 3 bytes that does nothing; none if `size` is 0. */
static inline void emit_nop(Emitter *e, unsigned size)
{
    static const uint8_t nops[][3] = {{0}, {0x90}, {0x66, 0x90}, {0x0f, 0x1f, 0x00}};
    for (unsigned i = 0; i < size; i++) {
        emit_u8(e, nops[size][i]);
    }
}

/* op reg, rm with both in registers; `opcode` one byte. */
static inline void emit_rr(Emitter *e, unsigned bits, unsigned opcode, unsigned reg, unsigned rm)
{
    emit_rex(e, bits, reg, 0, rm);
    emit_u8(e, opcode);
    emit_u8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void emit_mov_rr(Emitter *e, unsigned bits, unsigned to, unsigned from)
{
    emit_rr(e, bits, 0x8b, to, from);
}

/* ModRM, SIB and disp32 of [base + index << scale + disp]; base or index may be HOST_NO_INDEX. */
static inline void emit_mem(Emitter *e, unsigned reg, unsigned base, unsigned index, unsigned scale,
                            int32_t disp)
{
    if (base == HOST_NO_INDEX) {
        emit_u8(e, (reg & 7) << 3 | 4);
        emit_u8(e, scale << 6 | (index == HOST_NO_INDEX ? 4 : index & 7) << 3 | 5);
        emit_u32(e, (uint32_t)disp);
        return;
    }
    unsigned mod = disp == 0 && (base & 7) != 5 ? 0 : disp >= -128 && disp <= 127 ? 0x40 : 0x80;
    if (index == HOST_NO_INDEX && (base & 7) != 4) {
        emit_u8(e, mod | (reg & 7) << 3 | (base & 7));
    } else {
        emit_u8(e, mod | (reg & 7) << 3 | 4);
        emit_u8(e, scale << 6 | (index == HOST_NO_INDEX ? 4 : index & 7) << 3 | (base & 7));
    }
    if (mod == 0x40) {
        emit_u8(e, (uint8_t)disp);
    } else if (mod == 0x80) {
        emit_u32(e, (uint32_t)disp);
    }
}

static inline void emit_op_mem(Emitter *e, unsigned bits, unsigned opcode, unsigned reg,
                               unsigned base, unsigned index, unsigned scale, int32_t disp)
{
    if (bits == 16) {
        emit_u8(e, 0x66);
    }
    emit_rex(e, bits, reg, index == HOST_NO_INDEX ? 0 : index, base == HOST_NO_INDEX ? 0 : base);
    emit_u8(e, opcode);
    emit_mem(e, reg, base, index, scale, disp);
}

static inline void emit_lea(Emitter *e, unsigned bits, unsigned to, unsigned base, unsigned index,
                            unsigned scale, int32_t disp)
{
    emit_op_mem(e, bits, 0x8d, to, base, index, scale, disp);
}

static inline void emit_load(Emitter *e, unsigned bits, unsigned to, unsigned base, int32_t disp)
{
    emit_op_mem(e, bits, 0x8b, to, base, HOST_NO_INDEX, 0, disp);
}

static inline void emit_store(Emitter *e, unsigned bits, unsigned from, unsigned base, int32_t disp)
{
    emit_op_mem(e, bits, 0x89, from, base, HOST_NO_INDEX, 0, disp);
}

/* op reg, gs:[offset + index << scale] */
static inline void emit_gs_index(Emitter *e, unsigned bits, unsigned opcode, unsigned reg,
                                 size_t offset, unsigned index, unsigned scale)
{
    emit_u8(e, 0x65);
    emit_op_mem(e, bits, opcode, reg, HOST_NO_INDEX, index, scale, (int32_t)offset);
}

static inline void emit_gs(Emitter *e, unsigned bits, unsigned opcode, unsigned reg, size_t offset)
{
    emit_gs_index(e, bits, opcode, reg, offset, HOST_NO_INDEX, 0);
}

static inline void emit_load_gs(Emitter *e, unsigned bits, unsigned to, size_t offset)
{
    emit_gs(e, bits, 0x8b, to, offset);
}

static inline void emit_store_gs(Emitter *e, unsigned bits, unsigned from, size_t offset)
{
    emit_gs(e, bits, 0x89, from, offset);
}

/* mov qword gs:[offset], imm32 sign-extended */
static inline void emit_store_gs_imm(Emitter *e, unsigned bits, size_t offset, int32_t value)
{
    emit_gs(e, bits, 0xc7, 0, offset);
    emit_u32(e, (uint32_t)value);
}

/* Shortest mov reg, value. */
static inline void emit_mov_imm(Emitter *e, unsigned to, uint64_t value)
{
    if (value <= UINT32_MAX) {
        emit_rex(e, 32, 0, 0, to);
        emit_u8(e, 0xb8 | (to & 7));
        emit_u32(e, (uint32_t)value);
    } else if ((int64_t)value == (int32_t)value) {
        emit_rr(e, 64, 0xc7, 0, to);
        emit_u32(e, (uint32_t)value);
    } else {
        emit_rex(e, 64, 0, 0, to);
        emit_u8(e, 0xb8 | (to & 7));
        emit_u64(e, value);
    }
}

/* Group 1 (`op` 0 add .. 4 and 5 sub .. 7 cmp) with an immediate. */
static inline void emit_alu_imm(Emitter *e, unsigned bits, unsigned op, unsigned rm, int32_t value)
{
    bool is_byte = value >= -128 && value <= 127;
    emit_rr(e, bits, is_byte ? 0x83 : 0x81, op, rm);
    if (is_byte) {
        emit_u8(e, (uint8_t)value);
    } else {
        emit_u32(e, (uint32_t)value);
    }
}

/* movzx to32, from16 */
static inline void emit_movzx16(Emitter *e, unsigned to, unsigned from)
{
    emit_rex(e, 32, to, 0, from);
    emit_u8(e, 0x0f);
    emit_u8(e, 0xb7);
    emit_u8(e, 0xc0 | (to & 7) << 3 | (from & 7));
}

#endif
