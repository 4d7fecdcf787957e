/* SPDX-License-Identifier: MIT */
/* Derived CPU state: the mode bits of a block's key, CPL, and the limits translated code checks
 * against. */
#include "target/i386/cpu.h"

#define FLAT_LIMIT 0xffffffffu

/* Writable, expand-up, present data; type and present bits mean nothing in real mode, which reaches
 * 4 GiB only with a hidden part left over from protected mode. */
static bool segment_is_flat_data(const Segment *segment)
{
    uint16_t needed = SEG_P | SEG_S | SEG_WRITABLE;

    return segment->base == 0 && segment->limit == FLAT_LIMIT &&
           (segment->attributes & (needed | SEG_CODE | SEG_EXPAND_DOWN)) == needed;
}

/* In 64-bit code segmentation says nothing but the base of FS and GS: the bits get one fixed value
 * so that blocks are shared. */
static uint32_t segment_mode_bits(const X86Cpu *cpu, bool is_64bit)
{
    const Segment *cs = &cpu->seg[SEG_CS];
    uint32_t mode = 0;

    if (is_64bit) {
        return CPU_MODE_CS_L | CPU_MODE_FLAT_CS | CPU_MODE_FLAT_DATA;
    }
    if (cs->attributes & SEG_DB) {
        mode |= CPU_MODE_CS_D;
    }
    if (cpu->seg[SEG_SS].attributes & SEG_DB) {
        mode |= CPU_MODE_SS_B;
    }
    if (cs->base == 0 && cs->limit == FLAT_LIMIT) {
        mode |= CPU_MODE_FLAT_CS;
    }
    if (segment_is_flat_data(&cpu->seg[SEG_ES]) && segment_is_flat_data(&cpu->seg[SEG_SS]) &&
        segment_is_flat_data(&cpu->seg[SEG_DS])) {
        mode |= CPU_MODE_FLAT_DATA;
    }
    return mode;
}

static uint32_t fpu_mode_bits(const X86Cpu *cpu)
{
    bool ts = cpu->cr0 & CR0_TS;
    bool em = cpu->cr0 & CR0_EM;
    bool is_protected = (cpu->cr0 & CR0_PE) && !(cpu->eflags & EFLAGS_VM);
    uint32_t mode = 0;

    if (!ts && !em) {
        mode |= CPU_MODE_FPU;
        if (cpu->cr4 & CR4_OSFXSR) {
            mode |= CPU_MODE_SSE;
        }
    }
    if (!ts && is_protected && (cpu->cr4 & CR4_OSXSAVE) && (cpu->xcr0 & 6) == 6) {
        mode |= CPU_MODE_AVX;
        if ((cpu->xcr0 & 0xe0) == 0xe0) {
            mode |= CPU_MODE_AVX512;
        }
    }
    if (!(ts && (cpu->cr0 & CR0_MP))) {
        mode |= CPU_MODE_WAIT;
    }
    return mode;
}

static uint32_t compute_mode(const X86Cpu *cpu)
{
    bool is_64bit = (cpu->efer & EFER_LMA) && (cpu->seg[SEG_CS].attributes & SEG_L);
    uint32_t mode = segment_mode_bits(cpu, is_64bit) | fpu_mode_bits(cpu);

    mode |= cpu->efer & EFER_LMA ? CPU_MODE_LMA : 0;
    mode |= cpu->cr0 & CR0_PE ? CPU_MODE_PE : 0;
    mode |= cpu->eflags & EFLAGS_VM ? CPU_MODE_VM : 0;
    mode |= cpu->cr0 & CR0_PG ? CPU_MODE_PG : 0;
    mode |= cpu->smm ? CPU_MODE_SMM : 0;
    mode |= cpu->eflags & EFLAGS_TF ? CPU_MODE_TF : 0;
    mode |= cpu->eflags & EFLAGS_DF ? CPU_MODE_DF : 0;
    mode |= cpu->dr[7] & 0xff || cpu->debugger ? CPU_MODE_BREAKPOINTS : 0;
    if (cpu->cpl == 3 && cpu->eflags & EFLAGS_AC && cpu->cr0 & CR0_AM) {
        mode |= CPU_MODE_AC;
    }
    return mode | (uint32_t)cpu->cpl << CPU_MODE_CPL_SHIFT;
}

/* CPL is SS.DPL: unlike the RPL of CS it is right between setting CR0.PE and the far jump, and
 * unlike the DPL of CS for conforming code. */
static uint8_t compute_cpl(const X86Cpu *cpu)
{
    if (!(cpu->cr0 & CR0_PE)) {
        return 0;
    }
    if (cpu->eflags & EFLAGS_VM) {
        return 3;
    }
    return cpu->seg[SEG_SS].attributes >> SEG_DPL_SHIFT & 3;
}

static void compute_fast_limits(X86Cpu *cpu, Segment *segment)
{
    uint64_t limit = (uint64_t)segment->limit + 1;
    uint16_t attributes = segment->attributes;
    bool is_code = attributes & SEG_CODE;

    segment->fast_read_limit = 0;
    segment->fast_write_limit = 0;
    if (cpu->mode & CPU_MODE_CS_L) {
        segment->fast_read_limit = UINT64_MAX;
        segment->fast_write_limit = UINT64_MAX;
        return;
    }
    if (!is_code && (attributes & SEG_EXPAND_DOWN)) {
        return;
    }
    if (!(cpu->mode & CPU_MODE_PE) || (cpu->mode & CPU_MODE_VM)) {
        segment->fast_read_limit = limit;
        segment->fast_write_limit = limit;
        return;
    }
    if ((attributes & (SEG_P | SEG_S)) != (SEG_P | SEG_S)) {
        return;
    }
    if (!is_code || (attributes & SEG_READABLE)) {
        segment->fast_read_limit = limit;
    }
    if (!is_code && (attributes & SEG_WRITABLE)) {
        segment->fast_write_limit = limit;
    }
}

void cpu_update_mode(X86Cpu *cpu)
{
    uint32_t segment_rules = CPU_MODE_CS_L | CPU_MODE_PE | CPU_MODE_VM;
    uint32_t old = cpu->mode;

    cpu->cpl = compute_cpl(cpu);
    cpu->mode = compute_mode(cpu);
    if ((old ^ cpu->mode) & segment_rules) {
        for (unsigned i = 0; i < SEG_COUNT; i++) {
            compute_fast_limits(cpu, &cpu->seg[i]);
        }
    }
    tcg_context_changed(cpu);
}

void cpu_update_limits(X86Cpu *cpu, unsigned segment)
{
    compute_fast_limits(cpu, &cpu->seg[segment]);
}

/* CPL stays as it is: a stack switch loads SS first, pushes, and ends with cpu_update_mode(). */
void cpu_update_segment(X86Cpu *cpu, unsigned segment)
{
    uint32_t old = cpu->mode;

    compute_fast_limits(cpu, &cpu->seg[segment]);
    cpu->mode = compute_mode(cpu);
    if ((old ^ cpu->mode) & CPU_MODE_CS_L) {
        for (unsigned i = 0; i < SEG_COUNT; i++) {
            compute_fast_limits(cpu, &cpu->seg[i]);
        }
    }
    if (old != cpu->mode) {
        tcg_context_changed(cpu);
    }
}
