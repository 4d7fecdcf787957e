/* SPDX-License-Identifier: MIT */
/* Emitter: jumps and calls, and the places in them that are filled in later. */
#ifndef ACCEL_TCG_EMIT_BRANCH_H
#define ACCEL_TCG_EMIT_BRANCH_H

#include "accel/tcg/emit-x86.h"

/* Conditions as the low four bits of Jcc, SETcc and CMOVcc have them. */
enum {
    CC_O,
    CC_NO,
    CC_B,
    CC_AE,
    CC_E,
    CC_NE,
    CC_BE,
    CC_A,
    CC_S,
    CC_NS,
    CC_P,
    CC_NP,
    CC_L,
    CC_GE,
    CC_LE,
    CC_G
};

/* jcc rel32; returns the place of the displacement for emit_patch(). */
static inline uint8_t *emit_jcc(Emitter *e, unsigned condition)
{
    emit_u8(e, 0x0f);
    emit_u8(e, 0x80 | condition);
    emit_u32(e, 0);
    return e->p - 4;
}

static inline uint8_t *emit_jmp(Emitter *e)
{
    emit_u8(e, 0xe9);
    emit_u32(e, 0);
    return e->p - 4;
}

/* Short conditional of one opcode byte (70h-7Fh, E0h-E3h, EBh); patch with emit_patch8(). */
static inline uint8_t *emit_short(Emitter *e, unsigned opcode)
{
    emit_u8(e, opcode);
    emit_u8(e, 0);
    return e->p - 1;
}

/* Both places and targets are addresses in the writable view. */
static inline void emit_patch(uint8_t *place, const uint8_t *target)
{
    int32_t displacement = (int32_t)(target - (place + 4));
    memcpy(place, &displacement, 4);
}

static inline void emit_patch8(uint8_t *place, const uint8_t *target)
{
    *place = (uint8_t)(target - (place + 1));
}

/* jcc to an address in the executable view. */
static inline void emit_jcc_to(Emitter *e, unsigned condition, const void *target)
{
    emit_u8(e, 0x0f);
    emit_u8(e, 0x80 | condition);
    emit_u32(e, (uint32_t)((const uint8_t *)target - (emit_address(e) + 4)));
}

/* jmp or call (E9h, E8h) to an address in the executable view. */
static inline void emit_branch_to(Emitter *e, unsigned opcode, const void *target)
{
    emit_u8(e, opcode);
    emit_u32(e, (uint32_t)((const uint8_t *)target - (emit_address(e) + 4)));
}

#endif
