/* SPDX-License-Identifier: MIT */
/*
 * A load of CR3 ends what was known of pages whose tables have changed, in the same address space
 * and in one that comes back, with PCID and without: what a translator might keep must be what a
 * new walk finds. Intel SDM vol. 3, 4.10.
 */
#include "cpu-test.h"

#define P 1ull
#define W 2ull
#define ACCESSED 0x20ull
#define DIRTY 0x40ull
#define PS 0x80ull
#define GLOBAL 0x100ull
#define WINDOW 0x8000000000ull
#define LARGE (1ull << 21)
#define ADDRESS 0x000ffffffffff000ull
#define SOURCE "SDM 3A 4.10.4.1"
#define SPACES 12 /* more than any table of a few keeps */
#define CR0_WP (1ull << 16)
#define CR4_PGE (1ull << 7)
#define CR4_PCIDE (1ull << 17)

typedef uint64_t Table[512] __attribute__((aligned(4096)));

/* Of each address space: its own tables for the window, one frame in it. */
static struct {
    Table root, pointers, directory, pages, other_pages;
} spaces[SPACES] __attribute__((aligned(4096)));
static uint32_t frames[SPACES + 2][1024] __attribute__((aligned(4096)));
static uint32_t large[2][LARGE / 4] __attribute__((aligned(1 << 21)));
static const char *prefix;
static bool has_pcid;

static void say(const char *name, uint64_t got, uint64_t want)
{
    char full[80];

    format(full, sizeof(full), "%s-%s", prefix, name);
    check(full, got, want, SOURCE);
}

/* The first space keeps PCID 0, with which the guest runs. */
static void enter(unsigned n)
{
    uint64_t pcid = has_pcid ? n : 0;

    __asm__ volatile("mov %0, %%cr3" : : "r"((word)spaces[n].root | pcid) : "memory");
}

static void make_space(unsigned n, unsigned frame, uint64_t bits)
{
    const uint64_t *common = (const uint64_t *)(read_cr3() & ADDRESS);

    for (unsigned i = 0; i < 512; i++) {
        spaces[n].root[i] = common[i];
        spaces[n].other_pages[i] = 0;
        spaces[n].pages[i] = 0;
    }
    spaces[n].root[WINDOW >> 39] = (word)spaces[n].pointers | P | W;
    spaces[n].pointers[0] = (word)spaces[n].directory | P | W;
    spaces[n].directory[0] = (word)spaces[n].pages | P | W;
    spaces[n].directory[1] = (word)large[0] | P | W | PS;
    spaces[n].pages[0] = (word)frames[frame] | P | W | bits;
}

static uint32_t seen(void)
{
    return *(volatile uint32_t *)WINDOW;
}

/* movl $value, %eax; ret */
static void write_code(uint32_t *to, uint32_t value)
{
    uint8_t code[8] = {0xb8, (uint8_t)value, (uint8_t)(value >> 8), 0, 0, 0xc3};

    memcpy(to, code, sizeof(code));
}

static uint32_t call(void)
{
    uint32_t (*volatile function)(void) = (uint32_t(*)(void))WINDOW;

    return function();
}

static void check_spaces(void)
{
    unsigned wrong = 0;

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned n = 0; n < SPACES; n++) {
            enter(n);
            wrong += seen() != n;
        }
        for (unsigned i = 0; i < 40; i++) { /* two in turn, among three */
            enter(round + (i & 1));
            wrong += seen() != round + (i & 1);
        }
    }
    say("spaces", wrong, 0);
}

static void check_leaf(void)
{
    enter(1);
    seen();
    spaces[1].pages[0] = (word)frames[SPACES] | P | W;
    enter(1);
    say("leaf-reloaded", seen(), SPACES);
    enter(2);
    seen();
    spaces[1].pages[0] = (word)frames[SPACES + 1] | P | W;
    enter(1);
    say("leaf-back", seen(), SPACES + 1);
    spaces[1].pages[0] = 0;
    enter(1);
    CATCH("movl (%0), %%eax", : "r"(WINDOW) : "eax");
    say("leaf-gone", caught.vector, 14);
    make_space(1, 1, 0);
    enter(1);
    say("leaf-again", seen(), 1);
}

static void check_upper(void)
{
    enter(1);
    seen();
    spaces[1].other_pages[0] = (word)frames[SPACES] | P | W;
    spaces[1].directory[0] = (word)spaces[1].other_pages | P | W;
    enter(1);
    say("directory-reloaded", seen(), SPACES);
    enter(2);
    seen();
    spaces[1].directory[0] = (word)spaces[1].pages | P | W;
    enter(1);
    say("directory-back", seen(), 1);
    enter(2);
    spaces[1].root[WINDOW >> 39] = (word)spaces[2].pointers | P | W;
    enter(1);
    say("root-entry", seen(), 2);
    make_space(1, 1, 0);
    enter(1);
    say("root-entry-again", seen(), 1);
    enter(0);
    make_space(1, 3, 0); /* as when the root's page is another process's next */
    enter(1);
    say("root-reused", seen(), 3);
    make_space(1, 1, 0);
}

static void check_large(void)
{
    const volatile uint32_t *at = (const volatile uint32_t *)(WINDOW + LARGE + 0x5000);

    large[0][0x5000 / 4] = 100;
    large[1][0x5000 / 4] = 101;
    enter(1);
    say("large", *at, 100);
    spaces[1].directory[1] = (word)large[1] | P | W | PS;
    enter(1);
    say("large-reloaded", *at, 101);
    enter(2);
    spaces[1].directory[1] = (word)large[0] | P | W | PS;
    enter(1);
    say("large-back", *at, 100);
}

static void check_bits(void)
{
    volatile uint64_t *leaf = &spaces[1].pages[0];

    enter(1);
    seen();
    *leaf &= ~(ACCESSED | DIRTY);
    enter(1);
    seen();
    say("accessed", *leaf & (ACCESSED | DIRTY), ACCESSED);
    *(volatile uint32_t *)WINDOW = 1;
    say("dirty", *leaf & DIRTY, DIRTY);
    *leaf &= ~DIRTY;
    enter(2);
    enter(1);
    *(volatile uint32_t *)WINDOW = 1;
    say("dirty-back", *leaf & DIRTY, DIRTY);
    *leaf &= ~W;
    enter(1);
    CATCH("movl $5, (%0)", : "r"(WINDOW));
    say("protected", caught.vector << 8 | seen(), 14 << 8 | 1);
    *leaf |= W;
    enter(1);
    *(volatile uint32_t *)WINDOW = 1;
    say("allowed", seen(), 1);
}

static void check_code(void)
{
    unsigned wrong = 0;

    write_code(frames[SPACES], 1000);
    write_code(frames[SPACES + 1], 1001);
    spaces[2].pages[0] = (word)frames[SPACES + 1] | P | W;
    for (unsigned i = 0; i < 50; i++) {
        spaces[1].pages[0] = (word)frames[SPACES + (i & 1)] | P | W;
        enter(1);
        wrong += call() != 1000 + (i & 1);
        wrong += call() != 1000 + (i & 1);
        enter(2);
        wrong += call() != 1001;
    }
    say("code", wrong, 0);
    for (unsigned i = 0; i < 50; i++) { /* its right has left the table before it is proved */
        spaces[1].pages[0] = (word)frames[SPACES + (i & 1)] | P | W;
        enter(1);
        wrong += call() != 1000 + (i & 1);
        for (uint64_t far = LARGE; far < 64 * LARGE; far *= 2) {
            *(volatile const uint32_t *)far;
        }
    }
    say("code-behind-others", wrong, 0);
    frames[SPACES][0] = SPACES;
    frames[SPACES + 1][0] = SPACES + 1;
    make_space(1, 1, 0);
    make_space(2, 2, 0);
}

static void check_all(const char *name)
{
    prefix = name;
    check_spaces();
    check_leaf();
    check_upper();
    check_large();
    check_bits();
    check_code();
    enter(0);
}

int main(void);
int main(void)
{
    for (unsigned n = 0; n < SPACES; n++) {
        make_space(n, n, 0);
    }
    for (unsigned n = 0; n < SPACES + 2; n++) {
        frames[n][0] = n;
    }
    write_cr0(read_cr0() | CR0_WP);
    check_all("plain");
    if (!(cpuid(1, 0).ecx >> 17 & 1)) {
        check_skip("pcid", "the model has no PCID");
        return 0;
    }
    write_cr4(read_cr4() | CR4_PCIDE | CR4_PGE);
    has_pcid = true;
    check_all("pcid");
    return 0;
}
