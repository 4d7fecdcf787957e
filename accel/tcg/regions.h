/* SPDX-License-Identifier: MIT */
/* Regions: the code cache is a ring of them; the oldest gives its space back while CPUs run on. */
#ifndef ACCEL_TCG_REGIONS_H
#define ACCEL_TCG_REGIONS_H

#include "accel/tcg/tcg-internal.h"

#define REGIONS_MAX 64
#define REGIONS_MIN 4
#define REGION_SIZE (4u << 20)     /* bytes of code, where the cache is large enough */
#define REGION_HEADROOM (1u << 17) /* more than one block can take of code or arena */

/* A piece of the cache with all that its blocks need. Under the code lock; `count` is read by the
 * signal handler too, it and `used` by who shows them. */
typedef struct CodeRegion {
    size_t start, end; /* offsets in the code cache */
    size_t used;       /* where its code ends */
    Block *blocks;     /* in the order of their code */
    size_t count, max_count;
    uint8_t *arena; /* marks, slots, kept instructions */
    size_t arena_used, arena_size;
    bool is_retired;              /* its blocks are dropped; waits for every CPU to forget them */
    uint64_t turns[TCG_MAX_CPUS]; /* TcgCpu.turns at that moment */
} CodeRegion;

extern CodeRegion code_regions[REGIONS_MAX];
extern unsigned code_region_count;
extern CodeRegion *code_region; /* the one that is being filled */

bool regions_init(Error **err);
void regions_fini(void);
/* Room for one more block; false: some CPU still is where the space may not be taken from under it,
 * and exact mode has to do. In a turn of `cpu`, with the code lock. */
bool regions_make_room(X86Cpu *cpu);
/* Nobody looks at what was in the region: every CPU but this one has ended the turn it was in. */
bool region_is_drained(const CodeRegion *region, const X86Cpu *cpu);
/* To be called when a CPU wakes: of a guest that hardly does anything the oldest code is given
 * back, a region a second. In a turn of `cpu`, FPU parked. */
void regions_trim_idle(X86Cpu *cpu);
/* One step of it, with the code lock: frees what is drained, retires the oldest. */
void regions_trim(X86Cpu *cpu);
/* Forgets everything; the memory goes back to the host if so wanted. Every CPU stands still. */
void regions_reset(bool release);
/* Blocks and bytes of code in the cache. */
size_t regions_block_count(void);
size_t regions_code_size(void);

#endif
