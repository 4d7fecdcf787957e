/* SPDX-License-Identifier: MIT */
/*
 * Dirty pages. One bitmap per client and block, a set bit means: changed since the client looked,
 * or, for translated code: holds none. So for every client a set bit needs no further work, and a
 * page whose bits are all set may be written without asking: the translator's TLB relies on it.
 */
#include "softmmu/memory.h"
#include "util/bitmap.h"

void (*ram_code_written)(RamBlock *block, uint64_t offset, uint64_t size);
void (*ram_dirty_cleared)(RamBlock *block, uint64_t offset, uint64_t size);
void (*ram_log_changed)(RamBlock *block);
void (*ram_dirty_wanted)(RamBlock *block, uint64_t offset, uint64_t size);

typedef struct PageSpan {
    size_t first, end;
} PageSpan;

static PageSpan pages_of(const RamBlock *block, uint64_t offset, uint64_t size)
{
    g_assert(size > 0 && offset < block->size && size <= block->size - offset);
    return (PageSpan){
        .first = offset >> TARGET_PAGE_BITS,
        .end = ((offset + size - 1) >> TARGET_PAGE_BITS) + 1,
    };
}

static bool all_set(const uint64_t *map, PageSpan pages)
{
    for (size_t i = pages.first; i < pages.end; i++) {
        if (!bitmap_test(map, i)) {
            return false;
        }
    }
    return true;
}

void ram_block_mark_dirty(RamBlock *block, uint64_t offset, uint64_t size)
{
    PageSpan pages;

    if (size == 0) {
        return;
    }
    pages = pages_of(block, offset, size);
    for (unsigned client = 0; client < DIRTY_CLIENT_COUNT; client++) {
        uint64_t *map = block->dirty[client];

        if (all_set(map, pages)) {
            continue; /* the usual case, without a write to a shared cache line */
        }
        if (client == DIRTY_CODE && ram_code_written) {
            ram_code_written(block, offset, size); /* sets the bit of what holds no code any more */
        } else {
            bitmap_set_range_atomic(map, pages.first, pages.end - pages.first);
        }
    }
}

bool ram_block_test_and_clear_dirty(RamBlock *block, DirtyClient client, uint64_t offset,
                                    uint64_t size)
{
    PageSpan pages;
    bool dirty = false;

    if (size == 0) {
        return false;
    }
    pages = pages_of(block, offset, size);
    if (ram_dirty_wanted && block->logged_clients >> client & 1) {
        ram_dirty_wanted(block, offset, size);
    }
    for (size_t i = pages.first; i < pages.end; i++) {
        if (bitmap_test(block->dirty[client], i)) {
            dirty |= bitmap_test_and_clear_atomic(block->dirty[client], i);
        }
    }
    if (dirty && ram_dirty_cleared) {
        ram_dirty_cleared(block, offset, size);
    }
    return dirty;
}

void ram_block_log(RamBlock *block, DirtyClient client, bool on)
{
    unsigned bit = 1u << client;

    if (!!(block->logged_clients & bit) == on) {
        return;
    }
    block->logged_clients ^= bit;
    if (ram_log_changed) {
        ram_log_changed(block);
    }
}
