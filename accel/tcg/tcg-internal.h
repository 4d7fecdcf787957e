/* SPDX-License-Identifier: MIT */
/* The translator's private structures: code cache, soft TLB, exits, what the target provides.
 * See docs/design/tcg.md. */
#ifndef ACCEL_TCG_INTERNAL_H
#define ACCEL_TCG_INTERNAL_H

#include "accel/tcg/block.h"
#include "accel/tcg/emit-branch.h"
#include "accel/tcg/statistics.h"
#include "softmmu/memory.h"
#include "target/i386/cpu.h"

/* -- Soft TLB (soft-tlb.c, light) -------------------------------------------------------------- */

#define TLB_FLAG_GLOBAL 1u
#define TLB_WRITER_COUNTS 65536u

typedef struct TlbTable {
    TlbEntry entries[TLB_ENTRIES];
    /* Unique RAM address of the page (RamBlock.ram_address + offset). */
    uint64_t ram_page[TLB_ENTRIES];
    uint8_t flags[TLB_ENTRIES];
    uint16_t filled[TLB_ENTRIES]; /* indices of entries filled since the last flush */
    unsigned filled_count;
    bool overflowed; /* more fills than slots: flush walks all */
    /* Entries that may be written, by the low bits of the number of the RAM page. */
    uint8_t writers[TLB_WRITER_COUNTS];
} TlbTable;

typedef struct TlbContext {
    uint64_t key; /* what the target says distinguishes address spaces */
    bool valid;
    uint32_t epoch;    /* changes with each flush of this context */
    uint64_t last_use; /* turn of its last selection, for replacement */
    TlbTable *table;
    /* Hashed numbers of 2 MiB and 1 GiB regions that were filled from large pages: INVLPG in one of
     * them has to drop more than one entry. */
    uint64_t large_2m[16], large_1g[4];
    /* Hashed numbers of pages whose right to execute has left the table since the epoch began: the
     * jump cache may still know code of theirs. */
    uint64_t lost_exec[16];
} TlbContext;

#define JUMP_KEY_SLOTS 64

typedef struct JumpKeySlot {
    uint64_t mode, cs_key, context_epoch; /* context number << 32 | epoch */
    uint64_t key;
} JumpKeySlot;

typedef struct TcgCpu {
    TlbContext contexts[TLB_CONTEXTS];
    unsigned current;
    uint64_t turn;
    uint32_t next_epoch;
    uint64_t next_jump_key;
    JumpKeySlot jump_keys[JUMP_KEY_SLOTS];
    int running;       /* atomic: between two safe points, see exclusive.c */
    int waits_in_turn; /* atomic: stands still in the middle of a turn */
    bool has_operand;  /* between exclusive_operand_begin() and _end() */
    bool careful;      /* find_block(): the block that shares no checks */
    uint64_t hot_rip;  /* to be translated as a trace */
    TcgStatistics statistics;
} TcgCpu;

/* Walks, fills the entry of the current context and describes the target; `access` as in
 * helpers/access.h. False: a fault was recorded. */
bool tlb_resolve(X86Cpu *cpu, uint64_t linear, unsigned access, PageTarget *ret_target);
/* From translated code: true when the entry is now filled for `access` (0 read,
 * 1 write, 3 both). */
bool tlb_refill(X86Cpu *cpu, uint64_t linear, unsigned access);
/* The same for a window, unless it begins behind scratch[4] in its page. */
bool tlb_refill_window(X86Cpu *cpu, uint64_t linear, unsigned access);
/* Withdraws write permission for pages of RAM in every context of this CPU, which stands still or
 * is the caller's. `ram_first` is a page's RAM address, `size` of whole pages. */
void tlb_protect_pages(X86Cpu *cpu, uint64_t ram_first, uint64_t size);
/* A page that holds translated code has its DIRTY_CODE bit clear. */
bool tlb_page_has_code(const RamBlock *block, uint64_t ram_offset);
/* Sets the dirty bits of a page that is about to be written without asking. */
void tlb_mark_written(RamBlock *block, uint64_t ram_offset);
bool tlb_init(X86Cpu *cpu);

/* -- Code cache (code-cache.c) ----------------------------------------------------------------- */

#define TCG_MAX_CPUS 128u
#define THUNK_SLICE (64u << 10)

typedef struct CodeCache {
    uint8_t *write, *execute; /* two views of one memfd; never both rights in one */
    size_t size, used;
    size_t stubs_end;    /* exact mode's thunks start here */
    size_t blocks_start; /* ... and blocks start here; a flush goes back to it */
    uint64_t flush_count;
} CodeCache;

extern CodeCache code_cache;
/* `blocks_size`: what is left for blocks, beside the little the stubs take. */
bool code_cache_init(size_t blocks_size, Error **err);

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
    EXIT_INSN,   /* rip set; exit_value: an Insn for the target to run */
    EXIT_EXACT,  /* at the guest instruction of return address exit_value */
    EXIT_FAULT,  /* a host fault at fault_pc; flags where its mark says */
    EXIT_HOT,    /* rip set; exit_value: the block that has been entered often */
    EXIT_POLL    /* interrupted by a poll at fault_pc */
} ExitReason;

typedef struct Stubs {
    unsigned (*enter)(X86Cpu *cpu, const void *code); /* returns an ExitReason */
    const uint8_t *exit_chain, *exit_insn, *exit_hot; /* jmp, flags saved */
    const uint8_t *exit_lookup;                       /* the same; T1 = RIP */
    const uint8_t *exit_other_key;   /* the same; T2 = 8 * the jump cache's index */
    const uint8_t *exit_branch;      /* call, flags saved; T1 = RIP */
    const uint8_t *exit_exact;       /* call, flags saved */
    const uint8_t *refill_window[4]; /* the same; scratch[4]: greatest offset; else 5 bytes on */
    const uint8_t *refill[4];        /* call by access: returns when filled */
    const uint8_t *exit_fault, *exit_poll; /* entered by the signal handler */
    unsigned (*thunk)(X86Cpu *cpu,
                      const void *code); /* exact mode's one instruction: 0 or 1 for a host fault */
    const uint8_t *thunk_done, *thunk_fault;
} Stubs;

extern Stubs stubs;
void stubs_emit(Emitter *e);

/* -- What the target provides (target/i386/translate) ------------------------------------------ */

/* Translates up to `max_insns` instructions from the CPU's RIP, whose bytes are at `bytes` (`size`
 * of them). Fills block->guest_size, code, marks, slots; false: nothing translatable here. */
bool target_translate(X86Cpu *cpu, Block *block, const uint8_t *bytes, unsigned size,
                      unsigned max_insns, Emitter *e);
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
 * exclusive before it is granted. */
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

/* -- Signals (host-signals.c) ------------------------------------------------------------------ */

/* The lines of -d exec and cpu for a block that is about to run; FPU parked. */
void exec_log(X86Cpu *cpu);
/* The execution loop: VcpuOps.run. */
void tcg_exec(Vcpu *vcpu);

bool host_signals_init(Error **err);
/* A stack for the handler; once per thread. */
bool host_signals_init_thread(Error **err);
/* The CPU whose translated code this thread runs from now on. */
void host_signals_select(X86Cpu *cpu);
/* The same for a handler; NULL: no vCPU thread. */
X86Cpu *host_signals_selected(void);

#define POLL_TRAP_ADDRESS 16

#endif
