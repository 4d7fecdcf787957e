/* SPDX-License-Identifier: MIT */
/* The translator's private structures: code cache, soft TLB, exits, what the target provides.
 * See docs/design/tcg.md. */
#ifndef ACCEL_TCG_INTERNAL_H
#define ACCEL_TCG_INTERNAL_H

#include "accel/tcg/emit-branch.h"
#include "accel/tcg/soft-tlb.h"
#include "softmmu/memory.h"
#include "target/i386/cpu.h"

/* -- Code cache (code-cache.c) ----------------------------------------------------------------- */

#define TCG_MAX_CPUS 128u
#define THUNK_SLICE (64u << 10)

typedef struct CodeCache {
    uint8_t *write, *execute; /* two views of one memory; never both rights in one */
    size_t size, region_size;
    size_t used;          /* where the next block goes */
    size_t stubs_end;     /* exact mode's thunks start here */
    size_t blocks_start;  /* ... and blocks start here */
    uint64_t flush_count; /* of flushes and evictions: pointers to blocks are old by it */
} CodeCache;

extern CodeCache code_cache;
/* `blocks_size`: what is left for blocks, beside the little the stubs take. */
bool code_cache_init(size_t blocks_size, Error **err);
/* After that there may be another one. There are no CPUs. */
void code_cache_fini(void);

static inline bool code_cache_contains(const void *host_pc)
{
    return (uintptr_t)host_pc - (uintptr_t)code_cache.execute < code_cache.size;
}

static inline bool code_cache_is_thunk(const void *host_pc)
{
    size_t offset = (size_t)((const uint8_t *)host_pc - code_cache.execute);
    return offset >= code_cache.stubs_end && offset < code_cache.blocks_start;
}

/* A CPU's part of the thunk area, THUNK_SLICE bytes of the executable view. */
uint8_t *code_cache_thunks(unsigned cpu_index);

static inline uint8_t *code_cache_writable(const void *host_pc)
{
    return (uint8_t *)host_pc - (code_cache.execute - code_cache.write);
}

/* -- Stubs (stubs.c): fixed code at the start of the cache ------------------------------------- */

typedef enum ExitReason {
    /* Where nothing else is said the flags are in saved_flags. */
    EXIT_CHAIN,  /* rip set; exit_value: the JumpSlot that led here */
    EXIT_LOOKUP, /* rip set: no block known for it here */
    EXIT_BRANCH, /* the same behind an indirect branch; exit_value: a return address in it */
    EXIT_INSN,   /* counted only: an Insn that tcg_run_insn() ran */
    EXIT_EXACT,  /* at the guest instruction of return address exit_value */
    EXIT_FAULT,  /* a host fault at fault_pc; flags where its mark says */
    EXIT_STALE,  /* rip set; exit_value: the block, whose guest bytes have changed */
    EXIT_HOT,    /* rip set; exit_value: the block that has been entered often */
    EXIT_POLL,   /* interrupted by a poll at fault_pc */
    EXIT_DONE    /* tcg_run_insn() ran one; the CPU's state is whole */
} ExitReason;

#define REFILL_SIZES 7u /* 1 to 64 bytes */

typedef struct Stubs {
    unsigned (*enter)(X86Cpu *cpu, const void *code);              /* returns an ExitReason */
    const uint8_t *exit_chain, *exit_insn, *exit_hot, *exit_stale; /* jmp, flags saved */
    const uint8_t *exit_lookup;                                    /* the same; T1 = RIP */
    const uint8_t *exit_branch;                                    /* call, flags saved; T1 = RIP */
    const uint8_t *exit_exact;                                     /* call, flags saved */
    const uint8_t *refill_window[4]; /* the same; scratch[4]: greatest offset; else 5 bytes on */
    const uint8_t *refill[4];        /* call by access: returns when filled */
    const uint8_t *refill_sized[4][REFILL_SIZES]; /* by access and log2 of its size */
    const uint8_t *fill_slot[4];           /* T1 = host address, T2 = entry, scratch[4]: the slot */
    const uint8_t *exit_fault, *exit_poll; /* entered by the signal handler */
    unsigned (*thunk)(X86Cpu *cpu,
                      const void *code); /* exact mode's one instruction: 0 or 1 for a host fault */
    const uint8_t *thunk_done, *thunk_fault;
} Stubs;

extern Stubs stubs;
/* From a stub, all registers in the CPU, flags saved: runs an Insn in C; where to go on, NULL: the
 * execution loop has to look. */
const void *tcg_run_insn(X86Cpu *cpu, const void *insn);
void stubs_emit(Emitter *e);

/* -- What the target provides (target/i386/translate) ------------------------------------------ */

/* Translates up to `max_insns` instructions from the CPU's RIP, whose bytes are at `bytes` (`size`
 * of them). Fills block->guest_size, code, marks, slots; false: nothing translatable here. */
bool target_translate(X86Cpu *cpu, Block *block, const uint8_t *bytes, unsigned size,
                      unsigned max_insns, Emitter *e);
/* The bytes of a checked block are `now` others: which of them could be loaded when it runs? Sets
 * their bits in `page_loose`. */
void target_find_loose(const Block *block, const uint8_t *now, uint64_t *page_loose);
/* cpu->tcg.window: where exact mode lets the silicon say which pages an operand touches. */
#define WINDOW_PAGES 4u
/* Bytes of cpu->tcg.thunks, kept_insns and insn_counts, zeroed by the owner. */
size_t target_thunk_cache_size(void);
size_t target_kept_insns_size(void);
size_t target_insn_counts_size(void);
/* Runs exactly one instruction at RIP, faults included. */
void target_exact_step(X86Cpu *cpu);
/* Runs a helper's instruction that was decoded before. */
void target_run_insn(X86Cpu *cpu, const void *insn);
/* Takes pending events (interrupts, NMI, INIT...); true when RIP may have changed. */
bool target_process_events(X86Cpu *cpu);
/* Turns a host fault of a native instruction into the guest's exception and delivers it. */
void target_native_fault(X86Cpu *cpu, unsigned trap, uint64_t address);
/* At an indirect branch of 64-bit code (RIP) that has led to an address that is not canonical:
 * undoes what it did to RSP and delivers #GP. */
void target_branch_fault(X86Cpu *cpu);
/* What distinguishes this address space (PCID, user or not, AC under SMAP, SMM). */
uint64_t target_context_key(const X86Cpu *cpu);
/* Merges the lahf/seto image into eflags, and makes it from them. */
void target_restore_saved_flags(X86Cpu *cpu);
void target_save_flags(X86Cpu *cpu);
/* Makes the arithmetic flags in eflags by a recipe and the general registers. */
void target_make_flags(X86Cpu *cpu, const FlagsRecipe *recipe);
/* Appends what the target counts (instructions run by C, or not carried) to `info jit`. */
void target_append_jit_info(GString *text);
/* Loads guest FPU state into the registers if it is parked. */
void fpu_unpark(X86Cpu *cpu);

/* -- Several CPUs (exclusive.c) --------------------------------------------------------------- */

/* More than one CPU runs translated code; set before the second one starts. */
extern bool tcg_parallel;

/* One thread runs all CPUs in turn. */
extern bool tcg_single_thread;

/* There are more of them than host cores, or than threads: PAUSE yields. */
extern bool tcg_overcommitted;

/* Somebody is or wants to be exclusive, and how often a CPU stood still since; atomic. */
extern int exclusive_wanted;
extern uint32_t stood_still;
/* Bracket a turn of the execution loop: between them a CPU may look at blocks and TLB entries. */
void turn_begin(X86Cpu *cpu);
void turn_end(X86Cpu *cpu);
/* Ends `running` and tells who waits for it. */
void stand_still(X86Cpu *cpu);
/* turn_begin() while somebody is exclusive; FPU parked. */
void turn_wait(X86Cpu *cpu);
bool exclusive_is_wanted(void);
/* Within a turn, FPU parked: the lock of blocks, pages and chains. Another CPU may have been
 * exclusive before it is granted, so pointers to blocks are good only while flush_count is the
 * same. */
void code_lock(X86Cpu *cpu);
void code_unlock(void);
/* With the code lock: waits until every other CPU is between two turns, where it stays until
 * exclusive_end(). */
void exclusive_begin(X86Cpu *cpu);
void exclusive_end(void);
/* Exclusive: no CPU stands still in the middle of a turn, holding pointers to blocks. */
bool flush_is_safe(void);
/* Around a LOCK operand that is not one piece of RAM: exclusive, and no device waits within. */
void exclusive_operand_begin(X86Cpu *cpu);
void exclusive_operand_end(X86Cpu *cpu);
/* This CPU holds the code lock to translate: a device, which might wait for other CPUs, must not be
 * called. */
bool code_lock_forbids_devices(const X86Cpu *cpu);
/* VcpuOps.wait_begin() and wait_end(): a device that this CPU has called waits for others. */
void standing_wait_begin(Vcpu *vcpu);
void standing_wait_end(Vcpu *vcpu);

/* Ticks of the host's TSC in a microsecond, for PAUSE. */
extern uint64_t tcg_ticks_per_us;

/* -- Signals (host-signals.c) ------------------------------------------------------------------ */

/* The lines of -d exec and cpu for a block that is about to run; FPU parked. */
void exec_log(X86Cpu *cpu);
/* The execution loop: VcpuOps.run. */
void tcg_exec(Vcpu *vcpu);

bool host_signals_init(Error **err);
/* A stack for the handler; once per thread. */
bool host_signals_init_thread(Error **err);
void host_signals_end_thread(void);
/* The CPU whose translated code this thread runs from now on. */
void host_signals_select(X86Cpu *cpu);
/* The same for a handler; NULL: no vCPU thread. */
X86Cpu *host_signals_selected(void);

#define POLL_TRAP_ADDRESS 16

#endif
