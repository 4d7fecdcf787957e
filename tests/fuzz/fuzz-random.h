/* SPDX-License-Identifier: MIT */
/* Random numbers for fuzzers: xoshiro256**, seeded by splitmix64. */
#ifndef TESTS_FUZZ_RANDOM_H
#define TESTS_FUZZ_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Random {
    uint64_t s[4];
} Random;

static inline uint64_t random_mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline void random_seed(Random *r, uint64_t seed)
{
    for (unsigned i = 0; i < 4; i++) {
        r->s[i] = random_mix(&seed);
    }
}

static inline uint64_t random_rotate(uint64_t value, unsigned count)
{
    return value << count | value >> (64 - count);
}

static inline uint64_t random_next(Random *r)
{
    uint64_t result = random_rotate(r->s[1] * 5, 7) * 9, t = r->s[1] << 17;

    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = random_rotate(r->s[3], 45);
    return result;
}

/* 0 to limit - 1; `limit` below 2^32. */
static inline uint64_t random_below(Random *r, uint64_t limit)
{
    return (random_next(r) >> 32) * limit >> 32;
}

static inline bool random_chance(Random *r, unsigned percent)
{
    return random_below(r, 100) < percent;
}

#endif
