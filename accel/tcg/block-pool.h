/* SPDX-License-Identifier: MIT */
/* The pool of blocks, shared by block.c (light) and block-pages.c. */
#ifndef ACCEL_TCG_BLOCK_POOL_H
#define ACCEL_TCG_BLOCK_POOL_H

#include "accel/tcg/tcg-internal.h"

#define BLOCK_HASH_BITS 16

extern Block *block_pool;
extern size_t block_pool_count; /* atomic: read by the signal handler */
extern Block *block_hash[1u << BLOCK_HASH_BITS];

/* A page of RAM with translated code. */
typedef struct CodePage {
    uint64_t ram_page;
    GPtrArray *blocks;
    uint64_t granules; /* a bit per 64 bytes that hold translated code */
} CodePage;

/* Granules of the bytes [first, last] of a page. */
static inline uint64_t block_granules(unsigned first, unsigned last)
{
    return (UINT64_MAX >> (63 - (last >> 6))) & (UINT64_MAX << (first >> 6));
}

/* The pages that blocks_overlap() can answer for. */
void block_remember_page(CodePage *page);
void block_forget_page(const CodePage *page);

/* Enters the next block of the pool, filled by the caller. */
void block_insert(Block *block);
/* Takes it out of the hash, its chains and the jump caches. */
void block_drop(Block *block);

#endif
