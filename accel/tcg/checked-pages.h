/* SPDX-License-Identifier: MIT */
/* Pages whose blocks compare their bytes when they are entered: checked-pages.c. Under the code
 * lock, unless something else is said. */
#ifndef ACCEL_TCG_CHECKED_PAGES_H
#define ACCEL_TCG_CHECKED_PAGES_H

#include "accel/tcg/block-pool.h"

#define CHECKED_COUNTS 4096u
extern uint16_t checked_page_counts[CHECKED_COUNTS]; /* by the low bits of the page's number */

static inline uint16_t *checked_page_count(uint64_t ram_page)
{
    return &checked_page_counts[ram_page >> TARGET_PAGE_BITS & (CHECKED_COUNTS - 1)];
}
/* Could the page be a checked one? Without the lock. */
static inline bool checked_page_maybe(uint64_t ram_page)
{
    return __atomic_load_n(checked_page_count(ram_page), __ATOMIC_RELAXED);
}

/* Drops the blocks of the page; from now on those made are checked. */
void checked_page_begin(CodePage *page);
/* The page has no blocks and will be protected; or is about to be freed. No-op: it was not checked.
 */
void checked_page_end(CodePage *page);
/* Makes a block that is about to be filled a checked one, of `size` bytes at `host`; `checked`
 * outlives the filling. */
void checked_block_begin(Block *block, CheckedCode *checked, const CodePage *page,
                         const uint8_t *host, unsigned size);

/* Without the lock, FPU parked: the block at the CPU's RIP has found its bytes changed. */
void checked_block_stale(X86Cpu *cpu, Block *block);

extern uint64_t checked_until; /* time stamp; UINT64_MAX: there are none, or they stay */

/* Now and then, without the lock: have the pages been checked for long enough? */
static inline bool checked_pages_are_old(void)
{
    uint64_t until = __atomic_load_n(&checked_until, __ATOMIC_RELAXED);
    return until != UINT64_MAX && __builtin_ia32_rdtsc() >= until;
}
/* Then: protects them again. Without the lock, FPU parked. */
void checked_pages_calm(X86Cpu *cpu);

#endif
