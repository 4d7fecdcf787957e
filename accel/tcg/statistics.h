/* SPDX-License-Identifier: MIT */
/* What `info jit` shows. Only C on slow paths counts: translated code is not made longer by it. */
#ifndef ACCEL_TCG_STATISTICS_H
#define ACCEL_TCG_STATISTICS_H

#include "accel/accel.h"

/* One thread counts at a time; who shows the counter reads it meanwhile without a lock. */
#define COUNT_UP(counter) COUNT_ADD(counter, 1)
#define COUNT_ADD(counter, n) COUNT_SET(counter, (counter) + (n))
#define COUNT_SET(counter, value) __atomic_store_n(&(counter), value, __ATOMIC_RELAXED)
#define COUNTED(counter) __atomic_load_n(&(counter), __ATOMIC_RELAXED)

/* Why a refill could not help and exact mode has to do the access. */
typedef enum SlowAccess {
    SLOW_DEVICE,   /* no RAM there */
    SLOW_CROSSING, /* operand in two pages */
    SLOW_CODE,     /* a write to a page with translated code */
    SLOW_ROM,      /* a write to memory that is read-only for the guest */
    SLOW_FAULT,    /* page fault, address not canonical */
    SLOW_WALK,     /* page tables in a device, or beside code that may be the running one */
    SLOW_COUNT
} SlowAccess;

/* Why the loop had exact mode run an instruction instead of a block. */
typedef enum SlowStep {
    STEP_NO_BLOCK,  /* its bytes are no RAM, lie in two pages that changed, or cannot be fetched */
    STEP_TRAP,      /* EFLAGS.TF or breakpoints */
    STEP_ALIGNMENT, /* EFLAGS.AC in ring 3 */
    STEP_SHADOW,    /* an interrupt waits behind MOV SS or STI */
    STEP_COUNT
} SlowStep;

typedef enum TlbFlush {
    TLB_FLUSH_ALL, /* control registers, MSRs, SMM, A20, the map of memory */
    TLB_FLUSH_NON_GLOBAL,
    TLB_FLUSH_PAGE,
    TLB_FLUSH_LARGE_PAGE, /* INVLPG of one: the whole context */
    TLB_FLUSH_REPLACED,   /* a context gave way to another */
    TLB_FLUSH_COUNT
} TlbFlush;

#define STATISTICS_EXITS 16 /* room for ExitReason */

/* Of one CPU, written by its thread only. */
typedef struct TcgStatistics {
    uint64_t refills, map_changes, exact_steps, lookups;
    uint64_t light_lookups; /* from a stub, which found what it looked for */
    uint64_t found_once;    /* accesses beside code or across pages, done through TcgState.once */
    uint64_t locked_lines;  /* LOCK or XCHG on two cache lines, done by C */
    uint64_t naps;          /* naps of PAUSE in a loop */
    uint64_t proved;        /* contexts that a flush left as they were, but for what had changed */
    uint64_t windows_left;  /* shared checks that failed: the careful block runs */
    uint64_t slow[SLOW_COUNT], steps[STEP_COUNT], tlb_flushes[TLB_FLUSH_COUNT];
    uint64_t exits[STATISTICS_EXITS];
} TcgStatistics;

/* Of all blocks, under the code lock. */
typedef struct BlockStatistics {
    uint64_t translated, guest_insns, guest_bytes, host_bytes, invalidated, beside_code;
    uint64_t dropped; /* of those in the cache */
    uint64_t chained; /* jumps that lead to a block now */
    uint64_t flushes; /* of everything, by a machine reset */
    uint64_t evictions, evicted, eviction_waits;
    uint64_t checked_pages, stale_blocks; /* pages made checked, checked blocks that had changed */
} BlockStatistics;

extern BlockStatistics block_statistics;

/* Text of `info jit`; caller frees. */
char *tcg_info_jit(void);
/* The counters of it, one by one. */
void tcg_count(AccelCountFn *fn, void *opaque);

#endif
