/* SPDX-License-Identifier: MIT */
/* Guest memory for C helpers: linear and segmented accesses with every check, faults recorded in
 * cpu->fault. */
#ifndef TARGET_I386_HELPERS_ACCESS_H
#define TARGET_I386_HELPERS_ACCESS_H

#include "softmmu/memory.h"
#include "target/i386/cpu.h"
#include "target/i386/translate/insn.h"

/*
 * Kinds of access. A plain one uses the rights of cpu->cpl; ACCESS_SYSTEM is an implicit supervisor
 * access (descriptor tables, TSS, interrupt frames): U/S is ignored, SMAP applies whatever
 * EFLAGS.AC says. All functions: false means cpu->fault is set and nothing was transferred (both
 * pages of a crossing access are checked first). MMIO works; the machine lock and the FPU state are
 * dealt with inside. Built without SSE.
 */
enum {
    ACCESS_READ = 0,
    ACCESS_WRITE = 1,
    ACCESS_EXEC = 2,
    ACCESS_SYSTEM = 4,
    /* access_host_pointer() only: fails where the access would set A or D */
    ACCESS_PEEK = 8,
    /* access_linear() only: never #AC */
    ACCESS_UNALIGNED = 16
};

/* Physical memory as the CPU sees it now. */
static inline AddressSpace *cpu_address_space(const X86Cpu *cpu)
{
    return cpu->smm && address_space_smm.root ? &address_space_smm : &address_space_memory;
}

/* The same for its instruction fetches. */
static inline AddressSpace *cpu_code_space(const X86Cpu *cpu)
{
    return cpu->smm && address_space_smm_code.root ? &address_space_smm_code
                                                   : &address_space_memory;
}

/* Linear addresses; `size` up to 4096. In 64-bit mode the caller has checked that the address is
 * canonical. */
bool access_read(X86Cpu *cpu, uint64_t linear, void *buffer, unsigned size, unsigned access);
bool access_write(X86Cpu *cpu, uint64_t linear, const void *buffer, unsigned size, unsigned access);
/* Checks rights (and sets A/D) without a transfer. */
bool access_probe(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access);

/* Host address of guest RAM for an access that lies in one page; NULL for anything else, faults
 * included: probe first. */
void *access_host_pointer(X86Cpu *cpu, uint64_t linear, unsigned size, unsigned access);

/* Writes 1, 2, 4 (zero-extending) or 8 bytes of a register. */
void gpr_write(X86Cpu *cpu, unsigned reg, uint64_t value, unsigned size);
/* The same for bytes of one page to write which hit translated code, so that only access_write()
 * may do it; NULL: they do not. */
uint8_t *access_code_pointer(X86Cpu *cpu, uint64_t linear, unsigned size);

bool access_read_u8(X86Cpu *cpu, uint64_t linear, uint8_t *ret, unsigned access);
bool access_read_u16(X86Cpu *cpu, uint64_t linear, uint16_t *ret, unsigned access);
bool access_read_u32(X86Cpu *cpu, uint64_t linear, uint32_t *ret, unsigned access);
bool access_read_u64(X86Cpu *cpu, uint64_t linear, uint64_t *ret, unsigned access);

/* CPU_MODE_AC: #AC(0) when `linear` is not aligned to `alignment`, a power of two. The SDM puts
 * page faults first, the silicon does not. True: aligned, or nobody cares. */
bool access_check_alignment(X86Cpu *cpu, uint64_t linear, unsigned alignment, unsigned access);

/* Effective address to linear with segment, limit, type and canonical checks (#GP(0), or #SS(0) for
 * SS). */
bool access_linear(X86Cpu *cpu, unsigned segment, uint64_t offset, unsigned size, unsigned access,
                   uint64_t *ret_linear);

/* Effective address of the explicit memory operand, truncated to the address size. */
uint64_t insn_effective_address(const X86Cpu *cpu, const Insn *insn);
/* The same through access_linear(). */
bool insn_linear_address(X86Cpu *cpu, const Insn *insn, unsigned size, unsigned access,
                         uint64_t *ret_linear);

/* Operand n as an integer of its size (zero-extended): GPR, memory or immediate (sign-extended to
 * the operand size). */
bool insn_read_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t *ret_value);
/* GPR (32-bit writes clear the upper half) or memory. */
bool insn_write_operand(X86Cpu *cpu, const Insn *insn, unsigned n, uint64_t value);

/* Physical memory of page tables and SMRAM:
 * RAM directly, anything else through the address space. */
bool physical_read_u64(X86Cpu *cpu, uint64_t physical, uint64_t *ret);
bool physical_read_u32(X86Cpu *cpu, uint64_t physical, uint32_t *ret);
/* Where it lies in host memory, until the next safe point; NULL: it is no RAM. */
const void *physical_host(const X86Cpu *cpu, uint64_t physical, unsigned size);
void physical_write(X86Cpu *cpu, uint64_t physical, const void *buffer, unsigned size);
/* Atomically ORs bits into a page table entry if it still reads `expected`; false: it changed, walk
 * again. `size` 4 or 8. */
bool physical_or_bits(X86Cpu *cpu, uint64_t physical, unsigned size, uint64_t expected,
                      uint64_t bits);

/* Leaves guest FPU state in cpu->fpu and gives C code a clean one; needed before calling anything
 * built with SSE (libc, GLib, devices). No-op when parked. The state goes back into the registers
 * before translated code runs. */
void fpu_park(X86Cpu *cpu);

#endif
