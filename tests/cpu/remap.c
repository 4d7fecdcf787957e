/* SPDX-License-Identifier: MIT */
/* Code in a page that is mapped elsewhere: INVLPG ends what was known of the page's old contents,
 * also when other pages have been used in between. Intel SDM vol. 3, 4.10.4.1. */
#include "cpu-test.h"

#define P 1ull
#define W 2ull
#define PS 0x80ull
#define WINDOW 0x8000000000ull
#define LARGE (1ull << 21)
#define ROUNDS 50

typedef uint64_t Table[512] __attribute__((aligned(4096)));
static Table window3, window2, window1;
static uint8_t frames[2][4096] __attribute__((aligned(4096)));

/* movl $value, %eax; ret */
static void write_code(uint8_t *to, uint32_t value)
{
    to[0] = 0xb8;
    memcpy(to + 1, &value, 4);
    to[5] = 0xc3;
}

static void make_window(void)
{
    uint64_t *root = (uint64_t *)(read_cr3() & ~0xfffull);

    root[WINDOW >> 39] = (word)window3 | P | W;
    window3[0] = (word)window2 | P | W;
    window2[0] = (word)window1 | P | W;
    for (unsigned i = 1; i < 512; i++) { /* memory to be read */
        window2[i] = P | PS;
    }
}

static void map(unsigned frame)
{
    window1[0] = (word)frames[frame] | P | W;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW) : "memory");
}

/* Reads the pages that are a power of two away: a TLB of any usual shape forgets the window. */
static void use_other_pages(void)
{
    for (uint64_t distance = LARGE; distance < 512 * LARGE; distance *= 2) {
        *(volatile const uint8_t *)(WINDOW + distance);
    }
}

/* Calls that returned what the other frame's code returns. */
static unsigned count_stale(bool with_others)
{
    uint32_t (*volatile function)(void) = (uint32_t(*)(void))WINDOW;
    unsigned stale = 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        map(i & 1);
        stale += function() != 1000 + (i & 1);
        stale += function() != 1000 + (i & 1);
        if (with_others) {
            use_other_pages();
        }
    }
    return stale;
}

int main(void);
int main(void)
{
    write_code(frames[0], 1000);
    write_code(frames[1], 1001);
    make_window();
    map(0);
    check("remapped-code", count_stale(false), 0, "SDM 3A 4.10.4.1");
    check("remapped-code-behind-other-pages", count_stale(true), 0, "SDM 3A 4.10.4.1");
    return 0;
}
