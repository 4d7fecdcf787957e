/* SPDX-License-Identifier: MIT */
/* Bitmaps: ranges and searching. */
#include "util/bitmap.h"

/* Bits of the word holding bit `first` that belong to the range; *ret_taken is how many. */
static uint64_t range_mask(size_t first, size_t count, size_t *ret_taken)
{
    size_t shift = first % 64;
    size_t taken = 64 - shift < count ? 64 - shift : count;
    uint64_t ones = taken == 64 ? UINT64_MAX : (1ull << taken) - 1;

    *ret_taken = taken;
    return ones << shift;
}

void bitmap_set_range_atomic(uint64_t *map, size_t first, size_t count)
{
    while (count > 0) {
        size_t taken;
        uint64_t mask = range_mask(first, count, &taken);
        __atomic_fetch_or(&map[first / 64], mask, __ATOMIC_SEQ_CST);
        first += taken;
        count -= taken;
    }
}

void bitmap_clear_range_atomic(uint64_t *map, size_t first, size_t count)
{
    while (count > 0) {
        size_t taken;
        uint64_t mask = range_mask(first, count, &taken);
        __atomic_fetch_and(&map[first / 64], ~mask, __ATOMIC_SEQ_CST);
        first += taken;
        count -= taken;
    }
}

size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from)
{
    while (from < bits) {
        uint64_t word = __atomic_load_n(&map[from / 64], __ATOMIC_RELAXED) >> (from % 64);
        if (word != 0) {
            size_t found = from + (size_t)__builtin_ctzll(word);
            return found < bits ? found : bits;
        }
        from = (from / 64 + 1) * 64;
    }
    return bits;
}
