/* SPDX-License-Identifier: MIT */
/* The range of a flat view that holds an address. Runs while guest FPU state is live. */
#include "softmmu/memory.h"

static inline bool range_holds(const FlatRange *range, uint64_t address)
{
    return address - range->start < range->size;
}

/*
 * The hint is shared by all threads and may be stale, which costs a search and nothing else: it is
 * only an index into a view whose ranges never change.
 */
const FlatRange *address_space_lookup(const AddressSpace *as, uint64_t address)
{
    FlatView *view = __atomic_load_n(&as->view, __ATOMIC_ACQUIRE);
    unsigned hint = __atomic_load_n(&view->last, __ATOMIC_RELAXED);

    if (hint < view->count && range_holds(&view->ranges[hint], address)) {
        return &view->ranges[hint];
    }
    size_t low = 0, high = view->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (range_holds(&view->ranges[middle], address)) {
            __atomic_store_n(&view->last, (unsigned)middle, __ATOMIC_RELAXED);
            return &view->ranges[middle];
        }
        if (address < view->ranges[middle].start) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}
