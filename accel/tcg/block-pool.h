/* SPDX-License-Identifier: MIT */
/* The pool of blocks, shared by block.c (light) and block-pages.c. */
#ifndef ACCEL_TCG_BLOCK_POOL_H
#define ACCEL_TCG_BLOCK_POOL_H

#include "accel/tcg/options.h"
#include "accel/tcg/regions.h"

#define BLOCK_HASH_BITS 16

extern Block *block_hash[1u << BLOCK_HASH_BITS];

/* A page of RAM with translated code. */
typedef struct CodePage {
    uint64_t ram_page;
    GPtrArray *blocks;
    uint64_t granules; /* a bit per 64 bytes that hold translated code */
    /* checked-pages.c: how often it was written lately; its blocks check themselves; the bytes that
     * they load instead, a bit each. */
    uint64_t heat_time;
    uint32_t heat;
    bool is_checked;
    uint64_t forgot;      /* the last pass of blocks_forget_in_pages() that was here */
    uint32_t stale_count; /* of its blocks that were dropped and are still in `blocks` */
    uint64_t *loose;
    struct CodePage *next_checked;
} CodePage;

#define CHECK_ALL 1u /* tcg_options.check: every page is checked */
/* A write that hits code costs about that many times what one beside it does. */
#define HEAT_OF_DROP 32u
#define HEAT_TIME_SHIFT 28 /* of time stamps: heat lasts a tenth of a second */

/* Notes a write to a page with code; true: there were too many. Light. */
static inline bool code_page_grows_hot(CodePage *page, unsigned heat)
{
    uint64_t now = __builtin_ia32_rdtsc() >> HEAT_TIME_SHIFT;

    if (page->heat_time != now) {
        page->heat_time = now;
        page->heat = 0;
    }
    page->heat += heat;
    return tcg_options.check && page->heat >= tcg_options.check;
}

/* Granules of the bytes [first, last] of a page. */
static inline uint64_t block_granules(unsigned first, unsigned last)
{
    return (UINT64_MAX >> (63 - (last >> 6))) & (UINT64_MAX << (first >> 6));
}

/* The page with code of that RAM address, or NULL. Under the code lock. */
CodePage *block_page_find(uint64_t ram_page);
/* The pages that blocks_overlap() can answer for. */
void block_remember_page(CodePage *page);
void block_forget_page(const CodePage *page);

/* Enters the next block of the pool, filled by the caller. */
void block_insert(Block *block);
/* Takes it out of the hash, its chains and the jump caches. */
void block_drop(Block *block);
/* The same but for the jump caches, which the caller looks through. */
void block_detach(Block *block);
/* After that: takes it out of the lists of its pages, and all others that were dropped before this
 * pass, whose number is new. */
void blocks_forget_in_pages(const Block *block, uint64_t pass);

#endif
