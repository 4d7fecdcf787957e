/* SPDX-License-Identifier: MIT */
/* Guest FPU state between the host's registers and cpu->fpu. Intel SDM vol. 1 ch. 13. */
#include "accel/tcg/options.h"
#include "accel/tcg/tcg-internal.h"
#include "target/i386/helpers/fpu-state.h"

/* x87, SSE, AVX, AVX-512: what guests may be offered. */
#define CARRIED_COMPONENTS 0xe7u

static uint32_t components; /* of those, what the host has; 0: not asked yet */

static uint32_t host_components(void)
{
    uint32_t low, high;

    if (!components) {
        __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        components = low & CARRIED_COMPONENTS;
    }
    return components;
}

typedef struct HostPointers {
    uint32_t control, status, tags, fip, fcs_fop, fdp, fds;
} HostPointers;

bool fpu_host_notes_opcodes(X86Cpu *cpu)
{
    static int known = -1; /* the same whichever thread finds it out */
    int answer = __atomic_load_n(&known, __ATOMIC_RELAXED);
    HostPointers pointers;

    if (answer < 0) {
        fpu_park(cpu);
        __asm__ volatile("fninit; fld1; fnstenv %0; fninit" : "=m"(pointers));
        answer = pointers.fcs_fop >> 16 != 0;
        __atomic_store_n(&known, answer, __ATOMIC_RELAXED);
    }
    return answer;
}

/*
 * Turns the silicon's instruction pointer into the guest's. FNSTENV has its low half, which is
 * enough to find it in the code cache; zero: no x87 instruction has run since fpu_unpark(). Exact
 * mode has noted what it ran itself.
 */
static void take_pointers(X86Cpu *cpu, const HostPointers *host)
{
    uint64_t base = (uint64_t)(uintptr_t)code_cache.execute;
    const uint8_t *pc = (const uint8_t *)(base + (uint32_t)(host->fip - (uint32_t)base));
    uint16_t fop = host->fcs_fop >> 16 & 0x7ff;
    const Block *block;

    if (!host->fip || !code_cache_contains(pc) || code_cache_is_thunk(pc)) {
        return;
    }
    block = block_from_host(pc);
    if (block) {
        cpu->guest_fip = block->rip + (uint64_t)block_find_mark(block, pc)->guest_offset;
        if (fop) {
            cpu->guest_fop = (fop & 0xc0) == 0xc0 ? fop : cpu->memory_fop;
        }
    }
}

void fpu_park(X86Cpu *cpu)
{
    static const uint32_t clean_mxcsr = 0x1f80;
    uint32_t mask = host_components();
    HostPointers pointers;

    if (!cpu->fpu_live) {
        return;
    }
    __asm__ volatile("xsave64 %0" : "+m"(cpu->fpu) : "a"(mask), "d"(0) : "memory");
    if (mask & 4) {
        __asm__ volatile("vzeroupper");
    }
    __asm__ volatile("fnstenv %0; fninit; ldmxcsr %1" : "=m"(pointers) : "m"(clean_mxcsr));
    cpu->fpu_live = false;
    take_pointers(cpu, &pointers);
    fpu_put16(cpu, FX_FOP, 0);
    fpu_put64(cpu, FX_FIP, 0);
    fpu_put64(cpu, FX_FDP, 0);
}

void fpu_copy(X86Cpu *cpu)
{
    HostPointers pointers;
    uint16_t status;

    if (!cpu->fpu_live) {
        return;
    }
    __asm__ volatile("fnstsw %0" : "=a"(status));
    if (!tcg_options.opt_xsave || status & FSW_ERROR_SUMMARY) {
        fpu_park(cpu); /* an error that waits has to be left alone */
        return;
    }
    __asm__ volatile("xsave64 %0" : "+m"(cpu->fpu) : "a"(host_components()), "d"(0) : "memory");
    /* FNSTENV masks all exceptions */
    __asm__ volatile("fnstenv %0; fldcw %1"
                     : "=m"(pointers)
                     : "m"(*(const uint16_t *)&cpu->fpu[FX_FCW]));
    take_pointers(cpu, &pointers);
    fpu_put16(cpu, FX_FOP, 0);
    fpu_put64(cpu, FX_FIP, 0);
    fpu_put64(cpu, FX_FDP, 0);
}

void fpu_begin_load(X86Cpu *cpu, bool has_all_registers)
{
    uint32_t mxcsr;

    if (!tcg_options.opt_xsave || !has_all_registers) {
        fpu_park(cpu);
    } else if (cpu->fpu_live) {
        __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
        fpu_put32(cpu, FX_MXCSR, mxcsr);
    }
}

void fpu_load(X86Cpu *cpu, uint64_t loaded)
{
    if (!cpu->fpu_live) {
        return;
    }
    if (loaded & XCR0_X87) {
        __asm__ volatile("fninit"); /* the pointers, which AMD's XRSTOR leaves alone */
    }
    __asm__ volatile("xrstor64 %0"
                     :
                     : "m"(cpu->fpu), "a"((uint32_t)loaded & host_components()), "d"(0)
                     : "memory");
}

void fpu_unpark(X86Cpu *cpu)
{
    if (!cpu->fpu_live) {
        __asm__ volatile("xrstor64 %0"
                         :
                         : "m"(cpu->fpu), "a"(host_components()), "d"(0)
                         : "memory");
        cpu->fpu_live = true;
    }
}
