/* SPDX-License-Identifier: MIT */
/* What the files of this folder share. */
#ifndef SOFTMMU_MEMORY_INTERNAL_H
#define SOFTMMU_MEMORY_INTERNAL_H

#include "softmmu/memory.h"

#include <string.h>

/* -- flat-view.c ------------------------------------------------------------------------------- */

/* Every address space, in the order of address_space_init(). Under the lock. */
extern GPtrArray *address_spaces;

/* Makes all views anew and publishes those that differ from the ones in use. */
void flat_views_update(void);

/* Sorted, not overlapping, merged ranges of what `root` shows; the caller owns one reference. */
FlatView *flat_view_new(const Region *root);
void flat_view_unref(FlatView *view);

/* -- access.c: one access inside one region, of 1 to 8 bytes ----------------------------------- */

/* The callers have seen to sizes and alignment. */
MemResult region_read(Region *region, uint64_t offset, unsigned size, uint64_t *ret_value);
MemResult region_write(Region *region, uint64_t offset, unsigned size, uint64_t value);

static inline uint64_t all_ones(unsigned size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

/* RAM that a write to `address` of the range goes to; NULL: it goes to region_write(). */
static inline uint8_t *range_write_pointer(const FlatRange *range, uint64_t address)
{
    uint8_t *start = range->read_only ? range->write_host : range->host;

    return start ? start + (address - range->start) : NULL;
}

static inline uint64_t range_end(const FlatRange *range)
{
    return range->start + range->size;
}

#endif
