/* SPDX-License-Identifier: MIT */
/* Page walks: legacy, PAE, 4- and 5-level paging. Intel SDM vol. 3 ch. 4. */
#ifndef TARGET_I386_HELPERS_PAGING_H
#define TARGET_I386_HELPERS_PAGING_H

#include "target/i386/helpers/access.h"

#define PAGING_LEVELS 5

typedef struct PageEntry {
    uint64_t address, value; /* physical address */
    const void *host;        /* where it lies, until the next safe point; NULL: no RAM */
} PageEntry;

/* Reads one of 4 or 8 bytes, which other CPUs may change meanwhile. */
static inline uint64_t page_entry_load(const void *host, unsigned size)
{
    return size == 8 ? __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
}

typedef struct PageWalk {
    uint64_t physical; /* of the byte asked for */
    uint8_t page_bits; /* 12, 21, 22 or 30: size of the page */
    /* By an access of the same class (user or supervisor, AC as now); may_write only when D is
     * already set, so that the first write walks again. */
    bool may_read, may_write, may_execute;
    bool global;
    /* The entries it came by, from the top, each of entry_size bytes; none without paging. */
    uint8_t entry_count, entry_size;
    PageEntry entries[PAGING_LEVELS];
} PageWalk;

/*
 * Translates for an access (ACCESS_* with the rights of cpu->cpl or ACCESS_SYSTEM), sets A, and D
 * for writes, atomically. Without paging: identity. False: #PF recorded with its exact error code.
 * A20 is applied. ACCESS_PEEK: false also where a bit would have to be set. Built without SSE.
 */
bool paging_walk(X86Cpu *cpu, uint64_t linear, unsigned access, PageWalk *ret_walk);

/* Loads PDPTEs from CR3 (PAE); false: reserved bits, nothing changed. */
bool paging_load_pdptes(X86Cpu *cpu, uint64_t cr3);

/* True when `linear` is canonical under CR4.LA57 (any address outside
 * long mode counts; compatibility code has none above 4 GiB, but its interrupts do). */
bool paging_is_canonical(const X86Cpu *cpu, uint64_t linear);

#endif
