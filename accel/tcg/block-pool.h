/* SPDX-License-Identifier: MIT */
/* The pool of blocks, shared by block.c (light) and block-pages.c. */
#ifndef ACCEL_TCG_BLOCK_POOL_H
#define ACCEL_TCG_BLOCK_POOL_H

#include "accel/tcg/tcg-internal.h"

#define BLOCK_HASH_BITS 16

extern Block *block_pool;
extern size_t block_pool_count; /* atomic: read by the signal handler */
extern Block *block_hash[1u << BLOCK_HASH_BITS];

/* Enters the next block of the pool, filled by the caller. */
void block_insert(Block *block);
/* Takes it out of the hash, its chains and the jump caches. */
void block_drop(Block *block);

#endif
