/* SPDX-License-Identifier: MIT */
/* Pieces of guest FPU state in cpu->fpu (host's XSAVE layout, standard form), after fpu_park(). */
#ifndef TARGET_I386_HELPERS_FPU_STATE_H
#define TARGET_I386_HELPERS_FPU_STATE_H

#include "target/i386/cpu-model.h"
#include "target/i386/helpers/access.h"

/* Offsets in the legacy region, the same for FXSAVE and XSAVE. */
enum {
    FX_FCW = 0,
    FX_FSW = 2,
    FX_FTW = 4, /* a bit a register: not empty */
    FX_FOP = 6,
    FX_FIP = 8,
    FX_FDP = 16,
    FX_MXCSR = 24,
    FX_MXCSR_MASK = 28,
    FX_ST0 = 32,
    FX_XMM0 = 160,
    FX_END = 416,
    FX_XSTATE_BV = 512,
    FX_XCOMP_BV = 520
};

/* If the state is in the registers it stays there (fpu-live.c): cpu->fpu becomes a copy of it,
 * unless an x87 error waits. */
void fpu_copy(X86Cpu *cpu);
/* Does every x87 instruction leave its opcode in FOP on this host, as AMD's do? On Intel's those do
 * that end in an unmasked exception (SDM vol. 1, 8.1.9.1). May park. */
bool fpu_host_notes_opcodes(X86Cpu *cpu);
/* Before components are put into cpu->fpu, whose MXCSR is right then; parks the state unless all of
 * their registers are replaced. Then these components are loaded, if it is not parked. */
void fpu_begin_load(X86Cpu *cpu, bool has_all_registers);
void fpu_load(X86Cpu *cpu, uint64_t loaded);
/* XINUSE of the parked or copied state, by what the registers hold: processors differ in how long a
 * component that was in use counts as that. Intel SDM vol. 1, 13.6. */
uint64_t fpu_components_in_use(const X86Cpu *cpu);

#define FCW_INITIAL 0x37f
#define FSW_ERROR_SUMMARY 0x80u
#define FSW_BUSY 0x8000u
#define FSW_TOP_SHIFT 11
#define X87_EXCEPTIONS 0x3fu
#define MXCSR_INITIAL 0x1f80u

static inline uint16_t fpu_get16(const X86Cpu *cpu, unsigned offset)
{
    uint16_t value;

    __builtin_memcpy(&value, cpu->fpu + offset, sizeof(value));
    return value;
}

static inline uint32_t fpu_get32(const X86Cpu *cpu, unsigned offset)
{
    uint32_t value;

    __builtin_memcpy(&value, cpu->fpu + offset, sizeof(value));
    return value;
}

static inline uint64_t fpu_get64(const X86Cpu *cpu, unsigned offset)
{
    uint64_t value;

    __builtin_memcpy(&value, cpu->fpu + offset, sizeof(value));
    return value;
}

static inline void fpu_put16(X86Cpu *cpu, unsigned offset, uint16_t value)
{
    __builtin_memcpy(cpu->fpu + offset, &value, sizeof(value));
}

static inline void fpu_put32(X86Cpu *cpu, unsigned offset, uint32_t value)
{
    __builtin_memcpy(cpu->fpu + offset, &value, sizeof(value));
}

static inline void fpu_put64(X86Cpu *cpu, unsigned offset, uint64_t value)
{
    __builtin_memcpy(cpu->fpu + offset, &value, sizeof(value));
}

/* An unmasked x87 exception was found by a waiting instruction: #MF, or without CR0.NE the board's
 * line, and the CPU stands still at this instruction until an interrupt comes. FPU parked. */
InsnResult x87_report_error(X86Cpu *cpu);

/* The components' bytes are valid from now on,
 * also those the silicon had in their initial state. */
static inline void fpu_mark_valid(X86Cpu *cpu, uint64_t components)
{
    fpu_put64(cpu, FX_XSTATE_BV, fpu_get64(cpu, FX_XSTATE_BV) | components);
}

#define FOP_MASK 0x7ffu

/* Of the last x87 instruction, not a control instruction, with its memory operand. */
static inline void fpu_set_pointers(X86Cpu *cpu, uint64_t fip, uint64_t fdp, uint16_t fop)
{
    cpu->guest_fip = fip;
    cpu->guest_fdp = fdp;
    cpu->guest_fop = fop & FOP_MASK;
}

/* Reserved bits of a control word read as the silicon has them. */
static inline void fpu_set_control(X86Cpu *cpu, uint16_t fcw)
{
    fpu_put16(cpu, FX_FCW, (fcw & 0x1f3f) | 0x40);
}

/* The summary bits follow from the flags that FCW does not mask. */
static inline void fpu_set_status(X86Cpu *cpu, uint16_t fsw)
{
    fsw &= (uint16_t) ~(FSW_ERROR_SUMMARY | FSW_BUSY);
    if (fsw & ~fpu_get16(cpu, FX_FCW) & X87_EXCEPTIONS) {
        fsw |= FSW_ERROR_SUMMARY | FSW_BUSY;
    }
    fpu_put16(cpu, FX_FSW, fsw);
}

/* The physical registers stay when TOP changes; they are kept in the order of the stack. */
static inline void fpu_change_top(X86Cpu *cpu, unsigned new_top)
{
    unsigned shift = new_top - (fpu_get16(cpu, FX_FSW) >> FSW_TOP_SHIFT);
    uint64_t old[8][2];

    for (unsigned i = 0; i < 8; i++) {
        old[i][0] = fpu_get64(cpu, FX_ST0 + i * 16);
        old[i][1] = fpu_get64(cpu, FX_ST0 + i * 16 + 8);
    }
    for (unsigned i = 0; i < 8; i++) {
        fpu_put64(cpu, FX_ST0 + i * 16, old[(i + shift) & 7][0]);
        fpu_put64(cpu, FX_ST0 + i * 16 + 8, old[(i + shift) & 7][1]);
    }
}

/* FNINIT: the physical registers stay. */
static inline void fpu_init_x87(X86Cpu *cpu)
{
    fpu_change_top(cpu, 0);
    fpu_set_control(cpu, FCW_INITIAL);
    fpu_put16(cpu, FX_FSW, 0);
    fpu_put16(cpu, FX_FTW, 0);
    fpu_set_pointers(cpu, 0, 0, 0);
    cpu->ignores_x87_error = false;
    fpu_mark_valid(cpu, XCR0_X87);
}

#endif
