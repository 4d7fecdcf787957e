/* SPDX-License-Identifier: MIT */
/* Bitmaps of 64-bit words; the _atomic forms may race with each other on the same word. */
#ifndef UTIL_BITMAP_H
#define UTIL_BITMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BITMAP_WORDS(bits) (((bits) + 63) / 64)

static inline bool bitmap_test(const uint64_t *map, size_t bit)
{
    return (__atomic_load_n(&map[bit / 64], __ATOMIC_RELAXED) >> (bit % 64)) & 1;
}

static inline void bitmap_set(uint64_t *map, size_t bit)
{
    map[bit / 64] |= 1ull << (bit % 64);
}

static inline bool bitmap_test_and_set_atomic(uint64_t *map, size_t bit)
{
    uint64_t mask = 1ull << (bit % 64);
    return __atomic_fetch_or(&map[bit / 64], mask, __ATOMIC_SEQ_CST) & mask;
}

static inline bool bitmap_test_and_clear_atomic(uint64_t *map, size_t bit)
{
    uint64_t mask = 1ull << (bit % 64);
    return __atomic_fetch_and(&map[bit / 64], ~mask, __ATOMIC_SEQ_CST) & mask;
}

/* Sets or clears `count` bits from `first`; atomic per word. */
void bitmap_set_range_atomic(uint64_t *map, size_t first, size_t count);
void bitmap_clear_range_atomic(uint64_t *map, size_t first, size_t count);

/* Index of the first set bit in [from, bits), or `bits`. */
size_t bitmap_find_set(const uint64_t *map, size_t bits, size_t from);

#endif
