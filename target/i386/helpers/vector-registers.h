/* SPDX-License-Identifier: MIT */
/* Vector and opmask registers in cpu->fpu, after fpu_park(): their pieces lie where the host's
 * XSAVE puts them. */
#ifndef TARGET_I386_HELPERS_VECTOR_REGISTERS_H
#define TARGET_I386_HELPERS_VECTOR_REGISTERS_H

#include "target/i386/helpers/fpu-state.h"

static inline bool vector_has_zmm(const X86Cpu *cpu)
{
    return cpu->model->xsave[XSAVE_ZMM_HI256].size != 0;
}

static inline unsigned vector_max_size(const X86Cpu *cpu)
{
    return vector_has_zmm(cpu) ? 64 : 32;
}

/* Byte of a vector register, 0 to vector_max_size() - 1; registers 16-31 need AVX-512. */
static inline uint8_t *vector_byte(X86Cpu *cpu, unsigned reg, unsigned byte)
{
    const XsaveComponent *xsave = cpu->model->xsave;

    if (reg >= 16) {
        return &cpu->fpu[xsave[XSAVE_HI16_ZMM].offset + 64 * (reg - 16) + byte];
    }
    return byte < 16   ? &cpu->fpu[FX_XMM0 + 16 * reg + byte]
           : byte < 32 ? &cpu->fpu[xsave[XSAVE_AVX].offset + 16 * reg + byte - 16]
                       : &cpu->fpu[xsave[XSAVE_ZMM_HI256].offset + 32 * reg + byte - 32];
}

/* Element n of `size` 4 or 8 bytes. */
static inline uint64_t vector_get(X86Cpu *cpu, unsigned reg, unsigned n, unsigned size)
{
    const uint8_t *from = vector_byte(cpu, reg, n * size);

    return size == 4 ? *(const uint32_t *)from : *(const uint64_t *)from;
}

static inline void vector_set(X86Cpu *cpu, unsigned reg, unsigned n, unsigned size, uint64_t value)
{
    uint8_t *to = vector_byte(cpu, reg, n * size);

    if (size == 4) {
        *(uint32_t *)to = (uint32_t)value;
    } else {
        *(uint64_t *)to = value;
    }
}

static inline void vector_clear_from(X86Cpu *cpu, unsigned reg, unsigned byte)
{
    for (; byte < vector_max_size(cpu); byte++) {
        *vector_byte(cpu, reg, byte) = 0;
    }
}

static inline uint64_t *opmask(X86Cpu *cpu, unsigned k)
{
    return (uint64_t *)&cpu->fpu[cpu->model->xsave[XSAVE_OPMASK].offset + 8 * k];
}

/* A changed register is no longer in its initial state. */
static inline void vector_mark_in_use(X86Cpu *cpu)
{
    fpu_mark_valid(cpu, XCR0_SSE | XCR0_AVX | (vector_has_zmm(cpu) ? XCR0_AVX512 : 0));
}

#endif
