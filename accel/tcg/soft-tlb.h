/* SPDX-License-Identifier: MIT */
/* Soft TLB: tables, contexts and jump keys of a CPU (soft-tlb.c, light). See docs/design/tcg.md. */
#ifndef ACCEL_TCG_SOFT_TLB_H
#define ACCEL_TCG_SOFT_TLB_H

#include "accel/tcg/block.h"
#include "accel/tcg/proofs.h"
#include "accel/tcg/statistics.h"
#include "softmmu/memory.h"
#include "target/i386/cpu.h"

#define TLB_FLAG_GLOBAL 1u
#define TLB_FLAG_LISTED 2u /* is in filled[] */
#define TLB_WRITER_COUNTS 65536u

typedef struct TlbTable {
    TlbEntry entries[TLB_ENTRIES];
    /* Unique RAM address of the page (RamBlock.ram_address + offset). */
    uint64_t ram_page[TLB_ENTRIES];
    uint8_t flags[TLB_ENTRIES];
    uint16_t filled[TLB_ENTRIES]; /* indices of entries that may not be empty */
    unsigned filled_count;
    /* Entries that may be written, by the low bits of the number of the RAM page. */
    uint8_t writers[TLB_WRITER_COUNTS];
    TlbProof proof;
} TlbTable;

typedef struct TlbContext {
    uint64_t key; /* tlb_context_key() */
    bool valid;
    uint32_t epoch;    /* changes with each flush that takes a right to execute */
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

#define GLOBAL_EXEC_BITS 1024 /* hashed numbers of 2 MiB regions */

/* A page with translated code that was stored to; its entry of the TLB permits no writes. */
#define BESIDE_PAGES 16
typedef struct BesidePage {
    uint64_t page, context_epoch, rights_lost; /* when it was found */
    uint64_t host, ram_page;
} BesidePage;

/* Rounds of a loop that waits with PAUSE, in ticks of the host's TSC (pause.c). */
typedef struct PauseSpin {
    const void *insn;
    uint64_t since, last;
} PauseSpin;

typedef struct TcgCpu {
    TlbContext contexts[TLB_CONTEXTS];
    unsigned current;
    unsigned previous; /* the context before: likely the next one, too */
    unsigned system;   /* of implicit accesses; TLB_CONTEXTS: there is none */
    Space spaces[SPACES];
    unsigned space; /* without PCID: the current one, and its number in the contexts' keys */
    uint64_t turn;
    uint32_t next_epoch;
    uint64_t next_jump_key;
    /* What the key names in place of the context while rings 0-2 run code in global pages. */
    uint64_t global_epoch, global_exec[GLOBAL_EXEC_BITS / 64];
    bool global_exec_1g; /* one of them lies in a page of 1 GiB */
    bool key_is_global;  /* tcg.jump_key is such a key */
    int16_t global_lead; /* how many more jumps of rings 0-2 were to global pages than not */
    JumpKeySlot jump_keys[JUMP_KEY_SLOTS];
    JumpKeySlot recent_keys[4]; /* of each ring the last one */
    uint64_t turns;             /* atomic: odd within a turn, see regions.c */
    uint64_t seen_flushes;      /* flush_count at the begin of the last turn */
    int waits_empty;   /* atomic: in code_lock(), with no pointer that will be used unchecked */
    int running;       /* atomic: between two safe points, see exclusive.c */
    int waits_in_turn; /* atomic: stands still in the middle of a turn */
    bool has_operand;  /* between exclusive_operand_begin() and _end() */
    bool careful;      /* find_block(): the block that shares no checks */
    uint64_t hot_rip;  /* to be translated as a trace */
    BesidePage beside[BESIDE_PAGES];
    uint64_t rights_lost;  /* how often any right of any page was taken away */
    uint64_t slots_key;    /* of TcgState.slots: context number << 32 | epoch */
    unsigned slots_filled; /* how many are not empty, which ones, how many misses each skips */
    uint16_t slots_list[TLB_SLOTS], slot_skips[TLB_SLOTS];
    uint16_t slot_contexts[TLB_SLOTS]; /* in which each was filled last */
    uint64_t fill_time, fill_credit; /* of slots: when the last was, cycles that may go into them */
    PauseSpin spin;
    TcgStatistics statistics;
} TcgCpu;

/* Walks, fills the entry of the current context and describes the target; `access` as in
 * helpers/access.h. False: a fault was recorded. */
bool tlb_resolve(X86Cpu *cpu, uint64_t linear, unsigned access, PageTarget *ret_target);
/* From translated code: the entry of the TLB, or TcgState.once, is now filled for `access` (1 read,
 * 2 write, 3 both), and | its size << 8 if it does with TcgState.once. */
typedef enum TlbRefill { TLB_NOT_FILLED, TLB_FILLED, TLB_ONCE = TLB_FILLED | 4 } TlbRefill;
TlbRefill tlb_refill(X86Cpu *cpu, uint64_t linear, unsigned access);
/* The same for a window, unless it begins behind scratch[4] in its page. */
typedef enum WindowRefill {
    WINDOW_NOT_SHARED, /* each access has to be checked */
    WINDOW_FILLED,
    WINDOW_LEAVE /* to exact mode: the walk parked the FPU, and may have changed this very code */
} WindowRefill;
WindowRefill tlb_refill_window(X86Cpu *cpu, uint64_t linear, unsigned access);
/* Withdraws write permission for pages of RAM in every context of this CPU, which stands still or
 * is the caller's. `ram_first` is a page's RAM address, `size` of whole pages. */
void tlb_protect_pages(X86Cpu *cpu, uint64_t ram_first, uint64_t size);
/* A page that holds translated code has its DIRTY_CODE bit clear. */
bool tlb_page_has_code(const RamBlock *block, uint64_t ram_offset);
/* Sets the dirty bits of a page that is about to be written without asking. */
void tlb_mark_written(RamBlock *block, uint64_t ram_offset);
/* The key for an entry made now in the jump cache for code at that linear address; 0: of none. */
uint64_t tlb_jump_key(X86Cpu *cpu, uint64_t linear);
/* What the target says that tells contexts apart, and which address space where that does not. */
uint64_t tlb_context_key(const X86Cpu *cpu);
bool tlb_init(X86Cpu *cpu);

#endif
